package server_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestRolesOfADocument: x-warder-roles asks for a claim of a token, beside security,
// and a document that asks for fewer waits to be confirmed.
func TestRolesOfADocument(t *testing.T) {
	t.Parallel() // it waits for the document to be read again
	keys, sign := issuerOf(t)
	document := func(roles string) string {
		return strings.Replace(described(`"/any": {"get": {}}, "/admin": {"get": {`+roles+`}}`), `"security": [{"apiKey": []}]`, `"security": [{"token": []}, {"apiKey": []}]`, 1)
	}
	scheme := `"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}, `
	withScheme := func(roles string) string {
		return strings.Replace(document(roles), `"securitySchemes": {`, scheme, 1)
	}
	const two = `"x-warder-roles": ["admin", "support"]`
	p, file, reached := withDocument(t, withScheme(two), ", roles_claim: [realm_access, roles]", settings{
		yaml: fmt.Sprintf("schemes: {token: {jwt: {issuers: [{issuer: 'https://issuer.example', audience: [api], jwks_file: '%s'}]}}}", keys),
	})
	bearer := func(roles ...any) string {
		return sign(time.Now().Add(time.Hour), map[string]any{"realm_access": map[string]any{"roles": roles}, "roles": []string{"admin"}})
	}
	get := func(path, token, key string) int {
		t.Helper()
		r := newRequest(t, "http://"+p.gateway+path)
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		if key != "" {
			r.Header.Set("X-API-Key", key)
		}
		return do(t, r).StatusCode
	}
	for _, tt := range []struct {
		name, path, token, key string
		want                   int
	}{
		{"one of the roles", "/admin", bearer("staff", "support"), "", 200},
		{"none of them", "/admin", bearer("staff"), "", 403},
		{"with another case", "/admin", bearer("Admin"), "", 403},
		{"no roles where they are looked for", "/admin", sign(time.Now().Add(time.Hour), map[string]any{"roles": []string{"admin"}}), "", 403},
		{"a key has no roles", "/admin", "", p.key, 403},
		{"nobody", "/admin", "", "", 401},
		{"where none are asked for", "/any", bearer(), "", 200},
	} {
		before := reached.Load()
		if got := get(tt.path, tt.token, tt.key); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
		if (reached.Load() > before) != (tt.want == http.StatusOK) {
			t.Errorf("%s: the API was reached: %v", tt.name, reached.Load() > before)
		}
	}
	for _, roles := range []string{"", `"x-warder-roles": ["admin", "support", "staff"]`} {
		writeDocument(t, file, withScheme(roles))
		eventually(t, func() (bool, bool) {
			return true, slices.Equal(p.drift(t).Held, []string{"GET /admin asks for other roles, or for none"})
		})
	}
	if got := get("/admin", bearer("staff"), ""); got != http.StatusForbidden {
		t.Errorf("before it is confirmed: %d, want 403", got)
	}
	writeDocument(t, file, withScheme(`"x-warder-roles": ["admin"]`)) // asks for more: it holds at once
	eventually(t, func() (bool, bool) { return true, get("/admin", bearer("support"), "") == http.StatusForbidden })
}
