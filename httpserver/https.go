package httpserver

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/problem"
)

// HTTPSConfig configures an [HTTPS]. Known and Carries are required: the zero
// value is refused.
type HTTPSConfig struct {
	_ [0]func()

	// Known reports whether the host of x is one of this server's: only to such a
	// host is anybody sent, the others get 421. It is mostly trustedhost's Lists,
	// which holds in its shadow mode too.
	Known func(x *exchange.Exchange) bool

	// Carries reports whether x carries a credential of the configuration, in
	// whatever place, proven or not, and the id that may be logged of it; "" for
	// none. It must report a credential that cannot be read as carried.
	Carries func(x *exchange.Exchange) (id string, carries bool)

	// Exposed is told of each credential that came over plain HTTP, so that it is
	// counted, logged and, where that is the policy, disabled: also of one whose
	// request an earlier stage refused, after that was answered. nil tells nobody. It
	// may be called concurrently, and not for dry runs.
	Exposed func(x *exchange.Exchange, id string)

	// Port is where https is served, as clients see it. 0 means 443.
	Port int

	// GETStatus is the status of the redirect for GET and HEAD: 308 or 301, which old
	// clients know better. 0 means 308. Other methods always get 308, which keeps
	// method and body (RFC 9110, section 15.4.9).
	GETStatus int

	// HSTS tells browsers to use https by themselves; the zero value tells nothing.
	HSTS HSTS
}

// HSTS is the policy of Strict-Transport-Security (RFC 6797).
type HSTS struct {
	// MaxAge is how long a browser remembers, in whole seconds. 0: no field is sent.
	MaxAge time.Duration

	// IncludeSubDomains binds every name below the host too: all of them must serve
	// https.
	IncludeSubDomains bool

	// Preload asks for a place in the lists that browsers are shipped with, which is
	// slow to undo. It needs a MaxAge of a year (365 days) and IncludeSubDomains.
	Preload bool
}

// preloadAge is the least MaxAge that the lists take.
const preloadAge = 365 * 24 * time.Hour

// HTTPS is the stage that wants https: it sends plain HTTP there, refuses
// credentials that came over it, and tells browsers not to try. It judges the
// scheme that forwarded found, so that a proxy that ends TLS makes no loop, and
// stands behind target.
type HTTPS struct {
	cfg       HTTPSConfig
	port      string // ":8443"; "" for the default
	getStatus int
	hsts      []string // nil: none

	exposed, misdirected *problem.Problem
}

// NewHTTPS reports every invalid field of cfg at once. Changing cfg later has no
// effect.
func NewHTTPS(cfg HTTPSConfig) (*HTTPS, error) {
	var errs []error
	if cfg.Known == nil {
		errs = append(errs, errors.New("httpserver: HTTPSConfig.Known is missing: a redirect to a host that somebody else chose helps an attacker"))
	}
	if cfg.Carries == nil {
		errs = append(errs, errors.New("httpserver: HTTPSConfig.Carries is missing: a request with a credential must not be redirected"))
	}
	if cfg.Port < 0 || cfg.Port > 65535 {
		errs = append(errs, fmt.Errorf("httpserver: HTTPSConfig.Port is %d, want 1 to 65535, or 0 for 443", cfg.Port))
	}
	switch cfg.GETStatus {
	case 0, http.StatusMovedPermanently, http.StatusPermanentRedirect:
	default:
		errs = append(errs, fmt.Errorf("httpserver: HTTPSConfig.GETStatus is %d, want 301 or 308, or 0 for 308", cfg.GETStatus))
	}
	if err := errors.Join(append(errs, cfg.HSTS.check())...); err != nil {
		return nil, err
	}
	s := &HTTPS{
		cfg: cfg, getStatus: cfg.GETStatus, hsts: cfg.HSTS.field(),
		exposed: problem.New(problem.HTTPSRequired, "Use https, and replace the credential: others may have read it on the way.").
			With("Connection", "close"),
		misdirected: problem.New(problem.Misdirected, "Ask for a host that is served here."),
	}
	if s.getStatus == 0 {
		s.getStatus = http.StatusPermanentRedirect
	}
	if cfg.Port != 0 && cfg.Port != 443 {
		s.port = ":" + strconv.Itoa(cfg.Port)
	}
	return s, nil
}

