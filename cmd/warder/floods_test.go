package main

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/testcert"
	"github.com/warder-dev/warder/internal/wire"
)

// enduring is how long a crowd may take on a machine with other work.
const enduring = 2 * time.Minute

// flooded starts the program with more of a configuration, a file in which {TLS}
// is a certificate for localhost, and returns a client that believes it.
func flooded(t *testing.T, upstream, yaml string) (*served, *tls.Config) {
	t.Helper()
	folder := t.TempDir()
	ca := testcert.NewCA(t, "root")
	cert, key := ca.Issue(t, testcert.Leaf{}).Write(t, folder, "tls")
	yaml = strings.ReplaceAll(yaml, "{TLS}", "tls: {certificates: [{cert_file: '"+cert+"', key_file: '"+key+"'}]}")
	file := filepath.Join(folder, "warder.yaml")
	if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	return startServed(t, upstream, "--config", file), &tls.Config{RootCAs: ca.Pool(), ServerName: "localhost", MinVersion: tls.VersionTLS12}
}

// grown runs run and returns how many bytes the program's memory grew meanwhile,
// at most.
func (s *served) grown(t *testing.T, run func()) int64 {
	t.Helper()
	before := s.resident(t)
	most := before
	done := make(chan struct{})
	var sampler sync.WaitGroup
	sampler.Go(func() {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				most = max(most, s.resident(t))
			}
		}
	})
	run()
	close(done)
	sampler.Wait()
	return most - before
}

// good asks over connections of its own, up to ten times, and returns how long
// the quickest took: the machine may have other work, so that it is told and not
// judged. None may fail.
func (s *served) good(t *testing.T, scheme, path string, client *tls.Config) time.Duration {
	t.Helper()
	best := enduring
	for range 10 {
		transport := &http.Transport{TLSClientConfig: client.Clone(), DisableKeepAlives: true}
		ctx, cancel := context.WithTimeout(t.Context(), enduring)
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+s.gateway+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-API-Key", s.key)
		began := time.Now()
		w, err := transport.RoundTrip(r)
		if err != nil {
			t.Fatalf("a good client: %v", err)
		}
		_, err = io.Copy(io.Discard, w.Body)
		_ = w.Body.Close()
		cancel()
		if err != nil || w.StatusCode != http.StatusOK {
			t.Fatalf("a good client got %d, %v", w.StatusCode, err)
		}
		if best = min(best, time.Since(began)); best < time.Second {
			break
		}
	}
	return best
}

// settle waits until no request is open any more, as the program counts them.
func (s *served) settle(t *testing.T, what string) {
	t.Helper()
	const gauge = "\nwarder_requests_in_flight "
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(enduring); ; <-tick.C {
		c := wire.Dial(t, s.admin)
		c.Send("GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
		_, text := c.Response(http.MethodGet)
		_ = c.Close()
		_, after, found := strings.Cut(text, gauge)
		value, _, _ := strings.Cut(after, "\n")
		if found && value == "0" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %q requests are still open", what, value)
		}
	}
}

