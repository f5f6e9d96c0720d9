package cors

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/warder-dev/warder/exchange"
)

// A Stage says which origins may read a route's answers. It is the first stage
// of a policy, and safe for concurrent use.
type Stage struct{ rules atomic.Pointer[rules] }

// New reports everything that is wrong with cfg at once. Changing cfg later has
// no effect; see [Stage.Reconfigure].
func New(cfg Config) (*Stage, error) {
	s := new(Stage)
	if err := s.Reconfigure(cfg); err != nil {
		return nil, err
	}
	return s, nil
}

// Reconfigure makes cfg count for every answer that begins from now on; what it
// says of CORS is of one configuration. It may be called at any time. With an
// error, which tells everything that is wrong at once, nothing changes.
func (s *Stage) Reconfigure(cfg Config) error {
	c, err := newRules(cfg)
	if err != nil {
		return err
	}
	s.rules.Store(c)
	return nil
}

// Reasons of refusals, for the log and [Config.Report].
const (
	reasonRepeated = "repeated-origin"   // more than one Origin
	reasonNull     = "null-origin"       // that of sandboxed frames, files and redirects
	reasonOrigin   = "origin-not-listed" // Origin is another, or none
	reasonMethod   = "method-not-listed" // a preflight's
	reasonHeader   = "header-not-listed" // a preflight's; also names that no browser writes so
	reasonPrivate  = "private-network"   // a preflight's
	preflight      = "preflight"         // it was answered, with permission
	maxShown       = 100                 // bytes of a request's text in an explanation
	requestMethod  = "Access-Control-Request-Method"
	requestHeaders = "Access-Control-Request-Headers"
	requestPrivate = "Access-Control-Request-Private-Network"
)

// A Refusal is a permission that was not given, and what was asked for.
type Refusal struct {
	Reason    string // a constant, such as "origin-not-listed"
	Preflight bool

	request *http.Request
}

// String explains the refusal to whoever mends a configuration. It quotes what
// the request asked for, shortened: keep it to the operator, and to a log of
// debugging.
func (r Refusal) String() string {
	if r.request == nil {
		return r.Reason
	}
	var asked string
	switch h := r.request.Header; r.Reason {
	case reasonMethod:
		asked = quote(requestMethod, h[requestMethod])
	case reasonHeader:
		asked = quote(requestHeaders, h[requestHeaders])
	case reasonPrivate:
		asked = quote(requestPrivate, h[requestPrivate])
	default:
		asked = quote("Origin", h["Origin"])
	}
	if r.Preflight {
		return "preflight: " + r.Reason + ": " + asked
	}
	return r.Reason + ": " + asked
}

func quote(name string, fields []string) string {
	text := strings.Join(fields[:min(len(fields), 2)], " | ")
	return name + " " + strconv.Quote(text[:min(len(text), maxShown)])
}

var errNoRules = errors.New("cors: the stage has no configuration: make it with New")

// Check answers preflights with 204, whatever they are told, and passes
// everything else: who may read is the browser's to enforce.
func (s *Stage) Check(x *exchange.Exchange) exchange.Verdict {
	c := s.rules.Load()
	if c == nil {
		return exchange.Fail(errNoRules)
	}
	r := x.Request
	asks := IsPreflight(r)
	if !asks && c.report == nil {
		return exchange.Pass()
	}
	reason := c.refusal(r, asks)
	if reason != "" && c.report != nil && !x.Dry && isCross(x) {
		c.report(x, Refusal{Reason: reason, Preflight: asks, request: r})
	}
	if !asks || c.forward || c.shadow {
		return exchange.Pass()
	}
	if reason == "" {
		reason = preflight
	}
	return exchange.Answer(http.HandlerFunc(noContent), reason)
}

func noContent(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }

// Wrap is Check as net/http middleware, for use without a Stack.
func (s *Stage) Wrap(next http.Handler) http.Handler { return exchange.Wrap(s, next) }

// Answers reports whether the stage answers preflights: not while they are
// forwarded, and not in shadow.
func (s *Stage) Answers() bool {
	c := s.rules.Load()
	return c != nil && !c.forward && !c.shadow
}

// IsPreflight reports whether r is what browsers ask with before a request of
// another origin (Fetch, "CORS-preflight request").
func IsPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && len(r.Header[requestMethod]) > 0 && len(r.Header["Origin"]) > 0
}

