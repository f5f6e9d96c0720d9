package pebble_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/testcert"
	"github.com/warder-dev/warder/internal/wire"
	"github.com/warder-dev/warder/tlsconfig/acme"
)

// TestTheAuthorityFails: the gateway starts and serves whatever the authority
// does, and says what is wrong.
func TestTheAuthorityFails(t *testing.T) {
	attack.Case(t, "TLS-10", attack.Gateway, func(t *testing.T) {
		folder := t.TempDir()
		root := testcert.NewCA(t, "root")
		cert, key := root.Issue(t, testcert.Leaf{Names: []string{"files.test"}}).Write(t, folder, "tls")
		files := fmt.Sprintf("  certificates:\n    - {cert_file: %s, key_file: %s}\n", cert, key)
		reject := func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusForbidden)
			_, _ = w.Write([]byte(`{"type":"urn:ietf:params:acme:error:rejectedIdentifier","status":403,"detail":"never for you"}`))
			return true
		}
		silent := func(_ http.ResponseWriter, r *http.Request) bool { <-r.Context().Done(); return true }
		for _, tt := range []struct {
			name  string
			fault fault
			told  string
		}{
			{"rejects", reject, "never for you"},
			{"answers nothing", silent, ""},
			{"is not there", func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) }, "no certificate could be got"},
		} {
			t.Run(tt.name, func(t *testing.T) {
				a := newAuthority(t)
				g := open(t, strings.Replace(a.acmeYAML(filepath.Join(t.TempDir(), "acme"), true, "wanted.test"), "hosts: [", "hosts: [files.test, ", 1)+files)
				a.serve(t, port(t, g.listeners.Redirect), port(t, g.listeners.Public), hour)
				a.inject(tt.fault)
				stop := g.run(t)
				if status, _, err := get(t.Context(), g.client(root.Pool(), "files.test"), "https://files.test/"); err != nil || status != http.StatusOK {
					t.Errorf("the other name: %d, %v", status, err)
				}
				// Until there is a certificate, the first of the files is shown, which no client takes for this name.
				if _, _, err := get(t.Context(), g.client(root.Pool(), "wanted.test"), "https://wanted.test/"); err == nil || !strings.Contains(err.Error(), "files.test, not wanted.test") {
					t.Errorf("the name without a certificate: %v", err)
				}
				if tt.told != "" {
					await(t, "the failure in the metrics", func() bool { n := g.metric(t, "warder_acme_failures_total"); return n != "" && n != "0" })
					await(t, "the failure in the log", func() bool { return strings.Contains(g.log(t), tt.told) })
				}
				if ready := g.text(t, "/readyz"); ready != "ready, but a certificate needs care: see the log\n" {
					t.Errorf("readyz = %q", ready)
				}
				stop() // at once, whatever is asked just now
			})
		}
	})
}

// TestTheAuthorityRecovers: bad nonces are nothing, and after a refusal the
// library tries again by itself.
func TestTheAuthorityRecovers(t *testing.T) {
	attack.Case(t, "TLS-10", attack.Library, func(t *testing.T) {
		t.Setenv("PEBBLE_WFE_NONCEREJECT", "50")
		a := newAuthority(t)
		refused := make(chan struct{}, 100)
		a.inject(func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(http.StatusServiceUnavailable)
			select {
			case refused <- struct{}{}:
			default:
			}
			return true
		})
		a.serve(t, closedPort, closedPort, hour)
		m := a.manager(t, acme.Config{Names: []string{"recovers.test"}, DNS: dnsOf{a}, Retry: 100 * time.Millisecond})
		m.Start()
		<-refused
		await(t, "a failure", func() bool { return m.Failures() > 0 && len(m.Problems()) == 1 })
		a.inject(nil)
		await(t, "a certificate", func() bool { return len(m.Problems()) == 0 })
		a.mu.Lock()
		if left := a.records["_acme-challenge.recovers.test."]; len(left) > 0 {
			t.Errorf("records stay: %v", left)
		}
		a.mu.Unlock()
		if got, err := shake(t, m, "Recovers.Test"); err != nil || got != "recovers.test" {
			t.Errorf("shown: %q, %v", got, err)
		}
	})
}

// TestOnDemand: a listed name is asked for when somebody wants it, any other never.
func TestOnDemand(t *testing.T) {
	attack.Case(t, "TLS-10", attack.Library, func(t *testing.T) {
		a := newAuthority(t)
		a.serve(t, closedPort, closedPort, hour)
		m := a.manager(t, acme.Config{OnDemand: []string{"later.test", "*.wild.test"}, DNS: dnsOf{a}, Patience: time.Minute})
		m.Start()
		for _, name := range []string{"other.test", "a.later.test", "wild.test", "a.b.wild.test", "", "..", "later.test.evil.test", "../later.test"} {
			if c, err := m.Certificate(hello(name)); err == nil {
				t.Errorf("%q got %v", name, c.Leaf.DNSNames)
			}
		}
		if n := a.orders.Load(); n != 0 {
			t.Fatalf("%d orders for names that are not listed", n)
		}
		for name, want := range map[string]string{"later.test": "later.test", "x.wild.test": "*.wild.test"} {
			if got, err := shake(t, m, name); err != nil || got != want {
				t.Errorf("%q: %q, %v", name, got, err)
			}
		}
		if n := a.orders.Load(); n != 2 {
			t.Errorf("%d orders, want 2", n)
		}
	})
}

