package httpserver_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/warder-dev/warder/httpserver"
)

// both runs a test on a server of net/http's and on one with the strict loop.
func both(t *testing.T, run func(t *testing.T, strict bool)) {
	t.Helper()
	for _, strict := range []bool{false, true} {
		t.Run(fmt.Sprintf("strict %v", strict), func(t *testing.T) { run(t, strict) })
	}
}

// fast reports whether the strict loop is what w belongs to: net/http's can be hijacked.
func fast(w http.ResponseWriter) bool {
	_, hijacker := w.(http.Hijacker)
	return !hijacker
}

// TestTheLoopIsTaken: what else is proved of the loop would say nothing were every
// request net/http's.
func TestTheLoopIsTaken(t *testing.T) {
	_, addr := start(t, httpserver.Config{Strict: true, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprint(w, fast(w))
	})})
	for head, want := range map[string]string{
		get: "true",
		"POST /a?b=c HTTP/1.1\r\nhost: a:80\r\nContent-Length: 0\r\nX-A: \r\n\r\n":      "true",
		"DELETE / HTTP/1.1\r\nHost: a\r\nConnection: Keep-Alive\r\nA: \xc3\xa9\r\n\r\n": "true",
		"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n":                       "false",
		"GET / HTTP/1.1\r\nHost: a\r\nConnection: x-a\r\n\r\n":                          "false",
		"GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n":                     "false",
		"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx":                       "false",
		"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n":      "false",
		"GET / HTTP/1.0\r\nHost: a\r\n\r\n":                                             "false",
		"GET / HTTP/1.1\nHost: a\n\n":                                                   "false",
		"GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n":                                     "false",
		"GET / HTTP/1.1\r\nHost: a\r\nA: " + strings.Repeat("a", 15<<10) + "\r\n\r\n":   "true",
		"GET / HTTP/1.1\r\nHost: a\r\nA: " + strings.Repeat("a", 20<<10) + "\r\n\r\n":   "false",
	} {
		conn := dial(t, addr)
		write(t, conn, head)
		if w, body := answer(t, bufio.NewReader(conn)); w.StatusCode != 200 || body != want {
			t.Errorf("%.60q: %d %s, want %s", head, w.StatusCode, body, want)
		}
		_ = conn.Close()
	}
}

// exchanges sends text to a server, and returns what the handler saw and what came
// back until the end, with the end of the connection.
type exchanges struct {
	addr string
	mu   sync.Mutex
	seen []string
}

// tellers is a server whose handler notes what it is asked, and answers by the path.
func tellers(tb testing.TB, strict bool) *exchanges {
	tb.Helper()
	e := new(exchanges)
	s, err := httpserver.New(httpserver.Config{Strict: strict, Handler: http.HandlerFunc(e.serve), MaxHeaderBytes: 8 << 10})
	if err != nil {
		tb.Fatal(err)
	}
	l, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	e.addr = l.Addr().String()
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	tb.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.WithoutCancel(tb.Context()))
		cancel()
		_ = s.Shutdown(ctx)
		if err := <-served; err != nil {
			tb.Errorf("Serve: %v", err)
		}
	})
	return e
}

