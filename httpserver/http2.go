package httpserver

import (
	"crypto/tls"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/warder-dev/warder/problem"
)

// What an HTTP/2 connection may hold, beside the head of each stream.
const (
	defaultStreams = 100      // RFC 9113, section 6.5.2 recommends no fewer
	maxStreams     = 1000     // that may be configured
	frameSize      = 16 << 10 // bytes: the least that the protocol allows, and what clients send
	connWindow     = 1 << 20  // bytes of bodies that no handler has read yet
	headerTable    = 4 << 10  // bytes: the protocol's own default

	pingAfter   = 30 * time.Second // of silence
	pingTimeout = 15 * time.Second
)

// http2Limits are those of one connection. write is how long it may take nothing
// although something is to be sent, whatever its streams do.
func http2Limits(streams int, write time.Duration) *http.HTTP2Config {
	return &http.HTTP2Config{
		MaxConcurrentStreams:          streams,
		MaxReadFrameSize:              frameSize,
		MaxReceiveBufferPerConnection: connWindow,
		MaxReceiveBufferPerStream:     connWindow,
		MaxDecoderHeaderTableSize:     headerTable,
		MaxEncoderHeaderTableSize:     headerTable,
		SendPingTimeout:               pingAfter,
		PingTimeout:                   pingTimeout,
		WriteByteTimeout:              write,
	}
}

// protocols are the versions that are spoken: HTTP/2 over TLS always, in the
// clear when it was asked for.
func protocols(cleartext bool) *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP1(true)
	p.SetHTTP2(true)
	p.SetUnencryptedHTTP2(cleartext)
	return p
}

// acmeProtocol is what a certificate authority negotiates to see a challenge's
// certificate. Nobody says anything more on such a connection (RFC 8737, section
// 3), so that a request on it is no request: the handshake may have asked for no
// client certificate.
const acmeProtocol = "acme-tls/1"

func closeChallenge(_ *http.Server, c *tls.Conn, _ http.Handler) { _ = c.Close() }

// wellFormed checks what net/http checks of HTTP/1.1 and hands to a handler
// unchecked in later versions. It reports false for a request that is malformed
// (RFC 9113, sections 8.1.1, 8.2 and 8.3.1):
//
//   - fields Host that are several or differ from :authority, which every other
//     reader of the request would believe instead
//   - a Content-Length that is repeated, no number, or not the length of a body
//     that has ended already; of a longer one net/http watches the length itself
//
// What is left has the form of HTTP/1.1: a Host that says the same as :authority
// is removed, and a body that is empty is none.
func wellFormed(r *http.Request) bool {
	if hosts, ok := r.Header["Host"]; ok {
		if len(hosts) != 1 || !strings.EqualFold(hosts[0], r.Host) {
			return false
		}
		delete(r.Header, "Host")
	}
	if lengths, ok := r.Header["Content-Length"]; ok && (len(lengths) != 1 || !lengthIs(lengths[0], r.ContentLength)) {
		return false
	}
	if r.ContentLength == 0 {
		r.Body = http.NoBody
	}
	return true
}

// lengthIs reports whether text is the number n (RFC 9110, section 8.6).
func lengthIs(text string, n int64) bool {
	if text == "" || strings.Trim(text, "0123456789") != "" {
		return false
	}
	got, err := strconv.ParseInt(text, 10, 64)
	return err == nil && got == n
}

// malformed is the answer to a request that is none.
func malformed() *problem.Problem {
	return problem.New(problem.MalformedRequest, "Send the host in :authority, and in no field that differs, and one Content-Length that is the body's, or none.")
}
