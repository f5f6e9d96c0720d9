package proxyproto_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/proxyproto"
)

const signature = "\r\n\r\n\x00\r\nQUIT\n"

// v2 is a header of version 2.
func v2(command, family byte, payload string) string {
	b := append([]byte(signature), 2<<4|command, family)
	return string(binary.BigEndian.AppendUint16(b, uint16(len(payload)))) + payload
}

// tlv is an extension of version 2.
func tlv(kind byte, value string) string {
	return string(binary.BigEndian.AppendUint16([]byte{kind}, uint16(len(value)))) + value
}

// summed is v2 with the right checksum, between other extensions.
func summed(command, family byte, payload string) string {
	const zero = "\x00\x00\x00\x00"
	before, after := payload+tlv(4, "pad"), tlv(2, "api.example.com")
	text := v2(command, family, before+tlv(3, zero)+after)
	sum := crc32.Checksum([]byte(text), crc32.MakeTable(crc32.Castagnoli))
	return v2(command, family, before+tlv(3, string(binary.BigEndian.AppendUint32(nil, sum)))+after)
}

const (
	ends4  = "\xcb\x00\x71\x07\x0a\x00\x00\x01\x30\x39\x01\xbb"                                                                                                           // 203.0.113.7:12345 to 10.0.0.1:443
	ends6  = "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07" + "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01" + "\x30\x39\x01\xbb" // [2001:db8::7]:12345
	ends46 = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xcb\x00\x71\x07" + "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01" + "\x30\x39\x01\xbb"
)

// A headerCase is how a connection begins.
type headerCase struct {
	name, sent string
	remote     string // "" when it is refused
}

const peer = "192.0.2.1:4000"

