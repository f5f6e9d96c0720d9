// Package ratelimits answers Envoy's global rate limit protocol,
// envoy.service.ratelimit.v3, by the limits of package ratelimit.
//
// Envoy sends descriptors, which are lists of keys and values; a tree of rules
// says which of them are counted by which limit. All limits of a question count
// it, or none does. What no rule has passes, and is told of.
//
// Envoy's filter lets requests pass after an error, unless it is told otherwise.
// So a limit that has to refuse while its store is away refuses in an answer.
package ratelimits

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"sync/atomic"
	"time"

	rlsv3 "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/problem"
	"github.com/warder-dev/warder/ratelimit"
)

// Config configures a [Service].
type Config struct {
	_ [0]func()

	Domains []Domain // see [Service.Replace]
	Log     *slog.Logger

	// Identify gives each question an id; required.
	Identify exchange.Stage

	// Finishers learn what came of each question, as of a request to [Path] with
	// a route of its own for each domain: "ratelimit:" and its name.
	Finishers []exchange.Finisher

	// Shadowed is told of each question that a limit with Shadow would have refused.
	// Required.
	Shadowed func(x *exchange.Exchange, limit string)

	// Asked is told of each question once it is judged, and may keep it. nil for nobody.
	Asked func(x *exchange.Exchange, q Question)
}

// Path is that of the question in gRPC.
const Path = rlsv3.RateLimitService_ShouldRateLimit_FullMethodName

// Stage is what refuses, for logs and metrics, and Malformed is why when it is no
// limit that does.
const (
	Stage     = "ratelimits"
	Malformed = "malformed-descriptors"
)

// A Service answers Envoys. It is safe for concurrent use.
type Service struct {
	rlsv3.UnsafeRateLimitServiceServer

	cfg       Config
	rules     atomic.Pointer[rules]
	unmatched atomic.Uint64
	logged    atomic.Int64 // when something was last logged that Envoys may send often, in Unix seconds

	uncounted *problem.Problem
}

// New reports everything that is wrong with cfg at once.
func New(cfg Config) (*Service, error) {
	var errs []error
	if cfg.Log == nil {
		errs = append(errs, errors.New("ratelimits: Log is missing"))
	}
	if cfg.Identify == nil {
		errs = append(errs, errors.New("ratelimits: Identify is missing"))
	}
	if cfg.Shadowed == nil {
		errs = append(errs, errors.New("ratelimits: Shadowed is missing"))
	}
	s := &Service{
		cfg: cfg, uncounted: problem.New(problem.RateLimited, "Requests cannot be counted at the moment. Retry later.").With("Retry-After", "1"),
	}
	errs = append(errs, s.Replace(Settings{Domains: cfg.Domains}))
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return s, nil
}

// Register has server answer the protocol.
func (s *Service) Register(server grpc.ServiceRegistrar) {
	rlsv3.RegisterRateLimitServiceServer(server, s)
}

// Unmatched is how many descriptors no rule had.
func (s *Service) Unmatched() uint64 { return s.unmatched.Load() }

// ShouldRateLimit implements [rlsv3.RateLimitServiceServer].
func (s *Service) ShouldRateLimit(ctx context.Context, request *rlsv3.RateLimitRequest) (response *rlsv3.RateLimitResponse, err error) {
	a := s.begin(ctx)
	defer func() {
		if value := recover(); value != nil { // gRPC answers on goroutines of its own, where a panic ends the program
			s.cfg.Log.Error("a question about limits panicked", slog.String("type", fmt.Sprintf("%T", value)))
			a.verdict, a.status = exchange.Refuse(s.uncounted, string(problem.Internal)), http.StatusInternalServerError
			response, err = s.refused(nil, s.uncounted), nil
		}
		s.end(a, err)
		if s.cfg.Asked != nil {
			s.cfg.Asked(a.x, Question{request})
		}
	}()
	return s.answer(a, request) //nolint:contextcheck // the exchange carries it
}

// An asking is one question on its way.
type asking struct {
	x       *exchange.Exchange
	status  int
	verdict exchange.Verdict
	err     error
}

// begin notes who asks.
func (s *Service) begin(ctx context.Context) *asking {
	r := (&http.Request{
		Method: http.MethodPost, URL: &url.URL{Path: Path}, RequestURI: Path, Proto: "HTTP/2.0", ProtoMajor: 2, Header: http.Header{}, Body: http.NoBody,
	}).WithContext(ctx)
	x := exchange.New(r)
	x.Path = Path
	if p, ok := peer.FromContext(ctx); ok && p.Addr != nil {
		if remote, err := netip.ParseAddrPort(p.Addr.String()); err == nil {
			x.Peer, x.Client = remote, remote.Addr().Unmap().WithZone("")
		}
	}
	s.cfg.Identify.Check(x)
	return &asking{x: x, status: http.StatusOK, verdict: exchange.Pass()}
}

// end tells what came of the question.
func (s *Service) end(a *asking, err error) {
	if err != nil {
		a.status, a.err = http.StatusBadRequest, err
	}
	o := exchange.Outcome{
		Trace: exchange.Trace{Verdict: a.verdict}, Status: a.status, Duration: time.Since(a.x.Start), Reason: a.verdict.Reason(), Err: a.err,
	}
	if !a.verdict.Passed() {
		o.Trace.Stage = Stage
	}
	for _, f := range s.cfg.Finishers {
		f.Done(a.x, o)
	}
}

// answer judges.
func (s *Service) answer(a *asking, request *rlsv3.RateLimitRequest) (*rlsv3.RateLimitResponse, error) {
	rules := s.rules.Load()
	q, err := rules.read(request)
	if err != nil {
		a.verdict = exchange.Refuse(problem.New(problem.InvalidInput, ""), Malformed)
		s.tell("Envoy asked for a limit in a form that names none: see the guide for the wiring", slog.String("wrong", err.Error()))
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	a.x.Route = q.route
	a.x.Principal.Claims, a.x.Principal.Quotas = q.subjects, q.quotas
	if n := len(q.unmatched); n > 0 {
		s.unmatched.Add(uint64(n))
		s.tell("Envoy asked for limits that the configuration does not have: the requests pass, and no limit counts them", slog.String("first", q.unmatched[0]))
	}
	passed, err := ratelimit.TakeAll(a.x, q.demands)
	if err != nil {
		a.verdict, a.status, a.err = exchange.Fail(err), http.StatusServiceUnavailable, err
		return s.refused(q, s.uncounted), nil
	}
	for i := range q.demands {
		if passed && q.demands[i].Shadowed() {
			s.cfg.Shadowed(a.x, q.demands[i].Limit.Name())
		}
	}
	if passed {
		return rules.passed(q), nil
	}
	p, limit := ratelimit.Refusal(q.demands)
	a.verdict, a.status = exchange.Refuse(p, "limit:"+limit), http.StatusTooManyRequests
	w := s.refused(q, p)
	rules.addFields(w, q)
	return w, nil
}

// tell logs what may come with each request, once in ten seconds.
func (s *Service) tell(what string, detail slog.Attr) {
	const often = 10
	now, last := time.Now().Unix(), s.logged.Load()
	if now-last >= often && s.logged.CompareAndSwap(last, now) {
		s.cfg.Log.Warn(what, detail)
	}
}
