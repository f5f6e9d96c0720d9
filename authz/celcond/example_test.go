package celcond_test

import (
	"fmt"
	"os"

	"github.com/warder-dev/warder/authz"
	"github.com/warder-dev/warder/authz/celcond"
)

// Whoever may write orders writes only from the office, or is an operator.
func Example() {
	condition, err := celcond.New(celcond.Config{Expression: `
		request.method in ["GET", "HEAD"] ||
		inCIDR(client, "198.51.100.0/24") ||
		has(principal.claims.roles) && "ops" in principal.claims.roles`})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	stage, err := authz.New(authz.Config{Rules: []authz.Rule{
		{Name: "writing", Label: "writing from the office, or by operators", Effect: authz.Require, Conditions: []authz.Condition{condition}},
	}})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	x := request() // a POST from elsewhere, by a token whose roles are reader and ops
	_, _ = fmt.Fprintln(os.Stdout, stage.Check(x).Kind())
	x.Principal.Claims = map[string]any{"roles": []any{"reader"}}
	_, _ = fmt.Fprintln(os.Stdout, stage.Check(x).Kind())
	x.Principal.Claims = map[string]any{"roles": "ops"} // no list: nobody knows what it means
	_, _ = fmt.Fprintln(os.Stdout, stage.Check(x).Kind())
	// Output:
	// passed
	// refused
	// failed
}

func ExampleNew() {
	_, err := celcond.New(celcond.Config{Expression: `request.methd == "GET" && inCIDR(client, "10.0.0.1/8")`})
	_, _ = fmt.Fprintln(os.Stdout, err)
	// Output: celcond: line 1, column 8: undeclared reference to 'request.methd' (did you mean 'request.method'?)
}
