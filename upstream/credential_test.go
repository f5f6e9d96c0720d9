package upstream_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/wire"
	"github.com/warder-dev/warder/secret"
	"github.com/warder-dev/warder/upstream"
)

// sent sends a request for target with fields through an upstream with cfg, and
// returns what came there and the answer.
func sent(t *testing.T, cfg upstream.Config, set func(*exchange.Exchange), target string, fields ...string) (string, *http.Response) {
	t.Helper()
	u := wire.Listen(t, wire.Answer(wire.OK))
	cfg.URL = u.URL()
	f := newFront(t, cfg, set)
	request := "GET " + target + " HTTP/1.1\r\nHost: api.test\r\n"
	for _, field := range fields {
		request += field + "\r\n"
	}
	w, _ := f.ask(t, http.MethodGet, request+"\r\n")
	return strings.Join(u.Received(), ""), w
}

// lines returns the lines of the fields called name in the text of a request.
func lines(text, name string) (all []string) {
	for line := range strings.SplitSeq(text, "\r\n") {
		if n, _, ok := strings.Cut(line, ":"); ok && strings.EqualFold(n, name) {
			all = append(all, line)
		}
	}
	return all
}

func TestProxy18CookiesAreRemovedAlone(t *testing.T) {
	attack.Case(t, "PROXY-18", attack.Library, func(t *testing.T) {
		cfg := upstream.Config{RemoveCookies: []string{"__Host-session", "__Host-api_key"}}
		for _, tt := range []struct {
			name   string
			fields []string
			want   []string
		}{
			{"alone", []string{"Cookie: __Host-session=secret"}, nil},
			{"both of ours", []string{"Cookie: __Host-session=secret; __Host-api_key=secret"}, nil},
			{"first", []string{"Cookie: __Host-session=secret; a=1;b=2;  c"}, []string{"Cookie: a=1;b=2;  c"}},
			{"in the middle", []string{`Cookie: a="1"; __Host-session=secret; b=%20=; c=`}, []string{`Cookie: a="1"; b=%20=; c=`}},
			{"last", []string{"Cookie: a=1;\tb=2;__Host-session=secret"}, []string{"Cookie: a=1;\tb=2"}},
			{"twice", []string{"Cookie: __Host-session=secret; a=1; __Host-session=secret"}, []string{"Cookie: a=1"}},
			{"quoted", []string{`Cookie: a=1; __Host-session="secret"`}, []string{"Cookie: a=1"}},
			{"without a value", []string{"Cookie: a=1; __Host-session; b"}, []string{"Cookie: a=1; b"}},
			{"two fields", []string{"Cookie: a=1", "Cookie: __Host-session=secret", "Cookie: b=2"}, []string{"Cookie: a=1", "Cookie: b=2"}},
			{"none of ours", []string{"Cookie: a=1;;  session=kept;__host-session=kept; "}, []string{"Cookie: a=1;;  session=kept;__host-session=kept;"}},
			{"behind 4,000 others", []string{"Cookie: " + strings.Repeat("a=1; ", 4000) + "__Host-session=secret"}, []string{"Cookie: " + strings.TrimSuffix(strings.Repeat("a=1; ", 4000), "; ")}},
		} {
			t.Run(tt.name, func(t *testing.T) {
				text, w := sent(t, cfg, nil, "/a", tt.fields...)
				if got := lines(text, "Cookie"); w.StatusCode != 200 || !slices.Equal(got, tt.want) || strings.Contains(text, "secret") {
					t.Errorf("status %d, the upstream got %.300q, want %.300q", w.StatusCode, got, tt.want)
				}
			})
		}
		t.Run("also when nobody is proved", func(t *testing.T) {
			text, _ := sent(t, cfg, func(x *exchange.Exchange) { x.Principal = exchange.Principal{} }, "/a", "Cookie: __Host-session=secret")
			if strings.Contains(text, "secret") {
				t.Errorf("the upstream got %q", text)
			}
		})
	})
}

