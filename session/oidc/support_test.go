package oidc_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/secret"
	"github.com/warder-dev/warder/session"
	"github.com/warder-dev/warder/session/oidc"
)

const (
	clientID   = "warder"
	password   = "client secret"
	redirect   = "https://api.example/login/callback"
	cookieName = "__Host-login"
)

// A provider does what a test tells it: good ones are in the interop module.
type provider struct {
	*httptest.Server
	key *ecdsa.PrivateKey

	mu       sync.Mutex
	codes    map[string]url.Values // to the parameters of the authorization request
	metadata func(m map[string]any)
	claims   func(c map[string]any)
	answer   func(w http.ResponseWriter, idToken string) bool // of the token endpoint; false: the usual one
	sign     func(claims map[string]any) string
	keysDown atomic.Bool
	trusting bool // does not look at the PKCE verifier
	asked    atomic.Int64
	exchange atomic.Int64
	auth     atomic.Value // how the client proved itself
}

func newProvider(tb testing.TB) *provider {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	p := &provider{key: key, codes: make(map[string]url.Values)}
	p.sign = func(claims map[string]any) string { return signed(tb, jose.ES256, p.key, claims) }
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", p.discovery)
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		if p.keysDown.Load() {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		writeJSON(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &p.key.PublicKey, KeyID: "1", Algorithm: "ES256", Use: "sig"}}})
	})
	mux.HandleFunc("/token", p.token)
	p.Server = httptest.NewServer(mux)
	tb.Cleanup(p.Close)
	return p
}

