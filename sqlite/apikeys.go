package sqlite

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/warder-dev/warder/apikey"
)

// APIKeys keeps API keys. It is an apikey.Store, Batcher, Lister, Finder, Feed
// and LegacyStore, and safe for concurrent use.
type APIKeys struct {
	db     *DB
	lookup *sql.Stmt
	poll   *poll
	bounds bounds
}

var (
	_ apikey.Store       = (*APIKeys)(nil)
	_ apikey.Batcher     = (*APIKeys)(nil)
	_ apikey.Lister      = (*APIKeys)(nil)
	_ apikey.Finder      = (*APIKeys)(nil)
	_ apikey.Feed        = (*APIKeys)(nil)
	_ apikey.LegacyStore = (*APIKeys)(nil)

	_ apikey.DigestFinder = (*APIKeys)(nil)
)

// Columns of a record with one of its secrets per row. The outer join finds a
// key whose secrets are lost, so that it is an error and not an unknown key.
const (
	selectRecords = `SELECT k.id, k.prefix, k.environment, k.name, k.owner, k.scopes, k.created, k.expires, k.disabled, k.revoked, k.reason, k.certificate, k.revision,
		k.kind, k.plan, k.updated, k.detail, s.digest, s.pepper, s.created, s.retires, s.number, s.idle_retire, s.format FROM `
	lookupKey = selectRecords + `keys k LEFT JOIN secrets s ON s.key_id = k.id WHERE k.id = ?1 ORDER BY s.position`
	listKeys  = selectRecords + `(SELECT * FROM keys WHERE id > ?1 ORDER BY id LIMIT ?2) k LEFT JOIN secrets s ON s.key_id = k.id ORDER BY k.id, s.position`

	lookupDigest = selectRecords + `keys k LEFT JOIN secrets s ON s.key_id = k.id
		WHERE k.id = (SELECT key_id FROM secrets WHERE format = ?1 AND digest = ?2 AND format <> '') ORDER BY s.position`

	// Of a list of [format, digest in hex], the places of those that a key has.
	hasDigests = `SELECT e.key FROM json_each(?1) e
		WHERE EXISTS (SELECT 1 FROM secrets WHERE format = e.value ->> 0 AND digest = unhex(e.value ->> 1) AND format <> '')`

	// Jumps from one pepper to the next in the index, however many keys use it. An
	// imported digest may have none.
	listPeppers = `WITH RECURSIVE p (id) AS (SELECT min(pepper) FROM secrets WHERE pepper > ''
		UNION ALL SELECT (SELECT min(pepper) FROM secrets WHERE pepper > p.id) FROM p WHERE p.id IS NOT NULL)
		SELECT id FROM p WHERE id IS NOT NULL`
)

// maxPage is the greatest limit of List.
const maxPage = 1000

func newAPIKeys(ctx context.Context, db *DB) (*APIKeys, error) {
	lookup, err := db.read.PrepareContext(ctx, lookupKey)
	if err != nil {
		return nil, err
	}
	return &APIKeys{db: db, lookup: lookup, poll: newPoll(db.read), bounds: usualBounds()}, nil
}

// Lookup implements apikey.Store.
func (s *APIKeys) Lookup(ctx context.Context, id apikey.ID) (apikey.Record, error) {
	const what = "look up api key"
	if !validText(string(id)) {
		return apikey.Record{}, apikey.ErrNotFound // Apply accepts no such id
	}
	if err := s.db.file.look(); err != nil {
		return apikey.Record{}, err
	}
	rows, err := s.lookup.QueryContext(ctx, string(id))
	if err != nil {
		return apikey.Record{}, answer(ctx, what, err)
	}
	found, err := records(rows)
	switch {
	case err != nil:
		return apikey.Record{}, answer(ctx, what, err)
	case len(found) == 0:
		return apikey.Record{}, apikey.ErrNotFound
	}
	return found[0], nil
}

