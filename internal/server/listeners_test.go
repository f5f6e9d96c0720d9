package server_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/testcert"
)

// manyYAML serves the same routes to the world, and to a proxy at a listener of its own
// that alone is believed.
const manyYAML = `
hosts: [api.example.com]
headers: {frame_options: DENY}
rate_limits: {few: {count: 4, per: 366d, by: [key]}}
brute_force: {failures: 20, key_failures: 2, delay: 1h, longest_delay: 1h}
listeners:
  internal:
    listen: 127.0.0.1:0
    hosts: [api.internal]
    forwarded: {from: x-forwarded-for, trusted_proxies: [127.0.0.1], client_cert_header: X-Cert}
    headers: {frame_options: SAMEORIGIN}
  plain:
    listen: 127.0.0.1:0
    hosts: []
    https: {require: false, port: 8443}
routes:
  - {match: "/seen", upstream: api, public: true}
  - {match: "/few", upstream: api, rate_limits: [few]}
  - {match: "/keys", upstream: api}
`

// echoing is an upstream that tells whom it takes the client to be.
func echoing(t *testing.T) string {
	t.Helper()
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, "%s%s", r.Header.Get("Forwarded"), r.Header.Get("X-Cert"))
	}))
	t.Cleanup(api.Close)
	return api.URL
}

// lineTo asks one address over connections that stay open, and counts them.
type lineTo struct {
	*http.Transport

	made atomic.Int64
}

func newAsker(t *testing.T, address string) *lineTo {
	t.Helper()
	a := new(lineTo)
	a.Transport = &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		a.made.Add(1)
		return new(net.Dialer).DialContext(ctx, network, address)
	}}
	t.Cleanup(a.CloseIdleConnections)
	return a
}

// ask asks host for path, with fields, and returns status, X-Frame-Options and body.
func (a *lineTo) ask(t *testing.T, host, path string, fields ...string) (status int, frame, body string) {
	t.Helper()
	r := newRequest(t, "http://"+host+path)
	for i := 0; i < len(fields); i += 2 {
		r.Header.Set(fields[i], fields[i+1])
	}
	response, err := a.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, response.Header.Get("X-Frame-Options"), string(text)
}

// TestListeners has two more listeners, whose edges differ and whose counts do not, in
// the shadow of the same configuration, which must judge each as what it came to.
func TestListeners(t *testing.T) {
	p := shadowed(t, echoing(t), manyYAML, manyYAML, settings{})
	public, internal, plain := newAsker(t, p.gateway), newAsker(t, p.more["internal"]), newAsker(t, p.more["plain"])
	const forged = "203.0.113.9"
	rows := []struct {
		name          string
		at            *lineTo
		host          string
		status        int
		frame, client string
	}{
		{"the world is not believed", public, "api.example.com", 200, "DENY", "127.0.0.1"},
		{"the proxy is", internal, "api.internal", 200, "SAMEORIGIN", forged},
		{"inherited trust, and every name", plain, "anything.test", 200, "DENY", "127.0.0.1"},
		{"a name of the other listener", public, "api.internal", 421, "DENY", ""},
		{"the other way", internal, "api.example.com", 421, "SAMEORIGIN", ""},
	}
	for _, row := range rows {
		fields := []string{"X-Forwarded-For", forged}
		if row.at != internal { // where it would be read
			fields = append(fields, "X-Cert", "forged")
		}
		status, frame, body := row.at.ask(t, row.host, "/seen", fields...)
		if status != row.status || frame != row.frame {
			t.Errorf("%s: %d, X-Frame-Options %q, want %d, %q", row.name, status, frame, row.status, row.frame)
		}
		if row.client != "" && !strings.Contains(body, "for="+row.client+";") || strings.Contains(body, "forged") {
			t.Errorf("%s: the upstream was told %q, want %s, and nothing of a certificate", row.name, body, row.client)
		}
	}
	if v := p.report(t, uint64(len(rows))); v.Different > 0 || v.Same == 0 || v.Dropped > 0 {
		t.Errorf("the shadow says %d same, %d different, %d dropped: it judges by another listener", v.Same, v.Different, v.Dropped)
	}
	for i, at := range []struct {
		*lineTo
		host string
	}{{public, "api.example.com"}, {internal, "api.internal"}, {plain, "x.test"}, {internal, "api.internal"}, {public, "api.example.com"}, {internal, "api.internal"}} {
		want := 200
		if i >= 4 {
			want = 429
		}
		if status, _, _ := at.ask(t, at.host, "/few", "X-API-Key", p.key); status != want {
			t.Errorf("request %d of a key that has 4 over all listeners: %d, want %d", i+1, status, want)
		}
	}
	_, other := p.create(t, apikey.Spec{Environment: "live", Name: "another", Owner: "globex"})
	guess := wrongSecret(t, other)
	for i, at := range []*lineTo{public, plain, public, internal} { // of one address
		host := map[*lineTo]string{public: "api.example.com", plain: "x.test", internal: "api.internal"}[at]
		want := 401
		if at == internal {
			want = 429
		}
		if status, _, _ := at.ask(t, host, "/keys", "X-API-Key", guess); status != want {
			t.Errorf("guess %d: %d, want %d", i+1, status, want)
		}
	}
	if status, _, _ := internal.ask(t, "api.internal", "/keys", "X-API-Key", guess, "X-Forwarded-For", forged); status != 401 {
		t.Errorf("the first guess of another client behind the proxy: %d, want 401", status)
	}
}

