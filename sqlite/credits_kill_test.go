package sqlite_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/sqlite"
	"github.com/warder-dev/warder/usage"
)

// Environment of the process that spends credits: "favour" or "against" until it
// is killed, "empty" until it is refused.
const spenderPath, spenderMode = "WARDER_TEST_SPENDER_PATH", "WARDER_TEST_SPENDER_MODE"

// spenderReserve is the most that a spender reserves at a time.
const spenderReserve = 200

// spender sends requests, and writes a line for each that passed.
func spender(path, mode string, out, complaints io.Writer) int {
	err := spendCredits(path, mode, out)
	if err == nil {
		return 0
	}
	_, _ = fmt.Fprintln(complaints, err)
	return 1
}

func spendCredits(path, mode string, out io.Writer) error {
	ctx := context.Background()
	db, err := sqlite.Open(ctx, sqlite.Config{Path: path, Log: discard()})
	if err != nil {
		return err
	}
	ledger, err := usage.NewLedger(usage.LedgerConfig{
		Store: db.Credits(), Log: discard(), MaxReserve: spenderReserve, CrashFavoursCustomer: mode == "favour",
		Timeout: time.Minute,
	})
	if err != nil {
		return err
	}
	stage, err := usage.New(usage.Config{Ledger: ledger})
	if err != nil {
		return err
	}
	for {
		x := exchange.New(httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil))
		x.Principal = exchange.Principal{Subject: "k1", KeyID: "k1"}
		switch v := stage.Check(x); {
		case v.Passed():
			stage.Done(x, exchange.Outcome{Status: http.StatusOK})
			_, err = fmt.Fprintln(out, "passed")
		case v.Kind() == exchange.Refused && mode == "empty":
			return errors.Join(ledger.Close(ctx), db.Close())
		default:
			err = fmt.Errorf("refused: %v %w", v.Kind(), v.Err())
		}
		if err != nil {
			return err
		}
	}
}

// startSpender starts a process, which is killed when it has spent for a while,
// unless it ends by itself, and returns how many of its requests passed.
func startSpender(t *testing.T, path, mode string, after time.Duration) (passed int64) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(cmd.Environ(), spenderPath+"="+path, spenderMode+"="+mode)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Errorf("start a spender: %v", err)
		return 0
	}
	for lines := bufio.NewScanner(out); lines.Scan(); passed++ {
		if passed == 0 && mode != "empty" {
			time.AfterFunc(after, func() { _ = cmd.Process.Kill() }) // its end is awaited below
		}
	}
	var killed *exec.ExitError
	switch err := cmd.Wait(); {
	case mode == "empty" && err != nil:
		t.Errorf("the spender ended with %v", err)
	case mode != "empty" && (!errors.As(err, &killed) || killed.Exited()):
		t.Errorf("the spender ended with %v, want it killed", err)
	}
	return passed
}

func giveCredits(t *testing.T, store usage.Store, n int64) {
	t.Helper()
	_, err := store.Apply(t.Context(), usage.Change{
		Actor: "user:ada", Source: "cli", At: time.Now(), Subject: usage.Subject{Kind: usage.Key, ID: "k1"}, Op: usage.OpSet, Amount: n,
	})
	if err != nil {
		t.Fatal(err)
	}
}

func creditsOf(t *testing.T, store usage.Store, at time.Time) usage.Account {
	t.Helper()
	a, err := store.Account(t.Context(), usage.Subject{Kind: usage.Key, ID: "k1"}, at)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestKilledWhileSpending(t *testing.T) {
	const credits, rounds, together = 1_000_000_000, 6, 2
	for _, mode := range []string{"against", "favour"} {
		attack.Case(t, "LIMIT-12", attack.Library, func(t *testing.T) {
			path := newPath(t)
			store := open(t, path).Credits()
			giveCredits(t, store, credits)
			var passed int64
			for round := range rounds {
				var wait sync.WaitGroup
				counts := make([]int64, together)
				for i := range counts {
					after := time.Duration(rand.IntN(200)) * time.Millisecond
					wait.Go(func() { counts[i] = startSpender(t, path, mode, after) })
				}
				wait.Wait()
				for _, n := range counts {
					passed += n
				}
				a := creditsOf(t, store, time.Now().Add(time.Hour)) // all are taken as gone
				killed := int64(together * (round + 1))
				if a.Held != 0 || a.Balance+a.Spent+a.Lost != credits {
					t.Fatalf("account = %+v, want a sum of %d and nothing held", a, credits)
				}
				// A request that passed as the process was killed may not have been told of.
				if mode == "against" && (passed > a.Spent+a.Lost || a.Lost > killed*2*spenderReserve) {
					t.Errorf("%d passed, account %+v after %d kills: more was spent than is gone, or more is lost than was reserved", passed, a, killed)
				}
				if mode == "favour" && (passed-a.Spent > killed*2*spenderReserve || a.Lost != 0) {
					t.Errorf("%d passed, account %+v after %d kills: more was for nothing than was reserved", passed, a, killed)
				}
			}
			if passed < rounds*together {
				t.Errorf("%d requests passed: this shows nothing", passed)
			}
			if got := queryRaw(t, path, `PRAGMA integrity_check`); got != "ok" {
				t.Errorf("integrity_check = %q", got)
			}
		})
	}
}

func TestProcessesShareAnAccount(t *testing.T) {
	attack.Case(t, "LIMIT-12", attack.Library, func(t *testing.T) {
		const credits = 700
		path := newPath(t)
		store := open(t, path).Credits()
		giveCredits(t, store, credits)
		var wait sync.WaitGroup
		counts := make([]int64, 3)
		for i := range counts {
			wait.Go(func() { counts[i] = startSpender(t, path, "empty", 0) })
		}
		wait.Wait()
		// What one had reserved when another was refused, it spent before its own refusal.
		a := creditsOf(t, store, time.Now())
		if sum := counts[0] + counts[1] + counts[2]; sum != a.Spent || a.Balance+a.Spent != credits || a.Held != 0 || a.Lost != 0 || sum < credits-spenderReserve {
			t.Errorf("%v passed, account %+v; want %d in all", counts, a, credits)
		}
	})
}
