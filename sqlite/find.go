package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"strings"
	"time"

	"github.com/warder-dev/warder/apikey"
)

// What a filter asks for. Each condition is off while its parameter is empty; the
// order and what an index serves are statements of their own. Each statement names its
// index, since without statistics that of all keys looks as good, and reads no further
// than the place (?13, ?14).
const (
	filterKeys = `(?1 = '' OR owner = ?1) AND (?2 = '' OR environment = ?2) AND (?3 = '' OR kind = ?3) AND (?4 = '' OR plan = ?4)
		AND (?5 = '' OR ?5 = CASE
			WHEN revoked IS NOT NULL THEN 'revoked'
			WHEN disabled THEN 'disabled'
			WHEN expires <= ?6 THEN 'expired'
			WHEN EXISTS (SELECT 1 FROM secrets WHERE key_id = keys.id AND retires > ?6) THEN 'retiring'
			ELSE 'active' END)
		AND (?7 = '' OR name LIKE ?7 ESCAPE '\' OR owner LIKE ?7 ESCAPE '\' OR id LIKE ?7 ESCAPE '\')
		AND (?8 IS NULL OR expires < ?8)
		AND (NOT ?12 OR detail <> '{}' AND detail ->> '$.idle_revoke_ms' > 0)`

	// As much of it as the index of all keys can tell: whether a secret retires, it cannot.
	filterIndex = `(?1 = '' OR owner = ?1) AND (?2 = '' OR environment = ?2)
		AND (?5 = '' OR ?5 = CASE
			WHEN revoked IS NOT NULL THEN 'revoked'
			WHEN disabled THEN 'disabled'
			WHEN expires <= ?6 THEN 'expired'
			WHEN ?5 = 'retiring' THEN 'retiring'
			ELSE 'active' END)
		AND (?7 = '' OR name LIKE ?7 ESCAPE '\' OR owner LIKE ?7 ESCAPE '\' OR id LIKE ?7 ESCAPE '\')
		AND (?8 IS NULL OR expires < ?8)`

	within    = `(place, id) > (?10, ?9) AND (place, id) <= (?13, ?14)`
	byCreated = ` AND ` + within + ` AND ` + filterKeys + ` ORDER BY place, id LIMIT ?11`
	withTheir = `) k LEFT JOIN secrets s ON s.key_id = k.id ORDER BY k.place, k.id, s.position`

	findByID = selectRecords + `(SELECT * FROM keys WHERE id > ?9 AND id <= ?14 AND ` + filterKeys + ` ORDER BY id LIMIT ?11) k
		LEFT JOIN secrets s ON s.key_id = k.id ORDER BY k.id, s.position`
	findByCreated = selectRecords + `(SELECT keys.* FROM (SELECT id AS found, place FROM keys INDEXED BY keys_created
			WHERE ` + within + ` AND ` + filterIndex + `) t
		CROSS JOIN keys ON keys.id = t.found WHERE ` + filterKeys + ` ORDER BY t.place, t.found LIMIT ?11` + withTheir
	findOwned    = selectRecords + `(SELECT * FROM keys INDEXED BY keys_owner WHERE owner = ?1` + byCreated + withTheir
	findPlanned  = selectRecords + `(SELECT * FROM keys INDEXED BY keys_plan WHERE plan <> '' AND plan = ?4` + byCreated + withTheir
	findKind     = selectRecords + `(SELECT * FROM keys INDEXED BY keys_kind WHERE kind <> 'secret' AND kind = ?3` + byCreated + withTheir
	findRevoked  = selectRecords + `(SELECT * FROM keys INDEXED BY keys_revoked WHERE revoked IS NOT NULL` + byCreated + withTheir
	findDisabled = selectRecords + `(SELECT * FROM keys INDEXED BY keys_disabled WHERE disabled = 1` + byCreated + withTheir

	// These are few: they are sorted.
	findEnding = selectRecords + `(SELECT keys.* FROM (SELECT id AS found FROM keys INDEXED BY keys_expires WHERE expires IS NOT NULL AND expires < ?8) t
		CROSS JOIN keys ON keys.id = t.found WHERE ` + within + ` AND ` + filterKeys + ` ORDER BY place, id LIMIT ?11` + withTheir
	findRetiring = selectRecords + `(SELECT keys.* FROM (SELECT DISTINCT key_id AS found FROM secrets INDEXED BY secrets_retires WHERE retires > ?6) t
		CROSS JOIN keys ON keys.id = t.found WHERE ` + within + ` AND ` + filterKeys + ` ORDER BY place, id LIMIT ?11` + withTheir

	countEnding   = `SELECT count(*) FROM (SELECT 1 FROM keys INDEXED BY keys_expires WHERE expires IS NOT NULL AND expires < ?1 LIMIT ?2)`
	countRetiring = `SELECT count(*) FROM (SELECT 1 FROM secrets INDEXED BY secrets_retires WHERE retires > ?1 LIMIT ?2)`

	// The place of the last key that a page looks at.
	beyond      = `(place, id) > (?1, ?2) ORDER BY place, id LIMIT 1 OFFSET ?3`
	endID       = `SELECT ?1, id FROM keys WHERE id > ?2 ORDER BY id LIMIT 1 OFFSET ?3`
	endCreated  = `SELECT place, id FROM keys INDEXED BY keys_created WHERE ` + beyond
	endOwned    = `SELECT place, id FROM keys INDEXED BY keys_owner WHERE owner = ?4 AND ` + beyond
	endPlanned  = `SELECT place, id FROM keys INDEXED BY keys_plan WHERE plan <> '' AND plan = ?4 AND ` + beyond
	endKind     = `SELECT place, id FROM keys INDEXED BY keys_kind WHERE kind <> 'secret' AND kind = ?4 AND ` + beyond
	endRevoked  = `SELECT place, id FROM keys INDEXED BY keys_revoked WHERE revoked IS NOT NULL AND ` + beyond
	endDisabled = `SELECT place, id FROM keys INDEXED BY keys_disabled WHERE disabled = 1 AND ` + beyond
)

