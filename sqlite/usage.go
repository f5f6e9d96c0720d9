package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/warder-dev/warder/usage/tally"
)

// Usage keeps what keys were used for. It is a tally.Store and safe for concurrent
// use, by several processes too.
type Usage struct{ db *DB }

var _ tally.Store = (*Usage)(nil)

// keptAddresses is how many addresses of a key are kept of the most frequent, and
// as many of the latest.
const keptAddresses = 16

const (
	addCount = `INSERT INTO usage_counts (resolution, at, key_id, route, outcome, n)
		VALUES (0, ?1, ?4, ?5, ?6, ?7), (1, ?2, ?4, ?5, ?6, ?7), (2, ?3, ?4, ?5, ?6, ?7)
		ON CONFLICT DO UPDATE SET n = n + excluded.n`
	noteUse    = `INSERT INTO usage_secrets (key_id, secret, at) VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET at = max(at, excluded.at)`
	addScope   = `INSERT INTO usage_scopes (key_id, scope, at) VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET at = max(at, excluded.at)`
	addAddress = `INSERT INTO usage_addresses (key_id, address, n, at) VALUES (?1, ?2, ?3, ?4)
		ON CONFLICT DO UPDATE SET n = n + excluded.n, at = max(at, excluded.at)`
	cutAddresses = `DELETE FROM usage_addresses WHERE key_id = ?1
		AND address NOT IN (SELECT address FROM usage_addresses WHERE key_id = ?1 ORDER BY n DESC, at DESC, address LIMIT ?2)
		AND address NOT IN (SELECT address FROM usage_addresses WHERE key_id = ?1 ORDER BY at DESC, n DESC, address LIMIT ?2)`

	listRows = `SELECT at, key_id, route, outcome, n FROM usage_counts
		WHERE resolution = ?1 AND at >= ?2 AND at < ?3 AND (?4 = '' OR key_id = ?4) AND (at, key_id, route, outcome) > (?5, ?6, ?7, ?8)
		ORDER BY at, key_id, route, outcome LIMIT ?9`
	// Outcomes: 0 to 2 passed, 6 limited; 2, 8 and 9 failed.
	topSums = `sum(n) AS requests, sum(CASE WHEN outcome <= 2 THEN n ELSE 0 END), sum(CASE WHEN outcome = 6 THEN n ELSE 0 END),
		sum(CASE WHEN outcome IN (2, 8, 9) THEN n ELSE 0 END) FROM usage_counts WHERE resolution = ?1 AND at >= ?2 AND at < ?3 AND (?4 = '' OR key_id = ?4) `
	topKeys   = `SELECT key_id, ` + topSums + `GROUP BY key_id ORDER BY requests DESC, key_id LIMIT ?5`
	topRoutes = `SELECT route, ` + topSums + `GROUP BY route ORDER BY requests DESC, route LIMIT ?5`

	secretsUsed   = `SELECT secret, at FROM usage_secrets WHERE key_id = ?1 ORDER BY at DESC, secret DESC`
	scopesUsed    = `SELECT scope, at FROM usage_scopes WHERE key_id = ?1 ORDER BY at DESC, scope`
	addressesUsed = `SELECT address, n, at FROM usage_addresses WHERE key_id = ?1 ORDER BY at DESC, n DESC, address`

	pruneCounts = `DELETE FROM usage_counts WHERE (resolution, at, key_id, route, outcome) IN
		(SELECT resolution, at, key_id, route, outcome FROM usage_counts WHERE resolution = ?1 AND at < ?2 LIMIT ?3)`
	pruneSecrets   = `DELETE FROM usage_secrets WHERE at < ?1`
	pruneScopes    = `DELETE FROM usage_scopes WHERE at < ?1`
	pruneAddresses = `DELETE FROM usage_addresses WHERE at < ?1`

	pruneAtOnce = 5000 // rows: others write in between
)

// Add implements tally.Store.
func (u *Usage) Add(ctx context.Context, b *tally.Batch) error {
	const what = "write usage"
	tx, err := u.db.write.BeginTx(ctx, nil)
	if err != nil {
		return answer(ctx, what, err)
	}
	if err = addBatch(ctx, tx, b); err == nil {
		err = tx.Commit()
	}
	if err == nil {
		err = u.db.file.look()
	}
	if err != nil {
		_ = tx.Rollback() // a failed commit may have done so; ErrTxDone says it
		return answer(ctx, what, err)
	}
	return nil
}

func addBatch(ctx context.Context, tx *sql.Tx, b *tally.Batch) error {
	minute, hour, day := b.Minute.Unix(), b.Minute.Truncate(time.Hour).Unix(), b.Minute.Truncate(tally.Day.Length()).Unix()
	err := each(ctx, tx, addCount, len(b.Counts), func(i int) []any {
		c := &b.Counts[i]
		return []any{minute, hour, day, c.Key, c.Route, int(c.Outcome), c.N}
	})
	if err != nil {
		return err
	}
	err = each(ctx, tx, noteUse, len(b.Secrets), func(i int) []any { return []any{b.Secrets[i].Key, b.Secrets[i].Secret, b.Secrets[i].At.Unix()} })
	if err != nil {
		return err
	}
	if err = each(ctx, tx, addScope, len(b.Scopes), func(i int) []any { return []any{b.Scopes[i].Key, b.Scopes[i].Scope, minute} }); err != nil {
		return err
	}
	err = each(ctx, tx, addAddress, len(b.Addresses), func(i int) []any {
		a := &b.Addresses[i]
		return []any{a.Key, a.Prefix.String(), a.N, a.At.Unix()}
	})
	if err != nil {
		return err
	}
	var keys []string // their addresses stand together
	for i := range b.Addresses {
		if key := b.Addresses[i].Key; len(keys) == 0 || keys[len(keys)-1] != key {
			keys = append(keys, key)
		}
	}
	return each(ctx, tx, cutAddresses, len(keys), func(i int) []any { return []any{keys[i], keptAddresses} })
}

