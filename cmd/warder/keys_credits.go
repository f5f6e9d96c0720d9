package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/usage"
)

func newKeysCredits(p *process) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "credits",
		Short: "Show and change what a key, or an owner, has left to spend",
		Long: `Show and change what a key, or an owner, has left to spend.

A key without an account of credits is refused on routes that cost credits, unless
the configuration has credits.unmetered. Running gateways see a change within a
second; what they have reserved by then they may still spend.`,
		Args: cobra.ArbitraryArgs,
		RunE: group,
	}
	cmd.AddCommand(newCreditsShow(p), newCreditsChange(p, usage.OpSet), newCreditsChange(p, usage.OpAdd), newCreditsRefill(p))
	for _, one := range cmd.Commands() {
		completeOutput(one, asTable, asJSON, asYAML)
		one.ValidArgsFunction = completeIDs(p)
	}
	return cmd
}

// creditsTarget are the flags that all commands about credits have.
type creditsTarget struct{ owner, output string }

func (o *creditsTarget) addFlags(cmd *cobra.Command) {
	addConfigFlags(cmd, "db")
	cmd.Flags().StringVar(&o.owner, "owner", "", "the account of this owner, in place of a key's id")
	cmd.Flags().StringVarP(&o.output, "output", "o", string(asTable), "table, json or yaml")
}

// args wants a key's id unless there is an owner, and more arguments behind it.
func (o *creditsTarget) args(more int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case o.owner == "" && more == 0:
			return wants(aKey, 1, 1)(cmd, args)
		case o.owner == "":
			return wants(aKeyAndMore, 1+more, 1+more)(cmd, args)
		case more == 0:
			return wants(onlyOwner, 0, 0)(cmd, args)
		default:
			return wants(justMore, more, more)(cmd, args)
		}
	}
}

// with calls use with the store and the subject, which for a key must exist, and
// prints the account that use returns. args are what the subject leaves of them.
func (o *creditsTarget) with(cmd *cobra.Command, p *process, args []string, use func(store usage.Store, s usage.Subject, args []string) (usage.Account, error)) error {
	form, err := parseFormat(o.output, asTable, asJSON, asYAML)
	if err != nil {
		return err
	}
	argument := ""
	s := usage.Subject{Kind: usage.Owner, ID: o.owner}
	if o.owner == "" {
		argument = args[0]
		id, err := keyID(cmd, p, args[0])
		if err != nil {
			return err
		}
		s, args = usage.Subject{Kind: usage.Key, ID: string(id)}, args[1:]
	}
	if err := s.Check(); err != nil {
		return fail(exitUsage, "", "--owner: want 1 to 128 bytes of text")
	}
	if spec, ok := errors.AsType[*apikey.SpecError](apikey.CheckOwner(o.owner)); ok {
		return fail(exitUsage, "", "--owner: %s", spec.Reason)
	}
	show := func(store usage.Store, find func(id apikey.ID) error) error {
		if s.Kind == usage.Key {
			if err := find(apikey.ID(s.ID)); err != nil {
				return err
			}
		}
		account, err := use(store, s, args)
		switch {
		case errors.Is(err, usage.ErrNoAccount):
			return fail(exitNotFound, "warder keys credits set makes one", "the %s %s has no account of credits", s.Kind, printable(s.ID))
		case err != nil:
			return err
		}
		v := creditsViewOf(account)
		return form.print(p.stdout, v, nil, func(w io.Writer) error { return printRows(w, v.rows()) })
	}
	if isRemote(cmd) {
		r, err := openRemote(cmd, p, argument)
		if err != nil {
			return err
		}
		defer r.Close()
		return show(remoteCredits{r}, func(id apikey.ID) error {
			_, err := r.key(cmd.Context(), id)
			return err
		})
	}
	return withDatabase(cmd, p, func(_ *config.Config, db *database) error {
		return show(db.Credits(), func(id apikey.ID) error {
			_, err := findKey(cmd.Context(), db.APIKeys(), id)
			return err
		})
	})
}

func newCreditsShow(p *process) *cobra.Command {
	var o creditsTarget
	cmd := &cobra.Command{
		Use:   "show ID|-",
		Short: "Show how many credits are left, and when there are more",
		Args:  o.args(0),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.with(cmd, p, args, func(store usage.Store, s usage.Subject, _ []string) (usage.Account, error) {
				return store.Account(cmd.Context(), s, time.Now())
			})
		},
	}
	o.addFlags(cmd)
	return cmd
}

