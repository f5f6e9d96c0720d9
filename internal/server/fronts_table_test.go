package server_test

import (
	"net/http"
	"strings"

	"github.com/warder-dev/warder/internal/keyservice"
	"github.com/warder-dev/warder/problem"
)

// policyAreas is the table.
func policyAreas() []policyArea {
	const request = "verify judges a key, not the request that carries it"
	return []policyArea{
		{"Keys in a header", "127.0.2.1", request, headerRows()},
		{"States of keys", "127.0.2.2", request, stateRows()},
		{"Scopes", "127.0.2.3", request, scopeRows()},
		{"Keys in other places", "127.0.2.4", request, placeRows()},
		{"Tokens", "127.0.2.5", "verify knows keys alone", tokenRows()},
		{"People", "127.0.2.6", "verify knows keys alone", peopleRows()},
		{"Several schemes", "127.0.2.7", "verify judges one key at a time", severalRows()},
		{"Writing from other sites", "127.0.2.8", request, csrfRows()},
		{"Reading from other origins", "127.0.2.9", request, corsRows()},
		{"Hosts", "127.0.2.10", "verify is told no host", hostNameRows()},
		{"Paths", "127.0.2.11", request, pathRows()},
		{"Routes", "127.0.2.12", "the routes are the caller's", routeRows()},
		{"Conditions of routes", "127.0.2.13", "the conditions of routes are the caller's", conditionRows()},
		{"Conditions of keys", "127.0.2.14", request, keyConditionRows()},
		{"Public keys", "127.0.2.15", request, publicKeyRows()},
		{"Limits", "127.0.2.16", "the limits of routes are the caller's; verify counts those of the key", limitRows()},
		{"Credits", "127.0.2.17", request, creditRows()},
		{"Guessing", "127.0.2.18", "verify has bounds of its own for guesses", guessRows()},
		{"Documents", "127.0.2.19", "the operations are the caller's", documentRows()},
		{"Forms of requests", "127.0.2.20", request, formRows()},
	}
}

// What rows ask for most often.
const (
	getOrder = "GET /orders/1"
	getAny   = "GET /any/1"
)

// key is the field with a key of the cast.
func key(name string) string { return "X-API-Key: {" + name + "}\r\n" }

func bearerOf(name string) string { return "Authorization: Bearer {" + name + "}\r\n" }

func basicOf(name string) string { return "Authorization: Basic {basic:" + name + "}\r\n" }

// Whom rows tell upstreams of most often.
const (
	isReader = "reader acme orders:read"
	isGrace  = "https://id.example.com grace hopper orders:read"
	isAda    = "password ada orders:read"
)

func noCredential() policyAnswer { return refuses(problem.Unauthorized, "no-credential") }

func wrong(reason string) policyAnswer { return refuses(problem.Unauthorized, reason) }

func unreadable(reason string) policyAnswer { return refuses(problem.InvalidCredential, reason) }

func headerRows() []policyRow {
	return []policyRow{
		rule("a good key", getOrder, key("reader"), passes(isReader), shown("reader", "orders:read")),
		rule("the name of the field has no case", getOrder, "x-api-KEY: {reader}\r\n", passes(isReader)),
		rule("blanks around it are no part of it", getOrder, "X-API-Key:  \t{reader}  \r\n", passes(isReader)),
		rule("no key", getOrder, "", noCredential()),
		rule("an empty key", getOrder, "X-API-Key:\r\n", wrong("malformed")),
		rule("a word", getOrder, "X-API-Key: letmein\r\n", wrong("malformed"), shown("letmein", "orders:read")),
		rule("the last letter is missing", getOrder, key("cut"), wrong("malformed"), shown("cut", "orders:read")),
		rule("a letter in the other case", getOrder, key("miscopied"), wrong("malformed"), shown("miscopied", "orders:read")),
		rule("twice the same", getOrder, key("reader")+key("reader"), unreadable("repeated")),
		rule("two keys", getOrder, key("reader")+key("writer"), unreadable("repeated")),
		rule("two keys in one field", getOrder, "X-API-Key: {reader},{writer}\r\n", wrong("malformed")),
		rule("a key of 300 letters", getOrder, "X-API-Key: "+strings.Repeat("k", 300)+"\r\n", wrong("malformed")),
		rule("a key with a blank inside", getOrder, "X-API-Key: {reader} x\r\n", wrong("malformed")),
		rule("as a bearer where the field is wanted", getOrder, bearerOf("reader"), noCredential()),
		rule("in the query where the field is wanted", "GET /orders/1?api_key=x", "", noCredential()),
		rule("in a cookie where the field is wanted", getOrder, "Cookie: __Host-api_key={reader}\r\n", noCredential()),
		rule("in a field of another name", getOrder, "X-Auth-Key: {reader}\r\n", noCredential()),
		rule("a key of no owner", getOrder, key("nameless"), passes("nameless orders:read"), shown("nameless", "orders:read")),
		rule("an owner with blanks and commas", getOrder, key("odd"), passes("odd a%20b%2Cc%25 orders:read"), not("JSON needs no encoding of names", atVerify)),
		rule("a key of another environment", getOrder, key("trial"), passes("trial acme orders:read"), shown("trial", "orders:read")),
		rule("a public route asks for none", "GET /open/1", "", passes("")),
		rule("a public route looks at none", "GET /open/1", "X-API-Key: letmein\r\n", passes("")),
	}
}

