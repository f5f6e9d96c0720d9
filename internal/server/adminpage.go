package server

import (
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/warder-dev/warder/internal/adminui"
	"github.com/warder-dev/warder/usage/tally"
)

// withPage returns a handler that answers below adminui.Base by the admin page, which
// asks api, and leaves all else to api. There is no page where nobody can log in.
func (p *program) withPage(api http.Handler) (http.Handler, error) {
	o := &p.options
	if !o.Config.AdminPage || p.administrators.routes == nil || p.keys.api == nil {
		return api, nil
	}
	plans := o.Config.PlanScopes()
	cfg := adminui.Config{
		API: api, Log: o.Log, Request: p.exampleRequest(),
		Health: tally.HealthConfig{Ignore: func(scope string) bool { return slices.Contains(plans, scope) }},
	}
	if o.Usage != nil && !o.Config.Usage.Off {
		cfg.Uses = o.Usage
	}
	site, err := adminui.New(cfg)
	if err != nil {
		return nil, err
	}
	edge, err := p.adminEdge()
	if err != nil {
		return nil, err
	}
	pages, err := site.Wrap(edge)
	if err != nil {
		return nil, err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if adminui.Serves(r.URL.Path) {
			pages.ServeHTTP(w, r)
			return
		}
		api.ServeHTTP(w, r)
	}), nil
}

// exampleRequest is how a request with a key may look, whose place is {key}.
func (p *program) exampleRequest() string {
	c := p.options.Config
	scheme, host := "http", p.options.Listeners.Public.Addr().String()
	if p.certificates != nil {
		scheme = "https"
	}
	for _, name := range c.Hosts {
		if strings.HasPrefix(name, "*") {
			continue
		}
		_, port, err := net.SplitHostPort(host)
		if host = name; err == nil && !strings.Contains(name, ":") && (scheme != "https" || port != "443") && (scheme != "http" || port != "80") {
			host = net.JoinHostPort(name, port)
		}
		break
	}
	return "curl -H '" + c.Keys.Header + ": {key}' " + scheme + "://" + host + "/"
}
