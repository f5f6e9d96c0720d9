package upstream

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"sync"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/problem"
)

// A flight is one request on its way to the upstream and its answer's way back.
type flight struct {
	u       *Upstream
	x       *exchange.Exchange
	w       http.ResponseWriter
	rc      *http.ResponseController
	ctx     context.Context //nolint:containedctx // a flight lives as long as its request
	cancel  context.CancelCauseFunc
	body    *clientBody // nil without a body
	upgrade bool        // the client asked for WebSocket
	before  http.Header // of the answer, without what the upstream said
	guarded bool        // as a stream, from its beginning

	mu   sync.Mutex
	over bool // the request is
}

// run forwards the request to target and answers.
func (f *flight) run(target *url.URL) {
	r := f.x.Request
	f.upgrade = asksWebSocket(r)
	identity, err := f.u.credentials.sign(f.x)
	if err != nil {
		f.x.Refuse(f.w, exchange.Fail(err).Problem(), "identity", err)
		return
	}
	out := f.request(target, identity)
	if f.body != nil {
		defer func() { f.land(); f.body.stop(f.rc) }()
		if r.ProtoMajor == 1 {
			// Without it net/http takes the rest of the body for itself when the
			// response begins, and the upstream would see a body that ends early. An
			// error means a writer without a connection: a test's.
			_ = f.rc.EnableFullDuplex()
		}
		defer f.guardBody(r)()
	}
	res, err := f.u.send(out)
	if err != nil {
		f.fail(err)
		return
	}
	defer res.Body.Close() //nolint:errcheck // read to its end, or given up
	f.respond(res)
}

// request makes the upstream's request. Trailers stay behind: none is added.
func (f *flight) request(target *url.URL, identity string) *http.Request {
	r := f.x.Request
	out := (&http.Request{
		Method: r.Method, URL: target, Host: f.u.host, Header: f.u.header(f.x, identity, f.upgrade),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}).WithContext(f.ctx)
	if out.Host == "" {
		out.Host = hostWithPort(f.x)
	}
	if r.Body == nil || r.Body == http.NoBody {
		disarm(out.Header)
		return out
	}
	f.body = &clientBody{src: r.Body}
	out.Body, out.ContentLength = f.body, r.ContentLength
	out.Close = f.u.closesAfter(f.x)
	if r.ContentLength < 0 {
		out.TransferEncoding = []string{"chunked"} // said here, so that the transport does not probe for an empty body
	}
	return out
}

// closesAfter reports whether the connection must not be used again after the
// body of x. An upstream that answers without reading a body takes it for the
// next request of the connection, with whatever identity it writes down; told
// that there is none, it closes instead (RFC 9112, section 9.6). Nobody reads the
// bodies of other methods reliably (RFC 9110, section 9.3.1), and nobody need
// trust those of strangers.
func (u *Upstream) closesAfter(x *exchange.Exchange) bool {
	switch x.Request.Method {
	case http.MethodPost, http.MethodPut, http.MethodPatch:
		return u.noReuse || x.Principal.IsZero()
	default:
		return true
	}
}

// fail answers for an upstream that gave no response, or cuts when the client
// is gone. Whose fault it is is asked in this order: the client's body, the
// client's absence, the upstream. A stream that was cut from our side is nobody's.
func (f *flight) fail(err error) {
	if why := f.ended(); why != nil {
		if f.body != nil {
			f.body.stop(f.rc)
		}
		f.hangUp(why, false)
		return
	}
	if f.body != nil {
		if f.x.Request.Context().Err() != nil {
			f.body.settle(grace) // a Read that fails ends the context before it returns
		}
		f.body.stop(f.rc) // what it broke with is final then
		if broken := f.body.failure(); broken != nil {
			f.failBody(broken)
			return
		}
	}
	if errors.Is(f.x.Request.Context().Err(), context.Canceled) {
		f.x.Cut(f.gone(), nil)
	}
	why := f.classify(err)
	f.refuse(why.problem(), why.reason, why)
}

// refuse answers with p for a request that was sent. The transport may still be
// reading the body, which a refusal may end: it is stopped first.
func (f *flight) refuse(p *problem.Problem, reason string, err error) {
	if f.body != nil {
		f.body.stop(f.rc)
	}
	f.x.Refuse(f.w, p, reason, err)
}

// failBody answers for a body that broke while it was read.
func (f *flight) failBody(err error) {
	p, reason := bodyProblem(err)
	if p == nil {
		f.x.Cut(reason, nil)
	}
	f.refuse(p, reason, nil)
}

// gone is why the client's side ended: our own server may have cut it, when it
// stopped.
func (f *flight) gone() string {
	if cause := context.Cause(f.x.Request.Context()); cause != nil && !errors.Is(cause, context.Canceled) {
		return "stopped"
	}
	return "client-gone"
}

// classify tells what kind of failure err is, and of which upstream.
func (f *flight) classify(err error) *failure {
	why := classify(f.ctx, err)
	why.name = f.u.name
	return why
}

// cut ends a response that has begun.
func (f *flight) cut(err error) {
	if why := f.ended(); why != nil {
		f.hangUp(why, true)
		return
	}
	if errors.Is(f.x.Request.Context().Err(), context.Canceled) {
		f.x.Cut(f.gone(), nil)
	}
	why := f.classify(err)
	f.x.Cut(why.reason, why)
}
