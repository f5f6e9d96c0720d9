package server_test

import (
	"encoding/base64"
	"encoding/hex"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/wire"
)

// The canaries: a word that no rule knows, and texts with the shape of a key and
// of a token, which a path may hold as well.
const (
	word   = "Canary7f3k9QxZ"
	shaped = "wrd_live_Canary7f3k9QxZ0123456789abcdefABCDEFabcdefABCDEF12"
	token  = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJDYW5hcnk3ZjNrOVF4WiJ9.Q2FuYXJ5N2YzazlReFo4aGprMTIz"
)

// forms are the canaries in every encoding that text may end up in.
func forms() []string {
	var all []string
	for _, c := range []string{word, shaped, token} {
		reversed := []byte(c)
		slices.Reverse(reversed)
		all = append(all, c, string(reversed), hex.EncodeToString([]byte(c)), base64.StdEncoding.EncodeToString([]byte(c)),
			base64.RawURLEncoding.EncodeToString([]byte(c)))
	}
	return all
}

// canaryRequests put the canaries in every place that a client can reach. {K} is
// a good key.
func canaryRequests() map[string]string {
	multipart := "--b\r\nContent-Disposition: form-data; name=\"" + word + "\"\r\n\r\n" + word + "\r\n--b--\r\n"
	return map[string]string{
		"headers": "GET /a HTTP/1.1\r\nHost: localhost\r\n{K}Authorization: Bearer " + token + "\r\nProxy-Authorization: Basic " + word +
			"\r\nCookie: session=" + word + "; " + shaped + "=x\r\nReferer: http://" + word + "/?k=" + word + "\r\nUser-Agent: " + word +
			"\r\nX-Custom: " + word + "\r\nX-" + word + ": 1\r\nX-Warder-Owner: " + word + "\r\nX-Forwarded-For: " + word +
			"\r\nForwarded: for=" + word + "\r\nX-Request-Id: " + word + "\r\nTraceparent: " + word + "\r\nOrigin: http://" + word +
			"\r\nAccept: " + word + "/*\r\nIf-None-Match: \"" + word + "\"\r\n\r\n",
		"a wrong key":      "GET /a HTTP/1.1\r\nHost: localhost\r\nX-API-Key: " + word + "\r\n\r\n",
		"key-shaped":       "GET /a HTTP/1.1\r\nHost: localhost\r\nX-API-Key: " + shaped + "\r\n\r\n",
		"two keys":         "GET /a HTTP/1.1\r\nHost: localhost\r\nX-API-Key: " + shaped + "\r\nX-API-Key: " + word + "\r\n\r\n",
		"query":            "GET /a?" + word + "=" + word + "&k=%zz" + shaped + " HTTP/1.1\r\nHost: localhost\r\n{K}\r\n",
		"query, refused":   "GET /a?k=" + word + " HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"user information": "GET http://" + word + ":" + word + "@localhost/a HTTP/1.1\r\nHost: localhost\r\n{K}\r\n",
		"fragment":         "GET /a#" + word + " HTTP/1.1\r\nHost: localhost\r\n{K}\r\n",
		"path":             "GET /a/" + shaped + "/" + token + " HTTP/1.1\r\nHost: localhost\r\n{K}\r\n",
		"path, refused":    "GET /a/" + shaped + "/../" + token + " HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"method":           shaped + " /a HTTP/1.1\r\nHost: localhost\r\n{K}\r\n",
		"host":             "GET /a HTTP/1.1\r\nHost: " + word + "\"\r\n{K}\r\n",
		"bad request line": "GET /" + word + " " + word + " HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"bad header":       "GET /a HTTP/1.1\r\nHost: localhost\r\n" + word + " bad\r\n\r\n",
		"bad length":       "POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + word + "\r\n\r\n",
		"bad encoding":     "POST /a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: " + word + "\r\n\r\n",
		"bad expectation":  "POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nExpect: " + word + "\r\n\r\n",
		"form":             body("application/x-www-form-urlencoded", "k="+word),
		"json":             body("application/json", `{"k":"`+word+`"}`),
		"multipart":        body("multipart/form-data; boundary=b", multipart),
		"bad chunk":        "POST /a HTTP/1.1\r\nHost: localhost\r\n{K}Transfer-Encoding: chunked\r\n\r\n" + word + "\r\n",
		"trailer": "POST /a HTTP/1.1\r\nHost: localhost\r\n{K}Transfer-Encoding: chunked\r\nTrailer: X-Secret\r\n\r\n1\r\na\r\n0\r\nX-Secret: " +
			word + "\r\n\r\n",
		"upstream's header":      "GET /header HTTP/1.1\r\nHost: localhost\r\n{K}\r\n",
		"upstream's status line": "GET /status HTTP/1.1\r\nHost: localhost\r\n{K}\r\n",
		"upstream's bad header":  "GET /bad HTTP/1.1\r\nHost: localhost\r\n{K}\r\n",
		"upstream's cut body":    "GET /cut HTTP/1.1\r\nHost: localhost\r\n{K}\r\n",
	}
}

