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
	db      *sqlite.DB
	keys    *sqlite.APIKeys
	peppers *apikey.Peppers
}

// openStore opens or makes the database and the pepper file.
func openStore(ctx context.Context, cfg *config.Config, log *slog.Logger) (*keyStore, error) {
	db, err := openDatabase(ctx, cfg, log)
	if err != nil {
		return nil, err
	}
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
func openExisting(ctx context.Context, cfg *config.Config, log *slog.Logger) (*sqlite.DB, error) {
	if _, err := os.Stat(cfg.DB); errors.Is(err, fs.ErrNotExist) && !isSymlink(cfg.DB) {
		return nil, fail(exitNotFound, "name the database by --db, or make a first key by `warder keys create`", "db: there is no database at %s", cfg.DB)
	}
	return openDatabase(ctx, cfg, log)
}

func openDatabase(ctx context.Context, cfg *config.Config, log *slog.Logger) (*sqlite.DB, error) {
	if _, err := os.Stat(cfg.DB); errors.Is(err, fs.ErrNotExist) && isSymlink(cfg.DB) {
		return nil, fail(exitNotFound, "mend the link, or take it away", "db: %s is a symbolic link to nothing", cfg.DB)
	}
	db, err := sqlite.Open(ctx, sqlite.Config{Path: cfg.DB, Log: log})
	switch {
	case err == nil:
		return db, nil
	case errors.Is(err, fs.ErrPermission):
		return nil, fail(exitDenied, "run warder as the user that owns the database", "db: %w", err)
	case errors.Is(err, fs.ErrNotExist):
		return nil, fail(exitNotFound, "make the folder first", "db: %w", err)
	case errors.Is(err, sqlite.ErrPath):
		return nil, fail(exitUsage, "name a plain file, such as ./warder.db", "db: %w", err)
	case errors.Is(err, sqlite.ErrNewerSchema):
		return nil, fail(exitServer, "use the warder that wrote it, or a newer one", "db: %w", err)
	case errors.Is(err, sqlite.ErrCorrupt):
		return nil, fail(exitServer, "restore it from a backup, or name another file by --db", "db: %w", err)
	default:
		return nil, fail(exitServer, "", "db: %w", err)
	}
}
