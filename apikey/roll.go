package apikey

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/warder-dev/warder/secret"
)

// Errors of changes to a key that is past them.
var (
	// ErrRevoked means that the key is revoked, which is for good.
	ErrRevoked = errors.New("apikey: key is revoked")

	// ErrExpired means that the key has expired. An update of Expires mends that.
	ErrExpired = errors.New("apikey: key has expired")
)

// A RollSpec says what becomes of the secret that a roll replaces.
type RollSpec struct {
	Overlap    time.Duration // how long it works on: 0 to 90 d
	IdleRetire time.Duration // its end comes earlier when it was unused for so long: 1 min to 90 d; 0: it does not
}

const (
	maxOverlap    = 90 * 24 * time.Hour
	minIdleRetire = time.Minute
)

// check reports everything that is wrong with s.
func (s *RollSpec) check() error {
	err := checkIdle("overlap", s.Overlap, time.Millisecond, maxOverlap)
	return errors.Join(err, checkIdle("idle_retire", s.IdleRetire, minIdleRetire, maxOverlap))
}

// Roll gives the key a new secret, whose text is returned here and never again.
// The id stays, and with it limits, credits, usage and audit. The secret that was
// current retires when the overlap is over, and those that were retiring already
// not after it: no older secret outlives a newer one. Of more than
// [Policy.MaxSecrets] the oldest end at once.
//
// revision is the one that is meant to be rolled, 0 for whatever there is. Errors:
// [*SpecError]; [ErrNotFound], [ErrRevoked], [ErrExpired]; [ErrConflict] when the
// key is at another revision, or when others keep changing it; an error of the
// random source; what the store returns. After such an error the key may be
// rolled, but nobody has the new text: with an overlap of 0 nobody may have a text
// that works, until it is rolled again.
func (i *Issuer) Roll(ctx context.Context, by By, id ID, revision Revision, spec RollSpec) (Record, secret.Text, error) {
	if err := errors.Join(by.check(), spec.check()); err != nil {
		return Record{}, secret.Text{}, err
	}
	drawn, err := randomText(i.cfg.Random, secretLength)
	if err != nil {
		return Record{}, secret.Text{}, err
	}
	var text string
	record, err := edit(ctx, i.cfg.Store, by, id, revision, OpRoll, func(r *Record, now time.Time) (bool, error) {
		if err := usable(r, now); err != nil {
			return false, err
		}
		text = compose(i.cfg.Prefix, r.Environment, r.ID, drawn)
		r.Prefix = i.cfg.Prefix
		r.Secrets = i.roll(r, text, spec, now)
		return true, nil
	})
	i.tell(id, err)
	if err != nil {
		return Record{}, secret.Text{}, err
	}
	return record, secret.New(text), nil
}

// usable refuses a key that is past being rolled. A disabled one may be: that is
// how it comes back after a leak.
func usable(r *Record, now time.Time) error {
	switch {
	case !r.Revoked.IsZero():
		return ErrRevoked
	case !r.Expires.IsZero() && !now.Before(r.Expires):
		return ErrExpired
	default:
		return nil
	}
}

// roll returns the secrets with a new one in front.
func (i *Issuer) roll(r *Record, text string, spec RollSpec, now time.Time) []Secret {
	end := moment(now.Add(spec.Overlap))
	former := slices.Clone(r.Secrets)
	number := 0
	for k := range former {
		one := &former[k]
		number = max(number, one.Number)
		if one.Retires.IsZero() {
			one.Retires, one.IdleRetire = end, spec.IdleRetire
		} else if one.Retires.After(end) {
			one.Retires = end
		}
	}
	former = slices.DeleteFunc(former, func(s Secret) bool { return !now.Before(s.Retires) })
	slices.SortStableFunc(former, func(a, b Secret) int { return b.Number - a.Number })
	former = former[:min(len(former), i.cfg.Policy.MaxSecrets-1)]
	return append([]Secret{i.newSecret(text, number+1, now)}, former...)
}

// EndOverlap ends every retiring secret of the key now. A key without one is
// returned as it is. revision is as in [Issuer.Roll]; errors are those of [Revoke].
func EndOverlap(ctx context.Context, store Store, by By, id ID, revision Revision) (Record, error) {
	if err := by.check(); err != nil {
		return Record{}, err
	}
	return edit(ctx, store, by, id, revision, OpEndOverlap, func(r *Record, _ time.Time) (bool, error) {
		current := slices.DeleteFunc(slices.Clone(r.Secrets), func(s Secret) bool { return !s.Retires.IsZero() })
		if len(current) == 0 || len(current) == len(r.Secrets) {
			return false, nil
		}
		r.Secrets = current
		return true, nil
	})
}

// EndOverlap is the function EndOverlap on the issuer's store, and tells Changed.
func (i *Issuer) EndOverlap(ctx context.Context, by By, id ID, revision Revision) (Record, error) {
	record, err := EndOverlap(ctx, i.cfg.Store, by, id, revision)
	i.tell(id, err)
	return record, err
}
