package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/warder-dev/warder/audit"
	"github.com/warder-dev/warder/internal/portallink"
)

// Portal keeps links to the holders' portal and their sessions. It is a
// portallink.Store and safe for concurrent use, by many nodes too.
type Portal struct{ db *DB }

var _ portallink.Store = (*Portal)(nil)

// Portal returns the store of the holders' portal. It lives as long as the DB.
func (db *DB) Portal() *Portal { return &Portal{db: db} }

const (
	lookupLink = `SELECT id, owner, link, created, expires, used, session, session_expires, made, ended, detail::text FROM portal_passes WHERE id = $1`
	lockLink   = lookupLink + ` FOR UPDATE`

	countLinks = `SELECT count(*) FROM (SELECT 1 FROM portal_passes WHERE owner = $1 AND ended IS NULL AND coalesce(session_expires, expires) > $2 LIMIT $3) AS at_once`
	insertLink = `INSERT INTO portal_passes (id, owner, link, created, expires, detail) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`
	useLink    = `UPDATE portal_passes SET used = $2, session = $3, session_expires = $4 WHERE id = $1`
	endLink    = `UPDATE portal_passes SET ended = $2 WHERE id = $1`
	takeOfLink = `UPDATE portal_passes SET made = made + 1 WHERE id = $1 AND made < $2 AND ended IS NULL AND session_expires > $3`
	giveToLink = `UPDATE portal_passes SET made = made - 1 WHERE id = $1 AND made > 0`
	// What another one holds at this moment is passed over: nobody waits for two rows.
	deleteLinks = `DELETE FROM portal_passes WHERE id = ANY (ARRAY(SELECT id FROM portal_passes
		WHERE coalesce(ended, session_expires, expires) <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED))`
)

var errLink = plain("postgres: a link to the portal has text that is not UTF-8 without NUL")

// Create implements portallink.Store.
func (s *Portal) Create(ctx context.Context, by audit.By, p portallink.Pass) error {
	detail, err := portallink.MarshalDetail(&p)
	if err != nil {
		return err
	}
	if !validText(p.Owner + string(p.ID) + detail + by.Actor + by.Source) {
		return errLink
	}
	return s.change(ctx, "make link to portal", func(tx pgx.Tx) error {
		var n int
		if err := tx.QueryRow(ctx, countLinks, p.Owner, micro(p.Created), portallink.MostOfOwner).Scan(&n); err != nil {
			return err
		}
		if n >= portallink.MostOfOwner {
			return portallink.ErrFull
		}
		done, err := tx.Exec(ctx, insertLink, string(p.ID), p.Owner, p.Link[:], micro(p.Created), micro(p.Expires), detail)
		if err != nil {
			return err
		}
		if done.RowsAffected() == 0 {
			return portallink.ErrExists
		}
		return tellLink(ctx, tx, by, portallink.OpCreate, nil, &p, p.Created)
	})
}

// Lookup implements portallink.Store.
func (s *Portal) Lookup(ctx context.Context, id portallink.ID) (p portallink.Pass, err error) {
	if !validText(string(id)) {
		return p, portallink.ErrNotFound
	}
	err = again(ctx, func() (err error) {
		p, err = scanLink(s.db.pool.QueryRow(ctx, lookupLink, string(id)))
		return err
	})
	if errors.Is(err, portallink.ErrNotFound) {
		return portallink.Pass{}, err
	}
	return p, answer(ctx, "look up link to portal", err)
}

func scanLink(row pgx.Row) (p portallink.Pass, _ error) {
	var link, session []byte
	var used, sessionExpires, ended *time.Time
	var detail string
	switch err := row.Scan(&p.ID, &p.Owner, &link, &p.Created, &p.Expires, &used, &session, &sessionExpires, &p.Made, &ended, &detail); {
	case errors.Is(err, pgx.ErrNoRows):
		return portallink.Pass{}, portallink.ErrNotFound
	case err != nil:
		return portallink.Pass{}, err
	}
	if copy(p.Link[:], link) != len(p.Link) || used != nil && copy(p.Session[:], session) != len(p.Session) || portallink.UnmarshalDetail(detail, &p) != nil {
		return portallink.Pass{}, errRow
	}
	p.Created, p.Expires = p.Created.UTC(), p.Expires.UTC()
	for from, to := range map[*time.Time]*time.Time{used: &p.Used, sessionExpires: &p.SessionExpires, ended: &p.Ended} {
		if from != nil {
			*to = from.UTC()
		}
	}
	return p, nil
}

