package authn

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/problem"
)

// Config configures a [Stage]. The zero value is invalid: a stage that requires
// nothing would pass everybody.
type Config struct {
	_           [0]func()
	Requirement Requirement // Required, with a scheme at least; see [Require].
	Realm       string      // names the protected space in challenges (RFC 9110, section 11.5): printable ASCII without quotes and backslash. Default "warder".
}

// A Stage passes requests that satisfy a requirement. It is safe for concurrent
// use.
type Stage struct {
	requirement  Requirement
	schemes      []Scheme // each once, in order
	challenges   []string // of the schemes
	alternatives []alternative
	optional     bool // the last alternative of the requirement is empty
	headers      []exchange.HeaderWriter

	absent       *problem.Problem
	wrong        *problem.Problem
	unreadable   *problem.Problem
	insufficient map[string]*problem.Problem // by the first scope that lacks
}

// An alternative is an [Alternative] whose schemes are numbers.
type alternative struct {
	schemes set
	needs   []need
}

type need struct {
	scheme int
	scopes []string
}

// A set is a set of schemes: bit i is that of Stage.schemes[i].
type set uint32

func (s set) has(i int) bool { return s&(1<<i) != 0 }

// defaultRealm is the realm of a Config that names none.
const defaultRealm = "warder"

const (
	absentDetail = "The request carries no credential. WWW-Authenticate says what is accepted."
	lackDetail   = "The request carries too few credentials. WWW-Authenticate says what is accepted besides."
	wrongDetail  = "The credential was not accepted. WWW-Authenticate says what is."
)

// New reports everything that is wrong with cfg at once. Changing cfg later has
// no effect.
func New(cfg Config) (*Stage, error) {
	if cfg.Realm == "" {
		cfg.Realm = defaultRealm
	}
	if err := cfg.check(); err != nil {
		return nil, err
	}
	s := &Stage{
		requirement:  cfg.Requirement.clone(),
		unreadable:   problem.New(problem.InvalidCredential, "Send the credential once, in the one place that is documented."),
		insufficient: make(map[string]*problem.Problem),
	}
	s.schemes, _ = cfg.Requirement.schemes() // checked
	s.headers = headerWriters(s.schemes)
	for _, scheme := range s.schemes {
		s.challenges = append(s.challenges, scheme.Challenge(cfg.Realm))
	}
	for _, a := range cfg.Requirement {
		s.add(a)
	}
	s.absent = s.unauthorized(absentDetail, 0)
	s.wrong = s.unauthorized(wrongDetail, 0)
	return s, nil
}

// add appends a, or makes the requirement optional.
func (s *Stage) add(a Alternative) {
	if len(a) == 0 {
		s.optional = true
		return
	}
	var compiled alternative
	for _, n := range a {
		i := slices.IndexFunc(s.schemes, func(scheme Scheme) bool { return scheme.Name() == n.Scheme.Name() })
		compiled.schemes |= 1 << i
		compiled.needs = append(compiled.needs, need{i, slices.Clone(n.Scopes)})
		for _, scope := range n.Scopes {
			s.insufficient[scope] = problem.New(problem.InsufficientScope, "The credential lacks the scope "+scope+".")
		}
	}
	s.alternatives = append(s.alternatives, compiled)
}

func (c *Config) check() error {
	errs := []error{c.Requirement.check()}
	if !printable(c.Realm, `"\`) {
		errs = append(errs, fmt.Errorf("authn: realm %q: want printable ASCII without quotes and backslash", c.Realm))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	schemes, _ := c.Requirement.schemes() // checked
	for _, scheme := range schemes {
		if challenge := scheme.Challenge(c.Realm); challenge == "" || !printable(challenge, "") {
			errs = append(errs, fmt.Errorf("authn: scheme %q: challenge %q: want printable ASCII", scheme.Name(), challenge))
		}
	}
	return errors.Join(errs...)
}

// printable reports whether text is printable ASCII without the bytes of but.
func printable(text, but string) bool {
	for i := range len(text) {
		if b := text[i]; b < ' ' || b > '~' || strings.IndexByte(but, b) >= 0 {
			return false
		}
	}
	return true
}

// unauthorized returns a 401 with the challenge of each scheme that did not
// prove anybody, once, in order. Each is a field line of its own: within one
// line, commas would divide challenges and parameters alike (RFC 9110, section
// 11.6.1).
func (s *Stage) unauthorized(detail string, proved set) *problem.Problem {
	p := problem.New(problem.Unauthorized, detail)
	for i, challenge := range s.challenges {
		if !proved.has(i) && !slices.Contains(p.Header.Values("WWW-Authenticate"), challenge) {
			p = p.With("WWW-Authenticate", challenge)
		}
	}
	return p
}
