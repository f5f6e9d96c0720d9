package warder_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/cors"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/problem"
)

// routes registers each pattern with a policy of its own.
func routes(tb testing.TB, patterns ...string) (*warder.Routes, map[*warder.Policy]string) {
	tb.Helper()
	r, byPolicy := new(warder.Routes), make(map[*warder.Policy]string)
	for _, pattern := range patterns {
		p := new(warder.Policy)
		if err := r.Handle(pattern, p); err != nil {
			tb.Fatal(err)
		}
		byPolicy[p] = pattern
	}
	return r, byPolicy
}

// asked is an exchange whose own request text says something else than what is
// canonical: a match that reads it fails.
func asked(method, host, path string) *exchange.Exchange {
	r := httptest.NewRequest(http.MethodGet, "http://raw.invalid/raw", nil)
	r.Method = method
	x := exchange.New(r)
	x.Host, x.Path = host, path
	return x
}

// outcome names what Match chose: the pattern, "404", or "405" and Allow.
func outcome(tb testing.TB, r *warder.Routes, byPolicy map[*warder.Policy]string, x *exchange.Exchange) string {
	tb.Helper()
	p := r.Match(x)
	switch {
	case p == nil:
		tb.Fatal("Match returned no policy")
	case p.Deny == nil:
		if x.Route != byPolicy[p] {
			tb.Errorf("x.Route = %q, want %q", x.Route, byPolicy[p])
		}
		return byPolicy[p]
	case x.Route != "":
		tb.Errorf("x.Route = %q for a denied request", x.Route)
	case p.Deny.Type == problem.MethodNotAllowed:
		return "405 " + p.Deny.Header.Get("Allow")
	}
	return fmt.Sprint(p.Deny.Type.Status())
}

func TestRoutesMatch(t *testing.T) {
	tests := []struct{ name, patterns, method, host, path, want string }{
		{"literal", "/a|/b", "GET", "h", "/b", "/b"},
		{"most specific wins", "/|/orders/{id}|/orders/new", "GET", "h", "/orders/new", "/orders/new"},
		{"wildcard takes one segment", "/orders/{id}", "GET", "h", "/orders/7/items", "404"},
		{"GET takes HEAD", "GET /a", "HEAD", "h", "/a", "GET /a"},
		{"method of a wider pattern", "GET /a|/", "POST", "h", "/a", "/"},
		{"host before no host", "api.example.com/a|/a", "GET", "api.example.com", "/a", "api.example.com/a"},
		{"other host", "api.example.com/a", "GET", "www.example.com", "/a", "404"},
		{"IPv6 host", "[::1]/a", "GET", "[::1]", "/a", "[::1]/a"},
		{"no path matches", "/a", "GET", "h", "/b", "404"},
		{"other method, Allow is sorted", "GET /a|POST /a|DELETE /b", "PUT", "h", "/a", "405 GET, HEAD, POST"},
		{"Allow of a wildcard", "GET /a/{id}|PUT /a/{rest...}", "POST", "h", "/a/1", "405 GET, HEAD, PUT"},
		{"method is case-sensitive, RFC 9110 9.1", "GET /a", "get", "h", "/a", "405 GET, HEAD"},
		{"TRACE is never matched", "/a", "TRACE", "h", "/a", "405 DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"},
		{"TRACE of nothing", "/a", "TRACE", "h", "/b", "404"},
		{"CONNECT is never matched", "GET /", "CONNECT", "h", "/a", "405 GET, HEAD"},
		{"CONNECT names no path", "POST /a", "CONNECT", "h", "", "405 POST"},
		{"PRI is never matched", "/", "PRI", "h", "*", "405 DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"},
		{"OPTIONS * is judged as /", "/|/a", "OPTIONS", "h", "*", "/"},
		{"OPTIONS * without a root", "/a", "OPTIONS", "h", "*", "404"},
		{"no redirect to the slash", "/tree/", "GET", "h", "/tree", "404"},
		{"no redirect to the slash past a wide pattern", "/tree/|/", "GET", "h", "/tree", "404"},
		{"no Allow by way of a redirect", "GET /tree/", "POST", "h", "/tree", "404"},
		{"no cleaning", "/a", "GET", "h", "//a", "404"},
		{"no cleaning of dots", "/a", "GET", "h", "/b/../a", "404"},
		{"no path at all", "/", "GET", "h", "", "404"},
		{"encoded slash does not separate", "/orders/{id}|/orders/{id}/items", "GET", "h", "/orders/7%2Fitems", "/orders/{id}"},
		{"encoded slash is no trailing slash", "/orders/{$}|/orders/{rest...}", "GET", "h", "/orders/%2F", "404"},
		{"nor in the middle", "/a/{x}/b", "GET", "h", "/a/%2f/b", "404"},
		{"broken escape", "/", "GET", "h", "/%zz", "404"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, byPolicy := routes(t, strings.Split(tt.patterns, "|")...)
			if got := outcome(t, r, byPolicy, asked(tt.method, tt.host, tt.path)); got != tt.want {
				t.Errorf("%s %s%s: got %q, want %q", tt.method, tt.host, tt.path, got, tt.want)
			}
		})
	}
}

