package httpserver_test

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"

	"github.com/warder-dev/warder/httpserver"
	"github.com/warder-dev/warder/internal/attack"
)

// heap measures how far the live memory of the process grows while run runs. It
// holds both ends of every connection.
func heap(run func()) (grown int64) {
	// What counts is what is held: garbage may be as much as the other tests' memory.
	defer debug.SetGCPercent(debug.SetGCPercent(20))
	var stats runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&stats)
	before, most := stats.HeapInuse+stats.StackInuse, uint64(0)
	done := make(chan struct{})
	var sampler sync.WaitGroup
	sampler.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(20 * time.Millisecond):
				var s runtime.MemStats
				runtime.ReadMemStats(&s)
				most = max(most, s.HeapInuse+s.StackInuse)
			}
		}
	})
	run()
	close(done)
	sampler.Wait()
	return int64(most) - int64(before)
}

// memory is a listener whose connections need no file descriptors.
type memory struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newMemory() *memory { return &memory{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (m *memory) Accept() (net.Conn, error) {
	select {
	case c := <-m.conns:
		return c, nil
	case <-m.closed:
		return nil, net.ErrClosed
	}
}

func (m *memory) Close() error   { m.once.Do(func() { close(m.closed) }); return nil }
func (m *memory) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

func (m *memory) dial() net.Conn {
	ours, theirs := net.Pipe()
	m.conns <- theirs
	return ours
}

// fewer is n, or a tenth of it with the race detector, which makes crowds and
// floods slow.
func fewer(n int) int {
	if raceEnabled {
		return n / 10
	}
	return n
}

func TestHandshakesThatAreNeverEnded(t *testing.T) {
	halfOpen := fewer(10_000)
	attack.Case(t, "TLS-11", attack.Library, func(t *testing.T) {
		t.Run("others are served", func(t *testing.T) {
			cfg, client := secured(t, httpserver.Config{Handler: http.HandlerFunc(hello), ReadHeaderTimeout: time.Minute})
			s, addr := start(t, cfg)
			crowd := newMemory()
			var served sync.WaitGroup
			served.Go(func() { _ = s.Serve(crowd) })
			t.Cleanup(func() { _ = crowd.Close(); served.Wait() })
			var took time.Duration
			grown := heap(func() {
				for i := range halfOpen {
					c := crowd.dial()
					t.Cleanup(func() { _ = c.Close() })
					if i%2 == 0 {
						_, _ = c.Write([]byte{22, 3, 1, 1, 0, 1}) // the head of a hello, and one byte of it
					}
				}
				took = goodClient(t, addr, client)
				<-time.After(50 * time.Millisecond) // for a last sample
			})
			t.Logf("%d half-open handshakes: %d MiB in all, %d KiB each; a good client took %v", halfOpen, grown>>20, grown>>10/int64(halfOpen), took)
			if took > time.Second {
				t.Errorf("a good client took %v, want at most 1s", took)
			}
			if grown > 300<<20 {
				t.Errorf("they hold %d MiB, want at most 300", grown>>20)
			}
		})
		t.Run("they are ended", func(t *testing.T) {
			cfg, _ := secured(t, httpserver.Config{Handler: http.HandlerFunc(hello), ReadHeaderTimeout: 10 * time.Second})
			synctest.Test(t, func(t *testing.T) { handshakesEnd(t, cfg) })
		})
		t.Run("no more than the limit", func(t *testing.T) {
			cfg, _ := secured(t, httpserver.Config{Handler: http.HandlerFunc(hello), MaxConnections: 5})
			synctest.Test(t, func(t *testing.T) { handshakesWait(t, cfg) })
		})
	})
}

// ends counts the connections that the server closes.
type ends struct{ n atomic.Int64 }

func (e *ends) watch(c net.Conn) {
	_, _ = io.Copy(io.Discard, c)
	e.n.Add(1)
}

func serving(t *testing.T, cfg httpserver.Config) *memory {
	t.Helper()
	s, err := httpserver.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	l := newMemory()
	var served sync.WaitGroup
	served.Go(func() { _ = s.Serve(l) })
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Second)
		defer cancel()
		_ = s.Shutdown(ctx)
		served.Wait()
	})
	return l
}

