package leak

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"
)

// maxPending is how many reports may be on their way at once. Each takes up to maxBody
// of memory before anybody has proved anything.
const maxPending = 64

var errPushedOut = errors.New("leak: the report took too long to come, and others wait")

// pending are the reports that are on their way. When one more comes than may, the one
// that began first is cut: whoever sends slowly on many connections keeps nobody out
// who sends at once.
type pending struct {
	mu  sync.Mutex
	all []*arriving
}

// An arriving report is read by one goroutine; cut by any.
type arriving struct {
	io.Reader
	of    *pending
	apart func() // ends a read that waits
	cut   bool   // of.mu is held
}

// begin adds a report, whose end has to be called.
func (p *pending) begin(w http.ResponseWriter, r *http.Request) *arriving {
	answer := http.NewResponseController(w)
	one := &arriving{Reader: http.MaxBytesReader(w, r.Body, maxBody), of: p, apart: func() { _ = answer.SetReadDeadline(time.Unix(1, 0)) }} // a writer that knows none is a test's
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.all) == maxPending {
		p.all[0].cut = true
		p.all[0].apart() // not after its end: the connection goes on to another request
		p.all = slices.Delete(p.all, 0, 1)
	}
	p.all = append(p.all, one)
	return one
}

func (a *arriving) end() {
	a.of.mu.Lock()
	defer a.of.mu.Unlock()
	if i := slices.Index(a.of.all, a); i >= 0 {
		a.of.all = slices.Delete(a.of.all, i, i+1)
	}
}

// Read tells of a cut, whatever became of the read.
func (a *arriving) Read(p []byte) (int, error) {
	n, err := a.Reader.Read(p)
	a.of.mu.Lock()
	defer a.of.mu.Unlock()
	if a.cut {
		return 0, errPushedOut
	}
	return n, err
}
