package leak_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/warder-dev/warder/leak"
)

// plant writes files below a new folder and returns it.
func plant(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func walk(t *testing.T, root string, cfg leak.TreeConfig) (found []string) {
	t.Helper()
	err := leak.ScanTree(t.Context(), root, cfg, func(r leak.FileResult) error {
		name, err := filepath.Rel(root, r.Path)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range r.Findings {
			found = append(found, fmt.Sprintf("%s:%d:%d %s", filepath.ToSlash(name), f.Line, f.Column, f.ID))
		}
		if r.Err != nil {
			found = append(found, filepath.ToSlash(name)+": error")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestScanTree(t *testing.T) {
	key := made(t, "wrd", "live")
	id := key[9 : 9+12]
	outside := plant(t, map[string]string{"secret": key})
	root := plant(t, map[string]string{
		"a.txt": "x\n " + key, "b/c.bin": "\x00" + key + key, "b/none": "nothing", ".git/objects/x": key, ".env": key,
	})
	for name, to := range map[string]string{"out": outside, "out-file": filepath.Join(outside, "secret"), "loop": root, "again": filepath.Join(root, "a.txt")} {
		if err := os.Symlink(to, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(root, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	want := []string{".env:1:1 " + id, "a.txt:2:2 " + id, "b/c.bin:1:2 " + id, fmt.Sprintf("b/c.bin:1:%d %s", 2+len(key), id)}
	seen := new(leak.Seen)
	if got := walk(t, root, leak.TreeConfig{Scanner: scanner(t), Workers: 3, Seen: seen}); !slices.Equal(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
	if files, keys := seen.Files.Load(), seen.Keys.Load(); files != 4 || keys != 4 {
		t.Errorf("counted %d files and %d keys, want 4 and 4", files, keys)
	}
	got := walk(t, root, leak.TreeConfig{Scanner: scanner(t), Git: true})
	if want := append([]string{".env:1:1 " + id, ".git/objects/x:1:1 " + id}, want[1:]...); !slices.Equal(got, want) {
		t.Errorf("with .git: found %q, want %q", got, want)
	}
	if got := walk(t, filepath.Join(root, "again"), leak.TreeConfig{Scanner: scanner(t)}); len(got) != 1 {
		t.Errorf("a link that was named itself: found %q, want the key behind it", got)
	}
}

func TestScanTreeReportsWhatItCannotRead(t *testing.T) {
	key := made(t, "wrd", "live")
	root := plant(t, map[string]string{"a": key, "z": key})
	// A file whose reading fails whoever reads, root too: a page of its memory that is not there.
	if err := os.Symlink("/proc/self/mem", filepath.Join(t.TempDir(), "mem")); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat("/proc/self/mem"); err == nil {
		err := leak.ScanTree(t.Context(), "/proc/self/mem", leak.TreeConfig{Scanner: scanner(t)}, func(r leak.FileResult) error {
			if r.Err == nil {
				t.Error("what cannot be read is no error")
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	if err := leak.ScanTree(t.Context(), filepath.Join(root, "none"), leak.TreeConfig{Scanner: scanner(t)}, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a path that is not there: %v", err)
	}
	if got := walk(t, root, leak.TreeConfig{Scanner: scanner(t), MaxFile: 1}); len(got) != 2 {
		t.Errorf("found %q, want both", got)
	}
}

func TestScanTreeEnds(t *testing.T) {
	key := made(t, "wrd", "live")
	files := map[string]string{}
	for i := range 3000 {
		files[fmt.Sprintf("%04d", i)] = key
	}
	root, enough := plant(t, files), errors.New("enough")
	n := 0
	err := leak.ScanTree(t.Context(), root, leak.TreeConfig{Scanner: scanner(t), Workers: 4}, func(r leak.FileResult) error {
		if want := fmt.Sprintf("%04d", n); filepath.Base(r.Path) != want {
			t.Fatalf("result %d is of %s", n, r.Path)
		}
		if n++; n == 10 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || n != 10 {
		t.Errorf("error %v after %d results, want the caller's after 10", err, n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err = leak.ScanTree(ctx, root, leak.TreeConfig{Scanner: scanner(t), Workers: 4}, func(leak.FileResult) error { cancel(); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("an ended context: %v", err)
	}
	if got := len(walk(t, root, leak.TreeConfig{Scanner: scanner(t), Workers: 4})); got != 3000 {
		t.Errorf("found %d keys, want 3000", got)
	}
}

func TestScanReaderBoundsWhatItKeeps(t *testing.T) {
	key := made(t, "wrd", "live")
	r, err := leak.ScanReader(t.Context(), strings.NewReader(strings.Repeat(key+"\n", 5)), leak.TreeConfig{Scanner: scanner(t), MaxFile: 2, Name: "here"})
	if err != nil || len(r.Findings) != 2 || r.More != 3 || r.Path != "here" {
		t.Errorf("kept %d, %d more of %q (%v), want 2 and 3 more of here", len(r.Findings), r.More, r.Path, err)
	}
}