func stateRows() []policyRow {
	return []policyRow{
		rule("of nobody", getOrder, key("unknown"), wrong("unknown"), shown("unknown", "orders:read")),
		rule("deleted", getOrder, key("deleted"), wrong("unknown"), shown("deleted", "orders:read")),
		rule("revoked", getOrder, key("revoked"), wrong("revoked"), shown("revoked", "orders:read")),
		rule("disabled", getOrder, key("disabled"), wrong("disabled"), shown("disabled", "orders:read")),
		rule("enabled again", getOrder, key("enabled"), passes("enabled acme orders:read"), shown("enabled", "orders:read")),
		rule("expired", getOrder, key("expired"), wrong("expired"), shown("expired", "orders:read")),
		rule("expires tomorrow", getOrder, key("future"), passes("future acme orders:read"), shown("future", "orders:read")),
		rule("rolled: the new text", getOrder, key("rolled"), passes("rolled acme orders:read"), shown("rolled", "orders:read")),
		rule("rolled: the old text within the overlap", getOrder, key("old-rolled"), passes("rolled acme orders:read"), shown("old-rolled", "orders:read")),
		rule("replaced at once: the new text", getOrder, key("replaced"), passes("replaced acme orders:read"), shown("replaced", "orders:read")),
		rule("replaced at once: the old text", getOrder, key("old-replaced"), wrong("wrong-secret"), shown("old-replaced", "orders:read")),
		rule("bound to a certificate that is not shown", getOrder, key("bound"), wrong("certificate"), shown("bound", "orders:read")),
		rule("laid out for thieves", getOrder, key("bait"), wrong("honeytoken"), shown("bait", "orders:read")),
		rule("revoked, on a route without scopes", getAny, key("revoked"), wrong("revoked"), shown("revoked")),
		rule("revoked, where a key is a choice", "GET /maybe/1", key("revoked"), wrong("revoked"), shown("revoked")),
		rule("revoked, on a public route", "GET /open/1", key("revoked"), passes("")),
	}
}

func scopeRows() []policyRow {
	lacks := func() policyAnswer { return refuses(problem.InsufficientScope, "insufficient-scope") }
	return []policyRow{
		rule("the scope", getOrder, key("reader"), passes(isReader), shown("reader", "orders:read")),
		rule("another scope", getOrder, key("writer"), lacks(), shown("writer", "orders:read")),
		rule("no scope", getOrder, key("none"), lacks(), shown("none", "orders:read")),
		rule("no scope where none is wanted", getAny, key("none"), passes("none initech"), shown("none")),
		rule("a star", getOrder, key("wild"), passes("wild globex orders:*"), shown("wild", "orders:read")),
		rule("below the scope is not the scope", getOrder, key("deeper"), lacks(), shown("deeper", "orders:read")),
		rule("the scope of the method", "POST /orders/", key("writer"), passes("writer acme orders:write"), shown("writer", "orders:write"), sends("a")),
		rule("the scope of another method", "POST /orders/", key("reader"), lacks(), shown("reader", "orders:write"), sends("a")),
		rule("one of two scopes", "DELETE /orders/1", key("writer"), lacks(), shown("writer", "orders:write", "orders:delete")),
		rule("both by a star", "DELETE /orders/1", key("wild"), passes("wild globex orders:*"), shown("wild", "orders:write", "orders:delete")),
		rule("scopes of two methods", "GET /orders/2", key("both"), passes("both acme orders:read orders:write"), shown("both", "orders:read")),
		rule("a star of another word", "GET /admin/x", key("wild"), lacks(), shown("wild", "admin:all")),
		rule("the same without the slash", "GET /admin", key("wild"), lacks(), shown("wild", "admin:all")),
		rule("a query does not change the route", "GET /admin/x?path=/open/", key("reader"), lacks(), shown("reader", "admin:all")),
	}
}

func placeRows() []policyRow {
	const cookie = "GET /cookie/1"
	rows := []policyRow{
		rule("a cookie", cookie, "Cookie: __Host-api_key={reader}\r\n", passes(isReader)),
		rule("a cookie among others", cookie, "Cookie: a=1; __Host-api_key={reader}; b=2\r\n", passes(isReader)),
		rule("no cookie", cookie, "", noCredential()),
		rule("a cookie of another name", cookie, "Cookie: api_key={reader}\r\n", noCredential()),
		rule("the name of a cookie has case", cookie, "Cookie: __host-api_key={reader}\r\n", noCredential()),
		rule("a cookie twice", cookie, "Cookie: __Host-api_key={reader}; __Host-api_key={reader}\r\n", unreadable("repeated")),
		rule("a cookie in quotes", cookie, "Cookie: __Host-api_key=\"{reader}\"\r\n", wrong("malformed")),
		rule("a cookie with a revoked key", cookie, "Cookie: __Host-api_key={revoked}\r\n", wrong("revoked"), shown("revoked")),
		rule("the header where the cookie is wanted", cookie, key("reader"), noCredential()),

		rule("a bearer", "GET /bearer/1", bearerOf("reader"), passes(isReader)),
		rule("the word Bearer has no case", "GET /bearer/1", "Authorization: bEARER {reader}\r\n", passes(isReader)),
		rule("no bearer", "GET /bearer/1", "", noCredential()),
		rule("Bearer and nothing", "GET /bearer/1", "Authorization: Bearer\r\n", wrong("malformed")),
		rule("another scheme than Bearer", "GET /bearer/1", basicOf("reader"), noCredential()),
		rule("two fields Authorization", "GET /bearer/1", bearerOf("reader")+bearerOf("reader"), unreadable("repeated"), twoByItself()),
		rule("a bearer with a revoked key", "GET /bearer/1", bearerOf("revoked"), wrong("revoked"), shown("revoked")),
		rule("a token where a key is wanted", "GET /bearer/1", bearerOf("token"), wrong("malformed")),

		rule("basic", "GET /basic/1", basicOf("reader"), passes(isReader)),
		rule("no basic", "GET /basic/1", "", noCredential()),
		rule("basic that is no base64", "GET /basic/1", "Authorization: Basic %%%\r\n", wrong("malformed")),
		rule("basic without a colon", "GET /basic/1", basicOf("no-colon"), wrong("malformed")),
		rule("basic with a revoked key", "GET /basic/1", basicOf("revoked"), wrong("revoked"), shown("revoked")),
	}
	return rows
}

// twoByItself is what nginx makes of a field that it knows to stand alone.
func twoByItself() policyChange {
	return itself(http.StatusBadRequest, "nginx refuses a second Authorization by itself", atNginx)
}

