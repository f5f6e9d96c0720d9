package decision

import (
	"net/http"
	"slices"
)

// A Dialect is how one kind of proxy asks: the fields in which it names the
// request that it holds. The configuration says which one; it is never guessed
// from what arrives, since a client can send every field.
type Dialect struct {
	name string

	method, target, scheme, host, client string // fields, canonical
	upgrade                              string // the field that stands in for Upgrade; "" where the proxy passes that on

	// narrow: the proxy passes on no status but 401 and 403, and no body of ours.
	narrow bool
}

// Nginx is auth_request. Its fields are those that the guide's configuration
// sets, each with a value of nginx's own.
func Nginx() Dialect {
	return Dialect{
		name: "nginx", method: "X-Original-Method", target: "X-Original-Uri", scheme: "X-Original-Proto",
		host: "X-Original-Host", client: "X-Original-Addr", upgrade: "X-Original-Upgrade", narrow: true,
	}
}

// Caddy is forward_auth, which sets these fields by itself.
func Caddy() Dialect {
	return Dialect{
		name: "caddy", method: "X-Forwarded-Method", target: "X-Forwarded-Uri", scheme: "X-Forwarded-Proto",
		host: "X-Forwarded-Host", client: "X-Forwarded-For",
	}
}

// Traefik is ForwardAuth, with trustForwardHeader left off.
func Traefik() Dialect {
	d := Caddy()
	d.name = "traefik"
	return d
}

// HAProxy is the action in Lua of the guide, which passes on any status and our
// body. Its fields are nginx's, each with a value of HAProxy's own.
func HAProxy() Dialect {
	d := Nginx()
	d.name, d.narrow = "haproxy", false
	return d
}

// DialectOf returns the dialect of that name.
func DialectOf(name string) (d Dialect, known bool) {
	for _, d := range []Dialect{Nginx(), Caddy(), Traefik(), HAProxy()} {
		if d.name == name {
			return d, true
		}
	}
	return Dialect{}, false
}

// own reports whether the field is the proxy's word and not the client's.
func (d *Dialect) own(field string) bool {
	return slices.Contains([]string{d.method, d.target, d.scheme, d.host, d.client}, field) || d.upgrade != "" && field == d.upgrade
}

// status is what the proxy is told for a request that is not allowed and whose
// answer has status. It is never one that a proxy takes for a pass: nginx and
// Caddy take any 2xx, so that the answer to a preflight, which no stage of ours
// meant as a pass, would reach the upstream.
func (d *Dialect) status(status int) int {
	switch {
	case status == http.StatusUnauthorized:
		return status
	case d.narrow, status < http.StatusMultipleChoices:
		return http.StatusForbidden
	default:
		return status
	}
}
