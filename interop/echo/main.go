// Command echo guards the routes of an echo instance.
//
// Each route has its guard where echo names it, so that echo and warder cannot
// differ about which route a request is for. The Stack around the instance makes
// one reading of the target before echo sees it.
//
// To watch: what is added with Echo.Pre changes the method or the path before
// echo looks for the route (MethodOverride, Rewrite, RemoveTrailingSlash). A table
// of warder's in front then judges another request than echo serves; guards on
// routes hold all the same. Context.RealIP believes forwarded fields of everybody
// until Echo.IPExtractor is set: the exchange has the client's address, from
// peers that are listed only. OPTIONS is answered by echo itself, with 204.
package main

import (
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"

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
	e := echo.New()
	e.IPExtractor = echo.ExtractIPDirect()
	e.GET("/healthz", health)
	e.GET("/orders/:id", order, echo.WrapMiddleware(read.Wrap))
	e.POST("/orders", order, echo.WrapMiddleware(write.Wrap))
	stack := &warder.Stack{
		Edge:   warder.Edge{Forwarded: forwarded.Direct(), Target: paths},
		Policy: &warder.Policy{BodyLimit: body}, // no Authn: the routes have it
	}
	return stack.Wrap(e), nil
}

func health(c echo.Context) error { return c.String(http.StatusOK, "well") }

func order(c echo.Context) error {
	return c.String(http.StatusOK, "order of "+exchange.From(c.Request().Context()).Principal.Owner)
}
