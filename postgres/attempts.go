package postgres

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/warder-dev/warder/internal/idempotency"
)

// Attempts keeps what came of requests with an Idempotency-Key. It is an
// idempotency.Store and safe for concurrent use, by many nodes too. Attempts that one
// caller begins at once may each stay beyond the number that is kept of it, until its
// next one.
type Attempts struct {
	db   *DB
	most int
}

var _ idempotency.Store = (*Attempts)(nil)

const (
	// Of two at once the second waits for the first, and finds it. A row that is known
	// stays locked until the end of the transaction: so it can be read.
	beginAttempt = `INSERT INTO attempts AS a (caller, key, request, began) VALUES ($1, $2, $3, $4)
		ON CONFLICT (caller, key) DO UPDATE SET request = excluded.request, began = excluded.began, answer = NULL WHERE a.began <= $5`
	selectAttempt = `SELECT request, began, answer FROM attempts WHERE caller = $1 AND key = $2`

	// What another one holds at this moment is passed over: nobody waits for two rows.
	forgetOldAttempts = `DELETE FROM attempts WHERE ctid = ANY (ARRAY(SELECT ctid FROM attempts WHERE began <= $1 LIMIT 100 FOR UPDATE SKIP LOCKED))`
	trimAttempts      = `DELETE FROM attempts WHERE ctid = ANY (ARRAY(SELECT a.ctid FROM attempts a WHERE a.caller = $1 AND a.key IN
		(SELECT key FROM attempts WHERE caller = $1 ORDER BY began DESC, key DESC OFFSET $2) FOR UPDATE OF a SKIP LOCKED))`

	finishAttempt = `UPDATE attempts SET answer = $4 WHERE caller = $1 AND key = $2 AND request = $3`
	forgetAttempt = `DELETE FROM attempts WHERE caller = $1 AND key = $2 AND request = $3`
)

var errAttempt = errors.New("postgres: attempt has no caller or key, or text that is not UTF-8 without NUL")

// Attempts returns the store of attempts, which keeps most of each caller; 0 for
// idempotency.Most. It lives as long as the DB.
func (db *DB) Attempts(most int) *Attempts {
	return &Attempts{db: db, most: cmp.Or(most, idempotency.Most)}
}

// Begin implements idempotency.Store.
func (s *Attempts) Begin(ctx context.Context, a idempotency.Attempt, now time.Time, life time.Duration) (told idempotency.Told, _ error) {
	if !validAttempt(a) {
		return told, errAttempt
	}
	end, known := micro(now.Add(-life)), false
	err := s.db.write(ctx, func(tx pgx.Tx) error {
		told, known = idempotency.Told{}, false
		done, err := tx.Exec(ctx, beginAttempt, a.Caller, a.Key, a.Request[:], micro(now), end)
		if err != nil {
			return err
		}
		if known = done.RowsAffected() == 0; known {
			told, err = scanAttempt(tx.QueryRow(ctx, selectAttempt, a.Caller, a.Key))
			return err
		}
		batch := new(pgx.Batch)
		batch.Queue(forgetOldAttempts, end)
		batch.Queue(trimAttempts, a.Caller, s.most)
		return tx.SendBatch(ctx, batch).Close()
	})
	switch {
	case err != nil:
		return idempotency.Told{}, answer(ctx, "begin attempt", err)
	case known:
		return told, idempotency.ErrKnown
	default:
		return told, nil
	}
}

func validAttempt(a idempotency.Attempt) bool {
	return a.Caller != "" && a.Key != "" && validText(a.Caller) && validText(a.Key)
}

func scanAttempt(row pgx.Row) (told idempotency.Told, _ error) {
	var request []byte
	err := row.Scan(&request, &told.Began, &told.Answer)
	if err != nil {
		return idempotency.Told{}, err
	}
	if copy(told.Request[:], request) != len(told.Request) {
		return idempotency.Told{}, errRow
	}
	told.Began, told.Finished = told.Began.UTC(), told.Answer != nil
	return told, nil
}

// Finish implements idempotency.Store.
func (s *Attempts) Finish(ctx context.Context, a idempotency.Attempt, kept []byte) error {
	if kept == nil {
		kept = []byte{} // NULL is under way
	}
	return s.exec(ctx, "finish attempt", finishAttempt, a, kept)
}

// Forget implements idempotency.Store.
func (s *Attempts) Forget(ctx context.Context, a idempotency.Attempt) error {
	return s.exec(ctx, "forget attempt", forgetAttempt, a)
}

// exec runs a statement about one attempt, which is a transaction of its own.
func (s *Attempts) exec(ctx context.Context, what, query string, a idempotency.Attempt, rest ...any) error {
	if !validAttempt(a) {
		return errAttempt
	}
	err := again(ctx, func() error {
		_, err := s.db.pool.Exec(ctx, query, append([]any{a.Caller, a.Key, a.Request[:]}, rest...)...)
		return err
	})
	return answer(ctx, what, err)
}
