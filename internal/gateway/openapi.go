package gateway

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/warder-dev/warder"
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
