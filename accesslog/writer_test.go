package accesslog_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/warder-dev/warder/accesslog"
	"github.com/warder-dev/warder/internal/attack"
)

// until asks ok every millisecond, for ten seconds at most.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(10 * time.Second)
	for !ok() {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("%s: not within 10 s", what)
		}
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func write(t *testing.T, w io.Writer, line string) {
	t.Helper()
	if n, err := io.WriteString(w, line); n != len(line) || err != nil {
		t.Fatalf("Write = %d, %v, want %d and no error", n, err, len(line))
	}
}

func closeWriter(t *testing.T, w *accesslog.Writer) {
	t.Helper()
	if err := w.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

func openFile(t *testing.T, name string) *accesslog.Writer {
	t.Helper()
	w, err := accesslog.OpenFile(name, accesslog.WriterConfig{})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// notice returns the number of dropped records that the lines tell of.
func notice(t *testing.T, lines string) uint64 {
	t.Helper()
	var sum uint64
	for line := range strings.Lines(lines) {
		var n struct{ Dropped uint64 }
		if err := json.Unmarshal([]byte(line), &n); err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		sum += n.Dropped
	}
	return sum
}

func TestWriterLOG05(t *testing.T) {
	attack.Case(t, "LOG-05", attack.Library, func(t *testing.T) {
		t.Run("disk full", diskFull)
		t.Run("line cut by a full disk", lineCut)
		t.Run("pipe stuck", pipeStuck)
		t.Run("requests go on over a stuck pipe", requestsGoOn)
		t.Run("log moved", func(t *testing.T) { rotated(t, func(name string) error { return os.Rename(name, name+".1") }) })
		t.Run("log removed", func(t *testing.T) { rotated(t, os.Remove) })
		t.Run("log moved and told", reopened)
	})
}

// diskFull writes to /dev/full, and then to a disk with room.
func diskFull(t *testing.T) {
	name := filepath.Join(t.TempDir(), "access.log")
	if err := os.Symlink("/dev/full", name); err != nil {
		t.Fatal(err)
	}
	w := openFile(t, name)
	for range 100 {
		write(t, w, "{}\n")
	}
	until(t, "100 drops", func() bool { return w.Dropped() == 100 })
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	w.Reopen()
	write(t, w, `{"after":true}`+"\n")
	closeWriter(t, w)
	got := read(t, name)
	if !strings.Contains(got, "100 records dropped") || notice(t, got) != 100 || !strings.HasSuffix(got, "{\"after\":true}\n") {
		t.Errorf("log = %q, want the notice of 100 and the record", got)
	}
}

// limited takes so many bytes and then no more, until it is widened.
type limited struct {
	mu   sync.Mutex
	room int
	got  bytes.Buffer
}

func (l *limited) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := min(len(p), l.room)
	l.room -= n
	l.got.Write(p[:n])
	if n < len(p) {
		return n, errors.New("no space left on device")
	}
	return n, nil
}

func lineCut(t *testing.T) {
	out := &limited{room: 20}
	w := accesslog.NewWriter(out, accesslog.WriterConfig{})
	write(t, w, `{"record":1}`+"\n"+`{"record":2}`+"\n")
	until(t, "a drop", func() bool { return w.Dropped() > 0 })
	out.mu.Lock()
	out.room = 1000
	out.mu.Unlock()
	write(t, w, `{"record":3}`+"\n")
	closeWriter(t, w)
	lines := strings.Split(out.got.String(), "\n")
	if len(lines) != 5 || lines[0] != `{"record":1}` || notice(t, lines[2]+"\n") != 1 || lines[3] != `{"record":3}` {
		t.Errorf("log = %q, want record 1, a cut line, the notice of one, record 3", lines)
	}
}

// pipeStuck logs to a pipe that nobody reads until the end.
func pipeStuck(t *testing.T) {
	r, p, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	const queue, records = 64 << 10, 5000
	line := `{"padding":"` + strings.Repeat("x", 80) + `"}` + "\n"
	w := accesslog.NewWriter(p, accesslog.WriterConfig{Queue: queue, CloseTimeout: 10 * time.Second})
	var slowest time.Duration
	for range records {
		start := time.Now()
		write(t, w, line)
		slowest = max(slowest, time.Since(start))
	}
	t.Logf("slowest of %d writes: %v", records, slowest)
	if slowest > time.Second { // the budget is microseconds; the bound is for a busy machine
		t.Errorf("a write took %v", slowest)
	}
	if w.Dropped() == 0 {
		t.Fatal("nothing was dropped although nobody reads")
	}
	lines := make(chan string)
	go func() {
		b, err := io.ReadAll(r)
		if err != nil {
			b = []byte(err.Error())
		}
		lines <- string(b)
	}()
	closeWriter(t, w)
	dropped := w.Dropped()
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	got := <-lines
	if told := notice(t, got); told != dropped || strings.Count(got, line)+int(dropped) != records {
		t.Errorf("told of %d of %d drops; %d lines of %d arrived", told, dropped, strings.Count(got, line), records)
	}
}

// requestsGoOn serves requests whose log nobody reads.
func requestsGoOn(t *testing.T) {
	r, p, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = r.Close(), p.Close() }()
	w := accesslog.NewWriter(p, accesslog.WriterConfig{Queue: 64 << 10, CloseTimeout: time.Millisecond})
	served := 0
	handler := newStage(t, slog.NewJSONHandler(w, nil), "").Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served++ }))
	const requests = 3000
	start := time.Now()
	for range requests {
		handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	}
	if took := time.Since(start); served != requests || took > requests*time.Millisecond {
		t.Errorf("%d of %d requests served in %v, want all within 1 ms each", served, requests, took)
	}
	if w.Dropped() == 0 {
		t.Error("nothing was dropped although nobody reads")
	}
	if err := w.Close(); err == nil {
		t.Error("Close gave no error although records are left")
	}
}

