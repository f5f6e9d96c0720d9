// Package testredis starts Redis servers for tests.
package testredis

import (
	"bytes"
	"cmp"
	"context"
	"math"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// patience is how long a server may take to answer, on a machine that is busy.
const patience = 2 * time.Minute

// A Server is a redis-server of one test alone. Its methods are for one goroutine
// at a time.
type Server struct {
	Address string // host:port
	Port    int
	BusPort int      // of a server of a cluster
	Args    []string // more of them; as they are at the next Restart

	program  string
	dir      string
	fixedBus bool // its bus is at its port and busAbove

	cmd   *exec.Cmd
	ended chan struct{}
}

// ProgramVariable is the environment variable that names another program than
// redis-server: an older Redis, or Valkey.
const ProgramVariable = "WARDER_REDIS_SERVER"

// Valkey is the server that Debian has of Redis' other line.
const Valkey = "valkey-server"

// busAbove is where Redis before 7 has the bus of a cluster, and cannot be told
// otherwise.
const busAbove = 10_000

// fixesBus reports whether the program is so old.
func fixesBus(tb testing.TB, program string) bool {
	tb.Helper()
	said, err := exec.CommandContext(tb.Context(), program, "--version").Output() //nolint:gosec // whoever runs the test names it
	if err != nil {
		tb.Fatalf("%s --version: %v (see .ci/needs)", program, err)
	}
	return bytes.Contains(said, []byte(" v=6."))
}

// Start starts redis-server, or what the variable names, with args on a free port,
// and waits until it answers. It is killed when the test ends.
func Start(tb testing.TB, args ...string) *Server {
	tb.Helper()
	return StartProgram(tb, cmp.Or(os.Getenv(ProgramVariable), "redis-server"), args...) //nolint:forbidigo // of tests alone
}

// StartProgram is Start for a program that is named.
func StartProgram(tb testing.TB, program string, args ...string) *Server {
	tb.Helper()
	s := &Server{program: program, dir: tb.TempDir(), Args: args}
	bus := slices.Contains(args, "--cluster-enabled")
	s.fixedBus = bus && fixesBus(tb, program)
	for range 20 { // somebody else may take the port between
		s.Port, s.BusPort = freePort(tb), 0
		switch {
		case s.fixedBus && s.Port > math.MaxUint16-busAbove:
			continue
		case s.fixedBus:
			s.BusPort = s.Port + busAbove
		case bus:
			s.BusPort = freePort(tb)
		}
		s.Address = "127.0.0.1:" + strconv.Itoa(s.Port)
		if s.Restart(tb) {
			tb.Cleanup(s.Kill)
			return s
		}
	}
	tb.Fatal(program + " does not start")
	return nil
}

func freePort(tb testing.TB) int {
	tb.Helper()
	l, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port //nolint:errcheck // of a listener for tcp
}

// Restart starts a server that was killed, at its former port, and waits until it
// answers; false when it ends instead.
func (s *Server) Restart(tb testing.TB) bool {
	tb.Helper()
	args := append([]string{"--port", strconv.Itoa(s.Port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", s.dir, "--loglevel", "warning"}, s.Args...)
	if s.BusPort > 0 && !s.fixedBus {
		args = append(args, "--cluster-port", strconv.Itoa(s.BusPort))
	}
	var log bytes.Buffer
	s.cmd = exec.CommandContext(context.WithoutCancel(tb.Context()), s.program, args...) //nolint:gosec // the test's own arguments
	s.cmd.Stdout, s.cmd.Stderr = &log, &log
	// A group of its own: a kernel continues stopped processes of a group that lost its
	// shell, whoever stopped them.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := s.cmd.Start(); err != nil {
		tb.Fatalf("%s: %v (see .ci/needs)", s.program, err)
	}
	s.ended = make(chan struct{})
	go func(cmd *exec.Cmd, ended chan struct{}) {
		_ = cmd.Wait()
		close(ended)
	}(s.cmd, s.ended)
	for end := time.Now().Add(patience); time.Now().Before(end); {
		select {
		case <-s.ended:
			tb.Logf("%s ended: %s", s.program, log.String())
			return false
		case <-time.After(5 * time.Millisecond):
		}
		if conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(tb.Context(), "tcp", s.Address); err == nil {
			_ = conn.Close()
			return true
		}
	}
	return false
}

// Signal sends sig to the process.
func (s *Server) Signal(tb testing.TB, sig os.Signal) {
	tb.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		tb.Fatal(err)
	}
}

// Kill ends the process at once and waits for it.
func (s *Server) Kill() {
	_ = s.cmd.Process.Signal(syscall.SIGCONT)
	_ = s.cmd.Process.Kill()
	<-s.ended
}
