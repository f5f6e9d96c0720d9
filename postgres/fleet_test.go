package postgres_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/apikey/apikeytest"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/fleet"
	"github.com/warder-dev/warder/internal/testpostgres"
	"github.com/warder-dev/warder/postgres"
)

// patience is how long something may take on a machine that is busy.
const patience = 2 * time.Minute

// eventually waits until holds does.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); {
		if time.Now().After(end) {
			t.Fatalf("it never came to: %s", what)
		}
		<-time.After(10 * time.Millisecond)
	}
}

// A pair of stores writes through two nodes in turn, and reads through a third.
type spread struct {
	apikeytest.Full
	writers [2]*postgres.APIKeys
	turn    atomic.Uint64
}

func (s *spread) Apply(ctx context.Context, c apikey.Change) (apikey.Revision, error) {
	return s.writers[s.turn.Add(1)%2].Apply(ctx, c)
}

// TestManyNodes holds the whole contract for writers and readers on other nodes: no
// change is passed over by a feed, whatever is written at once.
func TestManyNodes(t *testing.T) {
	server := pool.Server(t)
	name := server.Database(t, prepare(t))
	url := server.URL(testpostgres.Superuser, name)
	apikeytest.TestStore(t, func(t *testing.T) apikeytest.Full {
		t.Helper()
		server.Exec(t, name, emptyTables)
		return &spread{Full: open(t, url).APIKeys(), writers: [2]*postgres.APIKeys{open(t, url).APIKeys(), open(t, url).APIKeys()}}
	})
}

