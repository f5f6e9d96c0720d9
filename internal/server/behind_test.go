package server_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/wire"
)

// The addresses of the tests with a proxy in front: the proxy asks warder from
// 127.0.0.1, which is listed; clients ask the proxy from another address.
const (
	publicName = "api.example.com"
	clientAt   = "127.0.0.7"
	strangerAt = "127.0.0.8"
	proxyPage  = "../../docs/guide/behind-a-proxy.md"
)

// onPage returns the blocks of the kind in a section of a page, in their order.
func onPage(t *testing.T, page, section, kind string) (blocks []string) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	_, behind, found := strings.Cut(string(text), "\n## "+section+"\n")
	if !found {
		t.Fatalf("%s has no section %q", page, section)
	}
	behind, _, _ = strings.Cut(behind, "\n## ")
	for {
		var block string
		_, behind, found = strings.Cut(behind, "\n```"+kind+"\n")
		if !found {
			return blocks
		}
		block, behind, _ = strings.Cut(behind, "\n```\n")
		blocks = append(blocks, block)
	}
}

// proxyYAML returns the configuration that the page shows for a proxy, with a
// route.
func proxyYAML(t *testing.T, section string) string {
	t.Helper()
	blocks := onPage(t, proxyPage, section, "yaml")
	if len(blocks) != 1 {
		t.Fatalf("section %s has %d blocks of YAML, want 1", section, len(blocks))
	}
	return withoutUpstream(t, blocks[0]) + "\nroutes:\n  - {match: /, upstream: api}\n"
}

// withoutUpstream takes the page's own upstream out of its configuration.
func withoutUpstream(t *testing.T, yaml string) string {
	t.Helper()
	const line = "upstream: http://127.0.0.1:8000\n"
	if !strings.HasPrefix(yaml, line) {
		t.Fatalf("the page's configuration does not begin with %q:\n%s", line, yaml)
	}
	return yaml[len(line):]
}

// TestTheConfigurationsForProxiesAreValid loads what the page shows for each.
func TestTheConfigurationsForProxiesAreValid(t *testing.T) {
	for _, section := range []string{"nginx", "Caddy", "Traefik", "AWS Application Load Balancer", "Cloudflare"} {
		s := settings{yaml: proxyYAML(t, section)}
		c := s.load(t, t.TempDir(), "http://127.0.0.1:1")
		if !c.Forwarded.Proto || !c.HTTPS.Require || c.HTTPS.HSTS == 0 || len(c.Hosts) == 0 {
			t.Errorf("%s: forwarded %+v, https %+v, hosts %v: want https to be wanted, and the proxy to be believed", section, c.Forwarded, c.HTTPS, c.Hosts)
		}
	}
}

// run starts a program that serves on addr, and stops it at the end of the test.
func run(t *testing.T, addr string, cmd func(ctx context.Context) *exec.Cmd) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	c := cmd(ctx)
	var output strings.Builder
	c.Stdout, c.Stderr = &output, &output
	if err := c.Start(); err != nil {
		cancel()
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = c.Wait(); close(ended) }()
	t.Cleanup(func() {
		cancel()
		<-ended
		if t.Failed() {
			t.Logf("%s:\n%s", c.Path, output.String())
		}
	})
	await(t, ended, func() bool {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr)
		return err == nil && conn.Close() == nil
	})
}

// await polls until f is content, for a minute, or until the program has ended.
func await(t *testing.T, ended <-chan struct{}, f func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(time.Minute)
	for !f() {
		select {
		case <-tick.C:
		case <-ended:
			t.Fatal("the program in front ended by itself")
		case <-deadline:
			t.Fatal("the program in front does not answer within a minute")
		}
	}
}

// A front is a proxy that ends TLS for publicName.
type front struct {
	http, https string // its addresses, host:port
	roots       *x509.CertPool
	cert        *tls.Certificate // of the client; nil for none
}

// client asks the front, whatever the host, from clientAt, and follows nothing.
func (f front) client() *http.Client {
	own := tls.Config{RootCAs: f.roots, ServerName: publicName, MinVersion: tls.VersionTLS12}
	if f.cert != nil {
		own.Certificates = []tls.Certificate{*f.cert}
	}
	return &http.Client{
		Transport: &http.Transport{
			DisableKeepAlives: true, DisableCompression: true, TLSClientConfig: &own, ForceAttemptHTTP2: true,
			DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				to := f.http
				if strings.HasSuffix(addr, ":443") {
					to = f.https
				}
				return dialer(clientAt).DialContext(ctx, network, to)
			},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// dialer dials from an address of the loopback network.
func dialer(local string) *net.Dialer {
	return &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(local)}}
}

