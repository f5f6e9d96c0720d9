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
	method, raw, scheme, host, from := one(d.method), one(d.target), one(d.scheme), one(d.host), one(d.client)
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
	if err != nil {
		wrong.unreadable = append(wrong.unreadable, d.target)
	}
	if err := cmp.Or(wrong.err(), d.checkUpgrade(r.Header), checkIdentity(r.Header), checkUnset(r.Header)); err != nil {
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
	const prefix = "x-warder-"
	folded := strings.NewReplacer("_", "-", ".", "-")
	for name := range h {
		if lower := strings.ToLower(name); strings.HasPrefix(folded.Replace(lower), prefix) && !strings.HasPrefix(lower, prefix) ||
			strings.HasPrefix(lower, prefix) && strings.ContainsAny(lower, "_.") {
			return errors.New("the client sends an identity field in another spelling")
		}
	}
	for _, list := range h["Connection"] {
		if strings.Contains(folded.Replace(strings.ToLower(list)), prefix) {
			return errors.New("the client has identity fields taken away by Connection")
		}
	}
	return nil
}

// checkUnset refuses those of warder's fields that the proxy does not set, such as
// X-Warder-Identity: the client's own would reach the upstream.
func checkUnset(h http.Header) error {
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

// header is the client's fields: those of r without the proxy's own. A body is
// never judged here.
func (d *Dialect) header(in http.Header) http.Header {
	out := make(http.Header, len(in))
	for name, values := range in {
		if !d.own(name) && !ofConnection(name) {
			out[name] = values
		}
	}
	if d.narrow {
		out["Accept"] = []string{"application/problem+json"} // the problem goes into a field, which takes one line
	}
	if d.upgrade != "" {
		delete(out, "Upgrade")
		if upgrade := in[d.upgrade]; len(upgrade) > 0 && upgrade[0] != "" {
			out["Upgrade"], out["Connection"] = upgrade, []string{"Upgrade"}
		}
		return out
	}
	if _, upgrades := in["Upgrade"]; upgrades {
		out["Connection"] = []string{"Upgrade"}
	}
	return out
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
