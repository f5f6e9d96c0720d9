package httpserver_test

import (
	"bufio"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/http2"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/forwarded"
	"github.com/warder-dev/warder/httpserver"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/wire"
	"github.com/warder-dev/warder/target"
	"github.com/warder-dev/warder/upstream"
)

// proxied is what stands before an upstream, and the upstream.
func proxied(t *testing.T) (http.Handler, *wire.Upstream) {
	t.Helper()
	behind := wire.Listen(t, wire.Answer(wire.OK))
	proxy, err := upstream.New(upstream.Config{URL: behind.URL(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.CloseIdleConnections)
	paths, err := target.New(target.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return forwarded.Direct().Wrap(paths.Wrap(proxy)), behind
}

func TestHTTP2Requests(t *testing.T) {
	handler, behind := proxied(t)
	cfg, client := secured(t, httpserver.Config{Handler: handler})
	s, addr := start(t, cfg)
	attack.Case(t, "PROXY-17", attack.Library, func(t *testing.T) {
		for _, tt := range wire.HTTP2Shapes() {
			before := whole(behind)
			r := dialRaw(t, addr, client)
			if err := r.send(1, tt.Body, tt.Fields...); err != nil {
				t.Fatal(err)
			}
			got := r.await(1)
			_ = r.Close()
			told := strings.TrimPrefix(whole(behind), before)
			switch {
			case tt.Sent != "" && (got.status != "200" || !strings.Contains(told, tt.Sent)):
				t.Errorf("%s: got %+v; the upstream was sent %q, want %q in it", tt.Name, got, told, tt.Sent)
			case tt.Sent == "" && !got.reset && !got.closed && !refusal2(got.status):
				t.Errorf("%s: got %+v, want a refusal", tt.Name, got)
			case tt.Sent == "" && complete(told):
				t.Errorf("%s: the upstream was sent a whole request: %q", tt.Name, told)
			}
			if strings.Contains(strings.ToLower(told), "x-owner") || strings.Count(strings.ToLower(told), "\r\nhost:") > 1 {
				t.Errorf("%s: the upstream was sent %q", tt.Name, told)
			}
		}
	})
	if s.Refused() == 0 {
		t.Error("malformed requests were not counted")
	}
}

// whole is all that the upstream was sent. Connections come in order, and each
// of this test's carries one request.
func whole(u *wire.Upstream) string { return strings.Join(u.Received(), "") }

// complete reports whether sent is a request with all of its body.
func complete(sent string) bool {
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(sent)))
	if err != nil {
		return false
	}
	_, err = io.Copy(io.Discard, r.Body)
	return err == nil
}

func refusal2(status string) bool {
	return slices.Contains([]string{"400", "405", "501", "502"}, status)
}

func TestASecondRequestOverHTTP2IsJudgedToo(t *testing.T) {
	cfg, client := secured(t, httpserver.Config{Handler: edge(t)})
	_, addr := start(t, cfg)
	r := dialRaw(t, addr, client)
	for i, want := range []string{"200", "400", "200"} {
		id := uint32(2*i + 1)
		fields := getting()
		if want == "400" {
			fields = getting("host", "evil.example")
		}
		if err := r.send(id, "", fields...); err != nil {
			t.Fatal(err)
		}
		if got := r.await(id); got.status != want {
			t.Errorf("request %d: got %+v, want %s", i, got, want)
		}
	}
}

func TestHTTP2WithoutTLS(t *testing.T) {
	const upgrade = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
	plain := []string{":method", "GET", ":scheme", "http", ":authority", "a", ":path", "/"}
	_, off := start(t, httpserver.Config{Handler: edge(t)})
	_, on := start(t, httpserver.Config{Handler: edge(t), InsecureH2C: true})
	attack.Case(t, "TLS-13", attack.Library, func(t *testing.T) {
		conn := dial(t, off)
		write(t, conn, http2.ClientPreface)
		reader := bufio.NewReader(conn)
		if w, _ := answer(t, reader); !refusal(w.StatusCode) || w.ProtoMajor != 1 || !closed(reader) {
			t.Errorf("the preface: status %d of HTTP/%d, want a refusal of HTTP/1.1 and a close", w.StatusCode, w.ProtoMajor)
		}
		for name, addr := range map[string]string{"off": off, "on": on} {
			conn := dial(t, addr)
			write(t, conn, upgrade)
			if w, body := answer(t, bufio.NewReader(conn)); w.StatusCode != 200 || w.ProtoMajor != 1 || body != "judged GET a /" {
				t.Errorf("%s: Upgrade: %d %q of HTTP/%d, want the answer of HTTP/1.1", name, w.StatusCode, body, w.ProtoMajor)
			}
		}
		r := begin(t, dial(t, on))
		if err := r.send(1, "", plain...); err != nil {
			t.Fatal(err)
		}
		if got := r.await(1); got.status != "200" || got.body != "judged GET a /" {
			t.Errorf("asked for: %+v, want an answer", got)
		}
	})
	if _, err := httpserver.New(httpserver.Config{Handler: edge(t), InsecureH2C: true, MaxStreams: 1001}); err == nil || !strings.Contains(err.Error(), "MaxStreams") {
		t.Errorf("New: %v does not name MaxStreams", err)
	}
}

func TestTheWrongProtocolOnAPort(t *testing.T) {
	cfg, client := secured(t, httpserver.Config{Handler: http.HandlerFunc(hello)})
	s, encrypted := start(t, cfg)
	_, plain := start(t, httpserver.Config{Handler: http.HandlerFunc(hello)})
	attack.Case(t, "TLS-16", attack.Library, func(t *testing.T) {
		for _, text := range []string{get, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n", http2.ClientPreface} {
			conn := dial(t, encrypted)
			write(t, conn, text)
			r := bufio.NewReader(conn)
			if strings.HasPrefix(text, "PRI") {
				if !closed(r) {
					t.Error("the preface of HTTP/2 got an answer")
				}
				continue
			}
			w, body := answer(t, r)
			if w.StatusCode != 400 || len(body) > 100 || !closed(r) {
				t.Errorf("plain HTTP: %d %q, want a short 400 and a close", w.StatusCode, body)
			}
		}
		until(t, "they are counted", func() bool { return s.Refused() == 3 })

		conn := dial(t, plain)
		hello, rest := recordHello(t, client)
		write(t, conn, hello+rest)
		r := bufio.NewReader(conn)
		if w, body := answer(t, r); w.StatusCode != 400 || len(body) > 100 || !closed(r) {
			t.Errorf("TLS: %d %q, want a short 400 and a close", w.StatusCode, body)
		}
	})
}

func TestTheNameOfTheHandshake(t *testing.T) {
	all, err := httpserver.NewSNI(httpserver.SNIConfig{})
	if err != nil {
		t.Fatal(err)
	}
	some, err := httpserver.NewSNI(httpserver.SNIConfig{Hosts: []string{"a.example", "*.in.example"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := httpserver.NewSNI(httpserver.SNIConfig{Hosts: []string{"A", "a:1", "*", ""}}); err == nil || strings.Count(err.Error(), "SNI host") != 4 {
		t.Errorf("NewSNI: %v, want four errors", err)
	}
	if _, err := httpserver.NewSNI(httpserver.SNIConfig{Hosts: []string{"a.example"}, Same: func(string, string) bool { return true }}); err == nil || !strings.Contains(err.Error(), "Hosts and Same") {
		t.Errorf("NewSNI: %v, want an error about Hosts and Same", err)
	}
	asked := ""
	same, err := httpserver.NewSNI(httpserver.SNIConfig{Same: func(name, host string) bool {
		asked += name + ">" + host + " "
		return host == "b.example"
	}})
	if err != nil {
		t.Fatal(err)
	}
	attack.Case(t, "TLS-06", attack.Library, func(t *testing.T) {
		for _, tt := range []struct {
			asked, host string
			listed      bool
			want        bool
		}{
			{"a.example", "a.example", false, true},
			{"A.example", "a.EXAMPLE.:8443", false, true},
			{"A.example", "B.example.:8443", false, true},
			{"a.example", "c.example", false, false},
			{"", "c.example", false, false},
			{"a.example", "c.example", true, true},
		} {
			x := arrived(tt.asked, tt.host)
			x.PeerListed = tt.listed
			if v := same.Check(x); v.Passed() != tt.want {
				t.Errorf("%q in a handshake for %q, from a listed peer %v: passed %v", tt.host, tt.asked, tt.listed, v.Passed())
			}
		}
		if want := "a.example>b.example a.example>c.example >c.example "; asked != want {
			t.Errorf("it was asked %q, want %q", asked, want)
		}
		for _, tt := range []struct {
			name, asked, host string
			all, some         bool // passes
		}{
			{"the same", "a.example", "a.example", true, true},
			{"other case, port and dot", "A.example", "a.EXAMPLE.:8443", true, true},
			{"a listed host beneath another's handshake", "b.example", "a.example", false, false},
			{"another host beneath a listed one's handshake", "a.example", "b.example", false, false},
			{"a wildcard's host beneath another's handshake", "b.example", "x.in.example", false, false},
			{"what a wildcard does not match", "b.example", "x.y.in.example", false, true},
			{"neither is listed", "b.example", "c.example", false, true},
			{"no name, listed host", "", "a.example", false, false},
			{"no name, other host", "", "b.example", false, true},
			{"no name, an address", "", "192.0.2.1:443", true, true},
			{"no name, an IPv6 address", "", "[2001:db8::1]:443", true, true},
			{"a name, and an address as host", "a.example", "192.0.2.1", false, false},
			{"a name, and no host", "a.example", "", false, false},
		} {
			for _, stage := range []struct {
				name string
				*httpserver.SNI
				want bool
			}{{"all", all, tt.all}, {"some", some, tt.some}} {
				v := stage.Check(arrived(tt.asked, tt.host))
				if v.Passed() != stage.want || !v.Passed() && v.Problem().Type.Status() != 421 {
					t.Errorf("%s, %s: passed %v, %v", tt.name, stage.name, v.Passed(), v.Problem())
				}
			}
		}
		handler := all.Wrap(http.HandlerFunc(hello))
		cfg, client := secured(t, httpserver.Config{Handler: handler})
		_, addr := start(t, cfg)
		client.ServerName = "a.example"
		r := dialRaw(t, addr, client)
		for i, want := range []string{"200", "421"} {
			id := uint32(2*i + 1)
			if err := r.send(id, "", getting(":authority", []string{"a.example", "b.example"}[i])...); err != nil {
				t.Fatal(err)
			}
			if got := r.await(id); got.status != want {
				t.Errorf("request %d: got %+v, want %s", i, got, want)
			}
		}
		x := exchange.New(mustRequest(t, "b.example"))
		if v := all.Check(x); !v.Passed() {
			t.Error("a request without TLS was refused")
		}
	})
}
