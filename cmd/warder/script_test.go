package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/warder-dev/warder/session"
	"github.com/warder-dev/warder/sqlite"
)

var update = flag.Bool("update", false, "rewrite the expected output of the scripts") //nolint:gochecknoglobals // a flag of the test binary

// TestMain builds the program as it is shipped, without the race detector, and
// puts it first on PATH: scripts and tests start that one.
func TestMain(m *testing.M) {
	os.Exit(withProgram(m.Run))
}

func withProgram(run func() int) int {
	folder, err := os.MkdirTemp("", "warder-program-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(folder) //nolint:errcheck // a temporary folder
	build := exec.Command("go", "build", "-trimpath", "-tags", "grpcnotrace", "-o", folder+"/warder", ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
		return 1
	}
	if err := os.Setenv("PATH", folder+string(os.PathListSeparator)+os.Getenv("PATH")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return run()
}

// TestScripts runs every command of the program as a user does, in a folder of
// its own. The scripts' own commands are: serve, terminate, get, upstream, sink,
// capture.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: *update,
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("PATH", os.Getenv("PATH"))
			env.Setenv("USER", "ada")
			env.Values[runningKey{}] = make(map[int]*runningServer)
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"serve": serveCommand, "terminate": terminateCommand, "get": getCommand, "upstream": upstreamCommand, "sink": sinkCommand, "capture": captureCommand, "mode": modeCommand,
			"exits": exitsCommand, "getkey": getKeyCommand, "login": loginCommand, "read": readCommand,
		},
	})
}

// runningKey is the environment key under which a script's server is kept.
type runningKey struct{}

// A runningServer is a warder serve that a script started.
type runningServer struct {
	process *exec.Cmd
	stderr  strings.Builder
	ended   chan error
}

func addressLine() *regexp.Regexp {
	return regexp.MustCompile(`(gateway|metrics and probes) on https?://(\S+)`)
}

// serveCommand starts `warder serve ARGS` on free ports, waits until it answers,
// and sets GATEWAY and ADMIN.
func serveCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("serve cannot be negated: use ! exec warder serve")
	}
	name, err := exec.LookPath("warder")
	ts.Check(err)
	process := exec.Command(name, append([]string{"serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"}, args...)...)
	process.Dir = ts.MkAbs(".")
	process.Env = append(os.Environ(), "USER=ada")
	stderr, err := process.StderrPipe()
	ts.Check(err)
	ts.Check(process.Start())
	s := &runningServer{process: process, ended: make(chan error, 1)}
	servers(ts)[process.Process.Pid] = s
	ts.Setenv("SERVER", strconv.Itoa(process.Process.Pid))
	ts.Defer(func() { _ = process.Process.Kill() })
	lines := bufio.NewScanner(stderr)
	for found := 0; found < 2; {
		if !lines.Scan() {
			ts.Fatalf("warder serve ended: %s", s.stderr.String())
		}
		fmt.Fprintln(&s.stderr, lines.Text())
		if m := addressLine().FindStringSubmatch(lines.Text()); m != nil {
			found++
			ts.Setenv(map[string]string{"gateway": "GATEWAY", "metrics and probes": "ADMIN"}[m[1]], m[2])
		}
	}
	go func() {
		for lines.Scan() {
			fmt.Fprintln(&s.stderr, lines.Text())
		}
		s.ended <- process.Wait()
	}()
}

// servers are the ones that the script started, by process id.
func servers(ts *testscript.TestScript) map[int]*runningServer {
	m, ok := ts.Value(runningKey{}).(map[int]*runningServer)
	if !ok {
		ts.Fatalf("the script's set-up is incomplete")
	}
	return m
}

