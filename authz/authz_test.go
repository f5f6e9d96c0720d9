package authz_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/authz"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/problem"
)

const (
	yes = always(true)
	no  = always(false)
)

func TestEffects(t *testing.T) {
	const deny, require, allow = authz.Deny, authz.Require, authz.Allow
	tests := []struct {
		name   string
		rules  []authz.Rule
		status int
		reason string
	}{
		{"deny that holds", []authz.Rule{rule("a", deny, yes)}, 403, "denied:a"},
		{"deny that does not hold: there is nothing else to ask", []authz.Rule{rule("a", deny, no)}, 200, ""},
		{"require that holds", []authz.Rule{rule("a", require, yes)}, 200, ""},
		{"require that does not hold", []authz.Rule{rule("a", require, no)}, 403, "not-met:a"},
		{"allow that holds", []authz.Rule{rule("a", allow, yes)}, 200, ""},
		{"allow that does not hold: the default is deny", []authz.Rule{rule("a", allow, no)}, 403, "not-allowed:a"},
		{"one allow of several", []authz.Rule{rule("a", allow, no), rule("b", allow, yes)}, 200, ""},
		{"no allow of several", []authz.Rule{rule("a", allow, no), rule("b", allow, no)}, 403, "not-allowed"},
		{"deny wins over allow, whatever the order", []authz.Rule{rule("a", allow, yes), rule("b", deny, yes)}, 403, "denied:b"},
		{"deny wins over require", []authz.Rule{rule("a", require, no), rule("b", deny, yes)}, 403, "denied:b"},
		{"allow does not make up for require", []authz.Rule{rule("a", allow, yes), rule("b", require, no)}, 403, "not-met:b"},
		{"require does not make up for allow", []authz.Rule{rule("a", allow, no), rule("b", require, yes)}, 403, "not-allowed:a"},
		{"every require has to hold", []authz.Rule{rule("a", require, yes), rule("b", require, no)}, 403, "not-met:b"},
		{"a rule is the conjunction of its conditions", []authz.Rule{rule("a", allow, yes, yes, no)}, 403, "not-allowed:a"},
		{"deny that cannot be judged is no pass", []authz.Rule{rule("a", deny, broken{})}, 503, "unavailable"},
		{"require that cannot be judged", []authz.Rule{rule("a", require, broken{})}, 503, "unavailable"},
		{"allow that cannot be judged", []authz.Rule{rule("a", allow, broken{}), rule("b", allow, yes)}, 503, "unavailable"},
		{"what is not reached is not judged", []authz.Rule{rule("a", allow, yes), rule("b", allow, broken{})}, 200, ""},
		{"a condition behind one that does not hold is not judged", []authz.Rule{rule("a", allow, no, broken{})}, 403, "not-allowed:a"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := newStage(t, tt.rules...).Check(request())
			status := http.StatusOK
			if p := v.Problem(); p != nil {
				status = p.Type.Status()
			}
			if status != tt.status || v.Reason() != tt.reason {
				t.Errorf("got %d %q, want %d %q", status, v.Reason(), tt.status, tt.reason)
			}
			if status == 503 && (!errors.Is(v.Err(), errBroken) || !strings.Contains(v.Err().Error(), `authz: rule "a": `)) {
				t.Errorf("err = %v, want one that names the rule", v.Err())
			}
		})
	}
}

// The client reads labels, never names.
func TestWhatTheClientReads(t *testing.T) {
	labelled := func(r authz.Rule, label string) authz.Rule {
		r.Label = label
		return r
	}
	tests := []struct {
		name   string
		rules  []authz.Rule
		detail string
	}{
		{"deny with a label", []authz.Rule{labelled(rule("hidden", authz.Deny, yes), "no exports at night")}, "A rule of this route refuses the request: no exports at night."},
		{"require with a label", []authz.Rule{labelled(rule("hidden", authz.Require, no), "live keys only")}, "A rule of this route refuses the request: live keys only."},
		{"deny without", []authz.Rule{rule("hidden", authz.Deny, yes)}, "A rule of this route refuses the request."},
		{"allow without", []authz.Rule{rule("hidden", authz.Allow, no)}, "No rule of this route allows the request."},
		{"allow, some with labels", []authz.Rule{
			labelled(rule("a", authz.Allow, no), "the office"), rule("hidden", authz.Allow, no), labelled(rule("c", authz.Allow, no), "owners"),
		}, "No rule of this route allows the request. Allowed is: the office; owners."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newStage(t, tt.rules...).Check(request()).Problem()
			if p == nil || p.Type != problem.Forbidden || p.Detail != tt.detail {
				t.Errorf("got %+v, want %q", p, tt.detail)
			}
		})
	}
}

