package systemd_test

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/internal/systemd"
)

const pid = 4711

// listening is a manager's socket.
func listening(t *testing.T, name string) *net.UnixConn {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: name})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// hear returns the next word.
func hear(t *testing.T, conn *net.UnixConn) string {
	t.Helper()
	b := make([]byte, 1000)
	n, err := conn.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:n])
}

func TestWords(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	abstract := "@" + strings.ReplaceAll(path, "/", "-")
	for _, name := range []string{path, abstract} {
		conn := listening(t, name)
		m, err := systemd.Find([]string{"NOTIFY_SOCKET=elsewhere", "NOTIFY_SOCKET=" + name}, pid)
		if err != nil {
			t.Fatal(err)
		}
		for want, say := range map[string]func() error{
			`^READY=1\nSTATUS=serving on x$`:         func() error { return m.Ready("serving\non x") },
			`^RELOADING=1\nMONOTONIC_USEC=[1-9]\d+$`: m.Reloading,
			`^STOPPING=1\nSTATUS=draining$`:          m.Stopping,
		} {
			if err := say(); err != nil {
				t.Fatal(err)
			}
			if got := hear(t, conn); !regexp.MustCompile(want).MatchString(got) {
				t.Errorf("heard %q, want %s", got, want)
			}
		}
	}
}

func TestNobodyIsTold(t *testing.T) {
	m, err := systemd.Find([]string{"WATCHDOG_USEC=1"}, pid)
	if m != nil || err != nil || m.Ready("x") != nil || m.Reloading() != nil || m.Stopping() != nil {
		t.Errorf("Find = %v, %v", m, err)
	}
	m.Watch(t.Context(), func(context.Context) error { t.Error("asked"); return nil })
}

func TestManagersThatCannotBe(t *testing.T) {
	for env, want := range map[string]string{
		"NOTIFY_SOCKET=notify":                                      "neither a path",
		"NOTIFY_SOCKET=/n WATCHDOG_USEC=0":                          "WATCHDOG_USEC",
		"NOTIFY_SOCKET=/n WATCHDOG_USEC=-1":                         "WATCHDOG_USEC",
		"NOTIFY_SOCKET=/n WATCHDOG_USEC=1s":                         "WATCHDOG_USEC",
		"NOTIFY_SOCKET=/n WATCHDOG_USEC=1e30":                       "WATCHDOG_USEC",
		"NOTIFY_SOCKET=/n WATCHDOG_USEC=" + strings.Repeat("9", 18): "WATCHDOG_USEC",
	} {
		if m, err := systemd.Find(strings.Fields(env), pid); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v, want %s", env, m, err, want)
		}
	}
	m, err := systemd.Find([]string{"NOTIFY_SOCKET=" + filepath.Join(t.TempDir(), "none")}, pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Ready("x"); err == nil || !strings.Contains(err.Error(), "tell the manager") {
		t.Errorf("told a socket that is not there: %v", err)
	}
}

func TestWatchdog(t *testing.T) {
	name := filepath.Join(t.TempDir(), "notify")
	conn := listening(t, name)
	m, err := systemd.Find([]string{"NOTIFY_SOCKET=" + name, "WATCHDOG_USEC=20000", "WATCHDOG_PID=4711"}, pid)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended, asked := make(chan struct{}), 0
	go func() {
		defer close(ended)
		m.Watch(ctx, func(ctx context.Context) error {
			if _, bounded := ctx.Deadline(); !bounded {
				t.Error("the question has no end")
			}
			asked++
			switch asked {
			case 1, 4:
				return nil
			case 5:
				cancel()
			}
			return errors.New("stuck")
		})
	}()
	for range 2 { // of five questions
		if got := hear(t, conn); got != "WATCHDOG=1" {
			t.Errorf("heard %q", got)
		}
	}
	<-ended
	if err := conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if n, err := conn.Read(make([]byte, 100)); err == nil {
		t.Errorf("heard %d bytes more", n)
	}
	other, err := systemd.Find([]string{"NOTIFY_SOCKET=" + name, "WATCHDOG_USEC=1000", "WATCHDOG_PID=1"}, pid)
	if err != nil {
		t.Fatal(err)
	}
	other.Watch(t.Context(), func(context.Context) error { t.Error("another process's watchdog was told"); return nil })
}

func TestSocketsOfOthers(t *testing.T) {
	for _, env := range []string{"", "LISTEN_FDS=1", "LISTEN_PID=1 LISTEN_FDS=1", "LISTEN_PID=0 LISTEN_FDS=x"} {
		if got, err := systemd.Sockets(strings.Fields(env), pid); got != nil || err != nil {
			t.Errorf("%q: %v, %v, want nothing", env, got, err)
		}
	}
	for _, n := range []string{"", "-1", "65", "1000000000", "x"} {
		if got, err := systemd.Sockets([]string{"LISTEN_PID=4711", "LISTEN_FDS=" + n}, pid); got != nil || err == nil {
			t.Errorf("LISTEN_FDS %q: %v, %v, want an error", n, got, err)
		}
	}
}
