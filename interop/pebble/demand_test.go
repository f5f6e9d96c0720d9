package pebble_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/warder-dev/warder/internal/attack"
)

// TestOnDemandAtTheGateway: the first client of a listed name has its certificate
// got, and nobody has any got for another name.
func TestOnDemandAtTheGateway(t *testing.T) {
	attack.Case(t, "TLS-10", attack.Gateway, func(t *testing.T) {
		a := newAuthority(t)
		yaml := a.acmeYAML(filepath.Join(t.TempDir(), "acme"), false, "later.test")
		g := open(t, strings.Replace(yaml, "    names: ", "    on_demand: ", 1))
		a.serve(t, closedPort, port(t, g.listeners.Public), hour)
		g.run(t)
		roots := a.roots(t)
		for _, name := range []string{"other.test", "a.later.test", "later.test.evil.test", "test"} {
			if status, _, err := get(t.Context(), g.client(roots, name), "https://"+name+"/"); err == nil {
				t.Errorf("%q got %d", name, status)
			}
		}
		if n := a.orders.Load(); n != 0 {
			t.Fatalf("%d orders for names that are not listed, or before anybody asked", n)
		}
		if ready := g.text(t, "/readyz"); ready != "ready\n" {
			t.Errorf("readyz before anybody asked = %q", ready)
		}
		await(t, "a certificate", func() bool { // a busy machine may need more than one handshake's patience
			status, shown, err := get(t.Context(), g.client(roots, "later.test"), "https://later.test/")
			return err == nil && status == 200 && shown.VerifyHostname("later.test") == nil
		})
		for range 3 {
			if _, _, err := get(t.Context(), g.client(roots, "later.test"), "https://later.test/"); err != nil {
				t.Errorf("once there is a certificate: %v", err)
			}
		}
		if n := a.orders.Load(); n != 1 {
			t.Errorf("%d orders, want 1", n)
		}
	})
}
