package warder

import (
	"time"

	"github.com/warder-dev/warder/exchange"
)

// Lasts returns until when a request that was passed would pass again, for those who
// keep the decision for requests with the same credential, method, host, target,
// scheme and client address. until is at most limit. ok is false, so that nobody may
// keep it, where a pass rests on anything else:
//
//   - on what is counted or spent: limits, credits, places, a key's own quotas;
//   - on other fields: Origin, a cookie or an upgrade, parameters and bodies of a document;
//   - on a credential that is no API key, such as a token that was made from one, or on several, or on a secret that is being
//     replaced, or on one that a page holds;
//   - on a condition in code or CEL.
//
// It does not know when the credential is revoked: limit has to. A bruteforce.Guard
// does not matter: what was proved is no guess.
func (s *Stack) Lasts(x *exchange.Exchange, limit time.Time) (until time.Time, ok bool) {
	p, _ := x.Policy.(*Policy)
	if p == nil || !p.lasts() || !fieldsLast(x) || !principalLasts(&x.Principal) || x.TakesPublicKeys || x.QueryTaken() {
		return time.Time{}, false
	}
	until = limit
	if end := x.Principal.Expires; !end.IsZero() && end.Before(until) {
		until = end
	}
	if p.Authz != nil {
		return p.Authz.Until(x, until)
	}
	return until, true
}

// lasts reports whether the policy's stages judge by nothing that a decision cannot
// be kept for.
func (p *Policy) lasts() bool {
	return p.Deny == nil && p.AddressLimit == nil && p.Validate == nil && p.Concurrency == nil && p.PrincipalLimit == nil && p.Credit == nil &&
		(p.Authn == nil || p.Authn.Single())
}

// fieldsLast reports whether the request has none of the fields by which stages, or
// schemes, judge as well.
func fieldsLast(x *exchange.Exchange) bool {
	h := x.Request.Header
	return len(h["Origin"])+len(h["Cookie"])+len(h["Upgrade"]) == 0
}

// principalLasts reports whether p is nobody, or an API key that is as it was for
// every request.
func principalLasts(p *exchange.Principal) bool {
	if p.IsZero() {
		return true
	}
	return p.KeyID != "" && !p.Token && !p.Ambient && !p.Retiring && p.Plan == "" && len(p.Quotas) == 0
}
