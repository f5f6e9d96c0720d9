package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/warder-dev/warder/session/password"
)

// Of many that change the file at once, none undoes what another did, and whoever
// reads it meanwhile finds it whole.
func TestUsersAtOnce(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "people")
	const writers = 8
	var wait sync.WaitGroup
	for i := range writers {
		wait.Go(func() {
			c := command(t.Context(), folder, "users", "add", fmt.Sprintf("user%d", i), "--users-file", "people")
			c.Stdin = strings.NewReader("correct horse\n")
			if out, err := c.CombinedOutput(); err != nil {
				t.Errorf("users add: %v: %s", err, out)
			}
		})
	}
	done := make(chan struct{})
	go func() { wait.Wait(); close(done) }()
	for reading := true; reading; {
		select {
		case <-done:
			reading = false
		default:
		}
		if _, err := os.Stat(path); err != nil {
			continue // not made yet
		}
		if _, err := password.NewFile(password.FileConfig{Path: path}); err != nil {
			t.Errorf("in between: %v", err)
		}
	}
	f, err := password.NewFile(password.FileConfig{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	for i := range writers {
		if _, err := f.Lookup(t.Context(), fmt.Sprintf("user%d", i)); err != nil {
			t.Errorf("user%d: %v", i, err)
		}
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) != 1 {
		t.Errorf("the folder holds %v, %v, want the file alone", left, err)
	}
}

// Root changes a file of somebody else, who can read it afterwards too.
func TestUsersKeepTheirOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("only root can give files away: nobody else can lose them so")
		return
	}
	folder := t.TempDir()
	path := filepath.Join(folder, "people")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(path, 1234, 1235); err != nil {
		t.Fatal(err)
	}
	c := command(t.Context(), folder, "users", "add", "ada", "--users-file", "people")
	c.Stdin = strings.NewReader("correct horse\n")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("users add: %v: %s", err, out)
	}
	before, err := os.Stat(folder)
	if err != nil {
		t.Fatal(err)
	}
	after, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if trustedOwner(after, 4321) || !trustedOwner(after, 1234) || after.Mode().Perm() != 0o600 || !trustedOwner(before, 0) {
		t.Errorf("the file is now %v of another owner", after.Mode())
	}
}
