package cors_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/cors"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/attack"
)

// reads reports whether s lets origin read.
func reads(s *cors.Stage, origin string) bool {
	r := request("GET")
	r.Header["Origin"] = []string{origin}
	h := http.Header{}
	s.Headers(exchange.New(r), h)
	allowed, ok := h["Access-Control-Allow-Origin"]
	return ok && allowed[0] == origin
}

type originRow struct {
	name, origin string
	want         bool
}

func origins() (configured []string, rows []originRow) {
	configured = []string{
		"https://app.example.com", "https://b.example.com:443", "https://c.example.com:8443", "http://localhost:3000", "https://[2001:db8::1]:8443",
		"https://192.0.2.7", "capacitor://localhost", "https://*.example.org", "https://*.ports.example:8443", "https://*.deep.a.b.example", "http://*.localhost",
	}
	label, name := strings.Repeat("a", 63), strings.Repeat("a.", 121)
	return configured, []originRow{
		{"listed", "https://app.example.com", true},
		{"listed with the default port", "https://b.example.com", true},
		{"listed with a port", "https://c.example.com:8443", true},
		{"localhost", "http://localhost:3000", true},
		{"IPv6", "https://[2001:db8::1]:8443", true},
		{"IPv4", "https://192.0.2.7", true},
		{"an app's scheme", "capacitor://localhost", true},
		{"one label", "https://a.example.org", true},
		{"two labels", "https://a.b.example.org", true},
		{"an underscore", "https://a_b.example.org", true},
		{"the longest label", "https://" + label + ".example.org", true},
		{"the longest name", "https://" + name[:242-1] + ".example.org", true},
		{"pattern with a port", "https://a.ports.example:8443", true},
		{"long suffix", "https://x.deep.a.b.example", true},
		{"pattern of localhost", "http://app.localhost", true},

		{"suffix", "https://evil-app.example.com", false},
		{"prefix", "https://app.example.com.evil.example", false},
		{"longer top domain", "https://app.example.community", false},
		{"shorter top domain", "https://app.example.co", false},
		{"other scheme", "http://app.example.com", false},
		{"other port", "https://app.example.com:8443", false},
		{"no port", "https://c.example.com", false},
		{"the default port, which no browser writes", "https://app.example.com:443", false},
		{"the configured default port, which no browser writes", "https://b.example.com:443", false},
		{"an empty port", "https://app.example.com:", false},
		{"case", "https://APP.example.com", false},
		{"case of the scheme", "HTTPS://app.example.com", false},
		{"trailing dot", "https://app.example.com.", false},
		{"user info", "https://app.example.com@evil.example", false},
		{"user info before", "https://evil.example@app.example.com", false},
		{"path", "https://app.example.com/", false},
		{"query", "https://app.example.com?", false},
		{"backslash", `https://app.example.com\.evil.example`, false},
		{"dot for any letter", "https://appxexample.com", false},
		{"blank", " https://app.example.com", false},
		{"NUL", "https://app.example.com\x00.evil.example", false},
		{"comma", "https://app.example.com,https://evil.example", false},
		{"localhost as a label", "http://localhost.example.com", false},
		{"localhost without its port", "http://localhost", false},
		{"localhost in an app's scheme of another name", "ionic://localhost", false},
		{"the domain itself", "https://example.org", false},
		{"nothing before the dot", "https://.example.org", false},
		{"an empty label", "https://a..example.org", false},
		{"no dot", "https://aexample.org", false},
		{"behind the suffix", "https://a.example.org.evil.example", false},
		{"the suffix as another's label", "https://example.org.evil.example", false},
		{"the suffix in user info", "https://a.example.org@evil.example", false},
		{"the suffix in a path", "https://evil.example/.example.org", false},
		{"the suffix in a query", "https://evil.example?.example.org", false},
		{"the suffix in a fragment", "https://evil.example#.example.org", false},
		{"the suffix behind a backslash", `https://evil.example\.example.org`, false},
		{"the suffix behind a port", "https://evil.example:80.example.org", false},
		{"a port where the pattern has none", "https://a.example.org:8443", false},
		{"the default port of a pattern", "https://a.example.org:443", false},
		{"no port where the pattern has one", "https://a.ports.example", false},
		{"another port than the pattern's", "https://a.ports.example:84430", false},
		{"a pattern's other scheme", "http://a.example.org", false},
		{"case below a pattern", "https://A.example.org", false},
		{"a star", "https://*.example.org", false},
		{"a percent sign", "https://%61.example.org", false},
		{"non-ASCII", "https://ä.example.org", false},
		{"half of a long suffix", "https://x.a.b.example", false},
		{"the long suffix itself", "https://deep.a.b.example", false},
		{"a label of 64", "https://a" + label + ".example.org", false},
		{"a name of 254", "https://a" + name[:242-1] + ".example.org", false},
		{"IPv6 in another spelling", "https://[2001:DB8::1]:8443", false},
		{"IPv6 in a longer spelling", "https://[2001:db8:0::1]:8443", false},
		{"IPv6 below a pattern", "https://[::1].example.org", false},
		{"IPv4 in another spelling", "https://192.0.2.007", false},
		{"IPv4 as a number", "https://3221225991", false},
		{"no scheme", "//app.example.com", false},
		{"an empty scheme", "://app.example.com", false},
		{"one slash", "https:/app.example.com", false},
		{"null", "null", false},
		{"empty", "", false},
	}
}

