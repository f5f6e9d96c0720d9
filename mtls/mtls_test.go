package mtls_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/mtls"
	"github.com/warder-dev/warder/openapi"
)

func TestSubjects(t *testing.T) {
	ca := newAuthority(t, "ca")
	spiffe := mtls.Config{SubjectFrom: mtls.SPIFFE, TrustDomains: []string{"example.org"}}
	dns, email, uri := mtls.Config{SubjectFrom: mtls.DNS}, mtls.Config{SubjectFrom: mtls.Email}, mtls.Config{SubjectFrom: mtls.URI}
	cn, dn := mtls.Config{SubjectFrom: mtls.CommonName}, mtls.Config{SubjectFrom: mtls.DistinguishedName}
	listed := func(c mtls.Config, names ...string) mtls.Config {
		c.Names = names
		return c
	}
	ids := func(texts ...string) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.URIs = uris(t, texts...) }
	}
	hosts := func(names ...string) func(*x509.Certificate) { return func(c *x509.Certificate) { c.DNSNames = names } }
	boxes := func(names ...string) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.EmailAddresses = names }
	}
	tests := []struct {
		name string
		cfg  mtls.Config
		cert func(*x509.Certificate)
		want string
	}{
		{"spiffe", spiffe, ids("spiffe://example.org/ns/shop/sa/web"), "spiffe://example.org/ns/shop/sa/web"},
		{"spiffe: other alternative names beside it", spiffe, func(c *x509.Certificate) { ids("spiffe://example.org/web")(c); hosts("web")(c) }, "spiffe://example.org/web"},
		{"spiffe: no URI", spiffe, hosts("web"), "wrong: no-name"},
		{"spiffe: two URIs", spiffe, ids("spiffe://example.org/web", "https://example.org/"), "wrong: several-names"},
		{"spiffe: two ids, one of them listed", listed(spiffe, "spiffe://example.org/web"), ids("spiffe://example.org/web", "spiffe://example.org/db"), "wrong: several-names"},
		{"spiffe: another URI", spiffe, ids("https://example.org/web"), "wrong: malformed-name"},
		{"spiffe: another trust domain", spiffe, ids("spiffe://example.com/web"), "wrong: unlisted-trust-domain"},
		{"spiffe: a trust domain that begins alike", spiffe, ids("spiffe://example.org.evil.example/web"), "wrong: unlisted-trust-domain"},
		{"spiffe: the trust domain itself", spiffe, ids("spiffe://example.org"), "wrong: malformed-name"},
		{"spiffe: no path behind the slash", spiffe, ids("spiffe://example.org/"), "wrong: malformed-name"},
		{"spiffe: a slash at the end", spiffe, ids("spiffe://example.org/web/"), "wrong: malformed-name"},
		{"spiffe: an empty segment", spiffe, ids("spiffe://example.org//web"), "wrong: malformed-name"},
		{"spiffe: dots", spiffe, ids("spiffe://example.org/ns/../web"), "wrong: malformed-name"},
		{"spiffe: an encoded letter", spiffe, ids("spiffe://example.org/%77eb"), "wrong: malformed-name"},
		{"spiffe: a query", spiffe, ids("spiffe://example.org/web?x=y"), "wrong: malformed-name"},
		{"spiffe: an empty query", spiffe, ids("spiffe://example.org/web?"), "wrong: malformed-name"},
		{"spiffe: a fragment", spiffe, ids("spiffe://example.org/web#x"), "wrong: malformed-name"},
		{"spiffe: a user", spiffe, ids("spiffe://u@example.org/web"), "wrong: malformed-name"},
		{"spiffe: a port", spiffe, ids("spiffe://example.org:443/web"), "wrong: malformed-name"},
		{"spiffe: upper case in the trust domain", spiffe, ids("spiffe://Example.org/web"), "wrong: malformed-name"},
		{"spiffe: another character", spiffe, ids("spiffe://example.org/web~1"), "wrong: malformed-name"},
		{"spiffe: 2049 bytes", spiffe, ids("spiffe://example.org/" + strings.Repeat("x", 2049-21)), "wrong: malformed-name"},
		{"spiffe: an authority's certificate", spiffe, func(c *x509.Certificate) {
			ids("spiffe://example.org/web")(c)
			c.BasicConstraintsValid, c.IsCA = true, true
		}, "wrong: wrong-usage"},
		{"spiffe: that may sign", spiffe, func(c *x509.Certificate) {
			ids("spiffe://example.org/web")(c)
			c.KeyUsage |= x509.KeyUsageCRLSign
		}, "wrong: wrong-usage"},
		{"spiffe: below a listed one", listed(spiffe, "spiffe://example.org/ns/shop/**"), ids("spiffe://example.org/ns/shop/web"), "spiffe://example.org/ns/shop/web"},
		{"spiffe: beside a listed one", listed(spiffe, "spiffe://example.org/ns/shop/**"), ids("spiffe://example.org/ns/shop2/web"), "wrong: unlisted-name"},
		{"spiffe: the folder itself", listed(spiffe, "spiffe://example.org/ns/shop/**"), ids("spiffe://example.org/ns/shop"), "wrong: unlisted-name"},

		{"dns", dns, hosts("Web.Example.com"), "web.example.com"},
		{"dns: twice the same", dns, hosts("web.example.com", "WEB.example.com"), "web.example.com"},
		{"dns: none, and a common name", dns, named("web.example.com"), "wrong: no-name"},
		{"dns: two", dns, hosts("web.example.com", "www.example.com"), "wrong: several-names"},
		{"dns: two, one of them listed", listed(dns, "web.example.com"), hosts("web.example.com", "www.example.com"), "web.example.com"},
		{"dns: two, both listed", listed(dns, "*.example.com"), hosts("web.example.com", "www.example.com"), "wrong: several-names"},
		{"dns: a wildcard names nobody", dns, hosts("*.example.com"), "wrong: malformed-name"},
		{"dns: a wildcard beside a listed one", listed(dns, "web.example.com"), hosts("web.example.com", "*.example.com"), "wrong: malformed-name"},
		{"dns: a form takes one label", listed(dns, "*.example.com"), hosts("a.b.example.com"), "wrong: unlisted-name"},
		{"dns: a form takes not none", listed(dns, "*.example.com"), hosts("example.com"), "wrong: unlisted-name"},
		{"dns: a form ends at a label", listed(dns, "*.example.com"), hosts("web.evilexample.com"), "wrong: unlisted-name"},

		{"email", email, boxes("Ada@Example.com"), "Ada@example.com"},
		{"email: a form", listed(email, "*@example.com"), boxes("ada@example.com"), "ada@example.com"},
		{"email: of another domain", listed(email, "*@example.com"), boxes("ada@sub.example.com"), "wrong: unlisted-name"},
		{"email: case of the mailbox", listed(email, "ada@example.com"), boxes("Ada@example.com"), "wrong: unlisted-name"},
		{"email: two signs", email, boxes("ada@evil@example.com"), "wrong: malformed-name"},

		{"uri", uri, ids("https://example.com/apps/7"), "https://example.com/apps/7"},
		{"uri: below a listed one", listed(uri, "https://example.com/apps/**"), ids("https://example.com/apps/7"), "https://example.com/apps/7"},
		{"uri: two", uri, ids("https://example.com/a", "urn:b"), "wrong: several-names"},

		{"cn", cn, named("web 7"), "web 7"},
		{"cn: none", cn, hosts("web"), "wrong: no-name"},
		{"cn: a control character", cn, named("web\x00.example.com"), "wrong: malformed-name"},
		{"cn: a line break", cn, named("web\nadmin"), "wrong: malformed-name"},
		{"cn: two", cn, func(c *x509.Certificate) {
			c.Subject.ExtraNames = []pkix.AttributeTypeAndValue{{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: "a"}, {Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: "b"}}
		}, "wrong: several-names"},
		{"cn: has case", listed(cn, "web"), named("Web"), "wrong: unlisted-name"},

		{"dn", dn, func(c *x509.Certificate) {
			c.Subject = pkix.Name{CommonName: "web, 7", Organization: []string{"Acme"}, Country: []string{"DE"}}
		}, `CN=web\, 7,O=Acme,C=DE`},
		{"dn: listed", listed(dn, "CN=web,O=Acme"), func(c *x509.Certificate) { c.Subject = pkix.Name{CommonName: "web", Organization: []string{"Acme"}} }, "CN=web,O=Acme"},
		{"dn: an attribute that writes another", listed(dn, "CN=web,O=Acme"), named("web,O=Acme"), "wrong: unlisted-name"},
		{"dn: none", dn, hosts("web"), "wrong: no-name"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := outcome(t, newScheme(t, tt.cfg), ca.client(t, tt.cert)); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestPrincipal(t *testing.T) {
	ca := newAuthority(t, "ca")
	cert := ca.client(t, named("web"))
	s := newScheme(t, mtls.Config{SubjectFrom: mtls.CommonName, Issuer: "our-ca", Grants: []mtls.Grant{
		{Match: "db", Scopes: []string{"*"}},
		{Match: "web", Scopes: []string{"orders:*"}, Owner: "acme", Environment: "live"},
		{Match: "*", Scopes: []string{"users:read"}, Owner: "other"},
	}})
	p, err := s.Authenticate(request(cert))
	if err != nil {
		t.Fatal(err)
	}
	if p.Issuer != "our-ca" || p.Subject != "web" || p.Scheme != "mutualTLS" || !p.Ambient || !p.Expires.Equal(cert.NotAfter) || p.KeyID != "" {
		t.Errorf("got %+v", p)
	}
	if p.Owner != "acme" || p.Environment != "live" || !p.Scopes.Allow("orders:read") || p.Scopes.Allow("users:read") {
		t.Errorf("got owner %q in %q with %q, want what the first grant that matches says, alone", p.Owner, p.Environment, p.Scopes.Names())
	}
	p, err = newScheme(t, mtls.Config{SubjectFrom: mtls.CommonName, Grants: []mtls.Grant{{Match: "db", Scopes: []string{"*"}}}}).Authenticate(request(cert))
	if err != nil || p.Owner != "" || len(p.Scopes.Names()) != 0 {
		t.Errorf("without a grant: got %+v, %v, want somebody without rights", p, err)
	}
}

func TestAbsent(t *testing.T) {
	s := newScheme(t, mtls.Config{SubjectFrom: mtls.CommonName})
	x := request(nil)
	x.Request.Header.Set("X-Client-Cert", "forged") // nobody reads fields here
	x.Request.Header.Set("X-Forwarded-Client-Cert", `Subject="CN=web"`)
	if _, err := s.Authenticate(x); !errors.Is(err, authn.ErrNoCredential) {
		t.Errorf("got %v, want no credential", err)
	}
}

func TestUsage(t *testing.T) {
	ca := newAuthority(t, "ca")
	s := newScheme(t, mtls.Config{SubjectFrom: mtls.CommonName})
	tests := []struct {
		name  string
		usage []x509.ExtKeyUsage
		want  string
	}{
		{"for clients", []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, "web"},
		{"for both", []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, "web"},
		{"for anything", []x509.ExtKeyUsage{x509.ExtKeyUsageAny}, "web"},
		{"nothing said", nil, "web"},
		{"for servers", []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, "wrong: wrong-usage"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cert := ca.client(t, func(c *x509.Certificate) { c.Subject.CommonName, c.ExtKeyUsage = "web", tt.usage })
			if got := outcome(t, s, cert); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	unknown := ca.client(t, func(c *x509.Certificate) {
		c.Subject.CommonName, c.ExtKeyUsage = "web", nil
		c.UnknownExtKeyUsage = []asn1.ObjectIdentifier{{1, 2, 3}}
	})
	if got := outcome(t, s, unknown); got != "wrong: wrong-usage" {
		t.Errorf("for something unknown: got %q", got)
	}
	critical := ca.client(t, func(c *x509.Certificate) {
		c.Subject.CommonName = "web"
		c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{5, 0}}}
	})
	if got := outcome(t, s, critical); got != "wrong: unknown-extension" {
		t.Errorf("with a critical extension: got %q", got)
	}
}

// A connection outlives its certificate: the time is judged at each request.
func TestValidity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := newAuthority(t, "ca")
		begin := time.Now().Add(time.Hour)
		cert := ca.client(t, func(c *x509.Certificate) {
			c.Subject.CommonName, c.NotBefore, c.NotAfter = "web", begin, begin.Add(time.Hour)
		})
		issuers := []mtls.Issuer{{Name: "ca", Certificate: ca.cert}}
		for _, s := range []*mtls.Scheme{newScheme(t, mtls.Config{SubjectFrom: mtls.CommonName}), newScheme(t, mtls.Config{SubjectFrom: mtls.CommonName, Issuers: issuers})} {
			start := time.Now()
			for _, step := range []struct {
				at   time.Duration // after the begin of the validity
				want string
			}{{-time.Second, "wrong: not-yet-valid"}, {0, "web"}, {time.Hour - time.Nanosecond, "web"}, {time.Hour, "wrong: expired"}, {2 * time.Hour, "wrong: expired"}} {
				if wait := time.Until(begin.Add(step.at)); wait > 0 {
					<-time.After(wait)
				}
				if got := outcome(t, s, cert); got != step.want {
					t.Errorf("%v after the begin: got %q, want %q", step.at, got, step.want)
				}
			}
			begin = begin.Add(time.Since(start) + time.Hour)
			cert = ca.client(t, func(c *x509.Certificate) {
				c.Subject.CommonName, c.NotBefore, c.NotAfter = "web", begin, begin.Add(time.Hour)
			})
		}
	})
}

