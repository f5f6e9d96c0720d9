package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/internal/keyservice"
	"github.com/warder-dev/warder/secret"
)

func newLimits(p *process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "limits",
		Short: "Show, reset and override rate limits of the warder that runs here",
		Long: `Show, reset and override rate limits of the warder that runs here.

The commands ask its admin listener, with the token beside its database: they want
the same configuration as warder serve, and its user. A subject is named by all
that its limit tells subjects apart by, such as address=192.0.2.1 or key=ID, or by
the id that warder limits top shows: id=ID. Of a limit of rate_limit_domains the
parts are the keys without a value; where there are none, the subject is everybody.`,
		Args: cobra.ArbitraryArgs,
		RunE: group,
	}
	show, top, reset, override := newLimitsShow(p), newLimitsTop(p), newLimitsReset(p), newLimitsOverride(p)
	for _, one := range []*cobra.Command{show, top, reset, override} {
		addConfigFlags(one, "admin-listen", "db")
		one.Flags().StringP("output", "o", string(asTable), "table, json or yaml")
		completeOutput(one, asTable, asJSON, asYAML)
	}
	cmd.AddCommand(show, top, reset, override)
	return cmd
}

func newLimitsShow(p *process) *cobra.Command {
	return &cobra.Command{
		Use:   "show [LIMIT PART=VALUE...]",
		Short: "Show all limits and what they decided, or where one subject stands",
		Args:  cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return withAdmin(cmd, p, func(a *admin, form format) error {
				if len(args) > 0 {
					return a.subject(cmd.Context(), form, "standing", args, keyservice.LimitOverride{})
				}
				var all keyservice.RunningLimits
				if err := a.ask(cmd.Context(), http.MethodGet, "/v1/limits", nil, &all); err != nil {
					return err
				}
				return printAny(p.stdout, form, all.Limits, func(w io.Writer) error { return printLimits(w, all.Limits) })
			})
		},
	}
}

func printLimits(w io.Writer, all []keyservice.RunningLimit) error {
	rows := [][]string{{"LIMIT", "QUOTA", "BY", "SUBJECTS", "PASSED", "REFUSED", "SHADOWED"}}
	for _, v := range all {
		quota := fmt.Sprintf("%d at once", v.Concurrent)
		if v.Concurrent == 0 {
			quota = quotaText(v.Count, v.Per, v.Burst)
		}
		rows = append(rows, []string{
			v.Name, quota, cmp.Or(strings.Join(v.By, " "), everybody), strconv.Itoa(v.Subjects),
			strconv.FormatUint(v.Passed, 10), strconv.FormatUint(v.Refused, 10), strconv.FormatUint(v.Shadowed, 10),
		})
	}
	return printRows(w, rows)
}

func quotaText(count int, per string, burst int) string {
	return fmt.Sprintf("%d/%s burst %d", count, shortDuration(per), burst)
}

// shortDuration is text without parts that are zero.
func shortDuration(text string) string {
	for _, zero := range []string{"m0s", "h0m"} {
		if before, ok := strings.CutSuffix(text, zero); ok {
			text = before + zero[:1]
		}
	}
	return text
}

func newLimitsTop(p *process) *cobra.Command {
	var n int
	cmd := &cobra.Command{
		Use:   "top LIMIT",
		Short: "Show whom a limit has refused most often",
		Args:  wants(aLimit, 1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withAdmin(cmd, p, func(a *admin, form format) error {
				path, err := limitPath(args[0], "/top")
				if err != nil {
					return err
				}
				var all keyservice.RefusedSubjects
				if err := a.ask(cmd.Context(), http.MethodGet, path+"?n="+strconv.Itoa(n), nil, &all); err != nil {
					return err
				}
				return printAny(p.stdout, form, all.Subjects, func(w io.Writer) error {
					rows := [][]string{{"ID", "WHO", "REFUSED", "LAST"}}
					for _, r := range all.Subjects {
						rows = append(rows, []string{r.Subject, clean(r.Who), strconv.FormatUint(r.Times, 10), r.Last.Format(time.RFC3339)})
					}
					return printRows(w, rows)
				})
			})
		},
	}
	cmd.Flags().IntVarP(&n, "number", "n", 10, "how many, 1 to 64")
	return cmd
}

