package upstream

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/problem"
)

var (
	errNoTarget  = errors.New("upstream: the exchange has no canonical target")
	errNoPrefix  = errors.New("upstream: the path does not begin with StripPrefix")
	errAmbiguous = errors.New("upstream: the path without StripPrefix has two readings")
)

// Destination returns where ServeHTTP would send x, with the path in Opaque. The
// error says that it would refuse x, because of its target.
func (u *Upstream) Destination(x *exchange.Exchange) (*url.URL, error) { return u.target(x) }

// target returns the URL that goes to the upstream. Opaque carries the path, so
// that it is written byte for byte as it was judged.
func (u *Upstream) target(x *exchange.Exchange) (*url.URL, error) {
	path := x.UpstreamPath
	if path == "*" && x.Request.Method == http.MethodOptions {
		return &url.URL{Scheme: u.base.scheme, Host: u.base.host, Opaque: "*"}, nil // RFC 9112, section 3.2.4
	}
	path, err := u.strip(path)
	if errors.Is(err, errNoPrefix) && u.hasPrefix(x.Path) {
		err = errAmbiguous // parameters stand inside the prefix
	}
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.ContainsAny(path, "?#") || !plainTarget(path) || !plainTarget(x.RawQuery) || strings.Contains(x.RawQuery, "#") {
		return nil, errNoTarget
	}
	query := x.Request.URL != nil && x.Request.URL.ForceQuery
	raw := u.credentials.withoutQuery(x.RawQuery)
	if raw != x.RawQuery {
		x.HideURL() // a public route's request brings one as well
	}
	return &url.URL{Scheme: u.base.scheme, Host: u.base.host, Opaque: u.base.path + path, RawQuery: raw, ForceQuery: query}, nil
}

// strip takes the prefix off and has the rest judged again: what is left may
// read differently from what was judged.
func (u *Upstream) strip(path string) (string, error) {
	if u.prefix == "" {
		return path, nil
	}
	if !u.hasPrefix(path) {
		return "", errNoPrefix
	}
	rest := path[len(u.prefix):]
	if rest == "" {
		rest = "/"
	}
	path, err := u.canonical(rest)
	if err != nil {
		return "", errAmbiguous // its own text may hold the path
	}
	return path, nil
}

// hasPrefix reports whether path begins with StripPrefix, at a segment's end.
func (u *Upstream) hasPrefix(path string) bool {
	rest, ok := strings.CutPrefix(path, u.prefix)
	return ok && (rest == "" || rest[0] == '/')
}

// plainTarget reports whether text has no byte that ends or splits a request
// line (RFC 9112, section 3).
func plainTarget(text string) bool {
	for i := range len(text) {
		if text[i] <= ' ' || text[i] == 0x7f {
			return false
		}
	}
	return true
}

func (u *Upstream) refuseTarget(w http.ResponseWriter, x *exchange.Exchange, err error) {
	switch {
	case errors.Is(err, errAmbiguous):
		x.Refuse(w, problem.New(problem.InvalidTarget, "Send the path in its one plain form."), "prefix-ambiguous", err)
	case errors.Is(err, errNoPrefix):
		x.Refuse(w, unfit(), "prefix-absent", err)
	default:
		x.Refuse(w, unfit(), "no-target", err)
	}
}
