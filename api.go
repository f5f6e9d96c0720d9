package warder

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/forwarded"
	"github.com/warder-dev/warder/openapi"
	"github.com/warder-dev/warder/target"
)

// APIConfig configures an [API]. Title and Version are required.
type APIConfig struct {
	_ [0]func()

	Title       string // the API's name
	Version     string // of the API's description, such as "1.4.0"
	Description string // CommonMark
	Servers     []openapi.Server
	Tags        []openapi.Tag             // of the operations, in the order in which readers see them
	Schemas     map[string]openapi.Schema // what operations refer to as "#/components/schemas/..."

	// Requirement is what an operation asks for that says nothing itself, as the
	// security of an OpenAPI document is. Without it every operation must say.
	Requirement authn.Requirement

	// Realm is that of every challenge; see [authn.Config].
	Realm string

	// Edge is what every request meets. A nil Forwarded believes no forwarded
	// field, and a nil Target is the strict one: without them there is no address
	// and no path to judge.
	Edge Edge

	// Policy holds the other stages of operations that have no Policy of their
	// own. It is a template: every operation gets a copy. Its Authn must be nil. Its
	// CORS, which answers the preflights of the operations, is also that of answers
	// for no operation.
	Policy *Policy
}

// An API is a handler whose operations are guarded and described by the same
// values: what its OpenAPI document says of security is what its Stack enforces.
//
// All of Handle must happen before the first request; an API then is safe for
// concurrent use.
type API struct {
	info       openapi.Document // without operations
	inherited  authn.Requirement
	authn      *authn.Stage // of inherited; nil when it is
	realm      string
	template   *Policy
	routes     Routes
	stack      Stack
	operations []*operation
	byPattern  map[string]*operation
	schemes    map[string]authn.Scheme
	ids        map[string]bool
	shapes     map[string]string // path by shape

	write    sync.Once
	text     []byte // of the document
	writeErr error
}

// An Operation is what an [API] knows of one route beside its pattern: who may
// call it, and what to tell whoever wants to.
type Operation struct {
	_ [0]func()

	ID          string // names the operation among all: tools make names of functions from it
	Summary     string // one line
	Description string // CommonMark
	Tags        []string

	// Requirement is what a request must prove here, instead of the API's.
	Requirement authn.Requirement

	// Public asks for nothing. It is the only way to: an operation without a
	// requirement anywhere is refused.
	Public bool

	// Policy holds the stages beside Authn, instead of the API's. It is a template
	// too. When it has an Authn, that is the requirement, and none is said here.
	Policy *Policy

	// Parameters are those of query, header and cookie. Those of the path are
	// taken from the pattern, as strings, when they are not here.
	Parameters []openapi.Parameter

	RequestBody *openapi.RequestBody

	// Responses are the handler's own answers. Those of the guard join them.
	Responses openapi.Responses
}

// operation is an [Operation] with its route.
type operation struct {
	Operation
	pattern string
	route   route
	guard   *Policy
	inherit bool // the requirement is the API's
	handler http.Handler
}

