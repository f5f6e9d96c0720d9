package apikey_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/attack"
)

// asked is a request as the edge found it.
type asked struct {
	method, path string
	client       string
	doubtful     bool
	header       http.Header
	public       bool // the operation takes public keys
}

// ask sends the key as a says, and returns the status and the reason.
func (h *house) ask(t *testing.T, text string, a asked) (int, string) {
	t.Helper()
	stage, err := authn.New(authn.Config{Requirement: authn.Require(newHeader(t, h.verifier)), PublicKeys: a.public})
	if err != nil {
		t.Fatal(err)
	}
	f := new(front)
	f.Handler = exchange.Wrap(edge(func(x *exchange.Exchange) {
		x.Path, x.ClientDoubtful = a.path, a.doubtful
		if a.client != "" {
			x.Client = netip.MustParseAddr(a.client)
		}
	}), exchange.Wrap(finishing{stage, f}, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { f.served.Add(1) })))
	method := a.method
	if method == "" {
		method = http.MethodGet
	}
	r := httptest.NewRequest(method, "/", nil)
	if a.header != nil {
		r.Header = a.header.Clone()
	}
	r.Header.Set("X-Api-Key", text)
	w := f.do(r)
	if passed := f.served.Load() == 1; passed != (w.Code == 200) {
		t.Errorf("status %d, served %d", w.Code, f.served.Load())
	}
	return w.Code, f.reason
}

// narrowed are requests and what must come of them.
type narrowed struct {
	name   string
	asked  asked
	reason string // "" for 200
}

func (h *house) judgeAll(t *testing.T, text string, tests []narrowed) {
	t.Helper()
	for _, tt := range tests {
		status, reason := h.ask(t, text, tt.asked)
		want := 403
		switch tt.reason {
		case "":
			want = 200
		case "unavailable":
			want = 503
		}
		if status != want || reason != tt.reason {
			t.Errorf("%s: %d %q, want %d %q", tt.name, status, reason, want, tt.reason)
		}
	}
}

