package server_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/wire"
	"github.com/warder-dev/warder/sqlite"
	"github.com/warder-dev/warder/usage/tally"
)

// openUsage opens the usage of a program's database, beside the program.
func (p *program) openUsage(t *testing.T) *sqlite.Usage {
	t.Helper()
	db, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(p.folder, "warder.db"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeAll(t, db.Close) })
	return db.Usage()
}

// TestWhatIsIdleEndsByItself: a key, and the secret that a roll replaced, of which a
// database of 60 days tells no use. Both are refused soon after the start.
func TestWhatIsIdleEndsByItself(t *testing.T) {
	upstream := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(upstream.Close)
	const day = 24 * time.Hour
	var idle, busy, rolled apikey.Record
	var texts [4]string // idle, busy, rolled before and after
	age := func(t *testing.T, p *program, id apikey.ID, by time.Duration) {
		t.Helper()
		p.change(t, id, apikey.OpUpdate, func(r *apikey.Record) {
			r.Created, r.Updated = r.Created.Add(-by), time.Time{}
			secrets := append([]apikey.Secret(nil), r.Secrets...)
			for i := range secrets {
				secrets[i].Created = secrets[i].Created.Add(-by)
			}
			r.Secrets = secrets
		})
	}
	spec := apikey.Spec{Environment: "live", Scopes: []string{"orders:*"}, IdleRevoke: 30 * day}
	before := func(t *testing.T, p *program) {
		t.Helper()
		idle, texts[0] = p.create(t, spec)
		busy, texts[1] = p.create(t, spec)
		rolled, texts[2] = p.create(t, apikey.Spec{Environment: "live", Scopes: []string{"orders:*"}})
		_, text, err := p.issuer.Roll(t.Context(), apikey.By{Actor: "system", Source: "test"}, rolled.ID, 0, apikey.RollSpec{Overlap: 20 * day, IdleRetire: 6 * time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		texts[3] = text.Reveal()
		for _, id := range []apikey.ID{idle.ID, busy.ID, rolled.ID} {
			age(t, p, id, 50*day)
		}
		p.change(t, rolled.ID, apikey.OpUpdate, func(r *apikey.Record) { r.Secrets[1].Retires = time.Now().Add(day) })
		store, now := p.openUsage(t), time.Now()
		for at := now.Add(-60 * day); !at.After(now); at = at.Add(20 * time.Hour) { // as nodes say that run
			if err := tally.Abstain(t.Context(), store, "a node", at, at); err != nil {
				t.Fatal(err)
			}
		}
		used := now.Add(-day).Truncate(time.Minute)
		if err := store.Add(t.Context(), &tally.Batch{Minute: used, Secrets: []tally.SecretUse{{Key: string(busy.ID), Secret: 1, At: used}}}); err != nil {
			t.Fatal(err)
		}
	}
	p := start(t, upstream.URL, settings{before: before})
	status := func(key string) int { return p.get(t, "/", key).StatusCode }
	attack.Case(t, "KEY-18", attack.Gateway, func(t *testing.T) {
		eventually(t, func() ([2]int, bool) {
			got := [2]int{status(texts[0]), status(texts[2])} // the idle key, and the idle secret
			return got, got == [2]int{http.StatusUnauthorized, http.StatusUnauthorized}
		})
		for _, i := range []int{1, 3} {
			if got := status(texts[i]); got != http.StatusOK {
				t.Errorf("text %d, which is not idle, is answered %d", i, got)
			}
		}
	})
	r, err := p.keys.Lookup(t.Context(), idle.ID)
	if err != nil || r.Reason != apikey.ReasonIdle {
		t.Errorf("the idle key: %q, %v", r.Reason, err)
	}
}

// TestAnOpenStreamIsUse: a key is in use while a stream of it is open, of which no
// request is counted yet.
func TestAnOpenStreamIsUse(t *testing.T) {
	upstream := wire.Listen(t, streaming)
	p := start(t, upstream.URL(), settings{yaml: "usage: {flush: 1s}\nroutes: [{match: \"/\", upstream: api, scopes: [\"orders:read\"]}]\n"})
	record, key := p.create(t, apikey.Spec{Environment: "live", Scopes: []string{"orders:*"}})
	c := p.open(t, "events", "/", "X-API-Key: "+key+"\r\n")
	store := p.openUsage(t)
	eventually(t, func() (tally.KeyUse, bool) {
		use, err := store.Key(t.Context(), string(record.ID))
		if err != nil {
			t.Fatal(err)
		}
		return use, len(use.Secrets) == 1 && use.Secrets[0].Secret == 1 && time.Since(use.Secrets[0].At) < time.Hour
	})
	now := time.Now()
	rows, err := store.Rows(t.Context(), tally.Query{Resolution: tally.Day, From: now.Add(-48 * time.Hour), To: now.Add(48 * time.Hour), Key: string(record.ID), Limit: 10})
	if err != nil || len(rows) != 0 {
		t.Errorf("%d rows, %v, want none before the stream is over", len(rows), err)
	}
	closeAll(t, c.Close)
}
