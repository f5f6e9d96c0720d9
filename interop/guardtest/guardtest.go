// Package guardtest tries to walk around the guards of a router.
package guardtest

import (
	"bufio"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/bodylimit"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/forwarded"
	"github.com/warder-dev/warder/internal/wire"
	"github.com/warder-dev/warder/target"
)

// Guards are what the routes of every router meet.
type Guards struct {
	Read, Write *authn.Stage  // a key with orders:read, with orders:write
	Stack       *warder.Stack // the edge, and a Policy without Authn: for routes that are guarded one by one
	Table       *warder.Stack // the same edge, and a table in front: all but GET /healthz needs a key
}

// NewGuards makes them of key.
func NewGuards(key authn.Scheme) (*Guards, error) {
	read, err1 := authn.New(authn.Config{Requirement: authn.Require(key, "orders:read")})
	write, err2 := authn.New(authn.Config{Requirement: authn.Require(key, "orders:write")})
	paths, err3 := target.New(target.Config{})
	body, err4 := bodylimit.New(bodylimit.Config{Max: 1 << 20})
	edge := warder.Edge{Forwarded: forwarded.Direct(), Target: paths}
	table := new(warder.Routes)
	return &Guards{
			Read: read, Write: write,
			Stack: &warder.Stack{Edge: edge, Policy: &warder.Policy{BodyLimit: body}},
			Table: &warder.Stack{Edge: edge, Route: table},
		}, errors.Join(err1, err2, err3, err4,
			table.Handle("GET /healthz", &warder.Policy{}),
			table.Handle("POST /orders", &warder.Policy{BodyLimit: body, Authn: write}),
			table.Handle("/", &warder.Policy{BodyLimit: body, Authn: read}),
		)
}

// Order is the handler that must not be reached unproved: it says whose request
// it was.
func Order(w http.ResponseWriter, r *http.Request) {
	_, _ = io.WriteString(w, "order of "+exchange.From(r.Context()).Principal.Owner)
}

// keys are the texts of a reader's and a writer's key.
type keys struct {
	scheme       authn.Scheme
	reads, wrote string
}

func newKeys(t *testing.T) keys {
	t.Helper()
	line, err := apikey.NewPepper(rand.Reader)
	must(t, err)
	peppers, err := apikey.ParsePeppers(line)
	must(t, err)
	store := new(apikey.MemoryStore)
	verifier, err := apikey.NewVerifier(apikey.VerifierConfig{Store: store, Peppers: peppers, Log: slog.New(slog.DiscardHandler)})
	must(t, err)
	t.Cleanup(func() { _ = verifier.Close() })
	issuer, err := apikey.NewIssuer(apikey.IssuerConfig{Store: store, Peppers: peppers, Prefix: "wrd", Random: rand.Reader, Changed: verifier.Invalidate})
	must(t, err)
	scheme, err := apikey.NewHeader(apikey.HeaderConfig{Verifier: verifier})
	must(t, err)
	k := keys{scheme: scheme}
	for text, scope := range map[*string]string{&k.reads: "orders:read", &k.wrote: "orders:write"} {
		_, key, err := issuer.Create(t.Context(), apikey.By{Actor: "test", Source: "test"}, apikey.Spec{Environment: "test", Name: scope, Owner: "acme", Scopes: []string{scope}})
		must(t, err)
		*text = key.Reveal()
	}
	return k
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Run sends requests to the handler that build makes of a scheme of keys, whose
// routes are
//
//	GET  /healthz       for everybody: "well"
//	GET  /orders/{id}   for a key with orders:read: [Order]
//	POST /orders        for a key with orders:write: [Order]
func Run(t *testing.T, build func(key authn.Scheme) (http.Handler, error)) {
	t.Helper()
	k := newKeys(t)
	handler, err := build(k.scheme)
	must(t, err)
	var reached atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		said := &listener{ResponseWriter: w}
		handler.ServeHTTP(said, r)
		if r.Header.Get("X-API-Key") == "" && strings.Contains(said.text.String(), "order of") {
			reached.Add(1)
		}
	}))
	t.Cleanup(server.Close)
	addr := server.Listener.Addr().String()
	t.Run("routes are guarded", func(t *testing.T) { k.routes(t, addr) })
	t.Run("and not walked around", func(t *testing.T) { around(t, addr) })
	server.Close() // what ran has ended
	if n := reached.Load(); n > 0 {
		t.Errorf("the handler ran %d times for requests without a key", n)
	}
}

// A listener hears what is written, also what a client is not sent because the
// answer has ended.
type listener struct {
	http.ResponseWriter
	text strings.Builder
}

