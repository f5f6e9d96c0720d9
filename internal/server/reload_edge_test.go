package server_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/warder-dev/warder/internal/testcert"
)

// counted is a client over TLS that is sent to the gateway whatever host it asks for,
// and counts its connections.
type counted struct {
	*http.Transport

	made atomic.Int64
}

func (p *program) counted(t *testing.T, roots *x509.CertPool) *counted {
	t.Helper()
	c := new(counted)
	c.Transport = &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			c.made.Add(1)
			return new(net.Dialer).DialContext(ctx, network, p.gateway)
		},
	}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

// ask sends a request to host, and reads the answer to its end.
func (c *counted) ask(t *testing.T, method, host string, fields ...string) (*http.Response, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "https://"+host+"/", http.NoBody)
	if err != nil {
		return nil, err
	}
	for i := 0; i < len(fields); i += 2 {
		r.Header.Set(fields[i], fields[i+1])
	}
	response, err := c.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	_, err = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()
	return response, err
}

const edgeBefore = `
schemes: {cookieKey: {key: {in: cookie}}}
hosts: [api.example.com]
cors: {default: {origins: ["https://a.example"]}}
headers: {frame_options: DENY}
csrf: {trusted_origins: ["https://a.example"]}
tls: {certificates: [ONE], strict_names: true}
routes:
  - {match: "/", upstream: api, security: [{cookieKey: []}]}
`

const edgeAfter = `
schemes: {cookieKey: {key: {in: cookie}}}
hosts: [api.example.com, new.example.com]
cors: {default: {origins: ["https://b.example"]}}
headers: {frame_options: SAMEORIGIN}
csrf: {trusted_origins: ["https://b.example"]}
tls: {certificates: [ONE, TWO], strict_names: true, client_ca_file: "CA"}
routes:
  - {match: "/", upstream: api, security: [{cookieKey: []}]}
`

// edge is a program whose edge is loaded again, and its clients.
type edge struct {
	*program

	api   string
	roots *x509.CertPool
	cold  *counted // one connection at most to each host
	files *strings.Replacer
}

func startEdge(t *testing.T) *edge {
	t.Helper()
	ca, folder := testcert.NewCA(t, "root"), t.TempDir()
	pair := func(name string) string {
		cert, key := ca.Issue(t, testcert.Leaf{Names: []string{name}}).Write(t, folder, name)
		return `{cert_file: "` + cert + `", key_file: "` + key + `"}`
	}
	authority := folder + "/clients.crt"
	testcert.Replace(t, authority, ca.PEM)
	e := &edge{api: told(t, "ok"), roots: ca.Pool(), files: strings.NewReplacer("ONE", pair("api.example.com"), "TWO", pair("new.example.com"), "CA", authority)}
	e.program = start(t, e.api, settings{yaml: e.files.Replace(edgeBefore)})
	e.cold = e.counted(t, e.roots)
	return e
}

// load has the program load text, whose names of files it knows.
func (e *edge) load(t *testing.T, text string) {
	t.Helper()
	e.write(t, e.api, e.files.Replace(text))
	e.reload(t)
}

// policy is what the edge allows now, in one line. It is asked over one connection.
func (e *edge) policy(t *testing.T, c *counted) string {
	t.Helper()
	var all []string
	for _, origin := range []string{"https://a.example", "https://b.example"} {
		cookie := []string{"Cookie", "__Host-api_key=" + e.key, "Origin", origin}
		read, err := c.ask(t, http.MethodGet, "api.example.com", cookie...)
		if err != nil {
			t.Fatal(err)
		}
		if read.Header.Get("Access-Control-Allow-Origin") == origin {
			all = append(all, origin+" reads")
		}
		write, err := c.ask(t, http.MethodPost, "api.example.com", cookie...)
		if err != nil {
			t.Fatal(err)
		}
		if write.StatusCode == http.StatusOK {
			all = append(all, origin+" writes")
		}
		if origin == "https://a.example" {
			all = append(all, read.Header.Get("X-Frame-Options"))
		}
	}
	return strings.Join(all, ", ")
}

// newHost tells whether new.example.com is served, by a certificate of its own.
func (e *edge) newHost(t *testing.T) string {
	t.Helper()
	c := e.counted(t, e.roots)
	defer c.CloseIdleConnections()
	response, err := c.ask(t, http.MethodGet, "new.example.com", "Cookie", "__Host-api_key="+e.key)
	if err != nil {
		return "no certificate"
	}
	return response.Status
}

const (
	oldPolicy = "https://a.example reads, https://a.example writes, DENY"
	newPolicy = "SAMEORIGIN, https://b.example reads, https://b.example writes"
)

// TestReloadOfTheEdge changes CORS, hosts, headers, CSRF, certificates and who signs those
// of clients, over connections that stay open, and under load.
func TestReloadOfTheEdge(t *testing.T) {
	e := startEdge(t)
	if got := e.policy(t, e.cold); got != oldPolicy {
		t.Fatalf("before: %s", got)
	}
	if got := e.newHost(t); got != "no certificate" {
		t.Errorf("before: the new host: %s", got)
	}
	stop := e.underLoad(t)
	e.load(t, edgeAfter)
	if got := e.policy(t, e.cold); got != newPolicy {
		t.Errorf("after: %s", got)
	}
	if got := e.newHost(t); got != "200 OK" {
		t.Errorf("after: the new host: %s", got)
	}
	if asked := e.asksForCertificates(t); !asked {
		t.Error("after: no certificate of clients is asked for")
	}
	e.load(t, edgeBefore)
	if got := e.newHost(t); got != "no certificate" || e.policy(t, e.cold) != oldPolicy {
		t.Errorf("after the way back: the new host: %s; %s", got, e.policy(t, e.cold))
	}
	stop()
	if made := e.cold.made.Load(); made != 1 {
		t.Errorf("%d connections were needed, want 1 for all", made)
	}
	if got := e.log(t); !strings.Contains(got, `"changed":"tls.certificates, tls.client_ca_file, hosts, headers.frame_options, cors, csrf.trusted_origins"`) {
		t.Errorf("the log does not tell what changed:\n%s", got)
	}
}

