package apikey

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// MaxSelected is the most keys that [RevokeAll] takes of an owner or an environment.
const MaxSelected = 10_000

// A Selection says which keys [RevokeAll] revokes: those that it names, or all that
// are of an owner, of an environment, or of both.
type Selection struct {
	_ [0]func()

	IDs         []ID // 1 to [MaxBatch], all different; of the owner and the environment, where these are given
	Owner       string
	Environment Environment

	// Count is how many keys of the owner and the environment are not revoked yet, as
	// whoever revokes has seen them: 1 to [MaxSelected]. 0 with IDs.
	Count int
}

// A CountError says that there is another number of keys than was stated.
type CountError struct {
	Found int  // that are not revoked
	More  bool // there are more than Found
}

func (e *CountError) Error() string {
	if e.More {
		return fmt.Sprintf("apikey: revoke: more than %d keys are not revoked, which is not the count that was stated", e.Found)
	}
	return fmt.Sprintf("apikey: revoke: %d keys are not revoked, which is not the count that was stated", e.Found)
}

// A BulkStore is what [RevokeAll] works on. The stores of this module are BulkStores.
type BulkStore interface {
	Store
	Batcher
	Finder
}

var errNoBulk = errors.New("apikey: revoke: the store finds no keys, or writes no batches")

// RevokeAll ends keys for good, as [Revoke] does one, [MaxBatch] in a transaction:
// all or none of these. It returns those that it revoked, also with an error; keys
// that are revoked already are left as they are. Errors: [*SpecError]; an [*ItemError]
// with [ErrNotFound] for an id that is none of the selection's, with nothing changed;
// [*CountError], with nothing changed; what the store returns: then the keys of the
// transaction that is under way may be revoked or not, and asking again is safe. Of
// many changes that meet, it is [ErrConflict].
func RevokeAll(ctx context.Context, store BulkStore, by By, s Selection, reason string) (revoked []Record, _ error) {
	if err := errors.Join(by.check(), checkReason(reason), s.check()); err != nil {
		return nil, err
	}
	ids := s.IDs
	if len(ids) == 0 {
		var err error
		if ids, err = s.find(ctx, store); err != nil {
			return nil, fmt.Errorf("apikey: revoke: %w", err)
		}
	}
	for len(ids) > 0 {
		n := min(len(ids), MaxBatch)
		done, err := s.revoke(ctx, store, by, ids[:n], reason)
		revoked = append(revoked, done...)
		if err != nil {
			return revoked, fmt.Errorf("apikey: revoke: %w", err)
		}
		ids = ids[n:]
	}
	return revoked, nil
}

// RevokeAll is the function RevokeAll on the issuer's store, and tells Changed.
func (i *Issuer) RevokeAll(ctx context.Context, by By, s Selection, reason string) ([]Record, error) {
	store, ok := i.cfg.Store.(BulkStore)
	if !ok {
		return nil, errNoBulk
	}
	return RevokeAll(ctx, &telling{store, i}, by, s, reason)
}

// A telling store tells the issuer of each key that it changed, or may have.
type telling struct {
	BulkStore

	issuer *Issuer
}

func (t *telling) ApplyAll(ctx context.Context, changes []Change) ([]Revision, error) {
	revisions, err := t.BulkStore.ApplyAll(ctx, changes)
	for k := range changes {
		t.issuer.tell(changes[k].After.ID, err)
	}
	return revisions, err
}

func (s *Selection) check() error {
	switch {
	case len(s.IDs) > MaxBatch:
		return &SpecError{"keys", fmt.Sprintf("want 1 to %d", MaxBatch)}
	case len(s.IDs) > 0 && s.Count != 0:
		return &SpecError{"count", "is for keys that are not named"}
	case len(s.IDs) == 0 && s.Owner == "" && s.Environment == "":
		return &SpecError{"keys", "want ids, an owner or an environment"}
	case len(s.IDs) == 0 && (s.Count < 1 || s.Count > MaxSelected):
		return &SpecError{"count", fmt.Sprintf("want how many keys there are to revoke, 1 to %d", MaxSelected)}
	}
	known := make(map[ID]bool, len(s.IDs))
	for i, id := range s.IDs {
		switch {
		case !ValidID(string(id)):
			return &ItemError{i, &SpecError{"id", "want 12 letters and digits"}}
		case known[id]:
			return &ItemError{i, &SpecError{"id", "is there twice"}}
		}
		known[id] = true
	}
	return nil
}

// holds reports whether r is of the owner and the environment.
func (s *Selection) holds(r *Record) bool {
	return (s.Owner == "" || r.Owner == s.Owner) && (s.Environment == "" || r.Environment == s.Environment)
}

// find returns the ids of the keys that are not revoked, when they are as many as
// was stated.
func (s *Selection) find(ctx context.Context, store BulkStore) (ids []ID, _ error) {
	q := Filter{Owner: s.Owner, Environment: s.Environment, Sort: SortCreated, Limit: maxPage}
	for {
		page, err := store.Find(ctx, q)
		if err != nil {
			return nil, err
		}
		for i := range page.Records {
			if page.Records[i].Revoked.IsZero() {
				ids = append(ids, page.Records[i].ID)
			}
		}
		switch {
		case len(ids) > MaxSelected:
			return nil, &CountError{Found: MaxSelected, More: true}
		case page.More:
			q.After = page.Next
		case len(ids) != s.Count:
			return nil, &CountError{Found: len(ids)}
		default:
			return ids, nil
		}
	}
}

// revoke revokes keys in one transaction.
func (s *Selection) revoke(ctx context.Context, store BulkStore, by By, ids []ID, reason string) ([]Record, error) {
	var err error
	for range changeTries {
		var changes []Change
		if changes, err = s.changes(ctx, store, by, ids, reason); err != nil || len(changes) == 0 {
			return nil, err
		}
		var revisions []Revision
		if revisions, err = store.ApplyAll(ctx, changes); err == nil {
			revoked := make([]Record, len(changes))
			for i := range changes {
				revoked[i] = *changes[i].After
				revoked[i].Revision = revisions[i]
			}
			return revoked, nil
		}
		if !errors.Is(err, ErrConflict) && !errors.Is(err, ErrNotFound) { // else one changed, or was deleted
			break
		}
	}
	return nil, err
}

// changes are those that revoke keys as they are now.
func (s *Selection) changes(ctx context.Context, store Store, by By, ids []ID, reason string) (changes []Change, _ error) {
	now := moment(time.Now())
	for i, id := range ids {
		before, err := store.Lookup(ctx, id)
		if errors.Is(err, ErrNotFound) || err == nil && !s.holds(&before) {
			if len(s.IDs) == 0 {
				continue // it left, since it was counted
			}
			return nil, &ItemError{i, ErrNotFound}
		}
		if err != nil {
			return nil, err
		}
		if !before.Revoked.IsZero() {
			continue
		}
		after := before
		after.Revoked, after.Reason, after.Updated = now, reason, now
		changes = append(changes, Change{Actor: by.Actor, Source: by.Source, Op: OpRevoke, At: now, Before: &before, After: &after})
	}
	return changes, nil
}
