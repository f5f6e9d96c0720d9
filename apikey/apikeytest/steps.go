package apikeytest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
)

// TestSteps tests a store whose pages look at a bounded number of keys: stepwise returns
// the store s, with a bound of some. Each filter finds, page by page, what it finds
// without, in the same order. s is empty.
func TestSteps(t *testing.T, s Full, stepwise func(some int) apikey.Finder) {
	t.Helper()
	at := time.Date(2026, 5, 6, 7, 8, 9, 123000000, time.UTC)
	total := 0
	for round := range 3 {
		for i, r := range family(at) {
			r.ID = testID(total)
			if round > 0 { // the first are of one moment each, the others came together
				r.Created = at.Add(time.Duration(round*(i/8)) * time.Hour)
			}
			mustApply(t, s, createOf(r))
			total++
		}
	}
	for _, f := range []apikey.Filter{
		{},
		{Owner: "ada"},
		{Owner: "ada", State: apikey.Active},
		{Owner: "nobody"},
		{Environment: "live"},
		{Kind: apikey.KindPublic},
		{Kind: apikey.KindPublic, Text: "nothing has it"},
		{Kind: apikey.KindSecret, Plan: "gold"},
		{Plan: "gold"},
		{Plan: "gold", Text: "back"},
		{State: apikey.Active},
		{State: apikey.Retiring},
		{State: apikey.Disabled},
		{State: apikey.Revoked},
		{State: apikey.Revoked, Owner: "bob"},
		{State: apikey.Revoked, Text: "nothing has it"},
		{State: apikey.Expired},
		{Text: "OFF"},
		{Text: "OFF", Environment: "live"},
		{Text: "nothing has it"},
		{ExpiresBefore: at.Add(time.Minute)},
		{ExpiresBefore: at.Add(2 * time.Hour), State: apikey.Active},
		{IdleRevoke: true, State: apikey.Active},
	} {
		for _, sort := range []apikey.Sort{apikey.SortID, apikey.SortCreated} {
			f.Sort, f.At, f.Limit, f.After = sort, at, total+1, apikey.Cursor{}
			page, err := s.Find(t.Context(), f)
			if err != nil || page.More {
				t.Fatalf("Find(%+v) = more %v, %v, want all", f, page.More, err)
			}
			want := idsOf(page.Records)
			for _, some := range []int{1, 4, total} {
				for _, limit := range []int{1, total} {
					t.Run(fmt.Sprintf("%+v, %d at a time of %d", f, limit, some), func(t *testing.T) {
						f.Limit = limit
						wantSteps(t, stepwise(some), f, want, total)
					})
				}
			}
		}
	}
}

// wantSteps reads every page of f.
func wantSteps(t *testing.T, s apikey.Finder, f apikey.Filter, want []apikey.ID, total int) {
	t.Helper()
	var got []apikey.ID
	for pages := 0; ; pages++ {
		page, err := s.Find(t.Context(), f)
		if err != nil || len(page.Records) > f.Limit || pages > 2*total {
			t.Fatalf("page %d: %d keys, %v, want at most %d, and an end", pages, len(page.Records), err, f.Limit)
		}
		got = append(got, idsOf(page.Records)...)
		if !page.More {
			break
		}
		if page.Next == f.After || page.Next.ID == "" {
			t.Fatalf("page %d: the next one begins at %v, where this one did", pages, page.Next)
		}
		f.After = page.Next
	}
	if !slices.Equal(got, want) {
		t.Errorf("pages hold %q, want %q", got, want)
	}
}
