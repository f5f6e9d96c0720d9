package keyservice_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/keyservice"
)

// imports is a world that takes keys of other systems.
func imports(t *testing.T, more ...func(*keyservice.Config)) *world {
	t.Helper()
	line, err := apikey.NewPepper(nil)
	must(t, err)
	peppers, err := apikey.ParsePeppers(line)
	must(t, err)
	return newWorld(t, append(more, func(c *keyservice.Config) { c.Peppers, c.Prefix = peppers, "acme" })...)
}

func TestImport(t *testing.T) {
	w := imports(t)
	const digest = "a665a45920422f9d417e4867efdc4fb8a04a1f3fff1fa07e998e86f7f7a27ae3"
	body := map[string]any{"entries": []map[string]any{
		{"number": 0, "key": "kong-key-of-alice-1", "owner": "alice", "scopes": []string{"orders:read"}, "limits": []map[string]any{{"name": "requests", "count": 5, "per": "1m"}}, "metadata": map[string]string{"team": "blue"}},
		{"number": 7, "format": "sha256", "digest": digest, "environment": "test", "disabled": true},
	}}
	var done keyservice.Imported
	r := w.ask(t, http.MethodPost, "/v1/keys:import", body)
	want(t, "import", r, http.StatusOK)
	if r.json(t, &done); done.Imported != 2 || done.Present != 0 || strings.Contains(r.text, "kong-key") {
		t.Errorf("imported %s", r.text)
	}
	var page keyservice.KeyPage
	w.ask(t, http.MethodGet, "/v1/keys?sort=id", nil).json(t, &page)
	if len(page.Keys) != 2 || page.Keys[0].Owner != "alice" || page.Keys[0].Prefix != "acme" || page.Keys[0].Environment != "live" || page.Keys[0].Secrets[0].Format != "text" ||
		page.Keys[0].Limits[0].Count != 5 || page.Keys[0].Metadata["team"] != "blue" || page.Keys[1].State != "disabled" || page.Keys[1].Environment != "test" {
		t.Errorf("keys %+v", page.Keys)
	}

	r = w.ask(t, http.MethodPost, "/v1/keys:import", body)
	want(t, "again", r, http.StatusBadRequest)
	if got := r.fields(t); !slices.Equal(got, []string{"entries[0]", "entries[1]"}) {
		t.Errorf("again: %s", r.text)
	}
	body["resume"] = true
	r = w.ask(t, http.MethodPost, "/v1/keys:import", body)
	if r.json(t, &done); done.Imported != 0 || done.Present != 2 {
		t.Errorf("resumed: %s", r.text)
	}
}

// A store that is wrapped, and cannot be asked for many digests at once, takes them too.
func TestImportIntoAWrappedStore(t *testing.T) {
	w := imports(t, func(c *keyservice.Config) {
		s, ok := c.Store.(*apikey.MemoryStore)
		if !ok {
			t.Fatalf("the store is %T", c.Store)
		}
		c.Store = struct {
			apikey.Store
			apikey.Finder
			apikey.Batcher
			apikey.LegacyStore
		}{s, s, s, s}
	})
	body := map[string]any{"entries": []map[string]any{{"number": 0, "key": "kong-key-of-alice-1"}}}
	want(t, "import", w.ask(t, http.MethodPost, "/v1/keys:import", body), http.StatusOK)
	body["dry_run"], body["resume"] = true, true
	var done keyservice.Imported
	r := w.ask(t, http.MethodPost, "/v1/keys:import", body)
	want(t, "a dry run", r, http.StatusOK)
	if r.json(t, &done); done.Imported != 0 || done.Present != 1 {
		t.Errorf("a dry run: %s", r.text)
	}
}

// A dry run writes nothing, and tells the keys that are there: as what an import would
// refuse, or by their places.
func TestImportDry(t *testing.T) {
	w := imports(t)
	entry := func(n int, key string) map[string]any { return map[string]any{"number": n, "key": key} }
	want(t, "import", w.ask(t, http.MethodPost, "/v1/keys:import", map[string]any{"entries": []any{entry(0, "kong-key-of-alice-1"), entry(1, "kong-key-of-alice-2")}}), http.StatusOK)
	body := map[string]any{"dry_run": true, "entries": []any{entry(0, "kong-key-of-alice-1"), entry(1, "kong-key-of-bob-001"), entry(2, "kong-key-of-alice-2")}}
	r := w.ask(t, http.MethodPost, "/v1/keys:import", body)
	want(t, "a dry run", r, http.StatusBadRequest)
	if got := r.fields(t); !slices.Equal(got, []string{"entries[0]", "entries[2]"}) {
		t.Errorf("a dry run: %s", r.text)
	}
	body["resume"] = true
	var done keyservice.Imported
	r = w.ask(t, http.MethodPost, "/v1/keys:import", body)
	want(t, "a dry run with resume", r, http.StatusOK)
	if r.json(t, &done); done.Imported != 1 || done.Present != 2 || !slices.Equal(done.PresentEntries, []int{0, 2}) {
		t.Errorf("a dry run with resume: %s", r.text)
	}
	body["entries"] = []any{entry(0, "kong-key-of-bob-001"), entry(1, "kong-key-of-bob-001")}
	r = w.ask(t, http.MethodPost, "/v1/keys:import", body)
	if got := r.fields(t); !slices.Equal(got, []string{"entries[1].key"}) || w.count(t) != 2 {
		t.Errorf("the same twice: %s; %d keys, want 2", r.text, w.count(t))
	}
}

