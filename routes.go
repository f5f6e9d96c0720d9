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

	"github.com/warder-dev/warder/cors"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/pathpattern"
	"github.com/warder-dev/warder/problem"
	"github.com/warder-dev/warder/ratelimit"
)

// Routes is a [Route] whose patterns are written and chosen as those of
// [http.ServeMux]: "[METHOD ][HOST]/[PATH]", the most specific wins, GET takes
// HEAD. It differs where a ServeMux would guess:
//
//   - it judges the canonical method, host and path of the exchange, never the
//     request's own text;
//   - it redirects nothing: "/tree" does not match "/tree/", and a path that
//     ServeMux would clean matches nothing;
//   - a slash at the end chooses no wider pattern: a path matches nothing when,
//     with that slash added or taken away, it is met more literally by another
//     pattern: "/admin/" falls neither to "/" nor to "/{tenant}/" where "/admin"
//     has a pattern of its own, and "/tree" not to "/{page}" beside "/tree/";
//   - CONNECT, TRACE and PRI match nothing (RFC 9110, sections 9.3.6 and 9.3.8;
//     RFC 9113, section 3.4);
//   - an encoded slash is part of its segment, also where it is the whole of it;
//   - parameters may be within a segment, between texts: "/files/{name}.json",
//     "/v{version}/orders", "/{from}-{to}". Such a segment is more specific than a
//     whole parameter and less than a literal one; of two, the one is more specific
//     that takes nothing which the other does not, and where neither does they
//     conflict. A parameter takes at least one character;
//   - a preflight ([cors.IsPreflight]) is answered by the policy of the request
//     that it asks for, unless a pattern names OPTIONS: what judges a POST says
//     who may send one, and "POST /orders" needs no second pattern.
//
// As with a ServeMux, a method or host that one pattern does not take may be
// taken by a wider one: guard the wide ones too.
//
// The zero value matches nothing and is ready for Handle. All of Handle must
// happen before the first Match, which then is safe for concurrent use.
type Routes struct {
	// CORS lets pages of other origins read that nothing matched. It must not be
	// changed after the first Match. nil for nobody.
	CORS *cors.Stage

	// AddressLimit counts what nothing matched. It must not be changed after the first
	// Match. nil for none.
	AddressLimit *ratelimit.Stage

	mux      http.ServeMux
	within   within // what the mux does not know
	patterns []string
	entries  []*entry            // of patterns
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
	slashes int  // in the pattern
	wild    int  // how much takes any text: 2 for each whole segment, 1 for one with text beside, 0 for the one that takes all that is left
	folder  bool // it ends in a slash, "{$}" or "{rest...}": it takes its path with a slash only, or what is below it

	path *pathpattern.Pattern // nil before Handle

	options bool // it names the method OPTIONS

	rival     bool    // a pattern takes its path with the other ending more literally
	preflight *Policy // answers preflights for it; nil without CORS
}

func newEntry(pattern string, p *Policy) *entry {
	e := &entry{pattern: pattern, policy: p, slashes: strings.Count(pattern, "/")}
	e.folder = strings.HasSuffix(pattern, "/") || strings.HasSuffix(pattern, "/{$}") || strings.HasSuffix(pattern, "...}")
	return e
}

// exact reports whether e, which matched path, took it segment by segment and
// not as something below it.
func (e *entry) exact(path string) bool {
	return e.folder == strings.HasSuffix(path, "/") && e.slashes == strings.Count(path, "/")
}

// rivals reports whether e takes more literally what other takes with the other
// ending.
func (e *entry) rivals(other *entry) bool {
	slashes := other.slashes + 1
	if other.folder {
		slashes = other.slashes - 1
	}
	return e.folder != other.folder && e.slashes == slashes && e.wild < other.wild
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
	e := newEntry(pattern, p)
	plain, mixed := pathpattern.Plain(pattern)
	if err := errors.Join(register(new(http.ServeMux), newEntry(plain, p)), e.parsed()); err != nil {
		return fmt.Errorf("warder: pattern %q: %w", pattern, err)
	}
	method, err := matchable(pattern)
	if err != nil {
		return fmt.Errorf("warder: pattern %q: %w", pattern, err)
	}
	e.options = method == http.MethodOptions
	methods := union(r.methods, method)
	if len(methods) > maxMethods {
		return fmt.Errorf("warder: pattern %q: more than %d methods", pattern, maxMethods)
	}
	if err := r.register(e, mixed); err != nil {
		return err
	}
	r.patterns, r.entries = append(r.patterns, pattern), append(r.entries, e)
	r.methods = methods
	if r.named == nil {
		r.named = make(map[string]struct{})
	}
	r.named[method] = struct{}{}
	return nil
}

