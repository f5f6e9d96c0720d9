package authz

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/problem"
)

// An Effect is what a rule does.
type Effect uint8

// The effects. The zero value is none, and refused.
const (
	Deny    Effect = iota + 1 // a request for which the rule holds is refused, whatever else allows it
	Require                   // a request for which the rule does not hold is refused
	Allow                     // where there are Allow rules, one of them has to hold
)

// String returns the effect's word in lower case.
func (e Effect) String() string {
	switch e {
	case Deny:
		return "deny"
	case Require:
		return "require"
	case Allow:
		return "allow"
	default:
		return "none"
	}
}

// A Condition is something that holds for a request or does not. An error says
// that it could not be found out: the request is then 503, in a Deny rule as
// well as in an Allow rule.
//
// Implementations are safe for concurrent use, keep nothing of x and change
// nothing of it. Their errors go to the log and hold no request data.
type Condition interface {
	Holds(x *exchange.Exchange) (bool, error)
}

// A Rule holds for a request when every condition that it has holds. A field that is
// nil is no condition; a list that is empty and not nil is refused, since a
// condition that names nobody must not become one that holds for everybody.
//
// The conditions on the principal (Environments, Owners, Issuers, Schemes,
// Claims, AllScopes, AnyScopes) do not hold for nobody, nor for a principal
// without the value. So a rule that keeps somebody out who lacks something is
// a Require rule; as a Deny rule it would let pass whoever has nothing at all.
type Rule struct {
	_ [0]func()

	// Name is the operator's, for logs and metrics: 1 to 48 lower-case letters,
	// digits and ._-, and the only one of its Config. Required.
	Name string

	// Label is what a client reads that the rule refuses, such as "keys of the live
	// environment": one line of at most 200 bytes, public. "" says nothing of the
	// rule.
	Label string

	Effect Effect // Required.

	// Shadow takes the rule out of the decision: [Config.Shadowed] is told of the
	// requests for which it would have made a difference.
	Shadow bool

	// Methods are those of the request: one of them, in upper case. GET takes HEAD
	// too, as in patterns of routes. A Deny rule takes a method in any case, as some
	// upstreams do.
	Methods []string

	// Paths are patterns for the canonical path, of which one has to match. A
	// request whose path nobody established is 503.
	//
	// A pattern begins with "/" and matches whole segments. A segment "*" takes any
	// one that is not empty, and a star within a segment something of it: "*.json",
	// "v*"; "**" at the end takes all that is left, also nothing:
	// "/admin/**" is "/admin", "/admin/" and what is below them, and never "/adminx".
	// Segments are compared as what they decode to, with case; an encoded slash is
	// part of its segment. A star that is meant is "%2A".
	Paths []string

	// Clients are address ranges, of which one has to hold the client's address as
	// forwarded found it. IPv4 and IPv4 mapped into IPv6 are the same. No range holds
	// an address that is not known, such as that of a Unix socket's peer.
	Clients []netip.Prefix

	// Times are windows, of which one has to hold the moment at which the request
	// came.
	Times []Window

	Environments []string // of the key: one of them
	Owners       []string // of the key: one of them
	Issuers      []string // of the principal: one of them
	Schemes      []string // that proved it, as in OpenAPI: one of them
	Claims       []Claim  // of the token: each of them
	AllScopes    []string // that the credential has to grant, without "*"
	AnyScopes    []string // of which it has to grant one

	// Conditions are further ones, judged last, in order, and only as long as all
	// before them hold.
	Conditions []Condition
}

const (
	maxName  = 48 // with the words before it a reason fits into a log field
	maxLabel = 200
	maxList  = 1000 // entries of a list in a rule
)

// A rule is a [Rule] ready to judge.
type rule struct {
	name, label string
	conditions  []Condition
	refusal     exchange.Verdict // unless it is an Allow rule
}

// holds reports whether every condition of r holds.
func (r *rule) holds(x *exchange.Exchange) (bool, error) {
	for _, c := range r.conditions {
		holds, err := c.Holds(x)
		if err != nil {
			return false, fmt.Errorf("authz: rule %q: %w", r.name, err)
		}
		if !holds {
			return false, nil
		}
	}
	return true, nil
}

