package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/warder-dev/warder/apikey"
)

// What a filter asks for. Each condition is off while its parameter is empty; the
// order and the owner, which an index serves, are statements of their own. Letters
// are those of ASCII in the order "C", whatever the database's language is.
const (
	filterKeys = `($1 = '' OR owner = $1) AND ($2 = '' OR environment = $2) AND ($3 = '' OR kind = $3) AND ($4 = '' OR plan = $4)
		AND ($5 = '' OR $5 = CASE
			WHEN revoked IS NOT NULL THEN 'revoked'
			WHEN disabled THEN 'disabled'
			WHEN expires <= $6 THEN 'expired'
			WHEN EXISTS (SELECT 1 FROM secrets WHERE key_id = k.id AND retires > $6) THEN 'retiring'
			ELSE 'active' END)
		AND ($7 = '' OR strpos(lower(name COLLATE "C"), lower($7::text COLLATE "C")) > 0 OR strpos(lower(owner), lower($7 COLLATE "C")) > 0
			OR strpos(lower(id), lower($7 COLLATE "C")) > 0)
		AND ($8::timestamptz IS NULL OR expires < $8)
		AND (NOT $12::boolean OR (detail ->> 'idle_revoke_ms')::bigint > 0)`

	// The first page begins at infinity: so the place is always one in the index.
	byID      = ` AND $10::timestamptz IS NOT NULL AND id > $9 ORDER BY id LIMIT $11`
	byCreated = ` AND coalesce(created, '-infinity') <= $10 AND (coalesce(created, '-infinity') < $10 OR id > $9)
		ORDER BY coalesce(created, '-infinity') DESC, id LIMIT $11`

	findByID      = selectRecords + `(SELECT ` + keyColumns + ` FROM keys k WHERE ` + filterKeys + byID + `) k LEFT JOIN secrets s ON s.key_id = k.id ORDER BY k.id, s.position`
	findByCreated = selectRecords + `(SELECT ` + keyColumns + ` FROM keys k WHERE ` + filterKeys + byCreated + `) k LEFT JOIN secrets s ON s.key_id = k.id
		ORDER BY coalesce(k.created, '-infinity') DESC, k.id, s.position`
	findOwned = selectRecords + `(SELECT ` + keyColumns + ` FROM keys k WHERE owner = $1 AND ` + filterKeys + byCreated + `) k LEFT JOIN secrets s ON s.key_id = k.id
		ORDER BY coalesce(k.created, '-infinity') DESC, k.id, s.position`

	// Of few among many, each with the condition of its index.
	findRevoked = selectRecords + `(SELECT ` + keyColumns + ` FROM keys k WHERE revoked IS NOT NULL AND ` + filterKeys + byCreated + `) k
		LEFT JOIN secrets s ON s.key_id = k.id ORDER BY coalesce(k.created, '-infinity') DESC, k.id, s.position`
	findDisabled = selectRecords + `(SELECT ` + keyColumns + ` FROM keys k WHERE disabled AND ` + filterKeys + byCreated + `) k
		LEFT JOIN secrets s ON s.key_id = k.id ORDER BY coalesce(k.created, '-infinity') DESC, k.id, s.position`
	findEnding = selectRecords + `(SELECT ` + keyColumns + ` FROM keys k WHERE expires IS NOT NULL
			AND expires <= CASE WHEN $5 = 'expired' THEN $6 ELSE 'infinity'::timestamptz END AND ` + filterKeys + byCreated + `) k
		LEFT JOIN secrets s ON s.key_id = k.id ORDER BY coalesce(k.created, '-infinity') DESC, k.id, s.position`
	// Old secrets that are still good are few: their keys are sorted.
	findRetiring = selectRecords + `(SELECT ` + keyColumns + ` FROM keys k WHERE id = ANY (ARRAY(SELECT DISTINCT key_id FROM secrets WHERE retires > $6)) AND ` + filterKeys + byCreated + `) k
		LEFT JOIN secrets s ON s.key_id = k.id ORDER BY coalesce(k.created, '-infinity') DESC, k.id, s.position`
	findPlanned = selectRecords + `(SELECT ` + keyColumns + ` FROM keys k WHERE plan <> '' AND plan = $4 AND ` + filterKeys + byCreated + `) k
		LEFT JOIN secrets s ON s.key_id = k.id ORDER BY coalesce(k.created, '-infinity') DESC, k.id, s.position`
)

// Find implements apikey.Finder. A search that the server cannot finish in time
// fails; an index serves every order and the owner, not a part of a text.
func (s *APIKeys) Find(ctx context.Context, f apikey.Filter) (apikey.Page, error) {
	if err := f.Check(time.Now()); err != nil {
		return apikey.Page{}, err
	}
	for _, text := range []string{f.Owner, string(f.Environment), f.Plan, f.Text, string(f.After.ID)} {
		if !validText(text) {
			return apikey.Page{}, nil // Apply accepts no such text
		}
	}
	found, err := s.find(ctx, &f)
	if err != nil {
		return apikey.Page{}, answer(ctx, "find api keys", err)
	}
	page := apikey.Page{Records: found, More: len(found) > f.Limit}
	if page.More {
		page.Records = found[:f.Limit]
		page.Next = f.CursorOf(&page.Records[f.Limit-1])
	}
	return page, nil
}

// find asks for one record more than the page holds.
func (s *APIKeys) find(ctx context.Context, f *apikey.Filter) ([]apikey.Record, error) {
	args := []any{
		f.Owner, string(f.Environment), string(f.Kind), f.Plan, string(f.State), f.At.UTC(), f.Text, stored(f.ExpiresBefore),
		string(f.After.ID), place(f.After), f.Limit + 1, f.IdleRevoke,
	}
	switch {
	case f.Sort == apikey.SortID:
		return s.records(ctx, findByID, args...)
	case f.Owner != "":
		return s.records(ctx, findOwned, args...)
	case f.Plan != "":
		return s.records(ctx, findPlanned, args...)
	case f.State == apikey.Revoked:
		return s.records(ctx, findRevoked, args...)
	case f.State == apikey.Disabled:
		return s.records(ctx, findDisabled, args...)
	case f.State == apikey.Retiring:
		return s.records(ctx, findRetiring, args...)
	case f.State == apikey.Expired, !f.ExpiresBefore.IsZero():
		return s.records(ctx, findEnding, args...)
	default:
		return s.records(ctx, findByCreated, args...)
	}
}

// place is when the keys behind a cursor were made at the latest.
func place(c apikey.Cursor) pgtype.Timestamptz {
	switch {
	case c.ID == "":
		return pgtype.Timestamptz{InfinityModifier: pgtype.Infinity, Valid: true}
	case c.Created.IsZero():
		return pgtype.Timestamptz{InfinityModifier: pgtype.NegativeInfinity, Valid: true}
	default:
		return pgtype.Timestamptz{Time: c.Created.UTC(), Valid: true}
	}
}
