package gateway

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/warder-dev/warder/contract"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/config"
)

// schemes finds for each scheme of the document that an operation asks for the one
// of the configuration.
func (d *document) schemes(doc *contract.Document) (map[string]string, error) {
	used := map[string]bool{}
	for _, o := range doc.Operations {
		for _, a := range o.Security {
			for name := range a {
				used[name] = true
			}
		}
	}
	found := map[string]string{}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(used)) {
		to, problem := MatchScheme(d.gateway.cfg.Config, d.cfg.Schemes, name, doc.Schemes[name])
		if problem != "" {
			errs = append(errs, fmt.Errorf("the document's scheme %s, %s, %s; or say which one it is by %s.schemes: {%s: NAME}", name, doc.Schemes[name], problem, d.field, name))
			continue
		}
		found[name] = to
	}
	return found, errors.Join(errs...)
}

// MatchScheme finds the scheme of the configuration that a document's is: the one
// that chosen names for it, the one of the same name when it is of the same sort,
// or the only one that is of its sort. The problem says how to mend it.
func MatchScheme(cfg *config.Config, chosen map[string]string, name string, s contract.Scheme) (to, problem string) {
	if to := chosen[name]; to != "" {
		return to, ""
	}
	if own, known := cfg.Schemes[name]; known {
		if fits(cfg, own, s) {
			return name, ""
		}
		return "", "has the name of one in schemes that is another: make it " + exampleOf(s)
	}
	var all []string
	for _, other := range slices.Sorted(maps.Keys(cfg.Schemes)) {
		if fits(cfg, cfg.Schemes[other], s) {
			all = append(all, other)
		}
	}
	switch len(all) {
	case 1:
		return all[0], ""
	case 0:
		return "", "is none of those in schemes: add " + exampleOf(s)
	default:
		return "", "may be any of " + strings.Join(all, ", ")
	}
}

// fits reports whether a scheme of the configuration finds its credential where
// the document says that it is.
func fits(cfg *config.Config, own config.Scheme, s contract.Scheme) bool {
	key := own.Key
	switch s.Type {
	case "apiKey":
		if own.Session != nil {
			return s.In == config.InCookie && cfg.Session.Cookie == s.Name
		}
		if key == nil || key.In != s.In {
			return false
		}
		if s.In == config.InHeader {
			return strings.EqualFold(cfg.KeyName(key), s.Name)
		}
		return cfg.KeyName(key) == s.Name
	case "http":
		switch s.Scheme {
		case "bearer":
			return key != nil && key.In == config.InBearer || own.JWT != nil || own.Introspection != nil
		case "basic":
			return key != nil && key.In == config.InBasic || own.Basic != nil
		default:
			return false
		}
	case "oauth2", "openIdConnect":
		return own.JWT != nil || own.Introspection != nil
	case "mutualTLS":
		return own.Certificate != nil
	default:
		return false
	}
}

// exampleOf is how a scheme is written that would be s.
func exampleOf(s contract.Scheme) string {
	switch s.Type {
	case "apiKey":
		if s.In == config.InHeader {
			return "a key there, by keys.header: " + s.Name
		}
		return fmt.Sprintf("a key there, such as {key: {in: %s, name: %s}}", s.In, s.Name)
	case "http":
		if s.Scheme == "bearer" {
			return "one such as {key: {in: bearer}}, or a jwt"
		}
		if s.Scheme == "basic" {
			return "one such as {key: {in: basic}}, or basic"
		}
		return "one: warder has none of this sort"
	case "mutualTLS":
		return "a certificate"
	default:
		return "a jwt or an introspection"
	}
}

