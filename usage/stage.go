package usage

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/problem"
)

// Remaining is the response field that tells a client how many credits it has
// left, as far as the node knows that answers: what others of the same account
// spend through other nodes is told a little later. No standard has a field for
// that; the name is the one that such APIs use most.
const Remaining = "X-Credits-Remaining"

// MaxCost is the most credits that one request may cost.
const MaxCost = 1_000_000

// Config configures a [Stage]. The zero value is invalid.
type Config struct {
	_      [0]func()
	Ledger *Ledger // Required. Stages share it, whatever they cost.

	// By says whose credits requests spend. Default [Key].
	By Kind

	// Cost is how many credits a request costs, 1 to [MaxCost]. Default 1. With
	// CostHeader it is the most that a request may cost.
	Cost int64

	// Unmetered lets pass, for nothing, whoever has no account. By default such a
	// request is refused.
	Unmetered bool

	// RefundFailed gives back what a request cost when it was answered with a status
	// of 500 or above. A client that leaves before there is an answer has spent its
	// credits: else it could have the work for nothing.
	RefundFailed bool

	// CostHeader is a response field by which the handler, or the upstream, says what
	// the request really cost, in digits: 0 to Cost. Anything else counts as Cost and
	// is logged. It is taken out of the answer. Empty for none.
	CostHeader string

	// Quiet leaves the field [Remaining] out.
	Quiet bool
}

func (c *Config) complete() error {
	if c.By == "" {
		c.By = Key
	}
	if c.Cost == 0 {
		c.Cost = 1
	}
	var errs []error
	if c.Ledger == nil {
		errs = append(errs, errors.New("usage: there is no Ledger"))
	}
	if c.By != Key && c.By != Owner {
		errs = append(errs, fmt.Errorf("usage: By is %q, want %q or %q", c.By, Key, Owner))
	}
	if c.Cost < 1 || c.Cost > MaxCost {
		errs = append(errs, fmt.Errorf("usage: the Cost is %d, want 1 to %d", c.Cost, MaxCost))
	}
	if c.CostHeader != "" && c.CostHeader != http.CanonicalHeaderKey(c.CostHeader) {
		errs = append(errs, fmt.Errorf("usage: CostHeader %q is no header field, want it like %q", c.CostHeader, "X-Request-Cost"))
	}
	if c.CostHeader == Remaining {
		errs = append(errs, fmt.Errorf("usage: CostHeader is %q, which tells the client something else", Remaining))
	}
	return errors.Join(errs...)
}

// A Stage takes what each request costs, and refuses those that cannot pay. It is
// safe for concurrent use.
type Stage struct {
	cfg      Config
	late     bool // what a request costs is known at its end
	refusal  *problem.Problem
	reported atomic.Int64 // when a cost that is none was logged, by the ledger's clock
}

// New reports everything that is wrong with cfg at once. Changing cfg later has
// no effect.
func New(cfg Config) (*Stage, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	return &Stage{
		cfg: cfg, late: cfg.RefundFailed || cfg.CostHeader != "",
		refusal: problem.New(problem.CreditsExhausted, "There are fewer credits than the request costs. Nothing was spent."),
	}, nil
}

var errTwice = errors.New("usage: two stages charge one request")

// Check takes the cost of x, or refuses it with 429 (RFC 6585, section 4).
// Retry-After (RFC 9110, section 10.2.3) is there only if the next refill brings
// enough; it is rounded up. HEAD and OPTIONS cost nothing. When the store gives no
// answer, x fails with 503. A dry exchange is judged by what the account has and
// takes nothing.
func (s *Stage) Check(x *exchange.Exchange) exchange.Verdict {
	if m := x.Request.Method; m == http.MethodHead || m == http.MethodOptions {
		return exchange.Pass()
	}
	subject := s.cfg.By.of(x)
	switch {
	case subject.ID == "":
		return s.unmetered()
	case x.Dry:
		return s.look(x, subject)
	case x.Charge.From != nil:
		return exchange.Fail(errTwice)
	}
	lease, answer, err := s.cfg.Ledger.spend(x.Request.Context(), subject, s.cfg.Cost)
	switch {
	case err != nil:
		return exchange.Fail(err)
	case lease == nil && !answer.found:
		return s.unmetered()
	case lease == nil:
		return s.refuse(answer.next, answer.then)
	}
	x.Charge = exchange.Charge{From: lease, Taken: s.cfg.Cost, Cost: s.cfg.Cost}
	if !s.late {
		lease.settle(s.cfg.Cost, s.cfg.Cost)
	}
	return exchange.Pass()
}

