package exchange

import (
	"bufio"
	"io"
	"net"
	"net/http"
)

// recorder is the ResponseWriter that a handler gets: it calls the header hooks
// before the first byte and counts what went out. Unwrap serves
// [http.ResponseController]; Flush, Hijack and ReadFrom serve handlers that
// assert those interfaces directly.
type recorder struct {
	http.ResponseWriter
	x        *Exchange
	hooks    HeaderWriter
	status   int // 0 until the header is written
	bytes    int64
	hijacked bool
}

func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// begin runs the header hooks and notes the status, once.
func (w *recorder) begin(status int) {
	if w.status != 0 {
		return
	}
	w.status = status
	if w.hooks != nil {
		w.hooks.Headers(w.x, w.Header())
	}
	w.x.Hide(w.Header())
}

// WriteHeader sends status. Informational ones (RFC 9110, section 15.2) but 101
// precede the response and are passed on without hooks; browsers fetch what early
// hints name under the policy of the hints (RFC 8297, section 2), so that they hide
// the URL too.
func (w *recorder) WriteHeader(status int) {
	if status < 100 || status >= 200 || status == http.StatusSwitchingProtocols {
		w.begin(status)
	} else {
		w.x.Hide(w.Header())
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(p []byte) (int, error) {
	w.begin(http.StatusOK)
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// WriteString saves the conversion where the underlying writer knows it.
func (w *recorder) WriteString(s string) (int, error) {
	w.begin(http.StatusOK)
	n, err := io.WriteString(w.ResponseWriter, s)
	w.bytes += int64(n)
	return n, err
}

// ReadFrom keeps sendfile for handlers that serve files.
func (w *recorder) ReadFrom(r io.Reader) (int64, error) {
	w.begin(http.StatusOK)
	n, err := io.Copy(w.ResponseWriter, r)
	w.bytes += n
	return n, err
}

// FlushError sends what is buffered; the header too.
func (w *recorder) FlushError() error {
	w.begin(http.StatusOK)
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Flush is FlushError for handlers that know [http.Flusher] only.
func (w *recorder) Flush() { _ = w.FlushError() }

// Hijack hands the connection to the handler. The header hooks run before, so
// that what the handler copies from Header is whole.
func (w *recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err == nil {
		w.begin(http.StatusSwitchingProtocols)
		w.hijacked = true
	}
	return conn, rw, err
}
