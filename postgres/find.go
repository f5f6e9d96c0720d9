package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/warder-dev/warder/apikey"
)

// What a filter asks for, of the keys that a page looks at. Each condition is off while
// its parameter is empty; the order and what an index serves are statements of their
// own. Letters are those of ASCII in the order "C", whatever the database's language is.
const (
	filterKeys = ` WHERE ($5 = '' OR owner = $5) AND ($6 = '' OR environment = $6) AND ($7 = '' OR kind = $7) AND ($8 = '' OR plan = $8)
		AND ($9 = '' OR $9 = CASE
			WHEN revoked IS NOT NULL THEN 'revoked'
			WHEN disabled THEN 'disabled'
			WHEN expires <= $10 THEN 'expired'
			WHEN EXISTS (SELECT 1 FROM secrets WHERE key_id = k.id AND retires > $10) THEN 'retiring'
			ELSE 'active' END)
		AND ($11 = '' OR strpos(lower(name COLLATE "C"), lower($11::text COLLATE "C")) > 0 OR strpos(lower(owner), lower($11 COLLATE "C")) > 0
			OR strpos(lower(id), lower($11 COLLATE "C")) > 0)
		AND ($12::timestamptz IS NULL OR expires < $12)
		AND (NOT $13::boolean OR (detail ->> 'idle_revoke_ms')::bigint > 0)`

	newest = ` ORDER BY place DESC, id`

	// The keys that a page looks at, $4 at most: those of the moment that it begins at, $3,
	// and then those before. In one condition, the server would read again all of a moment
	// that come before the id, $2: an import makes a million of them. It merges the two.
	same   = `((SELECT ` + keyColumns + `, coalesce(created, '-infinity') AS place FROM keys k WHERE coalesce(created, '-infinity') = $3 AND id > $2 AND `
	before = newest + ` LIMIT $4) UNION ALL (SELECT ` + keyColumns + `, coalesce(created, '-infinity') AS place FROM keys k WHERE coalesce(created, '-infinity') < $3 AND `
	looked = newest + ` LIMIT $4)) k`

	lookAll      = same + `$1::text IS NOT NULL` + before + `$1::text IS NOT NULL` + looked
	lookOwned    = same + `owner = $1` + before + `owner = $1` + looked
	lookPlanned  = same + `plan <> '' AND plan = $1` + before + `plan <> '' AND plan = $1` + looked
	lookKind     = same + `kind <> 'secret' AND kind = $1` + before + `kind <> 'secret' AND kind = $1` + looked
	lookRevoked  = same + `revoked IS NOT NULL AND $1::text IS NOT NULL` + before + `revoked IS NOT NULL` + looked
	lookDisabled = same + `disabled AND $1::text IS NOT NULL` + before + `disabled` + looked
	lookByID     = `(SELECT ` + keyColumns + ` FROM keys k WHERE id > $2 AND $3::timestamptz IS NOT NULL AND $1::text IS NOT NULL ORDER BY id LIMIT $4) k`

	// These are few: they are sorted.
	someKeys   = `(SELECT ` + keyColumns + `, coalesce(created, '-infinity') AS place FROM keys k WHERE `
	behind     = ` AND $1::text IS NOT NULL AND $4::bigint > 0 AND coalesce(created, '-infinity') <= $3 AND (coalesce(created, '-infinity') < $3 OR id > $2)) k`
	lookEnding = someKeys + `expires IS NOT NULL AND expires < $12` + behind
	lookOld    = someKeys + `id = ANY (ARRAY(SELECT DISTINCT key_id FROM secrets WHERE retires > $10))` + behind

	// A page that is full reads no more of what it looks at.
	ofThem    = `(SELECT ` + keyColumns + `, place FROM (SELECT ` + keyColumns + `, place FROM `
	ofFew     = `(SELECT ` + keyColumns + `, place FROM `
	atMost    = newest + ` LIMIT $4) k` + theirPage
	theirPage = filterKeys + newest + ` LIMIT $14) k LEFT JOIN secrets s ON s.key_id = k.id ORDER BY k.place DESC, k.id, s.position`

	findByCreated = selectRecords + ofThem + lookAll + atMost
	findOwned     = selectRecords + ofThem + lookOwned + atMost
	findPlanned   = selectRecords + ofThem + lookPlanned + atMost
	findKind      = selectRecords + ofThem + lookKind + atMost
	findRevoked   = selectRecords + ofThem + lookRevoked + atMost
	findDisabled  = selectRecords + ofThem + lookDisabled + atMost
	findEnding    = selectRecords + ofFew + lookEnding + theirPage
	findRetiring  = selectRecords + ofFew + lookOld + theirPage
	findByID      = selectRecords + `(SELECT ` + keyColumns + ` FROM ` + lookByID + filterKeys + ` ORDER BY id LIMIT $14) k LEFT JOIN secrets s ON s.key_id = k.id ORDER BY k.id, s.position`

	countEnding   = `SELECT count(*) FROM (SELECT 1 FROM keys WHERE expires IS NOT NULL AND expires < $1 LIMIT $2) k`
	countRetiring = `SELECT count(*) FROM (SELECT 1 FROM secrets WHERE retires > $1 LIMIT $2) s`

	// The last key that a page looks at.
	last        = newest + ` OFFSET $4 - 1 LIMIT 1`
	endCreated  = `SELECT created, id FROM ` + lookAll + last
	endOwned    = `SELECT created, id FROM ` + lookOwned + last
	endPlanned  = `SELECT created, id FROM ` + lookPlanned + last
	endKind     = `SELECT created, id FROM ` + lookKind + last
	endRevoked  = `SELECT created, id FROM ` + lookRevoked + last
	endDisabled = `SELECT created, id FROM ` + lookDisabled + last
	endID       = `SELECT created, id FROM ` + lookByID + ` ORDER BY id OFFSET $4 - 1 LIMIT 1`
)

