package sqlite_test

import (
	"testing"
	"time"

	"github.com/warder-dev/warder/audit"
	"github.com/warder-dev/warder/internal/portallink"
	"github.com/warder-dev/warder/internal/portallink/portallinktest"
)

func TestPortal(t *testing.T) {
	portallinktest.TestStore(t, func(t *testing.T) portallinktest.Fresh {
		t.Helper()
		db := open(t, newPath(t))
		return portallinktest.Fresh{Store: db.Portal(), Entries: func(t *testing.T, subject string) (all []audit.Event) {
			t.Helper()
			entries, err := db.Audit().List(t.Context(), audit.Query{Subject: subject, Kind: audit.KindPortal, Limit: 100})
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				all = append(all, e.Event)
			}
			return all
		}}
	})
}

// A link that one process has used is used for the others, and a row whose owner was
// changed behind warder's back is opened by no text.
func TestPortalOfTwoProcesses(t *testing.T) {
	path, now := newPath(t), time.Now()
	first, second := open(t, path).Portal(), open(t, path).Portal()
	p, text, err := portallink.New(portallink.Spec{Owner: "acme", Maker: "account:a"}, now)
	if err != nil {
		t.Fatal(err)
	}
	by := audit.By{Actor: "a", Source: "s"}
	if err := first.Create(t.Context(), by, p); err != nil {
		t.Fatal(err)
	}
	seen, err := second.Lookup(t.Context(), p.ID)
	if err != nil || !seen.Opens(text, now) {
		t.Fatalf("another process does not know the link: %v", err)
	}
	execRaw(t, path, `UPDATE portal_passes SET owner = 'other'`)
	if moved, err := second.Lookup(t.Context(), p.ID); err != nil || moved.Opens(text, now) {
		t.Errorf("a row that was moved to another owner opens, %v", err)
	}
	_, sum := p.NewSession()
	if err := first.Use(t.Context(), by, p.ID, sum, now, now.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := second.Use(t.Context(), by, p.ID, sum, now, now.Add(time.Hour)); err == nil {
		t.Error("the link is used twice")
	}
}
