package leak

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/warder-dev/warder/secret"
)

// HistoryConfig configures [ScanHistory]. Scanner is required.
type HistoryConfig struct {
	_       [0]func()
	Scanner *Scanner
	Git     string // the program. Default "git", on the PATH.
	Workers int    // objects that are scanned at once. Default: one for each processor; at most 256.
	Seen    *Seen  // counts while the scan runs, objects as files; nil for nobody
	MaxFile int    // findings that are kept of one object. Default 10000.
	MaxKept int    // of all objects together; the others are counted. Default 100000.
}

const (
	defaultKeptOfAll = 100_000
	chunk            = 64       // objects that are asked for at once
	maxName          = 64 << 10 // bytes of a path, or of git's own lines
	maxComplaint     = 4 << 10  // bytes of what git says on its standard error
)

// MessagePath stands for a path where the key is in a commit or a tag itself: in
// its message, or in the name of somebody.
const MessagePath = "(message)"

// ScanHistory scans every object of the git repository at path: each version of
// each file in each commit, on every branch, in the stash, deleted, and also what no
// branch reaches any more, as long as git keeps it. Each object is read once, however
// many commits have it, and streams by. done gets what holds keys or could not be
// read: first what commits have, in the order of those that brought it in, and
// within a commit by path. A key that a path has had before is not told again.
//
// It asks git itself, and lets it run nothing that the repository's own
// configuration names. Errors: cfg's, ctx's, done's, what git says.
func ScanHistory(ctx context.Context, path string, cfg HistoryConfig, done func(FileResult) error) error {
	if err := cfg.complete(); err != nil {
		return err
	}
	h := &history{cfg: &cfg, repository: path, found: make(map[string]*FileResult)}
	err := h.scan(ctx)
	if err == nil {
		err = h.place(ctx)
		if ctx.Err() == nil {
			err = errors.Join(h.tell(done), err) // what was found is told, also where nobody knows its commit
		}
	}
	return cmp.Or(ctx.Err(), err)
}

func (c *HistoryConfig) complete() error {
	tree := TreeConfig{Scanner: c.Scanner, Workers: c.Workers, Seen: c.Seen, MaxFile: c.MaxFile}
	err := tree.complete("")
	c.Workers, c.Seen, c.MaxFile = tree.Workers, tree.Seen, tree.MaxFile
	c.Git = cmp.Or(c.Git, "git")
	if c.MaxKept == 0 {
		c.MaxKept = defaultKeptOfAll
	}
	if c.MaxKept < 0 {
		err = errors.Join(err, fmt.Errorf("leak: MaxKept %d: want 1 or more", c.MaxKept))
	}
	return err
}

// history is one scan of a repository.
type history struct {
	cfg        *HistoryConfig
	repository string
	kept       atomic.Int64

	mu    sync.Mutex
	found map[string]*FileResult // by object
	order []*FileResult          // that have a place
}

// An object is one of git's.
type object struct{ id, kind string }

// command is git with what the repository's configuration could have it run, or
// fetch, taken away.
func (h *history) command(ctx context.Context, complaint *limited, args ...string) *exec.Cmd {
	safe := []string{
		"--no-pager", "-C", h.repository, "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "core.bigFileThreshold=8m", "-c", "core.quotePath=false",
	}
	cmd := exec.CommandContext(ctx, h.cfg.Git, append(safe, args...)...) //nolint:gosec // G204: the caller's own program, with words of ours
	cmd.Env = slices.DeleteFunc(cmd.Environ(), func(v string) bool { return strings.HasPrefix(v, "GIT_") })
	cmd.Env = append(cmd.Env, "GIT_OPTIONAL_LOCKS=0", "GIT_TERMINAL_PROMPT=0", "GIT_NO_LAZY_FETCH=1", "GIT_ALLOW_PROTOCOL=none", "GIT_NO_REPLACE_OBJECTS=1", "LC_ALL=C")
	cmd.Stderr = complaint
	return cmd
}

// limited keeps the beginning of what is written to it.
type limited struct{ text []byte }

func (l *limited) Write(p []byte) (int, error) {
	if room := maxComplaint - len(l.text); room > 0 {
		l.text = append(l.text, p[:min(room, len(p))]...)
	}
	return len(p), nil
}

// failed is how git ended, in its own words.
func failed(err error, complaint *limited) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, exec.ErrNotFound) {
		return errors.New("leak: git is not installed, which reads a repository's history")
	}
	said, _, _ := strings.Cut(strings.TrimSpace(string(complaint.text)), "\n")
	return fmt.Errorf("leak: git: %s (%w)", cmp.Or(said, "failed"), err)
}

