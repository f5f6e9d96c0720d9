package server_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/wire"
)

// pathRoutes has one route per setting; the key of the tests lacks the scope
// that /admin wants.
const pathRoutes = `
routes:
  - {match: "/", upstream: api}
  - {match: "/admin", upstream: api, scopes: ["admin:all"]}
  - {match: "/guarded/", upstream: api, scopes: ["admin:all"]}
  - {match: "/parts/admin", upstream: api, scopes: ["admin:all"]}
  - {match: "/parts/guarded/", upstream: api, scopes: ["admin:all"]}
  - {match: "/parts/{tenant}/", upstream: api, public: true}
  - {match: "/parts/{page}", upstream: api, public: true}
  - {match: "/resolve/", upstream: api, allow: [resolve]}
  - {match: "/merge/", upstream: api, allow: [merge]}
  - {match: "/matrix/", upstream: api, allow: [matrix]}
  - {match: "/both/", upstream: api, allow: [matrix, resolve]}
  - {match: "/slash/{id}", upstream: api, allow: [encoded_slash]}
  - {match: "/strip/", upstream: api, strip_prefix: "/strip", allow: [resolve, merge, matrix, encoded_slash]}
`

// A pathCase is a raw target and what it must come to: a refusal's status, or
// the target that the upstream reads.
type pathCase struct {
	id, target string
	status     int
	forwarded  string
}

func pathCases() []pathCase {
	long := "/" + strings.Repeat("a", 9<<10)
	return []pathCase{
		{"PATH-01", "/a/../admin", 400, ""},
		{"PATH-01", "/./admin", 400, ""},
		{"PATH-01", "/a/.", 400, ""},
		{"PATH-01", "/a/..", 400, ""},
		{"PATH-01", "/resolve/a/../admin", 200, "/resolve/admin"},
		{"PATH-01", "/resolve/a/.", 200, "/resolve/a/"},
		{"PATH-01", "/resolve/../a", 400, ""},     // the route that it resolves to does not allow it
		{"PATH-01", "/resolve/../admin", 400, ""}, // and a guard is not reached around
		{"PATH-02", "/a/%2e%2e/admin", 400, ""},
		{"PATH-02", "/a/%2E./admin", 400, ""},
		{"PATH-02", "/a/.%2e/admin", 400, ""},
		{"PATH-02", "/resolve/a/%2e%2E/b", 200, "/resolve/b"},
		{"PATH-03", "//admin", 400, ""},
		{"PATH-03", "/a//admin", 400, ""},
		{"PATH-03", "/merge//a///b", 200, "/merge/a/b"},
		{"PATH-04", "/admin%2fusers", 400, ""},
		{"PATH-04", "/admin%2Fusers", 400, ""},
		{"PATH-04", "/slash/a%2fb", 200, "/slash/a%2Fb"},
		{"PATH-04", "/slash/a%2Fb", 200, "/slash/a%2Fb"},
		{"PATH-04", "/guarded%2fx", 400, ""},
		{"PATH-05", "/admin;x=1", 400, ""},
		{"PATH-05", "/admin;/..;/secret", 400, ""},
		{"PATH-05", "/matrix/a;x=1/b", 200, "/matrix/a;x=1/b"},
		{"PATH-05", "/matrix/a;/..;/b", 400, ""},
		{"PATH-05", "/both/a;x=1/..;/b", 200, "/both/b"},
		{"PATH-05", "/matrix/..%3B/admin", 400, ""},
		{"PATH-05", "/both/..%3b/admin", 400, ""},
		{"PATH-05", "/a/%2e%2e%3Bx/admin", 400, ""},
		{"PATH-06", "/a%00", 400, ""},
		{"PATH-06", "/a%0d%0aX-B:c", 400, ""},
		{"PATH-06", "/a\x01b", 400, ""},
		{"PATH-06", "/a\x7fb", 400, ""},
		{"PATH-07", "/a/%252e%252e/b", 200, "/a/%252e%252e/b"},
		{"PATH-07", "/a%252fb", 200, "/a%252fb"},
		{"PATH-08", `/a\b`, 400, ""},
		{"PATH-08", "/a%5cb", 400, ""},
		{"PATH-08", "/a%5Cb", 400, ""},
		{"PATH-09", "/%c0%ae%c0%ae/admin", 400, ""},
		{"PATH-09", "/%ff", 400, ""},
		{"PATH-09", "/%ed%a0%80", 400, ""},
		{"PATH-10", "/%ef%bc%8e%ef%bc%8e/admin", 200, "/%EF%BC%8E%EF%BC%8E/admin"}, // full-width dots
		{"PATH-10", "/a%ef%bc%8fb", 200, "/a%EF%BC%8Fb"},                           // full-width slash
		{"PATH-10", "/%c3%a9", 200, "/%C3%A9"},                                     // composed
		{"PATH-10", "/e%cc%81", 200, "/e%CC%81"},                                   // decomposed
		{"PATH-11", "/admin", 403, ""},
		{"PATH-11", "/admin.", 200, "/admin."},
		{"PATH-11", "/admin%20", 200, "/admin%20"},
		{"PATH-11", "/admin/", 404, ""},       // guarded without the slash: not open with it
		{"PATH-11", "/guarded", 404, ""},      // and the reverse
		{"PATH-11", "/parts/admin/", 404, ""}, // nor where a wildcard is open
		{"PATH-11", "/parts/guarded", 404, ""},
		{"PATH-11", "/parts/other/", 200, "/parts/other/"},
		{"PATH-11", "/parts/other", 200, "/parts/other"},
		{"PATH-12", "/Admin", 200, "/Admin"},
		{"PATH-12", "/%41dmin", 200, "/Admin"},
		{"PATH-12", "/%61dmin", 403, ""},
		{"PATH-13", "/guarded/x", 403, ""},
		{"PATH-13", "/guardedx", 200, "/guardedx"},
		{"PATH-13", "/guarded..", 200, "/guarded.."},
		{"PATH-13", "/guarded%2e", 200, "/guarded."},
		{"PATH-13", "/guarded%2fx", 400, ""},
		{"PATH-14", "/a%3fb", 200, "/a%3Fb"},
		{"PATH-14", "/a#b", 400, ""},
		{"PATH-14", "/a%23b", 200, "/a%23b"},
		{"PATH-14", "/a?b=c?d", 200, "/a?b=c?d"},
		{"PATH-15", "/a%2", 400, ""},
		{"PATH-15", "/a%zz", 400, ""},
		{"PATH-15", long, 414, ""},
		{"PATH-16", "/strip/a", 200, "/a"},
		{"PATH-16", "/strip/", 200, "/"},
		{"PATH-16", "/strip/../admin", 400, ""},
		{"PATH-16", "/strip//%2e%2e/admin", 400, ""},
		{"PATH-16", "/strip/x//..//admin", 200, "/admin"},
		{"PATH-17", "*", 400, ""},
		{"PATH-17", "localhost:80", 400, ""},
		{"PATH-17", "http://localhost/a", 200, "/a"},
		{"PATH-17", "http://localhost/a/../b", 400, ""},
		{"PATH-17", "http://localhost", 200, "/"},
		{"PATH-17", "ftp://localhost/a", 400, ""},
		{"PATH-17", "a", 400, ""},
	}
}

