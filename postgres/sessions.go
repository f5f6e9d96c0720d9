package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/session"
)

// Sessions keeps sessions. It is a session.Store and safe for concurrent use.
type Sessions struct{ db *DB }

var _ session.Store = (*Sessions)(nil)

const (
	selectSessions = `SELECT digest, revision, issuer, subject, person, created, last_used, idle_expires, expires, former, former_until, former_person FROM sessions `
	lookupSession  = selectSessions + `WHERE digest = $1 OR former = $1`
	listSessions   = selectSessions + `WHERE issuer = $1 AND subject = $2 ORDER BY last_used, created, digest`

	insertSession = `INSERT INTO sessions (digest, revision, issuer, subject, person, created, last_used, idle_expires, expires)
		SELECT $1, 1, $2, $3, $4, $5, $6, $7, $8 WHERE NOT EXISTS (SELECT 1 FROM sessions WHERE former = $1) ON CONFLICT DO NOTHING`
	// Of two at once the second waits for the first, and finds another revision.
	replaceSession = `UPDATE sessions SET digest = $3, revision = revision + 1, person = $4, last_used = $5, idle_expires = $6,
		former = $7, former_until = $8, former_person = $9
		WHERE digest = $1 AND revision = $2 AND NOT EXISTS (SELECT 1 FROM sessions WHERE (digest = $3 OR former = $3) AND digest <> $1)`
	findSession          = `SELECT digest = $1 AND revision = $2 FROM sessions WHERE digest = $1 OR former = $1`
	deleteSession        = `DELETE FROM sessions WHERE digest = $1 OR former = $1`
	deleteSessionsOf     = `DELETE FROM sessions WHERE issuer = $1 AND subject = $2`
	deleteExpiredSession = `DELETE FROM sessions WHERE digest = ANY (ARRAY(SELECT digest FROM sessions WHERE least(idle_expires, expires) <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED))`
)

// Lookup implements session.Store.
func (s *Sessions) Lookup(ctx context.Context, d session.Digest) (session.Record, error) {
	found, err := s.records(ctx, lookupSession, d[:])
	switch {
	case err != nil:
		return session.Record{}, answer(ctx, "look up session", err)
	case len(found) == 0:
		return session.Record{}, session.ErrNotFound
	}
	return found[0], nil
}

// Create implements session.Store.
func (s *Sessions) Create(ctx context.Context, r session.Record) error {
	person, err := personOf(r.User)
	if err != nil {
		return err
	}
	n, err := s.change(ctx, "create session", insertSession, r.Digest[:], r.User.Issuer, r.User.Subject, person,
		micro(r.Created), micro(r.LastUsed), micro(r.IdleExpires), micro(r.Expires))
	if err == nil && n == 0 {
		return session.ErrExists
	}
	return err
}

// Replace implements session.Store.
func (s *Sessions) Replace(ctx context.Context, before, after session.Record) error {
	person, err := personOf(after.User)
	if err != nil {
		return err
	}
	var former []byte
	var until *time.Time
	var formerPerson *string
	if after.Former.Digest != (session.Digest{}) {
		text, err := personOf(after.Former.User)
		if err != nil {
			return err
		}
		end := micro(after.Former.Until)
		former, until, formerPerson = after.Former.Digest[:], &end, &text
	}
	const what = "change session"
	n, err := s.change(ctx, what, replaceSession, before.Digest[:], int64(before.Revision), after.Digest[:], person, //nolint:gosec // G115: a revision counts changes
		micro(after.LastUsed), micro(after.IdleExpires), former, until, formerPerson)
	if taken(err) {
		return session.ErrExists
	}
	if err != nil || n == 1 {
		return err
	}
	var same bool
	switch err := s.db.pool.QueryRow(ctx, findSession, before.Digest[:], int64(before.Revision)).Scan(&same); { //nolint:gosec // G115: as above
	case errors.Is(err, pgx.ErrNoRows):
		return session.ErrNotFound
	case err != nil:
		return answer(ctx, what, err)
	case same:
		return session.ErrExists
	default:
		return session.ErrConflict
	}
}

// taken reports whether err says that another session has the digest.
func taken(err error) bool {
	server, ok := errors.AsType[*ServerError](err)
	return ok && server.SQLState == "23505"
}

// Delete implements session.Store.
func (s *Sessions) Delete(ctx context.Context, d session.Digest) error {
	_, err := s.change(ctx, "end session", deleteSession, d[:])
	return err
}

// List implements session.Store.
func (s *Sessions) List(ctx context.Context, issuer, subject string) ([]session.Record, error) {
	if !validText(issuer) || !validText(subject) {
		return nil, nil // Create accepts no such user
	}
	found, err := s.records(ctx, listSessions, issuer, subject)
	return found, answer(ctx, "list sessions", err)
}

