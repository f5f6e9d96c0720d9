package main

import (
	"net/http"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/interop/guardtest"
)

func TestMain(m *testing.M) {
	gin.SetMode(gin.TestMode)
	m.Run()
}

func TestProgram(t *testing.T) { guardtest.RunProgram(t) }

func TestPerRoute(t *testing.T) { guardtest.Run(t, newHandler) }

// A table stands in front of an engine that knows nothing of guards, and mends
// all that gin can mend.
func TestTable(t *testing.T) {
	guardtest.Run(t, func(key authn.Scheme) (http.Handler, error) {
		g, err := guardtest.NewGuards(key)
		if err != nil {
			return nil, err
		}
		engine := gin.New()
		engine.RedirectFixedPath, engine.RemoveExtraSlash, engine.UseRawPath, engine.HandleMethodNotAllowed = true, true, true, true
		engine.GET("/healthz", health)
		engine.GET("/orders/:id", order)
		engine.POST("/orders", order)
		return g.Table.Wrap(engine), nil
	})
}
