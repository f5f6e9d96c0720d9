package oidc_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/interop/browser"
	"github.com/warder-dev/warder/interop/oidc"
)

// program is the warder of this test run.
var program binary //nolint:gochecknoglobals // built once for the package, and removed by TestMain

func TestMain(m *testing.M) {
	browser.Main(m)
	program.remove()
}

// A binary is the program, built when it is first asked for.
type binary struct {
	once   sync.Once
	folder string
	err    error
}

func (b *binary) path(t *testing.T) string {
	t.Helper()
	b.once.Do(func() {
		if b.folder, b.err = os.MkdirTemp("", "warder-oidc-"); b.err != nil { //nolint:usetesting // for all tests of the package
			return
		}
		build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(b.folder, "warder"), "./cmd/warder")
		build.Dir = filepath.Join("..", "..") // a module of its own
		if out, err := build.CombinedOutput(); err != nil {
			b.err = fmt.Errorf("%w: %s", err, out)
		}
	})
	if b.err != nil {
		t.Fatal(b.err)
	}
	return filepath.Join(b.folder, "warder")
}

func (b *binary) remove() {
	if b.folder != "" {
		_ = os.RemoveAll(b.folder)
	}
}

// The name under which the gateway is reached: of another site than the provider.
const gatewayHost = "app.site.test"

// settings are those of the gateway of these tests; what is in braces is filled in.
const settings = `
listen: 127.0.0.1:0
admin_listen: "off"
hosts: [app.site.test]
tls: {certificates: [{cert_file: site.pem, key_file: site.key}]}
users: {file: users}
schemes:
  login: {session: {}}
  people: {basic: {}}
  bearer: {jwt: {ca_file: "{ca}", issuers: [{issuer: "{issuer}", audience: ["https://api.example"]}]}}
  opaque:
    introspection:
      url: "{issuer}/oauth/introspect"
      client_id: asker
      client_secret: "file:{folder}/asker"
      issuer: "{issuer}"
      audience: ["https://api.example"]
      cache: 0s
      ca_file: "{ca}"
session:
  password: true
  oidc:
    issuer: "{issuer}"
    client_id: gateway
    client_secret: "file:{folder}/secret"
    redirect_url: "{site}/auth/callback"
    scopes: [profile, groups]
    grants: [{claim: groups, value: ops, scopes: ["orders:*"]}]
    ca_file: "{ca}"
upstreams: {api: {url: "{upstream}"}}
routes:
  - {match: "/page", upstream: api, public: true}
  - {match: "/orders", upstream: api, security: [{login: ["orders:read"]}]}
  - {match: "/admin", upstream: api, security: [{login: ["admin:keys"]}]}
  - {match: "/tokens", upstream: api, security: [{bearer: ["orders:read"]}, {opaque: ["orders:read"]}, {login: ["orders:read"]}]}
`

// A gateway is a warder in a process of its own, behind a port that was known
// before it started: the provider has to know where to lead back to.
type gateway struct {
	t        *testing.T
	url      string // https://app.site.test:PORT
	port     string
	folder   string
	provider *oidc.Provider
	leaks    journal // what the upstream should not have got
}

// startGateway runs a provider, an upstream, and warder in front of it.
func startGateway(t *testing.T) *gateway {
	t.Helper()
	front, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = front.Close() })
	_, port, err := net.SplitHostPort(front.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	g := &gateway{t: t, url: "https://" + gatewayHost + ":" + port, port: port, folder: t.TempDir()}
	cert := browser.Certificate(t)
	g.provider = oidc.Start(t, oidc.Config{
		Certificate: &cert, Users: []oidc.User{ada(), {Name: "bob", Password: "b", Subject: "u-bob", Groups: []string{"dev"}}},
		Clients: []oidc.Client{machine(), opaque(), asker(), {ID: "gateway", Secret: clientSecret, Redirects: []string{g.url + "/auth/callback"}}},
	})
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if cookies, field := r.Header.Get("Cookie"), r.Header.Get("Authorization"); strings.Contains(cookies, "__Host-") || field != "" {
			_, _ = fmt.Fprintf(&g.leaks, "%s with %q and %q\n", r.URL.Path, cookies, field)
		}
		w.Header().Set("Content-Type", "text/html")
		_, _ = fmt.Fprintf(w, "<!doctype html><title>page</title><body>for %s of %s with %s", r.Header.Get("X-Warder-Subject"), r.Header.Get("X-Warder-Issuer"), r.Header.Get("X-Warder-Scopes"))
	}))
	t.Cleanup(upstream.Close)
	site, key := browser.CertificatePEM(t)
	g.write("site.pem", string(site))
	g.write("site.key", string(key))
	g.write("secret", clientSecret)
	g.write("asker", asker().Secret)
	g.write("warder.yaml", strings.NewReplacer(
		"{ca}", g.provider.CAFile(), "{issuer}", g.provider.Issuer(), "{folder}", g.folder, "{site}", g.url, "{upstream}", upstream.URL,
	).Replace(settings))
	g.run("local\n", "users", "add", "eve", "--scopes", "orders:read", "--config", "warder.yaml")
	g.forward(front, g.start())
	return g
}

