package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestTheDemosLinesWorkWhenPasted runs what the demo prints in a shell, in its
// order: curl must show the status that stands above it, and grep must find
// nothing.
func TestTheDemosLinesWorkWhenPasted(t *testing.T) {
	demo := command(context.WithoutCancel(t.Context()), t.TempDir(), "demo")
	stdout, err := demo.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := demo.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = demo.Process.Signal(os.Interrupt); _ = demo.Wait() }) // it removes its files
	var want string
	var pasted int
	lines := bufio.NewScanner(stdout)
	for lines.Scan() && !strings.HasPrefix(lines.Text(), "Paste a line") {
		line := strings.TrimSpace(lines.Text())
		if promise, ok := strings.CutPrefix(line, "# "); ok {
			want, _, _ = strings.Cut(promise, " ")
			continue
		}
		if !strings.HasPrefix(line, "curl ") && !strings.HasPrefix(line, "grep ") {
			continue
		}
		pasted++
		out, err := exec.CommandContext(t.Context(), "sh", "-c", line).Output() // grep's code is 1 when nothing is found
		if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
			t.Fatal(err)
		}
		first, _, _ := strings.Cut(string(out), "\n")
		if !slices.Contains(strings.Fields(first), want) {
			t.Errorf("%s\nshows %q, want %s", line, first, want)
		}
	}
	go func() { _, _ = io.Copy(io.Discard, stdout) }()
	if pasted < 20 {
		t.Errorf("the demo printed %d lines to paste", pasted)
	}
}
