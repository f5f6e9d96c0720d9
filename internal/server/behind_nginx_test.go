package server_test

import (
	"crypto/sha256"
	"net/http"
	"strings"
	"testing"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/testcert"
	"github.com/warder-dev/warder/internal/wire"
)

// behindNginx starts nginx, as the guide says, in front of a program with the
// guide's configuration. certificates asks for client certificates too.
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
		if log := b.log(t); !strings.Contains(log, `"key_id":"`+string(b.record.ID)+`","client":"`+clientAt+`"`) || strings.Contains(log, b.key) {
			t.Errorf("the log does not tell of the exposed key by its id and its client alone:\n%s", log)
		}
	})
}

// TestACertificateThatNginxForwards binds a key to a certificate of a client.
func TestACertificateThatNginxForwards(t *testing.T) {
	clients := testcert.NewCA(t, "of clients")
	b := behindNginx(t, clients)
	mine, other := clients.Issue(t, testcert.Leaf{Subject: "mine"}), clients.Issue(t, testcert.Leaf{Subject: "other"})
	_, bound := b.create(t, apikey.Spec{Environment: "live", Name: "bound", Owner: "acme", Certificate: sha256.Sum256(mine.TLS.Certificate[0])})
	field := strings.NewReplacer("\n", "%0A", " ", "%20", "+", "%2B").Replace(string(mine.Cert))
	attack.Case(t, "KEY-31", attack.Gateway, func(t *testing.T) {
		for _, tt := range []struct {
			name   string
			pair   *testcert.Pair
			fields []string
			want   int
		}{
			{"with its certificate", &mine, nil, http.StatusOK},
			{"with another", &other, nil, http.StatusUnauthorized},
			{"without one", nil, nil, http.StatusUnauthorized},
			{"without one, and a field that says otherwise", nil, []string{"Ssl-Client-Cert", field}, http.StatusUnauthorized},
			{"with another, and a field that says otherwise", &other, []string{"Ssl-Client-Cert", field}, http.StatusUnauthorized},
		} {
			f := b
			if tt.pair != nil {
				f.cert = &tt.pair.TLS
			}
			if w := f.ask(t, "https://"+publicName+"/a", append(tt.fields, "X-API-Key", bound)...); w.StatusCode != tt.want {
				t.Errorf("%s: %d, want %d", tt.name, w.StatusCode, tt.want)
			}
			if strings.Contains(b.last(), "Ssl-Client-Cert") {
				t.Errorf("%s: the upstream got the field", tt.name)
			}
		}
		// Around nginx: over plain HTTP as that asks, from an address that is listed or not.
		for local, want := range map[string]int{"127.0.0.1": http.StatusOK, strangerAt: http.StatusForbidden} {
			c := dialFrom(t, local, b.gateway)
			c.Send("GET /a HTTP/1.1\r\nHost: " + publicName + "\r\nX-Forwarded-Proto: https\r\nSsl-Client-Cert: " + field + "\r\nX-API-Key: " + bound + "\r\n\r\n")
			if w, _ := c.Response(http.MethodGet); w == nil || w.StatusCode != want {
				t.Errorf("around nginx, from %s: %v, want %d", local, w, want)
			}
		}
	})
}
