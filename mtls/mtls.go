// Package mtls is the scheme of client certificates: type "mutualTLS" in OpenAPI.
//
// The certificate is the one on the exchange: forwarded sets it from a handshake
// in which it was verified, or from a peer that is listed for it, and from
// nothing else. This package says whom it proves, and looks at what a handshake
// does not know of: the time of each request, the name that is wanted, and,
// where [Config] lists issuers, which of the authorities may have signed it.
//
// Without that list every authority that the listener trusts may name anybody.
// List the issuers as soon as it trusts more than one.
package mtls

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"slices"
	"time"

	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/openapi"
)

// defaultName is the name of the scheme in OpenAPI when there is no other.
const defaultName = "mutualTLS"

// A Scheme tells whom client certificates prove. It is safe for concurrent use.
type Scheme struct {
	name    string
	source  Source
	domains []string
	names   []pattern
	issuer  string // for every certificate; "" for the digest of its issuer's name
	issuers *issuers
	grants  []grant
}

var (
	_ authn.Scheme    = (*Scheme)(nil)
	_ authn.Describer = (*Scheme)(nil)
)

// A grant is a [Grant] ready to use.
type grant struct {
	match       pattern
	issuer      string
	scopes      exchange.Scopes
	owner       string
	environment string
}

// Name returns the scheme's name in OpenAPI.
func (s *Scheme) Name() string { return s.name }

// Challenge returns the WWW-Authenticate challenge that a 401 must have (RFC
// 9110, section 15.5.2). No scheme is registered for certificates, which are
// asked for in TLS: MutualTLS is warder's own word, for readers.
func (*Scheme) Challenge(realm string) string { return `MutualTLS realm="` + realm + `"` }

// Describe adds the scheme to doc.
func (s *Scheme) Describe(doc *openapi.Document) error {
	return doc.AddSecurityScheme(s.name, openapi.SecurityScheme{
		Type: openapi.TypeMutualTLS, Description: "A client certificate, proved in the TLS handshake.",
	})
}

// What is wrong with a certificate, in words for the log.
var (
	errExpired     = authn.Wrong("expired")
	errNotYet      = authn.Wrong("not-yet-valid")
	errUsage       = authn.Wrong("wrong-usage")
	errExtension   = authn.Wrong("unknown-extension")
	errNoName      = authn.Wrong("no-name")
	errMalformed   = authn.Wrong("malformed-name")
	errSeveral     = authn.Wrong("several-names")
	errUnlisted    = authn.Wrong("unlisted-name")
	errTrustDomain = authn.Wrong("unlisted-trust-domain")
	errIssuer      = authn.Wrong("unlisted-issuer")
)

// Authenticate returns whom the client certificate of x proves. It is absent
// when the client proved none. A certificate that is not valid now, that is not
// for clients, or that does not have exactly one name of the wanted kind
// is wrong.
//
// The validity is judged at each request, since a connection outlives a
// handshake. [exchange.Principal.Expires] is the end of the certificate's.
func (s *Scheme) Authenticate(x *exchange.Exchange) (exchange.Principal, error) {
	cert := x.ClientCert
	if cert == nil {
		return exchange.Principal{}, authn.ErrNoCredential
	}
	now := time.Now()
	if err := check(cert, now); err != nil {
		return exchange.Principal{}, err
	}
	subject, err := s.subject(cert)
	if err != nil {
		return exchange.Principal{}, err
	}
	issuer := s.issuer
	switch {
	case s.issuers != nil:
		if issuer, err = s.issuers.of(cert, now, trustDomain(s.source, subject), x.Dry); err != nil {
			return exchange.Principal{}, err
		}
	case issuer == "":
		issuer = digest("x509:", cert.RawIssuer)
	}
	p := exchange.Principal{Issuer: issuer, Subject: subject, Scheme: s.name, Ambient: true, Expires: cert.NotAfter}
	for i := range s.grants {
		if g := &s.grants[i]; (g.issuer == "" || g.issuer == issuer) && g.match.matches(subject) {
			p.Scopes, p.Owner, p.Environment = g.scopes, g.owner, g.environment
			break
		}
	}
	return p, nil
}

// digest names data by its SHA-256, so that two names differ when the data does.
func digest(prefix string, data []byte) string {
	sum := sha256.Sum256(data)
	return prefix + hex.EncodeToString(sum[:])
}

// check judges what does not depend on the configuration. A listed peer that
// forwarded the certificate may not have looked at these.
func check(cert *x509.Certificate, now time.Time) error {
	switch {
	case now.Before(cert.NotBefore):
		return errNotYet
	case !now.Before(cert.NotAfter): // RFC 5280, section 4.1.2.5 counts that second in; keys end at theirs
		return errExpired
	case len(cert.UnhandledCriticalExtensions) > 0: // RFC 5280, section 4.2
		return errExtension
	case !forClients(cert):
		return errUsage
	}
	return nil
}

// forClients reports whether the extended key usage (RFC 5280, section
// 4.2.1.12) allows client authentication. None at all allows everything.
func forClients(cert *x509.Certificate) bool {
	if len(cert.ExtKeyUsage) == 0 && len(cert.UnknownExtKeyUsage) == 0 {
		return true
	}
	return slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageClientAuth) || slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageAny)
}

// subject returns the one name of cert that is wanted.
func (s *Scheme) subject(cert *x509.Certificate) (string, error) {
	names, err := s.source.names(cert)
	if err != nil {
		return "", err
	}
	if len(names) == 0 {
		return "", errNoName
	}
	if s.source == SPIFFE && !slices.Contains(s.domains, trustDomain(s.source, names[0])) {
		return "", errTrustDomain
	}
	if s.names != nil {
		names = slices.DeleteFunc(names, func(name string) bool {
			return !slices.ContainsFunc(s.names, func(p pattern) bool { return p.matches(name) })
		})
		if len(names) == 0 {
			return "", errUnlisted
		}
	}
	if len(names) > 1 {
		return "", errSeveral
	}
	return names[0], nil
}

// commonName is the type of the attribute (RFC 5280, appendix A.1).
func commonName(t asn1.ObjectIdentifier) bool { return t.Equal(asn1.ObjectIdentifier{2, 5, 4, 3}) }