func TestQueryCredentialsAreRemovedAlone(t *testing.T) {
	cfg := upstream.Config{RemoveQuery: []string{"api_key", "token"}}
	for _, tt := range []struct{ query, want string }{
		{"", ""},
		{"?", "?"},
		{"?api_key=secret", ""},
		{"?api_key=secret&token=secret", ""},
		{"?a=%zz;y&&=&api_key=secret&b=1;c", "?a=%zz;y&&=&b=1;c"},
		{"?a=1&api%5Fkey=secret", "?a=1"},
		{"?API_KEY=secret&a=+%2B", "?a=+%2B"},
		{"?api_key[]=secret&a", "?a"},
		{"?a=1;api_key=secret&b", "?b"},
		{"?apikey=kept&xapi_key=kept", "?apikey=kept&xapi_key=kept"},
	} {
		for _, nobody := range []bool{false, true} {
			text, w := sent(t, cfg, func(x *exchange.Exchange) {
				if nobody {
					x.Principal = exchange.Principal{}
				}
			}, "/a"+tt.query)
			if want := "GET /a" + tt.want + " HTTP/1.1\r\n"; w.StatusCode != 200 || !strings.HasPrefix(text, want) || strings.Contains(text, "secret") {
				t.Errorf("%s: status %d, the upstream got %.80q, want %q", tt.query, w.StatusCode, text, want)
			}
		}
	}
}

func TestQueryCredentialsAreRemovedFromReferer(t *testing.T) {
	cfg := upstream.Config{RemoveQuery: []string{"api_key"}}
	for referer, want := range map[string]string{
		"https://a.test/x":                            "https://a.test/x",
		"https://a.test/x?b=%zz&&c":                   "https://a.test/x?b=%zz&&c",
		"https://a.test/x?":                           "https://a.test/x",
		"https://a.test/x?api_key=secret":             "https://a.test/x",
		"https://a.test/x?b=1&api%5fkey=secret&c?d=;": "https://a.test/x?b=1&c?d=;",
	} {
		text, _ := sent(t, cfg, nil, "/a", "Referer: "+referer)
		if got := lines(text, "Referer"); !slices.Equal(got, []string{"Referer: " + want}) {
			t.Errorf("%s: the upstream got %q, want %q", referer, got, want)
		}
	}
	text, _ := sent(t, upstream.Config{}, nil, "/a", "Referer: https://a.test/x?")
	if got := lines(text, "Referer"); !slices.Equal(got, []string{"Referer: https://a.test/x?"}) {
		t.Errorf("without RemoveQuery the upstream got %q", got)
	}
}

func TestVaryNamesWhereCredentialsAre(t *testing.T) {
	cfg := upstream.Config{RemoveHeaders: []string{"x-api-key", "authorization"}, RemoveCookies: []string{"a"}, RemoveQuery: []string{"b"}}
	_, w := sent(t, cfg, nil, "/a")
	if got, want := w.Header["Vary"], []string{"X-Api-Key, Authorization, Cookie"}; !slices.Equal(got, want) {
		t.Errorf("Vary = %q, want %q", got, want)
	}
	if got := w.Header.Get("Cache-Control"); got != "private" {
		t.Errorf("Cache-Control = %q, want private", got)
	}
}

func TestAnswersToACredentialInTheURLAreNotStored(t *testing.T) {
	for _, said := range []string{
		"", "Pragma: no-cache\r\n", "Cache-Control: max-age=5\r\n", "Expires: 0\r\n", "Cache-Control:\r\nVary: *\r\n", "Cache-Control: private\r\n",
		"Cache-Control: no-cache, x\r\n", "Referrer-Policy: unsafe-url\r\nCDN-Cache-Control: max-age=5\r\nExpires: Thu, 01 Jan 2099 00:00:00 GMT\r\n",
	} {
		u := wire.Listen(t, wire.Answer("HTTP/1.1 200 OK\r\n"+said+"Content-Length: 0\r\n\r\n"))
		f := newFront(t, upstream.Config{URL: u.URL()}, func(x *exchange.Exchange) { x.SetQuery("") })
		w, _ := f.ask(t, http.MethodGet, get)
		h := w.Header
		if h.Get("Cache-Control") != "no-store" || h.Get("Referrer-Policy") != "no-referrer" || h["Expires"] != nil || h["Pragma"] != nil || h["Cdn-Cache-Control"] != nil {
			t.Errorf("%q: %v, want no-store, no-referrer, and nothing else of caches", said, h)
		}
	}
}

