package gateway

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/target"
	"github.com/warder-dev/warder/upstream"
)

// A destination is one upstream as one route reaches it: each prefix that is
// stripped, and each judgement of what that leaves, has a connection pool of its
// own.
type destination struct {
	name, prefix string
	allow        exchange.Ambiguity // 0 without a prefix: nothing is judged again
}

// to returns the upstream of a route, made at its first use.
func (g *Gateway) to(route *config.Route) (*upstream.Upstream, error) {
	d := destination{name: route.Upstream, prefix: route.StripPrefix}
	if d.prefix != "" {
		d.allow = ambiguities(route.Allow)
	}
	if u, ok := g.upstreams[d]; ok {
		return u, nil
	}
	if u, ok := g.offered[d]; ok {
		g.upstreams[d] = u
		return u, nil
	}
	settings, ok := g.cfg.Config.Upstreams[route.Upstream]
	if !ok {
		return nil, fmt.Errorf("no upstream is called %q", route.Upstream)
	}
	u, err := g.newUpstream(settings, route)
	if err != nil {
		return nil, err
	}
	g.upstreams[d] = u
	return u, nil
}

func (g *Gateway) newUpstream(u config.Upstream, route *config.Route) (*upstream.Upstream, error) {
	cfg := g.cfg.Config
	settings := upstream.Config{
		URL:                u.URL,
		Name:               route.Upstream,
		StripPrefix:        route.StripPrefix,
		RemoveHeaders:      g.removed(),
		RemoveCookies:      g.carriers.cookies,
		RemoveQuery:        g.carriers.parameters,
		Credential:         u.Credential,
		CredentialHeader:   u.CredentialHeader,
		ConnectTimeout:     cfg.Timeouts.Connect,
		TLSTimeout:         cfg.Timeouts.Connect,
		ResponseTimeout:    cfg.Timeouts.Response,
		ServerName:         u.ServerName,
		InsecureSkipVerify: u.InsecureSkipVerify,
		StreamMaxAge:       cfg.Timeouts.Stream,
		Recheck:            g.recheck,
		NoReuseAfterBody:   u.NoReuseAfterBody,
		Log:                g.cfg.Log,
	}
	allowed := ambiguities(route.Allow)
	settings.Canonical = func(path string) (string, error) {
		result, err := target.Canonical(path, allowed)
		return result.UpstreamPath, err
	}
	var errs [4]error
	if !u.PreserveHost {
		var address *url.URL
		if address, errs[0] = url.Parse(u.URL); errs[0] == nil {
			settings.HostHeader = address.Host
		}
	}
	settings.RootCAs, errs[1] = poolOf(u.CAFile)
	if u.CertFile != "" {
		settings.ClientCertificate, errs[2] = clientCertificate(u.CertFile, u.KeyFile)
	}
	if u.Identity == config.IdentityJWT {
		settings.Identity, errs[3] = g.identity(u, route.Upstream)
	}
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	return upstream.New(settings)
}

// recheck judges anew who has a stream open.
func (g *Gateway) recheck(ctx context.Context, x *exchange.Exchange) exchange.Verdict {
	v := g.stack.Recheck(ctx, x)
	if v.Passed() && g.cfg.StillOpen != nil {
		g.cfg.StillOpen(x)
	}
	return v
}

// removed are the fields that no upstream sees: credentials, and what only listed
// proxies of any listener may say, since an upstream cannot tell who did.
func (g *Gateway) removed() []string {
	names := slices.Clone(g.carriers.headers)
	at := []*config.Forwarded{&g.cfg.Config.Forwarded}
	for _, name := range slices.Sorted(maps.Keys(g.cfg.Config.Listeners)) {
		if own := g.cfg.Config.Listeners[name].Forwarded; own != nil {
			at = append(at, own)
		}
	}
	for _, f := range at {
		for _, name := range []string{f.ClientCertHeader, f.Header} {
			if name = http.CanonicalHeaderKey(name); name != "" && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// readPool reads the authorities of a PEM file.
func readPool(name string) (*x509.CertPool, error) {
	text, err := os.ReadFile(name) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, fmt.Errorf("ca_file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("ca_file: %s holds no certificate in PEM form", name)
	}
	return pool, nil
}
