package systemd

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// A Manager is told how the program is (sd_notify(3)). A nil one is nobody. It is
// safe for concurrent use.
type Manager struct {
	socket   string
	watchdog time.Duration // 0: none
}

// patience is how long the manager may take to take a word.
const patience = time.Second

// Find returns who wants to be told by NOTIFY_SOCKET, or nil. pid is the process's
// own: a watchdog may be meant for another one.
func Find(environ []string, pid int) (*Manager, error) {
	m := &Manager{socket: value(environ, "NOTIFY_SOCKET")}
	switch {
	case m.socket == "":
		return nil, nil //nolint:nilnil // nobody
	case m.socket[0] != '/' && m.socket[0] != '@':
		return nil, fmt.Errorf("systemd: NOTIFY_SOCKET is neither a path nor an abstract socket")
	}
	if of := value(environ, "WATCHDOG_PID"); of != "" && of != strconv.Itoa(pid) {
		return m, nil
	}
	if text := value(environ, "WATCHDOG_USEC"); text != "" {
		const most = int64(1 << 50) // µs; some 35 years
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 1 || n > most {
			return nil, fmt.Errorf("systemd: WATCHDOG_USEC is no number of microseconds")
		}
		m.watchdog = time.Duration(n) * time.Microsecond
	}
	return m, nil
}

// Ready tells that requests are answered, after the start or after a reload.
func (m *Manager) Ready(status string) error { return m.tell("READY=1", "STATUS="+oneLine(status)) }

// Reloading tells that something is being read again; Ready must follow.
func (m *Manager) Reloading() error {
	lines := []string{"RELOADING=1"}
	if usec, ok := monotonic(); ok { // what Type=notify-reload waits for
		lines = append(lines, "MONOTONIC_USEC="+strconv.FormatInt(usec, 10))
	}
	return m.tell(lines...)
}

// Stopping tells that the end has begun.
func (m *Manager) Stopping() error { return m.tell("STOPPING=1", "STATUS=draining") }

// Watch tells the watchdog, twice within its time, that the program lives, until
// ctx ends: as often as alive finds no error. Without a watchdog it returns at
// once.
func (m *Manager) Watch(ctx context.Context, alive func(context.Context) error) {
	if m == nil || m.watchdog == 0 {
		return
	}
	every := max(m.watchdog/2, time.Millisecond)
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		check, cancel := context.WithTimeout(ctx, every)
		if alive(check) == nil {
			_ = m.tell("WATCHDOG=1") // a manager that does not hear it ends the program, and must
		}
		cancel()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// tell sends lines as one datagram.
func (m *Manager) tell(lines ...string) error {
	if m == nil {
		return nil
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Net: "unixgram", Name: m.socket})
	if err != nil {
		return fmt.Errorf("systemd: tell the manager: %w", err)
	}
	defer conn.Close() //nolint:errcheck // it was sent or not
	if err := conn.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return fmt.Errorf("systemd: tell the manager: %w", err)
	}
	if _, err := conn.Write([]byte(strings.Join(lines, "\n"))); err != nil {
		return fmt.Errorf("systemd: tell the manager: %w", err)
	}
	return nil
}

func oneLine(text string) string { return strings.ReplaceAll(text, "\n", " ") }
