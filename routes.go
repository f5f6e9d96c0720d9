package warder

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/problem"
)

// Routes is a [Route] whose patterns are written and chosen as those of
// [http.ServeMux]: "[METHOD ][HOST]/[PATH]", the most specific wins, GET takes
// HEAD. It differs where a ServeMux would guess:
//
//   - it judges the canonical method, host and path of the exchange, never the
//     request's own text;
//   - it redirects nothing: "/tree" does not match "/tree/", and a path that
//     ServeMux would clean matches nothing; nor does "/tree/" fall to a wider
//     pattern where "/tree" has one of its own;
//   - CONNECT, TRACE and PRI match nothing (RFC 9110, sections 9.3.6 and 9.3.8;
//     RFC 9113, section 3.4);
//   - an encoded slash is part of its segment, also where it is the whole of it.
//
// As with a ServeMux, a method or host that one pattern does not take may be
// taken by a wider one: guard the wide ones too.
//
// The zero value matches nothing and is ready for Handle. All of Handle must
// happen before the first Match, which then is safe for concurrent use.
type Routes struct {
	mux      http.ServeMux
	patterns []string
	methods  []string            // what Allow may name, sorted; at most maxMethods
	named    map[string]struct{} // the methods that patterns name

	seal sync.Once
	used atomic.Bool // Match was called
	lone *entry      // of the pattern "/" when there is no other: the mux need not be asked

	scratch sync.Pool // of *http.Request: the mux is never asked with a client's

	mu     sync.RWMutex
	denied map[methodSet]*Policy // bounded: the sets that the patterns give rise to
}

// A methodSet is a set of indices into Routes.methods.
type methodSet uint64

// maxMethods is the size of a methodSet: far more than HTTP has in use.
const maxMethods = 64

// entry is what the mux knows a pattern's policy by; without a policy it is the
// one behind all patterns. It never serves: a mux answer of another type is one
// of ServeMux's own redirects or errors.
type entry struct {
	pattern string
	policy  *Policy
	slashes int // in the pattern
}

func (*entry) ServeHTTP(http.ResponseWriter, *http.Request) {}

// Handle lets requests that match pattern meet p. It reports a pattern that is
// malformed, that could never match, or that conflicts with an earlier one, and
// then has changed nothing.
func (r *Routes) Handle(pattern string, p *Policy) error {
	switch {
	case p == nil:
		return fmt.Errorf("warder: pattern %q has no policy", pattern)
	case r.used.Load():
		return fmt.Errorf("warder: pattern %q comes after the first Match", pattern)
	}
	if err := register(new(http.ServeMux), pattern, p); err != nil {
		return fmt.Errorf("warder: pattern %q: %w", pattern, err)
	}
	method, err := matchable(pattern)
	if err != nil {
		return fmt.Errorf("warder: pattern %q: %w", pattern, err)
	}
	methods := union(r.methods, method)
	if len(methods) > maxMethods {
		return fmt.Errorf("warder: pattern %q: more than %d methods", pattern, maxMethods)
	}
	if err := register(&r.mux, pattern, p); err != nil {
		return r.conflict(pattern, p)
	}
	r.patterns = append(r.patterns, pattern)
	r.methods = methods
	if r.named == nil {
		r.named = make(map[string]struct{})
	}
	r.named[method] = struct{}{}
	return nil
}

// register is ServeMux.Handle with an error instead of a panic.
func register(mux *http.ServeMux, pattern string, p *Policy) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("%v", v)
		}
	}()
	mux.Handle(pattern, &entry{pattern, p, strings.Count(pattern, "/")})
	return nil
}

// conflict names the earlier pattern with which pattern does not go together.
// ServeMux's own text names places in source files instead.
func (r *Routes) conflict(pattern string, p *Policy) error {
	for _, earlier := range r.patterns {
		both := new(http.ServeMux)
		if register(both, earlier, p) == nil && register(both, pattern, p) != nil {
			return fmt.Errorf("warder: pattern %q conflicts with %q: some requests match both, and neither is more specific", pattern, earlier)
		}
	}
	return fmt.Errorf("warder: pattern %q conflicts with an earlier one", pattern)
}

