package exchange

import (
	"bytes"
	"io"
	"net/http"
)

// Body returns the bytes of the request body, up to limit of them, for a stage
// that judges it. Whoever reads the request's body afterwards reads the same bytes
// from the beginning, so that the upstream gets what was judged.
//
// The error is *[http.MaxBytesError] for a body that is longer than limit or than
// the limit of bodylimit, and else what the reading failed with. Then the body is
// still whole for whoever passes the request all the same: what was read comes
// again, then the rest or the error. An exchange that is Dry must not be asked:
// its body is somebody else's.
func (x *Exchange) Body(limit int64) ([]byte, error) {
	r := x.Request
	if r.Body == nil || r.Body == http.NoBody {
		return nil, nil
	}
	x.trackBody()
	tracked := r.Body
	var b bytes.Buffer
	if r.ContentLength > 0 && r.ContentLength <= limit {
		b.Grow(int(min(r.ContentLength, eagerly)) + bytes.MinRead)
	}
	_, err := b.ReadFrom(io.LimitReader(tracked, limit+1))
	if err == nil && int64(b.Len()) > limit {
		err = &http.MaxBytesError{Limit: limit}
	}
	again := io.Reader(bytes.NewReader(b.Bytes()))
	if err != nil {
		again = io.MultiReader(again, tracked) // which says again how it ended
	}
	r.Body = replayed{again, tracked}
	return b.Bytes(), err
}

// eagerly is how much memory a declared length gets before anything has come.
const eagerly = 64 << 10

// replayed is a body that was read before.
type replayed struct {
	io.Reader
	io.Closer
}
