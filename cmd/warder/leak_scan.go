package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/warder-dev/warder/leak"
	"github.com/warder-dev/warder/redact"
)

// leakOptions are the flags of leak scan and leak check.
type leakOptions struct {
	prefixes, output, wait  string
	git, history            bool
	lookup, disable, revoke bool
	argument                string // what is searched
}

func (o *leakOptions) add(cmd *cobra.Command) {
	addConfigFlags(cmd, "db", "peppers-file")
	f := cmd.Flags()
	f.StringVar(&o.prefixes, "prefix", "", "only keys with these prefixes, with commas between them (default: all)")
	f.StringVarP(&o.output, "output", "o", string(asTable), "table, json or sarif")
	f.BoolVar(&o.lookup, "lookup", false, "look the keys up in the database, or at --server, and tell what each is good for")
	f.BoolVar(&o.disable, "disable", false, "disable those that are good, until somebody enables them")
	f.BoolVar(&o.revoke, "revoke", false, "revoke those that are good, for good")
	f.StringVar(&o.wait, "wait", "7s", "how long to wait for the running nodes, with --disable or --revoke")
	cmd.MarkFlagsMutuallyExclusive("disable", "revoke")
	addRemoteFlags(cmd)
}

func newLeakScan(p *process) *cobra.Command {
	var o leakOptions
	cmd := &cobra.Command{
		Use:   "scan PATH|-",
		Short: "Find keys in a file, a folder or standard input, without asking anybody",
		Long: `Find keys in a file, a folder or standard input, without asking anybody.

Only what has the right check digits is a key. Links within the folder are not
followed, and .git is passed over unless --git is given. Its objects are compressed:
--history reads them by git, each once, from every branch, the stash and what none
of them has any more, and tells the commit that brought each key in.

With --lookup each key is looked up in the database, and its secret compared: an
id is public, and its mention no leak. With --server the admin API of a warder that
runs is asked in its place; it then gets each key that was found.`,
		Args: wants("a file, a folder, or - for standard input", 1, 1),
		Example: `  warder leak scan src
  warder leak scan --history .
  pg_dump orders | warder leak scan -`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.argument = args[0]
			return runLeak(cmd, p, &o, func(s *leak.Scanner, seen *leak.Seen, show func(leak.FileResult) error) error {
				if o.history {
					return scanHistory(cmd.Context(), args[0], leak.HistoryConfig{Scanner: s, Seen: seen}, show)
				}
				return scanPath(cmd.Context(), p, &o, args[0], leak.TreeConfig{Scanner: s, Git: o.git, Seen: seen}, show)
			})
		},
	}
	o.add(cmd)
	cmd.Flags().BoolVar(&o.git, "git", false, "also look into folders called .git")
	cmd.Flags().BoolVar(&o.history, "history", false, "PATH is a git repository: look into all of its history")
	cmd.MarkFlagsMutuallyExclusive("git", "history")
	return cmd
}

// scanPath scans what path names, and shows how far it is.
func scanPath(ctx context.Context, p *process, _ *leakOptions, path string, cfg leak.TreeConfig, show func(leak.FileResult) error) error {
	if path == "-" {
		cfg.Name = "-"
		result, err := leak.ScanReader(ctx, p.stdin, cfg)
		if err != nil || len(result.Findings) == 0 && result.Err == nil {
			return err
		}
		return show(result)
	}
	err := leak.ScanTree(ctx, path, cfg, show)
	if of, ok := errors.AsType[*fs.PathError](err); ok {
		return fail(causeOf(of), "", "%s: %w", redact.Line(path), of.Err)
	}
	return err
}

// scanHistory scans the history of the repository that path names.
func scanHistory(ctx context.Context, path string, cfg leak.HistoryConfig, show func(leak.FileResult) error) error {
	if path == "-" {
		return fail(exitUsage, "name the folder of the repository", "--history wants a repository, not standard input")
	}
	if _, err := os.Stat(path); err != nil {
		of, _ := errors.AsType[*fs.PathError](err)
		return fail(causeOf(err), "", "%s: %w", redact.Line(path), of.Err)
	}
	err := leak.ScanHistory(ctx, path, cfg, show)
	if err == nil || ctx.Err() != nil {
		return err
	}
	said, without := err.Error(), "leave --history out: the files are searched as they are then"
	switch {
	case strings.Contains(said, "not a git repository"): // git speaks English here, whatever the locale
		return fail(exitNotFound, "name a folder of a repository, or "+without, "--history: %s is in no git repository", clean(redact.Line(path)))
	case strings.Contains(said, "git is not installed"):
		return fail(exitServer, "install git, or "+without, "--history: %s", clean(redact.Line(said)))
	}
	return fail(exitServer, "", "%s", clean(redact.Line(said)))
}

// runLeak runs a search, and ends with the exit code that says what came of it.
func runLeak(cmd *cobra.Command, p *process, o *leakOptions, search func(*leak.Scanner, *leak.Seen, func(leak.FileResult) error) error) error {
	form, err := parseFormat(o.output, asTable, asJSON, asSARIF)
	if err != nil {
		return err
	}
	scanner, err := newScanner(o.prefixes)
	if err != nil {
		return err
	}
	known, err := openLeakStore(cmd, p, o)
	if err != nil {
		return err
	}
	seen := new(leak.Seen)
	out := newLeakOutput(p.stdout, form)
	stop := showProgress(p, seen)
	unread := 0
	err = search(scanner, seen, func(r leak.FileResult) error {
		if r.Err != nil {
			unread++
			stop.say(fmt.Sprintf("warder: %s: %v", clean(redact.Line(r.Path)), r.Err))
		}
		if r.More > 0 {
			stop.say(fmt.Sprintf("warder: %s: %d more keys are not shown", clean(redact.Line(r.Path)), r.More))
		}
		return out.addAll(cmd.Context(), r, known)
	})
	stop.end()
	err = errors.Join(err, out.close(), known.finish(cmd.Context(), p))
	if err != nil {
		return err
	}
	return leakVerdict(seen, out.files, unread)
}

// leakVerdict is the exit code with its words.
func leakVerdict(seen *leak.Seen, files, unread int) error {
	keys := seen.Keys.Load()
	switch {
	case keys > 0 && unread > 0:
		return fail(exitFound, "", "%s found in %s; %d could not be read", count(int(keys), "key"), count(files, "file"), unread)
	case keys > 0:
		return fail(exitFound, "", "%s found in %s", count(int(keys), "key"), count(files, "file"))
	case unread > 0:
		return fail(exitServer, "run it as a user who may read them", "no key found, but %s could not be read", count(unread, "file"))
	default:
		return nil
	}
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// progress is a line on a terminal that says how far a search is.
type progress struct {
	p    *process
	live bool
	done chan struct{}
	over chan struct{}
	said chan string
}

const progressEvery = 200 * time.Millisecond

// showProgress begins the line, if standard error is a terminal.
func showProgress(p *process, seen *leak.Seen) *progress {
	return newProgress(p, func() string {
		return fmt.Sprintf("%d files, %d MB, %s", seen.Files.Load(), seen.Bytes.Load()>>20, count(int(seen.Keys.Load()), "key"))
	})
}

// newProgress shows what line says, again and again.
func newProgress(p *process, line func() string) *progress {
	g := &progress{p: p, done: make(chan struct{}), over: make(chan struct{}), said: make(chan string)}
	if f, ok := p.stderr.(*os.File); ok {
		g.live = term.IsTerminal(int(f.Fd()))
	}
	go g.run(line)
	return g
}

// run is the only one that writes: what is said does not run into the line.
func (g *progress) run(line func() string) {
	defer close(g.over)
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	const wipe = "\r\x1b[K"
	for {
		select {
		case <-tick.C:
			if g.live {
				_, _ = fmt.Fprint(g.p.stderr, wipe, line())
			}
		case text := <-g.said:
			if g.live {
				text = wipe + text
			}
			_, _ = fmt.Fprintln(g.p.stderr, text)
		case <-g.done:
			if g.live {
				_, _ = fmt.Fprint(g.p.stderr, wipe)
			}
			return
		}
	}
}

// say writes a line of its own.
func (g *progress) say(text string) { g.said <- text }

// end takes the line away.
func (g *progress) end() {
	close(g.done)
	<-g.over
}
