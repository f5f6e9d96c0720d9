// Package accesslog writes one record of allow-listed fields per request.
//
// The fields, in their order; one that has nothing to say is left out:
//
//	time         when the last byte was written
//	level        INFO, or ERROR for a status of 500 and above
//	msg          "request"
//	id           the request's id
//	trace_id     the distributed trace that the request belongs to, when requests are traced
//	method       as sent when it is registered (RFC 9110, section 18.2), "other" for another token, else "invalid"
//	host         canonical, masked as the path is; absent when the request had no usable one
//	route        the pattern that matched
//	path         percent-encoded, without query, masked by package redact, at most 1024 bytes
//	proto        "HTTP/1.1", "HTTP/2.0"
//	listener     where the request came to, when the configuration names it
//	status       of the response; 0 when the client got none
//	bytes        of the response body
//	duration_us  whole microseconds from the first stage to the last byte
//	client       the client's address
//	client_doubtful  true when a listed proxy did not say readably whose address it is
//	key_id       the id of the key that was used, or that the request claimed to have
//	credits      what the request cost, when it cost any
//	stage        the stage that refused
//	reason       the word for why
//	aborted      true when the handler panicked or the response was cut
//	upgraded     true when the connection left HTTP
//	error        what failed inside, masked, at most 512 bytes
//
// There is no header field's value, no query, no fragment, no user agent and no
// body. What a client can shape is escaped by redact.Line before the handler
// sees it, since encodings leave bidirectional controls and the like alone.
package accesslog

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"

	"github.com/warder-dev/warder/exchange"
)

// A PathMode says what of a request's path is logged.
type PathMode string

// The modes.
const (
	PathMasked PathMode = "masked" // the path, its segments with the shape of a key or token masked
	PathRoute  PathMode = "route"  // the route's pattern only
	PathOff    PathMode = "off"    // neither
)

// Config configures a [Stage].
type Config struct {
	_ [0]func()

	// Logger gets the records. Required. Its handler writes what it gets: put no
	// handler that adds request data in between.
	Logger *slog.Logger

	// Path is what of the path is logged; "" is PathMasked.
	Path PathMode

	// Listener is where the stage's requests come to, as each record has it: a word of
	// the configuration, at most 80 bytes. "" for none.
	Listener string

	// Tail shows each record to those who follow it, also the records that the
	// logger's level leaves out. nil: nobody can.
	Tail *Tail
}

// A Stage passes every request and logs it when it is over. It is safe for
// concurrent use.
type Stage struct {
	handler  slog.Handler
	path     PathMode
	listener string
	tail     *Tail
	entries  *sync.Pool // nil when the handler may keep what it gets
}

// New returns a Stage, or all errors of cfg at once.
//
// With a [slog.JSONHandler] or [slog.TextHandler] a record allocates nothing:
// they keep nothing of it. Other handlers get attributes of their own.
func New(cfg Config) (*Stage, error) {
	var errs []error
	if cfg.Logger == nil {
		errs = append(errs, errors.New("accesslog: Logger is missing"))
	}
	switch cfg.Path {
	case "":
		cfg.Path = PathMasked
	case PathMasked, PathRoute, PathOff:
	default:
		errs = append(errs, fmt.Errorf("accesslog: path %q: want masked, route or off", string(cfg.Path)))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	s := &Stage{handler: cfg.Logger.Handler(), path: cfg.Path, listener: cfg.Listener, tail: cfg.Tail}
	switch s.handler.(type) {
	case *slog.JSONHandler, *slog.TextHandler:
		s.entries = &sync.Pool{New: func() any { return new(entry) }}
	}
	return s, nil
}

// Check passes every request.
func (s *Stage) Check(*exchange.Exchange) exchange.Verdict { return exchange.Pass() }

// Wrap is the Stage as net/http middleware, for use without a Stack.
func (s *Stage) Wrap(next http.Handler) http.Handler { return exchange.Wrap(s, next) }

// Done writes the record of x, unless x is a dry run or the logger's level
// leaves it out, and shows it to those who follow the Tail. What the handler reports is lost: there is no other place to
// tell it, so the writer behind it counts its failures (see [Writer]).
func (s *Stage) Done(x *exchange.Exchange, o exchange.Outcome) {
	if x.Dry {
		return
	}
	level := slog.LevelInfo
	if o.Status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	ctx := x.Request.Context()
	logged, ring := s.handler.Enabled(ctx, level), s.followed()
	if !logged && ring == nil {
		return
	}
	e := s.entry()
	e.fill(s, x, &o)
	at := x.Start.Add(o.Duration)
	if ring != nil {
		ring.tell(x, e, at)
	}
	if logged {
		record := slog.NewRecord(at, level, "request", 0)
		record.AddAttrs(slog.Attr{Value: slog.GroupValue(e.attrs[:e.n]...)}) // no key: handlers put the group's attributes in its place
		_ = s.handler.Handle(ctx, record)
	}
	if s.entries != nil {
		clear(e.attrs[:e.n])
		s.entries.Put(e)
	}
}

// followed is where records are kept for those who follow; nil while nobody does.
func (s *Stage) followed() *ring {
	if s.tail == nil {
		return nil
	}
	return s.tail.ring.Load()
}

func (s *Stage) entry() *entry {
	if s.entries == nil {
		return new(entry)
	}
	e, _ := s.entries.Get().(*entry)
	e.n = 0
	return e
}
