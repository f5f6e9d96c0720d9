package humaapi

import (
	"net/http"
	"net/url"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/queryparam"

	"github.com/warder-dev/warder/exchange"
)

// humaContext is embedded under another name: Context is one of its methods.
type humaContext huma.Context

// judged is the context of a request that may go on. Its query is without the
// credential that a scheme found there.
type judged struct {
	humaContext
	x *exchange.Exchange
}

// Unwrap is how adapters find their own context.
func (j *judged) Unwrap() huma.Context { return j.humaContext }

func (j *judged) URL() url.URL {
	u := j.humaContext.URL()
	u.RawQuery = j.x.Request.URL.RawQuery
	return u
}

func (j *judged) Query(name string) string { return queryparam.Get(j.x.Request.URL.RawQuery, name) }

// writer is the response of a huma.Context as net/http has it, for refusals.
type writer struct {
	ctx    huma.Context
	header http.Header
}

func (w *writer) Header() http.Header {
	if w.header == nil {
		w.header = make(http.Header)
	}
	return w.header
}

func (w *writer) WriteHeader(status int) {
	for name, values := range w.header {
		for i, value := range values {
			if i == 0 && name != "Vary" { // what others vary by stays
				w.ctx.SetHeader(name, value)
			} else {
				w.ctx.AppendHeader(name, value)
			}
		}
	}
	w.ctx.SetStatus(status)
}

func (w *writer) Write(b []byte) (int, error) { return w.ctx.BodyWriter().Write(b) }

// SetReadDeadline lets a refusal end a body that is still under way.
func (w *writer) SetReadDeadline(t time.Time) error { return w.ctx.SetReadDeadline(t) }

// accepts is as much of the request as a problem reads.
func accepts(ctx huma.Context) *http.Request {
	r := &http.Request{Header: make(http.Header)}
	ctx.EachHeader(func(name, value string) {
		if http.CanonicalHeaderKey(name) == "Accept" {
			r.Header.Add("Accept", value)
		}
	})
	return r
}
