package csrf_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/warder-dev/warder/csrf"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/attack"
)

// fields shortens the tables.
func fields(f ...string) []string { return f }

func origins() []row {
	return []row{
		{"same origin", sent{fields: fields("Sec-Fetch-Site: same-origin", "Origin: "+own)}, ""},
		{"same origin, which says no Origin", sent{fields: fields("Sec-Fetch-Site: same-origin")}, ""},
		{"typed in", sent{fields: fields("Sec-Fetch-Site: none")}, ""},
		{"same site", sent{fields: fields("Sec-Fetch-Site: same-site", "Origin: https://evil.example.com")}, "same-site"},
		{"same site without Origin", sent{fields: fields("Sec-Fetch-Site: same-site")}, "same-site"},
		{"same site, though Origin says otherwise", sent{fields: fields("Sec-Fetch-Site: same-site", "Origin: "+own)}, "same-site"},
		{"cross site", sent{fields: fields("Sec-Fetch-Site: cross-site", "Origin: https://evil.example")}, "cross-site"},
		{"cross site without Origin", sent{fields: fields("Sec-Fetch-Site: cross-site")}, "cross-site"},
		{"a value of a later specification", sent{fields: fields("Sec-Fetch-Site: nearby")}, "cross-site"},
		{"an empty value", sent{fields: fields("Sec-Fetch-Site: ")}, "cross-site"},
		{"other case", sent{fields: fields("Sec-Fetch-Site: Same-Origin")}, "cross-site"},
		{"two values", sent{fields: fields("Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: cross-site")}, "repeated-header"},
		{"an old browser, same origin", sent{fields: fields("Origin: " + own)}, ""},
		{"an old browser, another origin", sent{fields: fields("Origin: https://evil.example")}, "other-origin"},
		{"same origin, and Origin is another", sent{fields: fields("Sec-Fetch-Site: same-origin", "Origin: https://evil.example")}, "other-origin"},
		{"no field at all", sent{}, "no-origin"},
	}
}

func TestCSRF01WhereItComesFrom(t *testing.T) {
	attack.Case(t, "CSRF-01", attack.Library, func(t *testing.T) {
		run(t, csrf.Config{}, origins())
		s := newStage(t, csrf.Config{})
		needed := sent{fields: fields("X-CSRF-Token: " + tokenFor(t, s, alice("s1")))}
		run(t, csrf.Config{}, []row{
			{"no header at all, with a token", needed, ""},
			{"a token does not outweigh another site", sent{fields: append(needed.fields, "Sec-Fetch-Site: cross-site")}, "cross-site"},
			{"a token does not outweigh another origin", sent{fields: append(needed.fields, "Origin: https://evil.example")}, "other-origin"},
		})
	})
}

func TestMethods(t *testing.T) {
	elsewhere := fields("Sec-Fetch-Site: cross-site", "Origin: https://evil.example")
	for method, reason := range map[string]string{
		"GET": "", "HEAD": "", "OPTIONS": "", "TRACE": "",
		"POST": "cross-site", "PUT": "cross-site", "PATCH": "cross-site", "DELETE": "cross-site", "CONNECT": "cross-site", "PROPFIND": "cross-site",
		"get": "cross-site", "Options": "cross-site",
	} {
		x := sent{fields: elsewhere}.exchangeOf(alice("s1"))
		x.Request.Method = method
		if v := newStage(t, csrf.Config{}).Check(x); v.Passed() != (reason == "") || v.Reason() != reason {
			t.Errorf("%s: %v %q, want %q", method, v.Kind(), v.Reason(), reason)
		}
	}
}

