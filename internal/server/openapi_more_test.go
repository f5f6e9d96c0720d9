package server_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/secret"
)

// bodies is a document of one operation that takes JSON, forms and images.
func bodies() string {
	const schema = `{"type": "object", "properties": {"a": {"type": "integer"}}}`
	return described(`"/a": {"post": {"requestBody": {"required": true, "content": {"application/json": {"schema": ` + schema + `}, "application/x-www-form-urlencoded": {"schema": ` + schema + `},
		"multipart/form-data": {"schema": ` + schema + `}, "image/png": {}}}}}`)
}

// gotten is what an API got.
type gotten struct {
	body   string
	length int64
	kind   string
}

// TestAJudgedBodyArrivesAsItWasSent: byte for byte, with its length or without.
func TestAJudgedBodyArrivesAsItWasSent(t *testing.T) {
	got := make(chan gotten, 1)
	api := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("the API could not read the body: %v", err)
		}
		got <- gotten{string(text), r.ContentLength, r.Header.Get("Content-Type")}
	}))
	defer api.Close()
	file := filepath.Join(t.TempDir(), "openapi.json")
	writeDocument(t, file, bodies())
	p := start(t, api.URL, settings{yaml: "openapi_documents: [{document: '" + file + "', upstream: api}]"})
	const parts = "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"x\"\r\n\r\n\x00\xff\r\n--b--\r\n"
	for _, tt := range []struct{ kind, body string }{
		{"application/json", " {\"a\" :\t1.0e0 , \"b\":\"\\u00fc\"}\r\n"},
		{"application/json; charset=utf-8", `{"a": 1}` + strings.Repeat(" ", 500_000)},
		{"application/x-www-form-urlencoded", "a=%31&b=+%2B&&c"},
		{"multipart/form-data; boundary=b", parts},
		{"image/png", strings.Repeat("\x00\xff", 2<<20)},
	} {
		for _, chunked := range []bool{false, true} {
			var body io.Reader = strings.NewReader(tt.body)
			length := int64(len(tt.body))
			if chunked {
				body, length = io.MultiReader(body), -1
			}
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+p.gateway+"/a", body)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", tt.kind)
			r.Header.Set("X-API-Key", p.key)
			if response := do(t, r); response.StatusCode != http.StatusOK {
				text, _ := io.ReadAll(response.Body)
				t.Fatalf("%s, chunked %v: %d %s", tt.kind, chunked, response.StatusCode, text)
			}
			if s := <-got; s.body != tt.body || s.length != length || s.kind != tt.kind {
				t.Errorf("%s, chunked %v: the API got %d bytes, length %d, %q; want %d, %d", tt.kind, chunked, len(s.body), s.length, s.kind, len(tt.body), length)
			}
		}
	}
}

