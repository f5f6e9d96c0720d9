package server_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/wire"
)

// sharedWithPages is an API that pages of listed origins read: with a key, one that passes
// preflights on, one with a policy of its own and one with none.
const sharedWithPages = `
forwarded: {from: x-forwarded-for, trusted_proxies: [127.0.0.1], proto: true}
schemes:
  cookieKey: {key: {in: cookie}}
cors:
  default:
    origins: ["https://app.example.com", "https://*.pages.example.com"]
    methods: [PUT]
    request_headers: [X-API-Key, Content-Type]
    exposed_headers: [X-Request-Id]
    explain: true
  open: {origins: ["*"], max_age: 0s}
  passing: {origins: ["https://app.example.com"], methods: [PUT], preflight: pass}
  inside: {origins: ["https://app.example.com"], private_network: true, credentials: true}
  every: {origins: ["https://app.example.com"], request_headers: ["*"]}
rate_limits: {few: {count: 1, per: 366d, by: [key]}}
routes:
  - {match: "/key", upstream: api}
  - {match: "PUT /key", upstream: api}
  - {match: "/open", upstream: api, cors: open, public: true}
  - {match: "PUT /pass", upstream: api, cors: passing}
  - {match: "OPTIONS /pass", upstream: api, cors: passing, public: true}
  - {match: "/inside", upstream: api, cors: inside, security: [{cookieKey: []}]}
  - {match: "/off", upstream: api, cors: "off", public: true}
  - {match: "/every", upstream: api, cors: every}
  - {match: "/few", upstream: api, rate_limits: [few]}
`

// The upstream does CORS by itself, and badly.
const sloppy = "HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: *\r\naccess-control-allow-credentials: true\r\nAccess-Control-Allow-Headers: *\r\n" +
	"Access-Control-Expose-Headers: X-Secret\r\nAccess-Control-Invented-Later: 1\r\nVary: Accept-Encoding\r\nX-Warder-Owner: evil\r\nX-Request-Id: theirs\r\n" +
	"Content-Length: 2\r\n\r\nok"

const (
	keyField    = "Host: api.test\r\nX-API-Key: {K}\r\n"
	listedPage  = "Origin: https://app.example.com\r\n"
	asksPut     = "Access-Control-Request-Method: PUT\r\n"
	nothingSaid = "Access-Control-Allow-Origin: -"
	itIsTold    = "Access-Control-Allow-Origin: https://app.example.com"
)

// ofOrigin is a request with the key from a page of origin.
func ofOrigin(origin, answer string) shot {
	return shot{name: origin, line: "GET /key", head: keyField + "Origin: " + origin + "\r\n", want: 200, answer: []string{answer}}
}

// preflightFor asks, without a credential, to do as fields say.
func preflightFor(name, fields, answer string) shot {
	return shot{name: name, line: "OPTIONS /key", head: "Host: api.test\r\n" + listedPage + fields, want: 204, answer: []string{answer}}
}

