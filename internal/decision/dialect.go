package decision

import (
	"net/http"
	"slices"
	"strings"
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

	// replayed: the proxy asks with the client's own method, host and target, the
	// last behind [Path], and takes 200 alone for a pass. Fields that are not for the
	// upstream it takes away when it is told to.
	replayed bool
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

// EnvoyHTTP is the http_service of ext_authz. The guide's configuration sets the
// two fields, each with a value of Envoy's own.
func EnvoyHTTP() Dialect {
	return Dialect{name: "envoy-http", scheme: "X-Original-Proto", client: "X-Original-Addr", replayed: true}
}

// DialectOf returns the dialect of that name.
func DialectOf(name string) (d Dialect, known bool) {
	for _, d := range []Dialect{Nginx(), Caddy(), Traefik(), HAProxy(), EnvoyHTTP()} {
		if d.name == name {
			return d, true
		}
	}
	return Dialect{}, false
}

// asks reports whether r is a question.
func (d *Dialect) asks(r *http.Request) bool {
	if !d.replayed {
		return r.URL.Path == Path
	}
	return behindPath(r) != ""
}

// behindPath is the target that stands behind [Path] in that of r; "" for none.
func behindPath(r *http.Request) string {
	target, ok := strings.CutPrefix(r.RequestURI, Path)
	if !ok || target != "*" && !strings.HasPrefix(target, "/") {
		return ""
	}
	return target
}

// own reports whether the field is the proxy's word and not the client's.
func (d *Dialect) own(field string) bool {
	return slices.Contains([]string{d.method, d.target, d.scheme, d.host, d.client}, field) || d.upgrade != "" && field == d.upgrade
}

// status is what the proxy is told for a request that is not allowed and whose
// answer has status. It is never one that that proxy takes for a pass: nginx and
// Caddy take any 2xx, so that the answer to a preflight, which no stage of ours
// meant as a pass, would reach the upstream.
func (d *Dialect) status(status int) int {
	switch {
	case status == http.StatusUnauthorized, d.replayed && status != http.StatusOK:
		return status
	case d.narrow, status < http.StatusMultipleChoices:
		return http.StatusForbidden
	default:
		return status
	}
}
