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
	if err := errors.Join(by.check(), checkReason(reason)); err != nil {
		return Record{}, err
	}
	return update(ctx, store, by, id, OpRevoke, func(r *Record, now time.Time) bool {
		if !r.Revoked.IsZero() {
			return false
		}
		r.Revoked, r.Reason = now, reason
		return true
	})
}

// Disable takes the key out of use until [Enable]: it is refused like an unknown
// one. A key that is disabled or revoked already is returned as it is. Errors are
// those of [Revoke].
func Disable(ctx context.Context, store Store, by By, id ID) (Record, error) {
	if err := by.check(); err != nil {
		return Record{}, err
	}
	return update(ctx, store, by, id, OpDisable, func(r *Record, _ time.Time) bool {
		change := !r.Disabled && r.Revoked.IsZero()
		r.Disabled = r.Disabled || change
		return change
	})
}

// Enable ends what [Disable] did. A key that is not disabled, or that is revoked,
// is returned as it is. Errors are those of [Revoke].
func Enable(ctx context.Context, store Store, by By, id ID) (Record, error) {
	if err := by.check(); err != nil {
		return Record{}, err
	}
	return update(ctx, store, by, id, OpEnable, func(r *Record, _ time.Time) bool {
		change := r.Disabled && r.Revoked.IsZero()
		r.Disabled = r.Disabled && !change
		return change
	})
}

// update writes what mend makes of the record, again when another change came
// between. mend reports false when nothing is to be changed.
func update(ctx context.Context, store Store, by By, id ID, op Op, mend func(r *Record, now time.Time) bool) (Record, error) {
	return edit(ctx, store, by, id, 0, op, func(r *Record, now time.Time) (bool, error) { return mend(r, now), nil })
}

// edit is update of the record as it was at a revision, unless that is 0; else
// [ErrConflict]. An error of mend ends it. What r shares with the record before,
// such as its lists, mend replaces and does not change.
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
	record, err := Revoke(ctx, i.cfg.Store, by, id, reason)
	i.tell(id, err)
	return record, err
}

// Disable is the function Disable on the issuer's store, and tells Changed.
func (i *Issuer) Disable(ctx context.Context, by By, id ID) (Record, error) {
	record, err := Disable(ctx, i.cfg.Store, by, id)
	i.tell(id, err)
	return record, err
}

// Enable is the function Enable on the issuer's store, and tells Changed.
func (i *Issuer) Enable(ctx context.Context, by By, id ID) (Record, error) {
	record, err := Enable(ctx, i.cfg.Store, by, id)
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
