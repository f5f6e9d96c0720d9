package httpserver

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// strictHeld is how much of a body waits for its end, in bytes, so that its length
// can be said. A longer one is sent in chunks.
const strictHeld = 8 << 10

var errAnswered = errors.New("httpserver: the answer is over: its handler has returned")

// strictWriter writes an answer as net/http does, without trailers and Hijack: with
// one write, when it is short. Each request has its own, so that a handler that
// goes on writing after its end meets no other answer.
type strictWriter struct {
	conn    *strictConn
	header  http.Header
	head    bool // HEAD: nothing is sent of the body
	close   bool // the connection ends with this answer
	status  int  // 0 before it is known
	length  int64
	written int64

	typed, dated, said bool // what the fields have: a type or a coding, a date, a Connection
	begun              bool // the head was sent
	chunked            bool
	failed             error
	ended              atomic.Bool
}

func (w *strictWriter) Header() http.Header { return w.header }

// WriteHeader begins the answer. What the handler changes in the header later is
// not in it.
func (w *strictWriter) WriteHeader(status int) {
	if status < 100 || status > 999 {
		panic(fmt.Sprintf("httpserver: WriteHeader: %d is no status", status))
	}
	switch {
	case w.ended.Load():
		return
	case w.status != 0:
		w.conn.server.http.ErrorLog.Print("http: superfluous response.WriteHeader") // errorLog knows this line
		return
	case status < 200 && status != http.StatusSwitchingProtocols:
		w.line(status)
		w.fields("Content-Length", "Transfer-Encoding")
		w.conn.out = append(w.conn.out, "\r\n"...)
		w.send()
		return
	}
	w.status = status
	w.measure()
	s := w.conn.server
	first := ""
	if c := w.header["Connection"]; len(c) > 0 {
		first = c[0]
	}
	w.close = w.close || first == "close" || s.closing.Load() || status == http.StatusSwitchingProtocols
	w.said = len(w.header["Connection"]) > 0 && (!w.close || first == "close")
	_, typed := w.header["Content-Type"]
	w.typed = typed || w.header.Get("Content-Encoding") != ""
	w.dated = len(w.header["Date"]) > 0
	w.line(status)
	dropped := []string{"Transfer-Encoding", "Trailer", "", "", ""}
	if !w.said {
		dropped[2] = "Connection"
	}
	if w.length < 0 || status < 200 || status == http.StatusNoContent || status == http.StatusNotModified {
		dropped[3] = "Content-Length"
	}
	if status == http.StatusNotModified {
		dropped[4] = "Content-Type"
	}
	w.fields(dropped...)
}

// measure reads the length that the handler gives.
func (w *strictWriter) measure() {
	l := w.header["Content-Length"]
	if len(l) == 0 || l[0] == "" {
		return
	}
	n, err := strconv.ParseUint(l[0], 10, 63)
	if err != nil || len(l) > 1 {
		w.conn.server.http.ErrorLog.Print("http: invalid Content-Length") // errorLog knows this line
		return
	}
	w.length = int64(n)
}

// line adds the status line.
func (w *strictWriter) line(status int) {
	text := http.StatusText(status)
	if text == "" {
		text = "status code " + strconv.Itoa(status)
	}
	out := append(w.conn.out, "HTTP/1.1 "...)
	out = strconv.AppendInt(out, int64(status), 10)
	out = append(out, ' ')
	out = append(out, text...)
	w.conn.out = append(out, "\r\n"...)
}

// fields adds the header's, sorted, without those that are dropped or that are none.
func (w *strictWriter) fields(dropped ...string) {
	c := w.conn
	c.order = c.order[:0]
	for name := range w.header {
		if !slices.Contains(dropped, name) && !strings.HasPrefix(name, http.TrailerPrefix) && isToken([]byte(name)) {
			c.order = append(c.order, name)
		}
	}
	slices.Sort(c.order)
	for _, name := range c.order {
		for _, value := range w.header[name] {
			c.out = append(c.out, name...)
			c.out = append(c.out, ": "...)
			at := len(c.out)
			c.out = append(c.out, strings.Trim(value, " \t\r\n")...)
			for i := at; i < len(c.out); i++ {
				if b := c.out[i]; b == '\r' || b == '\n' {
					c.out[i] = ' '
				}
			}
			c.out = append(c.out, "\r\n"...)
		}
	}
}

