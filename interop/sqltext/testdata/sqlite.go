package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
)

// Each line that ends with "found" makes a statement from something else than
// constants; the others only look as if they did.

const plantedBase = "SELECT id FROM keys WHERE owner = ?"

var plantedTable = map[bool]string{true: plantedBase, false: "SELECT 1"}

var (
	plantedList   = []string{plantedBase}
	plantedByName = map[string]string{"a": plantedBase}
)

type plantedQuery struct{ text, built string }

type plantedDB interface {
	QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error)
}

func plantedLookalikes(ctx context.Context, db *sql.DB, up bool, owner string) {
	text := plantedBase
	if up {
		text += " ORDER BY id" + " DESC"
	}
	_, _ = db.ExecContext(ctx, text, owner)
	_, _ = db.ExecContext(ctx, plantedTable[up], owner)
	for _, each := range []string{plantedBase, "SELECT 2"} {
		_, _ = db.ExecContext(ctx, each, owner)
	}
	one := func(statement string) { _, _ = db.ExecContext(ctx, statement, owner) }
	one(plantedBase)
	later := "SELECT 3"
	func() { _, _ = db.ExecContext(ctx, later) }()
	q := plantedQuery{text: plantedBase, built: plantedBase + owner}
	_, _ = db.ExecContext(ctx, q.text, owner)
	plantedThrough(ctx, db, plantedBase)
	_, _ = db.ExecContext(ctx, plantedPick(up), owner)
}

func plantedThrough(ctx context.Context, db plantedDB, text string) {
	_, _ = db.QueryContext(ctx, text)
}

func plantedPick(up bool) string {
	if up {
		return plantedBase
	}
	return "SELECT 4"
}

func plantedFaults(ctx context.Context, db *sql.DB, tx *sql.Tx, owner string, owners []string) {
	_, _ = db.ExecContext(ctx, "DELETE FROM keys WHERE owner = '"+owner+"'")                // found
	_ = tx.QueryRowContext(ctx, fmt.Sprintf("SELECT id FROM keys WHERE owner = %q", owner)) // found
	text := plantedBase
	for _, o := range owners {
		text += " OR owner = '" + o + "'"
	}
	_, _ = db.QueryContext(ctx, text) // found
	var b strings.Builder
	b.WriteString(plantedBase)
	_, _ = db.PrepareContext(ctx, b.String()) // found
	q := plantedQuery{text: plantedBase, built: plantedBase + owner}
	_, _ = db.ExecContext(ctx, q.built)                                                      // found
	one := func(order string) { _, _ = db.ExecContext(ctx, plantedBase+" ORDER BY "+order) } // found
	one(owner)
	later := "SELECT 5"
	func() { later = owner }()
	_, _ = db.ExecContext(ctx, later) // found
	plantedGiven(ctx, db, owner)
	_, _ = db.ExecContext(ctx, plantedBuild(owner)) // found
	table := map[string]string{"a": owner}
	_, _ = db.ExecContext(ctx, table["a"]) // found
	filled := []string{plantedBase}
	filled[0] = owner
	for _, each := range filled {
		_, _ = db.ExecContext(ctx, each) // found
	}
	plantedList[0] = owner
	_, _ = db.ExecContext(ctx, plantedList[0]) // found
	plantedByName["a"] = owner
	_, _ = db.ExecContext(ctx, plantedByName["a"]) // found
	byName := map[string]string{"a": plantedBase}
	plantedPut(byName, owner)
	_, _ = db.ExecContext(ctx, byName["a"]) // found
	given := []string{plantedBase}
	plantedFill(given, owner)
	for _, each := range given {
		_, _ = db.ExecContext(ctx, each) // found
	}
	_, _ = db.ExecContext(ctx, string([]byte(owner))) // found
	changed := plantedBase
	plantedChange(&changed, owner)
	_, _ = db.ExecContext(ctx, changed) // found
}

func plantedGiven(ctx context.Context, db plantedDB, text string) {
	_, _ = db.QueryContext(ctx, text) // found
}

func plantedFill(list []string, owner string) { list[0] = owner }

func plantedPut(table map[string]string, owner string) { table["a"] = owner }

func plantedChange(text *string, owner string) { *text += owner }

func plantedBuild(owner string) string {
	if owner == "" {
		return plantedBase
	}
	return "SELECT id FROM keys WHERE owner = '" + owner + "'"
}

// PlantedExport is called by anybody.
func PlantedExport(ctx context.Context, db *sql.DB, text string) error {
	_, err := db.ExecContext(ctx, text) // found
	return err
}
