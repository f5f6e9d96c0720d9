package authn

import (
	"cmp"
	"errors"
	"net/http"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/problem"
)

// fewSchemes is up to how many schemes a check keeps what they say on the stack.
const fewSchemes = 4

// errNobody is that of a scheme that breaks its contract.
var errNobody = errors.New("authn: a scheme proved nobody without an error")

// Check asks each scheme of the requirement once, in order, and passes a request
// whose credentials satisfy an alternative, or that has none when the
// requirement is optional. [exchange.Exchange.Principal] is that of the first
// such alternative's first need; it stays as it is when nobody asked to be
// somebody.
//
// Every credential that is present has to hold, also one that the request would
// pass without. What keeps a request from passing is, in this order:
//
//   - 503: a scheme could not find out; the others are not asked any more
//   - 400: a credential is repeated or unreadable
//     (a [RefusalChallenger] says so in its challenge, as for the next two)
//   - 401: a credential is wrong, or too few are there for any alternative; with
//     the challenges (RFC 9110, section 15.5.2) of every scheme that was not proved
//   - 403: of every alternative whose credentials are there, a principal lacks a
//     scope. Each need's scopes are those of its own principal: two principals'
//     scopes are never added up.
//   - 403: a credential is not good for this request, see [Denial]
//
// A request with a credential that holds is never taken for one without any:
// optional does not turn 401 or 403 into a pass.
func (s *Stage) Check(x *exchange.Exchange) exchange.Verdict {
	var few [fewSchemes]exchange.Principal
	principals := few[:]
	if len(s.schemes) > fewSchemes {
		principals = make([]exchange.Principal, len(s.schemes))
	}
	x.TakesPublicKeys = s.publicKeys
	proved, refused, err := s.ask(x, principals)
	switch {
	case err != nil:
		return exchange.Fail(err)
	case refused.refusal != nil:
		return s.refuse(refused, proved)
	case proved == 0 && s.optional:
		return exchange.Pass()
	case proved == 0:
		return exchange.Refuse(s.absent, "no-credential")
	}
	v := s.choose(x, principals, proved)
	if d := refused.denial; d != nil && v.Passed() {
		x.Principal = d.Principal // who is refused, for the log
		return exchange.Refuse(d.Problem, d.Rule)
	}
	return v
}

// Wrap is Check as net/http middleware, for the routes of any router. Behind a
// Stack it judges what the Stack's edge found: there it belongs.
func (s *Stage) Wrap(next http.Handler) http.Handler { return exchange.Wrap(s, next) }

// refused are the refusals of a request: the first unreadable one, else the
// first, of the scheme by, and which schemes gave any. A denial, the first, is of
// a credential that holds: it counts as proved, and once the requirement is met.
type refused struct {
	refusal *Refusal
	by      int
	all     set
	denial  *Denial
}

// add notes what the i-th scheme refuses.
func (r *refused) add(i int, refusal *Refusal) {
	r.all |= 1 << i
	if r.refusal == nil || refusal.unreadable && !r.refusal.unreadable {
		r.refusal, r.by = refusal, i
	}
}

// ask asks every scheme, and notes whom those of proved prove. An error means
// that a scheme had no answer: nothing else counts then.
func (s *Stage) ask(x *exchange.Exchange, principals []exchange.Principal) (proved set, refusals refused, err error) {
	for i, scheme := range s.schemes {
		principal, err := scheme.Authenticate(x)
		switch {
		case err == ErrNoCredential: //nolint:errorlint // the usual one, in a nanosecond; classify knows the wrapped ones
		case err != nil:
			if d, ok := errors.AsType[*Denial](err); ok && d.whole() {
				principals[i], refusals.denial = d.Principal, cmp.Or(refusals.denial, d)
				proved |= 1 << i
				continue
			}
			refusal, err := classify(err)
			if err != nil {
				return 0, refused{}, err
			}
			if refusal != nil {
				refusals.add(i, refusal)
			}
		case principal.IsZero():
			return 0, refused{}, errNobody
		default:
			principals[i] = principal
			proved |= 1 << i
		}
	}
	return proved, refusals, nil
}

// whole reports whether d can be answered. Another one is an error like any other.
func (d *Denial) whole() bool { return d != nil && !d.Principal.IsZero() && d.Problem != nil }

// classify returns the refusal that err is; neither for an absent credential;
// and err itself when it is something else.
func classify(err error) (*Refusal, error) {
	refusal, ok := errors.AsType[*Refusal](err)
	switch {
	case ok && refusal == nil:
		return nil, errNobody
	case ok: // also when it is joined to an absent one: what is present counts
		return refusal, nil
	case errors.Is(err, ErrNoCredential):
		return nil, nil
	default:
		return nil, err
	}
}

// refuse is for a credential that does not hold.
func (s *Stage) refuse(r refused, proved set) exchange.Verdict {
	var p *problem.Problem
	switch {
	case r.refusal.unreadable:
		p = s.denials[r.by].unreadable
	case proved == 0 && r.all == 1<<r.by:
		p = s.denials[r.by].wrong
	default:
		p = s.unauthorized(wrongDetail, proved, r.all)
	}
	if s.verbose {
		p = &problem.Problem{Type: p.Type, Detail: p.Detail + " The reason: " + r.refusal.reason + ".", Header: p.Header}
	}
	return exchange.Refuse(p, r.refusal.reason)
}

// choose takes the first alternative that proved satisfies, scopes included.
func (s *Stage) choose(x *exchange.Exchange, principals []exchange.Principal, proved set) exchange.Verdict {
	var lacking *problem.Problem
	for i := range s.alternatives {
		a := &s.alternatives[i]
		if proved&a.schemes != a.schemes {
			continue
		}
		insufficient := a.lacks(principals)
		if insufficient == nil {
			x.Principal = principals[a.needs[0].scheme]
			return exchange.Pass()
		}
		if lacking == nil {
			lacking = insufficient
			x.Principal = principals[a.needs[0].scheme] // who is refused, for the log
		}
	}
	if lacking != nil {
		return exchange.Refuse(lacking, "")
	}
	return exchange.Refuse(s.unauthorized(lackDetail, proved, 0), "incomplete-credentials")
}

// lacks returns the answer for the first scope that a need's own principal
// lacks; nil for none.
func (a *alternative) lacks(principals []exchange.Principal) *problem.Problem {
	for i := range a.needs {
		for j, scope := range a.needs[i].scopes {
			if !principals[a.needs[i].scheme].Scopes.Allow(scope) {
				return a.needs[i].insufficient[j]
			}
		}
	}
	return nil
}
