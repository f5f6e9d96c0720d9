package mtls

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A Source is which name of a certificate is the subject.
type Source string

// The sources. A certificate has to have exactly one such name that [Config]
// accepts; which one of several was meant is nobody's to guess.
const (
	SPIFFE            Source = "spiffe" // the only URI among the alternative names, a SPIFFE id of a listed trust domain
	DNS               Source = "dns"    // a DNS name among the alternative names, in lower case, no wildcard
	Email             Source = "email"  // a mailbox among the alternative names, its domain in lower case
	URI               Source = "uri"    // a URI among the alternative names
	CommonName        Source = "cn"     // the common name of the subject
	DistinguishedName Source = "dn"     // the whole subject, as text (RFC 4514): "CN=a,O=b,C=de"
)

func (s Source) known() bool {
	return slices.Contains([]Source{SPIFFE, DNS, Email, URI, CommonName, DistinguishedName}, s)
}

// maxSubject is the longest subject, in bytes: that of a SPIFFE id.
const maxSubject = 2048

// names returns the names of cert of the kind s, each once, in their one
// spelling. One that is malformed is refused with all others.
func (s Source) names(cert *x509.Certificate) ([]string, error) {
	var all []string
	switch s {
	case SPIFFE:
		return spiffe(cert)
	case DNS:
		all = mapped(cert.DNSNames, strings.ToLower)
	case Email:
		all = mapped(cert.EmailAddresses, mailbox)
	case URI:
		all = mapped(cert.URIs, absolute)
	case CommonName:
		for _, a := range cert.Subject.Names {
			if commonName(a.Type) {
				text, _ := a.Value.(string) // of another type it is malformed: empty
				all = append(all, text)
			}
		}
	case DistinguishedName:
		var sequence pkix.RDNSequence
		if rest, err := asn1.Unmarshal(cert.RawSubject, &sequence); err != nil || len(rest) > 0 {
			return nil, errMalformed
		}
		if len(sequence) > 0 {
			all = []string{sequence.String()}
		}
	}
	for _, name := range all {
		if !wellFormed(name) || s == DNS && !hostName(name) {
			return nil, errMalformed
		}
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

func mapped[T any](list []T, f func(T) string) []string {
	all := make([]string, len(list))
	for i, v := range list {
		all[i] = f(v)
	}
	return all
}

// wellFormed reports whether name can stand in a log and a header.
func wellFormed(name string) bool {
	return name != "" && len(name) <= maxSubject && utf8.ValidString(name) && !strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) })
}

// maxHost is the longest DNS name (RFC 1035, section 2.3.4), in bytes.
const maxHost = 253

// hostName reports whether name is a DNS name in lower case; the underscore is
// in names inside of clusters.
func hostName(name string) bool {
	if len(name) > maxHost {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || strings.ContainsFunc(label, func(r rune) bool { return !letterOrDigit(r) && r != '-' && r != '_' }) {
			return false
		}
	}
	return true
}

func letterOrDigit(r rune) bool { return 'a' <= r && r <= 'z' || '0' <= r && r <= '9' }

// mailbox returns address with its domain in lower case, and "" for what is
// none. The part before the domain has case (RFC 5321, section 2.4).
func mailbox(address string) string {
	local, domain, ok := strings.Cut(address, "@")
	domain = strings.ToLower(domain)
	if !ok || local == "" || strings.ContainsAny(local, " \"<>,;:") || !hostName(domain) {
		return ""
	}
	return local + "@" + domain
}

// absolute returns the text of u, and "" when it is relative.
func absolute(u *url.URL) string {
	if u.Scheme == "" {
		return ""
	}
	return u.String()
}

// spiffe returns the SPIFFE id of cert, or none when it has no URI. The X.509
// profile of SPIFFE allows no second URI, and no authority's certificate.
func spiffe(cert *x509.Certificate) ([]string, error) {
	switch {
	case len(cert.URIs) == 0:
		return nil, nil
	case len(cert.URIs) > 1:
		return nil, errSeveral
	case cert.IsCA || cert.KeyUsage&(x509.KeyUsageCertSign|x509.KeyUsageCRLSign) != 0:
		return nil, errUsage
	}
	id := cert.URIs[0].String()
	if !validID(id) {
		return nil, errMalformed
	}
	return []string{id}, nil
}

const spiffeScheme = "spiffe://"

// validID reports whether id is a SPIFFE id with a path: spiffe://domain/a/b,
// without anything that a URI has otherwise.
func validID(id string) bool {
	rest, ok := strings.CutPrefix(id, spiffeScheme)
	domain, path, hasPath := strings.Cut(rest, "/")
	if !ok || !hasPath || len(id) > maxSubject || !validDomain(domain) {
		return false
	}
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "" || segment == "." || segment == ".." {
			return false
		}
		if strings.ContainsFunc(segment, func(r rune) bool { return !letterOrDigit(r) && (r < 'A' || r > 'Z') && !strings.ContainsRune(".-_", r) }) {
			return false
		}
	}
	return true
}

// maxDomain is the longest trust domain, in bytes.
const maxDomain = 255

// validDomain reports whether domain is a trust domain's name.
func validDomain(domain string) bool {
	return domain != "" && len(domain) <= maxDomain &&
		!strings.ContainsFunc(domain, func(r rune) bool { return !letterOrDigit(r) && !strings.ContainsRune(".-_", r) })
}

// trustDomain returns the trust domain of a SPIFFE id; "" of other subjects.
func trustDomain(s Source, subject string) string {
	if s != SPIFFE {
		return ""
	}
	domain, _, _ := strings.Cut(strings.TrimPrefix(subject, spiffeScheme), "/")
	return domain
}
