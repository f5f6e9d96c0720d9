package csrf

import (
	"errors"
	"net/http"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/problem"
)

// Reasons of refusals, for the log and [Config.Report].
const (
	reasonCrossSite   = "cross-site"      // Sec-Fetch-Site says so, or says nothing that is known
	reasonSameSite    = "same-site"       // another host of the site
	reasonOtherOrigin = "other-origin"    // Origin is another
	reasonNullOrigin  = "null-origin"     // Origin is that of no page, or is hidden, and no token makes up for it
	reasonRepeated    = "repeated-header" // Origin or Sec-Fetch-Site more than once
	reasonNoOrigin    = "no-origin"       // neither, and no token
	reasonBadToken    = "bad-token"       // a token that is not ours, or not for this principal
	reasonExpired     = "expired-token"
	reasonLongForm    = "long-form"   // no token in as much of the form as is read
	reasonBrokenForm  = "broken-form" // the body broke before its token came
)

var errNoHost = errors.New("csrf: the exchange has no host: the stage forwarded has to judge before")

// Check passes what is safe, what no browser sends by itself, and what proves
// that it comes from the site itself. All else is 403.
func (s *Stage) Check(x *exchange.Exchange) exchange.Verdict {
	if !s.judges(x) {
		return exchange.Pass()
	}
	if x.Scheme == "" || x.Host == "" {
		return exchange.Fail(errNoHost) // there is nothing that an Origin could be compared with
	}
	reason := s.fromElsewhere(x)
	answer := s.elsewhere
	if reason == reasonNoOrigin || reason == reasonNullOrigin && site(x.Request.Header) == siteOwn {
		reason, answer = s.token(x, reason), s.unproved
	}
	if reason == "" {
		return exchange.Pass()
	}
	return s.refuse(x, answer, reason)
}

// Wrap is Check as net/http middleware, for use without a Stack. The stages
// forwarded and authn have to come before it.
func (s *Stage) Wrap(next http.Handler) http.Handler { return exchange.Wrap(s, next) }

func (s *Stage) refuse(x *exchange.Exchange, p *problem.Problem, reason string) exchange.Verdict {
	if s.report != nil && !x.Dry {
		s.report(x, reason)
	}
	if s.shadow {
		return exchange.Pass()
	}
	return exchange.Refuse(p, reason)
}

// judges reports whether x needs proof.
func (s *Stage) judges(x *exchange.Exchange) bool {
	if x.Principal.IsZero() {
		if !s.login {
			return false
		}
	} else if !x.Principal.Ambient {
		return false
	}
	return unsafe(x.Request)
}

// unsafe reports whether r may change something (RFC 9110, section 9.2.1). The
// names of methods have case: "get" is none of them. An Upgrade counts whatever
// it offers: what follows on the connection is judged by nobody.
func unsafe(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		_, upgrade := r.Header["Upgrade"]
		return upgrade
	default:
		return true
	}
}

// The values of Sec-Fetch-Site, as far as they differ here.
type siteKind uint8

const (
	siteUnknown siteKind = iota // the field is absent: an old browser, plain http, or none at all
	siteOwn                     // the origin itself, or the user
	siteSame                    // another host of the site
	siteOther                   // another site, or a value of a later specification
)

func site(h http.Header) siteKind {
	fields := h["Sec-Fetch-Site"]
	if len(fields) == 0 {
		return siteUnknown
	}
	switch fields[0] {
	case "same-origin", "none":
		return siteOwn
	case "same-site":
		return siteSame
	default:
		return siteOther
	}
}

// fromElsewhere returns why the request's own fields do not show that it comes
// from the site itself; "" when they do. [reasonNoOrigin] is that they show
// nothing at all.
func (s *Stage) fromElsewhere(x *exchange.Exchange) string {
	h := x.Request.Header
	origins := h["Origin"]
	if len(origins) > 1 || len(h["Sec-Fetch-Site"]) > 1 {
		return reasonRepeated
	}
	from := site(h)
	if len(origins) == 0 {
		switch from {
		case siteOwn:
			return ""
		case siteUnknown:
			return reasonNoOrigin
		default:
			return elsewhere(from)
		}
	}
	origin := origins[0]
	if _, ok := s.trusted[origin]; ok {
		return ""
	}
	switch {
	case from == siteSame || from == siteOther:
		return elsewhere(from)
	case origin == "null":
		return reasonNullOrigin
	case !x.IsOwnOrigin(origin):
		return reasonOtherOrigin
	default:
		return ""
	}
}

func elsewhere(from siteKind) string {
	if from == siteSame {
		return reasonSameSite
	}
	return reasonCrossSite
}
