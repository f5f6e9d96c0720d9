package main

import (
	"bytes"
	"context"
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
)

// TestKillDuringCreate kills `keys create` at any moment of its life: a key is
// whole, or it is not there, and one that was printed is there.
func TestKillDuringCreate(t *testing.T) {
	folder := t.TempDir()
	whole := timedCreate(t, folder)
	printed := make(map[apikey.ID]bool)
	for range 40 {
		out := killedCreate(t, folder, rand.N(whole*5/4))
		if info, err := apikey.Parse(strings.TrimSpace(out)); err == nil {
			printed[info.ID] = true
		}
	}
	var listed []keyView
	out, err := command(t.Context(), folder, "keys", "list", "--output", "json").Output()
	if err != nil {
		t.Fatalf("keys list: %v", err)
	}
	if err := json.Unmarshal(out, &listed); err != nil {
		t.Fatal(err)
	}
	found := make(map[apikey.ID]bool)
	for _, v := range listed {
		found[v.ID] = true
		if v.Name != "whole" || v.Owner != "acme" || len(v.Scopes) != 2 || v.State != apikey.Active || v.Revision == 0 {
			t.Errorf("a key is half there: %+v", v)
		}
	}
	for id := range printed {
		if !found[id] {
			t.Errorf("the key %s was printed, and is lost", id)
		}
	}
	t.Logf("%d keys printed, %d stored, in 41 runs of about %v", len(printed)+1, len(listed), whole)
}

// command prepares a run of the program in folder.
func command(ctx context.Context, folder string, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, "warder", args...)
	c.Dir, c.Env = folder, append(os.Environ(), "USER=ada")
	return c
}

func create(ctx context.Context, folder string) *exec.Cmd {
	return command(ctx, folder, "keys", "create", "--name", "whole", "--owner", "acme", "--scopes", "a:read,b:read", "--output", "secret")
}

// timedCreate makes one key and returns how long that took.
func timedCreate(t *testing.T, folder string) time.Duration {
	t.Helper()
	begin := time.Now()
	if out, err := create(t.Context(), folder).CombinedOutput(); err != nil {
		t.Fatalf("keys create: %v: %s", err, out)
	}
	return time.Since(begin)
}

// killedCreate begins to make a key, kills the process after a while, and
// returns what it printed by then.
func killedCreate(t *testing.T, folder string, after time.Duration) string {
	t.Helper()
	c := create(t.Context(), folder)
	var out bytes.Buffer
	c.Stdout = &out
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	<-time.After(after)
	_ = c.Process.Kill() // it may have ended by itself
	_ = c.Wait()
	return out.String()
}
