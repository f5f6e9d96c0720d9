package interop_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	rscors "github.com/rs/cors"

	"github.com/warder-dev/warder/cors"
	"github.com/warder-dev/warder/exchange"
)

// A twin is one policy, as this module and as github.com/rs/cors say it.
type twin struct {
	name        string
	credentials bool
	any         bool // every origin
	ours        *cors.Stage
	theirs      http.Handler
}

func twins(tb testing.TB) []twin {
	tb.Helper()
	origins := []string{"https://app.example.com", "https://b.example.com:8443", "http://localhost:3000"}
	headers := []string{"Content-Type", "X-API-Key", "Authorization"}
	all := []twin{{name: "listed"}, {name: "credentials", credentials: true}, {name: "anybody", any: true}}
	for i := range all {
		t := &all[i]
		ours := cors.Config{
			Credentials: t.credentials, AnyOrigin: t.any, Methods: []string{"PUT", "DELETE"}, RequestHeaders: headers,
			ExposedHeaders: []string{"X-Request-Id"}, MaxAge: time.Hour,
		}
		theirs := rscors.Options{
			AllowCredentials: t.credentials, AllowedOrigins: []string{"*"}, AllowedMethods: []string{"GET", "HEAD", "POST", "PUT", "DELETE"},
			AllowedHeaders: slices.Clone(headers), ExposedHeaders: []string{"X-Request-Id"}, MaxAge: 3600,
		}
		if !t.any {
			ours.Origins, theirs.AllowedOrigins = origins, slices.Clone(origins)
		}
		var err error
		if t.ours, err = cors.New(ours); err != nil {
			tb.Fatal(err)
		}
		t.theirs = rscors.New(theirs).Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	}
	return all
}

// An ask is what a page, or somebody who says so, sends.
type ask struct {
	method         string
	origins        []string
	methods        []string // of Access-Control-Request-Method
	headers        []string // of Access-Control-Request-Headers
	privateNetwork bool
}

func (a ask) request() *http.Request {
	r := httptest.NewRequest(http.MethodGet, "https://api.example.com/", nil)
	r.Method = a.method
	for name, values := range map[string][]string{
		"Origin": a.origins, "Access-Control-Request-Method": a.methods, "Access-Control-Request-Headers": a.headers,
	} {
		if values != nil {
			r.Header[name] = values
		}
	}
	if a.privateNetwork {
		r.Header.Set("Access-Control-Request-Private-Network", "true")
	}
	return r
}

// preflight is that both take the request for one.
func (a ask) preflight() bool {
	return a.method == http.MethodOptions && len(a.origins) > 0 && len(a.methods) > 0 && a.methods[0] != ""
}

// lets is how a browser reads an answer (Fetch, "CORS check" and "CORS-preflight
// fetch"): whether the page may read it, or go on with what it asked for.
func (a ask) lets(t twin, h http.Header) bool {
	if a.preflight() && a.privateNetwork && h.Get("Access-Control-Allow-Private-Network") != "true" {
		return false // whoever asks: the rest of the permission is worth nothing then
	}
	if len(a.origins) != 1 {
		return len(h["Access-Control-Allow-Origin"]) > 0 // no browser's: any permission counts
	}
	allowed := strings.Join(h["Access-Control-Allow-Origin"], ", ")
	if allowed != a.origins[0] && (allowed != "*" || t.credentials) {
		return false
	}
	if t.credentials && h.Get("Access-Control-Allow-Credentials") != "true" {
		return false
	}
	if !a.preflight() {
		return true
	}
	method := a.methods[0]
	if !slices.Contains([]string{"GET", "HEAD", "POST"}, method) && !slices.Contains(list(h["Access-Control-Allow-Methods"]), method) {
		return false
	}
	may := list(h["Access-Control-Allow-Headers"])
	for _, name := range list(a.headers) {
		if !slices.ContainsFunc(may, func(m string) bool { return strings.EqualFold(m, name) }) {
			return false
		}
	}
	return true
}

// list returns the elements of a list field.
func list(fields []string) []string {
	var all []string
	for _, field := range fields {
		for element := range strings.SplitSeq(field, ",") {
			if element = strings.Trim(element, " \t"); element != "" {
				all = append(all, element)
			}
		}
	}
	return all
}

