package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/session"
)

// Sessions keeps sessions. It is a session.Store and safe for concurrent use.
type Sessions struct {
	db     *DB
	lookup *sql.Stmt
}

var _ session.Store = (*Sessions)(nil)

const (
	selectSessions = `SELECT digest, revision, issuer, subject, user, created, last_used, idle_expires, expires, former, former_until, former_user FROM sessions `
	lookupSession  = selectSessions + `WHERE digest = ?1 OR former = ?1`
	listSessions   = selectSessions + `WHERE issuer = ?1 AND subject = ?2 ORDER BY last_used, created, digest`

	insertSession = `INSERT INTO sessions (digest, revision, issuer, subject, user, created, last_used, idle_expires, expires)
		SELECT ?1, 1, ?2, ?3, ?4, ?5, ?6, ?7, ?8 WHERE NOT EXISTS (SELECT 1 FROM sessions WHERE digest = ?1 OR former = ?1)`
	replaceSession = `UPDATE sessions SET digest = ?3, revision = revision + 1, user = ?4, last_used = ?5, idle_expires = ?6,
		former = ?7, former_until = ?8, former_user = ?9
		WHERE digest = ?1 AND revision = ?2 AND NOT EXISTS (SELECT 1 FROM sessions WHERE (digest = ?3 OR former = ?3) AND digest <> ?1)`
	findSession          = `SELECT digest = ?1 AND revision = ?2 FROM sessions WHERE digest = ?1 OR former = ?1`
	deleteSession        = `DELETE FROM sessions WHERE digest = ?1 OR former = ?1`
	deleteSessionsOf     = `DELETE FROM sessions WHERE issuer = ?1 AND subject = ?2`
	deleteExpiredSession = `DELETE FROM sessions WHERE digest IN (SELECT digest FROM sessions WHERE min(idle_expires, expires) <= ?1 LIMIT ?2)`
)

func newSessions(ctx context.Context, db *DB) (*Sessions, error) {
	lookup, err := db.read.PrepareContext(ctx, lookupSession)
	if err != nil {
		return nil, err
	}
	return &Sessions{db: db, lookup: lookup}, nil
}

// close releases what the pools do not.
func (s *Sessions) close() error { return s.lookup.Close() }

// Lookup implements session.Store.
func (s *Sessions) Lookup(ctx context.Context, d session.Digest) (session.Record, error) {
	const what = "look up session"
	if err := s.db.file.look(); err != nil {
		return session.Record{}, err
	}
	rows, err := s.lookup.QueryContext(ctx, d[:])
	if err != nil {
		return session.Record{}, answer(ctx, what, err)
	}
	found, err := sessions(rows)
	switch {
	case err != nil:
		return session.Record{}, answer(ctx, what, err)
	case len(found) == 0:
		return session.Record{}, session.ErrNotFound
	}
	return found[0], nil
}

// Create implements session.Store.
func (s *Sessions) Create(ctx context.Context, r session.Record) error {
	user, err := sessionUser(r.User)
	if err != nil {
		return err
	}
	n, err := s.change(ctx, "create session", insertSession, r.Digest[:], r.User.Issuer, r.User.Subject, user,
		r.Created.UnixMicro(), r.LastUsed.UnixMicro(), r.IdleExpires.UnixMicro(), r.Expires.UnixMicro())
	if err == nil && n == 0 {
		return session.ErrExists
	}
	return err
}

// Replace implements session.Store.
func (s *Sessions) Replace(ctx context.Context, before, after session.Record) error {
	user, err := sessionUser(after.User)
	if err != nil {
		return err
	}
	var former []byte
	var until sql.NullInt64
	var formerUser sql.NullString
	if after.Former.Digest != (session.Digest{}) {
		former, until = after.Former.Digest[:], sql.NullInt64{Int64: after.Former.Until.UnixMicro(), Valid: true}
		if formerUser.String, err = sessionUser(after.Former.User); err != nil {
			return err
		}
		formerUser.Valid = true
	}
	const what = "change session"
	n, err := s.change(ctx, what, replaceSession, before.Digest[:], int64(before.Revision), after.Digest[:], user, //nolint:gosec // G115: a revision counts changes
		after.LastUsed.UnixMicro(), after.IdleExpires.UnixMicro(), former, until, formerUser)
	if err != nil || n == 1 {
		return err
	}
	var same bool
	switch err := s.db.write.QueryRowContext(ctx, findSession, before.Digest[:], int64(before.Revision)).Scan(&same); { //nolint:gosec // G115: as above
	case errors.Is(err, sql.ErrNoRows):
		return session.ErrNotFound
	case err != nil:
		return answer(ctx, what, err)
	case same:
		return session.ErrExists
	default:
		return session.ErrConflict
	}
}

// Delete implements session.Store.
func (s *Sessions) Delete(ctx context.Context, d session.Digest) error {
	_, err := s.change(ctx, "end session", deleteSession, d[:])
	return err
}

