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
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/testpostgres"
	"github.com/warder-dev/warder/postgres"
)

// writerURL names the variable of the process that writes until it is killed.
const writerURL = "WARDER_TEST_WRITER_URL"

// writer creates and revokes keys, from the number on the first line of in, and
// writes the number of each to out once it is acknowledged: n for created, -n for
// revoked. It ends at the first error.
func writer(url string, in io.Reader, out, stderr io.Writer) int {
	err := writeForever(url, in, out)
	_, _ = io.WriteString(stderr, err.Error())
	return 1
}

func writeForever(url string, in io.Reader, out io.Writer) error {
	line, err := bufio.NewReader(in).ReadString('\n')
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		return err
	}
	ctx := context.Background()
	db, err := postgres.Open(ctx, postgres.Config{URL: url, Log: discard()})
	if err != nil {
		return err
	}
	for ; ; n++ {
		for _, sign := range []int{1, -1} {
			c := newKey(n)
			if sign < 0 {
				c, err = revocation(ctx, db.APIKeys(), n)
			}
			if err == nil {
				_, err = db.APIKeys().Apply(ctx, c)
			}
			if err == nil {
				_, err = fmt.Fprintln(out, sign*n)
			}
			if err != nil {
				return err
			}
		}
	}
}

// revocation returns the change that revokes the nth key.
func revocation(ctx context.Context, keys *postgres.APIKeys, n int) (apikey.Change, error) {
	before, err := keys.Lookup(ctx, keyID(n))
	if err != nil {
		return apikey.Change{}, err
	}
	after := before
	after.Revoked, after.Reason = before.Created.Add(time.Hour), "leaked"
	return apikey.Change{Actor: "user:ada", Source: "cli", Op: apikey.OpRevoke, At: after.Revoked, Before: &before, After: &after}, nil
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
			acknowledged := writeUntilKilled(t, url, first, rand.IntN(250), kill)
			if rounds%3 == 2 {
				if err := server.Restart(t); err != nil {
					t.Fatal(err)
				}
			}
			total += len(acknowledged)
			wantAcknowledged(t, url, acknowledged)
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

// writeUntilKilled starts a process that writes keys from first on, calls kill after
// some acknowledgements, and returns all of these.
func writeUntilKilled(t *testing.T, url string, first, after int, kill func(*os.Process)) (acknowledged []int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(cmd.Environ(), writerURL+"="+url)
	cmd.Stdin = strings.NewReader(fmt.Sprintln(first))
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatalf("start the writer: %v", err)
	}
	var killing chan struct{}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		n, err := strconv.Atoi(lines.Text())
		if err != nil {
			t.Fatalf("the writer said %q", lines.Text())
		}
		acknowledged = append(acknowledged, n)
		if len(acknowledged) > after && killing == nil {
			killing = make(chan struct{})
			go func() { kill(cmd.Process); close(killing) }()
		}
	}
	if err := cmd.Wait(); err == nil || killing == nil {
		t.Fatalf("the writer ended after %d changes with %v, want it stopped", len(acknowledged), err)
	}
	<-killing
	return acknowledged
}

// wantAcknowledged reports a change that was acknowledged and is lost, and one that is
// there by half.
func wantAcknowledged(t *testing.T, url string, acknowledged []int) {
	t.Helper()
	db, err := postgres.Open(t.Context(), postgres.Config{URL: url, Log: discard()})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	last := 0
	for _, n := range acknowledged {
		last = max(last, n, -n)
		r, err := db.APIKeys().Lookup(t.Context(), keyID(max(n, -n)))
		if err != nil || n < 0 && r.State(r.Created) != apikey.Revoked {
			t.Errorf("acknowledged change %d: record is %q, %v", n, r.State(r.Created), err)
		}
	}
	// One change more than was acknowledged may be there; it is whole then, since
	// Lookup refuses a key without a secret.
	for n := last; n < last+3; n++ {
		if _, err := db.APIKeys().Lookup(t.Context(), keyID(n)); err != nil && !errors.Is(err, apikey.ErrNotFound) {
			t.Errorf("key %d: %v, want it whole or absent", n, err)
		}
	}
}
