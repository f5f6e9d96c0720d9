package main

import (
	"context"
	"errors"
	"log/slog"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/audit"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/internal/fleet"
	"github.com/warder-dev/warder/internal/idempotency"
	"github.com/warder-dev/warder/internal/portallink"
	"github.com/warder-dev/warder/postgres"
	"github.com/warder-dev/warder/session"
	"github.com/warder-dev/warder/sqlite"
	"github.com/warder-dev/warder/usage"
	"github.com/warder-dev/warder/usage/tally"
	"github.com/warder-dev/warder/webhook"
)

// A keyTable is what every database can do with keys.
type keyTable interface {
	apikey.Store
	apikey.Batcher
	apikey.Lister
	apikey.Finder
	apikey.Feed
	apikey.LegacyStore
	apikey.DigestFinder
}

// A sessionTable is what every database can do with sessions.
type sessionTable interface {
	session.Store
	sessionEnder
}

// A database is an SQLite file or a PostgreSQL database.
type database struct {
	keys     keyTable
	nodes    fleet.Registry
	sessions sessionTable
	credits  usage.Store
	audit    audit.Store
	outbox   webhook.Outbox
	accounts account.Store
	usage    tally.Store
	attempts func(limit int) idempotency.Store
	portal   portallink.Store
	owners   apikey.OwnerStore
	close    func() error
}

func (db *database) APIKeys() keyTable       { return db.keys }
func (db *database) Nodes() fleet.Registry   { return db.nodes }
func (db *database) Sessions() sessionTable  { return db.sessions }
func (db *database) Credits() usage.Store    { return db.credits }
func (db *database) Audit() audit.Store      { return db.audit }
func (db *database) Outbox() webhook.Outbox  { return db.outbox }
func (db *database) Accounts() account.Store { return db.accounts }
func (db *database) Usage() tally.Store      { return db.usage }

// Portal keeps links to the holders' portal.
func (db *database) Portal() portallink.Store { return db.portal }

// Owners keeps what is known of whom keys belong to.
func (db *database) Owners() apikey.OwnerStore { return db.owners }

func (db *database) Close() error { return db.close() }

// Attempts keeps the answers to requests that are sent again, at most limit of each
// caller; 0 is idempotency.Most.
func (db *database) Attempts(limit int) idempotency.Store { return db.attempts(limit) }

func ofFile(db *sqlite.DB) *database {
	return &database{
		keys: db.APIKeys(), nodes: db.Nodes(), sessions: db.Sessions(), credits: db.Credits(), audit: db.Audit(), outbox: db.Outbox(), accounts: db.Accounts(), usage: db.Usage(),
		attempts: func(limit int) idempotency.Store { return db.Attempts(limit) }, portal: db.Portal(), owners: db.Owners(), close: db.Close,
	}
}

// postgresConfig is how the configured database is reached.
func postgresConfig(cfg *config.Config, log *slog.Logger) postgres.Config {
	return postgres.Config{URL: cfg.DB, Password: cfg.Postgres.Password, Log: log}
}

// openPostgres opens a database on a server. It changes nothing there.
func openPostgres(ctx context.Context, cfg *config.Config, log *slog.Logger) (*database, error) {
	db, err := postgres.Open(ctx, postgresConfig(cfg, log))
	if err != nil {
		return nil, postgresFailure(err)
	}
	return &database{
		keys: db.APIKeys(), nodes: db.Nodes(), sessions: db.Sessions(), credits: db.Credits(), audit: db.Audit(), outbox: db.Outbox(), accounts: db.Accounts(), usage: db.Usage(),
		attempts: func(limit int) idempotency.Store { return db.Attempts(limit) }, portal: db.Portal(), owners: db.Owners(), close: db.Close,
	}, nil
}

// postgresFailure tells what to do.
func postgresFailure(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, postgres.ErrURL):
		return fail(exitUsage, "write it like postgres://user@host/database", "db: %w", err)
	case errors.Is(err, postgres.ErrNoSchema), errors.Is(err, postgres.ErrOldSchema):
		return fail(exitServer, "run `warder migrate up` with the role that owns the tables", "db: %w", err)
	case errors.Is(err, postgres.ErrNewerSchema):
		return fail(exitServer, "use the warder that made them, or a newer one", "db: %w", err)
	case errors.Is(err, postgres.ErrReadOnly):
		return fail(exitServer, "name the server that takes changes, or several in a list, host1,host2", "db: %w", err)
	case errors.Is(err, postgres.ErrDenied):
		return fail(exitDenied, "check the role, its password and its rights (warder migrate up --app-role ROLE)", "db: %w", err)
	default:
		return fail(exitServer, "", "db: %w", err)
	}
}
