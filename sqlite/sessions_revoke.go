package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/warder-dev/warder/audit"
)

// revokeAtOnce is how many sessions one transaction ends when all are: others
// write in between.
const revokeAtOnce = 1000

const deleteSomeSessions = `DELETE FROM sessions WHERE digest IN (SELECT digest FROM sessions LIMIT ?1)`

// RevokeUser ends all sessions of a user, as DeleteUser does, and writes who did so
// to the audit in the same transaction.
func (s *Sessions) RevokeUser(ctx context.Context, by audit.By, issuer, subject string) (int, error) {
	return s.revoke(ctx, by, issuer+" "+subject, deleteSessionsOf, issuer, subject)
}

// RevokeAll ends the sessions of everybody, and writes who did so to the audit in
// the transaction that ends the first of them. It returns how many ended, also
// beside an error.
func (s *Sessions) RevokeAll(ctx context.Context, by audit.By) (all int, err error) {
	n, err := s.revoke(ctx, by, "*", deleteSomeSessions, revokeAtOnce)
	for all = n; err == nil && n == revokeAtOnce; all += n {
		n, err = s.change(ctx, "end sessions", deleteSomeSessions, revokeAtOnce)
	}
	return all, err
}

// revoke runs a statement and writes its entry.
func (s *Sessions) revoke(ctx context.Context, by audit.By, subject, query string, args ...any) (n int, err error) {
	const what = "end sessions"
	tx, err := s.db.write.BeginTx(ctx, nil)
	if err != nil {
		return 0, answer(ctx, what, err)
	}
	if n, err = revokeIn(ctx, tx, by, subject, query, args...); err == nil {
		err = tx.Commit()
	}
	if err == nil {
		err = s.db.file.look()
	}
	if err != nil {
		_ = tx.Rollback() // a failed commit may have done so; ErrTxDone says it
		return 0, answer(ctx, what, err)
	}
	return n, nil
}

func revokeIn(ctx context.Context, tx *sql.Tx, by audit.By, subject, query string, args ...any) (int, error) {
	done, err := tx.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	n, err := done.RowsAffected()
	if err != nil {
		return 0, err
	}
	log := chain{tx: tx}
	_, err = log.add(ctx, audit.Event{
		At: time.Now(), Actor: by.Actor, Source: by.Source, Op: "revoke", Kind: audit.KindSessions, Subject: subject,
		Before: json.RawMessage(fmt.Sprintf(`{"sessions":%d}`, n)),
	})
	return int(n), err
}
