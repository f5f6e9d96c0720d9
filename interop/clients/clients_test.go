// Package clients_test runs the one-file clients of examples/clients against a
// warder that runs, and against servers that answer whatever a server should not.
package clients_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// A client is one of the files, and how it is run.
type client struct {
	name    string
	command func(server, timeout string) []string
}

// clients are both, the one in TypeScript checked and translated.
func clients(t *testing.T) []client {
	t.Helper()
	folder := t.TempDir()
	compiler := absolute(t, "../openapi/node_modules/typescript/bin/tsc")
	out, err := exec.CommandContext(t.Context(), "node", compiler, "--strict", "--target", "es2022", "--module", "es2022", "--lib", "es2022,dom,dom.iterable",
		"--outDir", folder, absolute(t, "../../examples/clients/verify.ts")).CombinedOutput()
	if err != nil {
		t.Fatalf("tsc: %v\n%s", err, out)
	}
	copyFile(t, "../../examples/clients/package.json", filepath.Join(folder, "package.json"))
	return []client{
		{"TypeScript", func(server, timeout string) []string {
			return []string{"node", "testdata/run.mjs", filepath.Join(folder, "verify.js"), server, timeout}
		}},
		{"Python", func(server, timeout string) []string {
			return []string{"/usr/bin/python3", "-B", "testdata/run.py", absolute(t, "../../examples/clients/verify.py"), server, timeout}
		}},
	}
}

func absolute(t *testing.T, name string) string {
	t.Helper()
	full, err := filepath.Abs(name)
	if err != nil {
		t.Fatal(err)
	}
	return full
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A verdict is what the tests look at of one.
type verdict struct {
	Valid     bool
	Code      string
	Status    int
	Reason    string
	Refused   string // by the constructor
	Retry     int    `json:"retry_after"`
	Principal struct{ ID, Owner string }
	Header    map[string]string
	Misuse    [][2]string // fields and messages of what was raised in place of a verdict
	Text      string      // of that
}

// ask has c ask server for each use.
func (c client) ask(t *testing.T, server, token, timeout string, uses ...map[string]any) []verdict {
	t.Helper()
	var in bytes.Buffer
	for _, use := range uses {
		text, err := json.Marshal(use)
		if err != nil {
			t.Fatal(err)
		}
		in.Write(append(text, '\n'))
	}
	args := c.command(server, timeout)
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Stdin, cmd.Env = &in, append(cmd.Environ(), "WARDER_TOKEN="+token, "HTTP_PROXY=http://127.0.0.1:1", "http_proxy=http://127.0.0.1:1")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", c.name, err, stderr.String())
	}
	if token != "" && (bytes.Contains(out, []byte(token)) || strings.Contains(stderr.String(), token)) {
		t.Errorf("the token is in the output: %s%s", out, stderr.String())
	}
	var all []verdict
	for line := range strings.Lines(string(out)) {
		var v verdict
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatalf("%s: %q: %v", c.name, line, err)
		}
		all = append(all, v)
	}
	return all
}

// A server is a warder that runs, with a key.
type server struct{ admin, token, auditor, key, id string }

// start builds warder and runs it with a route that wants orders:read.
func start(t *testing.T) server {
	t.Helper()
	folder := t.TempDir()
	program := filepath.Join(folder, "warder")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./cmd/warder")
	build.Dir = absolute(t, "../..")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	warder := func(args ...string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), program, args...)
		cmd.Dir = folder
		return cmd
	}
	key, err := warder("keys", "create", "--owner", "acme", "--scopes", "orders:read", "--ip", "192.0.2.0/24", "--output", "secret").Output()
	if err != nil {
		t.Fatal(err)
	}
	id, err := warder("keys", "list", "--output", "id").Output()
	if err != nil {
		t.Fatal(err)
	}
	auditor, err := warder("admins", "keys", "create", "--role", "auditor", "--output", "secret").Output() // who may verify nothing
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(folder, "warder.yaml"), "listen: 127.0.0.1:0\nadmin_listen: 127.0.0.1:0\nupstreams: {api: {url: \"http://127.0.0.1:1\"}}\nroutes: [{match: /orders/, upstream: api, scopes: [\"orders:read\"]}, {match: /admin/, upstream: api, scopes: [\"admin\"]}]\n")
	run := warder("serve", "--config", "warder.yaml")
	stderr, err := run.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	s := server{auditor: strings.TrimSpace(string(auditor)), key: strings.TrimSpace(string(key)), id: strings.TrimSpace(string(id)), admin: found(t, stderr, regexp.MustCompile(`metrics and probes on (http://\S+)`))}
	token, err := os.ReadFile(filepath.Join(folder, "warder.db.admin"))
	if err != nil {
		t.Fatal(err)
	}
	s.token = strings.TrimSpace(string(token))
	return s
}

