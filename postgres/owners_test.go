package postgres_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/apikey/apikeytest"
	"github.com/warder-dev/warder/audit"
	"github.com/warder-dev/warder/postgres"
)

func TestOwners(t *testing.T) {
	db := emptied(t)
	apikeytest.TestOwners(t, func(t *testing.T) apikeytest.Owners {
		t.Helper()
		one := db(t)
		return apikeytest.Owners{Store: one.Owners(), Keys: one.APIKeys(), Entries: func(t *testing.T, id string) (all []apikeytest.Entry) {
			t.Helper()
			entries, err := one.Audit().List(t.Context(), audit.Query{Subject: id, Kind: audit.KindOwner, Limit: 100})
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				all = append(all, apikeytest.Entry{Actor: e.Actor, Source: e.Source, Op: e.Op, At: e.At, Before: string(e.Before), After: string(e.After)})
			}
			return all
		}}
	})
	t.Run("a page of a text looks at a bounded number", func(t *testing.T) {
		store := postgres.SteppingOwners(db(t), 3)
		at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
		for n := range 10 {
			name := ""
			if n%4 == 0 {
				name = "needle"
			}
			o := apikey.Owner{ID: fmt.Sprintf("o%02d", n), Name: name, Created: at}
			if _, err := store.Apply(t.Context(), apikey.OwnerChange{Actor: "a", Source: "s", At: at, After: &o}); err != nil {
				t.Fatal(err)
			}
		}
		var pages []int
		var ids []string
		for f := (apikey.OwnerFilter{Text: "NEEDLE", Limit: 2}); ; {
			page, err := store.Find(t.Context(), f)
			if err != nil {
				t.Fatal(err)
			}
			pages = append(pages, len(page.Owners))
			for i := range page.Owners {
				ids = append(ids, page.Owners[i].ID)
			}
			if f.After = page.Next; !page.More {
				break
			}
		}
		if want := []string{"o00", "o04", "o08"}; !slices.Equal(ids, want) || !slices.Equal(pages, []int{1, 1, 1, 0}) {
			t.Errorf("pages of %d: %q, want %q", pages, ids, want)
		}
	})
}
