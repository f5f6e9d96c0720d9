package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/warder-dev/warder/apikey"
)

const (
	newestRevision = `SELECT coalesce(max(revision), 0) FROM changes`
	listChanges    = `SELECT revision, key_id FROM changes WHERE revision > ?1 ORDER BY revision LIMIT ?2`
)

// Revision implements apikey.Feed. While nothing is written it reads no table:
// it costs one look at the head of the log, which tells writes of this process
// and of others.
func (s *APIKeys) Revision(ctx context.Context) (apikey.Revision, error) {
	if err := s.db.file.look(); err != nil {
		return 0, err
	}
	rev, err := s.poll.revision(ctx)
	return rev, answer(ctx, "read revision", err)
}

// Changes implements apikey.Feed.
func (s *APIKeys) Changes(ctx context.Context, after apikey.Revision, limit int) ([]apikey.ID, apikey.Revision, error) {
	const what = "read changes"
	if limit < 1 {
		return nil, 0, fmt.Errorf("sqlite: %s: limit %d is below 1", what, limit)
	}
	if err := s.db.file.look(); err != nil {
		return nil, 0, err
	}
	rows, err := s.db.read.QueryContext(ctx, listChanges, int64(after), limit)
	if err != nil {
		return nil, 0, answer(ctx, what, err)
	}
	ids, upTo, err := distinct(rows)
	if err == nil && upTo == 0 { // none: after is the newest, or beyond it
		upTo, err = s.poll.revision(ctx)
		upTo = min(upTo, max(after, 0)) // a change since then was not looked at
	}
	if err != nil {
		return nil, 0, answer(ctx, what, err)
	}
	return ids, upTo, nil
}

// distinct reads rows of [listChanges] and closes them. It returns each key
// once and the last revision, 0 for no rows.
func distinct(rows *sql.Rows) (ids []apikey.ID, upTo apikey.Revision, err error) {
	defer func() { err = errors.Join(err, rows.Close()) }()
	seen := map[apikey.ID]bool{}
	for rows.Next() {
		var id apikey.ID
		if rows.Scan(&upTo, &id) != nil {
			return nil, 0, errRow
		}
		if !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
	}
	return ids, upTo, rows.Err()
}

// A poll knows the newest revision and whether that is still true.
//
// PRAGMA data_version changes when any other connection commits. It says nothing
// about commits of the connection that asks and cannot be compared between
// connections: so one connection is kept for it, which never writes.
type poll struct {
	db   *sql.DB
	turn chan struct{} // holds one token: a lock whose waiters keep to their context

	conn    *sql.Conn
	version int64 // of the data when newest was read; meaningless while conn is nil
	newest  apikey.Revision
}

func newPoll(db *sql.DB) *poll { return &poll{db: db, turn: make(chan struct{}, 1)} }

// revision returns the newest revision.
func (p *poll) revision(ctx context.Context) (apikey.Revision, error) {
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	rev, err := p.read(ctx)
	if err != nil {
		return 0, errors.Join(err, p.drop())
	}
	return rev, nil
}

// read looks at the version and, when it is another, at the changes. A commit
// between the two is seen now and again with the next version.
func (p *poll) read(ctx context.Context) (apikey.Revision, error) {
	fresh := p.conn == nil
	if fresh {
		conn, err := p.db.Conn(ctx)
		if err != nil {
			return 0, err
		}
		p.conn = conn
	}
	var version int64
	if err := p.conn.QueryRowContext(ctx, `PRAGMA data_version`).Scan(&version); err != nil {
		return 0, err
	}
	if !fresh && version == p.version {
		return p.newest, nil
	}
	if err := p.conn.QueryRowContext(ctx, newestRevision).Scan(&p.newest); err != nil {
		return 0, err
	}
	p.version = version
	return p.newest, nil
}

// drop forgets the connection after an error.
func (p *poll) drop() error {
	if p.conn == nil {
		return nil
	}
	conn := p.conn
	p.conn = nil
	if err := conn.Close(); err != nil && !errors.Is(err, sql.ErrConnDone) {
		return err
	}
	return nil
}

func (p *poll) close() error {
	p.turn <- struct{}{}
	defer func() { <-p.turn }()
	return p.drop()
}
