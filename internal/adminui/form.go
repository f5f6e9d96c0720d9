package adminui

import (
	"slices"
	"strings"

	"github.com/warder-dev/warder/client"
)

// A field is one of a form.
type field struct {
	Name, Label, Hint string
	Kind              string // "text", "area", "select", "when" or "password"
	Value             string
	Options           []option
	Error             string
	Stored            string // what is stored meanwhile, when somebody else has changed it; see Changed
	Changed           bool
	Adopted           bool // somebody else has changed it meanwhile, and the person has not
	Max               int
	Required          bool
	Complete          string // of autocomplete
}

// An option is one of a choice.
type option struct{ Value, Label string }

// A form is fields in groups; those after the first are folded.
type form struct{ Groups []group }

// A group is fields that belong together.
type group struct {
	Title  string
	Folded bool
	Fields []*field
}

// Open reports whether a folded group has something to see.
func (g group) Open() bool {
	return slices.ContainsFunc(g.Fields, func(f *field) bool { return f.Error != "" || f.Changed || f.Adopted })
}

// find returns a field, or nil.
func (f *form) find(name string) *field {
	for _, g := range f.Groups {
		for _, one := range g.Fields {
			if one.Name == name {
				return one
			}
		}
	}
	return nil
}

// blame writes faults of the API to their fields, and returns those that have none.
func (f *form) blame(faults []client.Fault) (rest []client.Fault) {
	for _, fault := range faults {
		name, _, _ := strings.Cut(fault.Field, "[")
		name, _, _ = strings.Cut(name, ".")
		if name == "never_expires" {
			name = "expires"
		}
		if one := f.find(name); one != nil {
			one.Error = join(one.Error, fault.Field+": "+fault.Message)
			continue
		}
		rest = append(rest, fault)
	}
	return rest
}

func join(before, more string) string {
	if before == "" {
		return more
	}
	return before + "; " + more
}

// take reads what was sent.
func (f *form) take(v *visit) {
	for _, g := range f.Groups {
		for _, one := range g.Fields {
			one.Value = strings.TrimSpace(strings.ReplaceAll(v.form.Get(one.Name), "\r\n", "\n"))
		}
	}
}

func (f *form) value(name string) string {
	if one := f.find(name); one != nil {
		return one.Value
	}
	return ""
}

func (f *form) blameField(name, message string) {
	if one := f.find(name); one != nil {
		one.Error = join(one.Error, message)
	}
}

// wrong reports whether a field has an error.
func (f *form) wrong() bool {
	return slices.ContainsFunc(f.Groups, func(g group) bool {
		return slices.ContainsFunc(g.Fields, func(one *field) bool { return one.Error != "" })
	})
}