// lasting is a connection that may take as long as a crowd does.
func lasting(t *testing.T, addr string) *wire.Client {
	t.Helper()
	c := wire.Dial(t, addr)
	if err := c.SetDeadline(time.Now().Add(enduring)); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestSlowCrowds: two thousand clients that are slow in each of three ways, all at
// once.
func TestSlowCrowds(t *testing.T) {
	const each, bound = 667, 200 << 20
	large := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", 8<<20, strings.Repeat("a", 8<<20)) // in one piece for all
	upstream := wire.Listen(t, func(c *wire.Conn) {
		for {
			r, err := c.Request()
			if err != nil {
				return
			}
			if r.URL.Path == "/large" {
				_, _ = c.Write(large) // cut when the reader is
			} else {
				c.Say(wire.OK)
			}
		}
	})
	s, client := flooded(t, upstream.URL(), "timeouts: {header: 3s, body_idle: 3s, write: 3s}\n")
	head := " HTTP/1.1\r\nHost: localhost\r\nX-API-Key: " + s.key + "\r\n"
	attack.Case(t, "FLOOD-01", attack.Gateway, func(t *testing.T) {
		var took time.Duration
		grown := s.grown(t, func() {
			var heads, bodies, readers []*wire.Client
			for range each {
				slow := lasting(t, s.gateway)
				slow.Send("GET /slow HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
				heads = append(heads, slow)
				stopping := lasting(t, s.gateway)
				stopping.Send("POST /body" + head + "Content-Length: 1000\r\n\r\nhello")
				bodies = append(bodies, stopping)
				deaf := lasting(t, s.gateway)
				deaf.Send("GET /large" + head + "\r\n")
				readers = append(readers, deaf)
			}
			took = s.good(t, "http", "/good", client)
			var dripping sync.WaitGroup
			for _, c := range heads { // a byte now and then, until the program closes
				dripping.Go(func() {
					for range 1000 {
						if _, err := io.WriteString(c, "a"); err != nil {
							return
						}
						<-time.After(100 * time.Millisecond)
					}
					t.Error("a head went on for 100 s")
				})
			}
			dripping.Wait()
			s.settle(t, "slow bodies and readers")
			for _, c := range bodies {
				if text, closed := c.Rest(); !closed || text != "" && !strings.HasPrefix(text, "HTTP/1.1 408 ") {
					t.Errorf("a body that stopped got %q, closed %v", text, closed)
					break
				}
			}
			for _, c := range readers[:20] { // megabytes each
				if text, closed := c.Rest(); !closed || len(text) >= len(large) {
					t.Errorf("a reader that did not read got %d bytes, closed %v", len(text), closed)
					break
				}
			}
		})
		t.Logf("3 times %d slow clients: %.1f MiB, a good client took %v", each, float64(grown)/(1<<20), took)
		if grown > bound {
			t.Errorf("memory grew by %d bytes, want %d at most", grown, bound)
		}
	})
}

// TestHandshakesThatAreNeverEnded: two thousand clients that begin one, some a byte
// at a time, and a good one among them.
func TestHandshakesThatAreNeverEnded(t *testing.T) {
	const crowd, bound = 2000, 100 << 20
	s, client := flooded(t, wire.Listen(t, wire.Answer(wire.OK)).URL(), "{TLS}\ntimeouts: {header: 5s}\nlog: {level: error}\n")
	hello := []byte{22, 3, 1, 1, 0, 1, 0, 0, 252, 3, 3} // its head, and what a hello begins with
	attack.Case(t, "TLS-11", attack.Gateway, func(t *testing.T) {
		var took time.Duration
		grown := s.grown(t, func() {
			all := make([]*wire.Client, crowd)
			for i := range all {
				all[i] = lasting(t, s.gateway)
				if i%2 == 0 {
					all[i].Send(string(hello))
				}
			}
			took = s.good(t, "https", "/good", client)
			var ended sync.WaitGroup
			for i, c := range all {
				ended.Go(func() {
					for i%100 == 0 { // a byte now and then, until the program closes
						if _, err := c.Write([]byte{0}); err != nil {
							return
						}
						<-time.After(100 * time.Millisecond)
					}
					if text, closed := c.Rest(); !closed || text != "" {
						t.Errorf("a handshake that was never ended got %q, closed %v", text, closed)
					}
				})
			}
			ended.Wait()
		})
		s.good(t, "https", "/good", client)
		t.Logf("%d handshakes: %.1f MiB, a good client took %v", crowd, float64(grown)/(1<<20), took)
		if grown > bound {
			t.Errorf("memory grew by %d bytes, want %d at most", grown, bound)
		}
	})
}

// TestIdleConnectionsOverTLS: ten thousand that shook hands and ask for nothing,
// half of them over HTTP/2.
func TestIdleConnectionsOverTLS(t *testing.T) {
	s, client := flooded(t, wire.Listen(t, wire.Answer(wire.OK)).URL(), "{TLS}\ntimeouts: {header: 10m, idle: 1h}\nlog: {level: error}\n")
	attack.Case(t, "FLOOD-02", attack.Gateway, func(t *testing.T) {
		crowd := make([]*tls.Conn, connections)
		var all sync.WaitGroup
		for part := range 8 {
			cfg := client.Clone()
			cfg.CurvePreferences = []tls.CurveID{tls.X25519} // the quickest: keys are gone when a connection is idle
			cfg.ClientSessionCache = nil
			if part%2 == 0 {
				cfg.NextProtos = []string{"h2"}
			}
			all.Go(func() {
				for i := part; i < connections; i += 8 {
					c, err := secured(t.Context(), s.gateway, cfg)
					if err != nil {
						t.Errorf("connection %d: %v", i, err)
						return
					}
					crowd[i] = c
				}
			})
		}
		all.Wait()
		if t.Failed() {
			return
		}
		t.Cleanup(func() {
			for _, c := range crowd {
				_ = c.NetConn().Close()
			}
		})
		took := s.good(t, "https", "/good", client)
		rss := s.resident(t)
		t.Logf("%d idle connections over TLS: %.1f MiB, a good client took %v", connections, float64(rss)/(1<<20), took)
		if rss > maxSecured {
			t.Errorf("%d idle connections over TLS take %d bytes, want %d at most", connections, rss, maxSecured)
		}
		for _, c := range crowd { // all are still there, or it was not they who were weighed
			if err := c.SetReadDeadline(time.Now()); err != nil {
				t.Fatal(err)
			}
			if _, err := c.NetConn().Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatalf("an idle connection ended: %v", err)
			}
		}
	})
}

// secured shakes hands and, over HTTP/2, says what a client says first.
func secured(ctx context.Context, address string, cfg *tls.Config) (*tls.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, enduring)
	defer cancel()
	conn, err := (&tls.Dialer{Config: cfg}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	c := conn.(*tls.Conn) //nolint:errcheck,forcetypeassert // what a tls.Dialer makes
	if c.ConnectionState().NegotiatedProtocol == "h2" {
		_, err = io.WriteString(c, http2.ClientPreface)
		return c, errors.Join(err, http2.NewFramer(c, nil).WriteSettings())
	}
	return c, nil
}

// TestHeadsWithoutMeasure: heads that are too large, from many at once, and many
// requests in one piece.
func TestHeadsWithoutMeasure(t *testing.T) {
	const crowd, bound = 200, 64 << 20
	upstream := wire.Listen(t, func(c *wire.Conn) {
		for {
			r, err := c.Request()
			if err != nil {
				return
			}
			c.Say("HTTP/1.1 200 OK\r\nContent-Length: " + strconv.Itoa(len(r.URL.Path)) + "\r\n\r\n" + r.URL.Path)
		}
	})
	s, client := flooded(t, upstream.URL(), "log: {level: error}\n")
	var fields strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&fields, "X-Field-%d: value\r\n", i)
	}
	attack.Case(t, "FLOOD-03", attack.Gateway, func(t *testing.T) {
		for name, head := range map[string]string{"10,000 fields": fields.String(), "1 MiB": "X-A: " + strings.Repeat("a", 1<<20) + "\r\n"} {
			var took time.Duration
			grown := s.grown(t, func() {
				var all sync.WaitGroup
				for range crowd {
					c := lasting(t, s.gateway)
					all.Go(func() {
						go c.Send("GET /a HTTP/1.1\r\nHost: localhost\r\nX-API-Key: " + s.key + "\r\n" + head + "\r\n") // the answer may come before its end
						if w, _ := c.Response(http.MethodGet); w != nil && w.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
							t.Errorf("%s: %d, want 431", name, w.StatusCode)
						}
						_ = c.Close()
					})
				}
				took = s.good(t, "http", "/good", client)
				all.Wait()
			})
			t.Logf("%s, %d at once: %.1f MiB, a good client took %v", name, crowd, float64(grown)/(1<<20), took)
			if grown > bound {
				t.Errorf("%s: memory grew by %d bytes, want %d at most", name, grown, bound)
			}
			c := lasting(t, s.gateway) // alone, what it is told arrives
			go c.Send("GET /a HTTP/1.1\r\nHost: localhost\r\n" + head)
			if w, _ := c.Response(http.MethodGet); w == nil || w.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
				t.Errorf("%s: %v, want 431", name, w)
			}
		}
		const piece = 1000
		var all strings.Builder
		for i := range piece {
			fmt.Fprintf(&all, "GET /%d HTTP/1.1\r\nHost: localhost\r\nX-API-Key: %s\r\n\r\n", i, s.key)
		}
		grown := s.grown(t, func() {
			c := lasting(t, s.gateway)
			go c.Send(all.String())
			for i := range piece {
				if w, body := c.Response(http.MethodGet); w == nil || body != "/"+strconv.Itoa(i) {
					t.Fatalf("request %d got %v %q", i, w, body)
				}
			}
		})
		t.Logf("%d requests in one piece: %.1f MiB", piece, float64(grown)/(1<<20))
		if grown > bound {
			t.Errorf("memory grew by %d bytes, want %d at most", grown, bound)
		}
	})
}

