package upstream

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

var errStopped = errors.New("upstream: the request is over, its body is not read further")

// A clientBody is a client's body on its way to the upstream. The transport
// reads it in a goroutine of its own, which may outlive the request: after stop,
// Read fails, so that a message that the client has not completed never
// completes at the upstream.
type clientBody struct {
	src io.ReadCloser

	mu      sync.Mutex
	reading chan struct{} // closed when the Read that is under way returns; nil when none is
	stopped bool
	err     error // that ended the body; io.EOF at its end
}

// Read is called by the transport.
func (b *clientBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	switch {
	case b.stopped:
		b.mu.Unlock()
		return 0, errStopped
	case b.err != nil:
		defer b.mu.Unlock()
		return 0, b.err
	}
	done := make(chan struct{})
	b.reading = done
	b.mu.Unlock()

	n, err := b.src.Read(p)

	b.mu.Lock()
	defer b.mu.Unlock()
	b.reading = nil
	close(done)
	if b.stopped { // an error may be of the deadline that stop set: it says nothing
		return 0, errStopped
	}
	b.err = err
	return n, err
}

// Close is called by the transport. The body belongs to net/http, which closes
// it: here it would wait for bytes that the client never sends.
func (b *clientBody) Close() error { return nil }

// ended reports whether the body was read to its end.
func (b *clientBody) ended() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return errors.Is(b.err, io.EOF)
}

// failure returns what the body broke with; nil when it did not.
func (b *clientBody) failure() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if errors.Is(b.err, io.EOF) {
		return nil
	}
	return b.err
}

// settle waits at most d for the Read that is under way.
func (b *clientBody) settle(d time.Duration) {
	b.mu.Lock()
	reading := b.reading
	b.mu.Unlock()
	if reading == nil {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-reading:
	case <-t.C:
	}
}

const (
	grace  = 50 * time.Millisecond // for a Read that failed already and is about to say so
	linger = time.Second           // for net/http to take the rest of a body, and for a tunnel's other half
)

// interrupt lets no further byte pass, and has the Read that is under way fail, which it
// does not wait for. It may be called while others use the body.
func (b *clientBody) interrupt(rc *http.ResponseController) {
	b.mu.Lock()
	b.stopped = true
	reading := b.reading != nil
	b.mu.Unlock()
	if reading {
		_ = rc.SetReadDeadline(time.Now()) // an error means a writer without connection: a test's
	}
}

// stop lets no further byte pass, and ends the Read that is under way: the
// connection to the client gets a read deadline, since it is not used again.
func (b *clientBody) stop(rc *http.ResponseController) {
	b.mu.Lock()
	b.stopped = true
	reading, ended := b.reading != nil, b.err != nil
	b.mu.Unlock()
	switch {
	case ended:
	case !reading:
		_ = rc.SetReadDeadline(time.Now().Add(linger)) // an error means a writer without connection: a test's
	case rc.SetReadDeadline(time.Now()) == nil:
		b.settle(linger)
	}
}
