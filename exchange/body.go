package exchange

import (
	"errors"
	"io"
	"net/http"
)

// trackedBody stops a request body at its limit and remembers how reading it
// ended: a refusal keeps the connection only when it was read to the end.
// Beyond the limit Read returns *[http.MaxBytesError].
type trackedBody struct {
	io.ReadCloser
	left  int64 // bytes that may still be read; meaningless without a limit
	limit int64 // bytes; 0 for none
	err   error // of the last Read, sticky
}

func (b *trackedBody) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if b.limit > 0 && int64(len(p)) > b.left+1 {
		p = p[:b.left+1] // one byte more than allowed tells "at the limit" from "over it"
	}
	n, err := b.ReadCloser.Read(p)
	if b.limit > 0 && int64(n) > b.left {
		n, b.left = int(b.left), 0
		b.err = &http.MaxBytesError{Limit: b.limit}
		return n, b.err
	}
	b.left -= int64(n)
	b.err = err
	return n, err
}

// trackBody puts the body limit, and the note of how reading ended, in front of
// the handler.
func (x *Exchange) trackBody() {
	r := x.Request
	if r.Body == nil || r.Body == http.NoBody {
		return
	}
	if x.body.ReadCloser == nil {
		x.body = trackedBody{ReadCloser: r.Body, left: x.BodyLimit, limit: x.BodyLimit}
		r.Body = &x.body
	}
}

// BodyErr returns the error that ended the reading of the request body: nil
// while it is unread or was read to its end, *[http.MaxBytesError] beyond the
// limit, else what the connection or its framing failed with. A front tells by
// it a client's failure from an upstream's.
func (x *Exchange) BodyErr() error {
	if errors.Is(x.body.err, io.EOF) {
		return nil
	}
	return x.body.err
}

// bodyUnread reports whether bytes of the request body may still be under way.
func (x *Exchange) bodyUnread() bool {
	r := x.Request
	if r.Body == nil || r.Body == http.NoBody {
		return false
	}
	return x.body.ReadCloser == nil || !errors.Is(x.body.err, io.EOF)
}
