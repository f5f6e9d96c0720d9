package authz

import (
	"time"

	"github.com/warder-dev/warder/exchange"
)

// Until returns until when the stage says the same of x, were it to come again: the
// first moment before limit at which a window of time begins or ends, or else limit.
// ok is false where nobody knows: a condition in code or CEL may read anything.
func (s *Stage) Until(x *exchange.Exchange, limit time.Time) (until time.Time, ok bool) {
	until = limit
	for _, list := range [][]*rule{s.enforced.deny, s.enforced.require, s.enforced.allow} {
		for _, r := range list {
			for _, c := range r.conditions {
				switch c := c.(type) {
				case times:
					until = c.until(x.Start, until)
				case *methods, paths, clients, *words, *scopes, claims:
				default:
					return time.Time{}, false
				}
			}
		}
	}
	return until, true
}

// until returns the first moment after now and before limit at which t changes, or
// limit. Windows begin and end on whole minutes, also where clocks are changed.
func (t times) until(now, limit time.Time) time.Time {
	for at := now.Truncate(time.Minute).Add(time.Minute); at.Before(limit); at = at.Add(time.Minute) {
		for i := range t {
			if t[i].holds(at) != t[i].holds(now) {
				return at
			}
		}
	}
	return limit
}
