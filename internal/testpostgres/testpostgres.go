// Package testpostgres starts PostgreSQL servers for tests: real ones, in a
// folder of their own, without a right to anything else.
package testpostgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// patience is how long a server may take to answer, on a machine that is busy.
const patience = 3 * time.Minute

// Superuser owns every server that this package starts.
const Superuser = "postgres"

// Options say what a server is for.
type Options struct {
	Durable bool                               // what it acknowledged is on the disk: for tests that kill it
	Args    []string                           // more of them, such as "-c", "ssl=on"
	Prepare func(tb testing.TB, folder string) // puts files into the folder of the data before the first start
	Disk    string                             // how large a disk of its own it has at [Server.Disk], such as "16m"; "" for none. What is there is gone when it stops.
}

// A Server is a PostgreSQL server. Its methods may be used by several tests at once,
// but those that start and stop it.
type Server struct {
	Port    int
	Folder  string // of the Unix socket
	Data    string // folder of the data
	Disk    string // an empty folder for a tablespace, on the disk that [Options.Disk] asks for
	options Options
	bin     string
	cmd     *exec.Cmd
	ended   chan struct{}
	number  atomic.Int64

	template sync.Once
	failed   bool
}

// Find returns the folder of the server's programs: beside the postgres on the
// PATH, else the newest that Debian has.
func Find() (string, error) {
	var folders []string
	if path, err := exec.LookPath("postgres"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			folders = append(folders, filepath.Dir(path))
		}
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil {
		return "", err
	}
	slices.SortFunc(found, func(a, b string) int { return version(b) - version(a) })
	for _, folder := range append(folders, found...) {
		if _, err := os.Stat(filepath.Join(folder, "initdb")); err == nil {
			return folder, nil
		}
	}
	return "", errors.New("there is no PostgreSQL with an initdb beside it (package postgresql, see .ci/needs)")
}

func version(bin string) int {
	n, err := strconv.Atoi(filepath.Base(filepath.Dir(bin)))
	if err != nil {
		return 0
	}
	return n
}

// Start starts a server until the end of the test.
func Start(tb testing.TB, o Options) *Server {
	tb.Helper()
	s, err := start(tb, o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(s.close)
	return s
}

func start(tb testing.TB, o Options) (*Server, error) {
	tb.Helper()
	bin, err := Find()
	if err != nil {
		return nil, err
	}
	// Not the test's own folder: a server that may not be root could not enter it.
	folder, err := os.MkdirTemp("", "warderpg") //nolint:usetesting // see above
	if err != nil {
		return nil, err
	}
	s := &Server{Folder: folder, Data: filepath.Join(folder, "data"), options: o, bin: bin}
	if err := s.init(tb); err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	for range 20 { // somebody else may take the port between
		if s.Port, err = freePort(tb); err == nil {
			if err = s.Restart(tb); err == nil {
				return s, nil
			}
		}
	}
	return nil, errors.Join(err, os.RemoveAll(folder))
}

// init makes the files of an empty server.
func (s *Server) init(tb testing.TB) error {
	tb.Helper()
	folders := []string{s.Folder}
	if s.options.Disk != "" {
		s.Disk = filepath.Join(s.Folder, "disk")
		if err := os.Mkdir(s.Disk, 0o700); err != nil {
			return err
		}
		folders = append(folders, s.Disk)
	}
	if who := s.credential(); who != nil {
		for _, folder := range folders {
			if err := os.Chown(folder, int(who.Uid), int(who.Gid)); err != nil {
				return err
			}
		}
	}
	out, err := s.command(tb, "initdb", "--pgdata", s.Data, "--username", Superuser, "--auth-local", "trust", "--auth-host", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync").CombinedOutput()
	if err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	if s.options.Prepare != nil {
		s.options.Prepare(tb, s.Data)
		return s.own()
	}
	return nil
}

// own gives what a test has put into the folder of the data to the server's user.
func (s *Server) own() error {
	who := s.credential()
	if who == nil {
		return nil
	}
	entries, err := os.ReadDir(s.Data)
	for _, e := range entries {
		err = errors.Join(err, os.Lchown(filepath.Join(s.Data, e.Name()), int(who.Uid), int(who.Gid)))
	}
	return err
}

// command prepares one of the server's programs, which refuse to be run by root.
func (s *Server) command(tb testing.TB, name string, args ...string) *exec.Cmd {
	tb.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(tb.Context()), filepath.Join(s.bin, name), args...) //nolint:gosec // the test's own arguments
	cmd.Dir = s.Folder
	cmd.Env = []string{"PATH=" + s.bin + ":/usr/bin:/bin", "LC_ALL=C", "TZ=UTC", "HOME=" + s.Folder}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.credential()}
	return cmd
}

