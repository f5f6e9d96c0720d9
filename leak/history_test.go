package leak_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/warder-dev/warder/leak"
)

// A repository is one of git's in a folder of the test's own.
type repository struct {
	t    *testing.T
	path string
}

func newRepository(t *testing.T) *repository {
	t.Helper()
	r := &repository{t, t.TempDir()}
	r.git("init", "--quiet", "--initial-branch=main")
	return r
}

// git runs it, and returns what it printed.
func (r *repository) git(args ...string) string {
	r.t.Helper()
	cmd := exec.CommandContext(r.t.Context(), "git", args...)
	cmd.Dir = r.path
	cmd.Env = append(cmd.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_AUTHOR_NAME=Ada", "GIT_AUTHOR_EMAIL=ada@example.com",
		"GIT_COMMITTER_NAME=Ada", "GIT_COMMITTER_EMAIL=ada@example.com")
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

func (r *repository) write(name, text string) {
	r.t.Helper()
	path := filepath.Join(r.path, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// commit commits everything and returns the commit's id.
func (r *repository) commit(message string) string {
	r.t.Helper()
	r.git("add", "--all")
	r.git("commit", "--quiet", "--allow-empty", "--message", message)
	return r.git("rev-parse", "HEAD")
}

// scan returns what is found: commit, path, line and id of the key.
func (r *repository) scan(cfg leak.HistoryConfig) (found []string) {
	r.t.Helper()
	cfg.Scanner = scanner(r.t)
	err := leak.ScanHistory(r.t.Context(), r.path, cfg, func(f leak.FileResult) error {
		if f.Err != nil {
			r.t.Errorf("%s: %v", f.Path, f.Err)
		}
		for _, one := range f.Findings {
			found = append(found, placeOf(f.Commit, filepath.ToSlash(f.Path), one.Line, one.Text.Reveal()))
		}
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return found
}

func placeOf(commit, path string, line int64, key string) string {
	return fmt.Sprintf("%.10s %s:%d %s", commit, path, line, key[9:9+12])
}

// Whatever a repository has had is found once, where it came from.
func TestScanHistory(t *testing.T) {
	key := func() string { return made(t, "wrd", "live") }
	r := newRepository(t)
	first, renamed, deleted, binary, branch, evil, message := key(), key(), key(), key(), key(), key(), key()
	r.write("a.env", "x\nKEY="+first+"\n")
	r.write("old name\twith \"quotes\".env", renamed)
	r.write("none", "nothing")
	one := r.commit("one")
	r.write("gone.env", deleted)
	r.write("dir/b.bin", "\x00\x01"+binary+"\x00")
	two := r.commit("two")
	r.git("rm", "--quiet", "gone.env")
	r.git("mv", "old name\twith \"quotes\".env", "new.env")
	r.write("a.env", "y\nx\nKEY="+first+"\n") // the same key, in another version
	r.commit("three")
	r.git("checkout", "--quiet", "-b", "side", one)
	r.write("side.env", branch)
	side := r.commit("side")
	r.git("checkout", "--quiet", "main")
	r.git("merge", "--quiet", "--no-ff", "--no-commit", "side")
	r.write("merged.env", evil) // in the merge itself, and in none of its parents
	merge := r.commit("merge")
	r.git("branch", "--quiet", "-D", "side")
	last := r.commit("never say " + message)

	want := []string{
		placeOf(one, "a.env", 2, first), placeOf(one, "old name\twith \"quotes\".env", 1, renamed), placeOf(two, "dir/b.bin", 1, binary), placeOf(two, "gone.env", 1, deleted),
		placeOf(side, "side.env", 1, branch), placeOf(merge, "merged.env", 1, evil), placeOf(last, leak.MessagePath, 6, message),
	}
	seen := new(leak.Seen)
	got := r.scan(leak.HistoryConfig{Workers: 3, Seen: seen})
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("found\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if n := seen.Keys.Load(); n != int64(len(want)) {
		t.Errorf("counted %d keys, want %d", n, len(want))
	}
	r.git("gc", "--quiet", "--aggressive")
	if packed := r.scan(leak.HistoryConfig{Workers: 1}); len(packed) != len(want) {
		t.Errorf("packed: %q", packed)
	}
	bare := &repository{t, filepath.Join(t.TempDir(), "bare.git")}
	r.git("clone", "--quiet", "--bare", r.path, bare.path)
	if all := bare.scan(leak.HistoryConfig{}); len(all) != len(want) {
		t.Errorf("bare: %q", all)
	}
}

// What no branch has any more, what was only stashed, and what was only staged.
func TestHistoryThatNoBranchHas(t *testing.T) {
	r := newRepository(t)
	dropped, stashed, staged, tagged := made(t, "wrd", "live"), made(t, "wrd", "live"), made(t, "wrd", "live"), made(t, "wrd", "live")
	r.write("a", "a")
	r.commit("one")
	r.write("a", dropped)
	two := r.commit("two")
	r.git("reset", "--quiet", "--hard", "HEAD~1")
	r.write("a", stashed)
	r.git("-c", "user.name=Ada", "-c", "user.email=a@b", "stash", "--quiet")
	r.write("b", staged)
	r.git("add", "b")
	blob := r.git("rev-parse", ":b")
	r.git("rm", "--quiet", "--cached", "b")
	r.git("-c", "user.name=Ada", "-c", "user.email=a@b", "tag", "--annotate", "--message", tagged, "v1")

	found := strings.Join(r.scan(leak.HistoryConfig{}), "\n")
	for name, want := range map[string]string{
		"dropped": placeOf(two, "a", 1, dropped), "stashed": " a:1 " + stashed[9:21], "staged": placeOf("", blob, 1, staged), "tagged": placeOf("", leak.MessagePath, 6, tagged),
	} {
		if !strings.Contains(found, want) {
			t.Errorf("%s: %q is not in\n%s", name, want, found)
		}
	}
}

// A large file streams by: memory does not grow with it.
func TestHistoryOfALargeFile(t *testing.T) {
	r := newRepository(t)
	key := made(t, "wrd", "live")
	const size = 96 << 20
	r.write("large", "")
	if err := os.Truncate(filepath.Join(r.path, "large"), size); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(filepath.Join(r.path, "large"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("\n" + key); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	commit := r.commit("large")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	found := r.scan(leak.HistoryConfig{Workers: 1})
	runtime.ReadMemStats(&after)
	if want := []string{placeOf(commit, "large", 2, key)}; !slices.Equal(found, want) {
		t.Errorf("found %q, want %q", found, want)
	}
	if grown := after.TotalAlloc - before.TotalAlloc; grown > size/4 {
		t.Errorf("%d bytes were allocated for a file of %d", grown, size)
	}
}

// Of many findings some are kept and all are counted.
func TestHistoryWithManyKeys(t *testing.T) {
	r := newRepository(t)
	for i := range 5 {
		r.write(fmt.Sprint(i), made(t, "wrd", "live")+"\n"+made(t, "wrd", "live")+"\n"+made(t, "wrd", "live"))
	}
	r.commit("one")
	kept, more := 0, 0
	err := leak.ScanHistory(t.Context(), r.path, leak.HistoryConfig{Scanner: scanner(t), MaxFile: 2, MaxKept: 7}, func(f leak.FileResult) error {
		kept, more = kept+len(f.Findings), more+f.More
		return nil
	})
	if err != nil || kept != 7 || more != 8 {
		t.Errorf("kept %d and counted %d more, %v; want 7 and 8", kept, more, err)
	}
}

// Nothing that a repository's configuration names is run, and no variable of the
// environment leads to another repository.
func TestHistoryRunsNothing(t *testing.T) {
	r := newRepository(t)
	key := made(t, "wrd", "live")
	r.write("a.env", key)
	r.write(".gitattributes", "*.env diff=evil filter=evil\n")
	commit := r.commit("one")
	marker := filepath.Join(t.TempDir(), "ran")
	script := filepath.Join(t.TempDir(), "evil.sh")
	if err := os.WriteFile(script, []byte("#!/bin/sh\ntouch "+marker+"\ncat\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		"core.fsmonitor", "core.pager", "pager.log", "diff.external", "diff.evil.textconv", "diff.evil.command", "filter.evil.smudge", "filter.evil.clean", "gpg.program",
		"core.sshCommand", "core.askPass", "core.editor", "alias.cat-file", "alias.rev-list",
	} {
		value := script
		if strings.HasPrefix(name, "alias.") {
			value = "!" + script
		}
		r.git("config", name, value)
	}
	r.git("config", "log.showSignature", "true")
	t.Setenv("GIT_DIR", t.TempDir())
	t.Setenv("GIT_EXTERNAL_DIFF", script)
	if found, want := r.scan(leak.HistoryConfig{}), []string{placeOf(commit, "a.env", 1, key)}; !slices.Equal(found, want) {
		t.Errorf("found %q, want %q", found, want)
	}
	if _, err := os.Stat(marker); !os.IsNotExist(err) {
		t.Errorf("something was run: %v", err)
	}
}

func TestScanHistoryFails(t *testing.T) {
	none := func(leak.FileResult) error { return nil }
	scan := func(path string, cfg leak.HistoryConfig) error {
		if cfg.Scanner == nil {
			cfg.Scanner = scanner(t)
		}
		return leak.ScanHistory(t.Context(), path, cfg, none)
	}
	if err := scan(t.TempDir(), leak.HistoryConfig{}); err == nil || !strings.Contains(err.Error(), "not a git repository") {
		t.Errorf("no repository: %v", err)
	}
	if err := scan(t.TempDir(), leak.HistoryConfig{Git: "no-such-git"}); err == nil || !strings.Contains(err.Error(), "git is not installed") {
		t.Errorf("no git: %v", err)
	}
	if err := leak.ScanHistory(t.Context(), ".", leak.HistoryConfig{Workers: 1000, MaxKept: -1}, none); err == nil || !strings.Contains(err.Error(), "Scanner is missing") || !strings.Contains(err.Error(), "workers") || !strings.Contains(err.Error(), "MaxKept") {
		t.Errorf("a bad configuration: %v", err)
	}
	r := newRepository(t)
	if found := r.scan(leak.HistoryConfig{}); len(found) != 0 {
		t.Errorf("an empty repository: %q", found)
	}
	r.write("a", made(t, "wrd", "live"))
	r.commit("one")
	enough := errors.New("enough")
	if err := leak.ScanHistory(t.Context(), r.path, leak.HistoryConfig{Scanner: scanner(t)}, func(leak.FileResult) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("done fails: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := leak.ScanHistory(ctx, r.path, leak.HistoryConfig{Scanner: scanner(t)}, none); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that has ended: %v", err)
	}
	blob := r.git("rev-parse", "HEAD:a")
	if err := os.Chmod(filepath.Join(r.path, ".git/objects", blob[:2], blob[2:]), 0o600); err != nil {
		t.Fatal(err)
	}
	r.write(filepath.Join(".git/objects", blob[:2], blob[2:]), "damaged")
	var unread []leak.FileResult
	err := leak.ScanHistory(t.Context(), r.path, leak.HistoryConfig{Scanner: scanner(t)}, func(f leak.FileResult) error {
		unread = append(unread, f)
		return nil
	})
	if err != nil || len(unread) != 1 || unread[0].Object != blob || unread[0].Path != "a" || unread[0].Err == nil {
		t.Errorf("a damaged object: %+v, %v", unread, err)
	}
}
