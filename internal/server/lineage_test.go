package server_test

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/audit"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/server"
	"github.com/warder-dev/warder/internal/wire"
	"github.com/warder-dev/warder/leak"
	"github.com/warder-dev/warder/secret"
)

// A rewindable store says that it went back when a test wants it.
type rewindable struct {
	*watchedStore
	rewinds atomic.Uint64
}

func (s *rewindable) Rewinds() uint64 { return s.rewinds.Load() }

// TestAChangeThatWasGoneBeforeItsEntryWasSeen: the feed of keys has seen a change, and the
// database went back before the audit log was looked at. The gateway answers 503, and
// keeps that there was one entry more, which no database has.
func TestAChangeThatWasGoneBeforeItsEntryWasSeen(t *testing.T) {
	attack.Case(t, "FLEET-15", attack.Gateway, func(t *testing.T) {
		log := new(audit.MemoryStore)
		entry, err := log.Append(t.Context(), audit.Event{At: time.Unix(1, 0), Actor: "a", Source: "s", Op: "o", Kind: "k", Subject: "x"})
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var kept audit.Head
		keep := func(h audit.Head) error {
			mu.Lock()
			defer mu.Unlock()
			kept = h
			return nil
		}
		store := new(rewindable)
		p := start(t, wire.Listen(t, wire.Answer(wire.OK)).URL(), settings{
			seen:  &server.SeenOptions{Store: log, Last: entry.Head(), Keep: keep},
			store: func(s apikey.Store) apikey.Store { store.watchedStore = watch(s); return store },
		})
		if got := p.get(t, "/", p.key).StatusCode; got != http.StatusOK {
			t.Fatalf("a good key gets %d", got)
		}
		store.rewinds.Add(1)
		eventually(t, func() (int, bool) {
			got := p.get(t, "/", p.key).StatusCode
			return got, got == http.StatusServiceUnavailable
		})
		if _, err := log.Append(t.Context(), audit.Event{At: time.Unix(2, 0), Actor: "a", Source: "s", Op: "o", Kind: "k", Subject: "y"}); err != nil {
			t.Fatal(err) // another history grows to the same number
		}
		for range 30 {
			if got := p.get(t, "/", p.key).StatusCode; got != http.StatusServiceUnavailable {
				t.Fatalf("a key gets %d after the database went back, want 503", got)
			}
			<-time.After(20 * time.Millisecond)
		}
		mu.Lock()
		defer mu.Unlock()
		if holds, err := audit.Holds(t.Context(), log, kept); err != nil || holds || kept.Seq != entry.Seq+1 {
			t.Errorf("kept is %s, which the database has: %v, %v; want one entry more than was seen, which none has", kept.Name(), holds, err)
		}
	})
}

// A cuttable log is the older state of itself, up to an entry, when a test wants it.
type cuttable struct {
	*audit.MemoryStore
	cut  atomic.Int64 // the newest entry that is left; 0 for all
	told [8]atomic.Int64
}

// Head counts how often each of the first entries was told of as the newest.
func (c *cuttable) Head(ctx context.Context) (audit.Head, error) {
	head, err := c.MemoryStore.Head(ctx)
	if cut := c.cut.Load(); err == nil && cut > 0 {
		var entries []audit.Entry
		if entries, err = c.MemoryStore.List(ctx, audit.Query{After: cut - 1, Limit: 1}); err == nil {
			head = entries[0].Head()
		}
	}
	if err == nil {
		c.told[head.Seq].Add(1)
	}
	return head, err
}

func (c *cuttable) List(ctx context.Context, q audit.Query) ([]audit.Entry, error) {
	entries, err := c.MemoryStore.List(ctx, q)
	if cut := c.cut.Load(); cut > 0 {
		entries = slices.DeleteFunc(entries, func(e audit.Entry) bool { return e.Seq > cut })
	}
	return entries, err
}

// TestWhatWasSeenIsKeptAtOnce: entries come faster than files should be written, and
// the database goes back right after. As soon as anybody is told so, the newest entry
// that was seen is kept, whatever becomes of the process; a failure to keep it is made
// up for.
func TestWhatWasSeenIsKeptAtOnce(t *testing.T) {
	t.Parallel() // it waits for looks
	for name, failures := range map[string]int64{"kept": 0, "kept later": 2} {
		attack.Case(t, "FLEET-15", attack.Gateway, func(t *testing.T) {
			log := &cuttable{MemoryStore: new(audit.MemoryStore)}
			add := func() audit.Head {
				entry, err := log.Append(t.Context(), audit.Event{At: time.Unix(1, 0), Actor: "a", Source: "s", Op: "o", Kind: "k", Subject: "x"})
				if err != nil {
					t.Fatal(err)
				}
				return entry.Head()
			}
			var kept atomic.Pointer[audit.Head]
			kept.Store(new(audit.Head))
			var failing atomic.Int64
			keep := func(h audit.Head) error {
				if failing.Add(-1) >= 0 {
					return errors.New("no room")
				}
				kept.Store(&h)
				return nil
			}
			p := start(t, wire.Listen(t, wire.Answer(wire.OK)).URL(), settings{seen: &server.SeenOptions{Store: log, Last: add(), Keep: keep}})
			for range 3 {
				last := add()
				failing.Store(failures)
				eventually(t, func() (int64, bool) {
					p.create(t, apikey.Spec{Environment: "live"}) // which has the log looked at
					n := log.told[last.Seq].Load()
					return n, n > 1 // the look that saw it first is over
				})
			}
			log.cut.Store(1)
			eventually(t, func() (int, bool) {
				p.create(t, apikey.Spec{Environment: "live"})
				got := p.get(t, "/", p.key).StatusCode
				return got, got == http.StatusServiceUnavailable
			})
			if want, err := log.MemoryStore.Head(t.Context()); err != nil || *kept.Load() != want {
				t.Errorf("%s: 503 is answered, and kept is entry %d, want %d, the newest that was seen", name, kept.Load().Seq, want.Seq)
			}
		})
	}
}

