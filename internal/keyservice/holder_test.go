package keyservice_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/bodylimit"
	"github.com/warder-dev/warder/forwarded"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/keyservice"
	"github.com/warder-dev/warder/target"
)

// holding serves the holder's commands at /me, as the gateway does.
func (w *world) holding(t *testing.T, more ...authn.Scheme) http.Handler {
	t.Helper()
	h, err := keyservice.NewHolder(keyservice.HolderConfig{Store: w.store, Issuer: w.issuer, Registry: nodes{w}, Log: slog.New(slog.DiscardHandler), Credits: w.credits, Tokens: w.tokens})
	must(t, err)
	header, err := apikey.NewHeader(apikey.HeaderConfig{Verifier: w.verifier})
	must(t, err)
	requirement := authn.Require(header)
	for _, scheme := range more {
		requirement = append(requirement, authn.Require(scheme)...)
	}
	keys, err := authn.New(authn.Config{Requirement: requirement})
	must(t, err)
	body, err := bodylimit.New(bodylimit.Config{Max: keyservice.HolderBody})
	must(t, err)
	paths, err := target.New(target.Config{})
	must(t, err)
	mux, routes := http.NewServeMux(), new(warder.Routes)
	for pattern, handler := range map[string]http.Handler{"GET /me": h.Show(), "POST /me/roll": h.Roll(), "POST /me/revoke": h.Revoke(), "POST /me/token": h.Exchange()} {
		mux.Handle(pattern, handler)
		must(t, routes.Handle(pattern, &warder.Policy{BodyLimit: body, Authn: keys}))
	}
	stack := &warder.Stack{Edge: warder.Edge{Forwarded: forwarded.Direct(), Target: paths}, Route: routes}
	return stack.Wrap(mux)
}

func hold(t *testing.T, h http.Handler, method, path, body, key string) *reply {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "http://localhost"+path, strings.NewReader(body))
	r.RemoteAddr = "192.0.2.1:1"
	if key != "" {
		r.Header.Set("X-API-Key", key)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return &reply{rec.Code, rec.Header(), rec.Body.String()}
}

func TestHolder(t *testing.T) {
	w := newWorld(t)
	h := w.holding(t)
	made := w.made(t, keyservice.KeySpec{Name: "mine", Owner: "acme", Metadata: map[string]string{"note": "ours"}})
	want(t, "credits", w.ask(t, http.MethodPost, "/v1/credits:set", map[string]any{"key": made.Key.ID, "credits": 5}), http.StatusOK)
	var own keyservice.Own
	r := hold(t, h, http.MethodGet, "/me", "", made.Text)
	r.json(t, &own)
	if r.status != 200 || own.ID != made.Key.ID || own.Name != "mine" || *own.Credits != 5 || strings.Contains(r.text, "ours") || r.header.Get("Cache-Control") != "no-store" {
		t.Errorf("me: %d %s", r.status, r.text)
	}
	r = hold(t, h, http.MethodPost, "/me/roll", `{"overlap":"1h"}`, made.Text)
	var rolled keyservice.Own
	r.json(t, &rolled)
	if r.status != 200 || rolled.ID != made.Key.ID || rolled.Text == "" || rolled.State != "retiring" {
		t.Errorf("roll: %d %s", r.status, r.text)
	}
	want(t, "roll by the former text", hold(t, h, http.MethodPost, "/me/roll", `{}`, made.Text), http.StatusForbidden)
	want(t, "look by the former text", hold(t, h, http.MethodGet, "/me", "", made.Text), http.StatusOK)
	r = hold(t, h, http.MethodPost, "/me/revoke", `{"reason":"superseded"}`, rolled.Text)
	var revoked keyservice.Own
	r.json(t, &revoked)
	if r.status != 200 || revoked.State != "revoked" || revoked.Receipt == nil || !revoked.Receipt.Complete {
		t.Errorf("revoke: %d %s", r.status, r.text)
	}
	for _, text := range []string{made.Text, rolled.Text} {
		want(t, "after that", hold(t, h, http.MethodGet, "/me", "", text), http.StatusUnauthorized)
	}
}

