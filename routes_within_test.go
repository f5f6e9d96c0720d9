package warder_test

import (
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/warder-dev/warder"
)

func TestParametersWithinASegment(t *testing.T) {
	r, byPolicy := routes(t,
		"GET /files/{name}", "GET /files/{name}.json", "GET /files/a{name}.json", "GET /files/index.json", "PUT /files/{name}.json", "/files/",
		"/api/v{version}/orders", "/api/{tenant}/orders", "/stays/{from}-{to}/days", "eu.example/files/{name}", "/items/{id}:cancel", "/e/%C3%A9{x}/y", "/docs/v{n}", "/docs/{page}/",
	)
	for _, tt := range []struct{ method, host, path, want string }{
		{"GET", "h", "/files/x", "GET /files/{name}"},
		{"GET", "h", "/files/x.json", "GET /files/{name}.json"},
		{"HEAD", "h", "/files/x.json", "GET /files/{name}.json"},
		{"GET", "h", "/files/ax.json", "GET /files/a{name}.json"},
		{"GET", "h", "/files/a.json", "GET /files/{name}.json"},           // a parameter is not empty
		{"GET", "h", "/files/.json", "GET /files/{name}"},                 // here too
		{"GET", "h", "/files/index.json", "GET /files/index.json"},        // a literal is more specific
		{"GET", "h", "/files/index.jso%6E", "GET /files/index.json"},      // by what it decodes to
		{"GET", "h", "/files/x%2Ejson", "GET /files/{name}.json"},         // here too
		{"GET", "h", "/files/x%2Fy.json", "GET /files/{name}.json"},       // an encoded slash is part of its segment
		{"GET", "h", "/files/x.JSON", "GET /files/{name}"},                // with case
		{"PUT", "h", "/files/x.json", "PUT /files/{name}.json"},           // the method
		{"POST", "h", "/files/x.json", "/files/"},                         // a wider one takes other methods
		{"GET", "h", "/files/x.json/more", "/files/"},                     // whole segments
		{"GET", "eu.example", "/files/x.json", "eu.example/files/{name}"}, // a host goes first
		{"GET", "h", "/api/v2/orders", "/api/v{version}/orders"},
		{"GET", "h", "/api/v/orders", "/api/{tenant}/orders"},
		{"GET", "h", "/api/w/orders", "/api/{tenant}/orders"},
		{"GET", "h", "/stays/1-2-3/days", "/stays/{from}-{to}/days"},
		{"GET", "h", "/stays/-/days", "404"},
		{"POST", "h", "/items/7:cancel", "/items/{id}:cancel"},
		{"POST", "h", "/items/7%3Acancel", "/items/{id}:cancel"},
		{"POST", "h", "/items/:cancel", "404"},
		{"GET", "h", "/e/%C3%A9z/y", "/e/%C3%A9{x}/y"},
		{"GET", "h", "/docs/v1", "/docs/v{n}"},
		{"GET", "h", "/docs/v1/", "404"}, // it is met more literally without the slash
		{"GET", "h", "/docs/w1/", "/docs/{page}/"},
		{"DELETE", "h", "/docs//v1", "404"},
	} {
		if got := outcome(t, r, byPolicy, asked(tt.method, tt.host, tt.path)); got != tt.want {
			t.Errorf("%s %s%s: %s, want %s", tt.method, tt.host, tt.path, got, tt.want)
		}
	}
	r, byPolicy = routes(t, "GET /a/{x}.json", "PUT /a/b{x}")
	for path, want := range map[string]string{"/a/c.json": "405 GET, HEAD", "/a/bc.json": "405 GET, HEAD, PUT", "/a/bc": "405 PUT", "/a/c": "404"} {
		if got := outcome(t, r, byPolicy, asked(http.MethodDelete, "h", path)); got != want {
			t.Errorf("DELETE %s: %s, want %s", path, got, want)
		}
	}
}

