package http3

import (
	"errors"
	"io"
	"net/http"
)

// mostlyBodiless reports whether requests of the method mostly have no body:
// without looking, nobody would know, since HTTP/3 does not say it in the head.
func mostlyBodiless(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodDelete:
		return true
	default:
		return false
	}
}

// whole returns http.NoBody for a body that ends at once, and else one that reads
// the same. It waits for the first byte or the end.
func whole(body io.ReadCloser) (io.ReadCloser, error) {
	var first [1]byte
	for {
		n, err := body.Read(first[:])
		switch {
		case n > 0:
			return &begun{ReadCloser: body, first: first[:], err: err}, nil
		case errors.Is(err, io.EOF):
			return http.NoBody, nil
		case err != nil:
			return nil, err
		}
	}
}

// begun is a body whose first byte was read already.
type begun struct {
	io.ReadCloser
	first []byte
	err   error // that came with it
}

func (b *begun) Read(p []byte) (int, error) {
	if len(b.first) > 0 && len(p) > 0 {
		n := copy(p, b.first)
		b.first = b.first[n:]
		return n, b.err
	}
	if b.err != nil {
		return 0, b.err
	}
	return b.ReadCloser.Read(p)
}

// declared is a body whose length was told. Its last piece is handed out when the
// end has come, so that nobody takes a request for whole that is longer than it
// says (RFC 9114, section 4.1.2).
type declared struct {
	io.ReadCloser
	left int64
}

// maxEmpty is how many empty frames may stand between a body and its end.
const maxEmpty = 16

var errNoEnd = errors.New("http3: a body does not end where it said")

func (b *declared) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	if err != nil || b.left > 0 {
		return n, err
	}
	var beyond [1]byte
	for range maxEmpty {
		more, err := b.ReadCloser.Read(beyond[:])
		switch {
		case more > 0:
			return 0, errNoEnd
		case errors.Is(err, io.EOF):
			return n, io.EOF
		case err != nil:
			return 0, err
		}
	}
	return 0, errNoEnd
}
