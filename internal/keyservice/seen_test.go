package keyservice_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/keyservice"
	"github.com/warder-dev/warder/usage"
)

// verbs are the changes of one key, as they are asked for. Each changes a key that
// is active and has a retiring secret.
func verbs() map[string][2]string {
	return map[string][2]string{
		"update":     {http.MethodPatch, ""},
		"roll":       {http.MethodPost, ":roll"},
		"endOverlap": {http.MethodPost, ":endOverlap"},
		"revoke":     {http.MethodPost, ":revoke"},
		"disable":    {http.MethodPost, ":disable"},
		"delete":     {http.MethodDelete, ""},
	}
}

func (w *world) turn(t *testing.T, verb, id string, seen int64) *reply {
	t.Helper()
	body := map[string]any{"update": map[string]string{"name": "another"}, "roll": struct{}{}, "revoke": struct{}{}}[verb]
	return w.ask(t, verbs()[verb][0], "/v1/keys/"+id+verbs()[verb][1], body, "If-Match", quote(seen))
}

// rolled makes a key with a retiring secret.
func (w *world) rolled(t *testing.T) keyservice.Key {
	t.Helper()
	id := w.made(t, keyservice.KeySpec{Name: "a"}).Key.ID
	r := w.ask(t, http.MethodPost, "/v1/keys/"+id+":roll", `{"overlap":"1h"}`)
	want(t, "roll", r, http.StatusOK)
	var made keyservice.KeyMade
	r.json(t, &made)
	return made.Key
}

// A meddler changes a key between the look at its state and the change.
type meddler struct {
	*apikey.MemoryStore

	mu      sync.Mutex
	looks   int
	meddle  func()
	applied int
	finds   []time.Time // until when each page was waited for; zero: for ever
}

func (m *meddler) Find(ctx context.Context, q apikey.Filter) (apikey.Page, error) {
	end, _ := ctx.Deadline()
	m.mu.Lock()
	m.finds = append(m.finds, end)
	m.mu.Unlock()
	return m.MemoryStore.Find(ctx, q)
}

// No list is waited for without an end.
func TestListsHaveADeadline(t *testing.T) {
	m := new(meddler)
	w := newWorldOf(t, m, func(cfg *keyservice.Config) { cfg.Uses = &uses{} })
	for _, path := range []string{"/v1/keys?text=zebra", "/v1/keys:health"} {
		m.finds = nil
		want(t, path, w.ask(t, http.MethodGet, path, nil), http.StatusOK)
		if len(m.finds) != 1 || m.finds[0].IsZero() {
			t.Errorf("%s was waited for until %v", path, m.finds)
		}
	}
}

// arm has the key changed behind the back of the first who looks at it from now on.
func (m *meddler) arm(meddle func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.looks, m.applied, m.meddle = 0, 0, meddle
}

func (m *meddler) Lookup(ctx context.Context, id apikey.ID) (apikey.Record, error) {
	record, err := m.MemoryStore.Lookup(ctx, id)
	m.mu.Lock()
	m.looks++
	meddle := m.meddle
	if m.looks > 1 {
		meddle = nil
	}
	m.mu.Unlock()
	if meddle != nil {
		meddle()
	}
	return record, err
}

func (m *meddler) Apply(ctx context.Context, c apikey.Change) (apikey.Revision, error) {
	rev, err := m.MemoryStore.Apply(ctx, c)
	m.mu.Lock()
	defer m.mu.Unlock()
	if err == nil {
		m.applied++
	}
	return rev, err
}

// What If-Match says is judged by the change itself: a state that was right a moment
// before is stale.
func TestStatesThatChangeBetween(t *testing.T) {
	attack.Case(t, "ADMIN-07", attack.Admin, func(t *testing.T) {
		for verb := range verbs() {
			t.Run(verb, func(t *testing.T) {
				m := new(meddler)
				w := newWorldOf(t, m)
				k := w.rolled(t)
				m.arm(func() {
					if _, err := apikey.Update(t.Context(), w.store, apikey.By{Actor: "t", Source: "t"}, apikey.ID(k.ID), 0, apikey.Patch{Plan: new("gold")}); err != nil {
						t.Error(err)
					}
				})
				want(t, verb+" of what changes meanwhile", w.turn(t, verb, k.ID, k.Revision), http.StatusPreconditionFailed)
				if m.applied != 0 {
					t.Errorf("%d changes were made of a state that nobody saw", m.applied)
				}
			})
		}
	})
}

func TestManyWhoSawOneState(t *testing.T) {
	attack.Case(t, "ADMIN-07", attack.Admin, func(t *testing.T) {
		w := newWorld(t)
		all := []string{"update", "roll", "endOverlap", "revoke", "disable"}
		for round := range 4 {
			k := w.rolled(t)
			statuses, start := make([]int, 4*len(all)), make(chan struct{})
			var wait sync.WaitGroup
			for i := range statuses {
				wait.Go(func() {
					<-start
					statuses[i] = w.turn(t, all[i%len(all)], k.ID, k.Revision).status
				})
			}
			close(start)
			wait.Wait()
			won := []string{}
			for i, status := range statuses {
				switch status {
				case http.StatusOK:
					won = append(won, all[i%len(all)])
				case http.StatusPreconditionFailed:
				default:
					t.Errorf("round %d: %s answers %d, want 200 or 412", round, all[i%len(all)], status)
				}
			}
			if len(won) != 1 {
				t.Errorf("round %d: %s of %d had their way, want one", round, fmt.Sprint(won), len(statuses))
			}
		}
	})
}

