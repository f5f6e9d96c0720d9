package audit

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
)

// A Difference is one member of a state that is not what it was.
type Difference struct {
	Path   string          // its name, behind those of the objects that it is in: "detail.metadata.team"; "" for the state itself
	Before json.RawMessage // nil when it was not there
	After  json.RawMessage // nil when it is not there any more
}

// Diff returns what differs between the states of e, sorted by path. Lists are
// compared as a whole.
func (e *Event) Diff() []Difference {
	return diff(nil, "", e.Before, e.After)
}

func diff(all []Difference, path string, before, after json.RawMessage) []Difference {
	old, wasObject := object(before)
	now, isObject := object(after)
	if !wasObject && before != nil || !isObject && after != nil || !wasObject && !isObject {
		if !bytes.Equal(before, after) {
			all = append(all, Difference{path, before, after})
		}
		return all
	}
	names := slices.AppendSeq(slices.Collect(maps.Keys(old)), maps.Keys(now))
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		below := name
		if path != "" {
			below = path + "." + name
		}
		all = diff(all, below, old[name], now[name])
	}
	return all
}

// object returns the members of a JSON object; ok is false for anything else.
func object(text json.RawMessage) (members map[string]json.RawMessage, ok bool) {
	if len(text) == 0 || text[0] != '{' || json.Unmarshal(text, &members) != nil {
		return nil, false
	}
	return members, true
}
