package apikey

import (
	"crypto/rand"
	"slices"
	"time"

	"github.com/warder-dev/warder/secret"
)

// StandIn returns a copy of r with a secret of its own in place of the current one,
// and the text of that secret: for judging what the holder of r may do without
// having the key. The copy belongs into a store of its own that is thrown away;
// whoever stored it in place of r would take the key from its holder.
func StandIn(r Record, peppers *Peppers) (Record, secret.Text, error) {
	if !peppers.usable() {
		return Record{}, secret.Text{}, errNoPeppers
	}
	drawn, err := randomText(rand.Reader, secretLength)
	if err != nil {
		return Record{}, secret.Text{}, err
	}
	text := compose(r.Prefix, r.Environment, r.ID, drawn)
	pepper := peppers.current()
	r.Secrets = slices.Clone(r.Secrets)
	if len(r.Secrets) == 0 {
		r.Secrets = []Secret{{Created: time.Now()}}
	}
	r.Secrets[0].Digest, r.Secrets[0].Pepper, r.Secrets[0].Format = pepper.digest(text), pepper.id, ""
	return r, secret.New(text), nil
}