// guarded are the patterns of the PATH cases: one guarded branch, one open rest.
func guarded(tb testing.TB) (*warder.Routes, map[*warder.Policy]string) {
	tb.Helper()
	return routes(tb, "/{rest...}", "/admin", "/admin/", "/users/{id}")
}

func TestRoutesReadAPathOnce(t *testing.T) {
	cases := []struct {
		id   string
		rows []struct{ name, path, want string }
	}{
		{"PATH-11", []struct{ name, path, want string }{
			{"plain", "/admin", "/admin"},
			{"trailing slash has its own pattern", "/admin/", "/admin/"},
			{"trailing dot is another segment", "/admin.", "/{rest...}"},
			{"trailing blank is another segment", "/admin%20", "/{rest...}"},
		}},
		{"PATH-12", []struct{ name, path, want string }{
			{"case counts", "/Admin", "/{rest...}"},
			{"an encoded letter is the letter", "/%41dmin", "/{rest...}"},
			{"an encoded small letter too", "/%61dmin", "/admin"},
		}},
		{"PATH-13", []struct{ name, path, want string }{
			{"below the prefix", "/admin/x/y", "/admin/"},
			{"longer segment", "/adminx", "/{rest...}"},
			{"dots behind", "/admin..", "/{rest...}"},
			{"encoded dot behind", "/admin%2e", "/{rest...}"},
		}},
	}
	for _, c := range cases {
		attack.Case(t, c.id, attack.Library, func(t *testing.T) {
			r, byPolicy := guarded(t)
			for _, row := range c.rows {
				if got := outcome(t, r, byPolicy, asked(http.MethodGet, "h", row.path)); got != row.want {
					t.Errorf("%s: %s met %q, want %q", row.name, row.path, got, row.want)
				}
			}
			strict, byStrict := routes(t, "/admin")
			for _, path := range []string{"/admin/", "/admin.", "/admin%20", "/Admin", "/adminx", "/admin..", "/admin%2e"} {
				if got := outcome(t, strict, byStrict, asked(http.MethodGet, "h", path)); got != "404" {
					t.Errorf("%s met %q where only /admin exists, want 404", path, got)
				}
			}
		})
	}
}