func tokenRows() []policyRow {
	const line = "GET /token/1"
	row := func(name, token string, want policyAnswer) policyRow { return rule(name, line, bearerOf(token), want) }
	return []policyRow{
		row("a good token", "token", passes(isGrace)),
		rule("no token", line, "", noCredential()),
		row("expired", "token-expired", wrong("expired")),
		row("not yet valid", "token-later", wrong("not-yet-valid")),
		row("for another audience", "token-audience", wrong("audience")),
		row("of another issuer", "token-issuer", wrong("issuer")),
		row("without a signature", "token-unsigned", wrong("malformed")),
		row("signed by an unknown key", "token-stranger", wrong("unknown-key")),
		row("with another's claims", "token-swapped", wrong("signature")),
		row("of an algorithm that is not allowed", "token-algorithm", wrong("algorithm")),
		row("without the scope", "token-unscoped", refuses(problem.InsufficientScope, "insufficient-scope")),
		row("a star in a token is a letter", "token-star", refuses(problem.InsufficientScope, "insufficient-scope")),
		rule("twice", line, bearerOf("token")+bearerOf("token"), unreadable("repeated"), twoByItself()),
		rule("cut off", line, "Authorization: Bearer a.b\r\n", wrong("malformed")),
		rule("in the query", "GET /token/1?access_token=x.y.z", "", noCredential()),
		rule("a key where a token is wanted", line, bearerOf("reader"), wrong("malformed")),
	}
}

func peopleRows() []policyRow {
	const cookie = "Cookie: __Host-session={session}\r\n"
	return []policyRow{
		rule("name and password", "GET /people/1", basicOf("ada"), passes(isAda)),
		rule("a wrong password", "GET /people/1", basicOf("mallory"), wrong("wrong-password")),
		rule("a name of nobody", "GET /people/1", basicOf("nobody"), wrong("unknown-user")),
		rule("no password", "GET /people/1", "", noCredential()),
		rule("a session", "GET /session/1", cookie, passes(isAda)),
		rule("no session", "GET /session/1", "", noCredential()),
		rule("a session of nobody", "GET /session/1", "Cookie: __Host-session=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\n", wrong("unknown")),
		rule("a session that is a word", "GET /session/1", "Cookie: __Host-session=hello\r\n", wrong("malformed")),
		rule("a session twice", "GET /session/1", "Cookie: __Host-session={session}; __Host-session={session}\r\n", unreadable("repeated")),
		rule("a session where a key is wanted", getAny, cookie, noCredential()),
		rule("a key where a session is wanted", "GET /session/1", key("reader"), noCredential()),
	}
}

func severalRows() []policyRow {
	return []policyRow{
		rule("or: the first", "GET /either/1", key("reader"), passes(isReader)),
		rule("or: the second", "GET /either/1", bearerOf("token"), passes(isGrace)),
		rule("or: neither", "GET /either/1", "", noCredential()),
		rule("or: both", "GET /either/1", key("reader")+bearerOf("token"), passes(isReader)),
		rule("or: a wrong one beside a good one", "GET /either/1", key("revoked")+bearerOf("token"), wrong("revoked")),
		rule("or: a good one beside a wrong one", "GET /either/1", key("reader")+bearerOf("token-expired"), wrong("expired")),
		rule("or: the first lacks the scope", "GET /either/1", key("writer"), refuses(problem.InsufficientScope, "insufficient-scope")),
		rule("or: the second has what the first lacks", "GET /either/1", key("writer")+bearerOf("token"), passes(isGrace)),
		rule("and: both", "GET /both/1", key("reader")+bearerOf("token"), passes(isReader)),
		rule("and: the first alone", "GET /both/1", key("reader"), wrong("incomplete-credentials")),
		rule("and: the second alone", "GET /both/1", bearerOf("token"), wrong("incomplete-credentials")),
		rule("and: neither", "GET /both/1", "", noCredential()),
		rule("and: the second is wrong", "GET /both/1", key("reader")+bearerOf("token-expired"), wrong("expired")),
		rule("and: the second lacks the scope", "GET /both/1", key("reader")+bearerOf("token-unscoped"), refuses(problem.InsufficientScope, "insufficient-scope")),
		rule("optional: with one", "GET /maybe/1", key("reader"), passes(isReader)),
		rule("optional: without", "GET /maybe/1", "", passes("")),
		rule("optional: a wrong one", "GET /maybe/1", "X-API-Key: letmein\r\n", wrong("malformed")),
		rule("keys and tokens in one field: a key", "GET /mixed/1", bearerOf("reader"), passes(isReader)),
		rule("keys and tokens in one field: a token", "GET /mixed/1", bearerOf("token"), passes(isGrace)),
		rule("keys and tokens in one field: neither", "GET /mixed/1", "Authorization: Bearer hello\r\n", wrong("malformed")),
		rule("keys and tokens in one field: a revoked key", "GET /mixed/1", bearerOf("revoked"), wrong("revoked")),
	}
}

func csrfRows() []policyRow {
	const cookie = "Cookie: __Host-session={session}\r\n"
	write := func(name, fields string, want policyAnswer) policyRow {
		return rule(name, "POST /session/1", cookie+fields, want, sends("a=b"))
	}
	cross := func(reason string) policyAnswer { return refuses(problem.CrossSite, reason) }
	return []policyRow{
		write("from the site itself", ownPageOf(policyHost), passes(isAda)),
		write("by its Origin alone", "Origin: http://"+policyHost+"\r\n", passes(isAda)),
		write("by Sec-Fetch-Site alone", "Sec-Fetch-Site: same-origin\r\n", passes(isAda)),
		write("from a trusted origin", "Sec-Fetch-Site: cross-site\r\nOrigin: https://admin.example.com\r\n", passes(isAda)),
		write("with a token", "X-CSRF-Token: {csrf}\r\n", passes(isAda)),
		write("nothing is said", "", cross("no-origin")),
		write("from another site", "Sec-Fetch-Site: cross-site\r\nOrigin: https://evil.example\r\n", cross("cross-site")),
		write("from another host of the site", "Sec-Fetch-Site: same-site\r\nOrigin: http://evil.example.com\r\n", cross("same-site")),
		write("another origin", "Origin: http://evil.example\r\n", cross("other-origin")),
		write("an opaque origin", "Origin: null\r\n", cross("null-origin")),
		write("two origins", "Origin: http://"+policyHost+"\r\nOrigin: http://evil.example\r\n", cross("repeated-header")),
		write("a token that is a word", "X-CSRF-Token: hello\r\n", cross("bad-token")),
		write("a token does not help another site", "X-CSRF-Token: {csrf}\r\nSec-Fetch-Site: cross-site\r\nOrigin: https://evil.example\r\n", cross("cross-site")),
		rule("reading needs no proof", "GET /session/1", cookie+"Sec-Fetch-Site: cross-site\r\nOrigin: https://evil.example\r\n", passes(isAda)),
		rule("a key in a header needs no proof", "POST /any/1", key("reader")+"Sec-Fetch-Site: cross-site\r\nOrigin: https://evil.example\r\n", passes(isReader), sends("a=b")),
		rule("a key in a cookie does", "POST /cookie/1", "Cookie: __Host-api_key={reader}\r\nOrigin: http://evil.example\r\n", cross("other-origin"), sends("a=b")),
		rule("a handshake with a session from elsewhere", "GET /session/1", cookie+handshake("websocket")+"Origin: http://evil.example\r\n", cross("other-origin"), noHandshake()),
	}
}

