package sqlite_test

import (
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/fleet"
	"github.com/warder-dev/warder/sqlite"
)

// nodes returns the nodes seen within maxAge.
func nodes(t *testing.T, db *sqlite.DB, maxAge time.Duration) []fleet.Node {
	t.Helper()
	all, err := db.Nodes().Nodes(t.Context(), maxAge)
	if err != nil {
		t.Fatalf("Nodes = %v, want no error", err)
	}
	return all
}

func TestNodes(t *testing.T) {
	path := newPath(t)
	one, two := open(t, path), open(t, path)
	begin := time.Now().Truncate(time.Microsecond)
	n := fleet.Node{ID: "a", Version: "v1", Host: "h'ost", PID: 42, Started: begin, Seen: begin.Add(-time.Hour), Applied: 7, Lease: 5 * time.Second, Config: "c", Peppers: "p,q"}
	for _, applied := range []apikey.Revision{7, 9} {
		n.Applied = applied
		if err := one.Nodes().Announce(t.Context(), n); err != nil {
			t.Fatalf("Announce = %v, want no error", err)
		}
		got := nodes(t, two, time.Minute)
		if len(got) != 1 {
			t.Fatalf("Nodes = %+v, want one", got)
		}
		if seen := got[0].Seen; seen.Before(begin) || seen.After(time.Now()) {
			t.Errorf("Seen = %v, want now, not what the node says", seen)
		}
		got[0].Seen, got[0].Started = n.Seen, got[0].Started.In(n.Started.Location())
		if !got[0].Started.Equal(n.Started) {
			t.Errorf("Started = %v, want %v", got[0].Started, n.Started)
		}
		if got[0].Started = n.Started; got[0] != n {
			t.Errorf("Nodes = %+v, want %+v", got[0], n)
		}
	}
	if err := two.Nodes().Leave(t.Context(), "a"); err != nil {
		t.Fatalf("Leave = %v, want no error", err)
	}
	if err := two.Nodes().Leave(t.Context(), "a"); err != nil {
		t.Errorf("Leave again = %v, want no error", err)
	}
	if got := nodes(t, one, time.Minute); len(got) != 0 {
		t.Errorf("Nodes after Leave = %+v, want none", got)
	}
}

func TestSilentNodesAreForgotten(t *testing.T) {
	path := newPath(t)
	db := open(t, path)
	for _, id := range []string{"fresh", "late", "dead"} {
		if err := db.Nodes().Announce(t.Context(), fleet.Node{ID: id}); err != nil {
			t.Fatal(err)
		}
	}
	execRaw(t, path, `UPDATE nodes SET seen = seen - 60 * 1000000 WHERE id = 'late'`, `UPDATE nodes SET seen = seen - 86401 * 1000000 WHERE id = 'dead'`)
	if got := nodes(t, db, 5*time.Second); len(got) != 1 || got[0].ID != "fresh" {
		t.Errorf("Nodes within 5s = %+v, want fresh", got)
	}
	if got := nodes(t, db, 1000*time.Hour); len(got) != 2 {
		t.Errorf("Nodes within 1000h = %+v, want fresh and late", got)
	}
	if got := queryRaw(t, path, `SELECT count(*) FROM nodes`); got != "2" {
		t.Errorf("nodes in the table = %s, want 2", got)
	}
}

func TestAnnounceRefuses(t *testing.T) {
	db := open(t, newPath(t))
	for _, n := range []fleet.Node{{}, {ID: "a\x00"}, {ID: "a", Host: "\xff"}} {
		if err := db.Nodes().Announce(t.Context(), n); err == nil {
			t.Errorf("Announce(%+v) = no error, want one", n)
		}
	}
}

func TestReceiptAcrossHandles(t *testing.T) {
	path := newPath(t)
	server, cli := open(t, path), open(t, path)
	m, err := fleet.Join(t.Context(), fleet.MemberConfig{Registry: server.Nodes(), Version: "v1", Log: discard()})
	if err != nil {
		t.Fatal(err)
	}
	rev := apply(t, cli.APIKeys(), newKey(1))
	receipt, err := fleet.Await(t.Context(), cli.Nodes(), rev, 50*time.Millisecond)
	if err != nil || receipt.Complete() || len(receipt.Missing) != 1 || receipt.Missing[0].PID == 0 || receipt.Missing[0].Seen.IsZero() {
		t.Errorf("Await = %v (missing %+v), %v, want 0/1 with the node that is missing", receipt, receipt.Missing, err)
	}
	m.Applied(rev)
	if receipt, err = fleet.Await(t.Context(), cli.Nodes(), rev, 5*time.Second); err != nil || !receipt.Complete() || receipt.Applied != 1 {
		t.Errorf("Await = %v, %v, want 1/1", receipt, err)
	}
	if err := m.Close(); err != nil {
		t.Errorf("Close = %v, want no error", err)
	}
	if receipt, err = fleet.Await(t.Context(), cli.Nodes(), rev, time.Second); err != nil || receipt.Nodes != 0 {
		t.Errorf("Await after Close = %v, %v, want 0/0", receipt, err)
	}
}

// TestANodeOfAnOlderVersion: one that runs on announces itself by the statement of its
// version, and is seen; what it does not tell is empty.
func TestANodeOfAnOlderVersion(t *testing.T) {
	path := newPath(t)
	db := open(t, path)
	for range 2 {
		if _, err := openRaw(t, path).ExecContext(t.Context(), `INSERT INTO nodes (id, version, host, pid, started, seen, applied, lease) VALUES ('old', 'v0', 'h', 1, NULL, ?1, 3, 5000000)
			ON CONFLICT (id) DO UPDATE SET version = 'v0', applied = 3`, time.Now().UnixMicro()); err != nil {
			t.Fatal(err)
		}
		got := nodes(t, db, time.Minute)
		if len(got) != 1 || got[0].Applied != 3 || got[0].Config != "" || got[0].Peppers != "" {
			t.Fatalf("Nodes = %+v, want the old one, without what it does not tell", got)
		}
	}
	if all := fleet.Compare(fleet.Node{ID: "new", Config: "c", Peppers: "p"}, nodes(t, db, time.Minute)); len(all) != 0 {
		t.Errorf("Compare = %+v, want that the old one is not compared", all)
	}
}
