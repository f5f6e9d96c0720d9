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
// The package's example is the same in whole, and examples/library a program of it.
//
// # The map of the house
//
// Vocabulary, on the standard library alone:
//
//   - problem: refusals as RFC 9457 problem details
//   - secret: text that nothing prints
//   - exchange: what is known of a request, the verdict on it, and what came of it
//   - openapi: the security parts of OpenAPI 3.1, and their writer
//
// The edge, what arrived and from whom:
//
//   - httpserver: a server with its limits set, recovery from panics, graceful stop
//   - forwarded: peer, client address, scheme and host
//   - target: one reading of the path
//   - requestid: an id of our own for each request
//   - bodylimit: how much body a handler may read
//
// Protection, beside knowing who it is:
//
//   - cors: which pages of other origins may read
//   - csrf: what another site may have had a browser write
//
// Identity:
//
//   - authn: schemes, requirements, and the stage that judges by them
//   - apikey: the keys' text, issue, revocation, verification; apikeytest proves a store
//
// After the decision:
//
//   - upstream: the reverse proxy and what it must not let through
//   - accesslog, redact: one record per request, and nothing secret in it
//
// Adapters, one per technology:
//
//   - sqlite: keys and nodes in one file
//
// The program:
//
//   - internal/config: file, environment and flags as one checked value
//   - internal/gateway: routes, each with its policy and upstream
//   - internal/fleet: who runs, and who has applied a change
//   - internal/server: listeners, and everything above joined
//   - cmd/warder: the command line
//
// What tests and tools use: internal/attack (the catalogue of attacks and its
// report), internal/golden, internal/imports (who may import whom),
// internal/wire (requests as raw bytes).
package warder