// TestMoreConnectionsThanTheLimit: those beyond it wait, and lose nothing.
func TestMoreConnectionsThanTheLimit(t *testing.T) {
	const limit = 20
	upstream := wire.Listen(t, wire.Answer(wire.OK))
	s, _ := flooded(t, upstream.URL(), fmt.Sprintf("limits: {connections: %d}\ntimeouts: {idle: 1h}\n", limit))
	head := "GET /a HTTP/1.1\r\nHost: localhost\r\nX-API-Key: " + s.key + "\r\n\r\n"
	attack.Case(t, "FLOOD-07", attack.Gateway, func(t *testing.T) {
		holders := make([]*wire.Client, limit)
		for i := range holders {
			holders[i] = lasting(t, s.gateway)
			holders[i].Send(head)
			if w, body := holders[i].Response(http.MethodGet); w == nil || body != "ok" {
				t.Fatalf("connection %d got %v", i, w)
			}
		}
		waiting := make([]*wire.Client, limit)
		for i := range waiting {
			waiting[i] = lasting(t, s.gateway)
			waiting[i].Send(head)
		}
		s.settle(t, "the admin listener beside a full gateway")
		answered := make(chan int, limit)
		for i, c := range waiting {
			go func() {
				if w, body := c.Response(http.MethodGet); w == nil || body != "ok" {
					t.Errorf("waiting connection %d got %v", i, w)
				}
				answered <- i
				_ = c.Close()
			}()
		}
		select {
		case i := <-answered:
			t.Errorf("connection %d beyond the limit was answered", i)
		case <-time.After(300 * time.Millisecond):
		}
		_ = holders[0].Close() // one place is enough for all, one after the other
		for range waiting {
			<-answered
		}
	})
}

