package sqlite_test

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/sqlite"
)

// openError opens the database at path, which must fail.
func openError(t *testing.T, path string) error {
	t.Helper()
	db, err := sqlite.Open(t.Context(), sqlite.Config{Path: path, Log: discard()})
	if err == nil {
		t.Fatalf("Open(%q) = no error, want one (closed: %v)", path, db.Close())
	}
	return err
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	newer, foreign, broken := filepath.Join(dir, "newer.db"), write("foreign.db", nil), filepath.Join(dir, "broken.db")
	for _, path := range []string{newer, broken} {
		if err := mustOpen(t, path).Close(); err != nil {
			t.Fatal(err)
		}
	}
	execRaw(t, newer, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (77, 1)`)
	execRaw(t, foreign, `CREATE TABLE albums (name TEXT)`)
	spoil(t, broken)

	for _, tt := range []struct {
		name, path string
		want       error
		says       string
	}{
		{"empty path", "", sqlite.ErrPath, "empty"},
		{"a folder", dir, sqlite.ErrPath, "folder"},
		{"memory", ":memory:", sqlite.ErrPath, "no file"},
		{"folder is missing", filepath.Join(dir, "none", "warder.db"), fs.ErrNotExist, "folder does not exist"},
		{"not a database", write("text.db", bytes.Repeat([]byte("not a database\n"), 1000)), sqlite.ErrCorrupt, "text.db"},
		{"short text", write("short.db", []byte("hello")), sqlite.ErrCorrupt, "short.db"},
		{"damaged schema", broken, sqlite.ErrCorrupt, "broken.db"},
		{"written by a newer warder", newer, sqlite.ErrNewerSchema, "schema is version 77, this program knows versions up to 19"},
		{"another program's", foreign, sqlite.ErrForeign, "foreign.db"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := contentOf(t, tt.path)
			err := openError(t, tt.path)
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "\n") {
				t.Errorf("Open = %q, want one line, %v, with %q", err, tt.want, tt.says)
			}
			if !bytes.Equal(contentOf(t, tt.path), before) {
				t.Error("a file that was refused is changed, want it untouched")
			}
		})
	}
}

// contentOf returns the content of a file, nil when there is none.
func contentOf(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil && path != "" && !errors.Is(err, fs.ErrNotExist) && !strings.Contains(err.Error(), "is a directory") {
		t.Fatal(err)
	}
	return content
}

// spoil overwrites the schema of a database but not its header.
func spoil(t *testing.T, path string) {
	t.Helper()
	content := contentOf(t, path)
	for i := 100; i < 4096; i++ {
		content[i] = 0xa5
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// mustOpen opens the database at path; the test closes it.
func mustOpen(t *testing.T, path string) *sqlite.DB {
	t.Helper()
	db, err := sqlite.Open(t.Context(), sqlite.Config{Path: path, Log: discard()})
	if err != nil {
		t.Fatalf("Open = %v, want no error", err)
	}
	return db
}

func TestFilesArePrivate(t *testing.T) {
	path := newPath(t)
	db := open(t, path)
	if _, err := db.APIKeys().Apply(t.Context(), newKey(1)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{path, path + "-wal", path + "-shm"} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != 0o600 {
			t.Errorf("mode of %s = %v, want 0600", filepath.Base(name), got)
		}
	}
}

func TestOpenWarnsOfAWideMode(t *testing.T) {
	path := newPath(t)
	for _, tt := range []struct {
		mode os.FileMode
		want bool
	}{{0o600, false}, {0o640, true}, {0o604, true}} {
		if err := mustOpen(t, path).Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, tt.mode); err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		db, err := sqlite.Open(t.Context(), sqlite.Config{Path: path, Log: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatalf("Open with mode %v = %v, want no error", tt.mode, err)
		}
		if got := strings.Contains(log.String(), "level=WARN"); got != tt.want {
			t.Errorf("mode %v: log is %q, want a warning: %v", tt.mode, log.String(), tt.want)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestPathIsTakenAsItIs(t *testing.T) {
	for _, name := range []string{"a b.db", "a%20b.db", "a#b.db", "ä&b=c.db", "%zz.db"} {
		path := filepath.Join(t.TempDir(), name)
		open(t, path)
		entries, err := os.ReadDir(filepath.Dir(path))
		if err != nil || entries[0].Name() != name {
			t.Errorf("Open(%q) made %v, %v, want that file", name, entries, err)
		}
	}
}

func TestOpenAtOnce(t *testing.T) {
	path := newPath(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			db, err := sqlite.Open(t.Context(), sqlite.Config{Path: path, Log: discard()})
			if err != nil {
				t.Errorf("one of several Opens of a new file = %v, want no error", err)
				return
			}
			if _, err := db.APIKeys().Revision(t.Context()); err != nil {
				t.Errorf("Revision = %v", err)
			}
			if err := db.Close(); err != nil {
				t.Errorf("Close = %v", err)
			}
		})
	}
	wg.Wait()
}

func TestErrorsHideParameters(t *testing.T) {
	attack.Case(t, "LOG-09", attack.Library, func(t *testing.T) {
		const canary = "hunter2canary"
		dir := t.TempDir()
		for _, path := range []string{
			"file:warder.db?password=" + canary, dir + "/warder.db?_auth_pass=" + canary, "file://user:" + canary + "@host/warder.db",
			"postgres://warder:" + canary + "@db.example.com/warder", "sqlite://" + canary, dir + "/warder.db\x00" + canary,
		} {
			if err := openError(t, path); strings.Contains(err.Error(), canary) || !errors.Is(err, sqlite.ErrPath) {
				t.Errorf("Open = %q, want ErrPath without the address", err)
			}
		}
		if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
			t.Errorf("files made = %v, %v, want none", entries, err)
		}
		db := mustOpen(t, filepath.Join(dir, "warder.db"))
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		c := newKey(1)
		c.After.Name, c.After.ID = canary, canary
		_, applyErr := db.APIKeys().Apply(t.Context(), c)
		_, lookupErr := db.APIKeys().Lookup(t.Context(), canary)
		if err := errors.Join(applyErr, lookupErr); applyErr == nil || lookupErr == nil || strings.Contains(err.Error(), canary) {
			t.Errorf("Apply and Lookup on a closed database = %q, want errors without what was asked", err)
		}
	})
}