// unmetered is the verdict on who has no account.
func (s *Stage) unmetered() exchange.Verdict {
	if s.cfg.Unmetered {
		return exchange.Pass()
	}
	return exchange.Refuse(s.refusal, "credits:no-account")
}

// look judges x and takes nothing.
func (s *Stage) look(x *exchange.Exchange, subject Subject) exchange.Verdict {
	account, found, err := s.cfg.Ledger.look(x.Request.Context(), subject, s.cfg.Cost)
	switch {
	case err != nil:
		return exchange.Fail(err)
	case !found:
		return s.unmetered()
	case account.Balance >= s.cfg.Cost:
		return exchange.Pass()
	}
	b := Book{Account: account, Exists: true}
	return s.refuse(account.Next, b.then())
}

// refuse says when there are credits again, if that is known.
func (s *Stage) refuse(next time.Time, then int64) exchange.Verdict {
	p := s.refusal
	if !next.IsZero() && then >= s.cfg.Cost {
		wait := (time.Until(next) + time.Second - 1) / time.Second
		p = p.With("Retry-After", strconv.FormatInt(max(1, int64(wait)), 10))
	}
	return exchange.Refuse(p, "credits")
}

// Headers adds [Remaining], and takes in what the request cost.
func (s *Stage) Headers(x *exchange.Exchange, h http.Header) {
	if name := s.cfg.CostHeader; name != "" {
		if values, told := h[name]; told {
			delete(h, name)
			s.cost(x, values)
		}
	}
	if s.cfg.Quiet {
		return
	}
	subject := s.cfg.By.of(x)
	if subject.ID == "" {
		return
	}
	if n, ok := s.cfg.Ledger.known(subject); ok {
		h[Remaining] = []string{strconv.FormatInt(n, 10)}
	}
}

// cost notes what the handler says.
func (s *Stage) cost(x *exchange.Exchange, values []string) {
	if _, charged := x.Charge.From.(*lease); !charged {
		return
	}
	if len(values) == 1 && len(values[0]) <= len("1000000") {
		if n, err := strconv.ParseUint(values[0], 10, 32); err == nil && int64(n) <= x.Charge.Taken {
			x.Charge.Cost = int64(n)
			return
		}
	}
	now, before := s.cfg.Ledger.now(), s.reported.Load()
	if (before == 0 || now-before > int64(reportPause)) && s.reported.CompareAndSwap(before, now) {
		s.cfg.Ledger.cfg.Log.LogAttrs(context.WithoutCancel(x.Request.Context()), slog.LevelWarn, "a request's cost is not what was told: it is charged in whole",
			slog.String("field", s.cfg.CostHeader), slog.String("route", x.Route), slog.Int64("most", x.Charge.Taken))
	}
}

// Done gives back what the request took and did not cost.
func (s *Stage) Done(x *exchange.Exchange, o exchange.Outcome) {
	lease, charged := x.Charge.From.(*lease)
	if !charged || !s.late {
		return
	}
	cost := x.Charge.Cost
	if s.cfg.RefundFailed && o.Status >= http.StatusInternalServerError {
		cost = 0
	}
	x.Charge.Cost, x.Charge.From = cost, nil
	lease.settle(x.Charge.Taken, cost)
}

// Wrap is Check as net/http middleware, for use without a Stack.
func (s *Stage) Wrap(next http.Handler) http.Handler { return exchange.Wrap(s, next) }
