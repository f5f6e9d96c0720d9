package housekeeping_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/housekeeping"
	"github.com/warder-dev/warder/sqlite"
	"github.com/warder-dev/warder/usage/tally"
	"github.com/warder-dev/warder/webhook"
)

// uses is what nodes share of usage, in memory.
type uses struct {
	tally.Store // nil: what is not asked for here

	mu    sync.Mutex
	used  map[string]map[int]time.Time
	cover string
}

var errAway = errors.New("the store is away")

func newUses() *uses { return &uses{used: make(map[string]map[int]time.Time)} }

func (u *uses) Add(_ context.Context, b *tally.Batch) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, s := range b.Secrets {
		if u.used[s.Key] == nil {
			u.used[s.Key] = make(map[int]time.Time)
		}
		if s.At.After(u.used[s.Key][s.Secret]) {
			u.used[s.Key][s.Secret] = s.At
		}
	}
	return nil
}

func (u *uses) Key(_ context.Context, key string) (use tally.KeyUse, _ error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for number, at := range u.used[key] {
		use.Secrets = append(use.Secrets, tally.SecretUse{Key: key, Secret: number, At: at})
	}
	return use, nil
}

func (*uses) Prune(context.Context, time.Time, tally.Retention) error { return nil }

func (u *uses) ReplaceCover(_ context.Context, change func(string) (string, error)) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	after, err := change(u.cover)
	if err == nil {
		u.cover = after
	}
	return err
}

// A link is one node's way to the store, which can be cut.
type link struct {
	*uses

	mu  sync.Mutex
	cut bool // what is counted is not taken, and everything else is
	all bool // nothing is
}

func (l *link) set(cut, all bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut, l.all = cut, all
}

func (l *link) is(add bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all || l.cut && add {
		return errAway
	}
	return nil
}

func (l *link) Add(ctx context.Context, b *tally.Batch) error {
	if err := l.is(true); err != nil {
		return err
	}
	return l.uses.Add(ctx, b)
}

func (l *link) Key(ctx context.Context, key string) (tally.KeyUse, error) {
	if err := l.is(false); err != nil {
		return tally.KeyUse{}, err
	}
	return l.uses.Key(ctx, key)
}

func (l *link) ReplaceCover(ctx context.Context, change func(string) (string, error)) error {
	if err := l.is(false); err != nil {
		return err
	}
	return l.uses.ReplaceCover(ctx, change)
}

// A node counts and keeps house.
type node struct {
	tally  *tally.Tally
	keeper *housekeeping.Keeper
	link   *link
}