func prefixes(texts ...string) (all []netip.Prefix) {
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

// What a key may be used from is judged on what forwarded found, whatever the
// request says of itself.
func TestAddressesOfAKey(t *testing.T) {
	attack.Case(t, "KEY-27", attack.Library, func(t *testing.T) {
		h := newHouse(t)
		_, text := h.createSpec(t, apikey.Spec{Environment: "live", Addresses: prefixes("192.0.2.0/24", "2001:db8::/32", "::ffff:198.51.100.0/120")})
		spoofed := http.Header{
			"X-Forwarded-For": {"192.0.2.1"}, "Forwarded": {"for=192.0.2.1"}, "X-Real-Ip": {"192.0.2.1"}, "True-Client-Ip": {"192.0.2.1"},
			"Cf-Connecting-Ip": {"192.0.2.1"}, "X-Client-Ip": {"192.0.2.1"}, "Via": {"1.1 192.0.2.1"},
		}
		h.judgeAll(t, text, []narrowed{
			{"within", asked{client: "192.0.2.77"}, ""},
			{"IPv6 within", asked{client: "2001:db8:1::1"}, ""},
			{"mapped", asked{client: "::ffff:192.0.2.77"}, ""},
			{"of a range that was given mapped", asked{client: "198.51.100.9"}, ""},
			{"with a zone", asked{client: "2001:db8::1%eth0"}, ""},
			{"outside", asked{client: "203.0.113.1"}, apikey.RuleAddress},
			{"outside, and forwarded by itself", asked{client: "203.0.113.1", header: spoofed}, apikey.RuleAddress},
			{"mapped, outside", asked{client: "::ffff:203.0.113.1"}, apikey.RuleAddress},
			{"IPv4 as the end of IPv6", asked{client: "64:ff9b::192.0.2.1"}, apikey.RuleAddress},
			{"compatible IPv6", asked{client: "::192.0.2.1"}, apikey.RuleAddress},
			{"with a zone, outside", asked{client: "fe80::1%192.0.2.1"}, apikey.RuleAddress},
			{"no address, as behind a Unix socket", asked{}, apikey.RuleAddress},
			{"within, and doubtful", asked{client: "192.0.2.77", doubtful: true}, apikey.RuleAddress},
		})
	})
}

func TestPublicKeys(t *testing.T) {
	attack.Case(t, "KEY-17", attack.Library, func(t *testing.T) {
		h := newHouse(t)
		_, text := h.createSpec(t, apikey.Spec{Environment: "live", Kind: apikey.KindPublic, Origins: []string{"https://shop.example", "http://localhost:3000"}})
		from := func(origins ...string) http.Header { return http.Header{"Origin": origins} }
		h.judgeAll(t, text, []narrowed{
			{"its page", asked{public: true, header: from("https://shop.example")}, ""},
			{"its other page", asked{public: true, header: from("http://localhost:3000")}, ""},
			{"no Origin", asked{public: true}, apikey.RuleOrigin},
			{"an empty Origin", asked{public: true, header: from("")}, apikey.RuleOrigin},
			{"another page", asked{public: true, header: from("https://evil.example")}, apikey.RuleOrigin},
			{"null", asked{public: true, header: from("null")}, apikey.RuleOrigin},
			{"plain http", asked{public: true, header: from("http://shop.example")}, apikey.RuleOrigin},
			{"another port", asked{public: true, header: from("https://shop.example:8443")}, apikey.RuleOrigin},
			{"the port that no browser sends", asked{public: true, header: from("https://shop.example:443")}, apikey.RuleOrigin},
			{"in capitals", asked{public: true, header: from("https://SHOP.example")}, apikey.RuleOrigin},
			{"with a name in front", asked{public: true, header: from("https://evil.shop.example")}, apikey.RuleOrigin},
			{"with a name behind", asked{public: true, header: from("https://shop.example.evil")}, apikey.RuleOrigin},
			{"with a path", asked{public: true, header: from("https://shop.example/")}, apikey.RuleOrigin},
			{"twice", asked{public: true, header: from("https://shop.example", "https://shop.example")}, apikey.RuleOrigin},
			{"two in one", asked{public: true, header: from("https://shop.example, https://evil.example")}, apikey.RuleOrigin},
			{"a Referer", asked{public: true, header: http.Header{"Referer": {"https://shop.example/"}}}, apikey.RuleOrigin},
			{"its page, an operation for secret keys", asked{header: from("https://shop.example")}, apikey.RulePublic},
			{"an operation for secret keys", asked{}, apikey.RulePublic},
		})
		_, plain := h.create(t, "acme")
		h.judgeAll(t, plain, []narrowed{
			{"a secret key where public ones are taken", asked{public: true}, ""},
			{"from some page", asked{public: true, header: from("https://evil.example")}, ""},
		})
	})
}

func TestMethodsAndPathsOfAKey(t *testing.T) {
	h := newHouse(t)
	_, text := h.createSpec(t, apikey.Spec{Environment: "live", Methods: []string{"GET", "PURGE"}, Paths: []string{"/orders/", "/reports/{id}", "/status"}})
	h.judgeAll(t, text, []narrowed{
		{"below", asked{path: "/orders/7/items"}, ""},
		{"HEAD for GET", asked{method: "HEAD", path: "/orders/"}, ""},
		{"a method of its own", asked{method: "PURGE", path: "/status"}, ""},
		{"one segment", asked{path: "/reports/7"}, ""},
		{"the spelling of an unreserved character", asked{path: "/%6Frders/7"}, ""},
		{"another method", asked{method: "POST", path: "/orders/7"}, apikey.RuleMethod},
		{"the method in small letters", asked{method: "get", path: "/orders/7"}, apikey.RuleMethod},
		{"OPTIONS", asked{method: "OPTIONS", path: "/orders/"}, apikey.RuleMethod},
		{"no slash behind", asked{path: "/orders"}, apikey.RulePath},
		{"the same beginning", asked{path: "/ordersx/7"}, apikey.RulePath},
		{"two segments", asked{path: "/reports/7/rows"}, apikey.RulePath},
		{"no segment", asked{path: "/reports/"}, apikey.RulePath},
		{"in capitals", asked{path: "/Orders/7"}, apikey.RulePath},
		{"the root", asked{path: "/"}, apikey.RulePath},
		{"the server as a whole", asked{method: "GET", path: "*"}, apikey.RulePath},
		{"an encoded slash", asked{path: "/orders%2F7"}, apikey.RulePath},
		{"no canonical path", asked{}, "unavailable"},
	})
}

// Where a scheme is asked without a stage, a key is narrowed all the same.
func TestASchemeAloneDenies(t *testing.T) {
	h := newHouse(t)
	for name, spec := range map[string]apikey.Spec{
		"addresses": {Addresses: prefixes("192.0.2.0/24")}, "methods": {Methods: []string{"POST"}},
		"paths": {Paths: []string{"/a"}}, "public": {Kind: apikey.KindPublic, Origins: []string{"https://shop.example"}},
	} {
		spec.Environment = "live"
		r, text := h.createSpec(t, spec)
		x := exchange.New(httptest.NewRequest(http.MethodGet, "/", nil))
		x.Path = "/b"
		x.Request.Header.Set("X-Api-Key", text)
		x.Request.Header.Set("Origin", "https://shop.example")
		p, err := newHeader(t, h.verifier).Authenticate(x)
		var d *authn.Denial
		if !p.IsZero() || !errors.As(err, &d) || d.Principal.KeyID != string(r.ID) || d.Principal.Scheme != "apiKey" {
			t.Errorf("%s: the scheme alone proves %+v, %v", name, p, err)
		}
		if p, err := h.verifier.Verify(t.Context(), text); !p.IsZero() || !errors.As(err, &d) {
			t.Errorf("%s: Verify proves %+v, %v", name, p, err)
		}
	}
}

func TestVerifyFor(t *testing.T) {
	h := newHouse(t)
	r, text := h.createSpec(t, apikey.Spec{
		Environment: "live", Kind: apikey.KindPublic, Origins: []string{"https://shop.example"}, Addresses: prefixes("192.0.2.0/24"),
		Methods: []string{"GET"}, Paths: []string{"/a"}, Plan: "gold", Limits: []exchange.Quota{{Name: "key", Count: 5, Per: time.Minute}},
	})
	good := apikey.Use{Client: netip.MustParseAddr("192.0.2.1"), Method: "GET", Path: "/a", Origin: "https://shop.example", Public: true}
	p, err := h.verifier.VerifyFor(t.Context(), text, good)
	if err != nil || p.KeyID != string(r.ID) || p.Plan != "gold" || len(p.Quotas) != 1 || p.Quotas[0].Count != 5 || p.SecretNumber != 1 {
		t.Fatalf("%+v, %v", p, err)
	}
	for want, spoil := range map[string]func(*apikey.Use){
		apikey.RuleAddress: func(u *apikey.Use) { u.Client = netip.Addr{} }, apikey.RuleMethod: func(u *apikey.Use) { u.Method = "" },
		apikey.RulePath: func(u *apikey.Use) { u.Path = "" }, apikey.RuleOrigin: func(u *apikey.Use) { u.Origin = "" },
		apikey.RulePublic: func(u *apikey.Use) { u.Public = false },
	} {
		use := good
		spoil(&use)
		p, err := h.verifier.VerifyFor(t.Context(), text, use)
		var d *authn.Denial
		if !p.IsZero() || !errors.As(err, &d) || d.Rule != want || d.Problem == nil {
			t.Errorf("without its %s: %+v, %v", want, p, err)
		}
	}
	if _, err := h.verifier.VerifyFor(t.Context(), wrongSecret(text), good); reasonOf(err) != "wrong-secret" {
		t.Errorf("a wrong secret: %v", err)
	}
	if _, err := h.verifier.VerifyFor(t.Context(), "wrd_live_x", good); reasonOf(err) != "malformed" {
		t.Errorf("no key: %v", err)
	}
}

// A wrong secret, and a key that is not good any more, are told from nothing by
// what narrows the key.
func TestNarrowedKeysAreRefusedAlike(t *testing.T) {
	h := newHouse(t)
	r, text := h.createSpec(t, apikey.Spec{Environment: "live", Methods: []string{"POST"}})
	if status, reason := h.ask(t, wrongSecret(text), asked{}); status != 401 || reason != "wrong-secret" {
		t.Errorf("wrong secret: %d %s", status, reason)
	}
	if _, err := h.issuer.Revoke(t.Context(), by(), r.ID, ""); err != nil {
		t.Fatal(err)
	}
	h.verifier.Invalidate(r.ID)
	if status, reason := h.ask(t, text, asked{}); status != 401 || reason != "revoked" {
		t.Errorf("revoked: %d %s", status, reason)
	}
}

// A pattern in the store that nobody can read allows nothing.
func TestPathsThatCannotBeRead(t *testing.T) {
	h := newHouse(t)
	r, text := h.create(t, "acme")
	h.change(t, r.ID, apikey.OpUpdate, func(r *apikey.Record) { r.Paths = []string{"orders", "/"} })
	h.verifier.Invalidate(r.ID)
	h.judgeAll(t, text, []narrowed{{"a path that fits the other", asked{path: "/orders"}, apikey.RulePath}})
}

func TestNarrowedKeysAllocateNothing(t *testing.T) {
	h := newHouse(t)
	_, text := h.createSpec(t, apikey.Spec{
		Environment: "live", Kind: apikey.KindPublic, Origins: []string{"https://shop.example"}, Addresses: prefixes("192.0.2.0/24"),
		Methods: []string{"GET"}, Paths: []string{"/orders/{id}"}, Limits: []exchange.Quota{{Name: "key", Count: 5, Per: time.Minute}},
	})
	x := exchange.New(httptest.NewRequest(http.MethodGet, "/", nil))
	x.Path, x.Client, x.TakesPublicKeys = "/orders/7", netip.MustParseAddr("192.0.2.1"), true
	x.Request.Header.Set("X-Api-Key", text)
	x.Request.Header.Set("Origin", "https://shop.example")
	scheme := newHeader(t, h.verifier)
	if n := testing.AllocsPerRun(1000, func() {
		if p, err := scheme.Authenticate(x); err != nil || p.IsZero() {
			t.Fatal(err)
		}
	}); n != 0 && !raceEnabled {
		t.Errorf("%v allocations", n)
	}
}
