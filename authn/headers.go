package authn

import (
	"net/http"

	"github.com/warder-dev/warder/exchange"
)

// headerWriters returns those of schemes that add fields to responses.
func headerWriters(schemes []Scheme) (writers []exchange.HeaderWriter) {
	for _, scheme := range schemes {
		if w, ok := scheme.(exchange.HeaderWriter); ok {
			writers = append(writers, w)
		}
	}
	return writers
}

// Headers asks those schemes that are an [exchange.HeaderWriter] for what has to
// stand in every answer to x, ours included: a scheme in a place that is
// remembered, such as the URL, says there who may keep the answer.
func (s *Stage) Headers(x *exchange.Exchange, h http.Header) {
	for _, w := range s.headers {
		w.Headers(x, h)
	}
}