// bodied reports whether the status has a body.
func (w *strictWriter) bodied() bool {
	return w.status >= 200 && w.status != http.StatusNoContent && w.status != http.StatusNotModified
}

func (w *strictWriter) Write(p []byte) (int, error) {
	if w.ended.Load() {
		return 0, errAnswered
	}
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	switch {
	case len(p) == 0:
		return 0, nil
	case !w.bodied():
		return 0, http.ErrBodyNotAllowed
	}
	w.written += int64(len(p))
	if w.length >= 0 && w.written > w.length {
		return 0, http.ErrContentLength
	}
	c := w.conn
	for rest := p; len(rest) > 0; {
		n := min(len(rest), strictHeld-len(c.body))
		c.body = append(c.body, rest[:n]...)
		if rest = rest[n:]; len(rest) > 0 {
			if w.flush(); w.failed != nil {
				return len(p) - len(rest), w.failed
			}
		}
	}
	return len(p), w.failed
}

// FlushError sends what is held back.
func (w *strictWriter) FlushError() error {
	if w.ended.Load() {
		return errAnswered
	}
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	w.flush()
	return w.failed
}

// Flush is FlushError for handlers that know [http.Flusher] only.
func (w *strictWriter) Flush() { _ = w.FlushError() }

// flush sends what is there, of an answer whose end is not known.
func (w *strictWriter) flush() {
	if !w.begun {
		w.chunked = w.length < 0 && w.bodied() && !w.head
		w.begin(false)
	}
	w.piece()
	w.send()
}

// begin ends the head. whole: the body is what is there, and nobody said its length.
func (w *strictWriter) begin(whole bool) {
	w.begun = true
	c := w.conn
	if !w.dated {
		c.out = append(c.out, "Date: "...)
		c.out = time.Now().UTC().AppendFormat(c.out, http.TimeFormat)
		c.out = append(c.out, "\r\n"...)
	}
	if whole {
		c.out = append(c.out, "Content-Length: "...)
		c.out = strconv.AppendInt(c.out, int64(len(c.body)), 10)
		c.out = append(c.out, "\r\n"...)
	}
	if w.bodied() && !w.typed && len(c.body) > 0 && w.header["Transfer-Encoding"] == nil {
		c.out = append(c.out, "Content-Type: "...)
		c.out = append(c.out, http.DetectContentType(c.body)...)
		c.out = append(c.out, "\r\n"...)
	}
	if w.close && !w.said {
		c.out = append(c.out, "Connection: close\r\n"...)
	}
	if w.chunked {
		c.out = append(c.out, "Transfer-Encoding: chunked\r\n"...)
	}
	c.out = append(c.out, "\r\n"...)
}

// piece adds the body that is there.
func (w *strictWriter) piece() {
	c := w.conn
	switch {
	case w.head || len(c.body) == 0:
	case w.chunked:
		c.out = strconv.AppendInt(c.out, int64(len(c.body)), 16)
		c.out = append(c.out, "\r\n"...)
		c.out = append(c.out, c.body...)
		c.out = append(c.out, "\r\n"...)
	default:
		c.out = append(c.out, c.body...)
	}
	c.body = c.body[:0]
}

// finish sends the rest, and reports whether another request may follow.
func (w *strictWriter) finish() (another bool) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	c := w.conn
	if !w.begun {
		w.begin(w.length < 0 && w.bodied() && (!w.head || len(c.body) > 0))
	}
	w.piece()
	if w.chunked {
		c.out = append(c.out, "0\r\n\r\n"...)
	}
	w.send()
	short := w.length >= 0 && w.length != w.written && w.bodied() && !w.head // the client waits for the rest
	return w.failed == nil && !w.close && !short
}

// send writes what is there, which is less than a chunk, under the write deadline:
// one that lasts for nearly all of its time is left as it is.
func (w *strictWriter) send() {
	c := w.conn
	if w.failed == nil && len(c.out) > 0 {
		timeout := c.server.writeTimeout
		if now := time.Now(); now.Sub(c.writeSet) >= timeout/fresh {
			c.writeSet = now
			_ = c.conn.SetWriteDeadline(now.Add(timeout)) // one that fails is closed: writing tells
		}
		_, w.failed = c.conn.Write(c.out)
	}
	c.out = c.out[:0]
}
