package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/warder-dev/warder/audit"
	"github.com/warder-dev/warder/internal/portallink"
)

// Portal keeps links to the holders' portal and their sessions. It is a
// portallink.Store and safe for concurrent use, by several processes too.
type Portal struct{ db *DB }

var _ portallink.Store = (*Portal)(nil)

// Portal returns the store of the holders' portal. It lives as long as the DB.
func (db *DB) Portal() *Portal { return &Portal{db: db} }

const (
	lookupLink  = `SELECT id, owner, link, created, expires, used, session, session_expires, made, ended, detail FROM portal_passes WHERE id = ?1`
	countLinks  = `SELECT count(*) FROM (SELECT 1 FROM portal_passes WHERE owner = ?1 AND ended IS NULL AND coalesce(session_expires, expires) > ?2 LIMIT ?3)`
	insertLink  = `INSERT INTO portal_passes (id, owner, link, created, expires, detail) VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING`
	useLink     = `UPDATE portal_passes SET used = ?2, session = ?3, session_expires = ?4 WHERE id = ?1 AND used IS NULL AND ended IS NULL AND expires > ?2`
	takeOfLink  = `UPDATE portal_passes SET made = made + 1 WHERE id = ?1 AND made < ?2 AND ended IS NULL AND session_expires > ?3`
	giveToLink  = `UPDATE portal_passes SET made = made - 1 WHERE id = ?1 AND made > 0`
	endLink     = `UPDATE portal_passes SET ended = ?2 WHERE id = ?1 AND ended IS NULL`
	deleteLinks = `DELETE FROM portal_passes WHERE id IN (SELECT id FROM portal_passes WHERE coalesce(ended, session_expires, expires) <= ?1 LIMIT ?2)`
)

var errLink = errors.New("sqlite: a link to the portal has text that is not UTF-8 without NUL")

// Create implements portallink.Store.
func (s *Portal) Create(ctx context.Context, by audit.By, p portallink.Pass) error {
	detail, err := portallink.MarshalDetail(&p)
	if err != nil {
		return err
	}
	if !validText(p.Owner + string(p.ID) + detail + by.Actor + by.Source) {
		return errLink
	}
	return s.change(ctx, "make link to portal", func(tx *sql.Tx) error {
		var n int
		if err := tx.QueryRowContext(ctx, countLinks, p.Owner, p.Created.UnixMicro(), portallink.MostOfOwner).Scan(&n); err != nil {
			return err
		}
		if n >= portallink.MostOfOwner {
			return portallink.ErrFull
		}
		err := written(ctx, tx, portallink.ErrExists, insertLink, string(p.ID), p.Owner, p.Link[:], p.Created.UnixMicro(), p.Expires.UnixMicro(), detail)
		if err != nil {
			return err
		}
		return tellLink(ctx, tx, by, portallink.OpCreate, nil, &p, p.Created)
	})
}

// Lookup implements portallink.Store.
func (s *Portal) Lookup(ctx context.Context, id portallink.ID) (portallink.Pass, error) {
	if !validText(string(id)) {
		return portallink.Pass{}, portallink.ErrNotFound
	}
	if err := s.db.file.look(); err != nil {
		return portallink.Pass{}, err
	}
	p, err := scanLink(s.db.read.QueryRowContext(ctx, lookupLink, string(id)))
	if errors.Is(err, portallink.ErrNotFound) {
		return portallink.Pass{}, err
	}
	return p, answer(ctx, "look up link to portal", err)
}

func scanLink(row *sql.Row) (p portallink.Pass, _ error) {
	var link, session []byte
	var created, expires int64
	var used, sessionExpires, ended sql.NullInt64
	var detail string
	switch err := row.Scan(&p.ID, &p.Owner, &link, &created, &expires, &used, &session, &sessionExpires, &p.Made, &ended, &detail); {
	case errors.Is(err, sql.ErrNoRows):
		return portallink.Pass{}, portallink.ErrNotFound
	case err != nil:
		return portallink.Pass{}, err
	}
	if copy(p.Link[:], link) != len(p.Link) || used.Valid && copy(p.Session[:], session) != len(p.Session) || portallink.UnmarshalDetail(detail, &p) != nil {
		return portallink.Pass{}, errRow
	}
	p.Created, p.Expires = time.UnixMicro(created).UTC(), time.UnixMicro(expires).UTC()
	p.Used, p.SessionExpires, p.Ended = timeOf(used), timeOf(sessionExpires), timeOf(ended)
	return p, nil
}