// credential is whom the server runs as when the test is root; else nil.
func (*Server) credential() *syscall.Credential {
	if os.Getuid() != 0 {
		return nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		if u, err := user.Lookup(name); err == nil {
			uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
			gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
			if uidErr == nil && gidErr == nil {
				return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
			}
		}
	}
	return nil
}

func freePort(tb testing.TB) (int, error) {
	tb.Helper()
	l, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	port := l.Addr().(*net.TCPAddr).Port //nolint:errcheck,forcetypeassert // of a listener for tcp
	return port, l.Close()
}

// Restart starts a server that was stopped or killed, at its former port, and waits
// until it answers. The children of one that was killed may live a little longer: no
// other one starts beside them.
func (s *Server) Restart(tb testing.TB) error {
	tb.Helper()
	for end := time.Now().Add(patience); ; {
		err := s.launch(tb)
		if err == nil || !strings.Contains(err.Error(), "shared memory block") || time.Now().After(end) {
			return err
		}
		<-time.After(50 * time.Millisecond)
	}
}

func (s *Server) launch(tb testing.TB) error {
	tb.Helper()
	args := []string{
		"-D", s.Data, "-k", s.Folder, "-p", strconv.Itoa(s.Port), "-c", "listen_addresses=127.0.0.1", "-c", "max_connections=200",
		"-c", "shared_buffers=32MB", "-c", "log_min_messages=fatal", "-c", "autovacuum_naptime=60",
	}
	if !s.options.Durable {
		args = append(args, "-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")
	}
	log, err := os.Create(filepath.Join(s.Folder, "log"))
	if err != nil {
		return err
	}
	defer log.Close() //nolint:errcheck // the server has its own
	args = append(args, s.options.Args...)
	s.cmd = s.command(tb, "postgres", args...)
	if s.options.Disk != "" {
		if err := s.mount(tb, args); err != nil {
			return err
		}
	}
	s.cmd.Stdout, s.cmd.Stderr = log, log
	s.cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	if err := s.cmd.Start(); err != nil {
		return err
	}
	s.ended = make(chan struct{})
	go func(cmd *exec.Cmd, ended chan struct{}) {
		_ = cmd.Wait()
		close(ended)
	}(s.cmd, s.ended)
	return s.await(tb)
}

// mount has the server begin with a file system of its own. A namespace of users is what
// lets anybody mount one; postgres refuses to be root in it, and is somebody else in
// another one within.
func (s *Server) mount(tb testing.TB, args []string) error {
	tb.Helper()
	unshare, err := exec.LookPath("unshare")
	if err != nil {
		return err
	}
	const script = `mount -t tmpfs -o size="$0" tmpfs "$1" && shift && exec unshare --user --map-user=1000 --map-group=1000 "$@"`
	s.cmd.Args = append([]string{"unshare", "--map-root-user", "--mount", "sh", "-c", script, s.options.Disk, s.Disk, s.cmd.Path}, args...)
	s.cmd.Path = unshare
	return nil
}

func (s *Server) await(tb testing.TB) error {
	tb.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); {
		select {
		case <-s.ended:
			said, _ := os.ReadFile(filepath.Join(s.Folder, "log"))
			return fmt.Errorf("postgres ended: %s", said)
		case <-time.After(10 * time.Millisecond):
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), patience)
		conn, err := pgx.Connect(ctx, s.URL(Superuser, "postgres"))
		if err == nil {
			err = conn.Close(ctx)
		}
		cancel()
		if err == nil {
			return nil
		}
	}
	return errors.New("postgres does not answer")
}

// URL is the address of a database for a role, by the Unix socket.
func (s *Server) URL(role, database string) string {
	q := url.Values{"host": {s.Folder}, "port": {strconv.Itoa(s.Port)}}
	return "postgres://" + role + "@/" + database + "?" + q.Encode()
}

// TCP is the address of a database for a role, by 127.0.0.1: there the server wants
// the role's password.
func (s *Server) TCP(role, database string) string {
	return "postgres://" + role + "@127.0.0.1:" + strconv.Itoa(s.Port) + "/" + database
}

