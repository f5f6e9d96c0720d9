package main

import (
	"crypto/rand"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/internal/server"
	"github.com/warder-dev/warder/webhook"
)

func newWebhooks(p *process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "webhooks",
		Short: "Show who is told what happens, and send one of them a test",
		Args:  cobra.ArbitraryArgs,
		RunE:  group,
	}
	cmd.AddCommand(newWebhooksList(p), newWebhooksTest(p))
	return cmd
}

// A webhookView is what a person or a script sees of a webhook: of its address only
// the host, since the rest may be what lets one in there.
type webhookView struct {
	Name   string   `json:"name" yaml:"name"`
	Host   string   `json:"host" yaml:"host"`
	Events []string `json:"events" yaml:"events"`
}

func newWebhooksList(p *process) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the webhooks of the configuration",
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
			return printWebhooks(p.stdout, form, webhookViews(cfg))
		},
	}
	addConfigFlags(cmd)
	cmd.Flags().StringVarP(&output, "output", "o", string(asTable), "table, json or yaml")
	return cmd
}

func webhookViews(cfg *config.Config) []webhookView {
	views := []webhookView{}
	for name := range cfg.Webhooks {
		w := cfg.Webhooks[name]
		v := webhookView{Name: name, Events: w.Events}
		if u, err := url.Parse(w.URL); err == nil {
			v.Host = u.Host
		}
		if len(v.Events) == 0 {
			v.Events = slices.DeleteFunc(webhook.Types(), func(kind string) bool { return kind == webhook.Test })
		}
		views = append(views, v)
	}
	slices.SortFunc(views, func(a, b webhookView) int { return strings.Compare(a.Name, b.Name) })
	return views
}

func printWebhooks(w io.Writer, form format, views []webhookView) error {
	return form.print(w, views, []apikey.ID{}, func(w io.Writer) error {
		rows := [][]string{{"NAME", "HOST", "EVENTS"}}
		for _, v := range views {
			rows = append(rows, []string{v.Name, v.Host, strings.Join(v.Events, " ")})
		}
		return printRows(w, rows)
	})
}

func newWebhooksTest(p *process) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "test NAME",
		Short:   "Post a signed test event to a webhook, once",
		Args:    cobra.ArbitraryArgs,
		Example: `  warder webhooks test ops --config warder.yaml`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fail(exitUsage, cmd.CommandPath()+" --help tells more", "want the NAME of one webhook")
			}
			cfg, err := keysConfig(cmd, p)
			if err != nil {
				return err
			}
			return tryWebhook(cmd, p, cfg, args[0])
		},
	}
	addConfigFlags(cmd)
	return cmd
}

// tryWebhook posts a test and tells what came of it.
func tryWebhook(cmd *cobra.Command, p *process, cfg *config.Config, name string) error {
	if _, ok := cfg.Webhooks[name]; !ok {
		return fail(exitNotFound, "warder webhooks list shows them", "the configuration has no webhook called %q", printable(name))
	}
	endpoints, err := server.NewWebhooks(cfg)
	if err != nil {
		return fail(causeOf(err), "", "%w", err)
	}
	sender, err := webhook.New(webhook.Config{Endpoints: endpoints, Outbox: new(webhook.MemoryOutbox), Version: programVersion()})
	if err != nil {
		return fail(exitUsage, "", "%w", err)
	}
	defer sender.Close()
	e, err := webhook.NewEvent("test:"+rand.Text(), webhook.Test, time.Now(), map[string]string{"message": "warder webhooks test"})
	if err != nil {
		return fail(exitServer, "", "%w", err)
	}
	begin := time.Now()
	if err := sender.Try(cmd.Context(), name, e); err != nil {
		return fail(exitServer, "look at the receiver's log, and at webhooks."+name+" of the configuration", "%s did not take the event: %w", name, err)
	}
	_, _ = fmt.Fprintf(p.stderr, "%s took the event %s (%d ms).\n", name, e.ID, time.Since(begin).Milliseconds())
	return nil
}
