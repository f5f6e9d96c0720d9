// Package postgres keeps warder's data in a PostgreSQL database, which many nodes
// share. Each sees what the others change, told at once by a notification and
// otherwise by its next look.
//
// A change is acknowledged when the server has committed it. Every connection goes
// to a server that can be written to: what a standby answers may be of before a
// revocation. The tables are in the schema "warder" of the database; an operator
// makes and upgrades them with [Migrate], under a role that owns them, and [Open]
// works with a role that may do no more than read and write rows ([Grant]).
//
// Errors hold what was done and the server's SQLSTATE, never the server's own text:
// that may quote what was stored or asked.
//
// The standards: SQL by its SQLSTATE (ISO/IEC 9075-2), PostgreSQL 13 or newer.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/warder-dev/warder/internal/postgresurl"
	"github.com/warder-dev/warder/secret"
)

// Config configures a [DB].
type Config struct {
	_ [0]func() // no unkeyed literals

	// URL is the address, such as postgres://warder_app@db.internal/warder, without
	// the password. Beyond this machine sslmode is verify-full unless it says
	// otherwise. Required.
	URL string

	// Password is that of the user. Without one the driver looks into the file that
	// passfile or PGPASSFILE names, and then into PGPASSWORD.
	Password secret.Text

	// Log is told when notifications are lost, and when they work again. Required.
	Log *slog.Logger
}

// The bounds that the server keeps, also when this program no longer can: a process
// that was stopped in the middle of a change must not hold up the others.
const (
	statementTimeout = 10 * time.Second
	lockTimeout      = 5 * time.Second
	idleTimeout      = 5 * time.Second // within a transaction
	connectTimeout   = 5 * time.Second
)

// A DB is an open database. It is safe for concurrent use.
type DB struct {
	pool    *pgxpool.Pool
	name    string
	writers chan struct{} // a token for each write at a time: reads always find a connection
	news    *news

	keys     *APIKeys
	nodes    *Nodes
	sessions *Sessions
	credits  *Credits
	audit    *Audit
}

// Open connects and checks that the schema is the one that this program knows. It
// changes nothing. It fails with [ErrURL], [ErrNoSchema], [ErrOldSchema],
// [ErrNewerSchema], [ErrReadOnly], [ErrDenied], or another error when the server
// gives no answer.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	if cfg.Log == nil {
		return nil, errors.New("postgres: no logger")
	}
	settings, name, err := parse(cfg)
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, settings)
	if err != nil {
		return nil, openError(ctx, name, err)
	}
	db := &DB{pool: pool, name: name, writers: make(chan struct{}, max(2, settings.MaxConns/2))}
	if err := db.check(ctx); err != nil {
		pool.Close()
		return nil, openError(ctx, name, err)
	}
	db.news = newNews(settings.ConnConfig, cfg.Log)
	db.keys = &APIKeys{db: db, poll: newPoll(pool), bounds: usualBounds()}
	db.nodes = &Nodes{db: db}
	db.sessions = &Sessions{db: db}
	db.credits = &Credits{db: db}
	db.audit = &Audit{db: db}
	return db, nil
}

// APIKeys returns the store of keys. It lives as long as the DB.
func (db *DB) APIKeys() *APIKeys { return db.keys }

// Nodes returns the registry of nodes. It lives as long as the DB.
func (db *DB) Nodes() *Nodes { return db.nodes }

// Sessions returns the store of sessions. It lives as long as the DB.
func (db *DB) Sessions() *Sessions { return db.sessions }

// Credits returns the store of credits. It lives as long as the DB.
func (db *DB) Credits() *Credits { return db.credits }

// Audit returns the log of what was changed. It lives as long as the DB.
func (db *DB) Audit() *Audit { return db.audit }

// Outbox returns the deliveries of webhooks. It lives as long as the DB.
func (db *DB) Outbox() *Outbox { return &Outbox{db: db} }

// closing is how long Close waits for a server that does not answer.
const closing = 2 * time.Second

// Close closes every connection, when the calls under way have ended. Later ones
// fail. Connections to a server that hangs are left to end by themselves, soon
// after. The error is always nil.
func (db *DB) Close() error {
	done := make(chan struct{})
	go func() {
		db.news.close()
		db.pool.Close()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(closing):
	}
	return nil
}

