package server_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/warder-dev/warder/internal/wire"
)

// hostRows are requests with Host, one for each name.
func hostRows(want int, hosts ...string) (shots []shot) {
	for _, host := range hosts {
		shots = append(shots, shot{name: fmt.Sprintf("Host %.60q", host), line: "GET /only", head: "Host: " + host + "\r\n", want: want})
	}
	return shots
}

func TestHostsAtTheGateway(t *testing.T) {
	r := newRange(t, `
hosts: [api.example.com, "*.eu.example.com", 127.0.0.1, "[::1]", bücher.example]
routes:
  - {match: "api.example.com/only", upstream: api, public: true}
  - {match: "/only", upstream: api, public: true}
`, wire.OK)
	r.fire(t, "HOST-01", hostRows(200, "api.example.com", "API.Example.COM", "api.example.com:8443", "api.example.com.", "Api.example.com.:80"))
	r.fire(t, "HOST-02", append([]shot{
		{"in an absolute target", "GET http://evil.test/only", "Host: api.example.com\r\n", "", 421, "", nil, nil},
		{"none", "GET /only", "", "", 400, "", nil, nil},
		{"none, HTTP/1.0", "GET /only HTTP/1.0", "", "", 400, "", nil, nil},
		{"two", "GET /only", "Host: api.example.com\r\nHost: evil.test\r\n", "", 400, "", nil, nil},
	}, append(hostRows(400, ""), hostRows(421, "evil.test")...)...))
	r.fire(t, "HOST-03", append(hostRows(200, "a.eu.example.com"), append(hostRows(400, "*.eu.example.com"), hostRows(421,
		"evil-api.example.com", "api.example.com.evil.net", "a.b.eu.example.com", "eu.example.com", "example.com", "com", "127.0.0.2")...)...))
	r.fire(t, "HOST-04", append(hostRows(421, "my_host.test"), hostRows(400,
		"api.example.com:80@evil", "user@api.example.com", "api.example.com:99999", "api.example.com:", "api.example.com:8a", "api.example.com:80:80",
		"api.exa mple.com", "api.example.com,evil.test", "api.example.com/", "api.example.com?x", `api.example.com\`, "api.example.com#", "api.example.com%00",
		strings.Repeat("a.", 144)+"api.example.com")...))
	r.fire(t, "HOST-05", append(hostRows(200, "127.0.0.1", "127.0.0.1:9", "[::1]", "[::1]:80", "[0:0::1]"), append(
		hostRows(400, "[::1%eth0]", "::1"), hostRows(421, "[::2]", "[::ffff:127.0.0.1]", "0x7f.1", "2130706433", "127.1", "127.000.000.001", "0177.0.0.1")...)...))
	r.fire(t, "HOST-06", append(hostRows(200, "xn--bcher-kva.example", "XN--Bcher-KVA.example"), append(
		hostRows(400, "bücher.example", "xn--bcher-kva．example", "xn--a.eu.example.com", "xn--example-.test", "ａpi.example.com", "аpi.example.com"),
		hostRows(421, "xn--xample-2of.com")...)...))
}

// A gateway that wants https links to the hosts that it lists, and to no other.
func TestNoLinkToAForeignHost(t *testing.T) {
	r := newRange(t, `
hosts: [api.example.com, "*.eu.example.com"]
forwarded: {from: x-forwarded-for, trusted_proxies: [127.0.0.1], proto: true}
https: {require: true, port: 8443}
routes:
  - {match: "/", upstream: api, public: true}
`, wire.OK)
	r.fire(t, "HOST-09", []shot{
		{"a listed host", "GET /a%20b?c=%zz", "Host: API.example.com:8080\r\n", "", 308, "", nil, []string{"Location: https://api.example.com:8443/a%20b?c=%zz"}},
		{"by a wildcard", "", "Host: b.eu.example.com\r\n", "", 308, "", nil, []string{"Location: https://b.eu.example.com:8443/"}},
		{"another", "", "Host: evil.test\r\n", "", 421, "", nil, []string{"Location: -"}},
		{"another in the target", "GET http://evil.test/", "Host: api.example.com\r\n", "", 421, "", nil, []string{"Location: -"}},
		{"another, forwarded, which is not configured", "", "Host: api.example.com\r\nX-Forwarded-Host: evil.test\r\n", "", 308, "", nil, []string{"Location: https://api.example.com:8443/"}},
		{"a path that looks like a host", "GET //evil.test/", "Host: api.example.com\r\n", "", 400, "", nil, []string{"Location: -"}},
	})
	r.fire(t, "TLS-03", []shot{
		{"POST", "POST /a?b", "Host: api.example.com\r\nContent-Length: 0\r\n", "", 308, "", nil, []string{"Location: https://api.example.com:8443/a?b", "Connection: -"}},
		{"an unlisted host", "GET /a?b", "Host: example.com\r\n", "", 421, "", nil, []string{"Location: -"}},
		{"a key in its field", "", "Host: api.example.com\r\nX-API-Key: {K}\r\n", "", 403, "", nil, []string{"Location: -"}},
		{"a key that is none", "", "Host: api.example.com\r\nX-API-Key: x\r\n", "", 403, "", nil, []string{"Location: -"}},
	})
	const proto = "Host: api.example.com\r\nX-Forwarded-Proto: "
	r.fire(t, "TLS-04", []shot{
		{"https", "", proto + "https\r\n", "", 200, "X-Forwarded-Proto: https\r\n", nil, nil},
		{"in other case", "", proto + "HTTPS\r\n", "", 200, "X-Forwarded-Proto: https\r\n", nil, nil},
		{"of a WebSocket", "", proto + "wss\r\n", "", 200, "X-Forwarded-Proto: https\r\n", nil, nil},
		{"http", "", proto + "http\r\n", "", 308, "", nil, nil},
		{"not said", "", "Host: api.example.com\r\n", "", 308, "", nil, nil},
		{"by who is not listed", "", proto + "https\r\n", strangerAt, 308, "", nil, nil},
		{"two values", "", proto + "https, https\r\n", "", 400, "", nil, nil},
		{"two values that differ", "", proto + "http,https\r\n", "", 400, "", nil, nil},
		{"two lines", "", proto + "https\r\nX-Forwarded-Proto: https\r\n", "", 400, "", nil, nil},
		{"no scheme", "", proto + "ftp\r\n", "", 400, "", nil, nil},
		{"empty", "", proto + "\r\n", "", 400, "", nil, nil},
		{"in the other field", "", "Host: api.example.com\r\nForwarded: for=192.0.2.1;proto=https\r\n", "", 308, "", nil, nil},
		{"in both, which differ", "", proto + "https\r\nForwarded: for=192.0.2.1;proto=http\r\n", "", 200, "", []string{"192.0.2.1", "proto=http\r\n"}, nil},
	})
}

func TestForwardedHostsAtTheGateway(t *testing.T) {
	r := newRange(t, `
hosts: [api.example.com, b.example.com]
forwarded: {from: x-forwarded-for, trusted_proxies: [127.0.0.1], host: true}
routes:
  - {match: "b.example.com/only", upstream: api, public: true}
`, wire.OK)
	const host = "Host: api.example.com\r\nX-Forwarded-Host: "
	r.fire(t, "HOST-08", []shot{
		{"from who is listed", "GET /only", host + "B.example.com.:8443\r\n", "", 200, "X-Forwarded-Host: b.example.com:8443\r\n", nil, nil},
		{"a host that is not listed", "GET /only", host + "evil.test\r\n", "", 421, "", nil, nil},
		{"from who is not listed", "GET /only", host + "b.example.com\r\n", strangerAt, 404, "", nil, nil},
		{"two values", "GET /only", host + "b.example.com, b.example.com\r\n", "", 400, "", nil, nil},
		{"two lines", "GET /only", host + "b.example.com\r\nX-Forwarded-Host: b.example.com\r\n", "", 400, "", nil, nil},
		{"no host", "GET /only", host + "b.example.com@evil.test\r\n", "", 400, "", nil, nil},
		{"in the other field", "GET /only", "Host: api.example.com\r\nForwarded: host=b.example.com\r\n", "", 404, "", nil, nil},
	})
}

func TestManyHostsAtTheGateway(t *testing.T) {
	for _, n := range []int{1, 100, 1000, 10_000} {
		var hosts strings.Builder
		for i := range n {
			_, _ = fmt.Fprintf(&hosts, "h%d.example.com, ", i)
		}
		r := newRange(t, "hosts: ["+hosts.String()+"]\nroutes:\n  - {match: \"/\", upstream: api, public: true}\n", wire.OK)
		r.fire(t, "HOST-07", append(hostRows(200, "h0.example.com", fmt.Sprintf("H%d.EXAMPLE.com.:9", n-1)),
			hostRows(421, fmt.Sprintf("h%d.example.com", n), "evil.test", "example.com")...))
	}
}

// Hosts in shadow pass, counted; a redirect leads to none of them all the same.
func TestHostsInShadow(t *testing.T) {
	r := newRange(t, `
hosts: [api.example.com]
hosts_shadow: true
forwarded: {from: x-forwarded-for, trusted_proxies: [127.0.0.1], proto: true}
https: {require: true}
routes:
  - {match: "/", upstream: api, public: true}
`, wire.OK)
	const secure = "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\n"
	for _, s := range []shot{
		{"listed", "", "Host: api.example.com\r\n" + secure, "", 200, "", nil, nil},
		{"not listed", "", "Host: evil.test\r\n" + secure, "", 200, "", nil, nil},
		{"not listed, to https", "", "Host: evil.test\r\n", "", 421, "", nil, []string{"Location: -"}},
	} {
		r.one(t, s)
	}
	if n := r.metric(t, `warder_shadow_refusals_total{reason="misdirected-request",stage="trustedhost"}`); n != "2" {
		t.Errorf("counted: %q, want 2", n)
	}
}