func TestHoldersOfOtherKeys(t *testing.T) {
	attack.Case(t, "KEY-33", attack.Library, func(t *testing.T) {
		w := newWorld(t)
		h := w.holding(t)
		mine, other := w.made(t, keyservice.KeySpec{Name: "mine"}), w.made(t, keyservice.KeySpec{Name: "canary"})
		id := other.Key.ID
		for _, tt := range []struct {
			method, path, body string
			status             int
			field              string
		}{
			{"GET", "/me/" + id, "", 404, ""},
			{"POST", "/me/" + id + "/revoke", `{}`, 404, ""},
			{"POST", "/me:revoke", `{}`, 404, ""},
			{"GET", "/me?id=" + id, "", 400, "id"},
			{"GET", "/me?key_id=" + id, "", 400, "key_id"},
			{"POST", "/me/revoke?id=" + id, `{}`, 400, "id"},
			{"POST", "/me/roll?id=" + id, ``, 400, "id"},
			{"POST", "/me/revoke", `{"id":"` + id + `"}`, 400, "id"},
			{"POST", "/me/revoke", `{"reason":"x","key":"` + id + `"}`, 400, "key"},
			{"POST", "/me/roll", `{"overlap":"1h","key_id":"` + id + `"}`, 400, "key_id"},
			{"POST", "/me/roll", `{"overlap":"1h","Overlap":"2h"}`, 400, "Overlap"},
			{"POST", "/me/roll", `{"overlap":"1h","overlap":"2h"}`, 400, "overlap"},
			{"POST", "/me/roll", `{"overlap":1}`, 400, "overlap"},
			{"POST", "/me/roll", `{"overlap":"-1h"}`, 400, "overlap"},
			{"POST", "/me/roll", `{"overlap":"91d"}`, 400, "overlap"},
			{"POST", "/me/revoke", `{"reason":"'; DROP TABLE keys"}`, 400, "reason"},
			{"POST", "/me/revoke", `[]`, 400, "body"},
			{"POST", "/me/revoke", `{} {}`, 400, "body"},
			{"GET", "/me", `{"id":"` + id + `"}`, 400, "body"},
			{"POST", "/me/roll", `{"overlap":"` + strings.Repeat("1", 5000) + `"}`, 413, ""},
			{"DELETE", "/me", "", 405, ""},
		} {
			r := hold(t, h, tt.method, tt.path, tt.body, mine.Text)
			if want(t, tt.method+" "+tt.path+" "+tt.body, r, tt.status); tt.field != "" && r.status == tt.status {
				if got := r.fields(t); len(got) == 0 || got[0] != tt.field {
					t.Errorf("%s %s: names %q, want %s", tt.path, tt.body, got, tt.field)
				}
			}
			if strings.Contains(r.text, "canary") {
				t.Errorf("%s tells of another key: %s", tt.path, r.text)
			}
		}
		for _, one := range []keyservice.KeyMade{mine, other} {
			record, err := w.store.Lookup(t.Context(), apikey.ID(one.Key.ID))
			if err != nil || int64(record.Revision) != one.Key.Revision {
				t.Errorf("the key %s was changed: %v", one.Key.Name, err)
			}
		}
		for _, key := range []string{"", "x", other.Text[:len(other.Text)-1] + "!"} {
			want(t, "without the key", hold(t, h, http.MethodGet, "/me", "", key), http.StatusUnauthorized)
		}
		plain := http.NewServeMux()
		holder, err := keyservice.NewHolder(keyservice.HolderConfig{Store: w.store, Issuer: w.issuer, Registry: nodes{w}, Log: slog.New(slog.DiscardHandler)})
		must(t, err)
		plain.Handle("GET /me", holder.Show())
		want(t, "without a Stack", hold(t, plain, http.MethodGet, "/me", "", mine.Text), http.StatusServiceUnavailable)
	})
}
