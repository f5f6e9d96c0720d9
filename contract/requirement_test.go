package contract_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/contract"
	"github.com/warder-dev/warder/exchange"
)

// scheme is one that nobody asks here.
type scheme string

func (s scheme) Name() string { return string(s) }
func (scheme) Authenticate(*exchange.Exchange) (exchange.Principal, error) {
	return exchange.Principal{}, authn.ErrNoCredential
}
func (scheme) Challenge(string) string { return "" }

func TestRequirement(t *testing.T) {
	schemes := map[string]authn.Scheme{"key": scheme("key"), "login": scheme("login")}
	const components = `, "components": {"securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-API-Key"}, "login": {"type": "http", "scheme": "bearer"}, "tls": {"type": "mutualTLS"}}}`
	for _, tt := range []struct{ name, members, want, fails string }{
		{"either", `"security": [{"key": ["b", "a"]}, {"login": []}]`, "[[key [a b]] [login []]]", ""},
		{"both", `"security": [{"login": [], "key": []}]`, "[[key [] login []]]", ""},
		{"optional", `"security": [{}, {"key": []}]`, "[[key []] []]", ""},
		{"scopes beside", `"security": [{"key": ["a"]}], "x-warder-scopes": ["c", "a"]`, "[[key [a c]]]", ""},
		{"public", `"security": []`, "[]", ""},
		{"nothing said", ``, "", "says nothing"},
		{"a scheme that is not given", `"security": [{"tls": []}, {"key": []}]`, "", `the scheme "tls", which is not given`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := read(t, document(get("/a", tt.members), components)).Operations[0]
			r, err := o.Requirement(schemes)
			if tt.fails != "" {
				if err == nil || !strings.Contains(err.Error(), tt.fails) || r != nil {
					t.Errorf("%v, %v, want an error with %q", r, err, tt.fails)
				}
				if errors.Is(err, contract.ErrUnstated) != (tt.members == "") {
					t.Errorf("%v is ErrUnstated: %v", err, errors.Is(err, contract.ErrUnstated))
				}
				return
			}
			got := []string{}
			for _, a := range r {
				text := []string{}
				for _, need := range a {
					text = append(text, fmt.Sprint(need.Scheme.Name(), " ", need.Scopes))
				}
				got = append(got, fmt.Sprint(text))
			}
			if err != nil || fmt.Sprint(got) != tt.want {
				t.Errorf("%v, %v, want %s", got, err, tt.want)
			}
		})
	}
}
