package tlsconfig

import (
	"crypto/tls"
	"net/netip"
	"slices"
)

// Shares reports whether a connection whose handshake asked for name may carry
// requests for host as well: what was shown and wanted in the handshake is what one for
// host would have got. httpserver.SNI asks it. Both names are in lower case, without a
// port and the root's dot; name is "" for a handshake that asked for none.
//
// A host that no certificate is for shares every connection, since there is none of its
// own, unless StrictNames refuses handshakes for it. So do clients that ask for no
// name, and the names of the certificate that was shown (RFC 9113, section 9.1.1); but
// not names of which a certificate of the client is wanted with those of which it is
// not. What counts is what is loaded now.
func (s *Source) Shares(name, host string) bool {
	g := s.current.Load()
	if g.wanting != nil && g.clients.holdsFor(name) != g.clients.holdsFor(host) {
		return false
	}
	return name == "" || name == host || g.shows(name, host)
}

// shows reports whether who asks for name is shown a certificate that is as good for
// host as any.
func (g *generation) shows(name, host string) bool {
	ofHost, ofName := g.names.exact[host], g.names.exact[name]
	anyHost, anyName := g.names.wildcard[afterLabel(host)], g.names.wildcard[afterLabel(name)]
	if len(ofHost)+len(anyHost) == 0 {
		subject := g.subject(host)
		if subject == "" {
			return !g.strict
		}
		return len(ofName)+len(anyName) == 0 && g.subject(name) == subject
	}
	shown := ofName
	if len(shown) == 0 {
		shown = anyName
	}
	if len(shown) == 0 && g.subject(name) == "" {
		return holds(ofHost, g.names.first) || holds(anyHost, g.names.first) || isAddress(name)
	}
	return slices.ContainsFunc(shown, func(c *tls.Certificate) bool { return holds(ofHost, c) || holds(anyHost, c) })
}

// isAddress reports whether name is what some clients ask for although it is no name
// (RFC 6066, section 3): they are those that ask for none.
func isAddress(name string) bool {
	_, err := netip.ParseAddr(name)
	return err == nil
}

func holds(all []*tls.Certificate, one *tls.Certificate) bool { return slices.Contains(all, one) }

// subject is ManagedName, whatever there is of it.
func (cfg *Config) subject() func(string) string {
	switch {
	case cfg.Managed == nil:
		return func(string) string { return "" }
	case cfg.ManagedName == nil:
		return func(name string) string { return name }
	default:
		return cfg.ManagedName
	}
}
