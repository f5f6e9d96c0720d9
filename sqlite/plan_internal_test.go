package sqlite

import (
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
)

// A page of many keys is read from an index, and not sorted; those that are few are.
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
	const sought = "(place,id)>(?,?) AND (place,id)<(?,?))" // of the index, no more is read than the part between two places
	for query, want := range map[string]string{
		findByID: "USING PRIMARY KEY (id>? AND id<?)", findByCreated: "USING COVERING INDEX keys_created (" + sought, findOwned: "USING INDEX keys_owner (owner=? AND " + sought,
		findPlanned: "USING INDEX keys_plan (plan=? AND " + sought, findKind: "USING INDEX keys_kind (kind=? AND " + sought,
		findRevoked: "USING INDEX keys_revoked (" + sought, findDisabled: "USING INDEX keys_disabled (" + sought,
		findEnding:   "USING COVERING INDEX keys_expires (expires>? AND expires<?)",
		findRetiring: "USING COVERING INDEX secrets_retires (retires>?)",
		endID:        "USING PRIMARY KEY (id>?)", endCreated: "USING COVERING INDEX keys_created ((place,id)>(?,?))", endOwned: "USING COVERING INDEX keys_owner (owner=? AND (place,id)>(?,?))",
		endPlanned: "USING COVERING INDEX keys_plan (plan=? AND (place,id)>(?,?))", endKind: "USING COVERING INDEX keys_kind (kind=? AND (place,id)>(?,?))",
		endRevoked: "USING INDEX keys_revoked ((place,id)>(?,?))", endDisabled: "USING COVERING INDEX keys_disabled ((place,id)>(?,?))",
		countEnding: "USING COVERING INDEX keys_expires", countRetiring: "USING COVERING INDEX secrets_retires",
	} {
		plan, err := planOf(t, db, query)
		if err != nil {
			t.Fatal(err)
		}
		whole := strings.Join(plan, "\n")
		if inner, _, _ := strings.Cut(whole, "SCAN k\n"); !strings.Contains(whole, want) || strings.Contains(inner, "TEMP B-TREE") && query != findRetiring && query != findEnding {
			t.Errorf("plan of %s =\n%s\nwant %s", query, whole, want)
		}
	}
}

// planOf returns how SQLite answers a query with a filter's parameters.
func planOf(t *testing.T, db *DB, query string) (plan []string, err error) {
	t.Helper()
	rows, err := db.read.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+query, "o", "", "", "", "", 0, "", nil, "", 0, 10, false, 0, "")
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
