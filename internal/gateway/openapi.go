package gateway

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/contract"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/internal/outgoing"
)

// What reading a document may take.
const (
	maxDocument     = 4 << 20 // bytes
	documentTimeout = 20 * time.Second
)

// documents are the OpenAPI documents that are policy. mu is held by whoever
// changes what is served; requests read table alone.
type documents struct {
	all    []*document
	fixed  []fixed // routes that no document made
	routes func() *warder.Routes
	table  table

	mu     sync.Mutex
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// fixed is a pattern that stays when a document changes.
type fixed struct {
	pattern string
	policy  *warder.Policy
}

// A table is the route of a gateway with documents: routes that are exchanged as a
// whole, so that each request meets the old ones or the new ones.
type table struct {
	current   atomic.Pointer[warder.Routes]
	unmatched func(x *exchange.Exchange)
}

// Match implements [warder.Route].
func (t *table) Match(x *exchange.Exchange) *warder.Policy {
	p := t.current.Load().Match(x)
	if x.Route == "" && !x.Dry {
		t.unmatched(x)
	}
	return p
}

// A document is one of them, as it is served.
type document struct {
	gateway *Gateway
	cfg     *config.OpenAPIDocument
	field   string // in the configuration
	client  *http.Client
	to      http.Handler
	drift   *drift
	base    atomic.Pointer[string] // of what is served

	// guarded by documents.mu
	sum     [sha256.Size]byte // of what is served
	served  *version
	held    *version // it asks for less, and waits to be confirmed
	less    []string // what it asks for less
	problem string   // of the last reading; "" for none
}

// A version is what one text of a document makes.
type version struct {
	text       []byte
	sum        [sha256.Size]byte
	document   *contract.Document
	operations []operation
	since      time.Time
	changed    []OperationChange   // against what was served before
	judgesLess map[string][]string // by pattern: what of that passes now and was refused
}

// An operation is one with everything that it asks for in the gateway's words.
type operation struct {
	*contract.Operation

	pattern string
	route   config.Route
	mode    string
	policy  *warder.Policy
}

// addDocuments reads every document, for the first time, and begins to follow
// them. Nothing is served when one cannot be read.
func (g *Gateway) addDocuments(routes func() *warder.Routes) error {
	d := &g.documents
	d.routes = routes
	d.table.unmatched = d.unmatched
	ctx, cancel := context.WithCancel(context.Background())
	d.cancel = cancel
	d.mu.Lock()
	defer d.mu.Unlock()
	var errs []error
	for i := range g.cfg.Config.OpenAPIDocuments {
		one, err := g.newDocument(i)
		if err == nil {
			var v *version
			if v, err = one.first(ctx); err == nil {
				one.serve(v)
			}
		}
		if err != nil {
			errs = append(errs, documentError(g.cfg.Config, i, err))
		}
		d.all = append(d.all, one)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	next, err := d.join()
	if err != nil {
		return err
	}
	d.table.current.Store(next)
	for _, one := range d.all {
		one.tell()
		d.done.Go(func() { one.follow(ctx) })
	}
	return nil
}

// closeDocuments ends the following.
func (g *Gateway) closeDocuments() {
	if g.documents.cancel != nil {
		g.documents.cancel()
	}
	g.documents.done.Wait()
	for _, one := range g.documents.all {
		if one != nil && one.client != nil {
			one.client.CloseIdleConnections()
		}
	}
}

func (g *Gateway) newDocument(i int) (*document, error) {
	cfg := &g.cfg.Config.OpenAPIDocuments[i]
	d := &document{gateway: g, cfg: cfg, field: fmt.Sprintf("openapi_documents[%d]", i), drift: g.drifts[cfg.Name]}
	if d.drift == nil {
		d.drift = new(drift)
	}
	to, err := g.to(&config.Route{Upstream: cfg.Upstream})
	if err != nil {
		return nil, err
	}
	d.to = to
	address, fetched := cfg.URL()
	if !fetched {
		return d, nil
	}
	pool, err := poolOf(cfg.CAFile)
	if err != nil {
		return nil, err
	}
	d.client, err = outgoing.New(outgoing.Config{
		Timeout: documentTimeout, MaxBytes: maxDocument, MaxConnections: 1, RootCAs: pool,
		InsecureHTTP: address.Scheme == "http", // only where the configuration let it be
	})
	return d, err
}

// read returns the text of the document.
func (d *document) read(ctx context.Context) ([]byte, error) {
	if d.client == nil {
		return readFile(d.cfg.Document)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, d.cfg.Document, http.NoBody)
	if err != nil {
		return nil, errors.New("its URL cannot be asked")
	}
	r.Header.Set("Accept", "application/json, application/yaml")
	response, err := d.client.Do(r)
	if err != nil {
		return nil, withoutURL(err)
	}
	defer response.Body.Close() //nolint:errcheck // read only
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("its server answers with status %d, want 200", response.StatusCode)
	}
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, fmt.Errorf("its server's answer broke off, or is too long: %w", withoutURL(err))
	}
	return text, nil
}

