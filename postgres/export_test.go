package postgres

import (
	"context"
	"strings"
)

// Show returns a setting of the sessions of db.
func Show(ctx context.Context, db *DB, name string) (value string, err error) {
	err = db.pool.QueryRow(ctx, `SELECT current_setting($1)`, name).Scan(&value)
	return value, err
}

// Plan returns how the server answers a statement of Find, once it plans it for all its
// values.
func Plan(ctx context.Context, db *DB, statement string) (plan string, err error) {
	conn, err := db.pool.Acquire(ctx)
	if err != nil {
		return "", err
	}
	defer conn.Release()
	query := map[string]string{
		"id": findByID, "created": findAll, "owned": findOwned, "planned": findPlanned, "kind": findKind, "revoked": findRevoked, "disabled": findDisabled,
		"same": sameAll, "same owned": sameOwned, "same planned": samePlanned, "same kind": sameKind, "same revoked": sameRevoked, "same disabled": sameDisabled,
		"end same": endSameAll, "end same owned": endSameOwned, "end same planned": endSamePlanned, "end same kind": endSameKind,
		"end same revoked": endSameRevoked, "end same disabled": endSameDisabled,
		"ending": findEnding, "retiring": findRetiring, "end": endAll, "end owned": endOwned, "end planned": endPlanned, "end kind": endKind,
		"end revoked": endRevoked, "end disabled": endDisabled, "end id": endID, "count ending": countEnding, "count retiring": countRetiring,
	}[statement]
	values := map[bool]string{
		true:  `'o', 'a', now(), 10000, '', '', '', '', '', now(), '', NULL, false, 101`,
		false: `'o', 'a', now(), 10000`,
	}[strings.HasPrefix(query, selectRecords)]
	if strings.HasPrefix(query, "SELECT count") {
		values = `now(), 1001`
	}
	for _, s := range []string{`DEALLOCATE ALL`, `SET plan_cache_mode = force_generic_plan`, `PREPARE page AS ` + query} {
		if _, err := conn.Conn().PgConn().Exec(ctx, s).ReadAll(); err != nil {
			return "", err
		}
	}
	results, err := conn.Conn().PgConn().Exec(ctx, `EXPLAIN EXECUTE page (`+values+`)`).ReadAll()
	for _, r := range results {
		for _, row := range r.Rows {
			plan += string(row[0]) + "\n"
		}
	}
	return plan, err
}

// Stepping returns s with pages that look at no more than some keys, and where no more
// than one is few.
func Stepping(s *APIKeys, some int) *APIKeys {
	steps := *s
	steps.bounds = bounds{looks: some, few: 1}
	return &steps
}

// SteppingOwners returns the store of owners with pages that look at no more than some
// records for a text.
func SteppingOwners(db *DB, some int) *Owners { return &Owners{db: db, looks: some} }
