package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/secret"
	"github.com/warder-dev/warder/session/password"
)

// A demoWorld is what the sections of the demo show.
type demoWorld struct {
	folder  string
	api     string // base URL of the sample, unprotected
	gateway string // base URL
	plain   string // base URL of the listener that only leads to https
	key     string // for everything of acme
	token   string // a JWT of the demo's own issuer

	cookies http.CookieJar // of the browser that the check plays
}

// The person who can log in, and what the tokens are made with.
const (
	demoPerson   = "ada"
	demoPassword = "correct horse battery staple" // a sample, printed on purpose
	demoIssuer   = "https://idp.demo"
	demoAudience = "orders"
	demoLifetime = 24 * time.Hour // of the certificate and the token
)

// file returns the path of a file of the demo.
func (w *demoWorld) file(name string) string { return filepath.Join(w.folder, name) }

// write writes what warder is configured with.
func (w *demoWorld) write() error {
	if err := w.writeCertificate(); err != nil {
		return err
	}
	if err := w.writeIssuer(); err != nil {
		return err
	}
	hash, err := password.Hash(secret.New(demoPassword), password.Params{})
	if err != nil {
		return err
	}
	if err := w.keep("users", demoPerson+":"+hash+":orders:*\n"); err != nil {
		return err
	}
	return w.keep("warder.yaml", fmt.Sprintf(demoConfig, filepath.ToSlash(w.folder), w.api))
}

func (w *demoWorld) keep(name, text string) error {
	return os.WriteFile(w.file(name), []byte(text), 0o600)
}

// writeCertificate makes a certificate for localhost that is its own authority.
func (w *demoWorld) writeCertificate() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: "warder demo"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(demoLifetime), DNSNames: []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	if err := w.keep("cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))); err != nil {
		return err
	}
	return w.keep("key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
}

// writeIssuer makes the issuer's key set and one token (RFC 7519, RFC 8037).
func (w *demoWorld) writeIssuer() error {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	encode := base64.RawURLEncoding.EncodeToString
	marshal := func(v any) []byte {
		text, _ := json.Marshal(v) // maps of strings and numbers cannot fail
		return text
	}
	now := time.Now()
	signed := encode(marshal(map[string]string{"alg": "EdDSA", "kid": "demo", "typ": "at+jwt"})) + "." + encode(marshal(map[string]any{
		"iss": demoIssuer, "aud": demoAudience, "sub": "robot", "scope": "orders:read",
		"client_id": "robot", "jti": rand.Text(), "iat": now.Unix(), "exp": now.Add(demoLifetime).Unix(),
	}))
	w.token = signed + "." + encode(ed25519.Sign(private, []byte(signed)))
	if err := w.keep("token", "Authorization: Bearer "+w.token+"\n"); err != nil {
		return err
	}
	return w.keep("issuer.jwks", string(marshal(map[string]any{"keys": []map[string]string{
		{"kty": "OKP", "crv": "Ed25519", "kid": "demo", "use": "sig", "alg": "EdDSA", "x": encode(public)},
	}})))
}

// secrets are the texts that may be in no log.
func (w *demoWorld) secrets() []string {
	signature := w.token[strings.LastIndexByte(w.token, '.')+1:]
	return []string{w.key, signature, demoPassword, strings.ReplaceAll(demoPassword, " ", "+")}
}

// begin makes the key, now that the store is open, and learns the addresses.
func (w *demoWorld) begin(ctx context.Context, cfg *config.Config, at running) error {
	issuer, err := newIssuer(at.store.keys, at.store.peppers, cfg)
	if err != nil {
		return err
	}
	_, text, err := issuer.Create(ctx, apikey.By{Actor: "system", Source: "demo"}, apikey.Spec{
		Environment: "test", Name: "demo", Owner: "acme", Scopes: []string{"orders:*"},
	})
	if err != nil {
		return err
	}
	w.key = text.Reveal()
	if err := w.keep("secrets", strings.Join(w.secrets(), "\n")+"\n"); err != nil {
		return err
	}
	_, port, _ := net.SplitHostPort(at.public) // addresses of listeners have one
	w.gateway = "https://localhost:" + port
	_, port, _ = net.SplitHostPort(at.redirect)
	w.plain = "http://localhost:" + port
	return nil
}

// demoConfig is the demo's configuration; the arguments are its folder and the
// address of the sample.
const demoConfig = `# The configuration of the demo. warder config print shows it with every default.
listen: 127.0.0.1:0
admin_listen: "off"
db: "%[1]s/warder.db"
log: {file: "%[1]s/warder.log"}
tls:
  certificates:
    - {cert_file: "%[1]s/cert.pem", key_file: "%[1]s/key.pem"}
  redirect_listen: 127.0.0.1:0
https: {require: true, hsts: 1d}
hosts: [localhost]
cors:
  default:
    origins: [https://app.example.com]
    request_headers: [X-API-Key]
rate_limits:
  two-an-hour: {count: 2, per: 1h, by: [key]}
users: {file: "%[1]s/users"}
session: {password: true}
schemes:
  downloadKey:
    key: {in: query, name: api_key}
  idp:
    jwt:
      issuers:
        - {issuer: "https://idp.demo", audience: [orders], algorithms: [EdDSA], jwks_file: "%[1]s/issuer.jwks"}
  person:
    session: {}
upstreams:
  orders: {url: "%[2]s"}
routes:
  - match: GET /orders
    upstream: orders
    scopes: [orders:read]
  - match: GET /download
    upstream: orders
    security: [{downloadKey: [orders:read]}]
  - match: /account
    upstream: orders
    security: [{person: []}]
  - match: GET /limited
    upstream: orders
    scopes: [orders:read]
    rate_limits: [two-an-hour]
  - match: GET /shared
    upstream: orders
    security: [{apiKey: [orders:read]}, {idp: [orders:read]}]
`