// compile reports everything that is wrong with r at once.
func (r *Rule) compile() (*rule, error) {
	errs := []error{r.checkWords()}
	c := &rule{name: r.Name, label: r.Label}
	detail := "A rule of this route refuses the request."
	if r.Label != "" {
		detail = "A rule of this route refuses the request: " + r.Label + "."
	}
	switch r.Effect {
	case Deny:
		c.refusal = exchange.Refuse(problem.New(problem.Forbidden, detail), "denied:"+r.Name)
	case Require:
		c.refusal = exchange.Refuse(problem.New(problem.Forbidden, detail), "not-met:"+r.Name)
	case Allow:
	default:
		errs = append(errs, errors.New("Effect is missing: want Deny, Require or Allow"))
	}
	var err error
	c.conditions, err = r.conditions()
	if err = errors.Join(append(errs, err)...); err != nil {
		return nil, err
	}
	if len(c.conditions) == 0 {
		return nil, errors.New("it has no condition")
	}
	return c, nil
}

// checkWords checks the name and the label.
func (r *Rule) checkWords() error {
	var errs []error
	if !validName(r.Name) {
		errs = append(errs, errors.New("want a Name of 1 to 48 lower-case letters, digits and ._-"))
	}
	if len(r.Label) > maxLabel || !utf8.ValidString(r.Label) || strings.ContainsFunc(r.Label, func(c rune) bool { return !unicode.IsPrint(c) }) {
		errs = append(errs, fmt.Errorf("label %q: want one line of at most %d bytes", r.Label, maxLabel))
	}
	return errors.Join(errs...)
}

func validName(name string) bool {
	for i := range len(name) {
		b := name[i]
		if (b < 'a' || b > 'z') && (b < '0' || b > '9') && b != '.' && b != '_' && b != '-' {
			return false
		}
	}
	return name != "" && len(name) <= maxName
}

// conditions returns what r asks for, the cheap ones first.
func (r *Rule) conditions() ([]Condition, error) {
	var all []Condition
	var errs []error
	add := func(name string, list reflect.Value, make func() (Condition, error)) {
		switch n := list.Len(); {
		case list.IsNil():
		case n == 0:
			errs = append(errs, fmt.Errorf("%s is empty: leave it out, or name something", name))
		case n > maxList:
			errs = append(errs, fmt.Errorf("%s has %d entries, want at most %d", name, n, maxList))
		default:
			c, err := make()
			if err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", name, err))
			}
			all = append(all, c)
		}
	}
	add("Methods", reflect.ValueOf(r.Methods), func() (Condition, error) { return newMethods(r.Methods, r.Effect == Deny) })
	add("Environments", reflect.ValueOf(r.Environments), func() (Condition, error) { return newWords("environments", environment, r.Environments) })
	add("Owners", reflect.ValueOf(r.Owners), func() (Condition, error) { return newWords("owners", owner, r.Owners) })
	add("Issuers", reflect.ValueOf(r.Issuers), func() (Condition, error) { return newWords("issuers", issuer, r.Issuers) })
	add("Schemes", reflect.ValueOf(r.Schemes), func() (Condition, error) { return newWords("schemes", scheme, r.Schemes) })
	add("Clients", reflect.ValueOf(r.Clients), func() (Condition, error) { return newClients(r.Clients) })
	add("Paths", reflect.ValueOf(r.Paths), func() (Condition, error) { return newPaths(r.Paths) })
	add("Times", reflect.ValueOf(r.Times), func() (Condition, error) { return newTimes(r.Times) })
	add("AllScopes", reflect.ValueOf(r.AllScopes), func() (Condition, error) { return newScopes(r.AllScopes, true) })
	add("AnyScopes", reflect.ValueOf(r.AnyScopes), func() (Condition, error) { return newScopes(r.AnyScopes, false) })
	add("Claims", reflect.ValueOf(r.Claims), func() (Condition, error) { return newClaims(r.Claims) })
	for i, c := range r.Conditions {
		if v := reflect.ValueOf(c); c == nil || v.Kind() == reflect.Pointer && v.IsNil() {
			errs = append(errs, fmt.Errorf("a condition is missing: Conditions[%d]", i))
		}
	}
	add("Conditions", reflect.ValueOf(r.Conditions), func() (Condition, error) { return every(append([]Condition(nil), r.Conditions...)), nil })
	return all, errors.Join(errs...)
}

// every holds when each of its conditions does.
type every []Condition

func (e every) Holds(x *exchange.Exchange) (bool, error) {
	for _, c := range e {
		if holds, err := c.Holds(x); err != nil || !holds {
			return false, err
		}
	}
	return true, nil
}