var (
	errMethod = errors.New("CONNECT, TRACE and PRI are never matched")
	errHost   = errors.New("the host must be lower case without port and trailing dot, as canonical hosts are")
	errSlash  = errors.New("an encoded slash cannot be a whole segment")
	errClean  = errors.New("dot segments and empty segments are never matched, since no canonical path has them")
)

// matchable returns the method of a well-formed pattern, "" for every method,
// or why no canonical request could match it.
func matchable(pattern string) (method string, err error) {
	rest := pattern
	if i := strings.IndexAny(pattern, " \t"); i >= 0 {
		method, rest = pattern[:i], strings.TrimLeft(pattern[i:], " \t")
	}
	host, path, _ := strings.Cut(rest, "/")
	switch {
	case neverMatched(method):
		return "", errMethod
	case host != strings.ToLower(host) || strings.HasSuffix(host, ".") || strings.Contains(host, ":") && !strings.HasSuffix(host, "]"):
		return "", errHost
	case slashSegment("/" + path):
		return "", errSlash
	case !clean("/" + path):
		return "", errClean
	}
	return method, nil
}

// clean reports whether path begins with a slash and holds no segments that a
// ServeMux redirects away: dots, and empty ones before the last.
func clean(path string) bool {
	rest, rooted := strings.CutPrefix(path, "/")
	for more := rooted; more; {
		var segment string
		segment, rest, more = strings.Cut(rest, "/")
		if segment == "." || segment == ".." || segment == "" && more {
			return false
		}
	}
	return rooted
}

