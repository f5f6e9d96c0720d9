package main

import (
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/config"
)

// A format is a value of --output.
type format string

// The formats. Results go to stdout in one of them, chatter to stderr.
const (
	asTable  format = "table"
	asJSON   format = "json"
	asYAML   format = "yaml"
	asID     format = "id"
	asSecret format = "secret"
)

// parseFormat refuses what the command cannot print.
func parseFormat(value string, allowed ...format) (format, error) {
	if slices.Contains(allowed, format(value)) {
		return format(value), nil
	}
	names := make([]string, len(allowed))
	for i, f := range allowed {
		names[i] = string(f)
	}
	return "", fail(exitUsage, "", "--output %q: want one of %s", printable(value), strings.Join(names, ", "))
}

// A keyView is what a person or a script sees of a key.
type keyView struct {
	ID          apikey.ID          `json:"id" yaml:"id"`
	Key         string             `json:"key,omitempty" yaml:"key,omitempty"` // the text: in the answer to create only
	Masked      string             `json:"masked" yaml:"masked"`
	State       apikey.State       `json:"state" yaml:"state"`
	Environment apikey.Environment `json:"environment" yaml:"environment"`
	Name        string             `json:"name" yaml:"name"`
	Owner       string             `json:"owner" yaml:"owner"`
	OwnerName   string             `json:"owner_name,omitempty" yaml:"owner_name,omitempty"` // of the owner's record: in the answers to show, list and find only
	Scopes      []string           `json:"scopes" yaml:"scopes"`
	Created     time.Time          `json:"created" yaml:"created"`
	Expires     *time.Time         `json:"expires,omitempty" yaml:"expires,omitempty"`
	Revoked     *time.Time         `json:"revoked,omitempty" yaml:"revoked,omitempty"`
	Reason      string             `json:"reason,omitempty" yaml:"reason,omitempty"`
	Certificate string             `json:"certificate,omitempty" yaml:"certificate,omitempty"` // fingerprint of the one that the key is bound to
	Imported    string             `json:"imported,omitempty" yaml:"imported,omitempty"`       // the form in which the key of another system is stored
	Kind        apikey.Kind        `json:"kind" yaml:"kind"`
	Plan        string             `json:"plan,omitempty" yaml:"plan,omitempty"`
	Limits      []string           `json:"limits,omitempty" yaml:"limits,omitempty"` // as --limit has them
	Addresses   []string           `json:"addresses,omitempty" yaml:"addresses,omitempty"`
	Methods     []string           `json:"methods,omitempty" yaml:"methods,omitempty"`
	Paths       []string           `json:"paths,omitempty" yaml:"paths,omitempty"`
	Origins     []string           `json:"origins,omitempty" yaml:"origins,omitempty"`
	IdleRevoke  string             `json:"idle_revoke,omitempty" yaml:"idle_revoke,omitempty"`
	Metadata    map[string]string  `json:"metadata,omitempty" yaml:"metadata,omitempty"`
	Updated     *time.Time         `json:"updated,omitempty" yaml:"updated,omitempty"`
	Secrets     []secretView       `json:"secrets" yaml:"secrets"` // the current one first
	Revision    apikey.Revision    `json:"revision" yaml:"revision"`
	Nodes       *nodesView         `json:"nodes,omitempty" yaml:"nodes,omitempty"` // in the answer to revoke only
}

// A secretView is one secret of a key, without anything of it.
type secretView struct {
	Number  int        `json:"number" yaml:"number"`
	Created time.Time  `json:"created" yaml:"created"`
	Retires *time.Time `json:"retires,omitempty" yaml:"retires,omitempty"` // when it ends, after a roll
	Idle    string     `json:"idle_retire,omitempty" yaml:"idle_retire,omitempty"`
	Format  string     `json:"format,omitempty" yaml:"format,omitempty"` // of one that was imported
}

// A nodesView is the receipt of a revocation.
type nodesView struct {
	Live      int      `json:"live" yaml:"live"`
	Confirmed int      `json:"confirmed" yaml:"confirmed"`
	Missing   []string `json:"missing,omitempty" yaml:"missing,omitempty"`
	Took      string   `json:"took" yaml:"took"`
}

