package password_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/warder-dev/warder/session/password"
)

func write(tb testing.TB, path, text string, mode os.FileMode) {
	tb.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		tb.Fatal(err)
	}
}

const (
	oneHash = "$argon2id$v=19$m=7168,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$c2FsdHNhbHRzYWx0c2FsdA"
	twoHash = "$argon2id$v=19$m=7168,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$c2FsdHNhbHRzYWx0c2FsdQ"
)

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users")
	write(t, path, "# people\n\nada:"+oneHash+"\r\nbob:"+oneHash+":orders:read  invoices:*\neve:"+oneHash+":\nÜ @x:"+oneHash, 0o600)
	f, err := password.NewFile(password.FileConfig{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	for name, scopes := range map[string][]string{"ada": nil, "bob": {"orders:read", "invoices:*"}, "eve": nil, "Ü @x": nil} {
		u, err := f.Lookup(t.Context(), name)
		if err != nil || u.Name != name || u.Subject != name || u.Hash != oneHash || !slices.Equal(u.Scopes.Names(), scopes) || u.Disabled {
			t.Errorf("Lookup(%q) = %+v, %v", name, u, err)
		}
	}
	if u, _ := f.Lookup(t.Context(), "bob"); !u.Scopes.Allow("invoices:read") || u.Scopes.Allow("orders:write") {
		t.Errorf("scopes = %v", u.Scopes)
	}
	for _, name := range []string{"", "mallory", "ADA", "# people", "ada:"} {
		if u, err := f.Lookup(t.Context(), name); !errors.Is(err, password.ErrNoUser) || u.Name != "" {
			t.Errorf("Lookup(%q) = %q, %v, want ErrNoUser", name, u.Name, err)
		}
	}
	write(t, path, "ada:"+oneHash+"\nbob:"+oneHash+":orders:read\neve:"+twoHash+"\nnew:"+oneHash, 0o600)
	if changed, err := f.Reload(); err != nil || !slices.Equal(changed, []string{"bob", "eve", "Ü @x"}) {
		t.Errorf("Reload = %q, %v", changed, err)
	}
	write(t, path, "broken", 0o600)
	if changed, err := f.Reload(); err == nil || changed != nil {
		t.Errorf("Reload of a broken file = %q, %v, want an error", changed, err)
	}
	if _, err := f.Lookup(t.Context(), "new"); err != nil {
		t.Errorf("after a broken file: %v", err)
	}
}

func TestFileErrors(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users")
	var lines []string
	lines = append(lines, []string{
		"canary", ":" + oneHash, " canary:" + oneHash, "canary :" + oneHash, "a\x00b:" + oneHash, "\xff:" + oneHash, strings.Repeat("a", 256) + ":" + oneHash,
		"canary:", "canary:x", "canary:" + oneHash + "$canary", "canary:" + oneHash + ":a:b canary::x", "canary:" + oneHash + ":*:a",
	}...)
	write(t, path, "ada:"+oneHash+"\nada:"+twoHash+"\n"+strings.Join(lines, "\n"), 0o600)
	_, err := password.NewFile(password.FileConfig{Path: path})
	if err == nil {
		t.Fatal("no error")
	}
	if got, want := strings.Count(err.Error(), "\nline "), len(lines)+1; got != want || strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "c2FsdH") {
		t.Errorf("%d lines with errors, want %d, and nothing of their content:\n%v", got, want, err)
	}
	if !strings.Contains(err.Error(), "line 2: the name is there already") || strings.Contains(err.Error(), "line 1:") {
		t.Errorf("error:\n%v", err)
	}
}

func TestFileMode(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "users")
	for mode, good := range map[os.FileMode]bool{0o600: true, 0o400: true, 0o640: false, 0o604: false, 0o620: false} {
		write(t, path, "ada:"+oneHash, mode)
		_, err := password.NewFile(password.FileConfig{Path: path})
		if (err == nil) != good || err != nil && !strings.Contains(err.Error(), "want 0600") {
			t.Errorf("mode %04o: %v", mode, err)
		}
		if _, err := password.NewFile(password.FileConfig{Path: path, InsecureMode: true}); err != nil {
			t.Errorf("mode %04o, insecure: %v", mode, err)
		}
	}
	for _, p := range []string{dir, filepath.Join(dir, "none"), ""} {
		if _, err := password.NewFile(password.FileConfig{Path: p}); err == nil {
			t.Errorf("NewFile(%q) = no error", p)
		}
	}
	write(t, path, strings.Repeat("#", 16<<20+1), 0o600)
	if _, err := password.NewFile(password.FileConfig{Path: path}); err == nil || !strings.Contains(err.Error(), "longer") {
		t.Errorf("a file of 16 MiB and a byte: %v", err)
	}
}

// Whatever the file holds, users are whole, and errors tell none of it.
func FuzzFile(f *testing.F) {
	f.Add("ada:" + oneHash)
	f.Add("# x\nbob:" + oneHash + ":orders:read *")
	for _, hash := range malformed() {
		f.Add("eve:" + hash)
	}
	path := filepath.Join(f.TempDir(), "users")
	f.Fuzz(func(t *testing.T, text string) {
		write(t, path, text, 0o600)
		file, err := password.NewFile(password.FileConfig{Path: path})
		if err != nil {
			for line := range strings.Lines(err.Error()) {
				if strings.HasPrefix(line, "line ") && strings.Contains(line, "$") {
					t.Errorf("the error quotes the file: %s", line)
				}
			}
			return
		}
		for line := range strings.Lines(text) {
			name, rest, _ := strings.Cut(strings.TrimRight(line, "\r\n"), ":")
			u, err := file.Lookup(t.Context(), name)
			if err == nil && (u.Name != name || !strings.HasPrefix(rest, u.Hash) || !strings.HasPrefix(u.Hash, "$argon2id$")) {
				t.Errorf("%q became %q, %q", line, u.Name, u.Hash)
			}
		}
	})
}
