package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/leak"
)

func newLeak(p *process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "leak",
		Short: "Find keys where they should not be",
		Long: `Find keys where they should not be: in files, in the history of a repository, in
reports of other scanners. Nothing is sent anywhere, unless --lookup, --disable or
--revoke ask a --server.

Exit codes: 6 when keys were found, 5 when something could not be read.`,
		Args: cobra.ArbitraryArgs,
		RunE: group,
	}
	scan, check, rules := newLeakScan(p), newLeakCheck(p), newLeakRules(p)
	completeOutput(scan, asTable, asJSON, asSARIF)
	completeOutput(check, asTable, asJSON, asSARIF)
	cmd.AddCommand(rules, scan, check)
	return cmd
}

// newScanner returns a scanner for the prefixes of a flag.
func newScanner(prefixes string) (*leak.Scanner, error) {
	s, err := leak.NewScanner(leak.ScannerConfig{Prefixes: listed(prefixes)})
	if err != nil {
		return nil, fail(exitUsage, "", "--prefix: %w", err)
	}
	return s, nil
}

// listed cuts a list with commas.
func listed(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}
