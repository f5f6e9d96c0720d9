package password_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/session/password"
)

func namesOf(users []password.User) (all []string) {
	for _, u := range users {
		all = append(all, u.Name)
	}
	return all
}

func TestList(t *testing.T) {
	const text = "# people\n\nada:" + oneHash + "\r\n# the next one\nbob:" + oneHash + ":orders:read  a:*\neve:" + oneHash
	l, err := password.ParseList(text)
	if err != nil {
		t.Fatal(err)
	}
	if l.String() != text || !slices.Equal(namesOf(l.Users()), []string{"ada", "bob", "eve"}) {
		t.Errorf("read as %q of %q", l, namesOf(l.Users()))
	}
	for _, u := range []password.User{
		{Name: "Ü @x", Hash: twoHash, Scopes: exchange.PatternScopes("orders:*", "b")},
		{Name: "ada", Hash: twoHash},
	} {
		if err := l.Set(u); err != nil {
			t.Errorf("Set(%q): %v", u.Name, err)
		}
	}
	for name, want := range map[string]bool{"bob": true, "mallory": false, "# people": false, "": false} {
		if got := l.Remove(name); got != want {
			t.Errorf("Remove(%q) = %v, want %v", name, got, want)
		}
	}
	if !l.Remove("eve") || l.Remove("eve") {
		t.Error("eve was removed twice, or not once")
	}
	want := "# people\n\nada:" + twoHash + "\n# the next one\nÜ @x:" + twoHash + ":orders:* b\n"
	if l.String() != want || !slices.Equal(namesOf(l.Users()), []string{"ada", "Ü @x"}) {
		t.Errorf("written as %q of %q, want %q", l, namesOf(l.Users()), want)
	}
	if u, ok := l.Lookup("Ü @x"); !ok || !u.Scopes.Allow("orders:read") {
		t.Errorf("Lookup = %+v, %v", u, ok)
	}
	if _, ok := l.Lookup("bob"); ok {
		t.Error("bob is still there")
	}
}

func TestListRefuses(t *testing.T) {
	l, err := password.ParseList("ada:" + oneHash + "\n")
	if err != nil {
		t.Fatal(err)
	}
	for name, u := range map[string]password.User{
		"no name":             {Hash: oneHash},
		"a comment":           {Name: "#ada", Hash: oneHash},
		"a colon":             {Name: "a:b", Hash: oneHash},
		"blanks around":       {Name: " a", Hash: oneHash},
		"a line end":          {Name: "a\nroot", Hash: oneHash},
		"a carriage return":   {Name: "a\rroot", Hash: oneHash},
		"256 bytes":           {Name: strings.Repeat("a", 256), Hash: oneHash},
		"no hash":             {Name: "a"},
		"a line in the hash":  {Name: "a", Hash: oneHash + "\nroot:" + oneHash},
		"scopes in the hash":  {Name: "a", Hash: oneHash + ":*"},
		"a scope that is two": {Name: "a", Hash: oneHash, Scopes: exchange.PatternScopes("a:b c:d,e")},
		"disabled":            {Name: "a", Hash: oneHash, Disabled: true},
		"another subject":     {Name: "a", Hash: oneHash, Subject: "b"},
	} {
		if err := l.Set(u); err == nil {
			t.Errorf("%s: written as %q", name, l)
		}
	}
	if l.String() != "ada:"+oneHash+"\n" {
		t.Errorf("what was refused changed the list: %q", l)
	}
	if _, err := password.ParseList("canary\nada:" + oneHash); err == nil || strings.Contains(err.Error(), "canary") || !strings.Contains(err.Error(), "line 1") {
		t.Errorf("ParseList = %v", err)
	}
	if _, err := password.ParseList(strings.Repeat("#", 16<<20+1)); err == nil {
		t.Error("16 MiB and a byte were read")
	}
}

// FuzzList: whatever the file holds, and whatever is set, the file is read as what
// was written, and nothing else changes.
func FuzzList(f *testing.F) {
	f.Add("# x\nada:"+oneHash+"\nbob:"+oneHash+":a", "ada", "a:b")
	f.Add("", "eve", "")
	f.Add("ada:"+oneHash, "a\nb", "*")
	path := filepath.Join(f.TempDir(), "users")
	f.Fuzz(func(t *testing.T, text, name, scope string) {
		l, err := password.ParseList(text)
		if err != nil {
			return
		}
		before := l.Users()
		u := password.User{Name: name, Hash: twoHash}
		if scope != "" {
			u.Scopes = exchange.PatternScopes(scope)
		}
		set := l.Set(u)
		write(t, path, l.String(), 0o600)
		file, err := password.NewFile(password.FileConfig{Path: path})
		if err != nil {
			t.Fatalf("%q cannot be read: %v", l, err)
		}
		for _, old := range before {
			if got, err := file.Lookup(t.Context(), old.Name); old.Name != name && (err != nil || got.Hash != old.Hash) {
				t.Errorf("%q is %+v, %v", old.Name, got, err)
			}
		}
		if got, err := file.Lookup(t.Context(), name); set == nil && (err != nil || got.Hash != twoHash || !slices.Equal(got.Scopes.Names(), u.Scopes.Names())) {
			t.Errorf("%q was set, and is %+v, %v", name, got, err)
		}
		if set == nil && !l.Remove(name) {
			t.Errorf("%q cannot be removed", name)
		}
	})
}
