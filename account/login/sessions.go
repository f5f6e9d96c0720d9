package login

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"time"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/session"
)

// Cookie is the name of the cookie of a person's session.
const Cookie = "__Host-warder_admin"

// NewSessions returns the sessions of administrators, kept in store, which may hold
// others as well: 30 minutes idle, 12 hours at most, 10 for each account.
func NewSessions(store session.Store, log *slog.Logger) (*session.Manager, error) {
	cfg := session.Config{Log: log, Scheme: "adminSession", Cookie: Cookie, PerUser: 10}
	if store != nil {
		cfg.Store = apart{store}
	}
	return session.New(cfg)
}

// End returns what removes the sessions of an account, for [account.Config.Ended].
// They are worth nothing by then: a store without an answer is logged, and no more.
func End(sessions *session.Manager, log *slog.Logger) func(ctx context.Context, id account.ID) {
	return func(ctx context.Context, id account.ID) {
		if _, err := sessions.RevokeUser(ctx, account.Issuer, string(id)); err != nil {
			log.LogAttrs(ctx, slog.LevelWarn, "sessions that ended were not removed", slog.String("account", string(id)), slog.Any("error", err))
		}
	}
}

// apart keeps sessions under other digests than the ids have: whoever looks up the
// same id in the same store without it finds nothing.
type apart struct{ store session.Store }

// turn is its own reverse.
func turn(d session.Digest) session.Digest {
	mask := sha256.Sum256([]byte("warder sessions of administrators"))
	for i := range d {
		d[i] ^= mask[i]
	}
	return d
}

func turned(r session.Record) session.Record {
	r.Digest = turn(r.Digest)
	if r.Former.Digest != (session.Digest{}) {
		r.Former.Digest = turn(r.Former.Digest)
	}
	return r
}

func (a apart) Lookup(ctx context.Context, d session.Digest) (session.Record, error) {
	r, err := a.store.Lookup(ctx, turn(d))
	if err != nil {
		return session.Record{}, err
	}
	return turned(r), nil
}

func (a apart) Create(ctx context.Context, r session.Record) error {
	return a.store.Create(ctx, turned(r))
}

func (a apart) Replace(ctx context.Context, before, after session.Record) error {
	return a.store.Replace(ctx, turned(before), turned(after))
}

func (a apart) Delete(ctx context.Context, d session.Digest) error {
	return a.store.Delete(ctx, turn(d))
}

func (a apart) List(ctx context.Context, issuer, subject string) ([]session.Record, error) {
	all, err := a.store.List(ctx, issuer, subject)
	for i := range all {
		all[i] = turned(all[i])
	}
	return all, err
}

func (a apart) DeleteUser(ctx context.Context, issuer, subject string) (int, error) {
	return a.store.DeleteUser(ctx, issuer, subject)
}

func (a apart) DeleteExpired(ctx context.Context, now time.Time, limit int) (int, error) {
	return a.store.DeleteExpired(ctx, now, limit)
}
