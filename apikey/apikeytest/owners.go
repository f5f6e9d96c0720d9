package apikeytest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
)

// Owners is a store of owners beside that of the keys which bear their ids, both empty.
type Owners struct {
	Store apikey.OwnerStore
	Keys  apikey.Store

	// Entries returns what the audit says of an owner, the oldest first. nil: the store
	// has none.
	Entries func(t *testing.T, id string) []Entry
}

// An Entry is one of the audit.
type Entry struct {
	Actor, Source, Op string
	At                time.Time
	Before, After     string // JSON; "" for none
}

// TestOwners tests what [apikey.OwnerStore] promises. open is called once per subtest
// and gives empty stores each time; it closes them with t.Cleanup.
func TestOwners(t *testing.T, open func(t *testing.T) Owners) {
	t.Helper()
	for _, r := range []struct {
		name  string
		check func(t *testing.T, s Owners)
	}{
		{"a record is kept as it is", ownerKept},
		{"a change is of what was read", ownerChanged},
		{"a revision is never used again", ownerRevisions},
		{"each change has its entry, and what is refused has none", ownerEntries},
		{"pages follow each other", ownerPages},
		{"a text is a part of the id or the name", ownerTexts},
		{"names are found together", ownerNames},
		{"keys are counted and left alone", ownerKeys},
		{"text is kept byte for byte", ownerHostile},
		{"text that cannot be kept is refused", ownerBroken},
		{"what cannot be asked is refused", ownerInvalid},
		{"of many who change it at once one does", ownerRace},
		{"to put, again and against others", ownerPut},
		{"the context ends every method", ownerContext},
	} {
		t.Run(r.name, func(t *testing.T) { r.check(t, open(t)) })
	}
}

// fullOwner has every field set, in a zone other than UTC, with microseconds.
func fullOwner(id string) apikey.Owner {
	at := time.Date(2026, 3, 29, 1, 59, 59, 123456000, time.FixedZone("test", 2*60*60))
	return apikey.Owner{
		ID: id, Name: "Ada & Söhne", Metadata: map[string]string{"team": "payments", "note": "with \"quotes\" and ä"},
		Created: at, Updated: at.Add(time.Hour + time.Microsecond),
	}
}

func ownerChange(before, after *apikey.Owner) apikey.OwnerChange {
	return apikey.OwnerChange{Actor: "user:ada", Source: "cli", At: time.Date(2026, 4, 5, 6, 7, 8, 9000, time.UTC), Before: before, After: after}
}

// mustChange makes a change, and returns the record as it is now, but for its revision
// as it was asked for.
func mustChange(t *testing.T, s Owners, before, after *apikey.Owner) apikey.Owner {
	t.Helper()
	rev, err := s.Store.Apply(t.Context(), ownerChange(before, after))
	if err != nil || rev < 1 {
		t.Fatalf("Apply = %d, %v", rev, err)
	}
	if after == nil {
		return apikey.Owner{}
	}
	now := *after
	now.Revision = rev
	return now
}

func wantOwner(t *testing.T, s Owners, want apikey.Owner) {
	t.Helper()
	got, err := s.Store.Lookup(t.Context(), want.ID)
	if err != nil {
		t.Fatalf("Lookup(%q): %v", want.ID, err)
	}
	sameOwner(t, &got, &want)
}

func sameOwner(t *testing.T, got, want *apikey.Owner) {
	t.Helper()
	if got.ID != want.ID || got.Name != want.Name || !maps.Equal(got.Metadata, want.Metadata) || got.Revision != want.Revision ||
		!got.Created.Equal(want.Created) || !got.Updated.Equal(want.Updated) || got.Updated.IsZero() != want.Updated.IsZero() {
		t.Errorf("the record is %+v, want %+v", *got, *want)
	}
	if got.Created.Location() != time.UTC || got.Updated.Location() != time.UTC {
		t.Errorf("the record has the times %v and %v, want UTC", got.Created, got.Updated)
	}
}

func wantNoOwner(t *testing.T, s Owners, id string) {
	t.Helper()
	if _, err := s.Store.Lookup(t.Context(), id); !errors.Is(err, apikey.ErrNoOwner) {
		t.Errorf("Lookup(%q) = %v, want %v", id, err, apikey.ErrNoOwner)
	}
}

