// Package trustedhost refuses requests for hosts that are not listed, so that no
// link, redirect, cache or route is ever made from a name that somebody else
// chose, and no page reaches a server by rebinding its own name to it.
//
// It judges the host that forwarded found, which is canonical: other case, the
// root's dot and another spelling of an IPv6 address make no other host.
package trustedhost

import (
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/problem"
)

// Config configures a [Stage]. The zero value is invalid: an empty list would
// either allow every host or refuse every host. A server that is to answer under
// every name has no such stage.
type Config struct {
	_ [0]func()

	// Hosts are the hosts that are served; this or Addresses is required:
	//
	//	api.example.com       under any port
	//	api.example.com:8443  under this port; 80 and 443 also when http or https leaves it out
	//	*.example.com         one label in front: neither example.com nor a.b.example.com
	//	bücher.example        the same as xn--bcher-kva.example (IDNA, lookup form)
	//	192.0.2.1, [::1]      addresses, in any spelling of IPv6
	//
	// Case and a dot at the end are ignored. At least two labels stand behind "*.".
	Hosts []string

	// Addresses are the networks whose addresses are served when a client asks by
	// address, as health checks do: "192.0.2.7" or "[2001:db8::7]", under any port.
	// Only the canonical form is an address: 127.1 and 0x7f.1 are names.
	Addresses []netip.Prefix

	// Shadow, when it is set, is told of each request that would be refused, and
	// the request passes. It may be called concurrently, and not for dry runs.
	Shadow func(x *exchange.Exchange)
}

// A Stage passes requests for listed hosts.
type Stage struct {
	exact     map[string]ports
	wildcard  map[string]ports // by what stands behind "*."
	addresses []netip.Prefix
	shadow    func(*exchange.Exchange)

	misdirected, invalid *problem.Problem
}

// ports are those under which a host is served; nil for all.
type ports []string

// New reports every unusable entry of cfg at once; see [*HostError]. Changing
// cfg later has no effect.
func New(cfg Config) (*Stage, error) {
	s := &Stage{
		exact: make(map[string]ports, len(cfg.Hosts)), wildcard: make(map[string]ports), shadow: cfg.Shadow,
		misdirected: problem.New(problem.Misdirected, "Ask for a host that is served here."),
		invalid:     problem.New(problem.InvalidHost, "Send the host in its ASCII form, as IDNA makes it.").With("Connection", "close"),
	}
	var errs []error
	if len(cfg.Hosts) == 0 && len(cfg.Addresses) == 0 {
		errs = append(errs, errors.New("trustedhost: Hosts and Addresses are empty: list what is served, or leave the stage out"))
	}
	for _, host := range cfg.Hosts {
		p, reason := parse(host)
		if reason != "" {
			errs = append(errs, &HostError{Host: host, Reason: reason})
			continue
		}
		s.add(p)
	}
	for _, p := range cfg.Addresses {
		if !p.IsValid() || p != p.Masked() {
			errs = append(errs, &HostError{Host: p.String(), Reason: "malformed network"})
			continue
		}
		s.addresses = append(s.addresses, unmapped(p))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Stage) add(p pattern) {
	hosts := s.exact
	if p.wildcard {
		hosts = s.wildcard
	}
	known, listed := hosts[p.name]
	switch {
	case p.port == "", listed && known == nil:
		hosts[p.name] = nil
	default:
		hosts[p.name] = append(known, p.port)
	}
}

var errNoHost = errors.New("trustedhost: the exchange has no host: forwarded did not run")

// Check passes requests for a listed host and refuses all others with 421
// Misdirected Request (RFC 9110, section 15.5.20), and with 400 when a label
// claims to be encoded by IDNA and is not.
func (s *Stage) Check(x *exchange.Exchange) exchange.Verdict {
	switch {
	case x.Host == "":
		return exchange.Fail(errNoHost)
	case s.Lists(x):
		return exchange.Pass()
	case s.shadow != nil:
		if !x.Dry {
			s.shadow(x)
		}
		return exchange.Pass()
	case !validLabels(x.Host):
		return exchange.Refuse(s.invalid, "idna")
	default:
		return exchange.Refuse(s.misdirected, "")
	}
}

// Lists reports whether the host of x is listed, also where Shadow would let it
// pass: for whoever is about to write the host into an answer.
func (s *Stage) Lists(x *exchange.Exchange) bool {
	if p, ok := s.exact[x.Host]; ok && p.include(x) {
		return true
	}
	if i := strings.IndexByte(x.Host, '.'); i > 0 && len(s.wildcard) > 0 {
		if p, ok := s.wildcard[x.Host[i+1:]]; ok && p.include(x) && validLabels(x.Host[:i]) {
			return true
		}
	}
	return len(s.addresses) > 0 && s.listsAddress(x.Host)
}

// include reports whether the request's port is among p: the scheme's own one
// when none was sent (RFC 9110, sections 4.2.1 and 4.2.2).
func (p ports) include(x *exchange.Exchange) bool {
	switch {
	case p == nil:
		return true
	case x.Port != "":
		return slices.Contains(p, x.Port)
	case x.Scheme == "https":
		return slices.Contains(p, "443")
	default:
		return slices.Contains(p, "80")
	}
}

func (s *Stage) listsAddress(host string) bool {
	if last := host[len(host)-1]; last != ']' && (last < '0' || last > '9') {
		return false // a name
	}
	a, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && slices.ContainsFunc(s.addresses, func(p netip.Prefix) bool { return p.Contains(a.Unmap()) })
}

// Wrap is Check as net/http middleware, for use behind forwarded's without a
// Stack.
func (s *Stage) Wrap(next http.Handler) http.Handler { return exchange.Wrap(s, next) }
