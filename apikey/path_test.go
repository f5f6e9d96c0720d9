package apikey_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/pathpattern"
)

// pathPatterns are patterns, and paths of which ok says whether they match.
func pathPatterns() []struct{ pattern, yes, no string } {
	return []struct{ pattern, yes, no string }{
		{"/", "/ /a /a/b /a/", "*"},
		{"/{$}", "/", "/a /a/ *"},
		{"/orders", "/orders /%6frders", "/orders/ /order /ordersx /Orders /orders/1 /orders%2F"},
		{"/orders/", "/orders/ /orders/1 /orders/1/2/ /orders/%2F", "/orders /ordersx/ /"},
		{"/orders/{$}", "/orders/", "/orders /orders/1"},
		{"/orders/{id}", "/orders/1 /orders/a%2Fb /orders/a%20b", "/orders /orders/ /orders/%2F /orders/1/ /orders/1/2"},
		{"/orders/{id}/", "/orders/1/ /orders/1/2", "/orders/1 /orders/"},
		{"/orders/{id}/items", "/orders/1/items", "/orders/1/items/ /orders/items /orders/1/2/items"},
		{"/files/{rest...}", "/files/ /files/a /files/a/b", "/files /filesx"},
		{"/{a}/{b}", "/1/2 /é/2", "/1 /1/ /1/2/3"},
		{"/files/{name}.json", "/files/a.json /files/a.b%2Ejson /files/a.json.json", "/files/.json /files/a.jso /files/a.JSON /files/a/b.json /files/a.json/"},
		{"/v{n}/{from}-{to}", "/v1/a-b /v%31/a-b-c", "/v/a-b /v1/-b /w1/a-b /v1/ab"},
		{"/caf%C3%A9", "/caf%C3%A9 /caf%c3%a9", "/cafe /caf%C3"},
		{"/a/%2A/%3Aid", "/a/*/:id /a/%2a/%3Aid", "/a/b/c /a/*/id"},
		{"/a%2Fb", "/a%2Fb /a%2fb /%61%2Fb", "/a/b"},
	}
}

func TestPathPatterns(t *testing.T) {
	for _, tt := range pathPatterns() {
		for want, paths := range map[bool]string{true: tt.yes, false: tt.no} {
			for path := range strings.FieldsSeq(paths) {
				if got, err := apikey.PathMatches(tt.pattern, path); err != nil || got != want {
					t.Errorf("%s and %s: %v, %v, want %v", tt.pattern, path, got, err, want)
				}
			}
		}
	}
	for _, pattern := range []string{
		"", "orders", "GET /orders", "example.com/orders", "/a//b", "//", "/a/./b", "/..", "/%2e%2E", "/{", "/}", "/{}", "/{a", "/a}", "/x{a", "/{a}{b}", "/{a}x{a}", "/x{a...}", "/x{$}", "/{a}%2F", "/{a}/x{a}", "/{a}/{a}",
		"/{a...}/b", "/{$}/b", "/{1a}", "/{a-b}", "/{a b}", "/{...}", "/a b", "/a?b", "/a#b", "/a;b", "/a\\b", "/%5C", "/%", "/%4", "/%zz", "/%00", "/a\x00", "/a\n", "/é", "/%FF", "/%7F", "/a/%2F",
	} {
		if _, err := apikey.PathMatches(pattern, "/"); err == nil {
			t.Errorf("%q is taken for a pattern", pattern)
		}
	}
}

// Whatever pattern is taken here, routes take too, and it matches the same paths.
func FuzzPathPattern(f *testing.F) {
	for _, tt := range pathPatterns() {
		for path := range strings.FieldsSeq(tt.yes + " " + tt.no) {
			f.Add(tt.pattern, path)
		}
	}
	f.Fuzz(func(t *testing.T, pattern, path string) {
		got, err := apikey.PathMatches(pattern, path)
		if err != nil {
			if got {
				t.Errorf("%q is wrong (%v) and matches", pattern, err)
			}
			return
		}
		u, err := url.ParseRequestURI(path)
		if err != nil || u.EscapedPath() != path || !canonical(u) {
			return // no canonical path, or one that url.URL writes in another way
		}
		r := new(warder.Routes)
		if err := r.Handle(pattern, new(warder.Policy)); err != nil {
			t.Fatalf("%q is a pattern here, and none of routes: %v", pattern, err)
		}
		asked := &http.Request{Method: http.MethodPut, URL: u, Host: "h", RequestURI: path}
		x := exchange.New(asked)
		x.Host, x.Path = "h", path
		r.Match(x)
		want := x.Route != ""
		if _, mixed := pathpattern.Plain(pattern); !mixed { // a ServeMux knows it as well
			want = false
			mux := http.NewServeMux()
			mux.HandleFunc(pattern, func(http.ResponseWriter, *http.Request) { want = true })
			mux.ServeHTTP(httptest.NewRecorder(), asked)
		} else if strings.Contains(strings.ToUpper(path)+"/", "/%2F/") {
			return // no route takes it
		}
		if got != want {
			t.Errorf("%q and %q: %v, a route says %v", pattern, path, got, want)
		}
	})
}

// canonical reports whether u has a path of one reading, as target makes them.
func canonical(u *url.URL) bool {
	if u.Path == "" || u.Path[0] != '/' || u.RawQuery != "" || u.Host != "" || strings.ContainsAny(u.Path, "\\;\x00") {
		return false
	}
	segments := strings.Split(u.EscapedPath()[1:], "/")
	for i, s := range segments {
		decoded, err := url.PathUnescape(s)
		if err != nil || decoded == "." || decoded == ".." || s == "" && i < len(segments)-1 || decoded != strings.ToValidUTF8(decoded, "") {
			return false
		}
		for j := range len(decoded) {
			if decoded[j] < ' ' || decoded[j] == 0x7f {
				return false
			}
		}
	}
	return true
}
