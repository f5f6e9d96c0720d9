package upstream

import (
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// respond brings the upstream's answer to the client.
func (f *flight) respond(res *http.Response) {
	if res.StatusCode == http.StatusSwitchingProtocols {
		f.tunnel(res)
		return
	}
	if res.StatusCode < 200 || res.StatusCode > 599 { // RFC 9110, section 15
		why := &failure{reason: reasonBadResponse, cause: "the status code is none"}
		f.refuse(why.problem(), why.reason, why)
		return
	}
	f.before = maps.Clone(f.w.Header())
	f.header(res.Header)
	announced := f.announce(res.Trailer)
	if f.body != nil && f.x.Request.ProtoMajor == 1 && !f.body.ended() {
		// Answered early: what the client still sends is a body that nobody wants,
		// not a next request.
		f.w.Header().Set("Connection", "close")
	}
	if !f.copy(res) {
		return
	}
	_ = res.Body.Close() // fills in the trailer; nothing is left to fail
	f.trailer(res.Trailer, announced)
}

// header copies what may pass, and says who may keep the answer.
func (f *flight) header(from http.Header) {
	f.u.pass(f.w.Header(), from)
	if !f.x.Principal.IsZero() {
		forOne(f.w.Header(), f.u.credentials.vary)
	}
	if h := f.w.Header(); h["Content-Type"] == nil {
		h["Content-Type"] = nil // else net/http would guess one, and a guess can be text/html
	}
}

// pass copies an answer's fields to h, over what stands there.
func (u *Upstream) pass(h, from http.Header) {
	kept := make(http.Header, len(from))
	for name, values := range from {
		if !u.dropped.has(name) {
			kept[name] = values
		}
	}
	removeNamed(kept, from["Connection"])
	maps.Copy(h, kept)
}

// forOne keeps caches from giving the answer to somebody else: it varies on the
// credentials, and is private when the upstream says nothing (RFC 9111, sections
// 3.5 and 4.1). Pragma says nothing in a response (section 5.4), but the transport
// makes "no-cache" of it, which does not keep the answer out of shared caches.
// When the credential stood in the URL no cache gets it: see [exchange.Exchange.HideURL].
func forOne(h http.Header, credentials []string) {
	const private = "private"
	control := h["Cache-Control"]
	switch {
	case blank(control) && blank(h["Expires"]):
		h["Cache-Control"] = []string{private}
	case len(control) == 1 && control[0] == "no-cache" && h["Pragma"] != nil:
		h["Cache-Control"] = []string{private + ", no-cache"}
	}
	vary := slices.DeleteFunc(slices.Clone(h["Vary"]), func(field string) bool { return strings.TrimSpace(field) == "" })
	if hasToken(vary, "*") {
		return
	}
	for _, name := range credentials {
		if !hasToken(vary, name) {
			vary = append(vary, name)
		}
	}
	if len(vary) > 0 {
		h["Vary"] = []string{strings.Join(vary, ", ")}
	}
}

func blank(fields []string) bool { return strings.Trim(strings.Join(fields, ""), " \t,") == "" }

// copy sends the answer's head and body, and reports whether all of it went. A
// body of known length is begun only when its first bytes are there, so that an
// upstream that never sends them is still a 502 or 504.
func (f *flight) copy(res *http.Response) bool {
	buffer := f.u.buffers.Get().(*[bufferSize]byte) //nolint:errcheck,forcetypeassert // nothing else is in the pool
	defer f.u.buffers.Put(buffer)
	c := copier{flight: f, status: res.StatusCode}
	if res.Body != http.NoBody && (res.ContentLength < 0 || isEventStream(res.Header)) {
		c.stream = true
		c.begin()
		c.flush()
	}
	switch {
	case isStream(res.Header):
		defer f.guard(0)()
	case c.stream:
		defer f.guard(longAnswer)()
	}
	idle := time.AfterFunc(f.u.idle, func() { f.cancel(errIdle) })
	defer idle.Stop()
	for {
		n, err := res.Body.Read(buffer[:])
		idle.Stop()
		if n > 0 {
			c.write(buffer[:n])
		}
		switch {
		case err == nil:
			idle.Reset(f.u.idle)
		case errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
			c.begin()
			return true
		case c.begun:
			f.cut(err)
			return false
		default:
			f.restart(err)
			return false
		}
	}
}

// restart refuses where a head was made but not sent.
func (f *flight) restart(err error) {
	h := f.w.Header()
	clear(h)
	maps.Copy(h, f.before)
	f.fail(err)
}

// A copier writes one response to the client.
type copier struct {
	*flight
	status int
	stream bool // flush what comes when it comes
	begun  bool
}

func (c *copier) begin() {
	if !c.begun {
		c.begun = true
		c.w.WriteHeader(c.status)
	}
}

func (c *copier) write(p []byte) {
	c.begin()
	if _, err := c.w.Write(p); err != nil {
		c.x.Cut(c.gone(), nil)
	}
	if c.stream {
		c.flush()
	}
}

func (c *copier) flush() {
	if err := c.rc.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		c.x.Cut(c.gone(), nil)
	}
}

func isEventStream(h http.Header) bool {
	mediaType, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	return strings.EqualFold(strings.TrimSpace(mediaType), "text/event-stream")
}

// announce names the trailer fields that the upstream announced, less those
// that may not pass.
func (f *flight) announce(trailer http.Header) []string {
	var names []string
	for name := range trailer {
		if !f.u.untrailed.has(name) {
			names = append(names, name)
		}
	}
	if len(names) > 0 {
		slices.Sort(names)
		f.w.Header()["Trailer"] = []string{strings.Join(names, ", ")}
	}
	return names
}

// trailer sends the trailer fields; those that were not announced, too.
func (f *flight) trailer(trailer http.Header, announced []string) {
	h := f.w.Header()
	for name, values := range trailer {
		switch {
		case f.u.untrailed.has(name):
		case slices.Contains(announced, name):
			h[name] = values
		default:
			h[http.TrailerPrefix+name] = values
		}
	}
}