func newCreditsChange(p *process, op usage.Op) *cobra.Command {
	var o creditsTarget
	cmd := &cobra.Command{Use: string(op) + " ID|- CREDITS", Args: o.args(1)}
	cmd.Short = "Set how many credits are left; makes the account"
	least := int64(0)
	if op == usage.OpAdd {
		cmd.Short, least = "Add credits to what is left", 1
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		n, err := parseCredits(args[len(args)-1], least)
		if err != nil {
			return fail(exitUsage, "", "%w", err)
		}
		return o.with(cmd, p, args, func(store usage.Store, s usage.Subject, _ []string) (usage.Account, error) {
			return applyCredits(cmd, p, store, usage.Change{Subject: s, Op: op, Amount: n})
		})
	}
	o.addFlags(cmd)
	return cmd
}

// refillOptions are the flags of keys credits refill.
type refillOptions struct{ every, amount, limit, from string }

func newCreditsRefill(p *process) *cobra.Command {
	var o creditsTarget
	var r refillOptions
	cmd := &cobra.Command{
		Use:   "refill ID|-",
		Short: "Say when there are more credits, and how many",
		Long: `Say when there are more credits, and how many.

Each refill tops the account up to --amount; with --cap it adds --amount, up to
--cap in all. Days, weeks and months are those of UTC. Without --from they begin at
midnight, on Monday, on the first of the month; with it, at that date and time and
then always so: the 31st is the last day in months without one. An account that the
command makes begins with --amount.`,
		Example: `  warder keys credits refill 7HqLk2mVxWcP --every month --amount 1000
  warder keys credits refill --owner acme --every day --amount 100 --cap 500
  warder keys credits refill 7HqLk2mVxWcP --every never`,
		Args: o.args(0),
		RunE: func(cmd *cobra.Command, args []string) error {
			refill, err := r.parse()
			if err != nil {
				return fail(exitUsage, "", "%w", err)
			}
			return o.with(cmd, p, args, func(store usage.Store, s usage.Subject, _ []string) (usage.Account, error) {
				return applyCredits(cmd, p, store, usage.Change{Subject: s, Op: usage.OpRefill, Refill: refill})
			})
		},
	}
	o.addFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&r.every, "every", "", "day, week, month, or never")
	f.StringVar(&r.amount, "amount", "", "what there is after each refill, or with --cap what it adds")
	f.StringVar(&r.limit, "cap", "", "the most that refills make it")
	f.StringVar(&r.from, "from", "", "the first refill, such as 2027-01-31 or 2027-01-31T06:00:00Z")
	return cmd
}

// parse reports everything that is wrong with the flags at once.
func (o refillOptions) parse() (r usage.Refill, _ error) {
	var errs []error
	switch o.every {
	case "day", "week", "month":
		r.Every = usage.Period(o.every)
	case "never":
		if o.amount+o.limit+o.from != "" {
			return r, errors.New("--every never: goes with no other flag about the refill")
		}
		return r, nil
	default:
		errs = append(errs, fmt.Errorf("--every %q: want day, week, month or never", printable(o.every)))
	}
	var err error
	if r.Amount, err = parseCredits(o.amount, 1); err != nil {
		errs = append(errs, fmt.Errorf("--amount: %w", err))
	}
	if o.limit != "" {
		if r.Cap, err = parseCredits(o.limit, max(1, r.Amount)); err != nil {
			errs = append(errs, fmt.Errorf("--cap: %w", err))
		}
	}
	if o.from != "" {
		if r.From, err = parseFrom(o.from); err != nil {
			errs = append(errs, fmt.Errorf("--from: %w", err))
		}
	}
	return r, errors.Join(errs...)
}

// parseFrom reads a date, or a date and time with its zone.
func parseFrom(text string) (time.Time, error) {
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(layout, text); err == nil && t.Year() >= 1970 && t.Year() <= 9998 {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time, want it like 2027-01-31 or 2027-01-31T06:00:00Z", printable(text))
}

// parseCredits reads a number of credits.
func parseCredits(text string, least int64) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < least || n > usage.MaxCredits {
		return 0, fmt.Errorf("%q is no number of credits, want %d to %d", printable(text), least, int64(usage.MaxCredits))
	}
	return n, nil
}

func applyCredits(cmd *cobra.Command, p *process, store usage.Store, c usage.Change) (usage.Account, error) {
	who := by(p)
	c.Actor, c.Source, c.At = who.Actor, who.Source, time.Now()
	account, err := store.Apply(cmd.Context(), c)
	if said, ok := errors.AsType[*failure](err); ok { // what a server refused
		return account, said
	}
	switch {
	case err == nil || errors.Is(err, usage.ErrNoAccount):
		return account, err
	case errors.Is(err, usage.ErrTooMany):
		return account, fail(exitUsage, "nothing is changed", "%w", err)
	default:
		return account, fail(exitServer, "nothing is changed", "keys credits %s: %w", c.Op, err)
	}
}