// handshake asks for an upgrade.
func handshake(to string) string {
	return "Connection: Upgrade\r\nUpgrade: " + to + "\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
}

// namesNone is why warder refuses a question before it judges it.
const namesNone = "what names no request is refused before it is judged"

// nameless is its answer.
func nameless() policyAnswer {
	return policyAnswer{status: http.StatusBadRequest, problem: problem.InvalidTarget, silent: true}
}

// noHandshake leaves out who takes Upgrade out of what it asks.
func noHandshake() policyChange {
	return not("Traefik takes Upgrade out of what it asks: have it send sockets through the gateway", atTraefik)
}

// preflight is answered by a stage: only Traefik and Caddy's own directive give the
// client the denial that it comes as.
func preflight(name, line, fields string) policyRow {
	return rule(name, line, "Origin: https://app.example.com\r\n"+fields, answered(http.StatusNoContent, "preflight"),
		but(policyAnswer{status: http.StatusForbidden, reason: "preflight"}, "a preflight comes as 403: let the proxy answer it", atPlain, atTraefik))
}

func corsRows() []policyRow {
	const app, evil = "Origin: https://app.example.com\r\n", "Origin: https://evil.example\r\n"
	return []policyRow{
		preflight("a preflight", "OPTIONS /orders/1", "Access-Control-Request-Method: GET\r\nAccess-Control-Request-Headers: x-api-key\r\n"),
		preflight("a preflight of a method that only another pattern has", "OPTIONS /orders/1", "Access-Control-Request-Method: DELETE\r\n"),
		preflight("a preflight of a route with sessions", "OPTIONS /session/1", "Access-Control-Request-Method: PUT\r\n"),
		preflight("a preflight needs no key and looks at none", "OPTIONS /any/1", "Access-Control-Request-Method: GET\r\nX-API-Key: letmein\r\n"),
		rule("OPTIONS without a question is a request", "OPTIONS /any/1", app+key("reader"), passes(isReader)),
		rule("OPTIONS without a question or a key", "OPTIONS /any/1", app, noCredential()),
		rule("OPTIONS without an origin is a request", "OPTIONS /any/1", "Access-Control-Request-Method: GET\r\n", noCredential()),
		rule("no preflight where CORS is off", "OPTIONS /nocors/1", app+"Access-Control-Request-Method: GET\r\n", passes("")),
		rule("a page of a listed origin", getOrder, app+key("reader"), passes(isReader)),
		rule("a page of another origin is the browser's to stop", getOrder, evil+key("reader"), passes(isReader)),
		rule("a page of any origin on a public route", "GET /anybody/1", evil, passes("")),
		rule("a refusal of a listed origin", getOrder, app, noCredential()),
	}
}

const noSite = "Caddy has no site for the host, and answers with nothing"

func hostNameRows() []policyRow {
	misdirected := func() policyAnswer { return refuses(problem.Misdirected, "misdirected-request") }
	nothing := func() policyChange {
		return but(policyAnswer{status: http.StatusOK, silent: true}, noSite, atCaddy)
	}
	return []policyRow{
		rule("a listed host", getOrder, "Host: api.example.com\r\n"+key("reader"), passes(isReader)),
		rule("case does not count", getOrder, "Host: API.Example.COM\r\n"+key("reader"), passes(isReader)),
		rule("a dot at the end does not count", getOrder, "Host: api.example.com.\r\n"+key("reader"), passes(isReader), nothing()),
		rule("another host", getOrder, "Host: evil.example\r\n"+key("reader"), misdirected(), nothing()),
		rule("a host that begins like a listed one", getOrder, "Host: api.example.com.evil.example\r\n"+key("reader"), misdirected(), nothing()),
		rule("a host that ends like a listed one", getOrder, "Host: evilapi.example.com\r\n"+key("reader"), misdirected(), nothing()),
		rule("an address", getOrder, "Host: 127.0.0.1\r\n"+key("reader"), misdirected(), nothing()),
		rule("a host of the star", getAny, "Host: b.shops.example.com\r\n"+key("reader"), passes(isReader), nothing()),
		rule("a star is one label", getAny, "Host: a.b.shops.example.com\r\n"+key("reader"), misdirected(), nothing()),
		rule("a star is not nothing", getAny, "Host: shops.example.com\r\n"+key("reader"), misdirected(), nothing()),
		rule("a route of its host", "GET /shop/1", "Host: a.shops.example.com\r\n", passes(""), nothing()),
		rule("a route of another host", "GET /shop/1", "", refuses(problem.NotFound, "not-found")),
		rule("X-Forwarded-Host says nothing", getOrder, "X-Forwarded-Host: evil.example\r\n"+key("reader"), passes(isReader)),
		rule("a host with a comma", getOrder, "Host: api.example.com,evil.example\r\n"+key("reader"), refuses(problem.InvalidHost, "invalid-host"), nothing()),
	}
}

