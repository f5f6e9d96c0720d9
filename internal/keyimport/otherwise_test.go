package keyimport_test

import (
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/keyimport"
)

// Lines of a CSV file: one key as its text, and as each digest that its system may
// have kept.
func formsOfOne() (text, as256, as512 string) {
	const key = "other-system-key-one"
	sum256, sum512 := sha256.Sum256([]byte(key)), sha512.Sum512([]byte(key))
	return key + ",,\n", fmt.Sprintf(",%x,\n", sum256), fmt.Sprintf(",%x,sha512\n", sum512)
}

// A key that is there as a digest is there: its text would be another key's, and prove
// that one's owner from then on.
func TestAKeyIsTheSameInEachForm(t *testing.T) {
	text, as256, as512 := formsOfOne()
	const head = "key,hash,format\n"
	attack.Case(t, "KEY-29", attack.Library, func(t *testing.T) {
		for name, tt := range map[string]struct{ file, want string }{
			"the digest, then the text": {head + as256 + text, "line 3, column 1: key: is the same key as line 2"},
			"the text, then the digest": {head + text + as256, "line 3, column 2: hash: is the same key as line 2"},
			"SHA-512":                   {head + "other-system-key-two,,\n" + as512 + text, "line 4, column 1: key: is the same key as line 3"},
			"the text twice":            {head + text + text, "line 3, column 1: key: is the same key as line 2"},
		} {
			store := new(apikey.MemoryStore)
			m := importer(t, store, peppers(t), tt.file, false)
			r, err := m.Check(t.Context())
			if err != nil || r.Wrong != 1 || r.Imported != strings.Count(tt.file, "\n")-2 || len(r.Errors) != 1 || r.Errors[0].Error() != tt.want {
				t.Errorf("%s: Check = %+v, %v, want %q", name, r, err, tt.want)
			}
			if r, err := m.Import(t.Context()); err == nil || err.Error() != tt.want || r.Imported != 0 || count(t, store) != 0 {
				t.Errorf("%s: Import = %+v, %v, want %q", name, r, err, tt.want)
			}
			if r, err := takeAll(t, store, peppers(t), tt.file, false, false); err == nil || err.Error() != tt.want || r.Imported != 0 || count(t, store) != 0 {
				t.Errorf("%s: Take = %+v, %v, want %q", name, r, err, tt.want)
			}
		}
		for name, digest := range map[string]string{"SHA-256": as256, "SHA-512": as512} {
			t.Run(name, func(t *testing.T) { digestThenText(t, head+digest, head+text) })
		}
		t.Run("under a pepper that is retired", textUnderTwoPeppers)
	})
}

// digestThenText imports a digest for one, and its text for another.
func digestThenText(t *testing.T, digest, text string) {
	t.Helper()
	store, p := new(apikey.MemoryStore), peppers(t)
	if r, err := importer(t, store, p, digest, false).Import(t.Context()); err != nil || r.Imported != 1 {
		t.Fatalf("Import = %+v, %v", r, err)
	}
	refusesAndPasses(t, store, p, text)
	v, err := apikey.NewVerifier(apikey.VerifierConfig{Store: store, Peppers: p, LegacyFormats: apikey.Formats()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = v.Close() })
	first, err := store.List(t.Context(), "", 10)
	if err != nil || len(first) != 1 {
		t.Fatalf("%d keys, %v", len(first), err)
	}
	if who, err := v.Verify(t.Context(), "other-system-key-one"); err != nil || who.KeyID != string(first[0].ID) {
		t.Errorf("the text proves %+v, %v, want the first key", who, err)
	}
}

// refusesAndPasses wants that a key is there already for each way in, and that one way
// that passes over such keys makes nothing.
func refusesAndPasses(t *testing.T, store *apikey.MemoryStore, p *apikey.Peppers, text string) {
	t.Helper()
	n := count(t, store)
	if r, err := importer(t, store, p, text, false).Import(t.Context()); !errors.Is(err, keyimport.ErrPresent) || r.Imported != 0 {
		t.Errorf("Import = %+v, %v, want that it is there", r, err)
	}
	if r, err := importer(t, store, p, text, true).Import(t.Context()); err != nil || r.Imported != 0 || r.Present != 1 {
		t.Errorf("Import with Resume = %+v, %v, want that it is passed over", r, err)
	}
	looking := importer(t, store, p, text, false)
	looking.Look()
	if r, err := looking.Check(t.Context()); err != nil || r.Wrong != 1 || r.Imported != 0 || !errors.Is(r.Errors[0], keyimport.ErrPresent) {
		t.Errorf("Check = %+v, %v, want that it is there", r, err)
	}
	for _, look := range []bool{false, true} {
		if r, err := takeAll(t, store, p, text, false, look); !errors.Is(err, keyimport.ErrPresent) || r.Imported != 0 {
			t.Errorf("Take, look %v: %+v, %v, want that it is there", look, r, err)
		}
	}
	if got := count(t, store); got != n {
		t.Errorf("%d keys, want %d", got, n)
	}
}

// textUnderTwoPeppers imports a text, rotates the pepper, and imports it again.
func textUnderTwoPeppers(t *testing.T) {
	var lines [2]string
	for i := range lines {
		line, err := apikey.NewPepper(nil)
		if err != nil {
			t.Fatal(err)
		}
		lines[i] = line
	}
	before, err := apikey.ParsePeppers(lines[0])
	if err != nil {
		t.Fatal(err)
	}
	after, err := apikey.ParsePeppers(lines[1] + lines[0])
	if err != nil {
		t.Fatal(err)
	}
	store, text := new(apikey.MemoryStore), "key\nother-system-key-one\n"
	if r, err := importer(t, store, before, text, false).Import(t.Context()); err != nil || r.Imported != 1 {
		t.Fatalf("Import = %+v, %v", r, err)
	}
	refusesAndPasses(t, store, after, text)
}

// takeAll reads a file and has its entries taken, as a server does.
func takeAll(t *testing.T, store keyimport.Store, p *apikey.Peppers, text string, resume, look bool) (*keyimport.Report, error) {
	t.Helper()
	var entries []keyimport.Numbered
	for e, err := range keyimport.Read(keyimport.CSV, io.NopCloser(strings.NewReader(text))) {
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, keyimport.Numbered{Entry: e, Number: len(entries)})
	}
	return keyimport.Take(t.Context(), keyimport.Config{Store: store, Peppers: p, By: apikey.By{Actor: "user:ada", Source: "test"}, Resume: resume, Look: look}, entries)
}
