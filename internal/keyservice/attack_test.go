package keyservice_test

import (
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/account/login"
	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/keyservice"
)

// An operation of the document, with a request for it.
type operation struct {
	ID, method, path string
	right            string // "" for none
	body             any    // the document's own example; nil for none
}

// operations reads the document.
func operations(t *testing.T, w *world) (all []operation) {
	t.Helper()
	var doc struct {
		Paths map[string]map[string]struct {
			ID          string                `json:"operationId"`
			Security    []map[string][]string `json:"security"`
			RequestBody *struct {
				Content map[string]struct {
					Example any `json:"example"`
				} `json:"content"`
			} `json:"requestBody"`
		} `json:"paths"`
	}
	must(t, json.Unmarshal(w.service.Document(), &doc))
	for _, path := range slices.Sorted(maps.Keys(doc.Paths)) {
		if strings.HasPrefix(path, "/v1/account/") { // which account/login serves, and tests
			continue
		}
		for _, method := range slices.Sorted(maps.Keys(doc.Paths[path])) {
			o := doc.Paths[path][method]
			one := operation{ID: o.ID, method: strings.ToUpper(method), path: path}
			if scopes := o.Security[0]["adminToken"]; len(scopes) > 0 {
				one.right = scopes[0]
			}
			if o.RequestBody != nil {
				one.body = o.RequestBody.Content["application/json"].Example
			}
			all = append(all, one)
		}
	}
	if len(all) < 20 {
		t.Fatalf("the document has %d operations", len(all))
	}
	return all
}

// about is the id of what an operation is about: the key with the id, or somebody
// who administers, made for it.
func (w *world) about(t *testing.T, o operation, id string) string {
	t.Helper()
	operator := account.Actor{By: "t", Source: "t", Operator: true}
	switch {
	case strings.HasPrefix(o.path, "/v1/people/"):
		a, _, err := w.admins.Create(t.Context(), operator, account.Spec{Name: strings.ToLower(rand.Text()), Role: account.Developer}, account.Link{Anywhere: true})
		must(t, err)
		return string(a.ID)
	case strings.HasPrefix(o.path, "/v1/adminKeys/"):
		k, _, err := w.machines.Issue(t.Context(), operator, login.KeySpec{Role: account.Developer})
		must(t, err)
		return k.ID
	default:
		return id
	}
}

// try sends the example of an operation about the key with the id.
func (w *world) try(t *testing.T, o operation, id string, fields ...string) *reply {
	t.Helper()
	fields = append(fields, "If-Match", "*")
	id = w.about(t, o, id)
	path := strings.NewReplacer("{id}", id, "/v1/limits/{name}", "/v1/limits/per-key", "{name}", "orders").Replace(o.path)
	if o.ID == "getCredits" {
		path += "?key=" + id
	}
	if o.body == nil {
		return w.ask(t, o.method, path, nil, fields...)
	}
	text, err := json.Marshal(o.body)
	must(t, err)
	return w.ask(t, o.method, path, strings.ReplaceAll(string(text), "7HqLk2mVxWcP", id), fields...)
}

func TestWhoMayDoWhat(t *testing.T) {
	w := newWorld(t)
	data := w.made(t, keyservice.KeySpec{})
	attack.Case(t, "ADMIN-01", attack.Admin, func(t *testing.T) {
		for _, o := range operations(t, w) {
			for who, fields := range map[string][]string{
				"nobody":          {"Authorization", ""},
				"a data key":      {"Authorization", "Bearer " + data.Text},
				"a wrong token":   {"Authorization", "Bearer " + adminToken + "x"},
				"another scheme":  {"Authorization", "Basic " + adminToken},
				"expired session": {"X-Person", "expired"},
			} {
				if r := w.try(t, o, data.Key.ID, fields...); r.status != http.StatusUnauthorized {
					t.Errorf("%s by %s: %d %s, want 401", o.ID, who, r.status, r.text)
				}
			}
			for _, role := range append(keyservice.Roles(), "root", "") {
				for _, owner := range []string{"", ":acme"} {
					key := w.made(t, keyservice.KeySpec{Owner: "acme"}).Key.ID
					allowed := o.right == "" || keyservice.Scopes(role, owner != "").Allow(o.right)
					r := w.try(t, o, key, "X-Person", string(role)+owner)
					if role == "" && owner == "" {
						allowed = false
						if r.status == http.StatusUnauthorized {
							continue
						}
					}
					if got := r.status != http.StatusForbidden && r.status != http.StatusUnauthorized; got != allowed {
						t.Errorf("%s by %s%s: %d %s, want it allowed: %v", o.ID, role, owner, r.status, r.text, allowed)
					}
				}
			}
		}
	})
	attack.Case(t, "ADMIN-02", attack.Admin, func(t *testing.T) {
		if _, err := w.verifier.Verify(t.Context(), adminToken); err == nil {
			t.Error("the admin token is a key of the data plane")
		}
		want(t, "a data key", w.ask(t, http.MethodGet, "/v1/whoami", nil, "Authorization", "Bearer "+data.Text), http.StatusUnauthorized)
		want(t, "a data key in its own field", w.ask(t, http.MethodGet, "/v1/whoami", nil, "Authorization", "", "X-API-Key", data.Text), http.StatusUnauthorized)
	})
}

