package acme_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/testcert"
	"github.com/warder-dev/warder/tlsconfig"
	"github.com/warder-dev/warder/tlsconfig/acme"
)

// TestMain looks for goroutines that outlive their Manager. That of a lock's file
// looks every five seconds whether the lock is held still, and ends by itself.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.keepLockfileFresh"))
}

// good is a configuration that New takes.
func good(t *testing.T) acme.Config {
	t.Helper()
	return acme.Config{
		Names: []string{"a.test"}, Directory: "https://127.0.0.1:1/dir", AgreeToTerms: true, Folder: filepath.Join(t.TempDir(), "acme"), HTTP: true, TLSALPN: true,
	}
}

func TestConfig(t *testing.T) {
	open := t.TempDir()
	if err := os.Chmod(open, 0o750); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(t.TempDir(), "empty.pem")
	testcert.Replace(t, empty, []byte("nothing"))
	tests := []struct {
		name   string
		change func(*acme.Config)
		want   string // "" when it is taken
	}{
		{"good", func(*acme.Config) {}, ""},
		{"no name: on demand is for listed names only", func(c *acme.Config) { c.Names = nil }, "there is no name"},
		{"on demand alone", func(c *acme.Config) { c.Names, c.OnDemand = nil, []string{"a.test"} }, ""},
		{"anything on demand", func(c *acme.Config) { c.OnDemand = []string{"*"} }, `name "*": want a full host name`},
		{"a whole domain on demand", func(c *acme.Config) { c.OnDemand = []string{"*.test"} }, `name "*.test"`},
		{"a wildcard without DNS", func(c *acme.Config) { c.Names = []string{"*.a.test"} }, "by DNS only"},
		{"a name that climbs", func(c *acme.Config) { c.Names = []string{"../a.test"} }, `name "../a.test"`},
		{"upper case", func(c *acme.Config) { c.Names = []string{"A.test"} }, `name "A.test"`},
		{"an address", func(c *acme.Config) { c.Names = []string{"::1"} }, `name "::1"`},
		{"twice", func(c *acme.Config) { c.OnDemand = []string{"a.test"} }, "listed twice"},
		{"a directory without TLS", func(c *acme.Config) { c.Directory = "http://ca.test/dir" }, "want an https URL"},
		{"terms", func(c *acme.Config) { c.AgreeToTerms = false }, "AgreeToTerms"},
		{"no folder", func(c *acme.Config) { c.Folder = "" }, "Folder is missing"},
		{"a folder for others", func(c *acme.Config) { c.Folder = open }, "chmod 700"},
		{"a folder that is a file", func(c *acme.Config) { c.Folder = empty }, "not a directory"},
		{"mail", func(c *acme.Config) { c.Email = "a@b,c@d" }, `Email "a@b,c@d"`},
		{"no way to prove", func(c *acme.Config) { c.HTTP, c.TLSALPN = false, false }, "no way to prove names"},
		{"a CA file that is not there", func(c *acme.Config) { c.CAFile = "/nowhere.pem" }, `CA file "/nowhere.pem"`},
		{"a CA file without certificates", func(c *acme.Config) { c.CAFile = empty }, "holds no certificate"},
		{"hasty", func(c *acme.Config) { c.Retry = time.Millisecond }, "Retry is 1ms"},
		{"DNS servers", func(c *acme.Config) { c.Propagation.Resolvers = []string{"192.0.2.53", "[::1]:5353", "::1"} }, ""},
		{"a DNS server by name", func(c *acme.Config) { c.Propagation.Resolvers = []string{"::1", "ns.test:53"} }, `Propagation.Resolvers[1]: "ns.test:53": want the address of a DNS server`},
		{"a DNS server nowhere", func(c *acme.Config) { c.Propagation.Resolvers = []string{"0.0.0.0"} }, `Propagation.Resolvers[0]: "0.0.0.0"`},
		{"a crowd of DNS servers", func(c *acme.Config) { c.Propagation.Resolvers = make([]string, 17) }, "Propagation.Resolvers has 17 entries, want 16 at most"},
		{"a look that is over at once", func(c *acme.Config) { c.Propagation.Timeout = time.Millisecond }, "Propagation.Timeout is 1ms"},
		{"looks for ever", func(c *acme.Config) { c.Propagation.Timeout = 2 * time.Hour }, "Propagation.Timeout is 2h0m0s"},
		{"a look before the record", func(c *acme.Config) { c.Propagation.Delay = -1 }, "Propagation.Delay is -1ns"},
		{"patient", func(c *acme.Config) { c.Patience = time.Hour }, "Patience is 1h0m0s"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := good(t)
			tt.change(&cfg)
			m, err := acme.New(cfg)
			if m != nil {
				defer m.Close()
			}
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("New: %v", err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("New: %v, want %q", err, tt.want)
			}
		})
	}
	if _, err := acme.New(acme.Config{}); err == nil || strings.Count(err.Error(), "acme:") != 4 {
		t.Errorf("the zero Config: %v, want everything that it lacks", err)
	}
}

