package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/credentials/insecure"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/wire"
)

// mostScopes is how many a token may have.
const mostScopes = 512

// manyScopes are n, in the order of their numbers, with the one that routes want.
func manyScopes(n int) string {
	all := []string{"orders:read"}
	for i := range n - 1 {
		all = append(all, fmt.Sprintf("o:%d", i))
	}
	return strings.Join(all, " ")
}

// startMany runs warder for a proxy of the dialect, with an issuer whose tokens are good
// on one route: a key cannot have a thousand scopes, and a token of others can.
func startMany(t *testing.T, dialect string) (p *program, token func(scopes int) string) {
	t.Helper()
	keys, sign := issuerOf(t)
	p = start(t, wire.Listen(t, wire.Answer(wire.OK)).URL(), settings{yaml: askedYAML(dialect) + fmt.Sprintf(`
  - {match: /many/, upstream: api, security: [{token: ["orders:read"]}]}
schemes: {token: {jwt: {issuers: [{issuer: "https://issuer.example", audience: [api], jwks_file: %q}]}}}
`, keys)})
	return p, func(scopes int) string {
		return "Bearer " + sign(time.Now().Add(time.Hour), map[string]any{"scope": manyScopes(scopes)})
	}
}

// A principal of a thousand scopes is none: no key can have so many, and a token of
// somebody else's that has them is refused. One of as many as there may be is told of
// whole, in an answer that is as long as they are and no longer.
func TestAThousandScopes(t *testing.T) {
	told := manyScopes(mostScopes)
	for via, dialect := range map[attack.Via]string{attack.ViaNginx: "nginx", attack.ViaHAProxy: "haproxy", attack.ViaCaddy: "caddy", attack.ViaTraefik: "traefik", attack.ViaEnvoyHTTP: "envoy-http"} {
		attack.CaseVia(t, "FWD-13", via, func(t *testing.T) {
			p, token := startMany(t, dialect)
			ask := func(scopes int) *http.Response {
				if dialect == "envoy-http" {
					return p.envoyReplays(t, "GET", "/many/1", "authorization", token(scopes))
				}
				return p.question(t, asksAs(dialect, "GET", "/many/1"), "Authorization", token(scopes))
			}
			w := ask(mostScopes)
			size := 0
			for name, values := range w.Header {
				size += len(name) + len(strings.Join(values, ""))
			}
			if got := w.Header.Get("X-Warder-Scopes"); w.StatusCode != http.StatusOK || got != told || size > len(told)+4<<10 {
				t.Errorf("%d scopes: %d, %d bytes of them, %d in all", mostScopes, w.StatusCode, len(got), size)
			}
			if w := ask(1000); w.StatusCode != http.StatusUnauthorized || w.Header.Get("X-Warder-Scopes") != "" || w.Header.Get("X-Warder-Subject") != "" {
				t.Errorf("a thousand scopes: %d %v, want 401, and nobody named", w.StatusCode, w.Header)
			}
		})
	}
	attack.CaseVia(t, "FWD-13", attack.ViaEnvoy, func(t *testing.T) {
		p, token := startMany(t, "envoy")
		e := envoy{program: p, conn: p.dial(t, insecure.NewCredentials())}
		w := e.wants(t, "as many as there may be", envoyAsks("GET", "/many/1", "authorization", token(mostScopes)), http.StatusOK)
		if got := options(w.GetOkResponse().GetHeaders())["x-warder-scopes"]; len(got) != 1 || got[0] != told {
			t.Errorf("%d scopes: told are %.100q", mostScopes, got)
		}
		e.wants(t, "a thousand", envoyAsks("GET", "/many/1", "authorization", token(1000)), http.StatusUnauthorized)
	})
	p := start(t, wire.Listen(t, wire.Answer(wire.OK)).URL(), settings{})
	spec := apikey.Spec{Environment: "live", Scopes: strings.Fields(manyScopes(1000))}
	if _, _, err := p.issuer.Create(t.Context(), apikey.By{Actor: "system", Source: "test"}, spec); err == nil {
		t.Error("a key of a thousand scopes was made")
	}
}
