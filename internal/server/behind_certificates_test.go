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

// certificates binds a key to a certificate that clients signed, and tries it
// with and without, through the proxy and around it.
func (b behind) certificates(t *testing.T, clients *testcert.CA) {
	t.Helper()
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
		// Around the proxy: over plain HTTP as that asks, from an address that is listed or not.
		for local, want := range map[string]int{"127.0.0.1": http.StatusOK, strangerAt: http.StatusForbidden} {
			c := dialFrom(t, local, b.gateway)
			c.Send("GET /a HTTP/1.1\r\nHost: " + publicName + "\r\nX-Forwarded-Proto: https\r\nSsl-Client-Cert: " + field + "\r\nX-API-Key: " + bound + "\r\n\r\n")
			if w, _ := c.Response(http.MethodGet); w == nil || w.StatusCode != want {
				t.Errorf("around the proxy, from %s: %v, want %d", local, w, want)
			}
		}
	})
}

// TestACertificateThatAnybodyForwards: over plain HTTP, which this configuration takes,
// nothing but the certificate stands between a bound key and who has its text.
func TestACertificateThatAnybodyForwards(t *testing.T) {
	clients := testcert.NewCA(t, "of clients")
	mine, other := clients.Issue(t, testcert.Leaf{Subject: "mine"}), clients.Issue(t, testcert.Leaf{Subject: "other"})
	r := newRange(t, `
forwarded: {from: x-forwarded-for, trusted_proxies: [127.0.0.1], client_cert_header: Ssl-Client-Cert}
routes: [{match: "/", upstream: api}]
`, wire.OK)
	_, bound := r.create(t, apikey.Spec{Environment: "live", Owner: "acme", Certificate: sha256.Sum256(mine.TLS.Certificate[0])})
	encoded := strings.NewReplacer("\n", "%0A", " ", "%20", "+", "%2B")
	own, another := encoded.Replace(string(mine.Cert)), encoded.Replace(string(other.Cert))
	refused := make(map[string]string) // by the id of the request
	attack.Case(t, "KEY-31", attack.Gateway, func(t *testing.T) {
		for _, tt := range []struct {
			name, from, fields string
			want               int
		}{
			{"its certificate, by the proxy", "127.0.0.1", "Ssl-Client-Cert: " + own + "\r\n", 200},
			{"another, by the proxy", "127.0.0.1", "Ssl-Client-Cert: " + another + "\r\n", 401},
			{"none, by the proxy", "127.0.0.1", "", 401},
			{"an empty one, by the proxy", "127.0.0.1", "Ssl-Client-Cert: \r\n", 401},
			{"its certificate in a field that is not the configured one", "127.0.0.1", "X-Client-Cert: " + own + "\r\nX-SSL-Client-Cert: " + own + "\r\nX-Forwarded-Client-Cert: Cert=\"" + own + "\"\r\n", 401},
			{"its certificate, by anybody", strangerAt, "Ssl-Client-Cert: " + own + "\r\n", 401},
			{"its certificate, by anybody who names the proxy", strangerAt, "Ssl-Client-Cert: " + own + "\r\nX-Forwarded-For: 127.0.0.1\r\n", 401},
			{"none, by anybody", strangerAt, "", 401},
		} {
			id := r.one(t, shot{
				name: tt.name, from: tt.from, head: "Host: localhost\r\nX-API-Key: " + bound + "\r\n" + tt.fields, want: tt.want,
				hides: []string{"Ssl-Client-Cert", "BEGIN%20CERT"},
			})
			if tt.want != http.StatusOK {
				refused[id] = tt.name
			}
		}
		log := r.log(t)
		for id := range refused {
			wantLine(t, log, "", id, logLine{"status": 401.0, "stage": "authn", "reason": "certificate"})
		}
	})
}
