package wire

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// An HTTP2 is a client that sends frames as they are.
type HTTP2 struct {
	net.Conn
	*http2.Framer
	block   bytes.Buffer
	encoder *hpack.Encoder
}

// DialHTTP2 begins HTTP/2 over TLS. All of it happens within patience; it closes
// with its test.
func DialHTTP2(tb testing.TB, addr string, client *tls.Config, patience time.Duration) *HTTP2 {
	tb.Helper()
	cfg := client.Clone()
	cfg.NextProtos = []string{"h2"}
	c := Dial(tb, addr)
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		tb.Fatalf("wire: deadline: %v", err)
	}
	conn := tls.Client(c.Conn, cfg)
	if err := conn.HandshakeContext(tb.Context()); err != nil {
		tb.Fatalf("wire: handshake: %v", err)
	}
	h := &HTTP2{Conn: conn, Framer: http2.NewFramer(conn, conn)}
	h.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	h.AllowIllegalWrites = true
	h.encoder = hpack.NewEncoder(&h.block)
	_, err := io.WriteString(conn, http2.ClientPreface)
	if err := errors.Join(err, h.WriteSettings()); err != nil {
		tb.Fatalf("wire: begin: %v", err)
	}
	return h
}

// Block encodes fields, "name", "value", ...
func (h *HTTP2) Block(fields ...string) []byte {
	h.block.Reset()
	for i := 0; i < len(fields); i += 2 {
		_ = h.encoder.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]}) // to memory
	}
	return bytes.Clone(h.block.Bytes())
}

// SendRequest opens a stream. body is sent in one frame; "-" keeps the stream open,
// and "" ends it with its head.
func (h *HTTP2) SendRequest(id uint32, body string, fields ...string) error {
	err := h.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: h.Block(fields...), EndHeaders: true, EndStream: body == ""})
	if err == nil && body != "" && body != "-" {
		err = h.WriteData(id, true, []byte(body))
	}
	return err
}

// An HTTP2Reply is what came of a stream.
type HTTP2Reply struct {
	Status string
	Body   string
	Reset  bool // the stream
	Closed bool // the whole connection
}

// Await reads until stream id has ended, and answers what the protocol wants
// answered.
func (h *HTTP2) Await(id uint32) (got HTTP2Reply) {
	for {
		frame, err := h.ReadFrame()
		if err != nil {
			if stream, ok := errors.AsType[http2.StreamError](err); ok && stream.StreamID == id {
				got.Reset = true
			}
			got.Closed = true
			return got
		}
		switch f := frame.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				_ = h.WriteSettingsAck()
			}
		case *http2.PingFrame:
			if !f.IsAck() {
				_ = h.WritePing(true, f.Data)
			}
		case *http2.MetaHeadersFrame:
			if f.StreamID == id {
				got.Status = f.PseudoValue("status")
			}
		case *http2.DataFrame:
			if f.StreamID == id {
				got.Body += string(f.Data())
			}
		case *http2.RSTStreamFrame:
			if f.StreamID == id {
				got.Reset = f.ErrCode != http2.ErrCodeNo
				return got
			}
		case *http2.GoAwayFrame:
			got.Closed = true
		}
		if at := frame.Header(); at.StreamID == id && at.Flags.Has(http2.FlagDataEndStream) && (at.Type == http2.FrameData || at.Type == http2.FrameHeaders) {
			return got
		}
	}
}

// Getting are the fields of a GET of https://localhost/, with those of more added
// or put in place.
func Getting(more ...string) []string {
	all := []string{":method", "GET", ":scheme", "https", ":authority", "localhost", ":path", "/"}
	for i := 0; i < len(more); i += 2 {
		placed := false
		for j := 0; j < len(all); j += 2 {
			if strings.HasPrefix(more[i], ":") && all[j] == more[i] {
				all[j+1], placed = more[i+1], true
			}
		}
		if !placed {
			all = append(all, more[i], more[i+1])
		}
	}
	return all
}
