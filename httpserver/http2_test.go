package httpserver_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/warder-dev/warder/httpserver"
	"github.com/warder-dev/warder/internal/testcert"
	"github.com/warder-dev/warder/tlsconfig"
)

// secured is cfg with a certificate, and a client configuration that believes it.
func secured(t *testing.T, cfg httpserver.Config) (httpserver.Config, *tls.Config) {
	t.Helper()
	ca := testcert.NewCA(t, "root")
	cert, key := ca.Issue(t, testcert.Leaf{Names: []string{"localhost", "a.example", "b.example"}}).Write(t, t.TempDir(), "tls")
	source, err := tlsconfig.New(tlsconfig.Config{Certificates: []tlsconfig.Files{{Certificate: cert, Key: key}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(source.Close)
	cfg.TLS = source.TLS()
	return cfg, &tls.Config{RootCAs: ca.Pool(), ServerName: "localhost", MinVersion: tls.VersionTLS12}
}

// raw is an HTTP/2 client that sends frames as they are.
type raw struct {
	net.Conn
	*http2.Framer
	block   bytes.Buffer
	encoder *hpack.Encoder
}

// dialRaw begins HTTP/2 over TLS.
func dialRaw(t *testing.T, addr string, client *tls.Config, settings ...http2.Setting) *raw {
	t.Helper()
	cfg := client.Clone()
	cfg.NextProtos = []string{"h2"}
	conn := tls.Client(dial(t, addr), cfg)
	if err := conn.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	return begin(t, conn, settings...)
}

func begin(t *testing.T, conn net.Conn, settings ...http2.Setting) *raw {
	t.Helper()
	r := &raw{Conn: conn, Framer: http2.NewFramer(conn, conn)}
	r.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	r.AllowIllegalWrites = true
	r.encoder = hpack.NewEncoder(&r.block)
	write(t, conn, http2.ClientPreface)
	if err := r.WriteSettings(settings...); err != nil {
		t.Fatal(err)
	}
	return r
}

// head encodes fields, "name", "value", ...
func (r *raw) head(fields ...string) []byte {
	r.block.Reset()
	for i := 0; i < len(fields); i += 2 {
		_ = r.encoder.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]}) // to memory
	}
	return bytes.Clone(r.block.Bytes())
}

// send opens a stream. body is sent in one frame; "-" keeps the stream open, and
// "" ends it with its head.
func (r *raw) send(id uint32, body string, fields ...string) error {
	err := r.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: r.head(fields...), EndHeaders: true, EndStream: body == ""})
	if err == nil && body != "" && body != "-" {
		err = r.WriteData(id, true, []byte(body))
	}
	return err
}

// reply is what came of a stream.
type reply struct {
	status string
	body   string
	reset  bool // the stream
	closed bool // the whole connection
}

// await reads until stream id has ended, and answers what the protocol wants
// answered.
func (r *raw) await(id uint32) reply {
	var got reply
	for {
		frame, err := r.ReadFrame()
		if err != nil {
			if stream, ok := errors.AsType[http2.StreamError](err); ok && stream.StreamID == id {
				got.reset = true
			}
			got.closed = true
			return got
		}
		switch f := frame.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				_ = r.WriteSettingsAck()
			}
		case *http2.PingFrame:
			if !f.IsAck() {
				_ = r.WritePing(true, f.Data)
			}
		case *http2.MetaHeadersFrame:
			if f.StreamID == id {
				got.status = f.PseudoValue("status")
			}
		case *http2.DataFrame:
			if f.StreamID == id {
				got.body += string(f.Data())
			}
		case *http2.RSTStreamFrame:
			if f.StreamID == id {
				got.reset = f.ErrCode != http2.ErrCodeNo
				return got
			}
		case *http2.GoAwayFrame:
			got.closed = true
		}
		if h := frame.Header(); h.StreamID == id && h.Flags.Has(http2.FlagDataEndStream) && (h.Type == http2.FrameData || h.Type == http2.FrameHeaders) {
			return got
		}
	}
}

// fields of a GET, with those of more added or put in place.
func getting(more ...string) []string {
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

// goodClient asks over connections of its own, up to five times, and returns how
// long the quickest took: the machine may have other work.
func goodClient(t *testing.T, addr string, client *tls.Config) time.Duration {
	t.Helper()
	best := patience
	for range 5 {
		if best = min(best, askOnce(t, addr, client)); best < time.Second {
			break
		}
	}
	return best
}

func askOnce(t *testing.T, addr string, client *tls.Config) time.Duration {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: client.Clone(), ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	began := time.Now()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+addr+"/good", nil)
	if err != nil {
		t.Fatal(err)
	}
	w, err := (&http.Client{Transport: transport, Timeout: patience}).Do(request)
	if err != nil {
		t.Errorf("a good client: %v", err)
		return patience
	}
	defer w.Body.Close()
	if _, err := io.Copy(io.Discard, w.Body); err != nil || w.StatusCode != http.StatusOK {
		t.Errorf("a good client: %d, %v", w.StatusCode, err)
	}
	return time.Since(began)
}

func TestHTTP2IsSpokenWithItsLimits(t *testing.T) {
	cfg, client := secured(t, httpserver.Config{Handler: http.HandlerFunc(hello), MaxStreams: 7, MaxHeaderBytes: 8 << 10})
	_, addr := start(t, cfg)
	r := dialRaw(t, addr, client)
	got := map[http2.SettingID]uint32{}
	for len(got) == 0 {
		frame, err := r.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		if f, ok := frame.(*http2.SettingsFrame); ok && !f.IsAck() {
			_ = f.ForeachSetting(func(s http2.Setting) error { got[s.ID] = s.Val; return nil })
		}
	}
	for id, want := range map[http2.SettingID]uint32{
		http2.SettingMaxConcurrentStreams: 7, http2.SettingMaxFrameSize: 16 << 10, http2.SettingMaxHeaderListSize: 8<<10 + 320, http2.SettingInitialWindowSize: 1 << 20,
	} {
		if got[id] != want {
			t.Errorf("%v = %d, want %d", id, got[id], want)
		}
	}
	if err := r.send(1, "", getting()...); err != nil {
		t.Fatal(err)
	}
	if got := r.await(1); got.status != "200" || got.body != "hello" {
		t.Errorf("got %+v, want hello", got)
	}
}
