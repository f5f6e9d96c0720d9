package oidc

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"html/template"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// Config configures a [Provider].
type Config struct {
	Clients []Client
	Users   []User

	// Certificate is what the provider shows, for 127.0.0.1. Default: one of its own.
	Certificate *tls.Certificate
}

// A Provider is a running OpenID provider. Its methods may be called from any
// goroutine; those that take a testing.TB from the test's own.
type Provider struct {
	issuer  string
	storage *storage
	handler http.Handler
	cert    tls.Certificate
	caFile  string

	mu     sync.Mutex // guards what follows
	server *httptest.Server
	asked  map[string]int // requests by path
	served time.Time      // when the key set was last asked for, and then served
	hold   chan struct{}  // not nil: the key set waits until it is closed
}

// The paths of the provider.
const (
	KeysPath       = "/keys"
	IntrospectPath = "/oauth/introspect"
	TokenPath      = "/oauth/token" //nolint:gosec // G101: a path
	RevokePath     = "/revoke"
	loginPath      = "/login"
)

// Start runs a provider until the test ends.
func Start(tb testing.TB, cfg Config) *Provider {
	tb.Helper()
	p := &Provider{asked: make(map[string]int)}
	var err error
	if p.storage, err = newStorage(cfg); err != nil {
		tb.Fatal(err)
	}
	if cfg.Certificate != nil {
		p.cert = *cfg.Certificate
	} else if p.cert, err = certify(); err != nil {
		tb.Fatal(err)
	}
	p.caFile = filepath.Join(tb.TempDir(), "provider.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.cert.Certificate[0]})
	if err := os.WriteFile(p.caFile, text, 0o600); err != nil {
		tb.Fatal(err)
	}
	listener, err := new(net.ListenConfig).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	p.issuer = "https://" + listener.Addr().String()
	if err := p.build(); err != nil {
		tb.Fatal(err)
	}
	p.serve(listener)
	tb.Cleanup(p.Stop)
	return p
}

// build makes the handlers of the library and of the login page.
func (p *Provider) build() error {
	var key [32]byte
	_, _ = rand.Read(key[:]) // never fails: it ends the program first
	provider, err := op.NewProvider(&op.Config{CryptoKey: key, CryptoKeyId: "1", CodeMethodS256: true}, p.storage, op.StaticIssuer(p.issuer))
	if err != nil {
		return err
	}
	back := op.AuthCallbackURL(provider)
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+loginPath, func(w http.ResponseWriter, r *http.Request) { p.showLogin(w, r.FormValue("id"), "") })
	mux.HandleFunc("POST "+loginPath, func(w http.ResponseWriter, r *http.Request) {
		id := r.PostFormValue("id")
		if err := p.storage.login(id, r.PostFormValue("name"), r.PostFormValue("password")); err != nil {
			p.showLogin(w, id, err.Error())
			return
		}
		http.Redirect(w, r, back(op.ContextWithIssuer(r.Context(), p.issuer), id), http.StatusFound)
	})
	mux.Handle("/", provider)
	p.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hold := p.note(r.URL.Path)
		if hold != nil {
			select {
			case <-hold:
			case <-r.Context().Done():
				return
			}
		}
		mux.ServeHTTP(w, r)
	})
	return nil
}

// note counts a request, and returns what it has to wait for.
func (p *Provider) note(path string) (hold chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked[path]++
	if path != KeysPath {
		return nil
	}
	if p.hold == nil {
		p.served = time.Now()
	}
	return p.hold
}

//nolint:gochecknoglobals // parsed once
var loginPage = template.Must(template.New("login").Parse(`<!doctype html><title>Log in at the provider</title>
<p id=trouble>{{.Trouble}}</p>
<form method=post action="/login"><input type=hidden name=id value="{{.ID}}">
<input name=name autocomplete=username><input name=password type=password><button>Log in</button></form>`))

func (*Provider) showLogin(w http.ResponseWriter, id, trouble string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_ = loginPage.Execute(w, struct{ ID, Trouble string }{id, trouble}) // the client may be gone
}

func (p *Provider) serve(l net.Listener) {
	s := httptest.NewUnstartedServer(p.handler)
	_ = s.Listener.Close() // the one that it made by itself
	s.Listener = l
	s.TLS = &tls.Config{Certificates: []tls.Certificate{p.cert}, MinVersion: tls.VersionTLS12}
	s.StartTLS()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.server = s
}

// certify makes a certificate for 127.0.0.1 that vouches for itself.
func certify() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "provider of a test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

// Issuer is the provider's name: an https URL of 127.0.0.1.
func (p *Provider) Issuer() string { return p.issuer }

// CAFile is the path of the PEM file that vouches for the provider's certificate.
func (p *Provider) CAFile() string { return p.caFile }

// Pool is what [Provider.CAFile] holds.
func (p *Provider) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	if leaf, err := x509.ParseCertificate(p.cert.Certificate[0]); err == nil {
		pool.AddCert(leaf)
	}
	return pool
}

// Client returns an HTTP client that believes the provider's certificate, and
// those of pools besides.
func (p *Provider) Client() *http.Client {
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: p.Pool(), MinVersion: tls.VersionTLS12}}}
}

// Asked is how often path was asked for.
func (p *Provider) Asked(path string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked[path]
}

// KeysServed is when the key set was last asked for by somebody who got it.
func (p *Provider) KeysServed() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.served
}

// Rotate makes a key that signs from now on, and publishes it beside the others.
func (p *Provider) Rotate(tb testing.TB, algorithm jose.SignatureAlgorithm) {
	tb.Helper()
	key, err := newSigningKey(algorithm)
	if err != nil {
		tb.Fatal(err)
	}
	p.storage.mu.Lock()
	defer p.storage.mu.Unlock()
	p.storage.keys = append(p.storage.keys, key)
}

// Withdraw publishes the key that signs, and none of the others any more.
func (p *Provider) Withdraw() {
	p.storage.mu.Lock()
	defer p.storage.mu.Unlock()
	p.storage.keys = slices.Clone(p.storage.keys[len(p.storage.keys)-1:])
}

// HoldKeys lets whoever asks for the key set wait until release is called.
func (p *Provider) HoldKeys() (release func()) {
	hold := make(chan struct{})
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hold = hold
	return sync.OnceFunc(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.hold = nil
		close(hold)
	})
}

// Stop kills the provider: its port refuses connections, and those that are open
// are cut.
func (p *Provider) Stop() {
	p.mu.Lock()
	s := p.server
	p.server = nil
	p.mu.Unlock()
	if s == nil {
		return
	}
	s.CloseClientConnections()
	s.Close()
}

// Resume starts a stopped provider on its port again, with what it knew.
func (p *Provider) Resume(tb testing.TB) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	var failed error
	for {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", p.issuer[len("https://"):])
		if err == nil {
			p.serve(l)
			return
		}
		failed = errors.Join(failed, err)
		select {
		case <-tick.C:
		case <-ctx.Done():
			tb.Fatalf("oidc: %v", failed)
		}
	}
}
