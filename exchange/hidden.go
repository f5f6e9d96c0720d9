package exchange

import (
	"net/http"
	"strings"
)

// HideURL says that the URL, as it was sent, holds a credential. Every answer says
// then that nobody may store it and that the URL is no referrer, whatever the
// handler, the upstream or another stage says of either. SetQuery says it as well.
func (x *Exchange) HideURL() { x.hidden = true }

// Hide makes what the answer says of caches (RFC 9111, section 5.2.2.5) and of
// referrers that of [Exchange.HideURL]; without a credential in the URL it changes
// nothing. A front that has no writer of [Serve] calls it when every other field is
// there.
func (x *Exchange) Hide(h http.Header) {
	if !x.hidden {
		return
	}
	for name := range h {
		if keeps(name) {
			delete(h, name)
		}
	}
	h["Cache-Control"] = []string{"no-store"}
	h["Referrer-Policy"] = []string{"no-referrer"}
}

// keeps reports whether a field says who may store an answer or be told of its URL:
// in any case, which a map keeps, and to whichever cache. Some heed a field of their
// own before Cache-Control (RFC 9213, section 2.2).
func keeps(name string) bool {
	switch name = strings.ToLower(name); name {
	case "referrer-policy", "expires", "pragma", "surrogate-control", "edge-control", "x-accel-expires":
		return true
	default:
		return strings.HasSuffix(name, "cache-control")
	}
}
