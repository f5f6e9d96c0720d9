package login

import (
	"reflect"
	"slices"
	"strings"

	"github.com/warder-dev/warder/internal/jsonwalk"
)

// maxFaults is how many faults one answer names.
const maxFaults = 10

// faultsOf says what is wrong with body as a JSON object for members, a pointer to a
// struct of strings: each by its exact name and once, and all that have no omitzero.
// It is empty when nothing is. What passes encoding/json reads in one way only.
func faultsOf(body []byte, members any) string {
	const none = "body: want one JSON object in UTF-8, and nothing behind it"
	w, err := jsonwalk.New(body)
	if err != nil || w.Next().Kind != '{' {
		return none
	}
	known := membersOf(members)
	var faults, seen []string
	for w.More() {
		token := w.Next()
		name := token.Text()
		at := shown(name)
		if _, ok := known[name]; !ok {
			faults = append(faults, at+": is no member that can be set here")
		}
		if slices.Contains(seen, name) {
			faults = append(faults, at+": is there twice")
		}
		seen = append(seen, name)
		if fault := stringFault(w); fault != "" {
			faults = append(faults, at+": "+fault)
		}
		if len(faults) >= maxFaults {
			break
		}
	}
	for name, required := range known {
		if required && !slices.Contains(seen, name) {
			faults = append(faults, name+": is missing")
		}
	}
	slices.Sort(faults)
	return strings.Join(slices.Compact(faults), "; ")
}

// stringFault passes one value, and says what is wrong with it as a string.
func stringFault(w *jsonwalk.Walker) string {
	token := w.Next()
	for depth := 0; ; token = w.Next() {
		switch token.Kind {
		case '{', '[':
			depth++
			continue
		case '}', ']':
			if depth--; depth > 0 {
				continue
			}
		default:
			if depth > 0 {
				continue
			}
		}
		break
	}
	switch {
	case token.Kind != '"':
		return "want a string"
	case token.Half():
		return "want whole characters: half of a surrogate pair is none"
	case strings.Contains(token.Text(), "\x00"):
		return "want no NUL"
	}
	return ""
}

// membersOf are the names of members, each with whether it is required.
func membersOf(members any) map[string]bool {
	all := make(map[string]bool)
	for field := range reflect.TypeOf(members).Elem().Fields() {
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		all[name] = options != "omitzero"
	}
	return all
}

// shown is a name of the body's as an answer may repeat it: nothing long enough for a
// password or a link, and nothing that reads differently than it is.
func shown(name string) string {
	const most = 24
	if name == "" || len(name) > most || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_") != "" {
		return "(a name that is not repeated here)"
	}
	return name
}
