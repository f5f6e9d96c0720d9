package exchange_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/problem"
)

// A reverse proxy's transport reads the body in a goroutine of its own, which
// may still be at it when the upstream has answered or failed: under the race
// detector this test sees a note of the body's end that is not guarded.
func TestTheBodyIsReadWhileItsEndIsAskedFor(t *testing.T) {
	broken := errors.New("broken")
	for range 50 {
		r, sent := io.Pipe()
		s := &stage{verdict: exchange.Pass()}
		read := make(chan error, 1)
		h := exchange.Wrap(s, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			x := exchange.From(r.Context())
			go func() {
				_, err := io.Copy(io.Discard, r.Body)
				read <- err
			}()
			go func() {
				_, _ = sent.Write([]byte("abc"))
				_ = sent.CloseWithError(broken)
			}()
			if err := x.BodyErr(); err != nil && !errors.Is(err, broken) {
				t.Errorf("BodyErr = %v while the body is read, want nil or what ended it", err)
			}
			x.Refuse(w, problem.New(problem.Unavailable, ""), "upstream", nil)
		}))
		w := httptest.NewRecorder()
		request := httptest.NewRequest(http.MethodPost, "/", r)
		h.ServeHTTP(w, request)
		if err := <-read; !errors.Is(err, broken) {
			t.Errorf("the reader ended with %v, want %v", err, broken)
		}
		if w.Header().Get("Connection") != "close" {
			t.Error("the answer to a request whose body broke keeps the connection")
		}
	}
}
