package humaapi_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/forwarded"
	"github.com/warder-dev/warder/humaapi"
	"github.com/warder-dev/warder/target"
)

type order struct {
	Body struct {
		Owner string `json:"owner"`
	}
}

func getOrder(ctx context.Context, _ *struct {
	ID string `path:"id"`
},
) (*order, error) {
	o := new(order)
	o.Body.Owner = exchange.From(ctx).Principal.Owner
	return o, nil
}

// newHandler is an API of one operation, behind its guard.
func newHandler(key authn.Scheme) (http.Handler, error) {
	mux := http.NewServeMux()
	config := huma.DefaultConfig("Orders", "1.0.0")
	config.Security = []map[string][]string{{"apiKey": {}}} // of every operation that says nothing else
	api := humago.New(mux, config)
	guard, err := humaapi.New(api, humaapi.Config{Schemes: []authn.Scheme{key}})
	if err != nil {
		return nil, err
	}
	huma.Register(api, huma.Operation{
		OperationID: "getOrder", Method: http.MethodGet, Path: "/orders/{id}",
		Security: []map[string][]string{{"apiKey": {"orders:read"}}},
	}, getOrder)
	if err := guard.Err(); err != nil {
		return nil, err
	}
	paths, err := target.New(target.Config{})
	if err != nil {
		return nil, err
	}
	stack := &warder.Stack{Edge: warder.Edge{Forwarded: forwarded.Direct(), Target: paths}, Policy: new(warder.Policy)}
	return stack.Wrap(mux), nil
}

func ExampleNew() {
	line, err := apikey.NewPepper(rand.Reader)
	if err != nil {
		fmt.Println(err)
		return
	}
	peppers, err := apikey.ParsePeppers(line)
	if err != nil {
		fmt.Println(err)
		return
	}
	verifier, err := apikey.NewVerifier(apikey.VerifierConfig{Store: new(apikey.MemoryStore), Peppers: peppers, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		fmt.Println(err)
		return
	}
	key, err := apikey.NewHeader(apikey.HeaderConfig{Verifier: verifier})
	if err != nil {
		fmt.Println(err)
		return
	}
	handler, err := newHandler(key)
	if err != nil {
		fmt.Println(err)
		return
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/orders/1", nil))
	fmt.Println(w.Code, w.Header().Get("WWW-Authenticate"))
	// Output: 401 ApiKey realm="warder", in="header", name="X-API-Key"
}