func (e *exchanges) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	server, _ := r.Context().Value(http.ServerContextKey).(*http.Server)
	deadline, bounded := r.Context().Deadline()
	e.mu.Lock()
	e.seen = append(e.seen, fmt.Sprintf("%q %q %#v %q %v %v %q %d %v %q %v %v %q %v %v %v %v %v %v", r.Method, r.RequestURI, r.URL, r.Proto, r.ProtoMajor, r.ProtoMinor,
		r.Host, r.ContentLength, r.Close, fmt.Sprint(r.Header), r.TransferEncoding, r.Trailer, body, err, r.TLS, local.String() == e.addr, server != nil, deadline, bounded))
	e.mu.Unlock()
	h := w.Header()
	switch r.URL.Path {
	case "/empty":
	case "/none":
		w.WriteHeader(http.StatusNoContent)
		_, err := io.WriteString(w, "x")
		e.note(err)
	case "/same":
		h.Set("Content-Type", "text/plain")
		h.Set("Content-Length", "7")
		w.WriteHeader(http.StatusNotModified)
	case "/length":
		h.Set("Content-Length", "3")
		_, err := io.WriteString(w, "abcd")
		e.note(err)
		_, err = io.WriteString(w, "abc")
		e.note(err)
	case "/short":
		h.Set("Content-Length", "5")
		_, _ = io.WriteString(w, "abc")
	case "/close":
		h.Set("Connection", "close")
		_, _ = io.WriteString(w, "bye")
	case "/late":
		w.WriteHeader(299)
		h.Set("X-Late", "1")
		_, _ = io.WriteString(w, "<html>")
	case "/early":
		h.Set("Link", "</a>")
		w.WriteHeader(http.StatusEarlyHints)
		_, _ = io.WriteString(w, "then")
	case "/fields":
		h["X-Two"], h["x-lower"], h["Bad name"] = []string{" a ", "b\r\nX-Injected: c"}, []string{"1"}, []string{"1"}
		h["Date"], h["Content-Encoding"] = []string{"never"}, []string{"br"}
		_, _ = io.WriteString(w, "%PDF-1.4")
	case "/flush":
		_, _ = io.WriteString(w, "a")
		e.note(http.NewResponseController(w).Flush())
		_, _ = io.WriteString(w, "b")
	case "/long":
		for range 5 {
			_, _ = io.WriteString(w, strings.Repeat("0123456789", 2000))
		}
	case "/panic":
		_, _ = io.WriteString(w, "a")
		panic(http.ErrAbortHandler)
	case "/twice":
		w.WriteHeader(http.StatusTeapot)
		w.WriteHeader(http.StatusOK)
	default:
		_, _ = io.WriteString(w, "hello")
	}
}

func (e *exchanges) note(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.seen = append(e.seen, fmt.Sprint(err))
}

// ask sends the pieces, each by itself, and then that no more comes.
func (e *exchanges) ask(tb testing.TB, pieces ...string) (seen []string, got string) {
	tb.Helper()
	e.mu.Lock()
	e.seen = nil
	e.mu.Unlock()
	conn, err := (&net.Dialer{}).DialContext(tb.Context(), "tcp", e.addr)
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		tb.Fatal(err)
	}
	for _, piece := range pieces {
		_, _ = io.WriteString(conn, piece) // the server may have closed: what comes back tells
	}
	if half, ok := conn.(*net.TCPConn); ok {
		_ = half.CloseWrite()
	}
	all, err := io.ReadAll(conn)
	text := regexp.MustCompile(`Date: [A-Z][a-z]{2}, [^\r]* GMT\r`).ReplaceAllString(string(all), "Date: now\r")
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.seen), parsed(text) + fmt.Sprintf(", timed out: %v", errors.Is(err, os.ErrDeadlineExceeded))
}

// parsed is text, but where something of it is long: there the two divide bodies
// otherwise, and what they mean is compared.
func parsed(text string) string {
	if len(text) < 2048 {
		return text
	}
	var out strings.Builder
	for r := bufio.NewReader(strings.NewReader(text)); ; {
		w, err := http.ReadResponse(r, nil)
		if err != nil {
			return out.String()
		}
		body, err := io.ReadAll(w.Body)
		_ = w.Body.Close()
		if len(body) > 2048 {
			w.TransferEncoding = nil
			w.Header.Del("Content-Length")
		}
		fmt.Fprintf(&out, "%s %v %v %v %q %v", w.Status, w.Header, w.TransferEncoding, w.Close, body, err != nil)
	}
}

