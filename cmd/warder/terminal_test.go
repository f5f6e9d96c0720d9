package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A server that is not the one it is taken for cannot write to the terminal what that
// would obey, in no form of output and in no error.
func TestAServerCommandsNoTerminal(t *testing.T) {
	const command = "\x1b]0;title\a\x1b[2J\u009b2J\u202e\U000e0001"
	key := map[string]any{
		"id": "7HqLk2mVxWcP", "prefix": command, "masked": command, "environment": command, "kind": command, "name": command, "owner": command, "plan": command,
		"scopes": []string{command}, "state": command, "metadata": map[string]string{command: command}, "paths": []string{command}, "created": "2026-01-01T00:00:00Z",
		"secrets": []any{map[string]any{"number": 1, "created": "2026-01-01T00:00:00Z", "format": command}}, "revision": 1,
	}
	person := map[string]any{"id": command, "name": command, "email": command, "role": command, "state": command, "created": "2026-01-01T00:00:00Z", "revision": 1}
	record := map[string]any{"id": command, "name": command, "metadata": map[string]string{command: command}, "created": "2026-01-01T00:00:00Z", "revision": 1}
	answers := map[string]any{
		"GET /v1/owners":        map[string]any{"owners": []any{record}},
		"GET /v1/owners/record": map[string]any{"owner": record},
		"PUT /v1/owners/record": map[string]any{"owner": record},
		"GET /v1/whoami":        map[string]any{"actor": command, "role": command, "owner": command, "scheme": command, "rights": []string{command}},
		"GET /v1/keys":          map[string]any{"keys": []any{key}},
		"GET /v1/people":        map[string]any{"people": []any{person}},
		"GET /v1/adminKeys":     map[string]any{"keys": []any{person}},
		"POST /v1/portalLinks":  map[string]any{"id": command, "owner": command, "url": command, "expires": "2026-01-01T00:00:00Z", "session": command},
		"GET /_warder/me": map[string]any{
			"id": "7HqLk2mVxWcP", "state": command, "environment": command, "name": command, "scopes": []string{command}, "created": "2026-01-01T00:00:00Z",
		},
	}
	status := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, code := answers[r.Method+" "+r.URL.Path], http.StatusOK
		if status != 0 {
			code, body = status, map[string]any{
				"type": command, "title": command, "detail": command, "status": status, "errors": []any{map[string]string{"field": command, "message": command}},
			}
		}
		if r.URL.Path == "/openapi.json" {
			code, body = http.StatusOK, map[string]any{"info": map[string]string{"title": "warder key service"}}
		}
		w.Header().Set("Content-Type", "application/json")
		if code >= http.StatusBadRequest {
			w.Header().Set("Content-Type", "application/problem+json")
		}
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(body)
	}))
	defer s.Close()
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte("a-key-of-somebody\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, status = range []int{0, http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusConflict} {
		for _, args := range []string{"whoami", "whoami " + file, "keys list", "admins list", "admins keys list", "portal link acme", "owners list", "owners show acme", "owners set acme"} {
			for _, form := range []string{"table", "json", "yaml"} {
				t.Run(fmt.Sprint(status, " ", args[:min(len(args), 9)], " ", form), func(t *testing.T) {
					var stdout, stderr bytes.Buffer
					code := run(t.Context(), process{
						args:    append(strings.Fields(args), "--server", s.URL, "-o", form),
						environ: []string{"WARDER_TOKEN=TOKENTOKENTOKENTOKEN"}, stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr,
					})
					if (code == 0) != (status == 0) || stdout.Len()+stderr.Len() == 0 {
						t.Fatalf("exit code %d: %s", code, stderr.String())
					}
					if said := stdout.String() + stderr.String(); unshown(said) {
						t.Errorf("the terminal obeys %q", said)
					}
					if form == "json" && status == 0 && !json.Valid(stdout.Bytes()) {
						t.Errorf("no JSON: %s", stdout.String())
					}
				})
			}
		}
	}
}

