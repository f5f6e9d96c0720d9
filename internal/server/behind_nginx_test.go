package server_test

import (
	"strings"
	"testing"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/testcert"
	"github.com/warder-dev/warder/internal/wire"
)

// behindNginx starts nginx, as the guide says, in front of a program with the
// guide's configuration. clients signs the certificates of clients; nil for none.
func behindNginx(t *testing.T, clients *testcert.CA) behind {
	t.Helper()
	upstream := wire.Listen(t, serveSockets)
	blocks, yaml := onPage(t, proxyPage, "nginx", "nginx"), proxyYAML(t, "nginx")
	if len(blocks) != 2 {
		t.Fatalf("the page has %d blocks for nginx, want the server and the certificates", len(blocks))
	}
	server, folder := blocks[0], t.TempDir()
	if clients != nil {
		yaml = strings.Replace(yaml, "proto: true", "proto: true\n  client_cert_header: Ssl-Client-Cert", 1)
		lines := strings.Split(blocks[1], "\n")
		server = strings.Replace(server, "  location", lines[0]+"\n"+lines[1]+"\n  location", 1)
		server = strings.Replace(server, "    proxy_http_version", lines[2]+"\n    proxy_http_version", 1)
		testcert.Replace(t, folder+"/clients.crt", clients.PEM)
	}
	p := start(t, upstream.URL(), settings{yaml: yaml})
	ca := testcert.NewCA(t, "of the server")
	cert, key := ca.Issue(t, testcert.Leaf{Names: []string{publicName}}).Write(t, folder, "api")
	https := wire.FreeAddress(t)
	plain := startNginx(t, strings.NewReplacer(
		"listen 80;", "listen {ADDR};", "listen 443 ssl;", "listen "+https+" ssl;", "127.0.0.1:8080", p.gateway,
		"/etc/ssl/api.example.com.crt", cert, "/etc/ssl/api.example.com.key", key, "/etc/ssl/clients.crt", folder+"/clients.crt",
	).Replace(server))
	return behind{program: p, front: front{http: plain, https: https, roots: ca.Pool()}, upstream: upstream}
}

// TestBehindNginx runs what the guide shows.
func TestBehindNginx(t *testing.T) {
	b := behindNginx(t, nil)
	b.attacks(t)
	attack.Case(t, "KEY-24", attack.Gateway, func(t *testing.T) {
		id := b.ask(t, "http://"+publicName+"/a", "X-API-Key", b.key).Header.Get("X-Request-Id")
		log := b.log(t)
		wantLine(t, log, "a credential came over plain HTTP", id, logLine{"level": "WARN", "key_id": string(b.record.ID), "client": clientAt})
		wantLine(t, log, "", id, logLine{"status": 403.0, "reason": "credential-over-http", "client": clientAt})
		if strings.Contains(log, b.key[9+12:]) {
			t.Error("the log holds the key")
		}
	})
}

// TestACertificateThatNginxForwards binds a key to a certificate of a client.
func TestACertificateThatNginxForwards(t *testing.T) {
	clients := testcert.NewCA(t, "of clients")
	behindNginx(t, clients).certificates(t, clients)
}
