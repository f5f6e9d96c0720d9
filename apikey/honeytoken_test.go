package apikey_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/attack"
)

// honeytoken makes a key that is good for nothing but an alarm.
func (h *house) honeytoken(tb testing.TB) (apikey.ID, string) {
	tb.Helper()
	r, text := h.create(tb, "acme", "orders:read")
	h.change(tb, r.ID, apikey.OpUpdate, func(r *apikey.Record) { r.Kind = apikey.KindHoneytoken })
	return r.ID, text
}

// alarms notes what a verifier tells of honeytokens.
type alarms struct {
	n     atomic.Int64
	id    apikey.ID
	agent string
}

func (a *alarms) tell(x *exchange.Exchange, id apikey.ID) {
	a.n.Add(1)
	a.id, a.agent = id, ""
	if x != nil {
		a.agent = x.Request.UserAgent()
	}
}

func TestHoneytoken(t *testing.T) {
	attack.Case(t, "KEY-34", attack.Library, func(t *testing.T) {
		h := newStoreHouse(t)
		id, text := h.honeytoken(t)
		keys := map[string]string{"honeytoken": text, "unknown": unknownKey(7), "wrong-secret": wrongSecret(text)}
		var told alarms
		h.verifier = newVerifier(t, apikey.VerifierConfig{Store: h.store, Peppers: h.peppers, Honeytoken: told.tell})
		uncached := newVerifier(t, apikey.VerifierConfig{Store: plainStore{h.store}, Peppers: h.peppers})
		for _, verbose := range []bool{false, true} {
			stage, err := authn.New(authn.Config{Requirement: authn.Require(newHeader(t, h.verifier)), InsecureVerbose: verbose})
			if err != nil {
				t.Fatal(err)
			}
			ask := func(text string) (answer, reason string) {
				f := new(front)
				served := exchange.Wrap(finishing{stage, f}, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a honeytoken passes") }))
				r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
				r.Header.Set("X-Api-Key", text)
				r.Header.Set("User-Agent", "curl/8")
				w := httptest.NewRecorder()
				served.ServeHTTP(w, r)
				return fmt.Sprint(w.Code, w.Header(), w.Body), f.reason
			}
			before := told.n.Load()
			unknown, _ := ask(keys["unknown"])
			if told.n.Load() != before {
				t.Error("an unknown key raises the alarm")
			}
			answer, reason := ask(text)
			if answer != unknown || reason != "honeytoken" {
				t.Errorf("verbose %v: answer %s for %s, want that of an unknown key: %s", verbose, answer, reason, unknown)
			}
			if told.n.Load() != before+1 || told.id != id || told.agent != "curl/8" {
				t.Errorf("told %d times, of %s by %q, want once of %s by curl/8", told.n.Load()-before, told.id, told.agent, id)
			}
			if _, reason := ask(keys["wrong-secret"]); reason != "wrong-secret" || told.n.Load() != before+1 {
				t.Error("the id alone, which is public, raises the alarm")
			}
		}
		if _, err := h.verifier.Verify(t.Context(), text); reasonOf(err) != "honeytoken" || told.agent != "" {
			t.Errorf("without a request: %v", err)
		}
		for path, v := range map[string]*apikey.Verifier{"cached": h.verifier, "uncached": uncached} {
			wantSameCost(t, path, v, h.store, keys)
		}
		h.change(t, id, apikey.OpRevoke, func(r *apikey.Record) { r.Revoked = time.Now() })
		eventually(t, func() bool { _, err := h.verifier.Verify(t.Context(), text); return reasonOf(err) == "revoked" })
	})
}

// What is judged dry alarms nobody: somebody asks what would be.
func TestHoneytokenJudgedDry(t *testing.T) {
	h := newStoreHouse(t)
	_, text := h.honeytoken(t)
	var told alarms
	h.verifier = newVerifier(t, apikey.VerifierConfig{Store: h.store, Peppers: h.peppers, Honeytoken: told.tell})
	f := newFrontOf(t, authn.Require(newHeader(t, h.verifier)), func(x *exchange.Exchange) { x.Dry = true })
	if w := f.get(text); w.Code != http.StatusUnauthorized || bytes.Contains(w.Body.Bytes(), []byte("honeytoken")) || told.n.Load() != 0 {
		t.Errorf("status %d, %d alarms, want 401 and none", w.Code, told.n.Load())
	}
}