// readFile reads a regular file, up to a bound.
func readFile(name string) ([]byte, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) //nolint:gosec // the operator names the file; a pipe must not be waited for
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // read only
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no file", name)
	}
	return io.ReadAll(io.LimitReader(f, maxDocument+1))
}

// withoutURL takes the URL off an error of a client: its query may hold a token.
func withoutURL(err error) error {
	var e interface{ Unwrap() error }
	for errors.As(err, &e) && strings.Contains(err.Error(), "://") {
		inner := e.Unwrap()
		if inner == nil {
			break
		}
		err, e = inner, nil
	}
	if strings.Contains(err.Error(), "://") {
		return errors.New("its server cannot be asked")
	}
	return err
}

// first reads the document when nothing is served yet. When other settings are put
// into force it goes on with what was served: the document may ask for less by now,
// and nobody has confirmed that.
func (d *document) first(ctx context.Context) (*version, error) {
	if text, ok := d.gateway.described[d.cfg.Name]; ok {
		return d.version(text)
	}
	text, err := d.read(ctx)
	if err != nil {
		return nil, fmt.Errorf("the document cannot be read: %w", err)
	}
	return d.version(text)
}

// version makes of text what can be served.
func (d *document) version(text []byte) (*version, error) {
	doc, err := contract.Read(text, contract.Options{Bytes: maxDocument, Base: d.cfg.BasePath})
	if err != nil {
		return nil, err
	}
	v := &version{text: text, sum: sha256.Sum256(text), document: doc, since: time.Now()}
	schemes, err := d.schemes(doc)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, o := range doc.Operations {
		one, err := d.operation(o, schemes)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s (%s): %w", o.Name(), o.Place(), err))
			if len(errs) == 20 {
				break
			}
			continue
		}
		v.operations = append(v.operations, one)
	}
	if d.cfg.Undeclared == config.UndeclaredReport {
		rest, err := d.rest(doc)
		errs = append(errs, err)
		v.operations = append(v.operations, rest)
	}
	return v, errors.Join(errs...)
}

// operation makes the policy of one operation.
func (d *document) operation(o *contract.Operation, schemes map[string]string) (operation, error) {
	one := operation{Operation: o, pattern: o.Method + " " + d.cfg.Host + o.Pattern, mode: cmp.Or(o.Mode, d.cfg.Mode)}
	one.route = config.Route{Match: one.pattern, Upstream: d.cfg.Upstream, RateLimits: o.Limits, Scopes: o.Scopes}
	switch {
	case o.Stated && len(o.Security) == 0:
		one.route.Public = true
	case o.Stated:
		one.route.Security, one.route.Scopes = securityOf(o, schemes), nil
	}
	if one.mode != config.ModeOff && d.gateway.cfg.Config.Decision.On() {
		return one, errors.New("x-warder-mode cannot hold where proxies ask by decision.listen: they do not show the body")
	}
	if err := d.checkLimits(&one.route); err != nil {
		return one, err
	}
	stage := &operationStage{to: d.to, count: d.drift.operation(one.pattern)}
	if one.mode != config.ModeOff {
		var err error
		stage.judge, err = contract.New(contract.Config{
			Operation: o, MaxBytes: int64(d.cfg.BodyBytes), UnknownQuery: d.cfg.UnknownQuery == config.UnknownQueryAllow,
			Shadow: one.mode == config.ModeShadow,
			Shadowed: func(x *exchange.Exchange, reason string) {
				stage.count.invalid.Add(1)
				d.gateway.cfg.Shadowed(x, "validate", reason)
			},
		})
		if err != nil {
			return one, err
		}
	}
	return one, d.guard(&one, stage)
}

// guard makes the policy of one, with stage as what validates.
func (d *document) guard(one *operation, stage *operationStage) error {
	policy, err := d.gateway.policy(&one.route)
	if err != nil {
		return err
	}
	if one.Operation != nil && len(one.Roles) > 0 {
		if policy.Authz, err = d.roles(one.Roles); err != nil {
			return err
		}
	}
	policy.Validate = stage
	one.policy = policy
	return d.gateway.addCredit(policy, &one.route)
}

