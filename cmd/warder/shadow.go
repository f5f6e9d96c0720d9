package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/internal/gateway"
	"github.com/warder-dev/warder/internal/keyservice"
	"github.com/warder-dev/warder/internal/server"
)

// A shadowConfig is the configuration of --shadow-config, and how it is loaded again. The
// zero shadowConfig is none.
type shadowConfig struct {
	cfg  *config.Config
	load func() (*config.Config, error)
}

// loadShadow loads the file called name, "" for none. Flags are about the first
// configuration; variables hold for both.
func loadShadow(name string, environ []string) (shadowConfig, error) {
	if name == "" {
		return shadowConfig{}, nil
	}
	load := func() (*config.Config, error) {
		cfg, err := loadConfig(config.Source{File: name, Environ: environ})
		if err != nil {
			return nil, err
		}
		if err := gateway.CheckConditions(cfg); err != nil {
			return nil, fail(exitUsage, "", "%s: %w", name, err)
		}
		if err := gateway.CheckDocuments(cfg); err != nil {
			return nil, fail(documentCause(err, exitUsage), "", "%s: %w", name, err)
		}
		return cfg, nil
	}
	cfg, err := load()
	return shadowConfig{cfg, load}, err
}

// reloader is what a running server asks for the configuration; nil for none.
func (s shadowConfig) reloader(listeners *server.Listeners) func() (*config.Config, error) {
	if s.load == nil {
		return nil
	}
	return func() (*config.Config, error) {
		cfg, err := s.load()
		if err == nil {
			learnPort(cfg, listeners)
		}
		return cfg, err
	}
}

func newShadow(p *process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "shadow",
		Short: "Show where the configuration of --shadow-config judges otherwise",
		Long: `Show where the configuration of --shadow-config judges otherwise.

` + asksNode,
		Args: cobra.ArbitraryArgs,
		RunE: group,
	}
	report := newShadowReport(p)
	addNodeFlags(report)
	cmd.AddCommand(report)
	return cmd
}

func newShadowReport(p *process) *cobra.Command {
	return &cobra.Command{
		Use:   "report",
		Short: "List the differences, the most frequent first",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withNode(cmd, p, func(n node, form format) error {
				v, err := n.Shadow(cmd.Context())
				if err != nil {
					return err
				}
				return printAny(p.stdout, form, v, func(w io.Writer) error { return printShadow(w, &v) })
			})
		},
	}
}

// printShadow writes the report for a person.
func printShadow(w io.Writer, v *keyservice.ShadowReport) error {
	if _, err := fmt.Fprintf(w, "since %s: %d same, %d different, %d not comparable, %d dropped\n",
		v.Since.Format(time.RFC3339), v.Same, v.Different, v.Skipped, v.Dropped); err != nil {
		return err
	}
	if len(v.Differences) == 0 {
		return nil
	}
	rows := [][]string{{"ROUTE", "LIVE", "SHADOW", "DIFFERS", "COUNT", "FIRST", "LAST", "EXAMPLE"}}
	for i := range v.Differences {
		d := &v.Differences[i]
		route := routeOrNone(d.Route)
		if d.Route != d.ShadowRoute {
			route += ", then " + routeOrNone(d.ShadowRoute)
		}
		rows = append(rows, []string{
			clean(route), clean(d.Live), clean(d.Shadow), strings.Join(d.Differs, " "), strconv.FormatUint(d.Count, 10),
			d.First.Format(time.RFC3339), d.Last.Format(time.RFC3339), clean(d.Example),
		})
	}
	if v.Others > 0 {
		rows = append(rows, []string{"(others)", "", "", "", strconv.FormatUint(v.Others, 10), "", "", ""})
	}
	return printRows(w, rows)
}

func routeOrNone(pattern string) string {
	if pattern == "" {
		return "(none)"
	}
	return pattern
}
