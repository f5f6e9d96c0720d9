package extauthz

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// The library's handler takes five goroutines for each call, and hands everything
// from one to the other. A call with one message each way needs none of that: it is
// answered here, by the library's own description of the method. Everything else,
// such as compressed messages and streams, is still the library's.

// A registrar registers services with the library, and notes their calls.
type registrar struct {
	*grpc.Server

	calls map[string]call
}

// A call is a method with one message each way.
type call struct {
	handler grpc.MethodHandler
	service any
}

// RegisterService implements [grpc.ServiceRegistrar].
func (r *registrar) RegisterService(desc *grpc.ServiceDesc, service any) {
	r.Server.RegisterService(desc, service)
	for i := range desc.Methods {
		m := &desc.Methods[i]
		r.calls["/"+desc.ServiceName+"/"+m.MethodName] = call{m.Handler, service}
	}
}

// plain returns the call that r is and how long its sender waits, if it is one that
// is answered here.
func (f *Front) plain(r *http.Request) (c call, wait time.Duration, ok bool) {
	if r.ProtoMajor != 2 || r.Method != http.MethodPost {
		return call{}, 0, false
	}
	if kind := r.Header["Content-Type"]; len(kind) != 1 || kind[0] != grpcType && kind[0] != grpcType+"+proto" {
		return call{}, 0, false
	}
	if encoding := r.Header["Grpc-Encoding"]; len(encoding) > 1 || len(encoding) == 1 && encoding[0] != "identity" {
		return call{}, 0, false
	}
	wait = longest
	if timeout := r.Header["Grpc-Timeout"]; len(timeout) > 0 {
		told, err := parseTimeout(timeout[0])
		if err != nil || len(timeout) > 1 {
			return call{}, 0, false
		}
		wait = min(wait, told)
	}
	c, ok = f.calls[r.URL.Path]
	return c, wait, ok
}

// speaksGRPC reports whether the library may take r for a call.
func speaksGRPC(r *http.Request) bool {
	return r.ProtoMajor == 2 && r.Method == http.MethodPost && strings.HasPrefix(r.Header.Get("Content-Type"), grpcType)
}

const grpcType = "application/grpc"

var errTimeout = errors.New("no time of gRPC's")

// parseTimeout reads the value of grpc-timeout: up to eight digits and a unit.
func parseTimeout(text string) (time.Duration, error) {
	const most = 9
	if len(text) < 2 || len(text) > most {
		return 0, errTimeout
	}
	var unit time.Duration
	switch text[len(text)-1] {
	case 'H':
		unit = time.Hour
	case 'M':
		unit = time.Minute
	case 'S':
		unit = time.Second
	case 'm':
		unit = time.Millisecond
	case 'u':
		unit = time.Microsecond
	case 'n':
		unit = time.Nanosecond
	default:
		return 0, errTimeout
	}
	n, err := strconv.ParseUint(text[:len(text)-1], 10, 32)
	if err != nil {
		return 0, errTimeout
	}
	if longestOf := uint64(longest / unit); n > longestOf {
		return longest, nil
	}
	return time.Duration(n) * unit, nil
}

// serve answers the call.
func (f *Front) serve(w http.ResponseWriter, r *http.Request, c call, wait time.Duration) {
	ctx, cancel := context.WithTimeout(peer.NewContext(r.Context(), &peer.Peer{Addr: remoteAddr(r.RemoteAddr)}), wait)
	defer cancel()
	if end, ok := ctx.Deadline(); ok {
		_ = http.NewResponseController(w).SetReadDeadline(end) // ends what ctx cannot: a body that does not come
	}
	reply, err := c.handler(c.service, ctx, func(m any) error { return f.receive(r.Body, m) }, f.listed)
	send(w, r, reply, err)
}

// refuse answers a stranger, of whose message nothing is read.
func (f *Front) refuse(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == authv3.Authorization_Check_FullMethodName {
		send(w, r, f.told(f.stranger), nil)
		return
	}
	send(w, r, nil, errStranger)
}

// send answers r with reply or err.
func send(w http.ResponseWriter, r *http.Request, reply any, err error) {
	h := w.Header()
	h["Content-Type"], h["Content-Length"] = r.Header["Content-Type"], nil // the length is in the message
	var message []byte
	if err == nil {
		message, err = frame(reply)
	}
	// Each call of w asks the goroutine of the connection several times: one has to do.
	if err != nil {
		w.WriteHeader(http.StatusOK)
	} else if _, err := w.Write(message); err != nil {
		return // nobody is left to tell
	}
	told := statusOf(err)
	h[http.TrailerPrefix+"Grpc-Status"] = []string{strconv.Itoa(int(told.Code()))}
	if told.Message() != "" {
		h[http.TrailerPrefix+"Grpc-Message"] = []string{url.PathEscape(told.Message())}
	}
}

