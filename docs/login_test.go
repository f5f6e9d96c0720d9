package docs_test

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/secret"
	"github.com/warder-dev/warder/session"
	"github.com/warder-dev/warder/session/oidc"
)

// newLogin is the API of the page about sessions.
func newLogin(issuer string, password secret.Text, sessions *session.Manager, log *slog.Logger, client *http.Client, orders http.Handler) (*warder.API, error) {
	login, err := oidc.New(oidc.Config{
		Issuer: issuer, ClientID: "warder", ClientSecret: password, RedirectURL: "https://api.example.com/login/callback",
		Scopes:   []string{"profile", "groups"},
		Grants:   []oidc.Grant{{Claim: "groups", Value: "staff", Scopes: []string{"orders:*"}}}, // who is let in, and with what
		Sessions: sessions, Log: log, HTTPClient: client,
	})
	if err != nil {
		return nil, err
	}
	api, err := warder.NewAPI(warder.APIConfig{Title: "Orders", Version: "1.0.0"})
	if err != nil {
		return nil, err
	}
	err = errors.Join(
		api.Handle("GET /login", warder.Operation{ID: "login", Public: true}, login.Login()),
		api.Handle("GET /login/callback", warder.Operation{ID: "callback", Public: true}, login.Callback()),
		api.Handle("GET /orders", warder.Operation{ID: "orders", Requirement: authn.Require(sessions.Scheme(), "orders:read")}, orders),
	)
	return api, err
}

// TestTheLoginOfTheGuide follows the way to a provider as far as its door: what
// is behind it is tested with a provider, in session/oidc.
func TestTheLoginOfTheGuide(t *testing.T) {
	var provider *httptest.Server
	provider = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/.well-known/openid-configuration" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"issuer":"`+provider.URL+`","authorization_endpoint":"`+provider.URL+`/authorize","token_endpoint":"`+provider.URL+`/token","jwks_uri":"`+provider.URL+
			`/keys","response_types_supported":["code"],"subject_types_supported":["public"],"id_token_signing_alg_values_supported":["RS256"]}`)
	}))
	defer provider.Close()
	store, err := session.NewMemoryStore(0)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	sessions, err := session.New(session.Config{Store: store, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	api, err := newLogin(provider.URL, secret.New("s3cret"), sessions, log, provider.Client(), http.NotFoundHandler())
	if err != nil {
		t.Fatal(err)
	}
	ask := func(path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		api.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		return w
	}
	w := ask("/login?return=/orders")
	to, err := url.Parse(w.Header().Get("Location"))
	if err != nil || w.Code < 300 || w.Code > 399 || to.Scheme+"://"+to.Host+to.Path != provider.URL+"/authorize" {
		t.Fatalf("%d to %q: %v", w.Code, to, err)
	}
	q := to.Query()
	if q.Get("redirect_uri") != "https://api.example.com/login/callback" || q.Get("code_challenge_method") != "S256" || q.Get("state") == "" || q.Get("nonce") == "" {
		t.Errorf("the provider is asked %v", q)
	}
	if w := ask("/login/callback?code=x&state=y"); w.Code < 400 || w.Code > 499 {
		t.Errorf("an answer that nobody asked for: %d", w.Code)
	}
	if w := ask("/orders"); w.Code != http.StatusUnauthorized {
		t.Errorf("without a session: %d, want 401", w.Code)
	}
}
