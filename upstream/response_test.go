package upstream_test

import (
	"bufio"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/wire"
	"github.com/warder-dev/warder/upstream"
)

const get = "GET /a HTTP/1.1\r\nHost: api.test\r\n\r\n"

// answered returns what a client gets of an upstream that says text.
func answered(t *testing.T, method, text string, set func(*exchange.Exchange)) (*http.Response, string) {
	t.Helper()
	u := wire.Listen(t, wire.Answer(text))
	return newFront(t, upstream.Config{URL: u.URL()}, set).ask(t, method, method+strings.TrimPrefix(get, "GET"))
}

func TestProxy19AnswersAreUntouched(t *testing.T) {
	attack.Case(t, "PROXY-19", attack.Library, func(t *testing.T) {
		for _, tt := range []struct {
			name, method, text string
			status             int
			length             int64
			body               string
			fields             map[string]string
		}{
			{
				"range", "GET", "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-1/9\r\nAccept-Ranges: bytes\r\nETag: W/\"x\"\r\nContent-Length: 2\r\n\r\nab", 206, 2, "ab",
				map[string]string{"Content-Range": "bytes 0-1/9", "Etag": `W/"x"`, "Accept-Ranges": "bytes", "Content-Type": ""},
			},
			{"416", "GET", "HTTP/1.1 416 X\r\nContent-Range: bytes */9\r\nContent-Length: 0\r\n\r\n", 416, 0, "", map[string]string{"Content-Range": "bytes */9"}},
			{
				"encoding", "GET", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x8b\x00", 200, 3, "\x1f\x8b\x00",
				map[string]string{"Content-Encoding": "gzip", "Content-Type": ""},
			},
			{"html is not guessed", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>", 200, 6, "<html>", map[string]string{"Content-Type": ""}},
			{"204", "GET", "HTTP/1.1 204 No Content\r\nETag: \"x\"\r\n\r\n", 204, 0, "", map[string]string{"Etag": `"x"`}},
			{"304", "GET", "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n", 304, 0, "", map[string]string{"Etag": `"x"`}},
			{"head", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 77\r\nETag: \"x\"\r\n\r\n", 200, 77, "", map[string]string{"Etag": `"x"`}},
			{
				"date and server", "GET", "HTTP/1.1 200 OK\r\nDate: Sat, 01 Jan 2000 00:00:00 GMT\r\nServer: s\r\nContent-Length: 0\r\n\r\n", 200, 0, "",
				map[string]string{"Date": "Sat, 01 Jan 2000 00:00:00 GMT", "Server": "s"},
			},
		} {
			t.Run(tt.name, func(t *testing.T) {
				w, body := answered(t, tt.method, tt.text, nil)
				if w.StatusCode != tt.status || body != tt.body || w.ContentLength != tt.length {
					t.Errorf("got %d, %d bytes, %q; want %d, %d, %q", w.StatusCode, w.ContentLength, body, tt.status, tt.length, tt.body)
				}
				for name, want := range tt.fields {
					if got := strings.Join(w.Header[name], "|"); got != want {
						t.Errorf("%s = %q, want %q", name, got, want)
					}
				}
			})
		}
		t.Run("request conditions", func(t *testing.T) {
			_, text := forwarded(t, nil, "Range: bytes=0-1", `If-Range: "x"`, `If-None-Match: W/"x"`, "Accept-Encoding: br, gzip;q=0")
			for _, field := range []string{"Range: bytes=0-1", `If-Range: "x"`, `If-None-Match: W/"x"`, "Accept-Encoding: br, gzip;q=0"} {
				if !strings.Contains(text, field+"\r\n") {
					t.Errorf("the upstream got %q, want %q in it", text, field)
				}
			}
			if _, text := forwarded(t, nil); strings.Contains(text, "Accept-Encoding") || strings.Contains(text, "User-Agent") {
				t.Errorf("the upstream got %q: something was added", text)
			}
		})
		t.Run("gRPC trailers", grpcTrailers)
		t.Run("server-sent events", serverSentEvents)
	})
}

func grpcTrailers(t *testing.T) {
	w, body := answered(t, http.MethodGet, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Grpc-Status\r\n\r\n"+
		"3\r\nabc\r\n0\r\nGrpc-Status: 0\r\nGrpc-Message: unannounced\r\nX-Warder-Owner: evil\r\nSet-Cookie: evil\r\n\r\n", nil)
	if body != "abc" || w.Trailer.Get("Grpc-Status") != "0" || w.Trailer.Get("Grpc-Message") != "unannounced" {
		t.Errorf("body %q, trailer %v; want abc with both gRPC fields", body, w.Trailer)
	}
	if w.Trailer.Get("X-Warder-Owner") != "" || w.Trailer.Get("Set-Cookie") != "" {
		t.Errorf("trailer = %v, want no identity and no cookie", w.Trailer)
	}
	r, _ := forwarded(t, nil, "TE: gzip, trailers;q=1, trailers")
	if got := r.Header["Te"]; !slices.Equal(got, []string{"trailers"}) {
		t.Errorf("TE = %q, want trailers", got)
	}
}

// serverSentEvents lets the upstream wait for the client to have seen each event.
func serverSentEvents(t *testing.T) {
	for _, framing := range []string{"", "Content-Length: 26\r\n"} { // an event of known length is not held back either
		seen := make(chan struct{})
		u := wire.Listen(t, func(c *wire.Conn) {
			if _, err := c.Request(); err != nil {
				return
			}
			c.Say("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n" + framing + "\r\n")
			for range 2 {
				<-seen
				c.Say("data: event\n\n")
			}
		})
		f := newFront(t, upstream.Config{URL: u.URL()}, nil)
		c := wire.Dial(t, f.addr())
		c.Send(get)
		w, err := http.ReadResponse(c.Reader, nil) // the head came although no event did
		if err != nil {
			t.Fatal(err)
		}
		body := bufio.NewReader(w.Body)
		for range 2 {
			seen <- struct{}{}
			line, err := body.ReadString('\n')
			if _, next := body.ReadString('\n'); line != "data: event\n" || err != nil || next != nil {
				t.Fatalf("event = %q, %v, %v", line, err, next)
			}
		}
		_ = w.Body.Close()
	}
}

func TestProxy22PrivateAndVary(t *testing.T) {
	nobody := func(x *exchange.Exchange) { x.Principal = exchange.Principal{} }
	attack.Case(t, "PROXY-22", attack.Library, func(t *testing.T) {
		for _, tt := range []struct {
			name, fields  string
			set           func(*exchange.Exchange)
			control, vary string
		}{
			{"silent", "", nil, "private", "X-Api-Key"},
			{"blank", "Cache-Control: \r\n", nil, "private", "X-Api-Key"},
			{"the upstream's own", "Cache-Control: public, max-age=60\r\n", nil, "public, max-age=60", "X-Api-Key"},
			{"no-store", "Cache-Control: no-store\r\nVary: Accept\r\n", nil, "no-store", "Accept, X-Api-Key"},
			{"expires", "Expires: 0\r\n", nil, "", "X-Api-Key"},
			{"pragma", "Pragma: no-cache\r\n", nil, "private, no-cache", "X-Api-Key"}, // the transport says it in today's words
			{"another pragma", "Pragma: x\r\n", nil, "private", "X-Api-Key"},
			{"vary twice", "Vary: Accept\r\nVary: Origin\r\n", nil, "private", "Accept, Origin, X-Api-Key"},
			{"vary already", "Vary: accept, x-api-KEY\r\n", nil, "private", "accept, x-api-KEY"},
			{"vary on all", "Vary: *\r\n", nil, "private", "*"},
			{"Cache-Control of one hop", "Cache-Control: public\r\nConnection: cache-control\r\n", nil, "private", "X-Api-Key"},
			{"nobody", "", nobody, "", ""},
		} {
			for _, status := range []string{"200 OK", "404 Not Found"} {
				w, _ := answered(t, http.MethodGet, "HTTP/1.1 "+status+"\r\n"+tt.fields+"Content-Length: 0\r\n\r\n", tt.set)
				if got := strings.Join(w.Header["Cache-Control"], "|"); got != tt.control {
					t.Errorf("%s: Cache-Control = %q, want %q", tt.name, got, tt.control)
				}
				if got := strings.Join(w.Header["Vary"], "|"); got != tt.vary {
					t.Errorf("%s: Vary = %q, want %q", tt.name, got, tt.vary)
				}
			}
		}
	})
}

func TestResponseFieldsThatDoNotPass(t *testing.T) {
	w, _ := answered(t, http.MethodGet, "HTTP/1.1 200 OK\r\nX-Warder-Owner: evil\r\nx_warder_key_id: evil\r\nKeep-Alive: evil\r\n"+
		"Connection: x-hop, keep-alive\r\nX-Hop: evil\r\nProxy-Authenticate: evil\r\nUpgrade: evil\r\nX-Kept: yes\r\nContent-Length: 0\r\n\r\n", nil)
	for name, values := range w.Header {
		if slices.Contains(values, "evil") {
			t.Errorf("%s passed", name)
		}
	}
	if w.Header.Get("X-Kept") != "yes" {
		t.Errorf("header = %v, want X-Kept", w.Header)
	}
}

func TestProxy11BadAnswers(t *testing.T) {
	const interim = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
	attack.Case(t, "PROXY-11", attack.Library, func(t *testing.T) {
		for name, text := range map[string]string{
			"101 unasked":               "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
			"101 without upgrade":       "HTTP/1.1 101 Switching Protocols\r\n\r\n",
			"1 MiB header":              "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("a", 1<<20) + "\r\n\r\n",
			"1 MiB of interim answers":  strings.Repeat(interim, 1<<20/len(interim)) + wire.OK,
			"bad status line":           "HTTP/1.1 abc\r\n\r\n",
			"no status line":            "evil\r\n\r\n",
			"status 099":                "HTTP/1.1 099 X\r\nContent-Length: 0\r\n\r\n",
			"status 600":                "HTTP/1.1 600 X\r\nContent-Length: 0\r\n\r\n",
			"two lengths that differ":   "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
			"length without its number": "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nab",
			"both lengths":              "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
			"both lengths, turned":      "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nX: y\r\nCONTENT-LENGTH: 2\r\n\r\n2\r\nab\r\n0\r\n\r\n",
			"both lengths, interim":     interim + "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
			"both lengths, bare LF":     "HTTP/1.1 200 OK\nContent-Length: 2\nTransfer-Encoding: chunked\n\n2\r\nab\r\n0\r\n\r\n",
			"both lengths, of no body":  "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n",
			"nothing":                   "",
		} {
			t.Run(name, func(t *testing.T) {
				u := wire.Listen(t, func(c *wire.Conn) {
					if _, err := c.Request(); err == nil {
						c.Say(text)
					}
				})
				w, body := newFront(t, upstream.Config{URL: u.URL()}, nil).ask(t, http.MethodGet, get)
				if w.StatusCode != http.StatusBadGateway || strings.Contains(body, "evil") {
					t.Errorf("got %d %q, want 502", w.StatusCode, body)
				}
				if got := u.Received(); len(got) != 1 {
					t.Errorf("the upstream was asked %d times", len(got))
				}
			})
		}
		t.Run("interim answers without end", endlessInterim)
		t.Run("a few interim answers are dropped", func(t *testing.T) {
			if w, body := answered(t, http.MethodGet, "HTTP/1.1 100 Continue\r\n\r\n"+interim+wire.OK, nil); w.StatusCode != 200 || body != "ok" {
				t.Errorf("got %d %q, want 200 ok", w.StatusCode, body)
			}
		})
		t.Run("bytes after the body", bytesAfterTheBody)
	})
}

// endlessInterim never stops: the bound is ours.
func endlessInterim(t *testing.T) {
	u := wire.Listen(t, func(c *wire.Conn) {
		_, err := c.Request()
		for err == nil {
			_, err = io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n")
		}
	})
	f := newFront(t, upstream.Config{URL: u.URL()}, nil)
	if w, _ := f.ask(t, http.MethodGet, get); w.StatusCode != http.StatusBadGateway {
		t.Errorf("status = %d, want 502", w.StatusCode)
	}
}

// bytesAfterTheBody tries response queue poisoning: what stands behind an
// answer must never be the answer to another request.
func bytesAfterTheBody(t *testing.T) {
	const poison = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
	for _, text := range []string{wire.OK + poison, "HTTP/1.1 204 No Content\r\n\r\n" + poison, "HTTP/1.1 304 Not Modified\r\n\r\n" + poison, wire.OK + "x"} {
		u := wire.Listen(t, wire.Answer(text))
		f := newFront(t, upstream.Config{URL: u.URL()}, nil)
		const clients, requests = 8, 400
		var all sync.WaitGroup
		for range clients { // many at once, so that one takes a connection just when another gives it back
			c := wire.Dial(t, f.addr())
			all.Go(func() {
				for range requests / clients {
					c.Send("POST" + strings.TrimPrefix(get, "GET"))
					if w, body := c.Response(http.MethodPost); w == nil || w.StatusCode >= 500 || strings.Contains(body, "evil") {
						t.Errorf("got %v %q", w, body)
						return
					}
				}
			})
		}
		all.Wait()
		for _, text := range u.Received() {
			if strings.Count(text, " HTTP/1.1\r\n") > 1 {
				t.Errorf("a connection was used again: %q", text)
			}
		}
	}
}

func TestStreamingBothWays(t *testing.T) {
	u := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		if err := rc.EnableFullDuplex(); err != nil {
			t.Error(err)
		}
		_ = rc.Flush()
		for {
			p := make([]byte, 16)
			n, err := r.Body.Read(p)
			_, _ = w.Write(p[:n])
			_ = rc.Flush()
			if err != nil {
				return
			}
		}
	}))
	defer u.Close()
	f := newFront(t, upstream.Config{URL: u.URL}, nil)
	c := wire.Dial(t, f.addr())
	c.Send("POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
	w, err := http.ReadResponse(c.Reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	echo := make([]byte, 4)
	for range 3 {
		c.Send("4\r\nping\r\n")
		if _, err := io.ReadFull(w.Body, echo); err != nil || string(echo) != "ping" {
			t.Fatalf("echo = %q, %v", echo, err)
		}
	}
	c.Send("0\r\n\r\n")
	if rest, err := io.ReadAll(w.Body); len(rest) != 0 || err != nil {
		t.Errorf("rest = %q, %v", rest, err)
	}
}

func TestACutAnswerIsCut(t *testing.T) {
	for _, text := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n",
	} {
		u := wire.Listen(t, func(c *wire.Conn) {
			if _, err := c.Request(); err == nil {
				c.Say(text)
			}
		})
		f := newFront(t, upstream.Config{URL: u.URL()}, nil)
		c := wire.Dial(t, f.addr())
		c.Send(get)
		if rest, closed := c.Rest(); !closed || strings.Contains(rest, "0\r\n\r\n") {
			t.Errorf("%q: got %q, closed %v; want an unfinished answer and a close", text, rest, closed)
		}
		if o := f.outcome(t); !o.Aborted || o.Reason == "" || o.Reason == "client-gone" {
			t.Errorf("%q: outcome = %+v", text, o)
		}
	}
}

func TestIdleBody(t *testing.T) {
	attack.Case(t, "PROXY-14", attack.Library, func(t *testing.T) {
		for text, status := range map[string]int{
			"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n":              504,
			"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc":           0,
			"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n":     0,
			"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX: y\r\n": 504,
		} {
			u := wire.Listen(t, func(c *wire.Conn) {
				if _, err := c.Request(); err == nil {
					c.Say(text)
					c.Drain()
				}
			})
			f := newFront(t, upstream.Config{URL: u.URL(), IdleTimeout: 50 * time.Millisecond, ResponseTimeout: 50 * time.Millisecond}, nil)
			c := wire.Dial(t, f.addr())
			c.Send(get)
			if w, _ := c.Response(http.MethodGet); status != 0 && (w == nil || w.StatusCode != status) {
				t.Errorf("%q: got %v, want %d", text, w, status)
			}
			if o := f.outcome(t); o.Reason != "timeout" || o.Aborted != (status == 0) {
				t.Errorf("%q: outcome = %+v, want timeout", text, o)
			}
			u.Await(t, func(_ []string, closed int) bool { return closed == 1 })
		}
	})
}
