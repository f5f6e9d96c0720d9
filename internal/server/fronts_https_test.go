package server_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc/credentials/insecure"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/httpserver"
	"github.com/warder-dev/warder/internal/testcert"
	"github.com/warder-dev/warder/internal/wire"
	"github.com/warder-dev/warder/mtls"
	"github.com/warder-dev/warder/problem"
	"github.com/warder-dev/warder/secret"
	"github.com/warder-dev/warder/trustedhost"
)

// policySecure is the policy of the rows that are about https: it is wanted of
// everybody.
const policySecure = `
hosts: [api.example.com]
https: {require: true}
forwarded: {from: x-forwarded-for, trusted_proxies: [192.0.2.1], proto: true}
schemes:
  cookieKey: {key: {in: cookie}}
  bearerKey: {key: {in: bearer}}
  certificate: {certificate: {subject: cn, issuer: clients, grants: [{match: robot, owner: robots, scopes: ["orders:read"]}]}}
routes:
  - {match: GET /orders/, upstream: api, scopes: ["orders:read"]}
  - {match: /any/, upstream: api}
  - {match: /open/, upstream: api, public: true}
  - {match: /cookie/, upstream: api, security: [{cookieKey: []}]}
  - {match: /bearer/, upstream: api, security: [{bearerKey: []}]}
  - {match: /robots/, upstream: api, security: [{certificate: ["orders:read"]}]}
`

// The certificates that clients of https show.
const (
	asNobody = "none"
	asRobot  = "robot"
	asOthers = "other"
)

// security is what TLS of the fronts is made of.
type security struct {
	ca           *testcert.CA
	cert, key    string // files of the server's
	authority    string // file of who signs clients
	both         string // file with the server's certificate and key
	certificates map[string]tls.Certificate
}