// loosened lists what v asks for less than what is served: an operation that is
// gone, a credential or scope that is no longer needed, a limit or a judgement that
// is gone, parameters and bodies of which less is asked, an operation that anybody may call from now on, or that takes requests
// from another one, or from a route of the configuration, which asked for more.
func (d *document) loosened(v *version) (less []string) {
	cfg := d.gateway.cfg.Config
	now := map[string]*operation{}
	for i := range v.operations {
		now[v.operations[i].pattern] = &v.operations[i]
	}
	before := map[string]bool{}
	for i := range d.served.operations {
		old := &d.served.operations[i]
		before[old.pattern] = true
		o := now[old.pattern]
		if o == nil {
			less = append(less, old.pattern+" is gone")
			continue
		}
		if looser(cfg.RouteSecurity(&old.route), cfg.RouteSecurity(&o.route)) {
			less = append(less, o.pattern+" asks for less security")
		}
		if old.Operation != nil && o.Operation != nil && fewer(old.Roles, o.Roles) {
			less = append(less, o.pattern+" asks for other roles, or for none")
		}
		for _, name := range cfg.RouteLimits(&old.route) {
			if !slices.Contains(cfg.RouteLimits(&o.route), name) {
				less = append(less, o.pattern+" lacks the limit "+name)
			}
		}
		if strictness(o.mode) < strictness(old.mode) {
			less = append(less, o.pattern+" is validated less: "+o.mode)
		} else if old.mode == config.ModeEnforce {
			less = append(less, v.judgesLess[o.pattern]...)
		}
	}
	for i := range v.operations {
		o := &v.operations[i]
		switch {
		case before[o.pattern] || o.Operation == nil:
		case o.Public():
			less = append(less, o.pattern+" is new, and anybody may call it")
		default:
			if of := d.undercut(o); of != "" {
				less = append(less, o.pattern+" is new, and asks for less than "+of+", which takes its requests")
			}
		}
	}
	return less
}

// undercut returns the pattern that takes now what o would take, when that asks for
// more than o: a more specific path would be a way past it. "" for none.
func (d *document) undercut(o *operation) string {
	x := exchange.New(&http.Request{Method: o.Method, URL: new(url.URL), Header: http.Header{}})
	x.Dry, x.Host, x.Path = true, d.cfg.Host, exampleOfPath(o.Pattern)
	g := d.gateway
	g.documents.table.Match(x)
	route, mode := g.routeOf(x.Route)
	cfg := g.cfg.Config
	if route == nil { // nothing, or what the gateway answers itself
		return x.Route
	}
	limits := cfg.RouteLimits(&o.route)
	if looser(cfg.RouteSecurity(route), cfg.RouteSecurity(&o.route)) || len(route.Conditions) > 0 || fewer(g.rolesOf(route), o.Roles) || strictness(o.mode) < strictness(mode) ||
		slices.ContainsFunc(cfg.RouteLimits(route), func(name string) bool { return !slices.Contains(limits, name) }) {
		return x.Route
	}
	return ""
}

// exampleOfPath is a path that a pattern takes, and no other for what stands in place
// of a parameter: no pattern names a NUL.
func exampleOfPath(pattern string) string {
	var b strings.Builder
	for {
		text, rest, opens := strings.Cut(pattern, "{")
		b.WriteString(text)
		if !opens {
			return b.String()
		}
		name, behind, _ := strings.Cut(rest, "}")
		if name != "$" {
			b.WriteString("%00")
		}
		pattern = behind
	}
}

// routeOf returns what stands behind a pattern that is served, and how it judges
// parameters and bodies; nil for nothing that has settings.
func (g *Gateway) routeOf(pattern string) (*config.Route, string) {
	for _, one := range g.documents.all {
		for i := range one.served.operations {
			if o := &one.served.operations[i]; o.pattern == pattern {
				return &o.route, o.mode
			}
		}
	}
	for i := range g.cfg.Config.Routes {
		if route := &g.cfg.Config.Routes[i]; route.Match == pattern {
			return route, config.ModeOff
		}
	}
	return nil, ""
}

func strictness(mode string) int {
	return slices.Index([]string{config.ModeOff, config.ModeShadow, config.ModeEnforce}, mode)
}

// looser reports whether somebody could satisfy now who could not satisfy before.
// nil is public.
func looser(before, now []config.Alternative) bool {
	if len(before) == 0 {
		return false
	}
	if len(now) == 0 {
		return true
	}
	return slices.ContainsFunc(now, func(a config.Alternative) bool {
		return !slices.ContainsFunc(before, func(old config.Alternative) bool { return implies(a, old) })
	})
}

// implies reports whether whoever satisfies a satisfies old.
func implies(a, old config.Alternative) bool {
	for name, scopes := range old {
		given, named := a[name]
		if !named {
			return false
		}
		for _, scope := range scopes {
			if !slices.Contains(given, scope) {
				return false
			}
		}
	}
	return true
}
