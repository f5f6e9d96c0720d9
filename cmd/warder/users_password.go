package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/secret"
	"github.com/warder-dev/warder/session/password"
	"github.com/warder-dev/warder/session/password/known"
)

// maxTyped is the longest line that is read as a password, in bytes: one more than
// a password may have, and its line end.
const maxTyped = 1024 + 3

// knownPasswords is what no new password may be.
func knownPasswords(cfg *config.Config) (*known.List, error) {
	l, err := known.New(known.Config{File: cfg.Passwords.BreachedFile})
	if err != nil {
		return nil, fail(causeOf(err), "", "passwords.breached_file: %w", err)
	}
	return l, nil
}

// knownToAll is knownPasswords by the configuration of the command.
func knownToAll(cmd *cobra.Command, p *process) (*known.List, error) {
	cfg, err := keysConfig(cmd, p)
	if err != nil {
		return nil, err
	}
	return knownPasswords(cfg)
}

// askPassword returns the hash of a password for the user of that name: typed twice
// on a terminal, or read from standard input. One that others know is refused.
func askPassword(ctx context.Context, p *process, list *known.List, name string) (hash string, err error) {
	var typed secret.Text
	if f, ok := p.stdin.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		typed, err = typePassword(ctx, f, p.stderr)
	} else {
		typed, err = readPassword(p.stdin)
	}
	if err != nil {
		return "", err
	}
	switch found, err := list.Known(typed, name); {
	case err != nil:
		return "", fail(causeOf(err), "", "passwords.breached_file: %w", err)
	case found:
		return "", fail(exitUsage, "nothing was changed; a few words that have nothing to do with each other are easy to remember", "the password is known: many have it, or it leaked, and attackers try it first")
	}
	if hash, err = password.Hash(typed, password.Params{}); err != nil {
		return "", fail(exitUsage, "", "%w", err)
	}
	return hash, nil
}

// readPassword reads the one line of standard input.
func readPassword(stdin io.Reader) (secret.Text, error) {
	raw, err := io.ReadAll(io.LimitReader(stdin, maxTyped))
	if err != nil {
		return secret.Text{}, fail(exitUsage, "", "standard input: %w", err)
	}
	line := strings.TrimSuffix(strings.TrimSuffix(string(raw), "\n"), "\r")
	switch {
	case line == "":
		return secret.Text{}, fail(exitUsage, `echo "$PASSWORD" | warder users ...`, "standard input is empty: want a password")
	case strings.ContainsAny(line, "\r\n"):
		return secret.Text{}, fail(exitUsage, "", "standard input has more than one line: want a password alone")
	default:
		return secret.New(line), nil
	}
}

var errInterrupted = errors.New("interrupted")

// typePassword asks twice, without showing what is typed.
func typePassword(ctx context.Context, f *os.File, stderr io.Writer) (secret.Text, error) {
	first, err := typeLine(ctx, f, stderr, "Password: ")
	if err != nil {
		return secret.Text{}, err
	}
	second, err := typeLine(ctx, f, stderr, "Again: ")
	if err != nil {
		return secret.Text{}, err
	}
	if !first.Equal(second) {
		return secret.Text{}, fail(exitUsage, "nothing was changed; try again", "the two passwords differ")
	}
	return first, nil
}

// typeLine asks once. When ctx ends, the terminal shows again what is typed.
func typeLine(ctx context.Context, f *os.File, stderr io.Writer, prompt string) (secret.Text, error) {
	fd := int(f.Fd())
	state, err := term.GetState(fd)
	if err != nil {
		return secret.Text{}, fail(exitServer, "", "the terminal: %w", err)
	}
	_, _ = fmt.Fprint(stderr, prompt)
	type line struct {
		text []byte
		err  error
	}
	typed := make(chan line, 1)
	go func() {
		text, err := term.ReadPassword(fd)
		typed <- line{text, err}
	}()
	select {
	case l := <-typed:
		_, _ = fmt.Fprintln(stderr)
		if l.err != nil {
			return secret.Text{}, fail(exitUsage, "", "the terminal: %w", l.err)
		}
		return secret.New(string(l.text)), nil
	case <-ctx.Done():
		_, _ = fmt.Fprintln(stderr)
		return secret.Text{}, fail(exitUsage, "nothing was changed", "%w", errors.Join(errInterrupted, term.Restore(fd, state)))
	}
}