// NewAPI reports everything that is wrong with cfg at once. Changing cfg later
// has no effect.
func NewAPI(cfg APIConfig) (*API, error) {
	a := &API{
		info: openapi.Document{
			OpenAPI: openapi.Version,
			Info:    openapi.Info{Title: cfg.Title, Version: cfg.Version, Description: cfg.Description},
			Servers: slices.Clone(cfg.Servers), Tags: slices.Clone(cfg.Tags),
			Components: openapi.Components{Schemas: cfg.Schemas},
		},
		realm: cfg.Realm, template: cfg.Policy.clone(),
		byPattern: make(map[string]*operation), schemes: make(map[string]authn.Scheme), ids: make(map[string]bool), shapes: make(map[string]string),
	}
	errs := []error{a.inherit(cfg.Requirement), a.edge(cfg.Edge)}
	if a.template.Authn != nil {
		errs = append(errs, errors.New("warder: the API's Policy has an Authn: say it as its Requirement"))
	}
	if a.template.Deny != nil {
		errs = append(errs, errDeny)
	}
	if errors.Join(errs...) == nil {
		_, err := a.document(&operation{route: route{method: http.MethodGet, path: "/"}, Operation: Operation{Public: true}, guard: a.template})
		errs = append(errs, err) // what is wrong with an API of one plain operation
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return a, nil
}

// inherit makes r what operations ask for that say nothing.
func (a *API) inherit(r authn.Requirement) error {
	if r == nil {
		return nil
	}
	stage, err := authn.New(authn.Config{Requirement: r, Realm: a.realm})
	if err != nil {
		return err
	}
	a.authn, a.inherited = stage, stage.Requirement()
	return a.learn(a.inherited)
}

// edge makes e that of the Stack, with what no API can be without.
func (a *API) edge(e Edge) error {
	if e.Forwarded == nil {
		e.Forwarded = forwarded.Direct()
	}
	var err error
	if e.Target == nil {
		e.Target, err = target.New(target.Config{})
	}
	a.stack = Stack{Edge: e, Route: &a.routes}
	a.routes.CORS = a.template.CORS // what is found nowhere is read as what is
	return err
}

var (
	errDeny    = errors.New("warder: a Policy of an API has a Deny: that is for what matches no operation")
	errSilent  = errors.New("it has no requirement, and neither has the API; say Public when nothing is to be asked for")
	errTwice   = errors.New("it says Requirement, Public and Policy.Authn, or two of them: say one")
	errHandler = errors.New("its handler is missing")
)

// clone returns the stages of p for another use; none when p is nil.
func (p *Policy) clone() *Policy {
	c := new(Policy)
	if p == nil {
		return c
	}
	from, to := reflect.ValueOf(p).Elem(), reflect.ValueOf(c).Elem()
	for i := range from.NumField() {
		if from.Type().Field(i).IsExported() {
			to.Field(i).Set(from.Field(i))
		}
	}
	return c
}

// Handle adds the operation of pattern, which is "METHOD /path" in the words of
// [http.ServeMux]: "GET /orders/{id}", "GET /files/{path...}", "GET /{$}". GET
// takes HEAD. Hosts and slashes at the end are left out, since OpenAPI has no
// words for what they match.
//
// It reports everything that keeps o from being guarded or described, and then
// has changed nothing.
func (a *API) Handle(pattern string, o Operation, h http.Handler) error {
	if err := a.handle(pattern, o, h); err != nil {
		return fmt.Errorf("warder: operation %q: %w", pattern, err)
	}
	return nil
}

// HandleFunc is Handle for a function.
func (a *API) HandleFunc(pattern string, o Operation, h func(http.ResponseWriter, *http.Request)) error {
	if h == nil {
		return a.Handle(pattern, o, nil)
	}
	return a.Handle(pattern, o, http.HandlerFunc(h))
}

func (a *API) handle(pattern string, o Operation, h http.Handler) error {
	if h == nil {
		return errHandler
	}
	to, err := parseRoute(pattern)
	if err != nil {
		return err
	}
	op := &operation{Operation: o, pattern: pattern, route: to, handler: h}
	if err := a.guard(op); err != nil {
		return err
	}
	if _, err := a.document(op); err != nil {
		return err
	}
	if other, taken := a.shapes[openapi.Shape(to.path)]; taken && other != to.path {
		return fmt.Errorf("its path is %q with other names for the parameters", other)
	}
	if o.ID != "" && a.ids[o.ID] {
		return fmt.Errorf("another operation has the ID %q", o.ID)
	}
	if err := a.learn(op.Requirement); err != nil {
		return err
	}
	if err := a.routes.Handle(pattern, op.guard); err != nil {
		return err
	}
	a.shapes[openapi.Shape(to.path)], a.ids[o.ID] = to.path, true
	a.operations, a.byPattern[pattern] = append(a.operations, op), op
	return nil
}

// guard makes op's policy of its template and the one requirement that it has.
func (a *API) guard(op *operation) error {
	template := op.Policy
	if template == nil {
		template = a.template
	}
	op.guard = template.clone()
	said := 0
	for _, is := range []bool{op.Requirement != nil, op.Public, op.guard.Authn != nil} {
		if is {
			said++
		}
	}
	switch {
	case said > 1:
		return errTwice
	case op.guard.Deny != nil:
		return errDeny
	case op.Public:
	case op.guard.Authn != nil:
		op.Requirement = op.guard.Authn.Requirement()
	case op.Requirement != nil:
		stage, err := authn.New(authn.Config{Requirement: op.Requirement, Realm: a.realm})
		if err != nil {
			return err
		}
		op.guard.Authn, op.Requirement = stage, stage.Requirement()
	case a.authn != nil:
		op.guard.Authn, op.Requirement, op.inherit = a.authn, a.inherited, true
	default:
		return errSilent
	}
	return nil
}

// learn notes the schemes of r. One name is one scheme in all of an API: what is
// documented under it once could not be what two of them enforce.
func (a *API) learn(r authn.Requirement) error {
	for _, alternative := range r {
		for _, need := range alternative {
			name := need.Scheme.Name()
			known, taken := a.schemes[name]
			if taken && (!reflect.ValueOf(known).Comparable() || !reflect.ValueOf(need.Scheme).Comparable() || known != need.Scheme) {
				return fmt.Errorf("another scheme of the API has the name %q", name)
			}
			if !taken {
				a.schemes[name] = need.Scheme
			}
		}
	}
	return nil
}

// Handler is the API behind its Stack. It must see the target as it was sent:
// nothing before it may strip a prefix.
func (a *API) Handler() http.Handler { return a.stack.Wrap(http.HandlerFunc(a.serve)) }

var errNoOperation = errors.New("warder: the request was allowed by a route that is no operation of the API")

// serve runs the operation whose policy passed the request: the route is not
// looked for a second time, so that nobody can find another one.
func (a *API) serve(w http.ResponseWriter, r *http.Request) {
	x := exchange.From(r.Context())
	op := a.byPattern[x.Route]
	if op == nil || x.Policy != any(op.guard) {
		v := exchange.Fail(errNoOperation)
		x.Refuse(w, v.Problem(), v.Reason(), v.Err())
		return
	}
	r.Pattern = op.pattern
	op.route.setValues(r, x.Path)
	op.handler.ServeHTTP(w, r)
}

// ServeDocument answers with the OpenAPI document. It is a handler for an
// operation such as "GET /openapi.json", which says as any other does who may
// read it.
func (a *API) ServeDocument(w http.ResponseWriter, r *http.Request) {
	a.write.Do(a.writeDocument)
	if a.writeErr != nil {
		x := exchange.From(r.Context())
		if x == nil {
			x = exchange.New(r)
		}
		v := exchange.Fail(a.writeErr)
		x.Refuse(w, v.Problem(), v.Reason(), v.Err())
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(a.text) // the client may be gone
}

func (a *API) writeDocument() {
	doc, err := a.Document()
	var b strings.Builder
	if err == nil {
		err = doc.Write(&b)
	}
	a.text, a.writeErr = []byte(b.String()), err
}