// heads are what is sent to both.
func heads() []string {
	var all []string
	for _, path := range []string{
		"/", "/empty", "/none", "/same", "/length", "/short", "/close", "/late", "/early", "/fields", "/flush", "/long", "/panic", "/twice",
		"/a%20b?c=%zz&d", "/%zz", "//b.example/x", "/a#b", "/a b", "/\x00", "/é", "*", "http://b.example/x", "http:///x", "", "/?", "/a;b=c", "/..//./%2e%2F",
	} {
		for _, method := range []string{"GET", "HEAD"} {
			all = append(all, method+" "+path+" HTTP/1.1\r\nHost: a\r\n\r\n")
		}
	}
	for _, line := range []string{
		"get / HTTP/1.1", "GET / HTTP/1.0", "GET / HTTP/1.2", "GET / HTTP/2.0", "GET / http/1.1", "GET /", "GET  / HTTP/1.1", "GET / HTTP/1.1 ", " GET / HTTP/1.1",
		"G\x01T / HTTP/1.1", "G{T / HTTP/1.1", "CONNECT / HTTP/1.1", "CONNECT a:1 HTTP/1.1", "OPTIONS * HTTP/1.1", "PRI * HTTP/2.0", "POST / HTTP/1.1", "\r\nGET / HTTP/1.1", "GET\t/ HTTP/1.1",
	} {
		all = append(all, line+"\r\nHost: a\r\n\r\n")
	}
	for _, fields := range []string{
		"", "Host: a\r\nHost: b\r\n", "Host:\r\n", "Host: a b\r\n", "Host: u@a\r\n", "Host: a\rb\r\n", "host:a\r\n", "HOST:\t a:80 \t\r\n", "Host: [::1]:80\r\n", "Host: a\n", "Host : a\r\n", " Host: a\r\n",
	} {
		all = append(all, "GET / HTTP/1.1\r\n"+fields+"\r\n")
	}
	for _, field := range []string{
		"A: b\r\n c\r\n", "A: b\r\n\tc\r\n", "A:b\r\nA: c\r\na:\r\n", "A : b\r\n", ": b\r\n", "A\r\n", "A: \x00\r\n", "A: \x7f\r\n", "A: \t\xff b \t\r\n", "A: b\n", "A: b\r\r\n", "A\xc3: b\r\n", "a_b.c~!: d\r\n",
		"Connection: close\r\n", "Connection: CLOSE\r\n", "Connection: keep-alive\r\n", "Connection: a, close\r\n", "Connection:\r\n", "Connection: keep-alive\r\nConnection: close\r\n",
		"Content-Length: 0\r\n", "Content-Length: 00\r\n", "Content-Length: 0\r\nContent-Length: 0\r\n", "Content-Length: 0, 0\r\n", "Content-Length: +0\r\n", "Content-Length: -0\r\n", "Content-Length:\r\n",
		"Content-Length: 37\r\n", "Content-Length: 3\r\nContent-Length: 4\r\n", "Content-Length: 9999999999999999999\r\n",
		"Transfer-Encoding: chunked\r\n", "Transfer-Encoding: identity\r\n", "transfer-encoding:\r\n", "Transfer-Encoding: xchunked\r\n", "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n", "Transfer_Encoding: chunked\r\n",
		"Transfer-Encoding : chunked\r\n", "Expect: 100-continue\r\n", "Expect: x\r\n", "Upgrade: h2c\r\n", "Trailer: A\r\n", "TE: trailers\r\n", "Pragma: no-cache\r\n", "Pragma: no-cache\r\nCache-Control: max-age=0\r\n",
		"Cookie: a=b\r\nCookie: c=d\r\n", "X: " + strings.Repeat("a", 3<<10) + "\r\n", "X: " + strings.Repeat("a", 30<<10) + "\r\n",
	} {
		all = append(all, "GET / HTTP/1.1\r\nHost: a\r\n"+field+"\r\n")
	}
	return append(all, "", "GET", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: a\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r", "\r\n", "\x16\x03\x01\x02\x00")
}

const second = "GET /second HTTP/1.1\r\nHost: b\r\n\r\n"

// TestStrictAnswersAsNetHTTPDoes: the same bytes, whole and in pieces, alone and
// followed by another request, are the same to the handler and get the same answer
// and the same end, whichever loop reads them.
func TestStrictAnswersAsNetHTTPDoes(t *testing.T) {
	plain, strict := tellers(t, false), tellers(t, true)
	for _, head := range heads() {
		for _, pieces := range [][]string{{head}, {head[:len(head)/2], head[len(head)/2:]}, {head, second}, {second + head}, {second, head}} {
			compare(t, plain, strict, pieces...)
		}
	}
}

// compare is for handlers that do not look at their context, whose end is a race.
func compare(tb testing.TB, plain, strict *exchanges, pieces ...string) {
	tb.Helper()
	seen, got := plain.ask(tb, pieces...)
	seenStrictly, gotStrictly := strict.ask(tb, pieces...)
	cut := func(all any) string { return fmt.Sprintf("%.3000q", all) }
	if !slices.Equal(seen, seenStrictly) {
		tb.Errorf("%.120q: the handler saw\n%s, with net/http\n%s", pieces, cut(seenStrictly), cut(seen))
	}
	if got != gotStrictly {
		tb.Errorf("%.120q: got\n%s, from net/http\n%s", pieces, cut(gotStrictly), cut(got))
	}
}

func FuzzStrict(f *testing.F) {
	for _, head := range heads() {
		f.Add(head+second, uint16(len(head)/2))
	}
	plain, strict := tellers(f, false), tellers(f, true)
	f.Fuzz(func(t *testing.T, text string, at uint16) {
		if strings.Contains(text, "/panic") || strings.Contains(text, "/flush") {
			return // how much of it is sent before the end is a race
		}
		i := min(int(at), len(text))
		compare(t, plain, strict, text[:i], text[i:])
	})
}

// TestHeadsOverASocketStrictly is that test's table for the loop.
func TestHeadsOverASocketStrictly(t *testing.T) {
	headsOverASocket(t, httpserver.Config{Handler: edge(t), MaxHeaderBytes: 8 << 10, Strict: true})
}

// TestStrictAFalseLength: what is no length is not sent; net/http may send it with HEAD.
func TestStrictAFalseLength(t *testing.T) {
	_, addr := start(t, httpserver.Config{Strict: true, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Content-Length"] = strings.Split(r.URL.Query().Get("length"), ",")
		_, _ = io.WriteString(w, "abc")
	})})
	conn := dial(t, addr)
	r := bufio.NewReader(conn)
	for _, length := range []string{"-5", "x", "+3", "1e3", "9223372036854775808", "3,3", "2,3", ""} {
		write(t, conn, "GET /?length="+url.QueryEscape(length)+" HTTP/1.1\r\nHost: a\r\n\r\n")
		w, body := answer(t, r)
		if l := w.Header["Content-Length"]; body != "abc" || len(l) != 1 || l[0] != "3" {
			t.Errorf("%q: got %q %v, want abc and 3", length, body, l)
		}
	}
}

