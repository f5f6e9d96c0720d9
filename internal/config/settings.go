package config

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/warder-dev/warder/secret"
)

// A Setting is a single value that the environment and flags can set too.
type Setting struct {
	Field   string // such as "log.level"
	Env     string // such as "WARDER_LOG_LEVEL"
	Flag    string // such as "log-level", without dashes
	Default string // as text; empty: none, or made from other fields
	Help    string // what the documentation of the field says
	Secret  bool   // the flag takes "file:/path" only
	Bool    bool   // the value is true or false
}

// Settings returns every setting in the order of [Config].
func Settings() []Setting { return settings(fieldComments()) }

func settings(comments map[string]string) []Setting {
	var list []Setting
	var walk func(t reflect.Type, path string)
	walk = func(t reflect.Type, path string) {
		for sf := range yamlFields(t) {
			field := path + sf.Tag.Get("yaml")
			switch {
			case isScalar(sf.Type):
				list = append(list, Setting{
					Field:   field,
					Env:     envPrefix + strings.ToUpper(strings.ReplaceAll(field, ".", "_")),
					Flag:    strings.NewReplacer(".", "-", "_", "-").Replace(field),
					Default: sf.Tag.Get("default"),
					Help:    comments[t.Name()+"."+sf.Name],
					Secret:  sf.Type == reflect.TypeFor[secret.Text](),
					Bool:    sf.Type.Kind() == reflect.Bool,
				})
			case sf.Type.Kind() == reflect.Struct:
				walk(sf.Type, field+".")
			}
		}
	}
	walk(reflect.TypeFor[Config](), "")
	return list
}

// yamlFields yields the fields of t that the file can set.
func yamlFields(t reflect.Type) func(yield func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for sf := range t.Fields() {
			if sf.Tag.Get("yaml") != "" && !yield(sf) {
				return
			}
		}
	}
}

// isScalar reports whether t is written as one YAML scalar.
func isScalar(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.String, reflect.Bool, reflect.Int, reflect.Int64:
		return true
	default:
		return t == reflect.TypeFor[secret.Text]()
	}
}

// fieldAt returns the field of the struct v with a dotted path of [Settings].
func fieldAt(v reflect.Value, path string) (reflect.Value, reflect.StructField) {
	name, rest, more := strings.Cut(path, ".")
	for sf := range yamlFields(v.Type()) {
		if sf.Tag.Get("yaml") != name {
			continue
		}
		if more {
			return fieldAt(v.FieldByIndex(sf.Index), rest)
		}
		return v.FieldByIndex(sf.Index), sf
	}
	panic("config: no field " + path) // paths come from Settings
}

// applyDefaults sets each field of the struct v that has a default, in nested
// structs too.
func applyDefaults(v reflect.Value) {
	for sf := range yamlFields(v.Type()) {
		f, text := v.FieldByIndex(sf.Index), sf.Tag.Get("default")
		switch {
		case !isScalar(sf.Type) && sf.Type.Kind() == reflect.Struct:
			applyDefaults(f)
		case text != "":
			if problem := parseInto(f, text); problem != "" {
				panic("config: default of " + sf.Name + " " + problem) // a test loads the defaults
			}
		}
	}
}

// limitText makes the tag values of bounds comparable: both durations and sizes.
func limitText(t reflect.Type, text string) int64 {
	v := reflect.New(t).Elem()
	if problem := parseInto(v, text); problem != "" {
		panic("config: bound " + text + " " + problem)
	}
	return v.Int()
}

func isDuration(t reflect.Type) bool { return t == reflect.TypeFor[time.Duration]() }

func isSize(t reflect.Type) bool { return t == reflect.TypeFor[Size]() }

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
