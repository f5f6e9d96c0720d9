package server

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/warder-dev/warder/internal/adminui"
)

// barePage is what people type: it leads to the page.
const barePage = "/ui"

// withPage returns a handler that answers below adminui.Base by the admin page, which
// asks api, and leaves all else to api. There is no page where nobody can log in.
func (p *program) withPage(api http.Handler) (http.Handler, error) {
	o := &p.options
	if !o.Config.AdminPage || p.administrators.routes == nil || p.keys.api == nil {
		return api, nil
	}
	uses, rules := p.keyHealth()
	cfg := adminui.Config{
		API: api, Log: o.Log, Timeout: o.Config.Timeouts.Store, Request: p.exampleRequest(),
		Health: rules,
	}
	if uses != nil {
		cfg.Uses = uses
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
		switch {
		case adminui.Serves(r.URL.Path):
			pages.ServeHTTP(w, r)
		case r.URL.Path == barePage && r.Method == http.MethodGet:
			http.Redirect(w, r, adminui.Base, http.StatusFound)
		default:
			api.ServeHTTP(w, r)
		}
	}), nil
}

// exampleRequest is how a request with a key may look, whose place is {key}; "" when
// the gateway is behind a Unix socket.
func (p *program) exampleRequest() string {
	c := p.options.Config
	own, err := netip.ParseAddrPort(p.options.Listeners.Public.Addr().String())
	if err != nil {
		return ""
	}
	scheme, standard := "http", uint16(80)
	if p.certificates != nil {
		scheme, standard = "https", 443
	}
	host := own.Addr().Unmap().String()
	if own.Addr().IsUnspecified() {
		host = "127.0.0.1"
	}
	port := strconv.Itoa(int(own.Port()))
	if i := slices.IndexFunc(c.Hosts, func(name string) bool { return !strings.HasPrefix(name, "*") }); i >= 0 {
		name, named, found := strings.Cut(c.Hosts[i], ":")
		if host = name; found {
			port = named
		}
	}
	if address := net.JoinHostPort(host, port); port != strconv.Itoa(int(standard)) {
		host = address
	} else {
		host = strings.TrimSuffix(address, ":"+port)
	}
	return "curl -H '" + c.Keys.Header + ": {key}' " + scheme + "://" + host + "/"
}
