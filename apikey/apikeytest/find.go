package apikeytest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
)

func findRules() []rule {
	return []rule{
		{"every filter finds what it says, alone and together", findFilters},
		{"the newest come first, and the id decides between equals", findOrder},
		{"pages follow each other in both orders", findPages},
		{"pages of those that have ended, and of those that retire, follow each other", findPagesOfStates},
		{"text is taken as it stands", findText},
		{"a filter that is not valid is refused", findInvalid},
	}
}

// family returns keys of which each filter finds some.
func family(at time.Time) []apikey.Record {
	var all []apikey.Record
	add := func(change func(*apikey.Record)) {
		r := plainRecord(testID(len(all)))
		r.Created = at.Add(time.Duration(len(all)) * time.Minute)
		change(&r)
		all = append(all, r)
	}
	add(func(r *apikey.Record) { r.Owner = "ada" })
	add(func(r *apikey.Record) { r.Owner, r.Disabled = "ada", true })
	add(func(r *apikey.Record) { r.Owner, r.Revoked, r.Disabled = "bob", at, true })
	add(func(r *apikey.Record) { r.Environment, r.Expires = "live", at.Add(-time.Hour) })
	add(func(r *apikey.Record) { r.Expires, r.Kind = at.Add(time.Hour), apikey.KindPublic })
	add(func(r *apikey.Record) { r.Plan, r.Name = "gold", "Back office" })
	add(func(r *apikey.Record) {
		r.Secrets = append(r.Secrets, apikey.Secret{Digest: digest(3), Pepper: "0badcafe", Number: 2, Retires: at.Add(time.Hour)})
	})
	add(func(r *apikey.Record) {
		r.Secrets = append(r.Secrets, apikey.Secret{Digest: digest(4), Pepper: "0badcafe", Number: 2, Retires: at.Add(-time.Hour)})
	})
	add(func(r *apikey.Record) { r.Expires = at }) // exactly now: expired
	add(func(r *apikey.Record) { r.IdleRevoke = 24 * time.Hour })
	add(func(r *apikey.Record) { r.IdleRevoke, r.Disabled = 24*time.Hour, true })
	add(func(r *apikey.Record) { r.Metadata = map[string]string{"idle_revoke_ms": "1"} })
	return all
}

func findFilters(t *testing.T, s Full) {
	at := time.Date(2026, 5, 6, 7, 8, 9, 123000000, time.UTC)
	for _, r := range family(at) {
		mustApply(t, s, createOf(r))
	}
	for _, tt := range []struct {
		filter apikey.Filter
		want   []int
	}{
		{apikey.Filter{}, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}},
		{apikey.Filter{Owner: "ada"}, []int{0, 1}},
		{apikey.Filter{Owner: "Ada"}, nil},
		{apikey.Filter{Owner: "ada", State: apikey.Active}, []int{0}},
		{apikey.Filter{Environment: "live"}, []int{3}},
		{apikey.Filter{Kind: apikey.KindPublic}, []int{4}},
		{apikey.Filter{Kind: apikey.KindSecret, Plan: "gold"}, []int{5}},
		{apikey.Filter{Plan: "gold"}, []int{5}},
		{apikey.Filter{State: apikey.Active}, []int{0, 4, 5, 7, 9, 11}},
		{apikey.Filter{State: apikey.Retiring}, []int{6}},
		{apikey.Filter{State: apikey.Disabled}, []int{1, 10}},
		{apikey.Filter{State: apikey.Revoked}, []int{2}},
		{apikey.Filter{State: apikey.Expired}, []int{3, 8}},
		{apikey.Filter{Text: "OFF"}, []int{5}},
		{apikey.Filter{Text: "ob"}, []int{2}},
		{apikey.Filter{Text: "AD", State: apikey.Active}, []int{0}},
		{apikey.Filter{Text: string(testID(7))}, []int{7}},
		{apikey.Filter{ExpiresBefore: at.Add(time.Minute)}, []int{3, 8}},
		{apikey.Filter{ExpiresBefore: at.Add(2 * time.Hour)}, []int{3, 4, 8}},
		{apikey.Filter{IdleRevoke: true}, []int{9, 10}},
		{apikey.Filter{IdleRevoke: true, State: apikey.Active}, []int{9}},
		{apikey.Filter{IdleRevoke: true, ExpiresBefore: at.Add(2 * time.Hour)}, nil},
	} {
		for _, sort := range []apikey.Sort{apikey.SortID, apikey.SortCreated} {
			f := tt.filter
			f.Sort, f.At, f.Limit = sort, at, 20
			page, err := s.Find(t.Context(), f)
			got := idsOf(page.Records)
			if sort == apikey.SortCreated {
				slices.Reverse(got)
			}
			var want []apikey.ID
			for _, n := range tt.want {
				want = append(want, testID(n))
			}
			if err != nil || page.More || !slices.Equal(got, want) {
				t.Errorf("Find(%+v) = %q, more %v, %v, want %q", f, got, page.More, err, want)
			}
		}
	}
	page, err := s.Find(t.Context(), apikey.Filter{Plan: "gold", At: at, Limit: 1})
	if err != nil || len(page.Records) != 1 {
		t.Fatalf("Find = %d records, %v, want 1", len(page.Records), err)
	}
	wantRecord(t, page.Records[0], mustLookup(t, s, testID(5)))
}