func TestAnotherOwnersKeys(t *testing.T) {
	attack.Case(t, "ADMIN-03", attack.Admin, func(t *testing.T) {
		w := newWorld(t)
		own, other := w.made(t, keyservice.KeySpec{Owner: "acme", Name: "own"}), w.made(t, keyservice.KeySpec{Owner: "globex", Name: "canary"})
		for range 3 {
			w.made(t, keyservice.KeySpec{Owner: "globex", Name: "canary"})
			w.made(t, keyservice.KeySpec{Owner: "acme"})
		}
		before := w.count(t)
		acme := []string{"X-Person", "admin:acme"}
		nothing := "AAAAAAAAAAAA"
		for _, o := range operations(t, w) {
			if !strings.Contains(o.path, "{id}") && o.ID != "getCredits" {
				continue
			}
			id, nobodys := other.Key.ID, nothing
			if strings.Contains(o.path, "/portalLinks/") {
				id, nobodys = w.link(t, "globex"), "aaaaaaaaaaaaaaaa"
			}
			theirs, none := w.try(t, o, id, acme...), w.try(t, o, nobodys, acme...)
			if !keyservice.Scopes(keyservice.RoleAdmin, true).Allow(o.right) { // whatever it is about
				if theirs.status != http.StatusForbidden || theirs.text != none.text {
					t.Errorf("%s: %d %s, want 403", o.ID, theirs.status, theirs.text)
				}
				continue
			}
			if theirs.status != http.StatusNotFound || theirs.text != none.text {
				t.Errorf("%s: %d %s, want 404 as of a key that there is not: %s", o.ID, theirs.status, theirs.text, none.text)
			}
		}
		for what, r := range map[string]*reply{
			"filter":        w.ask(t, http.MethodGet, "/v1/keys?owner=globex", nil, acme...),
			"create":        w.ask(t, http.MethodPost, "/v1/keys", `{"owner":"globex"}`, acme...),
			"batch":         w.ask(t, http.MethodPost, "/v1/keys:batchCreate", `{"keys":[{},{"owner":"globex"}]}`, acme...),
			"give it away":  w.ask(t, http.MethodPatch, "/v1/keys/"+own.Key.ID, `{"owner":"globex"}`, append(acme, "If-Match", "*")...),
			"search":        w.ask(t, http.MethodPost, "/v1/keys:search", map[string]string{"text": other.Text}, acme...),
			"credits":       w.ask(t, http.MethodGet, "/v1/credits?owner=globex", nil, acme...),
			"stale, unseen": w.ask(t, http.MethodPatch, "/v1/keys/"+other.Key.ID, `{"name":"x"}`, append(acme, "If-Match", `"999"`)...),
		} {
			if r.status != http.StatusNotFound || strings.Contains(r.text, "canary") {
				t.Errorf("%s: %d %s, want 404", what, r.status, r.text)
			}
		}
		var all, page keyservice.KeyPage
		w.ask(t, http.MethodGet, "/v1/keys?limit=2", nil).json(t, &all)
		want(t, "an owner's cursor", w.ask(t, http.MethodGet, "/v1/keys?limit=2&cursor="+all.Next, nil, acme...), http.StatusBadRequest)
		r := w.ask(t, http.MethodGet, "/v1/keys", nil, acme...)
		r.json(t, &page)
		if len(page.Keys) != 4 || strings.Contains(r.text, "globex") {
			t.Errorf("the list of acme has %d keys: %s", len(page.Keys), r.text)
		}
		var verdict keyservice.Verdict
		w.ask(t, http.MethodPost, "/v1/keys:verify", map[string]any{"key": other.Text, "cost": 1}, acme...).json(t, &verdict)
		if verdict.Valid || verdict.Reason != "unknown" || verdict.Principal != nil {
			t.Errorf("another's key is %+v", verdict)
		}
		if _, err := w.issuer.Revoke(t.Context(), apikey.By{Actor: "t", Source: "t"}, apikey.ID(other.Key.ID), "superseded"); err != nil {
			t.Fatal(err)
		}
		w.ask(t, http.MethodPost, "/v1/keys:verify", map[string]any{"key": other.Text}, acme...).json(t, &verdict)
		if verdict.Reason != "unknown" {
			t.Errorf("another's revoked key is %+v", verdict)
		}
		if w.count(t) != before {
			t.Errorf("%d keys, want %d", w.count(t), before)
		}
		made := keyservice.KeyMade{}
		w.ask(t, http.MethodPost, "/v1/keys", `{}`, acme...).json(t, &made)
		if made.Key.Owner != "acme" {
			t.Errorf("a key without an owner is of %q", made.Key.Owner)
		}
	})
}

