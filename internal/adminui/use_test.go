package adminui_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/forwarded"
	"github.com/warder-dev/warder/internal/adminui"
	"github.com/warder-dev/warder/target"
	"github.com/warder-dev/warder/usage/tally"
)

// count writes what a key did, so long ago.
func (h *house) count(t *testing.T, ago time.Duration, r *apikey.Record, number int, from string, outcomes map[tally.Outcome]int64) {
	t.Helper()
	id := string(r.ID)
	b := &tally.Batch{Minute: time.Now().UTC().Add(-ago).Truncate(time.Minute)}
	for o, n := range outcomes {
		b.Counts = append(b.Counts, tally.Count{Key: id, Route: "/orders/", Outcome: o, N: n})
	}
	b.Secrets = []tally.SecretUse{{Key: id, Secret: number, At: b.Minute}}
	b.Addresses = []tally.AddressUse{{Key: id, Prefix: netip.MustParsePrefix(from), N: 3, At: b.Minute}}
	b.Scopes = []tally.ScopeUse{{Key: id, Scope: "orders:read", At: b.Minute}}
	if err := h.db.Usage().Add(t.Context(), b); err != nil {
		t.Fatal(err)
	}
}

func TestUseAndHealth(t *testing.T) {
	h := start(t)
	ada := h.settle(t, "ada", account.Owner).login(t)
	const day = 24 * time.Hour
	r, _ := h.key(t, apikey.Spec{Name: "busy", Scopes: []string{"orders:read"}})
	h.count(t, 3*day, &r, 1, "192.0.2.7/32", map[tally.Outcome]int64{tally.OK: 120, tally.ClientError: 5, tally.Limited: 7, tally.Forbidden: 2, tally.ServerError: 1})
	h.count(t, 40*day, &r, 1, "192.0.2.7/32", map[tally.Outcome]int64{tally.OK: 9999})
	page := ada.get(t, "/ui/keys/"+string(r.ID)).want(t, "the key", 200)
	page.has(t, "the key", "125 answered", "7 over a limit", "2 refused", "1 failed", "3 days ago", "192.0.2.7/32", "never-expires It works for ever.")
	if n := strings.Count(page.body, "<rect "); n != 4 {
		t.Errorf("the chart has %d bars, want the 4 of one day", n)
	}
	ada.get(t, "/ui/keys").has(t, "the list", "busy", "3 days ago")

	r, _, err := h.issuer.Roll(t.Context(), apikey.By{Actor: "system", Source: "test"}, r.ID, 0, apikey.RollSpec{Overlap: day})
	if err != nil {
		t.Fatal(err)
	}
	h.count(t, time.Hour, &r, 1, "192.0.2.7/32", map[tally.Outcome]int64{tally.OK: 1})
	good, _ := h.key(t, apikey.Spec{Name: "well", Expires: time.Now().Add(300 * day)})
	gone, _ := h.key(t, apikey.Spec{Name: "over"})
	if _, err := h.issuer.Revoke(t.Context(), apikey.By{Actor: "system", Source: "test"}, gone.ID, "superseded"); err != nil {
		t.Fatal(err)
	}
	health := ada.get(t, "/ui/health").want(t, "health", 200)
	health.has(t, "health", "busy", "never-expires", "old-secret Former secret 1 is still in use: last 1 hour ago")
	if strings.Contains(health.text(), "well") || strings.Contains(health.text(), "over w") {
		t.Errorf("health names keys that are well, or are no more:\n%s", health.text())
	}
	ada.get(t, "/ui/health?ill=idle").want(t, "idle", 200).has(t, "it", "Nothing is wrong with the 2 keys")
	ada.get(t, "/ui/keys/"+string(good.ID)).want(t, "a key without use", 200).has(t, "it", "There were none.")
}