func TestCORSAtTheGateway(t *testing.T) {
	upstream := wire.Listen(t, wire.Answer(sloppy))
	var store *watchedStore
	r := shootingRange{start(t, upstream.URL(), settings{
		yaml:  sharedWithPages,
		store: func(s apikey.Store) apikey.Store { store = watch(s); return store },
	}), upstream}
	r.fire(t, "CORS-01", []shot{
		{"simple", "GET /key", keyField + listedPage, "", 200, "", nil, []string{itIsTold, "Access-Control-Allow-Credentials: -", "Access-Control-Expose-Headers: X-Request-Id"}},
		{"preflighted", "OPTIONS /key", "Host: api.test\r\n" + listedPage + asksPut + "Access-Control-Request-Headers: content-type,x-api-key\r\n", "", 204, "", nil, []string{
			itIsTold, "Access-Control-Allow-Methods: PUT", "Access-Control-Allow-Headers: content-type,x-api-key", "Access-Control-Max-Age: 600",
		}},
		{"by a pattern", "GET /key", keyField + "Origin: https://a.b.pages.example.com\r\n", "", 200, "", nil, []string{"Access-Control-Allow-Origin: https://a.b.pages.example.com"}},
		{"with credentials", "GET /inside", "Host: api.test\r\nCookie: __Host-api_key={K}\r\n" + listedPage, "", 200, "", nil, []string{itIsTold, "Access-Control-Allow-Credentials: true"}},
		{"what everybody may read", "GET /open", "Host: api.test\r\nOrigin: https://x.example\r\n", "", 200, "", nil, []string{"Access-Control-Allow-Origin: *", "Access-Control-Allow-Credentials: -"}},
		{"not a page", "GET /key", keyField, "", 200, "", nil, []string{nothingSaid}},
	})
	var lookalikes []shot
	for _, origin := range []string{
		"https://app.example.com.evil.example", "https://app.example.community", "https://evil-app.example.com", "https://example.com", "http://app.example.com",
		"https://app.example.com:8443", "https://app.example.com:443", "https://APP.example.com", "https://app.example.com.", "https://app.example.com@evil.example",
		"https://pages.example.com", "https://xpages.example.com", "https://pages.example.com.evil.example", "https://a_.pages.example.com.evil", "app.example.com", "*",
		"https://*.pages.example.com", "https://app.example.com, https://evil.example",
	} {
		lookalikes = append(lookalikes, ofOrigin(origin, nothingSaid))
	}
	r.fire(t, "CORS-02", lookalikes)
	r.fire(t, "CORS-03", []shot{ofOrigin("null", nothingSaid), ofOrigin("NULL", nothingSaid), ofOrigin("", nothingSaid)})
	r.fire(t, "CORS-05", []shot{
		preflightFor("a method that is not listed", "Access-Control-Request-Method: DELETE\r\n", nothingSaid),
		preflightFor("in lower case", "Access-Control-Request-Method: put\r\n", nothingSaid),
		preflightFor("two methods", asksPut+asksPut, nothingSaid),
		preflightFor("a field that is not listed", asksPut+"Access-Control-Request-Headers: x-other\r\n", nothingSaid),
		preflightFor("Authorization", asksPut+"Access-Control-Request-Headers: authorization\r\n", nothingSaid),
		preflightFor("unsorted", asksPut+"Access-Control-Request-Headers: x-api-key,content-type\r\n", nothingSaid),
		preflightFor("repeated", asksPut+"Access-Control-Request-Headers: content-type,content-type\r\n", nothingSaid),
		preflightFor("in upper case", asksPut+"Access-Control-Request-Headers: X-API-Key\r\n", nothingSaid),
		{"every field", "OPTIONS /every", "Host: api.test\r\n" + listedPage + "Access-Control-Request-Method: GET\r\nAccess-Control-Request-Headers: x-other\r\n", "", 204, "", nil, []string{itIsTold, "Access-Control-Allow-Headers: x-other"}},
		{"every field is not Authorization", "OPTIONS /every", "Host: api.test\r\n" + listedPage + "Access-Control-Request-Method: GET\r\nAccess-Control-Request-Headers: authorization\r\n", "", 204, "", nil, []string{nothingSaid, "Access-Control-Allow-Headers: -"}},
		{"nor among others", "OPTIONS /every", "Host: api.test\r\n" + listedPage + "Access-Control-Request-Method: GET\r\nAccess-Control-Request-Headers: accept,authorization,x-other\r\n", "", 204, "", nil, []string{nothingSaid}},
		preflightFor("10,000 commas", asksPut+"Access-Control-Request-Headers: "+strings.Repeat(",", 10_000)+"\r\n", nothingSaid),
		preflightFor("a blank behind the comma", asksPut+"Access-Control-Request-Headers: content-type, x-api-key\r\n", itIsTold),
	})
	r.fire(t, "CORS-06", []shot{
		preflightFor("without a credential", asksPut, itIsTold),
		preflightFor("with a wrong key, which nobody looks at", asksPut+"X-API-Key: x\r\n", itIsTold),
		{"where nothing is served", "OPTIONS /none", "Host: api.test\r\n" + listedPage + asksPut, "", 204, "", nil, []string{itIsTold}},
		{"no method asked for", "OPTIONS /key", "Host: api.test\r\n" + listedPage, "", 401, "", nil, []string{itIsTold}},
		{"no Origin", "OPTIONS /key", "Host: api.test\r\n" + asksPut, "", 401, "", nil, []string{nothingSaid}},
		{"passed on, where that is configured", "OPTIONS /pass", "Host: api.test\r\n" + listedPage + asksPut, "", 200, "OPTIONS /pass HTTP/1.1\r\n", nil, []string{itIsTold, "Access-Control-Allow-Methods: PUT", "Access-Control-Allow-Headers: -"}},
		{"what follows needs a key", "PUT /pass", "Host: api.test\r\nContent-Length: 0\r\n" + listedPage, "", 401, "", nil, []string{itIsTold}},
	})
	r.fire(t, "CORS-07", []shot{
		{"two fields", "GET /key", keyField + listedPage + listedPage, "", 200, "", nil, []string{nothingSaid}},
		{"two that differ", "GET /key", keyField + listedPage + "Origin: https://x.example\r\n", "", 200, "", nil, []string{nothingSaid}},
		{"two in a preflight", "OPTIONS /key", "Host: api.test\r\n" + listedPage + listedPage + asksPut, "", 204, "", nil, []string{nothingSaid}},
		{"8 KiB", "GET /key", keyField + "Origin: https://" + strings.Repeat("a", 8<<10) + ".pages.example.com\r\n", "", 200, "", nil, []string{nothingSaid}},
	})
	r.fire(t, "CORS-08", []shot{
		{"with the upstream's", "GET /key", keyField + listedPage, "", 200, "", nil, []string{"Vary: Accept-Encoding, X-Api-Key, Cookie|Origin"}},
		{"without permission", "GET /key", keyField + "Origin: https://x.example\r\n", "", 200, "", nil, []string{"Vary: Accept-Encoding, X-Api-Key, Cookie|Origin"}},
		{"without an Origin", "GET /key", keyField, "", 200, "", nil, []string{"Vary: Accept-Encoding, X-Api-Key, Cookie|Origin"}},
		{"refused", "GET /key", "Host: api.test\r\n" + listedPage, "", 401, "", nil, []string{"Vary: Accept|Origin"}},
		preflightFor("preflight", asksPut, "Vary: Access-Control-Request-Headers, Access-Control-Request-Method, Origin"),
		{"everybody", "GET /open", "Host: api.test\r\nOrigin: https://x.example\r\n", "", 200, "", nil, []string{"Vary: Accept-Encoding"}},
	})
	r.fire(t, "CORS-09", []shot{
		{"401", "GET /key", "Host: api.test\r\nX-API-Key: x\r\n" + listedPage, "", 401, "", nil, []string{itIsTold}},
		{"404", "GET /none", keyField + listedPage, "", 404, "", nil, []string{itIsTold}},
		{"405", "DELETE /pass", keyField + listedPage, "", 405, "", nil, []string{itIsTold}},
		{"413", "POST /key", keyField + listedPage + "Content-Length: 99999999\r\n", "", 413, "", nil, []string{itIsTold}},
		{"to another page", "GET /key", "Host: api.test\r\nX-API-Key: x\r\nOrigin: https://x.example\r\n", "", 401, "", nil, []string{nothingSaid}},
		{"before the limit", "GET /few", keyField + listedPage, "", 200, "", nil, []string{itIsTold}},
		{"429", "GET /few", keyField + listedPage, "", 429, "", nil, []string{itIsTold}},
		{"429 to another page", "GET /few", keyField + "Origin: https://x.example\r\n", "", 429, "", nil, []string{nothingSaid}},
	})
	_, unseen := r.create(t, apikey.Spec{Environment: "live", Name: "never seen"})
	fault := func(context.Context) error { return errors.New("disk I/O error") }
	store.fault.Store(&fault)
	r.fire(t, "CORS-09", []shot{
		{"503", "GET /key", "Host: api.test\r\nX-API-Key: " + unseen + "\r\n" + listedPage, "", 503, "", nil, []string{itIsTold}},
		{"503 to another page", "GET /key", "Host: api.test\r\nX-API-Key: " + unseen + "\r\nOrigin: https://x.example\r\n", "", 503, "", nil, []string{nothingSaid}},
	})
	store.fault.Store(nil)
	const private = asksPut + "Access-Control-Request-Private-Network: true\r\n"
	r.fire(t, "CORS-10", []shot{
		preflightFor("not configured", private, nothingSaid),
		{"configured", "OPTIONS /inside", "Host: api.test\r\n" + listedPage + "Access-Control-Request-Method: GET\r\nAccess-Control-Request-Private-Network: true\r\n", "", 204, "", nil, []string{itIsTold, "Access-Control-Allow-Private-Network: true"}},
	})
	r.fire(t, "PROXY-20", []shot{
		{"the upstream's own CORS", "GET /key", keyField + listedPage, "", 200, "", nil, []string{
			itIsTold, "Access-Control-Allow-Credentials: -", "Access-Control-Allow-Headers: -", "Access-Control-Expose-Headers: X-Request-Id", "Access-Control-Invented-Later: -",
		}},
		{"to another page", "GET /key", keyField + "Origin: https://x.example\r\n", "", 200, "", nil, []string{
			nothingSaid, "Access-Control-Allow-Credentials: -", "Access-Control-Expose-Headers: -", "Access-Control-Invented-Later: -",
		}},
		{"where warder has no policy, it is the upstream's", "GET /off", "Host: api.test\r\nOrigin: https://x.example\r\n", "", 200, "", nil, []string{"Access-Control-Allow-Origin: *"}},
		{"identity", "GET /key", keyField, "", 200, "", nil, []string{"X-Warder-Owner: -"}},
	})
	r.explained(t)
}

