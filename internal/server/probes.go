package server

import (
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
)

// readiness answers the probes. Live means that the process runs; ready, that it
// can judge requests and is not about to stop.
type readiness struct {
	draining atomic.Bool
	fresh    func() bool // the store answered within the freshness bound

	// certificates says what is wrong with the listener's certificates. The node
	// stays ready: it serves with those that it has.
	certificates func() []error

	// documents counts the OpenAPI documents that are not served as they were read
	// last. The node stays ready: it serves the last good ones.
	documents func() int
}

// mount adds the probes to mux.
func (p *readiness) mount(mux *http.ServeMux) {
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		switch {
		case p.draining.Load():
			say(w, http.StatusServiceUnavailable, "draining")
		case !p.fresh():
			say(w, http.StatusServiceUnavailable, "store not confirmed")
		default:
			say(w, http.StatusOK, "ready"+p.detail())
		}
	})
}

// detail tells what needs care although the node is ready. Names and files are
// for the log: whoever may probe need not know them.
func (p *readiness) detail() string {
	return care(len(p.certificates()), "certificate") + care(p.documents(), "OpenAPI document")
}

// care tells how many things need it.
func care(n int, what string) string {
	switch n {
	case 0:
		return ""
	case 1:
		article := "a "
		if what[0] == 'O' {
			article = "an "
		}
		return ", but " + article + what + " needs care: see the log"
	default:
		return ", but " + strconv.Itoa(n) + " " + what + "s need care: see the log"
	}
}

// say answers a probe in one line that no cache keeps.
func say(w http.ResponseWriter, status int, line string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, line+"\n") // the prober may be gone
}
