package gateway

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"

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
func (g *Gateway) to(cfg Config, route config.Route) (*upstream.Upstream, error) {
	d := destination{name: route.Upstream, prefix: route.StripPrefix}
	if d.prefix != "" {
		d.allow = ambiguities(route.Allow)
	}
	if u, ok := g.upstreams[d]; ok {
		return u, nil
	}
	settings, ok := cfg.Config.Upstreams[route.Upstream]
	if !ok {
		return nil, fmt.Errorf("no upstream is called %q", route.Upstream)
	}
	u, err := newUpstream(cfg, settings, route)
	if err != nil {
		return nil, err
	}
	g.upstreams[d] = u
	return u, nil
}

func newUpstream(cfg Config, u config.Upstream, route config.Route) (*upstream.Upstream, error) {
	settings := upstream.Config{
		URL:                u.URL,
		Name:               route.Upstream,
		StripPrefix:        route.StripPrefix,
		RemoveHeaders:      []string{cfg.KeyField},
		ConnectTimeout:     cfg.Config.Timeouts.Connect,
		TLSTimeout:         cfg.Config.Timeouts.Connect,
		ResponseTimeout:    cfg.Config.Timeouts.Response,
		ServerName:         u.ServerName,
		InsecureSkipVerify: u.InsecureSkipVerify,
		Log:                cfg.Log,
	}
	allowed := ambiguities(route.Allow)
	settings.Canonical = func(path string) (string, error) {
		result, err := target.Canonical(path, allowed)
		return result.UpstreamPath, err
	}
	var errs []error
	if !u.PreserveHost {
		address, err := url.Parse(u.URL)
		errs = append(errs, err)
		settings.HostHeader = address.Host
	}
	if u.CAFile != "" {
		pool, err := readPool(u.CAFile)
		errs = append(errs, err)
		settings.RootCAs = pool
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return upstream.New(settings)
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
