package main

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/internal/decision"
)

// A firstTryOf is a request that a new key in a header field is enough for.
type firstTryOf struct {
	header string
	path   string // begins with "/"
	scopes []string
	asked  bool // by proxies alone: the gateway itself sends it nowhere
}

// flags give the key what the request needs.
func (t *firstTryOf) flags() string {
	if len(t.scopes) == 0 {
		return ""
	}
	return " --scopes " + strings.Join(t.scopes, ",")
}

// firstTry returns the request that is easiest to send among those of the routes:
// one whose pattern has no wildcard, and that asks for no scope. It is false when no route
// takes a key in a header field alone.
func firstTry(cfg *config.Config) (best firstTryOf, some bool) {
	least := 0
	for i := range cfg.Routes {
		route := &cfg.Routes[i]
		for _, alternative := range cfg.RouteSecurity(route) {
			header, scopes, ok := keyAlone(cfg, alternative)
			if !ok {
				continue
			}
			try, cost := firstTryOf{header: header, path: "/", scopes: scopes, asked: route.Upstream == ""}, 4
			if path, literal := literalPath(route.Match); literal {
				try.path, cost = path, 0
			}
			if len(scopes) > 0 {
				cost++
			}
			if try.asked {
				cost += 8
			}
			if !some || cost < least {
				best, least, some = try, cost, true
			}
		}
	}
	return best, some
}

// keyAlone returns the header field and the scopes of an alternative that is a
// key in a header field and nothing else.
func keyAlone(cfg *config.Config, a config.Alternative) (header string, scopes []string, ok bool) {
	if len(a) != 1 {
		return "", nil, false
	}
	for name, scopes := range a {
		if scheme := cfg.Schemes[name]; scheme.Key != nil && scheme.Key.In == config.InHeader {
			return cfg.KeyName(scheme.Key), slices.Compact(slices.Sorted(slices.Values(scopes))), true
		}
	}
	return "", nil, false
}

// literalPath returns the one path that curl gets by itself from a pattern without
// a wildcard, for any host.
func literalPath(pattern string) (path string, ok bool) {
	method, rest, found := strings.Cut(pattern, " ")
	if !found {
		method, rest = "GET", pattern
	}
	path = strings.TrimSuffix(strings.TrimLeft(rest, " \t"), "{$}")
	return path, method == "GET" && strings.HasPrefix(path, "/") && !strings.ContainsAny(path, `{}'"$&;()<>|\* `+"`")
}

// decisionURL is where proxies ask, see internal/server.
func decisionURL(cfg *config.Config, address string) string {
	own, err := netip.ParseAddrPort(address)
	path := decision.Path
	if cfg.Decision.Dialect == config.Envoy { // gRPC has paths of its own
		path = ""
	}
	switch {
	case err != nil: // a socket with a name
		return address
	case own.Addr().IsLoopback() || cfg.Decision.InsecureListen:
		return "http://" + address + path
	default:
		return "https://" + address + path
	}
}
