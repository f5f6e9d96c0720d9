package upstream_test

import (
	"bufio"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/wire"
	"github.com/warder-dev/warder/upstream"
)

func readerOf(text string) *bufio.Reader { return bufio.NewReader(strings.NewReader(text)) }

// checkOurs fails unless the identity fields are exactly ours.
func checkOurs(t *testing.T, r *http.Request, text string) {
	t.Helper()
	want := map[string]string{
		"X-Warder-Key-Id": "key1", "X-Warder-Owner": "acme", "X-Warder-Scopes": "orders:read orders:write",
		"X-Request-Id": "id-1", "X-Forwarded-For": "192.0.2.1", "X-Real-Ip": "192.0.2.1",
	}
	for name, value := range want {
		if got := r.Header[name]; !slices.Equal(got, []string{value}) {
			t.Errorf("%s = %q, want %q once", name, got, value)
		}
	}
	if strings.Contains(text, "evil") {
		t.Errorf("the client's value reached the upstream: %q", text)
	}
}

func TestProxy01ConnectionDoesNotRemoveOurs(t *testing.T) {
	attack.Case(t, "PROXY-01", attack.Library, func(t *testing.T) {
		for _, fields := range [][]string{
			{"Connection: X-Warder-Owner"},
			{"Connection: x-warder-owner"},
			{"connection: X-WARDER-OWNER, X-Warder-Owner"},
			{"Connection: X-Warder-Owner", "Connection: X-Warder-Owner"},
			{"Connection:  , X-Warder-Owner\t ,, x-warder-scopes "},
			{"Connection: close, x-warder-key-id"},
			{"Connection: X-Forwarded-For, Forwarded, X-Real-IP, X-Request-Id, Host, Content-Length"},
			{"Connection: X-Warder-Owner", "X-Warder-Owner: evil"},
		} {
			t.Run(strings.Join(fields, "|"), func(t *testing.T) {
				r, text := forwarded(t, nil, fields...)
				checkOurs(t, r, text)
				if got := r.Header["Connection"]; got != nil {
					t.Errorf("Connection = %q reached the upstream", got)
				}
			})
		}
		t.Run("what Connection names is of one hop", func(t *testing.T) {
			_, text := forwarded(t, nil, "Connection: x-hop, close", "X-Hop: evil", "Keep-Alive: evil", "Proxy-Connection: evil", "TE: evil, gzip;q=0.5")
			if strings.Contains(strings.ToLower(text), "evil") || strings.Contains(text, "Te:") {
				t.Errorf("the upstream got %q", text)
			}
		})
	})
}

func identitySpellings() []string {
	return []string{
		"X-Warder-Owner: evil", "x_warder_owner: evil", "X-Warder_Owner: evil", "X.Warder.Owner: evil", "x-WARDER-owner: evil",
		"X_Warder-Key_Id: evil", "X-Warder.Scopes: evil", "X~Warder~Owner: evil", "X-Warder-Anything-Else: evil", "X-Warder-: evil",
	}
}

func TestProxy02And03ClientIdentityIsGone(t *testing.T) {
	attack.Case(t, "PROXY-02", attack.Library, func(t *testing.T) {
		for _, field := range identitySpellings() {
			r, text := forwarded(t, nil, field, field)
			checkOurs(t, r, text)
		}
	})
	attack.Case(t, "PROXY-03", attack.Library, func(t *testing.T) {
		nobody := func(x *exchange.Exchange) { x.Principal = exchange.Principal{} }
		noOwner := func(x *exchange.Exchange) { x.Principal.Owner, x.Principal.Scopes = "", exchange.Scopes{} }
		for _, field := range identitySpellings() {
			for name, set := range map[string]func(*exchange.Exchange){"nobody": nobody, "no owner": noOwner} {
				r, text := forwarded(t, set, field)
				_, scopes := r.Header["X-Warder-Scopes"]
				_, owner := r.Header["X-Warder-Owner"]
				if strings.Contains(text, "evil") || owner || scopes {
					t.Errorf("%s, %q: the upstream got %q", name, field, text)
				}
			}
		}
	})
}

