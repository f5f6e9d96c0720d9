package adminui

import (
	"net/http"
	"net/url"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/problem"
)

// livePolicy lets the one page that is fed ask for what it shows: this server.
const livePolicy = policy + "; connect-src 'self'"

// liveFilter are the parameters of what is watched.
func liveFilter() []string { return []string{"route", "key", "outcome", "code"} }

// A livePage shows what becomes of requests, while they come.
type livePage struct {
	Filter url.Values
	Events address // of what it is fed with
}

func (v *visit) live() error {
	q, err := v.query(liveFilter()...)
	if err != nil {
		return err
	}
	if err := v.must(account.ReadUsage); err != nil {
		return err
	}
	for name := range q { // an empty field of the form asks for nothing
		if q.Get(name) == "" {
			q.Del(name)
		}
	}
	v.w.Header().Set("Content-Security-Policy", livePolicy)
	v.render(http.StatusOK, page{Title: "Live", Active: "live"}, livePage{Filter: q, Events: to("live", "events").with(q)})
	return nil
}

// liveEvents passes on the stream of the API, which ends it when the right to it is
// lost. A page of another site could take a place of those who watch by asking for it:
// the browser tells.
func (v *visit) liveEvents() error {
	q, err := v.query(liveFilter()...)
	if err != nil {
		return err
	}
	site := v.r.Header.Get("Sec-Fetch-Site")
	if site != "" && site != "same-origin" || v.r.Header.Get("Origin") != "" {
		return told(problem.CrossSite, "This is for the page Live alone.")
	}
	r, err := v.request(question{method: http.MethodGet, path: "/v1/decisions:watch", query: q})
	if err != nil {
		return err
	}
	out := &passing{answer: answer{header: make(http.Header)}, v: v}
	v.api.ServeHTTP(out, r)
	if out.through {
		return nil
	}
	v.keep(out.header["Set-Cookie"])
	return refused(&out.answer)
}

// passing is an answer that goes on to the browser as it comes, if it is a stream, and
// is kept if it is a refusal.
type passing struct {
	answer

	v       *visit
	through bool
}

// Unwrap is how an [http.ResponseController] flushes the browser's answer.
func (p *passing) Unwrap() http.ResponseWriter { return p.v.w }

// WriteHeader implements http.ResponseWriter.
func (p *passing) WriteHeader(status int) {
	p.answer.WriteHeader(status)
	if p.status != http.StatusOK || p.through {
		return
	}
	p.through = true
	p.v.keep(p.header["Set-Cookie"])
	p.v.head()
	p.v.w.Header().Set("Content-Type", p.header.Get("Content-Type"))
	p.v.w.Header().Set("X-Accel-Buffering", "no")
	p.v.w.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (p *passing) Write(b []byte) (int, error) {
	p.WriteHeader(http.StatusOK)
	if p.through {
		return p.v.w.Write(b)
	}
	return p.body.Write(b)
}
