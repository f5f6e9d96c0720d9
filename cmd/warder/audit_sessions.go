package main

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/audit"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/session"
	"github.com/warder-dev/warder/sqlite"
)

// A sessionEnder ends sessions of others, and leaves an entry of the audit.
type sessionEnder interface {
	RevokeUser(ctx context.Context, by audit.By, issuer, subject string) (int, error)
	RevokeAll(ctx context.Context, by audit.By) (int, error)
}

// withSessions calls use with where sessions are kept.
func withSessions(cmd *cobra.Command, p *process, use func(cfg *config.Config, store sessionEnder) error) error {
	return withDatabase(cmd, p, func(cfg *config.Config, db *sqlite.DB) error {
		if cfg.Session.Store != config.StoreRedis {
			return use(cfg, db.Sessions())
		}
		shared, err := openSharedStore(&cfg.Redis, stderrLog(p))
		if err != nil {
			return err
		}
		return errors.Join(use(cfg, &elsewhere{shared.sessions, db.Audit()}), shared.close())
	})
}

// elsewhere ends sessions that are not in the database. The entry is written first:
// without it no session ends; it may be there of an attempt that failed.
type elsewhere struct {
	sessions session.Store
	log      audit.Store
}

func (e *elsewhere) RevokeUser(ctx context.Context, by audit.By, issuer, subject string) (n int, err error) {
	open, err := e.list(ctx, issuer, subject)
	if err != nil {
		return 0, err
	}
	if err := e.note(ctx, by, issuer+" "+subject, map[string]int{"sessions": open}); err != nil {
		return 0, err
	}
	err = patiently(ctx, func() (err error) {
		n, err = e.sessions.DeleteUser(ctx, issuer, subject)
		return err
	})
	return n, err
}

// list counts the sessions of a user, also to see that the store answers.
func (e *elsewhere) list(ctx context.Context, issuer, subject string) (n int, err error) {
	err = patiently(ctx, func() error {
		all, err := e.sessions.List(ctx, issuer, subject)
		n = len(all)
		return err
	})
	return n, err
}

func (e *elsewhere) RevokeAll(ctx context.Context, by audit.By) (int, error) {
	if _, err := e.list(ctx, "-", "-"); err != nil { // of nobody
		return 0, err
	}
	if err := e.note(ctx, by, "*", map[string]string{"store": config.StoreRedis}); err != nil {
		return 0, err
	}
	return endAll(ctx, e.sessions)
}

func (e *elsewhere) note(ctx context.Context, by audit.By, subject string, before any) error {
	state, err := json.Marshal(before)
	if err != nil {
		return err
	}
	_, err = e.log.Append(ctx, audit.Event{
		At: time.Now(), Actor: by.Actor, Source: by.Source, Op: "revoke", Kind: audit.KindSessions, Subject: subject, Before: state,
	})
	return err
}
