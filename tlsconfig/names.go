package tlsconfig

import (
	"crypto/tls"
	"strings"
)

// names finds certificates by name. Wildcards are kept without their star.
type names struct {
	exact, wildcard map[string][]*tls.Certificate
	first           *tls.Certificate // nil for none
}

// index orders what is loaded by name. A certificate's common name is none
// (RFC 9525, section 6.1.1), and neither are its addresses, since no client asks
// for them (RFC 6066, section 3).
func index(pairs []*loaded) names {
	n := names{exact: map[string][]*tls.Certificate{}, wildcard: map[string][]*tls.Certificate{}}
	for _, l := range pairs {
		if n.first == nil {
			n.first = l.certificate
		}
		for _, name := range l.certificate.Leaf.DNSNames {
			name = strings.ToLower(name)
			if suffix, ok := strings.CutPrefix(name, "*"); ok {
				n.wildcard[suffix] = append(n.wildcard[suffix], l.certificate)
				continue
			}
			n.exact[name] = append(n.exact[name], l.certificate)
		}
	}
	return n
}

// find returns the first certificate with the name that hello asks for, and
// prefers one that the client can use. nil means that no certificate has it.
func (n *names) find(hello *tls.ClientHelloInfo) *tls.Certificate {
	name := strings.ToLower(hello.ServerName)
	found := n.exact[name]
	if len(found) == 0 {
		found = n.wildcard[afterLabel(name)]
	}
	for _, c := range found {
		if len(found) == 1 || hello.SupportsCertificate(c) == nil {
			return c
		}
	}
	if len(found) > 0 {
		return found[0]
	}
	return nil
}

// afterLabel returns what follows the first label of name, from its dot on.
func afterLabel(name string) string {
	i := strings.IndexByte(name, '.')
	if i <= 0 {
		return ""
	}
	return name[i:]
}

// certificate chooses for a handshake. Without any the client is told
// unrecognized_name (RFC 6066, section 3).
func (g *generation) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if c := g.names.find(hello); c != nil {
		return c, nil
	}
	if g.managed != nil && hello.ServerName != "" {
		c, err := g.managed(hello)
		if err == nil && c != nil {
			return c, nil
		}
		if err != nil && (g.strict || g.names.first == nil) {
			return nil, err
		}
	}
	if g.strict {
		return nil, nil
	}
	return g.names.first, nil
}