// A recorder is a log that tests read while it is written.
type recorder struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (r *recorder) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

func (r *recorder) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

// TestNobodyAnswers: an authority that takes the connection and says nothing
// holds nothing up, and neither does one that is not there.
func TestNobodyAnswers(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for name, directory := range map[string]string{"silent": "https://" + l.Addr().String() + "/dir", "absent": "https://127.0.0.1:1/dir"} {
		t.Run(name, func(t *testing.T) {
			cfg := good(t)
			log := new(recorder)
			cfg.Directory, cfg.Retry, cfg.Log = directory, 100*time.Millisecond, slog.New(slog.NewTextHandler(log, nil))
			m, err := acme.New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			m.Start()
			if c, err := m.Certificate(&tls.ClientHelloInfo{ServerName: "a.test"}); err == nil {
				t.Errorf("a certificate: %v", c)
			}
			if problems := m.Problems(); len(problems) != 1 || !strings.Contains(problems[0].Error(), "a.test") {
				t.Errorf("problems = %v", problems)
			}
			if name == "absent" {
				deadline := time.After(time.Minute)
				for tick := time.NewTicker(5 * time.Millisecond); m.Failures() < 2; {
					select {
					case <-tick.C:
					case <-deadline:
						t.Fatal("no second attempt")
					}
				}
				if !strings.Contains(log.String(), `msg="no certificate could be got" name=a.test`) {
					t.Errorf("log = %s", log)
				}
			}
			m.Close() // returns, whatever is asked just now
		})
	}
}

func TestUnlistedNames(t *testing.T) {
	attack.Case(t, "TLS-10", attack.Library, func(t *testing.T) {
		cfg := good(t)
		cfg.OnDemand = []string{"later.test"}
		m, err := acme.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		for _, name := range []string{"b.test", "a.test.evil.test", "x.a.test", "*.test", "..", "../a.test", ""} {
			if _, err := m.Certificate(&tls.ClientHelloInfo{ServerName: name}); err != acme.ErrUnknownName { //nolint:errorlint // the very one
				t.Errorf("%q: %v, want ErrUnknownName", name, err)
			}
		}
	})
}

