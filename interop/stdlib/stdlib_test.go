package stdlib_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/interop/guardtest"
)

func health(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "well") }

// Each route has its own guard.
func TestPerRoute(t *testing.T) {
	guardtest.Run(t, func(key authn.Scheme) (http.Handler, error) {
		g, err := guardtest.NewGuards(key)
		if err != nil {
			return nil, err
		}
		mux := http.NewServeMux()
		mux.HandleFunc("GET /healthz", health)
		mux.Handle("GET /orders/{id}", g.Read.Wrap(http.HandlerFunc(guardtest.Order)))
		mux.Handle("POST /orders", g.Write.Wrap(http.HandlerFunc(guardtest.Order)))
		return g.Stack.Wrap(mux), nil
	})
}

// A table stands in front of a mux that knows nothing of guards.
func TestTable(t *testing.T) {
	guardtest.Run(t, func(key authn.Scheme) (http.Handler, error) {
		g, err := guardtest.NewGuards(key)
		if err != nil {
			return nil, err
		}
		mux := http.NewServeMux()
		mux.HandleFunc("GET /healthz", health)
		mux.HandleFunc("GET /orders/{id}", guardtest.Order)
		mux.HandleFunc("POST /orders", guardtest.Order)
		return g.Table.Wrap(mux), nil
	})
}