// TestASlashAtTheEndReachesNoWiderPattern: the guarded pattern comes first, and
// the path is its own but for the slash.
func TestASlashAtTheEndReachesNoWiderPattern(t *testing.T) {
	attack.Case(t, "PATH-11", attack.Library, func(t *testing.T) {
		for _, tt := range []struct{ patterns, method, host, path, want string }{
			{"/admin|/{tenant}/", "GET", "h", "/admin/", "404"},
			{"/admin|/{tenant}/", "GET", "h", "/admin", "/admin"},
			{"/admin|/{tenant}/", "GET", "h", "/admin/x", "/{tenant}/"},
			{"/admin|/{tenant}/", "GET", "h", "/other/", "/{tenant}/"},
			{"/admin|/{tenant}/{$}", "GET", "h", "/admin/", "404"},
			{"/admin|/{tenant}/{rest...}", "GET", "h", "/admin/", "404"},
			{"/admin|/{rest...}", "GET", "h", "/admin/", "404"},
			{"/secret/|/{page}", "GET", "h", "/secret", "404"},
			{"/secret/|/{page}", "GET", "h", "/secret/", "/secret/"},
			{"/secret/|/{page}", "GET", "h", "/other", "/{page}"},
			{"/secret/{$}|/{page}", "GET", "h", "/secret", "404"},
			{"/secret/{rest...}|/{page}", "GET", "h", "/secret", "404"},
			{"/a/admin|/a/{b}/", "GET", "h", "/a/admin/", "404"},
			{"/{t}/admin|/{t}/{page}/", "GET", "h", "/x/admin/", "404"},
			{"/{t}/secret/|/{t}/{page}", "GET", "h", "/x/secret", "404"},
			{"/a/b/secret/|/{x}/{y}/{z}", "GET", "h", "/a/b/secret", "404"},
			{"GET /admin|/{tenant}/", "HEAD", "h", "/admin/", "404"},
			{"POST /secret/|/{page}", "POST", "h", "/secret", "404"},
			{"h/admin|/{tenant}/", "GET", "h", "/admin/", "404"},
			{"h/secret/|/{page}", "GET", "h", "/secret", "404"},
			{"/admin|h/{tenant}/", "GET", "h", "/admin/", "404"},
			{"/secret/|h/{page}", "GET", "h", "/secret", "404"},
			{"h/admin|/{tenant}/", "GET", "other", "/admin/", "/{tenant}/"}, // a guard of another host
			{"/a%20b/|/{page}", "GET", "h", "/a%20b", "404"},
			{"/a/b|/{x}/|/", "GET", "h", "/a/b/", "404"},
		} {
			r, byPolicy := routes(t, strings.Split(tt.patterns, "|")...)
			if got := outcome(t, r, byPolicy, asked(tt.method, tt.host, tt.path)); got != tt.want {
				t.Errorf("%s: %s %s%s met %q, want %q", tt.patterns, tt.method, tt.host, tt.path, got, tt.want)
			}
		}
	})
}

// TestTheLoneRootAnswersAsTheMux: a single "/" is matched without the mux, and
// nobody can tell.
func TestTheLoneRootAnswersAsTheMux(t *testing.T) {
	lone, byLone := routes(t, "/")
	wide, byWide := routes(t, "/", "never.invalid/{$}") // the second one keeps the shortcut out of the way
	paths := []string{
		"/", "/a", "/a/", "/a/b/c", "/a/b/c/", "", "a", "*", "//", "//a", "/a//b", "/a//", "/.", "/..", "/./a", "/a/.", "/a/../b", "/a/..", "/...",
		"/.a", "/a./b", "/%2F", "/a%2Fb", "/a/%2f/b", "/%2e", "/%2e%2e/a", "/%zz", "/%", "/a|b", "/|%2F..", "/|%2e", "/a b", "/caf\u00e9", "/a%20b/", "/;/x", "/\x00",
	}
	for _, method := range []string{"GET", "HEAD", "POST", "OPTIONS", "get", "", "CONNECT", "TRACE", "PRI"} {
		for _, host := range []string{"", "h", "[::1]", "h:80"} {
			for _, path := range paths {
				got := outcome(t, lone, byLone, asked(method, host, path))
				if want := outcome(t, wide, byWide, asked(method, host, path)); got != want {
					t.Errorf("%s %q %q: got %q, the mux answers %q", method, host, path, got, want)
				}
			}
		}
	}
}