func TestOtherOrigins(t *testing.T) {
	attack.Case(t, "ADMIN-04", attack.Admin, func(t *testing.T) {
		w := newWorld(t)
		for _, o := range operations(t, w) {
			r := w.try(t, o, "AAAAAAAAAAAA", "Origin", "https://evil.example")
			for name := range r.header {
				if strings.HasPrefix(name, "Access-Control") {
					t.Errorf("%s: the answer has %s", o.ID, name)
				}
			}
			if r.header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s: Cache-Control %q", o.ID, r.header.Get("Cache-Control"))
			}
		}
		r := w.ask(t, http.MethodOptions, "/v1/keys", nil, "Origin", "https://evil.example", "Access-Control-Request-Method", "POST")
		if r.status < 400 || r.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("a preflight: %d %v", r.status, r.header)
		}
		before := w.count(t) // the examples above came with a token
		want(t, "a cookie with a page of another site", w.ask(t, http.MethodPost, "/v1/keys", `{}`, "X-Person", "owner", "X-Ambient", "1", "Sec-Fetch-Site", "cross-site"), http.StatusForbidden)
		want(t, "a cookie without a word of the browser", w.ask(t, http.MethodPost, "/v1/keys", `{}`, "X-Person", "owner", "X-Ambient", "1"), http.StatusForbidden)
		if w.count(t) != before {
			t.Error("a key was made")
		}
		want(t, "a cookie with a page of this site", w.ask(t, http.MethodPost, "/v1/keys", `{}`, "X-Person", "owner", "X-Ambient", "1", "Sec-Fetch-Site", "same-origin"), http.StatusCreated)
	})
}