// rest is what takes everything below the base path that is not declared.
func (d *document) rest(doc *contract.Document) (operation, error) {
	one := operation{pattern: d.cfg.Host + d.baseOf(doc) + "/", mode: config.ModeOff}
	one.route = config.Route{Match: one.pattern, Upstream: d.cfg.Upstream}
	return one, d.guard(&one, &operationStage{to: d.to, undeclared: d.drift})
}

// baseOf is the path that everything of the document begins with.
func (d *document) baseOf(doc *contract.Document) string {
	if d.cfg.BasePath != "" {
		return strings.TrimSuffix(d.cfg.BasePath, "/")
	}
	return doc.Base
}

// CheckDocuments reads the documents that are files, and reports what would keep
// the gateway from starting with them, for those who check a configuration. Those
// behind a URL are not asked for.
func CheckDocuments(cfg *config.Config) error {
	var errs []error
	for i := range cfg.OpenAPIDocuments {
		d := &document{
			gateway: &Gateway{cfg: Config{Config: cfg}}, cfg: &cfg.OpenAPIDocuments[i], field: fmt.Sprintf("openapi_documents[%d]", i),
		}
		if _, fetched := d.cfg.URL(); fetched {
			continue
		}
		if err := d.check(); err != nil {
			errs = append(errs, documentError(cfg, i, err))
		}
	}
	return errors.Join(errs...)
}

// check is version without a policy.
func (d *document) check() error {
	text, err := readFile(d.cfg.Document)
	if err != nil {
		return fmt.Errorf("the document cannot be read: %w", err)
	}
	doc, err := contract.Read(text, contract.Options{Bytes: maxDocument, Base: d.cfg.BasePath})
	if err != nil {
		return err
	}
	_, err = d.schemes(doc)
	errs := []error{err}
	for _, o := range doc.Operations {
		if err := d.checkLimits(&config.Route{RateLimits: o.Limits}); err != nil && len(errs) < 20 {
			errs = append(errs, fmt.Errorf("%s (%s): %w", o.Name(), o.Place(), err))
		}
	}
	return errors.Join(errs...)
}

// checkLimits wants limits that there are, and that the store can count at once.
func (d *document) checkLimits(route *config.Route) error {
	cfg := d.gateway.cfg.Config
	for _, name := range route.RateLimits {
		if name == config.Off {
			return errors.New("x-warder-limits names off: a document cannot take limits away")
		}
		if _, known := cfg.RateLimits[name]; !known {
			return fmt.Errorf("x-warder-limits names %q, which rate_limits lacks", name)
		}
	}
	var together [][]string
	eachStage(cfg, func(names []string) { together = append(together, names) })
	err := error(nil)
	eachStage(&config.Config{RateLimits: cfg.RateLimits, DefaultRateLimits: cfg.RouteLimits(route)}, func(names []string) {
		known := slices.ContainsFunc(together, func(all []string) bool {
			return !slices.ContainsFunc(names, func(name string) bool { return !slices.Contains(all, name) })
		})
		if len(names) > 1 && !known {
			err = fmt.Errorf("its limits %s are shared through redis, and no route of the configuration has them together: name fewer, or list them in default_rate_limits", strings.Join(names, ", "))
		}
	})
	return err
}

// securityOf is what o asks for, in schemes of the configuration.
func securityOf(o *contract.Operation, schemes map[string]string) []config.Alternative {
	all := make([]config.Alternative, 0, len(o.Security))
	for _, a := range o.Security {
		mapped := config.Alternative{}
		for name, scopes := range a {
			to := schemes[name]
			for _, scope := range slices.Concat(scopes, o.Scopes) {
				if !slices.Contains(mapped[to], scope) {
					mapped[to] = append(mapped[to], scope)
				}
			}
			if mapped[to] == nil {
				mapped[to] = []string{}
			}
		}
		all = append(all, mapped)
	}
	return all
}

// serve lets v be what is served, once documents.join was asked for it.
func (d *document) serve(v *version) {
	d.served, d.sum = v, v.sum
	base := d.baseOf(v.document)
	d.base.Store(&base)
	d.held, d.less, d.problem = nil, nil, ""
}

