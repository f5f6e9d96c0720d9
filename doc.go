// Package warder puts API keys, and everything that has to stand around them,
// in front of any HTTP API.
//
// The core is a decision: a [Stack] judges a request by the stages of its
// [Edge], finds its route, and judges it by the stages of that route's
// [Policy]. A request is allowed when every stage passed it, and never
// otherwise; a stage that cannot judge is 503.
//
//	verifier, err := apikey.NewVerifier(apikey.VerifierConfig{Store: store, Peppers: peppers, Log: log})
//	// ... and so for each error
//	header, err := apikey.NewHeader(apikey.HeaderConfig{Verifier: verifier})
//	keys, err := authn.New(authn.Config{Requirement: authn.Require(header)})
//	paths, err := target.New(target.Config{})
//	body, err := bodylimit.New(bodylimit.Config{Max: 1 << 20})
//
//	routes := new(warder.Routes)
//	err = routes.Handle("GET /healthz", &warder.Policy{})
//	err = routes.Handle("/", &warder.Policy{BodyLimit: body, Authn: keys})
//	stack := &warder.Stack{
//		Edge:  warder.Edge{Recover: httpserver.NewRecover(log), Forwarded: forwarded.Direct(), Target: paths},
//		Route: routes,
//	}
//	server, err := httpserver.New(httpserver.Config{Handler: stack.Wrap(api), Log: log}) // api finds the principal with exchange.From
//
// The package's example is the same in whole, examples/library a program of it,
// and examples/eleven a service with everything around it.
//
// An [API] is a Stack with operations: each of them is guarded and described in
// OpenAPI by one value, so that the document says what is enforced.
//
// # The map of the house
//
// Vocabulary, on the standard library alone:
//
//   - problem: refusals as RFC 9457 problem details
//   - secret: text that nothing prints
//   - exchange: what is known of a request, the verdict on it, and what came of it
//   - credential: what may be a credential in the raw fields of a request
//   - openapi: the security parts of OpenAPI 3.1, and their writer
//
// The edge, what arrived and from whom:
//
//   - httpserver: a server with its limits set, HTTP/2, recovery from panics, graceful stop, the way to https
//   - http3: HTTP/3 beside it, with the same handler, limits and checks
//   - tlsconfig: TLS, certificates that are followed, client certificates
//   - tlsconfig/acme: certificates that are got and renewed by themselves
//   - proxyproto: who connected to a load balancer of connections
//   - forwarded: peer, client address, scheme and host, believed from listed proxies only
//   - trustedhost: which hosts are served
//   - target: one reading of the path
//   - requestid: an id of our own for each request
//   - bodylimit: how much body a handler may read
//
// Protection:
//
//   - securityheaders: what a browser may do with an answer
//   - cors: which pages of other origins may read
//   - csrf: what another site may have had a browser write
//   - ratelimit: how many requests, of whom
//   - bruteforce: who sends wrong credentials waits
//
// Identity:
//
//   - authn: schemes, requirements, and the stage that judges by them
//   - authz: conditions beyond scopes
//   - authz/celcond: conditions, written as expressions
//   - apikey: the keys' text, issue, revocation, verification
//   - apikey/keytoken: short-lived tokens that are made from keys
//   - leak: keys where they should not be: rules, a scanner, and reports of others
//   - mtls: verified client certificates
//   - jwt: bearer tokens that are verified with their issuer's keys, and short ones of our own
//   - introspection: bearer tokens that their issuer is asked about
//   - session: what a cookie stands for, kept on the server
//   - session/password: logins by name and password, and HTTP Basic
//   - session/password/known: passwords that others know, for new ones to be compared with
//   - session/oidc: logins at an OpenID provider
//   - account: the people and machines that administer, their roles and second factors
//   - account/login: how a request proves one of them
//
// After the decision:
//
//   - contract: OpenAPI documents of others, and the stage that judges by them
//   - ticket: how a service knows that a request came through warder, where another proxy forwards it
//   - upstream: the reverse proxy and what it must not let through
//   - usage: credits, which requests spend and which come back
//   - usage/tally: what each key was used for, counted, and what is wrong with it
//   - audit: what was changed, by whom and from where, in a chain that shows what was done to it
//   - webhook: signed events to other programs, until they are taken
//   - accesslog, redact: one record per request, and nothing secret in it
//
// Adapters, one per technology:
//
//   - humaapi: the security of huma's operations, enforced
//   - sqlite: keys, nodes, sessions and credits in one file
//   - postgres: the same in a database that many nodes share
//   - redis: limits and sessions that nodes share
//
// Contracts, as tests for what you write yourself:
//
//   - account/accounttest, apikey/apikeytest, audit/audittest, internal/idempotency/idempotencytest, internal/portallink/portallinktest, ratelimit/ratelimittest, session/sessiontest, usage/tally/tallytest, usage/usagetest, webhook/webhooktest: a store of each
//   - openapi/openapitest: an API that asks for what its document says
//
// The program:
//
//   - cmd/warder: the command line
//   - internal/config: file, environment and flags as one checked value
//   - internal/gateway: routes, each with its policy and upstream
//   - internal/decision: the same routes, for proxies that only ask
//   - internal/decision/extauthz: and for Envoy, which asks over gRPC
//   - internal/decision/ratelimits: limits that Envoy asks about, by what it calls descriptors
//   - internal/server: listeners, and everything above joined
//   - internal/dnscommand: a program of the operator that publishes records in the DNS
//   - internal/keyimport: the keys of other systems, from what those export
//   - internal/fleet: who runs, and who has applied a change
//   - internal/policytest: tables of requests and the answers that are expected
//   - client: the Go client of the admin API
//   - internal/clientgen: what writes it from the API's document
//   - internal/portal: the pages on which holders see to their keys
//   - internal/portallink: links to the holders' portal, good once, and their sessions
//   - internal/idempotency: what came of requests that a client may send again
//   - internal/jsonwalk: JSON, token by token
//   - internal/keyservice: the admin REST API of keys, credits, audit and usage
//   - internal/adminui: the admin web page, a client of that API
//   - internal/housekeeping: what is due without anybody asking: notices of keys that expire
//   - internal/postgresurl: the address of a PostgreSQL database, without its password
//   - internal/tracing: spans of requests, posted to a collector of OpenTelemetry
//   - internal/systemd: sockets and words of the service manager
//
// What several of them share:
//
//   - internal/bearer: how a token is read
//   - internal/hexadecimal, internal/pathpattern: how paths are decoded, and patterns of them matched and compared
//   - internal/outgoing: how others are asked
//
// What tests and tools use:
//
//   - internal/attack, internal/attack/report: the catalogue of attacks, and its report
//   - internal/golden: files that a run is compared with
//   - internal/hostile: texts that attackers send
//   - internal/imports: who may import whom
//   - internal/testcert: certificates of every sort
//   - internal/testotlp: a collector of traces, for tests
//   - internal/testpostgres: a real PostgreSQL server for tests
//   - internal/testredis: a real redis-server for one test
//   - internal/testscan: sqlmap and wapiti against one server of a test
//   - internal/wire: requests as raw bytes
package warder
