package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/warder-dev/warder/audit"
)

// revokeAtOnce is how many sessions one transaction ends when all are: others
// write in between.
const revokeAtOnce = 1000

const deleteSomeSessions = `DELETE FROM sessions WHERE digest = ANY (ARRAY(SELECT digest FROM sessions LIMIT $1))`

// RevokeUser ends all sessions of a user, as DeleteUser does, and writes who did so
// to the audit in the same transaction.
func (s *Sessions) RevokeUser(ctx context.Context, by audit.By, issuer, subject string) (int, error) {
	if !validText(issuer) || !validText(subject) {
		return 0, plain("postgres: end sessions: the user is no text of UTF-8 without NUL")
	}
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
func (s *Sessions) revoke(ctx context.Context, by audit.By, subject, query string, args ...any) (n int, _ error) {
	err := s.db.write(ctx, func(tx pgx.Tx) error {
		done, err := tx.Exec(ctx, query, args...)
		if err != nil {
			return err
		}
		n = int(done.RowsAffected())
		log, err := lockChain(ctx, tx)
		if err != nil {
			return err
		}
		_, err = log.write(ctx, tx, audit.Event{
			At: time.Now(), Actor: by.Actor, Source: by.Source, Op: "revoke", Kind: audit.KindSessions, Subject: subject,
			Before: json.RawMessage(fmt.Sprintf(`{"sessions":%d}`, n)),
		})
		return err
	})
	if err != nil {
		return 0, answer(ctx, "end sessions", err)
	}
	return n, nil
}
