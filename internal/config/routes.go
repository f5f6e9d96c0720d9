package config

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// maxRoutes bounds Config.Routes; maxConflicts how many conflicts are looked
// into, since finding the other route takes a search through all.
const (
	maxRoutes    = 10_000
	maxConflicts = 8
)

// maxCompared bounds the segments that are compared to find conflicts, see
// conflicts.go.
const maxCompared = 250_000_000

func (l *loader) checkRoutes() {
	routes := l.config.Routes
	if len(routes) > maxRoutes {
		l.reject("routes", fmt.Sprintf("are %d, want at most %d", len(routes), maxRoutes), "")
		return
	}
	groups := groupRoutes(routes)
	if tooAlike(routes, groups) {
		l.reject("routes", "are too many whose patterns begin with the same wildcard and end in \"/\" or one", "give them different first segments, or end them in {$}")
		return
	}
	muxes, conflicts := map[string]*http.ServeMux{}, 0
	for i := range routes {
		field := fmt.Sprintf("routes[%d]", i)
		if l.failed(field) {
			continue
		}
		l.checkRoute(field, &routes[i])
		if l.failed(field+".match") || routes[i].Match == "" || conflicts == maxConflicts || hasWithin(routes[i].Match) {
			continue
		}
		if muxes[groups[i]] == nil {
			muxes[groups[i]] = http.NewServeMux()
		}
		// The pattern alone is valid: what fails now is a conflict.
		if register(muxes[groups[i]], routes[i].Match) != nil {
			conflicts++
			l.rejectConflict(i, groups)
		}
	}
	l.checkWithin()
}

func (l *loader) checkRoute(field string, r *Route) {
	if r.Match == "" && !l.failed(field+".match") && !l.failed(field+".path") {
		l.reject(field, "has no match", "write a pattern such as \"GET /orders/\"")
	}
	l.checkPattern(field+".match", r.Match)
	switch _, known := l.config.Upstreams[r.Upstream]; {
	case known, l.failed(field + ".upstream"):
	case l.config.Upstream != "" && r.Upstream == "": // told once, at "upstream"
	case r.Upstream == "" && l.config.Decision.On(): // the proxy that asks forwards by itself
	case r.Upstream == "":
		l.reject(field, "has no upstream", "")
	default:
		l.reject(field+".upstream", "no upstream is called "+l.show(field+".upstream"), l.nearestUpstream(field+".upstream", r.Upstream))
	}
	if r.Public && (len(r.Scopes) > 0 || len(r.Security) > 0) {
		l.reject(field+".public", "contradicts scopes and security: what is public asks for no credential", "take one of them away")
	}
	if r.Public && r.PublicKeys {
		l.reject(field+".public_keys", "contradicts public: what is public asks for no key", "take one of them away")
	}
	if len(r.Scopes) > 0 && r.Security != nil {
		l.reject(field+".scopes", "is given together with security, which has scopes of its own", "keep one of them")
	}
	l.checkScopes(field+".scopes", r.Scopes)
	l.checkSecurity(field+".security", r.Security)
	l.checkConditions(field+".conditions", r.Conditions)
	l.checkRouteLimits(field, r)
	if _, known := l.config.CORS[r.CORS]; r.CORS != "" && r.CORS != Off && !known && !l.failed(field+".cors") {
		l.reject(field+".cors", "no policy is called "+l.show(field+".cors"), didYouMean(r.CORS, append(sortedKeys(l.config.CORS), Off)))
	}
	l.checkPreflight(field, r)
	l.checkRouteEdge(field, r)
	l.checkAllow(field+".allow", r.Allow)
	l.checkStrip(field+".strip_prefix", r)
}

// nearestUpstream is the hint for a name that the file has as it is.
func (l *loader) nearestUpstream(field, name string) string {
	if l.show(field) == "this value" || len(l.errs) >= maxErrors { // more are not shown
		return ""
	}
	return didYouMean(name, sortedKeys(l.config.Upstreams))
}

func (l *loader) checkAllow(field string, allow []string) {
	seen := map[string]bool{}
	for i, word := range allow {
		if entry := fmt.Sprintf("%s[%d]", field, i); seen[word] && !l.failed(entry) {
			l.reject(entry, "is in the list twice", "")
		}
		seen[word] = true
	}
}

// checkPattern wants a pattern that ServeMux accepts and that can match.
func (l *loader) checkPattern(field, pattern string) {
	if pattern == "" || l.failed(field) {
		return
	}
	if method, _, ok := strings.Cut(pattern, " "); ok && method != strings.ToUpper(method) {
		l.reject(field, "the method is not in upper case: methods are case-sensitive (RFC 9110, section 9.1)", "")
		return
	}
	reason := whyNoPattern(pattern)
	if !hasWithin(pattern) {
		reason = register(http.NewServeMux(), pattern)
	}
	if reason == nil {
		return
	}
	if !strings.Contains(pattern, "/") && l.shows(field) {
		l.reject(field, l.show(field)+" is not a pattern: it has no path", "write "+strconv.Quote(withSlash(pattern)))
		return
	}
	// `parsing "PATTERN": at offset N: why`: the reason may repeat parts of it.
	if _, why, ok := strings.Cut(*reason, "\": "); ok && l.show(field) != "this value" {
		l.reject(field, l.show(field)+" is not a pattern: "+firstLine(why), "")
		return
	}
	l.reject(field, "is not a pattern", "write it like \"GET api.example.com/orders/{id}\"")
}

// withSlash is pattern as it was probably meant.
func withSlash(pattern string) string {
	method, path, found := strings.Cut(pattern, " ")
	switch {
	case found:
		return method + " /" + strings.TrimLeft(path, " ")
	case slices.Contains([]string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}, pattern):
		return pattern + " /"
	case strings.Contains(pattern, "."): // a host
		return pattern + "/"
	default:
		return "/" + pattern
	}
}

// register adds pattern to mux, and returns why not when mux panics.
func register(mux *http.ServeMux, pattern string) (reason *string) {
	defer func() {
		if r := recover(); r != nil {
			text := fmt.Sprint(r)
			reason = &text
		}
	}()
	mux.Handle(pattern, http.NotFoundHandler())
	return nil
}

// rejectConflict names the first route before routes[i] that cannot be told
// from it.
func (l *loader) rejectConflict(i int, groups []string) {
	routes := l.config.Routes
	for j := range i {
		pair := http.NewServeMux()
		if groups[j] != groups[i] || routes[j].Match == "" || register(pair, routes[j].Match) != nil || register(pair, routes[i].Match) == nil {
			continue
		}
		l.rejectPair(i, j)
		return
	}
}

// checkStrip wants segments that every match begins with.
func (l *loader) checkStrip(field string, r *Route) {
	strip := r.StripPrefix
	if strip == "" || l.failed(field) {
		return
	}
	if strip[0] != '/' || strings.HasSuffix(strip, "/") || strings.ContainsAny(strip, "{}?#%;\\") || strings.Contains(strip, "//") || strings.Contains(strip+"/", "/./") || strings.Contains(strip+"/", "/../") {
		l.reject(field, "is not a plain path", "write it like /v1/orders, without / at the end")
		return
	}
	slash := strings.IndexByte(r.Match, '/')
	if slash < 0 || l.failed(strings.TrimSuffix(field, "strip_prefix")+"match") {
		return
	}
	if path := r.Match[slash:]; path != strip && !strings.HasPrefix(path, strip+"/") {
		l.reject(field, "the path of match does not begin with it", "")
	}
}
