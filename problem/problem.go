// Package problem writes refusals as RFC 9457 problem details, in JSON or in
// plain text as the client's Accept asks.
//
// A problem tells a client how to mend its request and an attacker nothing:
// title and detail are constants of the program, never request data, never an
// error's text. The cause of a problem goes to the log.
package problem

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
)

// A Problem is one refusal. A Problem is immutable once it is shared: stages
// build theirs when they are configured and answer with the same one each time.
type Problem struct {
	Type   Type
	Detail string      // how to mend the request; a constant, safe for everybody
	Header http.Header // further response fields, such as WWW-Authenticate; may be nil
	Faults []Fault     // what is wrong with the request, one by one; may be nil
}

// New returns a problem of type t. detail must not hold request data.
func New(t Type, detail string) *Problem { return &Problem{Type: t, Detail: detail} }

// With returns a copy of p whose response carries the field name: value too.
func (p *Problem) With(name, value string) *Problem {
	c := &Problem{Type: p.Type, Detail: p.Detail, Header: p.Header.Clone(), Faults: p.Faults}
	if c.Header == nil {
		c.Header = http.Header{}
	}
	c.Header.Add(name, value)
	return c
}

// Error makes a Problem usable as an error; the text names the type only.
func (p *Problem) Error() string { return "problem: " + string(p.Type) }

// Write answers with p. requestID is shown when it is not empty, so that a
// client can quote it; body and header otherwise depend on p and on the
// request's Accept alone. The response is never cacheable.
func (p *Problem) Write(w http.ResponseWriter, r *http.Request, requestID string) {
	body, mediaType := p.encode(prefersText(r.Header.Values("Accept")), requestID)
	h := w.Header()
	for _, name := range []string{"Content-Encoding", "Etag", "Last-Modified", "Content-Range", "Accept-Ranges", "Trailer"} {
		h.Del(name) // what a handler set for the answer that is not given
	}
	for name, values := range p.Header {
		h[http.CanonicalHeaderKey(name)] = slices.Clip(values)
	}
	h.Set("Content-Type", mediaType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Add("Vary", "Accept")
	w.WriteHeader(p.Type.Status())
	_, _ = w.Write(body) // the client may be gone; nobody is left to tell
}

func (p *Problem) encode(text bool, requestID string) (body []byte, mediaType string) {
	var b bytes.Buffer
	if text {
		b.WriteString(strconv.Itoa(p.Type.Status()) + " " + p.Type.Title() + "\n")
		if p.Detail != "" {
			b.WriteString(p.Detail + "\n")
		}
		for i := range p.Faults {
			b.WriteString(p.Faults[i].text() + "\n")
		}
		if requestID != "" {
			b.WriteString("request id: " + requestID + "\n")
		}
		return b.Bytes(), "text/plain; charset=utf-8"
	}
	document := struct {
		Type      string  `json:"type"`
		Title     string  `json:"title"`
		Status    int     `json:"status"`
		Detail    string  `json:"detail,omitempty"`
		Errors    []Fault `json:"errors,omitempty"`
		RequestID string  `json:"request_id,omitempty"`
	}{p.Type.URI(), p.Type.Title(), p.Type.Status(), p.Detail, p.Faults, requestID}
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // the media type is not HTML, and nosniff is set
	_ = e.Encode(document) // strings and an int: cannot fail
	return b.Bytes(), "application/problem+json"
}
