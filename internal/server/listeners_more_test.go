package server_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/internal/server"
	"github.com/warder-dev/warder/internal/wire"
	"github.com/warder-dev/warder/usage"
	"github.com/warder-dev/warder/usage/tally"
)

// listening opens a socket that is passed to a program.
func listening(t *testing.T, network, address string) net.Listener {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// TestListenersOfEverySort: a Unix socket, one behind a load balancer, and one that was
// opened for the program. Each believes whom it says, all count together, and logs and
// metrics tell them apart.
func TestListenersOfEverySort(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "w.sock")
	p := start(t, echoing(t), settings{
		yaml: `
credits: {cost: 1}
usage: {flush: 1s}
listeners:
  unix: {listen: "unix:` + socket + `", forwarded: {from: x-forwarded-for, trust_unix_socket: true}}
  balanced: {listen: 127.0.0.1:0, proxy_protocol: {trusted_peers: [127.0.0.1]}}
  passed: {listen: 192.0.2.1:1}
routes: [{match: "/", upstream: api}]
`,
		passed: map[string]net.Listener{"listeners.passed.listen": listening(t, "tcp", "127.0.0.1:0")},
	})
	key := usage.Subject{Kind: usage.Key, ID: string(p.record.ID)}
	p.giveCredits(t, key, 4, usage.Refill{})
	const proxied, header = "203.0.113.9", "PROXY TCP4 198.51.100.7 127.0.0.1 4321 80\r\n"
	rows := []struct {
		place, network, address, before, client string
	}{
		{"listen", "tcp", p.gateway, "", "127.0.0.1"},
		{"listeners.unix", "unix", socket, "", proxied},
		{"listeners.balanced", "tcp", p.more["balanced"], header, "198.51.100.7"},
		{"listeners.passed", "tcp", p.more["passed"], "", "127.0.0.1"},
	}
	ask := func(network, address, before string) (int, string) {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), network, address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		c := clientOn(conn)
		c.Send(before + "GET / HTTP/1.1\r\nHost: localhost\r\nX-API-Key: " + p.key + "\r\nX-Forwarded-For: " + proxied + "\r\n\r\n")
		w, body := c.Response(http.MethodGet)
		if w == nil {
			return 0, ""
		}
		return w.StatusCode, body
	}
	for round, want := range []int{200, 429} { // four credits, one at each listener
		for _, row := range rows {
			status, body := ask(row.network, row.address, row.before)
			if status != want || round == 0 && !strings.Contains(body, "for="+row.client+";") {
				t.Errorf("%s, round %d: %d, and the upstream was told %q, want %d for %s", row.place, round, status, body, want, row.client)
			}
		}
	}
	if status, _ := ask("tcp", p.more["balanced"], ""); status != 0 {
		t.Errorf("a balancer that sends no header: %d, want no answer", status)
	}
	for _, row := range rows {
		for _, outcome := range []string{`outcome="passed",status="2xx"`, `outcome="refused",status="4xx"`} {
			eventually(t, func() (string, bool) {
				n := p.metric(t, fmt.Sprintf("warder_listener_requests_total{listener=%q,%s}", row.place, outcome))
				return n, n == "1"
			})
		}
	}
	log := p.log(t)
	for _, row := range rows {
		if n := strings.Count(log, fmt.Sprintf(`"proto":"HTTP/1.1","listener":%q,"status":`, row.place)); n != 2 {
			t.Errorf("the log tells of %d requests at %s, want 2", n, row.place)
		}
	}
	if spent, balance := p.spent(t, key); spent != 4 || balance != 0 {
		t.Errorf("%d credits are spent, %d are left, want 4 and 0", spent, balance)
	}
	now := time.Now()
	used, err := p.openUsage(t).Rows(t.Context(), tally.Query{Resolution: tally.Day, From: now.Add(-48 * time.Hour), To: now.Add(48 * time.Hour), Key: key.ID, Limit: 10})
	var requests int64
	for _, row := range used {
		requests += row.N
	}
	if err != nil || requests != 8 {
		t.Errorf("%d requests are counted, %v, want 8", requests, err)
	}
	if _, err := os.Stat(socket); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the Unix socket after the stop: %v, want none", err)
	}
}

// TestSocketsThatAreBelieved: a socket that is passed is where the program's trust has to
// hold, whatever address it takes the place of.
func TestSocketsThatAreBelieved(t *testing.T) {
	folder := t.TempDir()
	const everybody = "forwarded: {from: x-forwarded-for, trusted_proxies: [0.0.0.0/0], insecure_trust_all: true}"
	for _, tt := range []struct{ name, listener, network, address, want string }{
		{"everybody at loopback", "listen: 127.0.0.1:1, " + everybody, "tcp", "127.0.0.1:0", ""},
		{"everybody from everywhere", "listen: 127.0.0.1:1, " + everybody, "tcp", "0.0.0.0:0", "believes everybody at an address that others reach"},
		{"addresses at a Unix socket", "listen: 127.0.0.1:1, forwarded: {from: forwarded, trusted_proxies: [127.0.0.1]}", "unix", filepath.Join(folder, "a"), "believes nobody: who connects to a Unix socket has no address"},
		{"a Unix socket elsewhere", "listen: 'unix:/x', forwarded: {from: forwarded, trust_unix_socket: true}", "tcp", "127.0.0.1:0", "has no effect: this listener is no Unix socket"},
		{"nobody", "listen: 'unix:/x'", "tcp", "0.0.0.0:0", ""},
	} {
		s := settings{yaml: "listeners: {inner: {" + tt.listener + "}}\nroutes: [{match: /, upstream: api}]\n"}
		l, err := server.ListenOn(t.Context(), s.load(t, folder, "http://127.0.0.1:1"), map[string]net.Listener{"listeners.inner.listen": listening(t, tt.network, tt.address)})
		if err == nil {
			l.Close()
		}
		if (err == nil) != (tt.want == "") || err != nil && (!strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "listeners.inner")) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

// TestOneListenerIsNotNamed: where there is one, logs and metrics are as they were.
func TestOneListenerIsNotNamed(t *testing.T) {
	p := start(t, wire.Listen(t, wire.Answer(wire.OK)).URL(), settings{})
	p.get(t, "/", p.key)
	if text := p.adminText(t, "/metrics"); strings.Contains(text, "warder_listener_requests_total") {
		t.Error("requests of the one listener are counted apart")
	}
	if log := p.log(t); !strings.Contains(log, `"proto":"HTTP/1.1","status":200`) || strings.Contains(log, `"listener":`) {
		t.Errorf("the log names the one listener:\n%s", log)
	}
}
