package pebble_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// closedPort is a port where nobody listens for the authority.
const closedPort = 1

// TestIssue gets the first certificate in both ways, through the whole gateway.
func TestIssue(t *testing.T) {
	for _, tt := range []struct {
		name     string
		redirect bool
		tls      bool
	}{
		{"HTTP-01, at the listener that redirects", true, false},
		{"TLS-ALPN-01, at the listener of TLS", false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newAuthority(t)
			host := strings.ToLower(strings.Fields(strings.ReplaceAll(tt.name, ",", ""))[0]) + ".test"
			store := filepath.Join(t.TempDir(), "acme")
			g := open(t, a.acmeYAML(store, tt.redirect, host))
			plain, secure := closedPort, closedPort
			if tt.redirect {
				plain = port(t, g.listeners.Redirect)
			}
			if tt.tls {
				secure = port(t, g.listeners.Public)
			}
			a.serve(t, plain, secure, 3600)
			stop := g.run(t)
			client := g.client(a.roots(t), host)
			await(t, "a certificate", func() bool {
				status, _, err := get(t.Context(), client, "https://"+host+"/")
				return err == nil && status == 200
			})
			if ready := g.text(t, "/readyz"); ready != "ready\n" {
				t.Errorf("readyz = %q", ready)
			}
			if problems := g.metric(t, "warder_tls_certificate_problems"); problems != "0" {
				t.Errorf("problems = %s", problems)
			}
			if expiry := g.metric(t, "warder_tls_certificate_expiry_seconds"); expiry == "0" || expiry == "" {
				t.Errorf("expiry = %s", expiry)
			}
			checkFolder(t, store)
			stop()
			a.handler.Store(nil) // a restart needs no authority
			orders := a.orders.Load()
			again := open(t, a.acmeYAML(store, tt.redirect, host))
			again.run(t)
			if status, _, err := get(t.Context(), again.client(a.roots(t), host), "https://"+host+"/"); err != nil || status != 200 {
				t.Errorf("after a restart: %d, %v", status, err)
			}
			if a.orders.Load() != orders {
				t.Error("a restart asked for a certificate that is there")
			}
		})
	}
}

// checkFolder: nobody else may read keys.
func checkFolder(t *testing.T, folder string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(folder, func(path string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode().Perm())
		}
		if !e.IsDir() {
			files++
		}
		return nil
	})
	if err != nil || files < 5 {
		t.Errorf("the folder has %d files, %v", files, err)
	}
}
