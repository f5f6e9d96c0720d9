package main

import (
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/warder-dev/warder/internal/wire"
)

// passing starts warder as a service manager does: with sockets that are open
// already, under names, and extra variables. A shell knows the process's own
// number, which the variables must have.
func passing(t *testing.T, folder string, names []string, sockets []*os.File, env []string, args ...string) *exec.Cmd {
	t.Helper()
	const script = `LISTEN_PID=$$ WATCHDOG_PID=$$ exec warder "$@"`
	c := exec.CommandContext(t.Context(), "sh", append([]string{"-c", script, "sh"}, args...)...)
	c.Dir, c.ExtraFiles = folder, sockets
	c.Env = append(append(os.Environ(), "USER=ada", "LISTEN_FDS="+strconv.Itoa(len(sockets)), "LISTEN_FDNAMES="+strings.Join(names, ":")), env...)
	return c
}

// opened is a listening socket to pass, and its address.
func opened(t *testing.T, network, address string) (*os.File, string) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	file, err := l.(interface{ File() (*os.File, error) }).File() //nolint:forcetypeassert,errcheck // TCP and Unix listeners have it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	return file, l.Addr().String()
}

// words are what a service manager hears.
type words struct{ *net.UnixConn }

// await reads until a word begins so, and returns it.
func (w words) await(t *testing.T, begin string) string {
	t.Helper()
	b := make([]byte, 1000)
	for {
		n, err := w.Read(b)
		if err != nil {
			t.Fatalf("the manager waited in vain for %s: %v", begin, err)
		}
		if strings.HasPrefix(string(b[:n]), begin) {
			return string(b[:n])
		}
	}
}

// TestUnderAServiceManager runs the program on sockets that were opened for it,
// with a manager that listens to what it says.
func TestUnderAServiceManager(t *testing.T) {
	upstream := wire.Listen(t, wire.Answer(wire.OK))
	folder := t.TempDir()
	public, gateway := opened(t, "tcp", "127.0.0.1:0")
	adminSocket, admin := opened(t, "tcp", "127.0.0.1:0")
	healthSocket, health := opened(t, "unix", filepath.Join(folder, "health.sock"))
	innerSocket, inner := opened(t, "unix", filepath.Join(folder, "inner.sock"))
	const listeners = "listeners: {inner: {listen: '192.0.2.1:2'}}\n"
	if err := os.WriteFile(filepath.Join(folder, "warder.yaml"), []byte(listeners), 0o600); err != nil {
		t.Fatal(err)
	}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: filepath.Join(folder, "notify")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	manager := words{conn}
	c := passing(t, folder, []string{"listen", "health_listen", "admin_listen", "listeners.inner.listen"}, []*os.File{public, healthSocket, adminSocket, innerSocket},
		[]string{"NOTIFY_SOCKET=" + filepath.Join(folder, "notify"), "WATCHDOG_USEC=100000"},
		"serve", "--config", "warder.yaml", "--upstream", upstream.URL(), "--listen", "192.0.2.1:1", "--log-file", "warder.log") // an address that it cannot have, and need not
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	t.Cleanup(func() { _ = c.Process.Kill() })

	if got := manager.await(t, "READY=1"); !strings.Contains(got, "STATUS=serving on "+gateway) {
		t.Errorf("heard %q", got)
	}
	for _, tt := range []struct {
		network, address, path string
		status                 int
	}{
		{"tcp", gateway, "/", http.StatusUnauthorized},
		{"unix", inner, "/", http.StatusUnauthorized},
		{"tcp", admin, "/metrics", http.StatusOK},
		{"unix", health, "/readyz", http.StatusOK},
		{"unix", health, "/metrics", http.StatusNotFound},
	} {
		if got := askOver(t, tt.network, tt.address, tt.path); got != tt.status {
			t.Errorf("%s on %s: %d, want %d", tt.path, tt.address, got, tt.status)
		}
	}
	manager.await(t, "WATCHDOG=1")
	if err := c.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	if got := manager.await(t, "RELOADING=1"); !strings.Contains(got, "\nMONOTONIC_USEC=") {
		t.Errorf("heard %q", got)
	}
	manager.await(t, "READY=1")
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	manager.await(t, "STOPPING=1")
	if err := <-ended; err != nil {
		t.Errorf("exit: %v, want 0", err)
	}
	if _, err := os.Stat(health); err != nil {
		t.Errorf("the manager's own socket is gone: %v", err)
	}
}

func askOver(t *testing.T, network, address, path string) int {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil }}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost"+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	w, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = w.Body.Close()
	return w.StatusCode
}

// TestSocketsThatDoNotFit: nothing starts on half of what was passed.
func TestSocketsThatDoNotFit(t *testing.T) {
	tcp, _ := opened(t, "tcp", "127.0.0.1:0")
	another, _ := opened(t, "tcp", "127.0.0.1:0")
	everywhere, _ := opened(t, "tcp", "0.0.0.0:0")
	file, err := os.Open("systemd_test.go")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	for name, tt := range map[string]struct {
		names   string
		sockets []*os.File
		args    []string
		want    string
	}{
		"a name for nothing":       {"web", []*os.File{tcp}, nil, `the socket called "web" is for nothing: name it listen, admin_listen, health_listen, decision.listen, portal.listen, tls.redirect_listen or listeners.NAME.listen`},
		"no name":                  {"", []*os.File{tcp}, nil, `the socket called "" is for nothing`},
		"a name twice":             {"listen:listen", []*os.File{tcp, another}, nil, `two sockets are called "listen"`},
		"a file":                   {"listen", []*os.File{file}, nil, `called "listen", is no listening socket`},
		"the admin everywhere":     {"listen:admin_listen", []*os.File{tcp, everywhere}, nil, `is not on loopback: bind it to 127.0.0.1, or set insecure_admin_listen`},
		"an admin that is off":     {"listen:admin_listen", []*os.File{tcp, another}, []string{"--admin-listen", "off"}, `admin_listen: it is off, and a socket is passed for it`},
		"a redirect without https": {"listen:tls.redirect_listen", []*os.File{tcp, another}, nil, `has no effect without certificates or acme`},
	} {
		args := append([]string{"serve", "--upstream", "http://127.0.0.1:9", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"}, tt.args...)
		c := passing(t, t.TempDir(), []string{tt.names}, tt.sockets, nil, args...)
		out, err := c.CombinedOutput()
		if err == nil || !strings.Contains(string(out), tt.want) {
			t.Errorf("%s: %v, %q; want %q", name, err, out, tt.want)
		}
	}
}
