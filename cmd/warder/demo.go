package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/secret"
)

// answers is how many answers the page has that the demo grows to show.
const answers = 11

func newDemo(p *process) *cobra.Command {
	var check bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Start a sample API behind warder and print lines to try",
		Long: `Start a sample orders API, warder in front of it and one key, all on this machine
and in a temporary folder that is removed at the end, and print lines to try.

With --check the lines are run as well: the command says what each showed and
ends with a count; exit code 0 when all hold.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runDemo(cmd.Context(), p, check) },
	}
	cmd.Flags().BoolVar(&check, "check", false, "run the lines, say what each showed, and stop")
	return cmd
}

// A demoWorld is what the sections of the demo show.
type demoWorld struct {
	gateway string // base URL
	key     string
}

// A section is one of the page's answers.
type section struct {
	title string
	steps func(w demoWorld) []step
}

// A step is one request and the status that it must show.
type step struct {
	says   string
	path   string
	header string // "Name: value"; "" for none
	want   int
}

// sections are the answers that the demo shows so far.
func sections() []section {
	return []section{
		{"An API key in a header", func(w demoWorld) []step {
			return []step{
				{"with the key", "/orders", "X-API-Key: " + w.key, http.StatusOK},
				{"without a key", "/orders", "", http.StatusUnauthorized},
				{"with a wrong key", "/orders", "X-API-Key: " + strings.ToLower(w.key), http.StatusUnauthorized},
			}
		}},
	}
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
	cfg, err := loadConfig(config.Source{Flags: map[string]string{
		"upstream": api.url, "listen": "127.0.0.1:0", "admin-listen": "off",
		"db": filepath.Join(folder, "warder.db"), "log-file": filepath.Join(folder, "warder.log"),
	}})
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ready, done := make(chan running, 1), make(chan error, 1)
	go func() { done <- serve(ctx, io.Discard, cfg, supervised{}, func(at running) { ready <- at }) }()
	select {
	case err := <-done:
		return err
	case at := <-ready:
		err := showDemo(ctx, p, cfg, at, api.url, check)
		stop()
		if stopErr := <-done; err == nil {
			err = stopErr
		}
		return err
	}
}

// showDemo makes the key and goes through the sections.
func showDemo(ctx context.Context, p *process, cfg *config.Config, at running, api string, check bool) error {
	text, err := demoKey(ctx, cfg, at.store)
	if err != nil {
		return fail(exitServer, "", "demo: %w", err)
	}
	out := &keptError{to: p.stdout}
	w := demoWorld{gateway: "http://" + at.public, key: text.Reveal()}
	_, _ = fmt.Fprintf(out, "An orders API runs on %s, unprotected.\nwarder stands in front of it on %s.\n", api, w.gateway)
	held := 0
	for i, s := range sections() {
		_, _ = fmt.Fprintf(out, "\n%d/%d  %s\n", i+1, answers, s.title)
		ok, err := s.show(ctx, out, w, check)
		if err != nil {
			return err
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
	_, _ = fmt.Fprintf(out, "\n%d/%d answers hold; this version shows %d\n", held, answers, len(sections()))
	if out.err != nil {
		return fail(exitServer, "", "demo: what it showed could not be written: %w", out.err)
	}
	if held < len(sections()) {
		return fail(exitServer, "", "demo: %d of %d sections do not hold", len(sections())-held, len(sections()))
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

// demoKey makes the key that the lines carry.
func demoKey(ctx context.Context, cfg *config.Config, store *keyStore) (secret.Text, error) {
	issuer, err := apikey.NewIssuer(apikey.IssuerConfig{Store: store.keys, Peppers: store.peppers, Prefix: cfg.Keys.Prefix, Random: rand.Reader})
	if err != nil {
		return secret.Text{}, err
	}
	_, text, err := issuer.Create(ctx, apikey.By{Actor: "system", Source: "demo"}, apikey.Spec{
		Environment: "test", Name: "demo", Owner: "acme", Scopes: []string{"orders:*"},
	})
	return text, err
}

// show prints the section's lines, and runs them when check is set.
func (s section) show(ctx context.Context, out io.Writer, w demoWorld, check bool) (ok bool, err error) {
	ok = true
	for _, step := range s.steps(w) {
		_, _ = fmt.Fprintf(out, "\n  # %d %s\n  %s\n", step.want, step.says, step.curl(w))
		if !check {
			continue
		}
		status, first, err := step.run(ctx, w)
		if err != nil {
			return false, fail(exitServer, "", "demo: %w", err)
		}
		word := "as it should be"
		if status != step.want {
			ok, word = false, fmt.Sprintf("WRONG, want %d", step.want)
		}
		_, _ = fmt.Fprintf(out, "  -> %d, %s: %s\n", status, word, first)
	}
	return ok, nil
}

// curl returns the step as a line to paste.
func (s step) curl(w demoWorld) string {
	if s.header == "" {
		return fmt.Sprintf("curl -i %s%s", w.gateway, s.path)
	}
	return fmt.Sprintf("curl -i -H '%s' %s%s", s.header, w.gateway, s.path)
}

// longestShown is how much of an answer the check shows, in bytes.
const longestShown = 160

// run makes the step's request; first is the beginning of the answer.
func (s step) run(ctx context.Context, w demoWorld) (status int, first string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, w.gateway+s.path, http.NoBody)
	if err != nil {
		return 0, "", err
	}
	if name, value, found := strings.Cut(s.header, ": "); found {
		r.Header.Set(name, value)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	response, err := transport.RoundTrip(r)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close() //nolint:errcheck // read only
	body, err := io.ReadAll(io.LimitReader(response.Body, longestShown))
	return response.StatusCode, strings.TrimSpace(string(body)), err
}
