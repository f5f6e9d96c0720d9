package tlsconfig

import (
	"crypto/tls"
	"crypto/x509"
	"slices"
)

// suites are those of TLS 1.2 (RFC 9325, section 4.2). TLS 1.3 has no weak ones
// to choose from.
func suites() []uint16 {
	return []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	}
}

// oldSuites are the least bad ones of TLS 1.0 and 1.1, which know no others with
// ephemeral keys.
func oldSuites() []uint16 {
	return []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA,
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA,
	}
}

// settings returns a fresh configuration without certificates. Session tickets,
// their keys' rotation and the key exchange are Go's defaults.
func (s *Source) settings() *tls.Config {
	c := &tls.Config{
		MinVersion:   tls.VersionTLS12,
		CipherSuites: suites(),
		NextProtos:   slices.Clone(s.cfg.Protocols),
	}
	switch {
	case s.cfg.MinVersion != 0:
		c.MinVersion = s.cfg.MinVersion
	case s.cfg.InsecureMinVersion != 0:
		c.MinVersion = s.cfg.InsecureMinVersion
		c.CipherSuites = append(c.CipherSuites, oldSuites()...)
	}
	return c
}

// generation is what handshakes use, from one reload to the next.
type generation struct {
	names       names
	plain       *tls.Config         // for names of which no client certificate is wanted
	wanting     *tls.Config         // for names of which one is; nil for none
	acme        *tls.Config         // for challenges; nil for none
	clients     ClientCerts         // of whom a certificate is wanted
	authorities []*x509.Certificate // who may have signed it
	managed     func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	subject     func(name string) string // of the managed certificate for a name; "" for none
	strict      bool                     // nobody is shown a certificate of another name
}

// publish makes what is loaded the current generation. mu is held, or nobody
// else knows s yet.
func (s *Source) publish() {
	g := &generation{names: index(s.pairs), plain: s.settings(), clients: s.cfg.ClientCerts, managed: s.cfg.Managed, subject: s.cfg.subject(), strict: s.cfg.StrictNames}
	g.plain.GetCertificate = g.certificate
	if s.clientCAs != nil {
		g.authorities = s.clientCAs.all
		g.wanting = s.settings()
		g.wanting.GetCertificate = g.certificate
		g.wanting.ClientCAs = s.clientCAs.pool
		g.wanting.ClientAuth = s.cfg.ClientCerts.auth()
		g.wanting.VerifyConnection = verifyAgain(s.clientCAs.pool)
	}
	if s.cfg.Managed != nil {
		g.acme = s.settings()
		g.acme.NextProtos = []string{ACMEProtocol}
		g.acme.GetCertificate = s.cfg.Managed
	}
	s.current.Store(g)
}

// ACMEProtocol is the protocol of a challenge handshake (RFC 8737, section 3).
// Nothing is ever said on such a connection: a server closes it.
const ACMEProtocol = "acme-tls/1"

// forClient chooses the configuration of one handshake. The keys of session
// tickets are those of s.base, whatever is returned here, so that sessions live
// through a reload.
func (s *Source) forClient(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	g := s.current.Load()
	switch {
	case g.acme != nil && len(hello.SupportedProtos) == 1 && hello.SupportedProtos[0] == ACMEProtocol:
		return g.acme, nil // who asks for a challenge has no client certificate
	case g.wanting != nil && g.clients.holdsFor(hello.ServerName):
		return g.wanting, nil
	default:
		return g.plain, nil
	}
}