// bounds says how many keys a page looks at where no index says which are asked for, and
// how many are few, which are sorted.
type bounds struct{ looks, few int }

func usualBounds() bounds { return bounds{looks: 6_000, few: 1_000} }

// A search is how a filter is answered.
type search struct {
	find string
	end  string // finds where it stops; "" when every key that it meets is asked for, or all are few
	of   string // the first parameter of both; "" where it has none
}

// Find implements apikey.Finder.
func (s *APIKeys) Find(ctx context.Context, f apikey.Filter) (apikey.Page, error) {
	if err := f.Check(time.Now()); err != nil {
		return apikey.Page{}, err
	}
	for _, text := range []string{f.Owner, string(f.Environment), f.Plan, f.Text, string(f.After.ID)} {
		if !validText(text) {
			return apikey.Page{}, nil // Apply accepts no such text
		}
	}
	page, err := s.page(ctx, &f)
	if err != nil {
		return apikey.Page{}, answer(ctx, "find api keys", err)
	}
	return page, nil
}

func (s *APIKeys) page(ctx context.Context, f *apikey.Filter) (page apikey.Page, _ error) {
	how, err := s.search(ctx, f)
	if err != nil {
		return page, err
	}
	most := f.Limit + 1
	if how.end != "" {
		most = s.bounds.looks
	}
	page.Records, err = s.records(ctx, how.find,
		how.of, string(f.After.ID), place(f.After), most,
		f.Owner, string(f.Environment), string(f.Kind), f.Plan, string(f.State), f.At.UTC(), f.Text, stored(endsBefore(f)), f.IdleRevoke, f.Limit+1)
	switch {
	case err != nil:
		return page, err
	case len(page.Records) > f.Limit:
		page.Records, page.More = page.Records[:f.Limit], true
		page.Next = f.CursorOf(&page.Records[f.Limit-1])
	case how.end != "":
		page.Next, page.More, err = s.end(ctx, &how, f)
	}
	return page, err
}

// search chooses how f is answered: by what is likely to leave the fewest keys.
func (s *APIKeys) search(ctx context.Context, f *apikey.Filter) (search, error) {
	only := apikey.Filter{Sort: f.Sort, After: f.After, Limit: f.Limit, At: f.At} // with what the index serves
	how := search{find: findByCreated, end: endCreated}
	switch ends, retires, err := s.few(ctx, f); {
	case err != nil:
		return how, err
	case f.Sort == apikey.SortID:
		how = search{find: findByID, end: endID}
	case f.Owner != "":
		how, only.Owner = search{findOwned, endOwned, f.Owner}, f.Owner
	case f.Plan != "":
		how, only.Plan = search{findPlanned, endPlanned, f.Plan}, f.Plan
	case f.Kind != "" && f.Kind != apikey.KindSecret:
		how, only.Kind = search{findKind, endKind, string(f.Kind)}, f.Kind
	case ends:
		return search{find: findEnding}, nil
	case retires:
		return search{find: findRetiring}, nil
	case f.State == apikey.Revoked:
		how, only.State = search{find: findRevoked, end: endRevoked}, f.State
	case f.State == apikey.Disabled: // some of them are revoked
		how = search{find: findDisabled, end: endDisabled}
	}
	if *f == only {
		how.end = ""
	}
	return how, nil
}

// few reports whether few keys end as f asks, or have an old secret that is still good.
func (s *APIKeys) few(ctx context.Context, f *apikey.Filter) (ends, retires bool, err error) {
	if f.Sort == apikey.SortID {
		return false, false, nil
	}
	var n int
	if before := stored(endsBefore(f)); before != nil {
		err := again(ctx, func() error { return s.db.pool.QueryRow(ctx, countEnding, before, s.bounds.few+1).Scan(&n) })
		if err != nil {
			return false, false, err
		}
		ends = n <= s.bounds.few
	}
	if f.State == apikey.Retiring {
		err := again(ctx, func() error { return s.db.pool.QueryRow(ctx, countRetiring, f.At.UTC(), s.bounds.few+1).Scan(&n) })
		if err != nil {
			return false, false, err
		}
		retires = n <= s.bounds.few
	}
	return ends, retires, nil
}

// end finds where a page that is not full stops, and whether there are keys behind.
func (s *APIKeys) end(ctx context.Context, how *search, f *apikey.Filter) (c apikey.Cursor, more bool, _ error) {
	var created *time.Time
	var id string
	err := again(ctx, func() error {
		return s.db.pool.QueryRow(ctx, how.end, how.of, string(f.After.ID), place(f.After), s.bounds.looks).Scan(&created, &id)
	})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return c, false, nil
	case err != nil:
		return c, false, err
	}
	return f.CursorOf(&apikey.Record{ID: apikey.ID(id), Created: timeOf(created)}), true, nil
}

// endsBefore returns before when the keys end that f asks for; the zero time: whenever.
func endsBefore(f *apikey.Filter) time.Time {
	before := f.ExpiresBefore
	if now := f.At.Add(time.Microsecond); f.State == apikey.Expired && (before.IsZero() || now.Before(before)) {
		return now
	}
	return before
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