// Program runs one of the programs that come with the server, such as pg_dump, and
// returns what it wrote.
func (s *Server) Program(tb testing.TB, name string, args ...string) string {
	tb.Helper()
	out, err := s.command(tb, name, args...).CombinedOutput()
	if err != nil {
		tb.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

// Signal sends sig to the server's first process: SIGINT stops it at once and in
// order.
func (s *Server) Signal(tb testing.TB, sig os.Signal) {
	tb.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		tb.Fatal(err)
	}
}

// Stop ends the server in order, as an operator restarts it.
func (s *Server) Stop(tb testing.TB) {
	tb.Helper()
	s.Signal(tb, syscall.SIGINT)
	<-s.ended
}

// Kill ends the server as a power loss would, but for what the system has not
// written yet. Its children end by themselves, soon after.
func (s *Server) Kill() {
	_ = s.cmd.Process.Signal(syscall.SIGCONT)
	_ = s.cmd.Process.Kill()
	<-s.ended
}

func (s *Server) close() {
	_ = s.cmd.Process.Signal(syscall.SIGCONT)
	_ = s.cmd.Process.Signal(syscall.SIGQUIT) // its children go with it, at once
	<-s.ended
	_ = os.RemoveAll(s.Folder)
}

// Exec runs statements as the superuser.
func (s *Server) Exec(tb testing.TB, database string, statements ...string) {
	tb.Helper()
	s.ExecAs(tb, Superuser, database, statements...)
}

// ExecAs runs statements as role.
func (s *Server) ExecAs(tb testing.TB, role, database string, statements ...string) {
	tb.Helper()
	for _, statement := range statements {
		if err := s.TryAs(tb, role, database, statement); err != nil {
			tb.Fatalf("%s: %v", statement, err)
		}
	}
}

// TryAs runs one statement as role and returns the server's error.
func (s *Server) TryAs(tb testing.TB, role, database, statement string) error {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.URL(role, database))
	if err != nil {
		return err
	}
	defer conn.Close(ctx) //nolint:errcheck // nothing is left to be told
	_, err = conn.Exec(ctx, statement)
	return err
}

// Query returns the one text that a query gives, as the superuser reads it.
func (s *Server) Query(tb testing.TB, database, query string) (text string) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.URL(Superuser, database))
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Close(ctx) //nolint:errcheck // nothing is left to be told
	if err := conn.QueryRow(ctx, query).Scan(&text); err != nil {
		tb.Fatalf("%s: %v", query, err)
	}
	return text
}

// Database makes a database of the test alone, and returns its name. The first
// call lets prepare fill a template, with its address; every database is a copy of
// that.
func (s *Server) Database(tb testing.TB, prepare func(url string) error) string {
	tb.Helper()
	if prepare == nil {
		return s.create(tb, "template0")
	}
	s.template.Do(func() {
		s.failed = true
		s.Exec(tb, "postgres", "CREATE DATABASE prepared TEMPLATE template0")
		if err := prepare(s.URL(Superuser, "prepared")); err != nil {
			tb.Fatalf("prepare the databases: %v", err)
		}
		s.failed = false
	})
	if s.failed {
		tb.Fatal("the databases could not be prepared")
	}
	return s.create(tb, "prepared")
}

func (s *Server) create(tb testing.TB, template string) string {
	tb.Helper()
	name := "test" + strconv.FormatInt(s.number.Add(1), 10)
	s.Exec(tb, "postgres", "CREATE DATABASE "+name+" TEMPLATE "+template+" STRATEGY file_copy")
	tb.Cleanup(func() {
		// A test that killed the server has nothing to take away.
		_ = s.TryAs(tb, Superuser, "postgres", "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
	})
	return name
}

// A Pool starts one server for all tests of a program.
type Pool struct {
	mu     sync.Mutex
	server *Server
}

// Server returns the server, which is started for the first caller. It is fast, and
// loses what it has when the machine does.
func (p *Pool) Server(tb testing.TB) *Server {
	tb.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.server == nil {
		s, err := start(tb, Options{})
		if err != nil {
			tb.Fatal(err)
		}
		p.server = s
	}
	return p.server
}

// Close stops the server, if there is one: TestMain calls it after the tests.
func (p *Pool) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.server != nil {
		p.server.close()
	}
}