func signed(tb testing.TB, algorithm jose.SignatureAlgorithm, key any, claims map[string]any) string {
	tb.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: jose.JSONWebKey{Key: key, KeyID: "1"}}, nil)
	if err != nil {
		tb.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		tb.Fatal(err)
	}
	object, err := signer.Sign(payload)
	if err != nil {
		tb.Fatal(err)
	}
	text, err := object.CompactSerialize()
	if err != nil {
		tb.Fatal(err)
	}
	return text
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func (p *provider) discovery(w http.ResponseWriter, _ *http.Request) {
	p.asked.Add(1)
	m := map[string]any{
		"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/keys",
		"end_session_endpoint": p.URL + "/logout?a=b", "id_token_signing_alg_values_supported": []string{"ES256", "HS256", "none"},
		"code_challenge_methods_supported": []string{"S256"}, "authorization_response_iss_parameter_supported": true,
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.metadata != nil {
		p.metadata(m)
	}
	writeJSON(w, m)
}

func (p *provider) token(w http.ResponseWriter, r *http.Request) {
	p.exchange.Add(1)
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = r.ParseForm()
	id, word, basic := r.BasicAuth()
	p.auth.Store(map[bool]string{true: "basic", false: "form"}[basic])
	if basic {
		word, _ = url.QueryUnescape(word)
	} else {
		id, word = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	}
	request, known := p.codes[r.PostForm.Get("code")]
	delete(p.codes, r.PostForm.Get("code"))
	sum := sha256.Sum256([]byte(r.PostForm.Get("code_verifier")))
	fail := func(code string) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"error":"` + code + `","error_description":"canary"}`))
	}
	switch {
	case id != clientID || word != password:
		fail("invalid_client")
		return
	case !known, r.PostForm.Get("redirect_uri") != redirect,
		!p.trusting && (request.Get("code_challenge_method") != "S256" || request.Get("code_challenge") != base64.RawURLEncoding.EncodeToString(sum[:])):
		fail("invalid_grant")
		return
	}
	const access = "access-token"
	hash := sha256.Sum256([]byte(access))
	now := time.Now()
	claims := map[string]any{
		"iss": p.URL, "sub": "ada", "aud": clientID, "exp": now.Add(time.Hour).Unix(), "iat": now.Unix(), "auth_time": now.Add(-time.Minute).Unix(),
		"nonce": request.Get("nonce"), "at_hash": base64.RawURLEncoding.EncodeToString(hash[:16]),
		"name": "Ada", "groups": []string{"dev", "ops"}, "email": "ada@example.com", "email_verified": true,
	}
	if p.claims != nil {
		p.claims(claims)
	}
	token := p.sign(claims)
	if p.answer != nil && p.answer(w, token) {
		return
	}
	writeJSON(w, map[string]any{"access_token": access, "token_type": "Bearer", "id_token": token, "expires_in": 3600})
}

// authorize is the provider's page: it returns the parameters of its answer to
// the authorization request at location.
func (p *provider) authorize(tb testing.TB, location string) url.Values {
	tb.Helper()
	u, err := url.Parse(location)
	if err != nil || !strings.HasPrefix(location, p.URL+"/authorize?") {
		tb.Fatalf("led to %q, %v", location, err)
	}
	code := rand.Text()
	p.mu.Lock()
	p.codes[code] = u.Query()
	p.mu.Unlock()
	return url.Values{"code": {code}, "state": {u.Query().Get("state")}, "iss": {p.URL}}
}

// A house is a client of a provider, with its sessions and its log.
type house struct {
	provider *provider
	client   *oidc.Client
	sessions *session.Manager
	log      *journal
}

func newHouse(tb testing.TB, edit func(cfg *oidc.Config)) *house {
	tb.Helper()
	return newHouseAt(tb, newProvider(tb), edit)
}

func newHouseAt(tb testing.TB, p *provider, edit func(cfg *oidc.Config)) *house {
	tb.Helper()
	store, err := session.NewMemoryStore(0)
	if err != nil {
		tb.Fatal(err)
	}
	h := &house{provider: p, log: new(journal)}
	if h.sessions, err = session.New(session.Config{Store: store, Log: slog.New(slog.DiscardHandler)}); err != nil {
		tb.Fatal(err)
	}
	cfg := oidc.Config{
		Issuer: p.URL, ClientID: clientID, ClientSecret: secret.New(password), RedirectURL: redirect, Scopes: []string{"profile"},
		Grants:   []oidc.Grant{{Claim: "groups", Value: "ops", Scopes: []string{"admin:*"}}, {Scopes: []string{"orders:read"}}},
		Keep:     []string{"groups", "nothing"},
		Sessions: h.sessions, Log: slog.New(slog.NewTextHandler(h.log, nil)), AfterLogout: "https://api.example/bye",
	}
	if edit != nil {
		edit(&cfg)
	}
	if h.client, err = oidc.New(cfg); err != nil {
		tb.Fatal(err)
	}
	return h
}

// A browser holds cookies, and follows nothing by itself.
type browser map[string]string

// get asks h and keeps the cookies that it sets.
func (b browser) get(tb testing.TB, h http.Handler, target string, edit ...func(r *http.Request)) *httptest.ResponseRecorder {
	tb.Helper()
	r := httptest.NewRequest(http.MethodGet, target, nil)
	for name, value := range b {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	for _, f := range edit {
		f(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	for _, line := range w.Header().Values("Set-Cookie") {
		c, err := http.ParseSetCookie(line)
		if err != nil || !c.Secure || !c.HttpOnly || c.Path != "/" || c.Domain != "" || c.SameSite != http.SameSiteLaxMode || !strings.HasPrefix(c.Name, "__Host-") {
			tb.Errorf("Set-Cookie: %s, %v", line, err)
			continue
		}
		if b[c.Name] = c.Value; c.MaxAge < 0 {
			delete(b, c.Name)
		}
	}
	return w
}

// begin starts a login and returns the provider's answer to it.
func (h *house) begin(tb testing.TB, b browser, target string) url.Values {
	tb.Helper()
	w := b.get(tb, h.client.Login(), target)
	if w.Code != http.StatusSeeOther {
		tb.Fatalf("Login: %d %s", w.Code, w.Body)
	}
	return h.provider.authorize(tb, w.Header().Get("Location"))
}

func (h *house) end(tb testing.TB, b browser, answer url.Values) *httptest.ResponseRecorder {
	tb.Helper()
	return b.get(tb, h.client.Callback(), redirect+"?"+answer.Encode())
}

// who returns the principal of the browser's session; the zero one for none.
func (h *house) who(tb testing.TB, b browser) exchange.Principal {
	tb.Helper()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	for name, value := range b {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	p, _ := h.sessions.Scheme().Authenticate(exchange.New(r))
	return p
}

// wantRefused reports that an answer was taken, or refused for another reason.
func (h *house) wantRefused(tb testing.TB, w *httptest.ResponseRecorder, b browser, status int, reason string) {
	tb.Helper()
	if who := h.who(tb, b); w.Code != status || !who.IsZero() {
		tb.Errorf("status %d, principal %q, want %d and nobody: %s", w.Code, who.Subject, status, w.Body)
	}
	if got := h.log.take(); !strings.Contains(got, "reason="+reason+"\n") && !strings.Contains(got, "reason="+reason+" ") {
		tb.Errorf("log: %s\nwant reason %s", got, reason)
	} else if strings.Contains(got, "canary") || strings.Contains(w.Body.String(), reason) {
		tb.Errorf("told too much: %s, %s", got, w.Body)
	}
}

// journal is where a logger of a test writes.
type journal struct {
	mu   sync.Mutex
	text strings.Builder
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

// take returns what was written since the last time.
func (j *journal) take() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	defer j.text.Reset()
	return j.text.String()
}

// without returns values less one, or with another one.
func with(values url.Values, name string, value ...string) url.Values {
	c := maps.Clone(values)
	if c[name] = value; len(value) == 0 {
		delete(c, name)
	}
	return c
}