// differences are the cases in which the two do not say the same, on purpose.
// Each row tells when, and which of them lets the page go on.
func differences() []struct {
	why        string
	when       func(twin, ask) bool
	ours, them bool
} {
	return []struct {
		why        string
		when       func(twin, ask) bool
		ours, them bool
	}{
		{"an origin has one spelling: they compare it without case", func(t twin, a ask) bool {
			return !t.any && len(a.origins) == 1 && a.origins[0] != strings.ToLower(a.origins[0])
		}, false, true},
		{"two Origin fields are nobody's: they take the first", func(t twin, a ask) bool { return !t.any && len(a.origins) > 1 }, false, true},
		{"two fields with a method are nobody's: they take the first", func(_ twin, a ask) bool { return a.preflight() && len(a.methods) > 1 }, false, true},
		{"OPTIONS is a method to be listed: they always allow it", func(_ twin, a ask) bool { return a.preflight() && a.methods[0] == "OPTIONS" }, false, true},
		{"reading does not depend on the method: by the standard only a preflight does", func(_ twin, a ask) bool {
			return !a.preflight() && !slices.Contains([]string{"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"}, a.method)
		}, true, false},
		{"an empty Access-Control-Request-Method asks for nothing: they take it for no preflight", func(_ twin, a ask) bool {
			return a.method == http.MethodOptions && len(a.origins) > 0 && len(a.methods) > 0 && a.methods[0] == ""
		}, false, true},
		{"what everybody may read is told everybody: they wait for an Origin", func(t twin, a ask) bool {
			return t.any && (len(a.origins) == 0 || a.origins[0] == "")
		}, true, false},
	}
}

// explained returns why the two may differ so about a; "" when nothing says so.
func explained(t twin, a ask, ours, theirs bool) string {
	for _, d := range differences() {
		if d.ours == ours && d.them == theirs && d.when(t, a) {
			return d.why
		}
	}
	return ""
}

// compare answers a by both.
func compare(t twin, a ask) (ours, theirs bool) {
	h := make(http.Header)
	x := exchange.New(a.request())
	t.ours.Check(x)
	t.ours.Headers(x, h)
	w := httptest.NewRecorder()
	t.theirs.ServeHTTP(w, a.request())
	return a.lets(t, h), a.lets(t, w.Header())
}

func asks() []ask {
	app, other := []string{"https://app.example.com"}, []string{"https://x.example"}
	return []ask{
		{method: "GET"},
		{method: "GET", origins: app},
		{method: "GET", origins: other},
		{method: "POST", origins: []string{"https://b.example.com:8443"}},
		{method: "GET", origins: []string{"https://b.example.com"}},
		{method: "GET", origins: []string{"null"}},
		{method: "GET", origins: []string{""}},
		{method: "GET", origins: []string{"https://APP.example.com"}},
		{method: "GET", origins: []string{"https://app.example.com.evil.example"}},
		{method: "GET", origins: append(slices.Clone(app), other...)},
		{method: "PATCH", origins: app},
		{method: "OPTIONS", origins: app},
		{method: "OPTIONS", methods: []string{"PUT"}},
		{method: "OPTIONS", origins: app, methods: []string{"PUT"}},
		{method: "OPTIONS", origins: app, methods: []string{"PATCH"}},
		{method: "OPTIONS", origins: app, methods: []string{"put"}},
		{method: "OPTIONS", origins: app, methods: []string{"OPTIONS"}},
		{method: "OPTIONS", origins: app, methods: []string{""}},
		{method: "OPTIONS", origins: app, methods: []string{"PUT", "PATCH"}},
		{method: "OPTIONS", origins: other, methods: []string{"PUT"}},
		{method: "OPTIONS", origins: app, methods: []string{"GET"}, headers: []string{"authorization,content-type,x-api-key"}},
		{method: "OPTIONS", origins: app, methods: []string{"GET"}, headers: []string{"authorization, content-type", "x-api-key"}},
		{method: "OPTIONS", origins: app, methods: []string{"GET"}, headers: []string{"authorization,\tcontent-type"}},
		{method: "OPTIONS", origins: app, methods: []string{"GET"}, headers: []string{"x-api-key,content-type"}},
		{method: "OPTIONS", origins: app, methods: []string{"GET"}, headers: []string{"X-API-Key"}},
		{method: "OPTIONS", origins: app, methods: []string{"GET"}, headers: []string{"x-other"}},
		{method: "OPTIONS", origins: app, methods: []string{"GET"}, headers: []string{strings.Repeat(",", 16) + "x-api-key"}},
		{method: "OPTIONS", origins: app, methods: []string{"GET"}, headers: []string{strings.Repeat(",", 17) + "x-api-key"}},
		{method: "OPTIONS", origins: app, methods: []string{"GET"}, privateNetwork: true},
	}
}