func TestOurCredential(t *testing.T) {
	t.Run("is set over the client's", func(t *testing.T) {
		for _, tt := range []struct {
			cfg  upstream.Config
			name string
		}{
			{upstream.Config{}, "Authorization"},
			{upstream.Config{CredentialHeader: "x-upstream-key"}, "X-Upstream-Key"},
			{upstream.Config{RemoveHeaders: []string{"Authorization"}}, "Authorization"},
		} {
			tt.cfg.Credential = secret.New("Bearer ours")
			under := strings.ReplaceAll(tt.name, "-", "_")
			text, _ := sent(t, tt.cfg, nil, "/a", tt.name+": evil", strings.ToLower(tt.name)+": evil", under+": evil", "Connection: "+tt.name)
			if got, want := lines(text, tt.name), []string{tt.name + ": Bearer ours"}; !slices.Equal(got, want) || strings.Contains(text, "evil") {
				t.Errorf("the upstream got %q, want %q", text, want)
			}
		}
	})
	t.Run("also in a tunnel", func(t *testing.T) {
		text, _ := sent(t, upstream.Config{Credential: secret.New("Bearer ours")}, nil, "/a", "Connection: Upgrade", "Upgrade: websocket")
		if got := lines(text, "Authorization"); !slices.Equal(got, []string{"Authorization: Bearer ours"}) {
			t.Errorf("the upstream got %q", text)
		}
	})
	t.Run("is not printable, and in no error", func(t *testing.T) {
		u, err := upstream.New(upstream.Config{URL: "http://a.test", Credential: secret.New("canary")})
		if err != nil {
			t.Fatal(err)
		}
		for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
			if text := fmt.Sprintf(format, u); strings.Contains(text, "canary") {
				t.Errorf("%s shows it: %s", format, text)
			}
		}
		for _, bad := range []string{"canary\r\nX: y", " canary", "canary ", "canary\x00", "canaré", strings.Repeat("canary", 4000)} {
			_, err := upstream.New(upstream.Config{URL: "http://a.test", Credential: secret.New(bad)})
			if err == nil || strings.Contains(err.Error(), "canar") || !strings.Contains(err.Error(), "Credential") {
				t.Errorf("error %v, want one without the value", err)
			}
		}
	})
}

func TestCredentialsReportEverythingAtOnce(t *testing.T) {
	_, err := upstream.New(upstream.Config{
		URL: "http://a.test", RemoveCookies: []string{"a b"}, RemoveQuery: []string{""}, Credential: secret.New("x"), CredentialHeader: "Host",
		ClientCertificate: func() (*tls.Certificate, error) { return nil, errors.New("never asked") },
	})
	for _, want := range []string{`"a b" is not the name of a cookie`, "RemoveQuery", `CredentialHeader "Host"`, "ClientCertificate"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v lacks %s", err, want)
		}
	}
	for _, name := range []string{"X-Warder-Owner", "x_forwarded_for", "Connection", "Cookie", "a b", "User-Agent"} {
		if _, err := upstream.New(upstream.Config{URL: "http://a.test", Credential: secret.New("x"), CredentialHeader: name}); err == nil {
			t.Errorf("CredentialHeader %q is taken", name)
		}
	}
	if _, err := upstream.New(upstream.Config{URL: "http://a.test", CredentialHeader: "X-Key"}); err == nil {
		t.Error("CredentialHeader without Credential is taken")
	}
}

// signed is a stand-in for a signer: what only it can say.
func signed(x *exchange.Exchange) (string, error) { return "signed:" + x.Principal.Subject, nil }

func TestProxy24SignedIdentity(t *testing.T) {
	attack.Case(t, "PROXY-24", attack.Library, func(t *testing.T) {
		cfg := upstream.Config{Identity: signed}
		forged := []string{
			"X-Warder-Identity: signed:evil", "x_warder_identity: signed:evil", "X-Warder_Identity: signed:evil",
			"X-Warder-Owner: evil", "X-Warder-Key-Id: evil", "Connection: X-Warder-Identity",
		}
		t.Run("ours alone arrives", func(t *testing.T) {
			text, _ := sent(t, cfg, nil, "/a", forged...)
			if got, want := lines(text, "X-Warder-Identity"), []string{"X-Warder-Identity: signed:key1"}; !slices.Equal(got, want) || strings.Contains(text, "evil") {
				t.Errorf("the upstream got %q, want %q", text, want)
			}
		})
		t.Run("nobody is signed for nobody", func(t *testing.T) {
			text, w := sent(t, cfg, func(x *exchange.Exchange) { x.Principal = exchange.Principal{} }, "/a", forged...)
			if w.StatusCode != 200 || len(lines(text, "X-Warder-Identity")) != 0 || strings.Contains(text, "evil") {
				t.Errorf("status %d, the upstream got %q", w.StatusCode, text)
			}
		})
		t.Run("without a signature nothing is forwarded", func(t *testing.T) {
			for name, identity := range map[string]func(*exchange.Exchange) (string, error){
				"an error":     func(*exchange.Exchange) (string, error) { return "half", errors.New("no key") },
				"empty":        func(*exchange.Exchange) (string, error) { return "", nil },
				"a line end":   func(*exchange.Exchange) (string, error) { return "a\r\nX-Warder-Owner: evil", nil },
				"far too long": func(*exchange.Exchange) (string, error) { return strings.Repeat("a", 17<<10), nil },
			} {
				text, w := sent(t, upstream.Config{Identity: identity}, nil, "/a")
				if w.StatusCode != 503 || w.Header.Get("Retry-After") == "" || text != "" {
					t.Errorf("%s: status %d, the upstream got %q, want 503 and nothing", name, w.StatusCode, text)
				}
			}
		})
		t.Run("who asks the upstream itself has neither signature nor certificate", asksItself)
	})
}