func TestStrictIsWithoutTLS(t *testing.T) {
	_, err := httpserver.New(httpserver.Config{Handler: http.HandlerFunc(hello), Strict: true, TLS: &tls.Config{MinVersion: tls.VersionTLS13}})
	if err == nil || !strings.Contains(err.Error(), "Strict is for a server without TLS") {
		t.Errorf("New: %v", err)
	}
}

// TestStrictManyConnections asks on many connections at once; each answer belongs to
// its question.
func TestStrictManyConnections(t *testing.T) {
	_, addr := start(t, httpserver.Config{Strict: true, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Look") != "" {
			_ = r.Context().Err() // a watcher begins
		}
		w.Header().Set("X-Echo", r.Header.Get("X-Number"))
		_, _ = io.WriteString(w, r.URL.Path)
	})})
	var clients sync.WaitGroup
	for number := range 32 {
		conn := dial(t, addr)
		clients.Go(func() {
			r := bufio.NewReader(conn)
			for i := range 50 {
				path, look := fmt.Sprintf("/%d/%d", number, i), ""
				if i%3 == 0 {
					look = "X-Look: 1\r\n"
				}
				_, _ = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: a\r\n%sX-Number: %d\r\n\r\n", path, look, number)
				w, err := http.ReadResponse(r, nil)
				if err != nil {
					t.Errorf("%s: %v", path, err)
					return
				}
				body, _ := io.ReadAll(w.Body)
				_ = w.Body.Close()
				if string(body) != path || w.Header.Get("X-Echo") != fmt.Sprint(number) {
					t.Errorf("%s: got %q, %q", path, body, w.Header.Get("X-Echo"))
				}
			}
		})
	}
	clients.Wait()
}

// TestStrictContexts: a context ends with its client, its handler and its server,
// whether it is asked itself or through a child.
func TestStrictContexts(t *testing.T) {
	both(t, func(t *testing.T, strict bool) {
		t.Helper()
		contexts, running := make(chan context.Context, 1), make(chan struct{}, 1)
		s, addr := start(t, httpserver.Config{Strict: strict, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/wait":
				running <- struct{}{}
				<-r.Context().Done()
				contexts <- r.Context()
			case "/child":
				child, cancel := context.WithTimeout(r.Context(), time.Hour)
				defer cancel()
				running <- struct{}{}
				<-child.Done()
				contexts <- child
			default:
				contexts <- r.Context()
				hello(w, r)
			}
		})})
		conn := dial(t, addr)
		r := bufio.NewReader(conn)
		for range 2 {
			write(t, conn, get)
			answer(t, r)
			ctx := receive(t, contexts, "the handler ran")
			receive(t, ctx.Done(), "its context ends with it")
			if ctx.Err() != context.Canceled {
				t.Errorf("after the handler: %v", ctx.Err())
			}
		}
		for _, path := range []string{"/wait", "/child"} {
			conn := dial(t, addr)
			write(t, conn, "GET "+path+" HTTP/1.1\r\nHost: a\r\n\r\n")
			receive(t, running, "the handler waits")
			_ = conn.Close()
			if ctx := receive(t, contexts, path+": the client left"); ctx.Err() != context.Canceled {
				t.Errorf("%s: %v", path, ctx.Err())
			}
		}
		write(t, conn, "GET /child HTTP/1.1\r\nHost: a\r\n\r\n")
		receive(t, running, "the handler waits")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.Shutdown(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Shutdown: %v", err)
		}
		if cause := context.Cause(receive(t, contexts, "the server stopped")); !errors.Is(cause, httpserver.ErrStopped) {
			t.Errorf("cause: %v, want ErrStopped", cause)
		}
	})
}