// TestNoFrontAnswersForARestoredDatabase: the database goes back while the program runs.
// Proxies that ask whether a request may pass are told no more than clients are, at
// whichever listener and in whichever dialect.
func TestNoFrontAnswersForARestoredDatabase(t *testing.T) {
	attack.Case(t, "FLEET-15", attack.Gateway, func(t *testing.T) {
		log := &cuttable{MemoryStore: new(audit.MemoryStore)}
		for range 2 {
			if _, err := log.Append(t.Context(), audit.Event{At: time.Unix(1, 0), Actor: "a", Source: "s", Op: "o", Kind: "k", Subject: "x"}); err != nil {
				t.Fatal(err)
			}
		}
		head, err := log.Head(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		p := start(t, wire.Listen(t, wire.Answer(wire.OK)).URL(), settings{
			yaml: askedYAML("nginx") + "listeners: {more: {listen: \"127.0.0.1:0\"}}\n",
			seen: &server.SeenOptions{Store: log, Last: head, Keep: func(audit.Head) error { return nil }},
		})
		statuses := func() map[string]int {
			more := newRequest(t, "http://"+p.more["more"]+"/orders/1")
			more.Header.Set("X-Api-Key", p.key)
			return map[string]int{
				"public": p.get(t, "/orders/1", p.key).StatusCode, "more": do(t, more).StatusCode,
				"decision": p.question(t, nginxAsks("GET", "/orders/1"), "X-Api-Key", p.key).StatusCode,
			}
		}
		if got, want := statuses(), map[string]int{"public": 200, "more": 200, "decision": 200}; !maps.Equal(got, want) {
			t.Fatalf("%v, want %v", got, want)
		}
		log.cut.Store(1)
		eventually(t, func() (int, bool) {
			p.create(t, apikey.Spec{Environment: "live"}) // which has the log looked at
			got := p.get(t, "/orders/1", p.key).StatusCode
			return got, got == http.StatusServiceUnavailable
		})
		if got, want := statuses(), map[string]int{"public": 503, "more": 503, "decision": 503}; !maps.Equal(got, want) {
			t.Errorf("after the database went back: %v, want %v", got, want)
		}
	})
}

// An enteringStore adds an entry to a log for each change of a key.
type enteringStore struct {
	*watchedStore
	log *audit.MemoryStore
}

func (s *enteringStore) Apply(ctx context.Context, c apikey.Change) (apikey.Revision, error) {
	revision, err := s.watchedStore.Apply(ctx, c)
	if err == nil {
		_, err = s.log.Append(ctx, audit.Event{At: c.At, Actor: c.Actor, Source: c.Source, Op: string(c.Op), Kind: "key", Subject: "x"})
	}
	return revision, err
}

// TestALeakIsKeptBeforeItIsAnswered: whoever reports a key is told that it is one once its
// revocation would be missed in an older database, whatever becomes of the process.
func TestALeakIsKeptBeforeItIsAnswered(t *testing.T) {
	attack.Case(t, "FLEET-15", attack.Gateway, func(t *testing.T) {
		log, shared := new(audit.MemoryStore), strings.Repeat("s", 40)
		secretFile := filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(secretFile, []byte(shared), 0o600); err != nil {
			t.Fatal(err)
		}
		var kept atomic.Int64
		p := start(t, wire.Listen(t, wire.Answer(wire.OK)).URL(), settings{
			yaml:  "leaks: {secret: 'file:" + secretFile + "', action: revoke}\nroutes: [{match: /, upstream: api}]\n",
			store: func(s apikey.Store) apikey.Store { return &enteringStore{watch(s), log} },
			seen:  &server.SeenOptions{Store: log, Keep: func(h audit.Head) error { kept.Store(h.Seq); return nil }},
		})
		sender, err := leak.NewShared("report", secret.New(shared))
		if err != nil {
			t.Fatal(err)
		}
		for n := range int64(5) { // a look of its own may come in time once
			_, key := p.create(t, apikey.Spec{Environment: "live"})
			body := `[{"token":"` + key + `","type":"warder","url":"https://example.com/","source":"content"}]`
			stamp, signature := sender.Sign([]byte(body), time.Now())
			status, answer := report(t, p, "/leaks/report", body, http.Header{leak.TimestampField: {stamp}, leak.SharedField: {signature}})
			if got := kept.Load(); status != http.StatusOK || !strings.Contains(answer, "true_positive") || got != n+1 {
				t.Fatalf("report %d: %d %s, and entry %d is kept, want %d", n+1, status, answer, got, n+1)
			}
		}
	})
}
