package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/keyservice"
	"github.com/warder-dev/warder/internal/server"
	"github.com/warder-dev/warder/secret"
	"github.com/warder-dev/warder/sqlite"
)

// call sends a request to the gateway and returns status and body.
func (p *program) call(t *testing.T, method, path, key, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+p.gateway+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if key != "" {
		r.Header.Set("X-API-Key", key)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	response := do(t, r)
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

// TestFastAPIIsProtectedByItsOwnDocument: the app declares security and enforces
// none; warder is told its address and that of its document.
func TestFastAPIIsProtectedByItsOwnDocument(t *testing.T) {
	app := "http://" + startPython(t, "testdata/orders.py")
	p := start(t, app, settings{flags: map[string]string{"openapi": app + "/openapi.json"}})
	rows := []struct {
		name, method, path, key, body string
		status                        int
		says                          string
		reaches                       bool
	}{
		{"without a key", "GET", "/orders/7", "", "", 401, "unauthorized", false},
		{"with a wrong one", "GET", "/orders/7", "wrong", "", 401, "unauthorized", false},
		{"with a key", "GET", "/orders/7?limit=5&sort=down", p.key, "", 200, `"limit":5`, true},
		{"the more specific path", "GET", "/orders/mine", p.key, "", 200, "mine", true},
		{"HEAD is GET without a body: the app has none", "HEAD", "/orders/7", p.key, "", 405, "", false},
		{"a path parameter", "GET", "/orders/1%20OR%201=1", p.key, "", 400, `"name":"order"`, false},
		{"a type", "GET", "/orders/7?limit=ten", p.key, "", 400, `"name":"limit"`, false},
		{"an enum", "GET", "/orders/7?sort=sideways", p.key, "", 400, `"name":"sort"`, false},
		{"a parameter too many", "GET", "/orders/7?admin=1", p.key, "", 400, "not declared", false},
		{"a parameter twice", "GET", "/orders/7?limit=1&limit=2", p.key, "", 400, "more than once", false},
		{"a bad parameter without a key tells nothing", "GET", "/orders/x", "", "", 401, "unauthorized", false},
		{"a body", "POST", "/orders", p.key, `{"article": "pen", "count": 2, "note": "blue"}`, 200, `"count":2`, true},
		{"a body's type", "POST", "/orders", p.key, `{"article": "pen", "count": "2 OR 1=1"}`, 422, "#/count", false},
		{"a bound", "POST", "/orders", p.key, `{"article": "pen", "count": 101}`, 422, "is above 100", false},
		{"a member too many", "POST", "/orders", p.key, `{"article": "pen", "count": 2, "price": 0}`, 422, "not declared", false},
		{"a member twice", "POST", "/orders", p.key, `{"article": "pen", "count": 2, "count": 3}`, 400, "twice", false},
		{"a body without a key", "POST", "/orders", "", `{"article": "pen", "count": 2}`, 401, "", false},
		{"public by word", "GET", "/status", "", "", 200, "calls", false},
		{"nothing is public because nobody said so", "GET", "/forgotten", "", "", 401, "", false},
		{"and with a key it is there", "GET", "/forgotten", p.key, "", 200, "forgotten", true},
		{"what the document does not declare", "GET", "/hidden", p.key, "", 404, "not-found", false},
		{"nor its own", "GET", "/openapi.json", p.key, "", 404, "not-found", false},
		{"a method that is not declared", "DELETE", "/orders/7", p.key, "", 405, "method-not-allowed", false},
	}
	attack.Case(t, "SQL-05", attack.Gateway, func(t *testing.T) {
		for _, tt := range rows {
			t.Run(tt.name, func(t *testing.T) {
				before := calls(t, app)
				status, text := p.call(t, tt.method, tt.path, tt.key, tt.body)
				if status != tt.status || !strings.Contains(text, tt.says) {
					t.Errorf("%d %s, want %d with %q", status, text, tt.status, tt.says)
				}
				if reached := calls(t, app) > before; reached != tt.reaches {
					t.Errorf("the app was called: %v, want %v", reached, tt.reaches)
				}
			})
		}
	})
}

// calls asks the app itself how often it was called.
func calls(t *testing.T, app string) (n int) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, app+"/status", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	var said struct {
		Calls int `json:"calls"`
	}
	if err := json.NewDecoder(do(t, r).Body).Decode(&said); err != nil {
		t.Fatal(err)
	}
	return said.Calls
}

// echo is an upstream that counts, and answers with the path that it got.
func echo(t *testing.T) (address string, reached *atomic.Int64) {
	t.Helper()
	reached = new(atomic.Int64)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reached.Add(1)
		_, _ = io.WriteString(w, r.URL.Path)
	}))
	t.Cleanup(s.Close)
	return s.URL, reached
}