// TestListenersAreLoadedAgain changes what a listener judges by over a connection that
// stays open; where it listens is for a restart.
func TestListenersAreLoadedAgain(t *testing.T) {
	api := echoing(t)
	p := start(t, api, settings{yaml: manyYAML})
	internal := newAsker(t, p.more["internal"])
	names := func() string {
		one, frame, _ := internal.ask(t, "api.internal", "/seen")
		two, _, body := internal.ask(t, "new.internal", "/seen", "X-Forwarded-For", "203.0.113.9")
		return fmt.Sprintf("%d %s %d %t", one, frame, two, strings.Contains(body, "for=203.0.113.9;"))
	}
	if got := names(); got != "200 SAMEORIGIN 421 false" {
		t.Errorf("before: %s", got)
	}
	load := func(changes ...string) {
		p.write(t, api, strings.NewReplacer(changes...).Replace(manyYAML))
		p.reload(t)
	}
	load("[api.internal]", "[new.internal]", "frame_options: SAMEORIGIN", "frame_options: 'off'")
	after := names()
	if after != "421  200 true" {
		t.Errorf("after: %s", after)
	}
	for _, changes := range [][]string{
		{"internal:\n    listen: 127.0.0.1:0", "internal:\n    listen: 127.0.0.1:1"},
		{"internal:", "other:"},
		{"    hosts: []\n", "    hosts: []\n    proxy_protocol: {trusted_peers: [127.0.0.1]}\n"},
	} {
		load(changes...)
		if got := names(); got != after {
			t.Errorf("after a change that needs a restart: %s, want %s as before", got, after)
		}
	}
	if n := internal.made.Load(); n != 2 {
		t.Errorf("%d connections, want one for each name: a reload ends none", n)
	}
	log := p.log(t)
	for _, want := range []string{
		"listeners.internal.hosts, listeners.internal.headers", "need a restart: listeners.internal.listen", "need a restart: listeners.internal, listeners.other", "need a restart: listeners.plain.proxy_protocol",
	} {
		if !strings.Contains(log, want) {
			t.Errorf("the log does not say %q", want)
		}
	}
}

// TestListenersWithAndWithoutTLS: one block of TLS, and a listener that leaves it.
func TestListenersWithAndWithoutTLS(t *testing.T) {
	ca, folder := testcert.NewCA(t, "root"), t.TempDir()
	cert, key := ca.Issue(t, testcert.Leaf{Names: []string{"api.example.com"}}).Write(t, folder, "api")
	p := start(t, echoing(t), settings{yaml: `
tls: {certificates: [{cert_file: "` + cert + `", key_file: "` + key + `"}]}
listeners:
  secure: {listen: 127.0.0.1:0}
  plain: {listen: 127.0.0.1:0, tls: "off"}
routes: [{match: "/seen", upstream: api, public: true}]
`})
	for name, address := range map[string]string{"listen": p.gateway, "secure": p.more["secure"]} {
		c := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: ca.Pool(), ServerName: "api.example.com", MinVersion: tls.VersionTLS12}}
		r := newRequest(t, "https://"+address+"/seen")
		response, err := c.RoundTrip(r)
		if err != nil {
			t.Fatalf("%s speaks no TLS: %v", name, err)
		}
		_ = response.Body.Close()
		c.CloseIdleConnections()
	}
	if status, _, body := newAsker(t, p.more["plain"]).ask(t, "api.example.com", "/seen"); status != 200 || !strings.Contains(body, "proto=http") || strings.Contains(body, "proto=https") {
		t.Errorf("plain HTTP: %d, %q", status, body)
	}
}
