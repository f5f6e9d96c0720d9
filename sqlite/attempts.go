package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/warder-dev/warder/internal/idempotency"
)

// Attempts keeps what came of requests with an Idempotency-Key. It is an
// idempotency.Store and safe for concurrent use, by several processes too.
type Attempts struct {
	db   *DB
	most int
}

var _ idempotency.Store = (*Attempts)(nil)

const (
	forgetOldAttempts = `DELETE FROM attempts WHERE (caller, key) IN (SELECT caller, key FROM attempts WHERE began <= ?1 LIMIT 100)`
	selectAttempt     = `SELECT request, began, answer FROM attempts WHERE caller = ?1 AND key = ?2 AND began > ?3`
	insertAttempt     = `INSERT INTO attempts (caller, key, request, began) VALUES (?1, ?2, ?3, ?4)
		ON CONFLICT (caller, key) DO UPDATE SET request = ?3, began = ?4, answer = NULL`
	trimAttempts = `DELETE FROM attempts WHERE caller = ?1 AND key IN
		(SELECT key FROM attempts WHERE caller = ?1 ORDER BY began DESC LIMIT -1 OFFSET ?2)`
	finishAttempt = `UPDATE attempts SET answer = ?4 WHERE caller = ?1 AND key = ?2 AND request = ?3`
	forgetAttempt = `DELETE FROM attempts WHERE caller = ?1 AND key = ?2 AND request = ?3`
)

var errAttempt = errors.New("sqlite: attempt has no caller or key, or text that is not UTF-8 without NUL")

// Attempts returns the store of attempts, which keeps most of each caller; 0 for
// idempotency.Most. It lives as long as the DB.
func (db *DB) Attempts(most int) *Attempts {
	return &Attempts{db: db, most: cmp.Or(most, idempotency.Most)}
}

// Begin implements idempotency.Store.
func (s *Attempts) Begin(ctx context.Context, a idempotency.Attempt, now time.Time, life time.Duration) (told idempotency.Told, err error) {
	const what = "begin attempt"
	if a.Caller == "" || a.Key == "" || !validText(a.Caller+a.Key) {
		return told, errAttempt
	}
	if err := s.db.file.look(); err != nil {
		return told, err
	}
	tx, err := s.db.write.BeginTx(ctx, nil)
	if err != nil {
		return told, answer(ctx, what, err)
	}
	defer tx.Rollback() //nolint:errcheck // after a commit there is nothing to roll back
	end := now.Add(-life).UnixMicro()
	var request []byte
	var began int64
	var kept sql.NullString
	switch err := tx.QueryRowContext(ctx, selectAttempt, a.Caller, a.Key, end).Scan(&request, &began, &kept); {
	case err == nil && len(request) == len(told.Request):
		told = idempotency.Told{Began: time.UnixMicro(began).UTC(), Request: [32]byte(request), Finished: kept.Valid, Answer: []byte(kept.String)}
		return told, idempotency.ErrKnown
	case err == nil:
		return told, answer(ctx, what, errRow)
	case !errors.Is(err, sql.ErrNoRows):
		return told, answer(ctx, what, err)
	}
	for _, step := range []func() (sql.Result, error){
		func() (sql.Result, error) { return tx.ExecContext(ctx, forgetOldAttempts, end) },
		func() (sql.Result, error) {
			return tx.ExecContext(ctx, insertAttempt, a.Caller, a.Key, a.Request[:], now.UnixMicro())
		},
		func() (sql.Result, error) { return tx.ExecContext(ctx, trimAttempts, a.Caller, s.most) },
	} {
		if _, err := step(); err != nil {
			return told, answer(ctx, what, err)
		}
	}
	return told, answer(ctx, what, tx.Commit())
}

// Finish implements idempotency.Store.
func (s *Attempts) Finish(ctx context.Context, a idempotency.Attempt, kept []byte) error {
	if err := s.db.file.look(); err != nil {
		return err
	}
	_, err := s.db.write.ExecContext(ctx, finishAttempt, a.Caller, a.Key, a.Request[:], string(kept))
	return answer(ctx, "finish attempt", err)
}

// Forget implements idempotency.Store.
func (s *Attempts) Forget(ctx context.Context, a idempotency.Attempt) error {
	if err := s.db.file.look(); err != nil {
		return err
	}
	_, err := s.db.write.ExecContext(ctx, forgetAttempt, a.Caller, a.Key, a.Request[:])
	return answer(ctx, "forget attempt", err)
}