// DeleteUser implements session.Store.
func (s *Sessions) DeleteUser(ctx context.Context, issuer, subject string) (int, error) {
	if !validText(issuer) || !validText(subject) {
		return 0, nil // Create accepts no such user
	}
	return s.change(ctx, "end sessions", deleteSessionsOf, issuer, subject)
}

// DeleteExpired implements session.Store.
func (s *Sessions) DeleteExpired(ctx context.Context, now time.Time, limit int) (int, error) {
	const what = "remove expired sessions"
	if limit < 1 {
		return 0, fmt.Errorf("postgres: %s: limit %d is not at least 1", what, limit)
	}
	return s.change(ctx, what, deleteExpiredSession, micro(now), limit)
}

// change runs one statement, which is a transaction of its own, and returns how
// many rows it changed.
func (s *Sessions) change(ctx context.Context, what, query string, args ...any) (int, error) {
	var done pgconn.CommandTag
	err := again(ctx, func() (err error) {
		done, err = s.db.pool.Exec(ctx, query, args...)
		return err
	})
	return int(done.RowsAffected()), answer(ctx, what, err)
}

// records runs a query of [selectSessions].
func (s *Sessions) records(ctx context.Context, query string, args ...any) (all []session.Record, _ error) {
	err := again(ctx, func() error {
		rows, err := s.db.pool.Query(ctx, query, args...)
		if err != nil {
			return err
		}
		all, err = pgx.CollectRows(rows, scanSession)
		return err
	})
	return all, err
}

// A storedPerson is the JSON of a session's user.
type storedPerson struct {
	Name            string         `json:"name,omitempty"`
	Scopes          []string       `json:"scopes,omitempty"`
	Patterns        bool           `json:"patterns,omitempty"`
	Claims          map[string]any `json:"claims,omitempty"`
	AuthenticatedAt int64          `json:"authenticated_at"` // microseconds
	Remember        bool           `json:"remember,omitempty"`
}

// personOf returns u as it is stored. Text that would not come back as it was is
// refused.
func personOf(u session.User) (string, error) {
	if u.Issuer == "" || u.Subject == "" || !validText(u.Issuer) || !validText(u.Subject) || !validText(u.Name) {
		return "", errors.New("postgres: session has no user, or text that is not UTF-8 without NUL")
	}
	text, err := json.Marshal(storedPerson{u.Name, u.Scopes.Names(), u.Scopes.Patterns(), u.Claims, u.AuthenticatedAt.UnixMicro(), u.Remember})
	if err != nil {
		return "", errors.New("postgres: claims of a session cannot be stored")
	}
	return string(text), nil
}

// userOf is the reverse of personOf.
func userOf(issuer, subject string, text []byte) (session.User, error) {
	var p storedPerson
	if json.Unmarshal(text, &p) != nil || issuer == "" || subject == "" {
		return session.User{}, errRow
	}
	u := session.User{
		Issuer: issuer, Subject: subject, Name: p.Name, Scopes: exchange.LiteralScopes(p.Scopes...), Claims: p.Claims,
		AuthenticatedAt: time.UnixMicro(p.AuthenticatedAt).UTC(), Remember: p.Remember,
	}
	if p.Patterns {
		u.Scopes = exchange.PatternScopes(p.Scopes...)
	}
	return u, nil
}

func scanSession(row pgx.CollectableRow) (session.Record, error) {
	var (
		r                    session.Record
		issuer, subject      string
		digest, former       []byte
		person, formerPerson []byte
		created, lastUsed    time.Time
		idle, expires        time.Time
		until                *time.Time
	)
	err := row.Scan(&digest, &r.Revision, &issuer, &subject, &person, &created, &lastUsed, &idle, &expires, &former, &until, &formerPerson)
	if err != nil || len(digest) != len(r.Digest) || former != nil && len(former) != len(r.Former.Digest) {
		return session.Record{}, errRow
	}
	copy(r.Digest[:], digest)
	if r.User, err = userOf(issuer, subject, person); err != nil {
		return session.Record{}, err
	}
	if former != nil {
		copy(r.Former.Digest[:], former)
		r.Former.Until = timeOf(until)
		if r.Former.User, err = userOf(issuer, subject, formerPerson); err != nil {
			return session.Record{}, err
		}
	}
	r.Created, r.LastUsed, r.IdleExpires, r.Expires = created.UTC(), lastUsed.UTC(), idle.UTC(), expires.UTC()
	return r, nil
}

// micro returns t to the microsecond, as it is stored.
func micro(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }
