package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/internal/config"
)

// answers is how many answers the page has: the demo shows each.
const answers = 11

func newDemo(p *process) *cobra.Command {
	var check bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Start a sample API behind warder and print lines to try",
		Long: `Start a sample orders API, warder in front of it, one key and one person, all on
this machine and in a temporary folder that is removed at the end, and print lines
to try: eleven answers to "how do I secure my API?", each with its attack.

With --check the lines are run as well: the command says what each showed and
ends with a count; exit code 0 when all hold.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runDemo(cmd.Context(), p, check) },
	}
	cmd.Flags().BoolVar(&check, "check", false, "run the lines, say what each showed, and stop")
	return cmd
}

// runDemo starts the sample, prints the sections, and checks them or waits for
// the person to stop it.
func runDemo(ctx context.Context, p *process, check bool) error {
	folder, err := os.MkdirTemp("", "warder-demo-")
	if err != nil {
		return fail(exitServer, "", "demo: %w", err)
	}
	defer os.RemoveAll(folder) //nolint:errcheck // a temporary folder
	api, err := startOrders(ctx)
	if err != nil {
		return fail(exitServer, "", "demo: %w", err)
	}
	defer api.close()
	w := &demoWorld{folder: folder, api: api.url}
	if err := w.write(); err != nil {
		return fail(exitServer, "", "demo: %w", err)
	}
	cfg, err := loadConfig(config.Source{File: w.file("warder.yaml")})
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ready, done := make(chan running, 1), make(chan error, 1)
	go func() {
		done <- serve(ctx, io.Discard, cfg, shadowConfig{}, supervised{}, nil, "", func(at running) { ready <- at })
	}()
	select {
	case err := <-done:
		return err
	case at := <-ready:
		err := showDemo(ctx, p, cfg, at, w, check)
		stop()
		if stopErr := <-done; err == nil {
			err = stopErr
		}
		return err
	}
}

// showDemo makes the key and goes through the sections.
func showDemo(ctx context.Context, p *process, cfg *config.Config, at running, w *demoWorld, check bool) error {
	if err := w.begin(ctx, cfg, at); err != nil {
		return fail(exitServer, "", "demo: %w", err)
	}
	out := &keptError{to: p.stdout}
	_, _ = fmt.Fprintf(out, "An orders API runs on %s, unprotected.\nwarder stands in front of it on %s.\nIts configuration is %s.\n", w.api, w.gateway, w.file("warder.yaml"))
	held := 0
	for i, s := range sections() {
		_, _ = fmt.Fprintf(out, "\n%d/%d  %s\n", i+1, answers, s.title)
		ok, err := s.show(ctx, out, w, check)
		if err != nil {
			return fail(exitServer, "", "demo: %w", err)
		}
		if ok {
			held++
		}
	}
	if !check {
		_, _ = fmt.Fprintln(out, "\nPaste a line into another terminal. Ctrl-C stops the demo and removes its files.")
		if out.err != nil {
			return fail(exitServer, "", "demo: what it shows could not be written: %w", out.err)
		}
		<-ctx.Done()
		return nil
	}
	_, _ = fmt.Fprintf(out, "\n%d/%d answers hold\n\nThe lines worked while the demo ran; without --check it waits for you to paste them.\nNext: warder serve --upstream http://127.0.0.1:8000, in front of an API of yours.\n", held, answers)
	if out.err != nil {
		return fail(exitServer, "", "demo: what it showed could not be written: %w", out.err)
	}
	if held < answers {
		return fail(exitServer, "", "demo: %d of %d answers do not hold", answers-held, answers)
	}
	return nil
}

// A keptError writes on, and keeps the first error.
type keptError struct {
	to  io.Writer
	err error
}

func (w *keptError) Write(text []byte) (int, error) {
	n, err := w.to.Write(text)
	if w.err == nil {
		w.err = err
	}
	return n, err
}
