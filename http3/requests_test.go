package http3_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/warder-dev/warder/http3"
	"github.com/warder-dev/warder/httpserver"
	"github.com/warder-dev/warder/internal/attack"
)

func TestRequests(t *testing.T) {
	echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Told", r.Method+" "+r.Host+" "+r.URL.Path)
		_, _ = io.Copy(w, r.Body)
	})
	s := start(t, echo, http3.Config{}, httpserver.Config{})
	transport := s.transport(t)
	big := strings.Repeat("a", 5<<20)
	for _, tt := range []struct{ method, body string }{
		{http.MethodGet, ""}, {http.MethodGet, "a body, although nobody told"}, {http.MethodPost, "hello"}, {http.MethodPut, big}, {http.MethodDelete, ""}, {http.MethodHead, ""},
	} {
		var body io.Reader
		if tt.body != "" {
			body = io.MultiReader(strings.NewReader(tt.body)) // of a length that is not told
		}
		status, text, proto := exchange(t, transport, request(t, tt.method, "/a", body))
		if status != http.StatusOK || text != tt.body || proto != "HTTP/3.0" {
			t.Errorf("%s: %d, %d bytes, %s; want 200, %d bytes, HTTP/3.0", tt.method, status, len(text), proto, len(tt.body))
		}
	}
}

// getting is a request that is well formed, with further fields or others.
func getting(more ...string) []string {
	fields := []string{":method", "GET", ":scheme", "https", ":authority", "localhost", ":path", "/"}
	for i := 0; i < len(more); i += 2 {
		if at := slices.Index(fields, more[i]); at >= 0 && at%2 == 0 && strings.HasPrefix(more[i], ":") {
			fields[at+1] = more[i+1]
			continue
		}
		fields = append(fields, more[i], more[i+1])
	}
	return fields
}

// without is a request that lacks a field.
func without(name string, more ...string) []string {
	fields := getting(more...)
	at := slices.Index(fields, name)
	return slices.Delete(fields, at, at+2)
}

// TestMalformedRequests is httpserver's test of HTTP/2 over HTTP/3.
func TestMalformedRequests(t *testing.T) {
	handler, behind := proxied(t)
	s := start(t, handler, http3.Config{}, httpserver.Config{})
	attack.Case(t, "PROXY-17", attack.Library, func(t *testing.T) {
		for i, tt := range []struct {
			name   string
			body   string
			fields []string
			sent   string // what the upstream's request text must hold; "" for a refusal
		}{
			{"plain", "", getting(), "GET / HTTP/1.1\r\n"},
			{"a body with its length", "abc", getting(":method", "POST", "content-length", "3"), "Content-Length: 3\r\n"},
			{"a body without a length", "abc", getting(":method", "POST"), "Transfer-Encoding: chunked\r\n"},
			{"no body with its length", "", getting(":method", "POST", "content-length", "0"), "Content-Length: 0\r\n"},
			{"a host that is the authority's", "", getting("host", "localhost"), "GET / HTTP/1.1\r\n"},
			{"a scheme that is not the connection's: the connection counts", "", getting(":scheme", "http"), "X-Forwarded-Proto: https\r\n"},
			{"crumbled cookies are joined", "", getting("cookie", "a=1", "cookie", "b=2"), "Cookie: a=1; b=2\r\n"},
			{"lengths that are equal are one", "abc", getting(":method", "POST", "content-length", "3", "content-length", "3"), "Content-Length: 3\r\n"},

			{"blank in the path", "", getting(":path", "/a b"), ""},
			{"a second line in the path", "", getting(":path", "/a HTTP/1.1\r\nX-Owner: root\r\n\r\n"), ""},
			{"hash in the path", "", getting(":path", "/a#b"), ""},
			{"absolute form", "", getting(":path", "https://localhost/a"), ""},
			{"absolute form of another host", "", getting(":path", "http://evil.example/a"), ""},
			{"a path without a slash", "", getting(":path", "a"), ""},
			{"no path", "", without(":path"), ""},
			{"an empty path", "", getting(":path", ""), ""},
			{"star", "", getting(":path", "*"), ""},
			{"blank in the method", "", getting(":method", "GET /x"), ""},
			{"a second line in the method", "", getting(":method", "GET / HTTP/1.1\r\nA: b\r\n\r\nGET"), ""},
			{"no method", "", without(":method"), ""},
			{"method twice", "", append([]string{":method", "POST"}, getting()...), ""},
			{"CONNECT", "", []string{":method", "CONNECT", ":authority", "localhost:443"}, ""},
			{"extended CONNECT", "", append([]string{":protocol", "websocket"}, getting(":method", "CONNECT")...), ""},
			{"TRACE", "", getting(":method", "TRACE"), ""},
			{"blank in the authority", "", getting(":authority", "local host"), ""},
			{"comma in the authority", "", getting(":authority", "localhost,evil.example"), ""},
			{"user in the authority", "", getting(":authority", "evil@localhost"), ""},
			{"path in the authority", "", getting(":authority", "localhost/a"), ""},
			{"a second line in the authority", "", getting(":authority", "localhost\r\nX-Owner: root"), ""},
			{"a host that differs", "", getting("host", "evil.example"), ""},
			{"a host that differs by its port", "", getting("host", "localhost:8443"), ""},
			{"host twice", "", getting("host", "localhost", "host", "localhost"), ""},
			{"hosts and no authority", "", without(":authority", "host", "localhost", "host", "evil.example"), ""},
			{"an empty host", "", getting("host", ""), ""},
			{"neither host nor authority", "", without(":authority"), ""},
			{"unknown scheme", "", without(":authority", ":scheme", "ftp"), ""},
			{"a length and no body", "", getting(":method", "POST", "content-length", "5"), ""},
			{"a length that is too long", "abc", getting(":method", "POST", "content-length", "5"), ""},
			{"a length that is too short", "abc", getting(":method", "POST", "content-length", "2"), ""},
			{"a length that ends before the last of two pieces", "ab|c", getting(":method", "POST", "content-length", "2"), ""},
			{"a length and no body of a GET", "", getting("content-length", "5"), ""},
			{"lengths that differ", "abc", getting(":method", "POST", "content-length", "3", "content-length", "4"), ""},
			{"a signed length", "abc", getting(":method", "POST", "content-length", "+3"), ""},
			{"a list of lengths", "abc", getting(":method", "POST", "content-length", "3, 3"), ""},
			{"an upper-case name", "", getting("X-Owner", "root"), ""},
			{"a name with a colon", "", getting(":x", "1"), ""},
			{"a name with a blank", "", getting("a b", "1"), ""},
			{"a name with a line break", "", getting("a\r\nb", "1"), ""},
			{"a value with a line break", "", getting("a", "1\r\nX-Owner: root"), ""},
			{"a value with NUL", "", getting("a", "\x00"), ""},
			{"transfer-encoding", "abc", getting(":method", "POST", "transfer-encoding", "chunked"), ""},
			{"connection", "", getting("connection", "x-owner"), ""},
			{"upgrade", "", getting("upgrade", "websocket"), ""},
			{"te", "", getting("te", "gzip"), ""},
			{"a pseudo field behind others", "", append([]string{"a", "b"}, getting()...), ""},
		} {
			mark := fmt.Sprintf("case-%d-", i)
			stream := s.dial(t).open(t, append(head(t, append(tt.fields, "mark", mark)...), data(tt.body)...))
			_ = stream.Close()
			got, err := status(stream)
			told := toldOf(behind.Received(), mark)
			switch {
			case err != nil && !errors.Is(err, errReset):
				t.Errorf("%s: %v", tt.name, err)
			case tt.sent != "" && (got != "200" || !strings.Contains(told, tt.sent)):
				t.Errorf("%s: got %q, %v; the upstream was sent %q, want %q in it", tt.name, got, err, told, tt.sent)
			case tt.sent == "" && err == nil && !slices.Contains([]string{"400", "405", "501", "502"}, got):
				t.Errorf("%s: got %q, want a refusal", tt.name, got)
			case tt.sent == "" && complete(told):
				t.Errorf("%s: the upstream was sent a whole request: %q", tt.name, told)
			}
			if strings.Contains(strings.ToLower(told), "x-owner") || strings.Count(strings.ToLower(told), "\r\nhost:") > 1 {
				t.Errorf("%s: the upstream was sent %q", tt.name, told)
			}
			if tt.name == "plain" && strings.Contains(strings.ToLower(told), "transfer-encoding") {
				t.Errorf("the upstream of a GET was sent %q: a body that is none", told)
			}
		}
	})
}