func newLimitsReset(p *process) *cobra.Command {
	return &cobra.Command{
		Use:   "reset LIMIT PART=VALUE...",
		Short: "Give a subject its whole burst again",
		Args:  wants(aSubject, 2, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withAdmin(cmd, p, func(a *admin, form format) error {
				return a.subject(cmd.Context(), form, "reset", args, keyservice.LimitOverride{})
			})
		},
	}
}

func newLimitsOverride(p *process) *cobra.Command {
	var q keyservice.LimitOverride
	var remove bool
	cmd := &cobra.Command{
		Use:   "override LIMIT PART=VALUE... {--count N --per TIME | --remove}",
		Short: "Give a subject another quota until warder stops, or take it away",
		Args:  wants(aSubject, 2, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if remove != (q.Count == 0) || remove && (q.Per != "" || q.Burst != 0 || q.For != "") || !remove && q.Per == "" {
				return fail(exitUsage, "warder limits override LIMIT PART=VALUE --count 600 --per 1m --for 1h", "give --count and --per, or --remove alone")
			}
			return withAdmin(cmd, p, func(a *admin, form format) error { return a.subject(cmd.Context(), form, "override", args, q) })
		},
	}
	cmd.Flags().IntVar(&q.Count, "count", 0, "requests in each --per")
	cmd.Flags().StringVar(&q.Per, "per", "", "such as 1m")
	cmd.Flags().IntVar(&q.Burst, "burst", 0, "how many at once (default: count)")
	cmd.Flags().StringVar(&q.For, "for", "", "how long it holds (default: until warder stops)")
	cmd.Flags().BoolVar(&remove, "remove", false, "take the override away")
	return cmd
}

// limitPath is the path of what is done with a limit.
func limitPath(name, what string) (string, error) {
	if name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
		return "", fail(exitUsage, "warder limits show lists them", "%q is not the name of a limit", printable(name))
	}
	return "/v1/limits/" + name + what, nil
}

// An admin asks the admin listener.
type admin struct {
	base  string
	token secret.Text
	out   io.Writer
}

// withAdmin finds the admin listener and calls use.
func withAdmin(cmd *cobra.Command, p *process, use func(a *admin, form format) error) error {
	output, err := cmd.Flags().GetString("output")
	if err != nil {
		return err
	}
	form, err := parseFormat(output, asTable, asJSON, asYAML)
	if err != nil {
		return err
	}
	cfg, err := keysConfig(cmd, p)
	if err != nil {
		return err
	}
	base, err := adminBase(cfg)
	if err != nil {
		return err
	}
	token, err := readAdminToken(adminTokenFile(cfg))
	if errors.Is(err, fs.ErrNotExist) {
		return fail(exitNotFound, "name the database of the warder that runs by --db", "admin token: there is none at %s; warder serve makes it", adminTokenFile(cfg))
	}
	if err != nil {
		return err
	}
	return use(&admin{base: base, token: token, out: p.stdout}, form)
}

// adminBase is the URL of the admin listener as it is reached from here: limits
// are answered for on a loopback address only.
func adminBase(cfg *config.Config) (string, error) {
	host, port, err := net.SplitHostPort(cfg.AdminListen)
	if err != nil || port == "0" {
		return "", fail(exitUsage, "name its address by --admin-listen", "the admin listener is off or on a port of its own choice")
	}
	if address, err := netip.ParseAddr(host); host == "" || err == nil && address.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port), nil
}

// everybody is the only subject of a limit that has no parts: one of Envoy's, whose
// entries all have a value.
const everybody = "everybody"