// TestStrictShutdown: what waits is closed, what runs is answered.
func TestStrictShutdown(t *testing.T) {
	running, finish := make(chan struct{}), make(chan struct{})
	s, addr := start(t, httpserver.Config{Strict: true, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/run" {
			close(running)
			<-finish
		}
		hello(w, r)
	})})
	idle, busy := dial(t, addr), dial(t, addr)
	write(t, idle, get)
	r := bufio.NewReader(idle)
	answer(t, r)
	write(t, busy, "GET /run HTTP/1.1\r\nHost: a\r\n\r\n")
	receive(t, running, "the request runs")
	done := make(chan error, 1)
	go func() { done <- s.Shutdown(t.Context()) }()
	if !closed(r) {
		t.Error("a connection that waits stays open")
	}
	select {
	case err := <-done:
		t.Fatalf("Shutdown returned %v while a request ran", err)
	default:
	}
	close(finish)
	r = bufio.NewReader(busy)
	if w, body := answer(t, r); body != "hello" || !w.Close || !closed(r) {
		t.Errorf("the running request: %q, close %v; want the answer and the end", body, w.Close)
	}
	if err := receive(t, done, "Shutdown returns"); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

func TestStrictLeaves(t *testing.T) {
	s, addr := start(t, httpserver.Config{Strict: true, Handler: http.HandlerFunc(hello)})
	conn := dial(t, addr)
	r := bufio.NewReader(conn)
	write(t, conn, get)
	if w, _ := answer(t, r); w.Close {
		t.Error("a connection is closed before the server leaves")
	}
	s.Leave()
	write(t, conn, get)
	if w, body := answer(t, r); body != "hello" || !w.Close || !closed(r) {
		t.Errorf("%q, close %v; want the answer and the end", body, w.Close)
	}
}

const halfAnswer = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n400 Bad Request"

// TestStrictDeadlines: nobody holds a connection for longer than is allowed. How
// each ends is what counts, and that it does.
func TestStrictDeadlines(t *testing.T) {
	for name, tt := range map[string]struct {
		cfg  httpserver.Config
		sent []string // with an answer awaited after each but the last
		want string   // before the end
	}{
		"nothing is said":        {httpserver.Config{ReadHeaderTimeout: 500 * time.Millisecond}, []string{""}, ""},
		"half a head":            {httpserver.Config{ReadHeaderTimeout: 500 * time.Millisecond}, []string{"GET / HTTP/1.1\r\nHos"}, halfAnswer},
		"half a second head":     {httpserver.Config{ReadHeaderTimeout: 500 * time.Millisecond}, []string{get, "GET / HTTP/1.1\r\nHos"}, halfAnswer},
		"half a foreign head":    {httpserver.Config{ReadHeaderTimeout: 500 * time.Millisecond}, []string{"GET / HTTP/1.0\r\nHos"}, halfAnswer},
		"nothing more":           {httpserver.Config{IdleTimeout: 500 * time.Millisecond}, []string{get, ""}, ""},
		"nothing after the last": {httpserver.Config{IdleTimeout: 500 * time.Millisecond}, []string{get, "GET / HTTP/1.1\r\nHost: a\r\nConnection: x\r\n\r\n", ""}, ""},
	} {
		for _, strict := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, strict %v", name, strict), func(t *testing.T) {
				t.Parallel()
				cfg := tt.cfg
				cfg.Strict, cfg.Handler = strict, http.HandlerFunc(hello)
				_, addr := start(t, cfg)
				conn := dial(t, addr)
				r := bufio.NewReader(conn)
				last := len(tt.sent) - 1
				for _, text := range tt.sent[:last] {
					write(t, conn, text)
					answer(t, r)
				}
				write(t, conn, tt.sent[last])
				rest, err := io.ReadAll(r)
				if err != nil || string(rest) != tt.want && len(rest) > 0 { // half a line is 400, when it is not too late to say so
					t.Errorf("got %q, %v; want the end", rest, err)
				}
			})
		}
	}
}