// scan reads every object.
func (h *history) scan(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	jobs := make(chan []object)
	var work sync.WaitGroup
	for range h.cfg.Workers {
		work.Go(func() {
			if err := h.work(ctx, jobs); err != nil {
				cancel(err)
			}
		})
	}
	err := h.list(ctx, jobs)
	close(jobs)
	work.Wait()
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// list hands every object that may hold a key to the workers.
func (h *history) list(ctx context.Context, jobs chan<- []object) error {
	var complaint limited
	cmd := h.command(ctx, &complaint, "cat-file", "--batch-all-objects", "--unordered", "--batch-check=%(objectname) %(objecttype)")
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return failed(err, &complaint)
	}
	lines := bufio.NewScanner(out)
	lines.Buffer(make([]byte, 0, 4096), maxName)
	var some []object
	hand := func() bool {
		select {
		case jobs <- some:
			some = nil
			return true
		case <-ctx.Done():
			return false
		}
	}
	for more := true; more && lines.Scan(); {
		id, kind, ok := strings.Cut(lines.Text(), " ")
		if !ok || kind == "tree" {
			continue
		}
		if some = append(some, object{id, kind}); len(some) == chunk {
			more = hand()
		}
	}
	if len(some) > 0 {
		hand()
	}
	_, _ = io.Copy(io.Discard, out) // so that git ends: after an error of ours too
	return errors.Join(lines.Err(), failed(cmd.Wait(), &complaint))
}

// work reads the objects that it is handed, by a git of its own.
func (h *history) work(ctx context.Context, jobs <-chan []object) error {
	var complaint limited
	cmd := h.command(ctx, &complaint, "cat-file", "--batch")
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return failed(err, &complaint)
	}
	answers := bufio.NewReaderSize(out, chunkLength)
	for some := range jobs {
		if err = h.read(ctx, some, in, answers); err != nil {
			break
		}
	}
	_ = in.Close() // so that git ends
	if err != nil {
		_, _ = io.Copy(io.Discard, out)
	}
	ended := failed(cmd.Wait(), &complaint)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return errors.Join(err, ended)
}

// read asks for some objects, few enough for git to have room for the questions
// while it answers, and scans them.
func (h *history) read(ctx context.Context, some []object, in io.Writer, answers *bufio.Reader) error {
	var ask strings.Builder
	for _, o := range some {
		ask.WriteString(o.id + "\n")
	}
	if _, err := io.WriteString(in, ask.String()); err != nil {
		return fmt.Errorf("leak: git ended: %w", err)
	}
	for _, o := range some {
		line, err := answers.ReadSlice('\n')
		if err != nil {
			return fmt.Errorf("leak: git ended: %w", err)
		}
		words := strings.Fields(string(line))
		if len(words) == 2 && words[1] == "missing" { // of a repository that is not whole
			h.keep(o, &FileResult{Err: errors.New("git cannot read the object: it is damaged, or not there")})
			continue
		}
		size, err := strconv.ParseInt(words[len(words)-1], 10, 64)
		if len(words) != 3 || words[0] != o.id || err != nil {
			return errors.New("leak: git answers what was not asked for")
		}
		if err := h.one(ctx, o, size, answers); err != nil {
			return err
		}
	}
	return nil
}

// one scans an object of a size.
func (h *history) one(ctx context.Context, o object, size int64, answers *bufio.Reader) error {
	body := &io.LimitedReader{R: answers, N: size}
	result := new(FileResult)
	cfg := TreeConfig{Scanner: h.cfg.Scanner, Seen: h.cfg.Seen, MaxFile: h.cfg.MaxFile}
	cfg.read(ctx, body, result)
	if body.N > 0 || result.Err != nil {
		return errors.Join(result.Err, ctx.Err(), errors.New("leak: git ended within an object"))
	}
	if end, err := answers.ReadByte(); err != nil || end != '\n' {
		return errors.New("leak: git answers what was not asked for")
	}
	if len(result.Findings) > 0 {
		if over := h.kept.Add(int64(len(result.Findings))) - int64(h.cfg.MaxKept); over > 0 {
			over = min(over, int64(len(result.Findings)))
			result.Findings, result.More = result.Findings[:len(result.Findings)-int(over)], result.More+int(over)
		}
		h.keep(o, result)
	}
	return nil
}

