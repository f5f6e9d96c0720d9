package target_test

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/problem"
	"github.com/warder-dev/warder/target"
)

const all = exchange.DotSegments | exchange.EmptySegments | exchange.PathParameters | exchange.EncodedSlash

// judged is what came of a request: the status, and what a handler behind saw.
type judged struct {
	status              int
	path, upstream      string
	ambiguity           exchange.Ambiguity
	urlPath, requestURI string
	header              http.Header
	pattern             string
}

// send reads a request as a server would and judges it. What net/http refuses
// is 400.
func send(t *testing.T, allow exchange.Ambiguity, method, raw string) judged {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(method + " " + raw + " HTTP/1.1\r\nHost: api.example.com\r\n\r\n")))
	if err != nil {
		return judged{status: http.StatusBadRequest}
	}
	return judge(t, allow, r, http.NewServeMux())
}

func judge(t *testing.T, allow exchange.Ambiguity, r *http.Request, mux *http.ServeMux) judged {
	t.Helper()
	s, err := target.New(target.Config{Allow: allow})
	if err != nil {
		t.Fatal(err)
	}
	var got judged
	before := *r.URL
	w := httptest.NewRecorder()
	s.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		x := exchange.From(r.Context())
		got.path, got.upstream, got.ambiguity = x.Path, x.UpstreamPath, x.Ambiguity
		got.urlPath, got.requestURI = r.URL.EscapedPath(), r.RequestURI
		_, got.pattern = mux.Handler(r)
	})).ServeHTTP(w, r)
	if *r.URL != before {
		t.Errorf("the shared URL was edited: %v", r.URL)
	}
	got.status, got.header = w.Code, w.Header()
	if got.status == http.StatusOK && got.urlPath != got.path {
		t.Errorf("%s: the handler sees %q, judged was %q", r.RequestURI, got.urlPath, got.path)
	}
	return got
}

func TestLength(t *testing.T) {
	attack.Case(t, "PATH-15", attack.Library, func(t *testing.T) {
		for _, tt := range []struct {
			name, raw string
			want      int
		}{
			{"9 KiB of path", "/" + strings.Repeat("a", 9<<10), 414},
			{"9 KiB of query", "/?" + strings.Repeat("a", 9<<10), 414},
			{"one over", "/" + strings.Repeat("a", 8192), 414},
			{"at the limit", "/" + strings.Repeat("a", 8191), 200},
			{"too long before it is malformed", "/%" + strings.Repeat("a", 9<<10), 414},
		} {
			if got := send(t, 0, http.MethodGet, tt.raw); got.status != tt.want {
				t.Errorf("%s: got %d, want %d", tt.name, got.status, tt.want)
			}
		}
	})
}