func TestCORSAsOthersDoIt(t *testing.T) {
	used := map[string]bool{}
	for _, twin := range twins(t) {
		for _, a := range asks() {
			ours, theirs := compare(twin, a)
			if ours == theirs {
				continue
			}
			why := explained(twin, a, ours, theirs)
			if used[why] = true; why == "" {
				t.Errorf("%s, %+v: ours %v, theirs %v, and nothing says why", twin.name, a, ours, theirs)
			}
		}
	}
	page, err := os.ReadFile("../docs/guide/cors.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range differences() {
		if !used[d.why] {
			t.Errorf("no case shows that %s", d.why)
		}
		if !strings.Contains(string(page), "\n- "+d.why+"\n") {
			t.Errorf("the guide does not say that %s", d.why)
		}
	}
}

func FuzzCORSAsOthersDoIt(f *testing.F) {
	all := twins(f)
	for _, a := range asks() {
		join := func(fields []string) string { return strings.Join(fields, "\n") }
		for i := range all {
			f.Add(uint8(i), a.method, join(a.origins), len(a.origins) > 0, join(a.methods), len(a.methods) > 0, join(a.headers), len(a.headers) > 0, a.privateNetwork)
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, method, origin string, hasOrigin bool, asked string, hasAsked bool, headers string, hasHeaders, private bool) {
		a := ask{method: method, privateNetwork: private}
		if hasOrigin {
			a.origins = strings.Split(origin, "\n")
		}
		if hasAsked {
			a.methods = strings.Split(asked, "\n")
		}
		if hasHeaders {
			a.headers = strings.Split(headers, "\n")
		}
		twin := all[int(which)%len(all)]
		ours, theirs := compare(twin, a)
		if ours != theirs && explained(twin, a, ours, theirs) == "" {
			t.Errorf("%s, %+v: ours %v, theirs %v, and nothing says why", twin.name, a, ours, theirs)
		}
	})
}

// The two by turns, so that what else the machine does meets both. Each judges
// and writes its fields; neither calls a handler.
func BenchmarkCORS(b *testing.B) {
	many := make([]string, 100)
	for i := range many {
		many[i] = fmt.Sprintf("https://app%d.example.com", i)
	}
	options := rscors.Options{AllowedMethods: []string{"GET", "PUT"}, AllowedHeaders: []string{"X-API-Key"}, AllowCredentials: true, ExposedHeaders: []string{"X-Request-Id"}}
	for _, tt := range []struct {
		name    string
		origins []string
		ask     ask
	}{
		{"actual", many[:1], ask{method: "GET", origins: many[:1]}},
		{"actual of 100", many, ask{method: "GET", origins: many[99:]}},
		{"not listed", many[:1], ask{method: "GET", origins: []string{"https://x.example"}}},
		{"preflight", many[:1], ask{method: "OPTIONS", origins: many[:1], methods: []string{"PUT"}, headers: []string{"x-api-key"}}},
	} {
		options.AllowedOrigins = tt.origins
		theirs := rscors.New(options)
		ours, err := cors.New(cors.Config{
			Origins: tt.origins, Methods: []string{"PUT"}, RequestHeaders: []string{"X-API-Key"}, Credentials: true, ExposedHeaders: []string{"X-Request-Id"},
		})
		if err != nil {
			b.Fatal(err)
		}
		b.Run(tt.name, func(b *testing.B) { race(b, tt.ask.request(), ours, theirs) })
	}
}

// blank is a response writer that keeps its header for the next request.
type blank http.Header

func (w blank) Header() http.Header        { return http.Header(w) }
func (blank) Write(p []byte) (int, error)  { return len(p), nil }
func (blank) WriteHeader(int)              {}
func (w blank) empty() (again http.Header) { clear(w); return http.Header(w) }

func race(b *testing.B, r *http.Request, ours *cors.Stage, theirs *rscors.Cors) {
	b.Helper()
	const turn = 1000
	x, w := exchange.New(r), make(blank)
	var us, them time.Duration
	for b.Loop() {
		begun := time.Now()
		for range turn {
			ours.Check(x)
			ours.Headers(x, w.empty())
		}
		half := time.Now()
		for range turn {
			w.empty()
			theirs.HandlerFunc(w, r)
		}
		us, them = us+half.Sub(begun), them+time.Since(half)
	}
	n := float64(b.N * turn)
	b.ReportMetric(float64(us.Nanoseconds())/n, "ours-ns/request")
	b.ReportMetric(float64(them.Nanoseconds())/n, "theirs-ns/request")
	b.ReportMetric(0, "ns/op")
}