// ask sends a GET with the fields, each a name and a value.
func (f front) ask(t *testing.T, url string, fields ...string) *http.Response {
	t.Helper()
	r := newRequest(t, url)
	for i := 0; i < len(fields); i += 2 {
		if fields[i] == "Host" {
			r.Host = fields[i+1]
			continue
		}
		r.Header.Add(fields[i], fields[i+1])
	}
	w, err := f.client().Do(r)
	if err != nil {
		t.Fatalf("%s: %v", url, err)
	}
	t.Cleanup(func() { _ = w.Body.Close() })
	return w
}

// A behind is a program behind a front, with an upstream that keeps what comes.
type behind struct {
	*program
	front
	upstream *wire.Upstream
}

// last returns the head of the last request that reached the upstream.
func (b behind) last() string {
	all := strings.Split(strings.Join(b.upstream.Received(), ""), "\r\n\r\n")
	if len(all) < 2 {
		return ""
	}
	return all[len(all)-2]
}

// attacks tries what a proxy in front makes possible.
func (b behind) attacks(t *testing.T) {
	t.Helper()
	attack.Case(t, "TLS-04", attack.Gateway, b.schemes)
	attack.Case(t, "TLS-05", attack.Gateway, b.hsts)
	attack.Case(t, "KEY-24", attack.Gateway, b.exposed)
	attack.Case(t, "IP-01", attack.Gateway, b.around)
	attack.Case(t, "IP-02", attack.Gateway, b.addresses)
	attack.Case(t, "HOST-09", attack.Gateway, b.hosts)
	t.Run("a WebSocket", b.webSocket)
}

// schemes tries whom warder believes that TLS ended in front.
func (b behind) schemes(t *testing.T) {
	t.Helper()
	if w := b.ask(t, "https://"+publicName+"/a", "X-API-Key", b.key); w.StatusCode != http.StatusOK {
		t.Errorf("over https: %d, want 200", w.StatusCode)
	}
	if got := b.last(); !strings.Contains(got, "\r\nX-Forwarded-Proto: https") || strings.Count(got, "X-Forwarded-Proto") != 1 {
		t.Errorf("the upstream read %q, want one X-Forwarded-Proto: https", got)
	}
	w := b.ask(t, "http://"+publicName+"/a?b=1")
	if got, want := w.Header.Get("Location"), "https://"+publicName+"/a?b=1"; w.StatusCode != http.StatusPermanentRedirect || got != want {
		t.Fatalf("over http: %d to %q, want 308 to %q", w.StatusCode, got, want)
	}
	if w := b.ask(t, w.Header.Get("Location")); w.StatusCode != http.StatusUnauthorized {
		t.Errorf("where the redirect leads: %d, want 401: no loop", w.StatusCode)
	}
	for _, spoofed := range [][]string{
		{"X-Forwarded-Proto", "https"},
		{"X-Forwarded-Proto", "https", "X-Forwarded-Proto", "https"},
		{"Forwarded", "for=203.0.113.9;proto=https"},
		{"X-Forwarded-Ssl", "on", "Front-End-Https", "on", "X-Url-Scheme", "https", "X-Forwarded-Port", "443"},
	} {
		if w := b.ask(t, "http://"+publicName+"/a", spoofed...); w.StatusCode != http.StatusPermanentRedirect {
			t.Errorf("over http with %q: %d, want 308", spoofed, w.StatusCode)
		}
	}
	for _, spoofed := range [][]string{{"X-Forwarded-Proto", "http"}, {"X-Forwarded-Proto", "http,https"}, {"Forwarded", "proto=http"}} {
		if w := b.ask(t, "https://"+publicName+"/a", append(spoofed, "X-API-Key", b.key)...); w.StatusCode != http.StatusOK {
			t.Errorf("over https with %q: %d, want 200", spoofed, w.StatusCode)
		}
	}
}

func (b behind) hsts(t *testing.T) {
	t.Helper()
	for url, want := range map[string]string{"https://" + publicName + "/": "max-age=31536000", "http://" + publicName + "/": ""} {
		if got := strings.Join(b.ask(t, url).Header.Values("Strict-Transport-Security"), "|"); got != want {
			t.Errorf("%s: Strict-Transport-Security = %q, want %q", url, got, want)
		}
	}
}

func (b behind) exposed(t *testing.T) {
	t.Helper()
	before, counted := len(b.upstream.Received()), b.counted(t)
	w := b.ask(t, "http://"+publicName+"/a", "X-API-Key", b.key)
	if w.StatusCode != http.StatusForbidden || w.Header.Get("Location") != "" {
		t.Errorf("a key over http: %d to %q, want 403 and no redirect", w.StatusCode, w.Header.Get("Location"))
	}
	if len(b.upstream.Received()) != before {
		t.Error("the upstream was asked")
	}
	if got := b.counted(t); got != counted+1 {
		t.Errorf("%d exposed keys were counted, want one more than %d", got, counted)
	}
}

