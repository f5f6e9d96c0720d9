package apikey

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"
)

// An OwnerSpec says what is known of an owner. The rules are those of [Spec], so that
// a key can bear the id.
type OwnerSpec struct {
	ID       string            // 1 to 128 bytes of printable UTF-8
	Name     string            // at most 128 bytes of printable UTF-8; may be empty
	Metadata map[string]string // as [Spec.Metadata]
}

// Check reports everything that is wrong with s at once, each a [*SpecError].
func (s *OwnerSpec) Check() error {
	errs := []error{CheckOwner(s.ID), checkText("name", s.Name, maxText), checkMetadata(s.Metadata)}
	if s.ID == "" {
		errs = append(errs, &SpecError{"owner", "is missing"})
	}
	return errors.Join(errs...)
}

// CreateOwner makes the record of an owner. Errors: one or more [*SpecError], joined;
// [ErrOwnerExists]; what the store returns.
func CreateOwner(ctx context.Context, store OwnerStore, by By, spec OwnerSpec) (Owner, error) {
	if err := errors.Join(by.check(), spec.Check()); err != nil {
		return Owner{}, err
	}
	owner, err := spec.create(ctx, store, by)
	if err != nil {
		return Owner{}, fmt.Errorf("apikey: create owner: %w", err)
	}
	return owner, nil
}

func (s *OwnerSpec) create(ctx context.Context, store OwnerStore, by By) (o Owner, err error) {
	o = Owner{ID: s.ID, Name: s.Name, Metadata: maps.Clone(s.Metadata), Created: moment(time.Now())}
	o.Revision, err = store.Apply(ctx, OwnerChange{Actor: by.Actor, Source: by.Source, At: o.Created, After: &o})
	return o, err
}

// PutOwner makes what is known of an owner what spec says, whether there was a record
// of it or not, which created tells. To say the same again writes nothing. revision is
// the one that was read, 0 for whatever there is. Errors: one or more [*SpecError],
// joined; [ErrConflict] when the record is at another revision, or is none, or when
// others keep changing it; what the store returns: then asking again is safe.
func PutOwner(ctx context.Context, store OwnerStore, by By, spec OwnerSpec, revision Revision) (o Owner, created bool, err error) {
	if err := errors.Join(by.check(), spec.Check()); err != nil {
		return Owner{}, false, err
	}
	for range changeTries {
		if o, created, err = spec.put(ctx, store, by, revision); err == nil {
			return o, created, nil
		}
		if !errors.Is(err, ErrConflict) || revision != 0 {
			break
		}
	}
	return Owner{}, false, fmt.Errorf("apikey: change owner: %w", err)
}

// put is [PutOwner] once: [ErrConflict] also when the record came or went between two
// steps.
func (s *OwnerSpec) put(ctx context.Context, store OwnerStore, by By, revision Revision) (o Owner, created bool, err error) {
	before, err := store.Lookup(ctx, s.ID)
	switch {
	case err == nil:
		o, err = s.replace(ctx, store, by, &before, revision)
	case errors.Is(err, ErrNoOwner) && revision == 0:
		o, err = s.create(ctx, store, by)
		created = err == nil
	}
	if errors.Is(err, ErrOwnerExists) || errors.Is(err, ErrNoOwner) {
		err = ErrConflict
	}
	return o, created, err
}

// replace makes of the record what s says.
func (s *OwnerSpec) replace(ctx context.Context, store OwnerStore, by By, before *Owner, revision Revision) (Owner, error) {
	if revision != 0 && before.Revision != revision {
		return Owner{}, ErrConflict
	}
	if before.Name == s.Name && maps.Equal(before.Metadata, s.Metadata) {
		return *before, nil
	}
	after, now := *before, moment(time.Now())
	after.Name, after.Metadata, after.Updated = s.Name, maps.Clone(s.Metadata), now
	var err error
	after.Revision, err = store.Apply(ctx, OwnerChange{Actor: by.Actor, Source: by.Source, At: now, Before: before, After: &after})
	return after, err
}

// DeleteOwner takes the record of an owner out of the store. Its keys stay as they are:
// [Filter] finds them, to revoke them. revision is the one that is meant, 0 for whatever
// there is. Errors: [*SpecError], [ErrNoOwner]; [ErrConflict] when the record is at
// another revision, or when others keep changing it; what the store returns: then asking
// again is safe.
func DeleteOwner(ctx context.Context, store OwnerStore, by By, id string, revision Revision) error {
	if err := by.check(); err != nil {
		return err
	}
	var err error
	for range changeTries {
		var before Owner
		if before, err = store.Lookup(ctx, id); err != nil {
			break
		}
		if revision != 0 && before.Revision != revision {
			err = ErrConflict
			break
		}
		_, err = store.Apply(ctx, OwnerChange{Actor: by.Actor, Source: by.Source, At: moment(time.Now()), Before: &before})
		if err == nil {
			return nil
		}
		if !errors.Is(err, ErrConflict) {
			break
		}
	}
	return fmt.Errorf("apikey: delete owner: %w", err)
}