func (g *gateway) write(name, text string) {
	g.t.Helper()
	if err := os.WriteFile(filepath.Join(g.folder, name), []byte(text), 0o600); err != nil {
		g.t.Fatal(err)
	}
}

// start starts the program and returns where it listens.
func (g *gateway) start() (address string) {
	g.t.Helper()
	process := exec.CommandContext(g.t.Context(), program.path(g.t), "serve", "--config", "warder.yaml", "--log-file", "warder.log")
	process.Dir, process.Env = g.folder, []string{"HOME=" + g.folder, "TMPDIR=" + g.folder}
	stderr, err := process.StderrPipe()
	if err != nil {
		g.t.Fatal(err)
	}
	if err := process.Start(); err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() {
		_ = process.Process.Kill()
		_ = process.Wait() // killed
	})
	said := bufio.NewScanner(stderr)
	line := regexp.MustCompile(`gateway on https?://(\S+)`)
	var all []string
	for said.Scan() {
		all = append(all, said.Text())
		if m := line.FindStringSubmatch(said.Text()); m != nil {
			go func() { _, _ = io.Copy(io.Discard, stderr) }()
			return m[1]
		}
	}
	g.t.Fatalf("warder serve ended: %s\n%s", strings.Join(all, "\n"), g.log())
	return ""
}

// run runs another command of the program.
func (g *gateway) run(stdin string, args ...string) {
	g.t.Helper()
	command := exec.CommandContext(g.t.Context(), program.path(g.t), args...)
	command.Dir, command.Env, command.Stdin = g.folder, []string{"HOME=" + g.folder}, strings.NewReader(stdin)
	if out, err := command.CombinedOutput(); err != nil {
		g.t.Fatalf("warder %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

// forward passes connections on to address, until l is closed.
func (g *gateway) forward(l net.Listener, address string) {
	ctx := g.t.Context()
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go pass(ctx, client, address)
		}
	}()
}

func pass(ctx context.Context, client net.Conn, address string) {
	defer client.Close()
	server, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return
	}
	go func() {
		_, _ = io.Copy(server, client)
		_ = server.Close()
	}()
	_, _ = io.Copy(client, server)
}

func (g *gateway) log() string {
	text, err := os.ReadFile(filepath.Join(g.folder, "warder.log"))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// agent returns one that finds every name on this machine.
func (g *gateway) agent() *agent {
	g.t.Helper()
	a := newAgent(g.t, leaf(g.t, g.provider))
	transport, ok := a.client.Transport.(*http.Transport)
	if !ok {
		g.t.Fatal("no transport")
	}
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		_, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		return new(net.Dialer).DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
	}
	return a
}

