package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/postgres"
	"github.com/warder-dev/warder/sqlite"
)

func newMigrate(p *process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Show and change the version of the database's tables",
		Long: `Show and change the version of the database's tables.

An SQLite file is brought up to date by every command that opens it. The tables of a
PostgreSQL database are changed by warder migrate up alone, with a role that owns
them: the one that serves requests cannot, and need not.`,
		Args: cobra.ArbitraryArgs,
		RunE: group,
	}
	cmd.AddCommand(newMigrateStatus(p), newMigrateUp(p))
	return cmd
}

// A migrationView is the version of the tables as it is printed.
type migrationView struct {
	Version int64    `json:"version" yaml:"version"` // 0: no tables
	Known   int64    `json:"known" yaml:"known"`
	Missing []string `json:"missing" yaml:"missing"`
}

func newMigrateStatus(p *process) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the version of the tables, and what is missing to this program's",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			form, err := parseFormat(output, asTable, asJSON, asYAML)
			if err != nil {
				return err
			}
			cfg, err := keysConfig(cmd, p)
			if err != nil {
				return err
			}
			v, err := migrationStatus(cmd.Context(), p, cfg)
			if err != nil {
				return err
			}
			return printAny(p.stdout, form, v, func(w io.Writer) error {
				return printRows(w, [][]string{{"VERSION", "KNOWN", "MISSING"}, {fmt.Sprint(v.Version), fmt.Sprint(v.Known), strings.Join(v.Missing, " ")}})
			})
		},
	}
	addConfigFlags(cmd, "db")
	cmd.Flags().StringVarP(&output, "output", "o", string(asTable), "table, json or yaml")
	completeOutput(cmd, asTable, asJSON, asYAML)
	return cmd
}

// migrationStatus changes nothing, whatever the version is.
func migrationStatus(ctx context.Context, p *process, cfg *config.Config) (migrationView, error) {
	if cfg.IsPostgres() {
		s, err := postgres.ReadStatus(ctx, postgresConfig(cfg, stderrLog(p)))
		return migrationView{s.Have, s.Want, nonNil(s.Missing)}, postgresFailure(err)
	}
	if err := wantDatabase(cfg); err != nil {
		return migrationView{}, err
	}
	s, err := sqlite.ReadStatus(ctx, cfg.DB)
	return migrationView{s.Have, s.Want, nonNil(s.Missing)}, sqliteFailure(err)
}

func nonNil(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

func newMigrateUp(p *process) *cobra.Command {
	var role string
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Make the tables, or bring them to this program's version",
		Long: `Make the tables, or bring them to this program's version.

Several may run at once: one works, the others wait for it. Gateways of the former
version go on with the new tables. With --app-role a role of PostgreSQL gets the
rights that warder serve needs, and no others on the tables.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := keysConfig(cmd, p)
			if err != nil {
				return err
			}
			return migrateUp(cmd.Context(), p, cfg, role)
		},
	}
	addConfigFlags(cmd, "db")
	cmd.Flags().StringVar(&role, "app-role", "", "role of PostgreSQL that gets the rights of warder serve")
	return cmd
}

func migrateUp(ctx context.Context, p *process, cfg *config.Config, role string) error {
	before, after := int64(0), int64(0)
	var err error
	if cfg.IsPostgres() {
		before, after, err = postgres.Migrate(ctx, postgresConfig(cfg, stderrLog(p)), role)
		if err = postgresFailure(err); err != nil {
			return err
		}
	} else {
		if role != "" {
			return fail(exitUsage, "", "--app-role: an SQLite file knows no roles")
		}
		if wantDatabase(cfg) == nil {
			s, err := sqlite.ReadStatus(ctx, cfg.DB)
			if err != nil {
				return sqliteFailure(err)
			}
			before = s.Have
		}
		db, err := openDatabase(ctx, cfg, stderrLog(p))
		if err != nil {
			return err
		}
		s, err := sqlite.ReadStatus(ctx, cfg.DB)
		if err = errors.Join(err, db.Close()); err != nil {
			return sqliteFailure(err)
		}
		after = s.Have
	}
	if before == after {
		_, err = fmt.Fprintf(p.stderr, "The tables are of version %d already.\n", after)
		return err
	}
	_, err = fmt.Fprintf(p.stderr, "The tables are of version %d now, and were of version %d.\n", after, before)
	return err
}