// TestStrictWriteDeadline: a client that reads nothing does not keep a handler.
func TestStrictWriteDeadline(t *testing.T) {
	failed := make(chan error, 1)
	_, addr := start(t, httpserver.Config{Strict: true, WriteTimeout: 50 * time.Millisecond, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		piece := make([]byte, 64<<10)
		for {
			if _, err := w.Write(piece); err != nil {
				failed <- err
				return
			}
		}
	})})
	write(t, dial(t, addr), get)
	if err := receive(t, failed, "the write fails"); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Write: %v, want the deadline", err)
	}
}

// TestStrictSlots: a connection keeps its slot when it goes over to net/http, and
// gives it back whoever has it at the end.
func TestStrictSlots(t *testing.T) {
	_, addr := start(t, httpserver.Config{Strict: true, MaxConnections: 1, Handler: http.HandlerFunc(hello)})
	for range 3 {
		for _, head := range []string{get, "GET / HTTP/1.1\r\nHost: a\r\nConnection: x\r\n\r\n", "GET / HTTP/1.1\n\n"} {
			first, second := dial(t, addr), dial(t, addr)
			write(t, first, head)
			answer(t, bufio.NewReader(first))
			_ = first.Close()
			write(t, second, get)
			answer(t, bufio.NewReader(second))
			_ = second.Close()
		}
	}
}

// TestStrictCounts: what ended before it was whole is counted, whoever ended it.
func TestStrictCounts(t *testing.T) {
	both(t, func(t *testing.T, strict bool) {
		t.Helper()
		s, addr := start(t, httpserver.Config{Strict: strict, Handler: http.HandlerFunc(hello)})
		for i, text := range []string{"GET / HTTP/1.1\r\nHos", "GET /\r\n\r\n", "GET / HTTP/1.1\r\n\r\n"} {
			conn := dial(t, addr)
			write(t, conn, text)
			if half, ok := conn.(*net.TCPConn); !ok || half.CloseWrite() != nil {
				t.Fatal("the client's half does not close")
			}
			until(t, fmt.Sprintf("%q is counted", text), func() bool { return s.Refused() == uint64(i+1) })
			_ = conn.Close()
		}
		conn := dial(t, addr)
		write(t, conn, get)
		answer(t, bufio.NewReader(conn))
		_ = conn.Close()
		_ = dial(t, addr).Close()
		if got := s.Refused(); got != 3 {
			t.Errorf("Refused is %d, want 3", got)
		}
	})
}

// TestStrictPanics: nothing of a panic or of the answer that was begun goes out.
func TestStrictPanics(t *testing.T) {
	var log bytes.Buffer
	s, addr := start(t, httpserver.Config{Strict: true, Log: slog.New(slog.NewTextHandler(&log, nil)), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hello(w, r)
		panic("a secret")
	})})
	conn := dial(t, addr)
	write(t, conn, get)
	if text, _ := io.ReadAll(conn); len(text) > 0 {
		t.Errorf("got %q, want nothing", text)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if text := log.String(); !strings.Contains(text, "a handler panicked outside of Recover") || strings.Contains(text, "secret") {
		t.Errorf("log: %q", text)
	}
}

// TestStrictLateWriters: who goes on after the end of the handler changes no answer.
func TestStrictLateWriters(t *testing.T) {
	writers := make(chan http.ResponseWriter, 1)
	_, addr := start(t, httpserver.Config{Strict: true, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case late := <-writers:
			if _, err := late.Write([]byte("late")); err == nil {
				t.Error("a late Write succeeds")
			}
			if err := http.NewResponseController(late).Flush(); err == nil {
				t.Error("a late Flush succeeds")
			}
			late.WriteHeader(http.StatusTeapot)
		default:
			writers <- w
		}
		hello(w, r)
	})})
	conn := dial(t, addr)
	r := bufio.NewReader(conn)
	for range 2 {
		write(t, conn, get)
		if w, body := answer(t, r); w.StatusCode != http.StatusOK || body != "hello" {
			t.Errorf("got %d %q", w.StatusCode, body)
		}
	}
}
