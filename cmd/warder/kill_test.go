package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
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

// TestKillDuringTheFirstStart kills the process that makes the pepper file, at
// any moment: after the next start there is that file, whole, and no other that
// holds a pepper.
func TestKillDuringTheFirstStart(t *testing.T) {
	whole := timedCreate(t, t.TempDir())
	interrupted := 0
	for i := range 40 {
		folder := t.TempDir()
		killedCreate(t, folder, whole/4+whole*time.Duration(i)/40)
		if _, err := os.Stat(filepath.Join(folder, "warder.db.peppers")); err != nil {
			interrupted++
		}
		wantOnePepperFile(t, folder)
	}
	t.Logf("%d of 40 were killed before the pepper file was there", interrupted)
	for _, made := range []bool{false, true} { // what a kill in the middle of it leaves, for certain
		folder := t.TempDir()
		if made {
			wantRun(t, 0, "", folder, "", "keys", "create")
		}
		writeFile(t, filepath.Join(folder, "warder.db.peppers.new"), "half a pep", 0o600)
		code, _, stderr := ran(t, folder, "", "keys", "create")
		if told := strings.Contains(stderr, "removed what an interrupted start left"); code != 0 || told != made {
			t.Errorf("file made before: %v: exit code %d, %q", made, code, stderr)
		}
		wantOnePepperFile(t, folder)
	}
}

// wantOnePepperFile starts once more, and looks for peppers.
func wantOnePepperFile(t *testing.T, folder string) {
	t.Helper()
	wantRun(t, 0, "", folder, "", "keys", "create")
	files, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if name := f.Name(); strings.Contains(name, "peppers") && name != "warder.db.peppers" {
			t.Errorf("%s is left", name)
		}
	}
	text, err := os.ReadFile(filepath.Join(folder, "warder.db.peppers"))
	if err != nil {
		t.Fatal(err)
	}
	if peppers, err := apikey.ParsePeppers(string(text)); err != nil || len(peppers.IDs()) != 1 {
		t.Errorf("the pepper file holds %v, %v", peppers, err)
	}
}

// TestManyFirstStarts lets processes race for the pepper file: all of them use
// the one that is made.
func TestManyFirstStarts(t *testing.T) {
	folder := t.TempDir()
	wantRun(t, exitNotFound, "", folder, "", "keys", "list")
	starts := make([]*exec.Cmd, 8)
	for i := range starts {
		starts[i] = command(t.Context(), folder, "keys", "create", "--db", fmt.Sprintf("%d.db", i), "--peppers-file", "peppers")
		if err := starts[i].Start(); err != nil {
			t.Fatal(err)
		}
	}
	for i, c := range starts {
		if err := c.Wait(); err != nil {
			t.Errorf("start %d: %v", i, err)
		}
	}
	for i := range starts { // refused, unless the stored key's pepper is the file's
		wantRun(t, 0, "", folder, "", "keys", "create", "--db", fmt.Sprintf("%d.db", i), "--peppers-file", "peppers")
	}
}
