package keytoken_test

import (
	"context"
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/apikey/keytoken"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/jwt"
	"github.com/warder-dev/warder/secret"
)

const issuer = "https://api.example.com"

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// A store fails when it is told to.
type store struct {
	apikey.MemoryStore
	down atomic.Bool
}

var errDown = errors.New("the store is down")

func (s *store) Lookup(ctx context.Context, id apikey.ID) (apikey.Record, error) {
	if s.down.Load() {
		return apikey.Record{}, errDown
	}
	return s.MemoryStore.Lookup(ctx, id)
}

func (s *store) Revision(ctx context.Context) (apikey.Revision, error) {
	if s.down.Load() {
		return 0, errDown
	}
	return s.MemoryStore.Revision(ctx)
}

// A world is an installation: its keys, and what makes and takes their tokens.
type world struct {
	store    *store
	keys     *apikey.Issuer
	verifier *apikey.Verifier
	tokens   *keytoken.Tokens
	issuer   *apikey.TokenIssuer
}

func newKey(tb testing.TB) secret.Text {
	tb.Helper()
	key, err := jwt.GenerateKey(jwt.ES256)
	must(tb, err)
	return key
}

func newTokens(tb testing.TB, cfg keytoken.Config) *keytoken.Tokens {
	tb.Helper()
	if cfg.Issuer == "" {
		cfg.Issuer = issuer
	}
	tokens, err := keytoken.New(cfg)
	must(tb, err)
	return tokens
}

func newWorld(tb testing.TB, cfg keytoken.Config) *world {
	tb.Helper()
	w := &world{store: new(store), tokens: newTokens(tb, cfg)}
	line, err := apikey.NewPepper(nil)
	must(tb, err)
	peppers, err := apikey.ParsePeppers(line)
	must(tb, err)
	w.keys, err = apikey.NewIssuer(apikey.IssuerConfig{Store: w.store, Peppers: peppers})
	must(tb, err)
	w.verifier, err = apikey.NewVerifier(apikey.VerifierConfig{Store: w.store, Peppers: peppers, Tokens: w.tokens})
	must(tb, err)
	verifier := w.verifier // a test may put another one in its place
	tb.Cleanup(func() { must(tb, verifier.Close()) })
	w.issuer = w.maker(tb, apikey.TokenIssuerConfig{})
	return w
}

func (w *world) maker(tb testing.TB, cfg apikey.TokenIssuerConfig) *apikey.TokenIssuer {
	tb.Helper()
	cfg.Signer, cfg.Audience = w.tokens, w.tokens.Audience()
	made, err := apikey.NewTokenIssuer(cfg)
	must(tb, err)
	return made
}

func by() apikey.By { return apikey.By{Actor: "user:ada", Source: "test"} }

// create makes a key and returns its text.
func (w *world) create(tb testing.TB, spec apikey.Spec) (apikey.Record, string) {
	tb.Helper()
	spec.Environment = "live"
	record, text, err := w.keys.Create(tb.Context(), by(), spec)
	must(tb, err)
	return record, text.Reveal()
}

// token makes a token from the key's newest secret.
func (w *world) token(tb testing.TB, id apikey.ID, spec apikey.TokenSpec) string {
	tb.Helper()
	record, err := w.store.Lookup(tb.Context(), id)
	must(tb, err)
	_, text, err := w.issuer.Issue(&record, record.Secrets[0].Number, spec)
	must(tb, err)
	return text.Reveal()
}

// bearer is the scheme of keys and tokens in Authorization.
func (w *world) bearer(tb testing.TB, cfg apikey.BearerConfig) *apikey.Bearer {
	tb.Helper()
	cfg.Verifier, cfg.Tokens = w.verifier, true
	scheme, err := apikey.NewBearer(cfg)
	must(tb, err)
	return scheme
}

// A request is what a token is sent with.
type request struct {
	method, path, client string
	certificate          *x509.Certificate
	dry                  bool
}

func (r request) with(tb testing.TB, text string) *exchange.Exchange {
	tb.Helper()
	if r.method == "" {
		r.method = http.MethodGet
	}
	if r.path == "" {
		r.path = "/orders/1"
	}
	if r.client == "" {
		r.client = "192.0.2.1"
	}
	x := exchange.New(httptest.NewRequestWithContext(context.WithoutCancel(tb.Context()), r.method, r.path, http.NoBody))
	x.Request.Header.Set("Authorization", "Bearer "+text)
	x.Path, x.Client, x.ClientCert, x.Dry = r.path, netip.MustParseAddr(r.client), r.certificate, r.dry
	return x
}

// ask returns the status, as an authn stage answers for a route with these scopes, and
// the reason as the log has it.
func (w *world) ask(tb testing.TB, scheme authn.Scheme, r request, text string, scopes ...string) (status int, reason string, p exchange.Principal) {
	tb.Helper()
	stage, err := authn.New(authn.Config{Requirement: authn.Require(scheme, scopes...)})
	must(tb, err)
	x := r.with(tb, text)
	v := stage.Check(x)
	switch v.Kind() {
	case exchange.Passed:
		return http.StatusOK, "", x.Principal
	case exchange.Failed:
		return http.StatusServiceUnavailable, "", x.Principal
	case exchange.Refused, exchange.Answered:
	}
	return v.Problem().Type.Status(), v.Reason(), x.Principal
}

// want asks for a route with the scope orders:read.
func (w *world) want(tb testing.TB, what, text string, status int, reason string) {
	tb.Helper()
	got, why, _ := w.ask(tb, w.bearer(tb, apikey.BearerConfig{}), request{}, text, "orders:read")
	if got != status || why != reason && reason != "" {
		tb.Errorf("%s: %d %q, want %d %q", what, got, why, status, reason)
	}
}

// parts divides a token.
func parts(tb testing.TB, token string) (header, claims, signature string) {
	tb.Helper()
	all := strings.Split(token, ".")
	if len(all) != 3 {
		tb.Fatalf("a token has %d parts", len(all))
	}
	return all[0], all[1], all[2]
}

// settle lets a change be seen: a verifier asks for changes each 250 ms.
const settle = 300 * time.Millisecond

// pass lets time pass, in a bubble.
func pass(d time.Duration) { <-time.After(d) }
