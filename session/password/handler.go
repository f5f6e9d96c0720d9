package password

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"time"

	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/problem"
	"github.com/warder-dev/warder/secret"
	"github.com/warder-dev/warder/session"
)

// HandlerConfig configures a [Handler]. Checker and Sessions are required.
type HandlerConfig struct {
	_        [0]func()
	Checker  *Checker         // Required.
	Sessions *session.Manager // Required.
	Realm    string           // in the challenge of a 401. Default "warder".
	Home     string           // where a login leads that asks for no way back. Default "/".

	// Refused answers a login that failed: for a page that shows the form again. It
	// must send p's status, header and no more than its detail. Default: the problem
	// itself.
	Refused func(w http.ResponseWriter, r *http.Request, p *problem.Problem)
}

// maxBody is the greatest body of a login, in bytes: a password of full length
// with every byte escaped, and as much again.
const maxBody = 8 << 10

// A Handler logs people in. It takes POST with username and password, and if
// wanted return and remember, as a form or as JSON:
//
//	{"username": "ada", "password": "...", "return": "/orders", "remember": true}
//
// A form is answered with 303 to the return path, if [session.LocalPath] takes it,
// JSON with 204. A name that nobody has and a wrong password get the same 401.
//
// Requests from elsewhere are refused, so that no other site logs its visitors in
// as somebody of its own choice. The handler belongs on a route without authn and
// with the csrf stage in front.
type Handler struct {
	checker  *Checker
	sessions *session.Manager
	home     string
	refused  func(w http.ResponseWriter, r *http.Request, p *problem.Problem)

	method, foreign, long, body, wrong, away *problem.Problem
}