func TestProxy04IdentityLikeFields(t *testing.T) {
	names := []string{
		"X-Original-URL", "X-Rewrite-URL", "X-Original-Method", "X-HTTP-Method", "X-HTTP-Method-Override", "X-Method-Override", "Proxy",
		"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port", "X-Forwarded-Prefix", "X-Forwarded-Server",
		"X-Forwarded-Uri", "X-Forwarded-Method", "Forwarded", "X-Real-IP", "True-Client-IP", "CF-Connecting-IP", "X-Client-IP",
		"Proxy-Client-IP", "WL-Proxy-Client-IP", "Forwarded-For", "X-Cluster-IP", "X-Cluster-Client-IP", "Remote-Addr", "X-Remote-Addr",
		"X-Original-Remote-Addr", "Remote-User", "X-Remote-User", "X-Override-URL", "X-Original-Host", "X-Host", "X-Forwarded",
		"Fastly-Client-IP", "X-Azure-ClientIP",
		"X-Forwarded-Client-Cert", "X-Envoy-External-Address", "X-Envoy-Original-Path",
	}
	attack.Case(t, "PROXY-04", attack.Library, func(t *testing.T) {
		var all []string
		for _, name := range names {
			all = append(all, name+": evil", strings.ToUpper(name)+": evil", strings.ReplaceAll(name, "-", "_")+": evil", strings.ReplaceAll(name, "-", ".")+": evil")
		}
		r, text := forwarded(t, nil, all...)
		checkOurs(t, r, text)
		for name, want := range map[string]string{
			"X-Forwarded-Host": "api.test", "X-Forwarded-Proto": "http", "Forwarded": "for=192.0.2.1;host=api.test;proto=http",
		} {
			if got := r.Header[http.CanonicalHeaderKey(name)]; !slices.Equal(got, []string{want}) {
				t.Errorf("%s = %q, want %q once", name, got, want)
			}
		}
	})
}

func TestCredentialsAreRemovedInEverySpelling(t *testing.T) {
	_, text := forwarded(t, nil, "X-API-Key: evil", "x_api_key: evil", "X.Api.Key: evil", "X-Api_Key: evil", "Other: kept")
	if strings.Contains(text, "evil") || !strings.Contains(text, "Other: kept\r\n") {
		t.Errorf("the upstream got %q", text)
	}
}

func TestProxy05RequestTrailersAreDropped(t *testing.T) {
	attack.Case(t, "PROXY-05", attack.Library, func(t *testing.T) { droppedTrailers(t, identitySpellings()) })
	attack.Case(t, "SMUG-15", attack.Library, func(t *testing.T) {
		droppedTrailers(t, []string{"X-Late: evil", "Content-Length: 9", "Host: evil", "Transfer-Encoding: chunked", "Authorization: evil", "X-API-Key: evil"})
	})
}

// droppedTrailers sends each field in a trailer, announced and not. One that
// net/http refuses reaches nobody; the upstream's message must not complete.
func droppedTrailers(t *testing.T, fields []string) {
	t.Helper()
	for _, field := range fields {
		for _, announce := range []string{"", "Trailer: X-Warder-Owner\r\n"} {
			u := wire.Listen(t, wire.Answer(wire.OK))
			f := newFront(t, upstream.Config{URL: u.URL()}, nil)
			w, _ := f.ask(t, http.MethodPost, "POST /a HTTP/1.1\r\nHost: api.test\r\nTransfer-Encoding: chunked\r\n"+announce+"\r\n3\r\nabc\r\n0\r\n"+field+"\r\n\r\n")
			text := strings.Join(u.Received(), "")
			if strings.Contains(text, "evil") || strings.Contains(text, "Trailer") {
				t.Errorf("%q: the upstream got %q", field, text)
			}
			if _, body, _ := strings.Cut(text, "\r\n\r\n"); w.StatusCode == http.StatusOK && body != "3\r\nabc\r\n0\r\n\r\n" {
				t.Errorf("%q: the upstream's body = %q, want it without trailer", field, body)
			}
			if w.StatusCode != http.StatusOK && strings.Contains(text, "0\r\n\r\n") {
				t.Errorf("%q: status %d, but the message completed: %q", field, w.StatusCode, text)
			}
		}
	}
}

