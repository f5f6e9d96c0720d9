package warder

import (
	"context"
	"errors"
	"net/http"

	"github.com/warder-dev/warder/exchange"
)

var (
	errNotJudged = errors.New("warder: the request was not allowed by a Stack")
	errOther     = errors.New("the credential proves somebody else now")
)

// Recheck judges anew whether the sender of a request that was allowed, and whose
// answer is still under way, keeps the right to it: it asks the policy's Authn and
// Authz, and no stage that counts. It passes when both do and the principal is the
// same. Whoever was revoked, has expired or lost a scope is refused; a store that
// gives no answer fails, as always. Nothing is written.
//
// The header of the request must not be changed while Recheck runs.
func (s *Stack) Recheck(ctx context.Context, x *exchange.Exchange) exchange.Verdict {
	p, ok := x.Policy.(*Policy)
	if !ok {
		return exchange.Fail(errNotJudged)
	}
	again := x.Again(ctx)
	if p.Authn != nil {
		if v := p.Authn.Check(again); !v.Passed() {
			return v
		}
	}
	if again.Principal.IsZero() != x.Principal.IsZero() || !again.Principal.IsZero() && !again.Principal.Same(&x.Principal) {
		return exchange.Fail(errOther)
	}
	if p.Authz != nil {
		return p.Authz.Check(again)
	}
	return exchange.Pass()
}

// ErrRightsLost is the cause of the end of a context of [Stack.Follow].
var ErrRightsLost = errors.New("warder: the principal lost the right to the request")

// Follow returns a context for a handler whose answer lasts: a WebSocket, an event
// stream, a gRPC call. It ends, with the cause [ErrRightsLost], within some seconds
// after the principal lost the right to the request: revoked, disabled, expired, or
// a condition that holds no longer. It ends too when twice in succession nobody
// could tell. Call cancel when the answer is over.
//
// r is the request as the Stack gave it to the handler; its header must not be
// changed any more.
func (s *Stack) Follow(r *http.Request) (ctx context.Context, cancel context.CancelFunc) {
	ctx, end := context.WithCancelCause(r.Context())
	x := exchange.From(ctx)
	if x == nil {
		end(errNotJudged)
		return ctx, func() {}
	}
	stop := exchange.Watch(ctx, func(ctx context.Context) exchange.Verdict { return s.Recheck(ctx, x) }, func(exchange.Verdict) { end(ErrRightsLost) })
	return ctx, func() { stop(); end(nil) }
}
