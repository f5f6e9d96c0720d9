package postgres

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/warder-dev/warder/usage/tally"
)

// Usage keeps what keys were used for. It is a tally.Store and safe for concurrent
// use, by many nodes too.
type Usage struct{ db *DB }

var _ tally.Store = (*Usage)(nil)

// Usage returns the store of what keys were used for. It lives as long as the DB.
func (db *DB) Usage() *Usage { return &Usage{db: db} }

// keptAddresses is how many addresses of a key are kept of the most frequent, and
// as many of the latest.
const keptAddresses = 16

const (
	// Every node changes the rows of a table in the order of its key, and one table
	// after the other: so no two wait for each other.
	addCounts = `INSERT INTO usage_counts AS u (resolution, at, key_id, route, outcome, n)
		SELECT r.resolution, r.at, c.key_id, c.route, c.outcome, sum(c.n)::bigint
		FROM unnest($1::smallint[], $2::timestamptz[]) AS r (resolution, at)
		CROSS JOIN unnest($3::text[], $4::text[], $5::smallint[], $6::bigint[]) AS c (key_id, route, outcome, n)
		GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, c.key_id COLLATE "C", c.route COLLATE "C", 5
		ON CONFLICT (resolution, at, key_id, route, outcome) DO UPDATE SET n = u.n + excluded.n`
	noteUses = `INSERT INTO usage_secrets AS u (key_id, secret, at)
		SELECT s.key_id, s.secret, max(s.at) FROM unnest($1::text[], $2::bigint[], $3::timestamptz[]) AS s (key_id, secret, at)
		GROUP BY 1, 2 ORDER BY s.key_id COLLATE "C", 2
		ON CONFLICT (key_id, secret) DO UPDATE SET at = excluded.at WHERE u.at < excluded.at`
	addScopes = `INSERT INTO usage_scopes AS u (key_id, scope, at)
		SELECT s.key_id, s.scope, max(s.at) FROM unnest($1::text[], $2::text[], $3::timestamptz[]) AS s (key_id, scope, at)
		GROUP BY 1, 2 ORDER BY s.key_id COLLATE "C", s.scope COLLATE "C"
		ON CONFLICT (key_id, scope) DO UPDATE SET at = excluded.at WHERE u.at < excluded.at`
	addAddresses = `INSERT INTO usage_addresses AS u (key_id, address, n, at)
		SELECT a.key_id, a.address, sum(a.n)::bigint, max(a.at) FROM unnest($1::text[], $2::text[], $3::bigint[], $4::timestamptz[]) AS a (key_id, address, n, at)
		GROUP BY 1, 2 ORDER BY a.key_id COLLATE "C", a.address COLLATE "C"
		ON CONFLICT (key_id, address) DO UPDATE SET n = u.n + excluded.n, at = greatest(u.at, excluded.at)`

	// What another node writes at this moment is one of the latest, and is passed over.
	cutAddresses = `DELETE FROM usage_addresses WHERE ctid = ANY (ARRAY(
		SELECT u.ctid FROM usage_addresses u JOIN (
			SELECT key_id, address, row_number() OVER (PARTITION BY key_id ORDER BY n DESC, at DESC, address) AS frequent,
				row_number() OVER (PARTITION BY key_id ORDER BY at DESC, n DESC, address) AS late
			FROM usage_addresses WHERE key_id = ANY ($1)) AS placed USING (key_id, address)
		WHERE placed.frequent > $2 AND placed.late > $2 FOR UPDATE OF u SKIP LOCKED))`

	listRows = `SELECT at, key_id, route, outcome, n FROM usage_counts
		WHERE resolution = $1 AND at >= $2 AND at < $3 AND ($4::text = '' OR key_id = $4)
			AND (at, key_id, route, outcome) > ($5::timestamptz, $6::text, $7::text, $8::smallint)
		ORDER BY at, key_id, route, outcome LIMIT $9`
	// Outcomes: 0 to 2 passed, 6 limited; 2, 8 and 9 failed.
	topSums = `sum(n)::bigint AS requests, coalesce(sum(n) FILTER (WHERE outcome <= 2), 0)::bigint, coalesce(sum(n) FILTER (WHERE outcome = 6), 0)::bigint,
		coalesce(sum(n) FILTER (WHERE outcome IN (2, 8, 9)), 0)::bigint
		FROM usage_counts WHERE resolution = $1 AND at >= $2 AND at < $3 AND ($4::text = '' OR key_id = $4) `
	topKeys   = `SELECT key_id, ` + topSums + `GROUP BY key_id ORDER BY requests DESC, key_id LIMIT $5`
	topRoutes = `SELECT route, ` + topSums + `GROUP BY route ORDER BY requests DESC, route LIMIT $5`

	secretsUsed   = `SELECT secret, at FROM usage_secrets WHERE key_id = $1 ORDER BY at DESC, secret DESC`
	scopesUsed    = `SELECT scope, at FROM usage_scopes WHERE key_id = $1 ORDER BY at DESC, scope`
	addressesUsed = `SELECT address, n, at FROM usage_addresses WHERE key_id = $1 ORDER BY at DESC, n DESC, address`

	// What another node removes at this moment is passed over.
	pruneCounts    = `DELETE FROM usage_counts WHERE ctid = ANY (ARRAY(SELECT ctid FROM usage_counts WHERE resolution = $3 AND at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED))`
	pruneSecrets   = `DELETE FROM usage_secrets WHERE ctid = ANY (ARRAY(SELECT ctid FROM usage_secrets WHERE at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED))`
	pruneScopes    = `DELETE FROM usage_scopes WHERE ctid = ANY (ARRAY(SELECT ctid FROM usage_scopes WHERE at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED))`
	pruneAddresses = `DELETE FROM usage_addresses WHERE ctid = ANY (ARRAY(SELECT ctid FROM usage_addresses WHERE at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED))`

	pruneAtOnce = 5000 // rows: no statement takes long
)