// Use implements portallink.Store.
func (s *Portal) Use(ctx context.Context, by audit.By, id portallink.ID, session portallink.Digest, now, until time.Time) error {
	return s.turn(ctx, by, portallink.OpUse, id, now, portallink.ErrGone, useLink, string(id), now.UnixMicro(), session[:], until.UnixMicro())
}

// End implements portallink.Store.
func (s *Portal) End(ctx context.Context, by audit.By, id portallink.ID, now time.Time) error {
	err := s.turn(ctx, by, portallink.OpEnd, id, now, errSame, endLink, string(id), now.UnixMicro())
	if !errors.Is(err, errSame) {
		return err
	}
	return nil
}

// errSame means that there was nothing to change.
var errSame = errors.New("sqlite: it is so already")

// turn changes a pass that is there by a statement, and returns otherwise where that
// changes none.
func (s *Portal) turn(ctx context.Context, by audit.By, op string, id portallink.ID, now time.Time, otherwise error, query string, args ...any) error {
	if !validText(string(id) + by.Actor + by.Source) {
		return errLink
	}
	return s.change(ctx, "change link to portal", func(tx *sql.Tx) error {
		before, err := scanLink(tx.QueryRowContext(ctx, lookupLink, string(id)))
		if errors.Is(err, portallink.ErrNotFound) && op == portallink.OpUse {
			return portallink.ErrGone
		}
		if err != nil {
			return err
		}
		if err := written(ctx, tx, otherwise, query, args...); err != nil {
			return err
		}
		after, err := scanLink(tx.QueryRowContext(ctx, lookupLink, string(id)))
		if err != nil {
			return err
		}
		return tellLink(ctx, tx, by, op, &before, &after, now)
	})
}

// tellLink writes the entry of a change.
func tellLink(ctx context.Context, tx *sql.Tx, by audit.By, op string, before, after *portallink.Pass, at time.Time) error {
	log := chain{tx: tx}
	_, err := log.add(ctx, portallink.Event(by, op, before, after, at))
	return err
}

// Take implements portallink.Store.
func (s *Portal) Take(ctx context.Context, id portallink.ID, most int, now time.Time) error {
	return s.change(ctx, "count key of portal", func(tx *sql.Tx) error {
		err := written(ctx, tx, errSame, takeOfLink, string(id), most, now.UnixMicro())
		if !errors.Is(err, errSame) {
			return err
		}
		p, err := scanLink(tx.QueryRowContext(ctx, lookupLink, string(id)))
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
	return s.change(ctx, "count key of portal", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, giveToLink, string(id))
		return err
	})
}

// DeleteOver implements portallink.Store.
func (s *Portal) DeleteOver(ctx context.Context, now time.Time, limit int) (n int, _ error) {
	const what = "remove links to portal"
	if limit < 1 {
		return 0, fmt.Errorf("sqlite: %s: limit %d is not at least 1", what, limit)
	}
	err := s.change(ctx, what, func(tx *sql.Tx) error {
		done, err := tx.ExecContext(ctx, deleteLinks, now.UnixMicro(), limit)
		if err != nil {
			return err
		}
		removed, err := done.RowsAffected()
		n = int(removed)
		return err
	})
	return n, err
}

// change runs do in a transaction.
func (s *Portal) change(ctx context.Context, what string, do func(tx *sql.Tx) error) error {
	tx, err := s.db.write.BeginTx(ctx, nil)
	if err != nil {
		return answer(ctx, what, err)
	}
	if err = do(tx); err == nil {
		err = tx.Commit()
	}
	if err == nil {
		err = s.db.file.look() // what went into a file without a name is not acknowledged
	}
	if err == nil {
		return nil
	}
	_ = tx.Rollback() // a failed commit may have done so; ErrTxDone says it
	for _, known := range []error{portallink.ErrExists, portallink.ErrNotFound, portallink.ErrGone, portallink.ErrSpent, portallink.ErrFull, errSame} {
		if errors.Is(err, known) {
			return err
		}
	}
	return answer(ctx, what, err)
}
