package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/warder-dev/warder/apikey"
)

// APIKeys keeps API keys. It is everything that a store of keys can be, a Notifier
// too, and safe for concurrent use.
type APIKeys struct {
	db     *DB
	poll   *poll
	bounds bounds
}

var (
	_ apikey.Store       = (*APIKeys)(nil)
	_ apikey.Batcher     = (*APIKeys)(nil)
	_ apikey.Lister      = (*APIKeys)(nil)
	_ apikey.Finder      = (*APIKeys)(nil)
	_ apikey.Feed        = (*APIKeys)(nil)
	_ apikey.Notifier    = (*APIKeys)(nil)
	_ apikey.LegacyStore = (*APIKeys)(nil)

	_ apikey.DigestFinder = (*APIKeys)(nil)
)

// Columns of a record with one of its secrets per row. The outer join finds a
// key whose secrets are lost, so that it is an error and not an unknown key.
const (
	keyColumns = `k.id, k.prefix, k.environment, k.name, k.owner, k.scopes, k.created, k.expires, k.disabled, k.revoked, k.reason, k.certificate, k.revision,
		k.kind, k.plan, k.updated, k.detail`
	selectRecords = `SELECT ` + keyColumns + `, s.digest, s.pepper, s.created, s.retires, s.number, s.idle_retire, s.format FROM `
	lookupKey     = selectRecords + `keys k LEFT JOIN secrets s ON s.key_id = k.id WHERE k.id = $1 ORDER BY s.position`
	listKeys      = selectRecords + `(SELECT ` + keyColumns + ` FROM keys k WHERE k.id > $1 ORDER BY k.id LIMIT $2) k LEFT JOIN secrets s ON s.key_id = k.id ORDER BY k.id, s.position`

	lookupDigest = selectRecords + `keys k LEFT JOIN secrets s ON s.key_id = k.id
		WHERE k.id = (SELECT key_id FROM secrets WHERE format = $1 AND digest = $2 AND format <> '') ORDER BY s.position`

	// The places, from 1, of those that a key has.
	hasDigests = `SELECT e.n FROM unnest($1::text[], $2::bytea[]) WITH ORDINALITY AS e (format, digest, n)
		WHERE EXISTS (SELECT 1 FROM secrets s WHERE s.format = e.format AND s.digest = e.digest AND s.format <> '')`

	// Jumps from one pepper to the next in the index, however many keys use it. An
	// imported digest may have none.
	listPeppers = `WITH RECURSIVE p (id) AS (SELECT min(pepper) FROM secrets WHERE pepper > ''
		UNION ALL SELECT (SELECT min(pepper) FROM secrets WHERE pepper > p.id) FROM p WHERE p.id IS NOT NULL)
		SELECT id FROM p WHERE id IS NOT NULL`
)

// maxPage is the greatest limit of List.
const maxPage = 1000

// Lookup implements apikey.Store.
func (s *APIKeys) Lookup(ctx context.Context, id apikey.ID) (apikey.Record, error) {
	if !validText(string(id)) {
		return apikey.Record{}, apikey.ErrNotFound // Apply accepts no such id
	}
	return s.record(ctx, "look up api key", lookupKey, string(id))
}

// LookupDigest implements apikey.LegacyStore.
func (s *APIKeys) LookupDigest(ctx context.Context, format string, digest [32]byte) (apikey.Record, error) {
	if !validText(format) {
		return apikey.Record{}, apikey.ErrNotFound
	}
	return s.record(ctx, "look up imported digest", lookupDigest, format, digest[:])
}

// HasDigests implements apikey.DigestFinder.
func (s *APIKeys) HasDigests(ctx context.Context, digests []apikey.ImportedDigest) ([]bool, error) {
	const what = "look up imported digests"
	if err := apikey.CheckDigests(digests); err != nil {
		return nil, err
	}
	formats, sums := make([]string, len(digests)), make([][]byte, len(digests))
	for i := range digests {
		formats[i], sums[i] = digests[i].Format, digests[i].Sum[:]
	}
	has := make([]bool, len(digests))
	err := again(ctx, func() error {
		rows, err := s.db.pool.Query(ctx, hasDigests, formats, sums)
		if err != nil {
			return err
		}
		return eachRow(rows, func() error {
			var n int
			if rows.Scan(&n) != nil || n < 1 || n > len(has) {
				return errRow
			}
			has[n-1] = true
			return nil
		})
	})
	if err != nil {
		return nil, answer(ctx, what, err)
	}
	return has, nil
}

// record runs a query of [selectRecords] for one key.
func (s *APIKeys) record(ctx context.Context, what, query string, args ...any) (apikey.Record, error) {
	found, err := s.records(ctx, query, args...)
	switch {
	case err != nil:
		return apikey.Record{}, answer(ctx, what, err)
	case len(found) == 0:
		return apikey.Record{}, apikey.ErrNotFound
	}
	return found[0], nil
}

// List implements apikey.Lister.
func (s *APIKeys) List(ctx context.Context, after apikey.ID, limit int) ([]apikey.Record, error) {
	const what = "list api keys"
	if limit < 1 || limit > maxPage {
		return nil, fmt.Errorf("postgres: %s: limit %d is not 1 to %d", what, limit, maxPage)
	}
	if !validText(string(after)) {
		return nil, fmt.Errorf("postgres: %s: the id to begin after is no text", what)
	}
	page, err := s.records(ctx, listKeys, string(after), limit)
	return page, answer(ctx, what, err)
}

// PepperIDs implements apikey.Lister.
func (s *APIKeys) PepperIDs(ctx context.Context) (ids []string, _ error) {
	err := again(ctx, func() error {
		rows, err := s.db.pool.Query(ctx, listPeppers)
		if err != nil {
			return err
		}
		ids, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	return ids, answer(ctx, "list peppers", err)
}

// records runs a query of [selectRecords], ordered by key.
func (s *APIKeys) records(ctx context.Context, query string, args ...any) (all []apikey.Record, _ error) {
	err := again(ctx, func() error {
		all = nil
		rows, err := s.db.pool.Query(ctx, query, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			r, err := scanRecord(rows)
			if err != nil {
				return err
			}
			if n := len(all); n > 0 && all[n-1].ID == r.ID {
				all[n-1].Secrets = append(all[n-1].Secrets, r.Secrets...)
				continue
			}
			all = append(all, r)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}