// List implements session.Store.
func (s *Sessions) List(ctx context.Context, issuer, subject string) ([]session.Record, error) {
	const what = "list sessions"
	rows, err := s.db.read.QueryContext(ctx, listSessions, issuer, subject)
	if err != nil {
		return nil, answer(ctx, what, err)
	}
	found, err := sessions(rows)
	return found, answer(ctx, what, err)
}

// DeleteUser implements session.Store.
func (s *Sessions) DeleteUser(ctx context.Context, issuer, subject string) (int, error) {
	return s.change(ctx, "end sessions", deleteSessionsOf, issuer, subject)
}

// DeleteExpired implements session.Store.
func (s *Sessions) DeleteExpired(ctx context.Context, now time.Time, limit int) (int, error) {
	const what = "remove expired sessions"
	if limit < 1 {
		return 0, fmt.Errorf("sqlite: %s: limit %d is not at least 1", what, limit)
	}
	return s.change(ctx, what, deleteExpiredSession, now.UnixMicro(), limit)
}

// change runs one statement, which is a transaction of its own, and returns how
// many rows it changed. What went into a file without a name is not acknowledged.
func (s *Sessions) change(ctx context.Context, what, query string, args ...any) (int, error) {
	done, err := s.db.write.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, answer(ctx, what, err)
	}
	n, err := done.RowsAffected()
	if err == nil {
		err = s.db.file.look()
	}
	if err != nil {
		return 0, answer(ctx, what, err)
	}
	return int(n), nil
}

// A storedUser is the JSON of a session's user.
type storedUser struct {
	Name            string         `json:"name,omitempty"`
	Scopes          []string       `json:"scopes,omitempty"`
	Patterns        bool           `json:"patterns,omitempty"`
	Claims          map[string]any `json:"claims,omitempty"`
	AuthenticatedAt int64          `json:"authenticated_at"` // microseconds
	Remember        bool           `json:"remember,omitempty"`
}

// sessionUser returns u as it is stored. Text that would not come back as it was
// is refused.
func sessionUser(u session.User) (string, error) {
	if u.Issuer == "" || u.Subject == "" || !validText(u.Issuer) || !validText(u.Subject) || !validText(u.Name) {
		return "", errors.New("sqlite: session has no user, or text that is not UTF-8 without NUL")
	}
	text, err := json.Marshal(storedUser{u.Name, u.Scopes.Names(), u.Scopes.Patterns(), u.Claims, u.AuthenticatedAt.UnixMicro(), u.Remember})
	if err != nil {
		return "", errors.New("sqlite: claims of a session cannot be stored")
	}
	return string(text), nil
}

// userOf is the reverse of sessionUser.
func userOf(issuer, subject string, text []byte) (session.User, error) {
	var stored storedUser
	if json.Unmarshal(text, &stored) != nil || issuer == "" || subject == "" {
		return session.User{}, errRow
	}
	u := session.User{
		Issuer: issuer, Subject: subject, Name: stored.Name, Scopes: exchange.LiteralScopes(stored.Scopes...), Claims: stored.Claims,
		AuthenticatedAt: time.UnixMicro(stored.AuthenticatedAt).UTC(), Remember: stored.Remember,
	}
	if stored.Patterns {
		u.Scopes = exchange.PatternScopes(stored.Scopes...)
	}
	return u, nil
}

// sessions reads rows of [selectSessions] and closes them.
func sessions(rows *sql.Rows) (_ []session.Record, err error) {
	defer func() { err = errors.Join(err, rows.Close()) }()
	var all []session.Record
	for rows.Next() {
		r, err := scanSession(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, rows.Err()
}

func scanSession(rows *sql.Rows) (session.Record, error) {
	var (
		r                                       session.Record
		issuer, subject                         string
		digest, user, former, formerUser        sql.RawBytes
		created, lastUsed, idleExpires, expires int64
		formerUntil                             sql.NullInt64
	)
	err := rows.Scan(&digest, &r.Revision, &issuer, &subject, &user, &created, &lastUsed, &idleExpires, &expires, &former, &formerUntil, &formerUser)
	if err != nil || len(digest) != len(r.Digest) || former != nil && len(former) != len(r.Former.Digest) {
		return session.Record{}, errRow
	}
	copy(r.Digest[:], digest)
	if r.User, err = userOf(issuer, subject, user); err != nil {
		return session.Record{}, err
	}
	if former != nil {
		copy(r.Former.Digest[:], former)
		r.Former.Until = timeOf(formerUntil)
		if r.Former.User, err = userOf(issuer, subject, formerUser); err != nil {
			return session.Record{}, err
		}
	}
	r.Created, r.LastUsed = time.UnixMicro(created).UTC(), time.UnixMicro(lastUsed).UTC()
	r.IdleExpires, r.Expires = time.UnixMicro(idleExpires).UTC(), time.UnixMicro(expires).UTC()
	return r, nil
}
