package authz_test

import (
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/warder-dev/warder/authz"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/target"
)

func paths() []struct {
	name, pattern, path string
	want                bool
} {
	return []struct {
		name, pattern, path string
		want                bool
	}{
		{"the same", "/orders", "/orders", true},
		{"a slash at the end is another path", "/orders", "/orders/", false},
		{"and the other way", "/orders/", "/orders", false},
		{"with the slash", "/orders/", "/orders/", true},
		{"below is not the same", "/orders", "/orders/7", false},
		{"case is another path", "/orders", "/Orders", false},
		{"the root", "/", "/", true},
		{"the root is not what is below", "/", "/a", false},
		{"star takes one segment", "/orders/*", "/orders/7", true},
		{"star takes no empty one", "/orders/*", "/orders/", false},
		{"star takes not none", "/orders/*", "/orders", false},
		{"star takes not two", "/orders/*", "/orders/7/items", false},
		{"star in the middle", "/orders/*/items", "/orders/7/items", true},
		{"two stars: the folder itself", "/admin/**", "/admin", true},
		{"two stars: with a slash", "/admin/**", "/admin/", true},
		{"two stars: below", "/admin/**", "/admin/a/b/", true},
		{"PATH-13: a longer name", "/admin/**", "/adminx", false},
		{"PATH-13: a longer name, below", "/admin/**", "/adminx/y", false},
		{"PATH-13: dots behind the name", "/admin/**", "/admin..", false},
		{"PATH-13: dots behind the name, below", "/admin/**", "/admin../x", false},
		{"PATH-13: a shorter name", "/admin/**", "/admi", false},
		{"two stars alone", "/**", "/", true},
		{"two stars alone, anything", "/**", "/a/b", true},
		{"two stars are not the server as a whole", "/**", "*", false},
		{"a star, then two", "/*/admin/**", "/t1/admin/x", true},
		{"encoded where the pattern is not", "/v1/keys:verify", "/v1/keys%3Averify", true},
		{"not encoded where the pattern is", "/v1/keys%3averify", "/v1/keys:verify", true},
		{"other letters", "/caf%C3%A9", "/caf%C3%A9", true},
		{"an encoded slash divides nothing", "/a/b", "/a%2Fb", false},
		{"an encoded slash that is meant", "/a%2fb", "/a%2Fb", true},
		{"a star takes an encoded slash within its segment", "/*", "/a%2Fb", true},
		{"a percent sign is decoded once", "/a%2541", "/aA", false},
		{"a percent sign that is meant", "/a%2541", "/a%2541", true},
		{"a star within a segment", "/files/*.json", "/files/a.json", true},
		{"a star within a segment takes something", "/files/*.json", "/files/.json", false},
		{"a star within a segment, and its text", "/files/*.json", "/files/a.jsonx", false},
		{"a star within a segment takes what is encoded", "/files/*.json", "/files/a%2Fb.json", true},
		{"text within a segment, encoded", "/*:verify", "/keys%3Averify", true},
		{"two stars within a segment", "/*-*", "/a-b-c", true},
		{"a star within a segment is of one", "/files/*.json", "/files/a/b.json", false},
		{"a star that is meant", "/a%2Ab", "/a*b", true},
		{"a star that is meant takes nothing else", "/%2A", "/x", false},
	}
}

func TestPaths(t *testing.T) {
	for _, tt := range paths() {
		t.Run(tt.name, func(t *testing.T) {
			if tt.path != "*" {
				if r, err := target.Canonical(tt.path, exchange.EncodedSlash); err != nil || r.Path != tt.path {
					t.Fatalf("%q is not canonical: %v", tt.path, err)
				}
			}
			x := request(func(x *exchange.Exchange) { x.Path = tt.path })
			if got := holds(t, authz.Rule{Paths: []string{"/none", tt.pattern}}, x); got != tt.want {
				t.Errorf("%q matches %q = %v, want %v", tt.pattern, tt.path, got, tt.want)
			}
		})
	}
}