// creditFlags are those of keys create about credits.
type creditFlags struct{ credits, refill string }

func (f *creditFlags) addFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.credits, "credits", "", "how many credits the key has to spend (default: no account, or what --refill gives)")
	cmd.Flags().StringVar(&f.refill, "refill", "", "top the credits up, such as month:1000; see keys credits refill")
}

// changes are what the flags ask for, without the subject.
func (f *creditFlags) changes() (changes []usage.Change, _ error) {
	var errs []error
	if f.credits != "" {
		n, err := parseCredits(f.credits, 0)
		if err != nil {
			errs = append(errs, fmt.Errorf("--credits: %w", err))
		}
		changes = append(changes, usage.Change{Op: usage.OpSet, Amount: n})
	}
	if f.refill != "" {
		every, amount, _ := strings.Cut(f.refill, ":")
		refill, err := refillOptions{every: every, amount: amount}.parse()
		if err == nil && refill.Every == usage.Never {
			err = errors.New("never is what there is without the flag")
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("--refill %q: want it like month:1000: %w", printable(f.refill), err))
		}
		changes = append(changes, usage.Change{Op: usage.OpRefill, Refill: refill})
	}
	return changes, errors.Join(errs...)
}

// open makes the account of a new key.
func (f *creditFlags) open(cmd *cobra.Command, p *process, store usage.Store, id apikey.ID) error {
	changes, err := f.changes()
	if err != nil {
		return err
	}
	for _, c := range changes {
		c.Subject = usage.Subject{Kind: usage.Key, ID: string(id)}
		if _, err := applyCredits(cmd, p, store, c); err != nil {
			return fail(exitServer, fmt.Sprintf("take it away by `warder keys revoke %s`, and make another", id),
				"the key %s was made, but not its credits: %w", id, err)
		}
	}
	return nil
}

// A creditsView is what a person or a script sees of an account.
type creditsView struct {
	Kind      usage.Kind  `json:"kind" yaml:"kind"`
	ID        string      `json:"id" yaml:"id"`
	Remaining int64       `json:"remaining" yaml:"remaining"` // what nodes have reserved not included
	Reserved  int64       `json:"reserved" yaml:"reserved"`
	Spent     int64       `json:"spent" yaml:"spent"`
	Lost      int64       `json:"lost" yaml:"lost"`
	Refill    *refillView `json:"refill,omitempty" yaml:"refill,omitempty"`
}

type refillView struct {
	Every  usage.Period `json:"every" yaml:"every"`
	Amount int64        `json:"amount" yaml:"amount"`
	Cap    int64        `json:"cap,omitempty" yaml:"cap,omitempty"`
	Next   time.Time    `json:"next" yaml:"next"`
}

func creditsViewOf(a usage.Account) creditsView {
	v := creditsView{Kind: a.Subject.Kind, ID: a.Subject.ID, Remaining: a.Balance, Reserved: a.Held, Spent: a.Spent, Lost: a.Lost}
	if a.Refill.Every != usage.Never {
		v.Refill = &refillView{Every: a.Refill.Every, Amount: a.Refill.Amount, Cap: a.Refill.Cap, Next: a.Next.UTC()}
	}
	return v
}

// rows returns the account for a person.
func (v creditsView) rows() [][]string {
	rows := [][]string{
		{string(v.Kind), v.ID},
		{"remaining", strconv.FormatInt(v.Remaining, 10)},
		{"reserved", strconv.FormatInt(v.Reserved, 10) + " by running gateways"},
		{"spent", strconv.FormatInt(v.Spent, 10)},
	}
	if v.Reserved == 0 {
		rows[2][1] = "0"
	}
	if v.Lost > 0 {
		rows = append(rows, []string{"lost", strconv.FormatInt(v.Lost, 10) + " by gateways that crashed"})
	}
	if v.Refill == nil {
		return append(rows, []string{"refill", "never"})
	}
	what := fmt.Sprintf("to %d every %s", v.Refill.Amount, v.Refill.Every)
	if v.Refill.Cap > 0 {
		what = fmt.Sprintf("%d more every %s, up to %d", v.Refill.Amount, v.Refill.Every, v.Refill.Cap)
	}
	return append(rows, []string{"refill", what + ", next at " + v.Refill.Next.Format(time.RFC3339)})
}
