package extauthz_test

import (
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/warder-dev/warder/httpserver"
)

// unread is the body of a call that nobody may read.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body is read")
	return 0, io.EOF
}

func (unread) Close() error { return nil }

// Who is not listed learns that before a byte of the message is read, by whatever
// form the call has: five bytes on each of many streams would hold buffers else.
func TestStrangersBodiesAreNotRead(t *testing.T) {
	front := newFront(t, everything{}, nil)
	before := front.Refused()
	for name, tt := range map[string]struct {
		path   string
		change func(http.Header)
		want   string // grpc-status
	}{
		"a question":            {checkPath, func(http.Header) {}, "0"},
		"a compressed question": {checkPath, func(h http.Header) { h.Set("Grpc-Encoding", "gzip") }, "0"},
		"a question in JSON":    {checkPath, func(h http.Header) { h.Set("Content-Type", "application/grpc+json") }, "0"},
		"health":                {healthPath, func(http.Header) {}, "7"},
		"a stream of health":    {grpc_health_v1.Health_Watch_FullMethodName, func(http.Header) {}, "7"},
		"what is not there":     {"/other", func(http.Header) {}, "7"},
	} {
		r := asked(t, tt.path, "203.0.113.1:1", nil)
		r.Body = unread{t}
		tt.change(r.Header)
		w := httptest.NewRecorder()
		front.ServeHTTP(w, r)
		if got := trailer(w, "Grpc-Status"); got != tt.want || w.Code != http.StatusOK {
			t.Errorf("%s: status %d, gRPC %s, want %s", name, w.Code, got, tt.want)
		}
		if m, ok := answered(t, tt.path, w).(*authv3.CheckResponse); tt.path == checkPath && (!ok || m.GetDeniedResponse().GetStatus().GetCode() != http.StatusForbidden) {
			t.Errorf("%s: %v", name, m)
		}
	}
	if got := front.Refused() - before; got != 6 {
		t.Errorf("%d strangers are counted, want 6", got)
	}
}

// A slow body sends step bytes at a time, and notes for how many there was room.
type slowBody struct {
	text  []byte
	step  int
	came  int
	worst int // bytes of room beyond twice what had come
}

func (s *slowBody) Read(p []byte) (int, error) {
	s.worst = max(s.worst, len(p)-max(4<<10, s.came))
	if len(s.text) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.text[:min(s.step, len(s.text))])
	s.text, s.came = s.text[n:], s.came+n
	return n, nil
}

// A length alone takes no memory: the buffer grows by what has come.
func TestBuffersGrowByWhatHasCome(t *testing.T) {
	front := newFront(t, everything{}, nil)
	const most = 16<<10 + 256<<10
	for name, body := range map[string]*slowBody{
		"the head alone": {text: append([]byte{0}, binary.BigEndian.AppendUint32(nil, most)...), step: 5},
		"all of it":      {text: framed(0, make([]byte, most)), step: 1000},
	} {
		whole := len(body.text) > 5
		got, err := front.ReadMessage(body)
		if whole != (err == nil) || whole && len(got) != most {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
		if body.worst > 0 {
			t.Errorf("%s: there was room for %d bytes too many", name, body.worst)
		}
	}
}

// A message that does not come is waited for as long as its sender waits.
func TestTheReadEndsWithTheQuestion(t *testing.T) {
	server, err := httpserver.New(httpserver.Config{Handler: newFront(t, everything{}, nil), Log: slog.New(slog.DiscardHandler), InsecureH2C: true})
	if err != nil {
		t.Fatal(err)
	}
	var listen net.ListenConfig
	l, err := listen.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Shutdown(context.WithoutCancel(t.Context())) })
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(transport.CloseIdleConnections)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute) // far beyond what bounds idle bodies and questions
	defer cancel()
	body, sender := io.Pipe()
	defer sender.Close()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+l.Addr().String()+checkPath, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = http.Header{"Content-Type": {"application/grpc"}, "Te": {"trailers"}, "Grpc-Timeout": {"50m"}}
	w, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Body.Close()
	if _, err := io.ReadAll(w.Body); err != nil || w.Trailer.Get("Grpc-Status") != "4" {
		t.Errorf("%v, %v, want the status 4", err, w.Trailer)
	}
}