func headerCases() []headerCase {
	unix := strings.Repeat("/run/a.sock", 19)[:108] + strings.Repeat("\x00", 108)
	return []headerCase{
		{"v1", "PROXY TCP4 203.0.113.7 10.0.0.1 12345 443\r\n", "203.0.113.7:12345"},
		{"v1, IPv6", "PROXY TCP6 2001:db8::7 2001:db8::1 12345 443\r\n", "[2001:db8::7]:12345"},
		{"v1, IPv4 in IPv6", "PROXY TCP6 ::ffff:203.0.113.7 2001:db8::1 12345 443\r\n", "203.0.113.7:12345"},
		{"v1, the longest", "PROXY TCP6 2001:0db8:0000:0000:0000:0000:0000:0007 2001:0db8:0000:0000:0000:0000:0000:0001 65535 65535\r\n", "[2001:db8::7]:65535"},
		{"v1, unknown", "PROXY UNKNOWN\r\n", peer},
		{"v1, unknown, with what must be ignored", "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n", peer},
		{"v2", v2(1, 0x11, ends4), "203.0.113.7:12345"},
		{"v2, IPv6", v2(1, 0x21, ends6), "[2001:db8::7]:12345"},
		{"v2, IPv4 in IPv6", v2(1, 0x21, ends46), "203.0.113.7:12345"},
		{"v2, extensions", v2(1, 0x11, ends4+tlv(1, "h2")+tlv(4, "")+tlv(0xea, strings.Repeat("x", 3000))), "203.0.113.7:12345"},
		{"v2, the longest", v2(1, 0x11, ends4+tlv(4, strings.Repeat("x", 4<<10-12-3))), "203.0.113.7:12345"},
		{"v2, checksum", summed(1, 0x11, ends4), "203.0.113.7:12345"},
		{"v2, checksum, IPv6", summed(1, 0x21, ends6), "[2001:db8::7]:12345"},
		{"v2, local", v2(0, 0, ""), peer},
		{"v2, local, with addresses and garbage that must be ignored", v2(0, 0x11, ends4+"\x03\xff"), peer},
		{"v2, unspecified", v2(1, 0, ""), peer},
		{"v2, unspecified, checksum", summed(1, 0, ""), peer},
		{"v2, Unix", v2(1, 0x31, unix), peer},

		{"HTTP", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", ""},
		{"TLS", "\x16\x03\x01\x01\x00\x01\x00\x00\xfc\x03\x03", ""},
		{"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", ""},
		{"a longer word", "PROXYX TCP4 203.0.113.7 10.0.0.1 12345 443\r\n", ""},
		{"lower case", "proxy TCP4 203.0.113.7 10.0.0.1 12345 443\r\n", ""},
		{"a blank in front", " PROXY TCP4 203.0.113.7 10.0.0.1 12345 443\r\n", ""},
		{"v1, no family", "PROXY \r\n", ""},
		{"v1, unknown family", "PROXY UDP4 203.0.113.7 10.0.0.1 12345 443\r\n", ""},
		{"v1, line feed alone", "PROXY TCP4 203.0.113.7 10.0.0.1 12345 443\n", ""},
		{"v1, two blanks", "PROXY TCP4  203.0.113.7 10.0.0.1 12345 443\r\n", ""},
		{"v1, a blank at the end", "PROXY TCP4 203.0.113.7 10.0.0.1 12345 443 \r\n", ""},
		{"v1, a field too few", "PROXY TCP4 203.0.113.7 10.0.0.1 12345\r\n", ""},
		{"v1, a field too many", "PROXY TCP4 203.0.113.7 10.0.0.1 12345 443 1\r\n", ""},
		{"v1, the other family", "PROXY TCP4 2001:db8::7 2001:db8::1 12345 443\r\n", ""},
		{"v1, the other family of one end", "PROXY TCP6 2001:db8::7 10.0.0.1 12345 443\r\n", ""},
		{"v1, zone", "PROXY TCP6 fe80::1%eth0 2001:db8::1 12345 443\r\n", ""},
		{"v1, leading zeros", "PROXY TCP4 203.0.113.007 10.0.0.1 12345 443\r\n", ""},
		{"v1, three numbers", "PROXY TCP4 203.0.113 10.0.0.1 12345 443\r\n", ""},
		{"v1, a name", "PROXY TCP4 localhost 10.0.0.1 12345 443\r\n", ""},
		{"v1, port beyond", "PROXY TCP4 203.0.113.7 10.0.0.1 65536 443\r\n", ""},
		{"v1, port with a sign", "PROXY TCP4 203.0.113.7 10.0.0.1 +1 443\r\n", ""},
		{"v1, port with a zero in front", "PROXY TCP4 203.0.113.7 10.0.0.1 012 443\r\n", ""},
		{"v1, no end", "PROXY UNKNOWN " + strings.Repeat("x", 300), ""},
		{"v1, an end one byte too late", "PROXY UNKNOWN " + strings.Repeat("x", 107-14-1) + "\r\n", ""},
		{"v1, cut", "PROXY TCP4 203.0.113.7 10.0", ""},
		{"v2, version 1", signature + "\x11\x11\x00\x0c" + ends4, ""},
		{"v2, version 3", signature + "\x31\x11\x00\x0c" + ends4, ""},
		{"v2, unknown command", v2(2, 0x11, ends4), ""},
		{"v2, unknown transport", v2(1, 0x13, ends4), ""},
		{"v2, unknown family", v2(1, 0x41, ends4), ""},
		{"v2, datagrams", v2(1, 0x12, ends4), ""},
		{"v2, short addresses", v2(1, 0x11, ends4[:11]), ""},
		{"v2, short addresses, IPv6", v2(1, 0x21, ends4), ""},
		{"v2, short addresses, Unix", v2(1, 0x31, unix[:215]), ""},
		{"v2, an extension beyond the end", v2(1, 0x11, ends4+"\x04\x00\x02x"), ""},
		{"v2, an extension far beyond the end", v2(1, 0x11, ends4+"\x04\xff\xffx"), ""},
		{"v2, an extension without a length", v2(1, 0x11, ends4+"\x04\x00"), ""},
		{"v2, wrong checksum", v2(1, 0x11, ends4+tlv(3, "abcd")), ""},
		{"v2, another address under the checksum", strings.Replace(summed(1, 0x11, ends4), "\xcb", "\xcc", 1), ""},
		{"v2, a short checksum", v2(1, 0x11, ends4+tlv(3, "abc")), ""},
		{"v2, two checksums", v2(1, 0x11, ends4+tlv(3, "abcd")+tlv(3, "abcd")), ""},
		{"v2, too long", v2(1, 0x11, ends4+tlv(4, strings.Repeat("x", 4<<10-12-2))), ""},
		{"v2, far too long, and not sent", signature + "\x21\x11\xff\xff" + ends4, ""},
		{"v2, local, too long", v2(0, 0, strings.Repeat("x", 4<<10+1)), ""},
		{"v2, cut within the signature", signature[:7], ""},
		{"v2, cut within the addresses", v2(1, 0x11, ends4)[:20], ""},
		{"v2, another byte in the signature", strings.Replace(v2(1, 0x11, ends4), "QUIT", "QUIt", 1), ""},
	}
}

// A fake is a connection whose other end has said all that it will say.
type fake struct {
	net.Conn // nil: what is not below is not expected
	read     io.Reader
	taken    int // bytes
	written  bytes.Buffer
	remote   net.Addr
	closed   bool
}

func (f *fake) Read(p []byte) (int, error) {
	if f.closed {
		return 0, net.ErrClosed
	}
	n, err := f.read.Read(p)
	f.taken += n
	return n, err
}
func (f *fake) Write(p []byte) (int, error)      { return f.written.Write(p) }
func (f *fake) RemoteAddr() net.Addr             { return f.remote }
func (f *fake) LocalAddr() net.Addr              { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 2), Port: 443} }
func (f *fake) SetReadDeadline(time.Time) error  { return nil }
func (f *fake) SetWriteDeadline(time.Time) error { return nil }
func (f *fake) Close() error                     { f.closed = true; return nil }