func body(mediaType, text string) string {
	return "POST /a HTTP/1.1\r\nHost: localhost\r\n{K}Content-Type: " + mediaType + "\r\nTransfer-Encoding: chunked\r\n\r\n" +
		hexLength(text) + "\r\n" + text + "\r\n0\r\n\r\n"
}

func hexLength(text string) string {
	const digits = "0123456789abcdef"
	n, out := len(text), ""
	for ; n > 0; n /= 16 {
		out = string(digits[n%16]) + out
	}
	return out
}

// leaky answers with the canary in every place that an upstream can reach.
func leaky(c *wire.Conn) {
	for {
		r, err := c.Request()
		if err != nil {
			return
		}
		switch r.URL.Path {
		case "/header":
			c.Say("HTTP/1.1 302 " + word + "\r\nSet-Cookie: s=" + word + "\r\nLocation: http://h/?k=" + word + "\r\nX-Error: " + word + "\r\nContent-Length: 0\r\n\r\n")
		case "/status":
			c.Say("HTTP/1.1 " + word + "\r\n\r\n")
			return
		case "/bad":
			c.Say("HTTP/1.1 200 OK\r\n" + word + " bad\r\n\r\n")
			return
		case "/cut":
			c.Say("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + word)
			return
		default:
			c.Say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
	}
}

func TestACanaryIsNowhere(t *testing.T) {
	upstream := wire.Listen(t, leaky)
	p := start(t, upstream.URL(), settings{yaml: "log: {path: masked, level: debug}\nroutes: [{match: \"/\", upstream: api}]"})
	attack.Case(t, "LOG-01", attack.Gateway, func(t *testing.T) {
		for name, text := range canaryRequests() {
			c := wire.Dial(t, p.gateway)
			c.Send(strings.ReplaceAll(text, "{K}", "X-API-Key: "+p.key+"\r\n"))
			method, _, _ := strings.Cut(text, " ")
			response, answer := c.Response(method)
			if response != nil && response.StatusCode >= 400 {
				wantNone(t, name+": error body", answer+strings.Join(headerLines(response.Header), "\n"))
			}
			_ = c.Close()
		}
		metrics := do(t, newRequest(t, "http://"+p.admin+"/metrics"))
		text, err := io.ReadAll(metrics.Body)
		if err != nil || len(text) == 0 {
			t.Fatalf("metrics: %v", err)
		}
		wantNone(t, "metrics", string(text))
		log := p.log(t)
		if got := strings.Count(log, "\n"); got < 20 {
			t.Errorf("the log has %d lines only", got)
		}
		wantNone(t, "log", log)
		for _, name := range []string{"warder.db", "warder.db-wal", "warder.log"} {
			content, err := os.ReadFile(filepath.Join(p.folder, name))
			if err != nil && name != "warder.db-wal" {
				t.Fatal(err)
			}
			wantNone(t, name, string(content))
			if strings.Contains(string(content), p.key) {
				t.Errorf("%s holds the key", name)
			}
		}
	})
}

func headerLines(h http.Header) (lines []string) {
	for name, values := range h {
		lines = append(lines, name+": "+strings.Join(values, ","))
	}
	return lines
}

func newRequest(t *testing.T, url string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// wantNone looks for the canaries in text.
func wantNone(t *testing.T, where, text string) {
	t.Helper()
	for _, form := range forms() {
		if at := strings.Index(text, form); at >= 0 {
			t.Errorf("%s shows a canary: ...%s...", where, text[max(0, at-80):min(len(text), at+len(form)+40)])
		}
	}
}