// union returns known with what a pattern of method lets through, sorted. A
// pattern without a method takes every one: Allow then names the common ones.
func union(known []string, method string) []string {
	all := slices.Clone(known)
	switch method {
	case "":
		all = append(all, http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions)
	case http.MethodGet:
		all = append(all, http.MethodGet, http.MethodHead)
	default:
		all = append(all, method)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// neverMatched reports whether method asks for something that no route can be.
func neverMatched(method string) bool {
	return method == http.MethodConnect || method == http.MethodTrace || method == "PRI"
}

// slashSegment reports whether a segment of path is nothing but an encoded
// slash. ServeMux would take it for the path's trailing slash.
func slashSegment(path string) bool {
	for {
		i := strings.Index(path, "/%2")
		if i < 0 {
			return false
		}
		path = path[i+len("/%2"):]
		if path != "" && (path[0] == 'F' || path[0] == 'f') && (len(path) == 1 || path[1] == '/') {
			return true
		}
	}
}

// Match returns the policy of the most specific pattern and notes the pattern
// in x.Route. When there is none, it returns one that refuses: 405 with Allow
// when the path has other methods (RFC 9110, section 15.5.6), else 404.
func (r *Routes) Match(x *exchange.Exchange) *Policy {
	r.seal.Do(r.close)
	method := x.Request.Method
	q, ok := r.question(x)
	if !ok {
		return r.deny(0)
	}
	defer r.release(q)
	if !neverMatched(method) {
		if e := r.ask(q, method); e != nil {
			x.Route = e.pattern
			return e.policy
		}
	}
	allowed := r.allowed(q, neverMatched(method))
	if allowed == 0 && neverMatched(method) && method != http.MethodTrace {
		allowed = r.everything() // the target names no resource: the server as a whole refuses the method
	}
	return r.deny(allowed)
}

// close puts an entry without a policy behind all patterns, so that a request
// that matches none costs no more than one that does: ServeMux would search it
// for methods first. It conflicts only with a pattern that matches everything.
func (r *Routes) close() {
	r.used.Store(true)
	if slices.Equal(r.patterns, []string{"/"}) {
		h, _ := r.mux.Handler(&http.Request{Method: http.MethodGet, URL: &url.URL{Path: "/"}})
		r.lone, _ = h.(*entry)
	}
	_ = register(&r.mux, "/", nil) // see above: then it is not needed
}

// question returns a request to ask the mux with; false when no pattern can
// match.
func (r *Routes) question(x *exchange.Exchange) (*http.Request, bool) {
	escaped := x.Path
	if escaped == "*" { // OPTIONS * is about the server as a whole (RFC 9110, section 9.3.7)
		escaped = "/"
	}
	path := escaped
	if strings.Contains(escaped, "%") {
		var err error
		if path, err = url.PathUnescape(escaped); err != nil || slashSegment(escaped) {
			return nil, false
		}
	}
	q, _ := r.scratch.Get().(*http.Request)
	if q == nil {
		q = &http.Request{URL: new(url.URL)}
	}
	q.Host, q.URL.Path, q.URL.RawPath = x.Host, path, escaped
	return q, true
}

func (r *Routes) release(q *http.Request) {
	*q.URL = url.URL{}
	*q = http.Request{URL: q.URL}
	r.scratch.Put(q)
}

// ask returns what q matches when it is sent with method; nil for nothing.
func (r *Routes) ask(q *http.Request, method string) *entry {
	if r.lone != nil { // a ServeMux makes notes of each segment that "/" takes, in memory of the request's
		if clean(q.URL.EscapedPath()) {
			return r.lone
		}
		return nil
	}
	q.Method = method
	h, _ := r.mux.Handler(q)
	e, _ := h.(*entry)
	if e == nil || e.policy == nil || r.slashAlone(q, e) {
		return nil
	}
	return e
}

// slashAlone reports whether q fell to e, the pattern of a subtree, although its
// path without the slash at its end has a pattern of its own: a guard on
// "/admin" is not walked around by "/admin/". ServeMux's redirect is the other
// half of the rule: "/admin" does not fall to "/" beside a guarded "/admin/".
func (r *Routes) slashAlone(q *http.Request, e *entry) bool {
	path := q.URL.EscapedPath()
	if len(path) < 2 || path[len(path)-1] != '/' || strings.Count(path, "/") == e.slashes {
		return false
	}
	whole := *q.URL
	q.URL.Path, q.URL.RawPath = strings.TrimSuffix(whole.Path, "/"), strings.TrimSuffix(path, "/")
	h, _ := r.mux.Handler(q)
	*q.URL = whole
	other, _ := h.(*entry)
	return other != nil && other != e
}

// allowed returns the methods with which q would match. Unless every one is
// asked for, those that no pattern names are left out: a pattern that takes them
// would have taken the request's own as well.
func (r *Routes) allowed(q *http.Request, every bool) methodSet {
	var set methodSet
	for i, method := range r.methods {
		_, named := r.named[method]
		named = named || method == http.MethodHead // by GET
		if (every || named) && r.ask(q, method) != nil {
			set |= 1 << i
		}
	}
	return set
}

// everything is the set of all methods.
func (r *Routes) everything() methodSet { return 1<<len(r.methods) - 1 }

// deny returns the policy that refuses requests whose path allows the methods
// of set only; for the empty set, that there is no such path. Each is made once.
func (r *Routes) deny(set methodSet) *Policy {
	r.mu.RLock()
	p := r.denied[set]
	r.mu.RUnlock()
	if p != nil {
		return p
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.denied[set]; p != nil {
		return p
	}
	if r.denied == nil {
		r.denied = make(map[methodSet]*Policy)
	}
	p = &Policy{Deny: r.refusal(set)}
	r.denied[set] = p
	return p
}

func (r *Routes) refusal(set methodSet) *problem.Problem {
	if set == 0 {
		return problem.New(problem.NotFound, "No route matches the request's host and path.")
	}
	var names []string
	for i, method := range r.methods {
		if set&(1<<i) != 0 {
			names = append(names, method)
		}
	}
	return problem.New(problem.MethodNotAllowed, "The path has other methods. Allow lists them.").With("Allow", strings.Join(names, ", "))
}