func TestCORS02Origins(t *testing.T) {
	attack.Case(t, "CORS-02", attack.Library, func(t *testing.T) {
		configured, rows := origins()
		s := newStage(t, cors.Config{Origins: configured, Credentials: true})
		for _, tt := range rows {
			if got := reads(s, tt.origin); got != tt.want {
				t.Errorf("%s: %q reads: %v, want %v", tt.name, tt.origin, got, tt.want)
			}
		}
	})
}

func TestCORS04Configurations(t *testing.T) {
	attack.Case(t, "CORS-04", attack.Library, func(t *testing.T) {
		list := func(origins ...string) cors.Config { return cors.Config{Origins: origins, Credentials: true} }
		for _, tt := range []struct {
			name string
			cfg  cors.Config
			want string // of the error; "" for none
		}{
			{"the zero value", cors.Config{}, "no origin"},
			{"anybody", cors.Config{AnyOrigin: true}, ""},
			{"anybody with credentials", cors.Config{AnyOrigin: true, Credentials: true}, "AnyOrigin excludes Credentials"},
			{"anybody and some", cors.Config{AnyOrigin: true, Origins: []string{app}}, "AnyOrigin excludes Origins"},
			{"anybody in the private network", cors.Config{AnyOrigin: true, PrivateNetwork: true}, "AnyOrigin excludes PrivateNetwork"},
			{"a star", list("*"), `"*": want`},
			{"a star, without credentials too", cors.Config{Origins: []string{"*"}}, "AnyOrigin"},
			{"null", list("null"), "any page can have"},
			{"null without credentials", cors.Config{Origins: []string{"null"}}, "any page can have"},
			{"files", list("file://a"), "want scheme"},
			{"any host", list("https://*"), "want"},
			{"any host with a port", list("https://*:8443"), "want"},
			{"any scheme", list("*://app.example.com"), "want scheme"},
			{"any port", list("https://app.example.com:*"), "want"},
			{"a star inside a label", list("https://a*.example.com"), "want"},
			{"a star behind", list("https://app.*"), "want"},
			{"two stars", list("https://*.*.example.com"), "want"},
			{"a star in an app's scheme", list("app://*.example.com"), "want"},
			{"below com", list("https://*.com"), "public suffix"},
			{"below co.uk", list("https://*.co.uk"), "public suffix"},
			{"below a host of everybody's", list("https://*.github.io"), "public suffix"},
			{"below a top domain that nobody has", list("https://*.internal"), "public suffix"},
			{"below somebody's own", list("https://*.example.co.uk", "https://*.me.github.io"), ""},
			{"below an address", list("https://*.192.0.2.1"), "below an address"},
			{"below an IPv6 address", list("https://*.[::1]"), "below an address"},
			{"plain http", cors.Config{Origins: []string{"http://app.example.com"}}, ""},
			{"plain http with credentials", list("http://app.example.com"), "InsecureHTTPOrigins"},
			{"plain http below a domain, with credentials", list("http://*.example.com"), "InsecureHTTPOrigins"},
			{"plain http in the private network", cors.Config{Origins: []string{"http://app.example.com"}, PrivateNetwork: true}, "InsecureHTTPOrigins"},
			{"plain http with credentials, and said so", cors.Config{Origins: []string{"http://app.example.com"}, Credentials: true, InsecureHTTPOrigins: true}, ""},
			{"plain http on this machine", list("http://localhost:3000", "http://127.0.0.1:3000", "http://[::1]:3000", "http://a.localhost"), ""},
			{"plain http on what looks like it", list("http://localhost.example.com"), "InsecureHTTPOrigins"},
			{"upper case", list("https://App.example.com"), "lower case"},
			{"path", list("https://app.example.com/"), "nothing behind"},
			{"user info", list("https://a@app.example.com"), "want scheme"},
			{"query", list("https://app.example.com?"), "want scheme"},
			{"trailing dot", list("https://app.example.com."), "want scheme"},
			{"no scheme", list("app.example.com"), "want scheme"},
			{"no host", list("https://"), "want scheme"},
			{"empty", list(""), "want scheme"},
			{"non-ASCII", list("https://exämple.com"), "want scheme"},
			{"IPv4 in another spelling", list("https://192.0.2.01"), "want scheme"},
			{"a port of six digits", list("https://app.example.com:123456"), "want scheme"},
			{"a port over all", list("https://app.example.com:65536"), "want scheme"},
			{"several, all wrong", list("null", "*", app), "any page can have"},
		} {
			_, err := cors.New(tt.cfg)
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("%s: %v", tt.name, err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "cors: ")):
				t.Errorf("%s: error %v, want one of cors's with %q", tt.name, err, tt.want)
			}
		}
	})
}