func TestCSRF02Origins(t *testing.T) {
	attack.Case(t, "CSRF-02", attack.Library, func(t *testing.T) {
		var rows []row
		for _, origin := range []string{
			"null", "http://app.example.com", "https://app.example.com:444", "https://app.example.com:443", "https://app.example.com.", "https://app.example.com:",
			"https://app.example.com.evil.example", "https://app.example.community", "https://app.example.com@evil.example",
			"https://evil-app.example.com", "https://evil.example/https://app.example.com", "HTTPS://app.example.com", "https://APP.example.com",
			"https:///app.example.com", "https:app.example.com", "//app.example.com", "app.example.com", "https://", "https", "", " " + own,
			own + " ", own + "/", own + ",https://evil.example", own + " https://evil.example", "https://app。example.com",
		} {
			reason := "other-origin"
			if origin == "null" {
				reason = "null-origin"
			}
			rows = append(rows, row{"Origin " + origin, sent{fields: fields("Origin: " + origin)}, reason})
		}
		rows = append(
			rows,
			row{"two Origins", sent{fields: fields("Origin: "+own, "Origin: "+own)}, "repeated-header"},
			row{"Referer only", sent{fields: fields("Referer: " + page)}, "no-origin"},
			row{"null from another site", sent{fields: fields("Origin: null", "Sec-Fetch-Site: cross-site")}, "cross-site"},
			row{"a page that hides its own origin needs a token", sent{fields: fields("Origin: null", "Sec-Fetch-Site: same-origin")}, "null-origin"},
		)
		run(t, csrf.Config{}, rows)
		token := "X-CSRF-Token: " + tokenFor(t, newStage(t, csrf.Config{}), alice("s1"))
		run(t, csrf.Config{}, []row{
			{"a page that hides its own origin, with a token", sent{fields: fields("Origin: null", "Sec-Fetch-Site: same-origin", token)}, ""},
			{"a page without an origin, with a token", sent{fields: fields("Origin: null", token)}, "null-origin"},
		})
	})
}

// What is compared is what forwarded found, not what Host says.
func TestTheOwnOrigin(t *testing.T) {
	for _, tt := range []struct {
		scheme, host, port, origin string
		own                        bool
	}{
		{"https", "a.example", "", "https://a.example", true},
		{"https", "a.example", "443", "https://a.example", true},
		{"https", "a.example", "443", "https://a.example:443", false},
		{"https", "a.example", "80", "https://a.example:80", true},
		{"http", "a.example", "80", "http://a.example", true},
		{"http", "a.example", "443", "http://a.example:443", true},
		{"http", "a.example", "8080", "http://a.example:8080", true},
		{"http", "a.example", "8080", "http://a.example", false},
		{"http", "a.example", "8080", "http://a.example:80801", false},
		{"http", "a.example", "8080", "http://a.example:808", false},
		{"http", "a.example", "", "https://a.example", false},
		{"https", "a.example", "", "http://a.example", false},
		{"https", "[2001:db8::1]", "8443", "https://[2001:db8::1]:8443", true},
		{"https", "127.0.0.1", "", "https://127.0.0.1", true},
	} {
		x := sent{url: "http://inner.example:9/", fields: fields("Origin: " + tt.origin)}.exchangeOf(alice("s1"))
		x.Scheme, x.Host, x.Port = tt.scheme, tt.host, tt.port
		if v := newStage(t, csrf.Config{}).Check(x); v.Passed() != tt.own {
			t.Errorf("%+v: passed = %v", tt, v.Passed())
		}
	}
}

func TestWithoutForwardedNothingIsJudged(t *testing.T) {
	x := exchange.New(sent{fields: fields("Sec-Fetch-Site: same-origin")}.request())
	x.Principal = alice("s1")
	if v := newStage(t, csrf.Config{}).Check(x); v.Kind() != exchange.Failed || !strings.Contains(v.Err().Error(), "forwarded") {
		t.Errorf("%v %v, want a failure that names forwarded", v.Kind(), v.Err())
	}
}

func TestCSRF05MethodOverride(t *testing.T) {
	attack.Case(t, "CSRF-05", attack.Library, func(t *testing.T) {
		var rows []row
		for _, name := range []string{"X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"} {
			rows = append(rows,
				row{"a POST that says it is a GET, by " + name, sent{fields: fields("Sec-Fetch-Site: cross-site", name+": GET")}, "cross-site"},
				row{"a GET that says it is a DELETE stays a GET, by " + name, sent{method: "GET", fields: fields("Sec-Fetch-Site: cross-site", name+": DELETE")}, ""})
		}
		rows = append(
			rows,
			row{"_method in the address", sent{url: page + "?_method=GET", fields: fields("Sec-Fetch-Site: cross-site")}, "cross-site"},
			row{"_method in the form", sent{fields: fields("Sec-Fetch-Site: cross-site", "Content-Type: application/x-www-form-urlencoded"), body: "_method=GET"}, "cross-site"},
		)
		run(t, csrf.Config{}, rows)
		h := guarded(t, newStage(t, csrf.Config{}))
		r := sent{method: "GET", fields: fields("X-HTTP-Method-Override: DELETE")}.request()
		h.ServeHTTP(httptest.NewRecorder(), r)
		if r.Method != http.MethodGet {
			t.Errorf("the method became %s", r.Method)
		}
	})
}