// writeDocument puts a document into a file at once, as an editor does.
func writeDocument(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(name+".new", name); err != nil {
		t.Fatal(err)
	}
}

// described is a document with paths; every operation asks for a key unless it
// says otherwise.
func described(paths string) string {
	return `{"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "security": [{"apiKey": []}], "paths": {` + paths + `},
		"components": {"securitySchemes": {"apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"}, "other": {"type": "apiKey", "in": "header", "name": "x-api-key"}}}}`
}

// withDocument starts warder with one document in a file, and more fields of it.
func withDocument(t *testing.T, document, more string, s settings) (p *program, file string, reached *atomic.Int64) {
	t.Helper()
	address, reached := echo(t)
	file = filepath.Join(t.TempDir(), "openapi.json")
	writeDocument(t, file, document)
	s.yaml += "\nopenapi_documents: [{document: '" + file + "', upstream: api, reload: 1s" + more + "}]\n"
	s.token = secret.New("sesame")
	return start(t, address, s), file, reached
}

// TestDocumentsAsRoutes is the table of what a document makes of paths and
// methods, as the guide has it.
func TestDocumentsAsRoutes(t *testing.T) {
	const number = `"parameters": [{"in": "path", "name": "id", "required": true, "schema": {"type": "integer"}}]`
	p, _, _ := withDocument(t, strings.Replace(described(`
		"/users/{id}": {`+number+`, "get": {}, "put": {"security": [{"apiKey": ["orders:write"]}]}},
		"/users/me": {"get": {"security": []}},
		"/users": {"post": {"requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}}}, "head": {}},
		"/both": {"get": {"security": [{"apiKey": ["nobody:has"]}, {"other": ["orders:read"]}]}},
		"/maybe": {"get": {"security": [{"apiKey": []}, {}]}},
		"/scoped": {"get": {"x-warder-scopes": ["nobody:has"]}},
		"/files/{name}": {"get": {"security": []}}, "/files/{name}.json": {"get": {"parameters": [{"in": "path", "name": "name", "required": true, "schema": {"type": "integer"}}]}}, "/files/all.json": {"get": {"security": []}},
		"/open/": {"options": {}}`), `"paths"`, `"servers": [{"url": "https://api.example.com/v1/"}], "paths"`, 1), "",
		settings{yaml: "routes: [{match: /static/, upstream: api, public: true}]\ncors: {default: {origins: ['https://app.example']}}"})
	attack.Case(t, "OAS-04", attack.Gateway, func(t *testing.T) {
		for _, tt := range []struct {
			name, method, path string
			key                bool
			status             int
			allow              string
		}{
			{"the most specific path wins", "GET", "/v1/users/me", false, 200, ""},
			{"its parameters are another's", "GET", "/v1/users/you", true, 400, ""},
			{"the parameter", "GET", "/v1/users/7", true, 200, ""},
			{"with no key", "GET", "/v1/users/7", false, 401, ""},
			{"a parameter within a segment", "GET", "/v1/files/7.json", true, 200, ""},
			{"asks for its own", "GET", "/v1/files/7%2Ejson", false, 401, ""},
			{"and judges by its own", "GET", "/v1/files/x.json", true, 400, ""},
			{"beside a whole one", "GET", "/v1/files/x.xml", false, 200, ""},
			{"and a literal one", "GET", "/v1/files/all.json", false, 200, ""},
			{"HEAD comes with GET", "HEAD", "/v1/users/7", true, 200, ""},
			{"and asks for the same", "HEAD", "/v1/users/7", false, 401, ""},
			{"HEAD that is declared", "HEAD", "/v1/users", true, 200, ""},
			{"GET does not come with HEAD", "GET", "/v1/users", true, 405, "HEAD, POST"},
			{"OPTIONS that is not declared", "OPTIONS", "/v1/users/7", true, 405, "GET, HEAD, PUT"},
			{"OPTIONS that is declared", "OPTIONS", "/v1/open/", true, 200, ""},
			{"a method that is not declared", "DELETE", "/v1/users/7", true, 405, "GET, HEAD, PUT"},
			{"nor of the more specific path", "PUT", "/v1/users/me", true, 400, ""}, // by PUT /users/{id}
			{"a method before the credential", "DELETE", "/v1/users/7", false, 405, "GET, HEAD, PUT"},
			{"TRACE is nobody's", "TRACE", "/v1/users/7", true, 405, "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"},
			{"without the base path", "GET", "/users/7", true, 404, ""},
			{"a slash too many", "GET", "/v1/users/7/", true, 404, ""},
			{"a slash too few", "OPTIONS", "/v1/open", true, 404, ""},
			{"below", "GET", "/v1/users/7/orders", true, 404, ""},
			{"an operation's security in place of the document's", "PUT", "/v1/users/7", true, 200, ""},
			{"or: the second suffices", "GET", "/v1/both", true, 200, ""},
			{"optional, without", "GET", "/v1/maybe", false, 200, ""},
			{"x-warder-scopes beside security", "GET", "/v1/scoped", true, 403, ""},
			{"a route of the configuration beside", "GET", "/static/x", false, 200, ""},
		} {
			t.Run(tt.name, func(t *testing.T) {
				r, err := http.NewRequestWithContext(t.Context(), tt.method, "http://"+p.gateway+tt.path, http.NoBody)
				if err != nil {
					t.Fatal(err)
				}
				if tt.key {
					r.Header.Set("X-API-Key", p.key)
				}
				response := do(t, r)
				if got := response.Header.Get("Allow"); response.StatusCode != tt.status || got != tt.allow {
					t.Errorf("%s %s: %d, Allow %q, want %d, %q", tt.method, tt.path, response.StatusCode, got, tt.status, tt.allow)
				}
			})
		}
		preflight, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, "http://"+p.gateway+"/v1/users/7", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		preflight.Header.Set("Origin", "https://app.example")
		preflight.Header.Set("Access-Control-Request-Method", "GET")
		if response := do(t, preflight); response.StatusCode != http.StatusNoContent || response.Header.Get("Access-Control-Allow-Origin") != "https://app.example" {
			t.Errorf("a preflight: %d %v, want the policy's answer", response.StatusCode, response.Header)
		}
	})
}

