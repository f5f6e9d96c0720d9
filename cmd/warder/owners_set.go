package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/warder-dev/warder/apikey"
)

// ownerTries is how often a record is changed anew that somebody else changed meanwhile.
const ownerTries = 5

// ownerFlags are the flags of owners set.
type ownerFlags struct {
	name        string
	meta, unset []string
	revision    int64
	output      string
}

func newOwnersSet(p *process) *cobra.Command {
	var o ownerFlags
	cmd := &cobra.Command{
		Use:   "set OWNER",
		Short: "Make the record of an owner, or change what it says",
		Long: `Make the record of an owner, or change what it says.

What no flag names stays. Notes are changed one by one: --meta sets one, --unset-meta
takes one away.`,
		Example: `  warder owners set acme --name "Acme Ltd" --meta account=4711
  warder owners set acme --unset-meta account`,
		Args: wants(anOwner, 1, 1),
		RunE: func(cmd *cobra.Command, args []string) error { return setOwner(cmd, p, args[0], &o) },
	}
	addOwnerFlags(cmd, &o.output)
	f := cmd.Flags()
	f.StringVar(&o.name, "name", "", "who that is, for people")
	f.StringArrayVar(&o.meta, "meta", nil, "note of your own, NAME=VALUE; may be repeated")
	f.StringSliceVar(&o.unset, "unset-meta", nil, "name of a note to take away; may be repeated")
	addOwnerRevision(cmd, &o.revision)
	return cmd
}

func addOwnerRevision(cmd *cobra.Command, revision *int64) {
	cmd.Flags().Int64Var(revision, "if-revision", 0, "only if the record is at this revision still, as owners show has it (default: whatever it is)")
}

func checkOwnerRevision(revision int64) error {
	if revision < 0 {
		return fail(exitUsage, "warder owners show tells it", "--if-revision %d: want a revision", revision)
	}
	return nil
}

func setOwner(cmd *cobra.Command, p *process, id string, o *ownerFlags) error {
	form, err := parseFormat(o.output, asTable, asJSON, asYAML, asID)
	if err != nil {
		return err
	}
	edit, err := o.edit(cmd.Flags())
	if err != nil {
		return fail(exitUsage, "", "%w", err)
	}
	if err := checkOwnerRevision(o.revision); err != nil {
		return err
	}
	if err := ownerFailure((&apikey.OwnerSpec{ID: id}).Check()); err != nil {
		return err
	}
	return withOwners(cmd, p, func(book ownerBook) error {
		for try := 1; ; try++ {
			before, found, err := book.get(cmd.Context(), id)
			if err != nil {
				return err
			}
			if o.revision != 0 && before.Revision != apikey.Revision(o.revision) {
				return ownerChanged(id)
			}
			spec := apikey.OwnerSpec{ID: id, Name: before.Name, Metadata: maps.Clone(before.Metadata)}
			edit(&spec)
			after, err := book.put(cmd.Context(), spec, before.Revision, found)
			if errors.Is(err, errMeanwhile) && o.revision == 0 && try < ownerTries {
				continue
			}
			if errors.Is(err, errMeanwhile) {
				return ownerChanged(id)
			}
			if err != nil {
				return err
			}
			v := ownerViewOf(&after)
			return v.print(p, form)
		}
	})
}

// errMeanwhile means that a record is not what was read.
var errMeanwhile = errors.New("changed meanwhile")

func ownerChanged(id string) error {
	return fail(exitConflict, "warder owners show tells how it is now", "the record of %q was changed meanwhile: nothing is done", printable(id))
}

// edit returns what the flags that were given make of a record.
func (o *ownerFlags) edit(given *pflag.FlagSet) (func(s *apikey.OwnerSpec), error) {
	meta, err := parseMeta(o.meta)
	if err != nil {
		return nil, err
	}
	for _, name := range o.unset {
		if _, both := meta[name]; both {
			return nil, fmt.Errorf("--unset-meta: %q is set by --meta", printable(name))
		}
	}
	return func(s *apikey.OwnerSpec) {
		if given.Changed("name") {
			s.Name = o.name
		}
		if s.Metadata == nil {
			s.Metadata = make(map[string]string)
		}
		maps.Copy(s.Metadata, meta)
		for _, name := range o.unset {
			delete(s.Metadata, name)
		}
	}, nil
}

// An ownerDeletion is what a script sees of a record that was deleted.
type ownerDeletion struct {
	ID       string `json:"id" yaml:"id"`
	Deleted  bool   `json:"deleted" yaml:"deleted"`
	Keys     int    `json:"keys" yaml:"keys"` // that bear the id
	MoreKeys bool   `json:"more_keys,omitempty" yaml:"more_keys,omitempty"`
}

func newOwnersDelete(p *process) *cobra.Command {
	var output string
	var revision int64
	var sure bool
	cmd := &cobra.Command{
		Use:   "delete OWNER",
		Short: "Delete the record of an owner; its keys stay as they are",
		Long: `Delete the record of an owner; its keys stay as they are.

What it said stays in the audit. warder keys revoke --owner takes the keys away.`,
		Args: wants(anOwner, 1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			form, err := parseFormat(output, asTable, asJSON, asYAML, asID)
			if err != nil {
				return err
			}
			if err := checkOwnerRevision(revision); err != nil {
				return err
			}
			if !sure {
				return fail(exitUsage, "say --yes; warder owners show tells what is lost", "owners delete cannot be undone")
			}
			return withOwners(cmd, p, func(book ownerBook) error {
				d, err := book.remove(cmd.Context(), args[0], apikey.Revision(revision))
				switch {
				case errors.Is(err, errMeanwhile):
					return ownerChanged(args[0])
				case err != nil:
					return err
				}
				return d.print(p, form)
			})
		},
	}
	addOwnerFlags(cmd, &output)
	addOwnerRevision(cmd, &revision)
	cmd.Flags().BoolVar(&sure, "yes", false, "delete it: it cannot be undone")
	return cmd
}

func (d *ownerDeletion) print(p *process, form format) error {
	keys := fmt.Sprint(d.Keys)
	if d.MoreKeys {
		keys = "more than " + keys
	}
	err := form.print(p.stdout, d, []apikey.ID{apikey.ID(d.ID)}, func(w io.Writer) error {
		return printRows(w, [][]string{{"owner", d.ID}, {"deleted", time.Now().UTC().Format(time.RFC3339)}, {"keys", keys}})
	})
	if err != nil || d.Keys == 0 {
		return err
	}
	_, err = fmt.Fprintf(p.stderr, "Keys that bear the id: %s. They stay as they are; warder keys list --owner shows them.\n", keys)
	return err
}
