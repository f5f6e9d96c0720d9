package main

import (
	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/leak"
)

func newLeakRules(p *process) *cobra.Command {
	var prefixes, form string
	cmd := &cobra.Command{
		Use:   "rules",
		Short: "Print rules by which gitleaks, TruffleHog or GitHub find your keys",
		Long: `Print rules by which gitleaks, TruffleHog or GitHub find your keys.

The prefix is that of the configuration unless --prefix names others. A rule finds
what looks like a key as well: only warder computes the check digits. Sift what
gitleaks or TruffleHog reports by warder leak check.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			list := listed(prefixes)
			if len(list) == 0 {
				cfg, err := keysConfig(cmd, p)
				if err != nil {
					return err
				}
				list = []string{cfg.Keys.Prefix}
			}
			if err := leak.Rules(p.stdout, leak.RuleFormat(form), list); err != nil {
				return fail(exitUsage, "warder leak rules --help lists the flags", "%w", err)
			}
			return nil
		},
	}
	addConfigFlags(cmd)
	cmd.Flags().StringVar(&prefixes, "prefix", "", "prefixes of keys, with commas between them (default: that of the configuration)")
	cmd.Flags().StringVar(&form, "format", string(leak.ForGitleaks), "gitleaks, trufflehog or github")
	return cmd
}
