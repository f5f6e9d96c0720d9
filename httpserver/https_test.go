package httpserver_test

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/credential"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/forwarded"
	"github.com/warder-dev/warder/httpserver"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/problem"
	"github.com/warder-dev/warder/target"
	"github.com/warder-dev/warder/trustedhost"
)

// carries finds keys in X-API-Key, Authorization, the query and a cookie, as a
// program does that is configured with all of them. The id is the key's first
// four letters.
func carries(x *exchange.Exchange) (id string, found bool) {
	r := x.Request
	value, state := credential.Query(x.RawQuery, "api_key")
	if cookie, s := credential.Cookie(r.Header, "sid"); s != credential.Absent {
		value, state = cookie, s
	}
	if _, rest, s := credential.Authorization(r.Header); s != credential.Absent {
		value, state = rest, s
	}
	if values := r.Header["X-Api-Key"]; len(values) > 0 {
		value, state = values[0], credential.Once
	}
	return value[:min(4, len(value))], state != credential.Absent
}

func nothing(*exchange.Exchange) (string, bool) { return "", false }

// newHTTPS completes cfg and builds it.
func newHTTPS(tb testing.TB, cfg httpserver.HTTPSConfig) *httpserver.HTTPS {
	tb.Helper()
	if cfg.Known == nil {
		cfg.Known = func(*exchange.Exchange) bool { return true }
	}
	if cfg.Carries == nil {
		cfg.Carries = carries
	}
	s, err := httpserver.NewHTTPS(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// hosts lists api.example.com and *.eu.example.com.
func hosts(tb testing.TB, shadow func(*exchange.Exchange)) *trustedhost.Stage {
	tb.Helper()
	s, err := trustedhost.New(trustedhost.Config{Hosts: []string{"api.example.com", "*.eu.example.com"}, Shadow: shadow})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// wholeEdge is the whole edge in front of a handler that answers 204.
func wholeEdge(tb testing.TB, from *forwarded.Stage, trusted *trustedhost.Stage, https *httpserver.HTTPS) http.Handler {
	tb.Helper()
	targets, err := target.New(target.Config{})
	if err != nil {
		tb.Fatal(err)
	}
	s := &warder.Stack{
		Edge:   warder.Edge{Forwarded: from, TrustedHost: trusted, Target: targets, HTTPS: https},
		Policy: new(warder.Policy),
	}
	return s.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
}

// ask sends a request for target over plain HTTP, as a server gets it.
func ask(h http.Handler, method, target, host string, set func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, http.NoBody)
	r.Host = host
	if set != nil {
		set(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestPlainHTTPIsSentToHTTPS(t *testing.T) {
	trusted := hosts(t, nil)
	standard := httpserver.HTTPSConfig{Known: trusted.Lists}
	odd := httpserver.HTTPSConfig{Known: trusted.Lists, Port: 8443, GETStatus: http.StatusMovedPermanently}
	attack.Case(t, "TLS-03", attack.Library, func(t *testing.T) {
		for _, tt := range []struct {
			name, method, target, host string
			cfg                        httpserver.HTTPSConfig
			want                       int
			location                   string
		}{
			{"root", "GET", "/", "api.example.com", standard, 308, "https://api.example.com/"},
			{"path and query as sent", "GET", "/a%20b/%C3%BC?x=%zz&&y=1%2f", "api.example.com", standard, 308, "https://api.example.com/a%20b/%C3%BC?x=%zz&&y=1%2f"},
			{"a query of nothing", "GET", "/a?", "api.example.com", standard, 308, "https://api.example.com/a?"},
			{"the canonical host", "GET", "/", "API.Example.com.:8080", standard, 308, "https://api.example.com/"},
			{"an absolute target", "GET", "http://a.eu.example.com/x?y", "a.eu.example.com", standard, 308, "https://a.eu.example.com/x?y"},
			{"the configured port", "GET", "/a", "api.example.com:8080", odd, 301, "https://api.example.com:8443/a"},
			{"port 443 is the default", "GET", "/a", "api.example.com:80", httpserver.HTTPSConfig{Known: trusted.Lists, Port: 443}, 308, "https://api.example.com/a"},
			{"HEAD", "HEAD", "/a", "api.example.com", odd, 301, "https://api.example.com:8443/a"},
			{"POST keeps its method", "POST", "/a", "api.example.com", odd, 308, "https://api.example.com:8443/a"},
			{"an unknown method", "FOO", "/a", "api.example.com", odd, 308, "https://api.example.com:8443/a"},
			{"the whole server", "OPTIONS", "*", "api.example.com", standard, 308, "https://api.example.com"},

			{"an unlisted host", "GET", "/", "evil.test", standard, 421, ""},
			{"an unlisted host in an absolute target", "GET", "http://evil.test/", "evil.test", standard, 421, ""},
			{"no host", "GET", "/", "", standard, 400, ""},
			{"an ambiguous path", "GET", "//evil.test/%2e%2e", "api.example.com", standard, 400, ""},
			{"a line break in the path", "GET", "/%0d%0aSet-Cookie:x", "api.example.com", standard, 400, ""},
			{"a credential in the query", "GET", "/a?x=1&api_key=live_k1", "api.example.com", standard, 403, ""},
			{"a credential in the query, spelt differently", "GET", "/a?API%5fKEY=live_k1", "api.example.com", standard, 403, ""},
		} {
			w := ask(wholeEdge(t, forwarded.Direct(), trusted, newHTTPS(t, tt.cfg)), tt.method, tt.target, tt.host, nil)
			if got := w.Header().Get("Location"); w.Code != tt.want || got != tt.location {
				t.Errorf("%s: %d to %q, want %d to %q", tt.name, w.Code, got, tt.want, tt.location)
			}
		}
	})
}

func TestNoLinkLeadsToAnUnlistedHost(t *testing.T) {
	attack.Case(t, "HOST-09", attack.Library, func(t *testing.T) {
		shadow := hosts(t, func(*exchange.Exchange) {}) // it lets every host pass
		for name, known := range map[string]func(*exchange.Exchange) bool{"a listed host": shadow.Lists, "no host": func(*exchange.Exchange) bool { return false }} {
			h := wholeEdge(t, forwarded.Direct(), shadow, newHTTPS(t, httpserver.HTTPSConfig{Known: known}))
			for _, host := range []string{"evil.test", "evil-example.com", "api.example.com.evil.test", "a.b.eu.example.com", "127.0.0.1", "[::1]"} {
				w := ask(h, http.MethodGet, "/", host, nil)
				if w.Code != http.StatusMisdirectedRequest || strings.Contains(everything(w), host) {
					t.Errorf("known is %s: Host %s: %s, want 421 without the host", name, host, everything(w))
				}
			}
		}
		// Problems hold no host at all, whatever is refused.
		h := wholeEdge(t, forwarded.Direct(), hosts(t, nil), newHTTPS(t, httpserver.HTTPSConfig{}))
		for _, host := range []string{"evil.test", "evil.test:99999", "xn--a.evil.test"} {
			if w := ask(h, http.MethodGet, "/..", host, nil); strings.Contains(everything(w), "evil") {
				t.Errorf("Host %s: the answer is %s", host, everything(w))
			}
		}
	})
}

// everything is what a client got, in one text.
func everything(w *httptest.ResponseRecorder) string {
	var b strings.Builder
	_ = w.Header().Write(&b)
	return w.Result().Status + "\n" + b.String() + w.Body.String()
}

func TestSchemeBehindAProxy(t *testing.T) {
	build := func(f func(forwarded.Config) (*forwarded.Stage, error)) *forwarded.Stage {
		s, err := f(forwarded.Config{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, ReadProto: true})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	old, standard := build(forwarded.XForwardedFor), build(forwarded.Forwarded)
	const listed, other = "10.0.0.1:1", "198.51.100.7:1"
	attack.Case(t, "TLS-04", attack.Library, func(t *testing.T) {
		for _, tt := range []struct {
			name, peer string
			from       *forwarded.Stage
			fields     []string
			want       int
		}{
			{"a listed peer ends TLS: no redirect", listed, old, []string{"X-Forwarded-Proto", "https"}, 204},
			{"in other case", listed, old, []string{"X-Forwarded-Proto", "HTTPS"}, 204},
			{"a listed peer got plain HTTP", listed, old, []string{"X-Forwarded-Proto", "http"}, 308},
			{"another peer says so", other, old, []string{"X-Forwarded-Proto", "https"}, 308},
			{"two values", listed, old, []string{"X-Forwarded-Proto", "http,https"}, 400},
			{"two lines", listed, old, []string{"X-Forwarded-Proto", "https", "X-Forwarded-Proto", "https"}, 400},
			{"two values of another peer", other, old, []string{"X-Forwarded-Proto", "http,https"}, 308},
			{"both, and the older form is configured", listed, old, []string{"X-Forwarded-Proto", "http", "Forwarded", "for=203.0.113.9;proto=https"}, 308},
			{"both, and the standard is configured", listed, standard, []string{"X-Forwarded-Proto", "http", "Forwarded", "for=203.0.113.9;proto=https"}, 204},
			{"the other form alone", listed, standard, []string{"X-Forwarded-Proto", "https"}, 308},
			{"nobody is listed", listed, forwarded.Direct(), []string{"X-Forwarded-Proto", "https"}, 308},
		} {
			w := ask(wholeEdge(t, tt.from, hosts(t, nil), newHTTPS(t, httpserver.HTTPSConfig{})), http.MethodGet, "/", "api.example.com", func(r *http.Request) {
				r.RemoteAddr = tt.peer
				for i := 0; i < len(tt.fields); i += 2 {
					r.Header.Add(tt.fields[i], tt.fields[i+1])
				}
			})
			if w.Code != tt.want {
				t.Errorf("%s: status = %d, want %d", tt.name, w.Code, tt.want)
			}
		}
	})
}

func TestHSTS(t *testing.T) {
	const year = 365 * 24 * time.Hour
	attack.Case(t, "TLS-05", attack.Library, func(t *testing.T) {
		for _, tt := range []struct {
			name  string
			hsts  httpserver.HSTS
			https bool
			set   func(*http.Request)
			want  string
		}{
			{"over https", httpserver.HSTS{MaxAge: year}, true, nil, "max-age=31536000"},
			{"with all names below", httpserver.HSTS{MaxAge: time.Hour, IncludeSubDomains: true}, true, nil, "max-age=3600; includeSubDomains"},
			{"with preload", httpserver.HSTS{MaxAge: year, IncludeSubDomains: true, Preload: true}, true, nil, "max-age=31536000; includeSubDomains; preload"},
			{"not configured", httpserver.HSTS{}, true, nil, ""},
			{"on a redirect over http", httpserver.HSTS{MaxAge: year}, false, nil, ""},
			{"on a refusal over http", httpserver.HSTS{MaxAge: year}, false, func(r *http.Request) { r.Header.Set("X-API-Key", "live_k1") }, ""},
			{"where a stranger claims https", httpserver.HSTS{MaxAge: year}, false, func(r *http.Request) { r.Header.Set("X-Forwarded-Proto", "https") }, ""},
			{"on a refusal over https", httpserver.HSTS{MaxAge: year}, true, func(r *http.Request) { r.Method = http.MethodTrace }, "max-age=31536000"},
		} {
			h := wholeEdge(t, forwarded.Direct(), hosts(t, nil), newHTTPS(t, httpserver.HTTPSConfig{HSTS: tt.hsts}))
			w := ask(h, http.MethodGet, "/", "api.example.com", func(r *http.Request) {
				if tt.https {
					r.TLS = new(tls.ConnectionState)
				}
				if tt.set != nil {
					tt.set(r)
				}
			})
			if got := strings.Join(w.Header().Values("Strict-Transport-Security"), "|"); got != tt.want {
				t.Errorf("%s: %d with %q, want %q", tt.name, w.Code, got, tt.want)
			}
		}
		for name, bad := range map[string]httpserver.HSTS{
			"preload within a year":         {MaxAge: year - time.Second, IncludeSubDomains: true, Preload: true},
			"preload without all names":     {MaxAge: year, Preload: true},
			"preload alone":                 {Preload: true},
			"all names, and no time":        {IncludeSubDomains: true},
			"less than a second":            {MaxAge: time.Millisecond},
			"a negative time":               {MaxAge: -time.Hour},
			"a second and something, odder": {MaxAge: 1500 * time.Millisecond},
		} {
			s, err := httpserver.NewHTTPS(httpserver.HTTPSConfig{Known: hosts(t, nil).Lists, Carries: nothing, HSTS: bad})
			if s != nil || err == nil || !strings.Contains(err.Error(), "HSTS") {
				t.Errorf("%s: error = %v, want one about HSTS", name, err)
			}
		}
	})
}

func TestACredentialOverPlainHTTPIsExposed(t *testing.T) {
	attack.Case(t, "KEY-24", attack.Library, func(t *testing.T) {
		for _, tt := range []struct {
			name, target, host string
			field, value       string
		}{
			{"in a header", "/a", "api.example.com", "X-API-Key", "live_secretsecret"},
			{"an empty one", "/a", "api.example.com", "X-API-Key", ""},
			{"as a bearer token", "/a", "api.example.com", "Authorization", "Bearer live_secretsecret"},
			{"in a cookie", "/a", "api.example.com", "Cookie", "a=b; sid=live_secretsecret"},
			{"in the query", "/a?api_key=live_secretsecret", "api.example.com", "", ""},
			{"in the query, encoded", "/a?api%5Fkey=live_secretsecret", "api.example.com", "", ""},
			{"in the query, twice", "/a?api_key=live_secretsecret&api_key=live_secretsecret", "api.example.com", "", ""},
			{"with a method that may be redirected", "/a", "a.eu.example.com", "X-API-Key", "live_secretsecret"},
		} {
			var told []string
			cfg := httpserver.HTTPSConfig{Exposed: func(_ *exchange.Exchange, id string) { told = append(told, id) }}
			w := ask(wholeEdge(t, forwarded.Direct(), hosts(t, nil), newHTTPS(t, cfg)), http.MethodGet, tt.target, tt.host, func(r *http.Request) {
				if tt.field != "" {
					r.Header.Set(tt.field, tt.value)
				}
			})
			text := everything(w)
			if w.Code != http.StatusForbidden || !strings.Contains(text, problem.HTTPSRequired.URI()) || strings.Contains(text, "Location") ||
				strings.Contains(text, "secretsecret") || w.Header().Get("Connection") != "close" {
				t.Errorf("%s: %s\nwant 403 https-required, the connection closed, no Location, nothing of the key", tt.name, text)
			}
			if len(told) != 1 || strings.Contains(told[0], "secret") {
				t.Errorf("%s: told of %q, want one id", tt.name, told)
			}
		}
	})
}

func TestADryRunExposesNothing(t *testing.T) {
	s := newHTTPS(t, httpserver.HTTPSConfig{Exposed: func(*exchange.Exchange, string) { t.Error("told") }})
	x := exchange.New(httptest.NewRequest(http.MethodGet, "/", http.NoBody))
	x.Scheme, x.UpstreamPath, x.Dry = "http", "/", true
	x.Request.Header.Set("X-Api-Key", "live_k1")
	if v := s.Check(x); v.Kind() != exchange.Refused || v.Reason() != "credential-over-http" {
		t.Errorf("verdict = %v, %s", v.Kind(), v.Reason())
	}
}

func TestARedirectIsNoPass(t *testing.T) {
	x := exchange.New(httptest.NewRequest(http.MethodGet, "/", http.NoBody))
	s := newHTTPS(t, httpserver.HTTPSConfig{})
	if v := s.Check(x); v.Kind() != exchange.Failed {
		t.Errorf("without forwarded: %v, want a failure", v.Kind())
	}
	x.Scheme, x.Host = "http", "api.example.com"
	if v := s.Check(x); v.Kind() != exchange.Failed {
		t.Errorf("without target: %v, want a failure", v.Kind())
	}
	x.UpstreamPath = "/"
	if v := s.Check(x); v.Kind() != exchange.Answered || v.Passed() || v.Reason() != "https-redirect" {
		t.Errorf("over http: %v, %s, want an answer", v.Kind(), v.Reason())
	}
	x.Scheme = "https"
	if v := s.Check(x); !v.Passed() {
		t.Errorf("over https: %v, want a pass", v.Kind())
	}
}

// A redirect waits for no body, and nothing of what follows is taken for a request.
func TestARedirectReadsNoBody(t *testing.T) {
	_, addr := start(t, httpserver.Config{Handler: wholeEdge(t, forwarded.Direct(), nil, newHTTPS(t, httpserver.HTTPSConfig{}))})
	for name, head := range map[string]string{"a length and no body": "Content-Length: 5\r\n", "a great length and no body": "Content-Length: 1000000\r\n", "Expect": "Content-Length: 5\r\nExpect: 100-continue\r\n"} {
		conn := dial(t, addr)
		write(t, conn, "POST /a HTTP/1.1\r\nHost: api.example.com\r\n"+head+"\r\n")
		text, err := io.ReadAll(conn)
		got := string(text)
		if err != nil || !strings.HasPrefix(got, "HTTP/1.1 308 ") || !strings.Contains(got, "Connection: close\r\n") || strings.Count(got, "HTTP/1.1") != 1 {
			t.Errorf("%s: %q, %v; want 308 and the connection closed", name, got, err)
		}
	}
	for body, want := range map[string]string{"": "", "five!": "close"} {
		w := ask(wholeEdge(t, forwarded.Direct(), nil, newHTTPS(t, httpserver.HTTPSConfig{})), http.MethodPost, "/a", "api.example.com", func(r *http.Request) {
			if body != "" {
				r.Body = io.NopCloser(strings.NewReader(body))
			}
		})
		if got := w.Header().Get("Connection"); w.Code != http.StatusPermanentRedirect || got != want {
			t.Errorf("a body of %d bytes: %d with Connection %q, want 308 with %q", len(body), w.Code, got, want)
		}
	}
}

func TestNewHTTPSReportsEverything(t *testing.T) {
	s, err := httpserver.NewHTTPS(httpserver.HTTPSConfig{Port: 70000, GETStatus: 302, HSTS: httpserver.HSTS{Preload: true}})
	if s != nil || err == nil {
		t.Fatalf("error = %v", err)
	}
	for _, want := range []string{"Known", "Carries", "70000", "302", "HSTS"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not name %s", err, want)
		}
	}
}

func TestHTTPSAllocatesNothing(t *testing.T) {
	s := newHTTPS(t, httpserver.HTTPSConfig{HSTS: httpserver.HSTS{MaxAge: time.Hour}})
	x := exchange.New(httptest.NewRequest(http.MethodGet, "/", http.NoBody))
	x.Scheme = "https"
	h := http.Header{"Strict-Transport-Security": nil}
	if got := testing.AllocsPerRun(100, func() { s.Check(x); s.Headers(x, h) }); got != 0 {
		t.Errorf("allocations = %v, want 0", got)
	}
	if v := h["Strict-Transport-Security"]; !slices.Equal(append(v, "x"), []string{"max-age=3600", "x"}) || cap(v) != 1 {
		t.Errorf("the shared value is %q with room for %d", v, cap(v))
	}
}
