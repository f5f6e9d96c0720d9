package apikey

import (
	"context"
	"slices"
	"time"
)

// RevokeIdle is [Revoke] for [ReasonIdle] of the key as it was at a revision: one
// that was changed since, for example to live on, is [ErrConflict].
func RevokeIdle(ctx context.Context, store Store, by By, id ID, revision Revision) (Record, error) {
	if err := by.check(); err != nil {
		return Record{}, err
	}
	return edit(ctx, store, by, id, revision, OpRevoke, func(r *Record, now time.Time) (bool, error) {
		if !r.Revoked.IsZero() {
			return false, nil
		}
		r.Revoked, r.Reason = now, ReasonIdle
		return true, nil
	})
}

// EndSecrets ends the retiring secrets of the key with these numbers now; others
// work on. A key without them is returned as it is. revision is as in [Issuer.Roll];
// errors are those of [Revoke].
func EndSecrets(ctx context.Context, store Store, by By, id ID, revision Revision, numbers ...int) (Record, error) {
	if err := by.check(); err != nil {
		return Record{}, err
	}
	return edit(ctx, store, by, id, revision, OpEndOverlap, func(r *Record, _ time.Time) (bool, error) {
		left := slices.DeleteFunc(slices.Clone(r.Secrets), func(s Secret) bool { return !s.Retires.IsZero() && slices.Contains(numbers, s.Number) })
		if len(left) == 0 || len(left) == len(r.Secrets) {
			return false, nil
		}
		r.Secrets = left
		return true, nil
	})
}
