package portal

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/bodylimit"
	"github.com/warder-dev/warder/csrf"
	"github.com/warder-dev/warder/internal/fleet"
	"github.com/warder-dev/warder/internal/idempotency"
	"github.com/warder-dev/warder/internal/portallink"
	"github.com/warder-dev/warder/ratelimit"
	"github.com/warder-dev/warder/securityheaders"
	"github.com/warder-dev/warder/usage/tally"
)

// maxForm is the longest form that is read, in bytes.
const maxForm = 16 << 10

// OpenPath is where a link leads: its text is behind the "#".
const OpenPath = "/open"

// policy says what a page may load, and is completed by who may frame it.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; require-trusted-types-for 'script'; frame-ancestors "

// Keys are those that the portal shows.
type Keys interface {
	apikey.Store
	apikey.Finder
}

// Uses tells what keys were used for.
type Uses interface {
	Key(ctx context.Context, key string) (tally.KeyUse, error)
	Rows(ctx context.Context, q tally.Query) ([]tally.Row, error)
}

// Config configures a [Site].
type Config struct {
	_ [0]func()

	Passes   portallink.Store  // Required.
	Keys     Keys              // Required.
	Issuer   *apikey.Issuer    // of Keys. Required.
	Registry fleet.Registry    // tells which nodes have applied a change. Required.
	Attempts idempotency.Store // Required.
	Log      *slog.Logger      // Required.

	URL     string   // the origin of the pages: https://keys.example.com. Required.
	Parents []string // origins whose pages may frame them; none: nobody may

	// Returns reports whether a holder may be led to an address when it is done. nil:
	// to none.
	Returns func(address string) bool

	// Vouches reports whether whoever made a link still may: else neither it nor what
	// came of it holds. nil: always.
	Vouches func(ctx context.Context, p *portallink.Pass) (bool, error)

	// PerMinute is how many requests one address may send: at least 2. Half of them at
	// once. Required.
	PerMinute int

	Uses Uses // nil: nothing counts it, and pages say so

	Timeout time.Duration // of each question to a store. Default 5s.
}

// A Site serves the pages. It is safe for concurrent use.
type Site struct {
	cfg      Config
	mux      *http.ServeMux
	patterns []string
	limit    *ratelimit.Limit
}

// New reports what is missing in cfg.
func New(cfg Config) (*Site, error) {
	if cfg.Passes == nil || cfg.Keys == nil || cfg.Issuer == nil || cfg.Registry == nil || cfg.Attempts == nil || cfg.Log == nil || cfg.URL == "" {
		return nil, errors.New("portal: Passes, Keys, Issuer, Registry, Attempts, Log or URL is missing")
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 5 * time.Second
	}
	limit, err := ratelimit.NewLimit(ratelimit.LimitConfig{
		Name: "portal", Quota: ratelimit.Quota{Count: cfg.PerMinute, Per: time.Minute, Burst: max(1, cfg.PerMinute/2)}, By: []ratelimit.Part{ratelimit.ByAddress()},
	})
	if err != nil {
		return nil, err
	}
	s := &Site{cfg: cfg, mux: http.NewServeMux(), limit: limit}
	return s, s.addPages()
}

// addPages is the table of all pages.
func (s *Site) addPages() error {
	files := errors.Join(s.file("portal.css", "text/css; charset=utf-8"), s.file("portal.js", "text/javascript; charset=utf-8"), s.file("icon.svg", "image/svg+xml"))

	s.anybody("GET "+OpenPath, (*visit).showOpen)
	s.anybody("POST "+OpenPath, (*visit).open)

	s.holder("GET /{$}", (*visit).list)
	s.holder("GET /new", (*visit).showCreate)
	s.holder("POST /new", (*visit).create)
	s.holder("GET /keys/{id}", (*visit).show)
	s.holder("GET /keys/{id}/roll", (*visit).showRoll)
	s.holder("POST /keys/{id}/roll", (*visit).roll)
	s.holder("GET /keys/{id}/revoke", (*visit).showRevoke)
	s.holder("POST /keys/{id}/revoke", (*visit).revoke)
	s.holder("POST /end", (*visit).end)
	s.anybody("/", func(*visit) error { return errNotFound })
	return files
}

func (s *Site) handle(pattern string, h http.HandlerFunc) {
	s.patterns = append(s.patterns, pattern)
	s.mux.HandleFunc(pattern, h)
}

// anybody adds a page that needs no session.
func (s *Site) anybody(pattern string, run func(*visit) error) {
	s.handle(pattern, func(w http.ResponseWriter, r *http.Request) {
		v := &visit{site: s, w: w, r: r}
		err := v.read()
		if err == nil {
			err = run(v)
		}
		if err != nil {
			v.refuse(err) //nolint:contextcheck // the visit holds the request
		}
	})
}

// holder adds a page for whoever has a session.
func (s *Site) holder(pattern string, run func(*visit) error) {
	s.anybody(pattern, func(v *visit) error {
		if err := v.enter(); err != nil {
			return err
		}
		return run(v)
	})
}

// Wrap returns the pages behind edge. A form that another origin's page sends is
// refused, that of a link too.
func (s *Site) Wrap(edge warder.Edge) (http.Handler, error) {
	ancestors, framing := "'none'", securityheaders.Field{}
	if len(s.cfg.Parents) > 0 {
		ancestors = strings.Join(s.cfg.Parents, " ")
		framing.InsecureOmit = true // it knows no list: frame-ancestors says who may
	}
	headers, headersErr := securityheaders.New(securityheaders.Config{
		ContentSecurityPolicy: securityheaders.Field{Value: policy + ancestors},
		FrameOptions:          framing,
		ReferrerPolicy:        securityheaders.Field{Value: "same-origin"}, // with no-referrer a form would not say where it comes from
		PermissionsPolicy:     securityheaders.Field{Value: "camera=(), geolocation=(), microphone=()"},
	})
	origin, originErr := csrf.New(csrf.Config{Login: true, TrustedOrigins: []string{s.cfg.URL}})
	body, bodyErr := bodylimit.New(bodylimit.Config{Max: maxForm})
	limit, limitErr := ratelimit.New(ratelimit.Config{Limits: []*ratelimit.Limit{s.limit}, Quiet: true})
	if err := errors.Join(headersErr, originErr, bodyErr, limitErr); err != nil {
		return nil, err
	}
	edge.SecurityHeaders = headers
	routes := new(warder.Routes)
	for _, pattern := range s.patterns {
		if err := routes.Handle(pattern, &warder.Policy{BodyLimit: body, AddressLimit: limit, CSRF: origin}); err != nil {
			return nil, err
		}
	}
	stack := &warder.Stack{Edge: edge, Route: routes}
	return stack.Wrap(s.mux), nil
}

// Patterns are those of [http.ServeMux] that the site serves.
func (s *Site) Patterns() []string { return slices.Clone(s.patterns) }