// A queue is a listener of connections that are there already.
type queue chan net.Conn

func (q queue) Accept() (net.Conn, error) {
	if c, ok := <-q; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}
func (q queue) Close() error   { close(q); return nil }
func (q queue) Addr() net.Addr { return &net.TCPAddr{} }

func tcp(text string) net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(text)) }

func listen(tb testing.TB, l net.Listener, cfg proxyproto.Config) *proxyproto.Listener {
	tb.Helper()
	if cfg.Peers == nil {
		cfg.Peers = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	}
	w, err := proxyproto.Listen(l, cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return w
}

// accept returns what a Listener makes of c, and the Listener.
func accept(tb testing.TB, c net.Conn, cfg proxyproto.Config) (net.Conn, *proxyproto.Listener) {
	tb.Helper()
	q := make(queue, 1)
	q <- c
	l := listen(tb, q, cfg)
	got, err := l.Accept()
	if err != nil {
		tb.Fatal(err)
	}
	return got, l
}

func TestHeaders(t *testing.T) {
	attack.Case(t, "TLS-15", attack.Library, func(t *testing.T) {
		const request = "GET / HTTP/1.1\r\n\r\n"
		for _, tt := range headerCases() {
			for how, split := range map[string]func(io.Reader) io.Reader{
				"at once":      func(r io.Reader) io.Reader { return r },
				"byte by byte": iotest.OneByteReader,
			} {
				behind := ""
				if tt.remote != "" {
					behind = request
				}
				f := &fake{read: split(strings.NewReader(tt.sent + behind)), remote: tcp(peer)}
				c, l := accept(t, f, proxyproto.Config{})
				remote := c.RemoteAddr().String()
				if tt.remote == "" {
					_, readErr := c.Read(make([]byte, 1))
					_, writeErr := c.Write([]byte("x"))
					var op *net.OpError
					if remote != peer || !errors.As(readErr, &op) || op.Op != "read" || writeErr == nil || f.written.Len() > 0 || !f.closed || l.Refused() != 1 {
						t.Errorf("%s, %s: remote %s, read %v, write %v, closed %v, %d refused; want the peer's, errors, a close, 1",
							tt.name, how, remote, readErr, writeErr, f.closed, l.Refused())
					}
					if f.taken > 16+4<<10 {
						t.Errorf("%s, %s: %d bytes were read", tt.name, how, f.taken)
					}
					continue
				}
				rest, err := io.ReadAll(c)
				if remote != tt.remote || string(rest) != request || err != nil || f.closed || l.Refused() != 0 {
					t.Errorf("%s, %s: remote %s, rest %q, %v, closed %v; want %s and the request", tt.name, how, remote, rest, err, f.closed, tt.remote)
				}
			}
		}
	})
}

func TestPeers(t *testing.T) {
	networks := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/25"), netip.MustParsePrefix("::ffff:198.51.100.0/120"), netip.MustParsePrefix("2001:db8::/64")}
	for remote, listed := range map[net.Addr]bool{
		tcp("192.0.2.1:1"):                true,
		tcp("[::ffff:192.0.2.1]:1"):       true,
		tcp("192.0.2.128:1"):              false,
		tcp("198.51.100.9:1"):             true,
		tcp("198.51.101.9:1"):             false,
		tcp("[2001:db8::9]:1"):            true,
		tcp("[2001:db8:0:1::9]:1"):        false,
		tcp("[2001:db8::9%lan]:1"):        true,
		&net.UnixAddr{Name: "@"}:          false,
		&net.IPAddr{IP: net.IPv6loopback}: false,
	} {
		f := &fake{read: strings.NewReader("PROXY TCP4 203.0.113.7 10.0.0.1 12345 443\r\n"), remote: remote}
		c, l := accept(t, f, proxyproto.Config{Peers: networks})
		if untouched := c == net.Conn(f); untouched == listed {
			t.Errorf("%v: untouched %v, listed %v", remote, untouched, listed)
		}
		if got := c.RemoteAddr().String() == "203.0.113.7:12345"; got != listed {
			t.Errorf("%v is believed: %v, want %v", remote, got, listed)
		}
		if l.Refused() != 0 {
			t.Errorf("%v: %d refused", remote, l.Refused())
		}
	}
}

func TestListenReportsEveryError(t *testing.T) {
	_, err := proxyproto.Listen(nil, proxyproto.Config{Timeout: time.Hour, Peers: []netip.Prefix{
		{}, netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("128.0.0.0/1"), netip.MustParsePrefix("::/0"), netip.MustParsePrefix("10.0.0.1/8"),
	}})
	for _, want := range []string{
		"listener is missing", "network that is none", "0.0.0.0/0, which is nearly everybody", "128.0.0.0/1, which", "::/0, which",
		"10.0.0.1/8: write the network, 10.0.0.0/8", "Timeout is 1h0m0s",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error = %v, want %q in it", err, want)
		}
	}
	if _, err := proxyproto.Listen(make(queue), proxyproto.Config{}); err == nil || !strings.Contains(err.Error(), "Peers are missing") {
		t.Errorf("error = %v for no peers", err)
	}
}

