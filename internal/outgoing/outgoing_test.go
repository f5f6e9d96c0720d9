package outgoing_test

import (
	"bytes"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/warder-dev/warder/internal/outgoing"
)

func TestRefuses(t *testing.T) {
	tests := []struct {
		name, addr     string
		always, public bool // refused at all; refused where only public ones are asked
	}{
		{"a public address", "192.88.0.1", false, false},
		{"a public IPv6 address", "2600::1", false, false},
		{"loopback", "127.0.0.1", false, true},
		{"loopback, IPv6", "::1", false, true},
		{"private", "10.1.2.3", false, true},
		{"private, mapped", "::ffff:192.168.0.1", false, true},
		{"private, IPv6", "fd12::1", false, true},
		{"shared by carriers", "100.64.0.1", false, true},
		{"reserved", "240.0.0.1", false, true},
		{"link-local", "169.254.169.254", true, true},
		{"link-local, mapped", "::ffff:169.254.169.254", true, true},
		{"link-local through NAT64", "64:ff9b::a9fe:a9fe", true, true},
		{"link-local through 6to4", "2002:a9fe:a9fe::1", true, true},
		{"link-local, compatible", "::169.254.169.254", true, true},
		{"private through NAT64", "64:ff9b::a00:1", false, true},
		{"public through NAT64", "64:ff9b::c058:1", false, false},
		{"link-local, IPv6", "fe80::1", true, true},
		{"link-local with zone", "fe80::1%lo", true, true},
		{"site-local", "fec0::1", true, true},
		{"metadata of AWS", "fd00:ec2::254", true, true},
		{"metadata of Alibaba", "100.100.100.200", true, true},
		{"metadata of Oracle", "192.0.0.192", true, true},
		{"unspecified", "0.0.0.0", true, true},
		{"unspecified, IPv6", "::", true, true},
		{"this network", "0.1.2.3", true, true},
		{"multicast", "224.0.0.1", true, true},
		{"multicast, IPv6", "ff02::1", true, true},
		{"broadcast", "255.255.255.255", true, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			addr := netip.MustParseAddr(tt.addr)
			if got := outgoing.Refuses(addr, false); got != tt.always {
				t.Errorf("Refuses(%s) = %v, want %v", addr, got, tt.always)
			}
			if got := outgoing.Refuses(addr, true); got != tt.public {
				t.Errorf("Refuses(%s) where only public ones are asked = %v, want %v", addr, got, tt.public)
			}
		})
	}
	if !outgoing.Refuses(netip.Addr{}, false) {
		t.Error("no address is not refused")
	}
}

// A provider serves over TLS and plain, and counts.
type provider struct {
	*httptest.Server
	asked atomic.Int64
	pool  *x509.CertPool
}

func serve(t *testing.T, tls bool, h http.HandlerFunc) *provider {
	t.Helper()
	p := new(provider)
	counted := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.asked.Add(1)
		h(w, r)
	})
	if tls {
		p.Server = httptest.NewTLSServer(counted)
		p.pool = x509.NewCertPool()
		p.pool.AddCert(p.Certificate())
	} else {
		p.Server = httptest.NewServer(counted)
	}
	t.Cleanup(p.Close)
	return p
}

