package server_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/warder-dev/warder/internal/testcert"
	"github.com/warder-dev/warder/internal/wire"
)

// startCaddy runs a real Caddy with one site, as the guide shows it, under a
// local authority of its own. site begins with the global options.
func startCaddy(t *testing.T, site string) front {
	t.Helper()
	folder := t.TempDir()
	f := front{http: wire.FreeAddress(t), https: wire.FreeAddress(t)}
	_, plain, _ := net.SplitHostPort(f.http)
	_, secure, _ := net.SplitHostPort(f.https)
	options := "{\n\tadmin off\n\tlocal_certs\n\tskip_install_trust\n\tdefault_bind 127.0.0.1\n\thttp_port " + plain +
		"\n\thttps_port " + secure + "\n\tstorage file_system " + folder + "/storage\n"
	text := strings.Replace(site, "{\n", options, 1)
	runCaddy(t, folder, f.https, text)
	await(t, nil, func() bool { // it signs its certificate meanwhile
		root, err := os.ReadFile(filepath.Join(folder, "storage/pki/authorities/local/root.crt"))
		if err != nil {
			return false
		}
		f.roots = x509.NewCertPool()
		f.roots.AppendCertsFromPEM(root)
		d := tls.Dialer{Config: &tls.Config{RootCAs: f.roots, ServerName: publicName, MinVersion: tls.VersionTLS12}}
		conn, err := d.DialContext(t.Context(), "tcp", f.https)
		return err == nil && conn.Close() == nil
	})
	return f
}

// runCaddy runs Caddy with that Caddyfile, and waits until it listens on addr.
func runCaddy(t *testing.T, folder, addr, text string) {
	t.Helper()
	name, err := exec.LookPath("caddy")
	if err != nil {
		t.Fatalf("caddy is needed (make needs installs it): %v", err)
	}
	file := filepath.Join(folder, "Caddyfile")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, addr, func(ctx context.Context) *exec.Cmd {
		cmd := exec.CommandContext(ctx, name, "run", "--config", file, "--adapter", "caddyfile")
		cmd.Env = []string{"HOME=" + folder, "XDG_DATA_HOME=" + folder, "XDG_CONFIG_HOME=" + folder}
		return cmd
	})
}

// behindCaddy starts Caddy, as the guide says, in front of a program with the
// guide's configuration. clients signs the certificates of clients; nil for none.
func behindCaddy(t *testing.T, clients *testcert.CA) behind {
	t.Helper()
	upstream := wire.Listen(t, serveSockets)
	blocks, yaml := onPage(t, proxyPage, "Caddy", "caddy"), proxyYAML(t, "Caddy")
	if len(blocks) != 2 {
		t.Fatalf("the page has %d blocks for Caddy, want the site and the certificates", len(blocks))
	}
	site := blocks[0]
	if clients != nil {
		folder := t.TempDir()
		testcert.Replace(t, folder+"/clients.crt", clients.PEM)
		site = strings.ReplaceAll(blocks[1], "/etc/ssl", folder)
		yaml = strings.Replace(yaml, "proto: true", "proto: true\n  client_cert_header: Ssl-Client-Cert", 1)
	}
	p := start(t, upstream.URL(), settings{yaml: yaml})
	f := startCaddy(t, strings.ReplaceAll(site, "127.0.0.1:8080", p.gateway))
	return behind{program: p, front: f, upstream: upstream}
}

// TestBehindCaddy runs what the guide shows.
func TestBehindCaddy(t *testing.T) { behindCaddy(t, nil).attacks(t) }

// TestACertificateThatCaddyForwards binds a key to a certificate of a client.
func TestACertificateThatCaddyForwards(t *testing.T) {
	clients := testcert.NewCA(t, "of clients")
	behindCaddy(t, clients).certificates(t, clients)
}
