// Command gin guards the routes of a gin engine.
//
// Each route has its guard where gin names it, so that gin and warder cannot
// differ about which route a request is for. The Stack around the engine makes
// one reading of the target before gin sees it.
//
// To watch: gin.Context is no context that carries the exchange, unless
// Engine.ContextWithFallback is set; ask exchange.From(c.Request.Context()).
// Context.ClientIP believes forwarded fields of everybody until
// Engine.SetTrustedProxies says otherwise: the exchange has the client's address,
// from peers that are listed only. Engine.Use does not reach routes that are
// registered before it: put guards on groups and routes.
package main

import (
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/bodylimit"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/forwarded"
	"github.com/warder-dev/warder/interop/demo"
	"github.com/warder-dev/warder/target"
)

func main() {
	gin.SetMode(gin.ReleaseMode)
	demo.Main(newHandler)
}

func newHandler(key authn.Scheme) (http.Handler, error) {
	read, err1 := authn.New(authn.Config{Requirement: authn.Require(key, "orders:read")})
	write, err2 := authn.New(authn.Config{Requirement: authn.Require(key, "orders:write")})
	paths, err3 := target.New(target.Config{})
	body, err4 := bodylimit.New(bodylimit.Config{Max: 1 << 20})
	engine := gin.New()
	if err := errors.Join(err1, err2, err3, err4, engine.SetTrustedProxies(nil)); err != nil {
		return nil, err
	}
	engine.GET("/healthz", health)
	engine.GET("/orders/:id", guard(read.Wrap), order)
	engine.POST("/orders", guard(write.Wrap), order)
	stack := &warder.Stack{
		Edge:   warder.Edge{Forwarded: forwarded.Direct(), Target: paths},
		Policy: &warder.Policy{BodyLimit: body}, // no Authn: the routes have it
	}
	return stack.Wrap(engine), nil
}

// guard makes a middleware of net/http one of gin. What it does not pass on ends
// there.
func guard(wrap func(http.Handler) http.Handler) gin.HandlerFunc {
	return func(c *gin.Context) {
		passed := false
		wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			passed = true
			c.Request = r
			c.Next()
		})).ServeHTTP(c.Writer, c.Request)
		if !passed {
			c.Abort()
		}
	}
}

func health(c *gin.Context) { c.String(http.StatusOK, "well") }

func order(c *gin.Context) {
	c.String(http.StatusOK, "order of "+exchange.From(c.Request.Context()).Principal.Owner)
}