// A preflight is answered by what will judge the request that it asks for.
func TestRoutesFindThePolicyOfAPreflight(t *testing.T) {
	newCORS := func(cfg cors.Config) *cors.Stage {
		cfg.Origins, cfg.Report = []string{"https://app.example"}, func(*exchange.Exchange, cors.Refusal) {}
		s, err := cors.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	routes := &warder.Routes{CORS: newCORS(cors.Config{})}
	for pattern, stage := range map[string]*cors.Stage{
		"GET /orders":      newCORS(cors.Config{}),
		"POST /orders":     newCORS(cors.Config{}),
		"DELETE /orders":   nil,
		"/wide/":           nil,
		"PUT /wide/a":      newCORS(cors.Config{}),
		"PUT /named":       newCORS(cors.Config{}),
		"OPTIONS /named":   newCORS(cors.Config{}),
		"/any":             newCORS(cors.Config{}),
		"PUT /forwarded":   newCORS(cors.Config{ForwardPreflight: true}),
		"PUT /shadow":      newCORS(cors.Config{Shadow: true}),
		"PUT /slash/{x}/":  newCORS(cors.Config{}),
		"PUT /slash/deep":  newCORS(cors.Config{}),
		"OPTIONS /private": nil,
		"PUT /private":     newCORS(cors.Config{}),
	} {
		if err := routes.Handle(pattern, &warder.Policy{CORS: stage}); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		path, method, route string
		answered            bool
	}{
		{"/orders", "POST", "POST /orders", true},
		{"/orders", "GET", "GET /orders", true},
		{"/orders", "HEAD", "GET /orders", true},
		{"/orders", "DELETE", "", true}, // by Routes.CORS, which refuses it: the pattern has none
		{"/orders", "PATCH", "", true},
		{"/orders", "TRACE", "", true},
		{"/nothing", "GET", "", true},
		{"/wide/a", "PUT", "PUT /wide/a", true},
		{"/wide/a", "GET", "/wide/", false},
		{"/named", "PUT", "OPTIONS /named", true},
		{"/any", "PUT", "/any", true},
		{"/private", "PUT", "OPTIONS /private", false},
		{"/forwarded", "PUT", "", true},
		{"/shadow", "PUT", "", true},
		{"/slash/deep/", "PUT", "", true},
	} {
		x := asked(http.MethodOptions, "a.example", tt.path)
		x.Request.Header.Set("Origin", "https://app.example")
		x.Request.Header.Set("Access-Control-Request-Method", tt.method)
		trace := (&warder.Stack{Route: routes}).Decide(x)
		if x.Route != tt.route || (trace.Verdict.Kind() == exchange.Answered) != tt.answered {
			t.Errorf("%s %s: route %q, %v by %q; want %q, answered: %v", tt.method, tt.path, x.Route, trace.Verdict.Kind(), trace.Stage, tt.route, tt.answered)
		}
	}
	// Without its fields, OPTIONS is a request like every other.
	x := asked(http.MethodOptions, "a.example", "/orders")
	x.Request.Header.Set("Access-Control-Request-Method", "POST")
	if trace := (&warder.Stack{Route: routes}).Decide(x); trace.Verdict.Problem().Type != problem.MethodNotAllowed {
		t.Errorf("an OPTIONS without Origin: %v", trace.Verdict.Kind())
	}
}

func TestRoutesHandleReportsBadPatterns(t *testing.T) {
	tests := []struct {
		name, earlier, pattern string
		want                   []string
	}{
		{"empty", "", "", []string{`""`}},
		{"no path", "", "GET example.com", []string{`"GET example.com"`}},
		{"bad wildcard", "", "/a/{id", []string{`"/a/{id"`}},
		{"empty segment", "", "/a//b", []string{`"/a//b"`, "empty"}},
		{"dot segment", "", "/a/../b", []string{"dot"}},
		{"same again", "/a", "/a", []string{`"/a"`, "conflicts"}},
		{"neither more specific", "/a/{x}", "/{y}/b", []string{`"/a/{x}"`, `"/{y}/b"`, "conflicts"}},
		{"TRACE", "", "TRACE /a", []string{`"TRACE /a"`, "never"}},
		{"CONNECT", "", "CONNECT /a", []string{"never"}},
		{"host in capitals", "", "Example.com/a", []string{"lower case"}},
		{"host with port", "", "example.com:80/a", []string{"port"}},
		{"host with a trailing dot", "", "example.com./a", []string{"dot"}},
		{"segment of a slash", "", "/a/%2F", []string{"whole segment"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := new(warder.Routes)
			if tt.earlier != "" {
				if err := r.Handle(tt.earlier, new(warder.Policy)); err != nil {
					t.Fatal(err)
				}
			}
			err := r.Handle(tt.pattern, new(warder.Policy))
			if err == nil {
				t.Fatalf("Handle(%q) reported nothing", tt.pattern)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not mention %s", err, want)
				}
			}
			if strings.Contains(err.Error(), ".go:") {
				t.Errorf("error %q names a place in a source file", err)
			}
		})
	}
	r := new(warder.Routes)
	if err := r.Handle("/a", nil); err == nil {
		t.Error("Handle took a pattern without a policy: nobody would judge its requests")
	}
	r.Match(asked(http.MethodGet, "h", "/a"))
	if err := r.Handle("/a", new(warder.Policy)); err == nil {
		t.Error("Handle took a pattern after the first Match")
	}
}

