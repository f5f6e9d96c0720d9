package interop_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	pires "github.com/pires/go-proxyproto"

	"github.com/warder-dev/warder/proxyproto"
)

// A said is a connection whose other end has said all that it will say.
type said struct {
	net.Conn
	io.Reader
}

func (s said) Read(p []byte) (int, error) { return s.Reader.Read(p) }
func (said) RemoteAddr() net.Addr         { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 4000} }

func (said) LocalAddr() net.Addr              { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 2), Port: 443} }
func (said) SetReadDeadline(time.Time) error  { return nil }
func (said) SetWriteDeadline(time.Time) error { return nil }
func (said) Close() error                     { return nil }

// only is a listener of one connection.
type only struct{ net.Conn }

func (o only) Accept() (net.Conn, error) { return o.Conn, nil }
func (o only) Addr() net.Addr            { return o.LocalAddr() }

// ourSource is the remote address that we make of text, and what is left of it.
func ourSource(tb testing.TB, text []byte) (remote string, rest []byte, err error) {
	tb.Helper()
	l, err := proxyproto.Listen(only{said{Reader: bytes.NewReader(text)}}, proxyproto.Config{Peers: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}})
	if err != nil {
		tb.Fatal(err)
	}
	c, err := l.Accept()
	if err != nil {
		tb.Fatal(err)
	}
	rest, err = io.ReadAll(c)
	return c.RemoteAddr().String(), rest, err
}

// differs tells where both are meant to differ (docs/adr/0016-proxy-protocol.md): a
// header of version 2 without a TCP address, or with more than its addresses,
// which they do not read.
func differs(text []byte) bool {
	const signature, fixed = "\r\n\r\n\x00\r\nQUIT\n", 16
	if !bytes.HasPrefix(text, []byte(signature)) || len(text) < fixed {
		return false
	}
	addresses := map[byte]uint16{0x11: 12, 0x21: 36}[text[13]]
	return text[12] != 0x21 || addresses == 0 || binary.BigEndian.Uint16(text[14:]) != addresses
}

// FuzzPROXYAsOthersDoIt: what github.com/pires/go-proxyproto reads, we read the
// same.
func FuzzPROXYAsOthersDoIt(f *testing.F) {
	const v2 = "\r\n\r\n\x00\r\nQUIT\n"
	for _, text := range []string{
		"PROXY TCP4 203.0.113.7 10.0.0.1 12345 443\r\nGET",
		"PROXY TCP6 2001:db8::7 ::ffff:10.0.0.1 0 65535\r\n",
		"PROXY UNKNOWN\r\nGET",
		"PROXY UNKNOWN a b c\r\n",
		"PROXY TCP4 203.0.113.07 10.0.0.1 12345 443\r\n",
		"PROXY TCP4 203.0.113.7 10.0.0.1 012 443\r\n",
		v2 + "\x21\x11\x00\x0c\xcb\x00\x71\x07\x0a\x00\x00\x01\x30\x39\x01\xbbGET",
		v2 + "\x21\x21\x00\x24" + "0123456789abcdef0123456789abcdef" + "\x30\x39\x01\xbb",
		v2 + "\x20\x00\x00\x00GET",
		v2 + "\x21\x13\x00\x0c\xcb\x00\x71\x07\x0a\x00\x00\x01\x30\x39\x01\xbb",
		"PROXY TCP6 fe80::1%eth0 2001:db8::1 1 2\r\n",
		"PROXY TCP6 203.0.113.7 2001:db8::1 1 2\r\n",
		"PROXY TCP6 :: :: 1 2\r\n",
		"PROXY TCP4 0.0.0.0 255.255.255.255 0 00\r\n",
		"PROXY TCP4 203.0.113.7 10.0.0.1 +1 443\r\n",
		"PROXY TCP4 203.0.113.7 10.0.0.1 65536 443\r\n",
		"PROXY TCP4 203.0.113.7 10.0.0.1 12345 443 \r\n",
		"PROXY \r\n", "PROXY\r\n", "PROXY UNKNOWN\n", "PROXY UNKNOWN \r\n", "PROXY UNKNOWNX\r\n", "PROXY TCP4\r\n",
		"PROXY UNKNOWN \r \r\n",
		"GET / HTTP/1.1\r\n",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if differs(text) {
			return
		}
		remote, rest, err := ourSource(t, text)
		reader := bufio.NewReader(bytes.NewReader(text))
		header, theirErr := pires.Read(reader)
		if (err == nil) != (theirErr == nil) {
			t.Fatalf("%q: %v, theirs %v", text, err, theirErr)
		}
		if err != nil {
			return
		}
		theirRest, _ := io.ReadAll(reader) // from memory
		if !bytes.Equal(rest, theirRest) {
			t.Errorf("%q: left %q, theirs %q", text, rest, theirRest)
		}
		want := said{}.RemoteAddr().String()
		if from, ok := header.SourceAddr.(*net.TCPAddr); ok && header.Command != pires.LOCAL {
			want = from.String()
		}
		if remote != want {
			t.Errorf("%q: from %s, theirs %s", text, remote, want)
		}
	})
}
