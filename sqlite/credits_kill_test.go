package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/sqlite"
	"github.com/warder-dev/warder/usage/usagetest"
)

// Environment of the process that spends credits.
const spenderPath, spenderMode = "WARDER_TEST_SPENDER_PATH", "WARDER_TEST_SPENDER_MODE"

// spender spends, and writes a line for each request that passed.
func spender(path, mode string, out, complaints io.Writer) int {
	ctx := context.Background()
	db, err := sqlite.Open(ctx, sqlite.Config{Path: path, Log: discard()})
	if err == nil {
		err = errors.Join(usagetest.Spend(ctx, db.Credits(), usagetest.Mode(mode), out), db.Close())
	}
	if err == nil {
		return 0
	}
	_, _ = fmt.Fprintln(complaints, err)
	return 1
}

// spenders are processes that share the file at path.
func spenders(t *testing.T, path string) usagetest.Processes {
	t.Helper()
	return usagetest.Processes{
		Store: open(t, path).Credits(),
		Spender: func(mode usagetest.Mode) *exec.Cmd {
			cmd := exec.CommandContext(t.Context(), os.Args[0])
			cmd.Env = append(cmd.Environ(), spenderPath+"="+path, spenderMode+"="+string(mode))
			return cmd
		},
	}
}

func TestKilledWhileSpending(t *testing.T) {
	for _, mode := range []usagetest.Mode{usagetest.Against, usagetest.Favour} {
		attack.Case(t, "LIMIT-12", attack.Library, func(t *testing.T) {
			path := newPath(t)
			usagetest.TestKilled(t, mode, spenders(t, path))
			if got := queryRaw(t, path, `PRAGMA integrity_check`); got != "ok" {
				t.Errorf("integrity_check = %q", got)
			}
		})
	}
}

func TestProcessesShareAnAccount(t *testing.T) {
	attack.Case(t, "LIMIT-12", attack.Library, func(t *testing.T) { usagetest.TestShared(t, spenders(t, newPath(t))) })
}
