package config

import (
	"path/filepath"
	"strings"

	"github.com/warder-dev/warder/internal/postgresurl"
	"github.com/warder-dev/warder/secret"
)

// Postgres says more of a database that db names as postgres://user@host/database.
type Postgres struct {
	// Password is that of the database's user, instead of one in db: "${VARIABLE}" or "file:/path". Default: what the file of PGPASSFILE says, or PGPASSWORD.
	Password secret.Text `yaml:"password"`
	// InsecureClearText accepts an sslmode of disable or prefer beyond this machine. It costs: whoever is on the way reads the password, and reads and changes the keys' records. Default false.
	InsecureClearText bool `yaml:"insecure_clear_text" default:"false"`
}

// IsPostgres reports whether db names a PostgreSQL database, and no file.
func (c *Config) IsPostgres() bool { return postgresurl.Is(c.DB) }

// Beside returns the name of a file that belongs to the database: that of the
// database with the suffix, and for one on a server a file called warder, in the
// folder of the peppers or here.
func (c *Config) Beside(suffix string) string {
	switch {
	case !c.IsPostgres():
		return c.DB + suffix
	case c.Peppers.File != "":
		return filepath.Join(filepath.Dir(c.Peppers.File), "warder"+suffix)
	default:
		return "./warder" + suffix
	}
}

// checkPostgres checks an address, and takes the password out of it.
func (l *loader) checkPostgres() {
	c, o := l.config, l.origins["db"]
	address, password, err := postgresurl.Parse(c.DB)
	if err != nil {
		l.reject("db", err.Error(), "")
		return
	}
	if password != "" {
		c.DB = address.URL()
		switch {
		case strings.HasPrefix(o.place, "--"):
			l.reject("db", "holds a password, and a flag is no place for a secret: other users see it in the list of processes", "use WARDER_DB, or postgres.password")
		case o.raw != "" && !o.substituted:
			l.reject("db", "holds a password, which does not belong in this file", "write postgres.password: ${VARIABLE} or file:/path")
		case !c.Postgres.Password.IsZero():
			l.reject("postgres.password", "is given together with a password in db", "keep one of them")
		default:
			c.Postgres.Password = secret.New(password)
		}
	}
	if address.ClearText() && !c.Postgres.InsecureClearText {
		l.reject("db", "connects beyond this machine without TLS", "take sslmode away, or set it to verify-full")
	}
}

// onlyPostgres refuses what has no effect on a file.
func (l *loader) onlyPostgres() {
	if !l.config.Postgres.Password.IsZero() {
		l.reject("postgres.password", "has no effect on a database that is a file", "set db: postgres://user@host/database")
	}
}

// database tells what weakens the connection to the database.
func (w *weaknesses) database() {
	if !w.config.IsPostgres() {
		return
	}
	address, _, err := postgresurl.Parse(w.config.DB)
	if err == nil && address.Unverified() && !address.ClearText() {
		w.add("db", "whoever is on the way to the database can stand in for it: sslmode "+address.SSLMode+" does not check its name", "set sslmode=verify-full")
	}
}
