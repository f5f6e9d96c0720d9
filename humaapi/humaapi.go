// Package humaapi enforces the security that huma's operations declare. huma
// writes an operation's Security into the OpenAPI document and leaves it at that;
// with a [Guard], a request that does not satisfy it is answered 401, 403, 400 or
// 503, and the handler does not run.
//
//	api := humago.New(mux, huma.DefaultConfig("Orders", "1.0.0"))
//	guard, err := humaapi.New(api, humaapi.Config{Schemes: []authn.Scheme{key}})
//	api.OpenAPI().Security = []map[string][]string{{"apiKey": {}}}
//	huma.Register(api, huma.Operation{ /* ... */ }, getOrder)
//	err = guard.Err()
//	stack := &warder.Stack{Edge: edge, Policy: &warder.Policy{BodyLimit: body}}
//	server.Handler = stack.Wrap(mux) // getOrder finds the principal with exchange.From
//
// The Stack in front judges what is not huma's to know: the target, the body's
// length, the client's address. Without it every operation answers 503.
//
// An operation without Security has the document's. When that has none either,
// nothing says that the operation is public, and it answers 503: an empty list,
// []map[string][]string{}, says so. The operation's own Security is what counts,
// hidden or not, in a group or not, whatever the router made of the path.
//
// Not guarded is what huma serves beside operations: the document itself, its
// pages and schemas. Set their paths in huma.Config to "" where they are not for
// everybody, and register an operation in their place. What huma's autopatch makes
// calls operations past the Stack, and so answers 503.
package humaapi

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/danielgtaylor/huma/v2"

	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/openapi"
	"github.com/warder-dev/warder/problem"
)

// Config configures a [Guard].
type Config struct {
	_ [0]func()

	// Schemes are those that Security may name. Where it names several together,
	// the first of them here says who the principal is. Required; each describes
	// itself.
	Schemes []authn.Scheme

	// Realm is that of every challenge; see [authn.Config].
	Realm string
}

// A Guard judges requests by the Security of their operations. It is safe for
// concurrent use.
type Guard struct {
	api      huma.API
	realm    string
	schemes  []authn.Scheme
	declared map[string]openapi.SecurityScheme
	judges   sync.Map // of *judge by *huma.Operation: as many as were registered
}

// A judge is what an operation's Security comes to.
type judge struct {
	requirement authn.Requirement // nil for public
	stage       *authn.Stage      // nil for public
	err         error             // why it cannot be enforced
}

// New adds the schemes to the document of api, and makes api judge what is
// registered from now on. An api that has operations already is refused, since
// they would not be judged; so are middlewares, which would run before.
//
// It reports everything that is wrong with cfg at once.
func New(api huma.API, cfg Config) (*Guard, error) {
	var errs []error
	if len(api.OpenAPI().Paths) > 0 || len(api.Middlewares()) > 0 {
		errs = append(errs, errors.New("humaapi: the API has operations or middlewares already: make the guard first"))
	}
	doc, err := describe(cfg)
	errs = append(errs, err)
	if err == nil {
		errs = append(errs, declare(api.OpenAPI(), doc))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	g := &Guard{api: api, realm: cfg.Realm, schemes: slices.Clone(cfg.Schemes), declared: doc.Components.SecuritySchemes}
	api.OpenAPI().OnAddOperation = append(api.OpenAPI().OnAddOperation, g.document)
	api.UseMiddleware(g.serve)
	return g, nil
}

// describe returns a document with the schemes of cfg, each once.
func describe(cfg Config) (*openapi.Document, error) {
	doc := new(openapi.Document)
	var errs []error
	if len(cfg.Schemes) == 0 {
		errs = append(errs, errors.New("humaapi: Schemes is empty"))
	}
	names := make(map[string]bool)
	for i, scheme := range cfg.Schemes {
		requirement := authn.Require(scheme)
		if _, err := authn.New(authn.Config{Requirement: requirement, Realm: cfg.Realm}); err != nil {
			errs = append(errs, fmt.Errorf("humaapi: Schemes[%d]: %w", i, err))
			continue
		}
		if names[scheme.Name()] {
			errs = append(errs, fmt.Errorf("humaapi: Schemes[%d]: scheme %q is there already", i, scheme.Name()))
		}
		names[scheme.Name()] = true
		if _, err := requirement.Describe(doc); err != nil {
			errs = append(errs, fmt.Errorf("humaapi: Schemes[%d]: %w", i, err))
		}
	}
	return doc, errors.Join(errs...)
}

// Err reports every documented operation whose Security cannot be enforced. Ask
// it when all is registered, and do not start if it says something. An operation
// that it would report, and a hidden one like it, answers 503.
func (g *Guard) Err() error {
	var errs []error
	paths := g.api.OpenAPI().Paths
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		item := paths[path]
		for _, op := range []*huma.Operation{item.Get, item.Put, item.Post, item.Delete, item.Options, item.Head, item.Patch, item.Trace} {
			if op == nil {
				continue
			}
			if err := g.compile(op).err; err != nil {
				errs = append(errs, fmt.Errorf("humaapi: %s %s: %w", op.Method, path, err))
			}
		}
	}
	return errors.Join(errs...)
}

