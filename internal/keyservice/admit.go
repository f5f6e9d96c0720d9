package keyservice

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/bodylimit"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/idempotency"
	"github.com/warder-dev/warder/problem"
)

// humaContext is embedded under another name: Context is one of its methods.
type humaContext huma.Context

// admitted is the context of a request that was checked. Its body is what was
// checked.
type admitted struct {
	humaContext
	ctx    context.Context //nolint:containedctx // it is the context of this request's context
	body   []byte
	status int // in place of huma's own; 0 for none
}

// Unwrap is how adapters find their own context.
func (a *admitted) Unwrap() huma.Context { return a.humaContext }

// Context carries the caller.
func (a *admitted) Context() context.Context { return a.ctx }

// BodyReader reads the body that was checked.
func (a *admitted) BodyReader() io.Reader { return bytes.NewReader(a.body) }

// SetStatus writes the status.
func (a *admitted) SetStatus(status int) {
	if a.status != 0 {
		status = a.status
	}
	a.humaContext.SetStatus(status)
}

// admit is the middleware behind the guard: it checks everything of the request
// against the document, and tells the operation who asks.
func (s *Service) admit(ctx huma.Context, next func(huma.Context)) {
	x := exchange.From(ctx.Context())
	if x == nil {
		panic("keyservice: an operation runs without its Stack")
	}
	ctx.SetHeader("Cache-Control", "no-store")
	ctx.SetHeader("X-Content-Type-Options", "nosniff")
	c := &caller{principal: &x.Principal, client: x.Client, requestID: x.ID}
	a := &admitted{humaContext: ctx, ctx: context.WithValue(ctx.Context(), callerKey{}, c)}
	if err := s.check(a, x, c); err != nil {
		s.refuse(ctx, c, err)
		return
	}
	if direct := s.direct[a.Operation().OperationID]; direct != nil {
		s.answer(a, c, direct)
		return
	}
	next(a)
}

// check returns why the request is not admitted.
func (s *Service) check(a *admitted, x *exchange.Exchange, c *caller) *failure {
	op := a.Operation()
	if x.Principal.Ambient && !safe(x.Request) {
		return fail(problem.CrossSite, "A browser has to say that the request comes from the page of this server itself.")
	}
	if s.cfg.Stale != nil && !isUrgent(op) && s.cfg.Stale(&x.Principal, rightOf(op)) {
		return fail(problem.FreshLogin, "Log in again first: this wants a fresh login.")
	}
	k := checker{registry: s.api.OpenAPI().Components.Schemas, patterns: s.patterns}
	k.parameters(a, op)
	if f := s.readBody(a, op, &k); f != nil {
		return f
	}
	if len(k.faults) > 0 {
		return invalid(k.faults...)
	}
	if key := a.Header(idempotencyKey); key != "" {
		c.attempt = idempotency.Attempt{Caller: c.id(), Key: key, Request: fingerprint(x, a)}
	}
	return nil
}

// safe reports whether a request with a cookie changes nothing, or comes from a
// page of this server by the word of the browser.
func safe(r *http.Request) bool {
	return r.Method == http.MethodGet || r.Method == http.MethodHead || r.Header.Get("Sec-Fetch-Site") == "same-origin"
}

// fingerprint tells requests apart that come with the same Idempotency-Key.
func fingerprint(x *exchange.Exchange, a *admitted) [32]byte {
	h := sha256.New()
	for _, part := range []string{x.Request.Method, x.Path, x.RawQuery, a.Header("If-Match")} {
		_, _ = io.WriteString(h, part+"\n")
	}
	_, _ = h.Write(a.body)
	return [32]byte(h.Sum(nil))
}

// parameters checks those of the path, the query and the header.
func (c *checker) parameters(a *admitted, op *huma.Operation) {
	address := a.URL()
	query, err := url.ParseQuery(address.RawQuery)
	if err != nil {
		c.fault("query", "cannot be read")
	}
	known := make(map[string]bool)
	for _, p := range op.Parameters {
		var values []string
		switch p.In {
		case "path":
			values = []string{a.Param(p.Name)}
		case "query":
			known[p.Name], values = true, query[p.Name]
		case "header":
			values = headerValues(a, p.Name)
		}
		switch {
		case len(values) > 1:
			c.fault(p.Name, "is there twice")
		case len(values) == 1 && p.In != "path" && apikey.HoldsKey(values[0]):
			c.fault(p.Name, "holds the text of a key, which belongs into a body alone: POST /v1/keys:search finds whose it is")
		case len(values) == 1:
			c.parameter(p.Name, p.Schema, values[0])
		case p.Required:
			c.fault(p.Name, "is missing")
		}
	}
	for name := range query {
		if !known[name] {
			c.fault(fieldName(name), "is no parameter here")
		}
	}
}

func headerValues(a *admitted, name string) (values []string) {
	a.EachHeader(func(n, v string) {
		if strings.EqualFold(n, name) {
			values = append(values, v)
		}
	})
	return values
}

// readBody reads the body, and checks it against the operation's schema.
func (s *Service) readBody(a *admitted, op *huma.Operation, k *checker) *failure {
	var err error
	if a.body, err = io.ReadAll(a.humaContext.BodyReader()); err != nil {
		if _, over := errors.AsType[*http.MaxBytesError](err); over {
			return fail(problem.BodyTooLarge, bodylimit.TooLarge().Detail)
		}
		return fail(problem.InvalidBody, "The body broke off.")
	}
	if op.RequestBody == nil {
		if len(a.body) > 0 {
			return invalid(Fault{"body", "want none here"})
		}
		return nil
	}
	kind, _, err := mime.ParseMediaType(a.Header("Content-Type"))
	if err != nil || kind != "application/json" || a.Header("Content-Encoding") != "" {
		return fail(problem.NotJSON, "Send JSON, not compressed, with Content-Type: application/json.")
	}
	if err := k.body(a.body, op.RequestBody.Content["application/json"].Schema); err != nil {
		return invalid(Fault{"body", "want one JSON value of UTF-8, at most 32 deep, and nothing behind it"})
	}
	return nil
}

// refuse answers with f.
func (s *Service) refuse(ctx huma.Context, c *caller, f *failure) {
	f.requestID = c.requestID
	for name, values := range f.header {
		for _, value := range values {
			ctx.SetHeader(name, value)
		}
	}
	ctx.SetHeader("Content-Type", f.ContentType(""))
	ctx.SetStatus(f.GetStatus())
	if text, err := f.MarshalJSON(); err == nil {
		_, _ = ctx.BodyWriter().Write(append(text, '\n')) // the client may be gone
	}
}
