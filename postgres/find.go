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

	// The keys that a page looks at, $4 at most: first those of the moment that it begins
	// at, $3, which come behind the id $2, and then those before it. In one condition, the
	// server would read again all of a moment that come before: an import makes a million
	// of them.
	someKeys = `(SELECT ` + keyColumns + `, coalesce(created, '-infinity') AS place FROM keys k WHERE `
	sameAs   = someKeys + `coalesce(created, '-infinity') = $3 AND id > $2 AND `
	before   = someKeys + `coalesce(created, '-infinity') < $3 AND $2::text IS NOT NULL AND `
	every    = `$1::text IS NOT NULL`
	owned    = `owner = $1`
	planned  = `plan <> '' AND plan = $1`
	ofKind   = `kind <> 'secret' AND kind = $1`
	revoked  = `revoked IS NOT NULL AND $1::text IS NOT NULL`
	disabled = `disabled AND $1::text IS NOT NULL`
	byPlace  = ` ORDER BY place DESC, id LIMIT $4) k`
	bySameID = ` ORDER BY id LIMIT $4) k`

	found    = selectRecords + `(SELECT ` + keyColumns + `, place FROM `
	fullPage = filterKeys + ` ORDER BY place DESC, id LIMIT $14) k LEFT JOIN secrets s ON s.key_id = k.id ORDER BY k.place DESC, k.id, s.position`
	samePage = filterKeys + ` ORDER BY id LIMIT $14) k LEFT JOIN secrets s ON s.key_id = k.id ORDER BY k.id, s.position`
	last     = ` ORDER BY place DESC, id OFFSET $4 - 1 LIMIT 1`
	sameLast = ` ORDER BY id OFFSET $4 - 1 LIMIT 1`

	sameAll, findAll           = found + sameAs + every + bySameID + samePage, found + before + every + byPlace + fullPage
	sameOwned, findOwned       = found + sameAs + owned + bySameID + samePage, found + before + owned + byPlace + fullPage
	samePlanned, findPlanned   = found + sameAs + planned + bySameID + samePage, found + before + planned + byPlace + fullPage
	sameKind, findKind         = found + sameAs + ofKind + bySameID + samePage, found + before + ofKind + byPlace + fullPage
	sameRevoked, findRevoked   = found + sameAs + revoked + bySameID + samePage, found + before + revoked + byPlace + fullPage
	sameDisabled, findDisabled = found + sameAs + disabled + bySameID + samePage, found + before + disabled + byPlace + fullPage

	byID     = someKeys + `id > $2 AND $3::timestamptz IS NOT NULL AND $1::text IS NOT NULL` + bySameID
	findByID = found + byID + samePage

	// These are few: they are sorted.
	behind       = ` AND $1::text IS NOT NULL AND $4::bigint > 0 AND coalesce(created, '-infinity') <= $3 AND (coalesce(created, '-infinity') < $3 OR id > $2)) k`
	findEnding   = found + someKeys + `expires IS NOT NULL AND expires < $12` + behind + fullPage
	findRetiring = found + someKeys + `id = ANY (ARRAY(SELECT DISTINCT key_id FROM secrets WHERE retires > $10))` + behind + fullPage

	// The last key that a page looks at.
	endSameAll, endAll           = `SELECT created, id FROM ` + sameAs + every + bySameID + sameLast, `SELECT created, id FROM ` + before + every + byPlace + last
	endSameOwned, endOwned       = `SELECT created, id FROM ` + sameAs + owned + bySameID + sameLast, `SELECT created, id FROM ` + before + owned + byPlace + last
	endSamePlanned, endPlanned   = `SELECT created, id FROM ` + sameAs + planned + bySameID + sameLast, `SELECT created, id FROM ` + before + planned + byPlace + last
	endSameKind, endKind         = `SELECT created, id FROM ` + sameAs + ofKind + bySameID + sameLast, `SELECT created, id FROM ` + before + ofKind + byPlace + last
	endSameRevoked, endRevoked   = `SELECT created, id FROM ` + sameAs + revoked + bySameID + sameLast, `SELECT created, id FROM ` + before + revoked + byPlace + last
	endSameDisabled, endDisabled = `SELECT created, id FROM ` + sameAs + disabled + bySameID + sameLast, `SELECT created, id FROM ` + before + disabled + byPlace + last
	endID                        = `SELECT created, id FROM ` + byID + sameLast

	countEnding   = `SELECT count(*) FROM (SELECT 1 FROM keys WHERE expires IS NOT NULL AND expires < $1 LIMIT $2) k`
	countRetiring = `SELECT count(*) FROM (SELECT 1 FROM secrets WHERE retires > $1 LIMIT $2) s`
)

