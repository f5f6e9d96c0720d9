package mtls

import (
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/openapi"
)

// Config configures a [Scheme]. The zero value is invalid.
type Config struct {
	_ [0]func()

	// Name is the scheme's name in OpenAPI. Default "mutualTLS".
	Name string

	// SubjectFrom says which name of the certificate is the principal's subject.
	// Required.
	SubjectFrom Source

	// TrustDomains are those whose SPIFFE ids are accepted: "example.org". Required
	// for SPIFFE, and for nothing else. More than one needs Issuers, each with the
	// domains that it speaks for.
	TrustDomains []string

	// Names are the accepted subjects; nil for every one. Beside a name itself there
	// are forms for several: for DNS "*.clients.example.com", one label in front; for
	// mailboxes "*@example.com"; for SPIFFE ids and URIs "spiffe://example.org/ns/**",
	// whatever is below it. Names are compared byte by byte, in the spelling that
	// [Source] says.
	Names []string

	// Issuer is the principal's issuer for every certificate, where the listener
	// trusts one authority. "" takes the SHA-256 of the distinguished name of
	// the certificate's issuer, so that equal subjects of two authorities are two
	// principals. Not with Issuers.
	Issuer string

	// Issuers are the authorities that may have signed the certificate itself, if not
	// every one that the listener trusts. Their signature is verified here
	// again, once for each certificate.
	Issuers []Issuer

	// Grants say what a certificate is good for. The first that matches counts,
	// alone; a certificate without one proves somebody who has no scopes and no owner.
	Grants []Grant
}

// An Issuer is an authority that signs client certificates.
type Issuer struct {
	_ [0]func()

	// Name is the issuer of its principals. "" takes the SHA-256 of its public key.
	// Two certificates of one authority, old and new, may share a name.
	Name string

	// Certificate is that of the key that signs client certificates: an
	// intermediate one, where there are some. Required.
	Certificate *x509.Certificate

	// TrustDomains are those of Config for which it speaks; required for SPIFFE, and
	// for nothing else. So one domain's authority cannot name another's workloads.
	TrustDomains []string
}

// A Grant gives rights to the subjects that match.
type Grant struct {
	_ [0]func()

	// Match is a name, a form for several as in [Config.Names], or "*". Required.
	Match string

	// Issuer is the name of the one issuer whose certificates match, as it stands in
	// Issuers. Required where those have several names, but for SPIFFE, whose
	// subjects name the domain.
	Issuer string

	Scopes      []string // "*" as the last segment stands for one or more; see [exchange.PatternScopes]
	Owner       string   // of the principal; "" for none
	Environment string   // of the principal; "" for none
}

// maxList is how many entries a list of a Config may have: each is compared.
const maxList = 1000

// New reports everything that is wrong with cfg at once. Changing cfg later has
// no effect.
func New(cfg Config) (*Scheme, error) {
	if !cfg.SubjectFrom.known() {
		return nil, fmt.Errorf("mtls: SubjectFrom is %q: want spiffe, dns, email, uri, cn or dn", cfg.SubjectFrom)
	}
	errs := cfg.checkDomains()
	if cfg.Name != "" && !openapi.ValidName(cfg.Name) {
		errs = append(errs, fmt.Errorf("mtls: Name is %q: want letters, digits and ._-", cfg.Name))
	}
	s := &Scheme{name: cmp.Or(cfg.Name, defaultName), source: cfg.SubjectFrom, domains: slices.Clone(cfg.TrustDomains), issuer: cfg.Issuer}
	errs = append(errs, s.addNames(&cfg)...)
	if cfg.Issuers != nil {
		var err error
		s.issuers, err = newIssuers(&cfg)
		errs = append(errs, err)
	}
	errs = append(errs, s.addGrants(&cfg)...)
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return s, nil
}

// checkDomains checks the trust domains, those of the issuers too.
func (c *Config) checkDomains() (errs []error) {
	if c.SubjectFrom != SPIFFE {
		if c.TrustDomains != nil {
			errs = append(errs, errors.New("mtls: TrustDomains are for SubjectFrom spiffe alone"))
		}
		return errs
	}
	if len(c.TrustDomains) == 0 {
		errs = append(errs, errors.New("mtls: TrustDomains is empty: SPIFFE ids of which domains are accepted?"))
	}
	for _, d := range c.TrustDomains {
		if !validDomain(d) {
			errs = append(errs, fmt.Errorf("mtls: trust domain %q: want lower-case letters, digits and .-_", d))
		}
	}
	if len(c.TrustDomains) > 1 && c.Issuers == nil {
		errs = append(errs, errors.New("mtls: several TrustDomains need Issuers, each with its own domains: the authority of one could name another's workloads"))
	}
	return errs
}

// pattern reads a pattern that an accepted name can match.
func (c *Config) pattern(text string) (pattern, error) {
	p, err := newPattern(c.SubjectFrom, text)
	if domain := trustDomain(c.SubjectFrom, p.text); err == nil && domain != "" && !slices.Contains(c.TrustDomains, domain) {
		err = fmt.Errorf("%q is of a trust domain that is not listed", text)
	}
	return p, err
}

// addNames reads the accepted names.
func (s *Scheme) addNames(c *Config) (errs []error) {
	if c.Names != nil && len(c.Names) == 0 {
		errs = append(errs, errors.New("mtls: Names is empty: leave it out, or name somebody"))
	}
	if len(c.Names) > maxList || len(c.Grants) > maxList || len(c.Issuers) > maxList {
		return append(errs, fmt.Errorf("mtls: Names, Grants and Issuers have at most %d entries", maxList))
	}
	for i, text := range c.Names {
		p, err := c.pattern(text)
		if err != nil {
			errs = append(errs, fmt.Errorf("mtls: Names[%d]: %w", i, err))
		}
		s.names = append(s.names, p)
	}
	return errs
}

// addGrants reads the grants.
func (s *Scheme) addGrants(c *Config) (errs []error) {
	var names []string // of issuers
	if s.issuers != nil {
		names = s.issuers.names()
	}
	for i, g := range c.Grants {
		p, err := c.pattern(g.Match)
		if err != nil {
			errs = append(errs, fmt.Errorf("mtls: Grants[%d]: %w", i, err))
		}
		for _, scope := range g.Scopes {
			if !exchange.ValidScope(scope) {
				errs = append(errs, fmt.Errorf("mtls: Grants[%d]: scope %q: want segments of letters, digits and ._-/ divided by \":\"", i, scope))
			}
		}
		switch {
		case g.Issuer != "" && !slices.Contains(names, g.Issuer):
			errs = append(errs, fmt.Errorf("mtls: Grants[%d]: Issuers has none of the name %q", i, g.Issuer))
		case g.Issuer == "" && len(names) > 1 && c.SubjectFrom != SPIFFE:
			errs = append(errs, fmt.Errorf("mtls: Grants[%d]: Issuer is missing: each of several authorities could name %q", i, g.Match))
		}
		s.grants = append(s.grants, grant{p, g.Issuer, exchange.PatternScopes(g.Scopes...), g.Owner, g.Environment})
	}
	return errs
}
