package sqlite_test

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
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/sqlite"
)

// Environment of the process that writes until it is killed.
const writerPath, writerFirst = "WARDER_TEST_WRITER_PATH", "WARDER_TEST_WRITER_FIRST"

func TestMain(m *testing.M) {
	if path := os.Getenv(spenderPath); path != "" { //nolint:forbidigo // this binary started itself
		os.Exit(spender(path, os.Getenv(spenderMode), os.Stdout, os.Stderr)) //nolint:forbidigo // as TestMain does
	}
	if path := os.Getenv(crowdPath); path != "" { //nolint:forbidigo // this binary started itself
		err := crowd(path, os.Getenv(crowdFirst), os.Stdout) //nolint:forbidigo // this binary started itself
		_, _ = io.WriteString(os.Stderr, err.Error())
		os.Exit(1) //nolint:forbidigo // as TestMain does
	}
	path := os.Getenv(writerPath) //nolint:forbidigo // this binary started itself
	if path == "" {
		os.Exit(m.Run()) //nolint:forbidigo // as TestMain does
	}
	err := writeForever(path, os.Getenv(writerFirst), os.Stdout) //nolint:forbidigo // this binary started itself
	_, _ = io.WriteString(os.Stderr, err.Error())
	os.Exit(1) //nolint:forbidigo // as TestMain does
}

// writeForever creates and revokes keys and writes the number of each to out
// once it is acknowledged: n for created, -n for revoked.
func writeForever(path, first string, out io.Writer) error {
	n, err := strconv.Atoi(first)
	if err != nil {
		return err
	}
	ctx := context.Background()
	db, err := sqlite.Open(ctx, sqlite.Config{Path: path, Log: discard()})
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
func revocation(ctx context.Context, keys *sqlite.APIKeys, n int) (apikey.Change, error) {
	before, err := keys.Lookup(ctx, keyID(n))
	if err != nil {
		return apikey.Change{}, err
	}
	after := before
	after.Revoked, after.Reason = before.Created.Add(time.Hour), "leaked"
	return apikey.Change{Actor: "user:ada", Source: "cli", Op: apikey.OpRevoke, At: after.Revoked, Before: &before, After: &after}, nil
}

func TestKilledWhileWriting(t *testing.T) {
	const rounds, perRound = 30, 100_000
	path, total := newPath(t), 0
	for round := range rounds {
		first := round*perRound + 1
		acknowledged := writeUntilKilled(t, path, first, time.Duration(rand.IntN(60_000))*time.Microsecond)
		total += len(acknowledged)
		wantAcknowledged(t, path, first, acknowledged)
		if got := queryRaw(t, path, `PRAGMA integrity_check`); got != "ok" {
			t.Fatalf("integrity_check after %d kills = %q, want ok", round+1, got)
		}
	}
	if total < rounds {
		t.Errorf("only %d changes in %d rounds were acknowledged: this shows nothing", total, rounds)
	}
}

// writeUntilKilled starts a process that writes keys from first on, kills it
// some time after its first acknowledgement, and returns all of these.
func writeUntilKilled(t *testing.T, path string, first int, after time.Duration) []int {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(cmd.Environ(), writerPath+"="+path, fmt.Sprintf("%s=%d", writerFirst, first))
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatalf("start the writer: %v", err)
	}
	var acknowledged []int
	for lines := bufio.NewScanner(out); lines.Scan(); {
		n, err := strconv.Atoi(lines.Text())
		if err != nil {
			t.Fatalf("the writer said %q", lines.Text())
		}
		if len(acknowledged) == 0 {
			time.AfterFunc(after, func() { _ = cmd.Process.Kill() }) // its end is awaited below
		}
		acknowledged = append(acknowledged, n)
	}
	var killed *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &killed) || killed.Exited() {
		t.Fatalf("the writer ended with %v, want it killed", err)
	}
	return acknowledged
}

// wantAcknowledged reports a change that was acknowledged and is lost, and one
// that is there by half.
func wantAcknowledged(t *testing.T, path string, first int, acknowledged []int) {
	t.Helper()
	keys := open(t, path).APIKeys()
	last := acknowledged[len(acknowledged)-1]
	for _, n := range acknowledged {
		r, err := keys.Lookup(t.Context(), keyID(max(n, -n)))
		if err != nil || n < 0 && r.State(r.Created) != apikey.Revoked {
			t.Errorf("acknowledged change %d: record is %q, %v", n, r.State(r.Created), err)
		}
	}
	// One change more than was acknowledged may be there; it is whole then, since
	// Lookup refuses a key without a secret.
	for n := max(last, -last); n < max(last, -last)+3; n++ {
		if r, err := keys.Lookup(t.Context(), keyID(n)); err != nil && !errors.Is(err, apikey.ErrNotFound) {
			t.Errorf("key %d after %d: %q, %v, want it whole or absent", n, first, r.ID, err)
		}
	}
	const orphans = `SELECT count(*) FROM changes c LEFT JOIN keys k ON k.id = c.key_id WHERE k.id IS NULL OR k.revision < c.revision`
	if got := queryRaw(t, path, orphans); got != "0" {
		t.Errorf("changes without the record that they led to: %s, want 0", got)
	}
}