func TestProxy06ForwardedHasOneElement(t *testing.T) {
	attack.Case(t, "PROXY-06", attack.Library, func(t *testing.T) {
		for _, host := range []string{`a"b`, `a,for=evil`, `a;for=evil`, `a\"`, "a b", "a@b", "a/b", "a\r\nX: y", "ä", "", "::1"} {
			u := wire.Listen(t, wire.Answer(wire.OK))
			f := newFront(t, upstream.Config{URL: u.URL()}, func(x *exchange.Exchange) { x.Host = host })
			w, _ := f.ask(t, http.MethodGet, "GET /a HTTP/1.1\r\nHost: api.test\r\n\r\n")
			if w.StatusCode != http.StatusInternalServerError || len(u.Received()) != 0 {
				t.Errorf("host %q: status %d, upstream got %q", host, w.StatusCode, u.Received())
			}
		}
		for _, tt := range []struct{ host, port, client, want string }{
			{"api.test", "8443", "192.0.2.1", `for=192.0.2.1;host="api.test:8443";proto=http`},
			{"[2001:db8::1]", "", "2001:db8::7", `for="[2001:db8::7]";host="[2001:db8::1]";proto=http`},
			{"api.test", "", "", `for=unknown;host=api.test;proto=http`},
		} {
			r, _ := forwarded(t, func(x *exchange.Exchange) {
				x.Host, x.Port = tt.host, tt.port
				x.Client, _ = netip.ParseAddr(tt.client)
			})
			if got := r.Header["Forwarded"]; !slices.Equal(got, []string{tt.want}) {
				t.Errorf("Forwarded = %q, want %q", got, tt.want)
			}
			if got := r.Header.Get("X-Forwarded-For"); got != tt.client {
				t.Errorf("X-Forwarded-For = %q, want %q", got, tt.client)
			}
		}
	})
}

func TestProxy07RealIPIsOne(t *testing.T) {
	attack.Case(t, "PROXY-07", attack.Library, func(t *testing.T) {
		r, text := forwarded(t, nil, "X-Real-IP: 198.51.100.9", "x-real-ip: 198.51.100.9", "X_Real_IP: 198.51.100.9")
		if got := r.Header["X-Real-Ip"]; !slices.Equal(got, []string{"192.0.2.1"}) || strings.Contains(text, "198.51.100.9") {
			t.Errorf("X-Real-IP = %q in %q, want 192.0.2.1 once", got, text)
		}
	})
}

func TestProxy09OtherUpgradesAreNotForwarded(t *testing.T) {
	attack.Case(t, "PROXY-09", attack.Library, func(t *testing.T) {
		for _, fields := range [][]string{
			{"Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"},
			{"HTTP2-Settings: AAMAAABk"},
			{"Connection: Upgrade", "Upgrade: h2c, websocket"},
			{"Connection: Upgrade", "Upgrade: websocket", "Upgrade: h2c"},
			{"Connection: Upgrade", "Upgrade: TLS/1.3"},
			{"Connection: Upgrade", "Upgrade: foo"},
			{"Upgrade: websocket"}, // without Connection it asks for nothing
			{"Connection: Upgrade", "Upgrade: websocket", "Content-Length: 0", "Transfer_Encoding: chunked"},
		} {
			_, text := forwarded(t, nil, fields...)
			low := strings.ToLower(text)
			if strings.Contains(low, "h2c") || strings.Contains(low, "http2") || strings.Contains(low, "transfer") ||
				strings.Contains(low, "upgrade") && len(fields) < 4 {
				t.Errorf("%q: the upstream got %q", fields, text)
			}
		}
		t.Run("a body makes it none", func(t *testing.T) {
			u := wire.Listen(t, wire.Answer(wire.OK))
			f := newFront(t, upstream.Config{URL: u.URL()}, nil)
			f.ask(t, http.MethodGet, "GET /a HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 3\r\n\r\nabc")
			if text := u.Received()[0]; strings.Contains(text, "Upgrade") {
				t.Errorf("the upstream got %q", text)
			}
		})
	})
}

