package server

import (
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/forwarded"
	"github.com/warder-dev/warder/httpserver"
	"github.com/warder-dev/warder/requestid"
	"github.com/warder-dev/warder/target"
	"github.com/warder-dev/warder/trustedhost"
)

// adminBody is the largest body that the admin and health listeners read, in bytes.
const adminBody = 64 << 10

// newAdmin returns what the admin listener serves: probes, metrics, the keys of
// signed identities (nil for none), and the API.
func newAdmin(listener net.Listener, probes *readiness, metrics, keySet http.Handler, keys *keyService, traced exchange.Stage, log *slog.Logger) (http.Handler, error) {
	mux := http.NewServeMux()
	probes.mount(mux)
	mux.Handle("GET /metrics", metrics)
	mountKeySet(mux, keySet)
	keys.mount(mux)
	hosts, err := localHosts(listener)
	if err != nil {
		return nil, err
	}
	return behindEdge(mux, hosts, traced, log, keys.patterns()...)
}

// newHealth returns what the health listener serves: probes and, for upstreams,
// the keys of signed identities, under any name, since an orchestrator asks by
// address.
func newHealth(probes *readiness, keySet http.Handler, log *slog.Logger) (http.Handler, error) {
	mux := http.NewServeMux()
	probes.mount(mux)
	mountKeySet(mux, keySet)
	edge, err := behindEdge(mux, nil, nil, log)
	if err != nil {
		return nil, err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// HAProxy's checks are HTTP/1.0, which knows no Host (RFC 9112, section 3.2).
		if r.Host == "" && !r.ProtoAtLeast(1, 1) {
			r = r.WithContext(r.Context())
			r.Host = "localhost"
		}
		edge.ServeHTTP(w, r)
	}), nil
}

// behindEdge puts the edge in front of mux. hosts are what the listener is called;
// nil for any name; traced is the stage that traces, nil for none; patterns are those that the mux has beside [adminPatterns].
func behindEdge(mux *http.ServeMux, hosts *trustedhost.Stage, traced exchange.Stage, log *slog.Logger, patterns ...string) (http.Handler, error) {
	ids, err := requestid.New(requestid.Config{})
	if err != nil {
		return nil, err
	}
	targets, err := target.New(target.Config{})
	if err != nil {
		return nil, err
	}
	routes, err := muxRoutes(mux, append(adminPatterns(), patterns...))
	if err != nil {
		return nil, err
	}
	stack := &warder.Stack{
		Edge:  warder.Edge{RequestID: ids, Recover: httpserver.NewRecover(log), Forwarded: forwarded.Direct(), Tracing: traced, TrustedHost: hosts, Target: targets},
		Route: routes,
	}
	return stack.Wrap(mux), nil
}

// adminPatterns are all that an admin or health mux can serve beside the API: nothing of
// it changes anything.
func adminPatterns() []string {
	return []string{"GET /healthz", "GET /readyz", "GET /metrics", keySetPattern}
}

func muxRoutes(mux *http.ServeMux, patterns []string) (warder.Route, error) {
	routes := new(warder.Routes)
	for _, pattern := range patterns {
		method, path, _ := strings.Cut(pattern, " ")
		r, err := http.NewRequest(method, path, http.NoBody) //nolint:noctx // asks the mux, is never sent
		if err != nil {
			return nil, err
		}
		if _, served := mux.Handler(r); served != pattern {
			continue
		}
		limit, err := bodyLimit(pattern)
		if err != nil {
			return nil, err
		}
		if err := routes.Handle(pattern, &warder.Policy{BodyLimit: limit}); err != nil {
			return nil, err
		}
	}
	return routes, nil
}

// localHosts are the names of a listener: localhost, loopback addresses and the
// address that it listens on. A page that rebinds its own name to one of them
// reads nothing. A listener on all addresses knows every literal address, since a
// rebound name never is one.
func localHosts(listener net.Listener) (*trustedhost.Stage, error) {
	cfg := trustedhost.Config{
		Hosts:     []string{"localhost"},
		Addresses: []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{127}), 8), netip.PrefixFrom(netip.IPv6Loopback(), 128)},
	}
	if own, err := netip.ParseAddrPort(listener.Addr().String()); err == nil {
		if address := own.Addr().Unmap().WithZone(""); address.IsUnspecified() {
			cfg.Addresses = append(cfg.Addresses, netip.PrefixFrom(netip.IPv4Unspecified(), 0), netip.PrefixFrom(netip.IPv6Unspecified(), 0))
		} else {
			cfg.Addresses = append(cfg.Addresses, netip.PrefixFrom(address, address.BitLen()))
		}
	}
	return trustedhost.New(cfg)
}