func pathRows() []policyRow {
	ambiguous := func(reason string) policyAnswer { return refuses(problem.InvalidTarget, reason) }
	malformed := func() policyAnswer { return ambiguous("malformed-target") }
	// What net/http cannot read never becomes a request.
	unread := policyAnswer{status: http.StatusBadRequest, silent: true}
	const nginxs = "nginx refuses what it cannot decode by itself"
	named := but(nameless(), namesNone, atHAProxy, atPlain, atTraefik, atEnvoy)
	row := func(id, name, path string, want policyAnswer, changes ...policyChange) policyRow {
		return rule(name, "GET "+path, key("reader"), want, append(changes, attacks(id))...)
	}
	return []policyRow{
		row("", "a plain path", "/any/a/b", passes(isReader)),
		row("", "a query", "/any/a?b=c&d=/../e", passes(isReader)),
		row("PATH-12", "a letter that is encoded is the letter", "/any/%61", passes(isReader)),
		row("PATH-12", "also in the name of a route", "/%61dmin/x", refuses(problem.InsufficientScope, "insufficient-scope")),
		row("", "UTF-8", "/any/%C3%A9", passes(isReader)),
		row("", "an encoded blank", "/any/a%20b", passes(isReader)),
		row("PATH-07", "twice encoded stays once encoded", "/any/%252e%252e/x", passes(isReader)),
		row("", "dots between others", "/any/a..b", passes(isReader)),
		row("PATH-01", "dots", "/any/../admin/x", ambiguous("dot-segments")),
		row("PATH-01", "one dot", "/any/./x", ambiguous("dot-segments")),
		row("PATH-02", "encoded dots", "/any/%2e%2e/admin/x", ambiguous("dot-segments")),
		row("PATH-02", "half encoded dots", "/any/.%2E/admin/x", ambiguous("dot-segments")),
		row("PATH-01", "dots at the end", "/any/..", ambiguous("dot-segments")),
		row("PATH-03", "two slashes", "/any//x", ambiguous("empty-segments")),
		row("PATH-03", "two slashes at the beginning", "//any/x", ambiguous("empty-segments")),
		row("PATH-04", "an encoded slash", "/any/a%2Fb", ambiguous("encoded-slash")),
		row("PATH-04", "an encoded slash in small letters", "/any/a%2fb", ambiguous("encoded-slash")),
		row("PATH-05", "a parameter of the path", "/any/a;b=c", ambiguous("path-parameters")),
		row("PATH-05", "a semicolon behind dots", "/any/..;/admin", ambiguous("dot-segments,path-parameters")),
		row("PATH-08", "a backslash", "/any/a\\b", malformed()),
		row("PATH-08", "an encoded backslash", "/any/a%5Cb", malformed()),
		row("PATH-06", "NUL", "/any/a%00b", malformed(), itself(http.StatusBadRequest, nginxs, atNginx)),
		row("PATH-06", "an encoded line end", "/any/a%0d%0ab", malformed()),
		row("PATH-15", "half a byte", "/any/a%2", unread, named),
		row("PATH-15", "no byte", "/any/a%zz", unread, named),
		row("PATH-09", "no UTF-8", "/any/%ff", malformed()),
		row("PATH-09", "dots in overlong UTF-8", "/any/%c0%ae%c0%ae/x", malformed()),
		row("PATH-14", "a fragment", "/any/a#b", malformed(), but(passes(isReader), "Caddy takes # for %23: it asks about that, and forwards that", atCaddy),
			itself(http.StatusBadRequest, "HAProxy refuses # by itself", atHAProxy), but(nameless(), namesNone, atEnvoy, atEnvoyHTTP)),
		row("PATH-17", "the absolute form", "http://api.example.com/any/1", passes(isReader)),
		row("PATH-17", "the absolute form of another host than the field's", "http://evil.example/any/1", refuses(problem.Misdirected, "misdirected-request"),
			but(policyAnswer{status: http.StatusOK, silent: true}, noSite, atCaddy), itself(http.StatusBadRequest, "HAProxy refuses two hosts by itself", atHAProxy)),
		row("PATH-10", "full-width dots are no dots", "/any/%EF%BC%8E%EF%BC%8E/x", passes(isReader)),
		row("PATH-10", "a full-width slash is no slash", "/any/a%EF%BC%8Fb", passes(isReader)),
		row("PATH-10", "a full-width letter is another", "/%EF%BD%81dmin/x", refuses(problem.NotFound, "not-found")),
		row("PATH-10", "a letter and its accent stay two", "/any/e%CC%81", passes(isReader)),
		row("PATH-11", "a dot at the end", "/exact.", refuses(problem.NotFound, "not-found")),
		row("PATH-11", "a blank at the end", "/exact%20", refuses(problem.NotFound, "not-found")),
		row("PATH-11", "a slash at the end", "/exact/", refuses(problem.NotFound, "not-found")),
		row("PATH-13", "a longer name", "/adminx", refuses(problem.NotFound, "not-found")),
		row("PATH-13", "a name and dots", "/admin..", refuses(problem.NotFound, "not-found")),
		row("PATH-13", "a name and an encoded dot", "/admin%2e", refuses(problem.NotFound, "not-found")),
		row("PATH-14", "an encoded question mark", "/any/a%3Fb", passes(isReader)),
		row("PATH-14", "an encoded number sign", "/any/a%23b", passes(isReader)),
		row("PATH-12", "case counts", "/ANY/x", refuses(problem.NotFound, "not-found")),
		row("PATH-15", "1000 bytes and more", "/any/"+strings.Repeat("a", 1000), refuses(problem.TargetTooLong, "target-too-long")),
		row("PATH-15", "a long query", "/any/?"+strings.Repeat("a", 1000), refuses(problem.TargetTooLong, "target-too-long")),
		row("PATH-02", "not without a key either", "/any/%2e%2e/open/x", ambiguous("dot-segments")),
	}
}