func refusedChange(t *testing.T, s Owners, before, after *apikey.Owner, want error) {
	t.Helper()
	if _, err := s.Store.Apply(t.Context(), ownerChange(before, after)); !errors.Is(err, want) {
		t.Errorf("Apply = %v, want %v", err, want)
	}
}

func ownerKept(t *testing.T, s Owners) {
	wantNoOwner(t, s, "acme")
	full, plain := fullOwner("acme"), apikey.Owner{ID: "ACME", Created: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	wantOwner(t, s, mustChange(t, s, nil, &full))
	plain = mustChange(t, s, nil, &plain)
	wantOwner(t, s, plain)
	wantNoOwner(t, s, "acm")
	wantNoOwner(t, s, "acme ")

	got, err := s.Store.Lookup(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	before := got
	got.Name, got.Metadata, got.Updated = "", nil, time.Time{}
	wantOwner(t, s, mustChange(t, s, &before, &got))
	mustChange(t, s, &plain, nil)
	wantNoOwner(t, s, "ACME")
}

func ownerChanged(t *testing.T, s Owners) {
	full := fullOwner("acme")
	refusedChange(t, s, &full, &full, apikey.ErrNoOwner)
	refusedChange(t, s, &full, nil, apikey.ErrNoOwner)
	first := mustChange(t, s, nil, &full)
	refusedChange(t, s, nil, &full, apikey.ErrOwnerExists)
	renamed := first
	renamed.Name = "other"
	second := mustChange(t, s, &first, &renamed)
	refusedChange(t, s, &first, &renamed, apikey.ErrConflict)
	refusedChange(t, s, &first, nil, apikey.ErrConflict)
	wantOwner(t, s, second)
}

func ownerRevisions(t *testing.T, s Owners) {
	full, last := fullOwner("acme"), apikey.Revision(0)
	for range 3 {
		made := mustChange(t, s, nil, &full)
		if made.Revision <= last {
			t.Errorf("the revision %d comes after %d", made.Revision, last)
		}
		last = made.Revision
		mustChange(t, s, &made, nil)
		refusedChange(t, s, &made, &full, apikey.ErrNoOwner)
	}
}

func ownerEntries(t *testing.T, s Owners) {
	if s.Entries == nil {
		return
	}
	full := fullOwner("acme")
	first := mustChange(t, s, nil, &full)
	refusedChange(t, s, nil, &full, apikey.ErrOwnerExists)
	renamed := first
	renamed.Name, renamed.Metadata = "other", map[string]string{"team": "sales"}
	second := mustChange(t, s, &first, &renamed)
	refusedChange(t, s, &first, &renamed, apikey.ErrConflict)
	mustChange(t, s, &second, nil)
	refusedChange(t, s, &second, nil, apikey.ErrNoOwner)
	const (
		times = `"created":"2026-03-28T23:59:59.123456Z","updated":"2026-03-29T00:59:59.123457Z"}`
		was   = `{"id":"acme","name":"Ada & Söhne","metadata":{"note":"with \"quotes\" and ä","team":"payments"},` + times
		is    = `{"id":"acme","name":"other","metadata":{"team":"sales"},` + times
	)
	c := ownerChange(nil, nil)
	want := []Entry{
		{c.Actor, c.Source, "create", c.At.Truncate(time.Microsecond), "", was},
		{c.Actor, c.Source, "update", c.At.Truncate(time.Microsecond), was, is},
		{c.Actor, c.Source, "delete", c.At.Truncate(time.Microsecond), is, ""},
	}
	if got := s.Entries(t, "acme"); !slices.Equal(got, want) {
		t.Errorf("the audit has\n%v\nwant\n%v", got, want)
	}
}

// found returns the ids of all pages of a filter.
func found(t *testing.T, s Owners, text string, limit int) (ids []string) {
	t.Helper()
	for f := (apikey.OwnerFilter{Text: text, Limit: limit}); ; {
		page, err := s.Store.Find(t.Context(), f)
		if err != nil || len(page.Owners) > limit {
			t.Fatalf("Find = %d records, %v", len(page.Owners), err)
		}
		for i := range page.Owners {
			ids = append(ids, page.Owners[i].ID)
		}
		if !page.More {
			return ids
		}
		if page.Next <= f.After {
			t.Fatalf("the page behind %q ends with %q", f.After, page.Next)
		}
		f.After = page.Next
	}
}

func ownerPages(t *testing.T, s Owners) {
	if got := found(t, s, "", 1); len(got) != 0 {
		t.Errorf("an empty store has %q", got)
	}
	want := []string{"a", "B", "b", "a/b", "ä", "a b", "Z", "1", "10", "2", "\U0001F511"}
	for _, id := range want {
		o := fullOwner(id)
		mustChange(t, s, nil, &o)
	}
	slices.Sort(want)
	for _, limit := range []int{1, 2, len(want) - 1, len(want), 1000} {
		if got := found(t, s, "", limit); !slices.Equal(got, want) {
			t.Errorf("in pages of %d: %q, want %q", limit, got, want)
		}
	}
	page, err := s.Store.Find(t.Context(), apikey.OwnerFilter{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for i := range page.Owners {
		wantOwner(t, s, page.Owners[i])
	}
	if page, err := s.Store.Find(t.Context(), apikey.OwnerFilter{After: "ä~", Limit: 5}); err != nil || len(page.Owners) != 1 || page.More {
		t.Errorf("behind ä: %+v, %v, want the key's picture alone", page, err)
	}
}

func ownerTexts(t *testing.T, s Owners) {
	for id, name := range map[string]string{"acme": "Acme Ltd", "globex": "100% sure", "ini_tech": `back\slash`, "o'neil": "", "Ümit": "ä"} {
		mustChange(t, s, nil, &apikey.Owner{ID: id, Name: name, Created: time.Now(), Metadata: map[string]string{"hidden": "needle"}})
	}
	for text, want := range map[string][]string{
		"ACME": {"acme"}, "ltd": {"acme"}, "%": {"globex"}, "_": {"ini_tech"}, `\`: {"ini_tech"}, "'": {"o'neil"}, "e": {"acme", "globex", "ini_tech", "o'neil"},
		"needle": nil, "ü": nil, "Ü": {"Ümit"}, "nobody": nil, "' OR 1=1 --": nil, "\x00": nil, "\xff": nil,
	} {
		for _, limit := range []int{1, 100} {
			if got := found(t, s, text, limit); !slices.Equal(got, want) {
				t.Errorf("%q in pages of %d finds %q, want %q", text, limit, got, want)
			}
		}
	}
}

func ownerNames(t *testing.T, s Owners) {
	want := make(map[string]string)
	ids := []string{"nobody", "", "\x00", "\xff"}
	for i, id := range hostileTexts() {
		o := apikey.Owner{ID: id, Name: fmt.Sprint("name ", i), Created: time.Now()}
		mustChange(t, s, nil, &o)
		want[id] = o.Name
		ids = append(ids, id, id)
	}
	mustChange(t, s, nil, &apikey.Owner{ID: "nameless", Created: time.Now()})
	mustChange(t, s, nil, &apikey.Owner{ID: "not asked for", Name: "needle", Created: time.Now()})
	got, err := s.Store.Names(t.Context(), append(ids, "nameless"))
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("the names are %q, %v, want %q", got, err, want)
	}
	for _, none := range [][]string{nil, {}, {"nobody"}, make([]string, apikey.MaxOwners)} {
		if got, err := s.Store.Names(t.Context(), none); err != nil || len(got) != 0 {
			t.Errorf("the names of %d owners that nobody knows are %q, %v", len(none), got, err)
		}
	}
	if _, err := s.Store.Names(t.Context(), make([]string, apikey.MaxOwners+1)); err == nil {
		t.Error("the names of too many owners are told")
	}
}

func ownerKeys(t *testing.T, s Owners) {
	count := func(id string, most, want int) {
		t.Helper()
		if n, err := s.Store.CountKeys(t.Context(), id, most); err != nil || n != want {
			t.Errorf("%q has %d keys, no more than %d counted, %v, want %d", id, n, most, err, want)
		}
	}
	count("acme", 10, 0)
	for n := range 3 {
		Own(t, s.Keys, testID(n), "acme")
	}
	Own(t, s.Keys, testID(3), "globex")
	count("acme", 10, 3)
	count("acme", 2, 2)
	count("Acme", 10, 0)
	count("\x00", 10, 0)
	full := fullOwner("acme")
	made := mustChange(t, s, nil, &full)
	count("acme", 10, 3)
	mustChange(t, s, &made, nil)
	count("acme", 10, 3)
	if r, err := s.Keys.Lookup(t.Context(), testID(0)); err != nil || r.Owner != "acme" {
		t.Errorf("a key of the owner whose record was deleted is of %q, %v", r.Owner, err)
	}
	if _, err := s.Store.CountKeys(t.Context(), "acme", 0); err == nil {
		t.Error("no keys at all are counted")
	}
}

// withOwnerText returns a record that has text wherever a store takes any.
func withOwnerText(id, text string) apikey.Owner {
	return apikey.Owner{ID: id, Name: text, Metadata: map[string]string{text: "a", "b": text}, Created: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
}

func ownerHostile(t *testing.T, s Owners) {
	for _, text := range hostileTexts() {
		o := withOwnerText(text, text)
		o = mustChange(t, s, nil, &o)
		wantOwner(t, s, o)
		if n, err := s.Store.CountKeys(t.Context(), text, 1); n != 0 || err != nil {
			t.Errorf("%q has %d keys, %v", text, n, err)
		}
	}
	if got := found(t, s, "", 7); len(got) != len(hostileTexts()) {
		t.Errorf("%d records, want %d", len(got), len(hostileTexts()))
	}
}

func ownerBroken(t *testing.T, s Owners) {
	for _, text := range brokenTexts() {
		for field, o := range map[string]apikey.Owner{
			"id": {ID: text}, "name": {ID: "a", Name: text}, "a name": {ID: "a", Metadata: map[string]string{text: "a"}}, "a value": {ID: "a", Metadata: map[string]string{"a": text}},
		} {
			o.Created = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
			if rev, err := s.Store.Apply(t.Context(), ownerChange(nil, &o)); err == nil {
				o.Revision = rev
				wantOwner(t, s, o) // as it is, then
				mustChange(t, s, &o, nil)
			}
			if got := found(t, s, "", 10); len(got) != 0 {
				t.Fatalf("%s %q left %q", field, text, got)
			}
		}
		wantNoOwner(t, s, text)
	}
}

func ownerInvalid(t *testing.T, s Owners) {
	for _, limit := range []int{-1, 0, 1001} {
		if _, err := s.Store.Find(t.Context(), apikey.OwnerFilter{Limit: limit}); err == nil {
			t.Errorf("a page of %d is taken", limit)
		}
	}
	full, other := fullOwner("acme"), fullOwner("other")
	whole := ownerChange(nil, &full)
	for what, spoil := range map[string]func(c *apikey.OwnerChange){
		"nobody": func(c *apikey.OwnerChange) { c.Actor = "" }, "nowhere": func(c *apikey.OwnerChange) { c.Source = "" },
		"never": func(c *apikey.OwnerChange) { c.At = time.Time{} }, "nothing": func(c *apikey.OwnerChange) { c.After = nil },
		"no id":   func(c *apikey.OwnerChange) { c.After = new(apikey.Owner) },
		"another": func(c *apikey.OwnerChange) { c.Before = &other },
	} {
		c := whole
		spoil(&c)
		if _, err := s.Store.Apply(t.Context(), c); err == nil {
			t.Errorf("%s: the change is taken", what)
		}
	}
	if got := found(t, s, "", 10); len(got) != 0 {
		t.Errorf("there is %q", got)
	}
}

// atOnce runs do n times at once and returns how often it had no error, and the errors
// that are not want.
func atOnce(n int, want error, do func(i int) error) (done int, others []error) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	for i := range n {
		wg.Go(func() {
			err := do(i)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				done++
			case !errors.Is(err, want):
				others = append(others, err)
			}
		})
	}
	wg.Wait()
	return done, others
}

func ownerRace(t *testing.T, s Owners) {
	const many = 8
	full := fullOwner("acme")
	one := func(what string, before, after *apikey.Owner, want error) {
		t.Helper()
		done, others := atOnce(many, want, func(int) error {
			_, err := s.Store.Apply(t.Context(), ownerChange(before, after))
			return err
		})
		if done != 1 || len(others) > 0 {
			t.Errorf("%s: %d of %d did, %v", what, done, many, others)
		}
	}
	one("to create", nil, &full, apikey.ErrOwnerExists)
	now, err := s.Store.Lookup(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	one("to change", &now, &full, apikey.ErrConflict)
	if now, err = s.Store.Lookup(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	one("to delete", &now, nil, apikey.ErrNoOwner)
	wantNoOwner(t, s, "acme")
}

func ownerPut(t *testing.T, s Owners) {
	by := apikey.By{Actor: "user:ada", Source: "cli"}
	spec := apikey.OwnerSpec{ID: "acme", Name: "Acme", Metadata: map[string]string{"team": "a"}}
	put := func(revision apikey.Revision, wantMade bool, want error) apikey.Owner {
		t.Helper()
		o, made, err := apikey.PutOwner(t.Context(), s.Store, by, spec, revision)
		if !errors.Is(err, want) || made != wantMade {
			t.Fatalf("PutOwner at %d = %v, %v, want %v, %v", revision, made, err, wantMade, want)
		}
		if err == nil {
			wantOwner(t, s, o)
		}
		return o
	}
	put(7, false, apikey.ErrConflict)
	first := put(0, true, nil)
	if same := put(0, false, nil); same.Revision != first.Revision || !same.Updated.IsZero() {
		t.Errorf("to say the same again made %+v of %+v", same, first)
	}
	spec.Name = "Acme Ltd"
	second := put(first.Revision, false, nil)
	if second.Updated.IsZero() || !second.Created.Equal(first.Created) || second.Revision <= first.Revision {
		t.Errorf("%+v became %+v", first, second)
	}
	put(first.Revision, false, apikey.ErrConflict)
	if _, err := apikey.CreateOwner(t.Context(), s.Store, by, spec); !errors.Is(err, apikey.ErrOwnerExists) {
		t.Errorf("to create it again: %v", err)
	}
	if err := apikey.DeleteOwner(t.Context(), s.Store, by, "acme", first.Revision); !errors.Is(err, apikey.ErrConflict) {
		t.Errorf("to delete what was: %v", err)
	}
	if err := apikey.DeleteOwner(t.Context(), s.Store, by, "acme", second.Revision); err != nil {
		t.Error(err)
	}
	if err := apikey.DeleteOwner(t.Context(), s.Store, by, "acme", 0); !errors.Is(err, apikey.ErrNoOwner) {
		t.Errorf("to delete it again: %v", err)
	}

	// Whoever does not care what was there comes through, or hears of the others.
	done, others := atOnce(4, apikey.ErrConflict, func(i int) error {
		_, _, err := apikey.PutOwner(t.Context(), s.Store, by, apikey.OwnerSpec{ID: "busy", Name: fmt.Sprint(i)}, 0)
		return err
	})
	if done == 0 || len(others) > 0 {
		t.Errorf("%d came through, %v", done, others)
	}
}

func ownerContext(t *testing.T, s Owners) {
	full := fullOwner("acme")
	made := mustChange(t, s, nil, &full)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, lookup := s.Store.Lookup(ctx, "acme")
	_, find := s.Store.Find(ctx, apikey.OwnerFilter{Limit: 1})
	_, apply := s.Store.Apply(ctx, ownerChange(&made, nil))
	_, count := s.Store.CountKeys(ctx, "acme", 1)
	_, names := s.Store.Names(ctx, []string{"acme"})
	for what, err := range map[string]error{"Lookup": lookup, "Find": find, "Apply": apply, "CountKeys": count, "Names": names} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s of a context that has ended = %v", what, err)
		}
	}
	wantOwner(t, s, made)
}
