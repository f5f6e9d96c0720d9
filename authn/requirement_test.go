package authn_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
)

func TestNothing(t *testing.T) {
	same := `Bearer realm="warder"`
	tests := []struct {
		name        string
		requirement func(c []*credential) authn.Requirement
		challenges  []string
	}{
		{"MULTI-01: OR", func(c []*credential) authn.Requirement {
			return authn.Requirement{{{Scheme: c[0]}}, {{Scheme: c[1]}}, {{Scheme: c[2]}}}
		}, []string{"a", "b", "c"}},
		{"MULTI-01: AND", func(c []*credential) authn.Requirement {
			return authn.Requirement{{{Scheme: c[0]}, {Scheme: c[1]}}}
		}, []string{"a", "b"}},
		{"MULTI-01: in the order in which they are named first, once each", func(c []*credential) authn.Requirement {
			return authn.Requirement{{{Scheme: c[2]}, {Scheme: c[0]}}, {{Scheme: c[0]}, {Scheme: c[1]}}, {{Scheme: c[2]}}}
		}, []string{"c", "a", "b"}},
		{"MULTI-01: two schemes with one challenge", func(c []*credential) authn.Requirement {
			c[0].challenge, c[2].challenge = same, same
			return authn.Requirement{{{Scheme: c[0]}}, {{Scheme: c[1]}}, {{Scheme: c[2]}}}
		}, []string{"Bearer", "b"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := says(absent, absent, absent)
			want := result{401, "no-credential", "", tt.challenges}
			if got := judge(t, tt.requirement(c)); !got.same(want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

// Each challenge is a field line of its own in the response as well.
func TestChallengesAreFieldLines(t *testing.T) {
	c := says(absent, absent)
	s := newStage(t, authn.Requirement{{{Scheme: c[0]}}, {{Scheme: c[1]}}})
	w := httptest.NewRecorder()
	s.Wrap(http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	want := []string{`a realm="warder"`, `b realm="warder"`}
	if got := w.Result().Header.Values("WWW-Authenticate"); w.Code != 401 || !slices.Equal(got, want) {
		t.Errorf("got %d %q, want 401 %q", w.Code, got, want)
	}
}

func TestOr(t *testing.T) {
	both := []string{"a", "b"}
	tests := []struct {
		a, b string
		want result
	}{
		{absent, absent, result{401, "no-credential", "", both}},
		{good, absent, result{200, "", "a", nil}},
		{absent, good, result{200, "", "b", nil}},
		{good, good, result{200, "", "a", nil}},
		{bad, absent, result{401, "unknown", "", both}},
		{absent, bad, result{401, "unknown", "", both}},
		{bad, good, result{401, "unknown", "", []string{"a"}}},
		{good, bad, result{401, "unknown", "", []string{"b"}}},
		{bad, bad, result{401, "unknown", "", both}},
	}
	for _, tt := range tests {
		t.Run("MULTI-02: "+tt.a+" and "+tt.b, func(t *testing.T) {
			c := says(tt.a, tt.b)
			if got := judge(t, authn.Requirement{{{Scheme: c[0]}}, {{Scheme: c[1]}}}); !got.same(tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestAnd(t *testing.T) {
	tests := []struct {
		a, b string
		want result
	}{
		{absent, absent, result{401, "no-credential", "", []string{"a", "b"}}},
		{good, absent, result{401, "incomplete-credentials", "", []string{"b"}}},
		{absent, good, result{401, "incomplete-credentials", "", []string{"a"}}},
		{good, good, result{200, "", "a", nil}},
		{bad, absent, result{401, "unknown", "", []string{"a", "b"}}},
		{absent, bad, result{401, "unknown", "", []string{"a", "b"}}},
		{bad, good, result{401, "unknown", "", []string{"a"}}},
		{good, bad, result{401, "unknown", "", []string{"b"}}},
		{bad, bad, result{401, "unknown", "", []string{"a", "b"}}},
	}
	for _, tt := range tests {
		t.Run("MULTI-03: "+tt.a+" and "+tt.b, func(t *testing.T) {
			c := says(tt.a, tt.b)
			if got := judge(t, authn.Requirement{{{Scheme: c[0]}, {Scheme: c[1]}}}); !got.same(tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestOptional(t *testing.T) {
	tests := []struct {
		name, a, b string
		want       result
	}{
		{"MULTI-07: an empty map in the list is optional", absent, absent, result{200, "", "", nil}},
		{"a credential is used all the same", good, absent, result{200, "", "a", nil}},
		{"MULTI-04: a bad one is refused", bad, absent, result{401, "unknown", "", []string{"a", "b", "c"}}},
		{"MULTI-04: a bad one beside a good one is refused", good, bad, result{401, "unknown", "", []string{"b", "c"}}},
		{"MULTI-10: an unreadable one is refused", unreadable, absent, result{400, "repeated", "", nil}},
		{"MULTI-10: an unreadable one beside a good one is refused", good, unreadable, result{400, "repeated", "", nil}},
		{"an unreadable one beside a bad one, whatever the order", bad, unreadable, result{400, "repeated", "", nil}},
		{"an unreadable one before a bad one", unreadable, bad, result{400, "repeated", "", nil}},
		{"a store is away", away, absent, result{503, "unavailable", "", nil}},
		{"half of an AND is not nobody", absent, good, result{401, "incomplete-credentials", "", []string{"a", "c"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := says(tt.a, tt.b, absent)
			r := authn.Requirement{{{Scheme: c[0]}}, {{Scheme: c[1]}, {Scheme: c[2]}}, {}}
			if got := judge(t, r); !got.same(tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
	t.Run("a credential without the scope is not nobody", func(t *testing.T) {
		c := says(good)
		want := result{403, "insufficient-scope", "a", nil}
		if got := judge(t, append(authn.Require(c[0], "orders:read"), authn.Alternative{})); !got.same(want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

func TestAStoreThatIsAway(t *testing.T) {
	tests := []struct {
		name   string
		a, b   string
		want   result
		asked  [2]int
		looked [2]int
	}{
		{"MULTI-05: only the other's credential is present", absent, good, result{200, "", "b", nil}, [2]int{1, 1}, [2]int{0, 1}},
		{"MULTI-05: both are present", good, good, result{503, "unavailable", "", nil}, [2]int{1, 0}, [2]int{1, 0}},
		{"neither is present", absent, absent, result{401, "no-credential", "", []string{"a", "b"}}, [2]int{1, 1}, [2]int{0, 0}},
		{"beside a bad one: still no judgement", good, bad, result{503, "unavailable", "", nil}, [2]int{1, 0}, [2]int{1, 0}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := says(tt.a, tt.b)
			c[0].down = true
			if got := judge(t, authn.Requirement{{{Scheme: c[0]}}, {{Scheme: c[1]}}}); !got.same(tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
			if asked, looked := [2]int{c[0].asked, c[1].asked}, [2]int{c[0].looked, c[1].looked}; asked != tt.asked || looked != tt.looked {
				t.Errorf("asked %v and looked up %v, want %v and %v", asked, looked, tt.asked, tt.looked)
			}
		})
	}
	t.Run("MULTI-05: the second's, both are present", func(t *testing.T) {
		for _, first := range []string{good, bad, unreadable} {
			c := says(first, away)
			want := result{503, "unavailable", "", nil}
			if got := judge(t, authn.Requirement{{{Scheme: c[0]}}, {{Scheme: c[1]}}}); !got.same(want) {
				t.Errorf("%s first: got %v, want %v", first, got, want)
			}
		}
	})
}

func TestScopes(t *testing.T) {
	const read, edit = "orders:read", "orders:write"
	tests := []struct {
		name        string
		a, b        []string // granted
		requirement func(a, b authn.Scheme) authn.Requirement
		want        result
	}{
		{"MULTI-06: scopes split over two principals of an OR", []string{read}, []string{edit}, func(a, b authn.Scheme) authn.Requirement {
			return authn.Requirement{{{Scheme: a, Scopes: []string{read, edit}}}, {{Scheme: b, Scopes: []string{read, edit}}}}
		}, result{403, "insufficient-scope", "a", nil}},
		{"MULTI-06: scopes split over two principals of an AND", []string{read}, []string{edit}, func(a, b authn.Scheme) authn.Requirement {
			return authn.Requirement{{{Scheme: a, Scopes: []string{edit}}, {Scheme: b, Scopes: []string{read}}}}
		}, result{403, "insufficient-scope", "a", nil}},
		{"each need's scopes are its principal's", []string{read}, []string{edit}, func(a, b authn.Scheme) authn.Requirement {
			return authn.Requirement{{{Scheme: a, Scopes: []string{read}}, {Scheme: b, Scopes: []string{edit}}}}
		}, result{200, "", "a", nil}},
		{"the first need says who it is, not the first to be asked", nil, nil, func(a, b authn.Scheme) authn.Requirement {
			return authn.Requirement{{{Scheme: a, Scopes: []string{read}}}, {{Scheme: b}, {Scheme: a}}}
		}, result{200, "", "b", nil}},
		{"an alternative without the scope leaves it to the next", nil, []string{read}, func(a, b authn.Scheme) authn.Requirement {
			return authn.Requirement{{{Scheme: a, Scopes: []string{read}}}, {{Scheme: b, Scopes: []string{read}}}}
		}, result{200, "", "b", nil}},
		{"the same scheme with fewer scopes and another", []string{read}, nil, func(a, b authn.Scheme) authn.Requirement {
			return authn.Requirement{{{Scheme: a, Scopes: []string{edit}}}, {{Scheme: a, Scopes: []string{read}}, {Scheme: b}}}
		}, result{200, "", "a", nil}},
		{"the first in order wins, not the one that has more", []string{read}, []string{read, edit}, func(a, b authn.Scheme) authn.Requirement {
			return authn.Requirement{{{Scheme: a, Scopes: []string{read}}}, {{Scheme: b, Scopes: []string{read}}}}
		}, result{200, "", "a", nil}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := says(good, good)
			c[0].scopes, c[1].scopes = exchange.LiteralScopes(tt.a...), exchange.LiteralScopes(tt.b...)
			if got := judge(t, tt.requirement(c[0], c[1])); !got.same(tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// 403 is said only when an alternative was proved: half of one is 401, and the
// detail names a scope of the first that was.
func TestMissingScopeOfAnUnprovedAlternative(t *testing.T) {
	c := says(good, absent)
	r := authn.Requirement{{{Scheme: c[0], Scopes: []string{"x"}}, {Scheme: c[1]}}}
	if got, want := judge(t, r), (result{401, "incomplete-credentials", "", []string{"b"}}); !got.same(want) {
		t.Errorf("got %v, want %v", got, want)
	}
	r = append(r, authn.Alternative{{Scheme: c[0], Scopes: []string{"y"}}}, authn.Alternative{{Scheme: c[0], Scopes: []string{"z"}}})
	x := exchange.New(httptest.NewRequest(http.MethodGet, "/", nil))
	p := newStage(t, r).Check(x).Problem()
	if p == nil || p.Type.Status() != 403 || !strings.Contains(p.Detail, "scope y.") {
		t.Errorf("got %+v, want a 403 for y", p)
	}
}

func TestEachSchemeIsAskedOnce(t *testing.T) {
	c := says(good, good, bad)
	r := authn.Requirement{
		{{Scheme: c[0]}, {Scheme: c[1], Scopes: []string{"a"}}},
		{{Scheme: c[0], Scopes: []string{"b"}}},
		{{Scheme: c[1]}, {Scheme: c[0]}, {Scheme: c[2]}},
		{{Scheme: c[0]}},
		{{Scheme: c[2]}},
	}
	judge(t, r)
	for _, scheme := range c {
		if scheme.asked != 1 {
			t.Errorf("%s was asked %d times, want once", scheme.name, scheme.asked)
		}
	}
}

func TestTheSameRequestAThousandTimes(t *testing.T) {
	t.Run("MULTI-08", func(t *testing.T) {
		for range 1000 { // a Stage of its own each time: nothing may depend on how it was made
			c := says(absent, good, good, good, good, good)
			r := authn.Requirement{{{Scheme: c[0]}}, {{Scheme: c[5]}, {Scheme: c[0]}}, {{Scheme: c[3]}, {Scheme: c[1]}}, {{Scheme: c[1]}}, {{Scheme: c[2]}}, {{Scheme: c[4]}}}
			if got, want := judge(t, r), (result{200, "", "d", nil}); !got.same(want) {
				t.Fatalf("got %v, want %v", got, want)
			}
		}
	})
}

// shared is a scheme of Authorization: the values with its prefix are its own.
type shared struct {
	credential
	own func(value string) bool
}

func (s *shared) Authenticate(x *exchange.Exchange) (exchange.Principal, error) {
	value, ok := strings.CutPrefix(x.Request.Header.Get("Authorization"), "Bearer ")
	if !ok || !s.own(value) {
		return exchange.Principal{}, authn.ErrNoCredential
	}
	return s.credential.Authenticate(x)
}

// A malformed key is judged as a key alone: the scheme of tokens, which would
// take anything, is not asked for it.
func TestOneFieldForKeyAndToken(t *testing.T) {
	t.Run("MULTI-11", func(t *testing.T) {
		isKey := func(v string) bool { return strings.HasPrefix(v, "wrd_") }
		key := &shared{credential{name: "key", says: bad}, isKey}
		token := &shared{credential{name: "token", says: good}, func(v string) bool { return !isKey(v) }}
		s := newStage(t, authn.Requirement{{{Scheme: token}}, {{Scheme: key}}})
		for value, want := range map[string]int{"Bearer wrd_malformed": 401, "Bearer eyJ": 200} {
			x := exchange.New(httptest.NewRequest(http.MethodGet, "/", nil))
			x.Request.Header.Set("Authorization", value)
			got := 200
			if p := s.Check(x).Problem(); p != nil {
				got = p.Type.Status()
			}
			if got != want {
				t.Errorf("%s: status = %d, want %d", value, got, want)
			}
		}
		if key.looked != 1 || token.looked != 1 {
			t.Errorf("looked up %d keys and %d tokens, want one of each", key.looked, token.looked)
		}
	})
}

func TestPrincipalsOfTwoIssuers(t *testing.T) {
	t.Run("MULTI-12", func(t *testing.T) {
		c := says(good, good)
		c[0].subject, c[1].subject = "same", "same"
		var principals []exchange.Principal
		for _, scheme := range c {
			x := exchange.New(httptest.NewRequest(http.MethodGet, "/", nil))
			if !newStage(t, authn.Require(scheme)).Check(x).Passed() {
				t.Fatal("refused")
			}
			principals = append(principals, x.Principal)
		}
		if principals[0].Same(&principals[1]) {
			t.Errorf("%v and %v are taken for the same", principals[0], principals[1])
		}
	})
}

func TestSchemesThatBreakTheContract(t *testing.T) {
	t.Run("nobody beside somebody", func(t *testing.T) {
		c := says(good, nobody)
		if got, want := judge(t, authn.Requirement{{{Scheme: c[0]}}, {{Scheme: c[1]}}}), (result{503, "unavailable", "", nil}); !got.same(want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
	tests := []struct {
		name   string
		err    error
		status int
	}{
		{"absent and refused at once is refused", errors.Join(authn.ErrNoCredential, errBad), 401},
		{"a nil refusal is no answer", (*authn.Refusal)(nil), 503},
		{"wrapped twice", fmt.Errorf("a: %w", fmt.Errorf("b: %w", errUnreadable)), 400},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := append(authn.Require(scheme{err: tt.err}), authn.Alternative{})
			if got := judge(t, r); got.status != tt.status {
				t.Errorf("got %v, want %d", got, tt.status)
			}
		})
	}
}

func TestNewRefuses(t *testing.T) {
	c := says(good, good)
	many := authn.Requirement{}
	for _, scheme := range says(slices.Repeat([]string{good}, 17)...) {
		many = append(many, authn.Require(scheme)...)
	}
	var none *credential
	tests := []struct {
		name        string
		requirement authn.Requirement
		realm       string
		want        []string
	}{
		{"MULTI-07: public by word only, nil", nil, "", []string{"names no scheme"}},
		{"MULTI-07: public by word only, the empty list", authn.Requirement{}, "", []string{"names no scheme"}},
		{"MULTI-07: public by word only, optional alone", authn.Requirement{{}}, "", []string{"names no scheme"}},
		{"MULTI-07: a name that no document can have", authn.Require(&credential{name: "a b"}), "", []string{`scheme "a b": want a name`}},
		{"a nil alternative is not the optional one", authn.Requirement{{{Scheme: c[0]}}, nil}, "", []string{"Requirement[1] is nil"}},
		{"optional before the last", authn.Requirement{{}, {{Scheme: c[0]}}}, "", []string{"Requirement[0]: what is optional must be the last"}},
		{"optional twice", authn.Requirement{{{Scheme: c[0]}}, {}, {}}, "", []string{"Requirement[1]: what is optional"}},
		{"no scheme", authn.Requirement{{{Scheme: c[0]}, {}}}, "", []string{"Requirement[0][1]: Scheme is missing"}},
		{"a nil pointer", authn.Require(none), "", []string{"Scheme is missing"}},
		{"a scheme twice in an AND", authn.Requirement{{{Scheme: c[0]}, {Scheme: c[0]}}}, "", []string{`"a" is in the alternative already`}},
		{"two schemes of one name", authn.Requirement{{{Scheme: c[0]}}, {{Scheme: &credential{name: "a"}}}}, "", []string{`"a": two schemes`}},
		{"two schemes that cannot be compared", authn.Requirement{{{Scheme: scheme{}}}, {{Scheme: scheme{}}}}, "", []string{`"apiKey": two schemes`}},
		{"a wildcard scope", authn.Require(c[0], "orders:*", "a b"), "", []string{`"orders:*"`, `"a b"`}},
		{"17 schemes", many, "", []string{"names 17 schemes, want at most 16"}},
		{"MULTI-09: realm with a quote", authn.Require(c[0]), `a"b`, []string{"realm"}},
		{"MULTI-09: realm with a backslash", authn.Require(c[0]), `a\b`, []string{"realm"}},
		{"MULTI-09: realm with CR", authn.Require(c[0]), "a\rb", []string{"realm"}},
		{"MULTI-09: realm with LF", authn.Require(c[0]), "a\nb", []string{"realm"}},
		{"MULTI-09: realm with non-ASCII", authn.Require(c[0]), "é", []string{"realm"}},
		{"a challenge with LF", authn.Require(&credential{name: "a", challenge: "a\nSet-Cookie: b"}), "", []string{`scheme "a": challenge`}},
		{"everything at once", authn.Requirement{{}, nil, {{}, {Scheme: c[0], Scopes: []string{""}}}}, "\x00", []string{
			"realm", "Requirement[0]", "Requirement[1] is nil", "Requirement[2][0]", `scope ""`,
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := authn.New(authn.Config{Requirement: tt.requirement, Realm: tt.realm})
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
	if _, err := authn.New(authn.Config{Requirement: many[:16], Realm: "a 'realm', of ours"}); err != nil {
		t.Errorf("16 schemes: %v", err)
	}
	if _, err := authn.New(authn.Config{Requirement: authn.Require(c[0]), Realm: ""}); err != nil {
		t.Errorf("no realm: %v", err)
	}
	if _, err := authn.New(authn.Config{Requirement: authn.Require(&emptyChallenge{c[0]})}); err == nil {
		t.Error("a scheme without a challenge was accepted")
	}
}

type emptyChallenge struct{ *credential }

func (*emptyChallenge) Challenge(string) string { return "" }

// Changing what New was given changes nothing of the Stage.
func TestNewKeepsACopy(t *testing.T) {
	c := says(good)
	scopes := []string{"orders:read"}
	r := authn.Require(c[0], scopes...)
	s := newStage(t, r)
	scopes[0] = ""
	r[0] = nil
	if got, want := judgeWith(s), (result{403, "insufficient-scope", "a", nil}); !got.same(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
