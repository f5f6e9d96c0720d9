package gateway

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/accesslog"
	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/credential"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/forwarded"
	"github.com/warder-dev/warder/httpserver"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/requestid"
	"github.com/warder-dev/warder/securityheaders"
	"github.com/warder-dev/warder/target"
	"github.com/warder-dev/warder/trustedhost"
)

// edge makes the stages that every request meets.
func (g *Gateway) edge() (warder.Edge, error) {
	cfg := g.cfg.Config
	var allow exchange.Ambiguity
	for _, route := range cfg.Routes {
		allow |= ambiguities(route.Allow)
	}
	var errs [7]error
	edge := warder.Edge{Recover: httpserver.NewRecover(g.cfg.Log), Metrics: g.cfg.Metrics}
	edge.RequestID, errs[0] = requestid.New(requestid.Config{})
	edge.AccessLog, errs[1] = accesslog.New(accesslog.Config{Logger: g.cfg.AccessLog, Path: accesslog.PathMode(cfg.Log.Path)})
	edge.SecurityHeaders, errs[2] = newHeaders(&cfg.Headers, costHeaders(cfg)...)
	edge.Forwarded, errs[3] = newForwarded(&cfg.Forwarded)
	edge.Target, errs[4] = target.New(target.Config{MaxLength: int(cfg.Limits.TargetBytes), Allow: allow})
	if len(cfg.Hosts) > 0 {
		edge.TrustedHost, errs[5] = trustedhost.New(trustedhost.Config{Hosts: cfg.Hosts})
	}
	if cfg.HTTPS.Require || cfg.HTTPS.HSTS > 0 {
		edge.HTTPS, errs[6] = g.https(edge.TrustedHost)
	}
	return edge, errors.Join(errs[:]...)
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

// newHeaders makes the stage of response fields. "off" leaves a field to the
// upstream.
func newHeaders(h *config.Headers, remove ...string) (*securityheaders.Stage, error) {
	field := func(value string) securityheaders.Field {
		if value == config.Off {
			return securityheaders.Field{InsecureOmit: true}
		}
		return securityheaders.Field{Value: value}
	}
	permissions := securityheaders.Field{}
	if h.PermissionsPolicy != config.Off {
		permissions.Value = h.PermissionsPolicy
	}
	return securityheaders.New(securityheaders.Config{
		ContentSecurityPolicy: field(h.ContentSecurityPolicy), FrameOptions: field(h.FrameOptions), ReferrerPolicy: field(h.ReferrerPolicy),
		CrossOriginResourcePolicy: field(h.CrossOriginResourcePolicy), CrossOriginOpenerPolicy: securityheaders.Field{InsecureOmit: true},
		PermissionsPolicy: permissions, Remove: append(slices.Clone(h.Remove), remove...),
	})
}

// https makes the stage that wants https.
func (g *Gateway) https(hosts *trustedhost.Stage) (*httpserver.HTTPS, error) {
	h := &g.cfg.Config.HTTPS
	known := func(*exchange.Exchange) bool { return false }
	if hosts != nil {
		known = hosts.Lists
	}
	return httpserver.NewHTTPS(httpserver.HTTPSConfig{
		Known: known, Carries: g.carries, Exposed: g.cfg.Exposed, Port: h.Port, GETStatus: h.GetStatus,
		HSTS: httpserver.HSTS{MaxAge: h.HSTS, IncludeSubDomains: h.HSTSSubdomains, Preload: h.HSTSPreload},
	})
}

// carries reports whether x carries what may be one of our credentials, and the
// key's id when it has the form of a key.
func (g *Gateway) carries(x *exchange.Exchange) (id string, carries bool) {
	note := func(value string, s credential.State) {
		if s == credential.Absent {
			return
		}
		carries = true
		if info, err := apikey.Parse(value); err == nil {
			id = cmp.Or(id, string(info.ID))
		}
	}
	for _, name := range g.carriers.headers {
		values := x.Request.Header[name]
		for _, value := range values {
			if name == "Authorization" {
				_, value, _ = strings.Cut(value, " ")
			}
			note(value, credential.Once)
		}
	}
	for _, name := range g.carriers.cookies {
		note(credential.Cookie(x.Request.Header, name))
	}
	for _, name := range g.carriers.parameters {
		note(credential.Query(x.Request.URL.RawQuery, name))
	}
	return id, carries
}