// of returns the judge of op, whose Security must not change once a request came.
func (g *Guard) of(op *huma.Operation) *judge {
	if known, ok := g.judges.Load(op); ok {
		return known.(*judge) //nolint:errcheck,forcetypeassert // nothing else is stored
	}
	known, _ := g.judges.LoadOrStore(op, g.compile(op))
	return known.(*judge) //nolint:errcheck,forcetypeassert // nothing else is stored
}

func (g *Guard) compile(op *huma.Operation) *judge {
	r, err := g.requirement(op)
	if err != nil || r == nil {
		return &judge{err: err}
	}
	stage, err := authn.New(authn.Config{Requirement: r, Realm: g.realm})
	return &judge{requirement: r, stage: stage, err: err}
}

var (
	errSilent = errors.New("neither it nor the document has Security; an empty list makes it public")
	errNil    = errors.New("an entry of its Security is nil; an empty map makes it optional")
)

// requirement reads op's Security, or the document's; nil is public. OpenAPI's
// maps have no order: that of the schemes is taken, so that a request always
// proves the same principal.
func (g *Guard) requirement(op *huma.Operation) (authn.Requirement, error) {
	security := op.Security
	if security == nil {
		security = g.api.OpenAPI().Security
	}
	if security == nil {
		return nil, errSilent
	}
	var r authn.Requirement
	var errs []error
	optional := false
	for _, entry := range security {
		switch {
		case entry == nil:
			errs = append(errs, errNil)
		case len(entry) == 0:
			optional = true // wherever it stands: OpenAPI's list has no order either
		default:
			alternative, err := g.alternative(entry)
			r, errs = append(r, alternative), append(errs, err)
		}
	}
	if optional && r != nil {
		r = append(r, authn.Alternative{})
	}
	return r, errors.Join(errs...)
}

// alternative is entry in the order of the schemes.
func (g *Guard) alternative(entry map[string][]string) (authn.Alternative, error) {
	var a authn.Alternative
	known := make(map[string]bool)
	for _, scheme := range g.schemes {
		if scopes, ok := entry[scheme.Name()]; ok {
			a = append(a, authn.Need{Scheme: scheme, Scopes: scopes})
			known[scheme.Name()] = true
		}
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(entry)) {
		if !known[name] {
			errs = append(errs, fmt.Errorf("its Security names the scheme %q, which the guard does not have", name))
		}
	}
	return a, errors.Join(errs...)
}

// noStack is the answer where nothing has begun to judge the request.
const noStack = "The server is not set up to judge requests: its operations are not behind a Stack."

// serve is the middleware: it runs next for requests that the operation's
// Security passes, and answers all others.
func (g *Guard) serve(ctx huma.Context, next func(huma.Context)) {
	x := exchange.From(ctx.Context())
	if x == nil {
		problem.New(problem.Unavailable, noStack).Write(&writer{ctx: ctx}, accepts(ctx), "")
		return
	}
	j := g.of(ctx.Operation())
	v := exchange.Pass()
	switch {
	case j.err != nil:
		v = exchange.Fail(fmt.Errorf("humaapi: %s %s: %w", ctx.Operation().Method, ctx.Operation().Path, j.err))
	case j.stage != nil:
		v = j.stage.Check(x)
	}
	if !v.Passed() {
		p := v.Problem()
		if p == nil { // an Answer, which no authn.Stage gives
			p = exchange.Fail(nil).Problem()
		}
		x.Refuse(&writer{ctx: ctx}, p, v.Reason(), v.Err())
		return
	}
	next(&judged{humaContext: ctx, x: x})
}

var errOther = errors.New("humaapi: the credential proves somebody else now")

// Recheck judges anew whether the sender of a request for op that was passed, and
// whose answer is still under way, keeps the right to it, as the Recheck of a
// warder.Stack does: for exchange.Watch, while an operation streams. It passes when
// the operation's Security does, and the principal and its owner are the same.
// Nothing is written.
//
// The header of the request must not be changed while Recheck runs.
func (g *Guard) Recheck(ctx context.Context, op *huma.Operation, x *exchange.Exchange) exchange.Verdict {
	j := g.of(op)
	if j.err != nil {
		return exchange.Fail(j.err)
	}
	if j.stage == nil {
		return exchange.Pass()
	}
	again := x.Again(ctx)
	if v := j.stage.Check(again); !v.Passed() {
		return v
	}
	if again.Principal.IsZero() != x.Principal.IsZero() || again.Principal.Owner != x.Principal.Owner || !again.Principal.IsZero() && !again.Principal.Same(&x.Principal) {
		return exchange.Fail(errOther)
	}
	return exchange.Pass()
}
