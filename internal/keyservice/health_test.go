package keyservice_test

import (
	"context"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/keyservice"
	"github.com/warder-dev/warder/usage/tally"
)

// uses is what keys were used for, by their ids.
type uses struct {
	of    map[string]tally.KeyUse
	fault error
	asked int
}

func (u *uses) Key(_ context.Context, key string) (tally.KeyUse, error) {
	u.asked++
	return u.of[key], u.fault
}

// healthWorld is a world that knows what keys were used for. No key is too young to
// be told.
func healthWorld(t *testing.T) (*world, *uses) {
	t.Helper()
	u := &uses{of: make(map[string]tally.KeyUse)}
	return newWorld(t, func(cfg *keyservice.Config) {
		cfg.Uses, cfg.Health = u, tally.HealthConfig{Grace: time.Nanosecond, Ignore: func(scope string) bool { return scope == "plan:gold" }}
	}), u
}

// used notes that a key's first secret was used now, where scopes were needed.
func (u *uses) used(id string, scopes ...string) {
	use := tally.KeyUse{Secrets: []tally.SecretUse{{Key: id, Secret: 1, At: time.Now()}}}
	for _, s := range scopes {
		use.Scopes = append(use.Scopes, tally.ScopeUse{Key: id, Scope: s, At: time.Now()})
	}
	u.of[id] = use
}

// ills are the findings of a page, as "id finding".
func ills(page *keyservice.HealthPage) (all []string) {
	for _, k := range page.Keys {
		for _, f := range k.Findings {
			all = append(all, k.Key.ID+" "+f.Finding)
		}
	}
	return all
}

func TestKeyHealth(t *testing.T) {
	w, u := healthWorld(t)
	soon := time.Now().Add(time.Hour)
	good := w.made(t, keyservice.KeySpec{Owner: "acme", Expires: &soon}).Key.ID
	u.used(good)
	lasting := w.made(t, keyservice.KeySpec{Owner: "acme"}).Key.ID
	u.used(lasting)
	wide := w.made(t, keyservice.KeySpec{Owner: "globex", Expires: &soon, Scopes: []string{"orders:read", "orders:write", "plan:gold"}}).Key.ID
	u.used(wide, "orders:read")
	many := w.made(t, keyservice.KeySpec{Owner: "globex", Expires: &soon}).Key.ID
	u.used(many)
	use := u.of[many]
	for i := range tally.DefaultAddresses {
		use.Addresses = append(use.Addresses, tally.AddressUse{Key: many, Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), 32), N: 1, At: time.Now()})
	}
	u.of[many] = use
	old := w.made(t, keyservice.KeySpec{Owner: "acme", Expires: &soon}).Key.ID
	want(t, "roll", w.ask(t, http.MethodPost, "/v1/keys/"+old+":roll", `{"overlap":"1h"}`), http.StatusOK)
	u.used(old)
	for what, id := range map[string]string{"revoke": w.made(t, keyservice.KeySpec{}).Key.ID, "disable": w.made(t, keyservice.KeySpec{}).Key.ID} {
		var body any
		if what == "revoke" {
			body = struct{}{}
		}
		want(t, what, w.ask(t, http.MethodPost, "/v1/keys/"+id+":"+what, body), http.StatusOK)
	}
	all := []string{lasting + " never-expires", many + " many-addresses", old + " old-secret", wide + " over-scoped"}
	slices.Sort(all)
	for _, tt := range []struct {
		query, person string
		want          []string
	}{
		{"", "owner", all},
		{"", "auditor", all},
		{"&finding=old-secret", "owner", []string{old + " old-secret"}},
		{"&finding=many-addresses", "owner", []string{many + " many-addresses"}},
		{"&owner=globex&finding=over-scoped", "owner", []string{wide + " over-scoped"}},
		{"&key=" + wide, "owner", []string{wide + " over-scoped"}},
		{"&key=" + good, "owner", nil},
		{"&finding=idle", "owner", nil},
		{"&idle=1ns&finding=idle&owner=globex", "owner", []string{wide + " idle", many + " idle"}},
		{"&finding=over-scoped", "developer:acme", nil},
		{"&finding=never-expires", "developer:acme", []string{lasting + " never-expires"}},
	} {
		var got []string
		for next, first := "", true; first || next != ""; first = false {
			path := "/v1/keys:health?limit=1" + tt.query
			if next != "" {
				path += "&cursor=" + next
			}
			r := w.ask(t, http.MethodGet, path, nil, "X-Person", tt.person)
			if want(t, path, r, http.StatusOK); r.status != http.StatusOK {
				break
			}
			var page keyservice.HealthPage
			r.json(t, &page)
			got, next = append(got, ills(&page)...), page.Next
		}
		slices.Sort(got)
		slices.Sort(tt.want)
		if !slices.Equal(got, tt.want) {
			t.Errorf("%q by %s: %q, want %q", tt.query, tt.person, got, tt.want)
		}
	}
	var page keyservice.HealthPage
	w.ask(t, http.MethodGet, "/v1/keys:health?key="+wide, nil).json(t, &page)
	if f := page.Keys[0].Findings[0]; !slices.Equal(f.Scopes, []string{"orders:write"}) {
		t.Errorf("never needed are %q", f.Scopes)
	}
	u.fault = errDown
	want(t, "uses are down", w.ask(t, http.MethodGet, "/v1/keys:health", nil), http.StatusServiceUnavailable)
	want(t, "nothing counts", newWorld(t).ask(t, http.MethodGet, "/v1/keys:health", nil), http.StatusServiceUnavailable)
}