// TestNoLaterRevisionIsVisibleFirst lets a transaction take a revision and wait: no
// other one comes before it.
func TestNoLaterRevisionIsVisibleFirst(t *testing.T) {
	attack.Case(t, "FLEET-05", attack.Library, func(t *testing.T) {
		url := newURL(t)
		keys := open(t, url).APIKeys()
		slow, err := pgx.Connect(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		defer slow.Close(context.WithoutCancel(t.Context()))
		tx, err := slow.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, statement := range []string{
			`UPDATE warder.revisions SET newest = newest + 1`,
			`INSERT INTO warder.changes (revision, key_id) VALUES (1, 'slow')`,
		} {
			if _, err := tx.Exec(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
		done := make(chan apikey.Revision, 1)
		var writing sync.WaitGroup
		writing.Go(func() {
			rev, err := keys.Apply(t.Context(), newKey(1))
			if err != nil {
				t.Errorf("Apply = %v", err)
			}
			done <- rev
		})
		eventually(t, "the second writer waits for the first", func() bool {
			return pool.Server(t).Query(t, database(url), `SELECT count(*)::text FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`) == "1"
		})
		if ids, upTo, err := keys.Changes(t.Context(), 0, 10); err != nil || upTo != 0 || len(ids) != 0 {
			t.Errorf("Changes before anything is committed = %q up to %d, %v, want none", ids, upTo, err)
		}
		if err := tx.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
		if rev := <-done; rev != 2 {
			t.Errorf("revision = %d, want 2", rev)
		}
		writing.Wait()
		if ids, upTo, err := keys.Changes(t.Context(), 0, 10); err != nil || upTo != 2 || len(ids) != 2 {
			t.Errorf("Changes = %q up to %d, %v, want both", ids, upTo, err)
		}
	})
}

// database is the name of the database at a url of the tests.
func database(url string) string {
	_, behind, _ := strings.Cut(url, "@/")
	name, _, _ := strings.Cut(behind, "?")
	return name
}

// TestNodesOfOneDatabase tells who runs by the server's clock.
func TestNodesOfOneDatabase(t *testing.T) {
	url := newURL(t)
	one, two := open(t, url), open(t, url)
	m, err := fleet.Join(t.Context(), fleet.MemberConfig{Registry: one.Nodes(), Version: "v1", Log: discard()})
	if err != nil {
		t.Fatal(err)
	}
	rev := apply(t, two.APIKeys(), newKey(1))
	attack.Case(t, "FLEET-09", attack.Library, func(t *testing.T) {
		receipt, err := fleet.Await(t.Context(), two.Nodes(), rev, 50*time.Millisecond)
		if err != nil || receipt.Complete() || len(receipt.Missing) != 1 || receipt.Missing[0].PID == 0 {
			t.Errorf("Await = %v, %v, want 0/1 with the node that is missing", receipt, err)
		}
	})
	m.Applied(rev)
	receipt, err := fleet.Await(t.Context(), two.Nodes(), rev, patience)
	if err != nil || !receipt.Complete() || receipt.Applied != 1 {
		t.Errorf("Await = %v, %v, want 1/1", receipt, err)
	}
	if err := m.Close(); err != nil {
		t.Errorf("Close = %v", err)
	}
	for _, id := range []string{"fresh", "late", "dead"} {
		n := fleet.Node{ID: id, Version: "v2", Host: "h'ost", Started: time.Now(), Seen: time.Now().Add(-time.Hour), Applied: 7, Lease: time.Second, Config: "c", Peppers: "p,q"}
		if err := one.Nodes().Announce(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	server := pool.Server(t)
	server.Exec(t, database(url), `UPDATE warder.nodes SET seen = seen - interval '5 minutes' WHERE id = 'late'`, `UPDATE warder.nodes SET seen = seen - interval '24 hours 2 seconds' WHERE id = 'dead'`)
	for slack, want := range map[time.Duration]string{patience: "fresh", 1000 * time.Hour: "fresh late", 1 << 62: "fresh late"} {
		all, err := two.Nodes().Nodes(t.Context(), slack)
		var ids []string
		for _, n := range all {
			ids = append(ids, n.ID)
		}
		if got := strings.Join(ids, " "); err != nil || got != want {
			t.Errorf("Nodes(%v) = %q, %v, want %q", slack, got, err, want)
		}
	}
	if got := server.Query(t, database(url), `SELECT count(*)::text FROM warder.nodes`); got != "2" {
		t.Errorf("%s nodes are in the table, want 2", got)
	}
	for _, n := range []fleet.Node{{}, {ID: "a\x00"}, {ID: "a", Host: "\xff"}} {
		if err := one.Nodes().Announce(t.Context(), n); err == nil {
			t.Errorf("Announce(%+v) = no error, want one", n)
		}
	}
}

// A relay stands between a node and the server. It can fall silent towards whoever
// listens for notifications, as a firewall does that forgets a connection.
type relay struct {
	port  string
	muted atomic.Bool
	cut   atomic.Bool // nothing passes any more, in both directions
	lost  atomic.Int64
}

func newRelay(t *testing.T, server *testpostgres.Server) *relay {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", socket(server.Folder, server.Port+1))
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{port: fmt.Sprint(server.Port + 1)}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var running sync.WaitGroup
	running.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() { r.serve(ctx, client, socket(server.Folder, server.Port)) })
		}
	})
	t.Cleanup(func() { cancel(); _ = l.Close(); running.Wait() })
	return r
}

func socket(folder string, port int) string { return fmt.Sprintf("%s/.s.PGSQL.%d", folder, port) }

func (r *relay) serve(ctx context.Context, client net.Conn, to string) {
	server, err := (&net.Dialer{}).DialContext(ctx, "unix", to)
	if err != nil {
		_ = client.Close()
		return
	}
	stop := context.AfterFunc(ctx, func() { _, _ = client.Close(), server.Close() })
	defer stop()
	var listens atomic.Bool
	var both sync.WaitGroup
	both.Go(func() {
		r.pass(server, client, func(b []byte) bool {
			if bytes.Contains(b, []byte("LISTEN")) {
				listens.Store(true)
			}
			return !r.cut.Load() && (!r.muted.Load() || !listens.Load())
		})
	})
	both.Go(func() {
		r.pass(client, server, func([]byte) bool { return !r.cut.Load() && (!r.muted.Load() || !listens.Load()) })
	})
	both.Wait()
}

// pass copies what may pass, and loses the rest.
func (r *relay) pass(to, from net.Conn, may func([]byte) bool) {
	defer func() { _, _ = to.Close(), from.Close() }()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		if !may(buffer[:n]) {
			r.lost.Add(1)
			continue
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// url goes through the relay.
func (r *relay) url(server *testpostgres.Server, name string) string {
	return strings.Replace(server.URL(testpostgres.Superuser, name), fmt.Sprintf("port=%d", server.Port), "port="+r.port, 1)
}

// A gate is a verifier over a store, with one good key.
type gate struct {
	verifier *apikey.Verifier
	id       apikey.ID
	key      string
}

func newGate(t *testing.T, keys *postgres.APIKeys, poll, freshness time.Duration) *gate {
	t.Helper()
	line, err := apikey.NewPepper(nil)
	if err != nil {
		t.Fatal(err)
	}
	peppers, err := apikey.ParsePeppers(line)
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := apikey.NewIssuer(apikey.IssuerConfig{Store: keys, Peppers: peppers})
	if err != nil {
		t.Fatal(err)
	}
	record, text, err := issuer.Create(t.Context(), apikey.By{Actor: "user:ada", Source: "cli"}, apikey.Spec{Environment: "live", Name: "a"})
	if err != nil {
		t.Fatal(err)
	}
	v, err := apikey.NewVerifier(apikey.VerifierConfig{Store: keys, Peppers: peppers, Poll: poll, Freshness: freshness})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = v.Close() })
	return &gate{verifier: v, id: record.ID, key: text.Reveal()}
}

// revoke revokes the gate's key through another node.
func (g *gate) revoke(t *testing.T, keys *postgres.APIKeys) {
	t.Helper()
	if _, err := apikey.Revoke(t.Context(), keys, apikey.By{Actor: "user:ada", Source: "cli"}, g.id, "leaked"); err != nil {
		t.Fatal(err)
	}
}

// wantPass verifies the key twice, the second time by what is remembered.
func (g *gate) wantPass(t *testing.T) {
	t.Helper()
	for range 2 {
		if _, err := g.verifier.Verify(t.Context(), g.key); err != nil {
			t.Fatalf("Verify = %v, want the principal", err)
		}
	}
}

func (g *gate) refused(t *testing.T) bool {
	t.Helper()
	_, err := g.verifier.Verify(t.Context(), g.key)
	return err != nil
}

// TestARevocationIsToldAtOnce waits for a poll that would come an hour later.
func TestARevocationIsToldAtOnce(t *testing.T) {
	url := newURL(t)
	g := newGate(t, open(t, url).APIKeys(), time.Hour, 2*time.Hour)
	eventually(t, "the key is remembered", func() bool { // no poll but the first, and those that are told
		_, err := g.verifier.Verify(t.Context(), g.key)
		return err == nil
	})
	g.wantPass(t)
	g.revoke(t, open(t, url).APIKeys())
	eventually(t, "it is refused", func() bool { return g.refused(t) })
}

// TestLostNotifications mutes the connection that listens: the next poll finds what
// has changed.
func TestLostNotifications(t *testing.T) {
	attack.Case(t, "FLEET-04", attack.Library, func(t *testing.T) {
		server := pool.Server(t)
		name := server.Database(t, prepare(t))
		r := newRelay(t, server)
		g := newGate(t, open(t, r.url(server, name)).APIKeys(), 50*time.Millisecond, patience)
		direct := open(t, server.URL(testpostgres.Superuser, name)).APIKeys()
		g.wantPass(t)
		eventually(t, "the node listens", func() bool {
			return server.Query(t, name, `SELECT count(*)::text FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'`) == "1"
		})
		r.muted.Store(true)
		g.revoke(t, direct)
		eventually(t, "it is refused", func() bool { return g.refused(t) })
		eventually(t, "the notification was lost", func() bool { return r.lost.Load() > 0 })
	})
}

// TestCutOff cuts a node off from its database: it stops to let in when its bound is
// over, and comes back.
func TestCutOff(t *testing.T) {
	attack.Case(t, "FLEET-03", attack.Library, func(t *testing.T) {
		server := pool.Server(t)
		name := server.Database(t, prepare(t))
		r := newRelay(t, server)
		g := newGate(t, open(t, r.url(server, name)).APIKeys(), 50*time.Millisecond, time.Second)
		direct := open(t, server.URL(testpostgres.Superuser, name)).APIKeys()
		other := newGate(t, direct, 50*time.Millisecond, time.Second)
		g.wantPass(t)
		r.cut.Store(true)
		g.revoke(t, direct)
		eventually(t, "nobody is let in by what is remembered", func() bool { return g.refused(t) })
		if _, err := g.verifier.Verify(t.Context(), g.key); apikeyAnswer(err) {
			t.Errorf("Verify without a database = %v, want no answer", err)
		}
		r.cut.Store(false)
		eventually(t, "the database answers again", func() bool {
			_, err := g.verifier.Verify(t.Context(), g.key)
			return apikeyAnswer(err)
		})
		other.wantPass(t)
	})
}

// apikeyAnswer reports whether err is a verdict on the key.
func apikeyAnswer(err error) bool {
	refusal, ok := errors.AsType[interface {
		error
		Reason() string
	}](err)
	return ok && refusal.Reason() != ""
}

// TestForgedNotifications floods the channel, as anybody may who may connect: they
// are hints, and nothing follows from them.
func TestForgedNotifications(t *testing.T) {
	attack.Case(t, "FLEET-06", attack.Library, func(t *testing.T) {
		url := newURL(t)
		server, name := pool.Server(t), database(url)
		g := newGate(t, open(t, url).APIKeys(), 50*time.Millisecond, patience)
		other := open(t, url).APIKeys()
		forge := `SELECT pg_notify('warder_keys', n || ':revoked') FROM generate_series(1, 1000) n`
		server.Exec(t, name, forge, forge)
		g.wantPass(t)
		before, err := other.Revision(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		g.revoke(t, other)
		server.Exec(t, name, forge)
		eventually(t, "it is refused", func() bool { return g.refused(t) })
		if after, err := other.Revision(t.Context()); err != nil || after != before+1 || other.Rewinds() != 0 {
			t.Errorf("Revision = %d, %v, %d rewinds, want %d and none", after, err, other.Rewinds(), before+1)
		}
	})
}

// TestARestoredDatabaseIsTold puts an earlier state back, which then grows to the
// number of changes that it had before.
func TestARestoredDatabaseIsTold(t *testing.T) {
	url := newURL(t)
	keys := open(t, url).APIKeys()
	for n := range 3 {
		apply(t, keys, newKey(n))
	}
	if rev, err := keys.Revision(t.Context()); err != nil || rev != 3 || keys.Rewinds() != 0 {
		t.Fatalf("Revision = %d, %v, %d rewinds, want 3 and none", rev, err, keys.Rewinds())
	}
	pool.Server(t).Exec(t, database(url), `DELETE FROM warder.secrets WHERE key_id = 'Key000000002'`, `DELETE FROM warder.keys WHERE id = 'Key000000002'`,
		`DELETE FROM warder.changes WHERE revision = 3`, `UPDATE warder.revisions SET newest = 2`)
	apply(t, open(t, url).APIKeys(), newKey(7))
	for range 2 {
		if rev, err := keys.Revision(t.Context()); err != nil || rev != 3 || keys.Rewinds() != 1 {
			t.Errorf("Revision = %d, %v, %d rewinds, want 3 and 1", rev, err, keys.Rewinds())
		}
	}
}
