package upstream_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"io"
	"net/http"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/testcert"
	"github.com/warder-dev/warder/internal/wire"
	"github.com/warder-dev/warder/upstream"
)

const (
	lengthOnly = "Content-Length: 2\r\n"
	codingOnly = "Transfer-Encoding: chunked\r\n"
	chunkedOK  = "2\r\nok\r\n0\r\n\r\n"
)

// TestProxy11BothLengthsLater: on a connection that was used before, over TLS as
// well.
func TestProxy11BothLengthsLater(t *testing.T) {
	ca := testcert.NewCA(t, "root")
	cfg := &tls.Config{Certificates: []tls.Certificate{ca.Issue(t, testcert.Leaf{}).TLS}, MinVersion: tls.VersionTLS12}
	const bad = "HTTP/1.1 200 OK\r\n" + lengthOnly + codingOnly + "\r\n" + chunkedOK
	attack.Case(t, "PROXY-11", attack.Library, func(t *testing.T) {
		for _, secure := range []bool{false, true} {
			u := wire.Listen(t, func(c *wire.Conn) {
				stream := io.ReadWriter(struct {
					io.Reader
					io.Writer
				}{c.Reader, c})
				if secure {
					stream = tls.Server(c.Conn, cfg)
				}
				reader := bufio.NewReader(stream)
				for _, text := range []string{wire.OK, "HTTP/1.1 200 OK\r\n" + codingOnly + "\r\n" + chunkedOK, bad, wire.OK} {
					if _, err := http.ReadRequest(reader); err != nil {
						return
					}
					_, _ = io.WriteString(stream, text) // what the test sees tells of errors
				}
			})
			url := u.URL()
			if secure {
				url = strings.Replace(url, "http:", "https:", 1)
			}
			f := newFront(t, upstream.Config{URL: url, RootCAs: ca.Pool(), TLSTimeout: time.Minute}, nil)
			for i, want := range []int{200, 200, 502, 200} {
				w, body := f.ask(t, http.MethodGet, get)
				if w.StatusCode != want || want == 200 && body != "ok" {
					t.Errorf("TLS %v, request %d: %d %q, want %d", secure, i, w.StatusCode, body, want)
				}
			}
			if conns := len(u.Received()); conns != 2 {
				t.Errorf("TLS %v: %d connections, want one until the answer that contradicts itself, and one behind it", secure, conns)
			}
		}
	})
}

func responses() []string {
	return []string{
		"HTTP/1.1 200 OK\r\n" + lengthOnly + "\r\nok",
		"HTTP/1.1 200 OK\r\n" + codingOnly + "\r\n" + chunkedOK,
		"HTTP/1.1 200 OK\r\n" + codingOnly + lengthOnly + "\r\n" + chunkedOK,
		"HTTP/1.1 200 OK\r\n" + lengthOnly + codingOnly + "\r\n" + chunkedOK,
		"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n" + lengthOnly + codingOnly + "\r\n",
		"HTTP/1.1 101 Switching Protocols\r\n\r\nHTTP/1.1 200 OK\r\n" + lengthOnly + codingOnly + "\r\n",
		"HTTP/1.1 100 Continue\r\n" + lengthOnly + "\r\nHTTP/1.1 200 OK\r\n" + codingOnly + "\r\n",
		"HTTP/1.1 200 OK\r\nX-Content-Length: 1\r\nContent-Length-X: 1\r\n" + codingOnly + "\r\n",
		"HTTP/1.1 200 OK\ncontent-LENGTH:2\nTRANSFER-encoding:chunked\n\n",
		"HTTP/1.1 200 OK\r\n" + lengthOnly + "\r\n" + codingOnly + "\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length\t: 2\r\n" + codingOnly + "\r\n",
	}
}

// FuzzFraming: the pieces in which a response comes make no difference, nothing is
// passed on behind a contradiction, and what Go's own reader takes for a head with
// both fields is one.
func FuzzFraming(f *testing.F) {
	for _, text := range responses() {
		f.Add([]byte(text), 1)
		f.Add([]byte(text), 7)
	}
	f.Fuzz(func(t *testing.T, text []byte, piece int) {
		piece = min(max(piece, 1), 64)
		passed, contradicts := upstream.Contradicts(text, len(text)+1)
		again, contradictsAgain := upstream.Contradicts(text, piece)
		if contradicts != contradictsAgain {
			t.Fatalf("%q: %v whole, %v in pieces of %d", text, contradicts, contradictsAgain, piece)
		}
		if !contradicts && (passed != len(text) || again != len(text)) {
			t.Fatalf("%q: %d and %d bytes were passed on", text, passed, again)
		}
		reader := textproto.NewReader(bufio.NewReader(bytes.NewReader(text)))
		line, err := reader.ReadLine()
		if err != nil || line == "" || strings.HasPrefix(line, "HTTP/1.1 1") {
			return // no head, or more than one
		}
		h, err := reader.ReadMIMEHeader()
		if err != nil {
			return
		}
		if _, length := h["Content-Length"]; !length {
			return
		}
		if _, coding := h["Transfer-Encoding"]; coding && !contradicts {
			t.Errorf("%q has both lengths and passes", text)
		}
	})
}