// isCross reports whether x comes from another origin. Browsers say the own one
// too, with everything but GET and HEAD.
func isCross(x *exchange.Exchange) bool {
	origins := x.Request.Header["Origin"]
	return len(origins) > 1 || len(origins) == 1 && !x.IsOwnOrigin(origins[0])
}

// Headers makes what the answer says of CORS that of the configuration, also
// where somebody further in said otherwise.
func (s *Stage) Headers(x *exchange.Exchange, h http.Header) {
	c := s.rules.Load()
	if c == nil || c.shadow {
		return
	}
	r := x.Request
	disown(h)
	asks := IsPreflight(r)
	if r.Method == http.MethodOptions {
		c.varyPreflight.addTo(h)
	} else {
		c.vary.addTo(h)
	}
	if c.refusal(r, asks) != "" {
		return
	}
	c.allow(h, r.Header)
	if asks {
		c.allowPreflight(h, r.Header)
	} else if c.exposed != nil {
		h["Access-Control-Expose-Headers"] = c.exposed
	}
}

// refusal returns why r gets no permission; "" when it gets it.
func (c *rules) refusal(r *http.Request, asks bool) string {
	if !c.any {
		switch origins := r.Header["Origin"]; {
		case len(origins) > 1:
			return reasonRepeated
		case len(origins) == 0:
			return reasonOrigin
		case origins[0] == "null":
			return reasonNull
		case !c.origins.has(origins[0]):
			return reasonOrigin
		}
	}
	if asks {
		return c.refusesPreflight(r.Header)
	}
	return ""
}

func (c *rules) refusesPreflight(h http.Header) string {
	methods := h[requestMethod]
	if len(methods) != 1 {
		return reasonMethod
	}
	if _, ok := c.methods[methods[0]]; !ok {
		return reasonMethod
	}
	if !c.headers.accepts(h[requestHeaders]) {
		return reasonHeader
	}
	if len(h[requestPrivate]) > 0 && !c.private {
		return reasonPrivate
	}
	return ""
}

// allow says who may read. The values are the request's own or shared: their
// capacity is their length, so that whoever appends copies.
func (c *rules) allow(h, request http.Header) {
	if c.any {
		h["Access-Control-Allow-Origin"] = c.star
		return
	}
	h["Access-Control-Allow-Origin"] = request["Origin"][:1:1]
	if c.credentials {
		h["Access-Control-Allow-Credentials"] = c.yes
	}
}

// allowPreflight says what may be sent: what was asked for. A method that every
// form may use needs no permission.
func (c *rules) allowPreflight(h, request http.Header) {
	switch method := request[requestMethod][:1:1]; method[0] {
	case http.MethodGet, http.MethodHead, http.MethodPost:
	default:
		h["Access-Control-Allow-Methods"] = method
	}
	if names := request[requestHeaders]; len(names) > 1 || len(names) == 1 && names[0] != "" {
		h["Access-Control-Allow-Headers"] = slices.Clip(names)
	}
	if len(request[requestPrivate]) > 0 {
		h["Access-Control-Allow-Private-Network"] = c.yes
	}
	if c.maxAge != nil {
		h["Access-Control-Max-Age"] = c.maxAge
	}
}

// owned is how the names of all fields of CORS in an answer begin.
const owned = "Access-Control-"

// disown removes what somebody further in said of CORS, however it is spelled.
func disown(h http.Header) {
	for name := range h {
		if len(name) > len(owned) && strings.EqualFold(name[:len(owned)], owned) {
			delete(h, name)
		}
	}
}

// A varyList is names for Vary (RFC 9110, section 12.5.5), one by one and as the
// one value of a field.
type varyList struct{ names, joined []string }

func newVaryList(names ...string) varyList {
	if len(names) == 0 {
		return varyList{}
	}
	return varyList{names, []string{strings.Join(names, ", ")}}
}

// addTo adds the names to what is there, as far as they are missing.
func (v *varyList) addTo(h http.Header) {
	if len(v.names) == 0 {
		return
	}
	fields := h["Vary"]
	if len(fields) == 0 {
		h["Vary"] = v.joined
		return
	}
	if listed(fields, "*") {
		return
	}
	for _, name := range v.names {
		if !listed(fields, name) {
			fields = append(fields, name)
		}
	}
	h["Vary"] = fields
}

// listed reports whether the fields of a list hold name, without case.
func listed(fields []string, name string) bool {
	for _, field := range fields {
		for element := range strings.SplitSeq(field, ",") {
			if strings.EqualFold(strings.Trim(element, " \t"), name) {
				return true
			}
		}
	}
	return false
}
