package tlsconfig_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/warder-dev/warder/httpserver"
	"github.com/warder-dev/warder/internal/testcert"
	"github.com/warder-dev/warder/tlsconfig"
)

// A server whose certificate may be renewed while it runs.
func Example() {
	source, err := tlsconfig.New(tlsconfig.Config{
		Certificates: []tlsconfig.Files{{Certificate: "/etc/api/tls.crt", Key: "/etc/api/tls.key"}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer source.Close()
	server, err := httpserver.New(httpserver.Config{Handler: http.NotFoundHandler(), TLS: source.TLS()})
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = server // server.Serve(listener)

	// Output:
	// tlsconfig: certificate file "/etc/api/tls.crt": no such file or directory
	// tlsconfig: key file "/etc/api/tls.key": no such file or directory
}

func BenchmarkCertificate(b *testing.B) {
	ca := testcert.NewCA(b, "root")
	cert, key := ca.Issue(b, testcert.Leaf{}).Write(b, b.TempDir(), "tls")
	s, err := tlsconfig.New(tlsconfig.Config{Certificates: []tlsconfig.Files{{Certificate: cert, Key: key}}})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	chosen, err := s.TLS().GetConfigForClient(helloFor("localhost"))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if c, err := chosen.GetCertificate(helloFor("localhost")); c == nil || err != nil {
			b.Fatal(c, err)
		}
	}
}
