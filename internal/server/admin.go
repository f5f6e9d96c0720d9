package server

import (
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/bodylimit"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/forwarded"
	"github.com/warder-dev/warder/httpserver"
	"github.com/warder-dev/warder/problem"
	"github.com/warder-dev/warder/requestid"
	"github.com/warder-dev/warder/target"
)

// adminBody is the largest body that the admin and health listeners read, in bytes.
const adminBody = 64 << 10

// newAdmin returns what the admin listener serves: probes and metrics.
func newAdmin(listener net.Listener, probes *readiness, metrics http.Handler, log *slog.Logger) (http.Handler, error) {
	mux := http.NewServeMux()
	probes.mount(mux)
	mux.Handle("GET /metrics", metrics)
	return behindEdge(mux, localNames(listener), log)
}

// newHealth returns what the health listener serves: probes alone, under any
// name, since an orchestrator asks by address.
func newHealth(probes *readiness, log *slog.Logger) (http.Handler, error) {
	mux := http.NewServeMux()
	probes.mount(mux)
	return behindEdge(mux, nil, log)
}

// behindEdge puts the edge in front of mux. known reports whether the listener is
// called host; nil knows every name.
func behindEdge(mux *http.ServeMux, known func(host string) bool, log *slog.Logger) (http.Handler, error) {
	ids, err := requestid.New(requestid.Config{})
	if err != nil {
		return nil, err
	}
	targets, err := target.New(target.Config{})
	if err != nil {
		return nil, err
	}
	limit, err := bodylimit.New(bodylimit.Config{Max: adminBody})
	if err != nil {
		return nil, err
	}
	routes, err := muxRoutes(mux, limit, known)
	if err != nil {
		return nil, err
	}
	stack := &warder.Stack{
		Edge:  warder.Edge{RequestID: ids, Recover: httpserver.NewRecover(log), Forwarded: forwarded.Direct(), Target: targets},
		Route: routes,
	}
	return stack.Wrap(mux), nil
}

// named is a Route that refuses foreign names before it asks the routes: a page
// that rebinds its own name to our address reads nothing (SECURITY: HOST-10).
type named struct {
	routes      *warder.Routes
	known       func(host string) bool
	misdirected *warder.Policy
}

// adminPatterns are all that an admin or health mux can serve.
func adminPatterns() []string { return []string{"GET /healthz", "GET /readyz", "GET /metrics"} }

func muxRoutes(mux *http.ServeMux, limit *bodylimit.Stage, known func(string) bool) (warder.Route, error) {
	routes := new(warder.Routes)
	for _, pattern := range adminPatterns() {
		method, path, _ := strings.Cut(pattern, " ")
		r, err := http.NewRequest(method, path, http.NoBody) //nolint:noctx // asks the mux, is never sent
		if err != nil {
			return nil, err
		}
		if _, served := mux.Handler(r); served != pattern {
			continue
		}
		if err := routes.Handle(pattern, &warder.Policy{BodyLimit: limit}); err != nil {
			return nil, err
		}
	}
	return &named{
		routes: routes, known: known,
		misdirected: &warder.Policy{Deny: problem.New(problem.Misdirected, "Ask by the listener's own address or by localhost.")},
	}, nil
}

// Match returns the policy of the route, or the one that refuses a foreign name.
func (n *named) Match(x *exchange.Exchange) *warder.Policy {
	if n.known != nil && !n.known(x.Host) {
		return n.misdirected
	}
	return n.routes.Match(x)
}

// localNames returns the test for the names of a listener: localhost, loopback
// addresses and the address that it listens on. A listener on all addresses
// knows every literal address, since a rebound name never is one.
func localNames(listener net.Listener) func(host string) bool {
	own, err := netip.ParseAddrPort(listener.Addr().String())
	return func(host string) bool {
		if host == "localhost" {
			return true
		}
		address, parseErr := netip.ParseAddr(strings.Trim(host, "[]"))
		if parseErr != nil || err != nil {
			return false
		}
		return address.IsLoopback() || own.Addr().IsUnspecified() || address == own.Addr().Unmap()
	}
}
