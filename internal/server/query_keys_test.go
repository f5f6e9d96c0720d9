package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/wire"
)

// downloads takes keys in the query, and has headers that would tell of the URL.
const downloads = `
headers: {referrer_policy: unsafe-url}
timeouts: {header: 1m}
schemes:
  downloadKey: {key: {in: query}}
rate_limits: {none: {count: 1, per: 366d, by: [key]}}
routes:
  - {match: "/", upstream: api, security: [{downloadKey: []}]}
  - {match: "/either", upstream: api, security: [{downloadKey: []}, {apiKey: []}]}
  - {match: "/write", upstream: api, security: [{downloadKey: ["orders:write"]}]}
  - {match: "/rare", upstream: api, security: [{downloadKey: []}], rate_limits: [none]}
  - {match: "/open", upstream: api, public: true}
`

// talkative says that everybody may keep the answer, and be told of its URL.
func talkative(c *wire.Conn) {
	const says = "Cache-Control: public, max-age=600\r\nExpires: Thu, 01 Jan 2099 00:00:00 GMT\r\nCDN-Cache-Control: max-age=600\r\n" +
		"Surrogate-Control: max-age=600\r\nX-Accel-Expires: 600\r\nReferrer-Policy: unsafe-url\r\n"
	for {
		r, err := c.Request()
		if err != nil {
			return
		}
		switch path := r.URL.Path; path {
		case "/away":
			c.Say("HTTP/1.1 302 Found\r\n" + says + "Location: /next?" + r.URL.RawQuery + "\r\nContent-Length: 0\r\n\r\n")
		case "/same":
			c.Say("HTTP/1.1 304 Not Modified\r\n" + says + "\r\n")
		case "/hints":
			c.Say("HTTP/1.1 103 Early Hints\r\n" + says + "Link: </a.css>; rel=preload\r\n\r\nHTTP/1.1 200 OK\r\n" + says + "Content-Length: 2\r\n\r\nok")
		case "/broken":
			c.Say("HTTP/1.1 999999 What\r\n" + says + "\r\n")
			return
		case "/lost":
			c.Say("HTTP/1.1 404 Not Found\r\n" + says + "Content-Length: 0\r\n\r\n")
		case "/stream":
			c.Say("HTTP/1.1 200 OK\r\n" + says + "Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")
		default:
			c.Say("HTTP/1.1 200 OK\r\n" + says + "Content-Length: 2\r\n\r\nok")
		}
	}
}

func TestAnswersToAQueryKey(t *testing.T) {
	upstream := wire.Listen(t, talkative)
	p := start(t, upstream.URL(), settings{yaml: downloads, spec: apikey.Spec{Environment: "live", Owner: "acme", Scopes: []string{"orders:read"}}})
	attack.Case(t, "KEY-23", attack.Gateway, func(t *testing.T) {
		for _, tt := range []struct {
			name, line, fields string
			status             int
		}{
			{"an answer", "GET /a?b=c&api_key={K}", "", 200},
			{"of HEAD", "HEAD /a?api_key={K}", "", 200},
			{"of a write", "POST /a?api_key={K}", "Content-Length: 0\r\n", 200},
			{"a redirect", "GET /away?b=c&api_key={K}", "", 302},
			{"not modified", "GET /same?api_key={K}", "If-None-Match: \"a\"\r\n", 304},
			{"early hints", "GET /hints?api_key={K}", "", 200},
			{"a stream", "GET /stream?api_key={K}", "", 200},
			{"the upstream's error", "GET /lost?api_key={K}", "", 404},
			{"an upstream that fails", "GET /broken?api_key={K}", "", 502},
			{"beside a good one in the header", "GET /either?api_key={K}", "X-API-Key: {K}\r\n", 200},
			{"beside a wrong one in the header", "GET /either?api_key={K}", "X-API-Key: bad\r\n", 401},
			{"without the scope", "GET /write?api_key={K}", "", 403},
			{"within the limit", "GET /rare?api_key={K}", "", 200},
			{"over the limit", "GET /rare?api_key={K}", "", 429},
			{"twice", "GET /a?api_key={K}&api_key={K}", "", 400},
			{"a public route", "GET /open?api_key={K}", "", 200},
			{"with the URL of a page that has it", "GET /a?api_key={K}", "Referer: http://localhost/page?api_key={K}\r\n", 200},
		} {
			before := len(strings.Join(upstream.Received(), ""))
			client := wire.Dial(t, p.gateway)
			client.Send(strings.ReplaceAll(tt.line+" HTTP/1.1\r\nHost: localhost\r\n"+tt.fields+"\r\n", "{K}", p.key))
			method, _, _ := strings.Cut(tt.line, " ")
			w, body := client.Response(method)
			if w == nil || w.StatusCode != tt.status {
				t.Errorf("%s: %v, want %d: %s", tt.name, w, tt.status, body)
				continue
			}
			wantHidden(t, tt.name, w.Header)
			if got := strings.Join(upstream.Received(), "")[before:]; strings.Contains(got, p.key[9:]) {
				t.Errorf("%s: the upstream read the key: %q", tt.name, got)
			}
			if strings.Contains(fmt.Sprint(w.Header, body), p.key[9:]) {
				t.Errorf("%s: the answer holds the key: %v %s", tt.name, w.Header, body)
			}
		}
		w := p.get(t, "/open", "") // a URL without a key is the upstream's to speak of, and the configuration's
		if w.Header.Get("Cache-Control") != "public, max-age=600" || w.Header.Get("Referrer-Policy") != "unsafe-url" {
			t.Errorf("without a key: %v, want what the upstream and the configuration say", w.Header)
		}
		if text := p.log(t); strings.Contains(text, p.key[9:]) || !strings.Contains(text, `"path":"/away"`) {
			t.Errorf("the log holds the key, or nothing:\n%.2000s", text)
		}
	})
}

// wantHidden wants an answer that nobody may store or name the URL of.
func wantHidden(t *testing.T, name string, h http.Header) {
	t.Helper()
	if h.Get("Cache-Control") != "no-store" || h.Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("%s: Cache-Control %q, Referrer-Policy %q, want no-store and no-referrer", name, h["Cache-Control"], h["Referrer-Policy"])
	}
	for _, field := range []string{"Expires", "Cdn-Cache-Control", "Surrogate-Control", "X-Accel-Expires"} {
		if h[field] != nil {
			t.Errorf("%s: the answer has %s", name, field)
		}
	}
}