func TestPathsThroughTheGateway(t *testing.T) {
	upstream := wire.Listen(t, wire.Answer(wire.OK))
	p := start(t, upstream.URL(), settings{yaml: pathRoutes, spec: apikey.Spec{Environment: "live", Name: "n", Scopes: []string{"orders:*"}}})
	var ids []string
	for _, c := range pathCases() {
		ids = append(ids, c.id)
	}
	for _, id := range slices.Compact(ids) {
		attack.Case(t, id, attack.Gateway, func(t *testing.T) {
			for _, c := range pathCases() {
				if c.id == id {
					t.Run(c.target[:min(len(c.target), 40)], func(t *testing.T) { c.try(t, p, upstream) })
				}
			}
		})
	}
}

// try sends the target over a socket and compares what the upstream read.
func (c pathCase) try(t *testing.T, p *program, upstream *wire.Upstream) {
	t.Helper()
	before := requestLines(upstream)
	client := wire.Dial(t, p.gateway)
	client.Send(fmt.Sprintf("GET %s HTTP/1.1\r\nHost: localhost\r\nX-API-Key: %s\r\n\r\n", c.target, p.key))
	response, body := client.Response("GET")
	if response == nil || response.StatusCode != c.status {
		t.Fatalf("response = %v, want %d: %s", response, c.status, body)
	}
	got := less(requestLines(upstream), before)
	var want []string
	if c.forwarded != "" {
		want = []string{"GET " + c.forwarded + " HTTP/1.1"}
	}
	if !slices.Equal(got, want) {
		t.Errorf("the upstream read %q, want %q", got, want)
	}
}

