package celcond_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/authz"
	"github.com/warder-dev/warder/authz/celcond"
	"github.com/warder-dev/warder/exchange"
)

// canary stands in everything that a client chooses, and in no error.
const canary = "s3cr3t-canary"

func request(change ...func(*exchange.Exchange)) *exchange.Exchange {
	x := exchange.New(httptest.NewRequest(http.MethodPost, "/orders/7", nil))
	x.Path, x.Host, x.Scheme = "/orders/7", "api.example.com", "https"
	x.Client = netip.MustParseAddr("10.1.2.3")
	x.Start = time.Date(2026, 3, 2, 12, 30, 0, 0, time.FixedZone("", 7200))
	x.Principal = exchange.Principal{
		Issuer: "https://id.example.com", Subject: "u1", Owner: "acme", Environment: "live", Scheme: "bearer",
		Scopes: exchange.LiteralScopes("orders:read", "orders:write"),
		Claims: map[string]any{
			"department": "billing", "admin": true, "level": 3.0, "exact": json.Number("7"), "half": json.Number("0.5"), "broken": json.Number(canary),
			"roles": []any{"reader", "ops", json.Number("5")}, "groups": []string{"a", "b"},
			"realm": map[string]any{"roles": []any{"ops"}, "n": json.Number("1")}, "note": canary,
		},
	}
	for _, f := range change {
		f(x)
	}
	return x
}

func newCondition(tb testing.TB, expression string) *celcond.Condition {
	tb.Helper()
	c, err := celcond.New(celcond.Config{Expression: expression})
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// expressions are those that hold or do not.
func expressions() []struct {
	expression string
	want       bool
} {
	return []struct {
		expression string
		want       bool
	}{
		{`request.method == "POST" && request.path.startsWith("/orders/") && request.host == "api.example.com" && request.scheme == "https"`, true},
		{`request.method in ["GET", "HEAD"]`, false},
		{`request.path.matches("^/orders/[0-9]+$")`, true},
		{`matches(request.path, "^/users/")`, false},
		{`client == "10.1.2.3" && inCIDR(client, "10.0.0.0/8")`, true},
		{`inCIDR(client, "192.0.2.0/24") || inCIDR(client, "2001:db8::/32")`, false},
		{`principal.issuer == "https://id.example.com" && principal.subject == "u1"`, true},
		{`principal.owner == "acme" && principal.environment == "live" && principal.scheme == "bearer"`, true},
		{`"orders:read" in principal.scopes`, true},
		{`principal.scopes.exists(s, s.startsWith("users:"))`, false},
		{`size(principal.scopes) == 2`, true},
		{`principal.claims.department == "billing"`, true},
		{`principal.claims["department"] == "sales"`, false},
		{`principal.claims.admin == true`, true},
		{`principal.claims.level >= 3 && principal.claims.level < 4`, true},
		{`principal.claims.level == 3`, true},
		{`principal.claims.exact == 7 && principal.claims.half == 0.5`, true},
		{`"ops" in principal.claims.roles && 5 in principal.claims.roles`, true},
		{`"b" in principal.claims.groups`, true},
		{`"ops" in principal.claims.realm.roles && principal.claims.realm.n == 1`, true},
		{`has(principal.claims.missing) && principal.claims.missing == "x"`, false},
		{`!has(principal.claims.missing) || principal.claims.missing == "x"`, true},
		{`principal.claims.missing == "x" || request.method == "POST"`, true},
		{`now < timestamp("2026-03-02T10:30:01Z")`, true},
		{`now.getHours() == 10 && now.getDayOfWeek() == 1`, true},
		{`now.getHours("Europe/Berlin") == 11`, true},
	}
}

func TestExpressions(t *testing.T) {
	for _, tt := range expressions() {
		t.Run(tt.expression, func(t *testing.T) {
			got, err := newCondition(t, tt.expression).Holds(request())
			if err != nil || got != tt.want {
				t.Errorf("got %v, %v, want %v", got, err, tt.want)
			}
		})
	}
}

func TestWhatIsNotThere(t *testing.T) {
	tests := []struct {
		name, expression string
		change           func(*exchange.Exchange)
		want             string // of the error; "true" or "false" for an answer
	}{
		{"a claim", `principal.claims.missing == "x"`, nil, "line 1, column 17: no such key"},
		{"a claim, denied", `principal.claims.missing != "x"`, nil, "no such key"},
		{"a claim of another type", `principal.claims.department > 3`, nil, "no such overload"},
		{"a claim within what is none", `principal.claims.department.name == "x"`, nil, "no such"},
		{"has of the inner one alone", `has(principal.claims.none.roles)`, nil, "no such key"},
		{"a claim that is named by the client", `principal.claims[principal.claims.note] == 1`, nil, "no such key"},
		{"a claim that does not convert", `int(principal.claims.note) == 1`, nil, "type conversion error"},
		{"a timestamp that is none", `timestamp(principal.claims.note) < now`, nil, "celcond: "},
		{"a number that is none", `principal.claims.broken == 1`, nil, "celcond: "},
		{"an address that is none", `inCIDR(string(principal.claims.note), "10.0.0.0/8")`, nil, "invalid"},
		{"the second line", "request.method == \"POST\" &&\n  principal.claims.missing == 1", nil, "line 2, column 19: no such key"},
		{"division by zero", `1 / (size(principal.scopes) - 2) == 1`, nil, "division by zero"},
		{"no path", `request.path == "/admin"`, func(x *exchange.Exchange) { x.Path = "" }, "no such attribute"},
		{"no host", `request.host != "a"`, func(x *exchange.Exchange) { x.Host = "" }, "no such attribute"},
		{"no scheme", `request.scheme != "http"`, func(x *exchange.Exchange) { x.Scheme = "" }, "no such attribute"},
		{"no time", `now < timestamp("2026-01-01T00:00:00Z")`, func(x *exchange.Exchange) { x.Start = time.Time{} }, "no such attribute"},
		{"no client is within nothing", `inCIDR(client, "0.0.0.0/0") || inCIDR(client, "::/0")`, func(x *exchange.Exchange) { x.Client = netip.Addr{} }, "false"},
		{"KEY-27: a mapped client is IPv4", `inCIDR(client, "10.0.0.0/8") && client == "10.1.2.3"`, func(x *exchange.Exchange) { x.Client = netip.MustParseAddr("::ffff:10.1.2.3") }, "true"},
		{"KEY-27: a zone is nobody's business", `inCIDR(client, "fe80::/10") && client == "fe80::1"`, func(x *exchange.Exchange) { x.Client = netip.MustParseAddr("fe80::1%eth0") }, "true"},
		{"nobody has nothing", `principal.owner != "" || principal.environment != "" || size(principal.scopes) > 0 || has(principal.claims.department)`, func(x *exchange.Exchange) { x.Principal.Subject = "" }, "false"},
		{"no claims at all", `has(principal.claims.department)`, func(x *exchange.Exchange) { x.Principal.Claims = nil }, "false"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			x := request()
			if tt.change != nil {
				tt.change(x)
			}
			got, err := newCondition(t, tt.expression).Holds(x)
			switch {
			case err == nil && (tt.want == "true") == got && (tt.want == "true" || tt.want == "false"):
			case err == nil || got || !strings.Contains(err.Error(), tt.want):
				t.Errorf("got %v, %v, want %s", got, err, tt.want)
			case strings.Contains(err.Error(), canary):
				t.Errorf("the error %q tells what a token holds", err)
			}
		})
	}
}