// A page looks at a bounded number of keys, and says so.
func TestHealthIsBounded(t *testing.T) {
	w, u := healthWorld(t)
	soon := time.Now().Add(time.Hour)
	specs := make([]apikey.Spec, apikey.MaxBatch)
	for i := range specs {
		specs[i] = apikey.Spec{Environment: "live", Expires: soon}
	}
	for range 2 {
		made, err := w.issuer.CreateAll(t.Context(), apikey.By{Actor: "t", Source: "t"}, specs)
		must(t, err)
		for i := range made {
			u.used(string(made[i].Record.ID))
		}
	}
	looked := 0
	for next, pages := "", 0; pages == 0 || next != ""; pages++ {
		u.asked = 0
		path := "/v1/keys:health?finding=idle"
		if next != "" {
			path += "&cursor=" + next
		}
		var page keyservice.HealthPage
		w.ask(t, http.MethodGet, path, nil).json(t, &page)
		if u.asked > 1000 || page.Looked > 1000 || pages > 3 {
			t.Fatalf("page %d looked at %d, and asked %d times", pages, page.Looked, u.asked)
		}
		looked, next = looked+page.Looked, page.Next
	}
	if looked != 2000 {
		t.Errorf("%d keys were looked at, want 2000", looked)
	}
}

func TestHealthRefuses(t *testing.T) {
	w, _ := healthWorld(t)
	acme, globex := w.made(t, keyservice.KeySpec{Owner: "acme"}).Key.ID, w.made(t, keyservice.KeySpec{Owner: "globex"}).Key.ID
	w.made(t, keyservice.KeySpec{Owner: "acme"})
	attack.Case(t, "ADMIN-03", attack.Admin, func(t *testing.T) {
		for _, query := range []string{"owner=globex", "key=" + globex, "key=AAAAAAAAAAAA", "owner=globex&key=" + acme} {
			want(t, query, w.ask(t, http.MethodGet, "/v1/keys:health?"+query, nil, "X-Person", "admin:acme"), http.StatusNotFound)
		}
		want(t, "another owner's", w.ask(t, http.MethodGet, "/v1/keys:health?owner=acme&key="+globex, nil), http.StatusNotFound)
	})
	attack.Case(t, "SQL-02", attack.Admin, func(t *testing.T) {
		var page keyservice.HealthPage
		w.ask(t, http.MethodGet, "/v1/keys:health?limit=1", nil).json(t, &page)
		var keys keyservice.KeyPage
		w.ask(t, http.MethodGet, "/v1/keys?limit=1", nil).json(t, &keys)
		if page.Next == "" || keys.Next == "" {
			t.Fatal("there is no next page")
		}
		for _, query := range []string{
			"finding=leaked", "finding=%27%20OR%201=1", "limit=0", "limit=1001", "limit=1e3", "idle=0s", "idle=-1h", "idle=soon", "key=1%27", "cursor=AAAA", "cursor=" + keys.Next,
			"finding=idle&cursor=" + page.Next, "owner=acme&cursor=" + page.Next, "idle=1h&cursor=" + page.Next, "key=" + acme + "&cursor=" + page.Next, "cursor=" + strings.Repeat("A", 600), "kind=idle",
		} {
			if r := w.ask(t, http.MethodGet, "/v1/keys:health?"+query, nil); r.status != http.StatusBadRequest || len(r.fields(t)) == 0 {
				t.Errorf("%s: %d %s, want 400 with the field", query, r.status, r.text)
			}
		}
		want(t, "by an owner's token", w.ask(t, http.MethodGet, "/v1/keys:health?cursor="+page.Next, nil, "X-Person", "admin:acme"), http.StatusBadRequest)
	})
}

