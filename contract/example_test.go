package contract_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/contract"
	"github.com/warder-dev/warder/forwarded"
	"github.com/warder-dev/warder/target"
)

// A handler behind the document that describes it.
func Example() {
	const document = `
openapi: 3.1.0
info: {title: orders, version: "1"}
paths:
  /orders:
    post:
      security: []
      requestBody:
        required: true
        content:
          application/json:
            schema: {type: object, properties: {count: {type: integer, minimum: 1}}, required: [count], additionalProperties: false}
`
	doc, err := contract.Read([]byte(document), contract.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	routes := new(warder.Routes)
	for _, o := range doc.Operations {
		judge, err := contract.New(contract.Config{Operation: o})
		if err != nil {
			fmt.Println(err)
			return
		}
		if err := routes.Handle(o.Method+" "+o.Pattern, &warder.Policy{Validate: judge}); err != nil { // and Authn, by o.Requirement
			fmt.Println(err)
			return
		}
	}
	paths, err := target.New(target.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	stack := &warder.Stack{Edge: warder.Edge{Forwarded: forwarded.Direct(), Target: paths}, Route: routes}
	api := stack.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { fmt.Println("the API was called") }))

	for _, body := range []string{`{"count": 2}`, `{"count": "2 OR 1=1"}`} {
		r := httptest.NewRequest(http.MethodPost, "/orders", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		api.ServeHTTP(w, r)
		fmt.Println(w.Code)
	}
	// Output:
	// the API was called
	// 200
	// 422
}