func TestForms(t *testing.T) {
	tests := []struct {
		name, method, raw string
		status            int
		path, uri         string
	}{
		{"star for OPTIONS", "OPTIONS", "*", 200, "*", "*"},
		{"star for GET", "GET", "*", 400, "", ""},
		{"star with a query", "OPTIONS", "*?a", 400, "", ""},
		{"empty", "GET", "", 400, "", ""},
		{"absolute", "GET", "http://api.example.com/a?b", 200, "/a", "/a?b"},
		{"absolute, another scheme's case", "GET", "HTTPS://api.example.com/a", 200, "/a", "/a"},
		{"absolute without a path", "GET", "http://api.example.com", 200, "/", "/"},
		{"absolute without a path but a query", "GET", "http://api.example.com?q", 200, "/", "/?q"},
		{"absolute without a path, OPTIONS", "OPTIONS", "http://api.example.com", 200, "*", "*"},
		{"absolute, ambiguous path", "GET", "http://api.example.com//a", 400, "", ""},
		{"absolute, dots", "GET", "http://api.example.com/a/../b", 400, "", ""},
		{"absolute with user information", "GET", "http://u:p@api.example.com/a", 400, "", ""},
		{"absolute without a host", "GET", "http:///a", 400, "", ""},
		{"another scheme", "GET", "ftp://api.example.com/a", 400, "", ""},
		{"file", "GET", "file:///etc/passwd", 400, "", ""},
		{"authority form", "GET", "api.example.com:443", 400, "", ""},
		{"no slash", "GET", "admin", 400, "", ""},
	}
	attack.Case(t, "PATH-17", attack.Library, func(t *testing.T) {
		for _, tt := range tests {
			got := send(t, 0, tt.method, tt.raw)
			if got.status != tt.status || got.path != tt.path || got.requestURI != tt.uri {
				t.Errorf("%s: %s %q: got %d %q (handler sees %q), want %d %q (%q)", tt.name, tt.method, tt.raw, got.status, got.path, got.requestURI, tt.status, tt.path, tt.uri)
			}
		}
	})
	attack.Case(t, "PROXY-08", attack.Library, func(t *testing.T) {
		for _, tt := range []struct {
			method, raw string
			status      int
			path        string
		}{
			{"CONNECT", "api.example.com:443", 405, ""},
			{"CONNECT", "/", 405, ""},
			{"TRACE", "/", 405, ""},
			{"PRI", "*", 405, ""},
			{"OPTIONS", "*", 200, "*"},
			{"GET", "http://other.example.com/a", 200, "/a"},
		} {
			got := send(t, 0, tt.method, tt.raw)
			if got.status != tt.status || got.path != tt.path {
				t.Errorf("%s %s: got %d %q, want %d %q", tt.method, tt.raw, got.status, got.path, tt.status, tt.path)
			}
		}
	})
}

func TestMethods(t *testing.T) {
	attack.Case(t, "KEY-32", attack.Library, func(t *testing.T) {
		for method, want := range map[string]int{
			"CONNECT": 405, "TRACE": 405, "PRI": 405, strings.Repeat("A", 33): 405, strings.Repeat("A", 10<<10): 405,
			// Judged like any other: the credential is asked for by method-blind stages.
			"HEAD": 200, "OPTIONS": 200, "get": 200, "FOO": 200, "VERSION-CONTROL": 200,
		} {
			got := send(t, 0, method, "/")
			if got.status != want {
				t.Errorf("%.20s: got %d, want %d", method, got.status, want)
			}
			if allow := got.header.Get("Allow"); want == 405 && (allow == "" || strings.Contains(allow, "TRACE") || strings.Contains(allow, "CONNECT")) {
				t.Errorf("%.20s: Allow = %q", method, allow)
			}
		}
	})
	t.Run("HTTP/2 hands anything to a handler", func(t *testing.T) {
		for _, method := range []string{"GE T", "GET\r\n", "", "GÉT", "GET /x HTTP/1.1"} {
			r := &http.Request{Method: method, ProtoMajor: 2, RequestURI: "/", URL: &url.URL{Path: "/"}, Host: "a"}
			if got := judge(t, 0, r, http.NewServeMux()); got.status != 405 {
				t.Errorf("method %q: got %d, want 405", method, got.status)
			}
		}
		for _, raw := range []string{"http://evil/x", "/a b", "/a#b", "x", "/a?\x00"} {
			r := &http.Request{Method: http.MethodGet, ProtoMajor: 2, RequestURI: raw, URL: &url.URL{Path: "/"}, Host: "a"}
			if got := judge(t, 0, r, http.NewServeMux()); got.status != 400 {
				t.Errorf("target %q: got %d, want 400", raw, got.status)
			}
		}
	})
}

