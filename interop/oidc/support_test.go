package oidc_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/interop/oidc"
)

// patience is how long a test waits for what has to come.
const patience = time.Minute

// ada is a user of the provider, with whom logins are tried.
func ada() oidc.User {
	return oidc.User{Name: "ada", Password: "pässword", Subject: "u-ada", Title: "Ada", Email: "ada@example.org", Groups: []string{"dev", "ops"}}
}

// An agent is a browser without a screen: it keeps cookies, and follows no
// redirect by itself.
type agent struct {
	t      *testing.T
	client *http.Client
}

// A page is what an agent got.
type page struct {
	status   int
	location string // absolute; "" for none
	body     string
	header   http.Header
}

// newAgent returns an agent that trusts the certificates.
func newAgent(t *testing.T, trusted ...*x509.Certificate) *agent {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	for _, c := range trusted {
		pool.AddCert(c)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
	t.Cleanup(transport.CloseIdleConnections)
	return &agent{t, &http.Client{
		Jar: jar, Transport: transport, Timeout: patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (a *agent) get(address string) page { return a.send(http.MethodGet, address, "", nil) }

func (a *agent) post(address string, form url.Values) page {
	return a.send(http.MethodPost, address, "application/x-www-form-urlencoded", form)
}

func (a *agent) send(method, address, contentType string, form url.Values) page {
	a.t.Helper()
	r, err := http.NewRequestWithContext(a.t.Context(), method, address, strings.NewReader(form.Encode()))
	if err != nil {
		a.t.Fatal(err)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	w, err := a.client.Do(r)
	if err != nil {
		a.t.Fatal(err)
	}
	defer w.Body.Close()
	body, err := io.ReadAll(w.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	p := page{status: w.StatusCode, body: string(body), header: w.Header}
	if to, err := w.Location(); err == nil {
		p.location = to.String()
	}
	return p
}

// answer logs in at the provider, to whose authorization endpoint the address
// leads, and returns where it leads back to: the callback, with its answer.
func (a *agent) answer(provider *oidc.Provider, authorize string, u oidc.User) string {
	a.t.Helper()
	p := a.get(authorize)
	if p.status != http.StatusFound || !strings.Contains(p.location, "/login?id=") {
		a.t.Fatalf("the authorization endpoint answered %d to %q: %s", p.status, p.location, p.body)
	}
	at, err := url.Parse(p.location)
	if err != nil {
		a.t.Fatal(err)
	}
	if p = a.get(p.location); p.status != http.StatusOK {
		a.t.Fatalf("the login page is %d", p.status)
	}
	p = a.post(provider.Issuer()+"/login", url.Values{"id": at.Query()["id"], "name": {u.Name}, "password": {u.Password}})
	if p.status != http.StatusFound {
		a.t.Fatalf("the login page said %d: %s", p.status, p.body)
	}
	return a.get(p.location).location
}

// edited returns the address with other parameters.
func edited(t *testing.T, address string, edit func(url.Values)) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	edit(query)
	u.RawQuery = query.Encode()
	return u.String()
}

// A journal is where a logger of a test writes.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

// take returns what was written since it was last called.
func (j *journal) take() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	defer j.text.Reset()
	return j.text.String()
}

func (j *journal) log() *slog.Logger { return slog.New(slog.NewTextHandler(j, nil)) }

// bearing returns a request with the token.
func bearing(ctx context.Context, token string) *exchange.Exchange {
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	return exchange.New(r)
}

// outcome says what a scheme makes of the token: the status that it would have,
// and the reason of a refusal.
func outcome(ctx context.Context, s authn.Scheme, token string) (p exchange.Principal, status int, reason string) {
	p, err := s.Authenticate(bearing(ctx, token))
	refusal, refused := err.(*authn.Refusal) //nolint:errorlint // schemes return it as it is
	switch {
	case err == nil:
		return p, http.StatusOK, ""
	case refused:
		return p, http.StatusUnauthorized, refusal.Reason()
	default:
		return p, http.StatusServiceUnavailable, err.Error()
	}
}

// want reports that the scheme makes something else of the token.
func want(t *testing.T, when string, s authn.Scheme, token string, status int, reason string) {
	t.Helper()
	if _, got, why := outcome(t.Context(), s, token); got != status || reason != "" && why != reason {
		t.Errorf("%s: %d %q, want %d %q", when, got, why, status, reason)
	}
}

// eventually waits until hold returns true.
func eventually(t *testing.T, what string, hold func() bool) {
	t.Helper()
	if !soon(t.Context(), hold) {
		t.Fatalf("in vain: %s", what)
	}
}

// soon asks hold again and again, and reports whether it returned true in time.
func soon(ctx context.Context, hold func() bool) bool {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !hold() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
	return true
}
