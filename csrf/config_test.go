package csrf_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/csrf"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/secret"
)

func TestNew(t *testing.T) {
	origin := func(origins ...string) csrf.Config { return csrf.Config{TrustedOrigins: origins} }
	for _, tt := range []struct {
		name string
		cfg  csrf.Config
		want string // of the error; "" for none
	}{
		{"the zero value", csrf.Config{}, ""},
		{"a key of 31 bytes", csrf.Config{Keys: []secret.Text{secret.New(strings.Repeat("a", 31))}}, "key 1: want at least 32 bytes"},
		{"a key twice", csrf.Config{Keys: []secret.Text{key1(), key2(), key1()}}, "key 3"},
		{"an empty key", csrf.Config{Keys: []secret.Text{key1(), {}}}, "key 2"},
		{"17 keys", csrf.Config{Keys: make([]secret.Text, 17)}, "17 keys"},
		{"an origin", origin("https://a.example"), ""},
		{"with a port", origin("https://a.example:8443"), ""},
		{"IPv6", origin("https://[2001:db8::1]:8443"), ""},
		{"null", origin("null"), `"null"`},
		{"everybody", origin("*"), `"*"`},
		{"a wildcard", origin("https://*.example.com"), "*.example.com"},
		{"a path", origin("https://a.example/"), "a.example/"},
		{"a query", origin("https://a.example?"), "a.example?"},
		{"a fragment", origin("https://a.example#"), "a.example#"},
		{"user info", origin("https://me@a.example"), "me@"},
		{"upper case", origin("https://A.example"), "A.example"},
		{"upper case scheme", origin("HTTPS://a.example"), "HTTPS"},
		{"the default port", origin("https://a.example:443"), ":443"},
		{"an empty port", origin("https://a.example:"), "a.example:"},
		{"no scheme", origin("a.example"), "a.example"},
		{"another scheme", origin("ftp://a.example"), "ftp"},
		{"no host", origin("https://"), "https://"},
		{"non-ASCII", origin("https://exämple.com"), "mple.com"},
		{"not an address", origin("https://a b"), "a b"},
		{"plain http", origin("http://a.example"), "InsecureHTTPOrigins"},
		{"plain http, and said so", csrf.Config{TrustedOrigins: []string{"http://a.example"}, InsecureHTTPOrigins: true}, ""},
		{"plain http on this machine", origin("http://localhost:3000", "http://app.localhost", "http://127.0.0.1:8080", "http://[::1]:8080"), ""},
		{"plain http on what looks like this machine", origin("http://localhost.example.com"), "localhost.example.com"},
		{"a header that every form sends", csrf.Config{Header: "content-type"}, "content-type"},
		{"a header that is none", csrf.Config{Header: "X Token"}, "X Token"},
		{"a field with an equals sign", csrf.Config{Field: "a=b"}, "a=b"},
		{"a long field", csrf.Config{Field: strings.Repeat("a", 65)}, "at most 64 bytes"},
		{"seconds", csrf.Config{Lifetime: time.Second}, "1s"},
		{"months", csrf.Config{Lifetime: 1000 * time.Hour}, "1000h"},
		{"a form of nothing", csrf.Config{MaxForm: 10}, "10 bytes"},
		{"a form of everything", csrf.Config{MaxForm: 1 << 30}, "1073741824 bytes"},
		{"a cookie without a key", csrf.Config{Cookie: true}, "cookie needs a key"},
		{"shadow that nobody sees", csrf.Config{Shadow: true}, "shadow needs Report"},
		{"shadow", csrf.Config{Shadow: true, Report: func(*exchange.Exchange, string) {}}, ""},
	} {
		_, err := csrf.New(tt.cfg)
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%s: %v", tt.name, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "csrf: ")):
			t.Errorf("%s: error %v, want one of csrf's with %q", tt.name, err, tt.want)
		}
	}
}

func TestNewReportsEverythingAtOnce(t *testing.T) {
	_, err := csrf.New(csrf.Config{
		Keys: []secret.Text{secret.New("weak-canary")}, TrustedOrigins: []string{"null", "*"}, Header: "a b", Field: "a b", Lifetime: 1, MaxForm: 1, Shadow: true,
	})
	if n := strings.Count(err.Error(), "csrf: "); n != 8 {
		t.Errorf("%d errors, want 8:\n%v", n, err)
	}
	if strings.Contains(err.Error(), "canary") {
		t.Errorf("the error shows the key: %v", err)
	}
}

func TestNames(t *testing.T) {
	s := newStage(t, csrf.Config{Header: "x-proof", Field: "proof"})
	if s.Header() != "X-Proof" || s.Field() != "proof" {
		t.Errorf("got %q and %q", s.Header(), s.Field())
	}
}

func TestPassingAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("under the race detector sync.Pool drops what it holds")
	}
	for name, f := range passing(t) {
		if got := testing.AllocsPerRun(1000, func() {
			if !f() {
				t.Fatal("refused")
			}
		}); got != 0 {
			t.Errorf("%s: %v allocations, want none", name, got)
		}
	}
}

// passing are the ways through, by name.
func passing(tb testing.TB) map[string]func() bool {
	tb.Helper()
	s := newStage(tb, csrf.Config{Cookie: true, TrustedOrigins: []string{"https://spa.example.net"}})
	token := tokenFor(tb, s, alice("s1"))
	check := func(x *exchange.Exchange) func() bool { return func() bool { return s.Check(x).Passed() } }
	got := sent{method: "GET", cookie: "sid=s1; __Host-csrf=" + token}.exchangeOf(alice("s1"))
	h := http.Header{}
	return map[string]func() bool{
		"key":     check(sent{}.exchangeOf(exchange.Principal{Subject: "k9"})),
		"safe":    check(sent{method: "GET"}.exchangeOf(alice("s1"))),
		"same":    check(sent{fields: fields("Sec-Fetch-Site: same-origin", "Origin: "+own)}.exchangeOf(alice("s1"))),
		"origin":  check(sent{fields: fields("Origin: " + own)}.exchangeOf(alice("s1"))),
		"trusted": check(sent{fields: fields("Sec-Fetch-Site: cross-site", "Origin: https://spa.example.net")}.exchangeOf(alice("s1"))),
		"token":   check(with(token).exchangeOf(alice("s1"))),
		"cookie":  func() bool { s.Headers(got, h); return len(h) == 0 },
	}
}

func BenchmarkCheck(b *testing.B) {
	all := passing(b)
	for _, name := range []string{"key", "safe", "same", "origin", "trusted", "token", "cookie"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !all[name]() {
					b.Fatal("refused")
				}
			}
		})
	}
}

// The standard library's judgement of the same request, to compare with "same".
func BenchmarkStandardLibrary(b *testing.B) {
	r := sent{fields: fields("Sec-Fetch-Site: same-origin", "Origin: "+own)}.request()
	std := http.NewCrossOriginProtection()
	b.ReportAllocs()
	for b.Loop() {
		if err := std.Check(r); err != nil {
			b.Fatal(err)
		}
	}
}
