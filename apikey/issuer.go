package apikey

import (
	"context"
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
	errs := []error{checkText("actor", b.Actor), checkText("source", b.Source)}
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
	Changed func(ID)  // told after each change, and after each that may have happened, such as [Verifier.Invalidate]. May be nil.
}

// An Issuer creates and revokes keys. It is safe for concurrent use.
type Issuer struct{ cfg IssuerConfig }

// NewIssuer reports everything that is wrong with cfg at once.
func NewIssuer(cfg IssuerConfig) (*Issuer, error) {
	if cfg.Prefix == "" {
		cfg.Prefix = defaultPrefix
	}
	if cfg.Random == nil {
		cfg.Random = rand.Reader
	}
	if cfg.Changed == nil {
		cfg.Changed = func(ID) {}
	}
	var errs []error
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

// Create makes a key and stores its digest. The text is returned here and never
// again. Errors: one or more [*SpecError], joined; an error of the random source,
// with nothing stored; what the store returns. After an error of the store the
// key may exist, but nobody has its text.
func (i *Issuer) Create(ctx context.Context, by By, spec Spec) (Record, secret.Text, error) {
	now := moment(time.Now())
	spec.Expires = moment(spec.Expires)
	if err := errors.Join(by.check(), spec.Check(now)); err != nil {
		return Record{}, secret.Text{}, err
	}
	for range createTries {
		record, text, err := i.make(spec, now)
		if err != nil {
			return Record{}, secret.Text{}, err
		}
		err = apply(ctx, i.cfg.Store, by, OpCreate, nil, &record, now)
		i.tell(record.ID, err)
		if errors.Is(err, ErrExists) {
			continue
		}
		if err != nil {
			return Record{}, secret.Text{}, fmt.Errorf("apikey: create: %w", err)
		}
		return record, secret.New(text), nil
	}
	return Record{}, secret.Text{}, fmt.Errorf("apikey: create: %w, %d times", ErrExists, createTries)
}

// make draws a key of its own id and secret.
func (i *Issuer) make(spec Spec, now time.Time) (Record, string, error) {
	drawn, err := randomText(i.cfg.Random, idLength+secretLength)
	if err != nil {
		return Record{}, "", err
	}
	id := ID(slices.Clone([]byte(drawn[:idLength]))) // no substring: the record must not hold the secret in memory
	text := compose(i.cfg.Prefix, spec.Environment, id, drawn[idLength:])
	pepper := i.cfg.Peppers.current()
	return Record{
		ID: id, Prefix: i.cfg.Prefix, Environment: spec.Environment,
		Name: spec.Name, Owner: spec.Owner, Scopes: slices.Clone(spec.Scopes),
		Created: now, Expires: spec.Expires, Certificate: spec.Certificate,
		Secrets: []Secret{{Digest: pepper.digest(text), Pepper: pepper.id, Created: now}},
	}, text, nil
}

// moment is t as every store can keep it.
func moment(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Millisecond)
}
