package keyservice_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/warder-dev/warder/internal/attack"
)

func TestOtherOrigins(t *testing.T) {
	attack.Case(t, "ADMIN-04", attack.Admin, func(t *testing.T) {
		w := newWorld(t)
		for _, o := range operations(t, w) {
			r := w.try(t, o, "AAAAAAAAAAAA", "Origin", "https://evil.example")
			for name := range r.header {
				if strings.HasPrefix(name, "Access-Control") {
					t.Errorf("%s: the answer has %s", o.ID, name)
				}
			}
			if r.header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s: Cache-Control %q", o.ID, r.header.Get("Cache-Control"))
			}
		}
		r := w.ask(t, http.MethodOptions, "/v1/keys", nil, "Origin", "https://evil.example", "Access-Control-Request-Method", "POST")
		if r.status < 400 || r.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("a preflight: %d %v", r.status, r.header)
		}
		before := w.count(t) // the examples above came with a token
		want(t, "a cookie with a page of another site", w.ask(t, http.MethodPost, "/v1/keys", `{}`, "X-Person", "owner", "X-Ambient", "1", "Sec-Fetch-Site", "cross-site"), http.StatusForbidden)
		want(t, "a cookie without a word of the browser", w.ask(t, http.MethodPost, "/v1/keys", `{}`, "X-Person", "owner", "X-Ambient", "1"), http.StatusForbidden)
		if w.count(t) != before {
			t.Error("a key was made")
		}
		want(t, "a cookie with a page of this site", w.ask(t, http.MethodPost, "/v1/keys", `{}`, "X-Person", "owner", "X-Ambient", "1", "Sec-Fetch-Site", "same-origin"), http.StatusCreated)
	})
}
