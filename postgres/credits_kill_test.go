package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/postgres"
	"github.com/warder-dev/warder/usage/usagetest"
)

// Environment of the process that spends credits.
const spenderURL, spenderMode = "WARDER_TEST_SPENDER_URL", "WARDER_TEST_SPENDER_MODE"

// spender spends, and writes a line for each request that passed.
func spender(url, mode string, out, complaints io.Writer) int {
	ctx := context.Background()
	db, err := postgres.Open(ctx, postgres.Config{URL: url, Log: discard()})
	if err == nil {
		err = errors.Join(usagetest.Spend(ctx, db.Credits(), usagetest.Mode(mode), out), db.Close())
	}
	if err == nil {
		return 0
	}
	_, _ = fmt.Fprintln(complaints, err)
	return 1
}

// spenders are processes that share a database.
func spenders(t *testing.T) usagetest.Processes {
	t.Helper()
	url := newURL(t)
	return usagetest.Processes{
		Store: open(t, url).Credits(),
		Spender: func(mode usagetest.Mode) *exec.Cmd {
			cmd := exec.CommandContext(t.Context(), os.Args[0])
			cmd.Env = append(cmd.Environ(), spenderURL+"="+url, spenderMode+"="+string(mode))
			return cmd
		},
	}
}

func TestKilledWhileSpending(t *testing.T) {
	t.Parallel()
	for _, mode := range []usagetest.Mode{usagetest.Against, usagetest.Favour} {
		attack.Case(t, "LIMIT-12", attack.Library, func(t *testing.T) { usagetest.TestKilled(t, mode, spenders(t)) })
	}
}

func TestProcessesShareAnAccount(t *testing.T) {
	t.Parallel()
	attack.Case(t, "LIMIT-12", attack.Library, func(t *testing.T) { usagetest.TestShared(t, spenders(t)) })
}
