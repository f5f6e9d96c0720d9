package wire

// An HTTP2Shape is a request in frames, of which some contradict what HTTP/1.1
// can say, or themselves (RFC 9113, sections 8.2 and 8.3).
type HTTP2Shape struct {
	Name   string
	Body   string
	Fields []string
	Sent   string // what the text of the upstream's request must hold; "" for a refusal
}

// HTTP2Shapes are for a server that forwards every GET and POST of localhost.
func HTTP2Shapes() []HTTP2Shape {
	return []HTTP2Shape{
		{"plain", "", Getting(), "GET / HTTP/1.1\r\n"},
		{"a body with its length", "abc", Getting(":method", "POST", "content-length", "3"), "Content-Length: 3\r\n"},
		{"a body without a length", "abc", Getting(":method", "POST"), "Transfer-Encoding: chunked\r\n"},
		{"no body with its length", "", Getting(":method", "POST", "content-length", "0"), "Content-Length: 0\r\n"},
		{"a host that is the authority's", "", Getting("host", "LOCALHOST"), "GET / HTTP/1.1\r\n"},
		{"a scheme that is not the connection's: the connection counts", "", Getting(":scheme", "http"), "X-Forwarded-Proto: https\r\n"},
		{"crumbled cookies are joined", "", Getting("cookie", "a=1", "cookie", "b=2"), "Cookie: a=1; b=2\r\n"},

		{"blank in the path", "", Getting(":path", "/a b"), ""},
		{"a second line in the path", "", Getting(":path", "/a HTTP/1.1\r\nX-Owner: root\r\n\r\n"), ""},
		{"hash in the path", "", Getting(":path", "/a#b"), ""},
		{"absolute form", "", Getting(":path", "https://localhost/a"), ""},
		{"absolute form of another host", "", Getting(":path", "http://evil.example/a"), ""},
		{"a path without a slash", "", Getting(":path", "a"), ""},
		{"no path", "", Getting(":path", ""), ""},
		{"star", "", Getting(":path", "*"), ""},
		{"blank in the method", "", Getting(":method", "GET /x"), ""},
		{"a second line in the method", "", Getting(":method", "GET / HTTP/1.1\r\nA: b\r\n\r\nGET"), ""},
		{"no method", "", Getting(":method", ""), ""},
		{"method twice", "", append([]string{":method", "POST"}, Getting()...), ""},
		{"CONNECT", "", []string{":method", "CONNECT", ":authority", "localhost:443"}, ""},
		{"extended CONNECT", "", Getting(":method", "CONNECT", ":protocol", "websocket"), ""},
		{"blank in the authority", "", Getting(":authority", "local host"), ""},
		{"comma in the authority", "", Getting(":authority", "localhost,evil.example"), ""},
		{"user in the authority", "", Getting(":authority", "evil@localhost"), ""},
		{"path in the authority", "", Getting(":authority", "localhost/a"), ""},
		{"a second line in the authority", "", Getting(":authority", "localhost\r\nX-Owner: root"), ""},
		{"a host that differs", "", Getting("host", "evil.example"), ""},
		{"a host that differs by its port", "", Getting("host", "localhost:8443"), ""},
		{"host twice", "", Getting("host", "localhost", "host", "localhost"), ""},
		{"host twice, one of them good", "", Getting("host", "localhost", "host", "evil.example"), ""},
		{"hosts and no authority", "", []string{":method", "GET", ":scheme", "https", ":path", "/", "host", "localhost", "host", "evil.example"}, ""},
		{"an empty host", "", Getting("host", ""), ""},
		{"neither host nor authority", "", []string{":method", "GET", ":scheme", "https", ":path", "/"}, ""},
		{"unknown scheme", "", Getting(":scheme", "ftp"), ""},
		{"a length and no body", "", Getting(":method", "POST", "content-length", "5"), ""},
		{"a length that is too long", "abc", Getting(":method", "POST", "content-length", "5"), ""},
		{"a length that is too short", "abc", Getting(":method", "POST", "content-length", "2"), ""},
		{"lengths that differ", "abc", Getting(":method", "POST", "content-length", "3", "content-length", "4"), ""},
		{"lengths that are equal", "abc", Getting(":method", "POST", "content-length", "3", "content-length", "3"), ""},
		{"a signed length", "abc", Getting(":method", "POST", "content-length", "+3"), ""},
		{"a list of lengths", "abc", Getting(":method", "POST", "content-length", "3, 3"), ""},
		{"an empty length", "", Getting("content-length", ""), ""},
		{"an upper-case name", "", Getting("X-Owner", "root"), ""},
		{"a name with a colon", "", Getting(":x", "1"), ""},
		{"a name with a blank", "", Getting("a b", "1"), ""},
		{"a name with a line break", "", Getting("a\r\nb", "1"), ""},
		{"a value with a line break", "", Getting("a", "1\r\nX-Owner: root"), ""},
		{"a value with NUL", "", Getting("a", "\x00"), ""},
		{"transfer-encoding", "abc", Getting(":method", "POST", "transfer-encoding", "chunked"), ""},
		{"connection", "", Getting("connection", "x-owner"), ""},
		{"upgrade", "", Getting("upgrade", "websocket"), ""},
		{"keep-alive", "", Getting("keep-alive", "1"), ""},
		{"te", "", Getting("te", "gzip"), ""},
		{"a pseudo field behind others", "", append([]string{"a", "b"}, Getting()...), ""},
	}
}
