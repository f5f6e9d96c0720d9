// Command report makes docs/attacks.md from what a test run recorded.
//
//	report [-check] results.jsonl docs/attacks.md
//
// It exits with 1 when a case that must hold failed or was not tried, and, with
// -check, when the page is not what the run shows.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/warder-dev/warder/internal/attack"
)

func main() {
	if err := run(os.Args[1:], os.Stderr); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}

var errStale = errors.New("the page is not what the tests show: run `make attacks` and review the change")

func run(args []string, stderr io.Writer) error {
	flags := flag.NewFlagSet("report", flag.ContinueOnError)
	flags.SetOutput(stderr)
	check := flags.Bool("check", false, "compare with the page instead of writing it")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 2 {
		return fmt.Errorf("want the results' file and the page's, got %d arguments", flags.NArg())
	}
	recorded, err := os.ReadFile(flags.Arg(0))
	if err != nil {
		return err
	}
	results, err := attack.ReadResults(bytes.NewReader(recorded))
	if err != nil {
		return err
	}
	page, gaps := attack.Report(attack.Catalogue(), results)
	if len(gaps) > 0 {
		err = fmt.Errorf("%d gaps:\n\t%s", len(gaps), strings.Join(gaps, "\n\t"))
	}
	if *check {
		return errors.Join(err, compare(flags.Arg(1), page))
	}
	return errors.Join(err, os.WriteFile(flags.Arg(1), page, 0o644)) //nolint:gosec // a page for everybody to read
}

func compare(file string, page []byte) error {
	have, err := os.ReadFile(file) //nolint:gosec // named by the Makefile
	if err != nil {
		return err
	}
	if !bytes.Equal(have, page) {
		return errStale
	}
	return nil
}