// startNode starts one; silent is one that counts nothing.
func startNode(t *testing.T, keys housekeeping.Keys, shared *uses, b *told, silent bool) *node {
	t.Helper()
	n := &node{link: &link{uses: shared}}
	cfg := housekeeping.Config{Keys: keys, Announce: b.announce, Cover: n.link}
	var err error
	if !silent {
		cfg.Uses = n.link
		n.tally, err = tally.New(tally.Config{Store: n.link, Flush: time.Minute, Blind: 5 * time.Second, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
	}
	if n.keeper, err = housekeeping.Start(cfg); err != nil {
		t.Fatal(err)
	}
	return n
}

func (n *node) stop(t *testing.T) {
	t.Helper()
	n.keeper.Close()
	if n.tally != nil {
		if err := n.tally.Close(); err != nil {
			t.Errorf("Close = %v", err)
		}
	}
}

// use sends a request by a secret of a key.
func (n *node) use(id apikey.ID, secret int) {
	x := exchange.New(httptest.NewRequest(http.MethodGet, "/", http.NoBody))
	x.Start, x.Route, x.Client = time.Now(), "/", netip.MustParseAddr("192.0.2.1")
	x.Principal = exchange.Principal{Issuer: "warder", Subject: string(id), KeyID: string(id), SecretNumber: secret}
	n.tally.Done(x, exchange.Outcome{Trace: exchange.Trace{Verdict: exchange.Pass()}, Status: http.StatusOK})
}

func pass(d time.Duration) {
	time.Sleep(d) //nolint:forbidigo // the clock of synctest
	synctest.Wait()
}

func idleAfter(d time.Duration) func(*apikey.Record) {
	return func(r *apikey.Record) { r.IdleRevoke = d }
}

func wantState(t *testing.T, s apikey.Store, id apikey.ID, want apikey.State) apikey.Record {
	t.Helper()
	r, err := s.Lookup(t.Context(), id)
	if err != nil || r.State(time.Now()) != want {
		t.Errorf("%s: key %s is %s, %v, want %s", time.Now().Format("02T15:04"), id, r.State(time.Now()), err, want)
	}
	return r
}

// TestIdleKeysAreRevoked by two nodes, each once, and told of once.
func TestIdleKeysAreRevoked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, b, shared := new(apikey.MemoryStore), new(told), newUses()
		made := time.Now().Add(-300 * day) // long before usage was counted
		idle := put(t, s, 1, made, 0, idleAfter(2*day))
		busy := put(t, s, 2, made, 0, idleAfter(2*day))
		other := put(t, s, 3, made, 0, nil)
		disabled := put(t, s, 4, made, 0, func(r *apikey.Record) { r.IdleRevoke, r.Disabled = 2*day, true })
		late := put(t, s, 5, made, 0, idleAfter(5*day))
		first, second := startNode(t, s, shared, b, false), startNode(t, s, shared, b, false)
		defer first.stop(t)
		defer second.stop(t)
		for range 4 {
			pass(11 * time.Hour)
			second.use(busy, 1)
			wantState(t, s, idle, apikey.Active) // it counts from when usage is counted
		}
		for range 6 {
			pass(11 * time.Hour)
			first.use(busy, 1)
		}
		for _, id := range []apikey.ID{busy, other, late} {
			wantState(t, s, id, apikey.Active)
		}
		wantState(t, s, disabled, apikey.Disabled)
		r := wantState(t, s, idle, apikey.Revoked)
		if r.Reason != apikey.ReasonIdle || r.Revoked.Sub(made) < 302*day || r.Revoked.Sub(made) > 302*day+2*time.Hour {
			t.Errorf("revoked at %s for %q, want two days after usage was counted, for idle", r.Revoked, r.Reason)
		}
		pass(5 * day)
		wantState(t, s, busy, apikey.Revoked)
		var at []apikey.ID
		for _, e := range b.all {
			var d struct {
				KeyID    apikey.ID `json:"key_id"`
				Owner    string    `json:"owner"`
				IdleDays int       `json:"idle_days"`
			}
			if err := json.Unmarshal(e.Data, &d); err != nil || e.Type != webhook.KeyIdleRevoked || d.Owner != "acme" || d.KeyID != late && d.IdleDays != 2 {
				t.Errorf("event %+v %s, %v", e, e.Data, err)
			}
			at = append(at, d.KeyID)
		}
		if len(at) != 3 || at[0] != idle {
			t.Errorf("told of %v, want %s first, %s and %s", at, idle, late, busy)
		}
	})
}