func view(r apikey.Record, now time.Time) keyView {
	v := keyView{
		ID: r.ID, Masked: fmt.Sprintf("%s_%s_%s...", r.Prefix, r.Environment, r.ID), State: r.State(now), Environment: r.Environment,
		Name: r.Name, Owner: r.Owner, Scopes: r.Scopes, Created: r.Created.UTC().Truncate(time.Second), Reason: r.Reason, Revision: r.Revision,
	}
	if v.Scopes == nil {
		v.Scopes = []string{}
	}
	if len(r.Secrets) > 0 {
		v.Imported = r.Secrets[0].Format
	}
	v.Kind, v.Plan, v.Methods, v.Paths, v.Origins, v.Metadata = r.KindOf(), r.Plan, r.Methods, r.Paths, r.Origins, r.Metadata
	for _, q := range r.Limits {
		v.Limits = append(v.Limits, config.QuotaText(q))
	}
	for _, p := range r.Addresses {
		v.Addresses = append(v.Addresses, p.String())
	}
	if r.IdleRevoke > 0 {
		v.IdleRevoke = config.DurationText(r.IdleRevoke)
	}
	if !r.Updated.IsZero() {
		v.Updated = new(r.Updated.UTC().Truncate(time.Second))
	}
	v.Secrets = secretViews(r.Secrets)
	if r.Bound() {
		v.Certificate = sumPrefix + hex.EncodeToString(r.Certificate[:])
	}
	if !r.Expires.IsZero() {
		v.Expires = new(r.Expires.UTC().Truncate(time.Second))
	}
	if !r.Revoked.IsZero() {
		v.Revoked = new(r.Revoked.UTC().Truncate(time.Second))
	}
	return v
}

func secretViews(secrets []apikey.Secret) []secretView {
	views := make([]secretView, len(secrets))
	for i, s := range secrets {
		views[i] = secretView{Number: s.Number, Created: s.Created.UTC().Truncate(time.Second), Format: s.Format}
		if !s.Retires.IsZero() {
			views[i].Retires = new(s.Retires.UTC().Truncate(time.Second))
		}
		if s.IdleRetire > 0 {
			views[i].Idle = config.DurationText(s.IdleRetire)
		}
	}
	return views
}

// print writes one key or a list of them; table is called for the table form.
func (f format) print(w io.Writer, value any, ids []apikey.ID, table func(w io.Writer) error) error {
	switch f {
	case asJSON:
		return printJSON(w, value)
	case asYAML:
		text, err := yaml.Marshal(value)
		if err != nil {
			return err
		}
		if unshown(string(text)) {
			return printJSON(w, value) // which is YAML as well, and escapes them
		}
		_, err = w.Write(text)
		return err
	case asID:
		for _, id := range ids {
			if _, err := fmt.Fprintln(w, shown(string(id))); err != nil {
				return err
			}
		}
		return nil
	case asTable, asSecret:
		return table(w)
	default:
		return table(w)
	}
}

// printRows writes aligned columns. What a terminal would take for a command is escaped:
// a server may say anything.
func printRows(w io.Writer, rows [][]string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = shown(cell)
		}
		if _, err := fmt.Fprintln(t, strings.Join(cells, "\t")); err != nil {
			return err
		}
	}
	return t.Flush()
}

// rows returns the fields of one key for a person.
func (v keyView) rows() [][]string {
	rows := [][]string{{"id", string(v.ID)}}
	if v.Key != "" {
		rows = append(rows, []string{"key", v.Key})
	} else {
		rows = append(rows, []string{"key", v.Masked})
	}
	rows = append(rows, []string{"state", string(v.State)}, []string{"environment", string(v.Environment)},
		[]string{"name", dash(v.Name)}, []string{"owner", dash(v.Owner)})
	if v.OwnerName != "" {
		rows = append(rows, []string{"owner name", v.OwnerName})
	}
	rows = append(rows, []string{"scopes", dash(strings.Join(v.Scopes, " "))},
		[]string{"created", v.Created.Format(time.RFC3339)}, []string{"expires", moment(v.Expires, "never")})
	if v.Certificate != "" {
		rows = append(rows, []string{"certificate", v.Certificate})
	}
	if v.Imported != "" {
		rows = append(rows, []string{"imported as", v.Imported})
	}
	rows = append(rows, v.narrowing()...)
	if v.Revoked != nil {
		rows = append(rows, []string{"revoked", moment(v.Revoked, "")}, []string{"reason", dash(v.Reason)})
	}
	return append(rows, []string{"revision", fmt.Sprint(v.Revision)})
}

// narrowing returns what few keys have.
func (v keyView) narrowing() (rows [][]string) {
	add := func(name, value string) {
		if value != "" {
			rows = append(rows, []string{name, value})
		}
	}
	if v.Kind != apikey.KindSecret {
		add("kind", string(v.Kind))
	}
	add("addresses", strings.Join(v.Addresses, " "))
	add("methods", strings.Join(v.Methods, " "))
	add("paths", strings.Join(v.Paths, " "))
	add("origins", strings.Join(v.Origins, " "))
	add("plan", v.Plan)
	add("limits", strings.Join(v.Limits, " "))
	add("idle revoke", v.IdleRevoke)
	for _, name := range slices.Sorted(maps.Keys(v.Metadata)) {
		add("meta "+name, dash(v.Metadata[name]))
	}
	for _, s := range v.Secrets {
		if s.Retires == nil {
			continue
		}
		text := "until " + s.Retires.Format(time.RFC3339)
		if s.Idle != "" {
			text += ", or unused for " + s.Idle
		}
		add(fmt.Sprintf("secret %d", s.Number), text)
	}
	return rows
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func moment(t *time.Time, none string) string {
	if t == nil {
		return none
	}
	return t.Format(time.RFC3339)
}
