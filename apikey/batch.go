package apikey

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/warder-dev/warder/secret"
)

// Made is a key that was made, with its text: here and never again.
type Made struct {
	Record Record
	Text   secret.Text
}

// An ItemError reports what is wrong with one of several specs.
type ItemError struct {
	Index int   // from 0
	Err   error // one or more [*SpecError], joined
}

func (e *ItemError) Error() string { return fmt.Sprintf("number %d: %v", e.Index+1, e.Err) }

// Unwrap returns Err.
func (e *ItemError) Unwrap() error { return e.Err }

var (
	errNoBatcher = errors.New("apikey: create: the store writes no batches")
	errManySpecs = &SpecError{"keys", fmt.Sprintf("want 1 to %d", MaxBatch)}
)

// Create makes a key and stores its digest. The text is returned here and never
// again. Errors: one or more [*SpecError], joined; an error of the random source,
// with nothing stored; what the store returns. After an error of the store the
// key may exist, but nobody has its text.
func (i *Issuer) Create(ctx context.Context, by By, spec Spec) (Record, secret.Text, error) {
	now := moment(time.Now())
	draft, err := i.draft(&spec, now)
	if err := errors.Join(by.check(), err); err != nil {
		return Record{}, secret.Text{}, err
	}
	for range createTries {
		made, err := i.make(draft, now)
		if err != nil {
			return Record{}, secret.Text{}, err
		}
		err = apply(ctx, i.cfg.Store, by, OpCreate, nil, &made.Record, now)
		i.tell(made.Record.ID, err)
		if errors.Is(err, ErrExists) {
			continue
		}
		if err != nil {
			return Record{}, secret.Text{}, fmt.Errorf("apikey: create: %w", err)
		}
		return made.Record, made.Text, nil
	}
	return Record{}, secret.Text{}, fmt.Errorf("apikey: create: %w, %d times", ErrExists, createTries)
}

// CreateAll makes a key for each of 1 to [MaxBatch] specs, in their order: all or
// none, in one transaction. The store has to be a [Batcher]. Errors are those of
// Create; what is wrong with the specs is an [*ItemError] for each that is wrong.
func (i *Issuer) CreateAll(ctx context.Context, by By, specs []Spec) ([]Made, error) {
	store, ok := i.cfg.Store.(Batcher)
	if !ok {
		return nil, errNoBatcher
	}
	now := moment(time.Now())
	drafts, err := i.drafts(specs, now)
	if err := errors.Join(by.check(), err); err != nil {
		return nil, err
	}
	for range createTries {
		made, changes, err := i.makeAll(drafts, by, now)
		if err != nil {
			return nil, err
		}
		revisions, err := store.ApplyAll(ctx, changes)
		for k := range made {
			i.tell(made[k].Record.ID, err)
		}
		if errors.Is(err, ErrExists) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("apikey: create: %w", err)
		}
		for k := range made {
			made[k].Record.Revision = revisions[k]
		}
		return made, nil
	}
	return nil, fmt.Errorf("apikey: create: %w, %d times", ErrExists, createTries)
}

// draft is the record of a key before it has an id and a secret.
func (i *Issuer) draft(spec *Spec, now time.Time) (Record, error) {
	r := spec.record()
	r.Prefix, r.Created = i.cfg.Prefix, now
	var err error
	r.Expires, err = i.cfg.Policy.expires(spec, now)
	return r, errors.Join(spec.Check(now), err)
}

// drafts drafts every spec.
func (i *Issuer) drafts(specs []Spec, now time.Time) ([]Record, error) {
	if len(specs) < 1 || len(specs) > MaxBatch {
		return nil, errManySpecs
	}
	var errs []error
	drafts := make([]Record, len(specs))
	for k := range specs {
		var err error
		if drafts[k], err = i.draft(&specs[k], now); err != nil {
			errs = append(errs, &ItemError{k, err})
		}
	}
	return drafts, errors.Join(errs...)
}

// makeAll draws keys of different ids, and the changes that create them.
func (i *Issuer) makeAll(drafts []Record, by By, now time.Time) ([]Made, []Change, error) {
	made, changes := make([]Made, len(drafts)), make([]Change, len(drafts))
	drawn := make(map[ID]struct{}, len(drafts))
	for k := range drafts {
		for taken := true; taken; {
			var err error
			if made[k], err = i.make(drafts[k], now); err != nil {
				return nil, nil, err
			}
			_, taken = drawn[made[k].Record.ID]
		}
		drawn[made[k].Record.ID] = struct{}{}
		changes[k] = Change{Actor: by.Actor, Source: by.Source, Op: OpCreate, At: now, After: &made[k].Record}
	}
	return made, changes, nil
}
