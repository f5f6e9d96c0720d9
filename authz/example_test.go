package authz_test

import (
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/warder-dev/warder/authz"
	"github.com/warder-dev/warder/exchange"
)

// Live keys only, exports at night and from the office, and never by one owner.
func Example() {
	stage, err := authz.New(authz.Config{Rules: []authz.Rule{
		{Name: "environment", Label: "keys of the live environment", Effect: authz.Require, Environments: []string{"live"}},
		{Name: "suspended", Effect: authz.Deny, Owners: []string{"initech"}},
		{
			Name: "exports", Label: "exports from the office between 22:00 and 06:00", Effect: authz.Allow,
			Methods: []string{"POST"}, Paths: []string{"/exports/**"},
			Clients: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")},
			Times:   []authz.Window{{From: "22:00", To: "06:00", Zone: "Europe/Berlin"}},
		},
		{Name: "reading", Effect: authz.Allow, Methods: []string{"GET"}},
	}})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}

	x := request() // GET, with a live key; stages before have set what the rules read
	_, _ = fmt.Fprintln(os.Stdout, stage.Check(x).Kind())

	x.Request.Method, x.Path = "POST", "/exports/2026"
	x.Start = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	v := stage.Check(x)
	_, _ = fmt.Fprintln(os.Stdout, v.Kind(), v.Problem().Detail)

	x.Principal.Environment = "test"
	v = stage.Check(x)
	_, _ = fmt.Fprintln(os.Stdout, v.Kind(), v.Reason())
	// Output:
	// passed
	// refused No rule of this route allows the request. Allowed is: exports from the office between 22:00 and 06:00.
	// refused not-met:environment
}

// weekend holds on days on which nobody watches; a Condition is one method.
type weekend struct{}

func (weekend) Holds(x *exchange.Exchange) (bool, error) {
	day := x.Start.UTC().Weekday()
	return day == time.Saturday || day == time.Sunday, nil
}

func ExampleCondition() {
	stage, err := authz.New(authz.Config{Rules: []authz.Rule{
		{Name: "weekend", Label: "no deletions at the weekend", Effect: authz.Deny, Methods: []string{"DELETE"}, Conditions: []authz.Condition{weekend{}}},
	}})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	x := request()
	x.Request.Method, x.Start = "DELETE", time.Date(2026, 3, 7, 12, 0, 0, 0, time.UTC)
	_, _ = fmt.Fprintln(os.Stdout, stage.Check(x).Reason())
	// Output: denied:weekend
}
