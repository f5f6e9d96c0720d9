package keyservice_test

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/keyservice"
)

func TestOnceAndNeverAgain(t *testing.T) {
	attack.Case(t, "ADMIN-06", attack.Admin, func(t *testing.T) {
		w := newWorld(t)
		marked := []string{"Idempotency-Key", "k-1"}
		first := w.ask(t, http.MethodPost, "/v1/keys", `{"name":"a"}`, marked...)
		again := w.ask(t, http.MethodPost, "/v1/keys", `{"name":"a"}`, marked...)
		var made, replayed keyservice.KeyMade
		first.json(t, &made)
		again.json(t, &replayed)
		if first.status != http.StatusCreated || again.status != http.StatusCreated || made.Key.ID != replayed.Key.ID || made.Text == "" || replayed.Text != "" ||
			again.header.Get("Idempotency-Replayed") != "true" || again.header.Get("ETag") != first.header.Get("ETag") || w.count(t) != 1 {
			t.Errorf("again: %d %s %v, %d keys", again.status, again.text, again.header, w.count(t))
		}
		want(t, "another body", w.ask(t, http.MethodPost, "/v1/keys", `{"name":"b"}`, marked...), http.StatusUnprocessableEntity)
		want(t, "another operation", w.ask(t, http.MethodPost, "/v1/keys/"+made.Key.ID+":revoke", `{}`, marked...), http.StatusUnprocessableEntity)
		other := w.ask(t, http.MethodPost, "/v1/keys", `{"name":"a"}`, "Idempotency-Key", "k-1", "X-Person", "owner")
		if want(t, "another caller", other, http.StatusCreated); other.header.Get("Idempotency-Replayed") != "" || w.count(t) != 2 {
			t.Errorf("another caller gets the first one's answer: %s", other.text)
		}
		var all sync.WaitGroup
		var mu sync.Mutex
		texts, ids := 0, map[string]bool{}
		for range 50 {
			all.Go(func() {
				r := w.ask(t, http.MethodPost, "/v1/keys", `{"name":"c"}`, "Idempotency-Key", "k-50")
				if r.status != http.StatusCreated {
					t.Errorf("at once: %d %s", r.status, r.text)
					return
				}
				var one keyservice.KeyMade
				r.json(t, &one)
				mu.Lock()
				defer mu.Unlock()
				ids[one.Key.ID] = true
				if one.Text != "" {
					texts++
				}
			})
		}
		all.Wait()
		if len(ids) != 1 || texts != 1 || w.count(t) != 3 {
			t.Errorf("50 at once: %d keys with %d texts, %d in the store", len(ids), texts, w.count(t))
		}
		// What was refused had no effect, and the key may be used for the mended request.
		want(t, "refused", w.ask(t, http.MethodPost, "/v1/keys", `{"scopes":["no scope"]}`, "Idempotency-Key", "k-2"), http.StatusBadRequest)
		want(t, "mended", w.ask(t, http.MethodPost, "/v1/keys", `{"scopes":["a:b"]}`, "Idempotency-Key", "k-2"), http.StatusCreated)
		roll := w.ask(t, http.MethodPost, "/v1/keys/"+made.Key.ID+":roll", `{}`, "Idempotency-Key", "k-3")
		rolled := w.ask(t, http.MethodPost, "/v1/keys/"+made.Key.ID+":roll", `{}`, "Idempotency-Key", "k-3")
		var one, two keyservice.KeyMade
		roll.json(t, &one)
		rolled.json(t, &two)
		if one.Text == "" || two.Text != "" || one.Key.Revision != two.Key.Revision || two.Key.Secrets[0].Number != 2 {
			t.Errorf("rolled twice: %s", rolled.text)
		}
		batch := w.ask(t, http.MethodPost, "/v1/keys:batchCreate", `{"keys":[{},{}]}`, "Idempotency-Key", "k-4")
		want(t, "a batch", batch, http.StatusCreated)
		if replay := w.ask(t, http.MethodPost, "/v1/keys:batchCreate", `{"keys":[{},{}]}`, "Idempotency-Key", "k-4"); strings.Contains(replay.text, `"text"`) || replay.status != http.StatusCreated {
			t.Errorf("a batch again: %d %s", replay.status, replay.text)
		}
		for _, bad := range []string{strings.Repeat("a", 129), "a b", "ä"} {
			r := w.ask(t, http.MethodPost, "/v1/keys", `{}`, "Idempotency-Key", bad)
			if want(t, bad, r, http.StatusBadRequest); !slices.Contains(r.fields(t), "Idempotency-Key") {
				t.Errorf("%q: %s", bad, r.text)
			}
		}
	})
	t.Run("an outcome that is not known is not tried again", func(t *testing.T) {
		w := newWorld(t)
		k := w.made(t, keyservice.KeySpec{}).Key
		w.fault = func() error { return errDown }
		path := "/v1/keys/" + k.ID + ":revoke"
		want(t, "the registry is down", w.ask(t, http.MethodPost, path, `{}`, "Idempotency-Key", "k"), http.StatusServiceUnavailable)
		w.fault = nil
		want(t, "revoked twice is revoked once", w.ask(t, http.MethodPost, path, `{}`, "Idempotency-Key", "k"), http.StatusOK)
	})
}
