package decision

import (
	"cmp"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/warder-dev/warder/upstream"
)

// read makes the request that r tells of. Whatever is missing, empty, repeated or
// unreadable is an error: to guess would be to judge another request than the one
// that the proxy holds.
func (d *Dialect) read(r *http.Request) (*http.Request, error) {
	var wrong complaint
	one := func(field string) string {
		values := r.Header[field]
		switch {
		case len(values) > 1:
			wrong.repeated = append(wrong.repeated, field)
		case len(values) == 0 || values[0] == "":
			wrong.missing = append(wrong.missing, field)
		default:
			return values[0]
		}
		return ""
	}
	var method, raw, scheme, host, from string
	if d.replayed {
		method, raw, scheme, host, from = r.Method, behindPath(r), one(d.scheme), r.Host, one(d.client)
	} else {
		method, raw, scheme, host, from = one(d.method), one(d.target), one(d.scheme), one(d.host), one(d.client)
	}
	if err := wrong.err(); err != nil {
		return nil, err
	}
	if scheme != "http" && scheme != "https" {
		wrong.unreadable = append(wrong.unreadable, d.scheme)
	}
	client, err := lastAddress(from)
	if err != nil {
		wrong.unreadable = append(wrong.unreadable, d.client)
	}
	target, err := parseTarget(raw)
	if err != nil || d.replayed && strings.Contains(raw, "#") { // who splits a fragment off asks about another one
		wrong.unreadable = append(wrong.unreadable, cmp.Or(d.target, "the target"))
	}
	if err := cmp.Or(wrong.err(), d.checkUpgrade(r.Header), checkIdentity(r.Header), d.checkUnset(r.Header)); err != nil {
		return nil, err
	}
	return judged(r.Context(), &Question{Method: method, Target: raw, Scheme: scheme, Host: host, Client: client, Header: d.header(r.Header)}, target), nil
}

// A complaint is which of the proxy's fields name no request, and why, for whoever
// wires the proxy: never what they hold, which may be a client's.
type complaint struct{ missing, repeated, unreadable []string }

// err is one line, or nil when there is nothing to complain of.
func (c *complaint) err() error {
	var parts []string
	for _, part := range []struct {
		what   string
		fields []string
	}{
		{"missing or empty: ", c.missing},
		{"more than once: ", c.repeated},
		{"unreadable: ", c.unreadable},
	} {
		if len(part.fields) > 0 {
			parts = append(parts, part.what+strings.Join(part.fields, ", "))
		}
	}
	if len(parts) == 0 {
		return nil
	}
	return errors.New(strings.Join(parts, "; "))
}

// checkUpgrade wants no upgrade, or one to a WebSocket. What follows any other
// (RFC 9110, section 7.8), such as h2c, are requests that nobody asks about: a
// proxy that passes it on opens a tunnel to the upstream.
func (d *Dialect) checkUpgrade(h http.Header) error {
	field := d.upgrade
	if field == "" {
		field = "Upgrade"
	}
	values := h[field]
	if len(values) == 0 || len(values) == 1 && (values[0] == "" && d.upgrade != "" || strings.EqualFold(values[0], "websocket")) {
		return nil
	}
	return errors.New(field + " asks for something else than websocket")
}

// checkIdentity refuses fields that an upstream may take for the identity fields
// that the proxy sets, since the proxy does not: other spellings (CGI folds "-" and
// "_", and some fold "."), and a Connection that has the next hop drop ours.
func checkIdentity(h http.Header) error {
	for name := range h {
		if like, exact := identityLike(name); like && (!exact || strings.ContainsAny(name, "_.")) {
			return errors.New("the client sends an identity field in another spelling")
		}
	}
	for _, list := range h["Connection"] {
		for i := range len(list) {
			if like, _ := identityLike(list[i:]); like {
				return errors.New("the client has identity fields taken away by Connection")
			}
		}
	}
	return nil
}

// identityLike reports whether text begins as our fields do once it is folded, and
// whether it does so but for the case. It allocates nothing: every field of every
// question comes here.
func identityLike(text string) (like, exact bool) {
	const prefix = "x-warder-"
	if len(text) < len(prefix) {
		return false, false
	}
	exact = true
	for i := range len(prefix) {
		b := text[i]
		if 'A' <= b && b <= 'Z' {
			b += 'a' - 'A'
		}
		if b == prefix[i] {
			continue
		}
		if exact = false; prefix[i] != '-' || b != '_' && b != '.' {
			return false, false
		}
	}
	return true, exact
}

// checkUnset refuses those of warder's fields that the proxy does not set, such as
// X-Warder-Identity: the client's own would reach the upstream. Envoy is told to take
// them away.
func (d *Dialect) checkUnset(h http.Header) error {
	if d.replayed {
		return nil
	}
	for name := range h {
		if strings.HasPrefix(name, "X-Warder-") && !slices.Contains(upstream.IdentityFields(), name) {
			return errors.New("the client sends a field of warder's that the proxy does not set")
		}
	}
	return nil
}

// parseTarget reads origin-form or asterisk-form (RFC 9112, section 3.2).
func parseTarget(raw string) (*url.URL, error) {
	if raw != "*" && !strings.HasPrefix(raw, "/") {
		return nil, errors.New("neither a path nor *")
	}
	return url.ParseRequestURI(raw)
}

// lastAddress reads the last entry of a list: the address of whom the proxy
// itself talks to, which it appends. What stands before is the client's word.
func lastAddress(list string) (netip.Addr, error) {
	entry := strings.TrimSpace(list[strings.LastIndexByte(list, ',')+1:])
	if address, err := netip.ParseAddr(entry); err == nil {
		return address.Unmap().WithZone(""), nil
	}
	both, err := netip.ParseAddrPort(entry)
	return both.Addr().Unmap().WithZone(""), err
}

// header leaves of the fields of a question the client's: those without the proxy's
// own. A body is never judged here. It changes h, which is nobody else's.
func (d *Dialect) header(h http.Header) http.Header {
	upgrade := h["Upgrade"]
	if d.upgrade != "" {
		upgrade = h[d.upgrade]
	}
	for name := range h {
		if d.own(name) || ofConnection(name) {
			delete(h, name)
		}
	}
	if d.narrow {
		h["Accept"] = []string{"application/problem+json"} // the problem goes into a field, which takes one line
	}
	if d.upgrade != "" {
		delete(h, "Upgrade")
		if len(upgrade) > 0 && upgrade[0] != "" {
			h["Upgrade"], h["Connection"] = upgrade, []string{"Upgrade"}
		}
	} else if len(upgrade) > 0 {
		h["Connection"] = []string{"Upgrade"}
	}
	return h
}

// ofConnection reports whether the field is about the connection between the
// proxy and this front, or about a body that is not here.
func ofConnection(name string) bool {
	switch name {
	case "Connection", "Content-Length", "Transfer-Encoding", "Te", "Trailer", "Keep-Alive", "Expect":
		return true
	default:
		return false
	}
}