func TestCSRF06ContentTypes(t *testing.T) {
	attack.Case(t, "CSRF-06", attack.Library, func(t *testing.T) {
		var rows []row
		for _, contentType := range []string{
			"application/json", "text/plain", "text/plain; application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b", "multipart/form-data", "application/csp-report", "",
		} {
			content := "Content-Type: " + contentType
			rows = append(rows,
				row{contentType + " from elsewhere", sent{fields: fields("Sec-Fetch-Site: cross-site", content), body: `{"a":1}`}, "cross-site"},
				row{contentType + " from another origin", sent{fields: fields("Origin: https://evil.example", content), body: `{"a":1}`}, "other-origin"},
				row{contentType + " from nowhere", sent{fields: fields(content), body: `{"a":1}`}, "no-origin"},
				row{contentType + " from the site", sent{fields: fields("Sec-Fetch-Site: same-origin", content), body: `{"a":1}`}, ""})
		}
		run(t, csrf.Config{}, rows)
	})
}

func TestCSRF07Login(t *testing.T) {
	attack.Case(t, "CSRF-07", attack.Library, func(t *testing.T) {
		for _, tt := range []struct {
			name   string
			login  bool
			fields []string
			reason string
		}{
			{"posted from elsewhere", true, fields("Sec-Fetch-Site: cross-site", "Origin: https://evil.example"), "cross-site"},
			{"posted from a sibling", true, fields("Sec-Fetch-Site: same-site", "Origin: https://evil.example.com"), "same-site"},
			{"posted from elsewhere by an old browser", true, fields("Origin: https://evil.example"), "other-origin"},
			{"posted from the site", true, fields("Sec-Fetch-Site: same-origin", "Origin: "+own), ""},
			{"nothing tells where from, and nobody has a token", true, nil, "no-origin"},
			{"not a route that logs in", false, fields("Sec-Fetch-Site: cross-site"), ""},
		} {
			s := newStage(t, csrf.Config{Login: tt.login})
			x := sent{cookie: "-", fields: tt.fields}.exchangeOf(exchange.Principal{})
			if v := s.Check(x); v.Passed() != (tt.reason == "") || v.Reason() != tt.reason {
				t.Errorf("%s: %v %q, want %q", tt.name, v.Kind(), v.Reason(), tt.reason)
			}
			if token := s.Token(x); token != "" {
				t.Errorf("%s: there is a token for nobody", tt.name)
			}
		}
		// A token of somebody's is none of nobody's.
		s := newStage(t, csrf.Config{Login: true})
		for _, p := range []exchange.Principal{alice("s1"), {Subject: "x", Ambient: true}} {
			x := sent{fields: fields("X-CSRF-Token: " + tokenFor(t, s, p))}.exchangeOf(exchange.Principal{})
			if v := s.Check(x); v.Passed() {
				t.Errorf("the token of %q logs somebody else in", p.Subject)
			}
		}
	})
}

func handshake(more ...string) []string {
	return append(fields("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="), more...)
}

func upgrades() []row {
	return []row{
		{"from the site", sent{method: "GET", fields: handshake("Origin: "+own, "Sec-Fetch-Site: same-origin")}, ""},
		{"from the site, an old browser", sent{method: "GET", fields: handshake("Origin: " + own)}, ""},
		{"from a foreign origin", sent{method: "GET", fields: handshake("Origin: https://evil.example", "Sec-Fetch-Site: cross-site")}, "cross-site"},
		{"from a foreign origin, an old browser", sent{method: "GET", fields: handshake("Origin: https://evil.example")}, "other-origin"},
		{"from a sibling", sent{method: "GET", fields: handshake("Origin: https://evil.example.com", "Sec-Fetch-Site: same-site")}, "same-site"},
		{"over plain http for https", sent{method: "GET", fields: handshake("Origin: http://app.example.com")}, "other-origin"},
		{"from a frame without an origin", sent{method: "GET", fields: handshake("Origin: null")}, "null-origin"},
		{"from nowhere", sent{method: "GET", fields: handshake()}, "no-origin"},
		{"a token in the address", sent{method: "GET", url: page + "?csrf_token=x", fields: handshake()}, "no-origin"},
		{"to something unknown", sent{method: "GET", fields: fields("Upgrade: other", "Sec-Fetch-Site: cross-site")}, "cross-site"},
		{"an empty Upgrade", sent{method: "OPTIONS", fields: fields("Upgrade: ", "Sec-Fetch-Site: cross-site")}, "cross-site"},
	}
}

