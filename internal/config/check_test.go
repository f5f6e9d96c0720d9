package config_test

import (
	"strings"
	"testing"

	"github.com/warder-dev/warder/internal/config"
)

// reports begins files with one upstream, whose routes follow.
const reports = "upstreams:\n  a: {url: 'http://h'}\nroutes:\n" // three lines

func TestSemanticErrors(t *testing.T) {
	tests := []struct{ name, file, want string }{
		{"nothing to protect", "", `warder.yaml: neither upstream nor routes are given: there is nothing to protect; name your API by --upstream http://127.0.0.1:8000 or --config FILE`},
		{"both forms", shorthand + reports + "  - {match: /, upstream: a}\n", `warder.yaml:1:11: upstream: is given together with upstreams or routes; it is shorthand for one of each: keep one form`},
		{"a Unix socket with a relative path", shorthand + "listen: unix:warder.sock\n", `warder.yaml:2:9: listen: is no path of a Unix socket; write it like unix:/run/warder/warder.sock, without . and ..`},
		{"a Unix socket above", shorthand + "listen: unix:/run/../warder.sock\n", `warder.yaml:2:9: listen: is no path of a Unix socket; write it like unix:/run/warder/warder.sock, without . and ..`},
		{"a Unix socket with a long path", shorthand + "listen: unix:/" + strings.Repeat("a", 100) + "\n", `warder.yaml:2:9: listen: the path of the socket is longer than 100 bytes`},
		{"HTTP/3 at a Unix socket", shorthand + "listen: unix:/run/w.sock\ntls: {certificates: [{cert_file: a, key_file: b}], http3: true}\n", `warder.yaml:3:59: tls.http3: needs a port, and listen is a Unix socket`},
		{"a Unix socket for health", shorthand + "health_listen: unix:/run/w.sock\n", `warder.yaml:2:16: health_listen: the port is not a number from 0 to 65535; 0 means any free one`},
		{"address without port", shorthand + "listen: localhost\n", `warder.yaml:2:9: listen: "localhost" is not an address; want host:port, such as "127.0.0.1:8080" or "[::1]:8080"`},
		{"port range", shorthand + "listen: ':65536'\n", `warder.yaml:2:9: listen: the port is not a number from 0 to 65535; 0 means any free one`},
		{"host form", shorthand + "listen: 'a b:1'\n", `warder.yaml:2:9: listen: the host is neither an IP address nor a host name`},
		{"admin on all interfaces", shorthand + "admin_listen: ':1'\n", `warder.yaml:2:15: admin_listen: is not a loopback address; set insecure_admin_listen if the network is trusted`},
		{"admin on a name", shorthand + "admin_listen: 'admin.example:1'\n", `warder.yaml:2:15: admin_listen: is not a loopback address; set insecure_admin_listen if the network is trusted`},
		{"same address", shorthand + "health_listen: 127.0.0.1:8080\n", `warder.yaml:2:16: health_listen: is the same address as listen`},
		{"database is a URL", shorthand + "db: 'mysql://u:hunter2@h/d'\n", `warder.yaml:2:5: db: is a URL, want the path of a file, or postgres://user@host/database`},
		{"portal without url", shorthand + "portal: {listen: 127.0.0.1:0}\n", `warder.yaml:2:18: portal.listen: the address that browsers have is not said; set portal.url, like https://keys.example.com`},
		{"portal by plain http", shorthand + "portal: {listen: 127.0.0.1:0, url: http://keys.example.com}\n", `warder.yaml:2:36: portal.url: is no origin of https; write it like https://keys.example.com, in lower case and without a path; plain http is for this machine alone`},
		{"portal with a path", shorthand + "portal: {listen: 127.0.0.1:0, url: https://keys.example.com/a}\n", `warder.yaml:2:36: portal.url: is no origin of https; write it like https://keys.example.com, in lower case and without a path; plain http is for this machine alone`},
		{"portal in the open", shorthand + "portal: {listen: 0.0.0.0:0, url: https://keys.example.com}\n", `warder.yaml:2:18: portal.listen: is plain HTTP and not a loopback address; set tls, or portal.insecure_listen if a proxy that speaks TLS is in front`},
		{"portal's parents", shorthand + "portal: {listen: 127.0.0.1:0, url: http://localhost:1, parents: ['*']}\n", `warder.yaml:2:66: portal.parents[0]: "*" is refused: want scheme://host[:port] as browsers send it: lower case, no default port, nothing behind; write it like https://app.example.com, as browsers send it`},
		{"portal's returns", shorthand + "portal: {listen: 127.0.0.1:0, url: http://localhost:1, return_urls: ['javascript:alert(1)']}\n", `warder.yaml:2:70: portal.return_urls[0]: "javascript:alert(1)" is no address to go back to; write it whole, like https://app.example.com/settings; plain http is for this machine alone`},
		{"portal that is off", shorthand + "portal: {url: https://keys.example.com}\n", `warder.yaml:2:15: portal.url: has no effect without portal.listen`},
		{"the holder's path", shorthand + "holder: {path: me/}\n", `warder.yaml:2:16: holder.path: is not a plain path; write it like /_warder/me, without / at the end`},
		{"prefix", shorthand + "keys: {prefix: 1a}\n", `warder.yaml:2:16: keys.prefix: "1a" is not a prefix; use 1 to 16 lower case letters and digits, a letter first`},
		{"realm", shorthand + "keys: {realm: 'a\"b'}\n", `warder.yaml:2:15: keys.realm: is not a realm; use 1 to 64 printable ASCII characters without quote and backslash`},
		{"header token", shorthand + "keys: {header: 'X Key'}\n", `warder.yaml:2:16: keys.header: "X Key" is not the name of a header field`},
		{"hop-by-hop header", shorthand + "keys: {header: Connection}\n", `warder.yaml:2:16: keys.header: "Connection" has another meaning in HTTP; use a name such as X-API-Key`},
		{"reserved header", shorthand + "keys: {header: x-forwarded-for}\n", `warder.yaml:2:16: keys.header: "x-forwarded-for" has another meaning in HTTP; use a name such as X-API-Key`},
		{"target longer than header", shorthand + "limits: {header_bytes: 4KiB}\n", `warder.yaml: limits.target_bytes: is more than limits.header_bytes, which the target is part of`},
		{"URL parts", "upstream: 'ftp://u:hunter2@h:0/?q#f'\n", `
warder.yaml:1:11: upstream: the scheme is neither http nor https
warder.yaml:1:11: upstream: the port is not a number from 1 to 65535
warder.yaml:1:11: upstream: has user information (name or password)
warder.yaml:1:11: upstream: has a query
warder.yaml:1:11: upstream: has a fragment`},
		{"no host", "upstream: 'http:///x'\n", `warder.yaml:1:11: upstream: has no host behind //, as in http://127.0.0.1:8000`},
		{"not a URL", "upstream: 'http://h:hunter2'\n", `warder.yaml:1:11: upstream: is not a URL; write it like http://127.0.0.1:8000`},
		{"address as URL", "upstream: 'localhost:3000'\n", `warder.yaml:1:11: upstream: does not begin with http:// or https://; write it like http://localhost:8000`},
		{"host as URL", "upstream: localhost\n", `warder.yaml:1:11: upstream: does not begin with http:// or https://; write it like http://localhost:8000`},
		{"port as address", shorthand + "listen: 8080\n", `warder.yaml:2:9: listen: is a number, want text; want host:port, such as "127.0.0.1:8080"`},
		{"database with parameters", shorthand + "db: 'file:/x'\n", `warder.yaml:2:5: db: is a connection string, want the path of a file; write it like /var/lib/warder/warder.db`},
		{"database in memory", shorthand + "db: ':memory:'\n", `warder.yaml:2:5: db: is a connection string, want the path of a file; write it like /var/lib/warder/warder.db`},
		{"fields as a scope", reports + "  - {match: /, upstream: a, scopes: [orders: read]}\n", `warder.yaml:4:38: routes[0].scopes[0]: is a set of fields, want text; put it in quotes, such as "orders:read"`},
		{"upstream name", "upstreams:\n  A b: {url: 'http://h'}\nroutes: [{match: /, upstream: A b}]\n", `
warder.yaml:2:3: upstreams: this name is not one of an upstream; use 1 to 63 lower case letters, digits, - and _, the first a letter or digit
warder.yaml:3:31: routes[0].upstream: no upstream is called "A b"`},
		{"upstream without URL", "upstreams:\n  a: {preserve_host: true}\nroutes: [{match: /, upstream: a}]\n", `warder.yaml:2:3: upstreams.a: has no url`},
		{"TLS fields on http", "upstreams:\n  a: {url: 'http://h', insecure_skip_verify: true}\nroutes: [{match: /, upstream: a}]\n", `warder.yaml:2:46: upstreams.a.insecure_skip_verify: has no effect on a http URL; use https`},
		{"unknown upstream", reports + "  - {match: /, upstream: b}\n", `warder.yaml:4:26: routes[0].upstream: no upstream is called "b"; did you mean "a"?`},
		{"no match, no upstream", reports + "  - public: true\n", "warder.yaml:4:5: routes[0]: has no match; write a pattern such as \"GET /orders/\"\nwarder.yaml:4:5: routes[0]: has no upstream"},
		{"pattern", reports + "  - {match: 'GET h', upstream: a}\n", `warder.yaml:4:13: routes[0].match: "GET h" is not a pattern: it has no path; write "GET /h"`},
		{"method in lower case", reports + "  - {match: 'get /', upstream: a}\n", `warder.yaml:4:13: routes[0].match: the method is not in upper case: methods are case-sensitive (RFC 9110, section 9.1)`},
		{"same pattern", reports + "  - {match: /, upstream: a}\n  - {match: /, upstream: a}\n", `warder.yaml:5:13: routes[1].match: "/" is the same as "/" (routes[0], line 4)`},
		{"overlap", reports + "  - {match: '/{x}/b', upstream: a}\n  - {match: '/c', upstream: a}\n  - {match: '/a/{y}', upstream: a}\n", `warder.yaml:6:13: routes[2].match: "/a/{y}" overlaps with "/{x}/b" (routes[0], line 4); for some requests neither is more specific: make one so`},
		{"public with public keys", reports + "  - {match: /, upstream: a, public: true, public_keys: true}\n", `warder.yaml:4:56: routes[0].public_keys: contradicts public: what is public asks for no key; take one of them away`},
		{"lifetimes of keys", shorthand + "keys: {default_ttl: 2d, max_ttl: 1d, max_secrets: 11}\n", `
warder.yaml:2:21: keys.default_ttl: is more than keys.max_ttl
warder.yaml:2:51: keys.max_secrets: is out of range; want 1 to 10`},
		{"a short lifetime of keys", shorthand + "keys: {max_ttl: 1s}\n", `warder.yaml:2:17: keys.max_ttl: is less than 1m`},
		{"public with scopes", reports + "  - {match: /, upstream: a, public: true, scopes: [x]}\n", `warder.yaml:4:37: routes[0].public: contradicts scopes and security: what is public asks for no credential; take one of them away`},
		{"scopes", reports + "  - {match: /, upstream: a, scopes: ['a:*', 'a b', c, c]}\n", `
warder.yaml:4:38: routes[0].scopes[0]: has a wildcard: only keys are granted these, a route asks for a certain scope
warder.yaml:4:45: routes[0].scopes[1]: "a b" is not a scope; write it like orders:read, with letters, digits and . _ - /
warder.yaml:4:55: routes[0].scopes[3]: is in the list twice`},
		{"allow", reports + "  - {match: /, upstream: a, allow: [mrge, merge, merge]}\n", `
warder.yaml:4:37: routes[0].allow[0]: is none of resolve, merge, matrix, encoded_slash; did you mean "merge"?
warder.yaml:4:50: routes[0].allow[2]: is in the list twice`},
		{"overlap within a segment", reports + "  - {match: '/a/{x}.json', upstream: a}\n  - {match: '/a/{x}', upstream: a}\n  - {match: '/a/v{y}', upstream: a}\n", `warder.yaml:6:13: routes[2].match: "/a/v{y}" overlaps with "/a/{x}.json" (routes[0], line 4); for some requests neither is more specific: make one so`},
		{"overlap within a segment, and with a literal", reports + "  - {match: '/{x}/b', upstream: a}\n  - {match: '/a/{x}b', upstream: a}\n  - {match: '/c{y}/{z}', upstream: a}\n", `warder.yaml:6:13: routes[2].match: "/c{y}/{z}" overlaps with "/{x}/b" (routes[0], line 4); for some requests neither is more specific: make one so`},
		{"nothing between two parameters", reports + "  - {match: '/a/{x}{y}', upstream: a}\n", `warder.yaml:4:13: routes[0].match: "/a/{x}{y}" is not a pattern: has two parameters with nothing between them: nobody could tell where one ends`},
		{"plain trees with and without method", reports + "  - {match: /a/b/, upstream: a}\n  - {match: GET /a/, upstream: a}\n", `warder.yaml:5:13: routes[1].match: "GET /a/" overlaps with "/a/b/" (routes[0], line 4); for some requests neither is more specific: make one so`},
		{"overlap below a wildcard in another place", reports + "  - {match: /, upstream: a}\n  - {match: '/x/{a}/c/', upstream: a}\n  - {match: '/y/', upstream: a}\n  - {match: '/x/b/{d}/', upstream: a}\n", `warder.yaml:7:13: routes[3].match: "/x/b/{d}/" overlaps with "/x/{a}/c/" (routes[1], line 5); for some requests neither is more specific: make one so`},
		{"same tree, one escaped", reports + "  - {match: /a/, upstream: a}\n  - {match: /%61/, upstream: a}\n", `warder.yaml:5:13: routes[1].match: "/%61/" overlaps with "/a/" (routes[0], line 4); for some requests neither is more specific: make one so`},
		{"scheme of no kind", shorthand + "schemes:\n  a: {}\n", `warder.yaml:3:3: schemes.a: says not what it is; give it one of key, jwt, introspection, certificate, session and basic`},
		{"scheme of two kinds", shorthand + "schemes:\n  a: {key: {}, session: {}}\n", `warder.yaml:3:3: schemes.a: is several things at once: key, session; give it one of key, jwt, introspection, certificate, session and basic`},
		{"scheme's name", shorthand + "schemes:\n  a b: {key: {}}\n", `warder.yaml:3:3: schemes: this name is not one of a scheme; use 1 to 63 letters, digits, -, _ and .`},
		{"two schemes in one place", shorthand + "schemes:\n  a: {key: {in: query}}\n  b: {key: {in: query, name: api_key}}\n", `warder.yaml:4:3: schemes.b: is found in the same place as a; requests would have to prove both by one credential: keep one of them`},
		{"cookie without __Host-", shorthand + "schemes:\n  a: {key: {in: cookie, name: key}}\n", `warder.yaml:3:31: schemes.a.key.name: does not begin with __Host-: other hosts of the domain could set it; write __Host-NAME, or set insecure_cookie_name`},
		{"name of a bearer key", shorthand + "schemes:\n  a: {key: {in: bearer, name: key}}\n", `warder.yaml:3:31: schemes.a.key.name: has no effect: the key is in Authorization; take it away`},
		{"token without audience", shorthand + "schemes:\n  a: {jwt: {issuers: [{issuer: 'https://h'}]}}\n", `warder.yaml:3:24: schemes.a.jwt.issuers[0]: has no audience: tokens that were made for somebody else would pass; name this API as the issuer does`},
		{"token's issuer over plain HTTP", shorthand + "schemes:\n  a: {jwt: {issuers: [{issuer: 'http://h', audience: [a]}]}}\n", `warder.yaml:3:32: schemes.a.jwt.issuers[0].issuer: is not https; use https, or set insecure_http`},
		{"token of no algorithm", shorthand + "schemes:\n  a: {jwt: {issuers: [{issuer: 'https://h', audience: [a], algorithms: [none]}]}}\n", `warder.yaml:3:73: schemes.a.jwt.issuers[0].algorithms[0]: is none of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA`},
		{"two schemes for one token", shorthand + "schemes:\n  a: {jwt: {issuers: [{issuer: 'https://a', audience: [x]}]}}\n  b: {jwt: {issuers: [{issuer: 'https://b', audience: [x]}]}}\nsecurity: [{a: []}, {b: []}]\n", `warder.yaml:5:22: security[1].b: takes the same tokens as a; list the issuers of both in one scheme`},
		{"introspection by nobody", shorthand + "schemes:\n  a: {introspection: {url: 'https://h'}}\n", `
warder.yaml:3:23: schemes.a.introspection: has no client_id
warder.yaml:3:23: schemes.a.introspection: has no client_secret
warder.yaml:3:23: schemes.a.introspection: has no issuer
warder.yaml:3:23: schemes.a.introspection: has no audience: tokens that were made for somebody else would pass; name this API as the issuer does`},
		{"two trust domains", shorthand + "schemes:\n  a: {certificate: {subject: spiffe, trust_domains: [a.example, b.example], grants: [{match: 'spiffe://**'}]}}\n", `warder.yaml:3:65: schemes.a.certificate.trust_domains[1]: is a second trust domain, whose authorities could vouch for the first; make a scheme for each`},
		{"certificate without trust domain", shorthand + "schemes:\n  a: {certificate: {subject: spiffe}}\n", `warder.yaml:3:21: schemes.a.certificate: has no trust_domains, which spiffe needs`},
		{"session without login", shorthand + "schemes:\n  a: {session: {}}\n", `warder.yaml:3:3: schemes.a: has no way to log in; set session.password or session.oidc`},
		{"people without a file", shorthand + "schemes:\n  a: {basic: {}}\nsession: {password: true}\n", `
warder.yaml:3:3: schemes.a: has nobody who could use it; set users.file
warder.yaml:4:21: session.password: has nobody who could log in; set users.file`},
		{"unknown scheme", shorthand + "security: [{apikey: []}]\n", `warder.yaml:2:13: security[0].apikey: no scheme has this name; did you mean "apiKey"?`},
		{"security that asks for nothing", reports + "  - {match: /, upstream: a, security: []}\n", `warder.yaml:4:39: routes[0].security: names no scheme; a route that asks for nothing says public: true`},
		{"optional one first", reports + "  - {match: /, upstream: a, security: [{}, {apiKey: [x]}]}\n", `warder.yaml:4:40: routes[0].security[0]: is the optional one, {}, and not the last; put it at the end`},
		{"scopes twice over", reports + "  - {match: /, upstream: a, scopes: [x], security: [{apiKey: [x]}]}\n", `warder.yaml:4:37: routes[0].scopes: is given together with security, which has scopes of its own; keep one of them`},
		{"condition about nothing", reports + "  - {match: /, upstream: a, conditions: [{name: a}]}\n", `warder.yaml:4:43: routes[0].conditions[0]: says nothing about requests; name addresses, environments or the like`},
		{"condition's words", reports + "  - {match: /, upstream: a, conditions: [{name: a, addresses: [10.1.2.3/8], methods: [get], times: [{from: '8:00', zone: Mars}]}]}\n", `
warder.yaml:4:64: routes[0].conditions[0].addresses[0]: "10.1.2.3/8" is neither an address nor a network; write it like 10.0.0.0/8
warder.yaml:4:87: routes[0].conditions[0].methods[0]: "get" is not a method; write it in upper case
warder.yaml:4:108: routes[0].conditions[0].times[0].from: is not a time of day; write it like 08:30; 24:00 is the end of the day
warder.yaml:4:122: routes[0].conditions[0].times[0].zone: is not a time zone; write it like Europe/Berlin`},
		{"session's cookie and times", shorthand + "session: {cookie: sid, idle: 1h, absolute: 30m, path: /}\n", `
warder.yaml:2:19: session.cookie: does not begin with __Host-: other hosts of the domain could set it; or set session.insecure_cookie
warder.yaml:2:44: session.absolute: is less than session.idle
warder.yaml:2:55: session.path: is not a plain path; write it like /auth, without / at the end`},
		{"sessions without a server", shorthand + "session: {store: redis}\n", `warder.yaml:2:18: session.store: has no server; set redis.addresses`},
		{"remembered for less than others", shorthand + "session: {absolute: 2h, remember: 1h}\n", `warder.yaml:2:35: session.remember: is less than session.absolute; want 0s, which remembers nobody, or more`},
		{"remembered for ever", shorthand + "session: {remember: 91d}\n", `warder.yaml:2:21: session.remember: is out of range; want 0s to 90d`},
		{"a session for longer than the library has", shorthand + "session: {absolute: 31d}\n", `warder.yaml:2:21: session.absolute: is out of range; want 1m to 30d`},
		{"login elsewhere", shorthand + "session: {oidc: {issuer: 'https://h', client_id: a, redirect_url: 'http://h/x'}}\n", `
warder.yaml:2:18: session.oidc: has no grants: nobody would be let in
warder.yaml:2:67: session.oidc.redirect_url: is not https; only localhost may do without
warder.yaml:2:67: session.oidc.redirect_url: its path is not session.path with /callback behind it`},
		{"what upstreams are shown", "upstreams:\n  a: {url: 'http://h', audience: b, credential_header: Host, cert_file: c}\nroutes: [{match: /, upstream: a}]\n", `
warder.yaml:2:3: upstreams.a: has one of cert_file and key_file; give both
warder.yaml:2:34: upstreams.a.audience: has no effect without identity: jwt
warder.yaml:2:56: upstreams.a.credential_header: has no effect without credential
warder.yaml:2:73: upstreams.a.cert_file: has no effect on a http URL; use https`},
		{"certificate without key", shorthand + "tls:\n  certificates:\n    - cert_file: a\n", `warder.yaml:4:7: tls.certificates[0]: has no key_file`},
		{
			"HTTP/3 behind what says PROXY", shorthand + "tls: {certificates: [{cert_file: a, key_file: b}], http3: true}\nproxy_protocol: {trusted_peers: [10.0.0.7]}\n",
			`warder.yaml:2:59: tls.http3: is given together with proxy_protocol, which UDP has not: limits and conditions would take the load balancer for the client; take one of them away`,
		},
		{"TLS settings without TLS", shorthand + "tls: {http3: true}\n", `warder.yaml:2:14: tls.http3: has no effect without certificates or acme`},
		{"ACME", shorthand + "tls: {acme: {names: [localhost]}}\n", `
warder.yaml:2:14: tls.acme: does not agree to the authority's terms; read them, and set agree_to_terms
warder.yaml:2:22: tls.acme.names[0]: "localhost" is not a full host name`},
		{"ACME for nobody", shorthand + "tls: {acme: {agree_to_terms: true}}\n", `warder.yaml:2:14: tls.acme: has no names; list the host names to get certificates for`},
		{"ACME on demand", shorthand + "tls: {acme: {agree_to_terms: true, names: [A.example], on_demand: ['*.b.example', c, a.example., d.example, d.example]}}\n", `
warder.yaml:2:68: tls.acme.on_demand[0]: is a wildcard, which only the DNS can prove; list each name
warder.yaml:2:83: tls.acme.on_demand[1]: "c" is not a full host name
warder.yaml:2:86: tls.acme.on_demand[2]: is in tls.acme.names already
warder.yaml:2:109: tls.acme.on_demand[4]: is in the list twice`},
		{"ACME by the DNS", shorthand + "tls: {acme: {agree_to_terms: true, dns_command: [hook, x], names: ['*.a.example', '*', '*.b', 'a.*.example'], on_demand: ['*.c.example']}}\n", `
warder.yaml:2:50: tls.acme.dns_command[0]: is not an absolute path; write the program's whole path, and its arguments as further entries
warder.yaml:2:83: tls.acme.names[1]: is a wildcard, which only the DNS can prove; list each name
warder.yaml:2:88: tls.acme.names[2]: "*.b" is not a full host name
warder.yaml:2:95: tls.acme.names[3]: is a wildcard, which only the DNS can prove; list each name
warder.yaml:2:123: tls.acme.on_demand[0]: is a wildcard, which only the DNS can prove; list each name`},
		{"ACME without the DNS", shorthand + "tls: {acme: {agree_to_terms: true, names: ['*.a.example'], dns_timeout: 5m, dns_resolvers: [192.0.2.53], dns_delay: 1s, dns_wait: 0s}}\n", `
warder.yaml:2:44: tls.acme.names[0]: is a wildcard, which only the DNS can prove; list each name, or prove it by dns_command
warder.yaml:2:73: tls.acme.dns_timeout: has no effect without dns_command
warder.yaml:2:92: tls.acme.dns_resolvers: has no effect without dns_command
warder.yaml:2:117: tls.acme.dns_delay: has no effect without dns_command
warder.yaml:2:131: tls.acme.dns_wait: has no effect without dns_command`},
		{"DNS servers", shorthand + "tls: {acme: {agree_to_terms: true, names: [a.example], dns_command: [/x], dns_resolvers: [ns.a.example, 192.0.2.53, '::1', '[::1]:5353', '192.0.2.1:0', 0.0.0.0, '192.0.2.1:dns'], dns_delay: 2h, dns_wait: 5ms}}\n", `
warder.yaml:2:91: tls.acme.dns_resolvers[0]: "ns.a.example" is not the address of a DNS server; write it like 192.0.2.53 or [2001:db8::53]:5353
warder.yaml:2:138: tls.acme.dns_resolvers[4]: "192.0.2.1:0" is not the address of a DNS server; write it like 192.0.2.53 or [2001:db8::53]:5353
warder.yaml:2:153: tls.acme.dns_resolvers[5]: "0.0.0.0" is not the address of a DNS server; write it like 192.0.2.53 or [2001:db8::53]:5353
warder.yaml:2:162: tls.acme.dns_resolvers[6]: "192.0.2.1:dns" is not the address of a DNS server; write it like 192.0.2.53 or [2001:db8::53]:5353
warder.yaml:2:191: tls.acme.dns_delay: is out of range; want 0s to 1h
warder.yaml:2:205: tls.acme.dns_wait: is shorter than any answer takes; take 1s or more, or 0s to look for nothing`},
		{"DNS servers that nobody asks", shorthand + "tls: {acme: {agree_to_terms: true, names: [a.example], dns_command: [/x], dns_resolvers: [192.0.2.53], dns_wait: 0s}}\n", `warder.yaml:2:90: tls.acme.dns_resolvers: has no effect with dns_wait: 0s; leave one of the two out`},
		{"proxies without a header", shorthand + "forwarded: {trusted_proxies: [10.0.0.0/8]}\n", `warder.yaml:2:30: forwarded.trusted_proxies: has no effect without from; say what the proxies write`},
		{"header without proxies", shorthand + "forwarded: {from: forwarded}\n", `warder.yaml:2:13: forwarded: has no trusted_proxies: nobody would be believed; list the addresses of the proxies`},
		{"everybody a proxy", shorthand + "forwarded: {from: x-forwarded-for, trusted_proxies: [0.0.0.0/0, '::/0']}\n", `
warder.yaml:2:54: forwarded.trusted_proxies[0]: holds nearly everybody; list the proxies' own networks
warder.yaml:2:65: forwarded.trusted_proxies[1]: holds nearly everybody; list the proxies' own networks`},
		{"everybody a load balancer", shorthand + "proxy_protocol: {trusted_peers: [10.0.0.7, 0.0.0.0/0, 10.0.0.1/8]}\n", `
warder.yaml:2:44: proxy_protocol.trusted_peers[1]: holds nearly everybody; list the load balancers' own networks
warder.yaml:2:55: proxy_protocol.trusted_peers[2]: "10.0.0.1/8" is neither an address nor a network; write it like 10.0.0.0/8`},
		{"a redirect to anywhere", shorthand + "tls: {redirect_listen: ':80', certificates: [{cert_file: a, key_file: b}]}\n", `warder.yaml:2:24: tls.redirect_listen: needs hosts: redirects go to names that are known; list the gateway's names in hosts`},
		{"a redirect to itself", shorthand + "hosts: [h.example]\ntls: {redirect_listen: ':8443', certificates: [{cert_file: a, key_file: b}]}\nhttps: {port: 8443}\n", `warder.yaml:4:15: https.port: is the port of tls.redirect_listen: redirects would lead back to it`},
		{"HSTS without https", shorthand + "https: {hsts: 1d}\n", `warder.yaml:2:15: https.hsts: tells browsers to use https alone, which nothing here requires; set https.require, or tls.certificates`},
		{"https that cannot be", shorthand + "hosts: [h.example]\nhttps: {require: true}\n", `warder.yaml:3:18: https.require: can never be met: warder speaks no TLS, and believes no proxy that does; set tls.certificates, or forwarded.proto`},
		{"redirects to any host", shorthand + "forwarded: {from: forwarded, trusted_proxies: [10.0.0.1], proto: true}\nhttps: {require: true}\n", `warder.yaml:3:18: https.require: needs hosts: redirects go to names that are known; list the gateway's names in hosts`},
		{"preload too soon", shorthand + "tls: {certificates: [{cert_file: a, key_file: b}]}\nhttps: {hsts: 1d, hsts_preload: true}\n", `warder.yaml:3:33: https.hsts_preload: needs hsts of 365d or more, and hsts_subdomains`},
		{"origins", shorthand + "cors: {default: {origins: ['null', 'https://a/', 'https://*.a', a.example]}}\n", `
warder.yaml:2:28: cors.default.origins[0]: "null" is refused: any page can have this origin; write it like https://app.example.com, with a port if need be
warder.yaml:2:36: cors.default.origins[1]: this value is refused: want scheme://host[:port], lower case, nothing behind; write it like https://app.example.com, with a port if need be
warder.yaml:2:50: cors.default.origins[2]: this value is refused: everybody can have a name below this public suffix; write it like https://app.example.com, with a port if need be
warder.yaml:2:65: cors.default.origins[3]: "a.example" is refused: want scheme://host[:port], lower case, nothing behind; write it like https://app.example.com, with a port if need be`},
		{"everybody with credentials", shorthand + "cors: {default: {origins: ['*'], credentials: true, private_network: true, exposed_headers: ['*']}}\n", `
warder.yaml:2:47: cors.default.credentials: is set for every origin: any site could read what is its visitors'; list the origins
warder.yaml:2:70: cors.default.private_network: is set for every origin: any site could read what is behind its visitors' walls; list the origins
warder.yaml:2:94: cors.default.exposed_headers[0]: "*" is refused: exposed headers: "*" stands alone, and not with Credentials, where it is a name like any other`},
		{"everybody among others", shorthand + "cors: {default: {origins: ['*', 'https://a.example'], exposed_headers: ['*', X-A], max_age: 1500ms}}\n", `
warder.yaml:2:27: cors.default.origins: has * among others; let it stand alone, or list the origins
warder.yaml:2:72: cors.default.exposed_headers: has * among others; let it stand alone
warder.yaml:2:93: cors.default.max_age: is not in whole seconds`},
		{"public suffixes", shorthand + "cors: {default: {origins: ['https://*.github.io', 'https://*.co.uk', 'https://*.com']}}\n", `
warder.yaml:2:28: cors.default.origins[0]: this value is refused: everybody can have a name below this public suffix; write it like https://app.example.com, with a port if need be
warder.yaml:2:51: cors.default.origins[1]: this value is refused: everybody can have a name below this public suffix; write it like https://app.example.com, with a port if need be
warder.yaml:2:70: cors.default.origins[2]: this value is refused: everybody can have a name below this public suffix; write it like https://app.example.com, with a port if need be`},
		{"plain HTTP with credentials", shorthand + "cors: {default: {origins: ['http://a.example', 'http://localhost:3000'], credentials: true}}\n", `
warder.yaml:2:28: cors.default.origins[0]: this value is refused: plain http is anybody's on the network path; use https, or set insecure_http_origins`},
		{"what no page can send or read", shorthand + "cors: {default: {origins: ['https://a.example'], methods: [put, TRACE], request_headers: [Cookie, 'a b'], exposed_headers: [Set-Cookie]}}\n", `
warder.yaml:2:60: cors.default.methods[0]: "put" is refused: want a method in upper case
warder.yaml:2:65: cors.default.methods[1]: "TRACE" is refused: no browser lets a page use it
warder.yaml:2:91: cors.default.request_headers[0]: "Cookie" is refused: no browser lets a page set it
warder.yaml:2:99: cors.default.request_headers[1]: "a b" is refused: want a field name
warder.yaml:2:125: cors.default.exposed_headers[0]: "Set-Cookie" is refused: no browser lets a page read it`},
		{"preflights that nobody lets through", "cors: {default: {origins: ['https://a.example'], preflight: pass}}\n" + reports + "  - {match: /a, upstream: a}\n  - {match: POST /a, upstream: a}\n  - {match: OPTIONS /b, upstream: a, public: true}\n  - {match: /c, upstream: a, security: [{apiKey: []}, {}]}\n  - {match: /d, upstream: a, cors: 'off'}\n", `warder.yaml:5:6: routes[0]: has the CORS policy "default", which passes preflights on, and asks for a credential, which no preflight has; give preflights a public route of their own, such as "OPTIONS /orders", or let the policy answer them`},
		{"origins that may write", shorthand + "csrf: {trusted_origins: ['http://a.example', 'https://*.a.example', 'https://A.example', 'null'], lifetime: 8d}\n", `
warder.yaml:2:26: csrf.trusted_origins[0]: this value is refused: plain http is anybody's on the network path; write it like https://app.example.com, as browsers send it
warder.yaml:2:46: csrf.trusted_origins[1]: this value is refused: want scheme://host[:port] as browsers send it: lower case, no default port, nothing behind; write it like https://app.example.com, as browsers send it
warder.yaml:2:69: csrf.trusted_origins[2]: this value is refused: want scheme://host[:port] as browsers send it: lower case, no default port, nothing behind; write it like https://app.example.com, as browsers send it
warder.yaml:2:90: csrf.trusted_origins[3]: "null" is refused: want scheme://host[:port] as browsers send it: lower case, no default port, nothing behind; write it like https://app.example.com, as browsers send it
warder.yaml:2:109: csrf.lifetime: is out of range; want 1m to 7d`},
		{"where no token can stand", shorthand + "csrf: {header: Authorization, field: 'a[b]'}\n", `
warder.yaml:2:16: csrf.header: "Authorization" cannot hold a token; name a field of letters, digits, - and _ that no page can set without a script, such as X-CSRF-Token
warder.yaml:2:38: csrf.field: "a[b]" cannot hold a token; write letters, digits, - and _ alone, such as csrf_token`},
		{"hosts in shadow that are none", shorthand + "hosts_shadow: true\n", `warder.yaml:2:15: hosts_shadow: has no effect without hosts`},
		{"hosts that are none", shorthand + "hosts: ['*', '*.com', 'https://a.example', 'a b', 'a:0', '::1']\n", `
warder.yaml:2:9: hosts[0]: "*" is refused: every host; write it like api.example.com, "*.example.com" or api.example.com:8443
warder.yaml:2:14: hosts[1]: "*.com" is refused: wildcard for a whole domain of the top level; write it like api.example.com, "*.example.com" or api.example.com:8443
warder.yaml:2:23: hosts[2]: is a URL, want the name of a host; write it like api.example.com, without https:// and path
warder.yaml:2:44: hosts[3]: "a b" is refused: malformed name; write it like api.example.com, "*.example.com" or api.example.com:8443
warder.yaml:2:51: hosts[4]: "a:0" is refused: malformed port; write it like api.example.com, "*.example.com" or api.example.com:8443
warder.yaml:2:58: hosts[5]: "::1" is refused: IPv6 address without brackets; write it like api.example.com, "*.example.com" or api.example.com:8443`},
		{"fields that no browser understands", shorthand + "headers: {content_security_policy: 'a; a', referrer_policy: no-refferer, permissions_policy: camera, remove: ['a b']}\n", `
warder.yaml:2:36: headers.content_security_policy: is refused: Content-Security-Policy: the directive a is there twice
warder.yaml:2:61: headers.referrer_policy: is refused: Referrer-Policy: "no-refferer" is none of no-referrer, no-referrer-when-downgrade, same-origin, origin, strict-origin, origin-when-cross-origin, strict-origin-when-cross-origin, unsafe-url
warder.yaml:2:94: headers.permissions_policy: is refused: Permissions-Policy: "camera" is not of the form feature=(), feature=(self) or feature=*
warder.yaml:2:111: headers.remove[0]: "a b" is not the name of a header field`},
		{"a field that is set and removed", shorthand + "headers: {remove: [Server, x-frame-options]}\n", `warder.yaml:2:19: headers.remove: has a field that headers sets; set that one to "off", or do not remove it`},
		{"fields of other meanings", shorthand + "forwarded: {from: header, header: cookie, trusted_proxies: [10.0.0.1], client_cert_header: Authorization}\n", `
warder.yaml:2:35: forwarded.header: "cookie" has another meaning; name the field that holds the client's address, and nothing else
warder.yaml:2:92: forwarded.client_cert_header: "Authorization" has another meaning; name a field that holds nothing but the certificate`},
		{"one field for two things", shorthand + "forwarded: {from: header, header: X-A, trusted_proxies: [10.0.0.1], client_cert_header: x-a}\n", `warder.yaml:2:89: forwarded.client_cert_header: is the same field as forwarded.header`},
		{"a key disabled where none is refused", shorthand + "https: {on_exposed_key: disable}\n", `warder.yaml:2:25: https.on_exposed_key: has no effect without require or tls.redirect_listen`},
		{"a route's fields that no browser understands", reports + "  - match: /\n    upstream: a\n    headers: {content_security_policy: 'a; a', frame_options: deny, remove: ['a b']}\n", `
warder.yaml:6:40: routes[0].headers.content_security_policy: is refused: Content-Security-Policy: the directive a is there twice
warder.yaml:6:63: routes[0].headers.frame_options: is none of DENY, SAMEORIGIN, off
warder.yaml:6:78: routes[0].headers.remove[0]: "a b" is not the name of a header field`},
		{"a field that is set and removed by one route", reports + "  - {match: /, upstream: a, headers: {remove: [x-frame-options]}}\n", `warder.yaml:4:47: routes[0].headers.remove: has a field that headers sets; set that one to "off", or do not remove it`},
		{"a field that one route sets and all remove", "headers: {remove: [permissions-policy]}\n" + reports + "  - {match: /, upstream: a, headers: {permissions_policy: 'camera=()'}}\n", `warder.yaml:5:39: routes[0].headers: has a field that headers sets; set that one to "off", or do not remove it`},
		{"inherited fields are told of once", "headers: {referrer_policy: x}\n" + reports + "  - {match: /, upstream: a, headers: {frame_options: SAMEORIGIN}}\n", `warder.yaml:1:28: headers.referrer_policy: is refused: Referrer-Policy: "x" is none of no-referrer, no-referrer-when-downgrade, same-origin, origin, strict-origin, origin-when-cross-origin, strict-origin-when-cross-origin, unsafe-url`},
		{"a route's trusted origins", reports + "  - match: /\n    upstream: a\n    csrf: {trusted_origins: [app.example.com, 'https://a.example', 'https://a.example']}\n", `
warder.yaml:6:30: routes[0].csrf.trusted_origins[0]: "app.example.com" is refused: want scheme://host[:port] as browsers send it: lower case, no default port, nothing behind; write it like https://app.example.com, as browsers send it
warder.yaml:6:68: routes[0].csrf.trusted_origins[2]: is in the list twice`},
		{"csrf of a public route", reports + "  - {match: /, upstream: a, public: true, csrf: {shadow: true}}\n", `warder.yaml:4:50: routes[0].csrf: has no effect on a public route, which asks for no credential; take one of them away`},
		{"unknown CORS policy", reports + "  - {match: /, upstream: a, cors: of}\n", `warder.yaml:4:35: routes[0].cors: no policy is called "of"; did you mean "off"?`},
		{"strip prefix form", reports + "  - {match: /a/, upstream: a, strip_prefix: /a/}\n", `warder.yaml:4:45: routes[0].strip_prefix: is not a plain path; write it like /v1/orders, without / at the end`},
		{"strip prefix of another path", reports + "  - {match: /ab/, upstream: a, strip_prefix: /a}\n", `warder.yaml:4:46: routes[0].strip_prefix: the path of match does not begin with it`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := load(t, tt.file, config.Source{})
			wantErrors(t, err, tt.want)
		})
	}
}

