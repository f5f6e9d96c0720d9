package server

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
)

// readiness answers the probes. Live means that the process runs; ready, that it
// can judge requests and is not about to stop.
type readiness struct {
	draining atomic.Bool
	restored func() bool // the database lacks changes that this node has seen
	fresh    func() bool // the store answered within the freshness bound

	// certificates says what is wrong with the listener's certificates. The node
	// stays ready: it serves with those that it has.
	certificates func() []error

	// stale reports whether the configuration that was loaded last could not be used.
	stale func() bool
	// documents counts the OpenAPI documents that are not served as they were read
	// last. The node stays ready: it serves the last good ones.
	documents func() int
	// differing counts the other nodes whose settings or peppers are not this one's.
	differing func() int
}

// mount adds the probes to mux.
func (p *readiness) mount(mux *http.ServeMux) {
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		switch {
		case p.draining.Load():
			say(w, http.StatusServiceUnavailable, "draining")
		case p.restored():
			say(w, http.StatusServiceUnavailable, "the database lacks changes that this node has seen: see the log")
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
	var needs []string
	for _, n := range []string{care(len(p.certificates()), "a certificate", "certificates"), care(p.documents(), "an OpenAPI document", "OpenAPI documents")} {
		if n != "" {
			needs = append(needs, n)
		}
	}
	if p.stale() {
		needs = append(needs, "the configuration that was loaded last is not in force")
	}
	if n := p.differing(); n > 0 {
		needs = append(needs, strconv.Itoa(n)+" of the other nodes differ in configuration or peppers")
	}
	if needs == nil {
		return ""
	}
	return ", but " + strings.Join(needs, " and ") + ": see the log"
}

// care tells how many things need it; "" for none.
func care(n int, one, many string) string {
	switch n {
	case 0:
		return ""
	case 1:
		return one + " needs care"
	default:
		return strconv.Itoa(n) + " " + many + " need care"
	}
}

// say answers a probe in one line that no cache keeps.
func say(w http.ResponseWriter, status int, line string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, line+"\n") // the prober may be gone
}