// Nothing is known of a path that no target stage read: a Deny rule must not let
// it pass.
func TestWithoutACanonicalPath(t *testing.T) {
	for _, effect := range []authz.Effect{authz.Deny, authz.Require, authz.Allow} {
		s := newStage(t, authz.Rule{Name: "a", Effect: effect, Paths: []string{"/admin/**"}})
		if v := s.Check(request(func(x *exchange.Exchange) { x.Path = "" })); v.Kind() != exchange.Failed {
			t.Errorf("%v: %v, want failed", effect, v.Kind())
		}
	}
}

func TestPatternsThatNothingMatches(t *testing.T) {
	tests := []struct{ pattern, want string }{
		{"", `does not begin with "/"`},
		{"admin", `does not begin with "/"`},
		{"/a//b", "empty segment"},
		{"//", "empty segment"},
		{"/a/./b", "dot segments"},
		{"/a/..", "dot segments"},
		{"/a/%2e%2E", "dot segments"},
		{"/a**", "two are the whole last one"},
		{"/**/a", "two are the whole last one"},
		{"/***", "two are the whole last one"},
		{"/a*%zz", "two hexadecimal digits"},
		{"/a*b*c*d*e*f*g*h*i*j", "more than 8"},
		{"/a b", "percent-encoded"},
		{"/a?b", "percent-encoded"},
		{"/a;b", "percent-encoded"},
		{"/a\\b", "backslashes"},
		{"/{id}", "percent-encoded"},
		{"/é", "percent-encoded"},
		{"/a%5C", "backslashes"},
		{"/a%00", "control characters"},
		{"/a%0a", "control characters"},
		{"/a%ff", "UTF-8"},
		{"/a%", "two hexadecimal digits"},
		{"/a%4", "two hexadecimal digits"},
		{"/a%zz", "two hexadecimal digits"},
	}
	for _, tt := range tests {
		t.Run(tt.pattern, func(t *testing.T) {
			_, err := authz.New(authz.Config{Rules: []authz.Rule{{Name: "a", Effect: authz.Deny, Paths: []string{tt.pattern}}}})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want one that says %q", err, tt.want)
			}
		})
	}
}

// reference matches by splitting and decoding, as one would write it at first.
func reference(pattern, path string) bool {
	want, got := strings.Split(pattern[1:], "/"), strings.Split(strings.TrimPrefix(path, "/"), "/")
	if !strings.HasPrefix(path, "/") {
		return false
	}
	if want[len(want)-1] == "**" {
		want = want[:len(want)-1]
		if len(got) < len(want) {
			return false
		}
		got = got[:len(want)]
	}
	if len(got) != len(want) {
		return false
	}
	for i := range want {
		a, _ := url.PathUnescape(want[i])
		b, _ := url.PathUnescape(got[i])
		if star := strings.Contains(want[i], "*"); star && !starred(want[i]).MatchString(b) || !star && a != b {
			return false
		}
	}
	return true
}

// starred is a segment with stars as a regular expression.
func starred(segment string) *regexp.Regexp {
	texts := strings.Split(segment, "*")
	for i, text := range texts {
		plain, _ := url.PathUnescape(text)
		texts[i] = regexp.QuoteMeta(plain)
	}
	return regexp.MustCompile("(?s)^" + strings.Join(texts, ".+") + "$")
}

func FuzzPaths(f *testing.F) {
	for _, tt := range paths() {
		f.Add(tt.pattern, tt.path)
	}
	f.Fuzz(func(t *testing.T, pattern, path string) {
		s, err := authz.New(authz.Config{Rules: []authz.Rule{{Name: "a", Effect: authz.Require, Paths: []string{pattern}}}})
		if err != nil {
			return
		}
		r, err := target.Canonical(path, exchange.EncodedSlash|exchange.DotSegments|exchange.EmptySegments|exchange.PathParameters)
		if err != nil {
			return
		}
		x := request(func(x *exchange.Exchange) { x.Path = r.Path })
		if got, want := s.Check(x).Passed(), reference(pattern, r.Path); got != want {
			t.Errorf("%q matches %q = %v, want %v", pattern, r.Path, got, want)
		}
	})
}
