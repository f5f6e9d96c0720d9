package mtls_test

import (
	"crypto/x509"
	"net/url"
	"regexp"
	"testing"
	"time"

	"github.com/warder-dev/warder/mtls"
)

// Whatever URI is accepted is a SPIFFE id of the trust domain, in its one
// spelling, and can be listed as it is.
func FuzzSPIFFE(f *testing.F) {
	for _, seed := range []string{
		"spiffe://example.org/web", "spiffe://example.org", "spiffe://example.org/", "spiffe://example.org/a/../b", "spiffe://example.org/%77", "SPIFFE://example.org/a?",
		"spiffe://example.org:1/a", "spiffe://u@example.org/a", "spiffe:example.org/a", "spiffe://example.org.evil/a", "spiffe:///example.org/a", "spiffe://example.org/a#b",
	} {
		f.Add(seed)
	}
	s := newScheme(f, mtls.Config{SubjectFrom: mtls.SPIFFE, TrustDomains: []string{"example.org"}})
	want := regexp.MustCompile(`^spiffe://example\.org(/[A-Za-z0-9._-]+)+$`)
	f.Fuzz(func(t *testing.T, text string) {
		u, err := url.Parse(text)
		if err != nil {
			return
		}
		cert := &x509.Certificate{URIs: []*url.URL{u}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
		p, err := s.Authenticate(request(cert))
		if err != nil {
			return
		}
		if !want.MatchString(p.Subject) || regexp.MustCompile(`/\.\.?(/|$)`).MatchString(p.Subject) {
			t.Errorf("%q proves %q", text, p.Subject)
		}
		listed := newScheme(t, mtls.Config{SubjectFrom: mtls.SPIFFE, TrustDomains: []string{"example.org"}, Names: []string{p.Subject}})
		if got := outcome(t, listed, cert); got != p.Subject {
			t.Errorf("%q, listed as itself, is %q", p.Subject, got)
		}
	})
}

// A pattern that is accepted matches what it is written as, once its star is a
// name, and nothing of another domain.
func FuzzNames(f *testing.F) {
	for _, seed := range []string{"web.example.com", "*.example.com", "*", "*.", "a.*.b", "Web", "", ".", "a..b", "*.*.com"} {
		f.Add(seed, "web.example.com")
	}
	f.Fuzz(func(t *testing.T, pattern, name string) {
		s, err := mtls.New(mtls.Config{SubjectFrom: mtls.DNS, Names: []string{pattern}})
		if err != nil {
			return
		}
		cert := &x509.Certificate{DNSNames: []string{name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
		p, err := s.Authenticate(request(cert))
		if err != nil {
			return
		}
		form := regexp.QuoteMeta(pattern)
		switch {
		case pattern == "*":
			form = `[a-z0-9_.-]+`
		case pattern[0] == '*':
			form = `[a-z0-9_-]+` + regexp.QuoteMeta(pattern[1:])
		}
		if !regexp.MustCompile("^" + form + "$").MatchString(p.Subject) {
			t.Errorf("%q matches %q", pattern, p.Subject)
		}
	})
}