func TestNew(t *testing.T) {
	for _, tt := range []struct {
		name string
		cfg  cors.Config
		want string
	}{
		{"a method in lower case", cors.Config{Methods: []string{"patch"}}, `"patch"`},
		{"every method", cors.Config{Methods: []string{"*"}}, `"*"`},
		{"no method", cors.Config{Methods: []string{""}}, `method ""`},
		{"a method with a blank", cors.Config{Methods: []string{"A B"}}, `"A B"`},
		{"a method that no page can use", cors.Config{Methods: []string{"TRACE"}}, "no browser"},
		{"a header that is none", cors.Config{RequestHeaders: []string{"a b"}}, `"a b"`},
		{"a header that no page can set", cors.Config{RequestHeaders: []string{"cookie"}}, "no browser"},
		{"a header of the browser's own", cors.Config{RequestHeaders: []string{"Sec-Fetch-Site"}}, "no browser"},
		{"an exposed header that is none", cors.Config{ExposedHeaders: []string{"a,b"}}, `"a,b"`},
		{"cookies exposed", cors.Config{ExposedHeaders: []string{"set-cookie"}}, "no browser"},
		{"everything exposed with credentials", cors.Config{ExposedHeaders: []string{"*"}, Credentials: true}, "not with Credentials"},
		{"everything exposed and something", cors.Config{ExposedHeaders: []string{"*", "A"}}, "stands alone"},
		{"everything exposed", cors.Config{ExposedHeaders: []string{"*"}}, ""},
		{"a day and a second", cors.Config{MaxAge: 24*time.Hour + time.Second}, "24h0m1s"},
		{"half a second", cors.Config{MaxAge: time.Second / 2}, "500ms"},
		{"a day", cors.Config{MaxAge: 24 * time.Hour}, ""},
		{"shadow that nobody sees", cors.Config{Shadow: true}, "shadow needs Report"},
	} {
		tt.cfg.Origins = []string{app}
		_, err := cors.New(tt.cfg)
		if got := fmt.Sprint(err); tt.want == "" && err != nil || !strings.Contains(got, tt.want) {
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.want)
		}
	}
	_, err := cors.New(cors.Config{
		Origins: []string{"null", "*"}, Methods: []string{"a"}, RequestHeaders: []string{"cookie"}, ExposedHeaders: []string{""}, MaxAge: 1, Shadow: true,
	})
	if n := strings.Count(err.Error(), "cors: "); n != 7 {
		t.Errorf("%d errors at once, want 7:\n%v", n, err)
	}
}