// What a key never needed is taken away in one go, once somebody has seen what it is.
func TestReduce(t *testing.T) {
	h := start(t)
	bob := h.settle(t, "bob", account.Developer).login(t)
	idle, _ := h.key(t, apikey.Spec{Name: "idle", Scopes: []string{"orders:*"}})
	bob.get(t, "/ui/keys/"+string(idle.ID)+"/reduce").want(t, "a key that nobody used", 409)
	r, _ := h.key(t, apikey.Spec{Name: "busy", Scopes: []string{"orders:*", "users:read"}})
	h.count(t, time.Hour, &r, 1, "192.0.2.7/32", map[tally.Outcome]int64{tally.OK: 1})
	path := "/ui/keys/" + string(r.ID) + "/reduce"
	bob.get(t, path).want(t, "its page", 200).has(t, "its page", "Taken away orders:* users:read Left orders:read")
	old := bob.fill(t, path)
	bob.post(t, path, bob.fill(t, path)).leads(t, "reduce", "/ui/keys/"+string(r.ID))
	if after := h.record(t, string(r.ID)); len(after.Scopes) != 1 || after.Scopes[0] != "orders:read" {
		t.Errorf("the key has the scopes %q", after.Scopes)
	}
	bob.get(t, path).want(t, "again", 409).has(t, "it", "The key has needed every scope that it has.")
	bob.post(t, path, old).want(t, "a form of before", 409)
}

func TestListsGoOn(t *testing.T) {
	h := start(t)
	ada := h.settle(t, "ada", account.Owner).login(t)
	specs := make([]apikey.Spec, 120)
	for i := range specs {
		specs[i] = apikey.Spec{Environment: "live", Name: fmt.Sprintf("key %03d", i), Owner: []string{"acme", "zeta"}[i%2]}
	}
	if _, err := h.issuer.CreateAll(t.Context(), apikey.By{Actor: "system", Source: "test"}, specs); err != nil {
		t.Fatal(err)
	}
	for list, want := range map[string]int{"/ui/keys": 120, "/ui/keys?owner=acme": 60, "/ui/keys?text=key+01": 10, "/ui/keys?state=revoked": 0, "/ui/keys?expires=30": 0, "/ui/audit?op=create&kind=key": 120} {
		seen, pages, before := make(map[string]bool), 0, "key "
		if strings.HasPrefix(list, "/ui/audit") {
			before = "name key "
		}
		for path := list; path != ""; pages++ {
			page := ada.get(t, path).want(t, path, 200)
			for _, name := range strings.Split(page.text(), before)[1:] {
				if len(name) >= 3 && strings.Trim(name[:3], "0123456789") == "" {
					seen[name[:3]] = true
				}
			}
			path = ""
			for _, n := range elements(t, page.body) {
				rel, href := "", ""
				for _, a := range n.Attr {
					switch a.Key {
					case "rel":
						rel = a.Val
					case "href":
						href = a.Val
					}
				}
				if rel == "next" {
					path = href
				}
			}
			if pages > 5 {
				t.Fatalf("%s goes on for ever", list)
			}
		}
		if len(seen) != want || pages != max(1, (want+49)/50) {
			t.Errorf("%s has %d keys on %d pages, want %d", list, len(seen), pages, want)
		}
	}
	ada.get(t, "/ui/keys?state=sleeping").want(t, "no such state", 400)
	ada.get(t, "/ui/keys?cursor=AAAA").want(t, "no such cursor", 400)
	ada.get(t, "/ui/keys?expires=never").want(t, "no such time", 404)
}

// What a form does not understand of a key stays as it is, when nobody touches it.
func TestWhatAFormCannotHoldStays(t *testing.T) {
	h := start(t)
	bob := h.settle(t, "bob", account.Developer).login(t)
	spec := apikey.Spec{
		Name: " spaced ", Metadata: map[string]string{"a=b": "c", "lines": "one = 1"}, IdleRevoke: 90 * time.Minute, Expires: time.Now().Add(time.Hour).Truncate(time.Millisecond),
		Methods: []string{"GET", "POST"}, Paths: []string{"/orders/"}, Origins: nil,
	}
	r, _ := h.key(t, spec)
	path := "/ui/keys/" + string(r.ID) + "/edit"
	bob.post(t, path, bob.fill(t, path)).leads(t, "nothing changed", "/ui/keys/"+string(r.ID))
	if after := h.record(t, string(r.ID)); after.Revision != r.Revision {
		t.Errorf("a form that nobody touched has changed the key: %+v", after)
	}
	bob.post(t, path, bob.fill(t, path, "owner", "acme", "methods", "get, post")).want(t, "methods in lower case", 400).has(t, "they", "methods")
	bob.post(t, path, bob.fill(t, path, "owner", "acme", "lifetime", "never", "idle_revoke", "")).leads(t, "some", "/ui/keys/"+string(r.ID))
	after := h.record(t, string(r.ID))
	if after.Owner != "acme" || !after.Expires.IsZero() || after.IdleRevoke != 0 || after.Name != r.Name || after.Metadata["a=b"] != "c" || after.Metadata["lines"] != "one = 1" || len(after.Methods) != 2 {
		t.Errorf("stored: %+v", after)
	}
}