// each runs a statement n times.
func each(ctx context.Context, tx *sql.Tx, query string, n int, args func(i int) []any) (err error) {
	if n == 0 {
		return nil
	}
	statement, err := tx.PrepareContext(ctx, query)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, statement.Close()) }()
	for i := range n {
		if _, err := statement.ExecContext(ctx, args(i)...); err != nil {
			return err
		}
	}
	return nil
}

// resolution is r as it is stored.
func resolution(r tally.Resolution) int {
	switch r {
	case tally.Hour:
		return 1
	case tally.Day:
		return 2
	case tally.Minute:
		return 0
	default:
		return 0
	}
}

// Rows implements tally.Reader.
func (u *Usage) Rows(ctx context.Context, q tally.Query) (_ []tally.Row, err error) {
	const what = "read usage"
	if err := q.Check(); err != nil {
		return nil, err
	}
	after := tally.Row{At: time.Unix(-1, 0)}
	if q.After != nil {
		after = *q.After
	}
	rows, err := u.db.read.QueryContext(ctx, listRows, resolution(q.Resolution), q.From.Unix(), q.To.Unix(), q.Key,
		after.At.Unix(), after.Key, after.Route, int(after.Outcome), q.Limit)
	if err != nil {
		return nil, answer(ctx, what, err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var all []tally.Row
	for rows.Next() {
		var r tally.Row
		var at int64
		if rows.Scan(&at, &r.Key, &r.Route, &r.Outcome, &r.N) != nil {
			return nil, errRow
		}
		r.At = time.Unix(at, 0).UTC()
		all = append(all, r)
	}
	return all, answer(ctx, what, rows.Err())
}

// Top implements tally.Reader.
func (u *Usage) Top(ctx context.Context, q tally.Query, by tally.By, limit int) (_ []tally.Total, err error) {
	const what, most = "read usage", 1000
	q.Limit = 1
	if err := q.Check(); err != nil {
		return nil, err
	}
	if limit < 1 || limit > most || by != tally.ByKey && by != tally.ByRoute {
		return nil, fmt.Errorf("sqlite: %s: want the top 1 to %d, by key or by route", what, most)
	}
	query := topKeys
	if by == tally.ByRoute {
		query = topRoutes
	}
	rows, err := u.db.read.QueryContext(ctx, query, resolution(q.Resolution), q.From.Unix(), q.To.Unix(), q.Key, limit)
	if err != nil {
		return nil, answer(ctx, what, err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var all []tally.Total
	for rows.Next() {
		var t tally.Total
		if rows.Scan(&t.Name, &t.Requests, &t.Passed, &t.Limited, &t.Failed) != nil {
			return nil, errRow
		}
		all = append(all, t)
	}
	return all, answer(ctx, what, rows.Err())
}

// Key implements tally.Reader.
func (u *Usage) Key(ctx context.Context, key string) (use tally.KeyUse, _ error) {
	const what = "read usage"
	err := u.scan(ctx, secretsUsed, key, func(rows *sql.Rows) error {
		s := tally.SecretUse{Key: key}
		var at int64
		err := rows.Scan(&s.Secret, &at)
		s.At = time.Unix(at, 0).UTC()
		use.Secrets = append(use.Secrets, s)
		return err
	})
	if err == nil {
		err = u.scan(ctx, scopesUsed, key, func(rows *sql.Rows) error {
			s := tally.ScopeUse{Key: key}
			var at int64
			err := rows.Scan(&s.Scope, &at)
			s.At = time.Unix(at, 0).UTC()
			use.Scopes = append(use.Scopes, s)
			return err
		})
	}
	if err == nil {
		err = u.scan(ctx, addressesUsed, key, func(rows *sql.Rows) error {
			a := tally.AddressUse{Key: key}
			var at int64
			var text string
			err := rows.Scan(&text, &a.N, &at)
			a.At = time.Unix(at, 0).UTC()
			if err == nil {
				a.Prefix, err = netip.ParsePrefix(text)
			}
			use.Addresses = append(use.Addresses, a)
			return err
		})
	}
	return use, answer(ctx, what, err)
}

// scan calls one for each row of a query about a key.
func (u *Usage) scan(ctx context.Context, query, key string, one func(rows *sql.Rows) error) (err error) {
	rows, err := u.db.read.QueryContext(ctx, query, key)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if one(rows) != nil {
			return errRow
		}
	}
	return rows.Err()
}

// Prune implements tally.Store.
func (u *Usage) Prune(ctx context.Context, now time.Time, keep tally.Retention) error {
	const what = "remove usage"
	for _, r := range []struct {
		resolution tally.Resolution
		keep       time.Duration
	}{{tally.Minute, keep.Minutes}, {tally.Hour, keep.Hours}, {tally.Day, keep.Days}} {
		for {
			done, err := u.db.write.ExecContext(ctx, pruneCounts, resolution(r.resolution), now.Add(-r.keep).Unix(), pruneAtOnce)
			if err != nil {
				return answer(ctx, what, err)
			}
			if n, err := done.RowsAffected(); err != nil || n < pruneAtOnce {
				break
			}
		}
	}
	for _, query := range []string{pruneSecrets, pruneScopes, pruneAddresses} {
		if _, err := u.db.write.ExecContext(ctx, query, now.Add(-keep.Days).Unix()); err != nil {
			return answer(ctx, what, err)
		}
	}
	return nil
}