// toldOf is what a connection was sent that carries the mark: each of this
// package's tests carries one request.
func toldOf(received []string, mark string) string {
	for _, text := range received {
		if strings.Contains(text, mark) {
			return text
		}
	}
	return ""
}

// data is a DATA frame for each piece between bars; none for no body.
func data(body string) (frames []byte) {
	if body == "" {
		return nil
	}
	for piece := range strings.SplitSeq(body, "|") {
		frames = append(frames, frame(0, []byte(piece))...)
	}
	return frames
}

// complete reports whether sent is a request with all of its body.
func complete(sent string) bool {
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(sent)))
	if err != nil {
		return false
	}
	_, err = io.Copy(io.Discard, r.Body)
	return err == nil
}

// TestFieldsOfConnections: what a handler says of a connection of HTTP/1.1 does
// not leave, however its answer begins.
func TestFieldsOfConnections(t *testing.T) {
	s := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, name := range []string{"Connection", "Keep-Alive", "Proxy-Connection", "Transfer-Encoding", "Upgrade"} {
			w.Header().Set(name, "close")
		}
		switch r.URL.Path {
		case "/head":
			w.WriteHeader(http.StatusOK)
		case "/early":
			w.WriteHeader(http.StatusEarlyHints)
		case "/write":
			_, _ = io.WriteString(w, "ok")
		case "/flush":
			_ = http.NewResponseController(w).Flush()
		default:
		}
	}), http3.Config{}, httpserver.Config{})
	transport := s.transport(t)
	for _, path := range []string{"/head", "/early", "/write", "/flush", "/nothing"} {
		if status, _, _ := exchange(t, transport, request(t, http.MethodGet, path, http.NoBody)); status != http.StatusOK {
			t.Errorf("%s: %d", path, status)
		}
	}
}

func TestAdvertise(t *testing.T) {
	w := httptest.NewRecorder()
	http3.Advertise(8443, http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody))
	if got, want := w.Header().Get("Alt-Svc"), `h3=":8443"; ma=86400`; got != want || w.Code != http.StatusNotFound {
		t.Errorf("%d, Alt-Svc = %q, want %q", w.Code, got, want)
	}
}