// TestChallengesOfAnotherProcess: what shares the folder answers for all.
func TestChallengesOfAnotherProcess(t *testing.T) {
	attack.Case(t, "TLS-10", attack.Library, func(t *testing.T) {
		cfg := good(t)
		m, err := acme.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		put := func(name, text string) {
			t.Helper()
			if err := os.MkdirAll(filepath.Join(cfg.Folder, "challenges"), 0o700); err != nil {
				t.Fatal(err)
			}
			testcert.Replace(t, filepath.Join(cfg.Folder, "challenges", name+".json"), []byte(text))
		}
		http01 := `{"type":"http-01","token":"tok_en-1","keyAuthorization":"tok_en-1.thumb","identifier":{"type":"dns","value":"a.test"}}`
		put("a.test", http01)
		put("b.test", strings.ReplaceAll(http01, "a.test", "b.test")) // not one of ours
		next := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
		handler := m.Challenges(next)
		const base = "/.well-known/acme-challenge/"
		for _, tt := range []struct {
			method, host, path string
			status             int
		}{
			{"GET", "a.test", base + "tok_en-1", 200},
			{"GET", "A.Test.:80", base + "tok_en-1", 200},
			{"HEAD", "a.test", base + "tok_en-1", 200},
			{"POST", "a.test", base + "tok_en-1", 404},
			{"GET", "a.test", base + "tok_en-2", 404},
			{"GET", "a.test", base + "tok_en-1/", 404},
			{"GET", "a.test", base + "../acme-challenge/tok_en-1", 404},
			{"GET", "a.test", base, 404},
			{"GET", "b.test", base + "tok_en-1", 404},
			{"GET", "../challenges/a.test", base + "tok_en-1", 404},
			{"GET", "", base + "tok_en-1", 404},
			{"GET", "a.test", "/.well-known/acme-challengetok_en-1", 418},
			{"GET", "a.test", "/", 418},
		} {
			w := httptest.NewRecorder()
			r := httptest.NewRequestWithContext(t.Context(), tt.method, "http://a.test/", http.NoBody)
			r.Host, r.URL.Path = tt.host, tt.path
			handler.ServeHTTP(w, r)
			if w.Code != tt.status {
				t.Errorf("%s %s%s: %d, want %d", tt.method, tt.host, tt.path, w.Code, tt.status)
			}
			if tt.status == 200 && (w.Body.String() != "tok_en-1.thumb" || w.Header().Get("X-Content-Type-Options") != "nosniff") {
				t.Errorf("%s %s%s: %q, %v", tt.method, tt.host, tt.path, w.Body, w.Header())
			}
		}
		put("a.test", strings.ReplaceAll(http01, "http-01", "tls-alpn-01"))
		checkHandshake(t, m, "a.test", true)
		checkHandshake(t, m, "b.test", false)
		put("a.test", "{")
		checkHandshake(t, m, "a.test", false)
	})
}

// checkHandshake shakes hands as an authority does that checks TLS-ALPN-01.
func checkHandshake(t *testing.T, m *acme.Manager, name string, want bool) {
	t.Helper()
	source, err := tlsconfig.New(tlsconfig.Config{Managed: m.Certificate})
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	ours, theirs := net.Pipe()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = tls.Server(theirs, source.TLS()).HandshakeContext(ctx) // the client tells
		_ = theirs.Close()
	}()
	client := tls.Client(ours, &tls.Config{ServerName: name, NextProtos: []string{tlsconfig.ACMEProtocol}, InsecureSkipVerify: true})
	err = client.HandshakeContext(ctx)
	_ = ours.Close()
	<-done
	if shown := err == nil && client.ConnectionState().NegotiatedProtocol == tlsconfig.ACMEProtocol; shown != want {
		t.Errorf("%s: shown = %v (%v), want %v", name, shown, err, want)
	}
}

// TestABrokenStore: what the folder has and cannot be used is told, and no reason
// not to start.
func TestABrokenStore(t *testing.T) {
	cfg := good(t)
	log := new(recorder)
	cfg.Log = slog.New(slog.NewTextHandler(log, nil))
	folder := filepath.Join(cfg.Folder, "certificates", "127.0.0.1-1-dir", "a.test")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(cfg.Folder, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a.test.crt", "a.test.key", "a.test.json"} {
		testcert.Replace(t, filepath.Join(folder, name), []byte("{}"))
	}
	m, err := acme.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if problems := m.Problems(); len(problems) != 1 || !strings.Contains(problems[0].Error(), "the stored certificate cannot be used") {
		t.Errorf("problems = %v", problems)
	}
	if !strings.Contains(log.String(), "a stored certificate cannot be used") {
		t.Errorf("log = %s", log)
	}
}
