package main

import (
	"net/http"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/interop/guardtest"
)

func TestProgram(t *testing.T) { guardtest.RunProgram(t) }

func TestPerRoute(t *testing.T) { guardtest.Run(t, newHandler) }

// A table stands in front of a router that knows nothing of guards.
func TestTable(t *testing.T) {
	guardtest.Run(t, func(key authn.Scheme) (http.Handler, error) {
		g, err := guardtest.NewGuards(key)
		if err != nil {
			return nil, err
		}
		router := chi.NewRouter()
		router.Use(middleware.CleanPath, middleware.StripSlashes, middleware.GetHead) // whatever chi mends
		router.Get("/healthz", health)
		router.Get("/orders/{id}", order)
		router.Post("/orders", order)
		return g.Table.Wrap(router), nil
	})
}
