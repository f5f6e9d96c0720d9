package known_test

import (
	"bytes"
	"crypto/sha1"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/secret"
	"github.com/warder-dev/warder/session/password/known"
)

func builtIn(tb testing.TB) *known.List {
	tb.Helper()
	l, err := known.New(known.Config{})
	if err != nil {
		tb.Fatal(err)
	}
	return l
}

// write writes a list.
func write(tb testing.TB, text string) string {
	tb.Helper()
	name := filepath.Join(tb.TempDir(), "known.txt")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	return name
}

// hashed is a list of digests in the form of Pwned Passwords.
func hashed(passwords ...string) string {
	var lines []string
	for i, one := range passwords {
		lines = append(lines, fmt.Sprintf("%X:%d", sha1.Sum([]byte(one)), 7*i+1))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\r\n") + "\r\n"
}

func isKnown(tb testing.TB, l *known.List, text string, words ...string) bool {
	tb.Helper()
	found, err := l.Known(secret.New(text), words...)
	if err != nil {
		tb.Errorf("Known(%q): %v", text, err)
	}
	return found
}

func TestWhatEverybodyTries(t *testing.T) {
	l := builtIn(t)
	for _, text := range []string{
		"password", "Password1", "P@ssw0rd", "Passw0rd2024!", "PASSWORD-PASSWORD", "p4ssw0rd1234", "admin-welcome-1", "Administrator1!", "qwertyuiop12", "Qwertz1234567", "iloveyou1234!",
		"letmeinplease", "changeme12345", "correct horse battery staple", "Summer2026!!!!", "warder12345678", "Warder-Admin-1", "w4rder2026!", "l3tm31n!", "trustno1", "a1b2c3d4e5f6g7h8", "Dragon.Monkey.7",
		"welcome welcome", "123password123", "Secret!Secret!", "test",
	} {
		if !isKnown(t, l, text) {
			t.Errorf("%q is not known", text)
		}
	}
	for _, text := range []string{
		"seven quiet otters", "eight quiet otters", "forwarder lists at dawn", "the warden of the north tower", "Zk4mQ9vXbN2w", "password 8372645190283", "4711-0815-9023-77", "пароль-из-семи-слов",
		"sunshine over seven hills", "", "mother of pearl 1987", "kubernetes eats otters",
	} {
		if isKnown(t, l, text) {
			t.Errorf("%q is known", text)
		}
	}
}

func TestWhatEverybodyKnowsOfTheAccount(t *testing.T) {
	l := builtIn(t)
	for _, text := range []string{"lovelace2026!", "L0velace-admin", "Lovelace.Lovelace", "passwordlovelace"} {
		if !isKnown(t, l, text, "ada", "Lovelace") {
			t.Errorf("%q is not known", text)
		}
		if isKnown(t, l, text, "babbage") {
			t.Errorf("%q is known of somebody else", text)
		}
	}
	if isKnown(t, l, "ada", "ada") { // says nothing by itself
		t.Error("three letters are known")
	}
}

func TestAListOfDigests(t *testing.T) {
	var all []string
	for i := range 3000 {
		all = append(all, fmt.Sprintf("leaked otter number %d", i))
	}
	for _, n := range []int{1, 2, 3, 7, 500, 3000} {
		l, err := known.New(known.Config{File: write(t, hashed(all[:n]...))})
		if err != nil {
			t.Fatal(err)
		}
		for i, text := range all {
			if got := isKnown(t, l, text); got != (i < n) {
				t.Fatalf("of %d: %q is known: %v", n, text, got)
			}
		}
		if !isKnown(t, l, strings.ToUpper(all[0])) {
			t.Errorf("of %d: in capitals it is not known", n)
		}
	}
}

func TestAListOfPasswords(t *testing.T) {
	long := strings.Repeat("x", 5000)
	l, err := known.New(known.Config{File: write(t, "leaked otters\nTwo Otters\r\n\n"+long+"\nthe last one")})
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{
		"leaked otters": true, "Leaked Otters": true, "two otters": true, "the last one": true, "two otter": false, "": false, "three otters": false,
	} {
		if got := isKnown(t, l, text); got != want {
			t.Errorf("%q is known: %v, want %v", text, got, want)
		}
	}
}

func TestTheListIsReadAnew(t *testing.T) {
	name := write(t, hashed("first otter"))
	l, err := known.New(known.Config{File: name})
	if err != nil {
		t.Fatal(err)
	}
	replace := func(text string) {
		t.Helper()
		if err := os.WriteFile(name+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		later := time.Now().Add(time.Hour)
		if err := os.Chtimes(name+".new", later, later); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(name+".new", name); err != nil {
			t.Fatal(err)
		}
	}
	replace("second otter\n")
	if isKnown(t, l, "first otter") || !isKnown(t, l, "second otter") {
		t.Error("the list is that of before")
	}
	replace("nonsense:" + hashed("a"))
	if !isKnown(t, l, "NONSENSE:"+strings.TrimRight(hashed("a"), "\r\n")) { // a password like any other
		t.Error("a list of passwords that begins with none is not read")
	}
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	if found, err := l.Known(secret.New("a new canary of mine")); err == nil || found || strings.Contains(err.Error(), "canary") {
		t.Errorf("without its file it says %v, %v, want an error", found, err)
	}
	if !isKnown(t, l, "password123") { // what is built in needs no file
		t.Error("what is built in is not known")
	}
}

func TestListsThatAreNone(t *testing.T) {
	lines := strings.Split(strings.TrimSpace(hashed("a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n")), "\r\n")
	slices.Reverse(lines)
	for name, tt := range map[string]struct{ text, says string }{
		"empty":              {"", "is empty"},
		"another order":      {strings.Join(lines, "\n") + "\n", "not ordered by hash"},
		"something within":   {strings.Repeat(hashed("a"), 3) + strings.Repeat("x", 4000) + "\n", "want a SHA-1 digest"},
		"too many passwords": {strings.Repeat("otter\n", 1_000_001), "more than 1000000"},
	} {
		if _, err := known.New(known.Config{File: write(t, tt.text)}); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v, want %q", name, err, tt.says)
		}
	}
	for name, file := range map[string]string{"none": filepath.Join(t.TempDir(), "none"), "a folder": t.TempDir()} {
		if _, err := known.New(known.Config{File: file}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// FuzzSearch compares the search in a file with a look at every line.
func FuzzSearch(f *testing.F) {
	f.Add([]byte("a\x00b\x00c"), "b")
	f.Add([]byte("password"), "Password")
	f.Add([]byte{}, "")
	f.Fuzz(func(t *testing.T, list []byte, text string) {
		var all []string
		for one := range bytes.SplitSeq(list, []byte{0}) {
			all = append(all, string(one))
		}
		l, err := known.New(known.Config{File: write(t, hashed(all...))})
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range all {
			if !isKnown(t, l, one) {
				t.Errorf("%q is in the list, and not known", one)
			}
		}
		want := slices.Contains(all, text) || slices.Contains(all, strings.ToLower(text)) || isKnown(t, builtIn(t), text)
		if got := isKnown(t, l, text); got != want {
			t.Errorf("%q is known: %v, want %v", text, got, want)
		}
	})
}

func BenchmarkKnown(b *testing.B) {
	var all []string
	for i := range 100_000 {
		all = append(all, fmt.Sprint("leaked otter ", i))
	}
	l, err := known.New(known.Config{File: write(b, hashed(all...))})
	if err != nil {
		b.Fatal(err)
	}
	text := secret.New("eight quiet otters in a row")
	b.ReportAllocs()
	for b.Loop() {
		if found, err := l.Known(text); found || err != nil {
			b.Fatal(found, err)
		}
	}
}