// found reads what a program says until it says what is looked for, and goes on
// reading.
func found(t *testing.T, from io.Reader, what *regexp.Regexp) string {
	t.Helper()
	var said []byte
	part := make([]byte, 4096)
	for {
		n, err := from.Read(part)
		said = append(said, part[:n]...)
		if m := what.FindSubmatch(said); m != nil && bytes.Contains(said, []byte("serving")) {
			go io.Copy(io.Discard, from) //nolint:errcheck // until the program ends
			return string(m[1])
		}
		if err != nil {
			t.Fatalf("the program said %s: %v", said, err)
		}
	}
}

func TestAgainstAServer(t *testing.T) {
	all, s := clients(t), start(t)
	good := map[string]any{"key": s.key, "method": "GET", "target": "/orders/17", "address": "192.0.2.7", "scopes": []string{"orders:read"}}
	with := func(name string, value any) map[string]any {
		use := map[string]any{}
		maps.Copy(use, good)
		use[name] = value
		return use
	}
	cases := []struct {
		name   string
		use    map[string]any
		code   string
		status int
	}{
		{"good", good, "valid", 200},
		{"another address", with("address", "198.51.100.1"), "forbidden", 403},
		{"a scope it lacks", with("scopes", []string{"admin"}), "insufficient-scope", 403},
		{"no key", with("key", "hello"), "invalid", 401},
		{"an empty key", with("key", ""), "invalid", 401},
		{"a long key", with("key", strings.Repeat("k", 10_000)), "invalid", 401},
		{"a target with two readings", with("target", "/orders/../admin"), "refused", 400},
		{"no credits", with("cost", 1), "credits-exhausted", 429},
		{"by the gateway", map[string]any{"key": s.key, "method": "GET", "target": "http://localhost/orders/17", "address": "192.0.2.7", "gateway": true}, "valid", 200},
		{"by the gateway, another route", map[string]any{"key": s.key, "method": "GET", "target": "http://localhost/admin/", "address": "192.0.2.7", "gateway": true}, "insufficient-scope", 403},
		{"by the gateway, no route", map[string]any{"key": s.key, "method": "GET", "target": "http://localhost/", "address": "192.0.2.7", "gateway": true}, "refused", 404},
	}
	uses := make([]map[string]any, len(cases))
	for i := range cases {
		uses[i] = cases[i].use
	}
	for _, c := range all {
		t.Run(c.name, func(t *testing.T) {
			got := c.ask(t, s.admin, s.token, "60", uses...)
			if len(got) != len(cases) {
				t.Fatalf("%d verdicts to %d questions", len(got), len(cases))
			}
			for i, tt := range cases {
				if v := got[i]; v.Valid != (tt.status == 200) || v.Code != tt.code || v.Status != tt.status {
					t.Errorf("%s: %+v, want %s, %d", tt.name, v, tt.code, tt.status)
				}
			}
			if got[0].Principal.ID != s.id || got[0].Principal.Owner != "acme" || got[8].Header["X-Request-Id"] == "" {
				t.Errorf("%+v, %+v", got[0], got[8])
			}
			for token, status := range map[string]string{"wrong-token": "401", s.auditor: "403"} {
				want := "the server refuses your token: it answered " + status
				if v := c.ask(t, s.admin, token, "60", good)[0]; v.Valid || v.Code != "unavailable" || v.Status != 503 || v.Reason != want {
					t.Errorf("with a token that may not: %+v, want the reason %q", v, want)
				}
			}
			misused(t, c, s, with)
		})
	}
	t.Run("the guide's lines", func(t *testing.T) { theGuide(t, s) })
}