// admin asks the admin listener about documents.
func (p *program) documents(t *testing.T, method, path string, to any) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+p.admin+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer sesame")
	response := do(t, r)
	if response.StatusCode == http.StatusOK {
		if err := json.NewDecoder(response.Body).Decode(to); err != nil {
			t.Fatal(err)
		}
	}
	return response.StatusCode
}

func (p *program) drift(t *testing.T) keyservice.DocumentDrift {
	t.Helper()
	var all keyservice.OpenAPIDrift
	if status := p.documents(t, http.MethodGet, "/v1/openapi/drift", &all); status != http.StatusOK || len(all.Documents) != 1 {
		t.Fatalf("drift: %d, %d documents", status, len(all.Documents))
	}
	return all.Documents[0]
}

// ready is the line of the readiness probe. A program that the machine has not run
// for a moment says, rightly, that its store is not confirmed: that is waited out.
func (p *program) ready(t *testing.T) string {
	t.Helper()
	return eventually(t, func() (string, bool) {
		text, err := io.ReadAll(do(t, newRequest(t, "http://"+p.health+"/readyz")).Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(text), string(text) != "store not confirmed\n"
	})
}

// TestADocumentThatAsksForLess: each of them changes nothing before it is
// confirmed.
func TestADocumentThatAsksForLess(t *testing.T) {
	t.Parallel() // it waits for documents to be read again
	const before = `"/a": {"get": {"security": [{"apiKey": ["nobody:has"]}]}}, "/b": {"get": {}}, "/c": {"get": {"parameters": [{"in": "query", "name": "n", "schema": {"type": "integer"}}]}}`
	p, file, _ := withDocument(t, described(before), "", settings{})
	wantRow := func(t *testing.T, when string, statuses ...int) {
		t.Helper()
		for i, want := range statuses {
			path, key := []string{"/a", "/b", "/c?n=x", "/d"}[i], []string{p.key, "", p.key, ""}[i]
			if status, _ := p.call(t, http.MethodGet, path, key, ""); status != want {
				t.Errorf("%s: GET %s is %d, want %d", when, path, status, want)
			}
		}
	}
	wantRow(t, "at first", 403, 401, 400, 404)
	attack.Case(t, "OAS-02", attack.Gateway, func(t *testing.T) {
		for _, tt := range []struct{ name, paths, less string }{
			{"a scope is gone", strings.Replace(before, `["nobody:has"]`, `[]`, 1), "GET /a asks for less security"},
			{"another way in", strings.Replace(before, `"nobody:has"]}`, `"nobody:has"]}, {"other": []}`, 1), "GET /a asks for less security"},
			{"security is gone", strings.Replace(before, `"/b": {"get": {}}`, `"/b": {"get": {"security": []}}`, 1), "GET /b asks for less security"},
			{"it becomes optional", strings.Replace(before, `"/b": {"get": {}}`, `"/b": {"get": {"security": [{"apiKey": []}, {}]}}`, 1), "GET /b asks for less security"},
			{"an operation is gone", strings.Replace(before, `"/b": {"get": {}}, `, ``, 1), "GET /b is gone"},
			{"it only watches", strings.Replace(before, `"/c": {"get": {`, `"/c": {"get": {"x-warder-mode": "shadow", `, 1), "GET /c is validated less: shadow"},
			{"a bound is gone", strings.Replace(before, `{"type": "integer"}`, `{}`, 1), "GET /c judges less: query n takes boolean or object or array or string or number, it was integer"},
			{"an open door", before + `, "/d": {"get": {"security": []}}`, "GET /d is new, and anybody may call it"},
		} {
			writeDocument(t, file, described(tt.paths))
			eventually(t, func() (bool, bool) { return true, slices.Equal(p.drift(t).Held, []string{tt.less}) })
			wantRow(t, tt.name, 403, 401, 400, 404)
		}
		if got := p.ready(t); got != "ready, but an OpenAPI document needs care: see the log\n" {
			t.Errorf("/readyz says %q", got)
		}
		if got := p.metric(t, `warder_openapi_document_problems{document="api",what="held"}`); got != "1" {
			t.Errorf("the metric is %q", got)
		}
		writeDocument(t, file, described(before+`, "/e": {"get": {}}`)) // asks for no less: it holds at once
		eventually(t, func() (bool, bool) { return true, len(p.drift(t).Held) == 0 && p.drift(t).Operations == 4 })
		wantRow(t, "with one more", 403, 401, 400, 404)
		if status, _ := p.call(t, http.MethodGet, "/e", p.key, ""); status != http.StatusOK {
			t.Errorf("an operation that is new and asks for a key: %d, want 200", status)
		}
	})
	writeDocument(t, file, described(strings.Replace(before, `"/b": {"get": {}}`, `"/b": {"get": {"security": []}}`, 1)))
	eventually(t, func() (bool, bool) { return true, len(p.drift(t).Held) > 0 })
	wantRow(t, "before it is confirmed", 403, 401, 400, 404)
	var confirmed keyservice.DocumentConfirmed
	if status := p.documents(t, http.MethodPost, "/v1/openapi/nobody:confirm", &confirmed); status != http.StatusNotFound {
		t.Errorf("another name: %d, want 404", status)
	}
	attack.Case(t, "AUDIT-01", attack.Admin, func(t *testing.T) {
		raw := p.raw(t)
		exec := func(query string) {
			t.Helper()
			if _, err := raw.ExecContext(t.Context(), query); err != nil {
				t.Fatal(err)
			}
		}
		exec(`CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no room'); END`)
		if status := p.documents(t, http.MethodPost, "/v1/openapi/api:confirm", &confirmed); status != http.StatusServiceUnavailable || len(p.drift(t).Held) == 0 {
			t.Errorf("while the entry cannot be written: %d, and it waits for %q", status, p.drift(t).Held)
		}
		wantRow(t, "not confirmed", 403, 401, 400, 404)
		exec(`DROP TRIGGER full`)
		if status := p.documents(t, http.MethodPost, "/v1/openapi/api:confirm", &confirmed); status != http.StatusOK || len(confirmed.Less) != 2 {
			t.Errorf("confirmed: %d %+v", status, confirmed)
		}
		got := texts(t, raw, `SELECT actor || ' ' || source || ' ' || op || ' ' || kind || ' ' || subject || ' ' || json_array_length(after, '$.less') FROM audit WHERE kind = 'document'`)
		if want := []string{"admin-token 127.0.0.1 confirm document api 2"}; !slices.Equal(got, want) {
			t.Errorf("the log has %q, want %q", got, want)
		}
	})
	wantRow(t, "confirmed", 403, 200, 400, 404)
	if status := p.documents(t, http.MethodPost, "/v1/openapi/api:confirm", &confirmed); status != http.StatusConflict {
		t.Errorf("confirmed twice: %d, want 409", status)
	}
	if got := p.ready(t); got != "ready\n" {
		t.Errorf("/readyz says %q", got)
	}
	if text := p.log(t); !strings.Contains(text, "GET /b asks for less security") || !strings.Contains(text, "until somebody confirms") {
		t.Error("the log does not tell")
	}
}

// TestADocumentThatLeadsPast: a more specific path must not be a way past a wider
// one that asks for more, be that of the document or of the configuration.
func TestADocumentThatLeadsPast(t *testing.T) {
	t.Parallel() // it waits for documents to be read again
	const before = `"/a/{x}": {"get": {"security": [{"apiKey": ["nobody:has"]}]}}, "/b/{x}": {"get": {}}`
	p, file, reached := withDocument(t, described(before), "", settings{yaml: `
rate_limits: {few: {count: 1000, per: 1h, by: [key]}}
routes:
  - {match: /admin/, upstream: api, scopes: ["nobody:has"]}
  - {match: /office/, upstream: api, conditions: [{name: nobody, addresses: [192.0.2.0/24]}]}
  - {match: /slow/, upstream: api, rate_limits: [few]}
`})
	attack.Case(t, "OAS-02", attack.Gateway, func(t *testing.T) {
		for path, tt := range map[string]struct{ more, less string }{
			"/a/y":      {"", "GET /a/{p1}"},
			"/b/y":      {`"x-warder-mode": "off"`, "GET /b/{p1}"},
			"/admin/y":  {"", "/admin/"},
			"/office/y": {"", "/office/"},
			"/slow/y":   {"", "/slow/"},
		} {
			writeDocument(t, file, described(before+`, "`+path+`": {"get": {`+tt.more+`}}`))
			eventually(t, func() (bool, bool) {
				return true, slices.Equal(p.drift(t).Held, []string{"GET " + path + " is new, and asks for less than " + tt.less + ", which takes its requests"})
			})
		}
		for _, path := range []string{"/a/y", "/admin/y", "/office/y"} {
			if status, _ := p.call(t, http.MethodGet, path, p.key, ""); status != http.StatusForbidden || reached.Load() != 0 {
				t.Errorf("GET %s is %d, want 403", path, status)
			}
		}
		writeDocument(t, file, described(before+`, "/b/y": {"get": {}}, "/admin/y": {"get": {"x-warder-scopes": ["nobody:has"]}}`)) // asks for no less
		eventually(t, func() (bool, bool) { return true, len(p.drift(t).Held) == 0 && p.drift(t).Operations == 4 })
	})
}

func TestADocumentThatIsFollowed(t *testing.T) {
	t.Parallel() // it waits for documents to be read again
	p, file, _ := withDocument(t, described(`"/a": {"get": {}}`), ", insecure_follow_upstream: true", settings{})
	if status, _ := p.call(t, http.MethodGet, "/a", "", ""); status != http.StatusUnauthorized {
		t.Errorf("%d, want 401", status)
	}
	writeDocument(t, file, described(`"/a": {"get": {"security": []}}`))
	eventually(t, func() (bool, bool) {
		status, _ := p.call(t, http.MethodGet, "/a", "", "")
		return true, status == http.StatusOK
	})
}

// TestADocumentThatCannotBeUsed: there is no start without one, and later the last
// good one stays.
func TestADocumentThatCannotBeUsed(t *testing.T) {
	t.Parallel() // it waits for documents to be read again
	var answer atomic.Pointer[string]
	set := func(text string) { answer.Store(&text) }
	set(described(`"/a": {"get": {}}`))
	address, _ := echo(t)
	source := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch text := *answer.Load(); text {
		case "away":
			w.WriteHeader(http.StatusBadGateway)
		case "elsewhere":
			http.Redirect(w, r, "http://localhost:1/openapi.json?token=hunter2", http.StatusFound)
		case "cut":
			w.Header().Set("Content-Length", "10000")
			_, _ = io.WriteString(w, "{")
		default:
			_, _ = io.WriteString(w, text)
		}
	}))
	defer source.Close()
	const document = "\nopenapi_documents: [{document: '%s', upstream: api, reload: 1s}]\n"
	bad := []struct{ name, text, says string }{
		{"away", "away", "status 502"},
		{"empty", "", "is empty"},
		{"a page", "<html>", "is no object"},
		{"no operations", described(``), "no operations"},
		{"cut", "cut", "broke off"},
		{"a redirect to another host", "elsewhere", "redirect is not followed"},
		{"too long", `{"a": "` + strings.Repeat("x", 5<<20) + `"}`, "too l"},
		{"a scheme that nobody knows", strings.Replace(described(`"/a": {"get": {}}`), `"X-API-Key"`, `"X-Token"`, 1), "keys.header: X-Token"},
		{"a limit that there is not", described(`"/a": {"get": {"x-warder-limits": ["few"]}}`), "x-warder-limits names"},
		{"a document that takes limits away", described(`"/a": {"get": {"x-warder-limits": ["off"]}}`), "cannot take limits away"},
		{"two paths of which none is more specific", described(`"/a/{x}.json": {"get": {}}, "/a/v{y}": {"get": {}}`), `pattern "GET /a/{p1_0}.json" conflicts with "GET /a/v{p1_0}"`},
		{"a path outside", described(`"/a": {"$ref": "http://169.254.169.254/"}`), "leads out of the document"},
	}
	attack.Case(t, "OAS-03", attack.Gateway, func(t *testing.T) {
		for _, tt := range bad {
			set(tt.text)
			if err := failsToStart(t, address, fmt.Sprintf(document, source.URL+"/openapi.json?token=hunter2")); err == nil || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s: the start says %v, want %q", tt.name, err, tt.says)
			}
		}
		for _, place := range []string{"http://127.0.0.1:1/openapi.json?token=hunter2", filepath.Join(t.TempDir(), "none.json"), t.TempDir()} {
			if err := failsToStart(t, address, fmt.Sprintf(document, place)); err == nil || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("a document that is not there: the start says %v", err)
			}
		}
		set(described(`"/a": {"get": {}}`))
		p := start(t, address, settings{yaml: fmt.Sprintf(document, source.URL+"/openapi.json?token=hunter2"), token: secret.New("sesame")})
		for _, tt := range bad {
			set(tt.text)
			eventually(t, func() (bool, bool) { return true, strings.Contains(p.drift(t).Problem, tt.says) })
			if status, _ := p.call(t, http.MethodGet, "/a", p.key, ""); status != http.StatusOK {
				t.Errorf("%s: the last good document is gone: %d", tt.name, status)
			}
			if status, _ := p.call(t, http.MethodGet, "/a", "", ""); status != http.StatusUnauthorized {
				t.Errorf("%s: without a key %d", tt.name, status)
			}
		}
		if got := p.ready(t); got != "ready, but an OpenAPI document needs care: see the log\n" {
			t.Errorf("/readyz says %q", got)
		}
		if got := p.metric(t, `warder_openapi_document_problems{document="api",what="failing"}`); got != "1" {
			t.Errorf("the metric is %q", got)
		}
		set(described(`"/a": {"get": {}}, "/b": {"get": {}}`))
		eventually(t, func() (bool, bool) {
			status, _ := p.call(t, http.MethodGet, "/b", p.key, "")
			return true, status == http.StatusOK
		})
		if got := p.ready(t); got != "ready\n" {
			t.Errorf("/readyz says %q", got)
		}
		if text := p.log(t); !strings.Contains(text, "cannot be read") || !strings.Contains(text, "is not usable") || strings.Contains(text, "hunter2") {
			t.Error("the log does not tell, or tells the URL")
		}
	})
}