// TestAProbeIsNoAttack: balancers connect and close to see that somebody listens.
func TestAProbeIsNoAttack(t *testing.T) {
	var log bytes.Buffer
	c, l := accept(t, &fake{read: strings.NewReader(""), remote: tcp(peer)}, proxyproto.Config{Log: slog.New(slog.NewTextHandler(&log, nil))})
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) || l.Refused() != 0 || log.Len() != 0 {
		t.Errorf("error %v, %d refused, log %q", err, l.Refused(), log.String())
	}
}

func TestARefusalIsTold(t *testing.T) {
	var log bytes.Buffer
	c, _ := accept(t, &fake{read: strings.NewReader("GET /?key=canary HTTP/1.1\r\n"), remote: tcp(peer)},
		proxyproto.Config{Log: slog.New(slog.NewTextHandler(&log, nil))})
	_, err := c.Read(make([]byte, 1))
	if text := log.String(); !strings.Contains(text, peer) || !strings.Contains(text, "does not begin with a PROXY header") || strings.Contains(text+err.Error(), "canary") {
		t.Errorf("log %q, error %v", text, err)
	}
}

// piped is the listening side of a connection without a network, from a peer that
// is listed.
type piped struct{ net.Conn }

func (piped) RemoteAddr() net.Addr { return tcp(peer) }