// less returns what is in all and not in some; both may hold a line twice.
func less[T comparable](all, some []T) (rest []T) {
	count := make(map[T]int)
	for _, v := range some {
		count[v]++
	}
	for _, v := range all {
		if count[v]--; count[v] < 0 {
			rest = append(rest, v)
		}
	}
	return rest
}

// requestLines are the first lines of what the upstream read, by connection.
func requestLines(upstream *wire.Upstream) (lines []string) {
	for _, text := range upstream.Received() {
		for line := range strings.SplitSeq(text, "\r\n") {
			if strings.HasSuffix(line, " HTTP/1.1") {
				lines = append(lines, line)
			}
		}
	}
	return lines
}

// TestRoutesThatStripAlikeAllowTheirOwn: the same upstream and prefix, other
// readings allowed, in both orders.
func TestRoutesThatStripAlikeAllowTheirOwn(t *testing.T) {
	attack.Case(t, "PATH-16", attack.Gateway, func(t *testing.T) {
		strict, loose := "  - {match: /api/a/, upstream: api, strip_prefix: /api}\n", "  - {match: /api/b/, upstream: api, strip_prefix: /api, allow: [encoded_slash, matrix]}\n"
		for _, yaml := range []string{strict + loose, loose + strict} {
			upstream := wire.Listen(t, wire.Answer(wire.OK))
			p := start(t, upstream.URL(), settings{yaml: "routes:\n" + yaml})
			for _, c := range []pathCase{
				{"PATH-16", "/api/a/x", 200, "/a/x"},
				{"PATH-16", "/api/a/x%2Fy", 400, ""},
				{"PATH-16", "/api/b/x%2Fy", 200, "/b/x%2Fy"},
				{"PATH-16", "/api/b/x;y=1", 200, "/b/x;y=1"},
				{"PATH-16", "/api;y/b/x", 400, ""}, // the prefix is there only without its parameters
			} {
				t.Run(c.target, func(t *testing.T) { c.try(t, p, upstream) })
			}
			if text := p.log(t); strings.Contains(text, "ERROR") {
				t.Errorf("a client's mistake is logged as an error of ours: %s", text)
			}
		}
	})
}

func TestMethodsWithTargetsOfTheirOwn(t *testing.T) {
	upstream := wire.Listen(t, wire.Answer(wire.OK))
	p := start(t, upstream.URL(), settings{})
	attack.Case(t, "PROXY-08", attack.Gateway, func(t *testing.T) {
		for _, tt := range []struct {
			name, line, key string
			status          int
			forwarded       string
		}{
			{"CONNECT", "CONNECT localhost:80 HTTP/1.1", p.key, 405, ""},
			{"CONNECT to a path", "CONNECT /a HTTP/1.1", p.key, 405, ""},
			{"TRACE", "TRACE /a HTTP/1.1", p.key, 405, ""},
			{"PRI", "PRI /a HTTP/1.1", p.key, 405, ""},
			{"OPTIONS * without a key is judged", "OPTIONS * HTTP/1.1", "", 401, ""},
			{"OPTIONS * with a key", "OPTIONS * HTTP/1.1", p.key, 200, "OPTIONS * HTTP/1.1"},
			{"absolute form names the host", "GET http://other.test/a HTTP/1.1", p.key, 200, "GET /a HTTP/1.1"},
		} {
			t.Run(tt.name, func(t *testing.T) {
				before := len(upstream.Received())
				client := wire.Dial(t, p.gateway)
				key := ""
				if tt.key != "" {
					key = "X-API-Key: " + tt.key + "\r\n"
				}
				client.Send(tt.line + "\r\nHost: localhost\r\n" + key + "\r\n")
				method, _, _ := strings.Cut(tt.line, " ")
				response, _ := client.Response(method)
				if response == nil || response.StatusCode != tt.status {
					t.Fatalf("response = %v, want %d", response, tt.status)
				}
				text := strings.Join(upstream.Received(), "")
				if tt.forwarded == "" {
					if len(upstream.Received()) > before && strings.Contains(text, method) {
						t.Errorf("the upstream was asked: %q", text)
					}
					return
				}
				if !strings.Contains(text, tt.forwarded+"\r\n") {
					t.Errorf("the upstream read %q, want %q in it", text, tt.forwarded)
				}
				if strings.Contains(tt.line, "other.test") && !strings.Contains(text, "Host: other.test\r\n") {
					t.Errorf("the upstream was not told the host of the target: %q", text)
				}
			})
		}
	})
}