// LookupDigest implements apikey.LegacyStore.
func (s *APIKeys) LookupDigest(ctx context.Context, format string, digest [32]byte) (apikey.Record, error) {
	const what = "look up imported digest"
	if !validText(format) {
		return apikey.Record{}, apikey.ErrNotFound
	}
	if err := s.db.file.look(); err != nil {
		return apikey.Record{}, err
	}
	rows, err := s.db.read.QueryContext(ctx, lookupDigest, format, digest[:])
	if err != nil {
		return apikey.Record{}, answer(ctx, what, err)
	}
	found, err := records(rows)
	switch {
	case err != nil:
		return apikey.Record{}, answer(ctx, what, err)
	case len(found) == 0:
		return apikey.Record{}, apikey.ErrNotFound
	}
	return found[0], nil
}

// HasDigests implements apikey.DigestFinder.
func (s *APIKeys) HasDigests(ctx context.Context, digests []apikey.ImportedDigest) (has []bool, err error) {
	const what = "look up imported digests"
	if err := apikey.CheckDigests(digests); err != nil {
		return nil, err
	}
	if err := s.db.file.look(); err != nil {
		return nil, err
	}
	pairs := make([][2]string, len(digests))
	for i, d := range digests {
		pairs[i] = [2]string{d.Format, hex.EncodeToString(d.Sum[:])}
	}
	text, err := jsonOf(pairs)
	if err != nil {
		return nil, fmt.Errorf("sqlite: %s: %w", what, err)
	}
	rows, err := s.db.read.QueryContext(ctx, hasDigests, text)
	if err != nil {
		return nil, answer(ctx, what, err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	has = make([]bool, len(digests))
	for rows.Next() {
		var i int
		if rows.Scan(&i) != nil || i < 0 || i >= len(has) {
			return nil, answer(ctx, what, errRow)
		}
		has[i] = true
	}
	return has, answer(ctx, what, rows.Err())
}

// List implements apikey.Lister.
func (s *APIKeys) List(ctx context.Context, after apikey.ID, limit int) ([]apikey.Record, error) {
	const what = "list api keys"
	if limit < 1 || limit > maxPage {
		return nil, fmt.Errorf("sqlite: %s: limit %d is not 1 to %d", what, limit, maxPage)
	}
	rows, err := s.db.read.QueryContext(ctx, listKeys, string(after), limit)
	if err != nil {
		return nil, answer(ctx, what, err)
	}
	page, err := records(rows)
	return page, answer(ctx, what, err)
}

// PepperIDs implements apikey.Lister.
func (s *APIKeys) PepperIDs(ctx context.Context) ([]string, error) {
	const what = "list peppers"
	rows, err := s.db.read.QueryContext(ctx, listPeppers)
	if err != nil {
		return nil, answer(ctx, what, err)
	}
	ids, err := texts(rows)
	return ids, answer(ctx, what, err)
}

// close releases what the pools do not.
func (s *APIKeys) close() error { return errors.Join(s.lookup.Close(), s.poll.close()) }

// records reads rows of [selectRecords], ordered by key, and closes them.
func records(rows *sql.Rows) (_ []apikey.Record, err error) {
	defer func() { err = errors.Join(err, rows.Close()) }()
	var all []apikey.Record
	for rows.Next() {
		r, err := scanRecord(rows)
		if err != nil {
			return nil, err
		}
		if n := len(all); n > 0 && all[n-1].ID == r.ID {
			all[n-1].Secrets = append(all[n-1].Secrets, r.Secrets...)
			continue
		}
		all = append(all, r)
	}
	return all, rows.Err()
}

// texts reads rows of one text and closes them.
func texts(rows *sql.Rows) (_ []string, err error) {
	defer func() { err = errors.Join(err, rows.Close()) }()
	var all []string
	for rows.Next() {
		var text string
		if rows.Scan(&text) != nil {
			return nil, errRow
		}
		all = append(all, text)
	}
	return all, rows.Err()
}