func newSecurity(t *testing.T) security {
	t.Helper()
	s := security{ca: testcert.NewCA(t, "root"), certificates: make(map[string]tls.Certificate)}
	folder := t.TempDir()
	pair := s.ca.Issue(t, testcert.Leaf{Names: []string{policyHost}})
	s.cert, s.key = pair.Write(t, folder, "tls")
	s.authority, s.both = filepath.Join(folder, "ca.pem"), filepath.Join(folder, "both.pem")
	for file, text := range map[string][]byte{s.authority: s.ca.PEM, s.both: append(append([]byte{}, pair.Cert...), pair.Key...)} {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{asRobot, asOthers} {
		s.certificates[name] = s.ca.Issue(t, testcert.Leaf{Subject: name, Usage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}).TLS
	}
	return s
}

// client is a client of HTTP/1.1 that shows a certificate.
func (s security) client(certificate string) *tls.Config {
	c := &tls.Config{RootCAs: s.ca.Pool(), ServerName: policyHost, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
	if shown, ok := s.certificates[certificate]; ok {
		c.Certificates = []tls.Certificate{shown}
	}
	return c
}

// secureFronts are those of the rows about https.
func secureFronts() []policyFront {
	return []policyFront{atLibrary, atGateway, atNginx, atCaddy, atHAProxy, atPlain, atTraefik, atEnvoy, atJudge}
}

// TestOnePolicyOverHTTPS asks about what is wanted of connections.
func TestOnePolicyOverHTTPS(t *testing.T) {
	areas := secureAreas()
	for _, front := range secureFronts() {
		t.Run(string(front), func(t *testing.T) {
			d := secureDriverOf(t, front)
			for i := range areas {
				for j := range areas[i].rows {
					askRow(t, d, front, newToldFields(), &areas[i], &areas[i].rows[j])
				}
			}
			d.idle(t)
		})
	}
}

// secureDriverOf starts a front that speaks both, and wants TLS.
func secureDriverOf(t *testing.T, front policyFront) policyDriver {
	t.Helper()
	p, s := newPeople(t), newSecurity(t)
	if front == atLibrary {
		return newSecureLibrary(t, p, s)
	}
	yaml := policySecure
	if dialect := dialectOf(front); dialect != "" {
		yaml = "decision: {listen: \"127.0.0.1:0\", dialect: " + dialect + "}\n" + yaml
	} else {
		yaml = fmt.Sprintf("tls: {certificates: [{cert_file: %s, key_file: %s}], client_ca_file: %s, redirect_listen: \"127.0.0.1:0\"}\n", s.cert, s.key, s.authority) + yaml
	}
	upstream, logged := wire.Listen(t, servePolicy), newRecords()
	r := start(t, upstream.URL(), settings{yaml: yaml, access: logged, token: secret.New(policyToken)})
	c := newCast(t, p, keysAndCredits{r.issuer, r.credits, func(last apikey.Revision) { r.awaitNodes(t, last) }})
	sent := wires{addr: r.redirect, secure: r.gateway, tls: s, cast: c, logged: logged, arrivals: arrivalsAt(upstream)}
	to := strings.NewReplacer("127.0.0.1:8083", r.asked, "127.0.0.1:8000", upstreamAddress(upstream))
	if front != atGateway {
		sent.secure = wire.FreeAddress(t)
	}
	switch front {
	case atNginx:
		page := strings.Replace(onPage(t, askedPage, "nginx", "nginx")[0], "listen 80;", "listen {ADDR}; listen "+sent.secure+" ssl; ssl_certificate "+s.cert+"; ssl_certificate_key "+s.key+";", 1)
		sent.addr = startNginx(t, to.Replace(page))
	case atCaddy:
		page := onPage(t, askedPage, "Caddy", "caddy")[0]
		_, site, _ := strings.Cut(page, "\napi.example.com {") // once more, over TLS
		page += "\nhttps://api.example.com:" + portOf(sent.secure) + " {\n\ttls " + s.cert + " " + s.key + site
		sent.addr = startPlainCaddy(t, to.Replace(page))
	case atHAProxy:
		sent.addr = startHAProxy(t, r.asked, upstreamAddress(upstream), "bind {ADDR}\n  bind "+sent.secure+" ssl crt "+s.both)
	case atPlain:
		return replays{wires: sent, asked: r.asked, shape: caddyShape}
	case atTraefik:
		return replays{wires: sent, asked: r.asked, shape: traefikShape}
	case atJudge:
		return judges{wires: sent, admin: r.admin}
	case atEnvoy:
		return envoys{wires: sent, conn: r.dial(t, insecure.NewCredentials())}
	default: // the gateway itself
	}
	return sent
}

// newSecureLibrary is the same policy in Go.
func newSecureLibrary(t *testing.T, p people, s security) policyDriver {
	t.Helper()
	l := newParts(t, p)
	certificate := must(mtls.New(mtls.Config{Name: "certificate", SubjectFrom: mtls.CommonName, Issuer: "clients", Grants: []mtls.Grant{{Match: "robot", Owner: "robots", Scopes: []string{"orders:read"}}}}))(t)
	l.cors = nil
	l.add("GET /orders/", authn.Require(l.header, "orders:read"))
	l.add("/any/", authn.Require(l.header))
	l.add("/open/", nil)
	l.add("/cookie/", authn.Require(l.cookie))
	l.add("/bearer/", authn.Require(l.bearer))
	l.add("/robots/", authn.Require(certificate, "orders:read"))
	logged, seen := newRecords(), new(notes)
	stack := &warder.Stack{Edge: l.edge(logged), Route: l.routes}
	hosts := must(trustedhost.New(trustedhost.Config{Hosts: []string{policyHost}}))(t)
	stack.Edge.TrustedHost = hosts
	stack.Edge.HTTPS = must(httpserver.NewHTTPS(httpserver.HTTPSConfig{Known: hosts.Lists, Carries: func(x *exchange.Exchange) (string, bool) {
		h := x.Request.Header
		return "", h.Get("X-Api-Key")+h.Get("Authorization") != "" || strings.Contains(h.Get("Cookie"), "__Host-api_key")
	}}))(t)
	own := must(tls.LoadX509KeyPair(s.cert, s.key))(t)
	plain, stopPlain := serveLibrary(t, stack.Wrap(seen), nil)
	secure, stopSecure := serveLibrary(t, stack.Wrap(seen), &tls.Config{Certificates: []tls.Certificate{own}, ClientCAs: s.ca.Pool(), ClientAuth: tls.VerifyClientCertIfGiven, MinVersion: tls.VersionTLS12})
	t.Cleanup(func() { stopPlain(); stopSecure() })
	return wires{addr: plain, secure: secure, tls: s, cast: newCast(t, p, l.stores), logged: logged, arrivals: seen.take}
}

// secureAreas are the rows about https.
func secureAreas() []policyArea {
	const verify = "verify is told nothing of connections"
	return []policyArea{
		{"Plain HTTP where https is required", "127.0.2.21", verify, plainHTTPRows()},
		{"Over https", "127.0.2.22", verify, httpsRows()},
		{"Certificates of clients", "127.0.2.23", verify, certificateRows()},
	}
}

func over(certificate string) policyChange { return func(r *policyRow) { r.over = certificate } }

func plainHTTPRows() []policyRow {
	redirected := func() policyAnswer { return answered(http.StatusPermanentRedirect, "https-redirect") }
	exposed := func() policyAnswer { return refuses(problem.HTTPSRequired, "credential-over-http") }
	return []policyRow{
		rule("a public route leads to https", "GET /open/1?a=b", "", redirected()),
		rule("so does one that asks for a key", getOrder, "", redirected()),
		rule("and one that there is not", "GET /nowhere", "", redirected()),
		rule("HEAD", "HEAD /open/1", "", redirected()),
		rule("a write", "POST /any/1", "", redirected(), sends("a")),
		rule("a good key is refused", getOrder, key("reader"), exposed()),
		rule("a wrong key as well", getOrder, "X-API-Key: letmein\r\n", exposed()),
		rule("also on a public route", "GET /open/1", key("reader"), exposed()),
		rule("in a cookie", "GET /cookie/1", "Cookie: __Host-api_key={reader}\r\n", exposed()),
		rule("as a bearer", "GET /bearer/1", bearerOf("reader"), exposed()),
		rule("a client's X-Forwarded-Proto says nothing", "GET /open/1", "X-Forwarded-Proto: https\r\n", redirected()),
		rule("nor does Forwarded", "GET /open/1", "Forwarded: proto=https\r\nX-Forwarded-Ssl: on\r\nFront-End-Https: on\r\n", redirected()),
		rule("nobody is led to another host", "GET /open/1", "Host: evil.example\r\n", refuses(problem.Misdirected, "misdirected-request"),
			but(policyAnswer{status: http.StatusOK, silent: true}, noSite, atCaddy)),
		rule("nor by a path with two readings", "GET /open//1", "", refuses(problem.InvalidTarget, "empty-segments")),
	}
}

func httpsRows() []policyRow {
	row := func(name, line, head string, want policyAnswer, changes ...policyChange) policyRow {
		return rule(name, line, head, want, append(changes, over(asNobody))...)
	}
	return []policyRow{
		row("a good key", getOrder, key("reader"), passes(isReader)),
		row("no key", getOrder, "", noCredential()),
		row("a wrong key", getOrder, key("revoked"), wrong("revoked")),
		row("a public route", "GET /open/1", "", passes("")),
		row("a client's X-Forwarded-Proto says nothing", getOrder, "X-Forwarded-Proto: http\r\n"+key("reader"), passes(isReader)),
		row("the own origin is of https", "POST /cookie/1", "Cookie: __Host-api_key={reader}\r\nOrigin: https://"+policyHost+"\r\n", passes(isReader), sends("a")),
		row("that of http is another", "POST /cookie/1", "Cookie: __Host-api_key={reader}\r\nOrigin: http://"+policyHost+"\r\n", refuses(problem.CrossSite, "other-origin"), sends("a")),
	}
}

func certificateRows() []policyRow {
	unknown := func(want policyAnswer) policyChange {
		return but(want, "the proxy's own handshake: warder is told of no certificate", askers()...)
	}
	row := func(name, certificate string, want policyAnswer, changes ...policyChange) policyRow {
		return rule(name, "GET /robots/1", "", want, append(changes, over(certificate))...)
	}
	return []policyRow{
		row("a listed one", asRobot, passes("clients robot robots orders:read"), unknown(noCredential())),
		row("one that is granted nothing", asOthers, refuses(problem.InsufficientScope, "insufficient-scope"), unknown(noCredential())),
		row("none", asNobody, noCredential()),
		rule("one in a header", "GET /robots/1", "X-Client-Cert: robot\r\nX-Forwarded-Client-Cert: Subject=\"CN=robot\"\r\n", noCredential(), over(asNobody)),
	}
}