// What cannot be judged is 503 in every kind of rule: a token without the claim
// passes neither.
func TestInARule(t *testing.T) {
	tests := []struct {
		expression string
		effect     authz.Effect
		want       exchange.Kind
	}{
		{`principal.claims.missing == "x"`, authz.Deny, exchange.Failed},
		{`principal.claims.missing == "x"`, authz.Require, exchange.Failed},
		{`principal.claims.missing == "x"`, authz.Allow, exchange.Failed},
		{`principal.claims.department == "billing"`, authz.Deny, exchange.Refused},
		{`principal.claims.department == "billing"`, authz.Allow, exchange.Passed},
	}
	for _, tt := range tests {
		s, err := authz.New(authz.Config{Rules: []authz.Rule{{Name: "a", Effect: tt.effect, Conditions: []authz.Condition{newCondition(t, tt.expression)}}}})
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Check(request()).Kind(); got != tt.want {
			t.Errorf("%v %s: %v, want %v", tt.effect, tt.expression, got, tt.want)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	tests := []struct{ name, expression, want string }{
		{"nothing", "", "is empty"},
		{"4097 bytes", `request.path == "` + strings.Repeat("x", 4097-18) + `"`, "4097 bytes"},
		{"syntax", "request.method ==", "line 1, column 18"},
		{"syntax in the second line", "request.method == \"GET\" &&\n  (client", "line 2, column"},
		{"a name that does not exist", `request.foo == "x"`, "line 1, column 8: undeclared reference to 'request.foo'"},
		{"several at once", `foo == 1 && bar == 2`, "column 13: undeclared reference"},
		{"types that do not go together", `request.method == 3`, "line 1, column 16: found no matching overload"},
		{"not of type bool", `request.method`, "type string, want bool"},
		{"of a type that is not known", `principal.claims.admin`, "type dyn, want bool"},
		{"a pattern out of a token", `request.path.matches(principal.subject)`, "column 31: the pattern of matches is no literal"},
		{"a pattern that is none", `request.path.matches("(")`, "column 22: invalid matches argument"},
		{"a range out of a token", `inCIDR(client, principal.subject)`, "column 25: the range of inCIDR is no literal"},
		{"a range that is none", `inCIDR(client, "10.0.0.0")`, `column 16: "10.0.0.0" is no range`},
		{"a range with bits behind", `inCIDR(client, "10.0.0.1/8")`, `want "10.0.0.0/8"`},
		{"a range that is mapped", `inCIDR(client, "::ffff:10.0.0.0/104")`, "mapped"},
		{"a time that is none", `now < timestamp("yesterday")`, "column 17: invalid timestamp argument"},
		{"what may cost too much", `principal.scopes.all(a, principal.scopes.all(b, principal.scopes.all(c, a + b != c)))`, "more than MaxCost 100000"},
		{"too deep", strings.Repeat("(", 100) + "true" + strings.Repeat(")", 100), "celcond: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := celcond.New(celcond.Config{Expression: tt.expression})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want one that says %q", err, tt.want)
			}
		})
	}
	if _, err := celcond.New(celcond.Config{Expression: "true", MaxCost: 1_000_001}); err == nil {
		t.Error("a MaxCost of 1,000,001 was accepted")
	}
	if _, err := celcond.New(celcond.Config{Expression: `"a" in principal.scopes`, MaxCost: 10}); err == nil {
		t.Error("an expression above its own MaxCost was accepted")
	}
}

