package postgres

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/warder-dev/warder/internal/postgresurl"
)

//go:embed migrations/*.sql
var migrations embed.FS

const (
	createSchema = `CREATE SCHEMA IF NOT EXISTS warder`
	schemaExists = `SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = 'warder')`
	roleExists   = `SELECT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = $1)`
	tablesExist  = `SELECT to_regclass('warder.goose_db_version') IS NOT NULL`
	readVersion  = `SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied`

	// What the role of the program may do, as statements: no more than it does. The
	// server quotes the role's name.
	grants = `SELECT format('REVOKE ALL ON ALL TABLES IN SCHEMA warder FROM %I', $1::text)
		UNION ALL SELECT format('REVOKE ALL ON ALL SEQUENCES IN SCHEMA warder FROM %I', $1::text)
		UNION ALL SELECT format('REVOKE ALL ON SCHEMA warder FROM %I', $1::text)
		UNION ALL SELECT format('GRANT USAGE ON SCHEMA warder TO %I', $1::text)
		UNION ALL SELECT format('GRANT %s ON warder.%I TO %I', t.rights, t.name, $1::text) FROM (VALUES
			('goose_db_version', 'SELECT'),
			('revisions', 'SELECT, UPDATE'),
			('changes', 'SELECT, INSERT'),
			('keys', 'SELECT, INSERT, UPDATE, DELETE'),
			('secrets', 'SELECT, INSERT, UPDATE, DELETE'),
			('nodes', 'SELECT, INSERT, UPDATE, DELETE'),
			('sessions', 'SELECT, INSERT, UPDATE, DELETE'),
			('credits', 'SELECT, INSERT, UPDATE, DELETE'),
			('credit_reservations', 'SELECT, INSERT, UPDATE, DELETE'),
			('webhook_deliveries', 'SELECT, INSERT, UPDATE, DELETE'),
			('account_changes', 'SELECT, INSERT'),
			('accounts', 'SELECT, INSERT, UPDATE, DELETE'),
			('admin_keys', 'SELECT, INSERT, UPDATE'),
			('usage_counts', 'SELECT, INSERT, UPDATE, DELETE'),
			('usage_secrets', 'SELECT, INSERT, UPDATE, DELETE'),
			('usage_scopes', 'SELECT, INSERT, UPDATE, DELETE'),
			('usage_addresses', 'SELECT, INSERT, UPDATE, DELETE'),
			('attempts', 'SELECT, INSERT, UPDATE, DELETE'),
			('portal_passes', 'SELECT, INSERT, UPDATE, DELETE'),
			('owners', 'SELECT, INSERT, UPDATE, DELETE'),
			('usage_cover', 'SELECT, UPDATE'),
			('audit', 'SELECT, INSERT'),
			('audit_checkpoints', 'SELECT, INSERT')) AS t (name, rights)`
)

// lockID names the lock that one migration holds against another, in a database:
// "warder" in ASCII.
const lockID = 0x776172646572

// lockPatience is how long a migration waits for another one, in seconds.
const lockPatience = 300

// A Status tells the version of the tables, and that which this program knows.
type Status struct {
	Have, Want int64 // 0: there are none
	Missing    []string
}

// ReadStatus tells the version of the tables in the database at cfg.
func ReadStatus(ctx context.Context, cfg Config) (s Status, err error) {
	err = withMigrations(ctx, cfg, func(name string, conn *pgx.Conn, _ *goose.Provider) error {
		var exist bool
		if err := conn.QueryRow(ctx, tablesExist).Scan(&exist); err != nil {
			return openError(ctx, name, err)
		}
		if exist {
			if err := conn.QueryRow(ctx, readVersion).Scan(&s.Have); err != nil {
				return openError(ctx, name, err)
			}
		}
		return nil
	})
	if err != nil {
		return Status{}, err
	}
	all, err := known()
	for _, m := range all {
		if s.Want = m.version; m.version > s.Have {
			s.Missing = append(s.Missing, m.name)
		}
	}
	return s, err
}

// Migrate makes the tables, or brings them up to date, and returns the version
// before and after. The role of cfg must own the schema "warder", or be allowed to
// make it. Several may run at once: one works, the others wait for it. A newer
// schema than this program knows is left alone, with [ErrNewerSchema].
//
// appRole, unless it is empty, then gets the rights of [Grant].
func Migrate(ctx context.Context, cfg Config, appRole string) (before, after int64, err error) {
	err = withMigrations(ctx, cfg, func(name string, conn *pgx.Conn, p *goose.Provider) error {
		if err := makeSchema(ctx, conn); err != nil {
			return openError(ctx, name, err)
		}
		have, want, err := p.GetVersions(ctx)
		switch before, after = have, want; {
		case err != nil:
			return openError(ctx, name, err)
		case have > want:
			return openError(ctx, name, newerSchema(have, want))
		}
		if _, err := p.Up(ctx); err != nil {
			return openError(ctx, name, err)
		}
		if appRole == "" {
			return nil
		}
		return openError(ctx, name, grant(ctx, conn, appRole))
	})
	return before, after, err
}