func (h *history) keep(o object, r *FileResult) {
	r.Object = o.id
	if o.kind != "blob" {
		r.Path = MessagePath
	}
	if o.kind == "commit" {
		r.Commit = o.id
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.found[o.id] = r
}

// place finds the commit and the path of each object that was found, the oldest
// first, and ends as soon as it has them all.
func (h *history) place(ctx context.Context) error {
	waiting := len(h.found)
	if waiting == 0 {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var complaints [2]limited
	commits := h.command(ctx, &complaints[0], "rev-list", "--topo-order", "--reverse", "--all", "--reflog")
	diffs := h.command(ctx, &complaints[1], "diff-tree", "--stdin", "-r", "-m", "--root", "--always", "--no-renames", "--raw", "--no-abbrev", "-z")
	list, err := commits.StdoutPipe()
	if err != nil {
		return err
	}
	diffs.Stdin = list
	out, err := diffs.StdoutPipe()
	if err != nil {
		return err
	}
	if err := errors.Join(failed(commits.Start(), &complaints[0]), failed(diffs.Start(), &complaints[1])); err != nil {
		cancel()
		ended(commits)
		ended(diffs)
		return err
	}
	_ = list.Close() // it is the other program's now, and ends with it
	whole, err := h.follow(out, waiting)
	if err == nil && !whole { // it was enough
		cancel()
		_, _ = commits.Wait(), diffs.Wait()
		return nil
	}
	_, _ = io.Copy(io.Discard, out)
	return errors.Join(err, failed(diffs.Wait(), &complaints[1]), failed(commits.Wait(), &complaints[0]))
}

// ended waits for a program, if it runs.
func ended(cmd *exec.Cmd) {
	if cmd.Process != nil {
		_ = cmd.Wait() // it was stopped
	}
}

// follow reads what commits changed: an id, then for each change a line of modes
// and objects, and its path, all of them ended by NUL.
func (h *history) follow(out io.Reader, waiting int) (whole bool, err error) {
	parts := bufio.NewScanner(out)
	parts.Buffer(make([]byte, 0, 4096), maxName)
	parts.Split(func(data []byte, end bool) (int, []byte, error) {
		if i := bytes.IndexByte(data, 0); i >= 0 {
			return i + 1, data[:i], nil
		}
		if end && len(data) > 0 {
			return len(data), data, nil
		}
		return 0, nil, nil
	})
	commit := ""
	for parts.Scan() {
		line := parts.Text()
		if !strings.HasPrefix(line, ":") {
			commit = line
			waiting -= h.placed(commit, commit, MessagePath)
		} else {
			words := strings.Fields(line)
			if !parts.Scan() || len(words) < 5 {
				return false, errors.New("leak: git answers what was not asked for")
			}
			waiting -= h.placed(words[3], commit, parts.Text())
		}
		if waiting == 0 {
			return false, nil
		}
	}
	return true, parts.Err()
}

// placed gives an object its place, once, and returns 1 when it did.
func (h *history) placed(id, commit, path string) int {
	r := h.found[id]
	if r == nil {
		return 0
	}
	delete(h.found, id)
	r.Commit, r.Path = commit, path
	h.order = append(h.order, r)
	return 1
}

// tell reports what was found, what no commit has at the end.
func (h *history) tell(done func(FileResult) error) error {
	h.sortWithin()
	for _, id := range slices.Sorted(maps.Keys(h.found)) {
		h.order = append(h.order, h.found[id])
	}
	told := make(map[string][]secret.Text)
	for _, r := range h.order {
		h.forget(r, told)
		if len(r.Findings) == 0 && r.Err == nil && r.More == 0 {
			continue
		}
		if r.Path == "" {
			r.Path = r.Object
		}
		r.Path = filepath.FromSlash(r.Path)
		if err := done(*r); err != nil {
			return err
		}
	}
	return nil
}

// forget takes out of r what its path has had before.
func (h *history) forget(r *FileResult, told map[string][]secret.Text) {
	if r.Path == "" || r.Path == MessagePath {
		return
	}
	at := func(f *Finding) string { return string(f.ID) + r.Path }
	before := len(r.Findings)
	r.Findings = slices.DeleteFunc(r.Findings, func(f Finding) bool { return slices.ContainsFunc(told[at(&f)], f.Text.Equal) })
	for i := range r.Findings {
		f := &r.Findings[i]
		told[at(f)] = append(told[at(f)], f.Text)
	}
	h.cfg.Seen.Keys.Add(int64(len(r.Findings) - before))
}

// sortWithin sorts what one commit brought in by path.
func (h *history) sortWithin() {
	for from := 0; from < len(h.order); {
		to := from
		for to < len(h.order) && h.order[to].Commit == h.order[from].Commit {
			to++
		}
		slices.SortStableFunc(h.order[from:to], func(a, b *FileResult) int { return cmp.Compare(a.Path, b.Path) })
		from = to
	}
}
