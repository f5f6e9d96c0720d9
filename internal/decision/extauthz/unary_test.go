package extauthz_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/warder-dev/warder/httpserver"
	"github.com/warder-dev/warder/internal/decision/extauthz"
)

const (
	checkPath  = authv3.Authorization_Check_FullMethodName
	healthPath = grpc_health_v1.Health_Check_FullMethodName
)

// framed is a message as it goes over the wire.
func framed(flag byte, text []byte) []byte {
	b := append([]byte{flag}, binary.BigEndian.AppendUint32(nil, uint32(len(text)))...)
	return append(b, text...)
}

func marshal(tb testing.TB, m proto.Message) []byte {
	tb.Helper()
	text, err := proto.Marshal(m)
	if err != nil {
		tb.Fatal(err)
	}
	return text
}

// asked is a call as the HTTP server hands it on, from peer.
func asked(t *testing.T, path, peer string, body []byte) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, bytes.NewReader(body))
	r.Proto, r.ProtoMajor, r.ProtoMinor, r.RemoteAddr, r.ContentLength = "HTTP/2.0", 2, 0, peer, -1
	r.Header = http.Header{"Content-Type": {"application/grpc"}, "Te": {"trailers"}}
	return r
}

// trailer is what came behind the answer, which one of the two has declared and the
// other not.
func trailer(w *httptest.ResponseRecorder, name string) string {
	if told := w.Header().Get(http.TrailerPrefix + name); told != "" {
		return told
	}
	return w.Header().Get(name)
}

// What is answered here is answered as the library does: the status, the message, and
// the fields of the head.
func TestAsTheLibraryAnswers(t *testing.T) {
	front := newFront(t, everything{}, nil)
	good := marshal(t, question(map[string]string{"x-api-key": "k"}))
	health := marshal(t, &grpc_health_v1.HealthCheckRequest{})
	const listed, stranger = "192.0.2.1:1", "203.0.113.1:1"
	latin := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "b\xe4d")
	for _, tt := range []struct {
		name, path, peer string
		body             []byte
		want             string // grpc-status
	}{
		{"a question", checkPath, listed, framed(0, good), "0"},
		{"a stranger's, who is told in an answer", checkPath, stranger, framed(0, good), "0"},
		{"an empty message", checkPath, listed, framed(0, nil), "0"},
		{"health", healthPath, listed, framed(0, health), "0"},
		{"a stranger's about health", healthPath, stranger, framed(0, health), "7"},
		{"health of what is not there", healthPath, listed, framed(0, marshal(t, &grpc_health_v1.HealthCheckRequest{Service: "x"})), "5"},
		{"nothing", checkPath, listed, nil, "13"},
		{"half a head", checkPath, listed, []byte{0, 0}, "13"},
		{"half a message", checkPath, listed, framed(0, good)[:20], "13"},
		{"a compressed one without an encoding", checkPath, listed, framed(1, good), "13"},
		{"no message of the method", checkPath, listed, framed(0, []byte("\xff\xff\xff")), "13"},
		{"a text that is no UTF-8", healthPath, listed, framed(0, latin), "13"},
		{"more than there may be", checkPath, listed, framed(0, make([]byte, 16<<10+256<<10+1)), "8"},
	} {
		own, library := httptest.NewRecorder(), httptest.NewRecorder()
		if r := asked(t, tt.path, tt.peer, tt.body); !front.Plain(r) {
			t.Errorf("%s: is left to the library", tt.name)
		} else {
			front.ServeHTTP(own, r)
		}
		front.Library(library, asked(t, tt.path, tt.peer, tt.body))
		if a, b := trailer(own, "Grpc-Status"), trailer(library, "Grpc-Status"); a != tt.want || a != b {
			t.Errorf("%s: status %s (%s), by the library %s (%s), want %s", tt.name, a, trailer(own, "Grpc-Message"), b, trailer(library, "Grpc-Message"), tt.want)
		}
		if own.Code != http.StatusOK || library.Code != http.StatusOK || own.Header().Get("Content-Type") != library.Header().Get("Content-Type") || own.Header().Get("Content-Length") != "" {
			t.Errorf("%s: %d %v, by the library %d %v", tt.name, own.Code, own.Header(), library.Code, library.Header())
		}
		if a, b := answered(t, tt.path, own), answered(t, tt.path, library); !proto.Equal(a, b) {
			t.Errorf("%s: %v, by the library %v", tt.name, a, b)
		}
	}
}

