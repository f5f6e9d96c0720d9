package server_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/wire"
)

// A shape is a request text with two possible readings. {A} stands for the Host
// and key fields.
type shape struct {
	id, name string
	text     string
	want     meaning
	body     string // what the upstream must read when the request passes
}

// meaning is what a shape may come to.
type meaning int

const (
	turnedAway meaning = iota // an error status, the connection closed, nothing at the upstream
	one                       // turnedAway, or exactly one message with the shape's body
	letThrough                // exactly one message with the shape's body
	brokenOff                 // 400 or a closed connection; no complete message at the upstream
)

const second = "GET /second HTTP/1.1\r\n{A}\r\n"

// chunked returns a POST with a chunked body as written.
func chunked(body string) string {
	return "POST /first HTTP/1.1\r\n{A}Transfer-Encoding: chunked\r\n\r\n" + body
}

// post returns a POST with the header lines and the body "hello".
func post(lines string) string {
	return "POST /first HTTP/1.1\r\n{A}" + lines + "\r\n\r\nhello"
}

func shapes() []shape {
	chunks := "5\r\nhello\r\n0\r\n\r\n"
	return slices.Concat([]shape{
		{"SMUG-01", "length, then chunked", "POST /first HTTP/1.1\r\n{A}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks, one, "hello"},
		{"SMUG-01", "chunked, then length", "POST /first HTTP/1.1\r\n{A}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n" + chunks, one, "hello"},
		{"SMUG-02", "lengths that differ", post("Content-Length: 5\r\nContent-Length: 6"), turnedAway, ""},
		{"SMUG-02", "lengths that differ, 0 first", post("Content-Length: 0\r\nContent-Length: 5"), turnedAway, ""},
		{"SMUG-03", "two equal lengths", post("Content-Length: 5\r\nContent-Length: 5"), one, "hello"},
		{"SMUG-03", "a list of equal lengths", post("Content-Length: 5, 5"), one, "hello"},
		{"SMUG-05", "xchunked", "POST /first HTTP/1.1\r\n{A}Transfer-Encoding: xchunked\r\n\r\n" + chunks, turnedAway, ""},
		{"SMUG-05", "chunked, identity", "POST /first HTTP/1.1\r\n{A}Transfer-Encoding: chunked, identity\r\n\r\n" + chunks, turnedAway, ""},
		{"SMUG-05", "identity", "POST /first HTTP/1.1\r\n{A}Transfer-Encoding: identity\r\n\r\n" + chunks, turnedAway, ""},
		{"SMUG-05", "gzip, chunked", "POST /first HTTP/1.1\r\n{A}Transfer-Encoding: gzip, chunked\r\n\r\n" + chunks, turnedAway, ""},
		{"SMUG-06", "chunked, chunked", "POST /first HTTP/1.1\r\n{A}Transfer-Encoding: chunked, chunked\r\n\r\n" + chunks, turnedAway, ""},
		{"SMUG-06", "two lines", "POST /first HTTP/1.1\r\n{A}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks, turnedAway, ""},
		{"SMUG-08", "blank before the colon", "POST /first HTTP/1.1\r\n{A}Content-Length : 5\r\n\r\nhello", turnedAway, ""},
		{"SMUG-08", "blank before the colon of chunked", "POST /first HTTP/1.1\r\n{A}Transfer-Encoding : chunked\r\n\r\n" + chunks, turnedAway, ""},
		{"SMUG-08", "TAB before the colon", "POST /first HTTP/1.1\r\n{A}Transfer-Encoding\t: chunked\r\n\r\n" + chunks, turnedAway, ""},
		{"SMUG-09", "folded header", "GET /first HTTP/1.1\r\n{A}X-Folded: a\r\n b\r\n\r\n", one, ""},
		{"SMUG-09", "folded first header", "GET /first HTTP/1.1\r\n Folded: a\r\n{A}\r\n", turnedAway, ""},
		{"SMUG-09", "folded chunked", "POST /first HTTP/1.1\r\n{A}Transfer-Encoding:\r\n chunked\r\n\r\n" + chunks, one, "hello"},
		{"SMUG-10", "bare LF as line end", strings.ReplaceAll("GET /first HTTP/1.1\r\n{A}X-A: b\r\n\r\n", "\r\n", "\n"), one, ""},
		{"SMUG-10", "bare CR inside", "GET /first HTTP/1.1\r\n{A}X-A: b\rContent-Length: 5\r\n\r\n", turnedAway, ""},
		{"SMUG-10", "LF CR", "GET /first HTTP/1.1\n\r{A}\r\n", turnedAway, ""},
		{"SMUG-11", "NUL in a value", "GET /first HTTP/1.1\r\n{A}X-A: a\x00b\r\n\r\n", turnedAway, ""},
		{"SMUG-11", "NUL in a name", "GET /first HTTP/1.1\r\n{A}X-\x00A: b\r\n\r\n", turnedAway, ""},
		{"SMUG-11", "BEL in a value", "GET /first HTTP/1.1\r\n{A}X-A: a\x07b\r\n\r\n", turnedAway, ""},
		{"SMUG-13", "bare LF after an extension", chunked("5;a=b\nhello\r\n0\r\n\r\n"), brokenOff, ""},
		{"SMUG-13", "extension of 64 KiB", chunked("5;" + strings.Repeat("a", 64<<10) + "\r\nhello\r\n0\r\n\r\n"), brokenOff, ""},
		{"SMUG-13", "quoted CR LF in an extension", chunked("5;a=\"\r\n\"\r\nhello\r\n0\r\n\r\n"), brokenOff, ""},
		{"SMUG-14", "data longer than its size", chunked("5\r\nhelloXX0\r\n\r\n"), brokenOff, ""},
		{"SMUG-14", "data not followed by CR LF", chunked("5\r\nhello0\r\n\r\n"), brokenOff, ""},
		{"SMUG-15", "length in the trailer", chunked("5\r\nhello\r\n0\r\nContent-Length: 50\r\n\r\n"), one, "hello"},
		{"SMUG-15", "chunked in the trailer", chunked("5\r\nhello\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n"), one, "hello"},
		{"SMUG-15", "host in the trailer", chunked("5\r\nhello\r\n0\r\nHost: evil\r\n\r\n"), one, "hello"},
		{"SMUG-15", "authorization in the trailer", chunked("5\r\nhello\r\n0\r\nAuthorization: Basic x\r\n\r\n"), one, "hello"},
		{"SMUG-16", "HTTP/1.0 with chunked", "POST /first HTTP/1.0\r\n{A}Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks, one, ""},
		{"SMUG-16", "HTTP/0.9", "GET /first\r\n\r\n", turnedAway, ""},
		{"SMUG-16", "HTTP/1.2", "GET /first HTTP/1.2\r\n{A}\r\n", one, ""},
		{"SMUG-16", "HTTP/2.0", "GET /first HTTP/2.0\r\n{A}\r\n", turnedAway, ""},
		{"SMUG-16", "http/1.1 in small letters", "GET /first http/1.1\r\n{A}\r\n", turnedAway, ""},
		{"SMUG-17", "GET with a length", "GET /first HTTP/1.1\r\n{A}Content-Length: 5\r\n\r\nhello", one, "hello"},
		{"SMUG-17", "GET with chunks", "GET /first HTTP/1.1\r\n{A}Transfer-Encoding: chunked\r\n\r\n" + chunks, one, "hello"},
		{"SMUG-17", "HEAD with a length", "HEAD /first HTTP/1.1\r\n{A}Content-Length: 5\r\n\r\nhello", one, "hello"},
		{"SMUG-17", "OPTIONS with chunks", "OPTIONS /first HTTP/1.1\r\n{A}Transfer-Encoding: chunked\r\n\r\n" + chunks, one, "hello"},
		{"SMUG-18", "two Hosts", "GET /first HTTP/1.1\r\n{A}Host: other\r\n\r\n", turnedAway, ""},
		{"SMUG-18", "Host after a blank line", "GET /first HTTP/1.1\r\n\r\n{A}\r\n", turnedAway, ""},
		{"SMUG-19", "absolute form against Host", "GET http://other.test/first HTTP/1.1\r\n{A}\r\n", one, ""},
		{"SMUG-21", "one leading CR LF", "\r\nGET /first HTTP/1.1\r\n{A}\r\n", one, ""},
		{"SMUG-21", "a thousand leading CR LF", strings.Repeat("\r\n", 1000) + "GET /first HTTP/1.1\r\n{A}\r\n", turnedAway, ""},
		{"SMUG-22", "length 0, then bytes that form a request", "POST /first HTTP/1.1\r\n{A}Content-Length: 0\r\n\r\n", letThrough, ""},
	}, lengths(), encodings(), sizes(), hosts(), targets())
}

// lengths are the values of Content-Length that are no number of bytes.
func lengths() (rows []shape) {
	for _, v := range []string{"+5", "-1", "0x5", "5 5", "5a", "", "9223372036854775808", "18446744073709551616"} {
		want := turnedAway
		if v == "" {
			want = one // net/http reads an empty length as none: the body then is the next request, and judged as such
		}
		rows = append(rows, shape{"SMUG-04", "length " + v, "POST /first HTTP/1.1\r\n{A}Content-Length: " + v + "\r\n\r\n", want, ""})
	}
	return rows
}

// encodings are the near misses of "chunked".
func encodings() (rows []shape) {
	for _, v := range []string{"\tchunked", "\vchunked", "\fchunked", "chunked\v", "chunked\r", "chunked\x00", "\"chunked\"", "chunked;", "chunked ;", "chun\tked", " chunked\t"} {
		rows = append(rows, shape{
			"SMUG-07", "encoding " + strings.Trim(strings.ToValidUTF8(v, ""), "\x00"),
			"POST /first HTTP/1.1\r\n{A}Transfer-Encoding:" + v + "\r\n\r\n5\r\nhello\r\n0\r\n\r\n", one, "hello",
		})
	}
	return rows
}

// sizes are the chunk sizes that two parsers may read differently. Blanks around
// a size have one meaning; all others are malformed.
func sizes() (rows []shape) {
	for _, v := range []string{"0x5", "+5", "5_0", "00000000000000005", "", "-5", "5g"} {
		rows = append(rows, shape{"SMUG-12", "size " + v, chunked(v + "\r\nhello\r\n0\r\n\r\n"), brokenOff, ""})
	}
	return append(rows,
		shape{"SMUG-12", "blank before the size", chunked(" 5\r\nhello\r\n0\r\n\r\n"), brokenOff, ""},
		shape{"SMUG-12", "blank after the size", chunked("5 \r\nhello\r\n0\r\n\r\n"), one, "hello"})
}

// hosts are Host fields that name none.
func hosts() (rows []shape) {
	for _, v := range []string{"", "a b", "user@host", "a/b", "a\rb", "a\"b", "a,b", "a;b", "[::1", "a:b", "a:99999"} {
		rows = append(rows, shape{"SMUG-18", "Host " + v, strings.Replace("GET /first HTTP/1.1\r\n{A}\r\n", "{A}", "Host: "+v+"\r\n{K}", 1), turnedAway, ""})
	}
	return rows
}

// targets are request lines that are none.
func targets() (rows []shape) {
	for _, v := range []string{
		"GE T /first HTTP/1.1", "G\x01T /first HTTP/1.1", strings.Repeat("G", 10<<10) + " /first HTTP/1.1", "GET /fi rst HTTP/1.1",
		"GET /fi\trst HTTP/1.1", "GET /fi\xffrst HTTP/1.1", "GET /fi\xc3\xa4rst HTTP/1.1", "GET  /first HTTP/1.1", "GET /first  HTTP/1.1",
	} {
		rows = append(rows, shape{"SMUG-20", "request line " + strings.ToValidUTF8(v[:min(len(v), 24)], "?"), v + "\r\n{A}\r\n", turnedAway, ""})
	}
	return append(rows, shape{"SMUG-20", "method in small letters", "get /first HTTP/1.1\r\n{A}\r\n", one, ""})
}

// A message is what an upstream read whole.
type message struct{ method, path, body string }

// messages reads what the connections of an upstream were sent; cut counts
// those that ended within a message.
func messages(received []string) (whole []message, cut int) {
	for _, text := range received {
		reader := bufio.NewReader(strings.NewReader(text))
		for {
			if _, err := reader.Peek(1); err != nil {
				break
			}
			r, err := http.ReadRequest(reader)
			if err != nil {
				cut++
				break
			}
			body, err := io.ReadAll(r.Body)
			if err != nil {
				cut++
				break
			}
			whole = append(whole, message{r.Method, r.URL.Path, string(body)})
		}
	}
	return whole, cut
}

func TestRequestSmugglingThroughTheGateway(t *testing.T) {
	upstream := wire.Listen(t, answer)
	p := start(t, upstream.URL(), settings{})
	for _, id := range shapeIDs() {
		attack.Case(t, id, attack.Gateway, func(t *testing.T) {
			for _, s := range shapes() {
				if s.id != id {
					continue
				}
				t.Run(s.name+"/alone", func(t *testing.T) { s.tryGateway(t, p, upstream, false) })
				t.Run(s.name+"/followed", func(t *testing.T) { s.tryGateway(t, p, upstream, true) })
			}
		})
	}
}

func shapeIDs() []string {
	var ids []string
	for _, s := range shapes() {
		ids = append(ids, s.id)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// write fills the placeholders in.
func (s shape) write(key string, followed bool) string {
	text := s.text
	if followed {
		text += second
	}
	text = strings.ReplaceAll(text, "{K}", "X-API-Key: "+key+"\r\n")
	if strings.Contains(s.text, "\n") && !strings.Contains(s.text, "\r\n") {
		return strings.ReplaceAll(text, "{A}", "Host: localhost\nX-API-Key: "+key+"\n")
	}
	return strings.ReplaceAll(text, "{A}", "Host: localhost\r\nX-API-Key: "+key+"\r\n")
}

// tryGateway sends the shape and judges what the client and the upstream saw.
func (s shape) tryGateway(t *testing.T, p *program, upstream *wire.Upstream, followed bool) {
	t.Helper()
	before, cutBefore := messages(upstream.Received())
	c := wire.Dial(t, p.gateway)
	c.Send(s.write(p.key, followed))
	method, _, _ := strings.Cut(strings.TrimLeft(s.text, "\r\n"), " ")
	response, _ := c.Response(method)
	status := 0
	if response != nil {
		status = response.StatusCode
	}
	ok := status == http.StatusOK
	switch {
	case ok && (s.want == turnedAway || s.want == brokenOff), !ok && s.want == letThrough:
		t.Fatalf("status %d", status)
	case !ok && s.want != brokenOff && !slices.Contains([]int{400, 405, 414, 431, 501, 505}, status),
		!ok && s.want == brokenOff && status != 400 && status != 0:
		t.Fatalf("status %d, want an error of the client's", status)
	}
	rest := s.rest(t, c, ok, followed)
	after, cutAfter := messages(upstream.Received())
	got := less(after, before)
	var want []message
	if ok {
		want = append(want, message{method, "/first", s.body})
	}
	if strings.Contains(rest, " 200 ") {
		want = append(want, message{http.MethodGet, "/second", ""})
	}
	if !slices.Equal(got, want) {
		t.Errorf("the upstream read %q, want %q", got, want)
	}
	if !ok && strings.Contains(rest, "HTTP/1") {
		t.Errorf("after the refusal the connection went on: %q", rest)
	}
	if cutAfter > cutBefore && s.want == turnedAway {
		t.Errorf("the upstream was sent a brokenOff message")
	}
}

// rest returns what followed the first response, up to the end of the connection.
func (s shape) rest(t *testing.T, c *wire.Client, ok, followed bool) string {
	t.Helper()
	if ok && followed {
		if next, _ := c.Response(http.MethodGet); next != nil {
			return next.Proto + " " + next.Status
		}
		return ""
	}
	if ok {
		_ = c.Conn.(*net.TCPConn).CloseWrite() //nolint:errcheck,forcetypeassert // dialled as TCP
	}
	rest, closed := c.Rest()
	if !closed {
		t.Errorf("the connection stays open")
	}
	return rest
}

func TestRequestSmugglingAtTheAdminListener(t *testing.T) {
	upstream := wire.Listen(t, answer)
	p := start(t, upstream.URL(), settings{})
	for _, id := range shapeIDs() {
		attack.Case(t, id, attack.Admin, func(t *testing.T) {
			for _, s := range shapes() {
				if s.id != id {
					continue
				}
				s.text = strings.Replace(s.text, "/first", "/healthz", 1)
				t.Run(s.name+"/alone", func(t *testing.T) { s.tryAdmin(t, p.admin, false) })
				t.Run(s.name+"/followed", func(t *testing.T) { s.tryAdmin(t, p.admin, true) })
			}
		})
	}
	if got, _ := messages(upstream.Received()); len(got) > 0 {
		t.Errorf("the admin listener reached the upstream: %v", got)
	}
}

// tryAdmin sends the shape: one request never gets more than one answer.
func (s shape) tryAdmin(t *testing.T, addr string, followed bool) {
	t.Helper()
	c := wire.Dial(t, addr)
	c.Send(s.write("none", followed))
	method, _, _ := strings.Cut(strings.TrimLeft(s.text, "\r\n"), " ")
	response, _ := c.Response(method)
	if response == nil {
		return // closed without an answer
	}
	if response.StatusCode == http.StatusOK && s.want == turnedAway {
		t.Errorf("status 200")
	}
	if response.Close {
		if rest, closed := c.Rest(); rest != "" || !closed {
			t.Errorf("after the last answer came %q, closed %v", rest, closed)
		}
		return
	}
	if followed {
		if next, _ := c.Response(http.MethodGet); next != nil && next.StatusCode != http.StatusNotFound {
			t.Errorf("the second request got %d, want 404", next.StatusCode)
		}
	}
	_ = c.Conn.(*net.TCPConn).CloseWrite() //nolint:errcheck,forcetypeassert // dialled as TCP
	if rest, closed := c.Rest(); strings.Contains(rest, "HTTP/1") || !closed {
		t.Errorf("one more answer: %q, closed %v", rest, closed)
	}
}

// answer answers each whole request; HEAD without a body.
func answer(c *wire.Conn) {
	for {
		r, err := c.Request()
		if err != nil {
			return
		}
		if r.Method == http.MethodHead {
			c.Say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
			continue
		}
		c.Say(wire.OK)
	}
}