func TestAccepted(t *testing.T) {
	tests := []struct{ name, file string }{
		{"comments only around", "# a\n" + shorthand + "# b\n"},
		{"document marks", "---\n" + shorthand + "...\n"},
		{"health off", shorthand + "health_listen: off\n"},
		{"scopes without quotes", reports + "  - {match: /, upstream: a, scopes: [orders:read, b, c:d]}\n"},
		{"one scope without quotes", reports + "  - {match: /, scopes: [orders:read], upstream: a}\n"},
		{"admin off", shorthand + "admin_listen: off\n"},
		{"admin on IPv6 loopback", shorthand + "admin_listen: '[::1]:1'\n"},
		{"admin elsewhere, said so", shorthand + "admin_listen: ':1'\ninsecure_admin_listen: true\n"},
		{"any free port twice", shorthand + "listen: 127.0.0.1:0\nadmin_listen: 127.0.0.1:0\n"},
		{"unlimited", shorthand + "limits: {body_bytes: unlimited}\n"},
		{"0 needs no unit", shorthand + "timeouts: {drain: 0}\n"},
		{"block and flow, quotes and folds", "upstream: >-\n  http://127.0.0.1:3000\nkeys: {realm: \"a b\"}\n"},
		{"patterns from general to special", "upstreams: {a: {url: 'https://[::1]:1/x'}}\nroutes:\n  - {match: /, upstream: a}\n  - {match: 'GET /', upstream: a}\n  - {match: 'GET h.example/{x}/{$}', upstream: a}\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := load(t, tt.file, config.Source{}); err != nil {
				t.Errorf("Load: %v, want no error", err)
			}
		})
	}
}

func TestManyRoutes(t *testing.T) {
	text := "upstreams: {a: {url: 'http://h'}}\nroutes:\n" + strings.Repeat("  - {match: /, upstream: a}\n", 10_001)
	_, err := load(t, text, config.Source{})
	wantErrors(t, err, `warder.yaml:2:1: routes: are 10001, want at most 10000`)
}