func TestTheHandlerSeesWhatWasJudged(t *testing.T) {
	for _, tt := range []struct {
		name string
		r    *http.Request
		want string
		uri  string
	}{
		{"an outer handler rewrote the URL", &http.Request{Method: http.MethodGet, RequestURI: "/admin?a", URL: &url.URL{Path: "/public", RawQuery: "a"}}, "/admin", "/admin?a"},
		{"an outer handler rewrote the query", &http.Request{Method: http.MethodGet, RequestURI: "/x?a", URL: &url.URL{Path: "/x", RawQuery: "b"}}, "/x", "/x?a"},
		{"RawPath that does not fit Path", &http.Request{Method: http.MethodGet, RequestURI: "/a%2Cb", URL: &url.URL{Path: "/admin", RawPath: "/a%2Cb"}}, "/a%2Cb", "/a%2Cb"},
		{"no RequestURI: a request that a program built", &http.Request{Method: http.MethodGet, URL: &url.URL{Path: "/a b", RawQuery: "q=1"}}, "/a%20b", ""},
		{"an empty query stays", &http.Request{Method: http.MethodGet, RequestURI: "/%41?", URL: &url.URL{Path: "/A", ForceQuery: true}}, "/A", "/A?"},
	} {
		got := judge(t, 0, tt.r, http.NewServeMux())
		if got.status != 200 || got.path != tt.want || got.requestURI != tt.uri {
			t.Errorf("%s: got %d %q %q, want 200 %q %q", tt.name, got.status, got.path, got.requestURI, tt.want, tt.uri)
		}
	}
}

func TestAmbiguityIsRecorded(t *testing.T) {
	for raw, want := range map[string]exchange.Ambiguity{
		"/a": 0, "/a/../b": exchange.DotSegments, "//a": exchange.EmptySegments, "/a;b": exchange.PathParameters, "/a%2fb": exchange.EncodedSlash,
		"//a;b/../c%2fd": all, "/%41": 0,
	} {
		if got := send(t, all, "GET", raw); got.status != 200 || got.ambiguity != want {
			t.Errorf("%s: got %d %q, want 200 %q", raw, got.status, got.ambiguity, want)
		}
	}
}

func TestRefusalsNameTheAmbiguity(t *testing.T) {
	s, err := target.New(target.Config{Allow: exchange.EmptySegments})
	if err != nil {
		t.Fatal(err)
	}
	for raw, want := range map[string]string{"/a/../b": "dot-segments", "//a/../b;c": "dot-segments,path-parameters", "/a%00": "malformed-target"} {
		v := s.Check(exchange.New(&http.Request{Method: http.MethodGet, RequestURI: raw, URL: &url.URL{}}))
		if v.Reason() != want || v.Problem() == nil || v.Problem().Type != problem.InvalidTarget {
			t.Errorf("%s: reason %q, problem %v; want %q", raw, v.Reason(), v.Problem(), want)
		}
	}
}

func TestNewReportsEverything(t *testing.T) {
	_, err := target.New(target.Config{MaxLength: -1, Allow: 1 << 7})
	if err == nil || !strings.Contains(err.Error(), "MaxLength") || !strings.Contains(err.Error(), "Allow") {
		t.Errorf("New: %v, want both fields named", err)
	}
}

// ordinary is an exchange that need not change.
func ordinary(tb testing.TB) (*target.Stage, *exchange.Exchange) {
	tb.Helper()
	s, err := target.New(target.Config{})
	if err != nil {
		tb.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, "/v1/orders/9f1c2d3e-aaaa-bbbb/items?page=2&sort=name", nil)
	return s, exchange.New(r)
}

func TestAnOrdinaryTargetAllocatesNothing(t *testing.T) {
	s, x := ordinary(t)
	if got := testing.AllocsPerRun(100, func() {
		if v := s.Check(x); !v.Passed() {
			t.Fatal(v.Reason())
		}
	}); got != 0 {
		t.Errorf("allocations = %v, want 0", got)
	}
}

func BenchmarkCheck(b *testing.B) {
	s, x := ordinary(b)
	b.ReportAllocs()
	for b.Loop() {
		if v := s.Check(x); !v.Passed() {
			b.Fatal(v.Reason())
		}
	}
}
