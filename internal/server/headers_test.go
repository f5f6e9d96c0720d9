package server_test

import "testing"

// Every answer has the configured fields, warder's own refusals too; what the
// upstream says of them stays, but for what is removed and for nosniff.
func TestFieldsOfEveryAnswer(t *testing.T) {
	r := newRange(t, `
headers:
  content_security_policy: "default-src 'none'"
  frame_options: SAMEORIGIN
  referrer_policy: no-referrer
  permissions_policy: "camera=()"
  cross_origin_resource_policy: same-site
  remove: [Server, x-powered-by]
routes:
  - {match: "/", upstream: api}
`, "HTTP/1.1 200 OK\r\nServer: s\r\nX-Powered-By: p\r\nX-Frame-Options: DENY\r\nX-Content-Type-Options: none\r\nContent-Length: 2\r\n\r\nok")
	own := []string{
		"Content-Security-Policy: default-src 'none'", "Referrer-Policy: no-referrer", "Permissions-Policy: camera=()",
		"Cross-Origin-Resource-Policy: same-site", "X-Content-Type-Options: nosniff", "Server: -", "X-Powered-By: -",
	}
	r.one(t, shot{name: "the upstream's", head: "Host: a.test\r\nX-API-Key: {K}\r\n", want: 200, answer: append(own, "X-Frame-Options: DENY")})
	r.one(t, shot{name: "a refusal", head: "Host: a.test\r\n", want: 401, answer: append(own, "X-Frame-Options: SAMEORIGIN")})
	r.one(t, shot{name: "a host that is none", head: "Host: a b\r\n", want: 400})
	r.one(t, shot{name: "a path with two readings", line: "GET /a/../b", head: "Host: a.test\r\n", want: 400, answer: append(own, "X-Frame-Options: SAMEORIGIN")})
}