func (p HSTS) check() error {
	switch {
	case p.MaxAge < 0 || p.MaxAge%time.Second != 0:
		return fmt.Errorf("httpserver: HSTS.MaxAge is %v, want whole seconds, at least 1, or 0 for no field", p.MaxAge)
	case p.MaxAge == 0 && (p.IncludeSubDomains || p.Preload):
		return errors.New("httpserver: HSTS has no MaxAge")
	case p.Preload && (p.MaxAge < preloadAge || !p.IncludeSubDomains):
		return errors.New("httpserver: HSTS.Preload needs a MaxAge of at least 365 days and IncludeSubDomains")
	default:
		return nil
	}
}

// field is the value of the field; its capacity is its length, so that appending
// to it makes a copy.
func (p HSTS) field() []string {
	if p.MaxAge == 0 {
		return nil
	}
	value := "max-age=" + strconv.FormatInt(int64(p.MaxAge/time.Second), 10)
	if p.IncludeSubDomains {
		value += "; includeSubDomains"
	}
	if p.Preload {
		value += "; preload"
	}
	return []string{value}
}

var (
	errNoScheme = errors.New("httpserver: HTTPS found no scheme: forwarded did not run")
	errNoTarget = errors.New("httpserver: HTTPS found no target: target did not run")
)

// Check passes what came over https. Of plain HTTP, what carries a credential is
// refused with 403: a redirect would make the client send it again, and nobody
// notice. What is for an unknown host gets 421, and all else is redirected.
func (s *HTTPS) Check(x *exchange.Exchange) exchange.Verdict {
	switch {
	case x.Scheme == "https":
		return exchange.Pass()
	case x.Scheme != "http":
		return exchange.Fail(errNoScheme)
	case x.UpstreamPath == "":
		return exchange.Fail(errNoTarget)
	}
	if id, carries := s.cfg.Carries(x); carries {
		if s.cfg.Exposed != nil && !x.Dry {
			s.cfg.Exposed(x, id)
		}
		return exchange.Refuse(s.exposed, overHTTP)
	}
	if !s.cfg.Known(x) {
		return exchange.Refuse(s.misdirected, "")
	}
	return exchange.Answer(redirect{location: s.location(x), status: s.status(x.Request.Method)}, "https-redirect")
}

// overHTTP is the word for a credential that came over plain HTTP.
const overHTTP = "credential-over-http"

// Done reports the credential of a plain request that an earlier stage refused,
// for its host, say: it was exposed no less, and is answered as without one.
func (s *HTTPS) Done(x *exchange.Exchange, o exchange.Outcome) {
	v := o.Trace.Verdict
	if s.cfg.Exposed == nil || x.Dry || x.Scheme != "http" || v.Kind() != exchange.Refused || v.Reason() == overHTTP {
		return
	}
	if id, carries := s.cfg.Carries(x); carries {
		s.cfg.Exposed(x, id)
	}
}

// Headers sets Strict-Transport-Security on answers over https, and only there
// (RFC 6797, section 7.2).
func (s *HTTPS) Headers(x *exchange.Exchange, h http.Header) {
	if s.hsts != nil && x.Scheme == "https" {
		h["Strict-Transport-Security"] = s.hsts
	}
}

// Wrap is Check as net/http middleware, for use behind forwarded's and target's
// without a Stack.
func (s *HTTPS) Wrap(next http.Handler) http.Handler { return exchange.Wrap(s, next) }

func (s *HTTPS) status(method string) int {
	if method == http.MethodGet || method == http.MethodHead {
		return s.getStatus
	}
	return http.StatusPermanentRedirect
}

// location is the target of x under https: the path as it would be forwarded, and
// the query as it was sent.
func (s *HTTPS) location(x *exchange.Exchange) string {
	var b strings.Builder
	b.WriteString("https://" + x.Host + s.port)
	if x.UpstreamPath != "*" { // the whole server: its URL has no path (RFC 9112, section 3.2.4)
		b.WriteString(x.UpstreamPath)
	}
	if x.RawQuery != "" || x.Request.URL.ForceQuery {
		b.WriteString("?" + x.RawQuery)
	}
	return b.String()
}

// redirect sends a client elsewhere.
type redirect struct {
	location string
	status   int
}

// ServeHTTP answers without reading the body, which is meant for https: the
// connection closes when there is one.
func (a redirect) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := r.ProtoMajor == 1 && r.Body != nil && r.Body != http.NoBody
	if body {
		w.Header().Set("Connection", "close")
	}
	w.Header().Set("Location", a.location)
	w.WriteHeader(a.status)
	if body {
		// An error means that the writer has no connection (a test's recorder).
		_ = http.NewResponseController(w).SetReadDeadline(time.Now())
	}
}
