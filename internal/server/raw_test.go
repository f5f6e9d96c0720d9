package server_test

import (
	"bufio"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/wire"
)

// dialFrom is wire.Dial from an address of the loopback network.
func dialFrom(t *testing.T, local, addr string) *wire.Client {
	t.Helper()
	conn, err := dialer(local).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return clientOn(conn)
}

// clientOn sends and reads over conn byte by byte.
func clientOn(conn net.Conn) *wire.Client {
	return &wire.Client{Conn: conn, Reader: bufio.NewReader(conn)}
}

// A shot is one request, sent byte by byte over a connection of its own, and what
// has to come of it at both ends.
type shot struct {
	name string
	line string // such as "GET /a"; "" for "GET /"
	head string // fields, each with its line end
	from string // address of the client; "" for 127.0.0.1
	want int    // status

	upstream string   // a part of what the upstream reads; "" when that does not matter
	hides    []string // what the upstream does not read
	answer   []string // fields of the answer, "Name: value"; the value "-" means that the field is not there
}

// A shootingRange is where shots are fired: a program with its upstream.
type shootingRange struct {
	*program
	upstream *wire.Upstream
}

// newRange starts a program with the configuration, in front of an upstream that
// answers with text.
func newRange(t *testing.T, yaml, text string) shootingRange {
	t.Helper()
	upstream := wire.Listen(t, wire.Answer(text))
	return shootingRange{start(t, upstream.URL(), settings{yaml: yaml}), upstream}
}

// fire fires the shots of a case of the catalogue. {K} stands for a good key.
func (r shootingRange) fire(t *testing.T, id string, shots []shot) {
	t.Helper()
	attack.Case(t, id, attack.Gateway, func(t *testing.T) {
		for _, s := range shots {
			r.one(t, s)
		}
	})
}

// one fires a shot, and returns the id of its request; "" when the answer has none, or
// is not the one that was wanted.
func (r shootingRange) one(t *testing.T, s shot) (id string) {
	t.Helper()
	if s.line == "" {
		s.line = "GET /"
	}
	if s.from == "" {
		s.from = "127.0.0.1"
	}
	if !strings.Contains(s.line, " HTTP/") {
		s.line += " HTTP/1.1"
	}
	before := len(strings.Join(r.upstream.Received(), ""))
	client := dialFrom(t, s.from, r.gateway)
	defer client.Close()
	client.Send(strings.ReplaceAll(s.line+"\r\n"+s.head+"\r\n", "{K}", r.key))
	method, _, _ := strings.Cut(s.line, " ")
	w, body := client.Response(method)
	if w == nil || w.StatusCode != s.want {
		t.Errorf("%s: %v, want %d: %.200s", s.name, w, s.want, body)
		return ""
	}
	got := strings.Join(r.upstream.Received(), "")[before:]
	if !strings.Contains(got, s.upstream) {
		t.Errorf("%s: the upstream read %q, want %q in it", s.name, got, s.upstream)
	}
	if (w.StatusCode >= http.StatusMultipleChoices || w.StatusCode == http.StatusNoContent) && got != "" { // the tests' upstreams never answer 204
		t.Errorf("%s: the upstream was asked: %q", s.name, got)
	}
	for _, text := range s.hides {
		if strings.Contains(got, text) {
			t.Errorf("%s: the upstream read %q in %q", s.name, text, got)
		}
	}
	for _, line := range s.answer {
		name, want, _ := strings.Cut(line, ": ")
		values, there := w.Header[http.CanonicalHeaderKey(name)]
		if name == "Connection" && w.Close {
			values, there = []string{"close"}, true // net/http reads it and takes it out
		}
		if got := strings.Join(values, "|"); want == "-" && there || want != "-" && got != want {
			t.Errorf("%s: the answer has %s %q, want %q", s.name, name, got, want)
		}
	}
	return w.Header.Get("X-Request-Id")
}

// logged stops the program and returns all that it logged, which must say what so
// many times at least.
func (p *program) logged(t *testing.T, what string, times int) string {
	t.Helper()
	text := p.log(t)
	if strings.Count(text, what) < times {
		t.Errorf("the log does not say %s %d times", what, times)
	}
	return text
}
