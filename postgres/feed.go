package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/warder-dev/warder/apikey"
)

const (
	// The newest change, and what now stands where the newest was at the last look.
	newestChange = `SELECT revision, mark, (SELECT mark FROM changes WHERE revision = $1) FROM changes ORDER BY revision DESC LIMIT 1`
	listChanges  = `SELECT revision, key_id FROM changes WHERE revision > $1 ORDER BY revision LIMIT $2`
)

// Revision implements apikey.Feed. It is one look at the end of an index.
func (s *APIKeys) Revision(ctx context.Context) (apikey.Revision, error) {
	rev, err := s.poll.revision(ctx)
	return rev, answer(ctx, "read revision", err)
}

// Rewinds implements apikey.Feed. A backup that was restored rewinds, and so does a
// standby that takes over without the last changes.
func (s *APIKeys) Rewinds() uint64 { return s.poll.rewinds.Load() }

// News implements apikey.Notifier.
func (s *APIKeys) News(ctx context.Context) <-chan struct{} { return s.db.news.subscribe(ctx) }

// Changes implements apikey.Feed.
func (s *APIKeys) Changes(ctx context.Context, after apikey.Revision, limit int) ([]apikey.ID, apikey.Revision, error) {
	const what = "read changes"
	if limit < 1 {
		return nil, 0, fmt.Errorf("postgres: %s: limit %d is below 1", what, limit)
	}
	ids, upTo, err := s.changes(ctx, after, limit)
	if err == nil && upTo == 0 { // none: after is the newest, or beyond it
		upTo, err = s.poll.revision(ctx)
		upTo = min(upTo, max(after, 0)) // a change since then was not looked at
	}
	if err != nil {
		return nil, 0, answer(ctx, what, err)
	}
	return ids, upTo, nil
}

// changes returns each key once and the last revision, 0 for no rows.
func (s *APIKeys) changes(ctx context.Context, after apikey.Revision, limit int) (ids []apikey.ID, upTo apikey.Revision, _ error) {
	err := again(ctx, func() error {
		ids, upTo = nil, 0
		rows, err := s.db.pool.Query(ctx, listChanges, int64(after), limit)
		if err != nil {
			return err
		}
		defer rows.Close()
		seen := map[apikey.ID]bool{}
		for rows.Next() {
			var id apikey.ID
			if rows.Scan(&upTo, &id) != nil {
				return errRow
			}
			if !seen[id] {
				seen[id] = true
				ids = append(ids, id)
			}
		}
		return rows.Err()
	})
	return ids, upTo, err
}

// A poll knows the newest change that was told.
type poll struct {
	pool *pgxpool.Pool
	turn chan struct{} // holds one token: a lock whose waiters keep to their context

	rewinds atomic.Uint64

	newest apikey.Revision
	mark   pgtype.UUID // of the change newest; not valid for none
}

func newPoll(pool *pgxpool.Pool) *poll { return &poll{pool: pool, turn: make(chan struct{}, 1)} }

// revision returns the newest revision, after it has seen that the one that was told
// before is still there: a restored backup may have grown to the same number of
// other changes.
func (p *poll) revision(ctx context.Context) (apikey.Revision, error) {
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	var newest apikey.Revision
	var mark, former pgtype.UUID
	err := again(ctx, func() error {
		newest, mark, former = 0, pgtype.UUID{}, pgtype.UUID{}
		err := p.pool.QueryRow(ctx, newestChange, int64(p.newest)).Scan(&newest, &mark, &former)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	if p.mark.Valid && former != p.mark {
		p.rewinds.Add(1)
	}
	p.newest, p.mark = newest, mark
	return newest, nil
}
