// Package redis shares limits and sessions between processes through a Redis or Valkey server,
// or a cluster of them: Redis 6.2 and later, any Valkey.
//
// A decision of limits is one call of one script, which reads the server's clock and counts
// in all limits of a request or in none. It waits no longer than [Config.Budget]: a
// server that is slow or away costs a request that much, a few times, and then
// nothing, until it answers again in time. What becomes of requests meanwhile is each limit's
// own choice: ratelimit.Outage.
//
// Keys name a limit and a digest of its subject, and nothing else of it. They
// expire when they say nothing any more.
package redis

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/redis/rueidis"

	"github.com/warder-dev/warder/secret"
)

// Config configures a [DB].
type Config struct {
	_ [0]func()

	// Addresses are "host:port", each once: one of a single server, or some of a
	// cluster, of which the rest is found. Required.
	Addresses []string

	Username string      // default: the server's default user
	Password secret.Text // none by default
	Database int         // number of the database, 0 in a cluster

	// TLS encrypts connections, with the settings of the configuration. nil: plain TCP.
	TLS *tls.Config

	// Prefix begins every key: 1 to 40 lower-case letters, digits and ._-; default
	// "warder". Fleets that share a server differ in it.
	Prefix string

	// HashKey makes what keys are named after unreadable for whoever reads the server
	// and can guess subjects, such as addresses. Every node has the same one, of 16
	// bytes at least. None by default.
	HashKey secret.Text

	// Budget is how long one decision waits at most: 1 ms to 10 s, default 20 ms.
	Budget time.Duration

	// Nodes is how many share the server, as long as it has never answered: 1 to
	// 65,536, default 1. Later it is asked.
	Nodes int

	Log *slog.Logger // told of outages and their ends. Required.

	beat time.Duration // between two looks at the others; a second, but in tests
}

const (
	defaultBudget = 20 * time.Millisecond
	minBudget     = time.Millisecond
	maxBudget     = 10 * time.Second
	maxNodes      = 1 << 16
	minHashKey    = 16
)

// A DB is a server or a cluster, whether it answers or not. It is safe for
// concurrent use.
type DB struct {
	cfg    Config
	limits *Limits

	sessions *Sessions

	node string // this process, for the others
	roll roll

	stop context.CancelFunc
	done sync.WaitGroup
}

// Open reports everything that is wrong with cfg at once. It does not wait for the
// server: a connection is made, and made anew when it is lost, in the background.
func Open(cfg Config) (*DB, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	db := &DB{cfg: cfg, node: rand.Text()}
	db.limits, db.sessions = newLimits(&db.cfg), newSessions(&db.cfg)
	ctx, stop := context.WithCancel(context.Background())
	db.stop = stop
	db.done.Go(func() { db.run(ctx) })
	return db, nil
}

// Close ends every connection and goroutine. Decisions that wait fail.
func (db *DB) Close() error {
	db.stop()
	db.done.Wait()
	return nil
}

// Limits returns the store of limits. It lives as long as the DB.
func (db *DB) Limits() *Limits { return db.limits }

// Sessions returns the store of sessions. It lives as long as the DB.
func (db *DB) Sessions() *Sessions { return db.sessions }

func (c *Config) check() error {
	if c.Prefix == "" {
		c.Prefix = "warder"
	}
	if c.Budget == 0 {
		c.Budget = defaultBudget
	}
	if c.Nodes == 0 {
		c.Nodes = 1
	}
	if c.beat == 0 {
		c.beat = beatEvery
	}
	var errs []error
	if len(c.Addresses) == 0 {
		errs = append(errs, errors.New("redis: there are no Addresses, want host:port"))
	}
	for _, a := range c.Addresses {
		if host, port, err := net.SplitHostPort(a); err != nil || host == "" || port == "" {
			errs = append(errs, fmt.Errorf("redis: the address %q is not host:port", a))
		}
	}
	if !validPrefix(c.Prefix) {
		errs = append(errs, fmt.Errorf("redis: the Prefix is %q, want 1 to 40 lower-case letters, digits and ._-", c.Prefix))
	}
	if c.Database < 0 {
		errs = append(errs, fmt.Errorf("redis: the Database is %d, want 0 or more", c.Database))
	}
	if n := len(c.HashKey.Reveal()); n > 0 && n < minHashKey {
		errs = append(errs, fmt.Errorf("redis: the HashKey has %d bytes, want %d at least", n, minHashKey))
	}
	if c.Budget < minBudget || c.Budget > maxBudget {
		errs = append(errs, fmt.Errorf("redis: the Budget is %v, want %v to %v", c.Budget, minBudget, maxBudget))
	}
	if c.Nodes < 1 || c.Nodes > maxNodes {
		errs = append(errs, fmt.Errorf("redis: Nodes is %d, want 1 to %d", c.Nodes, maxNodes))
	}
	if c.Log == nil {
		errs = append(errs, errors.New("redis: no logger"))
	}
	return errors.Join(errs...)
}

func validPrefix(s string) bool {
	for i := range len(s) {
		b := s[i]
		if (b < 'a' || b > 'z') && (b < '0' || b > '9') && b != '.' && b != '_' && b != '-' {
			return false
		}
	}
	return s != "" && len(s) <= 40
}

// patience is how long the background waits for a server: longer than a decision.
const patience = time.Second

// option is how the driver connects. Nothing is sent twice: a call whose answer is
// lost may have counted.
func (c *Config) option() rueidis.ClientOption {
	o := rueidis.ClientOption{
		InitAddress: c.Addresses, Username: c.Username, Password: c.Password.Reveal(), SelectDB: c.Database, ClientName: "warder",
		Dialer:           net.Dialer{Timeout: patience, KeepAlive: patience},
		ConnWriteTimeout: patience,
		AlwaysPipelining: true, DisableRetry: true, DisableCache: true,
		ReadBufferEachConn: 64 << 10, WriteBufferEachConn: 64 << 10,
		ClusterOption: rueidis.ClusterOption{MaxMovedRedirections: 3},
	}
	if c.TLS != nil {
		o.TLSConfig = c.TLS.Clone()
	}
	return o
}
