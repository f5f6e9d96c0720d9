package warder_test

import (
	"crypto/rand"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/accesslog"
	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/forwarded"
	"github.com/warder-dev/warder/requestid"
	"github.com/warder-dev/warder/target"
)

// access takes the access log.
func access() io.Writer { return io.Discard }

// full returns a Stack of all the house's own stages, a single route "/" and a
// key that it lets pass.
func full(tb testing.TB) (stack *warder.Stack, key string) {
	tb.Helper()
	must := func(err error) {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
	}
	line, err := apikey.NewPepper(rand.Reader)
	must(err)
	peppers, err := apikey.ParsePeppers(line)
	must(err)
	store, quiet := new(apikey.MemoryStore), slog.New(slog.DiscardHandler)
	applied := make(chan apikey.Revision, 1)
	verifier, err := apikey.NewVerifier(apikey.VerifierConfig{Store: store, Peppers: peppers, Log: quiet, Poll: 20 * time.Millisecond, Applied: func(r apikey.Revision) {
		select {
		case <-applied: // only the last one counts
		default:
		}
		applied <- r
	}})
	must(err)
	tb.Cleanup(func() { must(verifier.Close()) })
	issuer, err := apikey.NewIssuer(apikey.IssuerConfig{Store: store, Peppers: peppers, Prefix: "wrd", Random: rand.Reader, Changed: verifier.Invalidate})
	must(err)
	record, text, err := issuer.Create(tb.Context(), apikey.By{Actor: "test", Source: "test"}, apikey.Spec{Environment: "test", Name: "full", Owner: "acme", Scopes: []string{"orders:*"}})
	must(err)
	for (<-applied) < record.Revision { // before, a verifier asks its store each time
		continue
	}

	ids, err := requestid.New(requestid.Config{})
	must(err)
	log, err := accesslog.New(accesslog.Config{Logger: slog.New(slog.NewJSONHandler(access(), nil))})
	must(err)
	targets, err := target.New(target.Config{})
	must(err)
	header, err := apikey.NewHeader(apikey.HeaderConfig{Verifier: verifier})
	must(err)
	keys, err := authn.New(authn.Config{Requirement: authn.Require(header, "orders:read")})
	must(err)
	routes := new(warder.Routes)
	must(routes.Handle("/", &warder.Policy{BodyLimit: limit(tb, 1<<20), Authn: keys}))
	return &warder.Stack{
		Edge:  warder.Edge{RequestID: ids, AccessLog: log, Recover: recoverer(), Forwarded: forwarded.Direct(), Target: targets},
		Route: routes,
	}, text.Reveal()
}

// blank is a ResponseWriter whose fields are reset without an allocation.
type blank struct{ header http.Header }

func (b *blank) Header() http.Header         { return b.header }
func (b *blank) Write(p []byte) (int, error) { return len(p), nil }
func (b *blank) WriteHeader(int)             {}

func order(key string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/v1/orders/12345?page=2", nil)
	if key != "" {
		r.Header.Set("X-API-Key", key)
	}
	return r
}

func TestTheWholeStack(t *testing.T) {
	stack, key := full(t)
	var seen exchange.Principal
	h := stack.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = exchange.From(r.Context()).Principal
		w.WriteHeader(http.StatusNoContent)
	}))
	for _, tt := range []struct {
		name, key string
		status    int
		owner     string
	}{
		{"a key", key, http.StatusNoContent, "acme"},
		{"no key", "", http.StatusUnauthorized, ""},
		{"another key", key[:len(key)-1] + "!", http.StatusUnauthorized, ""},
	} {
		seen = exchange.Principal{}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, order(tt.key))
		if w.Code != tt.status || seen.Owner != tt.owner || len(w.Header().Get("X-Request-Id")) != 26 {
			t.Errorf("%s: got %d for %q, headers %v; want %d for %q and a request id", tt.name, w.Code, seen.Owner, w.Header(), tt.status, tt.owner)
		}
	}
}

// The Stack costs a request its context with the exchange, and the copy of the
// request that carries it.
func TestTheWholeStackAllocates(t *testing.T) {
	stack, key := full(t)
	bare := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	allocations := func(h http.Handler) float64 {
		r, w := order(key), &blank{make(http.Header)}
		h.ServeHTTP(w, r) // fills caches and pools
		return testing.AllocsPerRun(2000, func() { h.ServeHTTP(w, r) })
	}
	with, without := allocations(stack.Wrap(bare)), allocations(bare)
	want := 2.0
	if raceEnabled {
		want = 12 // what sync.Pool drops on purpose is made again
	}
	if added := with - without; added > want {
		t.Errorf("the Stack added %v allocations, want at most %v", added, want)
	}
}

func BenchmarkStack(b *testing.B) {
	stack, key := full(b)
	bare := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	for _, bb := range []struct {
		name, key string
		h         http.Handler
	}{{"bare", key, bare}, {"pass", key, stack.Wrap(bare)}, {"refuse", "", stack.Wrap(bare)}} {
		b.Run(bb.name, func(b *testing.B) {
			r, w := order(bb.key), &blank{make(http.Header)}
			b.ReportAllocs()
			for b.Loop() {
				bb.h.ServeHTTP(w, r)
			}
		})
	}
}