// NewHandler reports everything that is wrong with cfg at once.
func NewHandler(cfg HandlerConfig) (*Handler, error) {
	var errs []error
	if cfg.Checker == nil {
		errs = append(errs, errors.New("password: Checker is missing"))
	}
	if cfg.Sessions == nil {
		errs = append(errs, errors.New("password: Sessions is missing"))
	}
	if cfg.Home != "" && session.LocalPath(cfg.Home) != cfg.Home {
		errs = append(errs, errors.New("password: Home: want a path of this site"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if cfg.Realm == "" {
		cfg.Realm = "warder"
	}
	if cfg.Home == "" {
		cfg.Home = "/"
	}
	return &Handler{
		checker: cfg.Checker, sessions: cfg.Sessions, home: cfg.Home, refused: cfg.Refused,
		method:  problem.New(problem.MethodNotAllowed, "Use POST.").With("Allow", http.MethodPost),
		foreign: problem.New(problem.CrossSite, "Log in from a page of the site itself."),
		long:    problem.New(problem.BodyTooLarge, "Send a shorter body."),
		body:    problem.New(problem.InvalidBody, "Send username and password, once each, as a form or as JSON, and not in the address."),
		wrong: problem.New(problem.Unauthorized, "The name or the password is wrong.").
			With("WWW-Authenticate", cfg.Sessions.Scheme().Challenge(cfg.Realm)),
		away: problem.New(problem.Unavailable, "Try again later. Nothing is wrong with the request.").With("Retry-After", "5"),
	}, nil
}

// A login is what was sent.
type login struct {
	username string
	password secret.Text
	back     string
	remember bool
	json     bool
}

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	switch {
	case r.Method != http.MethodPost:
		h.refuse(w, r, h.method, "", nil)
		return
	case session.FromElsewhere(r):
		h.refuse(w, r, h.foreign, "", nil)
		return
	}
	l, p := h.read(w, r)
	if p != nil {
		h.refuse(w, r, p, "", nil)
		return
	}
	from := address(r)
	u, err := h.checker.Check(r.Context(), from, l.username, l.password)
	if err == nil {
		err = h.begin(w, r, u, l.remember)
	}
	if err != nil {
		h.failed(w, r, from, l.username, err)
		return
	}
	if l.json {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	w.Header().Set("Location", l.back)
	w.WriteHeader(http.StatusSeeOther)
}

// begin begins the session, if the user is still as the password was compared
// with.
func (h *Handler) begin(w http.ResponseWriter, r *http.Request, u User, remember bool) error {
	who := h.checker.SessionUser(u)
	who.Remember = remember
	return h.sessions.LoginIf(w, r, who, func(ctx context.Context) error { return h.checker.Confirm(ctx, u) })
}

// failed answers a login that did not begin a session. The name goes to the log
// only when somebody has it: people type passwords into the wrong field.
func (h *Handler) failed(w http.ResponseWriter, r *http.Request, from netip.Addr, name string, err error) {
	refusal, refused := errors.AsType[*authn.Refusal](err)
	throttled, slow := errors.AsType[*ThrottledError](err)
	attrs := []slog.Attr{slog.String("client", from.String())}
	switch {
	case refused:
		attrs = append(attrs, slog.String("reason", refusal.Reason()))
		if refusal == h.checker.wrong || refusal == h.checker.disabled {
			attrs = append(attrs, slog.String("user", name))
		}
		h.checker.log.LogAttrs(r.Context(), slog.LevelInfo, "login refused", attrs...)
		h.refuse(w, r, h.wrong, refusal.Reason(), nil)
	case slow:
		h.checker.log.LogAttrs(r.Context(), slog.LevelInfo, "login refused", append(attrs, slog.String("reason", "throttled"))...)
		seconds := int64((throttled.After + time.Second - 1) / time.Second)
		h.refuse(w, r, problem.New(problem.LoginThrottled, "Wait, then try again.").With("Retry-After", strconv.FormatInt(seconds, 10)), "throttled", nil)
	default:
		h.checker.log.LogAttrs(r.Context(), slog.LevelError, "login failed", append(attrs, slog.Any("error", err))...)
		h.refuse(w, r, h.away, "", err)
	}
}

func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, p *problem.Problem, reason string, err error) {
	if h.refused != nil {
		h.refused(w, r, p)
		return
	}
	exchange.Respond(w, r, p, reason, err)
}

// address is the client's, as the edge found it, or else that of the connection.
func address(r *http.Request) netip.Addr {
	if x := exchange.From(r.Context()); x != nil && x.Client.IsValid() {
		return x.Client
	}
	peer, _ := netip.ParseAddrPort(r.RemoteAddr) // the invalid one when there is none, as with a Unix socket
	return peer.Addr()
}

// read returns what was sent, or what is wrong with it.
func (h *Handler) read(w http.ResponseWriter, r *http.Request) (login, *problem.Problem) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil || query.Has("password") || query.Has("username") {
		return login{}, h.body
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if _, long := errors.AsType[*http.MaxBytesError](err); long {
		return login{}, h.long
	}
	if err != nil {
		return login{}, h.body
	}
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || len(r.Header["Content-Type"]) != 1 {
		return login{}, h.body
	}
	var l login
	ok := false
	switch media {
	case "application/x-www-form-urlencoded":
		l, ok = readForm(string(body))
	case "application/json":
		l, ok = readJSON(body)
	}
	if !ok {
		return login{}, h.body
	}
	if l.back == "" {
		l.back = query.Get("return")
	}
	if l.back == "" {
		l.back = h.home
	}
	l.back = session.LocalPath(l.back)
	return l, nil
}

func readForm(body string) (login, bool) {
	form, err := url.ParseQuery(body)
	if err != nil || len(form["username"]) != 1 || len(form["password"]) != 1 || len(form["return"]) > 1 {
		return login{}, false
	}
	return login{
		username: form.Get("username"), password: secret.New(form.Get("password")), back: form.Get("return"), remember: form.Get("remember") != "",
	}, true
}

func readJSON(body []byte) (login, bool) {
	var fields struct {
		Username *string `json:"username"`
		Password *string `json:"password"`
		Return   string  `json:"return"`
		Remember bool    `json:"remember"`
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if d.Decode(&fields) != nil || fields.Username == nil || fields.Password == nil {
		return login{}, false
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return login{}, false
	}
	return login{username: *fields.Username, password: secret.New(*fields.Password), back: fields.Return, remember: fields.Remember, json: true}, true
}
