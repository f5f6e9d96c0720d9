package server_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/wire"
)

func TestABodyIsNotReadForARefusedRequest(t *testing.T) {
	upstream := wire.Listen(t, wire.Answer(wire.OK))
	p := start(t, upstream.URL(), settings{})
	tests := []struct {
		name, head, body string
		status           int
	}{
		{"expects 100", "Content-Length: 10\r\nExpect: 100-continue\r\n", "", 401},
		{"1 GiB declared", "Content-Length: 1073741824\r\n", strings.Repeat("a", 64<<10), 413},
		{"1 GiB in chunks", "Transfer-Encoding: chunked\r\n", "10000\r\n" + strings.Repeat("a", 64<<10), 401},
		{"5 declared, none sent", "Content-Length: 5\r\n", "", 401},
	}
	attack.Case(t, "PROXY-12", attack.Gateway, func(t *testing.T) {
		for _, tt := range tests {
			before := heap()
			c := wire.Dial(t, p.gateway)
			begin := time.Now()
			c.Send("POST /a HTTP/1.1\r\nHost: localhost\r\n" + tt.head + "\r\n" + tt.body)
			response, _ := c.Response("POST")
			took := time.Since(begin)
			if response == nil || response.StatusCode != tt.status || !response.Close {
				t.Errorf("%s: response = %v, want %d and Connection: close", tt.name, response, tt.status)
			}
			if took > 100*time.Millisecond {
				t.Errorf("%s: answered after %v, want 100 ms at most", tt.name, took)
			}
			if _, closed := c.Rest(); !closed {
				t.Errorf("%s: the connection stays open", tt.name)
			}
			if grown := int64(heap()) - int64(before); grown > 4<<20 {
				t.Errorf("%s: memory grew by %d bytes", tt.name, grown)
			}
		}
		if got := upstream.Received(); len(got) > 0 {
			t.Errorf("the upstream read %q", got)
		}
	})
}

// heap returns the bytes in use after a collection.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}

func TestARefusedExpectationIsNoSecondRequest(t *testing.T) {
	upstream := wire.Listen(t, wire.Answer(wire.OK))
	p := start(t, upstream.URL(), settings{})
	inner := "GET /inner HTTP/1.1\r\nHost: localhost\r\nX-API-Key: " + p.key + "\r\n\r\n"
	attack.Case(t, "SMUG-23", attack.Gateway, func(t *testing.T) {
		c := wire.Dial(t, p.gateway)
		c.Send(fmt.Sprintf("POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n%s", len(inner), inner))
		wantOneRefusal(t, c, upstream)
	})
	attack.Case(t, "SMUG-24", attack.Gateway, func(t *testing.T) {
		c := wire.Dial(t, p.gateway)
		c.Send("POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhello")
		response, _ := c.Response("POST")
		if response == nil || response.StatusCode != 401 {
			t.Fatalf("response = %v, want 401", response)
		}
		c.Send("world" + inner)
		if rest, closed := c.Rest(); strings.Contains(rest, "HTTP/1") || !closed {
			t.Errorf("after the refusal came %q, closed %v", rest, closed)
		}
		if got := requestLines(upstream); len(got) > 0 {
			t.Errorf("the upstream read %q", got)
		}
	})
	for id, head := range map[string]string{"SMUG-23": "Expect: 100-continue\r\n", "SMUG-24": ""} {
		attack.Case(t, id, attack.Admin, func(t *testing.T) {
			c := wire.Dial(t, p.admin)
			c.Send(fmt.Sprintf("POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n%s\r\n%s", len(inner), head, inner))
			wantOneRefusal(t, c, upstream)
		})
	}
}

// wantOneRefusal reads one refusal and the end of the connection.
func wantOneRefusal(t *testing.T, c *wire.Client, upstream *wire.Upstream) {
	t.Helper()
	response, _ := c.Response("POST")
	if response == nil || response.StatusCode < 400 {
		t.Fatalf("response = %v, want a refusal", response)
	}
	if rest, closed := c.Rest(); strings.Contains(rest, "HTTP/1") || !closed {
		t.Errorf("after the refusal came %q, closed %v", rest, closed)
	}
	if got := requestLines(upstream); len(got) > 0 {
		t.Errorf("the upstream read %q", got)
	}
}
