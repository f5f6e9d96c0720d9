package apikey_test

import (
	"context"
	"errors"
	"hash/crc32"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/secret"
)

var errDown = errors.New("store is down")

// by is who makes the changes of tests.
func by() apikey.By { return apikey.By{Actor: "user:ada", Source: "test"} }

// countingStore counts look-ups of a full store, and fails or hangs when told to.
type countingStore struct {
	apikey.MemoryStore
	lookups atomic.Int64
	before  atomic.Pointer[func(ctx context.Context, id apikey.ID) error] // runs before a look-up
	after   atomic.Pointer[func(id apikey.ID)]                            // runs after one, before its answer
	feed    atomic.Pointer[func(ctx context.Context) error]               // runs before the feed's revision
}

func (s *countingStore) Lookup(ctx context.Context, id apikey.ID) (apikey.Record, error) {
	s.lookups.Add(1)
	if f := s.before.Load(); f != nil {
		if err := (*f)(ctx, id); err != nil {
			return apikey.Record{}, err
		}
	}
	r, err := s.MemoryStore.Lookup(ctx, id)
	if f := s.after.Load(); f != nil {
		(*f)(id)
	}
	return r, err
}

func (s *countingStore) Revision(ctx context.Context) (apikey.Revision, error) {
	if f := s.feed.Load(); f != nil {
		if err := (*f)(ctx); err != nil {
			return 0, err
		}
	}
	return s.MemoryStore.Revision(ctx)
}

// plainStore hides that a store is a feed.
type plainStore struct{ apikey.Store }

func newPeppers(tb testing.TB, n int) (*apikey.Peppers, []string) {
	tb.Helper()
	lines := make([]string, n)
	for i := range lines {
		line, err := apikey.NewPepper(nil)
		if err != nil {
			tb.Fatal(err)
		}
		lines[i] = line
	}
	return parsePeppers(tb, lines...), lines
}