func findOrder(t *testing.T, s Full) {
	at := time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)
	for n, created := range []time.Time{at, at.Add(time.Microsecond), at, {}, at.Add(-time.Hour), time.Date(1969, 1, 1, 0, 0, 0, 0, time.UTC)} {
		r := plainRecord(testID(n))
		r.Created = created
		c := createOf(r)
		c.At = at
		mustApply(t, s, c)
	}
	page, err := s.Find(t.Context(), apikey.Filter{Limit: 10})
	want := []apikey.ID{testID(1), testID(0), testID(2), testID(4)}
	if got := idsOf(page.Records); err != nil || len(got) != 6 || !slices.Equal(got[:4], want) {
		t.Errorf("Find = %q, %v, want %q first", got, err, want)
	}
}

func findPages(t *testing.T, s Full) {
	at := time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)
	const n = 23
	for i := range n {
		r := fullRecord(testID(i)) // three secrets each: the limit counts records
		r.Created = at.Add(time.Duration(i/5) * time.Millisecond)
		mustApply(t, s, createOf(r))
	}
	for _, f := range []apikey.Filter{{Sort: apikey.SortID}, {Sort: apikey.SortCreated}, {Owner: "customer-7"}, {Owner: "customer-7", Sort: apikey.SortID}} {
		for _, limit := range []int{1, 4, n, n + 1} {
			t.Run(fmt.Sprintf("%s owner %q limit %d", f.Sort, f.Owner, limit), func(t *testing.T) {
				f.Limit, f.After = limit, apikey.Cursor{}
				wantWhole(t, s, f, n)
			})
		}
	}
}

// findPagesOfStates: those that have ended, and those with an old secret that is good.
func findPagesOfStates(t *testing.T, s Full) {
	at := time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)
	const n = 7
	for i := range 2 * n {
		r := fullRecord(testID(i))
		r.Disabled, r.Revoked, r.Reason = false, time.Time{}, ""
		r.Created = at.Add(time.Duration(i/5) * time.Millisecond)
		r.Expires = at.Add(2 * time.Hour)
		if i%2 == 0 {
			r.Expires = at.Add(time.Minute)
		}
		r.Secrets[1].Retires, r.Secrets[2].Retires = at.Add(3*time.Hour), at.Add(4*time.Hour) // the key comes once
		mustApply(t, s, createOf(r))
	}
	for name, f := range map[string]apikey.Filter{"expired": {State: apikey.Expired}, "retiring": {State: apikey.Retiring}, "expires before": {ExpiresBefore: at.Add(time.Hour)}} {
		for _, limit := range []int{1, 4, n, n + 1} {
			t.Run(fmt.Sprintf("%s limit %d", name, limit), func(t *testing.T) {
				f.Limit, f.At = limit, at.Add(time.Hour)
				wantWhole(t, s, f, n)
			})
		}
	}
}