// failsToStart returns why a program with this configuration does not start.
func failsToStart(t *testing.T, upstream, yaml string) error {
	t.Helper()
	cfg := settings{yaml: yaml}.load(t, t.TempDir(), upstream)
	listeners, err := server.Listen(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	db, err := sqlite.Open(t.Context(), sqlite.Config{Path: cfg.DB, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	return server.Run(ctx, server.Options{
		Config: cfg, Listeners: listeners, Store: db.APIKeys(), Registry: db.Nodes(), Sessions: db.Sessions(), Credits: db.Credits(), Peppers: newPeppers(t),
		AccessLog: log, Log: log, Dropped: func() uint64 { return 0 }, Version: "test", Ready: cancel,
	})
}

// TestNoRequestFailsWhileADocumentChanges: requests that meet the exchange of
// routes get the old ones or the new ones.
func TestNoRequestFailsWhileADocumentChanges(t *testing.T) {
	t.Parallel() // it waits for documents to be read again
	p, file, _ := withDocument(t, described(`"/a": {"get": {}}, "/n0": {"get": {}}`), ", insecure_follow_upstream: true", settings{})
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var sent atomic.Int64
	failed := make(chan string, 4)
	for range 4 {
		wg.Go(func() {
			client := &http.Client{Transport: new(http.Transport)}
			defer client.CloseIdleConnections()
			for {
				select {
				case <-stop:
					return
				default:
				}
				if status, err := ask(t, client, "http://"+p.gateway+"/a", p.key); err != nil || status != http.StatusOK {
					failed <- fmt.Sprint(status, err)
					return
				}
				sent.Add(1)
			}
		})
	}
	for n := range 3 {
		path := fmt.Sprintf("/n%d", n+1)
		writeDocument(t, file, described(`"/a": {"get": {}}, "`+path+`": {"get": {}}`))
		eventually(t, func() (bool, bool) {
			status, _ := p.call(t, http.MethodGet, path, p.key, "")
			return true, status == http.StatusOK
		})
	}
	eventually(t, func() (bool, bool) { return true, sent.Load() > 100 })
	close(stop)
	wg.Wait()
	select {
	case what := <-failed:
		t.Errorf("a request failed: %s", what)
	default:
	}
}

func ask(t *testing.T, client *http.Client, address, key string) (int, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
	if err != nil {
		return 0, err
	}
	r.Header.Set("X-API-Key", key)
	response, err := client.Do(r)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, response.Body)
	return response.StatusCode, errors.Join(err, response.Body.Close())
}

// TestDrift: what a document and the traffic do not agree about.
func TestDrift(t *testing.T) {
	const paths = `"/a/{id}": {"get": {"parameters": [{"in": "path", "name": "id", "required": true, "schema": {"type": "integer"}}]}}, "/b": {"get": {}}`
	p, file, reached := withDocument(t, described(paths), ", mode: shadow, undeclared: report", settings{})
	for path, want := range map[string]int{"/a/1": 200, "/a/x": 200, "/other/wrd_live_abc123/list": 200} {
		if status, _ := p.call(t, http.MethodGet, path, p.key, ""); status != want {
			t.Errorf("GET %s: %d, want %d", path, status, want)
		}
		if status, _ := p.call(t, http.MethodGet, path, "", ""); status != http.StatusUnauthorized {
			t.Errorf("GET %s without a key: %d, want 401", path, status)
		}
	}
	if reached.Load() != 3 {
		t.Errorf("the API was reached %d times, want 3", reached.Load())
	}
	for n := range 300 {
		p.call(t, http.MethodGet, "/y"+strings.Repeat(string(rune('a'+n%26)), 1+n/26), p.key, "")
	}
	d := p.drift(t)
	if !slices.Equal(d.NeverSeen, []string{"GET /b"}) || !slices.Equal(d.Invalid, []keyservice.DocumentCounts{{What: "GET /a/{id}", Times: 1}}) {
		t.Errorf("never seen %q, invalid %v", d.NeverSeen, d.Invalid)
	}
	if len(d.Undeclared) != 256 || d.UndeclaredOther == 0 || !slices.Contains(d.Undeclared, keyservice.DocumentCounts{What: "GET /other/{}/list", Times: 1}) {
		t.Errorf("%d undeclared shapes and %d others, want 256 and the rest: %v", len(d.Undeclared), d.UndeclaredOther, d.Undeclared[:3])
	}
	if got := p.metric(t, `warder_shadow_refusals_total{reason="parameters",stage="validate"}`); got != "1" {
		t.Errorf("the shadow counted %q", got)
	}
	for what, want := range map[string]string{"declared": "2", "invalid": "1"} {
		if got := p.metric(t, `warder_openapi_requests_total{document="api",what="`+what+`"}`); got != want {
			t.Errorf("%s: %q, want %s", what, got, want)
		}
	}
	p.reload(t) // of the same settings: what was counted stays
	if status, _ := p.call(t, http.MethodGet, "/a/y", p.key, ""); status != http.StatusOK {
		t.Errorf("after the settings were loaded again: %d", status)
	}
	again := p.drift(t)
	if !slices.Equal(again.NeverSeen, []string{"GET /b"}) || !slices.Equal(again.Invalid, []keyservice.DocumentCounts{{What: "GET /a/{id}", Times: 2}}) || len(again.Undeclared) != 256 || again.UndeclaredOther != d.UndeclaredOther {
		t.Errorf("after the settings were loaded again: never seen %q, invalid %v, %d undeclared shapes and %d others", again.NeverSeen, again.Invalid, len(again.Undeclared), again.UndeclaredOther)
	}
	if got := p.metric(t, `warder_openapi_requests_total{document="api",what="declared"}`); got != "3" {
		t.Errorf("after the settings were loaded again: declared %q, want 3", got)
	}
	writeDocument(t, file, strings.Replace(described(paths), `"get": {}`, `"put": {}`, 1)) // GET /b is gone, and waits
	eventually(t, func() (bool, bool) { return true, len(p.drift(t).Held) > 0 })
	writeDocument(t, file, described(strings.Replace(paths, "{id}", "{name}", 1)+`, "/c": {"get": {}}`))
	eventually(t, func() (bool, bool) { return true, len(p.drift(t).NeverSeen) == 2 })
	if got := p.metric(t, `warder_openapi_requests_total{document="api",what="declared"}`); got != "3" {
		t.Errorf("after the document changed: declared %q, want 3", got)
	}
	writeDocument(t, file, described(`"/b": {"get": {}}`))
	eventually(t, func() (bool, bool) { return true, len(p.drift(t).Held) == 2 })
	var confirmed keyservice.DocumentConfirmed
	if status := p.documents(t, http.MethodPost, "/v1/openapi/api:confirm", &confirmed); status != http.StatusOK {
		t.Fatalf("confirm: %d", status)
	}
	for what, want := range map[string]string{"declared": "3", "invalid": "2"} { // a counter never falls
		if got := p.metric(t, `warder_openapi_requests_total{document="api",what="`+what+`"}`); got != want {
			t.Errorf("after the operation is gone: %s %q, want %s", what, got, want)
		}
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+p.admin+"/v1/openapi/drift", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if response := do(t, r); response.StatusCode != http.StatusUnauthorized {
		t.Errorf("without the token: %d, want 401", response.StatusCode)
	}
}

// TestARequestThatTheDocumentRefusesSpendsNothing: neither a limit by key nor a
// credit; the limit by address counts it.
func TestARequestThatTheDocumentRefusesSpendsNothing(t *testing.T) {
	attack.Case(t, "LIMIT-06", attack.Gateway, func(t *testing.T) {
		p, _, reached := withDocument(t, described(`"/a": {"get": {"x-warder-limits": ["few"], "parameters": [{"in": "query", "name": "n", "schema": {"type": "integer"}}]}}`), "", settings{
			yaml: "rate_limits: {few: {count: 2, per: 1h, by: [key]}, all: {count: 7, per: 1h, by: [address]}}\ndefault_rate_limits: [all]",
		})
		for range 4 {
			if status, text := p.call(t, http.MethodGet, "/a?n=x", p.key, ""); status != http.StatusBadRequest {
				t.Fatalf("%d %s, want 400", status, text)
			}
		}
		for i, want := range []int{200, 200, 429, 429} {
			if status, text := p.call(t, http.MethodGet, "/a?n=1", p.key, ""); status != want {
				t.Errorf("request %d after those: %d %s, want %d", i, status, text, want)
			}
		}
		if reached.Load() != 2 {
			t.Errorf("the API was reached %d times, want 2", reached.Load())
		}
		if got := p.metric(t, `warder_rate_limit_decisions_total{limit="few",outcome="passed"}`); got != "2" {
			t.Errorf("the limit by key passed %s, want 2", got)
		}
	})
}