// remoteAddr is the address of a peer, as net/http has it.
type remoteAddr string

var _ net.Addr = remoteAddr("")

// Network implements [net.Addr].
func (remoteAddr) Network() string { return "tcp" }

// String implements [net.Addr].
func (a remoteAddr) String() string { return string(a) }

func statusOf(err error) *status.Status {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return status.FromContextError(err)
	}
	return status.Convert(err)
}

// head is what goes before a message: whether it is compressed, and its length.
const head = 5

// buffers are for messages while they are read. Nothing that is decoded refers to
// them.
type buffers struct{ pool sync.Pool }

// Most questions have less than usual bytes; no buffer of more than maxKept is kept.
const (
	usual   = 4 << 10
	maxKept = 64 << 10
)

func (b *buffers) get() *[]byte {
	if p, ok := b.pool.Get().(*[]byte); ok {
		return p
	}
	made := make([]byte, usual)
	return &made
}

func (b *buffers) put(p *[]byte) {
	if len(*p) <= maxKept {
		b.pool.Put(p)
	}
}

// receive reads the one message of a call into m.
func (f *Front) receive(body io.Reader, m any) error {
	message, ok := m.(proto.Message)
	if !ok {
		return status.Errorf(codes.Internal, "the message is a %T", m)
	}
	buffer := f.buffers.get()
	defer f.buffers.put(buffer)
	text, err := f.readMessage(body, buffer)
	if err != nil {
		return err
	}
	if err := proto.Unmarshal(text, message); err != nil {
		return status.Error(codes.Internal, "the message is not what the method takes")
	}
	return nil
}

// readMessage reads body to its end, in as few steps as there are frames, into
// buffer, in whose place it puts a longer one for a longer message.
func (f *Front) readMessage(body io.Reader, buffer *[]byte) ([]byte, error) {
	n, want := 0, 0 // 0 until the length is known
	for {
		if n == len(*buffer) {
			*buffer = longer(*buffer, want+1) // room for one byte that would be too many
		}
		read, err := body.Read((*buffer)[n:])
		n += read
		if want == 0 && n >= head {
			size, wrong := f.length((*buffer)[:head])
			if wrong != nil {
				return nil, wrong
			}
			want = head + size
		}
		switch {
		case want > 0 && n > want:
			return nil, status.Error(codes.Internal, "there is more than one message")
		case err == nil:
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil, status.Error(codes.DeadlineExceeded, "the message did not come in time")
		case !errors.Is(err, io.EOF):
			return nil, status.Error(codes.Canceled, "the message did not come")
		case want == 0 || n < want:
			return nil, status.Error(codes.Internal, "the message has no end")
		default:
			return (*buffer)[head:n], nil
		}
	}
}

// longer returns full in twice its space, of at most limit bytes. A sender that says
// how much is to come gets room for what has come, lest five bytes hold all of it.
func longer(full []byte, limit int) []byte {
	b := make([]byte, min(2*len(full), limit))
	copy(b, full)
	return b
}

// length is that of the message that begins with first.
func (f *Front) length(first []byte) (int, error) {
	if first[0] != 0 {
		return 0, status.Error(codes.Internal, "the message is compressed, and no encoding is said")
	}
	size := binary.BigEndian.Uint32(first[1:])
	if int64(size) > int64(f.maxMessage) {
		return 0, status.Errorf(codes.ResourceExhausted, "the message has %d bytes, want at most %d", size, f.maxMessage)
	}
	return int(size), nil
}

// frame is the answer as it is sent. Its buffer is not used again: the HTTP server may
// hold it after a stream has ended.
func frame(reply any) ([]byte, error) {
	message, ok := reply.(proto.Message)
	if !ok {
		return nil, status.Errorf(codes.Internal, "the answer is a %T", reply)
	}
	size := proto.Size(message)
	b, err := proto.MarshalOptions{UseCachedSize: true}.MarshalAppend(make([]byte, head, head+size), message)
	if err != nil {
		return nil, status.Error(codes.Internal, fmt.Sprintf("the answer cannot be written: %T", err))
	}
	binary.BigEndian.PutUint32(b[1:], uint32(len(b)-head)) //nolint:gosec // some kilobytes
	return b, nil
}
