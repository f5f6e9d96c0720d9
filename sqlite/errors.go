package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	driver "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// Errors of [Open] that are a matter of what the operator gave.
var (
	// ErrPath means that Config.Path is not the name of a file.
	ErrPath = errors.New("sqlite: path is not that of a database file")

	// ErrNewerSchema means that a newer warder wrote the database. The error names
	// both versions.
	ErrNewerSchema = errors.New("sqlite: database was written by a newer warder")

	// ErrForeign means that another program wrote the database.
	ErrForeign = errors.New("sqlite: database belongs to another program")

	// ErrReplaced means that the file was moved, removed or replaced while it was
	// open: what this program reads is no longer the database, and a key that was
	// revoked in the new one would still be let in.
	ErrReplaced = errors.New("sqlite: the database file was replaced or removed while it was in use; restart to use the new one")

	// ErrCorrupt means that the file is not a database or is damaged. Other methods
	// return it too, when they meet the damage.
	ErrCorrupt = errors.New("sqlite: file is damaged or not a database")
)

// errRow means that a row does not hold what this package writes. Its content is
// not told: the error of a conversion would quote it.
var errRow = errors.New("a row is damaged")

// openError adds the name of the file, as the operator gave it, to an error.
func openError(ctx context.Context, path string, err error) error {
	return fmt.Errorf("database %q: %w", path, answer(ctx, "open", err))
}

// answer turns an error of the driver or of database/sql into one for callers:
// the end of ctx comes first, since the driver only says "interrupted", then the
// causes with a name of their own.
func answer(ctx context.Context, what string, err error) error {
	var code *driver.Error
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("sqlite: %s: %w", what, ctx.Err())
	case !errors.As(err, &code):
		return fmt.Errorf("sqlite: %s: %w", what, err)
	}
	switch code.Code() & 0xff { // the primary code; the rest is detail
	case lib.SQLITE_NOTADB, lib.SQLITE_CORRUPT:
		return fmt.Errorf("%w: %s: %w", ErrCorrupt, what, err)
	case lib.SQLITE_PERM, lib.SQLITE_READONLY, lib.SQLITE_CANTOPEN:
		return fmt.Errorf("sqlite: %s: %w: %w", what, fs.ErrPermission, err)
	default:
		return fmt.Errorf("sqlite: %s: %w", what, err)
	}
}
