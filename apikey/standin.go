package apikey

import (
	"context"
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

// standInKey is where a context has what stands in.
type standInKey struct{}

// A standIn is a key as one verifier shall judge it.
type standIn struct {
	verifier *Verifier
	slot     *slot
}

// StandIn returns a context in which the text that it also returns proves the holder
// of r, to this verifier and for dry exchanges alone, as the text of the key itself
// would: revoked, expired or narrowed as r is. Nothing is stored, and no cache knows
// of it. It is for explaining what the holder of a key may do without having the key.
func (v *Verifier) StandIn(ctx context.Context, r Record) (context.Context, secret.Text, error) {
	r, text, err := StandIn(r, v.cfg.Peppers)
	if err != nil {
		return nil, secret.Text{}, err
	}
	return context.WithValue(ctx, standInKey{}, &standIn{v, v.newSlot(r.ID, &r)}), text, nil
}

// standsIn returns what stands in for the id in ctx; nil for nothing.
func (v *Verifier) standsIn(ctx context.Context, id ID) *slot {
	if s, _ := ctx.Value(standInKey{}).(*standIn); s != nil && s.verifier == v && s.slot.id == id {
		return s.slot
	}
	return nil
}