func TestRoutesBoundTheirMethods(t *testing.T) {
	r, err := new(warder.Routes), error(nil)
	n := 0
	for ; err == nil && n < 100; n++ {
		err = r.Handle(fmt.Sprintf("M%d /a", n), new(warder.Policy))
	}
	if err == nil || n != 65 {
		t.Errorf("method %d was refused with %v, want the 65th refused", n, err)
	}
	if got := outcome(t, r, nil, asked(http.MethodGet, "h", "/a")); strings.Count(got, ",") != 63 {
		t.Errorf("Allow = %q, want 64 methods", got)
	}
}

func TestRoutesMakeEachDenyPolicyOnce(t *testing.T) {
	r, _ := routes(t, "GET /a", "POST /b")
	first := [2]*warder.Policy{r.Match(asked("PUT", "h", "/a")), r.Match(asked("PUT", "h", "/none"))}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 100 {
				if got := r.Match(asked("PUT", "h", "/a")); got != first[0] {
					t.Error("a second policy for the same Allow")
				}
				if got := r.Match(asked("PUT", "h", fmt.Sprintf("/none/%d", i))); got != first[1] {
					t.Error("a second policy for not found")
				}
			}
		})
	}
	wg.Wait()
}

func TestRoutesKeepNothingOfARequest(t *testing.T) {
	r, byPolicy := routes(t, "h1/a", "/b")
	if got := outcome(t, r, byPolicy, asked("GET", "h1", "/a")); got != "h1/a" {
		t.Fatalf("got %q", got)
	}
	if got := outcome(t, r, byPolicy, asked("GET", "", "/a")); got != "404" {
		t.Errorf("a request without a host met %q, want 404", got)
	}
}

func TestRoutesMatchAllocates(t *testing.T) {
	r, _ := routes(t, "GET /orders", "/orders/{id}", "api.example.com/v1/")
	tests := []struct {
		name, host, path string
		want             float64
	}{
		{"literal", "h", "/orders", 0},
		{"prefix with host", "api.example.com", "/v1/", 0},
		{"nothing", "h", "/none", 15},     // the same for each method that Allow might name
		{"wildcard", "h", "/orders/7", 3}, // ServeMux notes what a wildcard may match, also where none is
	}
	t.Run("lone root", func(t *testing.T) {
		r, _ := routes(t, "/")
		x := asked(http.MethodGet, "h", "/v1/orders/7/items")
		r.Match(x)
		if got := testing.AllocsPerRun(1000, func() { r.Match(x) }); got != 0 && !raceEnabled {
			t.Errorf("%v allocations, want none", got)
		}
	})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			x := asked(http.MethodGet, tt.host, tt.path)
			r.Match(x) // fills the pool and the deny policy
			if got := testing.AllocsPerRun(1000, func() { r.Match(x) }); got > tt.want && !raceEnabled {
				t.Errorf("%v allocations, want at most %v", got, tt.want)
			}
		})
	}
}

func BenchmarkRoutesMatch(b *testing.B) {
	r, _ := routes(b, "GET /orders", "/orders/{id}")
	for _, path := range []string{"/orders", "/orders/7", "/none"} {
		b.Run(path, func(b *testing.B) {
			x := asked(http.MethodGet, "h", path)
			b.ReportAllocs()
			for b.Loop() {
				r.Match(x)
			}
		})
	}
}