// subject does what with a subject, and prints what became of it.
func (a *admin) subject(ctx context.Context, form format, what string, args []string, q keyservice.LimitOverride) error {
	path, err := limitPath(args[0], ":"+what)
	if err != nil {
		return err
	}
	q.Parts = map[string]string{}
	for _, arg := range args[1:] {
		if arg == everybody && len(args) == 2 {
			break
		}
		i := strings.LastIndexByte(arg, '=')
		if j := strings.IndexByte(arg, '='); j >= 0 && !strings.HasPrefix(arg, "claim:") {
			i = j
		}
		if i < 1 {
			return fail(exitUsage, "write it like address=192.0.2.1 or key=ID", "%q is not PART=VALUE", printable(arg))
		}
		if arg[:i] == "id" {
			q.Subject, q.Parts = arg[i+1:], nil
			break
		}
		q.Parts[arg[:i]] = arg[i+1:]
	}
	var body any = q
	if what != "override" {
		body = q.LimitSubject
	}
	var v keyservice.SubjectStanding
	if err := a.ask(ctx, http.MethodPost, path, body, &v); err != nil {
		return err
	}
	return printAny(a.out, form, v, func(w io.Writer) error { return printRows(w, subjectRows(what, &v, &q)) })
}

// subjectRows are the fields of one subject for a person.
func subjectRows(what string, v *keyservice.SubjectStanding, q *keyservice.LimitOverride) [][]string {
	rows := [][]string{{"id", v.Subject}}
	switch what {
	case "standing":
		return append(rows, []string{"quota", quotaText(v.Count, v.Per, v.Burst)}, []string{"left", strconv.FormatUint(v.Left, 10)},
			[]string{"next after", v.Wait}, []string{"whole after", v.Whole})
	case "reset":
		text := "had spent nothing"
		if v.Known {
			text = "its whole burst is there again"
		}
		return append(rows, []string{"reset", text})
	default:
		text := "taken away"
		if q.Count > 0 {
			text = quotaText(q.Count, q.Per, cmp.Or(q.Burst, q.Count))
		}
		return append(rows, []string{"override", text})
	}
}

// printAny writes v in a form; table is called for the table.
func printAny(w io.Writer, form format, v any, table func(io.Writer) error) error {
	if form != asYAML {
		return form.print(w, v, nil, table)
	}
	text, err := json.Marshal(v) // for its names
	if err != nil {
		return err
	}
	if text, err = yaml.JSONToYAML(text); err != nil {
		return err
	}
	_, err = w.Write(text)
	return err
}

// ask sends one request and reads the answer into to.
func (a *admin) ask(ctx context.Context, method, path string, body, to any) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var sent io.Reader = http.NoBody
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		sent = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, a.base+path, sent)
	if err != nil {
		return err
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	r.Header.Set("Authorization", bearer(a.token))
	response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r) // no redirect is followed, no proxy is asked
	if err != nil {
		return fail(exitServer, "does warder serve run, with this --admin-listen?", "the admin listener does not answer on %s", strings.TrimPrefix(a.base, "http://"))
	}
	defer response.Body.Close() //nolint:errcheck // read only
	answer, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return fail(exitServer, "", "the admin listener's answer broke off: %w", err)
	}
	switch response.StatusCode {
	case http.StatusOK:
		if err := json.Unmarshal(answer, to); err != nil {
			return fail(exitServer, "", "the admin listener's answer is not what was expected")
		}
		return nil
	case http.StatusUnauthorized, http.StatusForbidden:
		return fail(exitDenied, "name the database of the warder that answers there by --db", "the admin listener does not know the token of this database")
	}
	return refusedBy(response.StatusCode, answer)
}

// refusedBy is what the admin listener said to a request that it did not do.
func refusedBy(status int, answer []byte) error {
	var said keyservice.Problem
	if err := json.Unmarshal(answer, &said); err != nil || said.Type == "" || said.Detail == "" {
		return fail(exitServer, "is it a warder of this version?", "the admin listener answered with status %d", status)
	}
	text, hint := clean(said.Detail), ""
	if len(said.Errors) > 0 {
		var all []string
		for _, f := range said.Errors {
			all = append(all, clean(f.Field)+": "+clean(f.Message))
			if f.Field == "parts" {
				hint = "write each like key=ID or address=192.0.2.1, behind the limit's name"
			}
		}
		text = strings.Join(all, "; ")
	}
	switch {
	case status == http.StatusNotFound:
		return fail(exitNotFound, "warder limits show lists the limits, warder openapi drift the documents", "%s", text)
	case status >= http.StatusInternalServerError:
		return fail(exitServer, "", "%s", text)
	default:
		return fail(exitUsage, hint, "%s", text)
	}
}
