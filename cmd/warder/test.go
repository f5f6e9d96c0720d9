package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/internal/policytest"
)

// exitFailed is the exit code of tests that did not hold.
const exitFailed = 1

func newTest(p *process) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "test FILE",
		Short: "Test what the configuration does with a table of requests",
		Long: `Test what the configuration does with a table of requests.

FILE is YAML: keys that exist for the test alone, and cases of a request and the
answer that is expected. Nothing is sent, no database is read, and no gateway need
run. Each case stands alone: what one spends is not spent for the next.

  keys:
    reader: {scopes: [orders:read], owner: acme}
    lost: {scopes: [orders:read], state: revoked}
  cases:
    - name: a reader reads
      request: {url: "http://localhost/orders/1", key: reader}
      expect: {allowed: true, route: "GET /orders/", upstream: orders}
    - name: and does not write
      request: {method: POST, url: "http://localhost/orders", key: reader, ip: 192.0.2.7}
      expect: {status: 403, reason: insufficient-scope, stage: authn}

The exit code is 0 when all hold, and 1 when some do not.`,
		Example: `  warder test cases.yaml --config warder.yaml`,
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			form, err := parseFormat(output, asTable, asJSON, asYAML)
			if err != nil {
				return err
			}
			if len(args) != 1 {
				return fail(exitUsage, cmd.CommandPath()+" --help shows one", "want one FILE of cases")
			}
			table, err := readTestTable(args[0])
			if err != nil {
				return err
			}
			cfg, err := loadConfig(source(cmd.Flags(), p.environ))
			if err != nil {
				return err
			}
			results, err := table.Run(cmd.Context(), cfg)
			if err != nil {
				return fail(exitUsage, "", "%w", err)
			}
			return printResults(p.stdout, form, resultViews(results))
		},
	}
	addConfigFlags(cmd, serveFlags()...)
	cmd.Flags().StringVarP(&output, "output", "o", string(asTable), "table, json or yaml")
	return cmd
}

// A resultView is what came of one case.
type resultView struct {
	Name   string     `json:"name" yaml:"name"`
	Held   bool       `json:"held" yaml:"held"`
	Wrong  []string   `json:"wrong,omitempty" yaml:"wrong,omitempty"` // what was expected, and what was found
	Answer answerView `json:"answer" yaml:"answer"`
}

func resultViews(results []policytest.Result) []resultView {
	views := make([]resultView, 0, len(results))
	for i := range results {
		r := &results[i]
		views = append(views, resultView{Name: r.Name, Held: len(r.Wrong) == 0, Wrong: r.Wrong, Answer: viewAnswer(&r.Question, &r.Answer)})
	}
	return views
}

// printResults prints what did not hold with its explanation, and how many held.
func printResults(w io.Writer, form format, results []resultView) error {
	failed := 0
	for i := range results {
		if !results[i].Held {
			failed++
		}
	}
	err := form.print(w, results, nil, func(w io.Writer) error {
		for i := range results {
			if err := results[i].print(w); err != nil {
				return err
			}
		}
		_, err := fmt.Fprintf(w, "%d of %d cases hold\n", len(results)-failed, len(results))
		return err
	})
	if err != nil {
		return err
	}
	if failed > 0 {
		return told{exitFailed}
	}
	return nil
}

func (r *resultView) print(w io.Writer) error {
	if r.Held {
		_, err := fmt.Fprintf(w, "ok    %s\n", r.Name)
		return err
	}
	if _, err := fmt.Fprintf(w, "FAIL  %s\n", r.Name); err != nil {
		return err
	}
	for _, line := range r.Wrong {
		if _, err := fmt.Fprintf(w, "      %s\n", line); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "      %s\n", r.Answer.sum())
	return err
}

// readTestTable reads a file of cases, and reports everything that is wrong with it.
func readTestTable(name string) (*policytest.Table, error) {
	const most = 16 << 20
	f, err := os.Open(name) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, fail(causeOf(err), "", "%w", err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	switch {
	case err != nil:
		return nil, fail(exitServer, "", "%s: %w", name, err)
	case len(text) > most:
		return nil, fail(exitUsage, "cut it into several", "%s: is larger than 16 MiB", name)
	}
	table, err := policytest.Parse(text)
	if err != nil {
		var lines []error
		for line := range strings.SplitSeq(err.Error(), "\n") {
			lines = append(lines, fmt.Errorf("%s:%s", name, line))
		}
		return nil, fail(exitUsage, "warder test --help shows a file", "%w", errors.Join(lines...))
	}
	return table, nil
}