// bounds says how many keys a page looks at where no index says which are asked for, and
// how many are few, which are sorted.
type bounds struct{ looks, few int }

func usualBounds() bounds { return bounds{looks: 6_000, few: 1_000} }

// A search is how a filter is answered.
type search struct {
	parts []part // one after the other
	of    string // the first parameter of all; "" where they have none
	all   bool   // every key that it meets is asked for, or all are few
}

// A part is one of those that a page looks at.
type part struct{ find, end string }

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
	for _, p := range how.parts {
		left := f.Limit + 1 - len(page.Records)
		most := left
		if !how.all {
			most = s.bounds.looks
		}
		some, err := s.records(ctx, p.find, how.of, string(f.After.ID), place(f.After), most,
			f.Owner, string(f.Environment), string(f.Kind), f.Plan, string(f.State), f.At.UTC(), f.Text, stored(endsBefore(f)), f.IdleRevoke, left)
		if err != nil {
			return page, err
		}
		if page.Records = append(page.Records, some...); len(page.Records) > f.Limit {
			page.Records, page.More = page.Records[:f.Limit], true
			page.Next = f.CursorOf(&page.Records[f.Limit-1])
			return page, nil
		}
		if how.all {
			continue
		}
		if page.Next, page.More, err = s.end(ctx, p.end, how.of, f); err != nil || page.More {
			return page, err
		}
	}
	return page, nil
}

// search chooses how f is answered: by what is likely to leave the fewest keys.
func (s *APIKeys) search(ctx context.Context, f *apikey.Filter) (search, error) {
	only := apikey.Filter{Sort: f.Sort, After: f.After, Limit: f.Limit, At: f.At} // with what the index serves
	how := search{parts: []part{{sameAll, endSameAll}, {findAll, endAll}}}
	switch ends, retires, err := s.few(ctx, f); {
	case err != nil:
		return how, err
	case f.Sort == apikey.SortID:
		how.parts = []part{{findByID, endID}}
	case f.Owner != "":
		how, only.Owner = search{parts: []part{{sameOwned, endSameOwned}, {findOwned, endOwned}}, of: f.Owner}, f.Owner
	case f.Plan != "":
		how, only.Plan = search{parts: []part{{samePlanned, endSamePlanned}, {findPlanned, endPlanned}}, of: f.Plan}, f.Plan
	case f.Kind != "" && f.Kind != apikey.KindSecret:
		how, only.Kind = search{parts: []part{{sameKind, endSameKind}, {findKind, endKind}}, of: string(f.Kind)}, f.Kind
	case ends:
		return search{parts: []part{{find: findEnding}}, all: true}, nil
	case retires:
		return search{parts: []part{{find: findRetiring}}, all: true}, nil
	case f.State == apikey.Revoked:
		how.parts, only.State = []part{{sameRevoked, endSameRevoked}, {findRevoked, endRevoked}}, f.State
	case f.State == apikey.Disabled: // some of them are revoked
		how.parts = []part{{sameDisabled, endSameDisabled}, {findDisabled, endDisabled}}
	}
	if f.After.ID == "" && len(how.parts) == 2 {
		how.parts = how.parts[1:] // nothing begins within a moment
	}
	how.all = *f == only
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

// end finds where a part stops, and whether there are keys of it behind.
func (s *APIKeys) end(ctx context.Context, query, of string, f *apikey.Filter) (c apikey.Cursor, more bool, _ error) {
	var created *time.Time
	var id string
	err := again(ctx, func() error {
		return s.db.pool.QueryRow(ctx, query, of, string(f.After.ID), place(f.After), s.bounds.looks).Scan(&created, &id)
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