// FuzzRoutes holds Routes against a ServeMux that is asked with the same
// canonical request: the same pattern, or a denial where the mux would not
// serve the request as it is.
func FuzzRoutes(f *testing.F) {
	patterns := []string{
		"/", "GET /orders", "POST /orders", "/orders/{id}", "/orders/{id}/items", "/orders/new", "/tree/", "/exact/{$}",
		"api.example.com/", "DELETE api.example.com/orders/{id}", "/caf%C3%A9", "/files/{path...}",
	}
	served := func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Served", "yes") }
	r, byPolicy := routes(f, patterns...)
	mux := new(http.ServeMux)
	for _, p := range patterns {
		mux.HandleFunc(p, served)
	}
	lone, byLone := routes(f, "/")
	root := new(http.ServeMux)
	root.HandleFunc("/", served)
	slashes := []string{
		"/admin", "/{tenant}/", "/secret/", "/{page}", "/a/{b}/{c}", "/a/{b}/list/", "/a/{b}/one/{$}", "/f/{rest...}", "/x/{b}/{c}/", "/x/y/{c}", "POST /form/", "/form",
		"api.example.com/{host}", "api.example.com/own/",
	}
	ends, byEnds := routes(f, slashes...)
	wild := new(http.ServeMux)
	for _, p := range slashes {
		wild.HandleFunc(p, served)
	}
	for _, method := range []string{"GET", "HEAD", "POST", "get", "TRACE", "CONNECT"} {
		for _, path := range []string{
			"/admin/", "/secret", "/secret/", "/secret/z", "/a/q/list", "/a/q/list/", "/a/q/one", "/a/q/one/", "/f", "/f/", "/f/b", "/x/y/z/", "/x/y/z", "/form/", "/form", "/own", "/own/",
			"/orders/0/", "/", "/orders", "/orders/7", "/orders/new", "/orders/7%2Fitems", "/orders/%2F", "/tree", "/tree/x", "/exact/", "/exact",
			"/caf%C3%A9", "/caf\u00e9", "//", "/..", "/%zz", "*", "", "/a|b", "/files/%25", "/files/a%20b/",
		} {
			f.Add(method, "h", path)
			f.Add(method, "api.example.com", path)
		}
	}
	f.Fuzz(func(t *testing.T, method, host, path string) {
		for _, pair := range []struct {
			routes   *warder.Routes
			byPolicy map[*warder.Policy]string
			mux      *http.ServeMux
		}{{r, byPolicy, mux}, {lone, byLone, root}, {ends, byEnds, wild}} {
			got := outcome(t, pair.routes, pair.byPolicy, asked(method, host, path))
			if want := plain(pair.mux, method, host, path); got != want && (want != "" || !strings.HasPrefix(got, "40")) {
				t.Errorf("%s %q %q met %q, a ServeMux serves it as %q", method, host, path, got, want)
			}
		}
	})
}

// plain returns the pattern under which mux itself serves the canonical request;
// "" when it answers by itself, and for what Routes refuses on purpose.
func plain(mux *http.ServeMux, method, host, path string) string {
	if path == "*" {
		path = "/"
	}
	decoded, err := url.PathUnescape(path)
	segments := strings.Split(strings.ToUpper(path), "/")
	if err != nil || slices.Contains(segments, "%2F") || slices.Contains([]string{"CONNECT", "TRACE", "PRI"}, method) {
		return ""
	}
	r := &http.Request{Method: method, Host: host, URL: &url.URL{Path: decoded, RawPath: path}, Header: http.Header{}}
	h, pattern := mux.Handler(r)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Header().Get("Served") == "" {
		return ""
	}
	counterpart := &url.URL{Path: strings.TrimSuffix(decoded, "/"), RawPath: strings.TrimSuffix(path, "/")}
	if counterpart.RawPath == path {
		counterpart = &url.URL{Path: decoded + "/", RawPath: path + "/"}
	}
	if counterpart.RawPath == "" {
		return pattern
	}
	r.URL = counterpart
	h, other := mux.Handler(r)
	w = httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Header().Get("Served") == "" || other == pattern {
		return pattern
	}
	wild, exact := literalness(pattern, path)
	otherWild, otherExact := literalness(other, counterpart.RawPath)
	if otherExact && (!exact || otherWild < wild) {
		return "" // refused on purpose: a guard is not walked around by the slash at the end
	}
	return pattern
}

// literalness compares pattern with a path that it matches, segment by segment:
// how many took any text, and whether none was left for a wildcard of many.
func literalness(pattern, path string) (wild int, exact bool) {
	_, pattern, _ = strings.Cut(pattern, "/")
	takes, segments := strings.Split(pattern, "/"), strings.Split(path[1:], "/")
	for _, take := range takes[:len(takes)-1] {
		if strings.HasPrefix(take, "{") {
			wild++
		}
	}
	last := takes[len(takes)-1]
	switch {
	case last == "", last == "{$}", strings.HasSuffix(last, "...}"):
		return wild, len(takes) == len(segments) && segments[len(segments)-1] == ""
	case strings.HasPrefix(last, "{"):
		wild++
	}
	return wild, len(takes) == len(segments)
}