// withMigrations calls do with a connection and what migrates over others. Neither
// has a bound of time but ctx's: to change large tables takes its time.
func withMigrations(ctx context.Context, cfg Config, do func(name string, conn *pgx.Conn, p *goose.Provider) error) (err error) {
	settings, name, err := parse(cfg)
	if err != nil {
		return err
	}
	c := settings.ConnConfig
	for _, bound := range []string{"statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"} {
		delete(c.RuntimeParams, bound)
	}
	conn, err := pgx.ConnectConfig(ctx, c)
	if err != nil {
		return openError(ctx, name, err)
	}
	defer conn.Close(context.WithoutCancel(ctx)) //nolint:errcheck // everything is committed by then
	db := stdlib.OpenDB(*c)
	defer func() { err = errors.Join(err, db.Close()) }()
	p, err := provider(db)
	if err != nil {
		return err
	}
	return do(name, conn, p)
}

func provider(db *sql.DB) (*goose.Provider, error) {
	folder, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockID(lockID), lock.WithLockTimeout(1, lockPatience))
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(goose.DialectPostgres, db, folder, goose.WithSessionLocker(locker), goose.WithDisableGlobalRegistry(true))
}

// makeSchema makes the schema unless somebody has. A role that may not make one can
// still own one.
func makeSchema(ctx context.Context, conn *pgx.Conn) error {
	var exists bool
	if err := conn.QueryRow(ctx, schemaExists).Scan(&exists); err != nil || exists {
		return err
	}
	_, err := conn.Exec(ctx, createSchema)
	if server, ok := errors.AsType[*pgconn.PgError](err); ok && server.Code == "23505" {
		return nil // another one made it meanwhile
	}
	return err
}

// grant gives a role what [Open] and its stores need, and takes the rest of the
// schema away from it.
func grant(ctx context.Context, conn *pgx.Conn, role string) error {
	var exists bool
	if err := conn.QueryRow(ctx, roleExists, role).Scan(&exists); err != nil {
		return err
	}
	if !exists || !validText(role) {
		return plain("the server has no role of the name that is to be granted the rights")
	}
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, grants, role)
		if err != nil {
			return err
		}
		statements, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		for _, statement := range statements {
			if _, err := tx.Exec(ctx, statement); err != nil {
				return err
			}
		}
		return nil
	})
}

// checkSchema wants the version that this program knows.
func checkSchema(ctx context.Context, db interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
},
) error {
	var have int64
	err := db.QueryRow(ctx, readVersion).Scan(&have)
	if server, ok := errors.AsType[*pgconn.PgError](err); ok && (server.Code == "42P01" || server.Code == "3F000") {
		return ErrNoSchema
	}
	if err != nil {
		return err
	}
	all, err := known()
	if err != nil {
		return err
	}
	switch want := all[len(all)-1].version; {
	case have == 0:
		return ErrNoSchema
	case have < want:
		return fmt.Errorf("%w: their version is %d, this program wants %d", ErrOldSchema, have, want)
	case have > want:
		return newerSchema(have, want)
	}
	return nil
}

func newerSchema(have, want int64) error {
	return fmt.Errorf("%w: their version is %d, this program knows versions up to %d", ErrNewerSchema, have, want)
}

// A migration is one that this program has.
type migration struct {
	version int64
	name    string
}

// known returns the migrations that this program has, in their order: at least one.
// A number that is left out is none.
func known() (all []migration, _ error) {
	entries, err := fs.ReadDir(migrations, "migrations")
	if err != nil || len(entries) == 0 {
		return nil, errors.Join(err, errors.New("postgres: the program has no migrations"))
	}
	last := int64(0)
	for _, e := range entries {
		number, _, _ := strings.Cut(e.Name(), "_")
		version, err := strconv.ParseInt(number, 10, 64)
		if err != nil || version <= last {
			return nil, fmt.Errorf("postgres: the migration %s has no number of its own behind %d", e.Name(), last)
		}
		last = version
		all = append(all, migration{version, strings.TrimSuffix(e.Name(), ".sql")})
	}
	return all, nil
}

// Name names the database at an address for people, without a password.
func Name(url string) (string, error) {
	address, _, err := postgresurl.Parse(url)
	if err != nil {
		return "", fmt.Errorf("%w: it %w", ErrURL, err)
	}
	return address.Name(), nil
}