func TestSlowPeers(t *testing.T) {
	attack.Case(t, "TLS-15", attack.Library, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			q := make(queue, 3)
			l := listen(t, q, proxyproto.Config{})
			silent, silentServer := net.Pipe()
			dripping, drippingServer := net.Pipe()
			good, goodServer := net.Pipe()
			for _, c := range []net.Conn{silentServer, drippingServer, goodServer} {
				q <- piped{c}
			}
			began := time.Now()
			ended := make([]time.Duration, 3)
			var all sync.WaitGroup
			for i := range 3 {
				c, err := l.Accept() // although nobody has said a byte
				if err != nil {
					t.Fatal(err)
				}
				all.Go(func() {
					if _, err := c.Read(make([]byte, 1)); err == nil {
						_ = c.Close() // that was the good one
					} else if !errors.Is(err, os.ErrDeadlineExceeded) {
						t.Errorf("connection %d: %v, want a time-out", i, err)
					}
					ended[i] = time.Since(began)
				})
			}
			if time.Since(began) != 0 {
				t.Errorf("accepting took %v", time.Since(began))
			}
			all.Go(func() {
				for _, b := range []byte("PROXY TCP4 203.0.113.7 10.0.0.1 12345 443\r\n") {
					if _, err := dripping.Write([]byte{b}); err != nil {
						return
					}
					<-time.After(time.Second)
				}
			})
			if _, err := good.Write([]byte("PROXY UNKNOWN\r\nx")); err != nil {
				t.Error(err)
			}
			all.Wait()
			if ended[0] != 5*time.Second || ended[1] != 5*time.Second || ended[2] != 0 || l.Refused() != 2 {
				t.Errorf("ended after %v, %d refused; want 5 s, 5 s, at once, and 2", ended, l.Refused())
			}
			_, _ = silent.Close(), dripping.Close()
		})
	})
}

func TestDeadlinesOfTheUser(t *testing.T) {
	for name, tt := range map[string]struct {
		set  time.Duration // from the start; 0: none
		sent string        // the header, or a part of it
		want time.Duration // until the read fails
	}{
		"an earlier one bounds the header":    {time.Second, "PROXY ", time.Second},
		"a later one does not":                {time.Minute, "PROXY ", 5 * time.Second},
		"it holds when the header was read":   {time.Minute, "PROXY UNKNOWN\r\n", time.Minute},
		"and that of the header does not":     {20 * time.Second, "PROXY UNKNOWN\r\n", 20 * time.Second},
		"none bounds the header all the same": {0, "PROXY ", 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := net.Pipe()
				c, _ := accept(t, piped{server}, proxyproto.Config{})
				began := time.Now()
				if tt.set > 0 {
					if err := c.SetDeadline(began.Add(tt.set)); err != nil {
						t.Fatal(err)
					}
				}
				go func() { _, _ = io.WriteString(client, tt.sent) }()
				_, err := c.Read(make([]byte, 1))
				if took := time.Since(began); !errors.Is(err, os.ErrDeadlineExceeded) || took != tt.want {
					t.Errorf("%v after %v, want a time-out after %v", err, took, tt.want)
				}
				_, _ = client.Close(), c.Close()
			})
		})
	}
}