func TestShadow(t *testing.T) {
	shadow := func(r authz.Rule) authz.Rule {
		r.Shadow = true
		return r
	}
	tests := []struct {
		name  string
		rules []authz.Rule
		kind  exchange.Kind
		told  []string // reasons of what would have been
	}{
		{"deny that holds lets pass", []authz.Rule{shadow(rule("a", authz.Deny, yes))}, exchange.Passed, []string{"denied:a"}},
		{"deny that does not hold", []authz.Rule{shadow(rule("a", authz.Deny, no))}, exchange.Passed, nil},
		{"require that does not hold lets pass", []authz.Rule{shadow(rule("a", authz.Require, no))}, exchange.Passed, []string{"not-met:a"}},
		{"allow alone that does not hold lets pass", []authz.Rule{shadow(rule("a", authz.Allow, no))}, exchange.Passed, []string{"not-allowed:a"}},
		{"allow beside one that counts never widens", []authz.Rule{rule("a", authz.Allow, no), shadow(rule("b", authz.Allow, yes))}, exchange.Refused, []string{""}},
		{"a refusal that stays one is nothing to tell", []authz.Rule{rule("a", authz.Deny, yes), shadow(rule("b", authz.Deny, yes))}, exchange.Refused, nil},
		{"an error in shadow lets pass", []authz.Rule{shadow(rule("a", authz.Deny, broken{}))}, exchange.Passed, []string{"unavailable"}},
		{"an error that counts", []authz.Rule{rule("a", authz.Deny, broken{}), shadow(rule("b", authz.Deny, no))}, exchange.Failed, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var told []string
			s := newConfigured(t, authz.Config{Rules: tt.rules, Shadowed: func(x *exchange.Exchange, would exchange.Verdict) {
				if x == nil {
					t.Error("told of no exchange")
				}
				told = append(told, would.Reason())
			}})
			if v := s.Check(request()); v.Kind() != tt.kind || !slices.Equal(told, tt.told) {
				t.Errorf("got %v and was told %q, want %v and %q", v.Kind(), told, tt.kind, tt.told)
			}
			told = nil
			if v := s.Check(request(func(x *exchange.Exchange) { x.Dry = true })); v.Kind() != tt.kind || told != nil {
				t.Errorf("dry: got %v and was told %q, want %v and nothing", v.Kind(), told, tt.kind)
			}
		})
	}
}

func TestReasons(t *testing.T) {
	s := newConfigured(t, authz.Config{
		Rules:    []authz.Rule{rule("c", authz.Allow, yes), rule("b", authz.Require, yes), {Name: "a", Effect: authz.Deny, Shadow: true, Conditions: []authz.Condition{yes}}},
		Shadowed: func(*exchange.Exchange, exchange.Verdict) {},
	})
	if got, want := s.Reasons(), []string{"denied:a", "not-met:b", "not-allowed:c"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := newStage(t, rule("a", authz.Deny, yes)).Reasons(), []string{"denied:a"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWrap(t *testing.T) {
	s := newStage(t, authz.Rule{Name: "a", Effect: authz.Allow, Methods: []string{"GET"}})
	h := s.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	for method, want := range map[string]int{"GET": 418, "HEAD": 418, "POST": 403} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, "/", nil))
		if w.Code != want {
			t.Errorf("%s: status = %d, want %d", method, w.Code, want)
		}
	}
}

// Changing what New was given changes nothing of the Stage.
func TestNewKeepsACopy(t *testing.T) {
	rules := []authz.Rule{{
		Name: "a", Effect: authz.Allow, Methods: []string{"GET"}, Paths: []string{"/orders/*"}, Owners: []string{"acme"},
		Clients: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, AnyScopes: []string{"orders:read"}, Conditions: []authz.Condition{yes},
		Times: []authz.Window{{Days: []time.Weekday{time.Monday}, Zone: "UTC"}},
	}}
	s := newStage(t, rules...)
	r := &rules[0]
	r.Methods[0], r.Paths[0], r.Owners[0], r.Clients[0], r.AnyScopes[0], r.Conditions[0] = "PUT", "/x", "x", netip.MustParsePrefix("10.0.0.0/8"), "x", no
	r.Times[0].Days[0] = time.Tuesday
	if v := s.Check(request()); !v.Passed() {
		t.Errorf("refused: %s", v.Reason())
	}
}

