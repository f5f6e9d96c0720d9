package target_test

import (
	"bufio"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/target"
)

func TestDistinctPathsMeetDistinctRoutes(t *testing.T) {
	mux := http.NewServeMux()
	for _, p := range []string{"/admin", "/admin/", "/"} {
		mux.HandleFunc(p, func(http.ResponseWriter, *http.Request) {})
	}
	attack.Case(t, "PATH-13", attack.Library, func(t *testing.T) {
		for raw, want := range map[string]string{
			"/admin": "/admin", "/admin/": "/admin/", "/admin/x": "/admin/", "/%61dmin/x": "/admin/",
			"/adminx": "/", "/admin..": "/", "/admin%2e": "/", "/admin.": "/", "/admin%20": "/", "/Admin": "/", "/admin%2e%2e": "/",
		} {
			r, err := http.ReadRequest(bufio.NewReader(strings.NewReader("GET " + raw + " HTTP/1.1\r\nHost: a\r\n\r\n")))
			if err != nil {
				t.Fatal(err)
			}
			if got := judge(t, 0, r, mux); got.status != 200 || got.pattern != want {
				t.Errorf("%s: got %d, route %q, want %q", raw, got.status, got.pattern, want)
			}
		}
	})
}

// routes is a mux that answers with the pattern it took.
func routes() *http.ServeMux {
	mux := http.NewServeMux()
	for _, p := range []string{"/admin", "/admin/", "/pub/{file}", "/a/{id}/b", "/a", "/a/", "/{$}", "/"} {
		mux.HandleFunc(p, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Pattern) })
	}
	return mux
}

// ask sends one raw request and returns status and body.
func ask(t *testing.T, addr, raw string) (int, string) {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "GET "+raw+" HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	w, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("%q: %v", raw, err)
	}
	defer w.Body.Close()
	body, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.StatusCode, string(body)
}

func TestRandomTargetsTakeTheRouteThatWasJudged(t *testing.T) {
	parts := []string{
		"/", "/", "/", "admin", "pub", "a", "b", "x", "..", ".", "%2e", "%2E.", "//", ";", ";x=1", "%2f", "%2F", `\`, "%5c", "%00", "%0a", "%252e", "%252f",
		"%c0%ae", "%ff", "%ef%bc%8e", "%41", "%61dmin", "%20", "%3f", "%23", "#", "?q=1", "%", "%zz", "\x01", "é", "*", "%c3%a9", ",", "%2c", "@", ":",
	}
	upstream := httptest.NewServer(routes())
	defer upstream.Close()
	attack.Case(t, "PATH-18", attack.Library, func(t *testing.T) {
		for _, allow := range []exchange.Ambiguity{0, exchange.DotSegments | exchange.EmptySegments | exchange.EncodedSlash} {
			s, err := target.New(target.Config{Allow: allow})
			if err != nil {
				t.Fatal(err)
			}
			mux := routes()
			front := httptest.NewServer(s.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				x := exchange.From(r.Context())
				_, pattern := mux.Handler(r)
				_, _ = io.WriteString(w, pattern+" "+x.UpstreamPath+"?"+x.RawQuery)
			})))
			random := rand.New(rand.NewPCG(1, 2))
			passed := 0
			for range 200 {
				raw := "/"
				for range 1 + random.IntN(6) {
					raw += parts[random.IntN(len(parts))]
				}
				status, answer := ask(t, front.Listener.Addr().String(), raw)
				if status == http.StatusBadRequest {
					continue
				}
				judged, forwarded, _ := strings.Cut(answer, " ")
				upstreamStatus, took := ask(t, upstream.Listener.Addr().String(), forwarded)
				if status != 200 || upstreamStatus != 200 || took != judged {
					t.Errorf("%q: judged %d %q, forwarded %q took %d %q", raw, status, judged, forwarded, upstreamStatus, took)
				}
				passed++
			}
			front.Close()
			if passed < 20 {
				t.Errorf("only %d of 200 targets passed: the test shows nothing", passed)
			}
		}
	})
}
