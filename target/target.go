// Package target makes one reading of the request target, so that what is
// judged is what is handled and forwarded.
//
// The target is read as it was sent. The encoding of unreserved characters is
// undone and hexadecimal digits become upper case (RFC 3986, section 6.2.2);
// nothing else is mended. What two programs may read differently is refused
// with 400, unless the configuration says how to resolve it; what no program
// should have sent is refused always.
package target

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/problem"
)

// defaultMaxLength is what RFC 9112, section 3 asks every recipient to support
// (8000 octets), rounded up.
const defaultMaxLength = 8192

// maxConfigurable bounds [Config.MaxLength]: a longer target than a header
// limit lets through is a mistake.
const maxConfigurable = 1 << 20

// maxMethod is the longest method name that passes, in bytes; the longest
// registered one has 17 (RFC 9110, section 16.1).
const maxMethod = 32

// known are the ambiguities that there are.
const known = exchange.DotSegments | exchange.EmptySegments | exchange.PathParameters | exchange.EncodedSlash

// Config configures a [Stage]. The zero value is the strict one.
type Config struct {
	_ [0]func()

	// MaxLength is the longest target, query included, in bytes. 0 means 8192;
	// at most 1 MiB. Longer ones get 414.
	MaxLength int

	// Allow lists the ambiguities that are resolved; all others get 400. It is
	// the union of what any route allows: the route's own share is judged after
	// it is found. Only a front that forwards [exchange.Exchange.UpstreamPath]
	// may allow anything, since a handler may read the target as it was sent.
	Allow exchange.Ambiguity
}

// A Stage finds the canonical target.
type Stage struct {
	maxLength int
	allow     exchange.Ambiguity

	method, tooLong, malformed, ambiguous *problem.Problem
}

// New reports every invalid field of cfg at once.
func New(cfg Config) (*Stage, error) {
	var errs []error
	if cfg.MaxLength < 0 || cfg.MaxLength > maxConfigurable {
		errs = append(errs, fmt.Errorf("target: MaxLength is %d bytes, want 1 to %d, or 0 for %d", cfg.MaxLength, maxConfigurable, defaultMaxLength))
	}
	if unknown := cfg.Allow &^ known; unknown != 0 {
		errs = append(errs, fmt.Errorf("target: Allow holds unknown bits %#x", uint8(unknown)))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	s := &Stage{
		maxLength: cfg.MaxLength, allow: cfg.Allow,
		method: problem.New(problem.MethodNotAllowed, "Use one of the methods in the Allow field.").
			With("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS").
			With("Connection", "close"), // a tunnel's or a preface's bytes would follow
		tooLong:   problem.New(problem.TargetTooLong, "Send a shorter path and query.").With("Connection", "close"),
		malformed: Ambiguous().With("Connection", "close"), // what follows on the connection may be framed as badly
		ambiguous: Ambiguous(),
	}
	if s.maxLength == 0 {
		s.maxLength = defaultMaxLength
	}
	return s, nil
}

// Check sets Path, UpstreamPath, RawQuery and Ambiguity, and gives x.Request a
// URL that holds the canonical target only. It refuses methods that make a
// connection something else than requests and answers (405), targets over the
// limit (414), and malformed or ambiguous ones (400).
func (s *Stage) Check(x *exchange.Exchange) exchange.Verdict {
	if !methodAllowed(x.Request.Method) {
		return exchange.Refuse(s.method, "method")
	}
	raw := sent(x.Request)
	if len(raw) > s.maxLength {
		return exchange.Refuse(s.tooLong, "")
	}
	f, ok := split(raw, x.Request)
	if !ok || !queryClean(f.query) {
		return exchange.Refuse(s.malformed, "malformed-target")
	}
	if f.path == "*" {
		x.Path, x.UpstreamPath, x.RawQuery, x.Ambiguity = "*", "*", "", 0
		adopt(x, f)
		return exchange.Pass()
	}
	x.RawQuery = f.query
	if f.plain { // what Canonical would find, without a second scan
		x.Path, x.UpstreamPath, x.Ambiguity = f.path, f.path, 0
		adopt(x, f)
		return exchange.Pass()
	}
	result, err := Canonical(f.path, s.allow)
	if err != nil {
		return s.refusal(err)
	}
	x.Path, x.UpstreamPath, x.Ambiguity = result.Path, result.UpstreamPath, result.Ambiguity
	adopt(x, f)
	return exchange.Pass()
}

func (s *Stage) refusal(err error) exchange.Verdict {
	if ambiguous, ok := errors.AsType[*AmbiguityError](err); ok {
		return exchange.Refuse(s.ambiguous, (ambiguous.Ambiguity &^ s.allow).String())
	}
	return exchange.Refuse(s.malformed, "malformed-target")
}

// Wrap is Check as net/http middleware, for use without a Stack.
func (s *Stage) Wrap(next http.Handler) http.Handler { return exchange.Wrap(s, next) }

// Ambiguous is the problem of a target that has two readings.
func Ambiguous() *problem.Problem {
	return problem.New(problem.InvalidTarget, "Send the path in its one plain form: no dot segments, empty segments, backslashes, encoded slashes, path parameters or control characters, and valid UTF-8.")
}

// methodAllowed refuses CONNECT, which makes a tunnel, TRACE, which echoes
// credentials (RFC 9110, sections 9.3.6 and 9.3.8), and PRI, the HTTP/2 preface
// (RFC 9113, section 3.4), which net/http hands to handlers. All other tokens
// are judged like any request: HTTP/1.1 lets nothing else through, HTTP/2 does.
func methodAllowed(method string) bool {
	switch method {
	case http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodHead, http.MethodPatch, http.MethodOptions:
		return true
	case http.MethodConnect, http.MethodTrace, "PRI":
		return false
	}
	if method == "" || len(method) > maxMethod {
		return false
	}
	for i := range len(method) {
		if !token(method[i]) {
			return false
		}
	}
	return true
}

// token reports whether b may stand in a method (RFC 9110, section 5.6.2).
func token(b byte) bool {
	switch {
	case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9':
		return true
	}
	switch b {
	case '!', '#', '$', '%', '&', '\'', '*', '+', '-', '.', '^', '_', '`', '|', '~':
		return true
	}
	return false
}