func TestReduce(t *testing.T) {
	w, u := healthWorld(t)
	made := w.made(t, keyservice.KeySpec{Owner: "acme", Scopes: []string{"orders:*", "invoices:read", "plan:gold"}}).Key
	path := "/v1/keys/" + made.ID + ":reduce"
	want(t, "without If-Match", w.ask(t, http.MethodPost, path, nil), http.StatusPreconditionRequired)
	want(t, "of another state", w.ask(t, http.MethodPost, path, nil, "If-Match", quote(made.Revision+1)), http.StatusPreconditionFailed)
	want(t, "unused", w.ask(t, http.MethodPost, path, nil, "If-Match", "*"), http.StatusConflict)
	u.used(made.ID, "orders:read", "customers:read")
	want(t, "a wait", w.ask(t, http.MethodPost, path+"?wait=31s", nil, "If-Match", "*"), http.StatusBadRequest)
	u.fault = errDown
	want(t, "uses are down", w.ask(t, http.MethodPost, path, nil, "If-Match", "*"), http.StatusServiceUnavailable)
	u.fault = nil
	for _, who := range []string{"admin:globex", "developer:globex"} {
		want(t, who, w.ask(t, http.MethodPost, path, nil, "If-Match", "*", "X-Person", who), http.StatusNotFound)
	}
	want(t, "auditor", w.ask(t, http.MethodPost, path, nil, "If-Match", "*", "X-Person", "auditor"), http.StatusForbidden)

	once := []string{"If-Match", quote(made.Revision), "Idempotency-Key", "one", "X-Person", "developer:acme"}
	r := w.ask(t, http.MethodPost, path, nil, once...)
	want(t, "reduce", r, http.StatusOK)
	var changed keyservice.KeyChanged
	r.json(t, &changed)
	if !slices.Equal(changed.Key.Scopes, []string{"orders:read", "plan:gold"}) || !changed.Receipt.Complete || changed.Receipt.Revision != changed.Key.Revision {
		t.Errorf("reduced to %+v", changed)
	}
	if r = w.ask(t, http.MethodPost, path, nil, once...); r.status != http.StatusOK || r.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("asked again: %d %s", r.status, r.text)
	}
	want(t, "a stale state", w.ask(t, http.MethodPost, path, nil, "If-Match", quote(made.Revision)), http.StatusPreconditionFailed)
	w.ask(t, http.MethodPost, path, nil, "If-Match", "*").json(t, &changed)
	if changed.Key.Revision != changed.Receipt.Revision || len(changed.Key.Scopes) != 2 || changed.Key.Revision != reduced(t, w, made.ID) {
		t.Errorf("nothing to reduce: %+v", changed)
	}
	want(t, "revoke", w.ask(t, http.MethodPost, "/v1/keys/"+made.ID+":revoke", `{}`), http.StatusOK)
	want(t, "revoked", w.ask(t, http.MethodPost, path, nil, "If-Match", "*"), http.StatusConflict)
	without := newWorld(t)
	path = "/v1/keys/" + without.made(t, keyservice.KeySpec{}).Key.ID + ":reduce"
	want(t, "nothing counts", without.ask(t, http.MethodPost, path, nil, "If-Match", "*"), http.StatusServiceUnavailable)
}

func reduced(t *testing.T, w *world, id string) int64 {
	t.Helper()
	record, err := w.store.Lookup(t.Context(), apikey.ID(id))
	must(t, err)
	return int64(record.Revision)
}

// What a pattern was needed for may be more than a list of scopes holds: nothing is
// changed then.
func TestReduceToTooMany(t *testing.T) {
	w, u := healthWorld(t)
	made := w.made(t, keyservice.KeySpec{Scopes: []string{"orders:*"}}).Key
	var needed []string
	for i := range 101 {
		needed = append(needed, "orders:s"+strconv.Itoa(i))
	}
	u.used(made.ID, needed...)
	want(t, "reduce", w.ask(t, http.MethodPost, "/v1/keys/"+made.ID+":reduce", nil, "If-Match", "*"), http.StatusConflict)
	if got := reduced(t, w, made.ID); got != made.Revision {
		t.Errorf("it is at %d, and was at %d", got, made.Revision)
	}
}

// A reduction is judged by the state that it was made of.
func TestReduceMeetsAnotherChange(t *testing.T) {
	m := new(meddler)
	u := &uses{of: make(map[string]tally.KeyUse)}
	w := newWorldOf(t, m, func(cfg *keyservice.Config) { cfg.Uses = u })
	for name, tt := range map[string]struct {
		field  func(keyservice.Key) string
		status int
	}{
		"a state":           {func(k keyservice.Key) string { return quote(k.Revision) }, http.StatusPreconditionFailed},
		"whatever there is": {func(keyservice.Key) string { return "*" }, http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			made := w.made(t, keyservice.KeySpec{Scopes: []string{"orders:read", "orders:write"}}).Key
			u.used(made.ID, "orders:read", "invoices:read")
			m.arm(func() {
				_, err := apikey.Update(t.Context(), w.store, apikey.By{Actor: "t", Source: "t"}, apikey.ID(made.ID), 0, apikey.Patch{Scopes: &[]string{"orders:write", "invoices:read"}})
				must(t, err)
			})
			r := w.ask(t, http.MethodPost, "/v1/keys/"+made.ID+":reduce", nil, "If-Match", tt.field(made))
			m.arm(nil)
			want(t, name, r, tt.status)
			record, err := w.store.Lookup(t.Context(), apikey.ID(made.ID))
			must(t, err)
			scopes := map[bool][]string{true: {"invoices:read"}, false: {"orders:write", "invoices:read"}}[tt.status == http.StatusOK]
			if !slices.Equal(record.Scopes, scopes) {
				t.Errorf("it has %q, want %q", record.Scopes, scopes)
			}
		})
	}
}
