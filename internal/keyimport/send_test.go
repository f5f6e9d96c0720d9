package keyimport_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/keyimport"
)

var errAway = errors.New("away")

// What one process reads and another writes is what one that does both would write:
// the same ids, also when it was interrupted and goes on.
func TestSendAndTake(t *testing.T) {
	const n = 2500
	text := file(n) + "other-system-key-old,expired,acme\n"
	whole, apart, p := new(apikey.MemoryStore), new(apikey.MemoryStore), peppers(t)
	if _, err := importer(t, whole, p, text, false).Import(t.Context()); err != nil {
		t.Fatal(err)
	}
	var sizes []int
	put := func(resume bool, fails int) func(context.Context, []keyimport.Numbered) (int, int, error) {
		return func(ctx context.Context, entries []keyimport.Numbered) (int, int, error) {
			if sizes = append(sizes, len(entries)); len(sizes) == fails {
				return 0, 0, errAway
			}
			r, err := keyimport.Take(ctx, keyimport.Config{Store: apart, Peppers: p, By: apikey.By{Actor: "user:ada", Source: "test"}, Resume: resume}, entries)
			if err != nil {
				return 0, 0, err
			}
			return r.Imported, r.Present, nil
		}
	}
	weigh := func(*keyimport.Entry) int { return 1 }
	reader := importer(t, new(apikey.MemoryStore), peppers(t), text, false)
	r, err := reader.Send(t.Context(), 1<<20, weigh, put(false, 3))
	if !errors.Is(err, errAway) || r.Imported != 2000 || !slices.Equal(sizes, []int{1000, 1000, 501}) {
		t.Fatalf("interrupted: %v, %d, %d", err, r.Imported, sizes)
	}
	if _, err := reader.Send(t.Context(), 1<<20, weigh, put(false, 0)); !errors.Is(err, keyimport.ErrPresent) {
		t.Fatalf("again: %v", err)
	}
	sizes = nil
	r, err = reader.Send(t.Context(), 700, weigh, put(true, 0))
	if err != nil || r.Imported != 501 || r.Present != 2000 || !slices.Equal(sizes, []int{700, 700, 700, 401}) {
		t.Fatalf("resumed: %v, %d and %d, %d", err, r.Imported, r.Present, sizes)
	}
	for after := apikey.ID(""); ; {
		page, err := whole.List(t.Context(), after, 1000)
		if err != nil {
			t.Fatal(err)
		}
		other, err := apart.List(t.Context(), after, 1000)
		if err != nil || len(other) != len(page) {
			t.Fatalf("%d keys against %d: %v", len(other), len(page), err)
		}
		for i := range page {
			if a, b := page[i], other[i]; a.ID != b.ID || a.Name != b.Name || a.Secrets[0].Digest != b.Secrets[0].Digest {
				t.Fatalf("%+v against %+v", b, a)
			}
		}
		if len(page) < 1000 {
			break
		}
		after = page[len(page)-1].ID
	}
}

// A batch with one entry that cannot be taken writes nothing, and every such entry
// is named.
func TestTakeIsWholeOrNothing(t *testing.T) {
	store := new(apikey.MemoryStore)
	entries := []keyimport.Numbered{{Entry: keyimport.Entry{At: "a", Name: "no text"}}, {Entry: keyimport.Entry{At: "b", Plan: "Gold"}, Number: 1}}
	var reader []keyimport.Numbered
	for e, err := range keyimport.Read(keyimport.CSV, strings.NewReader(file(1))) {
		if err != nil {
			t.Fatal(err)
		}
		reader = append(reader, keyimport.Numbered{Entry: e, Number: 2})
	}
	_, err := keyimport.Take(t.Context(), keyimport.Config{Store: store, Peppers: peppers(t), By: apikey.By{Actor: "a", Source: "b"}}, append(reader, entries...))
	for _, want := range []string{"a: key: ", "b: key: ", "b: plan: "} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	if n := count(t, store); n != 0 {
		t.Errorf("%d keys were written", n)
	}
	if _, err := keyimport.Take(t.Context(), keyimport.Config{}, nil); err == nil {
		t.Error("without a store: no error")
	}
}
