package keyservice

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/warder-dev/warder/accesslog"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/problem"
)

// watching is what all viewers share.
type watching struct {
	stopped chan struct{} // closed: no more, and those that there are end
	once    sync.Once

	mu      sync.Mutex
	viewers int
	bound   int            // of them, who is bound to an owner
	each    map[string]int // viewers of a side
}

// StopWatching ends every stream of decisions, and lets no more begin.
func (s *Service) StopWatching() { s.watching.once.Do(func() { close(s.watching.stopped) }) }

// Viewers is how many watch.
func (s *Service) Viewers() int {
	s.watching.mu.Lock()
	defer s.watching.mu.Unlock()
	return s.watching.viewers
}

// WatchFilter says which decisions are watched.
type WatchFilter struct {
	Route   string `query:"route" doc:"of this route alone: the pattern, as the configuration has it" maxLength:"1024"`
	Key     string `query:"key" doc:"with this key alone, used or claimed; none for those without one" maxLength:"12" pattern:"^([0-9A-Za-z]{12}|none)$" patternDescription:"12 letters and digits, or none"`
	Outcome string `query:"outcome" enum:"refused,passed" doc:"refused are those that have a reason"`
	Code    string `query:"code" doc:"a status such as 429, or a reason such as revoked" maxLength:"64" pattern:"^([1-9][0-9]{2}|[a-z][0-9a-z:-]{0,63})$" patternDescription:"a status, or the word for a reason"`
	For     string `query:"for" doc:"for how long, 1ms to 24h; default: until one of both leaves" maxLength:"32" pattern:"^[0-9.]+(ns|us|ms|s|m|h|d|w)([0-9.]+(ns|us|ms|s|m|h|d|w))*$" patternDescription:"a duration such as 90d, 12h or 30s"`
}

// noKey asks for requests without a key. It is too short to be the id of one.
const noKey = "none"

// wants reports whether the decision is asked for.
func (f *WatchFilter) wants(d *Decision) bool {
	switch {
	case f.Route != "" && f.Route != d.Route,
		f.Key == noKey && d.KeyID != "",
		f.Key != "" && f.Key != noKey && f.Key != d.KeyID,
		f.Outcome == "refused" && d.Reason == "",
		f.Outcome == "passed" && d.Reason != "",
		f.Code != "" && !d.code(f.Code):
		return false
	}
	return true
}

// ends returns when watching is over; nil for never.
func (f *WatchFilter) ends() (<-chan time.Time, error) {
	if f.For == "" {
		return nil, nil
	}
	d, err := config.ParseDuration(f.For)
	if err != nil || d < time.Millisecond || d > 24*time.Hour {
		return nil, invalid(Fault{"for", "want 1ms to 24h"})
	}
	return time.After(d), nil
}

const (
	lookEvery = 200 * time.Millisecond // for what is new
	beatEvery = 15 * time.Second       // something is said, so that both sides notice when the other is gone
	lastWords = time.Second            // for what is being written when a stream ends
)

var (
	errNoTail     = errors.New("keyservice: nothing tells what becomes of requests here")
	errRightsLost = errors.New("keyservice: the right to watch is lost")
)

// watchDecisions streams decisions while they are made (server-sent events, as HTML
// has them).
func (s *Service) watchDecisions(ctx context.Context, in *WatchFilter) (*huma.StreamResponse, error) {
	c := callerOf(ctx)
	end, err := s.mayWatch(ctx, c, in)
	if err != nil {
		return nil, s.failed(ctx, c, "watchDecisions", err)
	}
	leave, err := s.takePlace(c)
	if err != nil {
		return nil, s.failed(ctx, c, "watchDecisions", err)
	}
	return &huma.StreamResponse{Body: func(to huma.Context) {
		defer leave()
		v := &viewer{s: s, c: c, filter: in, follower: s.cfg.Tail.Follow(), answer: http.NewResponseController(writerOf(to)), to: to}
		defer v.follower.Close()
		v.serve(ctx, end)
	}}, nil
}

