package server_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/wire"
	"github.com/warder-dev/warder/jwt"
)

// believes reports what an upstream makes of a request's identity, that has the
// keys which warder publishes.
func believes(t *testing.T, keys []byte, token string) (exchange.Principal, error) {
	t.Helper()
	scheme, err := jwt.New(jwt.Config{Issuers: []jwt.Issuer{{Issuer: "warder", Audience: []string{"api"}, KeySet: keys, OwnerClaim: "owner"}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = scheme.Close() })
	r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
	r.Header.Set("Authorization", "Bearer "+token)
	return scheme.Authenticate(exchange.New(r))
}

// identityOf finds the signed identity in what an upstream read.
func identityOf(text string) string {
	m := regexp.MustCompile(`(?m)^X-Warder-Identity: (\S+)\r?$`).FindAllStringSubmatch(text, -1)
	if len(m) != 1 {
		return ""
	}
	return m[0][1]
}

// An upstream that wants signed identities tells warder from who asks it itself.
func TestSignedIdentitiesThroughTheGateway(t *testing.T) {
	upstream := wire.Listen(t, wire.Answer(wire.OK))
	p := start(t, upstream.URL(), settings{yaml: "routes: [{match: \"/\", upstream: api}]\n", api: ", identity: jwt"})
	stranger := start(t, upstream.URL(), settings{yaml: "routes: [{match: \"/\", upstream: api}]\n", api: ", identity: jwt"})
	attack.Case(t, "PROXY-24", attack.Gateway, func(t *testing.T) {
		answer := do(t, newRequest(t, "http://"+p.admin+"/.well-known/jwks.json"))
		keys, err := io.ReadAll(answer.Body)
		if err != nil || answer.StatusCode != http.StatusOK {
			t.Fatalf("the keys: %d, %v", answer.StatusCode, err)
		}
		shot := shootingRange{p, upstream}
		shot.one(t, aShotWithForgedIdentity())
		got := identityOf(strings.Join(upstream.Received(), ""))
		who, err := believes(t, keys, got)
		if err != nil || who.Subject != string(p.record.ID) || who.Owner != "acme" {
			t.Errorf("the upstream believes %q to be %+v, %v; want the key and its owner", got, who, err)
		}
		for name, token := range map[string]string{
			"nothing":              "",
			"forged":               "forged",
			"another's claims":     swapped(got, otherIdentity(t, stranger, upstream)),
			"signed by a stranger": otherIdentity(t, stranger, upstream),
			"unsigned":             unsigned(got),
		} {
			if who, err := believes(t, keys, token); err == nil {
				t.Errorf("%s: the upstream believes it to be %+v", name, who)
			}
		}
	})
}

// aShotWithForgedIdentity is a good request that claims to be somebody else.
func aShotWithForgedIdentity() shot {
	return shot{
		name: "forged fields beside a good key", want: http.StatusOK, hides: []string{"evil"}, upstream: "X-Warder-Identity: ",
		head: "Host: a.test\r\nX-API-Key: {K}\r\nX-Warder-Identity: evil\r\nx_warder_identity: evil\r\nX-Warder-Owner: evil\r\nConnection: X-Warder-Identity\r\n",
	}
}

// otherIdentity is an identity that another warder signs, for the same name of an
// upstream.
func otherIdentity(t *testing.T, p *program, upstream *wire.Upstream) string {
	t.Helper()
	before := len(strings.Join(upstream.Received(), ""))
	if w := p.get(t, "/", p.key); w.StatusCode != http.StatusOK {
		t.Fatalf("the other: %d", w.StatusCode)
	}
	return identityOf(strings.Join(upstream.Received(), "")[before:])
}

// swapped is the claims of from under the head and signature of token.
func swapped(token, from string) string {
	a, b := strings.Split(token, "."), strings.Split(from, ".")
	if len(a) != 3 || len(b) != 3 {
		return ""
	}
	return a[0] + "." + b[1] + "." + a[2]
}

// unsigned is token with the algorithm none.
func unsigned(token string) string {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return ""
	}
	return "eyJhbGciOiJub25lIn0." + parts[1] + "."
}
