package httpserver

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// ErrBodyIdle means that a request body stopped coming for BodyIdleTimeout. It
// wraps [os.ErrDeadlineExceeded], so that code that reads bodies need not know
// this package; the answer is 408 (RFC 9110, section 15.5.9). net/http cancels
// the request's context at the same time.
var ErrBodyIdle = fmt.Errorf("httpserver: the request body stopped coming: %w", os.ErrDeadlineExceeded)

// chunk is how much is written under one deadline, in bytes.
const chunk = 64 << 10

// fresh is the part of a time-out for which a deadline is not renewed: setting
// one costs more than a short write.
const fresh = 16

// serve runs the handler with deadlines around each read and write.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	if c, ok := r.Context().Value(connectionKey{}).(*connection); ok {
		c.handled.Store(true)
	}
	formed := r.ProtoMajor < 2 || wellFormed(r)
	d := &deadlineWriter{ResponseWriter: w, server: s, http2: r.ProtoMajor >= 2}
	d.body.writer = d
	if r.Body != nil && r.Body != http.NoBody {
		d.body.ReadCloser = r.Body
		r.Body = &d.body
		d.body.first()
	}
	defer d.end()
	if r.ProtoMajor == 1 && r.ProtoMinor == 0 {
		// net/http drops Transfer-Encoding from HTTP/1.0 without a word, although
		// it makes the framing faulty (RFC 9112, section 6.1): what follows is
		// never read as a request.
		w.Header().Set("Connection", "close")
	}
	if s.leaving.Load() {
		w.Header().Set("Connection", "close") // net/http makes GOAWAY of it in HTTP/2
	}
	if !formed {
		s.refused.Add(1)
		s.malformed.Write(d, r, "")
		return
	}
	s.handler.ServeHTTP(d, r)
}

// deadlineWriter renews the connection's write deadline before each write.
//
// In HTTP/1.1 a deadline that passes while nothing is written does nothing, and
// net/http clears it after the response. In HTTP/2 it resets the stream at the
// moment it passes; there it is taken back after each write.
type deadlineWriter struct {
	http.ResponseWriter
	server   *Server
	http2    bool // or later: a stream of its own
	hijacked bool
	renewed  time.Time
	body     deadlineBody
}

