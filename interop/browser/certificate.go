package browser

import (
	"crypto/tls"
	"testing"
)

// Certificate returns the one that the package's Chromium believes, for programs
// that serve HTTPS by themselves: for every name under .test, .site.test and
// .other.test, and for 127.0.0.1. It vouches for itself.
func Certificate(tb testing.TB) tls.Certificate {
	tb.Helper()
	if err := shared.start(); err != nil {
		tb.Fatal(err)
	}
	return shared.cert
}