// bounds says how many keys a page looks at where no index says which are asked for, in
// the index of all keys and row by row, and how many are few, which are sorted.
type bounds struct{ index, rows, few int }

func usualBounds() bounds { return bounds{index: 15_000, rows: 2_500, few: 1_000} }

// A search is how a filter is answered.
type search struct {
	find  string
	end   string // finds where it stops; "" when every key that it meets is asked for, or all are few
	looks int
	of    string // the fourth parameter of end; "" where it has none
}

// Find implements apikey.Finder.
func (s *APIKeys) Find(ctx context.Context, f apikey.Filter) (apikey.Page, error) {
	const what = "find api keys"
	if err := f.Check(time.Now()); err != nil {
		return apikey.Page{}, err
	}
	for _, text := range []string{f.Owner, string(f.Environment), f.Plan, f.Text, string(f.After.ID)} {
		if !validText(text) {
			return apikey.Page{}, nil // Apply accepts no such text
		}
	}
	if err := s.db.file.look(); err != nil {
		return apikey.Page{}, err
	}
	page, err := s.page(ctx, &f)
	if err != nil {
		return apikey.Page{}, answer(ctx, what, err)
	}
	return page, nil
}

func (s *APIKeys) page(ctx context.Context, f *apikey.Filter) (page apikey.Page, _ error) {
	how, err := s.search(ctx, f)
	if err != nil {
		return page, err
	}
	begin := beginOf(f.After)
	end, more, err := s.end(ctx, &how, begin)
	if err != nil {
		return page, err
	}
	rows, err := s.db.read.QueryContext(ctx, how.find,
		f.Owner, string(f.Environment), string(f.Kind), f.Plan, string(f.State), f.At.UnixMicro(), like(f.Text), endsBefore(f),
		begin.id, begin.created, f.Limit+1, f.IdleRevoke, end.created, end.id)
	if err != nil {
		return page, err
	}
	if page.Records, err = records(rows); err != nil {
		return page, err
	}
	switch {
	case len(page.Records) > f.Limit:
		page.Records, page.More = page.Records[:f.Limit], true
		page.Next = f.CursorOf(&page.Records[f.Limit-1])
	case more:
		page.More, page.Next = true, end.cursor(f.Sort)
	}
	return page, nil
}

