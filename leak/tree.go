package leak

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
)

// TreeConfig configures [ScanTree]. Scanner is required.
type TreeConfig struct {
	_       [0]func()
	Scanner *Scanner
	Workers int    // files that are scanned at once. Default: one for each processor; at most 256.
	Git     bool   // also what is in folders called ".git"
	Seen    *Seen  // counts while the scan runs; nil for nobody
	MaxFile int    // findings of one file that are kept; the others are counted. Default 10000.
	Name    string // what stands for the folder in results. Default: its path as it was given.
}

// Seen counts what a scan has done. It is safe for concurrent use.
type Seen struct{ Files, Bytes, Keys atomic.Int64 }

// A FileResult is what came of one file.
type FileResult struct {
	Path     string // below the folder, with the folder's name before it
	Commit   string // of [ScanHistory]: that brought it in; "" where none has it
	Object   string // of [ScanHistory]: of git's
	Findings []Finding
	More     int   // findings beyond MaxFile
	Err      error // why the file, or a part of it, could not be read; nil if it was
}

const (
	maxWorkers  = 256
	defaultKept = 10_000
	ahead       = 1024 // results that wait for an earlier one
)

var errNoScanner = errors.New("leak: Scanner is missing")

// ScanTree scans the file path, or every regular file below the folder path, and
// calls done with each file that holds keys or could not be read, in the order of
// their names within each folder. Symbolic links below path are not followed, so
// nothing outside of it is read. done is not called at once from two goroutines.
//
// Errors: cfg's, ctx's, done's, or path itself cannot be read. That a file below
// cannot be read is its [FileResult.Err], and the others are scanned all the same.
func ScanTree(ctx context.Context, path string, cfg TreeConfig, done func(FileResult) error) error {
	if err := cfg.complete(path); err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return scanOne(ctx, path, info, &cfg, done)
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }() // only read from
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	t := &tree{ctx: ctx, cfg: &cfg, root: root, jobs: make(chan job), order: make(chan chan FileResult, ahead)}
	return t.run(done)
}

func (c *TreeConfig) complete(path string) error {
	if c.Workers == 0 {
		c.Workers = min(runtime.GOMAXPROCS(0), maxWorkers)
	}
	if c.MaxFile == 0 {
		c.MaxFile = defaultKept
	}
	if c.Seen == nil {
		c.Seen = new(Seen)
	}
	if c.Name == "" {
		c.Name = path
	}
	var errs []error
	if c.Scanner == nil {
		errs = append(errs, errNoScanner)
	}
	if c.Workers < 0 || c.Workers > maxWorkers {
		errs = append(errs, fmt.Errorf("leak: %d workers: want 1 to %d", c.Workers, maxWorkers))
	}
	if c.MaxFile < 0 {
		errs = append(errs, fmt.Errorf("leak: MaxFile %d: want 1 or more", c.MaxFile))
	}
	return errors.Join(errs...)
}

// tree is one scan of a folder.
type tree struct {
	ctx   context.Context //nolint:containedctx // it lives as long as the call of ScanTree
	cfg   *TreeConfig
	root  *os.Root
	jobs  chan job
	order chan chan FileResult // results in the order of the walk
}

// job is one file for a worker.
type job struct {
	path   string // below the root
	result chan FileResult
}

// run walks in one goroutine, scans in others, and reports in this one.
func (t *tree) run(done func(FileResult) error) error {
	ctx, cancel := context.WithCancel(t.ctx)
	defer cancel()
	t.ctx = ctx
	var work sync.WaitGroup
	defer work.Wait()
	defer cancel() // before Wait: whoever still works must end
	for range t.cfg.Workers {
		work.Go(t.work)
	}
	walked := make(chan error, 1)
	work.Go(func() {
		defer close(t.order)
		defer close(t.jobs)
		walked <- fs.WalkDir(t.root.FS(), ".", t.visit)
	})
	for waiting := range t.order {
		result := <-waiting // is always sent: see work
		if len(result.Findings) == 0 && result.Err == nil {
			continue
		}
		if err := done(result); err != nil {
			return err
		}
	}
	return errors.Join(<-walked, t.ctx.Err())
}

// visit hands one file over to the workers.
func (t *tree) visit(path string, entry fs.DirEntry, err error) error {
	switch {
	case t.ctx.Err() != nil:
		return t.ctx.Err()
	case err != nil:
		result := make(chan FileResult, 1)
		result <- FileResult{Path: t.name(path), Err: bare(err)}
		return t.queue(result)
	case entry.IsDir() && entry.Name() == ".git" && !t.cfg.Git && path != ".":
		return fs.SkipDir
	case !entry.Type().IsRegular():
		return nil
	}
	result := make(chan FileResult, 1)
	if err := t.queue(result); err != nil {
		return err
	}
	select {
	case t.jobs <- job{path, result}:
		return nil
	case <-t.ctx.Done():
		result <- FileResult{}
		return t.ctx.Err()
	}
}

func (t *tree) queue(result chan FileResult) error {
	select {
	case t.order <- result:
		return nil
	case <-t.ctx.Done():
		return t.ctx.Err()
	}
}

// work scans files until there are no more. Each job gets its result.
func (t *tree) work() {
	for j := range t.jobs {
		j.result <- t.scan(j.path)
	}
}

func (t *tree) scan(path string) FileResult {
	result := FileResult{Path: t.name(path)}
	f, err := t.root.OpenFile(filepath.FromSlash(path), openFlags, 0)
	if err != nil {
		result.Err = bare(err)
		return result
	}
	defer func() { _ = f.Close() }() // only read from
	t.cfg.read(t.ctx, f, &result)
	return result
}

func (t *tree) name(path string) string { return filepath.Join(t.cfg.Name, filepath.FromSlash(path)) }

// scanOne scans a single file.
func scanOne(ctx context.Context, path string, info fs.FileInfo, cfg *TreeConfig, done func(FileResult) error) error {
	if !info.Mode().IsRegular() && info.Mode()&(fs.ModeNamedPipe|fs.ModeCharDevice) == 0 {
		return fmt.Errorf("leak: %s is neither a file nor a folder", path)
	}
	f, err := os.Open(path) //nolint:gosec // the caller's own choice
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // only read from
	result := FileResult{Path: cfg.Name}
	cfg.read(ctx, f, &result)
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(result.Findings) == 0 && result.Err == nil {
		return nil
	}
	return done(result)
}

// ScanReader scans r as a file of that name; see [ScanTree].
func ScanReader(ctx context.Context, r io.Reader, cfg TreeConfig) (FileResult, error) {
	if err := cfg.complete("-"); err != nil {
		return FileResult{}, err
	}
	result := FileResult{Path: cfg.Name}
	cfg.read(ctx, r, &result)
	return result, ctx.Err()
}

// read scans r into result.
func (c *TreeConfig) read(ctx context.Context, r io.Reader, result *FileResult) {
	c.Seen.Files.Add(1)
	err := c.Scanner.Scan(ctx, counter{r, &c.Seen.Bytes}, func(f Finding) error {
		c.Seen.Keys.Add(1)
		if len(result.Findings) >= c.MaxFile {
			result.More++
			return nil
		}
		result.Findings = append(result.Findings, f)
		return nil
	})
	if err != nil {
		result.Err = bare(err)
	}
}

// counter counts what is read.
type counter struct {
	io.Reader
	n *atomic.Int64
}

func (c counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// bare is err without its path, which results have anyway.
func bare(err error) error {
	if of, ok := errors.AsType[*fs.PathError](err); ok {
		return of.Err
	}
	return err
}