// repeated is a frame of HTTP/2 as it is sent, n times.
func repeated(n int, kind http2.FrameType, stream uint32, payload []byte) []byte {
	one := []byte{byte(len(payload) >> 16), byte(len(payload) >> 8), byte(len(payload)), byte(kind), 0}
	one = append(binary.BigEndian.AppendUint32(one, stream), payload...)
	return slices.Concat(slices.Repeat([][]byte{one}, n)...)
}

// TestHTTP2FloodsThroughTheGateway: each from four connections, until the program
// closes them or for so many rounds.
func TestHTTP2FloodsThroughTheGateway(t *testing.T) {
	const attackers, bound = 4, 64 << 20
	release := make(chan struct{})
	large := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", 1<<20, strings.Repeat("a", 1<<20))
	upstream := wire.Listen(t, func(c *wire.Conn) {
		for {
			r, err := c.Request()
			if err != nil {
				return
			}
			switch r.URL.Path {
			case "/stuck":
				<-release
				c.Say(wire.OK)
			case "/large":
				_, _ = c.Write(large)
			default:
				c.Say(wire.OK)
			}
		}
	})
	defer close(release)
	s, client := flooded(t, upstream.URL(), "{TLS}\ntimeouts: {idle: 2s, write: 2s}\nlog: {level: error}\n")
	literal := append([]byte{0, 1, 'a', 0x7f, 0x81, 0x7c}, slices.Repeat([]byte{'a'}, 16_000)...) // a: 16,000 bytes, not indexed
	reset := func(path, key string) func(h *wire.HTTP2, i int) error {
		return func(h *wire.HTTP2, i int) error {
			id := uint32(2*i + 1)
			if err := h.SendRequest(id, "-", wire.Getting(":path", path, "x-api-key", key)...); err != nil {
				return err
			}
			return h.WriteRSTStream(id, http2.ErrCodeCancel)
		}
	}
	attack.Case(t, "TLS-12", attack.Gateway, func(t *testing.T) {
		for _, f := range []struct {
			name   string
			rounds int
			round  func(h *wire.HTTP2, i int) error
		}{
			{"rapid reset, without a key", 5000, reset("/a", "wrong")},
			{"rapid reset, of an upstream that answers", 5000, reset("/a", s.key)},
			{"rapid reset, of an upstream that does not", 5000, reset("/stuck", s.key)},
			{"CONTINUATION without end", 20_000, func(h *wire.HTTP2, i int) error {
				if i == 0 {
					return h.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: h.Block(wire.Getting()...)})
				}
				_, err := h.Write(repeated(1, http2.FrameContinuation, 1, literal))
				return err
			}},
			{"empty CONTINUATION without end", 2000, func(h *wire.HTTP2, i int) error {
				if i == 0 {
					return h.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: h.Block(wire.Getting()...)})
				}
				_, err := h.Write(repeated(1000, http2.FrameContinuation, 1, nil))
				return err
			}},
			{"SETTINGS that nobody waits for", 500, func(h *wire.HTTP2, _ int) error {
				_, err := h.Write(repeated(1000, http2.FrameSettings, 0, nil))
				return err
			}},
			{"PING that nobody waits for", 500, func(h *wire.HTTP2, _ int) error {
				_, err := h.Write(repeated(1000, http2.FramePing, 0, make([]byte, 8)))
				return err
			}},
			{"a small head that grows: HPACK", 100, func(h *wire.HTTP2, i int) error {
				block := slices.Clone(h.Block(wire.Getting("bomb", strings.Repeat("b", 3900))...))
				for len(block) < 16_000 {
					block = append(block, 0x80|62) // the newest entry of the table, again
				}
				return h.WriteHeaders(http2.HeadersFrameParam{StreamID: uint32(2*i + 1), BlockFragment: block, EndHeaders: true, EndStream: true})
			}},
			{"answers that the window has no room for", 300, func(h *wire.HTTP2, i int) error {
				if i == 0 {
					if err := h.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0}); err != nil {
						return err
					}
				}
				return h.SendRequest(uint32(2*i+1), "", wire.Getting(":path", "/large", "x-api-key", s.key)...)
			}},
		} {
			var took time.Duration
			grown := s.grown(t, func() {
				var all sync.WaitGroup
				for range attackers {
					h := wire.DialHTTP2(t, s.gateway, client, enduring)
					all.Go(func() {
						for i := range f.rounds {
							if f.round(h, i) != nil {
								break
							}
						}
						_, _ = io.Copy(io.Discard, h) // until the program closes
						_ = h.Close()
					})
				}
				took = s.good(t, "https", "/good", client)
				all.Wait()
				s.settle(t, f.name)
			})
			t.Logf("%s: %.1f MiB, a good client took %v", f.name, float64(grown)/(1<<20), took)
			if grown > bound {
				t.Errorf("%s: memory grew by %d bytes, want %d at most", f.name, grown, bound)
			}
		}
	})
}
