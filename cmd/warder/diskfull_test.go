package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/warder-dev/warder/client"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/wire"
)

// A disk is a small file system that only processes in its own namespaces see as such.
type disk struct {
	inside  string // where it is for them
	outside string // and for everybody else
	holder  string // the process that keeps the namespaces
}

// smallDisk mounts a file system of a size such as 6m.
func smallDisk(t *testing.T, size string) disk {
	t.Helper()
	d := disk{inside: t.TempDir()}
	// A namespace of users as well: no root is needed.
	c := exec.CommandContext(t.Context(), "unshare", "--map-root-user", "--mount", "sh", "-c",
		"mount -t tmpfs -o size="+size+" tmpfs '"+d.inside+"' && echo mounted && exec cat")
	stdin, err1 := c.StdinPipe()
	stdout, err2 := c.StdoutPipe()
	if err := errors.Join(err1, err2, c.Start()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stdin.Close(); _ = c.Wait() })
	if line, err := bufio.NewReader(stdout).ReadString('\n'); err != nil || line != "mounted\n" {
		t.Fatalf("no file system of its own: %q, %v", line, err)
	}
	d.holder = fmt.Sprint(c.Process.Pid)
	d.outside = filepath.Join("/proc", d.holder, "root", d.inside)
	return d
}

// command prepares a run of the program on the disk.
func (d disk) command(ctx context.Context, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, "nsenter", append([]string{"--preserve-credentials", "--user", "--mount", "--target", d.holder, "sh", "-c", `cd "$0" && exec warder "$@"`, d.inside}, args...)...)
	c.Env = append(c.Environ(), "USER=ada")
	return c
}

// serve starts the program on the disk, with its log there too.
func (d disk) serve(t *testing.T, upstream string) *served {
	t.Helper()
	s := &served{folder: d.outside, process: d.command(t.Context(), "serve", "--upstream", upstream, "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--log-file", "warder.log")}
	s.begin(t)
	return s
}

// fillUp makes, rolls and revokes keys until nothing can be written any more, and
// returns what was acknowledged and the last refusal.
func fillUp(t *testing.T, api *client.Client, known *acks) (refusal error) {
	t.Helper()
	const enough = 100000
	for refused := 0; refused < 20; {
		i := len(known.all)
		if i > enough {
			t.Fatal("the disk does not get full")
		}
		if err := known.change(t.Context(), api, i); err != nil {
			refusal = err
			refused++
			continue
		}
		refused = 0
	}
	return refusal
}

// TestADiskThatIsFull changes keys until the disk is full: what cannot be written is
// refused in words, what is known goes on being judged, and whatever was acknowledged
// is there after a kill, when there is room again.
func TestADiskThatIsFull(t *testing.T) {
	attack.Case(t, "FLEET-13", attack.Gateway, func(t *testing.T) {
		disk := smallDisk(t, "16m")
		upstream := wire.Listen(t, wire.Answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
		filler := filepath.Join(disk.outside, "filler")
		writeFile(t, filler, strings.Repeat("x", 8<<20), 0o600)
		s := disk.serve(t, upstream.URL())
		known := &acks{all: map[string]acked{}}
		refusal := fillUp(t, s.api(t), known)
		if text := fmt.Sprint(refusal); !strings.Contains(text, "503") {
			t.Errorf("on a full disk a change is answered %q, want 503", text)
		}
		t.Logf("%d keys were acknowledged, then: %v", len(known.all), refusal)
		holder := newKeyHolder(t)
		judged := func(what string) {
			t.Helper()
			for id, k := range known.all {
				want := http.StatusOK
				if k.revoked {
					want = http.StatusUnauthorized
				}
				if got := holder.status(t, s, k.text.Reveal()); got != want {
					t.Errorf("%s the key %s, revoked %v, gets %d, want %d", what, id, k.revoked, got, want)
				}
			}
		}
		judged("on a full disk")
		_ = s.process.Process.Kill()
		_ = s.process.Wait()
		if err := os.Remove(filler); err != nil {
			t.Fatal(err)
		}
		s = disk.serve(t, upstream.URL())
		judged("when there is room again")
		if _, err := s.api(t).CreateKey(t.Context(), client.CreateKeyParams{}, client.KeySpec{Name: "after"}); err != nil {
			t.Errorf("when there is room again: %v", err)
		}
		if out, err := disk.command(t.Context(), "audit", "verify").CombinedOutput(); err != nil {
			t.Errorf("audit verify: %v: %s", err, out)
		}
	})
}