// register is ServeMux.Handle with an error instead of a panic.
func register(mux *http.ServeMux, e *entry) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("%v", v)
		}
	}()
	mux.Handle(e.pattern, e)
	return nil
}

// conflict names the earlier pattern with which that of e does not go together.
// ServeMux's own text names places in source files instead.
func (r *Routes) conflict(e *entry) error {
	for _, earlier := range r.entries {
		both := new(http.ServeMux)
		if register(both, earlier) == nil && register(both, e) != nil {
			return conflictOf(e, earlier)
		}
	}
	return fmt.Errorf("warder: pattern %q conflicts with an earlier one", e.pattern)
}

func conflictOf(e, earlier *entry) error {
	return fmt.Errorf("warder: pattern %q conflicts with %q: some requests match both, and neither is more specific", e.pattern, earlier.pattern)
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
	if cors.IsPreflight(x.Request) {
		if e := r.forPreflight(q, x.Request); e != nil {
			x.Route = e.pattern
			return e.preflight
		}
	}
	if !neverMatched(method) {
		e, slash := r.ask(q, method)
		switch {
		case slash:
			return r.deny(0)
		case e != nil:
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

// forPreflight returns the entry of the request that r asks for, when that is
// not the one that takes r itself and answers preflights.
func (r *Routes) forPreflight(q, asking *http.Request) *entry {
	methods := asking.Header["Access-Control-Request-Method"]
	if len(methods) != 1 || neverMatched(methods[0]) {
		return nil
	}
	own, slash := r.ask(q, http.MethodOptions)
	if slash || own != nil && own.options {
		return nil
	}
	e, _ := r.ask(q, methods[0])
	if e == nil || e == own || e.preflight == nil || !e.policy.CORS.Answers() {
		return nil
	}
	return e
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
	for _, e := range r.entries {
		e.rival = slices.ContainsFunc(r.entries, func(other *entry) bool { return other.rivals(e) })
		if e.policy.CORS != nil {
			// Deny is for a preflight that CORS, reconfigured meanwhile, does not answer.
			e.preflight = &Policy{Paths: e.policy.Paths, CORS: e.policy.CORS, Deny: r.refusal(0)}
		}
	}
	_ = register(&r.mux, newEntry("/", nil)) // see above: then it is not needed
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

// ask returns what q matches when it is sent with method; nil for nothing, and
// whether that is for the slash at its end alone.
func (r *Routes) ask(q *http.Request, method string) (e *entry, slash bool) {
	if r.lone != nil { // a ServeMux makes notes of each segment that "/" takes, in memory of the request's
		if clean(q.URL.EscapedPath()) {
			return r.lone, false
		}
		return nil, false
	}
	q.Method = method
	e = r.find(q)
	switch {
	case e == nil || e.policy == nil:
		return nil, false
	case r.slashAlone(q, e):
		return nil, true
	}
	return e, false
}

// slashAlone reports whether q is not meant for e, which it matched: with the
// slash at its end taken away or added, another pattern takes its path, segment
// by segment and more literally than e. A guard on "/admin" is then not walked
// around by "/admin/", nor one on "/tree/" by "/tree". Where e takes q's path as
// something below it, ServeMux's redirect is the one half of the rule.
func (r *Routes) slashAlone(q *http.Request, e *entry) bool {
	path := q.URL.EscapedPath()
	exact := e.exact(path)
	slash := strings.HasSuffix(path, "/")
	if len(path) < 2 || exact && !e.rival || !exact && !slash {
		return false
	}
	whole := *q.URL
	if slash {
		q.URL.Path, q.URL.RawPath = strings.TrimSuffix(whole.Path, "/"), strings.TrimSuffix(path, "/")
	} else {
		q.URL.Path, q.URL.RawPath = whole.Path+"/", path+"/"
	}
	other := r.find(q)
	counterpart := q.URL.EscapedPath()
	*q.URL = whole
	return other != nil && other != e && other.policy != nil && other.exact(counterpart) && (!exact || other.wild < e.wild)
}

// allowed returns the methods with which q would match. Unless every one is
// asked for, those that no pattern names are left out: a pattern that takes them
// would have taken the request's own as well.
func (r *Routes) allowed(q *http.Request, every bool) methodSet {
	var set methodSet
	for i, method := range r.methods {
		_, named := r.named[method]
		named = named || method == http.MethodHead // by GET
		if !every && !named {
			continue
		}
		if e, _ := r.ask(q, method); e != nil {
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
	p = &Policy{CORS: r.CORS, AddressLimit: r.AddressLimit, Deny: r.refusal(set)}
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
