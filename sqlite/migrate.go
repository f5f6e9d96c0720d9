package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/pressly/goose/v3"
	driver "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// applicationID marks a file as warder's ("wrdr"), for this package and for
// file(1).
const applicationID = 0x77726472

// claimFile writes applicationID. A pragma takes no parameter.
const claimFile = `PRAGMA application_id = 0x77726472`

//go:embed migrations/*.sql
var migrations embed.FS

// upgrade brings the schema to the version that this program knows. A database
// of another program or a newer warder is left untouched.
//
// Another process may be at it. Then a step fails here, since SQLite does not
// wait in all of them, and succeeds once the other is done.
func (db *DB) upgrade(ctx context.Context) error {
	const attempts, pause = 40, 50 * time.Millisecond
	var err error
	for range attempts {
		if err = db.upgradeOnce(ctx); err == nil || isFinal(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
	return err
}

// isFinal reports whether to try again is of no use.
func isFinal(err error) bool {
	if code, ok := errors.AsType[*driver.Error](err); ok {
		primary := code.Code() & 0xff
		return primary != lib.SQLITE_BUSY && primary != lib.SQLITE_LOCKED && primary != lib.SQLITE_ERROR // "table exists"
	}
	return errors.Is(err, ErrNewerSchema) || errors.Is(err, ErrForeign)
}

func (db *DB) upgradeOnce(ctx context.Context) error {
	if err := db.claim(ctx); err != nil {
		return err
	}
	p, err := newProvider(db.write)
	if err != nil {
		return err
	}
	return migrate(ctx, p)
}

// newProvider returns what migrates db.
func newProvider(db *sql.DB) (*goose.Provider, error) {
	folder, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(goose.DialectSQLite3, db, folder, goose.WithDisableGlobalRegistry(true), goose.WithGoMigrations(auditMigration()))
}

// claim checks that the file is ours, and makes it so when it is empty.
func (db *DB) claim(ctx context.Context) error {
	var id, schema int64
	if err := db.write.QueryRowContext(ctx, `SELECT application_id, schema_version FROM pragma_application_id, pragma_schema_version`).Scan(&id, &schema); err != nil {
		return err
	}
	if id != applicationID && (id != 0 || schema != 0) {
		return ErrForeign
	}
	if id == 0 {
		if _, err := db.write.ExecContext(ctx, claimFile); err != nil {
			return err
		}
	}
	return enableWAL(ctx, db.write)
}

// enableWAL lets readers and the writer go on side by side. The file remembers it.
func enableWAL(ctx context.Context, db *sql.DB) error {
	var mode string
	if err := db.QueryRowContext(ctx, `PRAGMA journal_mode = WAL`).Scan(&mode); err != nil {
		return err
	}
	if mode != "wal" {
		return fmt.Errorf("the file system allows no write-ahead log: journal mode is %q", mode)
	}
	return nil
}

// migrate applies what is missing.
func migrate(ctx context.Context, p *goose.Provider) error {
	have, want, err := p.GetVersions(ctx)
	switch {
	case err != nil:
		return err
	case have > want:
		return fmt.Errorf("%w: its schema is version %d, this program knows versions up to %d", ErrNewerSchema, have, want)
	case have < want:
		_, err = p.Up(ctx)
	}
	return err
}
