package session

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/warder-dev/warder/openapi"
)

// Config configures a [Manager]. Store and Log are required.
type Config struct {
	_     [0]func()
	Store Store        // Required.
	Log   *slog.Logger // gets logins, logouts and what fails beside a request. Required.

	Scheme string // name of the scheme in OpenAPI. Default "session".
	Cookie string // name of the cookie, beginning with "__Host-", of at most 64 bytes. Default "__Host-session".

	Idle     time.Duration // from a session's last use to its end: 1 minute to Absolute. Default 30 minutes, or Absolute when that is less.
	Absolute time.Duration // from a login to its end, whatever its use: at most 30 days. Default 12 hours.

	// Remember is how long a session lasts, used or not, whose user asks to be
	// remembered: Absolute to 90 days. Such a session has a cookie that outlives the
	// browser. Default 0: nobody is remembered.
	Remember time.Duration

	Grace   time.Duration // how long after a rotation the id before is still answered: at most 1 minute. Default 10 seconds.
	Timeout time.Duration // for each call of the store: at most 1 minute. Default 2 seconds.
	PerUser int           // sessions that one user may have, 1 to 1000; a further login ends the one unused longest. Default 50.

	// InsecureCookie drops the prefix "__Host-" and the attribute Secure: the id then
	// travels in the clear, and a sibling domain can plant its own. Browsers accept
	// Secure cookies from http://localhost too, so that it is needed for no test.
	InsecureCookie bool
}

const (
	defaultScheme   = "session"
	hostPrefix      = "__Host-"
	defaultCookie   = "session"
	defaultIdle     = 30 * time.Minute
	defaultAbsolute = 12 * time.Hour
	defaultGrace    = 10 * time.Second
	defaultTimeout  = 2 * time.Second
	defaultPerUser  = 50

	maxCookieName = 64
	day           = 24 * time.Hour

	touchInterval = time.Minute     // how coarse LastUsed is
	touchTimeout  = time.Second     // for noting a use: it delays the request
	touchPause    = 5 * time.Second // after a use could not be noted
	sweepInterval = time.Minute
	sweepLimit    = 1000 // sessions
)

// A Manager begins, finds and ends sessions. It is safe for concurrent use and
// has nothing to close.
type Manager struct {
	store Store
	log   *slog.Logger

	scheme, cookie     string
	secure             bool
	idle, absolute     time.Duration
	remember           time.Duration
	grace, timeout     time.Duration
	perUser            int
	authenticates      *Scheme
	sweeps, touchAgain atomic.Int64 // not before, in Unix nanoseconds
	touching           sync.Map     // of Digest: at most one touch of a session at a time
}

// New reports everything that is wrong with cfg at once.
func New(cfg Config) (*Manager, error) {
	cfg.defaults()
	if err := cfg.check(); err != nil {
		return nil, err
	}
	m := &Manager{
		store: cfg.Store, log: cfg.Log, scheme: cfg.Scheme, cookie: cfg.Cookie, secure: !cfg.InsecureCookie,
		idle: cfg.Idle, absolute: cfg.Absolute, remember: cfg.Remember, grace: cfg.Grace, timeout: cfg.Timeout, perUser: cfg.PerUser,
	}
	m.authenticates = newScheme(m)
	return m, nil
}

func (c *Config) defaults() {
	c.Scheme = cmp.Or(c.Scheme, defaultScheme)
	if c.Cookie == "" {
		c.Cookie = hostPrefix + defaultCookie
		if c.InsecureCookie {
			c.Cookie = defaultCookie
		}
	}
	c.Absolute = cmp.Or(c.Absolute, defaultAbsolute)
	c.Idle = cmp.Or(c.Idle, min(defaultIdle, c.Absolute))
	c.Grace = cmp.Or(c.Grace, defaultGrace)
	c.Timeout = cmp.Or(c.Timeout, defaultTimeout)
	c.PerUser = cmp.Or(c.PerUser, defaultPerUser)
}

func (c *Config) check() error {
	var errs []error
	bad := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fmt.Errorf("session: "+format, args...))
		}
	}
	bad(c.Store == nil, "Store is missing")
	bad(c.Log == nil, "Log is missing")
	bad(!openapi.ValidName(c.Scheme), "Scheme %q: want a name of letters, digits and ._-", c.Scheme)
	bad(!validCookieName(c.Cookie), "Cookie %q: want a token of at most %d bytes", c.Cookie, maxCookieName)
	// Browsers know the prefix whatever its case, and __Secure- as well.
	prefix := strings.HasPrefix(strings.ToLower(c.Cookie), "__host-") || strings.HasPrefix(strings.ToLower(c.Cookie), "__secure-")
	bad(!c.InsecureCookie && !strings.HasPrefix(c.Cookie, hostPrefix), "Cookie %q: want a name that begins with %s", c.Cookie, hostPrefix)
	bad(c.InsecureCookie && prefix, "Cookie %q: no browser keeps a cookie of this name without Secure", c.Cookie)
	bad(c.Absolute < time.Minute || c.Absolute > 30*day, "Absolute is %v, want 1 minute to 30 days", c.Absolute)
	bad(c.Idle < time.Minute || c.Idle > c.Absolute, "Idle is %v, want 1 minute to Absolute, %v", c.Idle, c.Absolute)
	bad(c.Remember != 0 && (c.Remember < c.Absolute || c.Remember > 90*day), "Remember is %v, want 0 or Absolute, %v, to 90 days", c.Remember, c.Absolute)
	bad(c.Grace < 0 || c.Grace > time.Minute, "Grace is %v, want at most 1 minute", c.Grace)
	bad(c.Timeout < 0 || c.Timeout > time.Minute, "Timeout is %v, want at most 1 minute", c.Timeout)
	bad(c.PerUser < 1 || c.PerUser > 1000, "PerUser is %d, want 1 to 1000", c.PerUser)
	return errors.Join(errs...)
}