func routeRows() []policyRow {
	none := func() policyAnswer { return refuses(problem.NotFound, "not-found") }
	method := func() policyAnswer { return refuses(problem.MethodNotAllowed, "method-not-allowed") }
	row := func(name, line string, want policyAnswer, changes ...policyChange) policyRow {
		return rule(name, line, key("reader"), want, changes...)
	}
	return []policyRow{
		row("no route", "GET /nowhere", none()),
		rule("no route and no key", "GET /nowhere", "", none()),
		rule("no route and a wrong key", "GET /nowhere", key("revoked"), none()),
		row("the root", "GET /", none()),
		row("a method that no route has", "PUT /orders/1", method()),
		rule("a method before the key", "PUT /orders/1", "", method()),
		row("a method in small letters", "get /orders/1", method(), itself(http.StatusBadRequest, "nginx wants methods in capitals", atNginx)),
		row("an exact path", "GET /exact", passes(isReader)),
		row("a slash too many", "GET /exact/", none()),
		row("below an exact path", "GET /exact/x", none()),
		row("a slash too few", "GET /orders", none()),
		row("one segment", "GET /one/a", passes(isReader)),
		row("two segments where one is", "GET /one/a/b", none()),
		row("no segment where one is", "GET /one/", none()),
		row("a folder", "GET /folder/", passes(isReader)),
		row("below a folder alone", "GET /folder/x", none()),
		row("the more specific route", "GET /priced/free/x", passes(isReader)),
		row("a name that begins like a route", "GET /anything", none()),
		row("any method where none is said", "PATCH /any/1", passes(isReader), sends("a")),
		row("TRACE", "TRACE /any/1", refuses(problem.MethodNotAllowed, "method"), itself(http.StatusMethodNotAllowed, "nginx refuses TRACE by itself", atNginx)),
		row("OPTIONS of the server as a whole", "OPTIONS *", none(), itself(http.StatusBadRequest, "nginx refuses * by itself", atNginx),
			itself(http.StatusOK, "Caddy answers * by itself", atCaddy), but(nameless(), namesNone, atHAProxy)),
		row("a method of its own", "PURGE /any/1", passes(isReader)),
	}
}

func conditionRows() []policyRow {
	unmet := func(name string) policyAnswer { return refuses(problem.Forbidden, "not-met:"+name) }
	denied := func(name string) policyAnswer { return refuses(problem.Forbidden, "denied:"+name) }
	row := func(name, line, who string, want policyAnswer, changes ...policyChange) policyRow {
		return rule(name, line, key(who), want, changes...)
	}
	return []policyRow{
		row("from the office", "GET /office/1", "reader", passes(isReader), client("127.0.1.7")),
		row("from elsewhere", "GET /office/1", "reader", unmet("office")),
		rule("a header does not move anybody there", "GET /office/1", key("reader")+"X-Forwarded-For: 127.0.1.7\r\nX-Real-IP: 127.0.1.7\r\nForwarded: for=127.0.1.7\r\n", unmet("office")),
		rule("from the office without a key", "GET /office/1", "", noCredential(), client("127.0.1.7")),
		row("from a banned address", "GET /banned/1", "reader", denied("banned"), client("127.0.1.9")),
		row("from an address that is not banned", "GET /banned/1", "reader", passes(isReader)),
		row("a live key", "GET /live/1", "reader", passes(isReader)),
		row("a key for trials", "GET /live/1", "trial", unmet("live")),
		row("the owner", "GET /acme/1", "reader", passes(isReader)),
		row("another owner", "GET /acme/1", "wild", unmet("acme")),
		row("no owner", "GET /acme/1", "nameless", unmet("acme")),
		row("the method", "GET /readonly/1", "reader", passes(isReader)),
		row("HEAD is GET", "HEAD /readonly/1", "reader", passes(isReader)),
		row("another method", "POST /readonly/1", "reader", unmet("readonly"), sends("a")),
		row("a path that is not denied", "GET /tree/open/1", "reader", passes(isReader)),
		row("a path that is denied", "GET /tree/secret/1", "reader", denied("secret")),
		row("the folder itself", "GET /tree/secret", "reader", denied("secret")),
		row("a name that begins alike", "GET /tree/secrets", "reader", passes(isReader)),
		row("within hours that are denied", "GET /never/1", "reader", denied("closed")),
		row("within hours that are wanted", "GET /always/1", "reader", passes(isReader)),
		row("a key where an issuer is wanted", "GET /issued/1", "reader", unmet("issued")),
		rule("the issuer", "GET /issued/1", bearerOf("token"), passes(isGrace)),
		row("the scheme", "GET /named/1", "reader", passes(isReader)),
		rule("another scheme", "GET /named/1", bearerOf("token"), unmet("by-key")),
		row("an expression that holds", "GET /cel/1", "reader", passes(isReader)),
		row("an expression that does not", "GET /cel/1", "writer", unmet("cel")),
		row("what is only tried lets pass", "GET /tried/1", "reader", passes(isReader), repeated(2, http.StatusOK)),
		row("one of two choices", "GET /choice/1", "wild", passes("wild globex orders:*")),
		row("the other of two choices", "GET /choice/1", "reader", passes(isReader), client("127.0.1.7")),
		row("neither choice", "GET /choice/1", "reader", refuses(problem.Forbidden, "not-allowed")),
	}
}

func keyConditionRows() []policyRow {
	denies := func(rule string) policyAnswer { return refuses(problem.Forbidden, rule) }
	row := func(name, line, who string, want policyAnswer, changes ...policyChange) policyRow {
		return rule(name, line, key(who), want, append(changes, shown(who))...)
	}
	return []policyRow{
		row("from its network", getAny, "office", passes("office acme orders:read"), client("127.0.1.7")),
		row("from elsewhere", getAny, "office", denies("key-address")),
		row("by its method", "GET /any/1", "getter", passes("getter acme orders:*")),
		row("HEAD is GET", "HEAD /any/1", "getter", passes("getter acme orders:*")),
		row("by another method", "POST /any/1", "getter", denies("key-method")),
		row("on its path", getOrder, "narrow", passes("narrow acme orders:read")),
		row("below its path", "GET /orders/1/items", "narrow", denies("key-path")),
		row("on another path", getAny, "narrow", denies("key-path")),
		row("in its folder", "GET /any/x/y", "shop", passes("shop acme orders:read")),
		row("beside its folder", getOrder, "shop", denies("key-path")),
		row("its path in other letters", "GET /%61ny/x", "shop", passes("shop acme orders:read")),
	}
}

func publicKeyRows() []policyRow {
	use := func(key, origin string, public bool) policyChange {
		return shows(keyservice.Use{Key: key, Origin: origin, Public: public})
	}
	const app = "https://app.example.com"
	return []policyRow{
		rule("from its page", "GET /pages/1", key("page")+"Origin: "+app+"\r\n", passes("page acme orders:read"), use("page", app, true)),
		rule("from the second of its pages", "GET /pages/1", key("pages")+"Origin: https://shop.example.com:8443\r\n", passes("pages acme orders:read"), use("pages", "https://shop.example.com:8443", true)),
		rule("from another page", "GET /pages/1", key("page")+"Origin: https://evil.example\r\n", refuses(problem.Forbidden, "key-origin"), use("page", "https://evil.example", true)),
		rule("from no page", "GET /pages/1", key("page"), refuses(problem.Forbidden, "key-origin"), use("page", "", true)),
		rule("from an opaque origin", "GET /pages/1", key("page")+"Origin: null\r\n", refuses(problem.Forbidden, "key-origin"), use("page", "null", true)),
		rule("where public keys are not taken", getAny, key("page")+"Origin: "+app+"\r\n", refuses(problem.Forbidden, "key-public"), use("page", app, false)),
		rule("a secret key where public ones are taken", "GET /pages/1", key("reader"), passes(isReader), use("reader", "", true)),
	}
}