func TestTargetIsForwardedByteForByte(t *testing.T) {
	for _, tt := range []struct{ method, base, target, want string }{
		{"GET", "", "/", "/"},
		{"GET", "", "/a%252e%2Fb", "/a%252e%2Fb"},
		{"GET", "", "/a-._~b/!$&'()*+,=:@", "/a-._~b/!$&'()*+,=:@"},
		{"GET", "", "/%C3%A4%7e", "/%C3%A4%7e"},
		{"GET", "", "/a?x=%zz;y&&=&a=1;b=2", "/a?x=%zz;y&&=&a=1;b=2"},
		{"GET", "", "/a?", "/a?"},
		{"GET", "", "/a?x=http://b/?c", "/a?x=http://b/?c"},
		{"GET", "/base/", "/a%2Fb", "/base/a%2Fb"},
		{"GET", "/b%61se", "/", "/b%61se/"},
		{"OPTIONS", "/base", "*", "*"},
	} {
		u := wire.Listen(t, wire.Answer(wire.OK))
		f := newFront(t, upstream.Config{URL: u.URL() + tt.base}, func(x *exchange.Exchange) {
			if x.Request.RequestURI == "*" {
				x.Path, x.UpstreamPath = "*", "*"
			}
		})
		f.Config.DisableGeneralOptionsHandler = true
		f.ask(t, tt.method, tt.method+" "+tt.target+" HTTP/1.1\r\nHost: api.test:81\r\n\r\n")
		want := tt.method + " " + tt.want + " HTTP/1.1\r\nHost: api.test:81\r\n"
		if got := u.Received()[0]; !strings.HasPrefix(got, want) {
			t.Errorf("base %q, target %q: got %.80q, want %q", tt.base, tt.target, got, want)
		}
	}
}

func TestStripPrefix(t *testing.T) {
	judge := func(path string) (string, error) {
		if strings.Contains(path, "//") || strings.Contains(path, "..") {
			return "", fmt.Errorf("evil %s", path)
		}
		return path, nil
	}
	for _, tt := range []struct {
		path, want string
		status     int
	}{
		{"/api", "/", 200},
		{"/api/", "/", 200},
		{"/api/a%2Fb", "/a%2Fb", 200},
		{"/apix", "", 500},
		{"/other", "", 500},
		{"/api//evil", "", 400},
		{"/api/../x", "", 400},
	} {
		u := wire.Listen(t, wire.Answer(wire.OK))
		f := newFront(t, upstream.Config{URL: u.URL(), StripPrefix: "/api", Canonical: judge}, nil)
		w, _ := f.ask(t, http.MethodGet, "GET "+tt.path+" HTTP/1.1\r\nHost: a\r\n\r\n")
		if w.StatusCode != tt.status {
			t.Errorf("%s: status = %d, want %d", tt.path, w.StatusCode, tt.status)
		}
		if got := u.Received(); tt.status == 200 && !strings.HasPrefix(got[0], "GET "+tt.want+" HTTP/1.1\r\n") || tt.status != 200 && len(got) > 0 {
			t.Errorf("%s: the upstream got %q, want %s", tt.path, got, tt.want)
		}
		if o := f.outcome(t); o.Err != nil && strings.Contains(o.Err.Error(), "evil") {
			t.Errorf("%s: the log's error repeats the path: %v", tt.path, o.Err)
		}
	}
}