// wantWhole reads every page and reports a key that is missing or comes twice.
func wantWhole(t *testing.T, s Full, f apikey.Filter, n int) {
	t.Helper()
	seen := map[apikey.ID]bool{}
	for pages := 0; ; pages++ {
		page, err := s.Find(t.Context(), f)
		if err != nil || pages > n {
			t.Fatalf("page %d: Find = %v, want no error and an end", pages, err)
		}
		for _, r := range page.Records {
			if seen[r.ID] {
				t.Errorf("key %q comes twice", r.ID)
			}
			seen[r.ID] = true
		}
		if !page.More {
			break
		}
		if len(page.Records) != f.Limit {
			t.Errorf("page %d = %d records and more to come, want %d", pages, len(page.Records), f.Limit)
		}
		f.After = page.Next
	}
	if len(seen) != n {
		t.Errorf("pages hold %d keys, want %d", len(seen), n)
	}
}

// TestText tests that a text is looked for as it stands, whatever it means to a store. s is
// empty. [TestStore] does it too; the tests of an adapter name it after its attack.
func TestText(t *testing.T, s Full) {
	t.Helper()
	findText(t, s)
}

func findText(t *testing.T, s Full) {
	names := []string{"100% sure", "100 sure", `back\slash`, "under_score", "underXscore", "it's", `say "so"`, "ÄRGER", "star*", "[a-z]", "--"}
	for i, name := range names {
		r := plainRecord(testID(i))
		r.Name = name
		mustCreate(t, s, r)
	}
	for text, want := range map[string][]int{
		"%": {0}, "_": {3}, `\`: {2}, "'": {5}, `"`: {6}, "*": {8}, "[": {9}, "--": {10}, "UNDER_": {3}, "ÄRGER": {7}, "ärger": nil,
		"' OR 1=1 --": nil, "%' --": nil,
	} {
		var ids []apikey.ID
		for _, n := range want {
			ids = append(ids, testID(n))
		}
		for _, sort := range []apikey.Sort{apikey.SortID, apikey.SortCreated} { // all were created at one time
			page, err := s.Find(t.Context(), apikey.Filter{Text: text, Sort: sort, Limit: 100})
			if got := idsOf(page.Records); err != nil || !slices.Equal(got, ids) {
				t.Errorf("Find(text %q, in order %v) = %q, %v, want %q", text, sort, got, err, ids)
			}
		}
	}
	for _, sort := range []apikey.Sort{apikey.SortID, apikey.SortCreated} {
		wantWhole(t, s, apikey.Filter{Text: "uNder", Sort: sort, Limit: 1}, 2)
	}
	for _, text := range append(brokenTexts(), hostileTexts()...) {
		for _, f := range []apikey.Filter{{Text: text}, {Owner: text}, {Plan: text}, {Environment: apikey.Environment(text)}, {After: apikey.Cursor{ID: apikey.ID(text)}}} {
			f.Limit = 1
			if text == "" {
				continue
			}
			if _, err := s.Find(t.Context(), f); err != nil {
				t.Errorf("Find(%+v) = %v, want no error", f, err)
			}
		}
	}
}

func findInvalid(t *testing.T, s Full) {
	mustCreate(t, s, plainRecord(testID(1)))
	for _, f := range []apikey.Filter{
		{},
		{Limit: -1},
		{Limit: 1001},
		{Limit: 1, Sort: "name; DROP TABLE keys"},
		{Limit: 1, State: "' OR 1=1"},
		{Limit: 1, Kind: "other"},
		{Limit: 1, After: apikey.Cursor{Created: time.Now()}},
	} {
		if page, err := s.Find(t.Context(), f); err == nil || isAnswer(err) || len(page.Records) != 0 {
			t.Errorf("Find(%+v) = %d records, %v, want an error", f, len(page.Records), err)
		}
	}
}
