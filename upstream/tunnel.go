package upstream

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// tunnel joins client and upstream after a 101 (RFC 9110, section 15.2.2) that
// the client asked for. Any other 101 is a bad response: what follows it would
// be in no protocol that was judged.
func (f *flight) tunnel(res *http.Response) {
	back, ok := res.Body.(io.ReadWriteCloser)
	upgrade := res.Header["Upgrade"]
	if !f.upgrade || !ok || len(upgrade) != 1 || !strings.EqualFold(upgrade[0], "websocket") {
		why := &failure{reason: reasonBadResponse, cause: "protocols were switched unasked"}
		f.refuse(why.problem(), why.reason, why)
		return
	}
	h := f.w.Header()
	f.u.pass(h, res.Header)
	h["Connection"], h["Upgrade"] = []string{"Upgrade"}, []string{"websocket"}
	conn, client, err := f.rc.Hijack()
	if err != nil {
		clear(h)
		f.refuse(unfit(), "no-hijack", err)
		return
	}
	defer conn.Close() //nolint:errcheck // both directions are over
	defer back.Close() //nolint:errcheck // both directions are over
	if !switchProtocols(client.Writer, h) {
		return
	}
	// What net/http has read already, and then the connection itself: reading on
	// through net/http's reader would end the context when the client half-closes.
	early := io.LimitReader(client.Reader, int64(client.Reader.Buffered()))
	f.join(conn, io.MultiReader(early, conn), back)
}

// switchProtocols writes the head of the 101.
func switchProtocols(w *bufio.Writer, h http.Header) bool {
	_, err := w.WriteString("HTTP/1.1 101 Switching Protocols\r\n")
	if err == nil {
		err = h.Write(w)
	}
	if err == nil {
		_, err = w.WriteString("\r\n")
	}
	return err == nil && w.Flush() == nil
}

// join copies both ways until both have ended. When one ends the other side is
// told, and has a second to end as well; when the request's context ends, as it
// does when the server stops, or both sides are silent for too long, both are
// closed at once.
func (f *flight) join(conn net.Conn, client io.Reader, back io.ReadWriteCloser) {
	defer f.guard(0)()
	ended := make(chan struct{}, 2)
	silent := make(chan struct{})
	idle := time.AfterFunc(f.u.tunnelIdle, sync.OnceFunc(func() { close(silent) }))
	defer idle.Stop()
	pipe := func(to io.Writer, from io.Reader) {
		err := f.pipe(to, from, idle)
		if half, ok := to.(interface{ CloseWrite() error }); err == nil && ok {
			_ = half.CloseWrite() // the other direction's end says the rest
		}
		ended <- struct{}{}
	}
	go pipe(back, client)
	go pipe(boundedWriter{conn, f.u.write}, back)
	left, tooLong := 2, false
	select {
	case <-ended:
		left--
	case <-silent:
		tooLong = true
	case <-f.ctx.Done():
	}
	if left == 1 {
		wait := time.NewTimer(linger)
		defer wait.Stop()
		select {
		case <-ended:
			left--
		case <-wait.C:
		case <-f.ctx.Done():
		}
	}
	_, _ = conn.Close(), back.Close() // ends what is left
	for ; left > 0; left-- {
		<-ended
	}
	if tooLong {
		f.x.Cut("tunnel-idle", nil)
	}
	if why := f.ended(); why != nil {
		f.x.Cut(why.reason, nil)
	}
}

// pipe copies until from ends, and puts idle off with each piece.
func (f *flight) pipe(to io.Writer, from io.Reader, idle *time.Timer) error {
	buffer := f.u.buffers.Get().(*[bufferSize]byte) //nolint:errcheck,forcetypeassert // nothing else is in the pool
	defer f.u.buffers.Put(buffer)
	for {
		n, err := from.Read(buffer[:])
		if n > 0 {
			idle.Reset(f.u.tunnelIdle)
			if _, err := to.Write(buffer[:n]); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

// A boundedWriter gives the client of a tunnel a time for each piece, as a
// [guardedConn] does the upstream.
type boundedWriter struct {
	net.Conn
	timeout time.Duration
}

func (w boundedWriter) Write(p []byte) (int, error) {
	if err := w.SetWriteDeadline(time.Now().Add(w.timeout)); err != nil {
		return 0, err
	}
	return w.Conn.Write(p)
}

// CloseWrite passes the end of the upstream's direction on.
func (w boundedWriter) CloseWrite() error {
	if half, ok := w.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