func TestParametersWithinASegmentThatCannotBe(t *testing.T) {
	for _, tt := range []struct {
		patterns []string
		says     string
	}{
		{[]string{"/a/{x}.json", "/a/v{y}"}, `pattern "/a/v{y}" conflicts with "/a/{x}.json"`},
		{[]string{"/a/v{y}", "/{b}/v1"}, `pattern "/{b}/v1" conflicts with "/a/v{y}"`},
		{[]string{"/{b}/v1", "/a/v{y}"}, `pattern "/a/v{y}" conflicts with "/{b}/v1"`},
		{[]string{"/a/{x}.json", "/a/{y}.json"}, "conflicts"},
		{[]string{"/a/{x}.json", "GET /a/{y}"}, "conflicts"}, // the one in its path, the other in its method
		{[]string{"GET /a/{x}-{y}", "HEAD /a/{x}_{y}"}, "conflicts"},
		{[]string{"/a/{x}{y}"}, "nothing between them"},
		{[]string{"/a/{x}-{x}"}, "used once"},
		{[]string{"/{x}/a{x}"}, "used once"},
		{[]string{"/a/{}-b"}, "want each {name}"},
		{[]string{"/a/b{x...}"}, "want each {name}"},
		{[]string{"/a/b{$}"}, "want each {name}"},
		{[]string{"/a/{x-y}z"}, "want each {name}"},
		{[]string{"/a/{x}}"}, "brace"},
		{[]string{"/a/b{x"}, "brace"},
		{[]string{"/a/{x}%2fb"}, "percent-encoded"},
		{[]string{"/a/{x}%0a"}, "percent-encoded"},
		{[]string{"/a/{x}%zz"}, "hexadecimal"},
		{[]string{"/a/x{1}-{2}-{3}-{4}-{5}-{6}-{7}-{8}-{9}"}, "more than 8"},
		{[]string{"/../{x}.a"}, "dot segments"},
	} {
		r := new(warder.Routes)
		var err error
		for _, pattern := range tt.patterns {
			if err != nil {
				t.Fatal(err)
			}
			err = r.Handle(pattern, new(warder.Policy))
		}
		if err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%q: error = %v, want one with %q", tt.patterns, err, tt.says)
		}
	}
	routes(t, "/a/{x}.json", "/a/{x}.xml", "/a/v{y}.json", "/a/{z}", "/b/{x}.json", "GET /b/w{x}.json", "PUT /b/w{x}.json") // none of these meet, or one is within the other
}

// FuzzRoutesWithin: a slow reference knows which of random paths each pattern takes,
// by regular expressions, and that the pattern wins whose set is within every other
// that has the path.
func FuzzRoutesWithin(f *testing.F) {
	for seed := range uint64(300) {
		f.Add(seed)
	}
	var segments, paths []string
	last := []string{""}
	for range 4 {
		var next []string
		for _, w := range last {
			next = append(next, w+"a", w+"b", w+"c")
		}
		segments, last = append(segments, next...), next
	}
	for _, first := range []string{"a", "b", "ab", "ac", "cb", "acb", "ca"} {
		for _, second := range segments {
			paths = append(paths, "/"+first+"/"+second)
		}
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		m := rand.New(rand.NewPCG(seed, 40)) // by chance, and the same again
		one := func(of ...string) string { return of[m.IntN(len(of))] }
		r, byPolicy := new(warder.Routes), map[*warder.Policy]string{}
		takes := map[string]map[string]bool{}
		for range 2 + m.IntN(5) {
			first := one("a", "ab", "{x}", "a{x}", "{x}b")
			second := one("a", "ab", "{y}", "a{y}", "{y}a", "{y}b", "a{y}b", "{y}a{z}", "a{y}a", "{y}aa", "aa{y}")
			method := one("", "", "GET ", "HEAD ")
			pattern := method + "/" + first + "/" + second
			expression := regexp.MustCompile("^" + regexp.MustCompile(`\{.\}`).ReplaceAllString("/"+first+"/"+second, "[^/]+") + "$")
			set := map[string]bool{}
			for _, path := range paths {
				for _, asking := range []string{"GET", "HEAD", "PUT"} {
					set[asking+path] = expression.MatchString(path) && (method == "" || method == asking+" " || method == "GET " && asking == "HEAD")
				}
			}
			conflicts := false
			for _, other := range takes {
				var here, there, both bool
				for request := range set {
					here, there, both = here || set[request] && !other[request], there || !set[request] && other[request], both || set[request] && other[request]
				}
				conflicts = conflicts || both && here == there
			}
			p := new(warder.Policy)
			err := r.Handle(pattern, p)
			if (err != nil) != conflicts {
				t.Fatalf("%q after %q: error = %v, and conflicts %v", pattern, keys(takes), err, conflicts)
			}
			if err == nil {
				byPolicy[p], takes[pattern] = pattern, set
			}
		}
		for range 60 {
			path, method := paths[m.IntN(len(paths))], one("GET", "HEAD", "PUT")
			var best string
			for pattern, set := range takes {
				if set[method+path] && (best == "" || count(set) < count(takes[best])) {
					best = pattern
				}
			}
			got := outcome(t, r, byPolicy, asked(method, "h", path))
			if best == "" && got != "404" && !strings.HasPrefix(got, "405 ") || best != "" && got != best {
				t.Errorf("%s %s: %s, want %q of %q", method, path, got, best, keys(takes))
			}
		}
	})
}

func count(set map[string]bool) (n int) {
	for _, in := range set {
		if in {
			n++
		}
	}
	return n
}

func keys(takes map[string]map[string]bool) (all []string) {
	for pattern := range takes {
		all = append(all, pattern)
	}
	slices.Sort(all)
	return all
}
