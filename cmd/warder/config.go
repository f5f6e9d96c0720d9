package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/internal/gateway"
)

// loadConfig loads the configuration; everything that is wrong with it is one
// failure, a line each.
func loadConfig(s config.Source) (*config.Config, error) {
	if s.File != "" {
		if err := readable(s.File); err != nil {
			return nil, err
		}
	}
	if !s.StoreOnly {
		s.Expression = gateway.CheckExpression
	}
	cfg, err := config.Load(s)
	if _, ok := errors.AsType[*config.Errors](err); ok {
		return nil, fail(exitUsage, "", "%w", err)
	}
	if err != nil {
		return nil, fail(exitUsage, "", "config: %w", err)
	}
	return cfg, nil
}

// readable tells a missing file and a missing right from a wrong configuration.
func readable(name string) error {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) //nolint:gosec // the operator names the file; a pipe must not be waited for
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fail(exitNotFound, "", "config: there is no file %s", name)
	case errors.Is(err, fs.ErrPermission):
		return fail(exitDenied, "", "config: %w", err)
	case err != nil:
		return fail(exitUsage, "", "config: %w", err)
	}
	return f.Close()
}

func newConfig(p *process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Check, print and describe the configuration",
		Args:  cobra.ArbitraryArgs,
		RunE:  group,
	}
	cmd.AddCommand(newConfigValidate(p), newConfigPrint(p), newConfigSchema(p))
	return cmd
}

// loadNamed is loadConfig for commands that are mostly about a file.
func loadNamed(cmd *cobra.Command, s config.Source) (*config.Config, error) {
	cfg, err := loadConfig(s)
	if f, ok := errors.AsType[*failure](err); ok && s.File == "" {
		f.hint = "name the file: " + cmd.CommandPath() + " warder.yaml"
	}
	return cfg, err
}

// wantFiles tells a file that is missing, or may not be read, from a wrong
// configuration: all that warder only reads.
func wantFiles(cfg *config.Config) error {
	for _, file := range append(cfg.Files(), documentFiles(cfg)...) {
		f, err := os.OpenFile(file.Path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
		switch {
		case err == nil:
			if err := f.Close(); err != nil {
				return fail(exitServer, "", "%s: %w", file.Field, err)
			}
		case errors.Is(err, fs.ErrNotExist):
			return fail(exitNotFound, file.Mend, "%s: there is no file %s", file.Field, file.Path)
		case errors.Is(err, fs.ErrPermission):
			return fail(exitDenied, "run warder as a user that may read it", "%s: %w", file.Field, err)
		}
	}
	return nil
}

// documentFiles are the OpenAPI documents that are files.
func documentFiles(cfg *config.Config) (all []config.File) {
	for i := range cfg.OpenAPIDocuments {
		d := &cfg.OpenAPIDocuments[i]
		if _, fetched := d.URL(); !fetched {
			all = append(all, config.File{Field: gateway.DocumentPlace(cfg, i), Path: d.Document, Mend: "put the file there, or mend its name; without a document leave openapi out"})
		}
	}
	return all
}

// documentCause is the exit code of an error of an OpenAPI document; otherwise that
// of others is.
func documentCause(err error, otherwise int) int {
	d, ok := errors.AsType[*gateway.DocumentError](err)
	switch code := causeOf(err); {
	case !ok:
		return otherwise
	case code != exitServer || d.Fetched:
		return code
	default:
		return exitUsage // what it says
	}
}

// withFile lets the file be an argument as well as --config.
func withFile(s config.Source, args []string) config.Source {
	if len(args) > 0 {
		s.File = args[0]
	}
	return s
}

func newConfigValidate(p *process) *cobra.Command {
	var strict bool
	cmd := &cobra.Command{
		Use:   "validate [FILE]",
		Short: "Report everything that is wrong with the configuration, and what weakens it",
		Args:  wants(oneFile, 0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := loadNamed(cmd, withFile(source(cmd.Flags(), p.environ), args))
			if err != nil {
				return err
			}
			if err := gateway.CheckConditions(cfg); err != nil {
				return fail(exitUsage, "", "%w", err)
			}
			if err := gateway.CheckDocuments(cfg); err != nil {
				return fail(documentCause(err, exitUsage), "", "%w", err)
			}
			return p.tellFindings(cfg.Findings(), strict)
		},
	}
	cmd.Flags().BoolVar(&strict, "strict", false, "fail when something weakens the configuration")
	addConfigFlags(cmd, serveFlags()...)
	return cmd
}

// tellFindings says that the configuration is valid, and what weakens it: with
// strict, that is a failure.
func (p *process) tellFindings(found []config.Finding, strict bool) error {
	for _, f := range found {
		if _, err := fmt.Fprintln(p.stderr, "warning: "+clean(f.String())); err != nil {
			return err
		}
	}
	if strict && len(found) > 0 {
		return fail(exitUsage, "", "config: %d warnings", len(found))
	}
	_, err := fmt.Fprintln(p.stderr, "The configuration is valid.")
	return err
}

func newConfigPrint(p *process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "print [FILE]",
		Short: "Print the effective configuration, where each value comes from, and no secret",
		Args:  wants(oneFile, 0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := loadNamed(cmd, withFile(source(cmd.Flags(), p.environ), args))
			if err != nil {
				return err
			}
			return cfg.Print(p.stdout)
		},
	}
	addConfigFlags(cmd, serveFlags()...)
	return cmd
}

func newConfigSchema(p *process) *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of the configuration file, for editors",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			schema, err := config.Schema()
			if err != nil {
				return err
			}
			_, err = p.stdout.Write(append(schema, '\n'))
			return err
		},
	}
}