func handshakesEnd(t *testing.T, cfg httpserver.Config) {
	t.Helper()
	l := serving(t, cfg)
	const each = 50
	var silent, dripping ends
	for range each {
		go silent.watch(l.dial())
		c := l.dial()
		go dripping.watch(c)
		go func() {
			for _, b := range append([]byte{22, 3, 1, 1, 0, 1, 0, 0}, make([]byte, 200)...) {
				if _, err := c.Write([]byte{b}); err != nil {
					return
				}
				<-time.After(time.Second)
			}
		}()
	}
	<-time.After(9 * time.Second)
	synctest.Wait()
	if n := silent.n.Load() + dripping.n.Load(); n != 0 {
		t.Errorf("%d were ended before the time", n)
	}
	<-time.After(2 * time.Second)
	synctest.Wait()
	if silent.n.Load() != each || dripping.n.Load() != each {
		t.Errorf("%d silent and %d dripping ones were ended, want all %d", silent.n.Load(), dripping.n.Load(), each)
	}
}

func handshakesWait(t *testing.T, cfg httpserver.Config) {
	t.Helper()
	l := serving(t, cfg)
	var accepted atomic.Int64
	var e ends
	for range 20 {
		go func() { c := l.dial(); accepted.Add(1); e.watch(c) }()
	}
	synctest.Wait()
	if n := accepted.Load(); n != 5 {
		t.Errorf("%d connections were accepted, want the limit of 5", n)
	}
	<-time.After(45 * time.Second)
	synctest.Wait()
	if n := e.n.Load(); n != 20 {
		t.Errorf("%d of 20 were ended, five each 10 s", n)
	}
}

// A flood is one HTTP/2 attack over one connection. It goes on until the server
// closes the connection, and for so many rounds at most; then it stays silent.
type flood struct {
	name     string
	settings []http2.Setting
	rounds   int
	round    func(r *raw, i int) error
}

// repeated returns n frames of f in one piece.
func repeated(n int, f []byte) []byte { return slices.Concat(slices.Repeat([][]byte{f}, n)...) }

func frame(kind http2.FrameType, flags http2.Flags, stream uint32, payload []byte) []byte {
	b := []byte{byte(len(payload) >> 16), byte(len(payload) >> 8), byte(len(payload)), byte(kind), byte(flags)}
	return append(binary.BigEndian.AppendUint32(b, stream), payload...)
}

func sendAll(r *raw, b []byte) error {
	_, err := r.Write(b)
	return err
}

func floods() []flood {
	return []flood{
		{name: "rapid reset, and handlers that do not end", rounds: 20_000, round: func(r *raw, i int) error {
			id := uint32(2*i + 1)
			if err := r.send(id, "-", getting(":path", "/stuck")...); err != nil {
				return err
			}
			return r.WriteRSTStream(id, http2.ErrCodeCancel)
		}},
		{name: "rapid reset, and handlers that end", rounds: 5000, round: func(r *raw, i int) error {
			id := uint32(2*i + 1)
			if err := r.send(id, "-", getting()...); err != nil {
				return err
			}
			return r.WriteRSTStream(id, http2.ErrCodeCancel)
		}},
		{name: "CONTINUATION without end", rounds: 100_000, round: func(r *raw, i int) error {
			literal := append([]byte{0, 1, 'a', 0x7f, 0x81, 0x7c}, slices.Repeat([]byte{'a'}, 16_000)...) // a: 16,000 bytes, not indexed
			if i == 0 {
				return r.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: r.head(getting()...)})
			}
			return sendAll(r, frame(http2.FrameContinuation, 0, 1, literal))
		}},
		{name: "empty CONTINUATION without end", rounds: 2000, round: func(r *raw, i int) error {
			if i == 0 {
				return r.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: r.head(getting()...)})
			}
			return sendAll(r, repeated(1000, frame(http2.FrameContinuation, 0, 1, nil)))
		}},
		{name: "SETTINGS that nobody waits for", rounds: 5000, round: func(r *raw, _ int) error {
			return sendAll(r, repeated(1000, frame(http2.FrameSettings, 0, 0, nil)))
		}},
		{name: "PING that nobody waits for", rounds: 5000, round: func(r *raw, _ int) error {
			return sendAll(r, repeated(1000, frame(http2.FramePing, 0, 0, make([]byte, 8))))
		}},
		{name: "a small head that grows: HPACK", rounds: 100, round: func(r *raw, i int) error {
			block := r.head(getting("bomb", string(slices.Repeat([]byte{'b'}, 3900)))...)
			for len(block) < 16_000 {
				block = append(block, 0x80|62) // the newest entry of the table, again
			}
			return r.WriteHeaders(http2.HeadersFrameParam{StreamID: uint32(2*i + 1), BlockFragment: block, EndHeaders: true, EndStream: true})
		}},
		{name: "answers that the window has no room for", settings: []http2.Setting{{ID: http2.SettingInitialWindowSize, Val: 0}}, rounds: 300, round: func(r *raw, i int) error {
			return r.send(uint32(2*i+1), "", getting(":path", "/large")...)
		}},
		{name: "bodies that nobody reads", rounds: 300, round: func(r *raw, i int) error {
			id := uint32(2*i + 1)
			if err := r.send(id, "-", getting(":method", "POST", ":path", "/unread")...); err != nil {
				return err
			}
			return r.WriteData(id, false, make([]byte, 16<<10))
		}},
	}
}

