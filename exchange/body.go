package exchange

import (
	"errors"
	"io"
	"net/http"
	"sync"
)

// trackedBody stops a request body at its limit and remembers how reading it
// ended: a refusal keeps the connection only when it was read to the end.
// Beyond the limit Read returns *[http.MaxBytesError]. One goroutine reads; a
// reverse proxy's may still do so while the handler's asks how it ended.
type trackedBody struct {
	io.ReadCloser
	left  int64 // bytes that may still be read; meaningless without a limit
	limit int64 // bytes; 0 for none

	mu  sync.Mutex // not held while reading, which waits for the client
	err error      // of the last Read, sticky; guarded by mu
}

// ended returns the error that ended the reading; nil before.
func (b *trackedBody) ended() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

func (b *trackedBody) end(err error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = err
	return err
}

func (b *trackedBody) Read(p []byte) (int, error) {
	if err := b.ended(); err != nil {
		return 0, err
	}
	if b.limit > 0 && int64(len(p)) > b.left+1 {
		p = p[:b.left+1] // one byte more than allowed tells "at the limit" from "over it"
	}
	n, err := b.ReadCloser.Read(p)
	if b.limit > 0 && int64(n) > b.left {
		n, b.left = int(b.left), 0
		return n, b.end(&http.MaxBytesError{Limit: b.limit})
	}
	b.left -= int64(n)
	return n, b.end(err)
}

// trackBody puts the body limit, and the note of how reading ended, in front of
// the handler.
func (x *Exchange) trackBody() {
	r := x.Request
	if r.Body == nil || r.Body == http.NoBody {
		return
	}
	if x.body.ReadCloser == nil {
		x.body.ReadCloser, x.body.left, x.body.limit = r.Body, x.BodyLimit, x.BodyLimit
		r.Body = &x.body
	}
}

// BodyErr returns the error that ended the reading of the request body: nil
// while it is unread or was read to its end, *[http.MaxBytesError] beyond the
// limit, else what the connection or its framing failed with. A front tells by
// it a client's failure from an upstream's. It may be called while another goroutine
// reads the body.
func (x *Exchange) BodyErr() error {
	err := x.body.ended()
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// bodyUnread reports whether bytes of the request body may still be under way.
func (x *Exchange) bodyUnread() bool {
	r := x.Request
	if r.Body == nil || r.Body == http.NoBody {
		return false
	}
	return x.body.ReadCloser == nil || !errors.Is(x.body.ended(), io.EOF)
}
