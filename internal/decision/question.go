package decision

import (
	"cmp"
	"context"
	"crypto/tls"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// A Question is the request that a proxy holds, from a protocol that has a place
// of its own for each part.
type Question struct {
	Method string
	Target string // origin-form or asterisk-form (RFC 9112, section 3.2)
	Scheme string
	Host   string
	Client netip.Addr  // whom the proxy itself talks to
	Header http.Header // the client's, by canonical name; the Question keeps it
}

// Request makes the request that is judged. Whatever is missing or unreadable is
// an error, which names the part and nothing of what is in it.
func (q *Question) Request(ctx context.Context) (*http.Request, error) {
	var wrong complaint
	for _, part := range []struct{ name, value string }{{"method", q.Method}, {"path", q.Target}, {"scheme", q.Scheme}, {"host", q.Host}} {
		if part.value == "" {
			wrong.missing = append(wrong.missing, part.name)
		}
	}
	if err := wrong.err(); err != nil {
		return nil, err
	}
	if q.Scheme != "http" && q.Scheme != "https" {
		wrong.unreadable = append(wrong.unreadable, "scheme")
	}
	if !q.Client.IsValid() {
		wrong.unreadable = append(wrong.unreadable, "source address")
	}
	target, err := parseTarget(q.Target)
	if err != nil || strings.Contains(q.Target, "#") { // no target has a fragment: who splits it off asks about another
		wrong.unreadable = append(wrong.unreadable, "path")
	}
	none := &Dialect{}
	if err := cmp.Or(wrong.err(), none.checkUpgrade(q.Header), checkIdentity(q.Header)); err != nil {
		return nil, err
	}
	q.clean()
	return judged(ctx, q, target), nil
}

// clean leaves the client's fields: those about the connection to the proxy are
// another's.
func (q *Question) clean() {
	for name := range q.Header {
		if ofConnection(name) {
			delete(q.Header, name)
		}
	}
	if _, upgrades := q.Header["Upgrade"]; upgrades {
		q.Header["Connection"] = []string{"Upgrade"}
	}
}

// judged makes the request of a question whose parts were read.
func judged(ctx context.Context, q *Question, target *url.URL) *http.Request {
	r := (&http.Request{
		Method: q.Method, URL: target, RequestURI: q.Target, Host: q.Host, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: q.Header, Body: http.NoBody, RemoteAddr: netip.AddrPortFrom(q.Client, 0).String(),
	}).WithContext(ctx)
	if q.Scheme == "https" {
		r.TLS = &tls.ConnectionState{Version: tls.VersionTLS13, HandshakeComplete: true} // the proxy's handshake: no certificate is known of it
	}
	return r
}
