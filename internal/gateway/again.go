package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/upstream"
)

// A Decision is what a gateway made of a request, in words of the configuration
// and of the program alone: but for path, which nobody is shown.
type Decision struct {
	Verdict  exchange.Kind
	Status   int    // that the client gets; 0 when the request passed: then the upstream says
	Reason   string // the word of the log; "" when it passed
	Stage    string // that had the last word; "" when it passed
	Route    string // the pattern that matched; "" for none
	Upstream string // scheme and host of where it goes; "" for nowhere

	path string // that the upstream gets
}

// String is d without its route.
func (d Decision) String() string {
	switch {
	case d.Verdict != exchange.Passed:
		return fmt.Sprintf("%d %s by %s", d.Status, d.Reason, d.Stage)
	case d.Upstream == "":
		return "passed"
	default:
		return "passed to " + d.Upstream
	}
}

// Counts reports whether d rests on what was counted before: on limits, on wrong
// credentials, or on credits that are left.
func (d Decision) Counts() bool {
	switch d.Stage {
	case "addresslimit", "guard", "concurrency", "principallimit":
		return true
	case "credit":
		return d.Reason != "credits:no-account"
	case "authn":
		return d.Reason == "throttled" // passwords before
	default:
		return false
	}
}

// Differs names in what other is not d. Of two refusals nobody is told where they
// would have gone.
func (d Decision) Differs(other Decision) (what []string) {
	for _, one := range []struct {
		name    string
		differs bool
	}{
		{"verdict", d.Verdict != other.Verdict},
		{"status", d.Status != other.Status},
		{"reason", d.Reason != other.Reason},
		{"stage", d.Stage != other.Stage},
		{"route", d.Route != other.Route},
		{"upstream", d.Upstream != other.Upstream && d.Verdict == other.Verdict},
		{"path", d.path != other.path && d.Verdict == other.Verdict},
	} {
		if one.differs {
			what = append(what, one.name)
		}
	}
	return what
}

var errPanic = errors.New("gateway: a stage panicked")

// Decided is what came of x, which g has judged. ok is false where no stage had
// the last word: something failed inside.
func (g *Gateway) Decided(x *exchange.Exchange, o exchange.Outcome) (d Decision, ok bool) {
	d = g.decision(x, o.Trace)
	if d.Verdict == exchange.Answered {
		d.Status = o.Status
	}
	return d, o.Trace.Allowed() || o.Trace.Stage != ""
}

// Again judges r, which the gateway or another got before, without a trace:
// nothing is counted, written or forwarded. It came to listener, "" for the gateway's
// own; asked is for what a proxy asked, as by [Gateway.Decider]. A stage that panics has
// failed.
func (g *Gateway) Again(ctx context.Context, r *http.Request, listener string, asked bool) (d Decision) {
	s := g.stackAt(listener)
	if asked {
		s = g.Decider()
	}
	x := exchange.New(r.WithContext(ctx))
	x.Dry = true
	defer func() {
		if recover() != nil {
			d = g.decision(x, exchange.Trace{Verdict: exchange.Fail(errPanic), Stage: "handler"})
		}
	}()
	trace := s.Decide(x)
	d = g.decision(x, trace)
	if h := trace.Verdict.Handler(); h != nil {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, x.Request)
		d.Status = w.Code
	}
	return d
}

func (g *Gateway) decision(x *exchange.Exchange, t exchange.Trace) Decision {
	d := Decision{Verdict: t.Verdict.Kind(), Route: x.Route}
	if t.Allowed() {
		d.Upstream, d.path = g.destined(x)
		return d
	}
	d.Reason, d.Stage = t.Verdict.Reason(), t.Stage
	if p := t.Verdict.Problem(); p != nil {
		d.Status = p.Type.Status()
	}
	return d
}

// destined is where x would be forwarded.
func (g *Gateway) destined(x *exchange.Exchange) (address, path string) {
	h := g.routes[x.Route]
	if policy, ok := x.Policy.(*warder.Policy); ok {
		if stage, ok := policy.Validate.(*operationStage); ok {
			h = stage.to
		}
	}
	u, ok := h.(*upstream.Upstream)
	if !ok {
		return "", ""
	}
	to, err := u.Destination(x)
	if err != nil {
		return "", ""
	}
	return (&url.URL{Scheme: to.Scheme, Host: to.Host}).String(), to.Opaque
}

// CountingAlone is cfg with limits that count in this process alone, for judging
// without a trace.
func CountingAlone(cfg *config.Config) *config.Config {
	alone := *cfg
	alone.RateLimits = make(map[string]config.RateLimit, len(cfg.RateLimits))
	for name, limit := range cfg.RateLimits {
		limit.Store, limit.Lease = config.StoreMemory, 0
		alone.RateLimits[name] = limit
	}
	return &alone
}
