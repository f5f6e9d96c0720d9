package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

const (
	tablesExist = `SELECT count(*) FROM sqlite_schema WHERE name = 'goose_db_version'`
	readVersion = `SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied`
)

// A Status tells the version of the tables, and that which this program knows.
type Status struct {
	Have, Want int64    // 0: there are none
	Missing    []string // their numbers
}

// ReadStatus tells the version of the tables in the file at path, and changes
// nothing. Its errors are those of [Open].
func ReadStatus(ctx context.Context, path string) (s Status, err error) {
	if err := checkPath(path); err != nil {
		return s, err
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return s, fmt.Errorf("sqlite: database %q: %w", path, err)
	}
	if _, err := os.Stat(absolute); err != nil {
		return s, fileError(path, err)
	}
	db, err := pool(absolute, 1, "query_only(1)")
	if err != nil {
		return s, openError(ctx, path, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var exist int
	if err := db.QueryRowContext(ctx, tablesExist).Scan(&exist); err != nil {
		return s, openError(ctx, path, err)
	}
	if exist > 0 {
		if err := db.QueryRowContext(ctx, readVersion).Scan(&s.Have); err != nil {
			return s, openError(ctx, path, err)
		}
	}
	p, err := newProvider(db)
	if err != nil {
		return s, openError(ctx, path, err)
	}
	for _, source := range p.ListSources() {
		if s.Want = source.Version; s.Want > s.Have {
			s.Missing = append(s.Missing, strconv.FormatInt(s.Want, 10))
		}
	}
	return s, nil
}