// terminateCommand sends SIGTERM to the last server and wants exit code 0; its
// standard error becomes the script's.
func terminateCommand(ts *testscript.TestScript, _ bool, _ []string) {
	pid, err := strconv.Atoi(ts.Getenv("SERVER"))
	ts.Check(err)
	s := servers(ts)[pid]
	ts.Check(s.process.Process.Signal(syscall.SIGTERM))
	select {
	case err := <-s.ended:
		ts.Check(err)
	case <-time.After(20 * time.Second):
		ts.Fatalf("warder serve did not stop")
	}
	_, _ = io.WriteString(ts.Stderr(), s.stderr.String())
}

// getCommand is `get STATUS URL [Header: value]`: it asks until the status is
// seen, for at most two seconds, and prints the body.
func getCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: get STATUS URL [HEADER]...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	var status int
	var body []byte
	for begin := time.Now(); time.Since(begin) < 2*time.Second; {
		status, body, err = fetch(args[1], args[2:])
		if err == nil && status == want {
			_, _ = ts.Stdout().Write(body)
			return
		}
		<-time.After(20 * time.Millisecond)
	}
	ts.Fatalf("GET %s: status %d, %v, want %d: %s", args[1], status, err, want, body)
}

func fetch(url string, headers []string) (int, []byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return 0, nil, err
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Add(name, value)
	}
	response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return response.StatusCode, body, err
}

// captureCommand is `capture NAME`: the variable is what was printed last.
func captureCommand(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: capture NAME")
	}
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile("stdout")))
}

// sinkCommand starts a server that takes whatever is posted, and sets SINK to its URL.
func sinkCommand(ts *testscript.TestScript, _ bool, _ []string) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	ts.Defer(s.Close)
	ts.Setenv("SINK", s.URL)
}

// upstreamCommand starts the demo's orders API and sets UPSTREAM to its URL.
func upstreamCommand(ts *testscript.TestScript, _ bool, _ []string) {
	api, err := startOrders(context.Background())
	ts.Check(err)
	ts.Defer(api.close)
	ts.Setenv("UPSTREAM", api.url)
}

// modeCommand is `mode 0600 FILE`.
func modeCommand(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: mode OCTAL FILE")
	}
	info, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := fmt.Sprintf("%04o", info.Mode().Perm()); got != args[0] {
		ts.Fatalf("%s has mode %s, want %s", args[1], got, args[0])
	}
}

// exitsCommand is `exits CODE COMMAND [ARG]...`: the command must fail with
// exactly that code.
func exitsCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARG]...")
	}
	err := ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	if !errors.As(err, &exit) || strconv.Itoa(exit.ExitCode()) != args[0] {
		ts.Fatalf("%s ended with %v, want exit code %s", strings.Join(args[1:], " "), err, args[0])
	}
}

// readCommand sets a variable to the content of a file.
func readCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: read VARIABLE FILE")
	}
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile(args[1])))
}

// getKeyCommand is `getkey STATUS URL FILE`: get with the key that FILE holds.
func getKeyCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: getkey STATUS URL FILE")
	}
	getCommand(ts, false, []string{args[0], args[1], "X-API-Key: " + strings.TrimSpace(ts.ReadFile(args[2]))})
}

// loginCommand is `login DATABASE ISSUER SUBJECT`: it begins a session, as a login
// of any kind does, and sets COOKIE.
func loginCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: login DATABASE ISSUER SUBJECT")
	}
	log := slog.New(slog.DiscardHandler)
	db, err := sqlite.Open(context.Background(), sqlite.Config{Path: ts.MkAbs(args[0]), Log: log})
	ts.Check(err)
	defer db.Close()
	sessions, err := session.New(session.Config{Store: db.Sessions(), Log: log})
	ts.Check(err)
	w := httptest.NewRecorder()
	user := session.User{Issuer: args[1], Subject: args[2]}
	ts.Check(sessions.Login(w, httptest.NewRequest(http.MethodPost, "/login", http.NoBody), user))
	cookie := w.Result().Cookies()[0]
	ts.Setenv("COOKIE", cookie.Name+"="+cookie.Value)
}