func TestBodiesThatAreNone(t *testing.T) {
	attack.Case(t, "ADMIN-09", attack.Admin, func(t *testing.T) {
		w := newWorld(t)
		var zipped bytes.Buffer
		z := gzip.NewWriter(&zipped)
		for range 1 << 10 {
			_, err := z.Write(make([]byte, 1<<10))
			must(t, err)
		}
		must(t, z.Close())
		for name, tt := range map[string]struct {
			body   string
			fields []string
			status int
		}{
			"65 KiB":                {`{"name":"` + strings.Repeat("a", 65<<10) + `"}`, nil, 413},
			"depth 100":             {strings.Repeat(`{"metadata":`, 100) + "1" + strings.Repeat("}", 100), nil, 400},
			"depth 10000 of arrays": {`{"scopes":` + strings.Repeat("[", 10000) + strings.Repeat("]", 10000) + "}", nil, 400},
			"something behind":      {`{} {}`, nil, 400},
			"a brace behind":        {`{}}`, nil, 400},
			"cut":                   {`{"name":"a"`, nil, 400},
			"empty":                 {``, nil, 400},
			"an array":              {`[]`, nil, 400},
			"a text":                {`"a"`, nil, 400},
			"not UTF-8":             {"{\"name\":\"\xff\"}", nil, 400},
			"a comment":             {`{/* */}`, nil, 400},
			"a byte order mark":     {"\ufeff{}", nil, 400},
			"gzip":                  {zipped.String(), []string{"Content-Encoding", "gzip"}, 415},
			"gzip, unsaid":          {zipped.String(), nil, 400},
			"a form":                {`name=a`, []string{"Content-Type", "application/x-www-form-urlencoded"}, 415},
			"text":                  {`{}`, []string{"Content-Type", "text/plain"}, 415},
			"no type":               {`{}`, []string{"Content-Type", ""}, 415},
			"a number beyond":       {`{"limits":[{"name":"a","count":99999999999999999999,"per":"1m"}]}`, nil, 400},
			"a number as 1e3":       {`{"limits":[{"name":"a","count":1e3,"per":"1m"}]}`, nil, 400},
		} {
			r := w.ask(t, http.MethodPost, "/v1/keys", tt.body, tt.fields...)
			want(t, name, r, tt.status)
		}
		if w.count(t) != 0 {
			t.Errorf("%d keys were made", w.count(t))
		}
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		deep, long := strings.Repeat(`{"metadata":`, 5000)+"1"+strings.Repeat("}", 5000), `{"name":"`+strings.Repeat("a", 1<<20)+`"}`
		const rounds = 100
		for range rounds {
			want(t, "zipped", w.ask(t, http.MethodPost, "/v1/keys", zipped.String(), "Content-Encoding", "gzip"), http.StatusUnsupportedMediaType)
			want(t, "deep", w.ask(t, http.MethodPost, "/v1/keys", deep[:60<<10]), http.StatusBadRequest)
			want(t, "long", w.ask(t, http.MethodPost, "/v1/keys", long), http.StatusRequestEntityTooLarge)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 1<<20 {
			t.Errorf("the heap has grown by %d bytes", grown)
		}
		// What one of each takes while it is judged, with what sends it: two copies of 1 MiB.
		if each := (after.TotalAlloc - before.TotalAlloc) / rounds; each > 4<<20 {
			t.Errorf("a round of them takes %d bytes", each)
		}
	})
}

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

func TestTheSecretIsTold(t *testing.T) {
	attack.Case(t, "ADMIN-10", attack.Admin, func(t *testing.T) {
		w := newWorld(t)
		made := w.made(t, keyservice.KeySpec{Name: "a"})
		secretPart := made.Text[len(made.Text)-38:]
		for _, path := range []string{"/v1/keys", "/v1/keys/" + made.Key.ID, "/v1/keys?text=" + made.Key.ID, "/openapi.json", "/v1/whoami"} {
			if r := w.ask(t, http.MethodGet, path, nil); strings.Contains(r.text, secretPart) || r.status != http.StatusOK {
				t.Errorf("%s: %d, tells the key: %v", path, r.status, strings.Contains(r.text, secretPart))
			}
		}
		for name, r := range map[string]*reply{
			"search":             w.ask(t, http.MethodPost, "/v1/keys:search", map[string]string{"text": made.Text}),
			"verify":             w.ask(t, http.MethodPost, "/v1/keys:verify", map[string]string{"key": made.Text}),
			"verify, wrong type": w.ask(t, http.MethodPost, "/v1/keys:verify", map[string]any{"key": []string{made.Text}}),
			"a name":             w.ask(t, http.MethodPost, "/v1/keys", map[string]string{"name": made.Text}),
			"a member":           w.ask(t, http.MethodPost, "/v1/keys", map[string]string{made.Text: "x"}),
			"a reason":           w.ask(t, http.MethodPost, "/v1/keys/"+made.Key.ID+":revoke", map[string]string{"reason": made.Text}),
			"a parameter":        w.ask(t, http.MethodGet, "/v1/keys?"+made.Text+"=1", nil),
			"a cursor":           w.ask(t, http.MethodGet, "/v1/keys?cursor="+made.Text, nil),
			"an owner's credits": w.ask(t, http.MethodPost, "/v1/credits:set", map[string]any{"owner": made.Text, "credits": 1}),
			"an owner's keys":    w.ask(t, http.MethodPost, "/v1/keys:batchRevoke", map[string]any{"owner": made.Text, "count": 1}),
			"roll":               w.ask(t, http.MethodPost, "/v1/keys/"+made.Key.ID+":roll", `{"overlap":"1h"}`),
		} {
			if strings.Contains(r.text, secretPart) || r.status >= 500 {
				t.Errorf("%s: %d %s", name, r.status, r.text)
			}
			if strings.HasPrefix(name, "an owner's") && (r.status != http.StatusBadRequest || !slices.Equal(r.fields(t), []string{"owner"})) {
				t.Errorf("%s by the text of a key: %d %s, want 400 for the owner", name, r.status, r.text)
			}
		}
	})
	attack.Case(t, "ADMIN-16", attack.Admin, func(t *testing.T) {
		w := newWorld(t)
		made := w.made(t, keyservice.KeySpec{Name: "a"})
		var one keyservice.KeyBody
		r := w.ask(t, http.MethodPost, "/v1/keys:search", map[string]string{"text": " " + made.Text + "\n"})
		if r.json(t, &one); r.status != http.StatusOK || one.Key.ID != made.Key.ID {
			t.Errorf("search: %d %s", r.status, r.text)
		}
		for _, path := range []string{"/v1/keys?text=", "/v1/keys?owner=", "/v1/keys?plan=", "/v1/credits?owner=", "/v1/usage?owner=", "/v1/usage:top?owner=", "/v1/keys:health?owner=", "/v1/audit?subject=", "/v1/audit?actor=", "/v1/audit:export?op=", "/v1/people?name=", "/v1/decisions:watch?route="} {
			for what, text := range map[string]string{"a key": made.Text, "a key in a line": escape("key " + made.Text), "a wrong key": made.Text[:len(made.Text)-6] + "000000"} {
				if r := w.ask(t, http.MethodGet, path+text, nil); r.status != http.StatusBadRequest || strings.Contains(r.text, made.Text[20:40]) {
					t.Errorf("%s with %s: %d %s, want 400", path, what, r.status, r.text)
				}
			}
		}
		want(t, "search by GET", w.ask(t, http.MethodGet, "/v1/keys:search?text=x", nil), http.StatusMethodNotAllowed)
		r = w.ask(t, http.MethodPost, "/v1/keys:search", map[string]string{"text": made.Text[:len(made.Text)-1] + "!"})
		if want(t, "a wrong key", r, http.StatusBadRequest); !slices.Equal(r.fields(t), []string{"text"}) {
			t.Errorf("names %s", r.text)
		}
	})
}

func TestGuesses(t *testing.T) {
	attack.Case(t, "ADMIN-14", attack.Admin, func(t *testing.T) {
		w := newWorld(t)
		good := w.made(t, keyservice.KeySpec{})
		ask := func(key, address string, fields ...string) *reply {
			return w.ask(t, http.MethodPost, "/v1/keys:verify", map[string]string{"key": key, "address": address}, fields...)
		}
		want(t, "without a credential", ask(good.Text, "192.0.2.1", "Authorization", ""), http.StatusUnauthorized)
		want(t, "with a data key", ask(good.Text, "192.0.2.1", "Authorization", "Bearer "+good.Text), http.StatusUnauthorized)
		want(t, "an auditor, who spends nothing", ask(good.Text, "192.0.2.1", "X-Person", "auditor"), http.StatusForbidden)
		var v keyservice.Verdict
		ask(good.Text, "192.0.2.99").json(t, &v)
		if !v.Valid {
			t.Fatalf("the good key is %+v", v)
		}
		revoked := w.made(t, keyservice.KeySpec{})
		_, err := w.issuer.Revoke(t.Context(), apikey.By{Actor: "t", Source: "t"}, apikey.ID(revoked.Key.ID), "x")
		must(t, err)
		for role, told := range map[string]bool{"owner": true, "admin": true, "developer": false, "developer:acme": false} {
			for text, reason := range map[string]string{forge(t): "unknown", revoked.Text: "revoked"} {
				var v keyservice.Verdict
				r := ask(text, "192.0.2.50", "X-Person", role)
				if r.json(t, &v); !told {
					reason = ""
				}
				if v.Reason != reason || v.Valid || v.Code != "invalid" || v.Status != 401 || !told && strings.Contains(r.text, "revoked") {
					t.Errorf("a %s is told %s, want the reason %q", role, r.text, reason)
				}
			}
		}
		throttled, asked := 0, 0
		for i := range 10_000 {
			r := ask(forge(t), fmt.Sprintf("198.51.%d.%d", i/250%250, i%250))
			asked++
			if r.status == http.StatusTooManyRequests {
				throttled++
				if r.header.Get("Retry-After") == "" {
					t.Fatal("no Retry-After")
				}
				if throttled > 100 {
					break
				}
			}
		}
		if throttled < 100 {
			t.Errorf("of %d guesses from as many addresses %d were throttled", asked, throttled)
		}
		ask(good.Text, "192.0.2.99").json(t, &v)
		if !v.Valid {
			t.Errorf("who proved itself before is refused while others guess: %+v", v)
		}
		w = newWorld(t)
		// 30 cost nothing, and the next has the one after it wait: a second, then two, four ...
		const judged, more = 31, 6
		var guesses []string
		for range judged + more {
			guesses = append(guesses, forge(t))
		}
		throttled = 0
		for i, guess := range guesses {
			r := w.ask(t, http.MethodPost, "/v1/keys:verify", map[string]string{"key": guess, "address": "203.0.113.1"})
			if r.status == http.StatusTooManyRequests {
				throttled++
			}
			if i < judged && throttled > 0 {
				t.Fatalf("guess %d from one address: %d, want the first %d judged", i+1, r.status, judged)
			}
		}
		if throttled == 0 {
			t.Errorf("%d guesses from one address were not throttled", len(guesses))
		}
	})
}

// forge is the text of a key that there is not, of the right form.
func forge(t *testing.T) string {
	t.Helper()
	other := newIssuer(t)
	_, text, err := other.Create(t.Context(), apikey.By{Actor: "t", Source: "t"}, apikey.Spec{Environment: "live"})
	must(t, err)
	return text.Reveal()
}

func TestLimitsOfLists(t *testing.T) {
	w := newWorld(t)
	for range 5 {
		w.made(t, keyservice.KeySpec{Owner: "acme"})
	}
	attack.Case(t, "ADMIN-15", attack.Admin, func(t *testing.T) {
		for _, limit := range []string{"1000000000", "-1", "0", "1e3", "99999999999999999999999", "1.5", "0x10", "", "%00", "1;DROP"} {
			r := w.ask(t, http.MethodGet, "/v1/keys?limit="+limit, nil)
			if want(t, "limit="+limit, r, http.StatusBadRequest); r.status == http.StatusBadRequest && len(r.fields(t)) == 0 {
				t.Errorf("limit=%s: no field is named", limit)
			}
		}
	})
	attack.Case(t, "SQL-02", attack.Admin, func(t *testing.T) {
		var page keyservice.KeyPage
		w.ask(t, http.MethodGet, "/v1/keys?limit=2&owner=acme", nil).json(t, &page)
		good := "/v1/keys?limit=2&owner=acme&cursor="
		want(t, "the cursor itself", w.ask(t, http.MethodGet, good+page.Next, nil), http.StatusOK)
		for name, path := range map[string]string{
			"another filter":   "/v1/keys?limit=2&owner=globex&cursor=" + page.Next,
			"another order":    "/v1/keys?limit=2&owner=acme&sort=id&cursor=" + page.Next,
			"no filter":        "/v1/keys?limit=2&cursor=" + page.Next,
			"one byte":         good + "A" + page.Next[1:],
			"the last byte":    good + page.Next[:len(page.Next)-1] + "_",
			"cut":              good + page.Next[:10],
			"more":             good + page.Next + "AA",
			"no base64":        good + "%27%20OR%201=1",
			"not in its shape": good + page.Next + "=",
			"an order of SQL":  "/v1/keys?sort=name%3BDROP+TABLE+keys",
			"an order":         "/v1/keys?sort=owner",
			"a state":          "/v1/keys?state=%27%20OR%201=1--",
			"a kind":           "/v1/keys?kind=1",
		} {
			r := w.ask(t, http.MethodGet, path, nil)
			if want(t, name, r, http.StatusBadRequest); r.status == http.StatusBadRequest && len(r.fields(t)) != 1 {
				t.Errorf("%s: names %s", name, r.text)
			}
		}
	})
}
