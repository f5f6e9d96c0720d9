package upstream

import (
	"net/http"

	"github.com/warder-dev/warder/exchange"
)

// Proxy returns what u's transport asks for a proxy; nil for nothing.
func (u *Upstream) Proxy() any {
	if t, ok := u.transport.(*http.Transport); ok && t.Proxy == nil {
		return nil
	}
	return u.transport
}

// Removes reports whether a client's field of that name stays behind.
func (u *Upstream) Removes(name string) bool { return u.removed.has(name) }

// RequestHeader returns the fields that x brings to the upstream.
func (u *Upstream) RequestHeader(x *exchange.Exchange) http.Header { return u.header(x, "", false) }

// EncodeAll returns the value of an identity field.
func EncodeAll(values ...string) string { return encodeAll(values) }

// CleanTrace deletes trace fields that are not of the standard's form.
func CleanTrace(h http.Header) { cleanTrace(h) }

// Contradicts reports whether a response that comes in pieces of so many bytes
// says twice how long it is, and how much of it is passed on.
func Contradicts(text []byte, piece int) (passed int, contradicts bool) {
	var f framing
	for len(text) > 0 {
		n := min(piece, len(text))
		m, err := f.read(text[:n], n, nil)
		passed += m
		if err != nil {
			return passed, f.failed() != nil
		}
		text = text[n:]
	}
	return passed, false
}