func rotated(t *testing.T, rotate func(name string) error) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "access.log")
	w := openFile(t, name)
	write(t, w, "before\n")
	until(t, "the first line", func() bool { return read(t, name) == "before\n" })
	if err := rotate(name); err != nil {
		t.Fatal(err)
	}
	until(t, "a new file", func() bool { _, err := os.Stat(name); return err == nil })
	write(t, w, "after\n")
	closeWriter(t, w)
	if got := read(t, name); got != "after\n" {
		t.Errorf("new file = %q, want %q", got, "after\n")
	}
	if got := w.Dropped(); got != 0 {
		t.Errorf("Dropped = %d, want 0", got)
	}
}

func reopened(t *testing.T) {
	name := filepath.Join(t.TempDir(), "access.log")
	w := openFile(t, name)
	write(t, w, "before\n")
	until(t, "the first line", func() bool { return read(t, name) == "before\n" })
	if err := os.Rename(name, name+".1"); err != nil {
		t.Fatal(err)
	}
	w.Reopen()
	write(t, w, "after\n")
	closeWriter(t, w)
	if before, after := read(t, name+".1"), read(t, name); before != "before\n" || after != "after\n" {
		t.Errorf("old = %q, new = %q", before, after)
	}
}

func TestCloseIsBounded(t *testing.T) {
	r, p, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = r.Close(), p.Close() }()
	w := accesslog.NewWriter(p, accesslog.WriterConfig{CloseTimeout: 20 * time.Millisecond})
	for range 100 {
		write(t, w, strings.Repeat("x", 4095)+"\n")
	}
	start := time.Now()
	if err := w.Close(); err == nil || time.Since(start) > 5*time.Second {
		t.Errorf("Close = %v after %v, want an error within the bound", err, time.Since(start))
	}
	if err := w.Close(); err != nil {
		t.Errorf("second Close = %v", err)
	}
	if _, err := w.Write([]byte("x\n")); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Write after Close: %v, want os.ErrClosed", err)
	}
	until(t, "the rest counted", func() bool { return w.Dropped() > 1 })
}

func TestFileIsPrivateAndAppended(t *testing.T) {
	name := filepath.Join(t.TempDir(), "access.log")
	for i := range 2 {
		w := openFile(t, name)
		write(t, w, fmt.Sprintln(i))
		closeWriter(t, w)
	}
	if got := read(t, name); got != "0\n1\n" {
		t.Errorf("file = %q", got)
	}
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o600 {
		t.Errorf("mode = %o, want 600", got)
	}
	if _, err := accesslog.OpenFile(t.TempDir(), accesslog.WriterConfig{}); err == nil {
		t.Error("a folder was opened as a log")
	}
}

func TestWritersAreConcurrent(t *testing.T) {
	name := filepath.Join(t.TempDir(), "access.log")
	w := openFile(t, name)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 200 {
				if _, err := fmt.Fprintf(w, "{\"i\":%d,\"j\":%d}\n", i, j); err != nil {
					t.Error(err)
				}
				if j%50 == 0 {
					w.Reopen()
				}
			}
		})
	}
	wg.Wait()
	closeWriter(t, w)
	if got := strings.Count(read(t, name), "}\n"); got != 1600 {
		t.Errorf("%d lines, want 1600", got)
	}
}

func BenchmarkWriter(b *testing.B) {
	w := accesslog.NewWriter(io.Discard, accesslog.WriterConfig{})
	line := []byte(strings.Repeat("x", 299) + "\n")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.Write(line); err != nil {
			b.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		b.Error(err)
	}
}

func TestTroubleWithTheNameIsTold(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "logs")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	told := make(chan error, 4)
	w, err := accesslog.OpenFile(filepath.Join(folder, "a.log"), accesslog.WriterConfig{Trouble: func(err error) { told <- err }})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := os.Rename(folder, folder+".old"); err != nil {
		t.Fatal(err)
	}
	w.Reopen()
	if err := <-told; !errors.Is(err, os.ErrNotExist) {
		t.Errorf("told %v, want that the name is gone", err)
	}
	w.Reopen() // not told twice
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	w.Reopen()
	if err := <-told; err != nil {
		t.Errorf("told %v, want nil: it works again", err)
	}
}
