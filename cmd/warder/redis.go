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
)

// A limitStore is what nodes share limits by. The zero value is none.
type limitStore struct {
	store ratelimit.Store
	up    func() bool
	close func() error
}

// openLimitStore connects to the configured server, in the background.
func openLimitStore(cfg *config.Redis, log *slog.Logger) (limitStore, error) {
	if len(cfg.Addresses) == 0 {
		return limitStore{close: func() error { return nil }}, nil
	}
	secure, err := redisTLS(cfg)
	if err != nil {
		return limitStore{}, err
	}
	db, err := redis.Open(redis.Config{
		Addresses: cfg.Addresses, Username: cfg.Username, Password: cfg.Password, Database: cfg.Database, TLS: secure,
		Prefix: cfg.Prefix, HashKey: cfg.HashKey, Budget: cfg.Budget, Nodes: cfg.Nodes, Log: log,
	})
	if err != nil {
		return limitStore{}, fail(exitUsage, "", "%w", err)
	}
	return limitStore{store: db.Limits(), up: func() bool { return db.Status().Up }, close: db.Close}, nil
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
