package adminui

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/bodylimit"
	"github.com/warder-dev/warder/csrf"
	"github.com/warder-dev/warder/securityheaders"
	"github.com/warder-dev/warder/usage/tally"
)

// Base is where the pages are.
const Base = "/ui/"

// maxForm is the longest form that is read, in bytes.
const maxForm = 128 << 10

// policy says what a page may load: files of its own, and nothing that is written
// into it. Nobody frames it.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"

// Uses tells when keys were used last. It is asked for keys that the API has told
// of, and for nobody else's.
type Uses interface {
	Key(ctx context.Context, key string) (tally.KeyUse, error)
}

// Config configures a [Site].
type Config struct {
	_ [0]func()

	// API is the admin API with the routes of accounts, behind the edge of its
	// listener: what a browser at that listener would ask. Required.
	API http.Handler

	// Log is told of failures. Required.
	Log *slog.Logger

	// Uses tells of the use of keys; nil: nothing counts it, and pages say so.
	Uses Uses

	// Timeout bounds each question to Uses. Default 5s.
	Timeout time.Duration

	// Health says from when on something is wrong with a key.
	Health tally.HealthConfig

	// Request is a command that sends a request with a key, whose place is {key}; it is
	// shown with a new key. "" for none.
	Request string
}

// A Site serves the pages. It is safe for concurrent use.
type Site struct {
	cfg      Config
	mux      *http.ServeMux
	patterns []string
	look     *look
}

// New reports what is missing in cfg.
func New(cfg Config) (*Site, error) {
	if cfg.API == nil || cfg.Log == nil {
		return nil, errors.New("adminui: API or Log is missing")
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 5 * time.Second
	}
	look, err := newLook()
	if err != nil {
		return nil, err
	}
	s := &Site{cfg: cfg, mux: http.NewServeMux(), look: look}
	s.addPages()
	return s, nil
}

// addPages is the table of all pages.
func (s *Site) addPages() {
	s.file("style.css", "text/css; charset=utf-8")
	s.file("page.js", "text/javascript; charset=utf-8")
	s.file("icon.svg", "image/svg+xml")

	s.anybody("GET /ui/login", (*visit).showLogin)
	s.anybody("POST /ui/login", (*visit).login)
	s.anybody("POST /ui/login/code", (*visit).loginCode)
	s.anybody("POST /ui/logout", (*visit).logout)
	s.anybody("GET /ui/setup", (*visit).showSetUp)
	s.anybody("POST /ui/setup", (*visit).setUp)
	s.anybody("POST /ui/setup/finish", (*visit).finishSetUp)

	s.member("GET /ui/{$}", (*visit).home)
	s.member("GET /ui/keys", (*visit).listKeys)
	s.member("POST /ui/keys", (*visit).filter)
	s.member("POST /ui/keys/search", (*visit).search)
	s.member("GET /ui/keys/new", (*visit).showCreate)
	s.member("POST /ui/keys/new", (*visit).create)
	s.member("GET /ui/keys/{id}", (*visit).showKey)
	s.member("GET /ui/keys/{id}/edit", (*visit).showEdit)
	s.member("POST /ui/keys/{id}/edit", (*visit).edit)
	s.member("GET /ui/keys/{id}/{action}", (*visit).showAction)
	s.member("POST /ui/keys/{id}/{action}", (*visit).act)
	s.member("GET /ui/health", (*visit).health)
	s.member("POST /ui/health", (*visit).filter)
	s.member("GET /ui/live", (*visit).live)
	s.member("POST /ui/live", (*visit).filter)
	s.member("GET /ui/live/events", (*visit).liveEvents)
	s.member("GET /ui/audit", (*visit).listAudit)
	s.member("POST /ui/audit", (*visit).filter)
	s.member("GET /ui/audit.csv", (*visit).exportAudit)
	s.member("GET /ui/people", (*visit).listPeople)
	s.member("GET /ui/people/new", (*visit).showPersonAction)
	s.member("POST /ui/people/new", (*visit).actOnPerson)
	s.member("GET /ui/people/{id}", (*visit).showPerson)
	s.member("GET /ui/people/{id}/{action}", (*visit).showPersonAction)
	s.member("POST /ui/people/{id}/{action}", (*visit).actOnPerson)
	s.member("GET /ui/me", (*visit).showOwn)
	s.member("GET /ui/me/{step}", (*visit).showOwnStep)
	s.member("POST /ui/me/{step}", (*visit).actOnOwn)
	s.member("/ui/", func(*visit) error { return errNotFound })
}

func (s *Site) handle(pattern string, h http.HandlerFunc) {
	s.patterns = append(s.patterns, pattern)
	s.mux.HandleFunc(pattern, h)
}

// anybody adds a page that needs no login.
func (s *Site) anybody(pattern string, run func(*visit) error) {
	s.handle(pattern, func(w http.ResponseWriter, r *http.Request) {
		v := s.visit(w, r)
		err := v.read()
		if err == nil {
			err = run(v)
		}
		if err != nil {
			v.refuse(err) //nolint:contextcheck // the visit holds the request
		}
	})
}

// member adds a page for those who have logged in; others are led to the login.
func (s *Site) member(pattern string, run func(*visit) error) {
	s.anybody(pattern, func(v *visit) error {
		if err := v.who(); err != nil {
			return err
		}
		return run(v)
	})
}

// Wrap returns the pages behind edge. A form that another origin's page sends is
// refused, logins too.
func (s *Site) Wrap(edge warder.Edge) (http.Handler, error) {
	headers, headersErr := securityheaders.New(securityheaders.Config{
		ContentSecurityPolicy: securityheaders.Field{Value: policy},
		ReferrerPolicy:        securityheaders.Field{Value: "same-origin"}, // with no-referrer a form would not say where it comes from
		PermissionsPolicy:     securityheaders.Field{Value: "camera=(), geolocation=(), microphone=()"},
	})
	origin, originErr := csrf.New(csrf.Config{Login: true})
	limit, limitErr := bodylimit.New(bodylimit.Config{Max: maxForm})
	if err := errors.Join(headersErr, originErr, limitErr); err != nil {
		return nil, err
	}
	edge.SecurityHeaders = headers
	routes := new(warder.Routes)
	for _, pattern := range s.patterns {
		if err := routes.Handle(pattern, &warder.Policy{BodyLimit: limit, CSRF: origin}); err != nil {
			return nil, err
		}
	}
	stack := &warder.Stack{Edge: edge, Route: routes}
	return stack.Wrap(s.mux), nil
}

// Serves reports whether a path is one of the pages'.
func Serves(path string) bool { return strings.HasPrefix(path, Base) }

// Patterns are those of [http.ServeMux] that the site serves.
func (s *Site) Patterns() []string { return slices.Clone(s.patterns) }
