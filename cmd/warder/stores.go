package main

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"slices"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/sqlite"
)

// keyStore is the database with the peppers that belong to it.
type keyStore struct {
	db      *database
	keys    keyTable
	peppers *apikey.Peppers
}

// openStore opens or makes the database and the pepper file for a command, beside
// gateways that may run on them.
func openStore(ctx context.Context, cfg *config.Config, log *slog.Logger) (*keyStore, error) {
	db, err := openDatabase(ctx, cfg, log)
	if err != nil {
		return nil, err
	}
	if err := wantNoOtherPeppers(ctx, db.Nodes(), cfg.Peppers); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return withPeppers(ctx, db, cfg, log)
}

// openServed is openStore for a gateway, which may be the first, and is ready beside
// others that have other peppers: each tells that they differ.
func openServed(ctx context.Context, cfg *config.Config, log *slog.Logger) (*keyStore, error) {
	db, err := openDatabase(ctx, cfg, log)
	if err != nil {
		return nil, err
	}
	return withPeppers(ctx, db, cfg, log)
}

// withPeppers adds the peppers, and closes db when there are none to be had.
func withPeppers(ctx context.Context, db *database, cfg *config.Config, log *slog.Logger) (*keyStore, error) {
	keys := db.APIKeys()
	used, err := keys.PepperIDs(ctx)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	administrators, err := db.Accounts().PepperIDs(ctx)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	used = slices.Compact(slices.Sorted(slices.Values(append(used, administrators...))))
	peppers, err := loadPeppers(cfg.Peppers, used, log)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &keyStore{db: db, keys: keys, peppers: peppers}, nil
}

// openExisting opens the database for a command that makes no key, and hence no
// database either.
func openExisting(ctx context.Context, cfg *config.Config, log *slog.Logger) (*database, error) {
	if err := wantDatabase(cfg); err != nil {
		return nil, err
	}
	return openDatabase(ctx, cfg, log)
}

// noDatabase reports whether the database is a file that does not exist. Whether there
// is one on a server is known when it is opened.
func noDatabase(cfg *config.Config) bool {
	if cfg.IsPostgres() {
		return false
	}
	_, err := os.Stat(cfg.DB)
	return errors.Is(err, fs.ErrNotExist)
}

// wantDatabase refuses a file that does not exist.
func wantDatabase(cfg *config.Config) error {
	if noDatabase(cfg) && !isSymlink(cfg.DB) {
		return fail(exitNotFound, "name the database by --db, or make a first key by `warder keys create`", "db: there is no database at %s", cfg.DB)
	}
	return nil
}

// openDatabase opens what notes, when it is closed, what was seen of it.
func openDatabase(ctx context.Context, cfg *config.Config, log *slog.Logger) (*database, error) {
	db, err := openAny(ctx, cfg, log)
	if err != nil {
		return nil, err
	}
	closeIt := db.close
	db.close = func() error {
		noteSeen(context.WithoutCancel(ctx), cfg, db.Audit())
		return closeIt()
	}
	return db, nil
}

func openAny(ctx context.Context, cfg *config.Config, log *slog.Logger) (*database, error) {
	if cfg.IsPostgres() {
		return openPostgres(ctx, cfg, log)
	}
	if noDatabase(cfg) && isSymlink(cfg.DB) {
		return nil, fail(exitNotFound, "mend the link, or take it away", "db: %s is a symbolic link to nothing", cfg.DB)
	}
	db, err := sqlite.Open(ctx, sqlite.Config{Path: cfg.DB, Log: log})
	if err != nil {
		return nil, sqliteFailure(err)
	}
	return ofFile(db), nil
}

// sqliteFailure tells what to do.
func sqliteFailure(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrPermission):
		return fail(exitDenied, "run warder as the user that owns the database", "db: %w", err)
	case errors.Is(err, fs.ErrNotExist):
		return fail(exitNotFound, "make the folder first", "db: %w", err)
	case errors.Is(err, sqlite.ErrPath):
		return fail(exitUsage, "name a plain file, such as ./warder.db", "db: %w", err)
	case errors.Is(err, sqlite.ErrNewerSchema):
		return fail(exitServer, "use the warder that wrote it, or a newer one", "db: %w", err)
	case errors.Is(err, sqlite.ErrCorrupt):
		return fail(exitServer, "restore it from a backup, or name another file by --db", "db: %w", err)
	default:
		return fail(exitServer, "", "db: %w", err)
	}
}
