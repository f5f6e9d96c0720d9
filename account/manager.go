package account

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/warder-dev/warder/secret"
)

// A Sealer keeps text secret at rest, under a key that the store does not have.
// apikey.Peppers is one.
type Sealer interface {
	// Seal returns plain under the current key, bound to context, and the id of the
	// pepper that the key was made from.
	Seal(plain []byte, context string) (sealed, pepper string, err error)

	// Open is the reverse of Seal. It fails for another context, and for a pepper
	// that is not there.
	Open(sealed, pepper, context string) ([]byte, error)
}

// Config configures a [Manager]. Store, Hash and Sealer are required.
type Config struct {
	_      [0]func()
	Store  Store                             // Required.
	Hash   func(secret.Text) (string, error) // the argon2id hash of a password, as a PHC string. Required.
	Sealer Sealer                            // of the shared secrets of authenticators. Required.

	// Known reports whether a new password is one that others know: that everybody tries
	// it, that it leaked, or that it is made of the words, which are known of its
	// account. An error refuses the password too, since nobody can tell.
	// session/password/known has one. nil: none is known.
	Known func(password secret.Text, words ...string) (bool, error)

	Issuer string                           // what authenticators show beside the name. Default "warder".
	Ended  func(ctx context.Context, id ID) // told when the sessions of an account are worth nothing any more, to remove them. May be nil.
}

// A Manager changes accounts. It is safe for concurrent use.
type Manager struct{ cfg Config }

// New reports everything that is wrong with cfg at once.
func New(cfg Config) (*Manager, error) {
	var errs []error
	if cfg.Store == nil {
		errs = append(errs, errors.New("account: Store is missing"))
	}
	if cfg.Hash == nil {
		errs = append(errs, errors.New("account: Hash is missing"))
	}
	if cfg.Sealer == nil {
		errs = append(errs, errors.New("account: Sealer is missing"))
	}
	cfg.Issuer = cmp.Or(cfg.Issuer, "warder")
	errs = append(errs, checkText("issuer", cfg.Issuer, true))
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if cfg.Ended == nil {
		cfg.Ended = func(context.Context, ID) {}
	}
	return &Manager{cfg: cfg}, nil
}

// Store returns the store.
func (m *Manager) Store() Store { return m.cfg.Store }

// changeTries is how often a change is tried that meets another one.
const changeTries = 5

// update writes what mend makes of the account, again when another change came
// between, unless a revision is wanted. mend returns an error to change nothing.
func (m *Manager) update(ctx context.Context, by Actor, id ID, revision Revision, op Op, mend func(a *Account, now time.Time) error) (Account, error) {
	if err := by.check(); err != nil {
		return Account{}, err
	}
	var err error
	for range changeTries {
		var before Account
		if before, err = m.cfg.Store.Lookup(ctx, id); err != nil {
			break
		}
		if revision != 0 && before.Revision != revision {
			return Account{}, ErrConflict
		}
		after, now := before.clone(), moment(time.Now())
		if err = mend(&after, now); err != nil {
			break
		}
		after.Updated = now
		after.Revision, err = m.cfg.Store.Apply(ctx, Change{Actor: by.By, Source: by.Source, Op: op, At: now, Before: &before, After: &after})
		if err == nil {
			if after.Epoch != before.Epoch {
				m.cfg.Ended(ctx, id)
			}
			return after, nil
		}
		if !errors.Is(err, ErrConflict) {
			break
		}
	}
	return Account{}, named(op, err)
}

// named says what was tried, unless err says by itself what is wrong.
func named(op Op, err error) error {
	for _, known := range []error{ErrNotFound, ErrExists, ErrConflict, ErrLastOwner, ErrForbidden, ErrOwnRole, ErrStale, ErrGone, ErrElsewhere, ErrFactor, ErrCode, ErrSetUp} {
		if errors.Is(err, known) {
			return err
		}
	}
	if _, ok := errors.AsType[*FieldError](err); ok {
		return err
	}
	return fmt.Errorf("account: %s: %w", op, err)
}

// All returns every account, in ascending order of ID.
func (m *Manager) All(ctx context.Context) (all []Account, err error) {
	for after := ID(""); ; after = all[len(all)-1].ID {
		some, err := m.cfg.Store.List(ctx, after, maxPage)
		if err != nil {
			return nil, fmt.Errorf("account: list: %w", err)
		}
		all = append(all, some...)
		if len(some) < maxPage {
			return all, nil
		}
	}
}
