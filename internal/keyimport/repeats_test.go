package keyimport_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/keyimport"
)

// A key that is there twice is found before anything is written, wherever both are
// and whatever fits into memory, and told with the places of both.
func TestCheckFindsKeysThatAreThereTwice(t *testing.T) {
	const n = 2500
	var b strings.Builder
	b.WriteString("name,key,hash\n")
	for i := range n {
		which := i
		switch i {
		case 1700, 2400:
			which = 3 // line 5
		case 2499:
			which = 2498 // line 2500
		}
		fmt.Fprintf(&b, "n,other-system-key-%06d,\n", which)
	}
	b.WriteString("n,," + sum256 + "\nn,sh0rt,\nn,," + sum256 + "\n")
	for _, held := range []int{keyimport.MaxHeld, 2503, 1000, 7} {
		t.Run(fmt.Sprint(held), func(t *testing.T) {
			folder := t.TempDir()
			t.Setenv("TMPDIR", folder)
			store := new(apikey.MemoryStore)
			m := importer(t, store, peppers(t), b.String(), false)
			m.SetHeld(held)
			r, err := m.Check(t.Context())
			if err != nil || r.Read != n+3 || r.Wrong != 5 || r.Imported != n+3-5 || count(t, store) != 0 {
				t.Errorf("Check = %+v, %v", r, err)
			}
			want := []string{
				"line 2503, column 2: key: want a text of 16 to 512 printable ASCII characters without blanks, which is no key of warder",
				"line 1702, column 2: key: is the same key as line 5", "line 2402, column 2: key: is the same key as line 5",
				"line 2501, column 2: key: is the same key as line 2500", "line 2504, column 3: hash: is the same key as line 2502",
			}
			if got := errors.Join(r.Errors...).Error(); got != strings.Join(want, "\n") {
				t.Errorf("errors\n%s\nwant\n%s", got, strings.Join(want, "\n"))
			}
			if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
				t.Errorf("%d files are left, %v", len(left), err)
			}
		})
	}
}

// However many keys are twice, as many are told as of other faults.
func TestCheckTellsSomeOfManyThatAreTwice(t *testing.T) {
	m := importer(t, new(apikey.MemoryStore), peppers(t), file(500)+strings.TrimPrefix(file(500), "key,name,owner\n"), false)
	r, err := m.Check(t.Context())
	if err != nil || r.Wrong != 500 || r.Imported != 500 || len(r.Errors) != keyimport.MaxErrors {
		t.Errorf("Check = %d wrong, %d to be imported, %d errors, %v", r.Wrong, r.Imported, len(r.Errors), err)
	}
}

// What a check holds of a key is 16 bytes. In a random order they spill and merge the
// same.
func TestCheckOfARandomOrder(t *testing.T) {
	const n = 5000
	var b strings.Builder
	b.WriteString("key\n")
	for _, i := range rand.New(rand.NewPCG(1, 2)).Perm(n) {
		fmt.Fprintf(&b, "other-system-key-%06d\n", i)
	}
	m := importer(t, new(apikey.MemoryStore), peppers(t), b.String(), false)
	m.SetHeld(64)
	if r, err := m.Check(t.Context()); err != nil || r.Wrong != 0 || r.Imported != n {
		t.Errorf("Check = %+v, %v", r, err)
	}
}

// A check that asks the store tells the keys that are there, and changes nothing. One
// that cannot be asked for many at once is asked for each.
func TestCheckAsksTheStore(t *testing.T) {
	for name, of := range map[string]func(*apikey.MemoryStore) keyimport.Store{
		"many at once": func(s *apikey.MemoryStore) keyimport.Store { return s },
		"one by one":   func(s *apikey.MemoryStore) keyimport.Store { return wrapped{Store: s, Batcher: s, LegacyStore: s} },
	} {
		t.Run(name, func(t *testing.T) {
			store := new(apikey.MemoryStore)
			asked(t, store, of(store))
		})
	}
}

// wrapped is a store that adds something to one of ours, and passes on what it knows.
type wrapped struct {
	apikey.Store
	apikey.Batcher
	apikey.LegacyStore
}

// away is a store that does not answer whose a digest is.
type away struct{ apikey.LegacyStore }

func (away) LookupDigest(context.Context, string, [32]byte) (apikey.Record, error) {
	return apikey.Record{}, errAway
}

