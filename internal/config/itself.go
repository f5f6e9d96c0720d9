package config

import (
	"cmp"
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// checkItself refuses upstreams that are this gateway: each request would come back to
// it, without the credential that it was let in by.
func (l *loader) checkItself() {
	c := l.config
	own := map[string]string{"listen": c.Listen, "tls.redirect_listen": c.TLS.RedirectListen}
	for name, at := range c.Listeners {
		own[ListenerField(name)] = at.Listen
	}
	to := map[string]string{"upstream": c.Upstream}
	for name, u := range c.Upstreams {
		to["upstreams."+name+".url"] = u.URL
	}
	for _, field := range sortedKeys(to) {
		for _, listener := range sortedKeys(own) {
			if !l.failed(field) && !l.failed(listener) && reaches(to[field], own[listener]) {
				l.reject(field, "is where this gateway itself listens: "+listener, "name the address of your API, or let one of both have another port")
			}
		}
	}
}

// reaches reports whether a URL leads to who listens at the address, as far as both
// say by themselves: names but localhost are not looked up.
func reaches(to, address string) bool {
	u, err := url.Parse(to)
	if err != nil {
		return false
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil || port == "0" {
		return false
	}
	usual := map[string]string{"http": "80", "https": "443"}[strings.ToLower(u.Scheme)]
	if cmp.Or(u.Port(), usual) != port {
		return false
	}
	from, toIP := addressOf(host), addressOf(u.Hostname())
	return toIP.IsValid() && (from == toIP || from.IsUnspecified() && toIP.IsLoopback())
}

// addressOf is the address that a host of a setting is; the zero one for other names.
func addressOf(host string) netip.Addr {
	switch strings.ToLower(host) {
	case "":
		return netip.IPv6Unspecified()
	case "localhost":
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}
	}
	return ip.Unmap()
}
