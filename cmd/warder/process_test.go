package main

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/wire"
)

// A served is a warder serve in a process of its own, with one key.
type served struct {
	folder, gateway, admin, key string
	process                     *exec.Cmd
}

// startServed starts the program in front of upstream and makes a key.
func startServed(t *testing.T, upstream string, args ...string) *served {
	t.Helper()
	s := &served{folder: t.TempDir()}
	if upstream != "" {
		args = append([]string{"--upstream", upstream}, args...)
	}
	s.process = command(t.Context(), s.folder, append([]string{
		"serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--log-file", "warder.log", // a later flag wins
	}, args...)...)
	s.begin(t)
	out, err := command(t.Context(), s.folder, "keys", "create", "--output", "secret").Output()
	if err != nil {
		t.Fatalf("keys create: %v", err)
	}
	s.key = strings.TrimSpace(string(out))
	return s
}

// begin starts the process, which is killed when the test ends, and waits until it
// names the addresses of its listeners.
func (s *served) begin(t *testing.T) {
	t.Helper()
	stderr, err := s.process.StderrPipe()
	if err == nil {
		err = s.process.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.process.Process.Kill(); _ = s.process.Wait() })
	var said []string
	for lines := bufio.NewScanner(stderr); s.gateway == "" || s.admin == "" && !slices.Contains(s.process.Args, "off"); {
		if !lines.Scan() {
			t.Fatalf("warder serve ended before it answered: %q", said)
		}
		said = append(said, lines.Text())
		if m := addressLine().FindStringSubmatch(lines.Text()); m != nil {
			*map[string]*string{"gateway": &s.gateway, "metrics and probes": &s.admin}[m[1]] = m[2]
		}
	}
	go func() { _, _ = io.Copy(io.Discard, stderr) }()
}

// get asks the gateway with the key and returns the status and the length of
// the body.
func (s *served) get(t *testing.T, path string) (status int, length int64) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.gateway+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-API-Key", s.key)
	response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	length, err = io.Copy(io.Discard, response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, length
}

// resident returns the process's resident memory in bytes.
func (s *served) resident(t *testing.T) int64 {
	t.Helper()
	return s.memory(t, "VmRSS")
}

// memory returns one of the process's figures of memory, in bytes: RssAnon is what
// it holds by itself, VmRSS that and what the kernel has mapped of files.
func (s *served) memory(t *testing.T, name string) int64 {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(s.process.Process.Pid), "status"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(string(text), "\n") {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			n, err := strconv.ParseInt(strings.Fields(value)[0], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n << 10
		}
	}
	t.Fatalf("the process has no %s", name)
	return 0
}

// inSmallPieces copies the program as the page cache keeps it in single pages. A
// kernel maps the piece of the cache that a page is in: of a file that the linker
// wrote, 240 KiB with each page that is needed, and 15 MiB more in all.
func inSmallPieces(t *testing.T, folder string) string {
	t.Helper()
	program, err := exec.LookPath("warder")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(folder, "warder")
	file, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o700)
	if err != nil {
		t.Fatal(err)
	}
	for piece := range slices.Chunk(text, 4096) {
		if _, err := file.Write(piece); err != nil {
			t.Fatal(err)
		}
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	return name
}

// The bounds of PERFORMANCE: an idle process, and 10,000 idle connections.
const (
	maxIdle     = 25 << 20
	maxOwn      = 16 << 20 // of an idle process, without what is mapped of files
	connections = 10_000
	maxCrowded  = 260 << 20
	maxSecured  = 450 << 20 // the same over TLS
)

