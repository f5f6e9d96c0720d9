package authn_test

import (
	"crypto/rand"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/jwt"
	"github.com/warder-dev/warder/session"
)

// real are three schemes as services have them, and a request for each that it
// alone proves.
type real struct {
	key, bearer, cookie authn.Scheme
	requests            map[string]*http.Request
}

func newReal(tb testing.TB) *real {
	tb.Helper()
	r := &real{requests: make(map[string]*http.Request)}
	for _, name := range []string{"key", "bearer", "cookie"} {
		r.requests[name] = httptest.NewRequest(http.MethodGet, "/orders", nil)
		r.requests[name].Header.Set("Accept", "*/*")
		r.requests[name].Header.Set("User-Agent", "bench")
	}
	r.addKey(tb)
	r.addBearer(tb)
	r.addCookie(tb)
	return r
}

func (r *real) addKey(tb testing.TB) {
	tb.Helper()
	line, err := apikey.NewPepper(nil)
	if err != nil {
		tb.Fatal(err)
	}
	peppers, err := apikey.ParsePeppers(line)
	if err != nil {
		tb.Fatal(err)
	}
	store := new(apikey.MemoryStore)
	var once sync.Once
	heard := make(chan struct{})
	verifier, err := apikey.NewVerifier(apikey.VerifierConfig{
		Store: store, Peppers: peppers, Log: slog.New(slog.DiscardHandler), Freshness: time.Hour,
		Applied: func(apikey.Revision) { once.Do(func() { close(heard) }) },
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { verifier.Close() })
	<-heard // before, it believes no cache
	issuer, err := apikey.NewIssuer(apikey.IssuerConfig{Store: store, Peppers: peppers, Prefix: "wrd", Random: rand.Reader, Changed: verifier.Invalidate})
	if err != nil {
		tb.Fatal(err)
	}
	_, text, err := issuer.Create(tb.Context(), apikey.By{Actor: "user:ada", Source: "test"}, apikey.Spec{Environment: "live", Name: "a", Scopes: []string{"orders:read"}})
	if err != nil {
		tb.Fatal(err)
	}
	if r.key, err = apikey.NewHeader(apikey.HeaderConfig{Verifier: verifier}); err != nil {
		tb.Fatal(err)
	}
	r.requests["key"].Header.Set("X-API-Key", text.Reveal())
}

func (r *real) addBearer(tb testing.TB) {
	tb.Helper()
	signer, err := jwt.NewSigner(jwt.SignerConfig{Issuer: "https://id.example", Lifetime: 15 * time.Minute})
	if err != nil {
		tb.Fatal(err)
	}
	token, err := signer.Sign(jwt.Claims{Subject: "ada", Audience: "https://api.example", Scopes: []string{"orders:read"}})
	if err != nil {
		tb.Fatal(err)
	}
	s, err := jwt.New(jwt.Config{Issuers: []jwt.Issuer{{
		Issuer: "https://id.example", Audience: []string{"https://api.example"}, KeySet: signer.KeySet(), Types: []string{"JWT"},
	}}})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { s.Close() })
	r.bearer = s
	r.requests["bearer"].Header.Set("Authorization", "Bearer "+token)
}

func (r *real) addCookie(tb testing.TB) {
	tb.Helper()
	store, err := session.NewMemoryStore(0)
	if err != nil {
		tb.Fatal(err)
	}
	m, err := session.New(session.Config{Store: store, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		tb.Fatal(err)
	}
	w := httptest.NewRecorder()
	if err := m.Login(w, httptest.NewRequest(http.MethodPost, "/login", nil), session.User{Issuer: "password", Subject: "ada", Scopes: exchange.PatternScopes("orders:*")}); err != nil {
		tb.Fatal(err)
	}
	c, err := http.ParseSetCookie(w.Header().Get("Set-Cookie"))
	if err != nil {
		tb.Fatal(err)
	}
	r.cookie = m.Scheme()
	r.requests["cookie"].Header.Set("Cookie", c.Name+"="+c.Value)
}

// alone requires the scheme; anyOf one of the three, in this order.
func (r *real) alone(name string) authn.Requirement {
	return authn.Require(map[string]authn.Scheme{"key": r.key, "bearer": r.bearer, "cookie": r.cookie}[name], "orders:read")
}

func (r *real) anyOf() authn.Requirement {
	var all authn.Requirement
	for _, name := range []string{"key", "bearer", "cookie"} {
		all = append(all, r.alone(name)...)
	}
	return all
}

// What proves itself by one of three schemes costs no allocation more than by that
// one alone.
func TestAnyOfAllocatesNoMoreThanTheOneThatMatches(t *testing.T) {
	r := newReal(t)
	three := newStage(t, r.anyOf())
	for name, request := range r.requests {
		one, x := newStage(t, r.alone(name)), exchange.New(request)
		count := func(s *authn.Stage) float64 {
			return testing.AllocsPerRun(100, func() {
				if !s.Check(x).Passed() {
					t.Errorf("%s: refused", name)
				}
			})
		}
		if alone, among := count(one), count(three); !raceEnabled && (among > alone || alone > 0 && name != "cookie") {
			t.Errorf("%s: %v allocations alone, %v among three, want none for a key and a remembered token, and no more among three", name, alone, among)
		}
	}
}

// BenchmarkAnyOf measures what two schemes that are absent add to the one that
// matches: "alone" beside "of 3". The bound is 100 ns.
func BenchmarkAnyOf(b *testing.B) {
	r := newReal(b)
	for _, name := range []string{"key", "bearer", "cookie"} {
		for how, requirement := range map[string]authn.Requirement{"alone": r.alone(name), "of 3": r.anyOf()} {
			b.Run(name+"/"+how, func(b *testing.B) {
				s, x := newStage(b, requirement), exchange.New(r.requests[name])
				b.ReportAllocs()
				for b.Loop() {
					if !s.Check(x).Passed() {
						b.Fatal("refused")
					}
				}
			})
		}
	}
}