func (g *gateway) bearing(a *agent, path, token string) page {
	g.t.Helper()
	r, err := http.NewRequestWithContext(g.t.Context(), http.MethodGet, g.url+path, http.NoBody)
	if err != nil {
		g.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	w, err := a.client.Do(r)
	if err != nil {
		g.t.Fatal(err)
	}
	defer w.Body.Close()
	body, err := io.ReadAll(w.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	return page{status: w.StatusCode, body: string(body), header: w.Header}
}

func (g *gateway) says(who, issuer, scopes string) string {
	return fmt.Sprintf("for %s of %s with %s", who, issuer, scopes)
}

// TestGateway asks one gateway with everything that a provider gives out.
func TestGateway(t *testing.T) {
	g := startGateway(t)
	attack.Case(t, "SESS-12", attack.Gateway, g.testLogin)
	attack.Case(t, "SESS-04", attack.Gateway, g.testPassword)
	t.Run("tokens", g.testTokens)
	attack.Case(t, "SESS-04", attack.Browser, g.testChromium)
	t.Run("the provider is gone", g.testOutage)
	attack.Case(t, "PROXY-18", attack.Gateway, func(t *testing.T) {
		if leaks := g.leaks.take(); leaks != "" {
			t.Errorf("credentials reached the upstream: %s", leaks)
		}
	})
	if log := g.log(); strings.Contains(log, clientSecret) || strings.Contains(log, "code_verifier") || strings.Contains(log, "code=") || strings.Contains(log, "pässword") {
		t.Errorf("the log tells too much:\n%s", log)
	}
}

func (g *gateway) testLogin(t *testing.T) {
	t.Helper()
	g.t = t
	a := g.agent()
	if p := a.get(g.url + "/orders"); p.status != http.StatusUnauthorized {
		t.Fatalf("before: %d", p.status)
	}
	begun := a.get(g.url + "/auth/oidc?return=/orders")
	q := parse(t, begun.location).Query()
	if begun.status != http.StatusSeeOther || q.Get("code_challenge_method") != "S256" || q.Get("state") == "" || q.Get("nonce") == "" {
		t.Fatalf("%d to %s: %s", begun.status, begun.location, g.log())
	}
	a.get(g.url + "/page") // with the cookie of the login under way
	back := a.answer(g.provider, begun.location, ada())
	if p := g.agent().get(back); p.status != http.StatusUnauthorized {
		t.Errorf("the answer in another browser gets %d, want 401", p.status)
	}
	if p := a.get(back); p.status != http.StatusSeeOther || p.location != g.url+"/orders" {
		t.Fatalf("%d to %q: %s", p.status, p.location, g.log())
	}
	if p := a.get(g.url + "/orders"); p.status != http.StatusOK || !strings.Contains(p.body, g.says("u-ada", g.provider.Issuer(), "orders:*")) {
		t.Errorf("%d %s", p.status, p.body)
	}
	if p := a.get(g.url + "/admin"); p.status != http.StatusForbidden {
		t.Errorf("without the scope: %d, want 403", p.status)
	}
	bob := g.agent()
	if p := bob.get(bob.answer(g.provider, bob.get(g.url+"/auth/oidc").location, oidc.User{Name: "bob", Password: "b"})); p.status != http.StatusForbidden {
		t.Errorf("whom no grant admits: %d, want 403", p.status)
	}
	kept := a.client.Jar.Cookies(parse(t, g.url))
	if p := a.post(g.url+"/auth/logout", nil); p.status != http.StatusSeeOther {
		t.Errorf("logout: %d %s", p.status, p.body)
	}
	a.client.Jar.SetCookies(parse(t, g.url), kept)
	if p := a.get(g.url + "/orders"); p.status != http.StatusUnauthorized {
		t.Errorf("after logout: %d", p.status)
	}
}

// testPassword logs a user of the file in, and takes the user out of it: the
// session ends by itself.
func (g *gateway) testPassword(t *testing.T) {
	t.Helper()
	g.t = t
	a := g.agent()
	if p := a.post(g.url+"/auth/login", url.Values{"username": {"eve"}, "password": {"wrong"}}); p.status != http.StatusUnauthorized {
		t.Errorf("a wrong password: %d", p.status)
	}
	if p := a.post(g.url+"/auth/login", url.Values{"username": {"eve"}, "password": {"local"}, "return": {"/orders"}}); p.status != http.StatusSeeOther || p.location != g.url+"/orders" {
		t.Fatalf("%d to %q: %s", p.status, p.location, p.body)
	}
	if p := a.get(g.url + "/orders"); p.status != http.StatusOK || !strings.Contains(p.body, g.says("eve", "password", "orders:read")) {
		t.Errorf("%d %s", p.status, p.body)
	}
	g.run("", "users", "remove", "eve", "--config", "warder.yaml")
	eventually(t, "the session of a user who is gone is refused", func() bool { return a.get(g.url+"/orders").status == http.StatusUnauthorized })
}

func (g *gateway) testTokens(t *testing.T) {
	t.Helper()
	g.t = t
	a := g.agent()
	issuer := g.provider.Issuer()
	signed, sealed := g.provider.Token(t, machine(), "orders:read"), g.provider.Token(t, opaque(), "orders:read")
	for _, tt := range []struct {
		name, token string
		status      int
		text        string
	}{
		{"a JWT", signed, 200, g.says("machine", issuer, "orders:read")},
		{"an opaque token", sealed, 200, g.says("opaque", issuer, "orders:read")},
		{"a JWT without the scope", g.provider.Token(t, machine(), "other"), 403, ""},
		{"an opaque token without the scope", g.provider.Token(t, opaque(), "other"), 403, ""},
		{"a JWT whose key nobody has", withKeyID(t, signed, "unknown"), 401, ""},
		{"an opaque token that nobody gave out", "forged", 401, ""},
	} {
		p := g.bearing(a, "/tokens", tt.token)
		if p.status != tt.status || !strings.Contains(p.body, tt.text) || tt.status != 200 && !strings.HasPrefix(p.header.Get("WWW-Authenticate"), "Bearer ") {
			t.Errorf("%s: %d %s %v, want %d %s", tt.name, p.status, p.body, p.header.Values("Www-Authenticate"), tt.status, tt.text)
		}
	}
	g.provider.Revoke(t, opaque(), sealed)
	if p := g.bearing(a, "/tokens", sealed); p.status != http.StatusUnauthorized {
		t.Errorf("a revoked token: %d, want 401", p.status)
	}
}

func (g *gateway) testOutage(t *testing.T) {
	t.Helper()
	g.t = t
	signed, sealed := g.provider.Token(t, machine(), "orders:read"), g.provider.Token(t, opaque(), "orders:read")
	a := g.agent()
	back := a.answer(g.provider, a.get(g.url+"/auth/oidc").location, ada())
	g.provider.Stop()
	if p := g.bearing(a, "/tokens", signed); p.status != http.StatusOK {
		t.Errorf("a JWT: %d, want 200 by the keys that are there", p.status)
	}
	if p := g.bearing(a, "/tokens", sealed); p.status != http.StatusServiceUnavailable || p.header.Get("Retry-After") == "" {
		t.Errorf("an opaque token: %d, want 503", p.status)
	}
	if p := a.get(back); p.status != http.StatusServiceUnavailable {
		t.Errorf("the end of a login: %d, want 503", p.status)
	}
	if p := a.get(g.url + "/page"); p.status != http.StatusOK {
		t.Errorf("a public page: %d", p.status)
	}
	g.provider.Resume(t)
	if p := g.bearing(a, "/tokens", sealed); p.status != http.StatusOK {
		t.Errorf("an opaque token, since the provider is back: %d", p.status)
	}
}

// testChromium logs in with a browser, across two sites.
func (g *gateway) testChromium(t *testing.T) {
	t.Helper()
	g.t = t
	b := browser.Start(t)
	if p := b.Open(g.url + "/orders"); p.Status != http.StatusUnauthorized {
		t.Fatalf("before: %+v", p)
	}
	led := b.Open(g.url + "/auth/oidc?return=/orders")
	id := parse(t, led.URL).Query().Get("id")
	if led.Status != http.StatusOK || !strings.HasPrefix(led.URL, g.provider.Issuer()+"/login?id=") {
		t.Fatalf("the login leads to %+v", led)
	}
	if p := b.Submit(browser.Form{Action: "/login", Fields: map[string]string{"id": id, "name": "ada", "password": "wrong"}}); !strings.Contains(p.Text, "wrong") {
		t.Errorf("a wrong password at the provider: %+v", p)
	}
	p := b.Submit(browser.Form{Action: "/login", Fields: map[string]string{"id": id, "name": "ada", "password": ada().Password}})
	if p.Status != http.StatusOK || p.URL != g.url+"/orders" || !strings.Contains(p.Text, g.says("u-ada", g.provider.Issuer(), "orders:*")) {
		t.Fatalf("after the login: %+v\n%s", p, g.log())
	}
	var readable string
	b.Eval("document.cookie", &readable)
	session := b.Cookies(g.url + "/")["__Host-session"]
	if strings.Contains(readable, "__Host-session") || session == "" || b.Cookies(g.url + "/")["__Host-login"] != "" {
		t.Errorf("a script reads %q; cookies %v", readable, b.Cookies(g.url+"/"))
	}
	other := browser.Serve(t, browser.Page("another site"))
	b.Open(other.URL("other.test", "/"))
	if p := b.Submit(browser.Form{Action: g.url + "/auth/logout"}); p.Status != http.StatusForbidden {
		t.Errorf("logout by another site: %+v, want 403", p)
	}
	if p := b.Open(g.url + "/orders"); p.Status != http.StatusOK {
		t.Errorf("still logged in: %+v", p)
	}
	if p := b.Submit(browser.Form{Action: g.url + "/auth/logout"}); p.URL != g.url+"/" {
		t.Errorf("logout leads to %+v", p)
	}
	if left := b.Cookies(g.url + "/")["__Host-session"]; left != "" {
		t.Errorf("the cookie is still there")
	}
	if p := b.Open(g.url + "/orders"); p.Status != http.StatusUnauthorized {
		t.Errorf("after logout: %+v", p)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.url+"/orders", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Cookie", "__Host-session="+session)
	w, err := g.agent().client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Body.Close()
	if w.StatusCode != http.StatusUnauthorized {
		t.Errorf("the cookie of before: %d, want 401", w.StatusCode)
	}
}
