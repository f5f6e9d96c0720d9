//go:build unix

package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func serveNothing(args ...string) []string {
	return append([]string{"serve", "--upstream", "http://127.0.0.1:1", "--listen", "127.0.0.1:0", "--admin-listen", "off"}, args...)
}

// TestWhosePepperFile: who owns the file can give himself the right to read it.
func TestWhosePepperFile(t *testing.T) {
	folder := t.TempDir()
	wantRun(t, 0, "", folder, "", "keys", "create")
	file := filepath.Join(folder, "warder.db.peppers")
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	me, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !trustedOwner(info, int(me.Uid)) {
		t.Error("the own file is refused")
	}
	if got, want := trustedOwner(info, 4711), me.Uid == 0; got != want {
		t.Errorf("user 4711 trusts a file of user %d: %v, want %v", me.Uid, got, want)
	}
	if os.Geteuid() != 0 {
		return // only root can give a file away; the rest is above
	}
	if err := os.Chown(file, 4711, -1); err != nil {
		t.Fatal(err)
	}
	wantRun(t, exitDenied, "belongs to another user", folder, "", serveNothing()...)
	wantRun(t, exitDenied, "belongs to another user", folder, "", "keys", "create")
}

// TestWhatIsNoFile is refused at once, where opening it would wait for ever.
func TestWhatIsNoFile(t *testing.T) {
	folder := t.TempDir()
	fifo := filepath.Join(folder, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(folder, "secret.yaml"), "peppers: {value: \"file:fifo\"}\n", 0o600)
	for _, file := range []string{fifo, "/dev/zero", "/dev/null", folder} {
		wantRun(t, exitUsage, "is not a file", folder, "", serveNothing("--peppers-file", file)...)
		wantRun(t, exitUsage, "not a file", folder, "", "config", "validate", file)
	}
	wantRun(t, exitUsage, "not a file", folder, "", "config", "validate", "secret.yaml")
}

func TestLinksToNothing(t *testing.T) {
	folder := t.TempDir()
	link := filepath.Join(folder, "link")
	if err := os.Symlink("nothing", link); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		serveNothing("--db", link), serveNothing("--peppers-file", link),
		{"keys", "create", "--db", link},
		{"keys", "create", "--peppers-file", link},
		{"keys", "list", "--db", link},
	} {
		wantRun(t, exitNotFound, "link is a symbolic link to nothing", folder, "", args...)
	}
	if _, err := os.Stat(filepath.Join(folder, "nothing")); err == nil {
		t.Error("a file was made behind the link")
	}
}
