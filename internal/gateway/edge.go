package gateway

import (
	"errors"
	"fmt"
	"slices"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/forwarded"
	"github.com/warder-dev/warder/httpserver"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/problem"
	"github.com/warder-dev/warder/requestid"
	"github.com/warder-dev/warder/securityheaders"
	"github.com/warder-dev/warder/target"
	"github.com/warder-dev/warder/trustedhost"
)

// edge makes the stages that every request meets at the listener called name; "" is the
// gateway's own.
func (g *Gateway) edge(name string) (warder.Edge, error) {
	cfg := g.cfg.Config.At(name)
	var allow exchange.Ambiguity
	for _, route := range cfg.Routes {
		allow |= ambiguities(route.Allow)
	}
	var errs [8]error
	edge := warder.Edge{Recover: httpserver.NewRecover(g.cfg.Log), Metrics: g.metricsAt(placeOf(name)), Tracing: g.cfg.Tracing}
	edge.RequestID, errs[0] = requestid.New(requestid.Config{})
	edge.AccessLog, errs[1] = g.accessLogAt(placeOf(name))
	edge.SecurityHeaders, errs[2] = g.headers(cfg.Headers)
	edge.Forwarded, errs[3] = newForwarded(&cfg.Forwarded)
	edge.Target, errs[4] = target.New(target.Config{MaxLength: int(cfg.Limits.TargetBytes), Allow: allow})
	if len(cfg.Hosts) > 0 {
		edge.TrustedHost, errs[5] = trustedhost.New(trustedhost.Config{Hosts: cfg.Hosts, Shadow: g.shadowedHost()})
	}
	if g.cfg.SameHandshake != nil {
		edge.SNI, errs[7] = httpserver.NewSNI(httpserver.SNIConfig{Same: g.cfg.SameHandshake})
	}
	if cfg.HTTPS.Require || cfg.HTTPS.HSTS > 0 {
		edge.HTTPS, errs[6] = g.https(cfg, edge.TrustedHost)
	}
	return edge, errors.Join(errs[:]...)
}

// headers makes the stage that sets h, and removes what no client gets.
func (g *Gateway) headers(h config.Headers) (*securityheaders.Stage, error) {
	headers := h.Library()
	headers.Remove = append(slices.Clone(headers.Remove), costHeaders(g.cfg.Config)...)
	return securityheaders.New(headers)
}

// shadowedHost tells of requests for hosts that are not listed, where those pass;
// nil where they are refused.
func (g *Gateway) shadowedHost() func(*exchange.Exchange) {
	if !g.cfg.Config.HostsShadow {
		return nil
	}
	return func(x *exchange.Exchange) { g.cfg.Shadowed(x, "trustedhost", string(problem.Misdirected)) }
}

// newForwarded makes the stage of the configured trust model.
func newForwarded(f *config.Forwarded) (*forwarded.Stage, error) {
	proxies, err := prefixesOf(f.TrustedProxies)
	if err != nil {
		return nil, fmt.Errorf("forwarded.trusted_proxies: %w", err)
	}
	cfg := forwarded.Config{
		TrustedProxies: proxies, TrustUnixSocket: f.TrustUnixSocket, InsecureTrustAll: f.InsecureTrustAll,
		ReadProto: f.Proto, ReadHost: f.Host, Header: f.Header, ClientCertHeader: f.ClientCertHeader,
	}
	switch f.From {
	case "x-forwarded-for":
		return forwarded.XForwardedFor(cfg)
	case "forwarded":
		return forwarded.Forwarded(cfg)
	case "header":
		return forwarded.SingleHeader(cfg)
	default:
		return forwarded.Direct(), nil
	}
}

// https makes the stage that wants https, by what cfg says of it.
func (g *Gateway) https(cfg *config.Config, hosts *trustedhost.Stage) (*httpserver.HTTPS, error) {
	h := &cfg.HTTPS
	exposed := func(x *exchange.Exchange, id string) { g.exposed(x, id, h.OnExposedKey) }
	known := func(*exchange.Exchange) bool { return false }
	if hosts != nil {
		known = hosts.Lists
	}
	return httpserver.NewHTTPS(httpserver.HTTPSConfig{
		Known: known, Carries: g.carriers.carries, Exposed: exposed, Port: h.Port, GETStatus: h.GetStatus,
		HSTS: httpserver.HSTS{MaxAge: h.HSTS, IncludeSubDomains: h.HSTSSubdomains, Preload: h.HSTSPreload},
	})
}
