package cors

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/warder-dev/warder/exchange"
)

// Config configures a [Stage]. The zero value is invalid: it allows nobody. There
// is no way to allow the origin null, which any page can have, nor to reflect
// whatever origin asks.
type Config struct {
	_ [0]func()

	// Origins may read: "https://app.example.com", "https://app.example.com:8443", or
	// "https://*.example.com" for everything below example.com. Lower case; a default
	// port may be written. The domain behind a star must be somebody's own: not a
	// public suffix such as com or github.io. Schemes of apps and extensions are
	// taken without a star.
	Origins []string

	// AnyOrigin lets every page read, instead of Origins: for what is public anyway.
	// It excludes Credentials and PrivateNetwork.
	AnyOrigin bool

	// Credentials lets pages read answers to requests with cookies, HTTP
	// authentication or client certificates.
	Credentials bool

	// InsecureHTTPOrigins lets Origins be plain http on other hosts than the own
	// machine together with Credentials or PrivateNetwork. It costs: whoever is on
	// the network path of such an origin reads as the site's users.
	InsecureHTTPOrigins bool

	// Methods are allowed beside GET, HEAD and POST, which every form may use. Upper
	// case: methods have case.
	Methods []string

	// RequestHeaders are the fields that a page may set beside those that every form
	// may: "Content-Type", "X-API-Key". "*" is all of them but Authorization, which
	// always has to be named.
	RequestHeaders []string

	// ExposedHeaders are the fields of an answer that a page may read beside
	// Cache-Control, Content-Language, Content-Length, Content-Type, Expires,
	// Last-Modified and Pragma. "*" is all of them; not with Credentials.
	ExposedHeaders []string

	// MaxAge is how long a browser may keep a preflight's answer: whole seconds, up
	// to 24 hours. Browsers have limits of their own (Chromium two hours). 0 leaves
	// it to the browser, 5 seconds by the standard; negative forbids it.
	MaxAge time.Duration

	// PrivateNetwork also allows preflights that ask for a private network: from a
	// page of a public address to a private one. Without it they are refused.
	PrivateNetwork bool

	// ForwardPreflight lets preflights go on like other requests instead of answering
	// them. They have no credential, so the route must not need one. What the answer
	// says of CORS stays the stage's.
	ForwardPreflight bool

	// Shadow changes nothing of any answer, answers no preflight, and reports what
	// would be refused. It needs Report.
	Shadow bool

	// Report is told of every request of another origin that gets no permission. It
	// must be fast and may be called concurrently. nil for none.
	Report func(x *exchange.Exchange, r Refusal)
}

const maxMaxAge = 24 * time.Hour

// rules are a checked Config, ready for use, and never changed.
type rules struct {
	origins     originSet
	any         bool
	credentials bool
	private     bool
	forward     bool
	shadow      bool
	report      func(*exchange.Exchange, Refusal)

	methods map[string]struct{}
	headers headerSet

	exposed []string // the one value of the field; nil for none
	maxAge  []string

	vary          varyList // of every answer
	varyPreflight varyList // of answers to OPTIONS

	star, yes []string // values that never change
}

// newRules reports everything that is wrong with cfg at once.
func newRules(cfg Config) (*rules, error) {
	origins, originErr := newOriginSet(cfg.Origins, !cfg.InsecureHTTPOrigins && (cfg.Credentials || cfg.PrivateNetwork))
	methods, methodErr := newMethods(cfg.Methods)
	headers, headerErr := newHeaderSet(cfg.RequestHeaders)
	exposed, exposedErr := newExposed(cfg.ExposedHeaders, cfg.Credentials)
	if err := errors.Join(cfg.check(), originErr, methodErr, headerErr, exposedErr); err != nil {
		return nil, err
	}
	c := &rules{
		origins: origins, any: cfg.AnyOrigin, credentials: cfg.Credentials, private: cfg.PrivateNetwork, forward: cfg.ForwardPreflight,
		shadow: cfg.Shadow, report: cfg.Report, methods: methods, headers: headers, exposed: exposed, maxAge: maxAge(cfg.MaxAge),
		star: []string{"*"}, yes: []string{"true"},
	}
	asked := []string{requestHeaders, requestMethod}
	if c.private {
		asked = append(asked, requestPrivate)
	}
	if !c.any {
		c.vary = newVaryList("Origin")
		asked = append(asked, "Origin")
	}
	c.varyPreflight = newVaryList(asked...)
	return c, nil
}

func (c *Config) check() error {
	var errs []error
	if !c.AnyOrigin && len(c.Origins) == 0 {
		errs = append(errs, errors.New("cors: no origin: name some, or AnyOrigin for what is public"))
	}
	if c.AnyOrigin {
		for _, other := range []struct {
			set  bool
			name string
		}{{len(c.Origins) > 0, "Origins"}, {c.Credentials, "Credentials"}, {c.PrivateNetwork, "PrivateNetwork"}} {
			if other.set {
				errs = append(errs, fmt.Errorf("cors: AnyOrigin excludes %s", other.name))
			}
		}
	}
	if c.MaxAge > maxMaxAge || c.MaxAge > 0 && c.MaxAge%time.Second != 0 {
		errs = append(errs, fmt.Errorf("cors: max age %v: want whole seconds, at most %v", c.MaxAge, maxMaxAge))
	}
	if c.Shadow && c.Report == nil {
		errs = append(errs, errors.New("cors: shadow needs Report: else nobody sees what would be refused"))
	}
	return errors.Join(errs...)
}

func maxAge(d time.Duration) []string {
	switch {
	case d == 0:
		return nil
	case d < 0:
		return []string{"0"}
	default:
		return []string{strconv.Itoa(int(d / time.Second))}
	}
}

// newMethods returns the methods that a preflight may ask for. Those that every
// form may use are always among them: a preflight asks for them because of a
// header field (Fetch, "CORS-safelisted method").
func newMethods(names []string) (map[string]struct{}, error) {
	set := map[string]struct{}{http.MethodGet: {}, http.MethodHead: {}, http.MethodPost: {}}
	var errs []error
	for _, name := range names {
		switch {
		case !isToken(name) || name == "*" || name != strings.ToUpper(name):
			errs = append(errs, fmt.Errorf("cors: method %q: want a method in upper case", name))
		case slices.Contains([]string{"CONNECT", "TRACE", "TRACK"}, name):
			errs = append(errs, fmt.Errorf("cors: method %q: no browser lets a page use it", name))
		default:
			set[name] = struct{}{}
		}
	}
	return set, errors.Join(errs...)
}

// newExposed returns the value of Access-Control-Expose-Headers.
func newExposed(names []string, credentials bool) ([]string, error) {
	var errs []error
	for _, name := range names {
		switch {
		case name == "*" && (credentials || len(names) > 1):
			errs = append(errs, errors.New(`cors: exposed headers: "*" stands alone, and not with Credentials, where it is a name like any other`))
		case !isToken(name):
			errs = append(errs, fmt.Errorf("cors: exposed header %q: want a field name", name))
		case strings.EqualFold(name, "Set-Cookie") || strings.EqualFold(name, "Set-Cookie2"):
			errs = append(errs, fmt.Errorf("cors: exposed header %q: no browser lets a page read it", name))
		}
	}
	if len(names) == 0 || len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return []string{strings.Join(names, ",")}, nil
}

// isToken reports whether name is a token (RFC 9110, section 5.6.2).
func isToken(name string) bool {
	for i := range len(name) {
		if !tokenByte(name[i]) {
			return false
		}
	}
	return name != ""
}

func tokenByte(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", b) >= 0
}