// Who may read is one whom net/url reads the same way: https, a host that is
// listed or below one, no more than that.
func FuzzOrigin(f *testing.F) {
	configured, rows := origins()
	for _, r := range rows {
		f.Add(r.origin)
	}
	s := newStage(f, cors.Config{Origins: configured, Credentials: true})
	exact := map[string]bool{}
	for _, origin := range configured {
		exact[strings.TrimSuffix(origin, ":443")] = true
	}
	f.Fuzz(func(t *testing.T, origin string) {
		if !reads(s, origin) {
			return
		}
		u, err := url.Parse(origin)
		if err != nil || u.Scheme+"://"+u.Host != origin || u.User != nil || strings.ToLower(origin) != origin {
			t.Fatalf("%q reads, and is %+v, %v", origin, u, err)
		}
		below := map[string]string{"https": ".example.org", "http": ".localhost"}[u.Scheme]
		switch {
		case exact[origin] && !strings.Contains(origin, "*"):
		case below != "" && u.Port() == "" && strings.HasSuffix(u.Hostname(), below):
		case u.Scheme == "https" && u.Port() == "8443" && strings.HasSuffix(u.Hostname(), ".ports.example"):
		case u.Scheme == "https" && u.Port() == "" && strings.HasSuffix(u.Hostname(), ".deep.a.b.example"):
		default:
			t.Errorf("%q reads", origin)
		}
	})
}

// What a configuration takes, a browser's request is compared with as it is; and
// no text makes New panic.
func FuzzNew(f *testing.F) {
	configured, rows := origins()
	for _, origin := range configured {
		f.Add(origin)
	}
	for _, r := range rows {
		f.Add(r.origin)
	}
	f.Fuzz(func(t *testing.T, origin string) {
		s, err := cors.New(cors.Config{Origins: []string{origin}})
		if err != nil {
			return
		}
		if reads(s, "null") || reads(s, "") || reads(s, "*") || reads(s, "https://evil.invalid") && origin != "https://evil.invalid" && origin != "https://evil.invalid:443" {
			t.Errorf("%q lets anybody read", origin)
		}
		scheme, rest, _ := strings.Cut(origin, "://")
		written := origin
		if port := map[string]string{"https": ":443", "http": ":80"}[scheme]; port != "" {
			written = strings.TrimSuffix(origin, port)
		}
		if !strings.HasPrefix(rest, "*.") && !reads(s, written) {
			t.Errorf("%q does not let %q read", origin, written)
		}
	})
}

func FuzzPreflight(f *testing.F) {
	f.Add("content-type,x-api-key", true)
	f.Add("x-api-key,content-type", false)
	f.Add(" accept ,, b", true)
	f.Add("authorization", true)
	names := []string{"Accept", "Content-Type", "X-API-Key"}
	listed := newStage(f, cors.Config{RequestHeaders: names})
	all := newStage(f, cors.Config{RequestHeaders: []string{"*"}})
	f.Fuzz(func(t *testing.T, list string, every bool) {
		s := listed
		if every {
			s = all
		}
		r := asks(app, "GET")
		r.Header["Access-Control-Request-Headers"] = []string{list}
		h := http.Header{}
		if s.Headers(exchange.New(r), h); !given(h) {
			return
		}
		before := ""
		for name := range strings.SplitSeq(list, ",") {
			if name = strings.Trim(name, " \t"); name == "" {
				continue
			}
			ok := every && name != "authorization" || strings.Contains(",accept,content-type,x-api-key,", ","+name+",")
			if !ok || name <= before || name != strings.ToLower(name) {
				t.Errorf("%q is permitted: %q", list, name)
			}
			before = name
		}
	})
}