// misused wants what the API does not take to be raised with its fields, and without
// what was sent.
func misused(t *testing.T, c client, s server, with func(string, any) map[string]any) {
	t.Helper()
	calls := []struct {
		use    map[string]any
		fields []string
	}{
		{with("colour", "wrd-red-canary"), []string{"colour"}},
		{with("scopes", []any{"wrd-red canary", 7}), []string{"scopes[1]"}},
		{with("cost", -1), []string{"cost"}},
		{with("address", "wrd-red-canary"), []string{"address"}},
	}
	uses := make([]map[string]any, len(calls))
	for i := range calls {
		uses[i] = calls[i].use
	}
	for i, v := range c.ask(t, s.admin, s.token, "60", uses...) {
		var fields []string
		for _, pair := range v.Misuse {
			fields = append(fields, pair[0])
			if pair[1] == "" || !strings.Contains(v.Text, pair[0]+": "+pair[1]) {
				t.Errorf("%v: %+v, want a message for each field", calls[i].use, v)
			}
		}
		if v.Valid || v.Code != "" || !slices.Equal(fields, calls[i].fields) || strings.Contains(v.Text, "canary") || strings.Contains(v.Text, s.key) {
			t.Errorf("%v: %+v, want the fields %v raised", calls[i].use, v, calls[i].fields)
		}
	}
}

