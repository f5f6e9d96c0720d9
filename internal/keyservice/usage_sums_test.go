package keyservice_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/audit"
	"github.com/warder-dev/warder/internal/keyservice"
	"github.com/warder-dev/warder/sqlite"
	"github.com/warder-dev/warder/usage/tally"
)

// rowsOf reads rows of a real store.
type rowsOf struct{ tally.Reader }

func (r rowsOf) Rows(ctx context.Context, q keyservice.UsageQuery) (page []keyservice.UsageRow, _ error) {
	asked := tally.Query{Resolution: tally.Resolution(q.Per), From: q.Since, To: q.Until, Key: q.Key, Limit: q.Limit}
	if a := q.After; a != nil {
		asked.After = &tally.Row{At: a.At, Count: tally.Count{Key: a.Key, Route: a.Route}}
		for _, o := range tally.Outcomes() {
			if o.String() == a.Outcome {
				asked.After.Outcome = o
			}
		}
	}
	rows, err := r.Reader.Rows(ctx, asked)
	for _, one := range rows {
		page = append(page, keyservice.UsageRow{At: one.At, Key: one.Key, Route: one.Route, Outcome: one.Outcome.String(), Count: one.N})
	}
	return page, err
}

// counting is a world whose usage is in a database.
func counting(t *testing.T) (*world, *sqlite.DB) {
	t.Helper()
	db, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(t.TempDir(), "warder.db"), Log: slog.New(slog.DiscardHandler)})
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	return newWorld(t, func(cfg *keyservice.Config) { cfg.Usage, cfg.Counts = rowsOf{db.Usage()}, db.Usage() }), db
}

func TestSumsOfUsage(t *testing.T) {
	w, db := counting(t)
	acme, globex := w.made(t, keyservice.KeySpec{Owner: "acme", Name: "ours"}).Key.ID, w.made(t, keyservice.KeySpec{Owner: "globex"}).Key.ID
	minute := time.Now().UTC().Add(-time.Hour).Truncate(time.Minute)
	batch := tally.Batch{Minute: minute}
	for _, o := range tally.Outcomes() {
		batch.Counts = append(batch.Counts, tally.Count{Key: acme, Route: "/orders/", Outcome: o, N: 1}, tally.Count{Key: globex, Route: "/orders/", Outcome: o, N: 2})
	}
	batch.Counts = append(batch.Counts, tally.Count{Route: "/orders/", Outcome: tally.Unauthenticated, N: 5}, tally.Count{Key: acme, Route: "/users/", Outcome: tally.OK, N: 1})
	batch.Secrets = []tally.SecretUse{{Key: acme, Secret: 1, At: minute}}
	batch.Addresses = []tally.AddressUse{{Key: acme, Prefix: netip.MustParsePrefix("192.0.2.7/32"), N: 11, At: minute}}
	batch.Scopes = []tally.ScopeUse{{Key: acme, Scope: "orders:read", At: minute}}
	must(t, db.Usage().Add(t.Context(), &batch))

	type sum struct {
		name, key                 string
		requests, passed, limited int64
		failed                    int64
	}
	for _, tt := range []struct {
		query, person string
		want          []sum
	}{
		{"", "owner", []sum{{"", globex, 20, 6, 2, 6}, {"ours", acme, 11, 4, 1, 3}, {"", "", 5, 0, 0, 0}}},
		{"limit=1", "auditor", []sum{{"", globex, 20, 6, 2, 6}}},
		{"key=" + acme, "owner", []sum{{"ours", acme, 11, 4, 1, 3}}},
		{"owner=acme", "owner", []sum{{"ours", acme, 11, 4, 1, 3}}}, // added up from rows: the same as the store's sum
		{"", "developer:globex", []sum{{"", globex, 20, 6, 2, 6}}},
		{"by=route", "developer:acme", []sum{{"", "/orders/", 10, 3, 1, 3}, {"", "/users/", 1, 1, 0, 0}}},
		{"by=route&key=" + acme, "developer:acme", []sum{{"", "/orders/", 10, 3, 1, 3}, {"", "/users/", 1, 1, 0, 0}}},
		{"by=route&per=minute", "owner", []sum{{"", "/orders/", 35, 9, 3, 9}, {"", "/users/", 1, 1, 0, 0}}},
		{"until=" + minute.Add(-24*time.Hour).Format(time.RFC3339), "owner", nil},
	} {
		r := w.ask(t, http.MethodGet, "/v1/usage:top?"+tt.query, nil, "X-Person", tt.person)
		if want(t, tt.query, r, http.StatusOK); r.status != http.StatusOK {
			continue
		}
		var top keyservice.UsageTop
		r.json(t, &top)
		if len(top.Totals) != len(tt.want) {
			t.Errorf("%q by %s: %s, want %d sums", tt.query, tt.person, r.text, len(tt.want))
			continue
		}
		for i, got := range top.Totals {
			one := sum{name: got.Name, requests: got.Requests, passed: got.Passed, limited: got.Limited, failed: got.Failed}
			switch {
			case got.Key != nil:
				one.key = *got.Key
			case got.Route != nil:
				one.key = *got.Route
			}
			if one != tt.want[i] {
				t.Errorf("%q by %s: %+v, want %+v", tt.query, tt.person, one, tt.want[i])
			}
		}
	}
	for _, query := range []string{"owner=globex", "key=" + globex} {
		want(t, "another's: "+query, w.ask(t, http.MethodGet, "/v1/usage:top?"+query, nil, "X-Person", "admin:acme"), http.StatusNotFound)
	}
	for _, query := range []string{"since=tomorrow", "per=second", "limit=0", "limit=1001", "by=owner", "key=x", "since=2030-01-01T00:00:00Z&until=2029-01-01T00:00:00Z"} {
		want(t, query, w.ask(t, http.MethodGet, "/v1/usage:top?"+query, nil), http.StatusBadRequest)
	}

	r := w.ask(t, http.MethodGet, "/v1/keys/"+acme+"/usage", nil, "X-Person", "developer:acme")
	want(t, "one key", r, http.StatusOK)
	var use keyservice.KeyUsage
	r.json(t, &use)
	if use.Key != acme || use.LastUsed == nil || !use.LastUsed.Equal(minute) || len(use.Routes) != 2 || len(use.Secrets) != 1 || use.Secrets[0].Number != 1 ||
		len(use.Addresses) != 1 || use.Addresses[0].Address != "192.0.2.7" || use.Addresses[0].Requests != 11 || len(use.Scopes) != 1 || use.Scopes[0].Scope != "orders:read" {
		t.Errorf("the use of one key: %s", r.text)
	}
	want(t, "another's key", w.ask(t, http.MethodGet, "/v1/keys/"+globex+"/usage", nil, "X-Person", "admin:acme"), http.StatusNotFound)
	want(t, "no key", w.ask(t, http.MethodGet, "/v1/keys/000000000000/usage", nil), http.StatusNotFound)
	none := newWorld(t)
	want(t, "nothing counts", none.ask(t, http.MethodGet, "/v1/usage:top", nil), http.StatusServiceUnavailable)
	want(t, "nothing counts", none.ask(t, http.MethodGet, "/v1/keys/"+none.made(t, keyservice.KeySpec{}).Key.ID+"/usage", nil), http.StatusServiceUnavailable)
}

