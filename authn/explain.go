package authn

import (
	"errors"
	"fmt"
	"strings"

	"github.com/warder-dev/warder/exchange"
)

// Explain tells of each scheme what the request carries for it, and of each
// alternative what it lacks. It is an [exchange.Explainer]: it asks the schemes
// anew, about the request as it was sent.
func (s *Stage) Explain(x *exchange.Exchange) (all []exchange.Finding) {
	again := x.Again(x.Request.Context())
	again.TakesPublicKeys = s.publicKeys
	principals := make([]exchange.Principal, len(s.schemes))
	var proved set
	for i, scheme := range s.schemes {
		f := exchange.Finding{Rule: "scheme " + scheme.Name()}
		principal, err := scheme.Authenticate(again)
		refusal, failed := classify(err)
		denial, denied := errors.AsType[*Denial](err)
		switch {
		case denied && denial.whole(): // a proof, as in Check, which it refuses at last
			principals[i] = denial.Principal
			proved |= 1 << i
			f.Result, f.Detail = "is denied", denial.Rule
		case err == nil && !principal.IsZero():
			principals[i] = principal
			proved |= 1 << i
			f.Result, f.Detail = "proves", describePrincipal(&principal)
		case refusal != nil:
			f.Result, f.Detail = "is refused", refusal.reason
		case failed != nil || err == nil:
			f.Result = "cannot be judged"
		default:
			f.Result = "is absent"
		}
		all = append(all, f)
	}
	for i := range s.alternatives {
		all = append(all, s.explainAlternative(&s.alternatives[i], principals, proved))
	}
	if s.optional {
		all = append(all, exchange.Finding{Rule: "alternative {}", Result: "holds", Detail: "for a request without any credential"})
	}
	return all
}

// explainAlternative says what a lacks.
func (s *Stage) explainAlternative(a *alternative, principals []exchange.Principal, proved set) exchange.Finding {
	var names, lacks []string
	for i := range a.needs {
		n := &a.needs[i]
		name := s.schemes[n.scheme].Name()
		text := name
		if len(n.scopes) > 0 {
			text += " with " + strings.Join(n.scopes, " ")
		}
		names = append(names, text)
		if !proved.has(n.scheme) {
			lacks = append(lacks, "a proof by "+name)
			continue
		}
		for _, scope := range n.scopes {
			if !principals[n.scheme].Scopes.Allow(scope) {
				lacks = append(lacks, "the scope "+scope)
			}
		}
	}
	f := exchange.Finding{Rule: "alternative " + strings.Join(names, " and "), Result: "holds"}
	if len(lacks) > 0 {
		f.Result, f.Detail = "does not hold", "lacks "+strings.Join(lacks, ", ")
	}
	return f
}

// describePrincipal names somebody for the operator.
func describePrincipal(p *exchange.Principal) string {
	text := fmt.Sprintf("%s of %s", p.Subject, p.Issuer)
	if p.Owner != "" {
		text += fmt.Sprintf(", owner %q", p.Owner)
	}
	if p.Environment != "" {
		text += ", environment " + p.Environment
	}
	if names := p.Scopes.Names(); len(names) > 0 {
		text += ", scopes " + strings.Join(names, " ")
	}
	return text
}