// Unwrap serves [http.ResponseController].
func (w *deadlineWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// renew moves the write deadline on. A connection that has none, such as a
// test's, is no error.
func (w *deadlineWriter) renew() {
	now := time.Now()
	if !w.http2 && now.Sub(w.renewed) < w.server.writeTimeout/fresh {
		return
	}
	w.renewed = now
	_ = http.NewResponseController(w.ResponseWriter).SetWriteDeadline(now.Add(w.server.writeTimeout))
}

// rest takes the deadline of an HTTP/2 stream back.
func (w *deadlineWriter) rest() {
	if w.http2 {
		_ = http.NewResponseController(w.ResponseWriter).SetWriteDeadline(time.Time{})
	}
}

func (w *deadlineWriter) WriteHeader(status int) {
	w.renew()
	defer w.rest()
	w.ResponseWriter.WriteHeader(status)
}

func (w *deadlineWriter) Write(p []byte) (n int, err error) {
	defer w.rest()
	for {
		w.renew()
		part := p[n:min(n+chunk, len(p))]
		m, err := w.ResponseWriter.Write(part)
		if n += m; err != nil || n == len(p) || m < len(part) {
			return n, err
		}
	}
}

// WriteString saves the conversion.
func (w *deadlineWriter) WriteString(s string) (n int, err error) {
	defer w.rest()
	for {
		w.renew()
		part := s[n:min(n+chunk, len(s))]
		m, err := io.WriteString(w.ResponseWriter, part)
		if n += m; err != nil || n == len(s) || m < len(part) {
			return n, err
		}
	}
}

// ReadFrom keeps sendfile for files. Every other source may be slow: it is read
// without a deadline and written with one.
func (w *deadlineWriter) ReadFrom(r io.Reader) (total int64, err error) {
	if !w.http2 && isFile(r) {
		for {
			w.renew()
			n, err := io.CopyN(w.ResponseWriter, r, chunk)
			if total += n; err != nil {
				if errors.Is(err, io.EOF) {
					err = nil
				}
				return total, err
			}
		}
	}
	buffer, _ := w.server.buffers.Get().(*[chunk]byte)
	defer w.server.buffers.Put(buffer)
	return io.CopyBuffer(struct{ io.Writer }{w}, r, buffer[:])
}

// isFile reports whether r reads a regular file, or the beginning of one.
func isFile(r io.Reader) bool {
	if l, ok := r.(*io.LimitedReader); ok {
		r = l.R
	}
	f, ok := r.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode().IsRegular()
}

// FlushError sends what is buffered.
func (w *deadlineWriter) FlushError() error {
	w.renew()
	defer w.rest()
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Flush is FlushError for handlers that know [http.Flusher] only.
func (w *deadlineWriter) Flush() { _ = w.FlushError() }

// SetReadDeadline is the handler's own word on the body's deadline: it is not
// renewed any more.
func (w *deadlineWriter) SetReadDeadline(t time.Time) error {
	w.body.mu.Lock()
	defer w.body.mu.Unlock()
	w.body.own = true
	return http.NewResponseController(w.ResponseWriter).SetReadDeadline(t)
}

// Hijack hands the connection over, without deadlines. Shutdown waits for it to
// be closed.
func (w *deadlineWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	w.body.mu.Lock()
	defer w.body.mu.Unlock()
	conn, rw, err := w.server.upgrades.take(w.ResponseWriter)
	if err == nil || errors.Is(err, http.ErrServerClosed) {
		w.hijacked, w.body.done = true, true
	}
	return conn, rw, err
}

// end sets the deadlines under which net/http ends the request: it flushes what
// is buffered, and in HTTP/1.1 reads up to 256 KiB of a body that was not read.
// The handler may have been silent for longer than a deadline lasts.
func (w *deadlineWriter) end() {
	if w.hijacked {
		return
	}
	w.body.last()
	w.renew()
}

// deadlineBody renews the connection's read deadline before each read. Whoever
// reads may be another goroutine that outlives the handler: after its end no
// deadline is touched, since the connection has gone on to another request.
type deadlineBody struct {
	io.ReadCloser
	writer *deadlineWriter

	mu      sync.Mutex
	renewed time.Time
	done    bool // the handler has returned or taken the connection
	own     bool // the handler set a deadline of its own
	ended   bool // read to its end: net/http reads on in the background, without a deadline
}

// first sets the deadline for a body that the handler leaves to net/http.
func (b *deadlineBody) first() {
	if !b.writer.http2 {
		b.renew()
	}
}

// renew moves the read deadline on. mu is held, or nobody else knows b yet.
func (b *deadlineBody) renew() {
	now := time.Now()
	if b.own || !b.writer.http2 && now.Sub(b.renewed) < b.writer.server.bodyIdle/fresh {
		return
	}
	b.renewed = now
	_ = http.NewResponseController(b.writer.ResponseWriter).SetReadDeadline(now.Add(b.writer.server.bodyIdle))
}

func (b *deadlineBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	switch {
	case b.ended:
		b.mu.Unlock()
		return 0, io.EOF
	case b.done:
		b.mu.Unlock()
		return 0, http.ErrBodyReadAfterClose
	}
	b.renew()
	b.mu.Unlock()

	n, err := b.ReadCloser.Read(p)

	b.mu.Lock()
	defer b.mu.Unlock()
	if errors.Is(err, io.EOF) {
		b.ended = true
	}
	if b.writer.http2 && !b.done && !b.own {
		// A handler that pauses between two reads keeps its body.
		_ = http.NewResponseController(b.writer.ResponseWriter).SetReadDeadline(time.Time{})
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = ErrBodyIdle // net/http's own text holds addresses
	}
	return n, err
}

// last is the end of the handler.
func (b *deadlineBody) last() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ReadCloser != nil && !b.ended && !b.writer.http2 {
		b.renew()
	}
	b.done = true
}
