package upstream_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/wire"
	"github.com/warder-dev/warder/upstream"
)

// TestMain silences the one line that http.Transport logs by itself, about bytes
// behind a response: a test sends them by the hundred.
func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler)) // which the log package then writes to
	m.Run()
}

// edge stands for the stages before the upstream.
type edge struct {
	set func(*exchange.Exchange)

	mu       sync.Mutex
	outcomes []exchange.Outcome
	done     chan exchange.Outcome
}

// Check sets what the edge of a Stack would.
func (e *edge) Check(x *exchange.Exchange) exchange.Verdict {
	r := x.Request
	host, port, _ := strings.Cut(r.Host, ":")
	x.ID, x.Scheme, x.Host, x.Port = "id-1", "http", host, port
	x.Client = netip.MustParseAddr("192.0.2.1")
	x.Path, x.RawQuery = r.URL.EscapedPath(), r.URL.RawQuery
	if r.RequestURI != "*" {
		x.Path, _, _ = strings.Cut(r.RequestURI, "?")
	}
	x.UpstreamPath = x.Path
	x.Principal = principal()
	if e.set != nil {
		e.set(x)
	}
	return exchange.Pass()
}

// Done keeps the outcome.
func (e *edge) Done(_ *exchange.Exchange, o exchange.Outcome) {
	e.mu.Lock()
	e.outcomes = append(e.outcomes, o)
	e.mu.Unlock()
	e.done <- o
}

func principal() exchange.Principal {
	return exchange.Principal{
		Issuer: "warder", Subject: "key1", KeyID: "key1", Owner: "acme",
		Scopes: exchange.PatternScopes("orders:read", "orders:write"),
	}
}

// front is the upstream u behind an edge, on a server of its own.
type front struct {
	*httptest.Server
	edge     *edge
	upstream *upstream.Upstream
}

func (f *front) addr() string { return f.Listener.Addr().String() }

// outcome waits for what came of the next request.
func (f *front) outcome(t *testing.T) exchange.Outcome {
	t.Helper()
	select {
	case o := <-f.edge.done:
		return o
	case <-t.Context().Done():
		t.Fatal("no outcome")
		return exchange.Outcome{}
	}
}

func newFront(tb testing.TB, cfg upstream.Config, set func(*exchange.Exchange)) *front {
	tb.Helper()
	if cfg.RemoveHeaders == nil {
		cfg.RemoveHeaders = []string{"X-API-Key"}
	}
	u, err := upstream.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	e := &edge{set: set, done: make(chan exchange.Outcome, 100_000)}
	server := httptest.NewUnstartedServer(exchange.Wrap(e, u))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.Start()
	tb.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
		u.CloseIdleConnections()
	})
	return &front{Server: server, edge: e, upstream: u}
}

// ask sends one raw request on a connection of its own.
func (f *front) ask(t *testing.T, method, request string) (*http.Response, string) {
	t.Helper()
	c := wire.Dial(t, f.addr())
	c.Send(request)
	w, body := c.Response(method)
	_ = c.Close()
	if w == nil {
		t.Fatalf("no response to %.200q", request)
	}
	return w, body
}

// forwarded sends fields to a recording upstream, and returns the request that
// came there.
func forwarded(t *testing.T, set func(*exchange.Exchange), fields ...string) (*http.Request, string) {
	t.Helper()
	u := wire.Listen(t, wire.Answer(wire.OK))
	f := newFront(t, upstream.Config{URL: u.URL()}, set)
	request := "GET /a HTTP/1.1\r\nHost: api.test\r\n"
	for _, field := range fields {
		request += field + "\r\n"
	}
	if w, _ := f.ask(t, http.MethodGet, request+"\r\n"); w.StatusCode != http.StatusOK {
		t.Fatalf("%q: status = %d, want 200", fields, w.StatusCode)
	}
	text := u.Received()[0]
	r, err := http.ReadRequest(readerOf(text))
	if err != nil {
		t.Fatalf("the upstream got %q: %v", text, err)
	}
	return r, text
}
