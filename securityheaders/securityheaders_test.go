package securityheaders_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/securityheaders"
)

func stage(tb testing.TB, cfg securityheaders.Config) *securityheaders.Stage {
	tb.Helper()
	s, err := securityheaders.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// answer is the header that a client gets when the handler sets fields of its own.
func answer(s *securityheaders.Stage, own http.Header) http.Header {
	w := httptest.NewRecorder()
	s.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		maps.Copy(w.Header(), own)
		w.WriteHeader(http.StatusOK)
	})).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", http.NoBody))
	return w.Header()
}

// standard is what the zero Config sends.
func standard() http.Header {
	return http.Header{
		"X-Content-Type-Options":       {"nosniff"},
		"Content-Security-Policy":      {"default-src 'none'; frame-ancestors 'none'"},
		"X-Frame-Options":              {"DENY"},
		"Referrer-Policy":              {"no-referrer"},
		"Cross-Origin-Resource-Policy": {"same-origin"},
		"Cross-Origin-Opener-Policy":   {"same-origin"},
	}
}

func with(h http.Header, name string, values ...string) http.Header {
	if values == nil {
		h.Del(name)
	} else {
		h[name] = values
	}
	return h
}

func TestFields(t *testing.T) {
	override := func(value string) securityheaders.Field { return securityheaders.Field{Value: value, Override: true} }
	value := func(text string) securityheaders.Field { return securityheaders.Field{Value: text} }
	for _, tt := range []struct {
		name string
		cfg  securityheaders.Config
		own  http.Header
		want http.Header
	}{
		{"defaults", securityheaders.Config{}, nil, standard()},
		{
			"every value",
			securityheaders.Config{
				ContentSecurityPolicy: value("default-src 'self'; script-src 'self' https://cdn.example"), FrameOptions: value("SAMEORIGIN"), ReferrerPolicy: value("strict-origin"),
				CrossOriginResourcePolicy: value("cross-origin"), CrossOriginOpenerPolicy: value("same-origin-allow-popups"), CrossOriginEmbedderPolicy: value("require-corp"),
				PermissionsPolicy: value(`camera=(), geolocation=(self "https://a.example"), fullscreen=*`),
			},
			nil,
			http.Header{
				"X-Content-Type-Options": {"nosniff"}, "Content-Security-Policy": {"default-src 'self'; script-src 'self' https://cdn.example"}, "X-Frame-Options": {"SAMEORIGIN"},
				"Referrer-Policy": {"strict-origin"}, "Cross-Origin-Resource-Policy": {"cross-origin"}, "Cross-Origin-Opener-Policy": {"same-origin-allow-popups"},
				"Cross-Origin-Embedder-Policy": {"require-corp"}, "Permissions-Policy": {`camera=(), geolocation=(self "https://a.example"), fullscreen=*`},
			},
		},
		{"the handler's own stays", securityheaders.Config{}, http.Header{"Content-Security-Policy": {"default-src 'self'"}}, with(standard(), "Content-Security-Policy", "default-src 'self'")},
		{"the handler's own stays in every line", securityheaders.Config{}, http.Header{"Referrer-Policy": {"origin", "same-origin"}}, with(standard(), "Referrer-Policy", "origin", "same-origin")},
		{"the handler's own is overridden", securityheaders.Config{ReferrerPolicy: override("same-origin")}, http.Header{"Referrer-Policy": {"unsafe-url", "x"}}, with(standard(), "Referrer-Policy", "same-origin")},
		{"overridden with the default", securityheaders.Config{FrameOptions: override("")}, http.Header{"X-Frame-Options": {"SAMEORIGIN"}}, standard()},
		{"types are never guessed", securityheaders.Config{}, http.Header{"X-Content-Type-Options": {"sniff"}}, standard()},
		{"omitted by word", securityheaders.Config{FrameOptions: securityheaders.Field{InsecureOmit: true}}, nil, with(standard(), "X-Frame-Options")},
		{"omitted leaves the handler's own", securityheaders.Config{FrameOptions: securityheaders.Field{InsecureOmit: true}}, http.Header{"X-Frame-Options": {"x"}}, with(standard(), "X-Frame-Options", "x")},
		{"removed by word", securityheaders.Config{Remove: []string{"server", "X-Powered-By"}}, http.Header{"Server": {"x/1"}, "X-Powered-By": {"y", "z"}, "Via": {"v"}}, with(standard(), "Via", "v")},
		{"not removed unless said", securityheaders.Config{}, http.Header{"Server": {"x/1"}}, with(standard(), "Server", "x/1")},
	} {
		if got := answer(stage(t, tt.cfg), tt.own); fmt.Sprint(got) != fmt.Sprint(tt.want) {
			t.Errorf("%s:\n%v, want\n%v", tt.name, got, tt.want)
		}
	}
}