func TestCSRF08WebSocketHandshakes(t *testing.T) {
	attack.Case(t, "CSRF-08", attack.Library, func(t *testing.T) { run(t, csrf.Config{}, upgrades()) })
	attack.Case(t, "PROXY-10", attack.Library, func(t *testing.T) {
		run(t, csrf.Config{}, slices.DeleteFunc(upgrades(), func(r row) bool { return !strings.Contains(r.name, "foreign") }))
	})
}

func TestCSRF09TwoCredentials(t *testing.T) {
	attack.Case(t, "CSRF-09", attack.Library, func(t *testing.T) {
		h := guarded(t, newStage(t, csrf.Config{}))
		for _, tt := range []struct {
			name   string
			sent   sent
			status int
			who    string
		}{
			{"cookie alone, from elsewhere", sent{fields: fields("Sec-Fetch-Site: cross-site")}, 403, ""},
			{"cookie good, key bad", sent{fields: fields("X-API-Key: bad", "Sec-Fetch-Site: cross-site")}, 401, ""},
			{"cookie good, key bad, from the site", sent{fields: fields("X-API-Key: bad", "Sec-Fetch-Site: same-origin")}, 401, ""},
			{"cookie good, key good: the key is who it is", sent{fields: fields("X-API-Key: good", "Sec-Fetch-Site: cross-site")}, 200, "k9"},
			{"cookie bad, key good", sent{cookie: "sid=x", fields: fields("X-API-Key: good")}, 401, ""},
			{"key alone", sent{cookie: "-", fields: fields("X-API-Key: good")}, 200, "k9"},
		} {
			w := tt.sent.to(h)
			if w.Code != tt.status || w.Header().Get("X-Who") != tt.who {
				t.Errorf("%s: %d for %q, want %d for %q", tt.name, w.Code, w.Header().Get("X-Who"), tt.status, tt.who)
			}
		}
		// With both good, and the cookie's the principal: judged.
		p := alice("s1")
		x := sent{fields: fields("X-API-Key: good", "Sec-Fetch-Site: cross-site")}.exchangeOf(p)
		if v := newStage(t, csrf.Config{}).Check(x); v.Passed() {
			t.Error("a key that is not the principal exempts its cookie")
		}
	})
}

func TestKEY26CookieKeys(t *testing.T) {
	attack.Case(t, "KEY-26", attack.Library, func(t *testing.T) {
		s := newStage(t, csrf.Config{})
		token := tokenFor(t, s, exchange.Principal{Issuer: "warder", Subject: "k1", KeyID: "k1", Ambient: true})
		run(t, csrf.Config{}, []row{
			{"no proof", sent{cookie: "sid=key"}, "no-origin"},
			{"from elsewhere", sent{cookie: "sid=key", fields: fields("Sec-Fetch-Site: cross-site")}, "cross-site"},
			{"from the site", sent{cookie: "sid=key", fields: fields("Sec-Fetch-Site: same-origin")}, ""},
			{"a token, though it has no session", sent{cookie: "sid=key", fields: fields("X-CSRF-Token: " + token)}, ""},
			{"a session's token", sent{cookie: "sid=key", fields: fields("X-CSRF-Token: " + tokenFor(t, s, alice("s1")))}, "bad-token"},
			{"reading", sent{method: "GET", cookie: "sid=key"}, ""},
		})
	})
}

func TestCSRF11TrustedOrigins(t *testing.T) {
	const app = "https://spa.example.net"
	attack.Case(t, "CSRF-11", attack.Library, func(t *testing.T) {
		from := func(origin string) sent { return sent{fields: fields("Sec-Fetch-Site: cross-site", "Origin: "+origin)} }
		// An origin that cors allows is no word of this package's configuration.
		run(t, csrf.Config{}, []row{{"not listed here", from(app), "cross-site"}})
		run(t, csrf.Config{TrustedOrigins: []string{app}}, []row{
			{"listed", from(app), ""},
			{"listed, an old browser", sent{fields: fields("Origin: " + app)}, ""},
			{"listed, a WebSocket", sent{method: "GET", fields: handshake("Origin: " + app)}, ""},
			{"the site itself", sent{fields: fields("Sec-Fetch-Site: same-origin", "Origin: "+own)}, ""},
			{"its plain http twin", from("http://spa.example.net"), "cross-site"},
			{"a port", from(app + ":8443"), "cross-site"},
			{"a longer name", from(app + ".evil.example"), "cross-site"},
			{"a subdomain", from("https://a.spa.example.net"), "cross-site"},
			{"without Origin", sent{fields: fields("Sec-Fetch-Site: cross-site")}, "cross-site"},
			{"twice", sent{fields: fields("Origin: "+app, "Origin: "+app)}, "repeated-header"},
		})
	})
}

