package decision

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
)

// maxProblem is the longest problem that goes into a field, in bytes. Ours are
// some 400.
const maxProblem = 2 << 10

// An answer turns what the Stack writes for a client into what the proxy can
// pass on. Only allow lets a 2xx out.
type answer struct {
	http.ResponseWriter
	dialect *Dialect
	fields  []string // that every answer has
	known   known
	allowed bool
	status  int // as meant for the client; 0 before it is known
	body    bytes.Buffer
	skipped bool // the body is too long for the field
	remove  removal
}

func newAnswer(w http.ResponseWriter, d *Dialect, fields []string) *answer {
	return &answer{ResponseWriter: w, dialect: d, fields: fields}
}

// answerOf finds the answer below the writers that the Stack puts around it.
func answerOf(w http.ResponseWriter) (*answer, bool) {
	for {
		switch inner := w.(type) {
		case *answer:
			return inner, true
		case interface{ Unwrap() http.ResponseWriter }:
			w = inner.Unwrap()
		default:
			return nil, false
		}
	}
}

// Unwrap is for http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// WriteHeader notes the status. A proxy that takes no body gets the head in
// finish, when the problem is known.
func (a *answer) WriteHeader(status int) {
	if status < http.StatusOK || a.status != 0 {
		return // what comes before an answer is nothing that a proxy could use
	}
	a.status = status
	if a.dialect.narrow {
		joinLists(a.Header())
	}
	if a.allowed {
		a.ResponseWriter.WriteHeader(http.StatusOK)
		return
	}
	if !a.dialect.replayed { // there, what a denial has is the client's
		a.toProxy(status)
	}
	if !a.dialect.narrow {
		a.ResponseWriter.WriteHeader(a.dialect.status(status))
	}
}

// toProxy tells the proxy of a denial whose answer for the client has status.
func (a *answer) toProxy(status int) {
	h := a.Header()
	h.Set(StatusField, strconv.Itoa(status))
	for _, name := range a.fields {
		h[name] = []string{""} // a denial names nobody, whatever the client sent
	}
}

func (a *answer) Write(p []byte) (int, error) {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	if a.allowed || !a.dialect.narrow {
		return a.ResponseWriter.Write(p)
	}
	if a.skipped = a.skipped || a.body.Len()+len(p) > maxProblem; !a.skipped {
		a.body.Write(p)
	}
	return len(p), nil
}

// finish sends what was held back.
func (a *answer) finish() {
	if a.status == 0 {
		a.WriteHeader(http.StatusInternalServerError) // no stage ends without a status
	}
	if a.allowed || !a.dialect.narrow {
		return
	}
	h := a.Header()
	if text := strings.TrimSpace(a.body.String()); !a.skipped && strings.HasPrefix(text, "{") && isVisible(text) {
		h.Set(ProblemField, text)
	}
	h.Del("Content-Length")
	h.Del("Content-Type")
	a.ResponseWriter.WriteHeader(a.dialect.status(a.status))
}

// joinLists makes one line each of what is in several (RFC 9110, section 5.3):
// nginx before 1.23 passes on one alone.
func joinLists(h http.Header) {
	for _, name := range []string{"Www-Authenticate", "Vary", "Allow", "Ratelimit", "Ratelimit-Policy"} {
		if lines := h[name]; len(lines) > 1 {
			h[name] = []string{strings.Join(lines, ", ")}
		}
	}
}

// isVisible reports whether text can be the value of a field (RFC 9110, section
// 5.5) without change.
func isVisible(text string) bool {
	for i := range len(text) {
		if text[i] < ' ' || text[i] >= 0x7f {
			return false
		}
	}
	return true
}