// One entry that cannot be taken leaves all of them out, and is named by its place
// and never by what it holds.
func TestImportRefuses(t *testing.T) {
	w := imports(t)
	good := map[string]any{"number": 0, "key": "kong-key-of-alice-1"}
	for name, tt := range map[string]struct {
		entry map[string]any
		field string
	}{
		"neither":               {map[string]any{"number": 1}, "entries[1].key"},
		"both":                  {map[string]any{"number": 1, "key": "kong-key-of-alice-2", "digest": "00"}, "entries[1].key"},
		"a format for a text":   {map[string]any{"number": 1, "key": "kong-key-of-alice-2", "format": "sha256"}, "entries[1].format"},
		"no format":             {map[string]any{"number": 1, "digest": strings.Repeat("ab", 32)}, "entries[1].format"},
		"no hexadecimal":        {map[string]any{"number": 1, "digest": "xyz", "format": "sha256"}, "entries[1].digest"},
		"another length":        {map[string]any{"number": 1, "digest": "abcd", "format": "sha512"}, "entries[1].digest"},
		"the digest of nothing": {map[string]any{"number": 1, "digest": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "format": "sha256"}, "entries[1].digest"},
		"a short text":          {map[string]any{"number": 1, "key": "sh0rt"}, "entries[1].key"},
		"a key of our own":      {map[string]any{"number": 1, "key": w.made(t, keyservice.KeySpec{}).Text}, "entries[1].key"},
		"the same twice":        {map[string]any{"number": 1, "key": "kong-key-of-alice-1"}, "entries[1].key"},
		"a bad scope":           {map[string]any{"number": 1, "key": "kong-key-of-alice-2", "scopes": []string{"a b"}}, "entries[1].scopes"},
		"a bad plan":            {map[string]any{"number": 1, "key": "kong-key-of-alice-2", "plan": "Gold"}, "entries[1].plan"},
		"a limit without a per": {map[string]any{"number": 1, "key": "kong-key-of-alice-2", "limits": []map[string]any{{"name": "a", "count": 1, "per": "soon"}}}, "entries[1].limits[0].per"},
		"a bad note":            {map[string]any{"number": 1, "key": "kong-key-of-alice-2", "metadata": map[string]string{"a\u202e": "b"}}, "entries[1].metadata"},
		"a bad number":          {map[string]any{"number": -1, "key": "kong-key-of-alice-2"}, "entries[1].number"},
		"an unknown member":     {map[string]any{"number": 1, "key": "kong-key-of-alice-2", "secret": "x"}, "entries[1].secret"},
	} {
		t.Run(name, func(t *testing.T) {
			before := w.count(t)
			r := w.ask(t, http.MethodPost, "/v1/keys:import", map[string]any{"entries": []map[string]any{good, tt.entry}})
			want(t, name, r, http.StatusBadRequest)
			if got := r.fields(t); len(got) == 0 || got[0] != tt.field && !strings.HasPrefix(got[0], tt.field+"[") {
				t.Errorf("fields %q, want %q: %s", got, tt.field, r.text)
			}
			if w.count(t) != before || strings.Contains(r.text, "kong-key") {
				t.Errorf("%d keys before and %d after; %s", before, w.count(t), r.text)
			}
		})
	}
	t.Run("who may not", func(t *testing.T) {
		for _, who := range []string{"developer", "auditor", "admin:acme", "developer:acme"} {
			want(t, who, w.ask(t, http.MethodPost, "/v1/keys:import", map[string]any{"entries": []any{good}}, "X-Person", who), http.StatusForbidden)
		}
	})
	t.Run("without peppers", func(t *testing.T) {
		want(t, "import", newWorld(t).ask(t, http.MethodPost, "/v1/keys:import", map[string]any{"entries": []any{good}}), http.StatusServiceUnavailable)
	})
}
