package tlsconfig_test

import (
	"crypto/tls"
	"errors"
	"strings"
	"testing"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/testcert"
	"github.com/warder-dev/warder/tlsconfig"
)

// sharing has a certificate of two names, one of a wildcard, one of its own for a name
// that the wildcard stands for, and two that are managed.
func sharing(t *testing.T, change func(*tlsconfig.Config)) *tlsconfig.Source {
	t.Helper()
	ca := testcert.NewCA(t, "root")
	cfg := tlsconfig.Config{
		Certificates: []tlsconfig.Files{
			files(t, ca.Issue(t, testcert.Leaf{Names: []string{"a.test", "b.test"}})),
			files(t, ca.Issue(t, testcert.Leaf{Names: []string{"*.in.test"}})),
			files(t, ca.Issue(t, testcert.Leaf{Names: []string{"own.in.test"}})),
		},
		Managed: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, errors.New("nobody is asked") },
		ManagedName: func(name string) string {
			if name == "m.test" || strings.HasSuffix(name, ".m.test") && strings.Count(name, ".") == 2 {
				return map[bool]string{true: "m.test", false: "*.m.test"}[name == "m.test"]
			}
			return ""
		},
	}
	if change != nil {
		change(&cfg)
	}
	return open(t, cfg)
}

func TestNamesThatShareAConnection(t *testing.T) {
	loose := sharing(t, nil)
	strict := sharing(t, func(c *tlsconfig.Config) { c.StrictNames = true })
	own := sharing(t, func(c *tlsconfig.Config) { c.ManagedName = nil })
	none := sharing(t, func(c *tlsconfig.Config) { c.Managed, c.ManagedName = nil, nil })
	attack.Case(t, "TLS-06", attack.Library, func(t *testing.T) {
		for _, tt := range []struct {
			name, asked, host string
			loose, strict     bool
		}{
			{"the same", "a.test", "a.test", true, true},
			{"another name of the certificate", "a.test", "b.test", true, true},
			{"a name of another certificate", "a.test", "x.in.test", false, false},
			{"two names of a wildcard", "x.in.test", "y.in.test", true, true},
			{"a name that has a certificate of its own too", "x.in.test", "own.in.test", true, true},
			{"the other way: it was shown its own", "own.in.test", "x.in.test", false, false},
			{"a name that no certificate is for", "x.in.test", "nobody.test", true, false},
			{"an unknown name, which was shown the first", "nobody.test", "a.test", true, true},
			{"an unknown name, and a host that was not shown", "nobody.test", "x.in.test", false, false},
			{"unknown names", "nobody.test", "another.test", true, false},
			{"no name", "", "x.in.test", true, true},
			{"an address in place of a name", "192.0.2.1", "x.in.test", true, true},
			{"an IPv6 address in place of a name", "2001:db8::1", "x.in.test", true, true},
			{"an address as host", "x.in.test", "192.0.2.1", true, false},
			{"a managed name, the certificate of a file", "m.test", "a.test", false, false},
			{"the other way", "a.test", "m.test", false, false},
			{"managed names of one wildcard", "x.m.test", "y.m.test", true, true},
			{"managed names of two certificates", "m.test", "y.m.test", false, false},
			{"an unknown name, and a managed one", "nobody.test", "m.test", false, false},
		} {
			for s, want := range map[*tlsconfig.Source]bool{loose: tt.loose, strict: tt.strict} {
				if got := s.Shares(tt.asked, tt.host); got != want {
					t.Errorf("%s: a handshake for %q carries requests for %q: %v, want %v (strict: %v)", tt.name, tt.asked, tt.host, got, want, s == strict)
				}
			}
		}
	})
	if own.Shares("x.m.test", "y.m.test") || !own.Shares("x.m.test", "x.m.test") {
		t.Error("managed names of which nothing is said have certificates of their own")
	}
	if !none.Shares("a.test", "m.test") {
		t.Error("without managed certificates no name is managed")
	}
}

// TestClientCertificatesDivideNames: who passed a handshake that wants none is not
// where one is wanted, and the other way.
func TestClientCertificatesDivideNames(t *testing.T) {
	ca := testcert.NewCA(t, "root")
	file := t.TempDir() + "/ca.pem"
	testcert.Replace(t, file, ca.PEM)
	s := sharing(t, func(c *tlsconfig.Config) {
		c.ClientCerts = tlsconfig.ClientCerts{Mode: tlsconfig.ClientCertRequire, CAFile: file, Names: []string{"b.test", "*.in.test"}}
	})
	attack.Case(t, "TLS-06", attack.Library, func(t *testing.T) {
		for _, tt := range []struct {
			asked, host string
			want        bool
		}{
			{"a.test", "b.test", false},
			{"b.test", "a.test", false},
			{"", "b.test", false},
			{"", "a.test", true},
			{"x.in.test", "y.in.test", true},
			{"nobody.test", "b.test", false},
			{"192.0.2.1", "b.test", false},
			{"b.test", "nobody.test", false},
		} {
			if got := s.Shares(tt.asked, tt.host); got != tt.want {
				t.Errorf("a handshake for %q carries requests for %q: %v, want %v", tt.asked, tt.host, got, tt.want)
			}
		}
	})
	if got := testing.AllocsPerRun(100, func() { s.Shares("a.test", "b.test") }); got != 0 {
		t.Errorf("%v allocations, want 0", got)
	}
}