// underLoad keeps asking over four connections until the function it returns is
// called, which fails the test when a request failed or a connection was lost.
func (e *edge) underLoad(t *testing.T) (stop func()) {
	t.Helper()
	done := make(chan struct{})
	var clients sync.WaitGroup
	var answers atomic.Int64
	for range 4 {
		c := e.counted(t, e.roots)
		clients.Go(func() {
			for {
				select {
				case <-done:
					if made := c.made.Load(); made != 1 {
						t.Errorf("a client needed %d connections", made)
					}
					return
				default:
				}
				response, err := c.ask(t, http.MethodGet, "api.example.com", "Cookie", "__Host-api_key="+e.key)
				if err != nil || response.StatusCode != http.StatusOK || !slices.Contains([]string{"DENY", "SAMEORIGIN"}, response.Header.Get("X-Frame-Options")) {
					t.Errorf("a request failed: %v, %+v", err, response)
					return
				}
				answers.Add(1)
			}
		})
	}
	eventually(t, func() (struct{}, bool) { return struct{}{}, answers.Load() > 20 || t.Failed() })
	return func() {
		at := answers.Load()
		eventually(t, func() (struct{}, bool) { return struct{}{}, answers.Load() > at || t.Failed() })
		close(done)
		clients.Wait()
		t.Logf("%d requests", answers.Load())
	}
}

// asksForCertificates tells whether a handshake asks the client for one.
func (e *edge) asksForCertificates(t *testing.T) (asked bool) {
	t.Helper()
	d := tls.Dialer{Config: &tls.Config{
		RootCAs: e.roots, ServerName: "api.example.com", MinVersion: tls.VersionTLS12,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			asked = true
			return new(tls.Certificate), nil
		},
	}}
	c, err := d.DialContext(t.Context(), "tcp", e.gateway)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	return asked
}

// TestReloadOfAnEdgeThatCannotBe: all of the old one stays, and it is told in the log, in
// a metric and at /readyz.
func TestReloadOfAnEdgeThatCannotBe(t *testing.T) {
	e := startEdge(t)
	folder := t.TempDir()
	cert, _ := testcert.SelfSigned(t, testcert.Leaf{Names: []string{"x.example.com"}}).Write(t, folder, "one")
	_, key := testcert.SelfSigned(t, testcert.Leaf{Names: []string{"x.example.com"}}).Write(t, folder, "two")
	empty := folder + "/empty"
	testcert.Replace(t, empty, nil)
	refused := []struct{ name, text, logged string }{
		{"a certificate that is not there", strings.Replace(edgeAfter, "TWO", "{cert_file: /nowhere.crt, key_file: /nowhere.key}", 1), "/nowhere.crt"},
		{"a key of another", strings.Replace(edgeAfter, "TWO", "{cert_file: "+cert+", key_file: "+key+"}", 1), "private key does not match"},
		{"authorities of clients that are none", strings.Replace(edgeAfter, `"CA"`, empty, 1), "client CA file"},
		{"a policy that weakens", strings.Replace(edgeAfter, `["https://b.example"]}}`, `["null"]}}`, 1), "cors.default.origins[0]"},
		{"a host that is none", strings.Replace(edgeAfter, "new.example.com]", "\"*\"]", 1), "hosts[1]"},
		{"an origin to write that is none", strings.Replace(edgeAfter, `csrf: {trusted_origins: ["https://b.example"]}`, `csrf: {trusted_origins: ["b.example"]}`, 1), "csrf.trusted_origins[0]"},
		{"no TLS any more", strings.Replace(edgeAfter, "tls: {certificates: [ONE, TWO], strict_names: true, client_ca_file: \"CA\"}\n", "", 1), "tls (whether listen speaks it)"},
	}
	for _, tt := range refused {
		e.load(t, tt.text)
		if got := e.policy(t, e.cold); got != oldPolicy {
			t.Errorf("%s: %s", tt.name, got)
		}
		if got := e.newHost(t); got != "no certificate" {
			t.Errorf("%s: the new host: %s", tt.name, got)
		}
		if got := e.ready(t); !strings.Contains(got, "the configuration that was loaded last is not in force") {
			t.Errorf("%s: readyz: %q", tt.name, got)
		}
		if stale := e.metric(t, "warder_config_stale"); stale != "1" {
			t.Errorf("%s: warder_config_stale is %s", tt.name, stale)
		}
	}
	e.load(t, edgeAfter)
	if got := e.policy(t, e.cold); got != newPolicy || e.ready(t) != "ready\n" || e.metric(t, "warder_config_stale") != "0" {
		t.Errorf("after it was mended: %s; readyz: %q", got, e.ready(t))
	}
	if made := e.cold.made.Load(); made != 1 {
		t.Errorf("%d connections were needed, want 1 for all", made)
	}
	logged := e.log(t)
	for _, tt := range refused {
		if !strings.Contains(logged, tt.logged) {
			t.Errorf("%s: the log lacks %s", tt.name, tt.logged)
		}
	}
}