func TestRefusalsHaveTheFieldsToo(t *testing.T) {
	w := httptest.NewRecorder()
	refusing := exchange.Wrap(refusal{}, http.NotFoundHandler())
	stage(t, securityheaders.Config{}).Wrap(refusing).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", http.NoBody))
	for name, want := range standard() {
		if got := w.Header()[name]; !slices.Equal(got, want) {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
}

// refusal fails every request.
type refusal struct{}

func (refusal) Check(*exchange.Exchange) exchange.Verdict { return exchange.Verdict{} }

func TestNewRefuses(t *testing.T) {
	field := func(value string) securityheaders.Field { return securityheaders.Field{Value: value} }
	for _, tt := range []struct {
		name string
		cfg  securityheaders.Config
	}{
		{"a line break in a policy", securityheaders.Config{ContentSecurityPolicy: field("default-src 'none'\r\nSet-Cookie: a=b")}},
		{"a line feed", securityheaders.Config{ContentSecurityPolicy: field("default-src 'none'\n")}},
		{"beyond ASCII", securityheaders.Config{ContentSecurityPolicy: field("default-src bücher.example")}},
		{"two policies", securityheaders.Config{ContentSecurityPolicy: field("default-src 'none', script-src 'self'")}},
		{"a directive twice", securityheaders.Config{ContentSecurityPolicy: field("default-src 'none'; Default-Src 'self'")}},
		{"no directive", securityheaders.Config{ContentSecurityPolicy: field(";")}},
		{"a directive that is none", securityheaders.Config{ContentSecurityPolicy: field("default_src 'none'")}},
		{"blanks around", securityheaders.Config{ContentSecurityPolicy: field(" default-src 'none'")}},
		{"an obsolete frame option", securityheaders.Config{FrameOptions: field("ALLOW-FROM https://a.example")}},
		{"a frame option in other case", securityheaders.Config{FrameOptions: field("deny")}},
		{"a referrer policy that is none", securityheaders.Config{ReferrerPolicy: field("none")}},
		{"a resource policy that is none", securityheaders.Config{CrossOriginResourcePolicy: field("none")}},
		{"an opener policy that is none", securityheaders.Config{CrossOriginOpenerPolicy: field("same-site")}},
		{"an embedder policy that is none", securityheaders.Config{CrossOriginEmbedderPolicy: field("same-origin")}},
		{"permissions in the older form", securityheaders.Config{PermissionsPolicy: field("camera 'none'; geolocation 'self'")}},
		{"permissions without a list", securityheaders.Config{PermissionsPolicy: field("camera=none")}},
		{"permissions with an open list", securityheaders.Config{PermissionsPolicy: field("camera=(self")}},
		{"permissions that end in a comma", securityheaders.Config{PermissionsPolicy: field("camera=(),")}},
		{"a line break in permissions", securityheaders.Config{PermissionsPolicy: field("camera=(\n)")}},
		{"set and omitted", securityheaders.Config{FrameOptions: securityheaders.Field{Value: "DENY", InsecureOmit: true}}},
		{"overridden and omitted", securityheaders.Config{FrameOptions: securityheaders.Field{Override: true, InsecureOmit: true}}},
		{"overridden with nothing", securityheaders.Config{PermissionsPolicy: securityheaders.Field{Override: true}}},
		{"removing what is no name", securityheaders.Config{Remove: []string{"X Powered"}}},
		{"removing nothing", securityheaders.Config{Remove: []string{""}}},
		{"removing what is set", securityheaders.Config{Remove: []string{"referrer-policy"}}},
		{"removing what is always set", securityheaders.Config{Remove: []string{"X-Content-Type-Options"}}},
	} {
		if s, err := securityheaders.New(tt.cfg); err == nil || s != nil || !strings.HasPrefix(err.Error(), "securityheaders: ") {
			t.Errorf("%s: error = %v, want one", tt.name, err)
		}
	}
	_, err := securityheaders.New(securityheaders.Config{FrameOptions: field("x"), ReferrerPolicy: field("y"), Remove: []string{"a b"}})
	for _, want := range []string{"X-Frame-Options", "Referrer-Policy", `"a b"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error = %v, want all of them, %s too", err, want)
		}
	}
}

func TestTheValuesAreShared(t *testing.T) {
	s := stage(t, securityheaders.Config{Remove: []string{"Server"}})
	first := answer(s, nil)
	for name, values := range first {
		if cap(values) != len(values) {
			t.Errorf("%s has room for %d values", name, cap(values))
		}
		first[name] = append(values, "x") // what a handler does with Add
	}
	if got := answer(s, nil); fmt.Sprint(got) != fmt.Sprint(standard()) {
		t.Errorf("one answer changed the next: %v", got)
	}
	x := exchange.New(httptest.NewRequest(http.MethodGet, "/", http.NoBody))
	h := standard()
	if got := testing.AllocsPerRun(100, func() {
		clear(h)
		s.Check(x)
		s.Headers(x, h)
	}); got != 0 {
		t.Errorf("allocations = %v, want 0", got)
	}
}

func BenchmarkHeaders(b *testing.B) {
	s := stage(b, securityheaders.Config{Remove: []string{"Server"}})
	x := exchange.New(httptest.NewRequest(http.MethodGet, "/", http.NoBody))
	h := standard()
	b.ReportAllocs()
	for b.Loop() {
		clear(h)
		s.Headers(x, h)
	}
}