// TestFloodsThroughADocument: none of them reaches the API.
func TestFloodsThroughADocument(t *testing.T) {
	p, _, reached := withDocument(t, bodies(), "", settings{})
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	if _, err := w.Write(make([]byte, 4<<20)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	attack.Case(t, "FLOOD-04", attack.Gateway, func(t *testing.T) {
		for _, tt := range []struct {
			name, kind, coding, body string
			status                   int
		}{
			{"deep", "application/json", "", strings.Repeat("[", 100_000), 400},
			{"wide", "application/json", "", `{"a": [` + strings.Repeat("0,", 400_000) + "0]}", 400},
			{"a million members", "application/json", "", "[" + strings.Repeat("0,", 1_000_000) + "0]", 413},
			{"a number", "application/json", "", `{"a": ` + strings.Repeat("9", 100_000) + "}", 400},
			{"parts", "multipart/form-data; boundary=b", "", strings.Repeat("--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\r\n", 10_000) + "--b--\r\n", 400},
			{"a bomb", "application/json", "gzip", zipped.String(), 415},
		} {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+p.gateway+"/a", strings.NewReader(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", tt.kind)
			r.Header.Set("X-API-Key", p.key)
			if tt.coding != "" {
				r.Header.Set("Content-Encoding", tt.coding)
			}
			response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
			if err != nil {
				continue // refused while it was still being gotten
			}
			if response.StatusCode != tt.status {
				t.Errorf("%s: %d, want %d", tt.name, response.StatusCode, tt.status)
			}
			if err := response.Body.Close(); err != nil {
				t.Error(err)
			}
		}
		if reached.Load() > 0 {
			t.Errorf("the API was reached %d times", reached.Load())
		}
		if status, text := p.call(t, http.MethodPost, "/a", p.key, `{"a": 1}`); status != http.StatusOK {
			t.Errorf("afterwards: %d %s", status, text)
		}
	})
}

// TestSettingsOfDocuments: several documents, each with its own.
func TestSettingsOfDocuments(t *testing.T) {
	address, _ := echo(t)
	folder := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(folder, name)
		writeDocument(t, file, text)
		return file
	}
	const number = `"parameters": [{"in": "query", "name": "n", "schema": {"type": "integer"}}]`
	first := write("first.json", described(`"/a": {"get": {`+number+`}}`))
	bearer := write("bearer.yaml", "openapi: 3.0.3\ninfo: {title: t, version: '1'}\nservers: [{url: /ignored}]\npaths:\n  /a:\n    get: {security: [{HTTPBearer: ['orders:read']}], responses: {}}\ncomponents:\n  securitySchemes:\n    HTTPBearer: {type: http, scheme: bearer}\n")
	p := start(t, address, settings{yaml: fmt.Sprintf(`
schemes: {token: {key: {in: bearer}}}
openapi_documents:
  - {document: '%s', upstream: api, name: off, base_path: /off, mode: 'off'}
  - {document: '%s', upstream: api, name: lax, base_path: /lax, unknown_query: allow}
  - {document: '%s', upstream: api, name: there, base_path: /there, host: there.example}
  - {document: '%s', upstream: api, name: token, base_path: /token}
  - {document: '%s', upstream: api, name: chosen, base_path: /chosen, schemes: {HTTPBearer: apiKey}}
`, first, first, first, bearer, bearer), token: secret.New("sesame")})
	for _, tt := range []struct {
		path, host, key, token string
		status                 int
	}{
		{"/off/a?n=x&m=1", "", p.key, "", 200},
		{"/off/a", "", "", "", 401},
		{"/lax/a?m=1", "", p.key, "", 200},
		{"/lax/a?n=x", "", p.key, "", 400},
		{"/there/a", "there.example", p.key, "", 200},
		{"/there/a", "", p.key, "", 404},
		{"/token/a", "", "", p.key, 200},
		{"/token/a", "", p.key, "", 401},
		{"/ignored/a", "", "", p.key, 404},
		{"/chosen/a", "", p.key, "", 200},
		{"/chosen/a", "", "", p.key, 401},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+p.gateway+tt.path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if tt.host != "" {
			r.Host = tt.host
		}
		if tt.key != "" {
			r.Header.Set("X-API-Key", tt.key)
		}
		if tt.token != "" {
			r.Header.Set("Authorization", "Bearer "+tt.token)
		}
		if response := do(t, r); response.StatusCode != tt.status {
			text, _ := io.ReadAll(response.Body)
			t.Errorf("%+v: %d %s", tt, response.StatusCode, text)
		}
	}
}

// TestADocumentWhereProxiesAsk: its security holds there, too.
func TestADocumentWhereProxiesAsk(t *testing.T) {
	p, _, _ := withDocument(t, described(`"/a": {"get": {"security": [{"apiKey": ["orders:read"]}]}, "put": {"security": [{"apiKey": ["nobody:has"]}]}}, "/b": {"get": {"security": []}}`), ", mode: 'off'", settings{
		yaml: "decision: {listen: '127.0.0.1:0', dialect: nginx}",
	})
	for _, tt := range []struct {
		method, target string
		key            bool
		status         int
	}{
		{"GET", "/a", true, 200},
		{"GET", "/a", false, 401},
		{"PUT", "/a", true, 403},
		{"DELETE", "/a", true, 405},
		{"GET", "/b", false, 200},
		{"GET", "/c", true, 404},
	} {
		var fields []string
		if tt.key {
			fields = []string{"X-Api-Key", p.key}
		}
		w := p.question(t, nginxAsks(tt.method, tt.target), fields...)
		said := w.Header.Get("X-Warder-Status")
		if w.StatusCode != tt.status && said != fmt.Sprint(tt.status) {
			t.Errorf("%s %s, key %v: %d, X-Warder-Status %q, want %d", tt.method, tt.target, tt.key, w.StatusCode, said, tt.status)
		}
	}
}
