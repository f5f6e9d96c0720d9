package csrf

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/problem"
	"github.com/warder-dev/warder/secret"
)

// Config configures a [Stage]. The zero value is the strictest: it trusts no
// other origin and knows no tokens.
type Config struct {
	_ [0]func()

	// Keys sign the tokens: the first one signs, all of them verify, so that a key
	// can be replaced. Each has at least 32 bytes, of a random source; at most 16.
	// Without keys there are no tokens, and what needs one is refused.
	Keys []secret.Text

	// TrustedOrigins may write as well: "https://app.example.com", compared byte for
	// byte with what browsers send: lower case, without the scheme's default port,
	// path and wildcard.
	TrustedOrigins []string

	// InsecureHTTPOrigins lets TrustedOrigins be plain http on other hosts than the
	// own machine. It costs: whoever is on the network path of such an origin
	// writes as the site's users.
	InsecureHTTPOrigins bool

	// Login also judges requests that prove nobody. For routes that log in: else
	// another site can log somebody in, as somebody else.
	Login bool

	Header   string        // of the token: a field name. Default "X-CSRF-Token".
	Field    string        // of a form with the token; letters, digits, - and _. Default "csrf_token".
	Lifetime time.Duration // of a token: 1 minute to 7 days. Default 12 hours.

	// MaxForm is how much of a form's body is read in search of its token, in bytes:
	// 1 KiB to 1 MiB. Default 64 KiB. In a longer form the token has to stand before
	// that. The handler reads the whole body all the same.
	MaxForm int64

	// Cookie also sets the token as a cookie called [CookieName], which a script
	// reads and sends in the header field. The cookie itself proves nothing.
	Cookie bool

	// Shadow lets everything pass, and only reports what would be refused. It needs
	// Report.
	Shadow bool

	// Report is told of every refusal, with a reason that is a constant: for counts
	// and the log. It must be fast and may be called concurrently. nil for none.
	Report func(x *exchange.Exchange, reason string)
}

const (
	defaultHeader   = "X-CSRF-Token"
	defaultField    = "csrf_token"
	defaultLifetime = 12 * time.Hour
	minLifetime     = time.Minute
	maxLifetime     = 7 * 24 * time.Hour
	defaultForm     = 64 << 10
	minForm         = 1 << 10
	maxForm         = 1 << 20
	maxName         = 64 // bytes of Header and Field
)

// A Stage refuses unsafe requests that another site may have made. It judges
// after authn and before authz. It is safe for concurrent use.
type Stage struct {
	keys     []*key
	trusted  map[string]struct{}
	login    bool
	header   string // canonical
	field    string
	lifetime time.Duration
	maxForm  int64
	cookie   bool
	shadow   bool
	report   func(*exchange.Exchange, string)

	elsewhere *problem.Problem // it came from elsewhere
	unproved  *problem.Problem // it needs a token
}

// New reports everything that is wrong with cfg at once. Changing cfg later has
// no effect.
func New(cfg Config) (*Stage, error) {
	cfg.defaults()
	keys, keyErr := newKeys(cfg.Keys)
	trusted, originErr := cfg.origins()
	if err := errors.Join(keyErr, originErr, cfg.check()); err != nil {
		return nil, err
	}
	header := http.CanonicalHeaderKey(cfg.Header)
	return &Stage{
		keys: keys, trusted: trusted, login: cfg.Login, header: header, field: cfg.Field, lifetime: cfg.Lifetime,
		maxForm: cfg.MaxForm, cookie: cfg.Cookie, shadow: cfg.Shadow, report: cfg.Report,
		elsewhere: problem.New(problem.CrossSite, "Send the request from a page of the site itself."),
		unproved:  problem.New(problem.CrossSite, "Nothing shows where the request comes from. Send Origin, or a valid token in the field "+cfg.Header+"."),
	}, nil
}

func (c *Config) defaults() {
	if c.Header == "" {
		c.Header = defaultHeader
	}
	if c.Field == "" {
		c.Field = defaultField
	}
	if c.Lifetime == 0 {
		c.Lifetime = defaultLifetime
	}
	if c.MaxForm == 0 {
		c.MaxForm = defaultForm
	}
}

func (c *Config) check() error {
	var errs []error
	if !isName(c.Header) || slices.Contains(taken(), http.CanonicalHeaderKey(c.Header)) {
		errs = append(errs, fmt.Errorf("csrf: header %q: want letters, digits, - and _, at most %d bytes, that no page can set without a script", c.Header, maxName))
	}
	if !isName(c.Field) {
		errs = append(errs, fmt.Errorf("csrf: field %q: want letters, digits, - and _, at most %d bytes", c.Field, maxName))
	}
	if c.Lifetime < minLifetime || c.Lifetime > maxLifetime {
		errs = append(errs, fmt.Errorf("csrf: lifetime %v: want %v to %v", c.Lifetime, minLifetime, maxLifetime))
	}
	if c.MaxForm < minForm || c.MaxForm > maxForm {
		errs = append(errs, fmt.Errorf("csrf: form of %d bytes: want %d to %d", c.MaxForm, minForm, maxForm))
	}
	if c.Cookie && len(c.Keys) == 0 {
		errs = append(errs, errors.New("csrf: the cookie needs a key"))
	}
	if c.Shadow && c.Report == nil {
		errs = append(errs, errors.New("csrf: shadow needs Report: else nobody sees what would be refused"))
	}
	return errors.Join(errs...)
}

func isName(name string) bool {
	return name != "" && len(name) <= maxName && strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") == ""
}

// taken are the fields that have another meaning, or that a page can set across
// origins without asking first: a token there would prove less.
func taken() []string {
	return []string{
		"Accept", "Accept-Language", "Authorization", "Connection", "Content-Language", "Content-Length", "Content-Type", "Cookie", "Host",
		"Origin", "Range", "Referer", "Sec-Fetch-Site", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "User-Agent",
	}
}

// origins returns the trusted origins as a set.
func (c *Config) origins() (map[string]struct{}, error) {
	set := make(map[string]struct{}, len(c.TrustedOrigins))
	var errs []error
	for _, origin := range c.TrustedOrigins {
		u, err := url.Parse(origin)
		switch {
		case err != nil || !isOrigin(origin, u):
			errs = append(errs, fmt.Errorf("csrf: trusted origin %q: want scheme://host[:port] as browsers send it: lower case, no default port, nothing behind", origin))
		case u.Scheme == "http" && !c.InsecureHTTPOrigins && !isLoopback(u.Hostname()):
			errs = append(errs, fmt.Errorf("csrf: trusted origin %q: plain http is anybody's on the network path; see InsecureHTTPOrigins", origin))
		default:
			set[origin] = struct{}{}
		}
	}
	return set, errors.Join(errs...)
}

// isOrigin reports whether origin, which u was parsed from, is an origin in the
// one spelling that browsers send (Fetch, "serializing a request origin").
func isOrigin(origin string, u *url.URL) bool {
	if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || origin != u.Scheme+"://"+u.Host {
		return false
	}
	if u.Port() == defaultPort(u.Scheme) || u.Port() == "" && strings.HasSuffix(u.Host, ":") {
		return false
	}
	for _, b := range []byte(u.Host) {
		if ('a' > b || b > 'z') && ('0' > b || b > '9') && strings.IndexByte("-._:[]", b) < 0 {
			return false
		}
	}
	return true
}

// isLoopback reports whether host is this machine by its name alone, as browsers
// take it.
func isLoopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

func defaultPort(scheme string) string {
	if scheme == "https" {
		return "443"
	}
	return "80"
}
