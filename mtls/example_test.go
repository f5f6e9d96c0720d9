package mtls_test

import (
	"crypto/x509"
	"fmt"
	"net/url"
	"os"
	"time"

	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/mtls"
)

// Workloads of one trust domain, each with what its place in it is good for.
func Example() {
	scheme, err := mtls.New(mtls.Config{
		SubjectFrom: mtls.SPIFFE, TrustDomains: []string{"example.org"}, Issuer: "example.org",
		Grants: []mtls.Grant{
			{Match: "spiffe://example.org/ns/shop/**", Scopes: []string{"orders:*"}, Owner: "shop"},
			{Match: "*", Scopes: []string{"status:read"}},
		},
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	stage, err := authn.New(authn.Config{Requirement: authn.Require(scheme, "orders:read")})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	for _, id := range []string{"spiffe://example.org/ns/shop/sa/web", "spiffe://example.org/ns/blog/sa/web", "spiffe://example.com/ns/shop/sa/web"} {
		x := request(verified(id)) // as forwarded leaves it
		v := stage.Check(x)
		_, _ = fmt.Fprintf(os.Stdout, "%s %q %q\n", v.Kind(), x.Principal.Owner, v.Reason())
	}
	// Output:
	// passed "shop" ""
	// refused "" "insufficient-scope"
	// refused "" "unlisted-trust-domain"
}

// verified stands for the certificate of a handshake.
func verified(id string) *x509.Certificate {
	u, err := url.Parse(id)
	if err != nil {
		return nil
	}
	return &x509.Certificate{URIs: []*url.URL{u}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
}
