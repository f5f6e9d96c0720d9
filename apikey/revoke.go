package apikey

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// changeTries is how often a change is tried that meets another one.
const changeTries = 5

// Reasons of revocations that mean the same everywhere, as those of certificates
// do (RFC 5280, section 5.3.1). Others are as good.
const (
	ReasonUnspecified          = "unspecified"
	ReasonKeyCompromise        = "key-compromise"         // somebody else has it
	ReasonAffiliationChanged   = "affiliation-changed"    // the owner is another one, or works for somebody else
	ReasonSuperseded           = "superseded"             // another key took its place
	ReasonCessationOfOperation = "cessation-of-operation" // what it was for is gone
	ReasonPrivilegeWithdrawn   = "privilege-withdrawn"    // the owner may not use it any more
	ReasonIdle                 = "idle"                   // unused for [Record.IdleRevoke]
)

// Revoke ends the key for good. reason is a word for the log: at most 64 lower
// case letters, digits and "-"; may be empty. A key that is revoked already is
// returned as it is. Errors: [*SpecError], [ErrNotFound], [ErrConflict] when
// others keep changing the key, or what the store returns: then the key may
// be revoked or not, and asking again is safe.
//
// It needs no pepper: a key can be taken away also when nobody can verify it.
func Revoke(ctx context.Context, store Store, by By, id ID, reason string) (Record, error) {
	return RevokeAt(ctx, store, by, id, 0, reason)
}

// RevokeAt is [Revoke] of the key as it was at a revision, 0 for whatever there
// is: [ErrConflict] when it is at another one, which the store judges in the
// transaction of the change.
func RevokeAt(ctx context.Context, store Store, by By, id ID, revision Revision, reason string) (Record, error) {
	if err := errors.Join(by.check(), checkReason(reason)); err != nil {
		return Record{}, err
	}
	return edit(ctx, store, by, id, revision, OpRevoke, func(r *Record, now time.Time) (bool, error) {
		if !r.Revoked.IsZero() {
			return false, nil
		}
		r.Revoked, r.Reason = now, reason
		return true, nil
	})
}

// Disable takes the key out of use until [Enable]: it is refused like an unknown
// one. A key that is disabled or revoked already is returned as it is. Errors are
// those of [Revoke].
func Disable(ctx context.Context, store Store, by By, id ID) (Record, error) {
	return DisableAt(ctx, store, by, id, 0)
}

// DisableAt is [Disable] of the key as it was at a revision; see [RevokeAt].
func DisableAt(ctx context.Context, store Store, by By, id ID, revision Revision) (Record, error) {
	if err := by.check(); err != nil {
		return Record{}, err
	}
	return edit(ctx, store, by, id, revision, OpDisable, func(r *Record, _ time.Time) (bool, error) {
		change := !r.Disabled && r.Revoked.IsZero()
		r.Disabled = r.Disabled || change
		return change, nil
	})
}

// Enable ends what [Disable] did. A key that is not disabled, or that is revoked,
// is returned as it is. Errors are those of [Revoke].
func Enable(ctx context.Context, store Store, by By, id ID) (Record, error) {
	return EnableAt(ctx, store, by, id, 0)
}

// EnableAt is [Enable] of the key as it was at a revision; see [RevokeAt].
func EnableAt(ctx context.Context, store Store, by By, id ID, revision Revision) (Record, error) {
	if err := by.check(); err != nil {
		return Record{}, err
	}
	return edit(ctx, store, by, id, revision, OpEnable, func(r *Record, _ time.Time) (bool, error) {
		change := r.Disabled && r.Revoked.IsZero()
		r.Disabled = r.Disabled && !change
		return change, nil
	})
}

// edit writes what mend makes of the record as it was at a revision; else
// [ErrConflict]. A revision of 0 is whatever there is, again when another change
// came between. mend reports false when nothing is to be changed, and an error ends
// it. What r shares with the record before, such as its lists, mend replaces and
// does not change.
func edit(ctx context.Context, store Store, by By, id ID, revision Revision, op Op, mend func(r *Record, now time.Time) (bool, error)) (Record, error) {
	var err error
	for range changeTries {
		var before Record
		if before, err = store.Lookup(ctx, id); err != nil {
			break
		}
		if err = expect(&before, revision); err != nil {
			break
		}
		after, now := before, moment(time.Now())
		var changed bool
		if changed, err = mend(&after, now); err != nil {
			return Record{}, err // it names itself
		}
		if !changed {
			return before, nil
		}
		after.Updated = now
		if err = apply(ctx, store, by, op, &before, &after, now); err == nil {
			return after, nil
		}
		if !errors.Is(err, ErrConflict) {
			break
		}
	}
	return Record{}, fmt.Errorf("apikey: %s: %w", op, err)
}

// expect is [ErrConflict] when a change came after the revision. 0 expects none.
func expect(r *Record, revision Revision) error {
	if revision != 0 && r.Revision != revision {
		return ErrConflict
	}
	return nil
}

// Revoke is the function Revoke on the issuer's store, and tells Changed.
func (i *Issuer) Revoke(ctx context.Context, by By, id ID, reason string) (Record, error) {
	return i.RevokeAt(ctx, by, id, 0, reason)
}

// RevokeAt is the function RevokeAt on the issuer's store, and tells Changed.
func (i *Issuer) RevokeAt(ctx context.Context, by By, id ID, revision Revision, reason string) (Record, error) {
	record, err := RevokeAt(ctx, i.cfg.Store, by, id, revision, reason)
	i.tell(id, err)
	return record, err
}

// Disable is the function Disable on the issuer's store, and tells Changed.
func (i *Issuer) Disable(ctx context.Context, by By, id ID) (Record, error) {
	return i.DisableAt(ctx, by, id, 0)
}

// DisableAt is the function DisableAt on the issuer's store, and tells Changed.
func (i *Issuer) DisableAt(ctx context.Context, by By, id ID, revision Revision) (Record, error) {
	record, err := DisableAt(ctx, i.cfg.Store, by, id, revision)
	i.tell(id, err)
	return record, err
}

// Enable is the function Enable on the issuer's store, and tells Changed.
func (i *Issuer) Enable(ctx context.Context, by By, id ID) (Record, error) {
	return i.EnableAt(ctx, by, id, 0)
}

// EnableAt is the function EnableAt on the issuer's store, and tells Changed.
func (i *Issuer) EnableAt(ctx context.Context, by By, id ID, revision Revision) (Record, error) {
	record, err := EnableAt(ctx, i.cfg.Store, by, id, revision)
	i.tell(id, err)
	return record, err
}

// tell tells Changed, also when the store gave no answer: the change may have
// been written.
func (i *Issuer) tell(id ID, err error) {
	_, refused := errors.AsType[*SpecError](err)
	if refused || errors.Is(err, ErrExists) || errors.Is(err, ErrNotFound) || errors.Is(err, ErrRevoked) || errors.Is(err, ErrExpired) {
		return
	}
	i.cfg.Changed(id)
}

// apply writes the change and sets after's revision.
func apply(ctx context.Context, store Store, by By, op Op, before, after *Record, now time.Time) error {
	revision, err := store.Apply(ctx, Change{
		Actor: by.Actor, Source: by.Source, Op: op, At: now, Before: before, After: after,
	})
	after.Revision = revision
	return err
}