// asksItself sends forged fields to an upstream that wants warder's certificate
// or its signature.
func asksItself(t *testing.T) {
	api := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Warder-Identity") != "signed:key1" {
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	api.TLS = &tls.Config{MinVersion: tls.VersionTLS12, ClientAuth: tls.RequireAnyClientCert}
	api.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	api.StartTLS()
	defer api.Close()
	roots := x509.NewCertPool()
	roots.AddCert(api.Certificate())
	own := func() (*tls.Certificate, error) { return &api.TLS.Certificates[0], nil }

	f := newFront(t, upstream.Config{URL: api.URL, RootCAs: roots, ClientCertificate: own, Identity: signed}, nil)
	if w, _ := f.ask(t, http.MethodGet, get); w.StatusCode != 200 {
		t.Errorf("through warder: status %d, want 200", w.StatusCode)
	}
	f.upstream.CloseIdleConnections()
	direct := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, api.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Warder-Identity", "signed:key1")
	if w, err := direct.Do(r); err == nil {
		_, _ = io.Copy(io.Discard, w.Body)
		_ = w.Body.Close()
		t.Errorf("without a certificate: status %d, want no connection", w.StatusCode)
	}
	unsigned := newFront(t, upstream.Config{URL: api.URL, RootCAs: roots, ClientCertificate: own}, nil)
	if w, _ := unsigned.ask(t, http.MethodGet, "GET /a HTTP/1.1\r\nHost: api.test\r\nX-Warder-Identity: signed:key1\r\n\r\n"); w.StatusCode != 403 {
		t.Errorf("a forged signature: status %d, want 403", w.StatusCode)
	}
	unsigned.upstream.CloseIdleConnections()
}

func TestClientCertificateThatCannotBeHad(t *testing.T) {
	api := httptest.NewUnstartedServer(http.NotFoundHandler())
	api.TLS = &tls.Config{MinVersion: tls.VersionTLS12, ClientAuth: tls.RequestClientCert}
	api.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	api.StartTLS()
	defer api.Close()
	for name, own := range map[string]func() (*tls.Certificate, error){
		"an error": func() (*tls.Certificate, error) { return &api.TLS.Certificates[0], errors.New("canary") },
		"none":     func() (*tls.Certificate, error) { return nil, nil }, //nolint:nilnil // what must not be taken for one
	} {
		f := newFront(t, upstream.Config{URL: api.URL, InsecureSkipVerify: true, ClientCertificate: own}, nil)
		w, _ := f.ask(t, http.MethodGet, get)
		if o := f.outcome(t); w.StatusCode != 502 || o.Reason != "tls" || o.Err == nil || strings.Contains(o.Err.Error(), "canary") {
			t.Errorf("%s: got %d %q %v, want 502 tls", name, w.StatusCode, o.Reason, o.Err)
		}
	}
}

// What is removed from a request must not change the one that the client sent:
// handlers before the upstream and finishers after it share its values.
func TestTheClientsRequestStaysAsItWas(t *testing.T) {
	u, err := upstream.New(upstream.Config{
		URL: "http://a.test", RemoveCookies: []string{"a"}, RemoveQuery: []string{"k"}, Credential: secret.New("ours"),
	})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, "/?k=1", nil)
	r.Header = http.Header{"Cookie": {"a=1; b=2"}, "Referer": {"http://x/?k=1"}, "Authorization": {"theirs"}}
	x := exchange.New(r)
	x.Scheme, x.Host = "http", "api.test"
	want := fmt.Sprint(r.Header, r.URL)
	if got := u.RequestHeader(x); got.Get("Cookie") != "b=2" || got.Get("Referer") != "http://x/" || got.Get("Authorization") != "ours" {
		t.Errorf("the upstream gets %v", got)
	}
	if got := fmt.Sprint(r.Header, r.URL); got != want {
		t.Errorf("the request became %s, want %s", got, want)
	}
}
