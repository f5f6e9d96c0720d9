package postgres

import "context"

// Show returns a setting of the sessions of db.
func Show(ctx context.Context, db *DB, name string) (value string, err error) {
	err = db.pool.QueryRow(ctx, `SELECT current_setting($1)`, name).Scan(&value)
	return value, err
}

// Plan returns how the server finds a page of keys, by its order, with an owner, and of
// those that end or have an old secret that is still good, once it plans a statement for all its values.
func Plan(ctx context.Context, db *DB, statement string) (plan string, err error) {
	conn, err := db.pool.Acquire(ctx)
	if err != nil {
		return "", err
	}
	defer conn.Release()
	query := map[string]string{"id": findByID, "created": findByCreated, "owned": findOwned, "ending": findEnding, "retiring": findRetiring}[statement]
	for _, s := range []string{`DEALLOCATE ALL`, `SET plan_cache_mode = force_generic_plan`, `PREPARE page AS ` + query} {
		if _, err := conn.Conn().PgConn().Exec(ctx, s).ReadAll(); err != nil {
			return "", err
		}
	}
	results, err := conn.Conn().PgConn().Exec(ctx, `EXPLAIN EXECUTE page ('o', '', '', '', '', now(), '', NULL, '', 'infinity', 10, false)`).ReadAll()
	for _, r := range results {
		for _, row := range r.Rows {
			plan += string(row[0]) + "\n"
		}
	}
	return plan, err
}