func TestHTTP2Floods(t *testing.T) {
	release := make(chan struct{})
	var running, most atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("/stuck", func(http.ResponseWriter, *http.Request) {
		n := running.Add(1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		<-release
		running.Add(-1)
	})
	large := make([]byte, 1<<20)
	mux.HandleFunc("/large", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(large) })
	mux.HandleFunc("/", hello)
	cfg, client := secured(t, httpserver.Config{Handler: mux, WriteTimeout: 500 * time.Millisecond, IdleTimeout: time.Second})
	open, addr := counted(t, cfg)
	t.Cleanup(func() { close(release) })
	attack.Case(t, "TLS-12", attack.Library, func(t *testing.T) {
		for _, f := range floods() {
			const attackers = 4
			var took time.Duration
			began := time.Now()
			grown := heap(func() {
				var crowd sync.WaitGroup
				for range attackers {
					r := dialRaw(t, addr, client, f.settings...)
					crowd.Go(func() { run(r, f) })
				}
				took = goodClient(t, addr, client)
				crowd.Wait()
				took = max(took, goodClient(t, addr, client))
				// Whatever the client keeps open.
				until(t, f.name+": the connections are closed", func() bool { return open.Load() == 0 })
			})
			t.Logf("%s: %v, %d MiB, a good client took at most %v", f.name, time.Since(began).Round(time.Millisecond), grown>>20, took.Round(time.Millisecond))
			if took > time.Second {
				t.Errorf("%s: a good client took %v, want at most 1s", f.name, took)
			}
			if grown > 32<<20 {
				t.Errorf("%s: memory grew by %d MiB, want at most 32", f.name, grown>>20)
			}
		}
		if most.Load() > 4*100 {
			t.Errorf("%d handlers ran at once for 4 connections of 100 streams", most.Load())
		}
	})
}

// run floods until the server closes the connection, or for so many rounds.
func run(r *raw, f flood) {
	for i := range fewer(f.rounds) {
		if f.round(r, i) != nil {
			return
		}
	}
}

// counted serves cfg and counts the connections that the server holds open.
func counted(t *testing.T, cfg httpserver.Config) (open *atomic.Int64, addr string) {
	t.Helper()
	s, err := httpserver.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	open = new(atomic.Int64)
	var served sync.WaitGroup
	served.Go(func() { _ = s.Serve(&counting{l, open}) })
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Second)
		defer cancel()
		_ = s.Shutdown(ctx) // what a flood left behind is cut
		served.Wait()
	})
	return open, l.Addr().String()
}

type counting struct {
	net.Listener
	open *atomic.Int64
}

func (l *counting) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.open.Add(1)
	return &countedConn{Conn: c, open: l.open}, nil
}

type countedConn struct {
	net.Conn
	open *atomic.Int64
	once sync.Once
}

func (c *countedConn) Close() error {
	c.once.Do(func() { c.open.Add(-1) })
	return c.Conn.Close()
}
