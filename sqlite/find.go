package sqlite

import (
	"context"
	"database/sql"
	"strings"
	"time"

	"github.com/warder-dev/warder/apikey"
)

// What a filter asks for. Each condition is off while its parameter is empty; the
// order and the owner, which an index serves, are statements of their own.
const (
	filterRest = `(?1 = '' OR owner = ?1) AND (?2 = '' OR environment = ?2) AND (?3 = '' OR kind = ?3) AND (?4 = '' OR plan = ?4)
		AND (?5 = '' OR ?5 = CASE
			WHEN revoked IS NOT NULL THEN 'revoked'
			WHEN disabled THEN 'disabled'
			WHEN expires <= ?6 THEN 'expired'
			WHEN EXISTS (SELECT 1 FROM secrets WHERE key_id = keys.id AND retires > ?6) THEN 'retiring'
			ELSE 'active' END)
		AND (?8 IS NULL OR expires < ?8)
		AND (NOT ?12 OR detail <> '{}' AND detail ->> '$.idle_revoke_ms' > 0)`
	filterKeys = filterRest + ` AND (?7 = '' OR name LIKE ?7 ESCAPE '\' OR owner LIKE ?7 ESCAPE '\' OR id LIKE ?7 ESCAPE '\')`

	byID      = ` AND id > ?9 ORDER BY id LIMIT ?11`
	byCreated = ` AND (?9 = '' OR (-coalesce(created, 0), id) > (-?10, ?9)) ORDER BY -coalesce(created, 0), id LIMIT ?11`

	findByID      = selectRecords + `(SELECT * FROM keys WHERE ` + filterKeys + byID + `) k LEFT JOIN secrets s ON s.key_id = k.id ORDER BY k.id, s.position`
	findByCreated = selectRecords + `(SELECT * FROM keys WHERE ` + filterKeys + byCreated + `) k LEFT JOIN secrets s ON s.key_id = k.id
		ORDER BY -coalesce(k.created, 0), k.id, s.position`
	findOwned = selectRecords + `(SELECT * FROM keys WHERE owner = ?1 AND ` + filterKeys + byCreated + `) k LEFT JOIN secrets s ON s.key_id = k.id
		ORDER BY -coalesce(k.created, 0), k.id, s.position`

	// A text is looked for in the index alone, which has what is needed for it; the rows
	// are read of what is found.
	findText = selectRecords + `(SELECT keys.* FROM (SELECT id AS found, -coalesce(created, 0) AS place FROM keys INDEXED BY keys_created
				WHERE (name LIKE ?7 ESCAPE '\' OR owner LIKE ?7 ESCAPE '\' OR id LIKE ?7 ESCAPE '\')
					AND (?9 = '' OR (-coalesce(created, 0), id) > (-?10, ?9))) t
			CROSS JOIN keys ON keys.id = t.found WHERE ` + filterRest + ` ORDER BY t.place, t.found LIMIT ?11) k
		LEFT JOIN secrets s ON s.key_id = k.id ORDER BY -coalesce(k.created, 0), k.id, s.position`

	// Of few among many: the index is named, since without statistics that of all keys
	// looks as good.
	findRevoked = selectRecords + `(SELECT * FROM keys INDEXED BY keys_revoked WHERE revoked IS NOT NULL AND ` + filterKeys + byCreated + `) k
		LEFT JOIN secrets s ON s.key_id = k.id ORDER BY -coalesce(k.created, 0), k.id, s.position`
	findDisabled = selectRecords + `(SELECT * FROM keys INDEXED BY keys_disabled WHERE disabled = 1 AND ` + filterKeys + byCreated + `) k
		LEFT JOIN secrets s ON s.key_id = k.id ORDER BY -coalesce(k.created, 0), k.id, s.position`
	// Of those that end, the index alone says which have ended; the rows are read of what
	// is found.
	findEnding = selectRecords + `(SELECT keys.* FROM (SELECT id AS found, -coalesce(created, 0) AS place FROM keys INDEXED BY keys_expires
				WHERE expires IS NOT NULL AND (?5 <> 'expired' OR expires <= ?6) AND (?8 IS NULL OR expires < ?8)
					AND (?9 = '' OR (-coalesce(created, 0), id) > (-?10, ?9))) t
			CROSS JOIN keys ON keys.id = t.found WHERE ` + filterKeys + ` ORDER BY t.place, t.found LIMIT ?11) k
		LEFT JOIN secrets s ON s.key_id = k.id ORDER BY -coalesce(k.created, 0), k.id, s.position`

	// Old secrets that are still good are few: their keys are sorted.
	findRetiring = selectRecords + `(SELECT keys.* FROM (SELECT DISTINCT key_id AS found FROM secrets INDEXED BY secrets_retires WHERE retires > ?6) t
			CROSS JOIN keys ON keys.id = t.found WHERE ` + filterKeys + byCreated + `) k
		LEFT JOIN secrets s ON s.key_id = k.id ORDER BY -coalesce(k.created, 0), k.id, s.position`

	findPlanned = selectRecords + `(SELECT * FROM keys INDEXED BY keys_plan WHERE plan <> '' AND plan = ?4 AND ` + filterKeys + byCreated + `) k
		LEFT JOIN secrets s ON s.key_id = k.id ORDER BY -coalesce(k.created, 0), k.id, s.position`
)

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
	rows, err := s.find(ctx, &f)
	if err != nil {
		return apikey.Page{}, answer(ctx, what, err)
	}
	found, err := records(rows)
	if err != nil {
		return apikey.Page{}, answer(ctx, what, err)
	}
	page := apikey.Page{Records: found, More: len(found) > f.Limit}
	if page.More {
		page.Records = found[:f.Limit]
		page.Next = f.CursorOf(&page.Records[f.Limit-1])
	}
	return page, nil
}

// find asks for one record more than the page holds.
func (s *APIKeys) find(ctx context.Context, f *apikey.Filter) (*sql.Rows, error) {
	args := []any{
		f.Owner, string(f.Environment), string(f.Kind), f.Plan, string(f.State), f.At.UnixMicro(), like(f.Text), micros(f.ExpiresBefore),
		string(f.After.ID), microsOrZero(f.After.Created), f.Limit + 1, f.IdleRevoke,
	}
	switch {
	case f.Sort == apikey.SortID:
		return s.db.read.QueryContext(ctx, findByID, args...)
	case f.Owner != "":
		return s.db.read.QueryContext(ctx, findOwned, args...)
	case f.Plan != "":
		return s.db.read.QueryContext(ctx, findPlanned, args...)
	case f.State == apikey.Revoked:
		return s.db.read.QueryContext(ctx, findRevoked, args...)
	case f.State == apikey.Disabled:
		return s.db.read.QueryContext(ctx, findDisabled, args...)
	case f.State == apikey.Retiring:
		return s.db.read.QueryContext(ctx, findRetiring, args...)
	case f.State == apikey.Expired, !f.ExpiresBefore.IsZero():
		return s.db.read.QueryContext(ctx, findEnding, args...)
	case f.Text != "":
		return s.db.read.QueryContext(ctx, findText, args...)
	default:
		return s.db.read.QueryContext(ctx, findByCreated, args...)
	}
}

// like returns the pattern of texts that hold text, as it stands but for the case of
// ASCII letters; "" for "".
func like(text string) string {
	if text == "" {
		return ""
	}
	return "%" + strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(text) + "%"
}

// microsOrZero returns t as the order of creation has it: nothing is 0.
func microsOrZero(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}
