package server_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/csrf"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/wire"
	"github.com/warder-dev/warder/secret"
)

// Keys in cookies, behind a proxy that ends TLS; tokens are signed with a key that
// the test has too.
const cookiesOverTLS = `
forwarded: {from: x-forwarded-for, trusted_proxies: [127.0.0.1], proto: true}
schemes: {cookieKey: {key: {in: cookie}}}
csrf: {keys: "file:KEYS", lifetime: 7d}
routes:
  - {match: "/", upstream: api, security: [{cookieKey: []}]}
`

func withCookieKeys(t *testing.T) (r shootingRange, signer secret.Text) {
	t.Helper()
	keys, text := filepath.Join(t.TempDir(), "csrf"), strings.Repeat("key!", 16)
	if err := os.WriteFile(keys, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return newRange(t, strings.Replace(cookiesOverTLS, "KEYS", keys, 1), wire.OK), secret.New(text)
}

// TestOriginsOfASiteOverTLS: its plain twin, and other ports of its host, are
// others, though the gateway itself speaks plain HTTP.
func TestOriginsOfASiteOverTLS(t *testing.T) {
	r, _ := withCookieKeys(t)
	const secure = "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\n"
	attack.Case(t, "CSRF-02", attack.Gateway, func(t *testing.T) {
		for fields, want := range map[string]int{
			"Origin: https://app.example.com":              200,
			"Origin: http://app.example.com":               403,
			"Origin: https://app.example.com:8443":         403,
			"Origin: https://app.example.com:443":          403,
			"Origin: https://app.example.com.evil.example": 403,
			"Origin: null":                      403,
			"Referer: https://app.example.com/": 403,
			"Origin: http://app.example.com\r\nReferer: https://app.example.com/": 403,
		} {
			for _, line := range []string{"POST /orders", "DELETE /orders"} {
				if w, _ := r.send(t, line, "Cookie: __Host-api_key="+r.key+"\r\n"+secure+fields+"\r\n", ""); w.StatusCode != want {
					t.Errorf("%s with %q: %d, want %d", line, fields, w.StatusCode, want)
				}
			}
		}
	})
}

// TestATokenOfLongAgo was signed with the right key, for the same principal.
func TestATokenOfLongAgo(t *testing.T) {
	r, signer := withCookieKeys(t)
	signed := func() string {
		s, err := csrf.New(csrf.Config{Keys: []secret.Text{signer}})
		if err != nil {
			t.Fatal(err)
		}
		x := exchange.New(newRequest(t, "http://app.example.com/"))
		x.Principal = exchange.Principal{Issuer: "warder", Subject: string(r.record.ID), KeyID: string(r.record.ID), Ambient: true}
		return s.Token(x)
	}
	fresh, old := signed(), ""
	synctest.Test(t, func(*testing.T) { old = signed() }) // where it is the year 2000
	attack.Case(t, "CSRF-03", attack.Gateway, func(t *testing.T) {
		for token, want := range map[string]int{fresh: http.StatusOK, old: http.StatusForbidden} {
			if w, body := r.send(t, "POST /orders", "Cookie: __Host-api_key="+r.key+"\r\nX-CSRF-Token: "+token+"\r\n", ""); w.StatusCode != want {
				t.Errorf("%.10s...: %d %s, want %d", token, w.StatusCode, body, want)
			}
		}
	})
}

// TestTwoKeysOfDifferentPeople: a key in a field makes a request safe only where it is
// who the request is of.
func TestTwoKeysOfDifferentPeople(t *testing.T) {
	r := newRange(t, `
schemes: {cookieKey: {key: {in: cookie}}}
routes:
  - {match: "/field", upstream: api, security: [{apiKey: []}, {cookieKey: []}]}
  - {match: "/cookie", upstream: api, security: [{cookieKey: []}, {apiKey: []}]}
`, wire.OK)
	_, other := r.create(t, apikey.Spec{Environment: "live", Name: "other", Owner: "globex"})
	attack.Case(t, "CSRF-09", attack.Gateway, func(t *testing.T) {
		for _, tt := range []struct {
			path, field, from string
			want              int
			owner             string // that the upstream is told of
		}{
			{"/field", other, otherPage, 200, "globex"},
			{"/field", "bad", ownPage, 401, ""},
			{"/field", "", otherPage, 403, ""},
			{"/field", "", ownPage, 200, "acme"},
			{"/cookie", other, otherPage, 403, ""},
			{"/cookie", other, ownPage, 200, "acme"},
			{"/cookie", "bad", ownPage, 401, ""},
		} {
			field := ""
			if tt.field != "" {
				field = "X-API-Key: " + tt.field + "\r\n"
			}
			before := r.upstream.Received()
			w, body := r.send(t, "POST "+tt.path, "Cookie: __Host-api_key="+r.key+"\r\n"+field+tt.from, "")
			sent := news(before, r.upstream.Received())
			if w.StatusCode != tt.want || tt.owner != "" && !strings.Contains(sent, "X-Warder-Owner: "+tt.owner+"\r\n") || tt.owner == "" && sent != "" {
				t.Errorf("%s, field %.5q, %.30q: %d %s, want %d; the upstream was sent %q", tt.path, tt.field, tt.from, w.StatusCode, body, tt.want, sent)
			}
		}
	})
}