func (l *listener) Write(b []byte) (int, error) {
	l.text.Write(b)
	return l.ResponseWriter.Write(b)
}

func (l *listener) Unwrap() http.ResponseWriter { return l.ResponseWriter }

// RunProgram builds and starts the program of the folder, sends the request that
// it prints, with the key and without, and ends it as a user does.
func RunProgram(t *testing.T) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "program")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	cmd := exec.CommandContext(t.Context(), program, "-addr", "127.0.0.1:0")
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the program printed %q: %v", line, err)
	}
	m := regexp.MustCompile(`^curl -i -H 'X-API-Key: (demo_\S+)' http://(127\.0\.0\.1:\d+)(/orders/1)\n$`).FindStringSubmatch(line)
	if m == nil {
		t.Fatalf("the program printed %q, want a curl line", line)
	}
	if status, body := send(t, m[2], http.MethodGet, m[3], m[1]); status != http.StatusOK || body != "order of acme" {
		t.Errorf("as printed: %d %q", status, body)
	}
	if status, body := send(t, m[2], http.MethodGet, m[3], ""); status != http.StatusUnauthorized {
		t.Errorf("without the key: %d %q", status, body)
	}
	must(t, cmd.Process.Signal(os.Interrupt))
	if err := cmd.Wait(); err != nil {
		t.Errorf("after an interrupt: %v, want a clean end", err)
	}
}

func (k keys) routes(t *testing.T, addr string) {
	for _, tt := range []struct {
		name, method, target, key string
		status                    int
		body                      string
	}{
		{"public", "GET", "/healthz", "", 200, "well"},
		{"no key", "GET", "/orders/1", "", 401, ""},
		{"a wrong key", "GET", "/orders/1", "wrd_test_wrong", 401, ""},
		{"a good key", "GET", "/orders/1", k.reads, 200, "order of acme"},
		{"its path in another encoding", "GET", "/%6frders/%31", k.reads, 200, "order of acme"},
		{"without the scope", "POST", "/orders", k.reads, 403, ""},
		{"with the scope", "POST", "/orders", k.wrote, 200, "order of acme"},
		{"no key to write", "POST", "/orders", "", 401, ""},
		{"a wrong key on no route", "GET", "/none", "wrd_test_wrong", 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, body := send(t, addr, tt.method, tt.target, tt.key)
			if tt.status != 0 && status != tt.status || tt.body != "" && body != tt.body || strings.Contains(body, "order of") != (tt.status == 200 && tt.target != "/healthz") {
				t.Errorf("got %d %q, want %d %q", status, body, tt.status, tt.body)
			}
		})
	}
}

// around sends requests without a key whose targets one program may read as the
// guarded routes and another as something else.
func around(t *testing.T, addr string) {
	for _, target := range []string{
		"/orders/1", "/orders/1/", "//orders/1", "/orders//1", "/./orders/1", "/x/../orders/1", "/healthz/../orders/1", "/healthz%2f..%2forders/1",
		"/healthz/..%2forders%2f1", "/ORDERS/1", "/Orders/1", "/%6Frders/1", "/%6frders/%31", "/orders%2f1", "/orders%2F1", "/orders/1%2f", "/orders/1%00", "/orders/1;a=1",
		"/orders;a=1/1", `/orders\1`, "/orders%5c1", "/orders/1?a", "/orders/1?", "/orders/1/.", "/orders/.", "/orders/..", "/orders", "/orders/", "/orders?_method=POST",
		"http://healthz/orders/1", "/healthz?/../orders/1", "*",
	} {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "get", "PROPFIND"} {
			status, body := send(t, addr, method, target, "", "X-HTTP-Method-Override: POST", "X-Original-URL: /healthz", "X-Forwarded-Prefix: /healthz")
			health := strings.HasPrefix(target, "/healthz?")
			if status >= 200 && status < 300 && method != http.MethodOptions && !health || strings.Contains(body, "order of") {
				t.Errorf("%s %s without a key: %d %q", method, target, status, body)
			}
		}
	}
}

// send sends the bytes of one request; a connection that ends without an answer
// has the status 0.
func send(t *testing.T, addr, method, target, key string, fields ...string) (status int, body string) {
	t.Helper()
	if key != "" {
		fields = append(fields, "X-API-Key: "+key)
	}
	c := wire.Dial(t, addr)
	defer c.Close() //nolint:errcheck // all is read
	host, _, err := net.SplitHostPort(addr)
	must(t, err)
	c.Send(method + " " + target + " HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n" + strings.Join(append(fields, "Content-Length: 0"), "\r\n") + "\r\n\r\n")
	w, body := c.Response(method)
	if w == nil {
		return 0, ""
	}
	return w.StatusCode, body
}
