package login

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/problem"
	"github.com/warder-dev/warder/session"
	"github.com/warder-dev/warder/session/password"
)

// maxBody is the greatest body, in bytes: a password of full length with every byte
// escaped, and as much again.
const maxBody = 16 << 10

// Routes serve what has to do with proving oneself, below a path such as
// "/v1/account". Everything but GET is POST with one JSON object, from
// a page of the site itself or from no browser, and is answered with JSON; refusals
// are problems (RFC 9457), and nothing may be stored by a cache.
//
//	POST login           {"name", "password"}                who it is, with a cookie; or {"factor": true, "ticket"}
//	POST login/factor    {"ticket", "code"}                  who it is, with a cookie; "recovery_code" in place of code
//	POST login/fresh     {"password", "code"}                the session is fresh again
//	POST logout                                              204
//	GET  me                                                  who asks
//	POST setup           {"link"}                            what the link sets, and an authenticator to enrol
//	POST setup/finish    {"link", "password", "offer", "code"}   recovery codes
//
// With a fresh login:
//
//	POST password        {"old", "password"}                 other sessions end
//	POST factor          {}                                  another authenticator to enrol
//	POST factor/enrol    {"offer", "code"}                   recovery codes; other sessions end
//	POST recovery-codes  {}                                  new ones
//
// Who administers, people and admin keys, is changed elsewhere: by [account.Manager]
// and [Keys], which judge the rights.
//
// The routes judge credentials themselves: they stand without authn, on a listener
// that takes no other host's name. Routes are safe for concurrent use.
type Routes struct {
	door     *Door
	either   *authn.Stage // people and admin keys
	mux      *http.ServeMux
	patterns []string
}

// NewRoutes returns the routes of d and keys below base. It reports what authn does
// not take.
func NewRoutes(d *Door, keys *Keys, base string) (*Routes, error) {
	either, err := authn.New(authn.Config{Requirement: authn.Requirement{{{Scheme: d.scheme}}, {{Scheme: keys.Scheme()}}}, Realm: d.realm})
	if err != nil {
		return nil, err
	}
	rs := &Routes{door: d, either: either, mux: http.NewServeMux()}
	for path, serve := range map[string]func(*call) error{
		"login": d.login, "login/factor": d.second, "login/fresh": d.fresh, "logout": d.logout, "setup": d.setUp, "setup/finish": d.finish,
		"password": d.changePassword, "factor": d.offerFactor, "factor/enrol": d.enrolFactor, "recovery-codes": d.renewRecovery,
	} {
		rs.handle("POST "+base+"/"+path, serve)
	}
	rs.handle("GET "+base+"/me", rs.me)
	slices.Sort(rs.patterns)
	return rs, nil
}

// Patterns returns the patterns of all routes, as [http.ServeMux] has them.
func (rs *Routes) Patterns() []string { return slices.Clone(rs.patterns) }

func (rs *Routes) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h, pattern := rs.mux.Handler(r)
	if pattern != "" {
		rs.mux.ServeHTTP(w, r)
		return
	}
	// The mux knows which methods a path has, and says so in plain text.
	said := &headerOnly{header: make(http.Header)}
	h.ServeHTTP(said, r)
	w.Header().Set("Cache-Control", "no-store")
	p := problem.New(problem.NotFound, "There is nothing of this name.")
	if said.status == http.StatusMethodNotAllowed {
		p = problem.New(problem.MethodNotAllowed, "Use GET to read, and POST for all else.").With("Allow", said.header.Get("Allow"))
	}
	exchange.Respond(w, r, p, "", nil)
}

// headerOnly takes what a handler says, and keeps its head.
type headerOnly struct {
	header http.Header
	status int
}

func (w *headerOnly) Header() http.Header         { return w.header }
func (w *headerOnly) Write(p []byte) (int, error) { return len(p), nil }
func (w *headerOnly) WriteHeader(status int)      { w.status = status }

// A call is one request.
type call struct {
	w    http.ResponseWriter
	r    *http.Request
	from netip.Addr
}

// handle adds a route. What another site may have had a browser write is refused.
func (rs *Routes) handle(pattern string, serve func(*call) error) {
	rs.patterns = append(rs.patterns, pattern)
	rs.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		c := &call{w, r, address(r)}
		var err error
		if r.Method == http.MethodPost && session.FromElsewhere(r) {
			err = rs.door.answers.foreign
		} else {
			err = serve(c)
		}
		if err != nil {
			rs.door.refuse(c, err) //nolint:contextcheck // the call holds the request
		}
	})
}

// read reads the body into members: a pointer to a struct as [faultsOf] wants it.
func (d *Door) read(c *call, members any) error {
	media, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if err != nil || media != "application/json" || len(c.r.Header["Content-Type"]) != 1 {
		return d.answers.body
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, maxBody))
	if _, long := errors.AsType[*http.MaxBytesError](err); long {
		return d.answers.long
	}
	if err != nil {
		return d.answers.body
	}
	if wrong := faultsOf(body, members); wrong != "" {
		return problem.New(problem.InvalidBody, wrong+".")
	}
	if json.Unmarshal(body, members) != nil {
		return d.answers.body
	}
	return nil
}

// answer writes value as JSON.
func (d *Door) answer(c *call, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	c.w.Header().Set("Content-Type", "application/json")
	_, _ = c.w.Write(text) // the client left
	return nil
}

// address is the client's, as the edge found it, or else that of the connection.
func address(r *http.Request) netip.Addr {
	if x := exchange.From(r.Context()); x != nil && x.Client.IsValid() {
		return x.Client
	}
	peer, _ := netip.ParseAddrPort(r.RemoteAddr) // the invalid one when there is none, as with a Unix socket
	return peer.Addr()
}