// Add implements tally.Store. Nodes that add at once wait for each other, at most for
// one transaction.
func (u *Usage) Add(ctx context.Context, b *tally.Batch) error {
	if !validUsage(b) {
		return errors.New("postgres: usage has text that is not UTF-8, or a NUL")
	}
	err := u.db.write(ctx, func(tx pgx.Tx) error {
		batch := new(pgx.Batch)
		queueUsage(batch, b)
		return tx.SendBatch(ctx, batch).Close()
	})
	return answer(ctx, "write usage", err)
}

func validUsage(b *tally.Batch) bool {
	valid := true
	for i := range b.Counts {
		valid = valid && validText(b.Counts[i].Key) && validText(b.Counts[i].Route)
	}
	for i := range b.Secrets {
		valid = valid && validText(b.Secrets[i].Key)
	}
	for i := range b.Scopes {
		valid = valid && validText(b.Scopes[i].Key) && validText(b.Scopes[i].Scope)
	}
	for i := range b.Addresses {
		valid = valid && validText(b.Addresses[i].Key)
	}
	return valid
}

// queueUsage puts b into the batch, a statement for each table.
func queueUsage(batch *pgx.Batch, b *tally.Batch) {
	minute := micro(b.Minute)
	if len(b.Counts) > 0 {
		queueCounts(batch, minute, b.Counts)
	}
	if n := len(b.Secrets); n > 0 {
		keys, numbers, times := make([]string, n), make([]int64, n), make([]time.Time, n)
		for i, s := range b.Secrets {
			keys[i], numbers[i], times[i] = s.Key, int64(s.Secret), micro(s.At)
		}
		batch.Queue(noteUses, keys, numbers, times)
	}
	if n := len(b.Scopes); n > 0 {
		keys, scopes, times := make([]string, n), make([]string, n), make([]time.Time, n)
		for i, s := range b.Scopes {
			keys[i], scopes[i], times[i] = s.Key, s.Scope, minute
		}
		batch.Queue(addScopes, keys, scopes, times)
	}
	if n := len(b.Addresses); n > 0 {
		keys, addresses, counts, times := make([]string, n), make([]string, n), make([]int64, n), make([]time.Time, n)
		for i, a := range b.Addresses {
			keys[i], addresses[i], counts[i], times[i] = a.Key, a.Prefix.String(), a.N, micro(a.At)
		}
		batch.Queue(addAddresses, keys, addresses, counts, times)
		batch.Queue(cutAddresses, keys, keptAddresses)
	}
}

func queueCounts(batch *pgx.Batch, minute time.Time, counts []tally.Count) {
	var resolutions []int16
	var begins []time.Time
	for _, r := range []tally.Resolution{tally.Minute, tally.Hour, tally.Day} {
		resolutions, begins = append(resolutions, resolution(r)), append(begins, minute.Truncate(r.Length()))
	}
	n := len(counts)
	keys, routes, outcomes, sums := make([]string, n), make([]string, n), make([]int16, n), make([]int64, n)
	for i, c := range counts {
		keys[i], routes[i], outcomes[i], sums[i] = c.Key, c.Route, int16(c.Outcome), c.N
	}
	batch.Queue(addCounts, resolutions, begins, keys, routes, outcomes, sums)
}

