package apikey

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/warder-dev/warder/secret"
)

// defaultPrefix begins the keys of an [IssuerConfig] that names no prefix.
const defaultPrefix = "wrd"

// createTries is how many ids are drawn: one that is taken is already a rarity
// of 1 in 62^12.
const createTries = 5

// By is who asks for a change, for the audit.
type By struct {
	Actor  string // "user:ada", "system"; required
	Source string // "cli", an address; required
}

// check refuses what would spoil the audit.
func (b By) check() error {
	errs := []error{checkText("actor", b.Actor, maxActor), checkText("source", b.Source, maxText)}
	if b.Actor == "" {
		errs = append(errs, &SpecError{"actor", "is missing"})
	}
	if b.Source == "" {
		errs = append(errs, &SpecError{"source", "is missing"})
	}
	return errors.Join(errs...)
}

// IssuerConfig configures an [Issuer].
type IssuerConfig struct {
	_       [0]func()
	Store   Store     // Required.
	Peppers *Peppers  // Required; new digests are made under the first.
	Prefix  string    // of new keys: 1 to 16 lower case letters and digits, a letter first. Default "wrd".
	Random  io.Reader // Default crypto/rand. Its errors stop the operation.
	Policy  Policy    // The zero value sets no bound but 3 secrets.
	Changed func(ID)  // told after each change, and after each that may have happened, such as [Verifier.Invalidate]. May be nil.
}

// An Issuer creates, changes, rolls and revokes keys. It is safe for concurrent use.
type Issuer struct{ cfg IssuerConfig }

// NewIssuer reports everything that is wrong with cfg at once.
func NewIssuer(cfg IssuerConfig) (*Issuer, error) {
	if cfg.Prefix == "" {
		cfg.Prefix = defaultPrefix
	}
	if cfg.Random == nil {
		cfg.Random = rand.Reader
	}
	if cfg.Policy.MaxSecrets == 0 {
		cfg.Policy.MaxSecrets = defaultMaxSecrets
	}
	if cfg.Changed == nil {
		cfg.Changed = func(ID) {}
	}
	errs := []error{cfg.Policy.check()}
	if cfg.Store == nil {
		errs = append(errs, errNoStore)
	}
	if !cfg.Peppers.usable() {
		errs = append(errs, errNoPeppers)
	}
	if !validPrefix(cfg.Prefix) {
		errs = append(errs, fmt.Errorf("apikey: prefix %q: want 1 to %d lower case letters and digits, a letter first", cfg.Prefix, wordLength))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return &Issuer{cfg: cfg}, nil
}

// make gives a draft an id and a secret.
func (i *Issuer) make(draft Record, now time.Time) (Made, error) {
	drawn, err := randomText(i.cfg.Random, idLength+secretLength)
	if err != nil {
		return Made{}, err
	}
	draft.ID = ID(slices.Clone([]byte(drawn[:idLength]))) // no substring: the record must not hold the secret in memory
	text := compose(i.cfg.Prefix, draft.Environment, draft.ID, drawn[idLength:])
	draft.Secrets = []Secret{i.newSecret(text, 1, now)}
	return Made{draft, secret.New(text)}, nil
}

// newSecret is the record of a text under the current pepper.
func (i *Issuer) newSecret(text string, number int, now time.Time) Secret {
	pepper := i.cfg.Peppers.current()
	return Secret{Digest: pepper.digest(text), Pepper: pepper.id, Created: now, Number: number}
}

// moment is t as every store can keep it.
func moment(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Millisecond)
}
