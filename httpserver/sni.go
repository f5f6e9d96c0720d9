package httpserver

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/problem"
)

// SNIConfig configures a [SNI].
type SNIConfig struct {
	_ [0]func()

	// Hosts are the names whose handshake is another than other names', because
	// it asks for a client certificate: lower case, no port; "*." in front matches
	// one label. Empty means every host.
	Hosts []string

	// Same reports whether a connection whose handshake asked for name may carry
	// requests for host as well; [tlsconfig.Source.Shares] is one. It takes the place of
	// Hosts, where nothing need be listed: what differs is what certificates say. Both
	// names are in lower case, without a port and the root's dot; name is "" for a
	// handshake that asked for none. nil means Hosts.
	//
	// [tlsconfig.Source.Shares]: https://pkg.go.dev/github.com/warder-dev/warder/tlsconfig#Source.Shares
	Same func(name, host string) bool
}

// A SNI is a stage that refuses a request over TLS whose Host is not the name
// that the handshake was for: the client has passed the handshake of one name and
// asks for another (RFC 9110, section 7.4). Without it, client certificates that
// are wanted for some names only can be walked around.
//
// Browsers send requests for several names of one certificate over one HTTP/2
// connection (RFC 9113, section 9.1.1). They get 421 (RFC 9110, section 15.5.20)
// and open another one by themselves; other clients may not.
//
// What counts is the request's own Host, that of the connection, not one that a
// peer forwarded. A peer that the forwarded stage found listed is believed about the
// host, whatever its handshake asked for: proxies ask for the name that they know this
// server by. It is safe for concurrent use.
type SNI struct {
	hosts   []string
	same    func(name, host string) bool
	refusal *problem.Problem
}

// NewSNI reports every invalid host of cfg at once.
func NewSNI(cfg SNIConfig) (*SNI, error) {
	var errs []error
	for _, h := range cfg.Hosts {
		name := strings.TrimPrefix(h, "*.")
		if name == "" || name != strings.ToLower(strings.Trim(name, ".")) || strings.ContainsAny(name, "*:/ ") {
			errs = append(errs, fmt.Errorf("httpserver: SNI host %q: want a lower-case name without a port, maybe with a first label \"*\"", h))
		}
	}
	if cfg.Same != nil && len(cfg.Hosts) > 0 {
		errs = append(errs, errors.New("httpserver: SNI has Hosts and Same: one of them decides; leave the other out"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return &SNI{
		hosts:   slices.Clone(cfg.Hosts),
		same:    cfg.Same,
		refusal: problem.New(problem.Misdirected, "Open a connection of its own for this host: this one was made for another."),
	}, nil
}

// Check passes what did not come over TLS, what comes from a listed peer, what is for
// the name of the handshake, and what is for a host that is not listed, unless the
// handshake was for a listed one; or what Same says.
func (s *SNI) Check(x *exchange.Exchange) exchange.Verdict {
	state := x.Request.TLS
	if state == nil || x.PeerListed {
		return exchange.Pass()
	}
	name, host := strings.ToLower(state.ServerName), hostOnly(x.Request.Host)
	if s.same != nil {
		if name == host || s.same(name, host) {
			return exchange.Pass()
		}
		return exchange.Refuse(s.refusal, "sni")
	}
	if name == host || !s.listed(name) && !s.listed(host) {
		return exchange.Pass()
	}
	if name == "" && len(s.hosts) == 0 && isAddress(host) {
		return exchange.Pass() // a handshake cannot ask for an address (RFC 6066, section 3)
	}
	return exchange.Refuse(s.refusal, "sni")
}

// Wrap is Check as net/http middleware, for use without a Stack.
func (s *SNI) Wrap(next http.Handler) http.Handler { return exchange.Wrap(s, next) }

func (s *SNI) listed(name string) bool {
	if len(s.hosts) == 0 {
		return true
	}
	for _, h := range s.hosts {
		suffix, wildcard := strings.CutPrefix(h, "*")
		if h == name {
			return true
		}
		if first, found := strings.CutSuffix(name, suffix); wildcard && found && first != "" && !strings.Contains(first, ".") {
			return true
		}
	}
	return false
}

// hostOnly returns host without its port and the root's dot, in lower case. What
// is no host at all is the forwarded stage's to refuse.
func hostOnly(host string) string {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		host = host[:i]
	}
	return strings.TrimSuffix(strings.ToLower(host), ".")
}

func isAddress(host string) bool {
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil
}
