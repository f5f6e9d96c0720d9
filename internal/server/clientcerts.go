package server

import (
	"crypto/tls"
	"net/http"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/problem"
)

// stillProved refuses requests on connections whose certificate of a client, or whose
// lack of one, would not be taken any more: an authority that left its file has nobody
// in, also where its clients never close a connection. They may ask again on another
// (RFC 9110, section 15.5.20).
func (p *program) stillProved(h http.Handler, secure *tls.Config) http.Handler {
	if secure == nil || p.certificates == nil {
		return h
	}
	another := problem.New(problem.Misdirected, "Open another connection: the handshake of this one would not be taken any more.").With("Connection", "close")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS != nil && !p.certificates.Holds(r.TLS) {
			exchange.Respond(w, r, another, "client-certificate", nil)
			return
		}
		h.ServeHTTP(w, r)
	})
}