func limitRows() []policyRow {
	limited := func(name string) policyAnswer { return refuses(problem.RateLimited, "limit:"+name) }
	who := func(name, owner string) policyAnswer { return passes(name + " " + owner + " orders:read") }
	row := func(name, line, who string, want policyAnswer, changes ...policyChange) policyRow {
		return rule(name, line, key(who), want, changes...)
	}
	return []policyRow{
		row("within the quota", "GET /few/1", "limited0", who("limited0", "owner0"), repeated(1, 200)),
		row("over the quota", "GET /few/1", "limited0", limited("few")),
		row("another key has its own", "GET /few/1", "limited1", who("limited1", "owner1")),
		row("a plan has another quota", "GET /few/1", "planned", passes("planned acme orders:read"), repeated(2, 200)),
		row("over the quota of the plan", "GET /few/1", "planned", limited("few")),
		row("a quota of the key's own", "GET /few/1", "own", limited("few"), repeated(1, 200), shown("own")),
		row("a burst of the key's own", "GET /few/1", "two", limited("few"), repeated(2, 200), shown("two")),
		row("by owner: the quota is of all of its keys", "GET /owners/1", "reader", limited("owners"), repeated(2, 200)),
		row("by owner: another key of the owner", "GET /owners/1", "both", limited("owners")),
		row("by owner: another owner", "GET /owners/1", "wild", passes("wild globex orders:*")),
		rule("by address: over the quota", "GET /crowd/1", "", limited("crowd"), repeated(3, 200), client("127.0.2.101")),
		rule("by address: another address", "GET /crowd/1", "", passes(""), client("127.0.2.102")),
		rule("by address: a header makes no other", "GET /crowd/1", "X-Forwarded-For: 192.0.2.1\r\n", limited("crowd"), client("127.0.2.101")),
		rule("by address: refusals count", "GET /crowded/1", "", limited("crowd"), repeated(3, 401), client("127.0.2.103")),
		row("by address before by key: who is refused first", "GET /crowded/1", "limited2", limited("few"), repeated(2, 200), client("127.0.2.104")),
		row("a request that counts twice", "GET /heavy/1", "limited3", limited("heavy"), repeated(2, 200)),
		row("a refused scope spends nothing", "GET /each/1", "limited4", who("limited4", "owner4")),
		row("by route: the same route", "GET /each/2", "limited4", limited("each")),
		row("by route: another one", "GET /each/other/1", "limited4", who("limited4", "owner4")),
		rule("a preflight does not count", "GET /few/1", key("limited5"), who("limited5", "owner5")),
	}
}

func creditRows() []policyRow {
	use := func(key string) policyChange { return shows(keyservice.Use{Key: key, Cost: 3}) }
	return []policyRow{
		rule("enough", "GET /priced/1", key("payer"), passes("payer acme orders:read"), use("payer")),
		rule("not enough", "GET /priced/1", key("payer"), refuses(problem.CreditsExhausted, "credits"), use("payer")),
		rule("less than it costs", "GET /priced/1", key("debtor"), refuses(problem.CreditsExhausted, "credits"), use("debtor")),
		rule("no account", "GET /priced/1", key("pauper"), refuses(problem.CreditsExhausted, "credits:no-account"), use("pauper")),
		rule("what is free", "GET /priced/free/1", key("pauper"), passes("pauper acme orders:read"), shown("pauper")),
		rule("HEAD costs nothing", "HEAD /priced/1", key("debtor"), passes("debtor acme orders:read")),
		rule("a refused key costs nothing", "GET /priced/1", key("revoked"), wrong("revoked"), use("revoked")),
	}
}

func guessRows() []policyRow {
	return []policyRow{
		rule("after 21 guesses the address waits", getOrder, key("unknown"), refuses(problem.RateLimited, "brute-force"), repeated(21, 401)),
		rule("also with what would be good", getOrder, key("reader"), refuses(problem.RateLimited, "brute-force")),
		rule("not without a key", getOrder, "", noCredential()),
		rule("not on a public route", "GET /open/1", key("unknown"), passes("")),
		rule("not at another address", getOrder, key("reader"), passes(isReader), client("127.0.2.118")),
		rule("no guess: what has not the form of a key", getOrder, "X-API-Key: letmein\r\n", wrong("malformed"), repeated(30, 401), client("127.0.2.119")),
	}
}