// resolution is r as it is stored.
func resolution(r tally.Resolution) int16 {
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
func (u *Usage) Rows(ctx context.Context, q tally.Query) ([]tally.Row, error) {
	if err := q.Check(); err != nil {
		return nil, err
	}
	if !validText(q.Key) {
		return nil, nil // Add accepts no such text
	}
	after := tally.Row{}
	from := pgtype.Timestamptz{InfinityModifier: pgtype.NegativeInfinity, Valid: true}
	if q.After != nil {
		after = *q.After
		from = pgtype.Timestamptz{Time: micro(after.At), Valid: true}
	}
	return collect(ctx, u.db, "read usage", scanUsage, listRows, resolution(q.Resolution), nextMicro(q.From), nextMicro(q.To), q.Key,
		from, after.Key, after.Route, int16(after.Outcome), q.Limit)
}

func scanUsage(row pgx.CollectableRow) (r tally.Row, _ error) {
	if row.Scan(&r.At, &r.Key, &r.Route, &r.Outcome, &r.N) != nil {
		return tally.Row{}, errRow
	}
	r.At = r.At.UTC()
	return r, nil
}

// Top implements tally.Reader.
func (u *Usage) Top(ctx context.Context, q tally.Query, by tally.By, limit int) ([]tally.Total, error) {
	const what, most = "read usage", 1000
	q.Limit = 1
	if err := q.Check(); err != nil {
		return nil, err
	}
	if limit < 1 || limit > most || by != tally.ByKey && by != tally.ByRoute {
		return nil, fmt.Errorf("postgres: %s: want the top 1 to %d, by key or by route", what, most)
	}
	if !validText(q.Key) {
		return nil, nil // Add accepts no such text
	}
	query := topKeys
	if by == tally.ByRoute {
		query = topRoutes
	}
	return collect(ctx, u.db, what, func(row pgx.CollectableRow) (t tally.Total, _ error) {
		if row.Scan(&t.Name, &t.Requests, &t.Passed, &t.Limited, &t.Failed) != nil {
			return tally.Total{}, errRow
		}
		return t, nil
	}, query, resolution(q.Resolution), nextMicro(q.From), nextMicro(q.To), q.Key, limit)
}

// Key implements tally.Reader.
func (u *Usage) Key(ctx context.Context, key string) (use tally.KeyUse, err error) {
	const what = "read usage"
	if !validText(key) {
		return tally.KeyUse{}, nil // Add accepts no such text
	}
	use.Secrets, err = collect(ctx, u.db, what, func(row pgx.CollectableRow) (tally.SecretUse, error) {
		s := tally.SecretUse{Key: key}
		err := scanUse(row, &s.At, &s.Secret)
		return s, err
	}, secretsUsed, key)
	if err != nil {
		return tally.KeyUse{}, err
	}
	use.Scopes, err = collect(ctx, u.db, what, func(row pgx.CollectableRow) (tally.ScopeUse, error) {
		s := tally.ScopeUse{Key: key}
		err := scanUse(row, &s.At, &s.Scope)
		return s, err
	}, scopesUsed, key)
	if err != nil {
		return tally.KeyUse{}, err
	}
	use.Addresses, err = collect(ctx, u.db, what, func(row pgx.CollectableRow) (tally.AddressUse, error) {
		a := tally.AddressUse{Key: key}
		var text string
		err := scanUse(row, &a.At, &text, &a.N)
		if err != nil {
			return a, err
		}
		if a.Prefix, err = netip.ParsePrefix(text); err != nil {
			return a, errRow
		}
		return a, nil
	}, addressesUsed, key)
	if err != nil {
		return tally.KeyUse{}, err
	}
	return use, nil
}

// scanUse reads what was used, and at last when.
func scanUse(row pgx.CollectableRow, at *time.Time, rest ...any) error {
	if row.Scan(append(rest, at)...) != nil {
		return errRow
	}
	*at = at.UTC()
	return nil
}

// Prune implements tally.Store.
func (u *Usage) Prune(ctx context.Context, now time.Time, keep tally.Retention) error {
	for _, p := range []struct {
		query string
		keep  time.Duration
		of    []any
	}{
		{pruneCounts, keep.Minutes, []any{resolution(tally.Minute)}},
		{pruneCounts, keep.Hours, []any{resolution(tally.Hour)}},
		{pruneCounts, keep.Days, []any{resolution(tally.Day)}},
		{pruneSecrets, keep.Days, nil},
		{pruneScopes, keep.Days, nil},
		{pruneAddresses, keep.Days, nil},
	} {
		if err := u.prune(ctx, p.query, append([]any{micro(now.Add(-p.keep)), pruneAtOnce}, p.of...)); err != nil {
			return answer(ctx, "remove usage", err)
		}
	}
	return nil
}

// prune runs a statement until it finds no full number of rows.
func (u *Usage) prune(ctx context.Context, query string, args []any) error {
	for {
		var done pgconn.CommandTag
		err := again(ctx, func() (err error) {
			done, err = u.db.pool.Exec(ctx, query, args...)
			return err
		})
		if err != nil || done.RowsAffected() < pruneAtOnce {
			return err
		}
	}
}

// ReplaceCover implements tally.CoverStore.
func (u *Usage) ReplaceCover(ctx context.Context, change func(text string) (string, error)) error {
	return u.db.ReplaceCover(ctx, change)
}