// Whoever is bound to an owner changes no key that has just become another owner's,
// also when it takes whatever there is.
func TestOwnersThatChangeBetween(t *testing.T) {
	attack.Case(t, "ADMIN-03", attack.Admin, func(t *testing.T) {
		for verb, asked := range verbs() {
			for _, field := range [][]string{nil, {"If-Match", "*"}} {
				if verb == "update" && field == nil {
					continue // it wants the field
				}
				t.Run(fmt.Sprint(verb, field), func(t *testing.T) {
					m := new(meddler)
					w := newWorldOf(t, m)
					id := w.made(t, keyservice.KeySpec{Name: "a", Owner: "evil"}).Key.ID
					m.arm(func() {
						if _, err := apikey.Update(t.Context(), w.store, apikey.By{Actor: "t", Source: "t"}, apikey.ID(id), 0, apikey.Patch{Owner: new("acme")}); err != nil {
							t.Error(err)
						}
					})
					body := map[string]any{"update": map[string]string{"name": "another"}, "roll": struct{}{}, "revoke": struct{}{}}[verb]
					r := w.ask(t, asked[0], "/v1/keys/"+id+asked[1], body, append([]string{"X-Person", "admin:evil"}, field...)...)
					want(t, verb+" of what is another's meanwhile", r, http.StatusPreconditionFailed)
					if m.applied != 0 {
						t.Errorf("%d changes were made of another owner's key", m.applied)
					}
				})
			}
		}
	})
}

// Whoever is bound to an owner is not told what a key has to spend that has just
// become another owner's.
func TestCreditsOfOwnersThatChangeBetween(t *testing.T) {
	attack.Case(t, "ADMIN-03", attack.Admin, func(t *testing.T) {
		m := new(meddler)
		w := newWorldOf(t, m)
		id := w.made(t, keyservice.KeySpec{Name: "a", Owner: "evil"}).Key.ID
		want(t, "set", w.ask(t, http.MethodPost, "/v1/credits:set", map[string]any{"key": id, "credits": 7}), http.StatusOK)
		m.arm(func() {
			if _, err := apikey.Update(t.Context(), w.store, apikey.By{Actor: "t", Source: "t"}, apikey.ID(id), 0, apikey.Patch{Owner: new("acme")}); err != nil {
				t.Error(err)
			}
		})
		want(t, "credits of what is another's meanwhile", w.ask(t, http.MethodGet, "/v1/credits?key="+id, nil, "X-Person", "admin:evil"), http.StatusNotFound)
	})
}

// Nor does one with the right to change credits, which no role gives to those who are
// bound, change what such a key has to spend: the owner is judged within the change.
func TestCreditsOfAnothersKeyStayAsTheyAre(t *testing.T) {
	attack.Case(t, "ADMIN-03", attack.Admin, func(t *testing.T) {
		for path, more := range map[string]map[string]any{
			"/v1/credits:set": {"credits": 9}, "/v1/credits:grant": {"credits": 9}, "/v1/credits:setRefill": {"every": "day", "amount": 9},
		} {
			t.Run(path, func(t *testing.T) {
				m := new(meddler)
				w := newWorldOf(t, m)
				id := w.made(t, keyservice.KeySpec{Name: "a", Owner: "evil"}).Key.ID
				body := map[string]any{"key": id}
				maps.Copy(body, more)
				want(t, "set", w.ask(t, http.MethodPost, "/v1/credits:set", map[string]any{"key": id, "credits": 7}), http.StatusOK)
				want(t, "its own", w.ask(t, http.MethodPost, path, body, "X-Person", "admin:evil", "X-Unbound", "yes"), http.StatusOK)
				want(t, "set", w.ask(t, http.MethodPost, "/v1/credits:set", map[string]any{"key": id, "credits": 7}), http.StatusOK)
				m.arm(func() {
					if _, err := apikey.Update(t.Context(), w.store, apikey.By{Actor: "t", Source: "t"}, apikey.ID(id), 0, apikey.Patch{Owner: new("acme")}); err != nil {
						t.Error(err)
					}
				})
				want(t, "what is another's meanwhile", w.ask(t, http.MethodPost, path, body, "X-Person", "admin:evil", "X-Unbound", "yes"), http.StatusNotFound)
				a, err := w.credits.Account(t.Context(), usage.Subject{Kind: usage.Key, ID: id}, time.Now())
				if err != nil || a.Balance != 7 {
					t.Errorf("account = %+v, %v, want 7 credits", a, err)
				}
			})
		}
	})
}
