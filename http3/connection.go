package http3

import (
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// Codes of the protocol (RFC 9114, section 8.1).
const (
	noError         = quic.ApplicationErrorCode(http3.ErrCodeNoError)
	requestRejected = quic.StreamErrorCode(http3.ErrCodeRequestRejected)
)

// connection serves one connection until it closes, or until the server stops
// and its requests are over.
//
// The streams are accepted here, and not by quic-go's server: that reads a head
// without a deadline, and lets a client that gives its requests up begin new ones
// while the old ones run.
func (s *Server) connection(conn *quic.Conn) {
	defer s.ended(conn)
	requests, err := s.http.NewRawServerConn(conn)
	if err != nil {
		return // the connection is gone
	}
	go oneWayStreams(conn, requests)
	slots := make(chan struct{}, s.cfg.MaxStreams)
	var running sync.WaitGroup
	for {
		stream, err := s.next(conn, slots)
		if err != nil {
			break // the connection closed, or the server stops
		}
		running.Go(func() {
			defer func() { <-slots }()
			// The handler's own deadlines follow this one.
			_ = stream.SetReadDeadline(time.Now().Add(s.cfg.ReadHeaderTimeout))
			requests.HandleRequestStream(stream)
		})
	}
	if s.stopping.Err() != nil {
		go reject(conn)
	}
	running.Wait()
	if s.stopping.Err() != nil {
		settle(conn)
	}
	_ = requests.CloseWithError(noError, "") // it may be closed already
}

// next waits until a request may run, takes its slot, and accepts it.
func (s *Server) next(conn *quic.Conn, slots chan<- struct{}) (*quic.Stream, error) {
	select {
	case slots <- struct{}{}:
		return conn.AcceptStream(s.stopping)
	case <-s.stopping.Done():
		return nil, s.stopping.Err()
	case <-conn.Context().Done():
		return nil, conn.Context().Err()
	}
}

// oneWayStreams serves those of the protocol's own.
func oneWayStreams(conn *quic.Conn, requests *http3.RawServerConn) {
	for {
		stream, err := conn.AcceptUniStream(conn.Context())
		if err != nil {
			return
		}
		go requests.HandleUnidirectionalStream(stream)
	}
}

// reject rejects requests that come while the server stops.
func reject(conn *quic.Conn) {
	for {
		stream, err := conn.AcceptStream(conn.Context())
		if err != nil {
			return
		}
		stream.ReleaseStreamCredit()
		stream.CancelRead(requestRejected)
		stream.CancelWrite(requestRejected)
	}
}

// Bounds of how long settle waits for a connection to fall silent.
const (
	leastSilence = 100 * time.Millisecond
	mostSilence  = time.Second
)

// settle waits until all that was sent has arrived, since a connection that is
// closed drops what is on its way: what is not acknowledged is sent again within
// a probe timeout (RFC 9002, section 6.2.1), so that silence for longer means that
// nothing is.
func settle(conn *quic.Conn) {
	tick := time.NewTicker(leastSilence / 4)
	defer tick.Stop()
	stats := conn.ConnectionStats()
	sent, since := stats.PacketsSent, time.Now()
	for {
		select {
		case <-conn.Context().Done():
			return
		case <-tick.C:
		}
		stats = conn.ConnectionStats()
		if stats.PacketsSent != sent {
			sent, since = stats.PacketsSent, time.Now()
			continue
		}
		probe := stats.SmoothedRTT + 4*stats.MeanDeviation + 25*time.Millisecond
		if time.Since(since) > min(max(3*probe, leastSilence), mostSilence) {
			return
		}
	}
}

// serve gives a request the form that net/http gives those of HTTP/2, and hands
// it on. A panic ends its stream, and is told.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	defer func() {
		if p := recover(); p != nil {
			if err, ok := p.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
				s.cfg.Log.Error("a handler panicked: the stream was reset")
			}
			panic(http.ErrAbortHandler)
		}
	}()
	if _, told := r.Header["Content-Length"]; told {
		r.Body = &declared{ReadCloser: r.Body, left: r.ContentLength}
	} else if mostlyBodiless(r.Method) {
		body, err := whole(r.Body)
		if err != nil {
			s.refused.Add(1)
			panic(http.ErrAbortHandler) // it did not end in time, or was given up
		}
		if r.Body = body; body == http.NoBody {
			r.ContentLength = 0
		}
	}
	a := &answer{ResponseWriter: w}
	s.cfg.Handler.ServeHTTP(a, r)
	a.clean() // a handler that wrote nothing
}