// nothing is known of the use of keys.
type nothing struct{}

func (nothing) Key(context.Context, string) (tally.KeyUse, error) {
	return tally.KeyUse{}, errors.New("the disk is gone")
}

// page asks a site whose API is api.
func page(t *testing.T, api http.HandlerFunc, log *journal) shown {
	t.Helper()
	site, err := adminui.New(adminui.Config{API: api, Log: slog.New(slog.NewJSONHandler(log, nil)), Uses: nothing{}})
	if err != nil {
		t.Fatal(err)
	}
	targets, err := target.New(target.Config{})
	if err != nil {
		t.Fatal(err)
	}
	h, err := site.Wrap(warder.Edge{Forwarded: forwarded.Direct(), Target: targets})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1/ui/keys", http.NoBody))
	return shown{w.Code, w.Header(), w.Body.String()}
}

// A page goes on while the API finds nothing among the keys that it looks at.
func TestASearchGoesOn(t *testing.T) {
	asked := 0
	got := page(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/v1/account/me":
			_, _ = w.Write([]byte(`{"account":{"id":"x","name":"ada"},"role":"owner","may":[]}`))
			return
		case "/v1/keys":
			if r.URL.Query().Get("cursor") != []string{"", "c1", "c2"}[asked] {
				t.Errorf("request %d begins at %q", asked, r.URL.Query().Get("cursor"))
			}
			asked++
			_, _ = w.Write([]byte([]string{
				`{"keys":[],"next":"c1"}`, `{"keys":[{"id":"AbcDef012345","name":"needle","scopes":[],"secrets":[]}],"next":"c2"}`, `{"keys":[]}`,
			}[asked-1]))
			return
		}
		w.WriteHeader(http.StatusNotFound)
	}, new(journal))
	if got.want(t, "a search", 200).has(t, "it", "needle"); asked != 3 || strings.Contains(got.body, `rel="next"`) {
		t.Errorf("%d requests, want 3 and no page behind", asked)
	}
}

func TestAnAPIThatFails(t *testing.T) {
	log := new(journal)
	away := page(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.Header().Set("Retry-After", "5")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte(`{"type":"https://example.test/#unavailable","title":"Not now","status":503,"detail":"The store gave no answer.","request_id":"R1"}`))
	}, log)
	away.want(t, "a store that is away", 503).has(t, "it", "Not now", "The store gave no answer.", "R1")
	if away.header.Get("Retry-After") != "5" {
		t.Error("it does not say when to try again")
	}
	for what, api := range map[string]http.HandlerFunc{
		"no JSON":         func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) },
		"no answer":       func(http.ResponseWriter, *http.Request) {},
		"another's error": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) },
	} {
		if got := page(t, api, log); got.status < 500 || strings.Contains(got.body, "<table") {
			t.Errorf("%s: %d", what, got.status)
		}
	}
	if !strings.Contains(log.String(), "a page failed") {
		t.Error("nothing is logged")
	}
	nobody := page(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"key":"x","role":"owner"}`)) }, log)
	nobody.leads(t, "one who is no person", "/ui/login?next="+url.QueryEscape("/ui/keys"))
	lost := page(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/account/me" {
			_, _ = w.Write([]byte(`{"account":{"id":"x","name":"ada"},"role":"owner","may":["usage:read"]}`))
			return
		}
		_, _ = w.Write([]byte(`{"keys":[{"id":"AbcDef012345","scopes":[],"secrets":[]}]}`))
	}, log)
	lost.want(t, "usage that is away", 503)
	if _, err := adminui.New(adminui.Config{}); err == nil {
		t.Error("New took nothing")
	}
}
