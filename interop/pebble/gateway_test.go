package pebble_test

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/internal/server"
	"github.com/warder-dev/warder/internal/testcert"
	"github.com/warder-dev/warder/sqlite"
)

func testcertTLS(p testcert.Pair) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{p.TLS}}
}

// A gateway is a whole running warder in front of an API that says "ok".
type gateway struct {
	at        string // host:port of TLS
	plain     string // of plain HTTP; "" for none
	admin     string
	folder    string
	listeners *server.Listeners
	options   server.Options
	logFile   string
}

// open reads yaml, a configuration without listeners and upstreams, and opens
// the ports.
func open(t *testing.T, yaml string) *gateway {
	t.Helper()
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }))
	t.Cleanup(api.Close)
	g := &gateway{folder: t.TempDir()}
	g.logFile = filepath.Join(g.folder, "warder.log")
	file := filepath.Join(g.folder, "warder.yaml")
	text := yaml + "\nupstreams:\n  api: {url: \"" + api.URL + "\"}\nroutes:\n  - {match: /, upstream: api, public: true}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(config.Source{File: file, Flags: map[string]string{
		"listen": "127.0.0.1:0", "admin-listen": "127.0.0.1:0", "db": filepath.Join(g.folder, "warder.db"), "log-file": g.logFile,
	}})
	if err != nil {
		t.Fatal(err)
	}
	if g.listeners, err = server.Listen(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	g.at, g.admin = g.listeners.Public.Addr().String(), g.listeners.Admin.Addr().String()
	if g.listeners.Redirect != nil {
		g.plain = g.listeners.Redirect.Addr().String()
	}
	g.options = server.Options{Config: cfg, Listeners: g.listeners, Version: "test"}
	return g
}

// run serves until the end of the test, or until the returned func is called.
func (g *gateway) run(t *testing.T) (stop func()) {
	t.Helper()
	logs, err := server.OpenJournal(g.options.Config.Log, os.Stderr)
	must(t, err)
	store, err := sqlite.Open(t.Context(), sqlite.Config{Path: g.options.Config.DB, Log: logs.Main})
	must(t, err)
	line, err := apikey.NewPepper(rand.Reader)
	must(t, err)
	peppers, err := apikey.ParsePeppers(line)
	must(t, err)
	ready, done := make(chan struct{}), make(chan error, 1)
	o := g.options
	o.Store, o.Registry, o.Sessions, o.Peppers = store.APIKeys(), store.Nodes(), store.Sessions(), peppers
	o.AccessLog, o.Log, o.Dropped, o.Ready = logs.Access, logs.Main, logs.Dropped, func() { close(ready) }
	ctx, cancel := context.WithCancel(t.Context())
	go func() { done <- server.Run(ctx, o) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			select {
			case err := <-done:
				must(t, errors.Join(err, store.Close(), logs.Close()))
			case <-time.After(patience):
				t.Error("the gateway does not stop")
			}
		})
	}
	t.Cleanup(stop)
	select {
	case <-ready:
	case err := <-done:
		once.Do(func() {})
		t.Fatalf("the gateway did not start: %v", err)
	}
	return stop
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// acmeYAML is the configuration of a gateway that gets certificates of a for names.
func (a *authority) acmeYAML(folder string, redirect bool, names ...string) string {
	text := fmt.Sprintf("hosts: [%s]\ntls:\n", strings.Join(names, ", "))
	if redirect {
		text += "  redirect_listen: 127.0.0.1:0\n"
	}
	return text + fmt.Sprintf("  acme:\n    names: [%s]\n    email: ops@example.com\n    directory: %s\n    ca_file: %s\n    folder: %s\n    agree_to_terms: true\n",
		strings.Join(names, ", "), a.directory, a.caFile, folder)
}

// client asks the gateway under name, over connections of its own.
func (g *gateway) client(roots *x509.CertPool, name string) *http.Client {
	dialer := &tls.Dialer{Config: &tls.Config{RootCAs: roots, ServerName: name, MinVersion: tls.VersionTLS12}}
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialTLSContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, g.at)
		},
	}
	return &http.Client{Transport: transport, Timeout: patience}
}

// get asks once and returns the status and the certificate that was shown.
func get(ctx context.Context, c *http.Client, url string) (status int, shown *x509.Certificate, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return 0, nil, err
	}
	w, err := c.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer w.Body.Close()
	_, err = io.Copy(io.Discard, w.Body)
	if w.TLS != nil {
		shown = w.TLS.PeerCertificates[0]
	}
	return w.StatusCode, shown, err
}

// text asks the admin listener.
func (g *gateway) text(t *testing.T, path string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+g.admin+path, http.NoBody)
	must(t, err)
	w, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	must(t, err)
	defer w.Body.Close()
	body, err := io.ReadAll(w.Body)
	must(t, err)
	return string(body)
}

// metric is the value of a series without labels; "" for none.
func (g *gateway) metric(t *testing.T, name string) string {
	t.Helper()
	for line := range strings.SplitSeq(g.text(t, "/metrics"), "\n") {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return value
		}
	}
	return ""
}

func (g *gateway) log(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(g.logFile)
	must(t, err)
	return string(text)
}
