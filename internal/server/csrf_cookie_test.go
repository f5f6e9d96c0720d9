package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/wire"
)

// tokenCookie is the token that an answer sets, "" for none.
func tokenCookie(t *testing.T, w *http.Response) string {
	t.Helper()
	for _, c := range w.Cookies() {
		if c.Name != "__Host-csrf" {
			continue
		}
		if !c.Secure || c.HttpOnly || c.Path != "/" || c.Domain != "" || c.SameSite != http.SameSiteLaxMode {
			t.Errorf("the cookie of the token: %s", c.Raw)
		}
		if got := w.Header.Get("Cache-Control"); !strings.Contains(got, "private") && !strings.Contains(got, "no-store") {
			t.Errorf("an answer with a token may be kept for others: %q", got)
		}
		return c.Value
	}
	return ""
}

// TestTokensInACookie: who has no session gets a token too, and it counts in the
// configured places alone.
func TestTokensInACookie(t *testing.T) {
	const yaml = `
schemes: {cookieKey: {key: {in: cookie}}}
routes:
  - {match: "/", upstream: api, security: [{cookieKey: []}, {apiKey: []}]}
`
	r := newRange(t, "csrf: {cookie: true, header: X-XSRF-TOKEN, field: xsrf}\n"+yaml, wire.OK)
	_, theirKey := r.create(t, apikey.Spec{Environment: "live", Name: "theirs", Owner: "globex"})
	cookieOf := func(key string, more ...string) string {
		return "Cookie: " + strings.Join(append([]string{"__Host-api_key=" + key}, more...), "; ") + "\r\n"
	}
	ask := func(fields string) (*http.Response, string) {
		w, _ := r.send(t, "GET /orders", fields, "")
		return w, tokenCookie(t, w)
	}
	_, mine := ask(cookieOf(r.key))
	_, theirs := ask(cookieOf(theirKey))
	if mine == "" || theirs == "" || mine == theirs {
		t.Fatalf("tokens %q and %q", mine, theirs)
	}
	withToken := cookieOf(r.key, "__Host-csrf="+mine)
	for name, fields := range map[string]string{
		"who has one": withToken, "a key in a field": "X-API-Key: " + r.key + "\r\n", "nobody": "",
	} {
		before := r.upstream.Received()
		w, token := ask(fields)
		if token != "" {
			t.Errorf("%s: %d with a token", name, w.StatusCode)
		}
		if sent := news(before, r.upstream.Received()); fields == withToken && (!strings.Contains(sent, "Cookie: __Host-csrf="+mine+"\r\n") || strings.Contains(sent, r.key)) {
			t.Errorf("the upstream reads %q, want the token and not the key", sent)
		}
	}
	if w, token := ask(cookieOf(r.key, "__Host-csrf="+theirs)); token == "" || w.StatusCode != http.StatusOK {
		t.Errorf("a cookie of another's token is not replaced: %d", w.StatusCode)
	}
	const form = "Content-Type: application/x-www-form-urlencoded\r\n"
	attack.Case(t, "CSRF-04", attack.Gateway, func(t *testing.T) {
		for _, tt := range []struct {
			name, fields, body string
			want               int
		}{
			{"the cookie alone", withToken, "x=1", 403},
			{"a script", withToken + "X-XSRF-TOKEN: " + mine + "\r\n", "x=1", 200},
			{"a script by another field", withToken + "X-CSRF-Token: " + mine + "\r\n", "x=1", 403},
			{"a form", withToken + form, "x=1&xsrf=" + mine, 200},
			{"a form with another field", withToken + form, "x=1&csrf_token=" + mine, 403},
			{"a form of another site", withToken + form + otherPage, "xsrf=" + mine, 403},
			{"a tossed cookie, and the field to match", cookieOf(r.key, "__Host-csrf="+theirs) + "X-XSRF-TOKEN: " + theirs + "\r\n", "x=1", 403},
			{"a tossed cookie, and a form to match", cookieOf(r.key, "__Host-csrf="+theirs) + form, "xsrf=" + theirs, 403},
		} {
			if w, body := r.send(t, "POST /orders", tt.fields, tt.body); w.StatusCode != tt.want {
				t.Errorf("%s: %d %s, want %d", tt.name, w.StatusCode, body, tt.want)
			}
		}
	})
	unasked := newRange(t, yaml, wire.OK)
	if w, _ := unasked.send(t, "GET /orders", "Cookie: __Host-api_key="+unasked.key+"\r\n", ""); w.StatusCode != http.StatusOK || tokenCookie(t, w) != "" {
		t.Errorf("unasked: %d with %q", w.StatusCode, w.Header["Set-Cookie"])
	}
}
