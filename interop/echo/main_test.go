package main

import (
	"net/http"
	"testing"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/interop/guardtest"
)

func TestProgram(t *testing.T) { guardtest.RunProgram(t) }

func TestPerRoute(t *testing.T) { guardtest.Run(t, newHandler) }

// A table stands in front of an instance that knows nothing of guards.
func TestTable(t *testing.T) {
	guardtest.Run(t, func(key authn.Scheme) (http.Handler, error) {
		g, err := guardtest.NewGuards(key)
		if err != nil {
			return nil, err
		}
		return g.Table.Wrap(instance()), nil
	})
}

// Guards on routes hold where echo serves another method than the one that was
// sent. A table in front does not see that: it is what the package warns of.
func TestPerRouteHoldsWhereEchoChangesTheRequest(t *testing.T) {
	guardtest.Run(t, func(key authn.Scheme) (http.Handler, error) {
		g, err := guardtest.NewGuards(key)
		if err != nil {
			return nil, err
		}
		e := instance(echo.WrapMiddleware(g.Read.Wrap), echo.WrapMiddleware(g.Write.Wrap))
		e.Pre(middleware.MethodOverride(), middleware.RemoveTrailingSlash(), middleware.Rewrite(map[string]string{"/Orders/*": "/orders/$1"}))
		return g.Stack.Wrap(e), nil
	})
}

// instance has the routes, with a guard for reading and one for writing, or none.
func instance(guards ...echo.MiddlewareFunc) *echo.Echo {
	var read, write []echo.MiddlewareFunc
	if len(guards) == 2 {
		read, write = guards[:1], guards[1:]
	}
	e := echo.New()
	e.GET("/healthz", health)
	e.GET("/orders/:id", order, read...)
	e.POST("/orders", order, write...)
	return e
}
