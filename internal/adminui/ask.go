package adminui

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"

	"github.com/warder-dev/warder/client"
)

// An asker asks the API on behalf of one request of a browser: with its cookie, and
// from its address.
type asker struct {
	api    http.Handler
	r      *http.Request
	cookie []string // fields, as the browser would send them now
	set    []string // what the API has set meanwhile, for the browser
}

// A question is one request to the API.
type question struct {
	method, path string
	query        url.Values
	header       http.Header
	body         any // nil for none
}

// An answer is what came back.
type answer struct {
	status int
	header http.Header
	body   bytes.Buffer
}

// Header, Write and WriteHeader implement http.ResponseWriter.
func (a *answer) Header() http.Header { return a.header }

func (a *answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(p)
}

func (a *answer) WriteHeader(status int) {
	if a.status == 0 && status >= http.StatusOK {
		a.status = status
	}
}

// A refusal is a problem of the API's.
type refusal struct {
	*client.Problem

	after string // Retry-After
}

// Unwrap returns the problem.
func (r *refusal) Unwrap() error { return r.Problem }

// apart is a context that ends with another, and knows nothing of its request.
type apart struct{ context.Context }

// Value implements context.Context.
func (apart) Value(any) any { return nil }

// request makes q as the browser would have sent it. It was proved to come from a
// page of the site itself before.
func (a *asker) request(q question) (*http.Request, error) {
	address := url.URL{Path: q.path, RawQuery: q.query.Encode()}
	var body io.Reader = http.NoBody
	if q.body != nil {
		text, err := json.Marshal(q.body)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(apart{a.r.Context()}, q.method, address.RequestURI(), body)
	if err != nil {
		return nil, err
	}
	r.RequestURI, r.Host, r.RemoteAddr, r.TLS = address.RequestURI(), a.r.Host, a.r.RemoteAddr, a.r.TLS
	maps.Copy(r.Header, q.header)
	r.Header["Cookie"] = a.cookie
	r.Header.Set("Accept", "application/json")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if q.body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	return r, nil
}

// ask sends q, and reads the answer into to unless that is nil. What the API refuses
// is a *refusal.
func (a *asker) ask(q question, to any) (*answer, error) {
	r, err := a.request(q)
	if err != nil {
		return nil, fmt.Errorf("adminui: ask: %w", err)
	}
	out := &answer{header: make(http.Header)}
	a.api.ServeHTTP(out, r)
	a.keep(out.header["Set-Cookie"])
	if out.status >= http.StatusMultipleChoices || out.status == 0 {
		return out, refused(out)
	}
	if to == nil {
		return out, nil
	}
	if err := json.Unmarshal(out.body.Bytes(), to); err != nil {
		return out, errors.New("adminui: an answer of the API cannot be read")
	}
	return out, nil
}

// refused reads a refusal. What is none of the API's gets its status only.
func refused(out *answer) error {
	p := new(client.Problem)
	if !strings.HasPrefix(out.header.Get("Content-Type"), "application/problem+json") || json.Unmarshal(out.body.Bytes(), p) != nil || p.Status != int64(out.status) {
		p = &client.Problem{Status: int64(max(out.status, http.StatusInternalServerError)), Title: http.StatusText(http.StatusInternalServerError)}
	}
	return &refusal{Problem: p, after: out.header.Get("Retry-After")}
}

// keep takes over what the API sets: the next question goes with it, and so does the
// browser's next request.
func (a *asker) keep(fields []string) {
	for _, field := range fields {
		a.set = append(a.set, field)
		pair, _, _ := strings.Cut(field, ";")
		a.cookie = []string{pair}
	}
}

// get asks for what changes nothing.
func (a *asker) get(path string, query url.Values, to any) (*answer, error) {
	return a.ask(question{method: http.MethodGet, path: path, query: query}, to)
}

// post asks for a change.
func (a *asker) post(path string, body, to any, header ...string) (*answer, error) {
	return a.ask(question{method: http.MethodPost, path: path, header: fields(header...), body: body}, to)
}

// fields are names and values in turn; an empty value is left out.
func fields(pairs ...string) http.Header {
	h := make(http.Header)
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			h.Set(pairs[i], pairs[i+1])
		}
	}
	return h
}