// explained looks for what the log tells of refused permissions.
func (r shootingRange) explained(t *testing.T) {
	t.Helper()
	log := r.logged(t, `"path":"/off"`, 1) // the last request's record
	for _, want := range []string{
		`"why":"origin-not-listed: Origin \"https://x.example\"","mend":"list it in cors.default.origins"`,
		`"why":"preflight: method-not-listed: Access-Control-Request-Method \"DELETE\"","mend":"list it in cors.default.methods"`,
		`"why":"preflight: header-not-listed: Access-Control-Request-Headers \"x-other\"","mend":"list each of them in cors.default.request_headers"`,
		`"why":"preflight: private-network: Access-Control-Request-Private-Network \"true\"","mend":"set cors.default.private_network"`,
		`"why":"null-origin: Origin \"null\"","mend":"no setting allows this"`,
	} {
		if !strings.Contains(log, want) {
			t.Errorf("the log does not say %s", want)
		}
	}
	if strings.Contains(log, strings.Repeat("a", 200)) || strings.Contains(log, r.key) {
		t.Error("the log quotes too much")
	}
}

// Without explain no field of a request is in the log.
func TestRefusedPagesAreNotQuotedUnasked(t *testing.T) {
	r := newRange(t, "cors: {default: {origins: [\"https://app.example.com\"]}}\nroutes: [{match: \"/\", upstream: api, public: true}]\n", wire.OK)
	r.one(t, shot{name: "another page", head: "Host: a.test\r\nOrigin: https://evil.example\r\n", want: 200, answer: []string{nothingSaid}})
	if log := r.logged(t, `"status":200`, 1); strings.Contains(log, "evil.example") {
		t.Errorf("the log quotes the origin: %s", log)
	}
}

