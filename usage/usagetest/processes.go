package usagetest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/usage"
)

// A Mode is how a process spends: see [Spend].
type Mode string

// The modes of a process.
const (
	Against Mode = "against" // until it is killed, what it had reserved being lost
	Favour  Mode = "favour"  // until it is killed, what it had reserved being given back
	Empty   Mode = "empty"   // until it is refused
)

// spendReserve is the most that a process reserves at a time.
const spendReserve = 200

// Processes are what the tests of processes need of a store that several may open.
type Processes struct {
	Store usage.Store // an empty one

	// Spender returns a process, not yet started, that calls [Spend] for the same
	// database, with its own standard output.
	Spender func(mode Mode) *exec.Cmd
}

// Spend sends requests that cost a credit of the key k1, and writes a line for each
// that passed.
func Spend(ctx context.Context, store usage.Store, mode Mode, out io.Writer) error {
	ledger, err := usage.NewLedger(usage.LedgerConfig{
		Store: store, Log: slog.New(slog.DiscardHandler), MaxReserve: spendReserve, CrashFavoursCustomer: mode == Favour,
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
		switch v := stage.Check(x); { //nolint:contextcheck // the request has it
		case v.Passed():
			stage.Done(x, exchange.Outcome{Status: http.StatusOK})
			_, err = fmt.Fprintln(out, "passed")
		case v.Kind() == exchange.Refused && mode == Empty:
			return ledger.Close(ctx)
		default:
			err = fmt.Errorf("refused: %v %w", v.Kind(), v.Err())
		}
		if err != nil {
			return err
		}
	}
}

// start starts a process, which is killed when it has spent for a while unless it
// ends by itself, and returns how many of its requests passed.
func (p *Processes) start(t *testing.T, mode Mode, after time.Duration) (passed int64) {
	t.Helper()
	cmd := p.Spender(mode)
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
		if passed == 0 && mode != Empty {
			time.AfterFunc(after, func() { _ = cmd.Process.Kill() }) // its end is awaited below
		}
	}
	var killed *exec.ExitError
	switch err := cmd.Wait(); {
	case mode == Empty && err != nil:
		t.Errorf("the spender ended with %v", err)
	case mode != Empty && (!errors.As(err, &killed) || killed.Exited()):
		t.Errorf("the spender ended with %v, want it killed", err)
	}
	return passed
}

// together runs n processes and returns how many requests of each passed.
func (p *Processes) together(t *testing.T, n int, mode Mode) []int64 {
	t.Helper()
	var wait sync.WaitGroup
	counts := make([]int64, n)
	for i := range counts {
		after := time.Duration(rand.IntN(200)) * time.Millisecond
		wait.Go(func() { counts[i] = p.start(t, mode, after) })
	}
	wait.Wait()
	return counts
}

func (p *Processes) give(t *testing.T, n int64) {
	t.Helper()
	c := usage.Change{Actor: "user:ada", Source: "cli", At: time.Now(), Subject: key("k1"), Op: usage.OpSet, Amount: n}
	if _, err := p.Store.Apply(t.Context(), c); err != nil {
		t.Fatal(err)
	}
}

func (p *Processes) account(t *testing.T, at time.Time) usage.Account {
	t.Helper()
	a, err := p.Store.Account(t.Context(), key("k1"), at)
	if err != nil {
		t.Fatal(err)
	}
	if a.Balance < 0 {
		t.Errorf("account %+v is negative", a)
	}
	return a
}

// TestKilled kills processes while they spend from one account. Nothing is spent
// that was not there, and what is lost or was for nothing is bounded by what they
// had reserved.
func TestKilled(t *testing.T, mode Mode, p Processes) {
	t.Helper()
	const credits, rounds, together = 1_000_000_000, 6, 2
	p.give(t, credits)
	var passed int64
	for round := range rounds {
		for _, n := range p.together(t, together, mode) {
			passed += n
		}
		a := p.account(t, time.Now().Add(time.Hour)) // all are taken as gone
		killed := int64(together * (round + 1))
		if a.Held != 0 || a.Balance+a.Spent+a.Lost != credits {
			t.Fatalf("account = %+v, want a sum of %d and nothing held", a, credits)
		}
		// A request that passed as the process was killed may not have been told of.
		if mode == Against && (passed > a.Spent+a.Lost || a.Lost > killed*2*spendReserve) {
			t.Errorf("%d passed, account %+v after %d kills: more was spent than is gone, or more is lost than was reserved", passed, a, killed)
		}
		if mode == Favour && (passed-a.Spent > killed*2*spendReserve || a.Lost != 0) {
			t.Errorf("%d passed, account %+v after %d kills: more was for nothing than was reserved", passed, a, killed)
		}
	}
	if passed < rounds*together {
		t.Errorf("%d requests passed: this shows nothing", passed)
	}
}

// TestShared has processes spend an account to its end: together what it had, and
// each credit once.
func TestShared(t *testing.T, p Processes) {
	t.Helper()
	const credits = 700
	p.give(t, credits)
	counts := p.together(t, 3, Empty)
	// What one had reserved when another was refused, it spent before its own refusal.
	a := p.account(t, time.Now())
	if sum := counts[0] + counts[1] + counts[2]; sum != a.Spent || a.Balance+a.Spent != credits || a.Held != 0 || a.Lost != 0 || sum < credits-spendReserve {
		t.Errorf("%v passed, account %+v; want %d in all", counts, a, credits)
	}
}