// join makes the routes of everything: those of the configuration, and of each
// document what it serves.
func (d *documents) join() (*warder.Routes, error) {
	routes := d.routes()
	var errs []error
	for _, f := range d.fixed {
		errs = append(errs, routes.Handle(f.pattern, f.policy))
	}
	for _, one := range d.all {
		for i := range one.served.operations {
			o := &one.served.operations[i]
			if err := routes.Handle(o.pattern, o.policy); err != nil && len(errs) < 20 {
				errs = append(errs, fmt.Errorf("%s %q: %w", one.field, one.cfg.Name, err))
			}
		}
	}
	return routes, errors.Join(errs...)
}

// follow reads the document again and again until ctx ends.
func (d *document) follow(ctx context.Context) {
	tick := time.NewTicker(d.cfg.Reload)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			text, err := d.read(ctx)
			if ctx.Err() != nil {
				return
			}
			d.reload(text, err)
		}
	}
}

// reload judges what was read: what cannot be used, or asks for less, changes
// nothing.
func (d *document) reload(text []byte, err error) {
	d.gateway.documents.mu.Lock()
	defer d.gateway.documents.mu.Unlock()
	if err != nil {
		d.fail("cannot be read: " + err.Error())
		return
	}
	switch sum := sha256.Sum256(text); {
	case sum == d.sum:
		if d.problem != "" || d.held != nil {
			d.log().Info("the document is again the one that is served")
		}
		d.held, d.less, d.problem = nil, nil, ""
		return
	case d.held != nil && sum == d.held.sum: // told already
		d.problem = ""
		return
	}
	v, err := d.version(text)
	if err == nil {
		err = d.goesWith(v)
	}
	if err != nil {
		d.fail("is not usable: " + err.Error())
		return
	}
	d.compare(v)
	less := d.loosened(v)
	if len(less) > 0 && !d.cfg.InsecureFollowUpstream {
		d.held, d.less, d.problem = v, less, ""
		d.tellLess("the document was changed so that it asks for less: what was served stays until somebody confirms, by the admin listener or a restart", less)
		d.tellChanges(v)
		return
	}
	if err := d.exchange(v); err != nil {
		d.fail("is not usable: " + err.Error())
		return
	}
	if len(less) > 0 {
		d.tellLess("the document was changed so that it asks for less, and is followed all the same", less)
	}
	d.tellChanges(v)
	d.tell()
}

// goesWith reports why v cannot be served beside the other routes, so that nobody is
// asked to confirm what cannot be.
func (d *document) goesWith(v *version) error {
	before := d.served
	d.served = v
	_, err := d.gateway.documents.join()
	d.served = before
	return err
}

// exchange serves v from now on.
func (d *document) exchange(v *version) error {
	before, held, less, problem := d.served, d.held, d.less, d.problem
	d.serve(v)
	next, err := d.gateway.documents.join()
	if err != nil {
		d.serve(before)
		d.held, d.less, d.problem = held, less, problem
		return err
	}
	d.gateway.documents.table.current.Store(next)
	return nil
}

// fail notes that the document cannot be used, and says so once for each reason.
func (d *document) fail(problem string) {
	if d.problem != problem {
		d.log().Warn("the document "+problem, slog.Bool("served", d.served != nil))
	}
	d.problem = problem
}

func (d *document) log() *slog.Logger {
	return d.gateway.cfg.Log.With(slog.String("document", d.cfg.Name))
}

// tell says what is served.
func (d *document) tell() {
	v := d.served
	open := 0
	for i := range v.operations {
		if o := v.operations[i].Operation; o != nil && o.Public() {
			open++
		}
	}
	d.drift.keep(v.operations)
	d.log().Info("the operations of an OpenAPI document are served", slog.Int("operations", len(v.document.Operations)), slog.Int("open", open))
	for i, warning := range v.document.Warnings {
		if i == 10 {
			d.log().Info("and more that nobody enforces", slog.Int("warnings", len(v.document.Warnings)-i))
			break
		}
		d.log().Info("the document says what nobody enforces", slog.String("what", warning))
	}
}

// An operationStage validates requests of an operation, counts them, and knows
// where they go.
type operationStage struct {
	to         http.Handler
	judge      *contract.Stage // nil for what is not judged
	count      *counts
	undeclared *drift // instead of count
}

// Check implements [exchange.Stage].
func (s *operationStage) Check(x *exchange.Exchange) exchange.Verdict {
	switch {
	case x.Dry:
	case s.undeclared != nil:
		s.undeclared.note(x)
	default:
		s.count.seen.Add(1)
	}
	if s.judge == nil {
		return exchange.Pass()
	}
	v := s.judge.Check(x)
	if !v.Passed() && !x.Dry {
		s.count.invalid.Add(1)
	}
	return v
}