func TestProxy21AddressIsConfigured(t *testing.T) {
	attack.Case(t, "PROXY-21", attack.Library, func(t *testing.T) {
		bait := wire.Listen(t, wire.Answer(wire.OK))
		for _, request := range []string{
			"GET http://BAIT/x HTTP/1.1\r\nHost: BAIT\r\n\r\n",
			"GET /x HTTP/1.1\r\nHost: BAIT\r\n\r\n",
			"GET /http://BAIT/x HTTP/1.1\r\nHost: a\r\n\r\n",
			"GET /@BAIT/x HTTP/1.1\r\nHost: a\r\n\r\n",
			"GET //BAIT/x HTTP/1.1\r\nHost: a\r\n\r\n",
			"GET /x?url=http://BAIT/ HTTP/1.1\r\nHost: a\r\nX-Forwarded-Host: BAIT\r\nX-Original-URL: http://BAIT/\r\nReferer: http://BAIT/\r\n\r\n",
		} {
			u := wire.Listen(t, wire.Answer(wire.OK))
			f := newFront(t, upstream.Config{URL: u.URL()}, func(x *exchange.Exchange) {
				if strings.HasPrefix(x.Path, "http:") {
					x.Path, x.UpstreamPath = "/x", "/x"
				}
			})
			w, _ := f.ask(t, http.MethodGet, strings.ReplaceAll(request, "BAIT", bait.Addr()))
			refused := strings.HasPrefix(request, "GET //")
			if (w.StatusCode != 200) != refused || (len(u.Received()) == 0) != refused || len(bait.Received()) != 0 {
				t.Errorf("%q: status %d, upstream got %q, bait got %q", request, w.StatusCode, u.Received(), bait.Received())
			}
		}
	})
}

func TestProxy23IdentityValuesAreEncoded(t *testing.T) {
	attack.Case(t, "PROXY-23", attack.Library, func(t *testing.T) {
		for _, tt := range []struct{ value, want string }{
			{"a\r\nX-Evil: 1", "a%0D%0AX-Evil:%201"},
			{"a\x00b", "a%00b"},
			{"a,b", "a%2Cb"},
			{"ä", "%C3%A4"},
			{"50%", "50%25"},
			{" a b\t", "%20a%20b%09"},
			{"a\x7f\xff", "a%7F%FF"},
			{"a!~b", "a!~b"},
			{strings.Repeat("x", 8<<10), strings.Repeat("x", 8<<10)},
			{strings.Repeat("\n", 8<<10), strings.Repeat("%0A", 8<<10)},
		} {
			r, _ := forwarded(t, func(x *exchange.Exchange) {
				x.Principal.Owner = tt.value
				x.Principal.Scopes = exchange.LiteralScopes("s", tt.value)
			})
			if got := r.Header["X-Warder-Owner"]; !slices.Equal(got, []string{tt.want}) {
				t.Errorf("owner %.40q: got %.60q, want %.60q", tt.value, got, tt.want)
			}
			if got := r.Header["X-Warder-Scopes"]; !slices.Equal(got, []string{"s " + tt.want}) {
				t.Errorf("scope %.40q: got %.60q, want %.60q", tt.value, got, tt.want)
			}
			if r.Header.Get("X-Evil") != "" {
				t.Errorf("owner %q made a field", tt.value)
			}
		}
	})
}