// parse makes the settings of the pool. Its errors do not repeat the address.
func parse(cfg Config) (*pgxpool.Config, string, error) {
	address, password, err := postgresurl.Parse(cfg.URL)
	if err != nil {
		return nil, "", fmt.Errorf("%w: it %w", ErrURL, err)
	}
	if password != "" {
		return nil, "", fmt.Errorf("%w: it holds a password, which belongs into Config.Password", ErrURL)
	}
	settings, err := pgxpool.ParseConfig(address.URL())
	if err != nil { // its text would quote what was given
		return nil, "", fmt.Errorf("%w: its files of certificates or its parameters cannot be read", ErrURL)
	}
	if settings.MaxConns < 4 || !address.Has("pool_max_conns") {
		settings.MaxConns = max(4, settings.MaxConns, int32(min(2*runtime.GOMAXPROCS(0), 64))) //nolint:gosec // G115: at most 64
	}
	c := settings.ConnConfig
	if !cfg.Password.IsZero() {
		c.Password = cfg.Password.Reveal()
	}
	secureSession(c)
	return settings, address.Name(), nil
}

// secureSession fixes what a connection means, whatever the environment says.
func secureSession(c *pgx.ConnConfig) {
	name := c.RuntimeParams["application_name"]
	if name == "" {
		name = "warder"
	}
	c.RuntimeParams = map[string]string{
		"application_name": name,
		// No other schema is looked into, and nobody's temporary tables before ours.
		"search_path":                         "warder, pg_temp",
		"client_encoding":                     "UTF8",
		"TimeZone":                            "UTC",
		"standard_conforming_strings":         "on",
		"jit":                                 "off", // to compile takes longer than any statement here
		"statement_timeout":                   milliseconds(statementTimeout),
		"lock_timeout":                        milliseconds(lockTimeout),
		"idle_in_transaction_session_timeout": milliseconds(idleTimeout),
	}
	// Values travel beside the statement, never in its text.
	c.DefaultQueryExecMode = pgx.QueryExecModeCacheStatement
	c.ValidateConnect = writable
	if c.ConnectTimeout <= 0 || c.ConnectTimeout > time.Minute {
		c.ConnectTimeout = connectTimeout
	}
}

// writable refuses a connection to a server that takes no changes.
func writable(ctx context.Context, conn *pgconn.PgConn) error {
	answer := conn.ExecParams(ctx, `SHOW transaction_read_only`, nil, nil, nil, nil).Read()
	switch {
	case answer.Err != nil:
		return answer.Err
	case len(answer.Rows) != 1 || len(answer.Rows[0]) != 1 || string(answer.Rows[0][0]) != "off":
		return ErrReadOnly
	}
	return nil
}

func milliseconds(d time.Duration) string { return fmt.Sprint(d.Milliseconds()) }

const (
	serverFacts = `SELECT current_setting('server_version_num')::int, current_setting('server_encoding')`
	oldest      = 130000 // server_version_num of PostgreSQL 13
)

// check looks at the server and at the version of the schema.
func (db *DB) check(ctx context.Context) error {
	var version int
	var encoding string
	if err := db.pool.QueryRow(ctx, serverFacts).Scan(&version, &encoding); err != nil {
		return err
	}
	switch {
	case version < oldest:
		return plain("the server is PostgreSQL %d, want 13 or newer", version/10000)
	case encoding != "UTF8":
		return plain("the database does not keep UTF-8: make it with ENCODING 'UTF8'")
	}
	return checkSchema(ctx, db.pool)
}

// write runs do in a transaction, again when the server ended it for the sake of
// another one. At most half of the connections write at a time.
func (db *DB) write(ctx context.Context, do func(tx pgx.Tx) error) error {
	select {
	case db.writers <- struct{}{}:
		defer func() { <-db.writers }()
	case <-ctx.Done():
		return ctx.Err()
	}
	return again(ctx, func() error { return pgx.BeginFunc(ctx, db.pool, do) })
}

// attempts bounds how often a transaction is made that could not be made beside
// another one.
const attempts = 5

// again runs do until it succeeds, or fails for good: it must have done nothing when
// it fails with what the server or the driver calls safe to try again.
func again(ctx context.Context, do func() error) error {
	pause := 5 * time.Millisecond
	for try := 1; ; try++ {
		err := do()
		if err == nil || try == attempts || !undone(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
		pause *= 2
	}
}

// undone reports whether err says that nothing was done, and that another try may
// succeed.
func undone(err error) bool {
	if server, ok := errors.AsType[*pgconn.PgError](err); ok {
		return server.Code == "40001" || server.Code == "40P01" // serialization failure, deadlock
	}
	return pgconn.SafeToRetry(err)
}
