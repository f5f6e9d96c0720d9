package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/leak"
	"github.com/warder-dev/warder/redact"
)

func newLeakCheck(p *process) *cobra.Command {
	var o leakOptions
	cmd := &cobra.Command{
		Use:   "check REPORT|-",
		Short: "Keep of a report of gitleaks or TruffleHog what has the right check digits",
		Long: `Keep of a report of gitleaks or TruffleHog what has the right check digits.

The report is the JSON of either, with the texts in it: made without --redact.

    gitleaks dir . --config gitleaks.toml --report-format json --report-path report.json
    warder leak check report.json

What other rules have found is passed over.`,
		Args: wants("a report in JSON, or - for standard input", 1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.argument = args[0]
			return runLeak(cmd, p, &o, func(s *leak.Scanner, seen *leak.Seen, show func(leak.FileResult) error) error {
				return checkReport(cmd.Context(), p, args[0], &reportReader{scanner: s, seen: seen, show: show})
			})
		},
	}
	o.add(cmd)
	return cmd
}

func checkReport(ctx context.Context, p *process, path string, r *reportReader) error {
	in := p.stdin
	if path != "-" {
		f, err := os.Open(path) //nolint:gosec // the caller's own choice
		if err != nil {
			return fail(causeOf(err), "", "%w", err)
		}
		defer func() { _ = f.Close() }() // only read from
		in = f
	}
	if err := r.read(ctx, in); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(p.stderr, "%s in the report: %d with the check digits of a key, %d without.\n", count(r.all, "text"), r.kept, r.all-r.kept)
	return nil
}

// A foundText is one finding of gitleaks, or of TruffleHog.
type foundText struct {
	Secret      string
	File        string
	StartLine   int64
	StartColumn int64

	Raw            string
	SourceMetadata struct{ Data map[string]foundPlace }
}

// A foundPlace is where TruffleHog has found something.
type foundPlace struct {
	File string `json:"file"`
	Line int64  `json:"line"`
}

// reportReader reads a report one finding at a time.
type reportReader struct {
	scanner   *leak.Scanner
	seen      *leak.Seen
	show      func(leak.FileResult) error
	all, kept int
}

func (r *reportReader) read(ctx context.Context, in io.Reader) error {
	buffered := bufio.NewReader(in)
	list, err := beginsList(buffered)
	if err != nil {
		return err
	}
	d := json.NewDecoder(buffered)
	if list {
		_, _ = d.Token() // the bracket that was seen
	}
	for {
		if list && !d.More() {
			_, err := d.Token()
			return reportError(r.all, err)
		}
		var f foundText
		switch err := d.Decode(&f); {
		case !list && errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return reportError(r.all, err)
		}
		r.all++
		if err := r.one(ctx, &f); err != nil {
			return err
		}
	}
}

// beginsList reports whether the first character is that of a JSON array. A
// report of nothing may be empty.
func beginsList(in *bufio.Reader) (bool, error) {
	for {
		b, err := in.ReadByte()
		switch {
		case errors.Is(err, io.EOF):
			return false, nil
		case err != nil:
			return false, err
		case strings.IndexByte(" \t\r\n", b) >= 0:
			continue
		}
		return b == '[', in.UnreadByte()
	}
}

func reportError(n int, err error) error {
	if err == nil {
		return nil
	}
	return fail(exitUsage, "want the JSON report of gitleaks or TruffleHog", "the report cannot be read after %s", count(n, "text"))
}

func (r *reportReader) one(ctx context.Context, f *foundText) error {
	text, result := f.Secret+f.Raw, leak.FileResult{Path: f.File}
	line, column := f.StartLine, f.StartColumn
	for _, at := range f.SourceMetadata.Data {
		result.Path, line = at.File, at.Line
	}
	if text == "REDACTED" || strings.HasSuffix(text, "...") {
		return fail(exitUsage, "make the report without --redact: it has to be checked", "the report does not hold what was found in %s", redact.Line(result.Path))
	}
	err := r.scanner.Scan(ctx, strings.NewReader(text), func(found leak.Finding) error {
		found.Line, found.Column, found.Offset = line, column, -1
		result.Findings = append(result.Findings, found)
		return nil
	})
	if err != nil || len(result.Findings) == 0 {
		return err
	}
	r.kept++
	r.seen.Keys.Add(int64(len(result.Findings)))
	return r.show(result)
}