func TestNewRefuses(t *testing.T) {
	var none *authz.Stage // stands for any nil pointer that a condition is
	ok := rule("a", authz.Deny, yes)
	tests := []struct {
		name  string
		rules []authz.Rule
		want  []string
	}{
		{"no rules", nil, []string{"Rules is empty"}},
		{"257 rules", slices.Repeat([]authz.Rule{ok}, 257), []string{"257 rules, want at most 256"}},
		{"no name", []authz.Rule{rule("", authz.Deny, yes)}, []string{`Rules[0] "": want a Name`}},
		{"a name of other characters", []authz.Rule{rule("A b", authz.Deny, yes)}, []string{`Rules[0] "A b": want a Name`}},
		{"a name twice", []authz.Rule{ok, ok}, []string{`Rules[1] "a": the name is taken`}},
		{"no effect", []authz.Rule{rule("a", 0, yes)}, []string{"Effect is missing"}},
		{"an effect that is none", []authz.Rule{rule("a", 9, yes)}, []string{"Effect is missing"}},
		{"no condition", []authz.Rule{{Name: "a", Effect: authz.Deny}}, []string{"it has no condition"}},
		{"a list that names nobody", []authz.Rule{{Name: "a", Effect: authz.Allow, Owners: []string{}, Clients: []netip.Prefix{}}}, []string{"Owners is empty", "Clients is empty"}},
		{"a list without end", []authz.Rule{{Name: "a", Effect: authz.Allow, Owners: slices.Repeat([]string{"x"}, 1001)}}, []string{"Owners has 1001 entries"}},
		{"a label of two lines", []authz.Rule{{Name: "a", Effect: authz.Deny, Label: "a\nb", Conditions: []authz.Condition{yes}}}, []string{"label"}},
		{"a label of 201 bytes", []authz.Rule{{Name: "a", Effect: authz.Deny, Label: strings.Repeat("x", 201), Conditions: []authz.Condition{yes}}}, []string{"label"}},
		{"nil conditions", []authz.Rule{rule("a", authz.Deny, nil, (*pointer)(none))}, []string{"missing: Conditions[0]", "missing: Conditions[1]"}},
		{"a method in lower case", []authz.Rule{{Name: "a", Effect: authz.Deny, Methods: []string{"get"}}}, []string{`Methods: "get"`}},
		{"a method that is no token", []authz.Rule{{Name: "a", Effect: authz.Deny, Methods: []string{"GET POST"}}}, []string{`Methods: "GET POST"`}},
		{"an empty value", []authz.Rule{{Name: "a", Effect: authz.Allow, Owners: []string{""}}}, []string{"Owners: a value is empty"}},
		{"a wildcard scope", []authz.Rule{{Name: "a", Effect: authz.Allow, AllScopes: []string{"orders:*"}, AnyScopes: []string{""}}}, []string{`AllScopes: "orders:*"`, `AnyScopes: ""`}},
		{"shadow that nobody hears", []authz.Rule{{Name: "a", Effect: authz.Deny, Shadow: true, Conditions: []authz.Condition{yes}}}, []string{"no Shadowed to tell"}},
		{"everything at once", []authz.Rule{rule("", 0), {Name: "b", Effect: authz.Deny, Paths: []string{"x", "/a//b"}}}, []string{`Rules[0] "": want a Name`, "Effect", `pattern "x"`, `pattern "/a//b"`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := authz.New(authz.Config{Rules: tt.rules})
			if err == nil {
				t.Fatal("was accepted")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not say %s", err, want)
				}
			}
		})
	}
}

// pointer is a Condition whose nil pointer is one.
type pointer authz.Stage

func (*pointer) Holds(*exchange.Exchange) (bool, error) { return true, nil }

func TestMethods(t *testing.T) {
	tests := []struct {
		name, listed, sent string
		deny               bool
		want               bool
	}{
		{"the same", "POST", "POST", false, true},
		{"another", "POST", "PUT", false, false},
		{"GET takes HEAD", "GET", "HEAD", false, true},
		{"HEAD does not take GET", "HEAD", "GET", false, false},
		{"methods have case", "POST", "post", false, false},
		{"deny in any case, as upstreams may read it", "POST", "pOst", true, true},
		{"deny of GET is one of HEAD, in any case", "GET", "head", true, true},
		{"an unknown one can be listed", "PURGE", "PURGE", false, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			effect := authz.Require
			if tt.deny {
				effect = authz.Deny
			}
			x := request(func(x *exchange.Exchange) { x.Request.Method = tt.sent })
			v := newStage(t, authz.Rule{Name: "a", Effect: effect, Methods: []string{tt.listed}}).Check(x)
			if got := v.Passed() != tt.deny; got != tt.want {
				t.Errorf("holds = %v, want %v", got, tt.want)
			}
		})
	}
}
