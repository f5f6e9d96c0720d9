package tlsconfig

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A ClientCertMode says whether a client has to prove a certificate. "" means
// none.
type ClientCertMode string

// The modes.
const (
	ClientCertNone    ClientCertMode = "none"    // not asked for
	ClientCertRequest ClientCertMode = "request" // asked for; one that does not hold ends the handshake
	ClientCertRequire ClientCertMode = "require" // no handshake without one
)

// ClientCerts says of whom a certificate is wanted, and who may have signed it.
// A certificate is for clients (RFC 5280, section 4.2.1.12) or has no usage.
type ClientCerts struct {
	Mode ClientCertMode

	// CAFile holds the certificates of the authorities, in PEM. Required with
	// every mode but none; empty without.
	CAFile string

	// Names are the names that the mode holds for, exact or with a wildcard of
	// one label; for other names, and for clients that ask for none, no
	// certificate is asked for. Then put httpserver.SNI in front, or a client asks
	// for one name and sends the Host of another. nil means every handshake.
	Names []string
}

func (c *ClientCerts) wanted() bool { return c.Mode != "" && c.Mode != ClientCertNone }

func (c *ClientCerts) check() error {
	var errs []error
	switch c.Mode {
	case "", ClientCertNone:
		if c.CAFile != "" || len(c.Names) != 0 {
			errs = append(errs, errors.New("tlsconfig: ClientCerts has a CAFile or Names, but its Mode asks for no certificate"))
		}
	case ClientCertRequest, ClientCertRequire:
		if c.CAFile == "" {
			errs = append(errs, fmt.Errorf("tlsconfig: ClientCerts of mode %q lacks a CAFile", c.Mode))
		}
	default:
		errs = append(errs, fmt.Errorf("tlsconfig: ClientCerts has mode %q, want none, request or require", c.Mode))
	}
	for _, name := range c.Names {
		plain := strings.TrimPrefix(name, "*.")
		if plain == "" || strings.ContainsAny(plain, "*:/ ") || plain != strings.ToLower(strings.Trim(plain, ".")) {
			errs = append(errs, fmt.Errorf("tlsconfig: ClientCerts has the name %q, want a lower-case name, maybe with a first label \"*\"", name))
		}
	}
	return errors.Join(errs...)
}

func (c *ClientCerts) auth() tls.ClientAuthType {
	if c.Mode == ClientCertRequest {
		return tls.VerifyClientCertIfGiven
	}
	return tls.RequireAndVerifyClientCert
}

// holdsFor reports whether the mode holds for a client that asks for name.
func (c *ClientCerts) holdsFor(name string) bool {
	if len(c.Names) == 0 {
		return true
	}
	name = strings.ToLower(name)
	for _, n := range c.Names {
		suffix, wildcard := strings.CutPrefix(n, "*")
		if n == name || wildcard && suffix == afterLabel(name) {
			return true
		}
	}
	return false
}

// verifyAgain checks the certificate of a resumed session against pool: the
// session began when another pool may have been in use. A fresh handshake was
// verified against it just before.
func verifyAgain(pool *x509.CertPool) func(tls.ConnectionState) error {
	return func(c tls.ConnectionState) error {
		if !c.DidResume || len(c.PeerCertificates) == 0 {
			return nil
		}
		intermediates := x509.NewCertPool()
		for _, cert := range c.PeerCertificates[1:] {
			intermediates.AddCert(cert)
		}
		_, err := c.PeerCertificates[0].Verify(x509.VerifyOptions{
			Roots: pool, Intermediates: intermediates, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		})
		return err
	}
}

// Holds reports whether a connection whose handshake ended as c would be let in now, as
// far as certificates of clients go. Authorities leave their file while connections stay
// open, for days where they are busy: a server asks before each request. Whether a
// certificate's own time is over is not looked at.
func (s *Source) Holds(c *tls.ConnectionState) bool {
	g := s.current.Load()
	switch {
	case g.wanting == nil || !g.clients.holdsFor(c.ServerName):
		return len(c.PeerCertificates) == 0
	case len(c.PeerCertificates) == 0:
		return g.clients.Mode == ClientCertRequest
	default:
		return slices.ContainsFunc(c.VerifiedChains, func(chain []*x509.Certificate) bool {
			return len(chain) > 0 && slices.ContainsFunc(g.authorities, chain[len(chain)-1].Equal)
		})
	}
}

// loadedCAs are the authorities in use.
type loadedCAs struct {
	file   string
	pool   *x509.CertPool
	all    []*x509.Certificate // in pool
	digest [sha256.Size]byte
	at     time.Time
	err    error // why the file as it is now is not in use
}

// load reads the file and, when it is good, puts it in use.
func (l *loadedCAs) load() error {
	content, err := read("client CA", l.file)
	if err != nil {
		return err
	}
	digest := sha256.Sum256(content)
	if l.pool != nil && digest == l.digest {
		return nil
	}
	pool, all, err := parseCAs(content)
	if err != nil {
		return fmt.Errorf("tlsconfig: client CA file %q: %w", l.file, err)
	}
	l.pool, l.all, l.digest, l.at = pool, all, digest, time.Now()
	return nil
}

// parseCAs reads authorities. What is none is an error: a file that was cut or
// mixed up would else leave clients out, or let others in, without a word.
func parseCAs(content []byte) (pool *x509.CertPool, all []*x509.Certificate, err error) {
	pool = x509.NewCertPool()
	for rest := content; ; {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		if block == nil {
			if bytes.Contains(rest, []byte("-----BEGIN")) {
				return nil, nil, fmt.Errorf("broken PEM after %d certificates", len(all))
			}
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, nil, fmt.Errorf("holds a PEM block that is no certificate: %q", block.Type)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, nil, fmt.Errorf("certificate %d: %w", len(all)+1, err)
		}
		if !cert.IsCA {
			return nil, nil, fmt.Errorf("certificate %d is none of an authority", len(all)+1)
		}
		pool.AddCert(cert)
		all = append(all, cert)
	}
	if len(all) == 0 {
		return nil, nil, errors.New("holds no certificate")
	}
	return pool, all, nil
}
