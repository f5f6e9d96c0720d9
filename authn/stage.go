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

	// PublicKeys takes keys of [exchange.Exchange.TakesPublicKeys] too: those that a
	// page holds, where everybody can read them. For operations that anybody may ask
	// for who has the page.
	PublicKeys bool

	// InsecureVerbose tells whoever sends a wrong credential why it was refused: the
	// word that otherwise only the log has, such as "revoked", "expired" or "unknown".
	// It costs: who tries keys learns which exist. For development.
	InsecureVerbose bool
}

// A Stage passes requests that satisfy a requirement. It is safe for concurrent
// use.
type Stage struct {
	requirement  Requirement
	schemes      []Scheme // each once, in order
	challenges   []string // of the schemes, for absent credentials
	refused      []string // of the schemes, for wrong ones
	denials      []denial // of the schemes
	alternatives []alternative
	optional     bool // the last alternative of the requirement is empty
	headers      []exchange.HeaderWriter
	verbose      bool
	publicKeys   bool

	absent     *problem.Problem
	unreadable *problem.Problem
}

// An alternative is an [Alternative] whose schemes are numbers.
type alternative struct {
	schemes set
	needs   []need
}

type need struct {
	scheme       int
	scopes       []string
	insufficient []*problem.Problem // by the first of scopes that lacks
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
		verbose: cfg.InsecureVerbose, publicKeys: cfg.PublicKeys, requirement: cfg.Requirement.clone(),
		unreadable: problem.New(problem.InvalidCredential, "Send the credential once, in the one place that is documented."),
	}
	s.schemes, _ = cfg.Requirement.schemes() // checked
	s.headers = headerWriters(s.schemes)
	for _, scheme := range s.schemes {
		refused, _ := challenge(scheme, cfg.Realm, InvalidToken, nil)
		s.challenges, s.refused = append(s.challenges, scheme.Challenge(cfg.Realm)), append(s.refused, refused)
	}
	for _, a := range cfg.Requirement {
		s.add(a, cfg.Realm)
	}
	s.absent = s.unauthorized(absentDetail, 0, 0)
	for i := range s.schemes {
		s.denials = append(s.denials, s.deny(i, cfg.Realm))
	}
	return s, nil
}

// add appends a, or makes the requirement optional.
func (s *Stage) add(a Alternative, realm string) {
	if len(a) == 0 {
		s.optional = true
		return
	}
	var compiled alternative
	for _, n := range a {
		i := slices.IndexFunc(s.schemes, func(scheme Scheme) bool { return scheme.Name() == n.Scheme.Name() })
		compiled.schemes |= 1 << i
		compiled.needs = append(compiled.needs, need{i, slices.Clone(n.Scopes), n.insufficient(realm)})
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
		for _, text := range challenges(scheme, c.Realm) {
			if text == "" || !printable(text, "") {
				errs = append(errs, fmt.Errorf("authn: scheme %q: challenge %q: want printable ASCII", scheme.Name(), text))
			}
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
// prove anybody, once, in order; those of refused say that a credential was
// wrong. Each is a field line of its own: within one
// line, commas would divide challenges and parameters alike (RFC 9110, section
// 11.6.1).
func (s *Stage) unauthorized(detail string, proved, refused set) *problem.Problem {
	p := problem.New(problem.Unauthorized, detail)
	for i, challenge := range s.challenges {
		if refused.has(i) {
			challenge = s.refused[i]
		}
		if !proved.has(i) && !slices.Contains(p.Header.Values("WWW-Authenticate"), challenge) {
			p = p.With("WWW-Authenticate", challenge)
		}
	}
	return p
}