func parsePeppers(tb testing.TB, lines ...string) *apikey.Peppers {
	tb.Helper()
	p, err := apikey.ParsePeppers(strings.Join(lines, ""))
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// house is a store with an issuer and a verifier.
type house struct {
	store    *countingStore
	peppers  *apikey.Peppers
	issuer   *apikey.Issuer
	verifier *apikey.Verifier
}

// newHouse returns a house whose verifier caches (its feed is confirmed).
func newHouse(tb testing.TB) *house {
	tb.Helper()
	h := newStoreHouse(tb)
	h.verifier = newVerifier(tb, apikey.VerifierConfig{Store: h.store, Peppers: h.peppers})
	return h
}

// newStoreHouse returns a house without a verifier.
func newStoreHouse(tb testing.TB) *house {
	tb.Helper()
	h := &house{store: new(countingStore)}
	h.peppers, _ = newPeppers(tb, 1)
	h.issuer = newIssuer(tb, apikey.IssuerConfig{Store: h.store, Peppers: h.peppers})
	return h
}

func newIssuer(tb testing.TB, cfg apikey.IssuerConfig) *apikey.Issuer {
	tb.Helper()
	i, err := apikey.NewIssuer(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return i
}

// newVerifier returns a verifier that has heard from its feed, if it has one.
func newVerifier(tb testing.TB, cfg apikey.VerifierConfig) *apikey.Verifier {
	tb.Helper()
	v := startVerifier(tb, cfg)
	tb.Cleanup(func() {
		if err := v.Close(); err != nil {
			tb.Errorf("Close: %v", err)
		}
	})
	return v
}

// startVerifier is newVerifier whose Close is the caller's.
func startVerifier(tb testing.TB, cfg apikey.VerifierConfig) *apikey.Verifier {
	tb.Helper()
	polled := make(chan struct{}, 1)
	applied := cfg.Applied
	cfg.Applied = func(r apikey.Revision) {
		if applied != nil {
			applied(r)
		}
		select {
		case polled <- struct{}{}:
		default:
		}
	}
	v, err := apikey.NewVerifier(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	if _, ok := cfg.Store.(apikey.Feed); ok {
		<-polled
		eventually(tb, v.Fresh) // Applied runs inside the poll, which confirms a moment later
	}
	return v
}

// eventually waits until holds, and fails after 5 seconds.
func eventually(tb testing.TB, holds func() bool) {
	tb.Helper()
	deadline := time.NewTimer(5 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-deadline.C:
			tb.Fatal("did not happen within 5 s")
		case <-tick.C:
		}
	}
}

// create makes a key with an owner and scopes.
func (h *house) create(tb testing.TB, owner string, scopes ...string) (apikey.Record, string) {
	tb.Helper()
	return h.createSpec(tb, apikey.Spec{Environment: "live", Owner: owner, Scopes: scopes})
}

func (h *house) createSpec(tb testing.TB, spec apikey.Spec) (apikey.Record, string) {
	tb.Helper()
	r, text, err := h.issuer.Create(tb.Context(), by(), spec)
	if err != nil {
		tb.Fatal(err)
	}
	return r, reveal(text)
}

func reveal(t secret.Text) string { return t.Reveal() }

// change applies an edit to a key.
func (h *house) change(tb testing.TB, id apikey.ID, op apikey.Op, edit func(*apikey.Record)) apikey.Revision {
	tb.Helper()
	before, err := h.store.MemoryStore.Lookup(tb.Context(), id)
	if err != nil {
		tb.Fatal(err)
	}
	after := before
	edit(&after)
	rev, err := h.store.Apply(tb.Context(), apikey.Change{Actor: "t", Source: "test", Op: op, At: time.Now(), Before: &before, After: &after})
	if err != nil {
		tb.Fatal(err)
	}
	return rev
}

// formatKey composes a key with right check digits, on its own.
func formatKey(prefix, environment, id, secretPart string) string {
	return withCheck([]byte(prefix + "_" + environment + "_" + id + secretPart))
}

func withCheck(body []byte) string {
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	sum := crc32.ChecksumIEEE(body)
	var check [6]byte
	for i := 5; i >= 0; i-- {
		check[i] = digits[sum%62]
		sum /= 62
	}
	return string(append(body, check[:]...))
}

// unknownKey returns a well-formed key number n of an id that nobody has.
func unknownKey(n int) string {
	const first = "wrd_live_zz0000000000"
	body := make([]byte, 0, 64)
	body = append(body, first+"ssssssssssssssssssssssssssssssss"...)
	for i := len(first) - 1; n > 0; i-- {
		body[i] = byte('0' + n%10)
		n /= 10
	}
	return withCheck(body)
}

// wrongSecret returns text with another secret and right check digits.
func wrongSecret(text string) string {
	parts := strings.Split(text, "_")
	return formatKey(parts[0], parts[1], parts[2][:12], strings.Repeat("w", 32))
}

// reasonOf returns the reason of a refusal, "" for a pass, "error" for others.
func reasonOf(err error) string {
	var r *authn.Refusal
	switch {
	case err == nil:
		return ""
	case errors.As(err, &r):
		return r.Reason()
	default:
		return "error"
	}
}

// front is a requirement around a handler that notes what it serves.
type front struct {
	http.Handler
	served    atomic.Int64
	reason    string
	seen      *http.Request      // by the handler
	principal exchange.Principal // of the last request
}

// finishing is a stage that notes the reason of each refusal.
type finishing struct {
	exchange.Stage
	front *front
}

func (f finishing) Done(x *exchange.Exchange, o exchange.Outcome) {
	f.front.reason, f.front.principal = o.Reason, x.Principal
}

// Headers passes on what the stage adds, if it does.
func (f finishing) Headers(x *exchange.Exchange, h http.Header) {
	if w, ok := f.Stage.(exchange.HeaderWriter); ok {
		w.Headers(x, h)
	}
}

// newFront returns a front of the header scheme.
func newFront(tb testing.TB, v *apikey.Verifier) *front {
	tb.Helper()
	return newFrontOf(tb, authn.Require(newHeader(tb, v)), nil)
}

// newFrontOf returns a front of a requirement. set, unless nil, does what the edge
// would before it.
func newFrontOf(tb testing.TB, r authn.Requirement, set func(*exchange.Exchange)) *front {
	tb.Helper()
	stage, err := authn.New(authn.Config{Requirement: r})
	if err != nil {
		tb.Fatal(err)
	}
	f := new(front)
	f.Handler = exchange.Wrap(finishing{stage, f}, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		f.served.Add(1)
		f.seen = r
	}))
	if set != nil {
		inner := f.Handler
		f.Handler = exchange.Wrap(edge(set), inner)
	}
	return f
}

// edge is a stage that sets what is known of the connection.
type edge func(*exchange.Exchange)

func (e edge) Check(x *exchange.Exchange) exchange.Verdict {
	e(x)
	return exchange.Pass()
}

// get asks with the lines of the key header.
func (f *front) get(lines ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	if lines != nil {
		r.Header["X-Api-Key"] = lines
	}
	return f.do(r)
}

func (f *front) do(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	return w
}
