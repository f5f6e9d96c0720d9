package sqlite

import (
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
)

// A page of many keys is read from an index, and not sorted; that of keys with an old
// secret that is still good, which are few, is.
func TestFindUsesAnIndex(t *testing.T) {
	db, err := Open(t.Context(), Config{Path: filepath.Join(t.TempDir(), "plan.db"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	for query, want := range map[string]string{
		findByID: "USING PRIMARY KEY", findByCreated: "USING INDEX keys_created", findOwned: "USING INDEX keys_owner",
		findRevoked: "USING INDEX keys_revoked", findDisabled: "USING INDEX keys_disabled", findPlanned: "USING INDEX keys_plan (plan=?)",
		findEnding:   "SCAN keys USING COVERING INDEX keys_expires",
		findRetiring: "USING COVERING INDEX secrets_retires (retires>?)",
		findText:     "SCAN keys USING COVERING INDEX keys_created",
	} {
		plan, err := planOf(t, db, query)
		if err != nil {
			t.Fatal(err)
		}
		whole := strings.Join(plan, "\n")
		if inner, _, _ := strings.Cut(whole, "SCAN k\n"); !strings.Contains(whole, want) || strings.Contains(inner, "TEMP B-TREE") && query != findRetiring {
			t.Errorf("plan of %s =\n%s\nwant %s", query, whole, want)
		}
	}
}

// planOf returns how SQLite answers a query with a filter's parameters.
func planOf(t *testing.T, db *DB, query string) (plan []string, err error) {
	t.Helper()
	rows, err := db.read.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+query, "o", "", "", "", "", 0, "", nil, "", 0, 10, false)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			return nil, err
		}
		plan = append(plan, detail)
	}
	return plan, rows.Err()
}
