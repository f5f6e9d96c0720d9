package apikey

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Delete takes the key and its secrets out of the store, and returns the revision
// of that; what was changed of the key before, and by whom, the store remembers. A
// key that shall stay on lists is revoked instead. revision is the one that is
// meant, 0 for whatever there is. Errors: [*SpecError], [ErrNotFound];
// [ErrConflict] when the key is at another revision, or when others keep changing
// it; what the store returns: then asking again is safe.
func Delete(ctx context.Context, store Store, by By, id ID, revision Revision) (Revision, error) {
	if err := by.check(); err != nil {
		return 0, err
	}
	var err error
	for range changeTries {
		var before Record
		if before, err = store.Lookup(ctx, id); err != nil {
			break
		}
		if err = expect(&before, revision); err != nil {
			break
		}
		var deleted Revision
		deleted, err = store.Apply(ctx, Change{Actor: by.Actor, Source: by.Source, Op: OpDelete, At: moment(time.Now()), Before: &before})
		if err == nil {
			return deleted, nil
		}
		if !errors.Is(err, ErrConflict) {
			break
		}
	}
	return 0, fmt.Errorf("apikey: %s: %w", OpDelete, err)
}

// Delete is the function Delete on the issuer's store, and tells Changed.
func (i *Issuer) Delete(ctx context.Context, by By, id ID, revision Revision) (Revision, error) {
	deleted, err := Delete(ctx, i.cfg.Store, by, id, revision)
	i.tell(id, err)
	return deleted, err
}