// TestNothingIsIdleThatIsNotKnown: where a use may have been missed, no key goes.
func TestNothingIsIdleThatIsNotKnown(t *testing.T) {
	const idle = 12 * time.Hour
	for name, run := range map[string]func(t *testing.T, s *apikey.MemoryStore, id apikey.ID, shared *uses, b *told, first *node){
		"a node that cannot write what it counted": func(t *testing.T, s *apikey.MemoryStore, id apikey.ID, shared *uses, b *told, _ *node) {
			t.Helper()
			second := startNode(t, s, shared, b, false)
			defer second.stop(t)
			pass(time.Hour)
			second.link.set(true, false)
			for range 8 {
				pass(10 * time.Hour) // more than a node is silent, and more than it can keep
				second.use(id, 1)
			}
			wantState(t, s, id, apikey.Active)
			second.link.set(false, false)
			pass(idle - 2*time.Hour)
			wantState(t, s, id, apikey.Active)
		},
		"a node that lost what it counted": func(t *testing.T, s *apikey.MemoryStore, id apikey.ID, shared *uses, b *told, _ *node) {
			t.Helper()
			second := startNode(t, s, shared, b, false)
			defer second.stop(t)
			pass(time.Hour)
			second.link.set(true, false)
			second.use(id, 1)
			for range 400 { // each minute one more batch that waits, until the first is dropped
				pass(time.Minute)
				second.use("Key000000099", 1)
			}
			second.link.set(false, false)
			pass(2 * time.Minute)
			if second.tally.Lost() == 0 {
				t.Error("nothing was lost")
			}
			pass(idle - 2*time.Hour)
			wantState(t, s, id, apikey.Active)
		},
		"a node that ends without a word": func(t *testing.T, s *apikey.MemoryStore, id apikey.ID, shared *uses, b *told, _ *node) {
			t.Helper()
			second := startNode(t, s, shared, b, false)
			pass(time.Hour)
			second.use(id, 1)
			second.link.set(false, true)
			second.keeper.Close()
			if second.tally.Close() == nil {
				t.Error("Close without a store = no error")
			}
			pass(idle) // what it counted last is not known: the time begins when it can have let no key pass any more
			wantState(t, s, id, apikey.Active)
			pass(2 * time.Hour) // which is minutes after its end
			wantState(t, s, id, apikey.Revoked)
		},
		"a node that counts nothing": func(t *testing.T, s *apikey.MemoryStore, id apikey.ID, shared *uses, b *told, _ *node) {
			t.Helper()
			second := startNode(t, s, shared, b, true)
			pass(5 * day)
			wantState(t, s, id, apikey.Active)
			second.stop(t)
			pass(idle - time.Hour)
			wantState(t, s, id, apikey.Active)
		},
		"a store that is away": func(t *testing.T, s *apikey.MemoryStore, id apikey.ID, _ *uses, _ *told, first *node) {
			t.Helper()
			first.link.set(false, true)
			pass(5 * day)
			wantState(t, s, id, apikey.Active)
			first.link.set(false, false)
			pass(idle - time.Hour)
			wantState(t, s, id, apikey.Active)
		},
		"nobody ran": func(t *testing.T, s *apikey.MemoryStore, id apikey.ID, shared *uses, b *told, first *node) {
			t.Helper()
			pass(idle - time.Hour)
			first.stop(t)
			pass(5 * day)
			again := startNode(t, s, shared, b, false)
			defer again.stop(t)
			pass(idle - time.Hour)
			wantState(t, s, id, apikey.Active)
		},
		"a stream that is open": func(t *testing.T, s *apikey.MemoryStore, id apikey.ID, _ *uses, _ *told, first *node) {
			t.Helper()
			for range 10 {
				pass(idle - time.Hour)
				first.tally.Used(string(id), 1)
			}
			wantState(t, s, id, apikey.Active)
		},
		"more keys than are told apart": func(t *testing.T, s *apikey.MemoryStore, id apikey.ID, shared *uses, b *told, _ *node) {
			t.Helper()
			second := startNode(t, s, shared, b, false)
			defer second.stop(t)
			for range 5 {
				pass(idle - time.Hour)
				for n := range 20_000 {
					second.tally.Used(string(apikey.ID("Other")+apikey.ID(rune(n+1000))), 1)
				}
			}
			wantState(t, s, id, apikey.Active)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, b, shared := new(apikey.MemoryStore), new(told), newUses()
				id := put(t, s, 1, time.Now().Add(-90*day), 0, idleAfter(idle))
				first := startNode(t, s, shared, b, false)
				stopped := name == "nobody ran"
				defer func() {
					if !stopped {
						first.stop(t)
					}
				}()
				run(t, s, id, shared, b, first)
				if t.Failed() || stopped {
					return
				}
				pass(idle + day + 2*time.Hour) // and then it is known again
				wantState(t, s, id, apikey.Revoked)
			})
		})
	}
}

// TestRestartsDoNotCount: who restarts in good order goes on counting.
func TestRestartsDoNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, b, shared := new(apikey.MemoryStore), new(told), newUses()
		id := put(t, s, 1, time.Now().Add(-90*day), 0, idleAfter(3*day))
		for range 4 {
			n := startNode(t, s, shared, b, false)
			wantState(t, s, id, apikey.Active)
			pass(19 * time.Hour)
			n.stop(t)
			pass(time.Minute)
		}
		wantState(t, s, id, apikey.Revoked)
	})
}

