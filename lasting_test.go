package warder_test

import (
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/authz"
	"github.com/warder-dev/warder/bruteforce"
	"github.com/warder-dev/warder/cors"
	"github.com/warder-dev/warder/csrf"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/openapi"
	"github.com/warder-dev/warder/problem"
	"github.com/warder-dev/warder/ratelimit"
	"github.com/warder-dev/warder/usage"
)

// moment is when the requests of these tests come: a Saturday, half a minute before
// nine.
func moment() time.Time { return time.Date(2026, 11, 28, 8, 59, 30, 0, time.UTC) }

// passed is an exchange that a policy has passed, for the holder of a key.
func passed(p *warder.Policy) *exchange.Exchange {
	x := exchange.New(httptest.NewRequest(http.MethodGet, "/orders", http.NoBody))
	x.Start, x.Path, x.Policy = moment(), "/orders", p
	x.Principal = exchange.Principal{Issuer: "warder", Subject: "k1", KeyID: "k1"}
	return x
}

// named is a scheme that nobody asks here.
type named string

func (s named) Name() string { return string(s) }
func (named) Authenticate(*exchange.Exchange) (exchange.Principal, error) {
	return exchange.Principal{}, authn.ErrNoCredential
}
func (named) Challenge(string) string          { return "Test" }
func (named) Describe(*openapi.Document) error { return nil }

func require(t *testing.T, r authn.Requirement) *authn.Stage {
	t.Helper()
	s, err := authn.New(authn.Config{Requirement: r})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func rules(t *testing.T, r ...authz.Rule) *authz.Stage {
	t.Helper()
	s, err := authz.New(authz.Config{Rules: r})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestFwd22HowLongADecisionLasts(t *testing.T) {
	one := authn.Alternative{{Scheme: named("one")}}
	both := authn.Alternative{{Scheme: named("one")}, {Scheme: named("two")}}
	never := time.Time{}
	atMost := moment().Add(time.Minute)
	nothing := func(*exchange.Exchange) {}
	field := func(name string) func(*exchange.Exchange) {
		return func(x *exchange.Exchange) { x.Request.Header[name] = []string{"x"} }
	}
	nine := authz.Rule{Name: "morning", Effect: authz.Deny, Times: []authz.Window{{From: "09:00", To: "10:00", Zone: "UTC"}}}
	evening := authz.Rule{Name: "evening", Effect: authz.Deny, Times: []authz.Window{{From: "20:00", To: "22:00", Zone: "UTC"}}}
	for _, tt := range []struct {
		name   string
		policy *warder.Policy
		change func(x *exchange.Exchange)
		want   time.Time
	}{
		{"a key", &warder.Policy{Authn: require(t, authn.Requirement{one})}, nothing, atMost},
		{"nobody, on a public route", new(warder.Policy), func(x *exchange.Exchange) { x.Principal = exchange.Principal{} }, atMost},
		{"stages that hold for the same request", &warder.Policy{Guard: new(bruteforce.Guard), CORS: new(cors.Stage), CSRF: new(csrf.Stage), BodyLimit: limit(t, 1)}, nothing, atMost},
		{"no policy", nil, nothing, never},

		{"a limit by address", &warder.Policy{AddressLimit: new(ratelimit.Stage)}, nothing, never},
		{"a limit by key", &warder.Policy{PrincipalLimit: new(ratelimit.Stage)}, nothing, never},
		{"places", &warder.Policy{Concurrency: new(ratelimit.Concurrency)}, nothing, never},
		{"credits", &warder.Policy{Credit: new(usage.Stage)}, nothing, never},
		{"a document", &warder.Policy{Validate: new(authz.Stage)}, nothing, never},
		{"a refusal", &warder.Policy{Deny: problem.New(problem.NotFound, "")}, nothing, never},
		{"two credentials together", &warder.Policy{Authn: require(t, authn.Requirement{both})}, nothing, never},

		{"a route that takes keys of pages", new(warder.Policy), func(x *exchange.Exchange) { x.TakesPublicKeys = true }, never},
		{"an origin", new(warder.Policy), field("Origin"), never},
		{"a cookie", new(warder.Policy), field("Cookie"), never},
		{"an upgrade", new(warder.Policy), field("Upgrade"), never},
		{"a key in the query", new(warder.Policy), func(x *exchange.Exchange) { x.SetQuery("") }, never},
		{"a token", new(warder.Policy), func(x *exchange.Exchange) { x.Principal.KeyID = "" }, never},
		{"a token that was made from a key", new(warder.Policy), func(x *exchange.Exchange) { x.Principal.Token = true }, never},
		{"what a browser sends by itself", new(warder.Policy), func(x *exchange.Exchange) { x.Principal.Ambient = true }, never},
		{"a secret that is being replaced", new(warder.Policy), func(x *exchange.Exchange) { x.Principal.Retiring = true }, never},
		{"a plan", new(warder.Policy), func(x *exchange.Exchange) { x.Principal.Plan = "free" }, never},
		{"a quota of its own", new(warder.Policy), func(x *exchange.Exchange) { x.Principal.Quotas = make([]exchange.Quota, 1) }, never},
		{"code", &warder.Policy{Authz: rules(t, authz.Rule{Name: "code", Effect: authz.Require, Conditions: []authz.Condition{holds{}}})}, nothing, never},

		{"a key that ends", new(warder.Policy), func(x *exchange.Exchange) { x.Principal.Expires = moment().Add(2 * time.Second) }, moment().Add(2 * time.Second)},
		{"a key that ends later", new(warder.Policy), func(x *exchange.Exchange) { x.Principal.Expires = moment().Add(time.Hour) }, atMost},
		{"a window that begins", &warder.Policy{Authz: rules(t, nine)}, nothing, moment().Add(30 * time.Second)},
		{"a window that begins later", &warder.Policy{Authz: rules(t, evening)}, nothing, atMost},
		{"conditions without a time", &warder.Policy{Authz: rules(t, authz.Rule{Name: "owners", Effect: authz.Deny, Owners: []string{"globex"}, Methods: []string{"GET"}, Paths: []string{"/a"}})}, nothing, atMost},
	} {
		attack.Case(t, "FWD-22", attack.Library, func(t *testing.T) {
			x := passed(tt.policy)
			tt.change(x)
			until, ok := new(warder.Stack).Lasts(x, atMost)
			if !until.Equal(tt.want) || ok == tt.want.IsZero() {
				t.Errorf("%s: until %s, %v; want %s", tt.name, until, ok, tt.want)
			}
		})
	}
}

// holds is a condition of somebody's own.
type holds struct{}

func (holds) Holds(*exchange.Exchange) (bool, error) { return true, nil }

// A stage that is new has to be thought of in Lasts.
func TestLastsKnowsEveryStage(t *testing.T) {
	const want = "Paths SecurityHeaders CORS BodyLimit AddressLimit Deny Guard Authn CSRF Authz Validate Concurrency PrincipalLimit Credit"
	var names []string
	for sf := range reflect.TypeFor[warder.Policy]().Fields() {
		if sf.IsExported() {
			names = append(names, sf.Name)
		}
	}
	if got := strings.Join(names, " "); got != want {
		t.Errorf("a policy has %s; think of what is new in Stack.Lasts, and then here", got)
	}
}
