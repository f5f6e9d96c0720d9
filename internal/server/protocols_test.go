package server_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/net/http2"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/internal/server"
	"github.com/warder-dev/warder/internal/wire"
)

// TestProtocolsThatThePortDoesNotSpeak sends the gateway another protocol than it
// speaks there.
func TestProtocolsThatThePortDoesNotSpeak(t *testing.T) {
	upstream := wire.Listen(t, wire.Answer(wire.OK))
	const routes = "routes:\n  - {match: '/', upstream: api, public: true}\n"
	yaml, client := overTLS(t)
	encrypted := start(t, upstream.URL(), settings{yaml: yaml + routes})
	plain := start(t, upstream.URL(), settings{yaml: routes})
	const get = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"

	attack.Case(t, "TLS-13", attack.Gateway, func(t *testing.T) {
		c := wire.Dial(t, plain.gateway)
		c.Send(http2.ClientPreface)
		w, _ := c.Response(http.MethodGet)
		if _, closed := c.Rest(); w == nil || w.ProtoMajor != 1 || w.StatusCode < 400 || w.StatusCode == 500 || !closed {
			t.Errorf("the preface: %+v, closed %v, want a refusal of HTTP/1.1 and a close", w, closed)
		}
		c = wire.Dial(t, plain.gateway)
		c.Send("GET /upgraded HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n")
		if w, _ := c.Response(http.MethodGet); w == nil || w.ProtoMajor != 1 || w.StatusCode == http.StatusSwitchingProtocols {
			t.Errorf("Upgrade: %+v, want an answer of HTTP/1.1", w)
		}
		if sent := strings.Join(upstream.Received(), ""); strings.Contains(sent, "PRI") || strings.Contains(strings.ToLower(sent), "h2c") || strings.Contains(strings.ToLower(sent), "http2-settings") {
			t.Errorf("the upstream was sent %q", sent)
		}
	})
	attack.Case(t, "TLS-16", attack.Gateway, func(t *testing.T) {
		for _, text := range []string{get, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n"} {
			c := wire.Dial(t, encrypted.gateway)
			c.Send(text)
			w, body := c.Response(http.MethodGet)
			if _, closed := c.Rest(); w == nil || w.StatusCode != http.StatusBadRequest || len(body) > 100 || !closed {
				t.Errorf("plain HTTP: %+v %q, closed %v, want a short 400 and a close", w, body, closed)
			}
		}
		c := wire.Dial(t, plain.gateway)
		c.Send(helloOf(t, client))
		w, body := c.Response(http.MethodGet)
		if _, closed := c.Rest(); w == nil || w.StatusCode != http.StatusBadRequest || len(body) > 100 || !closed {
			t.Errorf("TLS: %+v %q, closed %v, want a short 400 and a close", w, body, closed)
		}
		for _, p := range []*program{encrypted, plain} {
			eventually(t, func() (struct{}, bool) {
				n := p.metric(t, "warder_http_refused_total")
				return struct{}{}, n != "" && n != "0"
			})
		}
	})
}

// helloOf is what a client begins a handshake with.
func helloOf(t *testing.T, client *tls.Config) string {
	t.Helper()
	ours, theirs := net.Pipe()
	go func() {
		_ = tls.Client(theirs, client).HandshakeContext(t.Context()) // there is no server
		_ = theirs.Close()
	}()
	head := make([]byte, 5)
	if _, err := io.ReadFull(ours, head); err != nil {
		t.Fatal(err)
	}
	body := make([]byte, int(head[3])<<8|int(head[4]))
	if _, err := io.ReadFull(ours, body); err != nil {
		t.Fatal(err)
	}
	_ = ours.Close()
	return string(head) + string(body)
}

// TestForwardedFieldsOverAUnixSocket: who connects by the socket's file is believed
// where forwarded.trust_unix_socket says so, and nowhere else.
func TestForwardedFieldsOverAUnixSocket(t *testing.T) {
	upstream := wire.Listen(t, wire.Answer(wire.OK))
	attack.Case(t, "IP-10", attack.Gateway, func(t *testing.T) {
		for _, tt := range []struct {
			name, trust string
			claims      string
			upstream    string // a part of what the upstream reads
			hides       string // and what it does not
		}{
			{"by word", "true", "203.0.113.9", "X-Forwarded-For: 203.0.113.9\r\n", "X-Forwarded-Proto: http\r\n"},
			{"by word, a listed hop", "true", "198.51.100.7, 203.0.113.9, 10.0.0.2", "X-Forwarded-For: 203.0.113.9\r\n", "198.51.100.7"},
			{"not said", "false", "203.0.113.9", "X-Forwarded-Proto: http\r\n", "203.0.113.9"},
		} {
			socket := filepath.Join(t.TempDir(), "s")
			start(t, upstream.URL(), settings{
				flags: map[string]string{"listen": "unix:" + socket},
				yaml: "forwarded: {from: x-forwarded-for, trusted_proxies: [10.0.0.0/8], trust_unix_socket: " + tt.trust + ", proto: true}\n" +
					"routes:\n  - {match: '/', upstream: api, public: true}\n",
			})
			transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "unix", socket)
			}}
			before := upstream.Received()
			r := newRequest(t, "http://api.test/")
			r.Header.Set("X-Forwarded-For", tt.claims)
			r.Header.Set("X-Forwarded-Proto", "https")
			w, err := transport.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = w.Body.Close()
			if sent := news(before, upstream.Received()); w.StatusCode != http.StatusOK || !strings.Contains(sent, tt.upstream) || strings.Contains(sent, tt.hides) {
				t.Errorf("%s: %d, the upstream was sent %q", tt.name, w.StatusCode, sent)
			}
		}
	})
}

// TestUnixSockets: what is left of a program that was killed is replaced, and
// nothing else.
func TestUnixSockets(t *testing.T) {
	folder := t.TempDir()
	at := func(name string) (*config.Config, string) {
		path := filepath.Join(folder, name)
		cfg, err := config.Load(config.Source{Flags: map[string]string{"listen": "unix:" + path, "admin-listen": "off", "upstream": "http://127.0.0.1:1"}})
		if err != nil {
			t.Fatal(err)
		}
		return cfg, path
	}
	cfg, path := at("s")
	left, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: path})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := server.Listen(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "listen: "+path+" is in use by another program") {
		t.Errorf("one that is in use: %v", err)
	}
	left.SetUnlinkOnClose(false)
	if err := left.Close(); err != nil {
		t.Fatal(err)
	}
	listeners, err := server.Listen(t.Context(), cfg)
	if err != nil {
		t.Fatalf("one that was left behind: %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("%v, %v, want rw for owner and group", info, err)
	}
	listeners.Close()
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
	cfg, path = at("file")
	if err := os.WriteFile(path, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := server.Listen(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "is there, and is no socket") {
		t.Errorf("a file: %v", err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "text" {
		t.Errorf("the file was changed: %q, %v", text, err)
	}
	cfg, _ = at("none/s")
	if _, err := server.Listen(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "there is no folder") {
		t.Errorf("no folder: %v", err)
	}
}