// A policy in shadow counts what it would withhold, and leaves the answer, and
// preflights, to the upstream.
func TestCORSInShadow(t *testing.T) {
	r := newRange(t, "cors: {default: {origins: [\"https://app.example.com\"], shadow: true}}\nroutes: [{match: \"/\", upstream: api, public: true}]\n", sloppy)
	const host, theirs = "Host: api.test\r\n", "Access-Control-Allow-Origin: *"
	for _, s := range []shot{
		{name: "a listed page", line: "GET /a", head: host + listedPage, want: 200, answer: []string{theirs}},
		{name: "another page", line: "GET /a", head: host + "Origin: https://evil.example\r\n", want: 200, answer: []string{theirs}},
		{name: "its preflight", line: "OPTIONS /a", head: host + "Origin: https://evil.example\r\n" + asksPut, want: 200, upstream: "OPTIONS /a HTTP/1.1\r\n", answer: []string{theirs}},
		{name: "a listed page's preflight", line: "OPTIONS /a", head: host + listedPage + asksPut, want: 200, upstream: "OPTIONS /a HTTP/1.1\r\n", answer: []string{theirs}},
		{name: "no page", line: "GET /a", head: host, want: 200, answer: []string{theirs}},
	} {
		r.one(t, s)
	}
	for reason, want := range map[string]string{"origin-not-listed": "2", "method-not-listed": "1"} {
		if n := r.metric(t, `warder_shadow_refusals_total{reason="`+reason+`",stage="cors"}`); n != want {
			t.Errorf("%s was counted %q times, want %s", reason, n, want)
		}
	}
}
