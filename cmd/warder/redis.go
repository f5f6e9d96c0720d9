package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"os"

	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/ratelimit"
	"github.com/warder-dev/warder/redis"
	"github.com/warder-dev/warder/session"
)

// A sharedStore is what nodes share limits and sessions by. Without a server its
// stores are nil.
type sharedStore struct {
	limits   ratelimit.Store
	sessions session.Store
	up       func() bool
	close    func() error
}

// openSharedStore connects to the configured server, in the background.
func openSharedStore(cfg *config.Redis, log *slog.Logger) (sharedStore, error) {
	if len(cfg.Addresses) == 0 {
		return sharedStore{close: func() error { return nil }}, nil
	}
	secure, err := redisTLS(cfg)
	if err != nil {
		return sharedStore{}, err
	}
	db, err := redis.Open(redis.Config{
		Addresses: cfg.Addresses, Username: cfg.Username, Password: cfg.Password, Database: cfg.Database, TLS: secure,
		Prefix: cfg.Prefix, HashKey: cfg.HashKey, Budget: cfg.Budget, Nodes: cfg.Nodes, Log: log,
	})
	if err != nil {
		return sharedStore{}, fail(exitUsage, "", "%w", err)
	}
	return sharedStore{limits: db.Limits(), sessions: db.Sessions(), up: func() bool { return db.Status().Up }, close: db.Close}, nil
}

// redisTLS is how connections are encrypted; nil for not at all.
func redisTLS(cfg *config.Redis) (*tls.Config, error) {
	if !cfg.TLS {
		return nil, nil
	}
	secure := &tls.Config{MinVersion: tls.VersionTLS12}
	if cfg.CAFile == "" {
		return secure, nil
	}
	text, err := os.ReadFile(cfg.CAFile)
	if err != nil {
		return nil, fail(causeOf(err), "", "redis.ca_file: %w", err)
	}
	secure.RootCAs = x509.NewCertPool()
	if !secure.RootCAs.AppendCertsFromPEM(text) {
		return nil, fail(exitUsage, "", "redis.ca_file: %w", errors.New(cfg.CAFile+" holds no certificate in PEM form"))
	}
	return secure, nil
}
