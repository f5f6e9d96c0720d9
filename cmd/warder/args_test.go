package main

import (
	"errors"
	"io"
	"testing"

	"github.com/spf13/cobra"
)

// No command answers a wrong number of arguments in the words of its library.
func TestArgumentsAreRefusedInOurWords(t *testing.T) {
	refused := 0
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		for _, one := range cmd.Commands() {
			walk(one)
		}
		if cmd.Args == nil {
			return
		}
		for _, args := range [][]string{nil, {"a"}, {"a", "b", "c", "d", "e"}} {
			err := cmd.Args(cmd, args)
			if err == nil {
				continue
			}
			refused++
			if f, ok := errors.AsType[*failure](err); !ok || f.code != exitUsage || f.hint == "" {
				t.Errorf("%s %q: %v", cmd.CommandPath(), args, err)
			}
		}
	}
	walk(newRoot(&process{stdout: io.Discard, stderr: io.Discard}))
	if refused < 30 {
		t.Errorf("%d wrong lines were refused, want 30 and more", refused)
	}
}
