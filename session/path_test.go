package session_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/session"
)

// good are paths of our own.
func good() []string {
	return []string{
		"/", "/orders", "/orders/", "/orders?id=7&to=//x", "/a%20b", "/a;b=1", "/@evil.example", "/https:evil", "/a.b/..c/c..", "/?", "/?next=/a",
		"/a?b=%2f%5c%0a", "/" + strings.Repeat("a", 2047),
	}
}

// evil are those that lead elsewhere in some reading.
func evil() []string {
	return []string{
		"", " ", "orders", "//evil.example", "///evil.example", "////", `/\evil.example`, `\\evil.example`, `\/evil.example`, "https:evil.example",
		"https:/evil.example", "https://evil.example/", "HTTPS://evil.example", "javascript:alert(1)", "data:text/html,x", "/%09/evil.example", "/\t/evil.example",
		"/\n/evil.example", "/\r/evil.example", "/ /evil.example", "\t//evil.example", " //evil.example", "/%2f%2fevil.example", "/%2F/evil.example",
		"/%5cevil.example", "/%5C%5Cevil.example", "/%252f%252fevil.example", "/.//evil.example", "/..//evil.example", "/./evil", "/../evil", "/a/../b",
		"/%2e%2e/evil", "/%2E/evil", "/.%2e/evil", "/..;/evil", "/a/..", "/a/.", "/a//b", "/%00", "/\x00", "/%0d%0aSet-Cookie:a=b", "/a\r\nSet-Cookie: a=b",
		"/\u2028/evil", "/\uff0f/evil.example", "/\xc0\xafevil", "/%", "/%2", "/%zz", "/a#//evil.example", "#", "?//evil.example", "/a?b\\c", "/a?\n", "/a?b#c",
		"/" + strings.Repeat("a", 2048), "/" + strings.Repeat("a", 4096), "/<script>", "/a\x7f", "/?\xff", `/"`, "//evil.example?/", "/%0a", "/%1f/", "/%7f",
	}
}

func TestLocalPath(t *testing.T) {
	attack.Case(t, "SESS-13", attack.Library, func(t *testing.T) {
		for _, path := range good() {
			if got := session.LocalPath(path); got != path {
				t.Errorf("LocalPath(%.60q) = %.60q, want it as it is", path, got)
			}
		}
		for _, path := range evil() {
			if got := session.LocalPath(path); got != "/" {
				t.Errorf("LocalPath(%.60q) = %.60q, want /", path, got)
			}
		}
	})
}

// Whatever comes, the path leads to our own site, as browsers read it too.
func FuzzLocalPath(f *testing.F) {
	for _, path := range append(good(), evil()...) {
		f.Add(path)
	}
	own, err := url.Parse("https://own.example/login/done")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := session.LocalPath(s)
		if got != "/" && got != s {
			t.Fatalf("LocalPath(%q) = %q: neither the path nor /", s, got)
		}
		for range 4 { // as it is, and decoded again and again
			browser := strings.NewReplacer("\t", "", "\n", "", "\r", "", `\`, "/").Replace(strings.Trim(got, " \x00"))
			to, err := own.Parse(browser)
			if err != nil || to.Host != "own.example" || to.Scheme != "https" || to.User != nil || strings.HasPrefix(to.Path, "//") {
				t.Fatalf("LocalPath(%q) leads to %v, %v", s, to, err)
			}
			path, _, _ := strings.Cut(got, "?")
			if got, err = url.PathUnescape(path); err != nil {
				break
			}
			got = strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(got)
		}
	})
}
