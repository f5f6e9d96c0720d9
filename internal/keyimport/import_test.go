package keyimport_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/keyimport"
)

func peppers(t *testing.T) *apikey.Peppers {
	t.Helper()
	line, err := apikey.NewPepper(nil)
	if err != nil {
		t.Fatal(err)
	}
	p, err := apikey.ParsePeppers(line)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// importer imports text as CSV.
func importer(t *testing.T, store keyimport.Store, p *apikey.Peppers, text string, resume bool) *keyimport.Importer {
	t.Helper()
	m, err := keyimport.New(keyimport.Config{
		Format: keyimport.CSV, Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil },
		Store: store, Peppers: p, By: apikey.By{Actor: "user:ada", Source: "test"}, Resume: resume,
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// file is a CSV file of n keys.
func file(n int) string {
	var b strings.Builder
	b.WriteString("key,name,owner\n")
	for i := range n {
		fmt.Fprintf(&b, "other-system-key-%06d,key %d,acme\n", i, i)
	}
	return b.String()
}

func count(t *testing.T, store apikey.Lister) (n int) {
	t.Helper()
	for after := apikey.ID(""); ; {
		page, err := store.List(t.Context(), after, 1000)
		if err != nil {
			t.Fatal(err)
		}
		if n += len(page); len(page) < 1000 {
			return n
		}
		after = page[len(page)-1].ID
	}
}

func TestImport(t *testing.T) {
	attack.Case(t, "KEY-29", attack.Library, func(t *testing.T) {
		const text = "key,hash,name,owner,expires,enabled\n" +
			"other-system-key-one,,one,acme,,\n" +
			"," + sum256 + ",two,,,false\n" +
			"other-system-key-old,,,,2020-01-01T00:00:00Z,\n"
		store, p := new(apikey.MemoryStore), peppers(t)
		m := importer(t, store, p, text, false)
		checked, err := m.Check(t.Context())
		if err != nil || checked.Read != 3 || checked.Imported != 2 || checked.Expired != 1 || checked.Texts != 1 || checked.Digests["sha256"] != 1 {
			t.Fatalf("Check = %+v, %v", checked, err)
		}
		if n := count(t, store); n != 0 {
			t.Fatalf("a check wrote %d keys", n)
		}
		done, err := m.Import(t.Context())
		if err != nil || done.Imported != 2 || count(t, store) != 2 {
			t.Fatalf("Import = %+v, %v, %d keys", done, err, count(t, store))
		}
		v, err := apikey.NewVerifier(apikey.VerifierConfig{Store: store, Peppers: p, LegacyFormats: apikey.Formats()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = v.Close() })
		who, err := v.Verify(t.Context(), "other-system-key-one")
		if err != nil || who.Owner != "acme" || who.Environment != "live" {
			t.Errorf("Verify = %+v, %v", who, err)
		}
		if _, err := v.Verify(t.Context(), "other-system-key-old"); err == nil {
			t.Error("an expired key is imported")
		}
		record, err := store.Lookup(t.Context(), apikey.ID(who.KeyID))
		if err != nil || record.Name != "one" || record.Secrets[0].Format != apikey.FormatText {
			t.Errorf("record %+v, %v", record, err)
		}
		// The same again, and the same twice.
		if done, err := m.Import(t.Context()); !errors.Is(err, keyimport.ErrPresent) || done.Imported != 0 || !strings.HasPrefix(err.Error(), "line 2: ") {
			t.Errorf("a second import: %+v, %v, want that line 2 is there", done, err)
		}
		twice := importer(t, new(apikey.MemoryStore), p, "key\nother-system-key-one\nother-system-key-two\nother-system-key-one\n", false)
		if done, err := twice.Import(t.Context()); err == nil || done.Imported != 0 || err.Error() != "line 4, column 1: key: is the same key as line 2" {
			t.Errorf("a key that is there twice: %+v, %v", done, err)
		}
	})
}

func TestImportReportsEverythingThatIsWrong(t *testing.T) {
	const text = "key,hash,name,owner,environment,scopes,plan,metadata.a\n" +
		"short,,,,,,,\n" +
		",e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855,,,,,,\n" +
		"other-system-key-one,,na\u202eme,own\x01er,LIVE,a b:*:c,Gold!,x\x02\n" +
		"other-system-key-two,,,,,,,\n"
	m := importer(t, new(apikey.MemoryStore), peppers(t), text, false)
	r, err := m.Check(t.Context())
	if err != nil || r.Wrong != 3 || r.Imported != 1 {
		t.Fatalf("Check = %+v, %v", r, err)
	}
	all := errors.Join(r.Errors...).Error()
	for _, want := range []string{
		"line 2, column 1: key: want a text of 16 to 512", "line 3, column 2: hash: is the digest of nothing", "line 4, column 3: name: ", "line 4, column 4: owner: ",
		"line 4, column 5: environment: ", "line 4, column 6: scopes: ", "line 4, column 7: plan: ", "line 4, column 8: metadata: ",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("the errors lack %q:\n%s", want, all)
		}
	}
	if strings.Contains(all, "short,") || strings.Contains(all, "other-system") {
		t.Errorf("the errors hold a key:\n%s", all)
	}
	if done, err := m.Import(t.Context()); err == nil || done.Imported != 0 {
		t.Errorf("Import = %+v, %v, want nothing written", done, err)
	}
	many := importer(t, new(apikey.MemoryStore), peppers(t), "key\n"+strings.Repeat("x\n", 1000), false)
	if r, err := many.Check(t.Context()); err != nil || r.Wrong != 1000 || len(r.Errors) != keyimport.MaxErrors {
		t.Errorf("%d errors of %d, %v, want %d", len(r.Errors), r.Wrong, err, keyimport.MaxErrors)
	}
}

// breaking is a store that ends its context, or fails, after some batches.
type breaking struct {
	*apikey.MemoryStore
	left atomic.Int32 // batches are written side by side
	stop func() error
}

func (s *breaking) ApplyAll(ctx context.Context, changes []apikey.Change) ([]apikey.Revision, error) {
	if s.left.Add(-1) < 0 {
		if err := s.stop(); err != nil {
			return nil, err
		}
	}
	return s.MemoryStore.ApplyAll(ctx, changes)
}

func TestImportGoesOn(t *testing.T) {
	const n = 2050
	down := errors.New("the store is down")
	for name, stop := range map[string]func(cancel func()) error{
		"the store is down": func(func()) error { return down },
		"interrupted":       func(cancel func()) error { cancel(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			store, p := new(apikey.MemoryStore), peppers(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			b := &breaking{MemoryStore: store, stop: func() error { return stop(cancel) }}
			b.left.Store(2)
			first, err := importer(t, b, p, file(n), false).Import(ctx)
			if err == nil || first.Imported != count(t, store) || first.Imported >= n || first.Imported < 1000 {
				t.Fatalf("Import = %+v, %v, with %d keys in the store", first, err, count(t, store))
			}
			second, err := importer(t, store, p, file(n), true).Import(t.Context())
			if err != nil || second.Imported != n-first.Imported || second.Present != first.Imported || count(t, store) != n {
				t.Errorf("going on: %+v, %v, with %d keys in the store, want %d", second, err, count(t, store), n)
			}
		})
	}
}

// A digest that is there under another id, because the pepper was another one
// when it was imported, is not made twice.
func TestImportAfterThePepperChanged(t *testing.T) {
	const text = "hash\n" + sum256 + "\n"
	store := new(apikey.MemoryStore)
	if _, err := importer(t, store, peppers(t), text, false).Import(t.Context()); err != nil {
		t.Fatal(err)
	}
	r, err := importer(t, store, peppers(t), text, true).Import(t.Context())
	if err != nil || r.Present != 1 || count(t, store) != 1 {
		t.Errorf("Import = %+v, %v, with %d keys", r, err, count(t, store))
	}
	if _, err := importer(t, store, peppers(t), text, false).Import(t.Context()); !errors.Is(err, keyimport.ErrPresent) {
		t.Errorf("without Resume: %v", err)
	}
}

func TestNewReportsEverything(t *testing.T) {
	_, err := keyimport.New(keyimport.Config{Format: "other", Environment: "LIVE"})
	for _, want := range []string{"want Store", `"other"`, "environment"} {
		if !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("error %v, want %s in it", err, want)
		}
	}
}

func TestImportedAt(t *testing.T) {
	store := new(apikey.MemoryStore)
	before := time.Now().Add(-time.Second)
	if _, err := importer(t, store, peppers(t), file(1), false).Import(t.Context()); err != nil {
		t.Fatal(err)
	}
	all, err := store.List(t.Context(), "", 1)
	if err != nil || len(all) != 1 || all[0].Created.Before(before) || !all[0].Secrets[0].Created.Equal(all[0].Created) || all[0].Secrets[0].Number != 1 {
		t.Errorf("imported %+v, %v", all, err)
	}
}