// theGuide runs what the guide shows.
func theGuide(t *testing.T, s server) {
	t.Helper()
	page, err := os.ReadFile("../../docs/guide/admin-api.md")
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	for kind, run := range map[string][]string{"python": {"/usr/bin/python3", "-B", "use.py"}, "ts": {"node", "use.js"}} {
		m := regexp.MustCompile("(?s)```" + kind + "\n(.*?)```").FindSubmatch(page)
		if m == nil {
			t.Fatalf("the guide has no block in %s", kind)
		}
		text := strings.ReplaceAll(string(m[1]), "http://127.0.0.1:8081", s.admin)
		if kind == "python" {
			copyFile(t, "../../examples/clients/verify.py", filepath.Join(folder, "verify.py"))
			write(t, filepath.Join(folder, "use.py"), fmt.Sprintf("token, key = %q, %q\n%s", s.token, s.key, text))
		} else {
			copyFile(t, "../../examples/clients/verify.ts", filepath.Join(folder, "verify.ts"))
			write(t, filepath.Join(folder, "use.ts"), strings.Replace(text, "\n\n", fmt.Sprintf("\n\nconst token = %q, key = %q;\n", s.token, s.key), 1))
			copyFile(t, "../../examples/clients/package.json", filepath.Join(folder, "package.json"))
			compile := exec.CommandContext(t.Context(), "node", absolute(t, "../openapi/node_modules/typescript/bin/tsc"), "--strict", "--target", "es2022", "--module", "es2022", "--moduleResolution", "bundler", "--lib", "es2022,dom,dom.iterable", "use.ts")
			compile.Dir = folder
			if out, err := compile.CombinedOutput(); err != nil {
				t.Fatalf("tsc: %v\n%s", err, out)
			}
		}
		cmd := exec.CommandContext(t.Context(), run[0], run[1:]...)
		cmd.Dir = folder
		out, err := cmd.CombinedOutput()
		if err != nil || string(out) != "200 valid\n" {
			t.Errorf("%s: %v, %q", kind, err, out)
		}
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	write(t, to, string(text))
}

// Whatever is no clear yes is 503, and never a pass.
func TestFailsClosed(t *testing.T) {
	answers := map[string]http.HandlerFunc{
		"500":                    status(500, `{"valid":true,"code":"valid","status":200}`),
		"201 with a pass":        status(201, `{"valid":true,"code":"valid","status":200}`),
		"400 without errors":     status(400, `{}`),
		"400 of odd errors":      status(400, `{"type":"x#y","status":400,"errors":[{"field":1,"message":"m"}]}`),
		"400 that is no problem": status(400, `{"errors":[{"field":"scopes","message":"m"}]}`),
		"a page":                 status(200, "<html>welcome</html>"),
		"nothing":                status(200, ""),
		"null":                   status(200, "null"),
		"a list":                 status(200, `[true]`),
		"valid in words":         status(200, `{"valid":"true","code":"valid","status":200}`),
		"valid as a number":      status(200, `{"valid":1,"code":"valid","status":200}`),
		"valid with 401":         status(200, `{"valid":true,"code":"valid","status":401}`),
		"valid and invalid":      status(200, `{"valid":true,"code":"invalid","status":200}`),
		"invalid with 200":       status(200, `{"valid":false,"code":"invalid","status":200}`),
		"a status in words":      status(200, `{"valid":true,"code":"valid","status":"200"}`),
		"cut":                    status(200, `{"valid":true,"code":"valid","status":200`),
		"no UTF-8":               status(200, "{\"valid\":true,\"code\":\"valid\",\"status\":200,\"reason\":\"\xff\"}"),
		"two values":             status(200, `{"valid":true,"code":"valid","status":200}{}`),
		"too long":               status(200, `{"valid":true,"code":"valid","status":200,"reason":"`+strings.Repeat("a", 2<<20)+`"}`),
		"deep":                   status(200, strings.Repeat("[", 200_000)),
		"broken off": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, `{"valid":true,`) // the connection ends here
		},
	}
	passes := httptest.NewServer(status(200, `{"valid":true,"code":"valid","status":200}`))
	defer passes.Close()
	for _, code := range []int{301, 302, 303, 307, 308} {
		answers[fmt.Sprintf("a redirect, %d", code)] = func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, passes.URL, code) }
	}
	use := map[string]any{"key": "wrd_live_x", "method": "GET"}
	for _, c := range clients(t) {
		t.Run(c.name, func(t *testing.T) {
			if v := c.ask(t, passes.URL, "token", "60", use)[0]; !v.Valid {
				t.Fatalf("a clear yes: %+v", v)
			}
			names := slices.Sorted(maps.Keys(answers))
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				var asked struct{ Cost int }
				if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
					t.Error(err)
				}
				answers[names[asked.Cost]](w, r)
			}))
			defer s.Close()
			uses := make([]map[string]any, len(names))
			for i := range names {
				uses[i] = map[string]any{"key": "wrd_live_x", "cost": i}
			}
			for i, v := range c.ask(t, s.URL, "token", "60", uses...) {
				if v.Valid || v.Code != "unavailable" || v.Status != 503 {
					t.Errorf("%s: %+v", names[i], v)
				}
			}
			throttled := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", "7")
				w.WriteHeader(http.StatusTooManyRequests)
				_, _ = io.WriteString(w, `{}`)
			}))
			defer throttled.Close()
			if v := c.ask(t, throttled.URL, "token", "60", use)[0]; v.Valid || v.Code != "rate-limited" || v.Status != 429 || v.Retry != 7 {
				t.Errorf("throttled: %+v", v)
			}
			silent(t, c, use)
			for _, server := range []string{"http://192.0.2.1:8081", "http://localhost.example.com", "ftp://127.0.0.1", "http://u:p@127.0.0.1", "http://127.0.0.1/x", "http://127.0.0.1?x=y"} {
				if v := c.ask(t, server, "token", "1")[0]; v.Refused == "" {
					t.Errorf("%s: %+v, want it refused", server, v)
				}
			}
			for _, token := range []string{"", "a b", "a\nb"} {
				if v := c.ask(t, "http://127.0.0.1:1", token, "1")[0]; v.Refused == "" {
					t.Errorf("token %q: %+v, want it refused", token, v)
				}
			}
			if v := c.ask(t, "http://127.0.0.1:1", "token", "60", use)[0]; v.Code != "unavailable" {
				t.Errorf("nobody there: %+v", v)
			}
		})
	}
}

// silent asks servers that never finish, in time that is given back.
func silent(t *testing.T, c client, use map[string]any) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0") // nobody accepts: the kernel does
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if v := c.ask(t, "http://"+listener.Addr().String(), "token", "0.5", use)[0]; v.Code != "unavailable" || v.Status != 503 {
		t.Errorf("a server that says nothing: %+v", v)
	}
	drips := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil { // each part comes in time, and the answer never
			_, _ = io.WriteString(w, " ")
			_ = http.NewResponseController(w).Flush()
			select {
			case <-r.Context().Done():
			case <-time.After(10 * time.Millisecond):
			}
		}
	}))
	defer drips.Close()
	if v := c.ask(t, drips.URL, "token", "0.5", use)[0]; v.Code != "unavailable" || v.Status != 503 {
		t.Errorf("a server that drips: %+v", v)
	}
}

func status(code int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body) // the client may have had enough
	}
}