func TestMemoryAndSlowClients(t *testing.T) {
	big := strings.Repeat("a", 8<<20)
	upstream := wire.Listen(t, wire.Answer(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(big), big)))
	t.Run("idle", func(t *testing.T) {
		program := inSmallPieces(t, t.TempDir())
		// Pages that other work brought along only add: the least of several counts.
		least := int64(math.MaxInt64)
		for i := 0; i < 5 && least > maxIdle; i++ {
			s := &served{folder: t.TempDir()}
			s.process = command(t.Context(), s.folder, "serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--log-file", "warder.log", "--upstream", upstream.URL())
			s.process.Path = program
			s.begin(t)
			rss, own := s.resident(t), s.memory(t, "RssAnon")
			t.Logf("idle: %.1f MiB, %.1f of it its own", float64(rss)/(1<<20), float64(own)/(1<<20))
			if own > maxOwn {
				t.Errorf("an idle process has %d bytes of its own, want %d at most", own, maxOwn)
			}
			least = min(least, rss)
		}
		if least > maxIdle {
			t.Errorf("an idle process has %d bytes, want %d at most", least, maxIdle)
		}
	})
	s := startServed(t, upstream.URL())
	attack.Case(t, "PROXY-15", attack.Gateway, func(t *testing.T) {
		for range connections {
			wire.Dial(t, s.gateway)
		}
		for range 20 { // readers that do not read, and senders that stop in the middle
			wire.Dial(t, s.gateway).Send("GET /a HTTP/1.1\r\nHost: localhost\r\nX-API-Key: " + s.key + "\r\n\r\n")
			wire.Dial(t, s.gateway).Send("POST /a HTTP/1.1\r\nHost: localhost\r\nX-API-Key: " + s.key + "\r\nContent-Length: 1000\r\n\r\nhello")
		}
		s.get(t, "/a") // stands in the queue behind ten thousand that are being accepted
		begin := time.Now()
		status, length := s.get(t, "/a")
		if status != http.StatusOK || length != int64(len(big)) {
			t.Errorf("a good client got %d and %d bytes", status, length)
		}
		if took := time.Since(begin); took > time.Second {
			t.Errorf("a good client waited %v", took)
		}
		attack.Case(t, "FLOOD-02", attack.Gateway, func(t *testing.T) {
			rss := s.resident(t)
			t.Logf("%d idle connections: %.1f MiB", connections, float64(rss)/(1<<20))
			if rss > maxCrowded {
				t.Errorf("%d idle connections take %d bytes, want %d at most", connections, rss, maxCrowded)
			}
		})
	})
}

// TestTerminateDrains stops the program while a request and an upgraded
// connection run: both end first, then the exit code is 0.
func TestTerminateDrains(t *testing.T) {
	release := make(chan struct{})
	upstream := wire.Listen(t, func(c *wire.Conn) {
		r, err := c.Request()
		if err != nil {
			return
		}
		if r.Header.Get("Upgrade") == "" {
			<-release
			c.Say(wire.OK)
			return
		}
		c.Say("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		<-release
		c.Say("bye")
	})
	s := startServed(t, upstream.URL())
	head := " HTTP/1.1\r\nHost: localhost\r\nX-API-Key: " + s.key + "\r\n"
	slow, socket := wire.Dial(t, s.gateway), wire.Dial(t, s.gateway)
	slow.Send("GET /slow" + head + "\r\n")
	socket.Send("GET /socket" + head + "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	if w, _ := socket.Response("GET"); w == nil || w.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("response = %v, want 101", w)
	}
	upstream.Await(t, func(received []string, _ int) bool { return strings.Contains(strings.Join(received, ""), "/slow") })
	if err := s.process.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.process.Wait() }()
	select {
	case err := <-ended:
		t.Fatalf("the program ended in the middle of a request: %v", err)
	case <-time.After(300 * time.Millisecond):
	}
	close(release)
	if w, body := slow.Response("GET"); w == nil || body != "ok" {
		t.Errorf("the running request got %v %q", w, body)
	}
	if text, _ := socket.Rest(); text != "bye" {
		t.Errorf("the upgraded connection got %q, want bye", text)
	}
	if err := <-ended; err != nil {
		t.Errorf("exit: %v, want 0", err)
	}
}