// A token that is larger than was expected meets the limit at its evaluation.
func TestTheCostAtAnEvaluation(t *testing.T) {
	c, err := celcond.New(celcond.Config{Expression: `principal.claims.roles.exists(r, r == "none")`, MaxCost: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	roles := make([]any, 100_000)
	for i := range roles {
		roles[i] = "reader"
	}
	x := request(func(x *exchange.Exchange) { x.Principal.Claims["roles"] = roles })
	if got, err := c.Holds(x); got || err == nil || !strings.Contains(err.Error(), "actual cost limit exceeded") {
		t.Errorf("got %v, %v, want the limit", got, err)
	}
}

func TestARequestThatIsGone(t *testing.T) {
	c, err := celcond.New(celcond.Config{Expression: `principal.claims.roles.exists(r, r == "none")`})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	x := request(func(x *exchange.Exchange) {
		x.Request = x.Request.WithContext(ctx)
		x.Principal.Claims["roles"] = make([]any, 1000)
	})
	if got, err := c.Holds(x); got || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, %v, want that the context ended", got, err)
	}
}

// One Condition serves many requests at once.
func TestConcurrentUse(t *testing.T) {
	c := newCondition(t, `principal.claims.roles.exists(r, r == "ops") && inCIDR(client, "10.0.0.0/8")`)
	done := make(chan error)
	for range 8 {
		go func() {
			for range 200 {
				if got, err := c.Holds(request()); !got || err != nil {
					done <- errors.Join(err, errors.New("does not hold"))
					return
				}
			}
			done <- nil
		}()
	}
	for range 8 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// Whatever compiles gives an answer or an error of ours, which tells nothing
// that a client sent.
func FuzzNew(f *testing.F) {
	for _, tt := range expressions() {
		f.Add(tt.expression)
	}
	for _, seed := range []string{"", "(", `1 / 0 == 1`, `principal.claims.note > 1`, `[1, 2].map(x, x * 2).exists(y, y == 4)`, `"\x00" == "\u00e9"`, `size(string(now)) > 3`, `{}.a == 1`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, expression string) {
		c, err := celcond.New(celcond.Config{Expression: expression})
		if err == nil {
			_, err = c.Holds(request())
		}
		if err == nil {
			return
		}
		if !strings.HasPrefix(err.Error(), "celcond: ") {
			t.Errorf("%q: error %q is not ours", expression, err)
		}
		if strings.Contains(err.Error(), canary) && !strings.Contains(expression, canary) {
			t.Errorf("%q: error %q tells what a token holds", expression, err)
		}
	})
}