// counted is how many exposed credentials the metrics tell of.
func (b behind) counted(t *testing.T) (n int) {
	t.Helper()
	metrics, err := io.ReadAll(do(t, newRequest(t, "http://"+b.admin+"/metrics")).Body)
	if err != nil {
		t.Fatal(err)
	}
	_, behind, _ := strings.Cut(string(metrics), "\nwarder_exposed_credentials_total ")
	if _, err := fmt.Sscan(behind, &n); err != nil {
		t.Fatalf("the metrics do not count exposed credentials: %v", err)
	}
	return n
}

// around asks warder itself, from an address that is not listed.
func (b behind) around(t *testing.T) {
	t.Helper()
	direct := front{http: b.gateway, https: b.gateway}
	fields := []string{"X-Forwarded-Proto", "https", "X-Forwarded-For", "203.0.113.9", "Forwarded", "for=203.0.113.9;proto=https", "X-Real-Ip", "203.0.113.9"}
	if w := direct.ask(t, "http://"+publicName+"/a", fields...); w.StatusCode != http.StatusPermanentRedirect {
		t.Errorf("around the proxy: %d, want 308: it is not listed", w.StatusCode)
	}
	if w := direct.ask(t, "http://"+publicName+"/a", append(fields, "X-API-Key", b.key)...); w.StatusCode != http.StatusForbidden {
		t.Errorf("around the proxy, with a key: %d, want 403", w.StatusCode)
	}
}

func (b behind) addresses(t *testing.T) {
	t.Helper()
	for name, fields := range map[string][]string{
		"nothing":         nil,
		"a list":          {"X-Forwarded-For", "203.0.113.9, 198.51.100.1"},
		"two lines":       {"X-Forwarded-For", "203.0.113.9", "X-Forwarded-For", "127.0.0.1"},
		"a listed hop":    {"X-Forwarded-For", "203.0.113.9, 127.0.0.1"},
		"nonsense":        {"X-Forwarded-For", "unknown, , \"x\""},
		"every other one": {"Forwarded", "for=203.0.113.9", "X-Real-Ip", "203.0.113.9", "Cf-Connecting-Ip", "203.0.113.9", "True-Client-Ip", "203.0.113.9", "X-Client-Ip", "203.0.113.9"},
	} {
		if w := b.ask(t, "https://"+publicName+"/a", append(fields, "X-API-Key", b.key)...); w.StatusCode != http.StatusOK {
			t.Errorf("%s: %d, want 200", name, w.StatusCode)
		}
		if got := b.last(); !strings.Contains(got, "\r\nX-Forwarded-For: "+clientAt+"\r\n") || strings.Contains(got, "203.0.113.9") {
			t.Errorf("%s: the upstream read %q, want the client %s alone", name, got, clientAt)
		}
	}
}

func (b behind) hosts(t *testing.T) {
	t.Helper()
	for _, scheme := range []string{"http", "https"} {
		for _, fields := range [][]string{{"Host", "evil.test"}, {"X-Forwarded-Host", "evil.test"}} {
			w := b.ask(t, scheme+"://"+publicName+"/", fields...)
			if to := w.Header.Get("Location"); strings.Contains(to, "evil") || fields[0] == "X-Forwarded-Host" && w.StatusCode == http.StatusMisdirectedRequest {
				t.Errorf("%s with %q: %d to %q: it was believed", scheme, fields, w.StatusCode, to)
			}
		}
	}
}

// webSocket upgrades a connection through both.
func (b behind) webSocket(t *testing.T) {
	t.Helper()
	conn, err := (&tls.Dialer{NetDialer: dialer(clientAt), Config: &tls.Config{RootCAs: b.roots, ServerName: publicName, MinVersion: tls.VersionTLS12}}).DialContext(t.Context(), "tcp", b.https)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	text := "GET /socket HTTP/1.1\r\nHost: " + publicName + "\r\nX-API-Key: " + b.key +
		"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
	if _, err := conn.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 12)
	if _, err := conn.Read(got); err != nil || string(got) != "HTTP/1.1 101" {
		t.Errorf("%q, %v, want 101", got, err)
	}
}

// serveSockets answers requests, and accepts WebSockets.
func serveSockets(c *wire.Conn) {
	for {
		r, err := c.Request()
		switch {
		case err != nil:
			return
		case r.Header.Get("Upgrade") != "":
			c.Say("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")
			c.Drain()
			return
		default:
			c.Say(wire.OK)
		}
	}
}