// TestCopying uses the connection as a proxy of upgraded connections does.
func TestCopying(t *testing.T) {
	socket, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := listen(t, socket, proxyproto.Config{Peers: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	t.Cleanup(func() { _ = l.Close() })
	client, err := new(net.Dialer).DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if _, err := io.WriteString(client, summed(1, 0x11, ends4)+"hello"); err != nil {
		t.Fatal(err)
	}
	if half, ok := client.(*net.TCPConn); !ok || half.CloseWrite() != nil {
		t.Fatal("the client's half does not close")
	}
	var got bytes.Buffer
	if n, err := io.Copy(&got, c); err != nil || n != 5 || got.String() != "hello" {
		t.Errorf("read %d, %q, %v", n, got.String(), err)
	}
	if n, err := io.Copy(c, strings.NewReader("bye")); err != nil || n != 3 {
		t.Errorf("wrote %d, %v", n, err)
	}
	half, ok := c.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		t.Error("our half does not close alone")
	}
	if back, err := io.ReadAll(client); err != nil || string(back) != "bye" {
		t.Errorf("the client read %q, %v", back, err)
	}
	if got := c.RemoteAddr().String(); got != "203.0.113.7:12345" {
		t.Errorf("remote = %s", got)
	}
}

// FuzzHeader: what is refused gives no byte and takes no more than the bound; what
// is accepted gives every byte behind the header, and a source that the header
// has.
func FuzzHeader(f *testing.F) {
	for _, tt := range headerCases() {
		f.Add([]byte(tt.sent))
		f.Add([]byte(tt.sent + "rest"))
	}
	f.Fuzz(func(t *testing.T, sent []byte) {
		wire := &fake{read: bytes.NewReader(sent), remote: tcp(peer)}
		c, l := accept(t, wire, proxyproto.Config{})
		remote := c.RemoteAddr().String()
		rest, err := io.ReadAll(c)
		slowly := &fake{read: iotest.OneByteReader(bytes.NewReader(sent)), remote: tcp(peer)}
		again, _ := accept(t, slowly, proxyproto.Config{})
		if r, e := io.ReadAll(again); again.RemoteAddr().String() != remote || !bytes.Equal(r, rest) || (e == nil) != (err == nil) {
			t.Errorf("%q: %s, %q, %v; byte by byte %s, %q, %v", sent, remote, rest, err, again.RemoteAddr(), r, e)
		}
		if err != nil {
			if len(rest) > 0 || remote != peer || !wire.closed || wire.taken > 16+4<<10 || len(sent) > 0 != (l.Refused() == 1) {
				t.Errorf("%q: refused with %v, but %q, %s, closed %v, %d bytes taken, %d refused", sent, err, rest, remote, wire.closed, wire.taken, l.Refused())
			}
			return
		}
		header, ok := bytes.CutSuffix(sent, rest)
		if !ok || len(header) < 15 || len(header) > 16+4<<10 {
			t.Fatalf("%q: the rest is %q", sent, rest)
		}
		source := netip.MustParseAddrPort(remote)
		if bytes.HasPrefix(header, []byte("PROXY ")) {
			named := false
			for word := range strings.FieldsSeq(string(header)) {
				a, err := netip.ParseAddr(word)
				named = named || err == nil && a.Unmap() == source.Addr()
			}
			if remote != peer && !named || !bytes.HasSuffix(header, []byte("\r\n")) || len(header) > 107 {
				t.Errorf("%q: the source is %s", header, remote)
			}
			return
		}
		if a := source.Addr().As16(); remote != peer && !bytes.Contains(header[16:], a[12:]) || len(header) != 16+int(binary.BigEndian.Uint16(header[14:])) {
			t.Errorf("%q: the source is %s", header, remote)
		}
	})
}