// source is the address for the audit.
func (c *call) source() string {
	if !c.from.IsValid() {
		return "unknown"
	}
	return c.from.Unmap().String()
}

// An aboutError names the account that a refusal is about, for the log: never one
// that nobody has, since people type passwords into the wrong field.
type aboutError struct {
	name string
	err  error
}

func (e *aboutError) Error() string { return e.err.Error() }
func (e *aboutError) Unwrap() error { return e.err }

// refuse answers err, and logs what an operator wants to know of it.
func (d *Door) refuse(c *call, err error) {
	p, reason, cause := d.problemOf(err)
	level := slog.LevelInfo
	if cause != nil {
		level = slog.LevelError
	}
	attrs := []slog.Attr{slog.String("client", c.source()), slog.String("reason", reason), slog.String("path", c.r.URL.Path)}
	if about, ok := errors.AsType[*aboutError](err); ok {
		attrs = append(attrs, slog.String("account", about.name))
	}
	if cause != nil {
		attrs = append(attrs, slog.Any("error", cause))
	}
	if reason != "" {
		d.log.LogAttrs(c.r.Context(), level, "an administrator was refused", attrs...)
	}
	exchange.Respond(c.w, c.r, p, reason, cause)
}

// problemOf is what a client is told of err, and a word and an error for the log.
func (d *Door) problemOf(err error) (p *problem.Problem, reason string, cause error) {
	if r, ok := errors.AsType[refused](err); ok {
		return r.verdict.Problem(), r.verdict.Reason(), r.verdict.Err()
	}
	if refusal, ok := errors.AsType[*authn.Refusal](err); ok {
		return d.answers.wrong, refusal.Reason(), nil
	}
	if slow, ok := errors.AsType[*password.ThrottledError](err); ok {
		return throttled(slow.After), "throttled", nil
	}
	if p, ok := errors.AsType[*problem.Problem](err); ok {
		return p, "", nil
	}
	if values := fieldErrors(err); len(values) > 0 {
		return refusedValues(values), "", nil
	}
	for _, one := range []struct {
		err    error
		answer *problem.Problem
		reason string
	}{
		{session.ErrNoSession, d.answers.ended, ""},
		{account.ErrCode, d.answers.code, "wrong-code"},
		{account.ErrGone, d.answers.gone, "link-gone"},
		{account.ErrElsewhere, d.answers.elsewhere, "link-from-elsewhere"},
		{account.ErrStale, d.answers.stale, ""},
		{account.ErrFactor, d.answers.factor, ""},
		{account.ErrForbidden, d.answers.forbidden, ""},
		{account.ErrNotFound, d.answers.ended, ""},
	} {
		if errors.Is(err, one.err) {
			return one.answer, one.reason, nil
		}
	}
	return d.answers.away, "failed", err
}

// fieldErrors are those that err joins.
func fieldErrors(err error) (all []*account.FieldError) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range joined.Unwrap() {
			all = append(all, fieldErrors(one)...)
		}
		return all
	}
	if one, ok := errors.AsType[*account.FieldError](err); ok {
		return []*account.FieldError{one}
	}
	return nil
}

// A refused is the verdict of authn on a call.
type refused struct{ verdict exchange.Verdict }

func (refused) Error() string { return "login: refused" }

// check returns whom the call proves to stage.
func (c *call) check(stage *authn.Stage) (exchange.Principal, error) {
	x := exchange.From(c.r.Context())
	if x == nil {
		x = exchange.New(c.r)
	}
	if v := stage.Check(x); !v.Passed() {
		return exchange.Principal{}, refused{v}
	}
	return x.Principal, nil
}

// person returns who asks, by its session.
func (d *Door) person(c *call) (exchange.Principal, account.Account, error) {
	p, err := c.check(d.stage)
	if err != nil {
		return p, account.Account{}, err
	}
	a, err := d.lookup(c.r.Context(), account.ID(p.Subject))
	return p, a, err
}

// actor returns who asks, as who changes itself.
func (d *Door) actor(c *call) (account.Actor, account.Account, error) {
	p, a, err := d.person(c)
	if err != nil {
		return account.Actor{}, account.Account{}, err
	}
	return account.ActorOf(&p, c.source(), time.Now()), a, nil
}

// me answers who asks: a person, or an admin key.
func (rs *Routes) me(c *call) error {
	p, err := c.check(rs.either)
	if err != nil {
		return err
	}
	if p.Issuer != account.Issuer {
		return rs.door.answer(c, rs.door.viewOf(&p, nil))
	}
	a, err := rs.door.lookup(c.r.Context(), account.ID(p.Subject))
	if err != nil {
		return err
	}
	return rs.door.answer(c, rs.door.viewOf(&p, &a))
}

func (d *Door) viewOf(p *exchange.Principal, a *account.Account) meView {
	v := meView{Role: account.RoleOf(p), May: []account.Action{}}
	for _, action := range account.Actions() {
		if p.Scopes.Allow(string(action)) {
			v.May = append(v.May, action)
		}
	}
	if a == nil {
		v.Key, v.Owner = p.Subject, p.Owner
		return v
	}
	v.Account = new(a.View())
	if account.Fresh(p, time.Now()) {
		v.FreshUntil = time.Unix(account.Whole(p.Claims[account.ClaimAt]), 0).UTC().Add(account.FreshFor)
	}
	return v
}

// proof is the second factor as it is sent.
func proof(code string, recovery typed) account.Proof {
	return account.Proof{Code: code, Recovery: recovery.Text}
}
