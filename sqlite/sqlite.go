// Package sqlite keeps warder's data in one SQLite file, without cgo and
// without a server. Several processes of one machine may have the file open:
// each sees what the others change. A network file system is not supported.
//
// A change is acknowledged when it is on the disk: the process may be killed
// and the machine may lose power right after. The file, its write-ahead log and
// its index are readable by their owner only.
//
// Errors carry neither what was stored nor what was asked, only the name of the
// file as the operator gave it.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"runtime"

	driver "modernc.org/sqlite"
)

// busyTimeout is how long, in milliseconds, a connection waits for another
// process that writes. A transaction of this package takes a millisecond or so.
const busyTimeout = "5000"

// undoInMemory is for one connection. A pragma takes no parameter.
const undoInMemory = `PRAGMA temp_store = MEMORY`

// Config configures a [DB].
type Config struct {
	_ [0]func() // no unkeyed literals

	// Path of the database file. It is created, with mode 0600, when it does not
	// exist; its folder must exist. A plain file name: "file:" addresses and
	// parameters are refused. Required.
	Path string

	// Log gets a warning when an existing file is readable by others. Required.
	Log *slog.Logger
}

// A DB is an open database. It is safe for concurrent use.
type DB struct {
	write *sql.DB // one connection: SQLite has one writer at a time, so callers queue here, in order and with their context
	beat  *sql.DB // one connection for announcements, which need not survive a power loss
	read  *sql.DB
	file  *file
	keys  *APIKeys
	nodes *Nodes

	sessions *Sessions
	credits  *Credits
	audit    *Audit
}

// Open opens the database and brings its schema up to date. It fails with
// [ErrPath], [ErrNewerSchema], [ErrForeign], [ErrCorrupt], an error wrapping
// fs.ErrPermission or fs.ErrNotExist, or another when SQLite fails.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	if cfg.Log == nil {
		return nil, errors.New("sqlite: no logger")
	}
	path, err := prepareFile(ctx, cfg)
	if err != nil {
		return nil, err
	}
	db, err := connect(path)
	if err != nil {
		return nil, openError(ctx, cfg.Path, err)
	}
	if db.file, err = watchFile(path); err != nil {
		return nil, errors.Join(fileError(cfg.Path, err), db.Close())
	}
	if err := db.start(ctx); err != nil {
		return nil, errors.Join(openError(ctx, cfg.Path, err), db.Close())
	}
	return db, nil
}

// start checks and upgrades the database and prepares its statements.
func (db *DB) start(ctx context.Context) error {
	if err := db.upgrade(ctx); err != nil {
		return err
	}
	// What a statement of several rows needs to be taken back is kept in memory, and
	// not written to a file: few pages. Upgrades sort whole tables, which is not.
	if _, err := db.write.ExecContext(ctx, undoInMemory); err != nil {
		return err
	}
	var err error
	if db.keys, err = newAPIKeys(ctx, db); err != nil {
		return err
	}
	db.nodes = &Nodes{db: db}
	db.credits, db.audit = &Credits{db: db}, &Audit{db: db}
	db.sessions, err = newSessions(ctx, db)
	return err
}

// APIKeys returns the store of keys. It lives as long as the DB.
func (db *DB) APIKeys() *APIKeys { return db.keys }

// Nodes returns the registry of nodes. It lives as long as the DB.
func (db *DB) Nodes() *Nodes { return db.nodes }

// Sessions returns the store of sessions. It lives as long as the DB.
func (db *DB) Sessions() *Sessions { return db.sessions }

// Credits returns the store of credits. It lives as long as the DB.
func (db *DB) Credits() *Credits { return db.credits }

// Usage returns what keys were used for. It lives as long as the DB.
func (db *DB) Usage() *Usage { return &Usage{db: db} }

// Audit returns the log of what was changed. It lives as long as the DB.
func (db *DB) Audit() *Audit { return db.audit }

// Outbox returns the deliveries of webhooks. It lives as long as the DB.
func (db *DB) Outbox() *Outbox { return &Outbox{db: db} }

// Close closes every connection. Calls under way end first; later ones fail.
func (db *DB) Close() error {
	var errs []error
	if db.keys != nil {
		errs = append(errs, db.keys.close())
	}
	if db.sessions != nil {
		errs = append(errs, db.sessions.close())
	}
	errs = append(errs, db.read.Close(), db.beat.Close(), db.write.Close())
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("sqlite: close: %w", err)
	}
	return nil
}

// connect makes the pools. No file is opened yet.
func connect(path string) (*DB, error) {
	// FULL syncs the log at each commit, before it is acknowledged. With NORMAL a
	// power loss would take acknowledged changes back: a revoked key would work
	// again, and a created one would be unknown.
	//
	// Its cache, in KiB, is filled by large imports alone: else each batch would read
	// and write most pages of the indexes anew. For the same reason the log is copied
	// into the file after 128 MiB, in place of 4: a page that many batches write is
	// copied once. ADR 44 has what was measured.
	write, err := pool(path, 1, "synchronous(FULL)", "cache_size(-32768)", "wal_autocheckpoint(32000)")
	if err != nil {
		return nil, err
	}
	beat, err := pool(path, 1, "synchronous(NORMAL)")
	if err != nil {
		return nil, err
	}
	read, err := pool(path, max(4, runtime.GOMAXPROCS(0)), "query_only(1)")
	if err != nil {
		return nil, err
	}
	return &DB{write: write, beat: beat, read: read}, nil
}

// pool returns a pool of at most size connections to the file at the absolute
// path.
func pool(path string, size int, pragmas ...string) (*sql.DB, error) {
	query := url.Values{
		// A transaction that began to read cannot always go on to write; one that
		// begins as a writer waits its turn instead of failing half way.
		"_txlock": {"immediate"},
		"_pragma": append([]string{"busy_timeout(" + busyTimeout + ")", "foreign_keys(1)", "trusted_schema(0)"}, pragmas...),
	}
	address := url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: query.Encode()}
	c, err := driver.NewConnector(address.String())
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(c)
	db.SetMaxOpenConns(size)
	db.SetMaxIdleConns(size)
	return db, nil
}
