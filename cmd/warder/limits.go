package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/internal/keyservice"
)

func newLimits(p *process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "limits",
		Short: "Show, reset and override rate limits of a warder that runs",
		Long: `Show, reset and override rate limits of a warder that runs.

` + asksNode + `

A subject is named by all that its limit tells subjects apart by, such as
address=192.0.2.1 or key=ID, or by the id that warder limits top shows: id=ID. Of a
limit of rate_limit_domains the parts are the keys without a value; where there are
none, the subject is everybody.`,
		Args: cobra.ArbitraryArgs,
		RunE: group,
	}
	show, top, reset, override := newLimitsShow(p), newLimitsTop(p), newLimitsReset(p), newLimitsOverride(p)
	addNodeFlags(show, top, reset, override)
	cmd.AddCommand(show, top, reset, override)
	return cmd
}

func newLimitsShow(p *process) *cobra.Command {
	return &cobra.Command{
		Use:   "show [LIMIT PART=VALUE...]",
		Short: "Show all limits and what they decided, or where one subject stands",
		Args:  cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return askSubject(cmd, p, "standing", args, keyservice.LimitOverride{})
			}
			return withNode(cmd, p, func(n node, form format) error {
				all, err := n.Limits(cmd.Context())
				if err != nil {
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
	var number int
	cmd := &cobra.Command{
		Use:   "top LIMIT",
		Short: "Show whom a limit has refused most often",
		Args:  wants(aLimit, 1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkLimit(args[0]); err != nil {
				return err
			}
			if number < 1 || number > 64 {
				return fail(exitUsage, "", "--number %d: want 1 to 64", number)
			}
			return withNode(cmd, p, func(n node, form format) error {
				all, err := n.Refused(cmd.Context(), args[0], number)
				if err != nil {
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
	cmd.Flags().IntVarP(&number, "number", "n", 10, "how many, 1 to 64")
	return cmd
}

func newLimitsReset(p *process) *cobra.Command {
	return &cobra.Command{
		Use:   "reset LIMIT PART=VALUE...",
		Short: "Give a subject its whole burst again",
		Args:  wants(aSubject, 2, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return askSubject(cmd, p, "reset", args, keyservice.LimitOverride{})
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
			return askSubject(cmd, p, "override", args, q)
		},
	}
	cmd.Flags().IntVar(&q.Count, "count", 0, "requests in each --per")
	cmd.Flags().StringVar(&q.Per, "per", "", "such as 1m")
	cmd.Flags().IntVar(&q.Burst, "burst", 0, "how many at once (default: count)")
	cmd.Flags().StringVar(&q.For, "for", "", "how long it holds (default: until warder stops)")
	cmd.Flags().BoolVar(&remove, "remove", false, "take the override away")
	return cmd
}

// checkLimit refuses what no limit is called.
func checkLimit(name string) error {
	if !isNodeName(name) {
		return fail(exitUsage, "warder limits show lists them", "%q is not the name of a limit", printable(name))
	}
	return nil
}

// everybody is the only subject of a limit that has no parts: one of Envoy's, whose
// entries all have a value.
const everybody = "everybody"

// askSubject does what with a subject, and prints what became of it: what is standing,
// reset or override.
func askSubject(cmd *cobra.Command, p *process, what string, args []string, q keyservice.LimitOverride) error {
	if err := checkLimit(args[0]); err != nil {
		return err
	}
	var err error
	if q.LimitSubject, err = subjectOf(args[1:]); err != nil {
		return err
	}
	return withNode(cmd, p, func(n node, form format) error {
		v, err := n.Subject(cmd.Context(), what, args[0], q)
		if err != nil {
			return err
		}
		return printAny(p.stdout, form, v, func(w io.Writer) error { return printRows(w, subjectRows(what, &v, &q)) })
	})
}

// subjectOf reads what names a subject.
func subjectOf(args []string) (keyservice.LimitSubject, error) {
	s := keyservice.LimitSubject{Parts: map[string]string{}}
	for _, arg := range args {
		if arg == everybody && len(args) == 1 {
			break
		}
		i := strings.LastIndexByte(arg, '=')
		if j := strings.IndexByte(arg, '='); j >= 0 && !strings.HasPrefix(arg, "claim:") {
			i = j
		}
		if i < 1 {
			return s, fail(exitUsage, "write it like address=192.0.2.1 or key=ID", "%q is not PART=VALUE", printable(arg))
		}
		if arg[:i] == "id" {
			return keyservice.LimitSubject{Subject: arg[i+1:]}, nil
		}
		s.Parts[arg[:i]] = arg[i+1:]
	}
	return s, nil
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
	if unshown(string(text)) {
		return printJSON(w, v) // which is YAML as well, and escapes them
	}
	_, err = w.Write(text)
	return err
}
