package authn

import (
	"errors"
	"fmt"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/problem"
)

// A Requirement is what a request must prove: one scheme's credential with all
// of the scopes. It is the smallest form of OpenAPI's Security Requirement
// Object.
type Requirement struct {
	Scheme Scheme   // Required.
	Scopes []string // every one must be granted; words of segments divided by ":", without "*"
}

// Config configures a [Stage]. The zero value is invalid: a stage that requires
// nothing would pass everybody.
type Config struct {
	_           [0]func()
	Requirement Requirement // Required.
	Realm       string      // names the protected space in challenges (RFC 9110, section 11.5): printable ASCII without quotes and backslash. Default "warder".
}

// A Stage passes requests that satisfy a requirement.
type Stage struct {
	scheme       Scheme
	scopes       []string
	absent       *problem.Problem
	wrong        *problem.Problem
	unreadable   *problem.Problem
	insufficient map[string]*problem.Problem // by the first scope that lacks
}

// defaultRealm is the realm of a Config that names none.
const defaultRealm = "warder"

// New reports everything that is wrong with cfg at once.
func New(cfg Config) (*Stage, error) {
	if cfg.Realm == "" {
		cfg.Realm = defaultRealm
	}
	if err := cfg.check(); err != nil {
		return nil, err
	}
	challenge := cfg.Requirement.Scheme.Challenge(cfg.Realm)
	s := &Stage{
		scheme: cfg.Requirement.Scheme,
		scopes: append([]string(nil), cfg.Requirement.Scopes...),
		absent: problem.New(problem.Unauthorized, "The request carries no credential. WWW-Authenticate says what is accepted.").
			With("WWW-Authenticate", challenge),
		wrong: problem.New(problem.Unauthorized, "The credential was not accepted. WWW-Authenticate says what is.").
			With("WWW-Authenticate", challenge),
		unreadable:   problem.New(problem.InvalidCredential, "Send the credential once, in the one place that is documented."),
		insufficient: make(map[string]*problem.Problem),
	}
	for _, scope := range s.scopes {
		s.insufficient[scope] = problem.New(problem.InsufficientScope, "The credential lacks the scope "+scope+".")
	}
	return s, nil
}

func (c *Config) check() error {
	var errs []error
	if c.Requirement.Scheme == nil {
		errs = append(errs, errors.New("authn: Requirement.Scheme is missing"))
	}
	for i := range len(c.Realm) {
		if b := c.Realm[i]; b < ' ' || b > '~' || b == '"' || b == '\\' {
			errs = append(errs, fmt.Errorf("authn: realm %q: want printable ASCII without quotes and backslash", c.Realm))
			break
		}
	}
	for _, scope := range c.Requirement.Scopes {
		if !validScope(scope) {
			errs = append(errs, fmt.Errorf("authn: scope %q: want segments of letters, digits and ._-/ divided by \":\"", scope))
		}
	}
	return errors.Join(errs...)
}

// validScope reports whether scope can be required: segments, no wildcard.
func validScope(scope string) bool {
	return exchange.ValidScope(scope) && scope[len(scope)-1] != '*'
}

var errNobody = errors.New("authn: a scheme proved nobody without an error")

// Check sets [exchange.Exchange.Principal] and passes, or refuses: 401 with a
// challenge (RFC 9110, section 15.5.2) for an absent or wrong credential, 400
// for a repeated or unreadable one, 403 for a missing scope. Whatever else a
// scheme reports is 503.
func (s *Stage) Check(x *exchange.Exchange) exchange.Verdict {
	principal, err := s.scheme.Authenticate(x)
	if err != nil {
		return s.refuse(err)
	}
	if principal.IsZero() {
		return exchange.Fail(errNobody)
	}
	x.Principal = principal
	for _, scope := range s.scopes {
		if !principal.Scopes.Allow(scope) {
			return exchange.Refuse(s.insufficient[scope], "")
		}
	}
	return exchange.Pass()
}

// refuse turns a scheme's error into a verdict; what it does not know fails.
func (s *Stage) refuse(err error) exchange.Verdict {
	if errors.Is(err, ErrNoCredential) {
		return exchange.Refuse(s.absent, "no-credential")
	}
	var refusal *Refusal
	switch {
	case !errors.As(err, &refusal):
		return exchange.Fail(err)
	case refusal.unreadable:
		return exchange.Refuse(s.unreadable, refusal.reason)
	default:
		return exchange.Refuse(s.wrong, refusal.reason)
	}
}