func client(t *testing.T, cfg outgoing.Config) *http.Client {
	t.Helper()
	c, err := outgoing.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

// get returns what was read of the body, and the first error.
func get(t *testing.T, c *http.Client, address string) ([]byte, error) {
	t.Helper()
	response, err := c.Get(address)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	return io.ReadAll(response.Body)
}

func hello(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }

func TestOnlyHTTPS(t *testing.T) {
	secure, plain := serve(t, true, hello), serve(t, false, hello)
	c := client(t, outgoing.Config{RootCAs: secure.pool})
	if text, err := get(t, c, secure.URL); err != nil || string(text) != "hello" {
		t.Errorf("https: %q, %v", text, err)
	}
	if _, err := get(t, c, plain.URL); !errors.Is(err, outgoing.ErrPlain) || plain.asked.Load() > 0 {
		t.Errorf("http: error %v after %d requests, want ErrPlain and none", err, plain.asked.Load())
	}
	if _, err := get(t, client(t, outgoing.Config{}), secure.URL); err == nil {
		t.Error("a certificate that nobody trusts was trusted")
	}
	if text, err := get(t, client(t, outgoing.Config{InsecureHTTP: true}), plain.URL); err != nil || string(text) != "hello" {
		t.Errorf("http where it is allowed: %q, %v", text, err)
	}
}

func TestRedirects(t *testing.T) {
	other := serve(t, true, hello)
	plain := serve(t, false, hello)
	var p *provider
	p = serve(t, true, func(w http.ResponseWriter, r *http.Request) {
		targets := map[string]string{
			"/same": p.URL + "/end", "/other": other.URL, "/plain": plain.URL, "/loop": p.URL + "/loop",
			"/name": strings.Replace(p.URL, "127.0.0.1", "localhost", 1) + "/end", "/down": strings.Replace(p.URL, "https:", "http:", 1),
		}
		if to, ok := targets[r.URL.Path]; ok {
			http.Redirect(w, r, to, http.StatusTemporaryRedirect)
			return
		}
		hello(w, r)
	})
	pool := p.pool.Clone()
	pool.AddCert(other.Certificate())
	c := client(t, outgoing.Config{RootCAs: pool, InsecureHTTP: true})
	if text, err := get(t, c, p.URL+"/same"); err != nil || string(text) != "hello" {
		t.Errorf("on the same host: %q, %v", text, err)
	}
	for _, path := range []string{"/other", "/plain", "/loop", "/name", "/down"} {
		if text, err := get(t, c, p.URL+path); !errors.Is(err, outgoing.ErrRedirect) {
			t.Errorf("%s: %q, %v, want ErrRedirect", path, text, err)
		}
	}
	response, err := c.Post(p.URL+"/same", "text/plain", strings.NewReader("secret"))
	if err == nil {
		response.Body.Close()
	}
	if !errors.Is(err, outgoing.ErrRedirect) {
		t.Errorf("a form: %v, want ErrRedirect", err)
	}
	if n := other.asked.Load() + plain.asked.Load(); n > 0 {
		t.Errorf("%d requests went to other hosts", n)
	}
}

func TestSizeIsBounded(t *testing.T) {
	for _, declared := range []bool{true, false} {
		for size, fits := range map[int]bool{99: true, 100: true, 101: false, 1 << 20: false} {
			p := serve(t, false, func(w http.ResponseWriter, _ *http.Request) {
				if !declared {
					w.(http.Flusher).Flush() //nolint:errcheck // a test's server flushes
				}
				_, _ = w.Write(bytes.Repeat([]byte("x"), size))
			})
			text, err := get(t, client(t, outgoing.Config{InsecureHTTP: true, MaxBytes: 100}), p.URL)
			if fits && (err != nil || len(text) != size) {
				t.Errorf("%d bytes (declared: %v): read %d, %v", size, declared, len(text), err)
			}
			if !fits && (!errors.Is(err, outgoing.ErrTooLarge) || len(text) > 100) {
				t.Errorf("%d bytes (declared: %v): read %d, %v, want ErrTooLarge", size, declared, len(text), err)
			}
		}
	}
}

func TestTimeIsBounded(t *testing.T) {
	release := make(chan struct{})
	p := serve(t, false, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/body" {
			w.(http.Flusher).Flush() //nolint:errcheck // a test's server flushes
		}
		<-release
	})
	defer close(release)
	c := client(t, outgoing.Config{InsecureHTTP: true, Timeout: 50 * time.Millisecond})
	for _, path := range []string{"/head", "/body"} {
		if _, err := get(t, c, p.URL+path); err == nil {
			t.Errorf("%s: no error from a server that does not answer", path)
		}
	}
}

func TestAddressesAreJudgedWhenDialled(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1")
	p := serve(t, false, hello)
	if _, err := get(t, client(t, outgoing.Config{InsecureHTTP: true}), p.URL); err != nil {
		t.Errorf("loopback, with proxies in the environment: %v", err)
	}
	public := client(t, outgoing.Config{InsecureHTTP: true, PublicOnly: true})
	for _, address := range []string{p.URL, strings.Replace(p.URL, "127.0.0.1", "localhost", 1), strings.Replace(p.URL, "127.0.0.1", "[::ffff:127.0.0.1]", 1)} {
		if _, err := get(t, public, address); !errors.Is(err, outgoing.ErrAddress) {
			t.Errorf("%s where only public ones are asked: %v, want ErrAddress", address, err)
		}
	}
	for _, address := range []string{"http://169.254.169.254/latest/meta-data", "http://[fe80::1]/", "http://0.0.0.0/"} {
		if _, err := get(t, client(t, outgoing.Config{InsecureHTTP: true}), address); !errors.Is(err, outgoing.ErrAddress) {
			t.Errorf("%s: %v, want ErrAddress", address, err)
		}
	}
	if n := p.asked.Load(); n != 1 {
		t.Errorf("%d requests arrived, want 1", n)
	}
}

func TestParseURL(t *testing.T) {
	for text, want := range map[string]bool{
		"https://a.example/x?y=z": true, "https://a.example:8443": true, "https://[2600::1]/": true,
		"http://a.example/": false, "": false, "/x": false, "https://": false, "https:a.example": false,
		"https://user:hunter2@a.example/": false, "https://a.example/#hunter2": false, "https://a.example/hunter2%zz": false,
		"ftp://a.example/": false, "https://:443/": false, "https://a.example/#": false,
	} {
		_, err := outgoing.ParseURL(text, false)
		if (err == nil) != want {
			t.Errorf("ParseURL(%q): %v", text, err)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("error %q repeats the address", err)
		}
	}
	if _, err := outgoing.ParseURL("http://a.example/", true); err != nil {
		t.Errorf("http where it is allowed: %v", err)
	}
	same := func(a, b string) bool {
		x, err := url.Parse(a)
		y, err2 := url.Parse(b)
		if err := errors.Join(err, err2); err != nil {
			t.Fatal(err)
		}
		return outgoing.SameHost(x, y)
	}
	if !same("https://A.example/x", "https://a.example:443/y") || same("https://a.example", "https://a.example:444") || same("http://a.example", "https://a.example") {
		t.Error("SameHost confuses hosts")
	}
}

func TestNewReportsEveryErrorAtOnce(t *testing.T) {
	_, err := outgoing.New(outgoing.Config{Timeout: time.Hour, MaxBytes: -1, MaxConnections: 1 << 20})
	for _, want := range []string{"timeout", "bytes", "connections"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not mention %s", err, want)
		}
	}
}