// mayWatch refuses what is not to be watched. A stream is more than a look: a browser
// has to say that the page that asks for it is this server's own.
func (s *Service) mayWatch(ctx context.Context, c *caller, in *WatchFilter) (<-chan time.Time, error) {
	if c.principal.Ambient && exchange.From(ctx).Request.Header.Get("Sec-Fetch-Site") != "same-origin" {
		return nil, fail(problem.CrossSite, "A browser has to say that the request comes from the page of this server itself.")
	}
	if s.cfg.Tail == nil {
		return nil, errNoTail
	}
	if in.Key != noKey {
		var owner string
		if err := s.ownUsage(ctx, c, in.Key, &owner); err != nil {
			return nil, err
		}
	}
	return in.ends()
}

// takePlace takes one of the places of viewers, until leave is called. Nobody has so many
// that none is left for others: those who act for one owner count together, and all who
// are bound to an owner have half of the places, so that customers leave some for whoever
// sees everything.
func (s *Service) takePlace(c *caller) (leave func(), _ error) {
	select {
	case <-s.watching.stopped:
		return nil, wait(fail(problem.Unavailable, "The server stops."), "1")
	default:
	}
	who, bound, half := c.id(), 0, (s.cfg.Viewers+1)/2
	if c.bound() != "" {
		who, bound = "owner "+c.bound(), 1
	}
	w := &s.watching
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.each[who] >= s.cfg.ViewersEach:
		return nil, wait(fail(problem.RateLimited, fmt.Sprintf("You watch as often as you may at once: %d times, which limits.viewers_each says.", s.cfg.ViewersEach)), "5")
	case w.viewers >= s.cfg.Viewers:
		return nil, wait(fail(problem.RateLimited, fmt.Sprintf("As many watch as may at once: %d, which limits.viewers says.", s.cfg.Viewers)), "5")
	case bound > 0 && w.bound >= half:
		return nil, wait(fail(problem.RateLimited, fmt.Sprintf("As many who are bound to an owner watch as may at once: %d, half of what limits.viewers says.", half)), "5")
	}
	w.viewers++
	w.bound += bound
	w.each[who]++
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.viewers--
		w.bound -= bound
		if w.each[who]--; w.each[who] == 0 {
			delete(w.each, who)
		}
	}, nil
}

// wait is f with how many seconds to wait.
func wait(f *failure, seconds string) error {
	f.header = http.Header{"Retry-After": {seconds}}
	return f
}

// writerOf is the response behind a context of huma's.
func writerOf(ctx huma.Context) http.ResponseWriter {
	w, ok := ctx.BodyWriter().(http.ResponseWriter)
	if !ok {
		panic("keyservice: the body's writer is no response")
	}
	return w
}

// A viewer is one stream.
type viewer struct {
	s        *Service
	c        *caller
	filter   *WatchFilter
	follower *accesslog.Follower
	to       huma.Context
	answer   *http.ResponseController

	out    bytes.Buffer
	owners owners
	batch  [256]*accesslog.Told
}

// serve streams until one of both leaves, time is over, or the right to it is lost.
func (v *viewer) serve(ctx context.Context, end <-chan time.Time) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer v.watchRights(ctx, cancel)()
	// What is being written to somebody who does not read must not outlast the right to
	// see it.
	defer context.AfterFunc(ctx, func() { _ = v.answer.SetWriteDeadline(time.Now().Add(lastWords)) })()
	v.to.SetHeader("Content-Type", "text/event-stream")
	v.to.SetHeader("X-Accel-Buffering", "no") // nginx would keep it back
	v.to.SetStatus(http.StatusOK)
	v.out.WriteString(": from here on\n\n")
	look, beat := time.NewTicker(lookEvery), time.NewTicker(beatEvery)
	defer look.Stop()
	defer beat.Stop()
	for v.flush() {
		select {
		case <-ctx.Done():
			return
		case <-v.s.watching.stopped:
			v.rest(ctx)
			return
		case <-end:
			v.rest(ctx)
			return
		case <-beat.C:
			v.out.WriteString(":\n\n")
		case <-look.C:
			v.look(ctx)
		}
	}
}

// rest sends what was made until now.
func (v *viewer) rest(ctx context.Context) {
	_ = v.answer.SetWriteDeadline(time.Now().Add(lastWords)) // it is told all the same
	v.look(ctx)
	v.flush()
}

// watchRights ends the stream when they are lost.
func (v *viewer) watchRights(ctx context.Context, end context.CancelCauseFunc) (stop func()) {
	x, op := exchange.From(ctx), v.to.Operation()
	return exchange.Watch(ctx, func(ctx context.Context) exchange.Verdict { return v.s.guard.Recheck(ctx, op, x) }, func(verdict exchange.Verdict) {
		v.s.log.Info("somebody who watched decisions may not any more", slog.String("id", v.c.requestID), slog.String("actor", v.c.actor()), slog.String("reason", verdict.Reason()))
		end(errRightsLost)
	})
}

