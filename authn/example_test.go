package authn_test

import (
	"fmt"
	"os"

	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/openapi"
)

// A key with a scope, or a token together with a certificate: the value that a
// Stage enforces describes the operation as well.
func ExampleRequirement_Describe() {
	key, token, certificate := &credential{name: "key"}, &credential{name: "token"}, &credential{name: "certificate"}
	requirement := authn.Requirement{
		{{Scheme: key, Scopes: []string{"orders:read"}}},
		{{Scheme: token}, {Scheme: certificate}},
	}
	stage, err := authn.New(authn.Config{Requirement: requirement})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	_ = stage // guards the route

	doc := openapi.Document{OpenAPI: openapi.Version, Info: openapi.Info{Title: "Orders", Version: "1"}}
	security, err := requirement.Describe(&doc)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	_, _ = fmt.Fprintln(os.Stdout, security)
	// Output: [map[key:[orders:read]] map[certificate:[] token:[]]]
}