func TestCSRF13NoExemptionByPattern(t *testing.T) {
	attack.Case(t, "CSRF-13", attack.Library, func(t *testing.T) {
		// The stage belongs to a route's policy: what differs between two paths of one
		// policy, or in whatever else a client chooses, exempts nothing.
		var rows []row
		for _, path := range []string{"/", "/login", "/webhook", "/webhook/", "/webhook/../orders", "/api?x=/webhook", "/%77ebhook", "//webhook", "/static/a.css"} {
			rows = append(rows, row{path, sent{url: own + path, fields: fields("Sec-Fetch-Site: cross-site")}, "cross-site"})
		}
		for _, field := range []string{"X-Requested-With: XMLHttpRequest", "User-Agent: curl/8", "Authorization: Bearer x", "X-CSRF-Exempt: 1", "Sec-Fetch-Mode: navigate", "Host: localhost"} {
			rows = append(rows, row{field, sent{fields: fields("Sec-Fetch-Site: cross-site", field)}, "cross-site"})
		}
		run(t, csrf.Config{}, rows)
	})
}

func TestShadow(t *testing.T) {
	var reported []string
	s := newStage(t, csrf.Config{Shadow: true, Report: func(x *exchange.Exchange, reason string) {
		reported = append(reported, x.Principal.Subject+" "+reason)
	}})
	h := guarded(t, s)
	if w := (sent{fields: fields("Sec-Fetch-Site: cross-site")}).to(h); w.Code != http.StatusOK {
		t.Errorf("status %d in shadow, want 200", w.Code)
	}
	if w := (sent{fields: fields("Sec-Fetch-Site: same-origin")}).to(h); w.Code != http.StatusOK {
		t.Errorf("status %d, want 200", w.Code)
	}
	x := sent{}.exchangeOf(alice("s1"))
	x.Dry = true
	s.Check(x)
	if want := []string{"alice cross-site"}; !slices.Equal(reported, want) {
		t.Errorf("reported %v, want %v: once, and nothing of a dry run", reported, want)
	}
}

// Whatever passes without a token passes net/http's own protection too: this
// package is never the looser one. (It may be stricter: see the package.)
func FuzzNeverLooserThanTheStandardLibrary(f *testing.F) {
	for _, r := range slices.Concat(origins(), upgrades()) {
		m, site, origin := "POST", "", ""
		for _, field := range r.sent.fields {
			if v, ok := strings.CutPrefix(field, "Origin: "); ok {
				origin = v
			}
			if v, ok := strings.CutPrefix(field, "Sec-Fetch-Site: "); ok {
				site = v
			}
		}
		f.Add(m, site, origin, "app.example.com", true)
	}
	f.Add("PUT", "", "https://a.example:8443", "a.example:8443", false)
	const trusted = "https://spa.example.net"
	f.Fuzz(func(t *testing.T, method, site, origin, host string, tls bool) {
		url := "http://x/"
		if tls {
			url = "https://x/"
		}
		r := httptest.NewRequest(http.MethodPost, url, nil)
		r.Method, r.Host = method, host
		if site != "" {
			r.Header.Set("Sec-Fetch-Site", site)
		}
		if origin != "" {
			r.Header.Set("Origin", origin)
		}
		std := http.NewCrossOriginProtection()
		if err := std.AddTrustedOrigin(trusted); err != nil {
			t.Fatal(err)
		}
		x := exchange.New(r)
		x.Scheme, x.Host = "http", host
		if tls {
			x.Scheme = "https"
		}
		if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
			x.Host, x.Port = host[:i], host[i+1:]
		}
		x.Principal = alice("s1")
		s := newStage(t, csrf.Config{TrustedOrigins: []string{trusted}})
		if x.Port == "80" || x.Port == "443" {
			return // the standard library knows no default ports
		}
		if err := std.Check(r); s.Check(x).Passed() && err != nil {
			t.Errorf("%s %q %q %q: passed, though %v", method, site, origin, host, err)
		}
	})
}
