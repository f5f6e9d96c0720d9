package postgres_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/audit"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/testpostgres"
	"github.com/warder-dev/warder/postgres"
)

// writerURL names the variable of the process that writes until it is killed.
const writerURL = "WARDER_TEST_WRITER_URL"

// writersPerNode is how many goroutines of a process write at once.
const writersPerNode = 16

// An ack is one change that was acknowledged: a key was created, rolled or revoked.
type ack struct {
	op apikey.Op
	n  int // of the key
}

// life is what happens to each key.
func life() []apikey.Op { return []apikey.Op{apikey.OpCreate, apikey.OpRoll, apikey.OpRevoke} }

// writer creates, rolls and revokes keys, from the number on the first line of in, and
// writes each change to out once it is acknowledged. It ends at the first error.
func writer(url string, in io.Reader, out, stderr io.Writer) int {
	var first, writers int
	_, err := fmt.Fscanln(in, &first, &writers)
	if err == nil {
		err = writeForever(url, first, writers, out)
	}
	_, _ = io.WriteString(stderr, err.Error())
	return 1
}

func writeForever(url string, first, writers int, out io.Writer) error {
	db, err := postgres.Open(context.Background(), postgres.Config{URL: url, Log: discard()})
	if err != nil {
		return err
	}
	failed := make(chan error, writers)
	var mu sync.Mutex
	for i := range writers {
		go func() {
			for n := first + i; ; n += writers {
				for _, op := range life() {
					if err := writeOne(context.Background(), db.APIKeys(), ack{op, n}); err != nil {
						failed <- err
						return
					}
					mu.Lock()
					_, err := fmt.Fprintln(out, op, n)
					mu.Unlock()
					if err != nil {
						failed <- err
						return
					}
				}
			}
		}()
	}
	return <-failed
}

// writeOne makes one change.
func writeOne(ctx context.Context, keys *postgres.APIKeys, a ack) error {
	c := newKey(a.n)
	if a.op != apikey.OpCreate {
		before, err := keys.Lookup(ctx, keyID(a.n))
		if err != nil {
			return err
		}
		after := before
		at := before.Created.Add(time.Hour)
		if a.op == apikey.OpRoll {
			after.Secrets = rolled(before.Secrets[0], a.n, at)
		} else {
			after.Revoked, after.Reason = at, "leaked"
		}
		c = apikey.Change{Actor: "user:ada", Source: "cli", Op: a.op, At: at, Before: &before, After: &after}
	}
	_, err := keys.Apply(ctx, c)
	return err
}

// rolled are the secrets of the nth key after its roll.
func rolled(old apikey.Secret, n int, at time.Time) []apikey.Secret {
	fresh := apikey.Secret{Digest: [32]byte{byte(n), byte(n >> 8), byte(n >> 16), 2}, Pepper: old.Pepper, Created: at, Number: 2}
	old.Retires = at.Add(time.Hour)
	return []apikey.Secret{fresh, old}
}

// TestKilledWhileWriting kills the process that writes, and in every third round the
// server instead, in the middle of a thousand changes and more: all that was
// acknowledged is there, and what was not is there as a whole or not at all.
func TestKilledWhileWriting(t *testing.T) {
	t.Parallel()
	attack.Case(t, "FLEET-07", attack.Library, func(t *testing.T) {
		const enough, perRound = 1000, 1_000_000
		server := testpostgres.Start(t, testpostgres.Options{Durable: true})
		name := server.Database(t, prepare(t))
		url := server.URL(testpostgres.Superuser, name)
		total, rounds := 0, 0
		for ; total < enough || rounds < 6; rounds++ {
			first := rounds*perRound + 1
			kill := func(writer *os.Process) { _ = writer.Kill() }
			if rounds%3 == 2 {
				kill = func(*os.Process) { server.Kill() }
			}
			acknowledged, err := writeUntilKilled(t.Context(), url, first, 1, rand.IntN(250), kill)
			if err != nil {
				t.Fatal(err)
			}
			if rounds%3 == 2 {
				if err := server.Restart(t); err != nil {
					t.Fatal(err)
				}
			}
			total += len(acknowledged)
			wantAcknowledged(t, url, acknowledged)
			wantChain(t, server, name)
			const orphans = `SELECT count(*)::text FROM warder.changes c LEFT JOIN warder.keys k ON k.id = c.key_id WHERE k.id IS NULL OR k.revision < c.revision`
			if got := server.Query(t, name, orphans); got != "0" {
				t.Errorf("changes without the record that they led to: %s, want 0", got)
			}
			const gaps = `SELECT (max(revision) - count(*) + (SELECT newest FROM warder.revisions) - max(revision))::text FROM warder.changes`
			if got := server.Query(t, name, gaps); got != "0" {
				t.Errorf("revisions without a change: %s, want 0", got)
			}
		}
		t.Logf("%d changes acknowledged in %d rounds", total, rounds)
	})
}