// A secret is printed as it is, for scripts: so what a server sends in its place has to
// have the form of one, and an address that of one. Ids are escaped.
func TestWhatIsNoSecretIsNotPrinted(t *testing.T) {
	const command = "\x1b]0;title\a\x1b[2J\u009b2J\u202e"
	text := ""
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, at := "7HqLk2mVxWcP", "2026-01-01T00:00:00Z"
		if text == command {
			id = command
		}
		account := map[string]any{"id": id, "name": "n", "role": "viewer", "state": "active", "created": at, "revision": 1}
		key := map[string]any{
			"id": id, "prefix": "pk", "masked": "m", "environment": "live", "kind": "secret", "name": "", "owner": "", "scopes": []string{}, "state": "active", "created": at, "secrets": []any{}, "revision": 1,
		}
		answers := map[string]any{
			"GET /v1/people":                      map[string]any{"people": []any{account}},
			"GET /openapi.json":                   map[string]any{"info": map[string]string{"title": "warder key service"}},
			"GET /v1/whoami":                      map[string]any{"actor": "n", "role": "owner", "scheme": "key", "rights": []string{}},
			"POST /v1/keys":                       map[string]any{"key": key, "text": text},
			"POST /v1/keys/7HqLk2mVxWcP:roll":     map[string]any{"key": key, "text": text},
			"POST /v1/keys:exchange":              map[string]any{"access_token": text, "audience": []string{}, "expires": at, "expires_in": 1, "key_id": id, "scope": "", "token_type": "Bearer"},
			"POST /v1/adminKeys":                  map[string]any{"key": account, "text": text},
			"POST /v1/people":                     map[string]any{"person": account, "link": text},
			"POST /v1/people/7HqLk2mVxWcP:invite": map[string]any{"person": account, "link": text},
			"POST /v1/portalLinks":                map[string]any{"id": id, "owner": "acme", "url": text, "expires": at, "session": "30m"},
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(answers[r.Method+" "+r.URL.Path])
	}))
	defer s.Close()
	for _, args := range []string{
		"keys create", "keys roll 7HqLk2mVxWcP", "keys token -", "admins add n --role auditor", "admins keys create --name n --role auditor", "portal link acme",
	} {
		for _, form := range []string{"secret", "id"} {
			if form == "id" && args == "keys token -" {
				continue // it has none
			}
			for _, tt := range []struct {
				text string
				good bool
			}{
				{"https://keys.example/open#live_7HqLk2mVxWcPaaaa.bbb-c", true},
				{command, false},
				{"https://keys.example/#" + command, false},
				{"https://keys.example/a b", false},
				{"https://keys.example/a\nhttps://evil.example/b", false},
				{"javascript:alert(1)", args != "portal link acme"},
				{"", false},
			} {
				text = tt.text
				var stdout, stderr bytes.Buffer
				code := run(t.Context(), process{
					args:    append(strings.Fields(args), "--server", s.URL, "-o", form),
					environ: []string{"WARDER_TOKEN=TOKENTOKENTOKENTOKEN"}, stdin: strings.NewReader("a-key-of-somebody\n"), stdout: &stdout, stderr: &stderr,
				})
				if unshown(stdout.String() + stderr.String()) {
					t.Errorf("%s -o %s: the terminal obeys %q %q", args, form, stdout.String(), stderr.String())
				}
				if form == "id" && args == "portal link acme" {
					continue // the id alone, and never the address
				}
				where := stdout.String()
				if form == "id" {
					where = stderr.String()
				}
				if has := tt.text != "" && strings.Contains(where, tt.text+"\n"); has != tt.good || (code == 0) != tt.good {
					t.Errorf("%s -o %s of %q: exit code %d, %q %q", args, form, tt.text, code, stdout.String(), stderr.String())
				}
			}
		}
	}
}
