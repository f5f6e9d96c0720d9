package warder

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/warder-dev/warder/openapi"
)

// Document returns the OpenAPI document of the operations so far. The caller may
// change it.
func (a *API) Document() (*openapi.Document, error) { return a.document(a.operations...) }

// document describes the operations of all, and checks what came of it.
func (a *API) document(all ...*operation) (*openapi.Document, error) {
	doc := a.info
	doc.Servers, doc.Tags = slices.Clone(a.info.Servers), slices.Clone(a.info.Tags)
	doc.Components.Schemas = maps.Clone(a.info.Components.Schemas)
	var errs []error
	if a.inherited != nil {
		security, err := a.inherited.Describe(&doc)
		doc.Security = security
		errs = append(errs, err)
	}
	for _, op := range all {
		o, err := a.describe(op, &doc)
		if err == nil {
			err = doc.AddOperation(op.route.method, op.route.path, o)
		}
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return &doc, doc.Check()
}

// describe returns op in OpenAPI's words, with what it refers to in doc.
func (a *API) describe(op *operation, doc *openapi.Document) (openapi.Operation, error) {
	answers, err := a.answers(op, doc)
	o := openapi.Operation{
		OperationID: op.ID, Tags: slices.Clone(op.Tags), Summary: op.Summary, Description: op.Description,
		Parameters: op.parameters(), RequestBody: op.RequestBody, Responses: answers,
	}
	switch {
	case op.Public:
		o.Security = openapi.Security{}
	case !op.inherit: // else the document's own
		security, described := op.Requirement.Describe(doc)
		o.Security, err = security, errors.Join(err, described)
	}
	return o, err
}

// parameters returns those of the path that op does not describe itself, and
// then those that it does.
func (o *operation) parameters() []openapi.Parameter {
	var all []openapi.Parameter
	for _, s := range o.route.segments {
		if s.name == "" || slices.ContainsFunc(o.Parameters, func(p openapi.Parameter) bool { return p.In == openapi.InPath && p.Name == s.name }) {
			continue
		}
		p := openapi.Parameter{Name: s.name, In: openapi.InPath, Required: true, Schema: &openapi.Schema{Type: "string"}}
		if s.rest {
			p.Description = "All that is left of the path, slashes included."
		}
		all = append(all, p)
	}
	return append(all, o.Parameters...)
}

// answers returns the handler's answers and those of its guard. Where both have
// one status, the guard's is a possibility beside the handler's.
func (a *API) answers(op *operation, doc *openapi.Document) (openapi.Responses, error) {
	statuses, err := a.statuses(op)
	all := maps.Clone(op.Responses)
	if all == nil {
		all = make(openapi.Responses)
	}
	if !slices.ContainsFunc(slices.Collect(maps.Keys(all)), func(code string) bool { return code[:min(1, len(code))] == "2" }) {
		all["2XX"] = openapi.Response{Description: "The operation was carried out."}
	}
	for _, status := range statuses {
		code, refusal := doc.AddRefusal(status)
		if own, taken := all[code]; taken {
			whole := openapi.Refusal(status)
			whole.Content = doc.Components.Responses[strings.TrimPrefix(refusal.Ref, "#/components/responses/")].Content
			refusal = either(own, whole)
		}
		all[code] = refusal
	}
	return all, err
}

// statuses returns those of the refusals that stand before op, and 0 for all that
// are not of one operation: a path that is not found, a panic.
func (a *API) statuses(op *operation) ([]int, error) {
	var all []int
	if !op.Public {
		all = op.Requirement.Statuses()
	}
	for _, l := range slices.Concat(a.stack.Edge.order(), op.guard.order()) {
		statuses, known := refusalsOf(l.name)
		if !known {
			return nil, fmt.Errorf("warder: nobody says how the stage %q refuses", l.name)
		}
		if own, ok := l.stage.(interface{ Statuses() []int }); ok {
			statuses = own.Statuses() // it depends on how the stage is configured
		}
		all = append(all, statuses...)
	}
	slices.Sort(all)
	return append(slices.Compact(all), 0), nil
}

// refusalsOf returns the statuses with which the stage called name refuses; see
// [Edge] and [Policy].
func refusalsOf(name string) (statuses []int, known bool) {
	switch name {
	case "requestid", "accesslog", "securityheaders", "tracing", "cors", "authn": // nothing but authn, whose requirement says it
		return nil, true
	case "forwarded", "target", "paths":
		return []int{http.StatusBadRequest}, true
	case "trustedhost":
		return []int{http.StatusBadRequest, http.StatusMisdirectedRequest}, true
	case "sni":
		return []int{http.StatusMisdirectedRequest}, true
	case "https":
		return []int{http.StatusForbidden, http.StatusMisdirectedRequest}, true
	case "csrf":
		return []int{http.StatusForbidden}, true
	case "authz":
		return []int{http.StatusForbidden, http.StatusServiceUnavailable}, true
	case "credit":
		return []int{http.StatusTooManyRequests, http.StatusServiceUnavailable}, true
	case "addresslimit", "guard", "concurrency", "principallimit":
		return []int{http.StatusTooManyRequests}, true
	case "bodylimit":
		return []int{http.StatusRequestEntityTooLarge}, true
	case "validate":
		return []int{
			http.StatusBadRequest, http.StatusRequestTimeout, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity,
		}, true
	default:
		return nil, false
	}
}

// either returns a response that is own or the guard's.
func either(own, guards openapi.Response) openapi.Response {
	if own.Ref != "" {
		return own // what it refers to is the caller's to say
	}
	r := openapi.Response{
		Description: own.Description + " Or: " + guards.Description,
		Headers:     make(map[string]openapi.Header), Content: maps.Clone(guards.Content),
	}
	maps.Copy(r.Content, own.Content)
	for _, from := range []map[string]openapi.Header{guards.Headers, own.Headers} {
		for name, h := range from {
			_, of := own.Headers[name]
			_, by := guards.Headers[name]
			h.Required = h.Required && of && by
			r.Headers[name] = h
		}
	}
	return r
}

// A route is a pattern that OpenAPI has words for.
type route struct {
	method   string
	path     string // as OpenAPI writes it
	segments []segment
}

// A segment is one between slashes: a parameter when it has a name.
type segment struct {
	name string
	rest bool // it takes all that is left
}

var (
	errPattern = errors.New(`want "METHOD /path", with one blank and without a host`)
	errSubtree = errors.New(`a slash at the end takes whatever is below it: write "{rest...}" after it to take that, or "{$}" to take nothing more`)
)

// parseRoute reads a pattern as far as [Routes.Handle] leaves it open.
func parseRoute(pattern string) (route, error) {
	method, path, ok := strings.Cut(pattern, " ")
	if !ok || method == "" || !strings.HasPrefix(path, "/") {
		return route{}, errPattern
	}
	if strings.HasSuffix(path, "/") {
		return route{}, errSubtree
	}
	if err := register(new(http.ServeMux), newEntry(pattern, nil)); err != nil {
		return route{}, err
	}
	to := route{method: method, path: strings.TrimSuffix(path, "{$}")}
	for text := range strings.SplitSeq(path[1:], "/") {
		var s segment
		if name, ok := strings.CutPrefix(text, "{"); ok && text != "{$}" {
			name = strings.TrimSuffix(name, "}")
			s.name, s.rest = strings.CutSuffix(name, "...")
		}
		to.segments = append(to.segments, s)
	}
	to.path = strings.ReplaceAll(to.path, "...}", "}")
	return to, nil
}

// setValues gives r the values of the parameters in path, which is canonical and
// matches; see [http.Request.PathValue].
func (r *route) setValues(request *http.Request, path string) {
	rest := strings.TrimPrefix(path, "/")
	for _, s := range r.segments {
		text, after, _ := strings.Cut(rest, "/")
		if s.rest {
			text = rest
		}
		if s.name != "" {
			value, err := url.PathUnescape(text)
			if err != nil {
				value = text // cannot be: a canonical path decodes
			}
			request.SetPathValue(s.name, value)
		}
		rest = after
	}
}