// Use implements portallink.Store.
func (s *Portal) Use(ctx context.Context, by audit.By, id portallink.ID, session portallink.Digest, now, until time.Time) error {
	now, until = micro(now), micro(until)
	return s.turn(ctx, by, portallink.OpUse, id, now, func(tx pgx.Tx, p *portallink.Pass) error {
		if !p.Usable(now) {
			return portallink.ErrGone
		}
		p.Used, p.Session, p.SessionExpires = now, session, until
		_, err := tx.Exec(ctx, useLink, string(id), now, session[:], until)
		return err
	})
}

// End implements portallink.Store.
func (s *Portal) End(ctx context.Context, by audit.By, id portallink.ID, now time.Time) error {
	now = micro(now)
	err := s.turn(ctx, by, portallink.OpEnd, id, now, func(tx pgx.Tx, p *portallink.Pass) error {
		if !p.Ended.IsZero() {
			return errSame
		}
		p.Ended = now
		_, err := tx.Exec(ctx, endLink, string(id), now)
		return err
	})
	if errors.Is(err, errSame) {
		return nil
	}
	return err
}

// errSame means that there was nothing to change.
var errSame = plain("postgres: it is so already")

// turn locks a pass and changes it.
func (s *Portal) turn(ctx context.Context, by audit.By, op string, id portallink.ID, now time.Time, do func(tx pgx.Tx, p *portallink.Pass) error) error {
	if !validText(string(id) + by.Actor + by.Source) {
		return errLink
	}
	return s.change(ctx, "change link to portal", func(tx pgx.Tx) error {
		p, err := scanLink(tx.QueryRow(ctx, lockLink, string(id)))
		if errors.Is(err, portallink.ErrNotFound) && op == portallink.OpUse {
			return portallink.ErrGone
		}
		if err != nil {
			return err
		}
		before := p
		if err := do(tx, &p); err != nil {
			return err
		}
		return tellLink(ctx, tx, by, op, &before, &p, now)
	})
}

// tellLink writes the entry of a change: the last thing of its transaction.
func tellLink(ctx context.Context, tx pgx.Tx, by audit.By, op string, before, after *portallink.Pass, at time.Time) error {
	log, err := lockChain(ctx, tx)
	if err != nil {
		return err
	}
	_, err = log.write(ctx, tx, portallink.Event(by, op, before, after, at))
	return err
}

// Take implements portallink.Store.
func (s *Portal) Take(ctx context.Context, id portallink.ID, most int, now time.Time) error {
	return s.change(ctx, "count key of portal", func(tx pgx.Tx) error {
		done, err := tx.Exec(ctx, takeOfLink, string(id), most, micro(now))
		if err != nil || done.RowsAffected() == 1 {
			return err
		}
		p, err := scanLink(tx.QueryRow(ctx, lookupLink, string(id)))
		switch {
		case errors.Is(err, portallink.ErrNotFound) || err == nil && !p.Open(now):
			return portallink.ErrGone
		case err != nil:
			return err
		default:
			return portallink.ErrSpent
		}
	})
}

// GiveBack implements portallink.Store.
func (s *Portal) GiveBack(ctx context.Context, id portallink.ID) error {
	return s.change(ctx, "count key of portal", func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, giveToLink, string(id))
		return err
	})
}

// DeleteOver implements portallink.Store.
func (s *Portal) DeleteOver(ctx context.Context, now time.Time, limit int) (n int, _ error) {
	const what = "remove links to portal"
	if limit < 1 {
		return 0, fmt.Errorf("postgres: %s: limit %d is not at least 1", what, limit)
	}
	err := s.change(ctx, what, func(tx pgx.Tx) error {
		done, err := tx.Exec(ctx, deleteLinks, micro(now), limit)
		n = int(done.RowsAffected())
		return err
	})
	return n, err
}

// change runs do in a transaction, again where that was undone by another one.
func (s *Portal) change(ctx context.Context, what string, do func(tx pgx.Tx) error) error {
	err := s.db.write(ctx, do)
	for _, known := range []error{portallink.ErrExists, portallink.ErrNotFound, portallink.ErrGone, portallink.ErrSpent, portallink.ErrFull, errSame} {
		if errors.Is(err, known) {
			return err
		}
	}
	return answer(ctx, what, err)
}