// search chooses how f is answered: by what is likely to leave the fewest keys.
func (s *APIKeys) search(ctx context.Context, f *apikey.Filter) (search, error) {
	only := apikey.Filter{Sort: f.Sort, After: f.After, Limit: f.Limit, At: f.At} // with what the index serves
	how := search{find: findByCreated, end: endCreated, looks: s.bounds.index}
	switch ends, retires, err := s.few(ctx, f); {
	case err != nil:
		return how, err
	case f.Sort == apikey.SortID:
		how = search{find: findByID, end: endID, looks: s.bounds.rows}
	case f.Owner != "":
		how, only.Owner = search{findOwned, endOwned, s.bounds.rows, f.Owner}, f.Owner
	case f.Plan != "":
		how, only.Plan = search{findPlanned, endPlanned, s.bounds.rows, f.Plan}, f.Plan
	case f.Kind != "" && f.Kind != apikey.KindSecret:
		how, only.Kind = search{findKind, endKind, s.bounds.rows, string(f.Kind)}, f.Kind
	case ends:
		return search{find: findEnding}, nil
	case retires:
		return search{find: findRetiring}, nil
	case f.State == apikey.Revoked:
		how, only.State = search{find: findRevoked, end: endRevoked, looks: s.bounds.rows}, f.State
	case f.State == apikey.Disabled: // some of them are revoked
		how = search{find: findDisabled, end: endDisabled, looks: s.bounds.rows}
	case f.IdleRevoke || f.Kind != "" || f.State == apikey.Retiring:
		how.looks = s.bounds.rows
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
	if before := endsBefore(f); before.Valid {
		if err := s.db.read.QueryRowContext(ctx, countEnding, before, s.bounds.few+1).Scan(&n); err != nil {
			return false, false, err
		}
		ends = n <= s.bounds.few
	}
	if f.State == apikey.Retiring {
		if err := s.db.read.QueryRowContext(ctx, countRetiring, f.At.UnixMicro(), s.bounds.few+1).Scan(&n); err != nil {
			return false, false, err
		}
		retires = n <= s.bounds.few
	}
	return ends, retires, nil
}

// end finds where a page stops, and whether there are keys behind.
func (s *APIKeys) end(ctx context.Context, how *search, begin place) (place, bool, error) {
	last := place{math.MaxInt64, "\U0010FFFF"} // ids are letters and digits
	if how.end == "" {
		return last, false, nil
	}
	args := []any{begin.created, begin.id, how.looks - 1}
	if how.of != "" {
		args = append(args, how.of)
	}
	var at place
	switch err := s.db.read.QueryRowContext(ctx, how.end, args...).Scan(&at.created, &at.id); {
	case errors.Is(err, sql.ErrNoRows):
		return last, false, nil
	case err != nil:
		return last, false, err
	}
	return at, true, nil
}

// A place is one in the order of creation, or of ids.
type place struct {
	created int64 // microseconds before 1970, so that the newest come first
	id      string
}

// placeOf returns where keys of a time stand in the order of creation; nothing is 0.
func placeOf(created time.Time) int64 {
	if created.IsZero() {
		return 0
	}
	return -created.UnixMicro()
}

// beginOf returns where a page begins; nothing that is stored is before the first place.
func beginOf(c apikey.Cursor) place {
	if c.ID == "" {
		return place{math.MinInt64, ""}
	}
	return place{placeOf(c.Created), string(c.ID)}
}

func (p place) cursor(sort apikey.Sort) apikey.Cursor {
	c := apikey.Cursor{ID: apikey.ID(p.id)}
	if sort == apikey.SortCreated && p.created != 0 {
		c.Created = time.UnixMicro(-p.created).UTC()
	}
	return c
}

// endsBefore returns before when the keys end that f asks for; NULL: whenever.
func endsBefore(f *apikey.Filter) sql.NullInt64 {
	before := f.ExpiresBefore
	if now := f.At.Add(time.Microsecond); f.State == apikey.Expired && (before.IsZero() || now.Before(before)) {
		before = now
	}
	return micros(before)
}

// like returns the pattern of texts that hold text, as it stands but for the case of
// ASCII letters; "" for "".
func like(text string) string {
	if text == "" {
		return ""
	}
	return "%" + strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(text) + "%"
}
