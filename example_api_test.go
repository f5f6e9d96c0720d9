package warder_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
)

// Every operation asks for what the API asks for, unless it says something else.
// What it says is what its document says.
func ExampleAPI() {
	verifier, err := newVerifier()
	if err != nil {
		fmt.Println(err)
		return
	}
	key, err := apikey.NewHeader(apikey.HeaderConfig{Verifier: verifier})
	if err != nil {
		fmt.Println(err)
		return
	}
	api, err := warder.NewAPI(warder.APIConfig{Title: "Orders", Version: "1.0.0", Requirement: authn.Require(key)})
	if err != nil {
		fmt.Println(err)
		return
	}
	err = errors.Join(
		api.HandleFunc("GET /orders/{id}", warder.Operation{ID: "getOrder", Summary: "One order"}, getOrder),
		api.HandleFunc("DELETE /orders/{id}", warder.Operation{ID: "deleteOrder", Requirement: authn.Require(key, "orders:write")}, getOrder),
		api.HandleFunc("GET /openapi.json", warder.Operation{ID: "openapi", Public: true}, api.ServeDocument),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	w := httptest.NewRecorder()
	api.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/orders/1", nil))
	fmt.Println(w.Code)

	doc, err := api.Document()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(doc.Security, doc.Paths["/orders/{id}"].Delete.Security, doc.Paths["/openapi.json"].Get.Security)
	// Output:
	// 401
	// [map[apiKey:[]]] [map[apiKey:[orders:write]]] []
}

func getOrder(w http.ResponseWriter, r *http.Request) {
	_, _ = io.WriteString(w, r.PathValue("id")+" of "+exchange.From(r.Context()).Principal.Owner)
}

// newVerifier knows no key.
func newVerifier() (*apikey.Verifier, error) {
	line, err := apikey.NewPepper(rand.Reader)
	if err != nil {
		return nil, err
	}
	peppers, err := apikey.ParsePeppers(line)
	if err != nil {
		return nil, err
	}
	return apikey.NewVerifier(apikey.VerifierConfig{Store: new(apikey.MemoryStore), Peppers: peppers, Log: slog.New(slog.DiscardHandler)})
}
