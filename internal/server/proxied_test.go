package server_test

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/wire"
)

// keyed is a shot with a good key that has to pass.
func keyed(name, head string) shot {
	return shot{name: name, head: "Host: localhost\r\nX-API-Key: {K}\r\n" + head, want: http.StatusOK, hides: []string{"evil"}}
}

// read is s, of which the upstream has to read text.
func (s shot) read(text string) shot {
	s.upstream = text
	return s
}

// TestWhatTheUpstreamReads sends the whole gateway what reaches for the fields that it
// writes itself.
func TestWhatTheUpstreamReads(t *testing.T) {
	r := newRange(t, "routes:\n  - {match: '/', upstream: api}\n  - {match: '/open', upstream: api, public: true}\n", wire.OK)
	const ours = "X-Warder-Owner: acme\r\n"
	r.fire(t, "PROXY-01", []shot{
		keyed("named", "Connection: X-Warder-Owner\r\n").read(ours),
		keyed("in other case, twice", "connection: X-WARDER-OWNER\r\nConnection: x-warder-owner\r\n").read(ours),
		keyed("among others, with blanks", "Connection:  , X-Warder-Owner\t ,, x-warder-scopes \r\n").read(ours),
		keyed("and sent", "Connection: X-Warder-Owner\r\nX-Warder-Owner: evil\r\n").read(ours),
		keyed("with close", "Connection: close, x-warder-key-id\r\n").read("X-Warder-Key-Id: " + string(r.record.ID) + "\r\n"),
		keyed("fields of one hop", "Connection: x-hop\r\nX-Hop: evil\r\nKeep-Alive: evil\r\nProxy-Connection: evil\r\n"),
	})
	var spelt, nobodys []shot
	for _, name := range []string{"X-Warder-Owner", "x_warder_owner", "X-Warder_Owner", "X.Warder.Owner", "X~Warder~Owner", "X-Warder-Anything-Else", "X-Warder-Scopes", "X-Warder-Issuer"} {
		field := name + ": evil\r\n"
		spelt = append(spelt, keyed(name, field+field).read(ours))
		nobodys = append(nobodys, shot{name: name, line: "GET /open", head: "Host: localhost\r\n" + field, want: http.StatusOK, hides: []string{"evil", "X-Warder-Owner"}})
	}
	r.fire(t, "PROXY-02", spelt)
	_, ownerless := r.create(t, apikey.Spec{Environment: "live", Name: "no owner"})
	nobodys = append(nobodys, shot{
		name: "a key without an owner", head: "Host: localhost\r\nX-API-Key: " + ownerless + "\r\nX-Warder-Owner: evil\r\n", want: http.StatusOK, hides: []string{"evil", "X-Warder-Owner"},
	})
	r.fire(t, "PROXY-03", nobodys)
	r.trailers(t)
	r.hosts(t)
	r.fire(t, "PROXY-07", []shot{
		keyed("once", "X-Real-IP: 198.51.100.9\r\n").only("X-Real-Ip: 127.0.0.1\r\n", "198.51.100.9"),
		keyed("in every spelling", "x-real-ip: 198.51.100.9\r\nX_Real_IP: 198.51.100.9\r\nX.Real.IP: 198.51.100.9\r\n").only("X-Real-Ip: 127.0.0.1\r\n", "198.51.100.9"),
	})
	r.fire(t, "PROXY-09", []shot{
		keyed("h2c", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n").only("", "h2c", "Http2", "HTTP2", "Upgrade"),
		keyed("h2c behind WebSocket", "Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n").only("", "h2c"),
		keyed("TLS", "Connection: Upgrade\r\nUpgrade: TLS/1.3\r\n").only("", "Upgrade", "TLS/"),
		keyed("something", "Connection: Upgrade\r\nUpgrade: foo\r\n").only("", "Upgrade", "foo"),
		keyed("without asking", "Upgrade: websocket\r\n").only("", "Upgrade"),
	})
	r.bait(t)
}

// only is s, of which the upstream reads text, and none of hidden.
func (s shot) only(text string, hidden ...string) shot {
	s.upstream, s.hides = text, append(s.hides, hidden...)
	return s
}

func (r shootingRange) trailers(t *testing.T) {
	t.Helper()
	attack.Case(t, "PROXY-05", attack.Gateway, func(t *testing.T) {
		for _, field := range []string{"X-Warder-Owner: evil", "x_warder_scopes: evil", "X-API-Key: evil", "X-Late: evil"} {
			for _, announced := range []string{"", "Trailer: X-Warder-Owner\r\n"} {
				before := r.upstream.Received()
				c := wire.Dial(t, r.gateway)
				c.Send("POST / HTTP/1.1\r\nHost: localhost\r\nX-API-Key: " + r.key + "\r\nTransfer-Encoding: chunked\r\n" + announced + "\r\n3\r\nabc\r\n0\r\n" + field + "\r\n\r\n")
				w, _ := c.Response(http.MethodPost)
				_ = c.Close()
				told := news(before, r.upstream.Received())
				if w == nil || w.StatusCode == http.StatusOK && !strings.HasSuffix(told, "3\r\nabc\r\n0\r\n\r\n") || w.StatusCode != http.StatusOK && whole(told) || strings.Contains(told, "evil") || strings.Contains(told, "Trailer") {
					t.Errorf("%q: %v; the upstream was sent %q", field, w, told)
				}
			}
		}
	})
}

func (r shootingRange) hosts(t *testing.T) {
	t.Helper()
	var shots []shot
	for _, host := range []string{`a"b`, `a,for=evil`, `a;for=evil`, `a\"`, "a b", "a@b", "a/b", "ä", "::1", `"a"`} {
		shots = append(shots, shot{name: host, head: "Host: " + host + "\r\nX-API-Key: {K}\r\n", want: http.StatusBadRequest})
	}
	port := shot{name: "a port", head: "Host: localhost:8443\r\nX-API-Key: {K}\r\n", want: http.StatusOK}
	r.fire(t, "PROXY-06", append(shots,
		port.read(`Forwarded: for=127.0.0.1;host="localhost:8443";proto=http`+"\r\n"),
		keyed("one of the client's", "Forwarded: for=evil, for=evil\r\n").read("Forwarded: for=127.0.0.1;host=localhost;proto=http\r\n"),
	))
}

// bait asks for another upstream than the configured one, in every place.
func (r shootingRange) bait(t *testing.T) {
	t.Helper()
	attack.Case(t, "PROXY-21", attack.Gateway, func(t *testing.T) {
		bait := wire.Listen(t, wire.Answer(wire.OK))
		for _, text := range []string{
			"GET http://BAIT/x HTTP/1.1\r\nHost: BAIT\r\n",
			"GET /x HTTP/1.1\r\nHost: BAIT\r\n",
			"GET /http:/BAIT/x HTTP/1.1\r\nHost: localhost\r\n",
			"GET /@BAIT/x HTTP/1.1\r\nHost: localhost\r\n",
			"GET /x?url=http://BAIT/ HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-Host: BAIT\r\nX-Original-URL: http://BAIT/\r\nForwarded: host=BAIT\r\nReferer: http://BAIT/\r\n",
		} {
			before := r.upstream.Received()
			c := wire.Dial(t, r.gateway)
			c.Send(strings.ReplaceAll(text, "BAIT", bait.Addr()) + "X-API-Key: " + r.key + "\r\n\r\n")
			w, body := c.Response(http.MethodGet)
			_ = c.Close()
			if w == nil || w.StatusCode != http.StatusOK || news(before, r.upstream.Received()) == "" || len(bait.Received()) != 0 {
				t.Errorf("%q: %v %.100q; the bait was sent %q", text, w, body, bait.Received())
			}
		}
	})
}

// TestTextsOfAnOwner: whatever an owner is called, it is one value.
func TestTextsOfAnOwner(t *testing.T) {
	attack.Case(t, "PROXY-23", attack.Gateway, func(t *testing.T) {
		r := newRange(t, "routes:\n  - {match: '/', upstream: api}\n", wire.OK)
		for _, tt := range []struct{ owner, want string }{{"a,b", "a%2Cb"}, {"ä", "%C3%A4"}, {"50%", "50%25"}, {"a b", "a%20b"}} {
			_, key := r.create(t, apikey.Spec{Environment: "live", Name: "named", Owner: tt.owner})
			r.one(t, shot{name: tt.owner, head: "Host: localhost\r\nX-API-Key: " + key + "\r\n", want: http.StatusOK, upstream: "X-Warder-Owner: " + tt.want + "\r\n"})
		}
		for _, owner := range []string{"a\r\nX-Evil: 1", "a\x00b", strings.Repeat("x", 8<<10)} {
			if _, _, err := r.issuer.Create(t.Context(), apikey.By{Actor: "system", Source: "test"}, apikey.Spec{Environment: "live", Name: "n", Owner: owner}); err == nil {
				t.Errorf("an owner called %.20q was made", owner)
			}
		}
	})
}

// brokenAnswers are those of an upstream that breaks the protocol, by path.
func brokenAnswers() map[string]string {
	return map[string]string{
		"/101":     "HTTP/1.1 101 Switching Protocols\r\nUpgrade: evil\r\nConnection: Upgrade\r\n\r\n",
		"/1xx":     strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: <evil>\r\n\r\n", 30_000),
		"/huge":    "HTTP/1.1 200 OK\r\nX-Evil: " + strings.Repeat("a", 2<<20) + "\r\n\r\n",
		"/status":  "HTTP/1.1 abc evil\r\n\r\n",
		"/no-http": "evil\r\n\r\n",
		"/both":    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
		"/lengths": "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
	}
}

// TestUpstreamsThatBreakTheProtocol, or are not there.
func TestUpstreamsThatBreakTheProtocol(t *testing.T) {
	answers := brokenAnswers()
	upstream := wire.Listen(t, func(c *wire.Conn) {
		for {
			r, err := c.Request()
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, r.Body)
			switch text := answers[r.URL.Path]; {
			case text != "":
				c.Say(text)
			case r.URL.Path == "/late":
				c.Say(wire.OK + "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
			default:
				c.Say(wire.OK)
			}
		}
	})
	down := wire.FreeAddress(t)
	p := start(t, upstream.URL(), settings{
		yaml: "routes:\n  - {match: '/', upstream: api}\n  - {match: '/down', upstream: down}\n" +
			"  - {match: '/unknown', upstream: unknown}\n",
	}.withUpstreams("  down: {url: 'http://"+down+"'}\n  unknown: {url: 'http://nowhere.invalid'}\n"))
	ask := func(path string) (int, string) {
		c := wire.Dial(t, p.gateway)
		defer c.Close()
		c.Send("GET " + path + " HTTP/1.1\r\nHost: localhost\r\nX-API-Key: " + p.key + "\r\n\r\n")
		w, body := c.Response(http.MethodGet)
		if w == nil {
			return 0, body
		}
		return w.StatusCode, body
	}
	attack.Case(t, "PROXY-11", attack.Gateway, func(t *testing.T) {
		for path := range answers {
			if status, body := ask(path); status != http.StatusBadGateway || strings.Contains(body, "evil") {
				t.Errorf("%s: %d %.100q, want 502", path, status, body)
			}
		}
		for _, path := range []string{"/late", "/fine"} { // what came unasked is nobody's answer
			if status, body := ask(path); status != http.StatusOK || body != "ok" {
				t.Errorf("%s: %d %.100q", path, status, body)
			}
		}
	})
	attack.Case(t, "PROXY-16", attack.Gateway, func(t *testing.T) {
		port := down[strings.LastIndexByte(down, ':')+1:]
		for _, path := range []string{"/down", "/unknown"} {
			if status, body := ask(path); status != http.StatusBadGateway || strings.Contains(body, port) || strings.Contains(body, "127.0.0.1") || strings.Contains(body, "nowhere") {
				t.Errorf("%s: %d %s", path, status, body)
			}
		}
	})
}

// withUpstreams is s with more upstreams.
func (s settings) withUpstreams(more string) settings {
	s.api += "}\n" + strings.TrimSuffix(strings.TrimRight(more, "\n"), "}")
	return s
}

// TestRequestsAreNotSentTwice: a pooled connection dies when the request comes.
func TestRequestsAreNotSentTwice(t *testing.T) {
	attack.Case(t, "PROXY-13", attack.Gateway, func(t *testing.T) {
		for _, tt := range []struct {
			method, head string
			want, times  int
		}{
			{"GET", "", 200, 2},
			{"GET", "Content-Length: 3\r\n\r\nabc", 502, 1},
			{"POST", "Content-Length: 0\r\n", 502, 1},
			{"POST", "Content-Length: 0\r\nIdempotency-Key: k\r\n", 502, 1},
			{"DELETE", "X-Idempotency-Key: k\r\n", 502, 1},
		} {
			upstream := wire.Listen(t, func(c *wire.Conn) {
				for n := 1; ; n++ {
					if _, err := c.Request(); err != nil || n > 1 && c.Index == 0 {
						return
					}
					c.Say(wire.OK)
				}
			})
			p := start(t, upstream.URL(), settings{yaml: "routes:\n  - {match: '/', upstream: api, public: true}\n"})
			var last *http.Response
			for _, text := range []string{"GET /first HTTP/1.1\r\nHost: localhost\r\n\r\n", tt.method + " /x HTTP/1.1\r\nHost: localhost\r\n" + tt.head + ending(tt.head)} {
				c := wire.Dial(t, p.gateway)
				c.Send(text)
				last, _ = c.Response(tt.method)
				_ = c.Close()
			}
			if times := strings.Count(strings.Join(upstream.Received(), ""), " /x HTTP/1.1\r\n"); last == nil || last.StatusCode != tt.want || times != tt.times {
				t.Errorf("%s %q: %v, sent %d times; want %d, %d", tt.method, tt.head, last, times, tt.want, tt.times)
			}
			if err := p.stop(); err != nil {
				t.Error(err)
			}
		}
	})
}

// ending ends a head that has no body behind it.
func ending(head string) string {
	if strings.Contains(head, "\r\n\r\n") {
		return ""
	}
	return "\r\n"
}

// TestWebSocketsThroughTheGateway: without a key, with one, and where the upstream
// declines.
func TestWebSocketsThroughTheGateway(t *testing.T) {
	attack.Case(t, "PROXY-10", attack.Gateway, func(t *testing.T) {
		upstream := wire.Listen(t, func(c *wire.Conn) {
			head, err := c.Head()
			if err != nil {
				return
			}
			if strings.HasPrefix(head, "GET /declined") {
				c.Say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno")
				return
			}
			c.Say("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello")
			_, _ = io.Copy(c.Conn, c.Reader) // what comes goes back
		})
		p := start(t, upstream.URL(), settings{yaml: "schemes: {cookieKey: {key: {in: cookie}}}\nroutes:\n  - {match: '/', upstream: api, security: [{apiKey: []}, {cookieKey: []}]}\n"})
		const handshake = " HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
		for _, tt := range []struct {
			name, path, head string
			want             int
		}{
			{"no key", "/a", "", 401},
			{"a cookie from elsewhere", "/a", "Cookie: __Host-api_key=" + p.key + "\r\nOrigin: https://evil.example\r\n", 403},
			{"declined", "/declined", "X-API-Key: " + p.key + "\r\n", 200},
			{"a key", "/a", "X-API-Key: " + p.key + "\r\n", 101},
		} {
			c := wire.Dial(t, p.gateway)
			c.Send("GET " + tt.path + handshake + tt.head + "\r\n")
			w, body := c.Response(http.MethodGet)
			if w == nil || w.StatusCode != tt.want || tt.want == 200 && body != "no" {
				t.Errorf("%s: %v %.100q, want %d", tt.name, w, body, tt.want)
			}
			if tt.want != http.StatusSwitchingProtocols || t.Failed() {
				_ = c.Close()
				continue
			}
			c.Send("and back")
			got := make([]byte, len("helloand back"))
			if _, err := io.ReadFull(c.Reader, got); err != nil || string(got) != "helloand back" {
				t.Errorf("both ways: %q, %v", got, err)
			}
			_ = c.Close()
		}
		if sent := strings.Join(upstream.Received(), ""); strings.Contains(sent, "evil") || strings.Count(sent, "Upgrade: websocket") != 2 {
			t.Errorf("the upstream was sent %q", sent)
		}
	})
}

// TestAnswersComeAsTheyAre through the whole gateway.
func TestAnswersComeAsTheyAre(t *testing.T) {
	attack.Case(t, "PROXY-19", attack.Gateway, func(t *testing.T) {
		answers := map[string]string{
			"/range":   "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-1/9\r\nAccept-Ranges: bytes\r\nETag: W/\"x\"\r\nContent-Length: 2\r\n\r\nab",
			"/coded":   "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x8b\x00",
			"/empty":   "HTTP/1.1 204 No Content\r\nETag: \"x\"\r\n\r\n",
			"/same":    "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n",
			"/events":  "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ndata: x\n\n\r\n0\r\n\r\n",
			"/trailer": "HTTP/1.1 200 OK\r\nTrailer: Grpc-Status\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nGrpc-Status: 0\r\n\r\n",
		}
		upstream := wire.Listen(t, func(c *wire.Conn) {
			for {
				r, err := c.Request()
				if err != nil {
					return
				}
				c.Say(answers[r.URL.Path])
			}
		})
		p := start(t, upstream.URL(), settings{yaml: "routes:\n  - {match: '/', upstream: api, public: true}\n"})
		for _, tt := range []struct {
			path, body string
			status     int
			fields     map[string]string
		}{
			{"/range", "ab", 206, map[string]string{"Content-Range": "bytes 0-1/9", "Etag": `W/"x"`, "Accept-Ranges": "bytes", "Content-Type": ""}},
			{"/coded", "\x1f\x8b\x00", 200, map[string]string{"Content-Encoding": "gzip"}},
			{"/empty", "", 204, map[string]string{"Etag": `"x"`}},
			{"/same", "", 304, map[string]string{"Etag": `"x"`}},
			{"/events", "data: x\n\n", 200, map[string]string{"Content-Type": "text/event-stream"}},
			{"/trailer", "ok", 200, nil},
		} {
			c := wire.Dial(t, p.gateway)
			c.Send("GET " + tt.path + " HTTP/1.1\r\nHost: localhost\r\nRange: bytes=0-1\r\nIf-Range: \"x\"\r\nAccept-Encoding: br\r\n\r\n")
			w, body := c.Response(http.MethodGet)
			_ = c.Close()
			if w == nil || w.StatusCode != tt.status || body != tt.body {
				t.Errorf("%s: %v %q", tt.path, w, body)
				continue
			}
			for name, want := range tt.fields {
				if got := strings.Join(w.Header[name], "|"); got != want {
					t.Errorf("%s: %s = %q, want %q", tt.path, name, got, want)
				}
			}
			if tt.path == "/trailer" && w.Trailer.Get("Grpc-Status") != "0" {
				t.Errorf("the trailer is %v", w.Trailer)
			}
		}
		sent := strings.Join(upstream.Received(), "")
		if n := strings.Count(sent, "Range: bytes=0-1\r\n"); n != len(answers) || strings.Count(sent, "Accept-Encoding: br\r\n") != n || strings.Count(sent, "If-Range: \"x\"\r\n") != n {
			t.Errorf("the upstream was sent %q", sent)
		}
	})
}

// TestTheAddressesOfOneNetworkAreOne: whoever has a /64 to choose addresses from has one
// limit.
func TestTheAddressesOfOneNetworkAreOne(t *testing.T) {
	attack.Case(t, "IP-11", attack.Gateway, func(t *testing.T) {
		upstream := wire.Listen(t, wire.Answer(wire.OK))
		p := start(t, upstream.URL(), settings{yaml: `
forwarded: {from: x-forwarded-for, trusted_proxies: [127.0.0.1]}
rate_limits: {few: {count: 3, per: 366d, by: [address]}}
routes:
  - {match: "/", upstream: api, public: true, rate_limits: [few]}
`})
		passed := map[string]int{}
		c := wire.Dial(t, p.gateway)
		for n := range 200 {
			address := net.IP{0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, byte(n % 2), byte(n), 0, 0, 0, 0, 0, 0, byte(n)}
			c.Send("GET / HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: " + address.String() + "\r\n\r\n")
			w, _ := c.Response(http.MethodGet)
			if w == nil {
				t.Fatalf("no answer to request %d", n)
			}
			if w.StatusCode == http.StatusOK {
				passed[address[:8].String()]++
			}
		}
		if len(passed) != 2 {
			t.Errorf("of two networks, %v passed", passed)
		}
		for network, n := range passed {
			if n != 3 {
				t.Errorf("of %s %d passed, want 3", network, n)
			}
		}
	})
}