// endless is usage whose rows do not end.
type endless struct{ pages int }

func (e *endless) Rows(_ context.Context, q keyservice.UsageQuery) ([]keyservice.UsageRow, error) {
	e.pages++
	return make([]keyservice.UsageRow, q.Limit), nil
}

// What is not the store's to add up is read within a bound.
func TestSumsOfAnOwnerAreBounded(t *testing.T) {
	_, db := counting(t)
	rows := new(endless)
	w := newWorld(t, func(cfg *keyservice.Config) { cfg.Usage, cfg.Counts = rows, db.Usage() })
	r := w.ask(t, http.MethodGet, "/v1/usage:top?owner=acme", nil)
	want(t, "an owner's sums", r, http.StatusBadRequest)
	if fields := r.fields(t); len(fields) != 1 || fields[0] != "since" || rows.pages != 200 {
		t.Errorf("fields %v after %d pages, want since after 200", fields, rows.pages)
	}
}

func TestAuditBeyondAnEntry(t *testing.T) {
	log := new(audit.MemoryStore)
	for range 5 {
		_, err := log.Append(t.Context(), audit.Event{At: time.Now(), Actor: "t", Source: "t", Op: "create", Kind: audit.KindKey, Subject: "a"})
		must(t, err)
	}
	w := newWorld(t, func(cfg *keyservice.Config) { cfg.Audit = log })
	for _, tt := range []struct {
		query string
		want  []int64
	}{
		{"after=3&order=oldest", []int64{4, 5}},
		{"after=3", []int64{2, 1}},
		{"after=0&order=oldest&limit=2", []int64{1, 2}},
		{"after=9&order=oldest", nil},
	} {
		var page keyservice.EntryPage
		r := w.ask(t, http.MethodGet, "/v1/audit?"+tt.query, nil)
		want(t, tt.query, r, http.StatusOK)
		r.json(t, &page)
		var seqs []int64
		for i := range page.Entries {
			seqs = append(seqs, page.Entries[i].Seq)
		}
		if len(seqs) != len(tt.want) || len(seqs) > 0 && (seqs[0] != tt.want[0] || seqs[len(seqs)-1] != tt.want[len(tt.want)-1]) {
			t.Errorf("%s: entries %v, want %v", tt.query, seqs, tt.want)
		}
	}
	want(t, "below 0", w.ask(t, http.MethodGet, "/v1/audit?after=-1", nil), http.StatusBadRequest)
	first := w.ask(t, http.MethodGet, "/v1/audit?after=1&order=oldest&limit=1", nil)
	var page keyservice.EntryPage
	first.json(t, &page)
	want(t, "a cursor of another place", w.ask(t, http.MethodGet, "/v1/audit?after=2&order=oldest&limit=1&cursor="+page.Next, nil), http.StatusBadRequest)
	want(t, "its own", w.ask(t, http.MethodGet, "/v1/audit?after=1&order=oldest&limit=1&cursor="+page.Next, nil), http.StatusOK)
}

// A key of another system is found by the longest text that an import takes.
func TestSearchTakesTheLongestImportedText(t *testing.T) {
	w := imports(t)
	long := strings.Repeat("a", 512)
	want(t, "import", w.ask(t, http.MethodPost, "/v1/keys:import", map[string]any{"entries": []map[string]any{{"number": 0, "key": long}}}), http.StatusOK)
	want(t, "512 characters", w.ask(t, http.MethodPost, "/v1/keys:search", map[string]string{"text": long}), http.StatusOK)
	r := w.ask(t, http.MethodPost, "/v1/keys:search", map[string]string{"text": long + "a"})
	want(t, "513 characters", r, http.StatusBadRequest)
	if fields := r.fields(t); len(fields) != 1 || fields[0] != "text" {
		t.Errorf("513 characters: fields %v, want text", fields)
	}
}