// answered is the message of an answer; nil for none.
func answered(t *testing.T, path string, w *httptest.ResponseRecorder) proto.Message {
	t.Helper()
	b := w.Body.Bytes()
	if len(b) == 0 {
		return nil
	}
	var m proto.Message = &authv3.CheckResponse{}
	if path == healthPath {
		m = &grpc_health_v1.HealthCheckResponse{}
	}
	if len(b) < 5 || b[0] != 0 || int(binary.BigEndian.Uint32(b[1:])) != len(b)-5 {
		t.Fatalf("the answer is not framed: %x", b)
	}
	if err := proto.Unmarshal(b[5:], m); err != nil {
		t.Fatal(err)
	}
	return m
}

// A second message is none that a call has.
func TestOneMessageIsAll(t *testing.T) {
	front := newFront(t, everything{}, nil)
	one := framed(0, marshal(t, question(nil)))
	w := httptest.NewRecorder()
	front.ServeHTTP(w, asked(t, checkPath, "192.0.2.1:1", append(one, one...)))
	if got := trailer(w, "Grpc-Status"); got != "13" || w.Body.Len() > 0 {
		t.Errorf("status %s, %d bytes", got, w.Body.Len())
	}
}

// What is not plain stays the library's.
func TestWhatTheLibraryAnswers(t *testing.T) {
	front := newFront(t, everything{}, nil)
	for name, change := range map[string]func(*http.Request){
		"HTTP/1.1":         func(r *http.Request) { r.ProtoMajor = 1 },
		"GET":              func(r *http.Request) { r.Method = http.MethodGet },
		"another type":     func(r *http.Request) { r.Header["Content-Type"] = []string{"application/json"} },
		"two types":        func(r *http.Request) { r.Header["Content-Type"] = []string{"application/grpc", "application/grpc"} },
		"no type":          func(r *http.Request) { delete(r.Header, "Content-Type") },
		"another encoding": func(r *http.Request) { r.Header["Grpc-Encoding"] = []string{"gzip"} },
		"no time":          func(r *http.Request) { r.Header["Grpc-Timeout"] = []string{"soon"} },
		"two times":        func(r *http.Request) { r.Header["Grpc-Timeout"] = []string{"1S", "2S"} },
		"another path":     func(r *http.Request) { r.URL.Path = "/other" },
		"a stream":         func(r *http.Request) { r.URL.Path = grpc_health_v1.Health_Watch_FullMethodName },
	} {
		r := asked(t, checkPath, "192.0.2.1:1", nil)
		change(r)
		if front.Plain(r) {
			t.Errorf("%s is not left to the library", name)
		}
	}
	for _, encoding := range []string{"", "identity"} {
		r := asked(t, checkPath, "192.0.2.1:1", nil)
		r.Header["Grpc-Timeout"], r.Header["Content-Type"] = []string{"200m"}, []string{"application/grpc+proto"}
		if encoding != "" {
			r.Header["Grpc-Encoding"] = []string{encoding}
		}
		if !front.Plain(r) {
			t.Errorf("encoding %q is left to the library", encoding)
		}
	}
}

func TestParseTimeout(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"200m": 200 * time.Millisecond, "1S": time.Second, "0n": 0, "99999999u": 10 * time.Second, "3M": 10 * time.Second, "99999999H": 10 * time.Second, "5u": 5 * time.Microsecond, "00000007S": 7 * time.Second,
		"": -1, "S": -1, "1": -1, "1s": -1, "-1S": -1, "+1S": -1, "1.5S": -1, "999999999S": -1, " 1S": -1, "1 S": -1, "1S ": -1, "1_0S": -1,
	} {
		got, err := extauthz.ParseTimeout(text)
		if err != nil && want >= 0 || err == nil && got != want {
			t.Errorf("%q: %v, %v, want %v", text, got, err, want)
		}
	}
}

