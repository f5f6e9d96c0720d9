// Command chi guards the routes of a chi router.
//
// Each route has its guard where chi names it, so that chi and warder cannot
// differ about which route a request is for. The Stack around the router makes
// one reading of the target before chi sees it.
//
// To watch: a middleware that changes the method or the path (MethodOverride,
// StripSlashes, RouteHeaders) belongs behind no table of warder's: the table
// would judge what chi then no longer serves. Guards on routes hold all the same.
// middleware.RealIP is not needed: exchange.From has the client's address, from
// peers that are listed only.
package main

import (
	"errors"
	"io"
	"net/http"

	"github.com/go-chi/chi/v5"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/bodylimit"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/forwarded"
	"github.com/warder-dev/warder/interop/demo"
	"github.com/warder-dev/warder/target"
)

func main() { demo.Main(newHandler) }

func newHandler(key authn.Scheme) (http.Handler, error) {
	read, err1 := authn.New(authn.Config{Requirement: authn.Require(key, "orders:read")})
	write, err2 := authn.New(authn.Config{Requirement: authn.Require(key, "orders:write")})
	paths, err3 := target.New(target.Config{})
	body, err4 := bodylimit.New(bodylimit.Config{Max: 1 << 20})
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return nil, err
	}
	router := chi.NewRouter()
	router.Get("/healthz", health)
	router.With(read.Wrap).Get("/orders/{id}", order)
	router.With(write.Wrap).Post("/orders", order)
	stack := &warder.Stack{
		Edge:   warder.Edge{Forwarded: forwarded.Direct(), Target: paths},
		Policy: &warder.Policy{BodyLimit: body}, // no Authn: the routes have it
	}
	return stack.Wrap(router), nil
}

func health(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "well") }

func order(w http.ResponseWriter, r *http.Request) {
	_, _ = io.WriteString(w, "order of "+exchange.From(r.Context()).Principal.Owner)
}