// TestIdleSecretsEnd: a retiring secret that nobody uses ends by itself, and another
// one of the same key does not.
func TestIdleSecretsEnd(t *testing.T) {
	attack.Case(t, "KEY-18", attack.Library, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, b, shared := new(apikey.MemoryStore), new(told), newUses()
			now := time.Now()
			id := put(t, s, 1, now, 0, func(r *apikey.Record) {
				end := now.Add(30 * day)
				r.Secrets = []apikey.Secret{
					{Digest: [32]byte{3}, Pepper: "p", Created: now, Number: 3},
					{Digest: [32]byte{2}, Pepper: "p", Created: now.Add(-day), Number: 2, Retires: end, IdleRetire: 6 * time.Hour},
					{Digest: [32]byte{1}, Pepper: "p", Created: now.Add(-9 * day), Number: 1, Retires: end, IdleRetire: 6 * time.Hour},
				}
			})
			first, second := startNode(t, s, shared, b, false), startNode(t, s, shared, b, false)
			defer first.stop(t)
			defer second.stop(t)
			numbers := func() (all []int) {
				r, err := s.Lookup(t.Context(), id)
				if err != nil {
					t.Fatal(err)
				}
				for _, x := range r.Secrets {
					all = append(all, x.Number)
				}
				return all
			}
			for hours := range 24 {
				pass(time.Hour)
				first.use(id, 2) // the current one is not used at all
				if got := numbers(); hours < 5 && len(got) != 3 || hours > 7 && len(got) != 2 {
					t.Fatalf("after %d hours: secrets %v", hours+1, got)
				}
			}
			if got := numbers(); got[0] != 3 || got[1] != 2 {
				t.Errorf("secrets %v, want the one in use to stay", got)
			}
			pass(9 * time.Hour)
			if got := numbers(); len(got) != 1 || got[0] != 3 {
				t.Errorf("secrets %v, want the current one alone", got)
			}
		})
	})
}

// TestIdleKeysInSQLite runs two nodes on one file that has been used for 60 days.
func TestIdleKeysInSQLite(t *testing.T) {
	db, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(t.TempDir(), "w.db"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	keys, usage := db.APIKeys(), db.Usage()
	now := time.Now()
	create := func(n byte, id apikey.ID) {
		r := apikey.Record{
			ID: id, Prefix: "wrd", Environment: "live", Created: now.Add(-90 * day), IdleRevoke: 30 * day,
			Secrets: []apikey.Secret{{Digest: [32]byte{n}, Pepper: "p", Created: now.Add(-90 * day), Number: 1}},
		}
		if _, err := keys.Apply(t.Context(), apikey.Change{Actor: "a", Source: "s", Op: apikey.OpCreate, At: r.Created, After: &r}); err != nil {
			t.Fatal(err)
		}
	}
	create(1, "Key000000001")
	create(2, "Key000000002")
	for at := now.Add(-60 * day); !at.After(now); at = at.Add(20 * time.Hour) { // a node that has counted for 60 days
		if err := tally.Abstain(t.Context(), usage, "past", at, at); err != nil {
			t.Fatal(err)
		}
	}
	used := now.Add(-10 * day).Truncate(time.Minute)
	if err := usage.Add(t.Context(), &tally.Batch{Minute: used, Secrets: []tally.SecretUse{{Key: "Key000000002", Secret: 1, At: used}}}); err != nil {
		t.Fatal(err)
	}
	changed := make(chan apikey.ID, 10)
	b := new(told)
	for range 2 {
		k, err := housekeeping.Start(housekeeping.Config{
			Keys: keys, Uses: usage, Cover: usage, Announce: b.announce, Changed: func(id apikey.ID) { changed <- id },
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(k.Close)
	}
	select {
	case id := <-changed:
		if id != "Key000000001" {
			t.Errorf("key %s was changed", id)
		}
	case <-time.After(time.Minute):
		t.Fatal("no key was revoked")
	}
	if r := wantState(t, keys, "Key000000001", apikey.Revoked); r.Reason != apikey.ReasonIdle {
		t.Errorf("reason %q", r.Reason)
	}
	wantState(t, keys, "Key000000002", apikey.Active)
}
