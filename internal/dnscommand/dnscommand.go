// Package dnscommand has a program of the operator publish the records of ACME's
// DNS-01 (RFC 8555, section 8.4).
package dnscommand

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"slices"
	"strings"
	"time"
	"unicode"
)

// maxCleanup bounds how long a record is taken away: a stop of the gateway waits
// for it.
const maxCleanup = 30 * time.Second

// grace is how long the program's output is waited for when it has ended itself,
// and something that it started holds that open.
const grace = 2 * time.Second

// A Command runs the program, without a shell: "present NAME VALUE" or "cleanup
// NAME VALUE" follow its own arguments. NAME is the whole name of the record, with
// the root's dot. It is safe for concurrent use, and implements acme.DNS of
// tlsconfig.
type Command struct {
	Argv    []string      // the program, an absolute path, and its first arguments
	Timeout time.Duration // of one run
	Environ []string      // of this process, as os.Environ has it: PATH and HOME of it are passed on
	Log     *slog.Logger
}

// Publish has the program add the record.
func (c *Command) Publish(ctx context.Context, name, value string) error {
	return c.run(ctx, c.Timeout, "present", name, value)
}

// Withdraw has the program take the record away. A failure is logged too, since
// it makes no order fail.
func (c *Command) Withdraw(ctx context.Context, name, value string) error {
	err := c.run(ctx, min(c.Timeout, maxCleanup), "cleanup", name, value)
	if err != nil {
		c.Log.Warn("a record of DNS-01 may still be there", slog.String("name", name), slog.String("error", err.Error()))
	}
	return err
}

func (c *Command) run(ctx context.Context, timeout time.Duration, action, name, value string) error {
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	args := append(slices.Clone(c.Argv[1:]), action, strings.TrimSuffix(name, ".")+".", value)
	cmd := exec.CommandContext(limited, c.Argv[0], args...) //nolint:gosec // the operator names the program
	output := new(tail)
	cmd.Stdout, cmd.Stderr, cmd.Env, cmd.WaitDelay = output, output, c.environment(), grace
	isolate(cmd)
	err := cmd.Run()
	switch {
	case err == nil, errors.Is(err, exec.ErrWaitDelay): // the program itself has succeeded
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("dns_command %s: %w", action, ctx.Err())
	case limited.Err() != nil:
		err = fmt.Errorf("not done after %v, and ended", timeout)
	}
	if said := output.String(); said != "" {
		return fmt.Errorf("dns_command %s: %w; it said: %s", action, err, said)
	}
	return fmt.Errorf("dns_command %s: %w", action, err)
}

// environment is what the program gets to see of ours: where programs are, and
// the home. The rest may hold secrets that are none of its business.
func (c *Command) environment() []string {
	env := []string{} // nil would be all of ours
	for _, entry := range c.Environ {
		if strings.HasPrefix(entry, "PATH=") || strings.HasPrefix(entry, "HOME=") {
			env = append(env, entry)
		}
	}
	return env
}

// maxSaid is how much of the end of the output is told, in bytes.
const maxSaid = 256

// A tail keeps the end of what is written to it.
type tail struct{ text []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.text = append(t.text, p[max(0, len(p)-maxSaid):]...)
	t.text = append(t.text[:0], t.text[max(0, len(t.text)-maxSaid):]...)
	return len(p), nil
}

// String is the output in one line, without what a terminal would obey.
func (t *tail) String() string {
	line := strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case r == unicode.ReplacementChar || !unicode.IsPrint(r):
			return -1
		}
		return r
	}, string(t.text))
	return strings.Join(strings.Fields(line), " ")
}