// TestChallengePath asks the gateway for challenges that nobody has.
func TestChallengePath(t *testing.T) {
	attack.Case(t, "TLS-10", attack.Gateway, func(t *testing.T) {
		a := newAuthority(t)
		g := open(t, a.acmeYAML(filepath.Join(t.TempDir(), "acme"), true, "path.test"))
		a.serve(t, closedPort, closedPort, hour)
		g.run(t)
		const base = "/.well-known/acme-challenge/"
		for _, path := range []string{
			base, base + "token", base + "../../etc/passwd", base + "..%2f..%2faccounts", base + "%2e%2e/%2e%2e/x", base + "a/b", base + "a%00b",
			base + strings.Repeat("a", 4000), base + "..", base + "challenges/path.test.json",
		} {
			for _, host := range []string{"path.test", "evil.test", "..", "path.test/../../accounts"} {
				c := wire.Dial(t, g.plain)
				c.Send("GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n")
				w, err := http.ReadResponse(bufio.NewReader(c), nil)
				if err != nil {
					t.Fatalf("%q of %q: %v", path, host, err)
				}
				if want := http.StatusNotFound; w.StatusCode != want && (w.StatusCode != http.StatusBadRequest || validHost(host)) {
					t.Errorf("%q of %q: %d, want %d", path, host, w.StatusCode, want)
				}
				_ = w.Body.Close()
			}
		}
		// All else goes to https, at known names only.
		for host, want := range map[string]int{"path.test": http.StatusPermanentRedirect, "evil.test": http.StatusMisdirectedRequest} {
			c := wire.Dial(t, g.plain)
			c.Send("GET /.well-known/other?a=b HTTP/1.1\r\nHost: " + host + "\r\n\r\n")
			w, _ := c.Response(http.MethodGet)
			if w == nil || w.StatusCode != want {
				t.Errorf("%s: %v, want %d", host, w, want)
				continue
			}
			if to := w.Header.Get("Location"); want == http.StatusPermanentRedirect && to != "https://path.test/.well-known/other?a=b" {
				t.Errorf("location = %q", to)
			}
		}
	})
}

// validHost: net/http itself refuses others with 400.
func validHost(host string) bool { return !strings.Contains(host, "/") }

// manager makes a Manager of a.
func (a *authority) manager(t *testing.T, cfg acme.Config) *acme.Manager {
	t.Helper()
	cfg.Propagation.Resolvers = []string{a.resolver}
	cfg.Directory, cfg.CAFile, cfg.AgreeToTerms, cfg.Folder = a.directory, a.caFile, true, filepath.Join(t.TempDir(), "acme")
	m, err := acme.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

// hello is a client's that asks for name.
func hello(name string) *tls.ClientHelloInfo {
	return &tls.ClientHelloInfo{ServerName: name, SupportedProtos: []string{"h2", "http/1.1"}}
}

// shake shakes hands with m and returns the name of the certificate that was shown.
func shake(t *testing.T, m *acme.Manager, name string) (shown string, err error) {
	t.Helper()
	ours, theirs := net.Pipe()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	answered := make(chan error, 1)
	go func() {
		answered <- tls.Server(theirs, &tls.Config{GetCertificate: m.Certificate, MinVersion: tls.VersionTLS13}).HandshakeContext(ctx)
		_ = theirs.Close()
	}()
	client := tls.Client(ours, &tls.Config{ServerName: name, InsecureSkipVerify: true, MinVersion: tls.VersionTLS13})
	err = client.HandshakeContext(ctx)
	_ = ours.Close()
	if serverErr := <-answered; serverErr != nil {
		return "", serverErr
	}
	if err != nil {
		return "", err
	}
	return client.ConnectionState().PeerCertificates[0].DNSNames[0], nil
}

// dnsOf publishes records in the authority's own resolver.
type dnsOf struct{ a *authority }

func (d dnsOf) Publish(_ context.Context, name, value string) error {
	d.a.mu.Lock()
	defer d.a.mu.Unlock()
	d.a.records[name+"."] = append(d.a.records[name+"."], value)
	return nil
}

func (d dnsOf) Withdraw(_ context.Context, name, value string) error {
	d.a.mu.Lock()
	defer d.a.mu.Unlock()
	d.a.records[name+"."] = without(d.a.records[name+"."], value)
	return nil
}

func without(all []string, value string) (rest []string) {
	for _, v := range all {
		if v != value {
			rest = append(rest, v)
		}
	}
	return rest
}

// TestARenewalFails: the old certificate stays, and it is told.
func TestARenewalFails(t *testing.T) {
	a := newAuthority(t)
	a.serve(t, closedPort, closedPort, 12) // due when five seconds are left, at the latest
	m := a.manager(t, acme.Config{Names: []string{"old.test"}, DNS: dnsOf{a}})
	m.Start()
	await(t, "a certificate", func() bool { return len(m.Problems()) == 0 })
	a.inject(func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(http.StatusForbidden); return true })
	await(t, "the failure", func() bool {
		problems := m.Problems()
		return len(problems) == 1 && strings.Contains(problems[0].Error(), "acme: old.test: renewal: ")
	})
	if got, err := shake(t, m, "old.test"); err != nil || got != "old.test" {
		t.Errorf("shown: %q, %v", got, err)
	}
	if m.Failures() == 0 {
		t.Error("the failure was not counted")
	}
}
