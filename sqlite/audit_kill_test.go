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
	"sync"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/audit"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/sqlite"
)

// Environment of a process whose many writers create keys until it is killed.
const crowdPath, crowdFirst = "WARDER_TEST_CROWD_PATH", "WARDER_TEST_CROWD_FIRST"

// crowdWriters is how many write in one process; crowdRange is how many keys each
// of them may make.
const crowdWriters, crowdRange = 16, 100_000

// crowd writes the number of each key to out once it is acknowledged.
func crowd(path, first string, out io.Writer) error {
	from, err := strconv.Atoi(first)
	if err != nil {
		return err
	}
	ctx := context.Background()
	db, err := sqlite.Open(ctx, sqlite.Config{Path: path, Log: discard()})
	if err != nil {
		return err
	}
	var mu sync.Mutex // a line is written whole
	failed := make(chan error, crowdWriters)
	for w := range crowdWriters {
		go func() {
			for n := from + w*crowdRange; ; n++ {
				_, err := db.APIKeys().Apply(ctx, newKey(n))
				if err == nil {
					mu.Lock()
					_, err = fmt.Fprintln(out, n)
					mu.Unlock()
				}
				if err != nil {
					failed <- err
					return
				}
			}
		}()
	}
	return <-failed
}

// startCrowd starts a process that writes, and kills it some time after its first
// acknowledgement. It returns all of these.
func startCrowd(t *testing.T, path string, first int, after time.Duration) []int {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(cmd.Environ(), crowdPath+"="+path, fmt.Sprintf("%s=%d", crowdFirst, first))
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Errorf("start the writers: %v", err)
		return nil
	}
	var acknowledged []int
	for lines := bufio.NewScanner(out); lines.Scan(); {
		n, err := strconv.Atoi(lines.Text())
		if err != nil {
			break // a line that the kill has cut
		}
		if len(acknowledged) == 0 {
			time.AfterFunc(after, func() { _ = cmd.Process.Kill() }) // its end is awaited below
		}
		acknowledged = append(acknowledged, n)
	}
	var killed *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &killed) || killed.Exited() {
		t.Errorf("the writers ended with %v, want them killed", err)
	}
	return acknowledged
}

// TestManyWritersMakeOneChain: 32 writers in two processes, both killed while they
// write.
func TestManyWritersMakeOneChain(t *testing.T) {
	attack.Case(t, "AUDIT-04", attack.Library, func(t *testing.T) {
		const rounds, processes = 4, 2
		path := newPath(t)
		if err := mustOpen(t, path).Close(); err != nil {
			t.Fatal(err)
		}
		var entries int64
		total := 0
		for round := range rounds {
			var both sync.WaitGroup
			var acknowledged [processes][]int
			for p := range processes {
				first := (round*processes + p) * crowdWriters * crowdRange
				both.Go(func() {
					acknowledged[p] = startCrowd(t, path, first, time.Duration(100+rand.IntN(200))*time.Millisecond)
				})
			}
			both.Wait()
			db := mustOpen(t, path)
			head, err := audit.Verify(t.Context(), db.Audit(), nil, nil)
			if err != nil || head.Seq <= entries {
				t.Fatalf("Verify after round %d = %d, %v, want more than %d", round+1, head.Seq, err, entries)
			}
			entries = head.Seq
			for _, n := range append(acknowledged[0], acknowledged[1]...) {
				total++
				all, err := db.Audit().List(t.Context(), audit.Query{Subject: string(keyID(n)), Kind: audit.KindKey, Limit: 10})
				if err != nil || len(all) != 1 || all[0].Op != string(apikey.OpCreate) {
					t.Fatalf("the acknowledged key %d has %d entries, %v, want one", n, len(all), err)
				}
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
		}
		const unlike = `SELECT ((SELECT count(*) FROM audit) - (SELECT count(*) FROM changes)) || ' ' || ((SELECT count(*) FROM audit) - (SELECT count(*) FROM keys))`
		if got := queryRaw(t, path, unlike); got != "0 0" {
			t.Errorf("entries without a change and without a key: %s, want none", got)
		}
		if total < rounds*processes {
			t.Errorf("only %d changes were acknowledged: this shows nothing", total)
		}
	})
}