// writeUntilKilled starts a process that writes keys from first on, by some writers
// at once, calls kill after some acknowledgements, and returns all of these.
func writeUntilKilled(ctx context.Context, url string, first, writers, after int, kill func(*os.Process)) (acknowledged []ack, _ error) {
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(cmd.Environ(), writerURL+"="+url)
	cmd.Stdin = strings.NewReader(fmt.Sprintln(first, writers))
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, err
	}
	var killing chan struct{}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var one ack
		if _, err := fmt.Sscanf(lines.Text(), "%s %d", &one.op, &one.n); err != nil || !slices.Contains(life(), one.op) {
			return nil, fmt.Errorf("the writer said %q", lines.Text())
		}
		acknowledged = append(acknowledged, one)
		if len(acknowledged) > after && killing == nil {
			killing = make(chan struct{})
			go func() { kill(cmd.Process); close(killing) }()
		}
	}
	if err := cmd.Wait(); err == nil || killing == nil {
		return nil, fmt.Errorf("the writer ended after %d changes with %w, want it stopped", len(acknowledged), err)
	}
	<-killing
	return acknowledged, nil
}

// TestOneChain lets two nodes of sixteen writers each write at once, and kills them,
// and the server: there is one chain, and an entry in it for each change.
func TestOneChain(t *testing.T) {
	t.Parallel()
	attack.Case(t, "AUDIT-04", attack.Library, func(t *testing.T) {
		server := testpostgres.Start(t, testpostgres.Options{Durable: true})
		name := server.Database(t, prepare(t))
		url := server.URL(testpostgres.Superuser, name)
		for round := range 4 {
			kill := func(writer *os.Process) { _ = writer.Kill() }
			if round == 2 {
				kill = func(*os.Process) { server.Kill() }
			}
			var acknowledged [2][]ack
			var errs [2]error
			var nodes sync.WaitGroup
			for node := range acknowledged {
				nodes.Go(func() {
					first := (2*round+node)*1_000_000 + 1
					acknowledged[node], errs[node] = writeUntilKilled(t.Context(), url, first, writersPerNode, 50+rand.IntN(100), kill)
				})
			}
			nodes.Wait()
			if round == 2 { // both nodes may kill it, and one may be ended by the other's kill
				if err := server.Restart(t); err != nil {
					t.Fatal(err)
				}
			} else if err := errors.Join(errs[:]...); err != nil {
				t.Fatal(err)
			}
			for _, all := range acknowledged {
				if len(all) > 0 {
					wantAcknowledged(t, url, all)
				}
			}
			wantChain(t, server, name)
		}
	})
}

// wantChain verifies the audit log, and that it has an entry for each change.
func wantChain(t *testing.T, server *testpostgres.Server, name string) {
	t.Helper()
	db, err := postgres.Open(t.Context(), postgres.Config{URL: server.URL(testpostgres.Superuser, name), Log: discard()})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	head, err := audit.Verify(t.Context(), db.Audit(), nil, nil)
	if err != nil {
		t.Errorf("the chain does not hold: %v", err)
	}
	newest, err := db.APIKeys().Revision(t.Context())
	if err != nil || int64(newest) != head.Seq {
		t.Errorf("%d changes, %v, and %d entries of the audit", newest, err, head.Seq)
	}
	const strays = `SELECT count(*)::text FROM (SELECT key_id, count(*) FROM warder.changes GROUP BY 1 EXCEPT SELECT subject, count(*) FROM warder.audit GROUP BY 1) d`
	if got := server.Query(t, name, strays); got != "0" {
		t.Errorf("%s keys have another number of changes than of entries", got)
	}
}

// wantAcknowledged reports a change that was acknowledged and is lost, and one that is
// there by half.
func wantAcknowledged(t *testing.T, url string, acknowledged []ack) {
	t.Helper()
	db, err := postgres.Open(t.Context(), postgres.Config{URL: url, Log: discard()})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	last := 0
	for _, a := range acknowledged {
		last = max(last, a.n)
		wantOne(t, db.APIKeys(), a)
	}
	// One change more than was acknowledged may be there; it is whole then, since
	// Lookup refuses a key without a secret.
	for n := last; n < last+3; n++ {
		if _, err := db.APIKeys().Lookup(t.Context(), keyID(n)); err != nil && !errors.Is(err, apikey.ErrNotFound) {
			t.Errorf("key %d: %v, want it whole or absent", n, err)
		}
	}
}

// wantOne reports that a change which was acknowledged is not there.
func wantOne(t *testing.T, keys *postgres.APIKeys, a ack) {
	t.Helper()
	r, err := keys.Lookup(t.Context(), keyID(a.n))
	switch {
	case err != nil:
		t.Errorf("%s of key %d was acknowledged: %v", a.op, a.n, err)
	case a.op == apikey.OpRevoke && r.State(r.Created) != apikey.Revoked:
		t.Errorf("key %d was revoked, and is %q", a.n, r.State(r.Created))
	case a.op == apikey.OpRoll && (len(r.Secrets) != 2 || r.Secrets[0].Number != 2 || r.Secrets[0].Digest[3] != 2 || r.Secrets[1].Retires.IsZero()):
		t.Errorf("key %d was rolled, and has the secrets %+v", a.n, r.Secrets)
	}
}