func documentRows() []policyRow {
	const unseen = "a document that validates is refused at start where proxies ask: its bodies are not seen"
	seen := func() policyChange { return not(unseen, askers()...) }
	invalid := func(reason string) policyAnswer { return refuses(problem.InvalidParameters, reason) }
	const json = "Content-Type: application/json\r\n"
	return []policyRow{
		rule("an operation", "GET /v1/items/7", key("reader"), passes(isReader)),
		rule("an operation without its key", "GET /v1/items/7", "", noCredential()),
		rule("the document's security is everybody's", "GET /v1/items/7", key("none"), passes("none initech"), attacks("OAS-04")),
		rule("an operation's own scopes", "POST /v1/items", key("reader")+json, refuses(problem.InsufficientScope, "insufficient-scope"), sends(`{"count":1}`), attacks("OAS-04")),
		rule("a body", "POST /v1/items", key("writer")+json, passes("writer acme orders:write"), sends(`{"count":1}`)),
		rule("or: the first lacks", "DELETE /v1/items/7", key("reader"), refuses(problem.InsufficientScope, "insufficient-scope"), attacks("OAS-04")),
		rule("or: the second", "DELETE /v1/items/7", bearerOf("token"), passes(isGrace), attacks("OAS-04")),
		rule("public by word", "GET /v1/status", "", passes(""), attacks("OAS-04")),
		rule("a path beside a parameter", "GET /v1/items/own", "", passes(""), attacks("OAS-04")),
		rule("optional", "GET /v1/maybe", "", passes(""), attacks("OAS-04")),
		rule("x-warder-scopes", "GET /v1/scoped", key("none"), refuses(problem.InsufficientScope, "insufficient-scope"), not("x-warder-scopes are warder's own to add", atLibrary)),
		rule("what is not declared", "GET /v1/other", key("reader"), refuses(problem.NotFound, "not-found"), attacks("OAS-04")),
		rule("a method that is not declared", "PUT /v1/items/7", key("reader"), refuses(problem.MethodNotAllowed, "method-not-allowed"), attacks("OAS-04")),
		rule("a parameter of the path", "GET /v1/items/seven", key("reader"), invalid("parameters"), seen()),
		rule("a parameter of the query", "GET /v1/items/7?limit=101", key("reader"), invalid("parameters"), seen()),
		rule("a parameter too many", "GET /v1/items/7?admin=1", key("reader"), invalid("parameters"), seen()),
		rule("a bound of a body", "POST /v1/items", key("writer")+json, refuses(problem.InvalidContent, "body"), sends(`{"count":11}`), seen()),
		rule("a member too many", "POST /v1/items", key("writer")+json, refuses(problem.InvalidContent, "body"), sends(`{"count":1,"x":2}`), seen()),
		rule("a body that is no JSON", "POST /v1/items", key("writer")+json, refuses(problem.InvalidBody, "body-malformed"), sends(`{"count":`), seen()),
		rule("a body of another type", "POST /v1/items", key("writer")+"Content-Type: text/plain\r\n", refuses(problem.UnsupportedMedia, "media-type"), sends(`{"count":1}`), seen()),
		rule("a bad parameter without a key", "GET /v1/items/seven", "", noCredential()),
	}
}

func formRows() []policyRow {
	const unbounded = "a body's bound is refused at start where proxies ask: they do not show the body"
	return []policyRow{
		rule("HEAD", "HEAD /orders/1", key("reader"), passes(isReader), shown("reader", "orders:read")),
		rule("HEAD without a key", "HEAD /orders/1", "", policyAnswer{status: 401, reason: "no-credential"}),
		rule("HEAD of a route for GET alone", "HEAD /orders/2", key("writer"), policyAnswer{status: 403, reason: "insufficient-scope"}),
		rule("a handshake", "GET /any/socket", key("reader")+handshake("websocket"), passes(isReader), noHandshake()),
		rule("a handshake without a key", "GET /any/socket", handshake("websocket"), noCredential(), noHandshake()),
		rule("a handshake on a public route", "GET /open/socket", handshake("websocket"), passes(""), noHandshake()),
		rule("a client's identity is not believed", getOrder, key("reader")+"X-Warder-Owner: evil\r\nX-Warder-Key-Id: evil\r\nX-Warder-Scopes: admin:all\r\n", passes(isReader)),
		rule("nor on a public route", "GET /open/1", "X-Warder-Owner: evil\r\nX-Warder-Subject: evil\r\nX-Warder-Key-Id: evil\r\n", passes("")),
		rule("a client's method in a field", "GET /orders/1", key("writer")+"X-Original-Method: POST\r\nX-Forwarded-Method: POST\r\nX-HTTP-Method-Override: POST\r\n", refuses(problem.InsufficientScope, "insufficient-scope")),
		rule("a client's path in a field", "GET /admin/x", key("reader")+"X-Original-URI: /open/\r\nX-Forwarded-Uri: /open/\r\nX-Rewrite-URL: /open/\r\n", refuses(problem.InsufficientScope, "insufficient-scope")),
		rule("fields of 4 KiB", getOrder, key("reader")+"X-Long: "+strings.Repeat("x", 4<<10)+"\r\n", passes(isReader)),
		rule("fields of 40 KiB", getOrder, key("reader")+"X-Long: "+strings.Repeat("x", 40<<10)+"\r\n", policyAnswer{status: http.StatusRequestHeaderFieldsTooLarge, silent: true},
			itself(http.StatusBadRequest, "the proxy's own word for too many fields is 400", atNginx, atHAProxy), itself(http.StatusBadGateway, "what refuses so many fields is warder's listener, whose answer bears no mark", atCaddy)),
		rule("other fields of warder's", "GET /open/1", "X-Warder-Identity: evil\r\nX-Warder-Limit-Near: evil\r\n", passes(""),
			but(nameless(), "a field of warder's that the proxy neither sets nor takes out is refused", atNginx, atPlain, atTraefik)),
		rule("an upgrade to something else", "GET /any/1", key("reader")+handshake("h2c"), passes(isReader), noHandshake(),
			but(nameless(), "what follows an upgrade nobody asks about: only WebSockets may", atNginx, atCaddy, atHAProxy, atPlain, atEnvoy)),
		rule("Connection names the key", getOrder, key("reader")+"Connection: X-API-Key\r\n", passes(isReader),
			but(noCredential(), "Caddy takes out what Connection names, before it asks", atCaddy)),
		rule("two fields of cookies", "GET /cookie/1", "Cookie: a=1\r\nCookie: __Host-api_key={reader}\r\n", passes(isReader)),
		rule("a key in two fields of cookies", "GET /cookie/1", "Cookie: __Host-api_key={reader}\r\nCookie: __Host-api_key={reader}\r\n", unreadable("repeated")),
		rule("a key with a letter beyond ASCII", getOrder, "X-API-Key: caf\xe9\r\n", wrong("malformed")),
		rule("an empty key before a good one", getOrder, "X-API-Key:\r\n"+key("reader"), unreadable("repeated")),
		rule("a small body", "POST /small/1", "", passes(""), sends("0123456789"), not(unbounded, askers()...)),
		rule("a body that is too large", "POST /small/1", "", refuses(problem.BodyTooLarge, "body-too-large"), sends("0123456789a"), not(unbounded, askers()...)),
		rule("a body on a route that takes any", "POST /any/1", key("reader"), passes(isReader), sends(strings.Repeat("b", 1000))),
		rule("a body with a wrong key", "POST /any/1", key("revoked"), wrong("revoked"), sends(strings.Repeat("b", 1000)), shown("revoked")),
	}
}
