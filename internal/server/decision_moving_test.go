package server_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/warder-dev/warder/internal/wire"
)

// TestOldPasswordsAndNewKeys runs nginx as the page about moving over has it while
// clients move one after the other.
func TestOldPasswordsAndNewKeys(t *testing.T) {
	upstream := wire.Listen(t, serveSockets)
	p := start(t, upstream.URL(), settings{yaml: askedYAML("nginx") + "brute_force: {shadow: true}\n"})
	locations := onPage(t, "../../docs/guide/moving-over.md", "Passwords that nobody has", "nginx")
	_, rest, found := strings.Cut(onPage(t, askedPage, "nginx", "nginx")[0], "  location = /_warder {")
	asking, _, closed := strings.Cut(rest, "\n  }\n")
	if len(locations) != 1 || !found || !closed {
		t.Fatalf("the pages have %d blocks and, of the wiring, %v %v", len(locations), found, closed)
	}
	old := filepath.Join(t.TempDir(), "htpasswd")
	if err := os.WriteFile(old, []byte("dave:{PLAIN}old password\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	proxy := startNginx(t, strings.NewReplacer("/etc/nginx/htpasswd", old, "127.0.0.1:8083", p.asked, "127.0.0.1:8000", upstreamAddress(upstream)).Replace(
		"server {\n listen {ADDR};\n"+locations[0]+"\n  location = /_warder {"+asking+"\n  }\n}",
	))
	g := guarded{program: p, proxy: proxy, upstream: upstream}
	basic := func(name, password string) string {
		r := newRequest(t, "http://"+proxy)
		r.SetBasicAuth(name, password)
		return r.Header.Get("Authorization")
	}
	for range 20 { // more than the guard lets anybody guess
		for _, tt := range []struct {
			name  string
			field [2]string
			want  int
			owner string
		}{
			{"an old password", [2]string{"Authorization", basic("dave", "old password")}, http.StatusOK, ""},
			{"a new key", [2]string{"X-API-Key", p.key}, http.StatusOK, "acme"},
			{"a wrong password", [2]string{"Authorization", basic("dave", "guess")}, http.StatusUnauthorized, ""},
			{"a wrong key", [2]string{"X-API-Key", "guess"}, http.StatusUnauthorized, ""},
			{"nothing", [2]string{"X-Nothing", "x"}, http.StatusUnauthorized, ""},
		} {
			before, text := g.arrived()
			seen := len(text)
			w := g.through(t, http.MethodGet, "/orders/1", tt.field[0], tt.field[1], "X-Warder-Owner", "evil")
			after, text := g.arrived()
			if w.StatusCode != tt.want || (after > before) != (tt.want == http.StatusOK) {
				t.Fatalf("%s: %d, %d requests arrived; want %d", tt.name, w.StatusCode, after-before, tt.want)
			}
			if got := strings.ToLower(text[seen:]); strings.Contains(got, "evil") || strings.Contains(got, "authorization") || strings.Contains(got, "x-api-key") ||
				tt.owner != "" && !strings.Contains(got, "x-warder-owner: "+tt.owner) {
				t.Fatalf("%s: the upstream got\n%s", tt.name, got)
			}
		}
	}
}