func TestCheckOfAStoreThatIsAway(t *testing.T) {
	store := new(apikey.MemoryStore)
	m := importer(t, wrapped{Store: store, Batcher: store, LegacyStore: away{store}}, peppers(t), file(2), true)
	m.Look()
	if _, err := m.Check(t.Context()); !errors.Is(err, errAway) {
		t.Errorf("Check = %v, want %v", err, errAway)
	}
}

// asked checks and imports files into seen, of which store is what it holds.
func asked(t *testing.T, store *apikey.MemoryStore, seen keyimport.Store) {
	t.Helper()
	const n, there = 2000, 1500
	p := peppers(t)
	text := fmt.Sprintf("key\nother-system-key-000002\nother-system-key-%06d\n", there)
	if _, err := importer(t, seen, p, text, false).Import(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, resume := range []bool{false, true} {
		m := importer(t, seen, p, file(n), resume)
		m.Look()
		r, err := m.Check(t.Context())
		if err != nil || r.Present != 2 || r.Imported != n-2 || count(t, store) != 2 {
			t.Errorf("Check = %+v, %v, with %d keys", r, err, count(t, store))
		}
		want := fmt.Sprintf("line 4: %v\nline %d: %v", keyimport.ErrPresent, there+2, keyimport.ErrPresent)
		if resume {
			want = ""
		}
		if got := fmt.Sprint(errors.Join(r.Errors...)); got != want && (!resume || got != "<nil>") {
			t.Errorf("errors %q, want %q", got, want)
		}
	}
	// An import tells all of a batch that are there.
	last := fmt.Sprintf("other-system-key-%06d,a,b\n", there)
	_, err := importer(t, seen, p, file(5)+last, false).Import(t.Context())
	if want := "line 4: " + keyimport.ErrPresent.Error() + "\nline 7: " + keyimport.ErrPresent.Error(); err == nil || err.Error() != want {
		t.Errorf("Import = %v, want %s", err, want)
	}
	if r, err := importer(t, seen, p, file(5)+last, true).Import(t.Context()); err != nil || r.Imported != 4 || r.Present != 2 || count(t, store) != 6 {
		t.Errorf("Import with Resume = %+v, %v", r, err)
	}
}

// Every fault of a line is told: those that reading finds, and those of what it is
// good for.
func TestSeveralFaultsOfALine(t *testing.T) {
	const text = "owner,expires,scopes,key,enabled,plan\n" +
		"own\x01er,tomorrow,a b:*:c,short,perhaps,Gold!\n" +
		"a,b\n" +
		"ok,,,,,\n"
	r, err := importer(t, new(apikey.MemoryStore), peppers(t), text, false).Check(t.Context())
	if err != nil || r.Wrong != 3 {
		t.Fatalf("Check = %+v, %v", r, err)
	}
	all := errors.Join(r.Errors...).Error()
	for _, want := range []string{
		"line 2, column 1: owner: want printable", "line 2, column 2: expires: want a time such as", "line 2, column 3: scopes: number 2: ",
		"line 2, column 4: key: want a text", "line 2, column 5: enabled: want true or false", "line 2, column 6: plan: want at most 40",
		"line 3: the line: want 6 columns as in line 1, not 2", "line 4, column 4: key: is missing",
	} {
		if strings.Count(all, want) != 1 {
			t.Errorf("the errors lack %q:\n%s", want, all)
		}
	}
	if n := strings.Count(all, "\n") + 1; n != 8 {
		t.Errorf("%d errors, want 8:\n%s", n, all)
	}
}

// A file whose form is broken is told with the place, in words that say what to do.
func TestBrokenTables(t *testing.T) {
	for text, want := range map[string]string{
		"key,name\nsome-key-of-theirs,a \"b\" c\n":    `line 2, character 22: has a quote (") in a column that does not begin with one: put the column in quotes`,
		"key,name\nsome-key-of-theirs,\"a\"b\n":       `line 2, character 22: the quote (") that opens a column is not closed well: want a comma`,
		"key,name\nsome-key-of-theirs,\"a\nb\nc\n":    `the quote (") that opens a column in line 2 is not closed well`,
		"some-key-of-theirs,alice\nkey-of-theirs-2,b": `line 1, column 1: is no name that is known: the first line names the columns, each one of key, hash,`,
		"key,name,KEY\n": "line 1, column 3: has the name of column 1",
	} {
		got := read(keyimport.CSV, text)
		if last := got[len(got)-1]; !strings.Contains(last, want) || strings.Contains(last, "of-theirs") {
			t.Errorf("%q: %s, want %s", text, last, want)
		}
	}
}