func TestWhoeverHasNoKeyIsNamedByIssuerAndSubject(t *testing.T) {
	r, _ := forwarded(t, func(x *exchange.Exchange) {
		x.Principal = exchange.Principal{Issuer: "https://idp.example.com", Subject: "ada, the first"}
	})
	for name, want := range map[string][]string{"X-Warder-Issuer": {"https://idp.example.com"}, "X-Warder-Subject": {"ada%2C%20the%20first"}, "X-Warder-Key-Id": nil} {
		if got := r.Header[name]; !slices.Equal(got, want) {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	if r, _ = forwarded(t, nil); r.Header["X-Warder-Subject"] != nil || r.Header["X-Warder-Issuer"] != nil {
		t.Error("a key is named twice")
	}
}

func TestLog08TraceContext(t *testing.T) {
	const good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	attack.Case(t, "LOG-08", attack.Library, func(t *testing.T) {
		for _, tt := range []struct {
			name   string
			fields []string
			kept   bool
		}{
			{"good", []string{"Traceparent: " + good}, true},
			{"twice", []string{"Traceparent: " + good, "Traceparent: " + good}, false},
			{"upper case", []string{"Traceparent: " + strings.ToUpper(good)}, false},
			{"version ff", []string{"Traceparent: ff" + good[2:]}, false},
			{"version 01", []string{"Traceparent: 01" + good[2:]}, false},
			{"longer", []string{"Traceparent: " + good + "-x"}, false},
			{"1 KiB", []string{"Traceparent: 00-" + strings.Repeat("a", 1024)}, false},
			{"no trace", []string{"Traceparent: 00-00000000000000000000000000000000-00f067aa0ba902b7-01"}, false},
			{"no parent", []string{"Traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01"}, false},
			{"not hex", []string{"Traceparent: 00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01"}, false},
			{"control", []string{"Traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4\t36-00f067aa0ba902b7-01"}, false},
			{"empty", []string{"Traceparent:"}, false},
			{"absent", nil, false},
		} {
			r, text := forwarded(t, nil, append(tt.fields, "Tracestate: a=b", "X-Request-Id: evil", "x_request_id: "+strings.Repeat("evil", 256))...)
			parent, state := r.Header["Traceparent"], r.Header["Tracestate"]
			if tt.kept != slices.Equal(parent, []string{good}) || tt.kept != slices.Equal(state, []string{"a=b"}) || !tt.kept && len(parent)+len(state) > 0 {
				t.Errorf("%s: traceparent %q, tracestate %q, kept want %v", tt.name, parent, state, tt.kept)
			}
			checkOurs(t, r, text)
		}
		r, _ := forwarded(t, nil, "Traceparent: "+good, "Tracestate: a="+strings.Repeat("b", 600))
		if r.Header["Traceparent"] == nil || r.Header["Tracestate"] != nil {
			t.Errorf("an over-long tracestate: got %q", r.Header["Tracestate"])
		}
	})
}

func TestUnfitExchangesAreRefused(t *testing.T) {
	for name, set := range map[string]func(*exchange.Exchange){
		"no path":          func(x *exchange.Exchange) { x.UpstreamPath = "" },
		"relative path":    func(x *exchange.Exchange) { x.UpstreamPath = "a" },
		"blank in path":    func(x *exchange.Exchange) { x.UpstreamPath = "/a b" },
		"query in path":    func(x *exchange.Exchange) { x.UpstreamPath = "/a?b" },
		"blank in query":   func(x *exchange.Exchange) { x.RawQuery = "a b" },
		"line in query":    func(x *exchange.Exchange) { x.RawQuery = "a\r\nb" },
		"fragment":         func(x *exchange.Exchange) { x.RawQuery = "a#b" },
		"star for GET":     func(x *exchange.Exchange) { x.UpstreamPath = "*" },
		"no scheme":        func(x *exchange.Exchange) { x.Scheme = "" },
		"no host":          func(x *exchange.Exchange) { x.Host = "" },
		"port with text":   func(x *exchange.Exchange) { x.Port = "80,81" },
		"dry":              func(x *exchange.Exchange) { x.Dry = true },
		"half a principal": func(x *exchange.Exchange) { x.Principal.Subject = "" },
	} {
		u := wire.Listen(t, wire.Answer(wire.OK))
		f := newFront(t, upstream.Config{URL: u.URL()}, set)
		w, _ := f.ask(t, http.MethodGet, "GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
		if w.StatusCode != 500 || len(u.Received()) != 0 {
			t.Errorf("%s: status = %d, upstream got %q; want 500, nothing", name, w.StatusCode, u.Received())
		}
	}
}

// TestDestination says where a request would go, and of none that it would refuse.
func TestDestination(t *testing.T) {
	u, err := upstream.New(upstream.Config{
		URL: "https://api.test:81/base", StripPrefix: "/api", Canonical: func(path string) (string, error) { return path, nil },
		Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"/api": "https://api.test:81 /base/", "/api/a%2Fb": "https://api.test:81 /base/a%2Fb", "/apix": ""} {
		x := exchange.New(httptest.NewRequest(http.MethodGet, path, http.NoBody))
		x.Path, x.UpstreamPath = path, path
		got := ""
		if to, err := u.Destination(x); err == nil {
			got = to.Scheme + "://" + to.Host + " " + to.Opaque
		}
		if got != want {
			t.Errorf("%s goes to %q, want %q", path, got, want)
		}
	}
}