// look writes what is new to out, as much as one write may have. The rest is there
// at the next look.
func (v *viewer) look(ctx context.Context) {
	const most = 64 << 10
	var lost uint64
	for v.out.Len() < most && ctx.Err() == nil {
		n, missed := v.follower.Next(v.batch[:])
		lost += missed
		if lost > 0 {
			v.miss(lost)
			lost = 0
		}
		for _, told := range v.batch[:n] {
			d := decisionOf(told)
			switch mine, known := v.sees(ctx, told, &d); {
			case !known:
				lost++
			case mine && v.filter.wants(&d):
				v.event("decision", &d)
			}
		}
		if n < len(v.batch) {
			break
		}
	}
	if lost > 0 {
		v.miss(lost)
	}
}

// miss tells that decisions were lost.
func (v *viewer) miss(n uint64) {
	var m Missed
	if v.c.bound() == "" {
		m.Count = int64(n) //nolint:gosec // a count
	}
	v.event("missed", m)
}

func (v *viewer) event(name string, data any) {
	text, err := json.Marshal(data)
	if err != nil {
		panic(err) // nothing in it that JSON does not know
	}
	v.out.WriteString("event: " + name + "\ndata: ")
	v.out.Write(text) // JSON has no line break of its own
	v.out.WriteString("\n\n")
}

// flush sends out; false when nobody takes it.
func (v *viewer) flush() bool {
	if v.out.Len() == 0 {
		return true
	}
	_, err := v.to.BodyWriter().Write(v.out.Bytes())
	v.out.Reset()
	return err == nil && v.answer.Flush() == nil
}

// sees reports whether a decision is the viewer's business. known is false when
// nobody could tell: then it is not shown.
func (v *viewer) sees(ctx context.Context, told *accesslog.Told, d *Decision) (mine, known bool) {
	bound := v.c.bound()
	switch {
	case bound == "":
		return true, true
	case told.Proved:
		return told.Owner == bound, true
	case d.KeyID == "":
		return false, true
	default: // refused, with a key that the request claimed to have
		return v.owners.owns(ctx, v.s, d.KeyID, bound)
	}
}

// owners are those of keys that requests claimed to have. What is claimed costs
// nothing: so they are asked for a bounded number of times.
type owners struct {
	known map[string]string
	since time.Time
}

const (
	ownersFor  = 5 * time.Second // they are believed
	ownersMost = 500             // of them, within that time
)

// owns reports whether a key is the owner's.
func (o *owners) owns(ctx context.Context, s *Service, key, owner string) (mine, known bool) {
	if now := time.Now(); o.known == nil || now.Sub(o.since) > ownersFor {
		o.known, o.since = make(map[string]string), now
	}
	if _, ok := o.known[key]; !ok && len(o.known) >= ownersMost {
		return false, false
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	defer cancel()
	mine, err := s.belongs(ctx, o.known, key, owner)
	return mine, err == nil
}

// addWatch registers what is told while it happens.
func (s *Service) addWatch() {
	op := s.operation(endpoint{
		id: "watchDecisions", method: http.MethodGet, path: "/v1/decisions:watch", tag: "requests", right: ReadUsage, also: []int{404, 429},
		summary:     "Watch what becomes of requests, while they come",
		description: "Of this node alone: of several, each tells its own. What is told is what the access log says, and nothing of what came before. Who reads too slowly misses the oldest, and is told how many. It ends with the right to it. Who is bound to an owner sees the requests of that owner's keys.",
	})
	schemas := s.api.OpenAPI().Components.Schemas
	decision := schemas.Schema(reflect.TypeFor[Decision](), true, "")
	op.Responses["200"] = &huma.Response{
		Description: "Server-sent events: decision, whose data is a Decision, and missed, whose data is a Missed.",
		Content: map[string]*huma.MediaType{"text/event-stream": {Schema: &huma.Schema{
			Examples: []any{s.example(decision)},
			OneOf:    []*huma.Schema{decision, schemas.Schema(reflect.TypeFor[Missed](), true, "")},
		}}},
	}
	huma.Register(s.api, op, s.watchDecisions)
}