// validCookieName reports whether name is a token (RFC 6265, section 4.1.1).
func validCookieName(name string) bool {
	for i := range len(name) {
		b := name[i]
		if ('a' > b || b > 'z') && ('A' > b || b > 'Z') && ('0' > b || b > '9') && strings.IndexByte("!#$%&'*+-.^_`|~", b) < 0 {
			return false
		}
	}
	return name != "" && len(name) <= maxCookieName
}

// Scheme returns the scheme that finds the sessions of m: the same each time.
func (m *Manager) Scheme() *Scheme { return m.authenticates }

// Cookie returns the name of the cookie: what a front removes before it forwards
// a request.
func (m *Manager) Cookie() string { return m.cookie }

// A missing is why no session was found: a word for the log.
type missing string

const (
	none      missing = ""
	malformed missing = "malformed"
	unknown   missing = "unknown"
	replaced  missing = "replaced" // by a rotation, longer ago than the grace
)

var errStrange = errors.New("session: the store answered with another session")

// find returns the live session whose id text is, and whether text is its former
// id; or why there is none. An error means that the store gave no answer.
func (m *Manager) find(ctx context.Context, text string) (r Record, former bool, why missing, err error) {
	d, ok := digestOf(text)
	if !ok {
		return Record{}, false, malformed, nil
	}
	ctx, cancel := context.WithTimeout(ctx, m.timeout)
	defer cancel()
	switch r, err = m.store.Lookup(ctx, d); {
	case errors.Is(err, ErrNotFound):
		return Record{}, false, unknown, nil
	case err != nil:
		return Record{}, false, none, fmt.Errorf("session: look up: %w", err)
	}
	now := time.Now()
	former = r.Digest != d
	switch {
	case former && r.Former.Digest != d, r.User.Subject == "":
		return Record{}, false, none, errStrange
	case former && !now.Before(r.Former.Until):
		return Record{}, false, replaced, nil
	}
	if reason := r.expired(now); reason != "" {
		return Record{}, false, missing(reason), nil
	}
	return r, former, none, nil
}

// idleOf returns when r ends unless it is used again, as of now.
func (m *Manager) idleOf(r *Record, now time.Time) time.Time {
	if r.User.Remember {
		return r.Expires
	}
	if t := now.Add(m.idle); t.Before(r.Expires) {
		return t
	}
	return r.Expires
}

// touch notes the use of r, when the last one that was noted is long enough ago.
// It reports whether r is still there. That a use could not be noted is no reason
// to refuse: the session then ends earlier, not later.
func (m *Manager) touch(ctx context.Context, r *Record) bool {
	now := moment(time.Now())
	if now.Sub(r.LastUsed) < touchInterval || now.UnixNano() < m.touchAgain.Load() {
		return true
	}
	if _, busy := m.touching.LoadOrStore(r.Digest, nil); busy {
		return true
	}
	defer m.touching.Delete(r.Digest)
	after := *r
	after.LastUsed, after.IdleExpires = now, m.idleOf(r, now)
	bounded, cancel := context.WithTimeout(ctx, min(touchTimeout, m.timeout))
	defer cancel()
	switch err := m.store.Replace(bounded, *r, after); {
	case err == nil, errors.Is(err, ErrConflict): // somebody else's change noted a use as well
	case errors.Is(err, ErrNotFound):
		return false
	case ctx.Err() != nil: // the client left
	default:
		m.touchAgain.Store(now.Add(touchPause).UnixNano())
		m.log.LogAttrs(ctx, slog.LevelWarn, "use of a session was not noted", slog.String("session", r.Digest.Name()), slog.Any("error", err))
	}
	return true
}

// sweep removes expired sessions, now and then.
func (m *Manager) sweep(ctx context.Context) {
	now := time.Now()
	due := m.sweeps.Load()
	if now.UnixNano() < due || !m.sweeps.CompareAndSwap(due, now.Add(sweepInterval).UnixNano()) {
		return
	}
	if _, err := m.store.DeleteExpired(ctx, moment(now), sweepLimit); err != nil {
		m.log.LogAttrs(ctx, slog.LevelWarn, "expired sessions were not removed", slog.Any("error", err))
	}
}

// values returns what the cookies called name hold, however many there are.
func values(h http.Header, name string) (all []string) {
	for _, field := range h["Cookie"] {
		for pair := range strings.SplitSeq(field, ";") {
			if n, v, _ := strings.Cut(pair, "="); strings.Trim(n, " \t") == name {
				all = append(all, strings.Trim(v, " \t"))
			}
		}
	}
	return all
}