// FuzzMessage reads whatever bytes are a call's, in pieces of any size: what is read
// is what stands behind a length that is right to the byte, and nothing else is read.
func FuzzMessage(f *testing.F) {
	f.Add(framed(0, []byte("hello")), uint8(0))
	f.Add(framed(1, []byte("hello")), uint8(1))
	f.Add(framed(0, nil), uint8(2))
	f.Add(framed(0, bytes.Repeat([]byte("x"), 5000)), uint8(0))
	f.Add(append(framed(0, []byte("a")), framed(0, []byte("b"))...), uint8(2))
	f.Add([]byte{0, 255, 255, 255, 255}, uint8(1))
	front := newFront(f, everything{}, nil)
	f.Fuzz(func(t *testing.T, text []byte, how uint8) {
		var body io.Reader = bytes.NewReader(text)
		switch how % 3 {
		case 1:
			body = iotest.OneByteReader(body)
		case 2:
			body = iotest.DataErrReader(body)
		}
		got, err := front.ReadMessage(body)
		whole := len(text) >= 5 && text[0] == 0 && uint64(binary.BigEndian.Uint32(text[1:5])) == uint64(len(text)-5) && len(text)-5 <= 16<<10+256<<10
		if (err == nil) != whole {
			t.Errorf("%v of %d bytes", err, len(text))
		}
		if err == nil && !bytes.Equal(got, text[5:]) {
			t.Errorf("read %q", got)
		}
	})
}

// Nothing of one question is in what is read of the next one, whose buffer is the
// same.
func TestBuffersAreEmptied(t *testing.T) {
	front := newFront(t, everything{}, nil)
	for _, key := range []string{strings.Repeat("a", 3000), "b", strings.Repeat("c", 9000), "d"} {
		w := httptest.NewRecorder()
		front.ServeHTTP(w, asked(t, checkPath, "192.0.2.1:1", framed(0, marshal(t, question(map[string]string{"cookie": "other=" + key + "; session=x"})))))
		m, ok := answered(t, checkPath, w).(*authv3.CheckResponse)
		if !ok {
			t.Fatal("no answer")
		}
		for _, option := range m.GetOkResponse().GetHeaders() {
			if option.GetHeader().GetKey() == "cookie" && option.GetHeader().GetValue() != "other="+key {
				t.Errorf("%d bytes came as %d", len(key)+6, len(option.GetHeader().GetValue()))
			}
		}
	}
}

// Over the wire, an answer has no length but its own, and says how it went behind it:
// as Envoy expects it of any server of gRPC.
func TestOverHTTP2(t *testing.T) {
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
	for name, tt := range map[string]struct {
		message []byte
		want    string
	}{
		"an answer":      {framed(0, marshal(t, question(nil))), "0"},
		"a long answer":  {framed(0, marshal(t, question(map[string]string{"cookie": "session=x; other=" + strings.Repeat("x", 8000)}))), "0"},
		"no answer":      {framed(0, []byte("\xff")), "13"},
		"a long message": {framed(0, make([]byte, 1<<20)), "8"},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+l.Addr().String()+checkPath, bytes.NewReader(tt.message))
		if err != nil {
			t.Fatal(err)
		}
		r.Header = http.Header{"Content-Type": {"application/grpc"}, "Te": {"trailers"}, "Grpc-Timeout": {"1M"}}
		w, err := transport.RoundTrip(r)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		body, err := io.ReadAll(w.Body)
		_ = w.Body.Close()
		if err != nil || w.StatusCode != http.StatusOK || w.ContentLength != -1 && len(body) > 0 || w.Header.Get("Content-Length") != "" || w.Header.Get("Content-Type") != "application/grpc" {
			t.Errorf("%s: %v, %d %v", name, err, w.StatusCode, w.Header)
		}
		if w.Trailer.Get("Grpc-Status") != tt.want || (len(body) > 5) != (tt.want == "0") {
			t.Errorf("%s: %v behind %d bytes, want %s", name, w.Trailer, len(body), tt.want)
		}
	}
}
