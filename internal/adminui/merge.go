package adminui

import (
	"encoding/json"
	"strings"

	"github.com/warder-dev/warder/client"
)

// base is what a form was filled with, so that it is known later what a person has
// changed in it.
func (f *form) base() string {
	all := make(map[string]string)
	for _, g := range f.Groups {
		for _, one := range g.Fields {
			all[one.Name] = one.Value
		}
	}
	text, err := json.Marshal(all)
	if err != nil {
		return "" // strings
	}
	return string(text)
}

// merge joins what a person has changed in the form with what somebody else has
// stored meanwhile. What the person left as it was becomes what is stored; where both
// have changed a field, it keeps what the person typed, and says what is stored.
func (f *form) merge(base string, k *client.Key) {
	was := make(map[string]string)
	_ = json.Unmarshal([]byte(base), &was) // without it, every field is the person's
	now := filled(k)
	for _, g := range now.Groups {
		for _, stored := range g.Fields {
			one := f.find(stored.Name)
			before, known := was[stored.Name]
			switch {
			case one == nil || f.same(stored.Name, now):
			case known && one.Value == strings.TrimSpace(before):
				one.Value, one.Adopted = stored.Value, true
			case !known || stored.Value != before:
				one.Stored, one.Changed = stored.Value, true
			}
		}
	}
}