func TestDescribe(t *testing.T) {
	s := newScheme(t, mtls.Config{SubjectFrom: mtls.CommonName})
	var doc openapi.Document
	security, err := authn.Require(s).Describe(&doc)
	if err != nil {
		t.Fatal(err)
	}
	if got := doc.Components.SecuritySchemes["mutualTLS"]; got.Type != "mutualTLS" || len(security) != 1 {
		t.Errorf("got %+v and %v", got, security)
	}
	if got, want := s.Challenge("warder"), `MutualTLS realm="warder"`; got != want {
		t.Errorf("challenge %q, want %q", got, want)
	}
}

func TestNewRefuses(t *testing.T) {
	ca, other := newAuthority(t, "ca"), newAuthority(t, "other")
	leaf := ca.client(t, named("web"))
	two := []mtls.Issuer{{Name: "a", Certificate: ca.cert}, {Name: "b", Certificate: other.cert}}
	tests := []struct {
		name string
		cfg  mtls.Config
		want []string
	}{
		{"no source", mtls.Config{}, []string{`SubjectFrom is ""`}},
		{"a source that is none", mtls.Config{SubjectFrom: "serial"}, []string{`SubjectFrom is "serial"`}},
		{"spiffe without a trust domain", mtls.Config{SubjectFrom: mtls.SPIFFE}, []string{"TrustDomains is empty"}},
		{"a trust domain that is none", mtls.Config{SubjectFrom: mtls.SPIFFE, TrustDomains: []string{"spiffe://a"}}, []string{`"spiffe://a"`}},
		{"trust domains for other names", mtls.Config{SubjectFrom: mtls.DNS, TrustDomains: []string{"a"}}, []string{"spiffe alone"}},
		{"two trust domains of one authority", mtls.Config{SubjectFrom: mtls.SPIFFE, TrustDomains: []string{"a", "b"}}, []string{"need Issuers"}},
		{"an issuer of no trust domain", mtls.Config{SubjectFrom: mtls.SPIFFE, TrustDomains: []string{"a"}, Issuers: []mtls.Issuer{{Certificate: ca.cert}}}, []string{"for which does it speak"}},
		{"an issuer of another trust domain", mtls.Config{SubjectFrom: mtls.SPIFFE, TrustDomains: []string{"a"}, Issuers: []mtls.Issuer{{Certificate: ca.cert, TrustDomains: []string{"b"}}}}, []string{`"b" is not one`}},
		{"an issuer's trust domain for other names", mtls.Config{SubjectFrom: mtls.DNS, Issuers: []mtls.Issuer{{Certificate: ca.cert, TrustDomains: []string{"b"}}}}, []string{"spiffe alone"}},
		{"names that are none", mtls.Config{SubjectFrom: mtls.DNS, Names: []string{}}, []string{"Names is empty"}},
		{"a DNS name in upper case", mtls.Config{SubjectFrom: mtls.DNS, Names: []string{"Web", "a.*.b", "*", "*."}}, []string{`"Web"`, `"a.*.b"`, `"*."`}},
		{"a mailbox that is none", mtls.Config{SubjectFrom: mtls.Email, Names: []string{"ada", "ada@Example.com", "*@*.com"}}, []string{`"ada"`, `"ada@Example.com"`, `"*@*.com"`}},
		{"a SPIFFE id that is none", mtls.Config{SubjectFrom: mtls.SPIFFE, TrustDomains: []string{"a"}, Names: []string{"spiffe://a", "spiffe://a/*", "spiffe://a/**/b", "spiffe://b/**"}}, []string{`"spiffe://a"`, `"spiffe://a/*"`, `"spiffe://a/**/b"`, `"spiffe://b/**" is of a trust domain`}},
		{"a URI that is none", mtls.Config{SubjectFrom: mtls.URI, Names: []string{"/**", "a b\n"}}, []string{`"/**"`, `"a b\n"`}},
		{"a common name with a line break", mtls.Config{SubjectFrom: mtls.CommonName, Names: []string{"a\nb"}}, []string{`"a\nb"`}},
		{"too many names", mtls.Config{SubjectFrom: mtls.CommonName, Names: make([]string, 1001)}, []string{"at most 1000"}},
		{"issuers that are none", mtls.Config{SubjectFrom: mtls.CommonName, Issuers: []mtls.Issuer{}}, []string{"Issuers is empty"}},
		{"issuers with and without certificates", mtls.Config{SubjectFrom: mtls.CommonName, Issuers: []mtls.Issuer{{}, {Certificate: leaf}, {Certificate: ca.cert}, {Certificate: ca.cert}}}, []string{"Issuers[0]: the Certificate is missing", "Issuers[1]: the Certificate is not that of an authority", "Issuers[3]: the Certificate is listed already"}},
		{"one name for several issuers", mtls.Config{SubjectFrom: mtls.CommonName, Issuer: "x", Issuers: two}, []string{"Issuer and Issuers"}},
		{"a grant for nobody", mtls.Config{SubjectFrom: mtls.CommonName, Grants: []mtls.Grant{{}}}, []string{"Grants[0]"}},
		{"a grant of what is no scope", mtls.Config{SubjectFrom: mtls.CommonName, Grants: []mtls.Grant{{Match: "*", Scopes: []string{"a b"}}}}, []string{`scope "a b"`}},
		{"a grant by an issuer that is not listed", mtls.Config{SubjectFrom: mtls.CommonName, Grants: []mtls.Grant{{Match: "*", Issuer: "c"}}}, []string{`none of the name "c"`}},
		{"a grant that each of two authorities could take", mtls.Config{SubjectFrom: mtls.CommonName, Issuers: two, Grants: []mtls.Grant{{Match: "admin", Scopes: []string{"*"}}}}, []string{"Issuer is missing"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := mtls.New(tt.cfg)
			if err == nil {
				t.Fatal("was accepted")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not say %s", err, want)
				}
			}
		})
	}
}
