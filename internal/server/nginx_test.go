package server_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/wire"
)

// startNginx runs a real nginx with the directives of its http block, on a free
// port that {PORT} stands for, and returns its address.
func startNginx(t *testing.T, directives string) string {
	t.Helper()
	name, err := exec.LookPath("nginx")
	if err != nil {
		name, err = exec.LookPath("/usr/sbin/nginx") // not on every user's PATH
	}
	if err != nil {
		t.Fatalf("nginx is needed (make needs installs it): %v", err)
	}
	folder, addr := t.TempDir(), wire.FreeAddress(t)
	conf := "daemon off; master_process off; pid " + folder + "/pid; error_log stderr warn;\nevents {}\nhttp {\naccess_log off;\n" +
		"client_body_temp_path " + folder + "/b; proxy_temp_path " + folder + "/p; fastcgi_temp_path " + folder + "/f;" +
		"uwsgi_temp_path " + folder + "/u; scgi_temp_path " + folder + "/s;\n" +
		strings.NewReplacer("{ADDR}", addr, "{FOLDER}", folder).Replace(directives) + "\n}\n"
	file := filepath.Join(folder, "nginx.conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cmd := exec.CommandContext(ctx, name, "-p", folder, "-c", file)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); _ = cmd.Wait() })
	eventually(t, func() (struct{}, bool) {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr)
		if err != nil {
			return struct{}{}, false
		}
		return struct{}{}, conn.Close() == nil
	})
	return addr
}

// TestASharedCacheInFrontStoresNothingPrivate puts nginx with proxy_cache in
// front: what a key may read is not stored for those who have none.
func TestASharedCacheInFrontStoresNothingPrivate(t *testing.T) {
	upstream := wire.Listen(t, wire.Answer(wire.OK)) // silent on caching
	p := start(t, upstream.URL(), settings{})
	nginx := startNginx(t, `
proxy_cache_path {FOLDER}/cache keys_zone=c:1m;
server {
  listen {ADDR};
  location / {
    proxy_pass http://`+p.gateway+`;
    proxy_cache c; proxy_cache_key $request_uri; proxy_cache_valid 200 10m;
    add_header X-Cache $upstream_cache_status always;
  }
}`)
	attack.Case(t, "PROXY-22", attack.Gateway, func(t *testing.T) {
		for _, path := range []string{"/me", "/me/x.css"} {
			for range 2 {
				r := newRequest(t, "http://"+nginx+path)
				r.Header.Set("X-API-Key", p.key)
				w := do(t, r)
				if w.StatusCode != http.StatusOK || w.Header.Get("X-Cache") == "HIT" {
					t.Errorf("%s with a key: %d, cache %s, want 200 and no hit", path, w.StatusCode, w.Header.Get("X-Cache"))
				}
				if got := w.Header.Get("Cache-Control"); got != "private" {
					t.Errorf("%s: Cache-Control = %q, want private", path, got)
				}
				if got := strings.Join(w.Header.Values("Vary"), ","); !strings.Contains(got, "X-Api-Key") && !strings.Contains(got, "X-API-Key") {
					t.Errorf("%s: Vary = %q, want the key's field in it", path, got)
				}
			}
			if got := do(t, newRequest(t, "http://"+nginx+path)).StatusCode; got != http.StatusUnauthorized {
				t.Errorf("%s without a key: %d, want 401", path, got)
			}
		}
	})
}

// The routes that warder and nginx are both given.
const sharedRoutes = `
log: {path: route}
routes:
  - {match: "/", upstream: api}
  - {match: "/admin", upstream: api}
  - {match: "/admin/", upstream: api}
  - {match: "/public/", upstream: api}
  - {match: "/public/a/", upstream: api}
`

// TestWarderAndNginxReadTheSamePath sends random targets: the route that warder
// judged is the location that nginx, as the upstream, takes; or it is 400.
func TestWarderAndNginxReadTheSamePath(t *testing.T) {
	nginx := startNginx(t, `
merge_slashes on;
server {
  listen {ADDR};
  location /          { return 200 "/"; }
  location = /admin   { return 200 "/admin"; }
  location /admin/    { return 200 "/admin/"; }
  location /public/   { return 200 "/public/"; }
  location /public/a/ { return 200 "/public/a/"; }
}`)
	judgedAlike(t, "nginx", nginx)
}

// judgedAlike sends random targets through warder to an upstream that answers
// with the route that it took.
func judgedAlike(t *testing.T, name, upstream string) {
	t.Helper()
	p := start(t, "http://"+upstream, settings{yaml: sharedRoutes})
	attack.Case(t, "PATH-18", attack.Gateway, func(t *testing.T) {
		random := rand.New(rand.NewPCG(18, 18))
		var took []string
		for range 200 {
			target := randomTarget(random)
			c := wire.Dial(t, p.gateway)
			c.Send(fmt.Sprintf("GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-API-Key: %s\r\n\r\n", target, p.key))
			w, location := c.Response("GET")
			switch {
			case w == nil:
				t.Fatalf("%q: no response", target)
			case w.StatusCode == http.StatusOK:
				took = append(took, location)
			case w.StatusCode != http.StatusBadRequest && w.StatusCode != http.StatusNotFound:
				t.Errorf("%q: status %d, want 200, or 400, or 404 for a slash too many or too few", target, w.StatusCode)
			}
		}
		if len(took) < 20 {
			t.Fatalf("%d targets passed: the table proves little", len(took))
		}
		if judged := routesOf(t, p.log(t)); strings.Join(judged, " ") != strings.Join(took, " ") {
			t.Errorf("warder judged %q\n%s took %q", judged, name, took)
		}
	})
}

// randomTarget joins parts of the PATH cases.
func randomTarget(r *rand.Rand) string {
	parts := []string{
		"admin", "public", "a", "b", "%61dmin", "Admin", "..", ".", "%2e%2e", "%2E", "", "%2f", "%5c", ";x=1", "%00", "%252e", "%20", "admin.",
		"%c3%a9", "%ff", "a%3fb", "x", "y", "a", "public",
	}
	var b strings.Builder
	for range 1 + r.IntN(4) {
		b.WriteString("/" + parts[r.IntN(len(parts))])
	}
	if r.IntN(3) == 0 {
		b.WriteString("/")
	}
	return b.String()
}

// routesOf reads the routes of the requests that passed from the access log.
func routesOf(t *testing.T, log string) (routes []string) {
	t.Helper()
	lines := bufio.NewScanner(strings.NewReader(log))
	for lines.Scan() {
		var line struct {
			Route  string `json:"route"`
			Status int    `json:"status"`
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatalf("%v: %s", err, lines.Text())
		}
		if line.Status == http.StatusOK {
			routes = append(routes, line.Route)
		}
	}
	return routes
}
