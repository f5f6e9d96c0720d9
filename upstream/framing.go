package upstream

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"
)

// errTwoLengths means that a response says twice how long it is: by
// Content-Length and by Transfer-Encoding. Readers of it differ, which splits
// responses; [http.Transport] believes the second and forgets the first (RFC
// 9112, section 6.3).
var errTwoLengths = errors.New("upstream: a response has both Content-Length and Transfer-Encoding")

// framing watches the heads of responses go by. It keeps only the beginning of a
// line.
type framing struct {
	mu     sync.Mutex
	now    head
	beyond bool // the last head is over
	broken bool
	long   int // bytes of the line so far
	line   [len("Transfer-Encoding :")]byte
}

// head is what is known of a head that is being read.
type head struct {
	begun   bool // the status line was read
	interim bool // another head follows (RFC 9110, section 15.2)
	length  bool // it has a Content-Length
	coding  bool // it has a Transfer-Encoding
}

// restart expects another response.
func (f *framing) restart() {
	f.mu.Lock()
	f.now, f.beyond, f.long = head{}, false, 0
	f.mu.Unlock()
}

// failed tells whether there is nothing more to be read. Whoever parses a head may
// miss an error that comes with its last bytes, and asks again.
func (f *framing) failed() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.broken {
		return errTwoLengths
	}
	return nil
}

// read passes on what came, n bytes of p: with an error, from the line on that
// contradicts another one.
func (f *framing) read(p []byte, n int, err error) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for at := 0; at < n && !f.beyond; {
		end := bytes.IndexByte(p[at:n], '\n')
		if end < 0 {
			f.keep(p[at:n])
			break
		}
		f.keep(p[at : at+end])
		if f.ended(); f.broken {
			return at, errTwoLengths
		}
		at += end + 1
	}
	return n, err
}

// keep adds to the line.
func (f *framing) keep(part []byte) {
	if f.long < len(f.line) {
		copy(f.line[f.long:], part)
	}
	f.long += len(part)
}

// ended judges the line.
func (f *framing) ended() {
	line := f.line[:min(f.long, len(f.line))]
	f.long = 0
	switch {
	case len(line) == 0 || len(line) == 1 && line[0] == '\r':
		f.beyond = f.now.begun && !f.now.interim
		f.now = head{}
	case !f.now.begun:
		_, status, _ := bytes.Cut(line, []byte(" "))
		f.now.begun = true
		f.now.interim = bytes.HasPrefix(status, []byte("1")) && !bytes.HasPrefix(status, []byte("101"))
	default:
		name, _, found := bytes.Cut(line, []byte(":"))
		name = bytes.TrimRight(name, " \t")
		f.now.length = f.now.length || found && strings.EqualFold(string(name), "Content-Length")
		f.now.coding = f.now.coding || found && strings.EqualFold(string(name), "Transfer-Encoding")
		f.broken = f.now.length && f.now.coding
	}
}

// A secureConn is HTTP/1.1 over TLS, beneath which are no heads to be seen.
type secureConn struct {
	*tls.Conn
	framing *framing
}

func (c *secureConn) Read(p []byte) (int, error) {
	if err := c.framing.failed(); err != nil {
		return 0, err
	}
	n, err := c.Conn.Read(p)
	return c.framing.read(p, n, err)
}

// guardedTLS is guardedDial and the handshake. What speaks HTTP/2 is a [tls.Conn],
// as the transport wants it.
func guardedTLS(dial dialFunc, cfg *tls.Config, timeout time.Duration) dialFunc {
	cfg = cfg.Clone()
	cfg.NextProtos = []string{"h2", "http/1.1"}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		raw, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		own := cfg
		if own.ServerName == "" {
			own = cfg.Clone()
			if own.ServerName, _, err = net.SplitHostPort(addr); err != nil {
				return nil, errors.Join(fmt.Errorf("upstream: %w", err), raw.Close())
			}
		}
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		conn := tls.Client(raw, own)
		if err := conn.HandshakeContext(ctx); err != nil {
			_ = raw.Close() // it failed already
			return nil, err
		}
		if conn.ConnectionState().NegotiatedProtocol == "h2" {
			return conn, nil
		}
		g, ok := raw.(*guardedConn)
		if !ok {
			return conn, nil
		}
		return &secureConn{conn, &g.framing}, nil
	}
}
