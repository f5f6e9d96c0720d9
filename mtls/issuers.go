package mtls

import (
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// issuers verifies who signed a certificate. It remembers what it found, since
// a connection brings the same certificate with each request.
type issuers struct {
	pool *x509.CertPool
	all  map[[sha256.Size]byte]authority // by the digest of the authority's certificate

	mu    sync.RWMutex
	known map[[sha256.Size]byte]finding // by the digest of a client's certificate
}

type authority struct {
	name    string
	domains []string
}

// A finding is who signed a certificate; nobody who is listed when by is zero.
type finding struct {
	by    [sha256.Size]byte
	until time.Time
}

const (
	maxKnown   = 4096        // certificates that are remembered: about half a megabyte
	unlistedIs = time.Minute // how long it is remembered that nobody listed has signed one
)

func newIssuers(c *Config) (*issuers, error) {
	s := &issuers{
		pool: x509.NewCertPool(), all: make(map[[sha256.Size]byte]authority), known: make(map[[sha256.Size]byte]finding),
	}
	var errs []error
	if c.Issuer != "" {
		errs = append(errs, errors.New("mtls: Issuer and Issuers: name each of Issuers instead"))
	}
	if len(c.Issuers) == 0 {
		errs = append(errs, errors.New("mtls: Issuers is empty: leave it out, or list somebody"))
	}
	for i := range c.Issuers {
		if err := s.add(c, &c.Issuers[i]); err != nil {
			errs = append(errs, fmt.Errorf("mtls: Issuers[%d]: %w", i, err))
		}
	}
	return s, errors.Join(errs...)
}

func (s *issuers) add(c *Config, i *Issuer) error {
	cert := i.Certificate
	switch {
	case cert == nil:
		return errors.New("the Certificate is missing")
	case !cert.BasicConstraintsValid || !cert.IsCA: // RFC 5280, section 4.2.1.9
		return errors.New("the Certificate is not that of an authority")
	case c.SubjectFrom != SPIFFE && i.TrustDomains != nil:
		return errors.New("the TrustDomains are for SubjectFrom spiffe alone")
	case c.SubjectFrom == SPIFFE && len(i.TrustDomains) == 0:
		return errors.New("the TrustDomains are missing: for which does it speak?")
	}
	for _, d := range i.TrustDomains {
		if !slices.Contains(c.TrustDomains, d) {
			return fmt.Errorf("the trust domain %q is not one of Config.TrustDomains", d)
		}
	}
	id := sha256.Sum256(cert.Raw)
	if _, taken := s.all[id]; taken {
		return errors.New("the Certificate is listed already")
	}
	name := i.Name
	if name == "" {
		name = digest("x509-key:", cert.RawSubjectPublicKeyInfo)
	}
	s.all[id] = authority{name, slices.Clone(i.TrustDomains)}
	s.pool.AddCert(cert)
	return nil
}

// names returns each name once.
func (s *issuers) names() []string {
	var all []string
	for _, a := range s.all {
		if !slices.Contains(all, a.name) {
			all = append(all, a.name)
		}
	}
	return all
}

// of returns the name of the issuer that signed cert and speaks for domain.
func (s *issuers) of(cert *x509.Certificate, now time.Time, domain string, dry bool) (string, error) {
	id := sha256.Sum256(cert.Raw)
	s.mu.RLock()
	f, ok := s.known[id]
	s.mu.RUnlock()
	if !ok || !now.Before(f.until) {
		f = s.verify(cert, now)
		if !dry {
			s.remember(id, f)
		}
	}
	a, listed := s.all[f.by]
	if !listed || domain != "" && !slices.Contains(a.domains, domain) {
		return "", errIssuer
	}
	return a.name, nil
}

// verify finds who signed cert. The listed certificates are where trust begins,
// whoever signed those.
func (s *issuers) verify(cert *x509.Certificate, now time.Time) finding {
	chains, err := cert.Verify(x509.VerifyOptions{
		Roots: s.pool, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return finding{until: now.Add(unlistedIs)}
	}
	for _, chain := range chains {
		if len(chain) == 2 { // the certificate, and who signed it
			return finding{by: sha256.Sum256(chain[1].Raw), until: chain[1].NotAfter}
		}
	}
	return finding{until: now.Add(unlistedIs)}
}

// remember keeps f, in place of any other when there are too many.
func (s *issuers) remember(id [sha256.Size]byte, f finding) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.known[id]; !ok && len(s.known) >= maxKnown {
		for other := range s.known {
			delete(s.known, other)
			break
		}
	}
	s.known[id] = f
}
