package target

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/warder-dev/warder/exchange"
)

// form is a target taken apart (RFC 9112, section 3.2).
type form struct {
	path     string // as sent; "/" for an absolute form without one; "*"
	query    string // without "?"
	hasQuery bool   // a "?" was sent, be it with nothing behind
	origin   bool   // origin form: what was sent is path and query only
	plain    bool   // the path is canonical and has nothing to decode
}

// sent returns the target as it was sent. A server's request has it in
// RequestURI, where nothing was decoded yet: URL cannot tell "/%2e" from "/.",
// nor what it took for a fragment. A request that was built by a program has a
// URL only.
func sent(r *http.Request) string {
	if r.RequestURI != "" {
		return r.RequestURI
	}
	path := r.URL.EscapedPath()
	if r.URL.RawQuery == "" && !r.URL.ForceQuery {
		return path
	}
	return path + "?" + r.URL.RawQuery
}

// split takes raw apart. It reports false for the forms that the method or the
// version does not allow: "*" is for OPTIONS, the authority form for CONNECT,
// and HTTP/2 has no absolute form (RFC 9113, section 8.3.1).
func split(raw string, r *http.Request) (form, bool) {
	switch {
	case raw == "":
		return form{}, false
	case raw[0] == '/':
		f := cut(raw)
		f.origin = true
		return f, true
	case raw == "*":
		return form{path: "*", origin: true}, r.Method == http.MethodOptions
	case r.ProtoMajor >= 2:
		return form{}, false
	default:
		return absolute(raw, r.Method)
	}
}

// cut divides at the first "?"; the path's own rules refuse a "#".
func cut(raw string) form {
	i := plainEnd(raw)
	plain := i >= 0
	if !plain {
		i = strings.IndexByte(raw, '?')
	}
	if i < 0 || i == len(raw) {
		return form{path: raw, plain: plain}
	}
	return form{path: raw[:i], query: raw[i+1:], hasQuery: true, plain: plain}
}

// absolute reads the absolute form. Its authority is what net/http made of
// Request.Host (RFC 9112, section 3.2.2), where the host is judged; user
// information has no place in it (RFC 9110, section 4.2.4).
func absolute(raw, method string) (form, bool) {
	scheme, rest, found := strings.Cut(raw, "://")
	if !found || !strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "https") {
		return form{}, false
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	authority := rest[:end]
	if authority == "" || strings.Contains(authority, "@") {
		return form{}, false
	}
	f := cut(rest[end:])
	if f.path == "" {
		f.path = "/" // RFC 9110, section 4.2.3
		if method == http.MethodOptions && !f.hasQuery {
			f.path = "*" // RFC 9112, section 3.2.4
		}
	}
	return f, true
}

// queryClean reports whether query holds none of the bytes that end a target or
// a line for some reader: controls, blank, non-ASCII and "#".
func queryClean(query string) bool {
	for i := range len(query) {
		if b := query[i]; b-'!' > '~'-'!' || b == '#' { // outside of "!" to "~", in one comparison
			return false
		}
	}
	return true
}

// adopt makes x.Request carry the canonical target and nothing else, so that a
// router behind reads what was judged. The URL is a new one: the old one is
// shared with whoever made the request.
func adopt(x *exchange.Exchange, f form) {
	r := x.Request
	if f.origin && f.path == x.Path && holds(r.URL, x.Path, f) {
		return
	}
	u := &url.URL{RawQuery: x.RawQuery, ForceQuery: f.hasQuery && x.RawQuery == ""}
	u.Path, _ = url.PathUnescape(x.Path) // canonical: it decodes
	if u.EscapedPath() != x.Path {
		u.RawPath = x.Path
	}
	x.Request = r.WithContext(r.Context()) // a shallow copy of our own
	x.Request.URL = u
	if r.RequestURI == "" {
		return // not a server's request
	}
	x.Request.RequestURI = x.Path
	if f.hasQuery {
		x.Request.RequestURI += "?" + x.RawQuery
	}
}

// holds reports whether u is the origin form of path and f's query already,
// which it is unless something before us rewrote it.
func holds(u *url.URL, path string, f form) bool {
	if u.Scheme != "" || u.Host != "" || u.Opaque != "" || u.User != nil || u.Fragment != "" || u.RawQuery != f.query {
		return false
	}
	if f.plain && u.RawPath == "" {
		return u.Path == path // net/http's Path is a part of RequestURI: this compares addresses
	}
	return u.EscapedPath() == path
}
