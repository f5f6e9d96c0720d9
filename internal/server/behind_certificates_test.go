package server_test

import (
	"crypto/sha256"
	"net/http"
	"strings"
	"testing"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/testcert"
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
