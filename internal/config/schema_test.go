package config_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/secret"
)

type object = map[string]any

func fields(v any) object { m, _ := v.(object); return m }

func entries(v any) []any { list, _ := v.([]any); return list }

func asText(v any) string { text, _ := v.(string); return text }

func number(v any) float64 { n, _ := v.(float64); return n }

func schema(t *testing.T) object {
	t.Helper()
	text, err := config.Schema()
	if err != nil {
		t.Fatal(err)
	}
	var s object
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// violation is what of value s does not accept, or nothing. It knows the
// keywords that our schema uses; another one is a violation too.
func violation(root, s object, value any, at string) string {
	for keyword, arg := range s {
		if problem := breaks(root, s, keyword, arg, value, at); problem != "" {
			return problem
		}
	}
	return ""
}

func breaks(root, s object, keyword string, arg, value any, at string) string {
	switch keyword {
	case "$schema", "$id", "$defs", "title", "description", "default":
		return ""
	case "$ref":
		name := strings.TrimPrefix(asText(arg), "#/$defs/")
		return violation(root, fields(fields(root["$defs"])[name]), value, at)
	case "anyOf":
		for _, one := range entries(arg) {
			if violation(root, fields(one), value, at) == "" {
				return ""
			}
		}
	case "type":
		if typeOf(value) == arg || arg == "number" && typeOf(value) == "integer" {
			return ""
		}
	case "const":
		if value == arg {
			return ""
		}
	case "enum":
		if slices.Contains(entries(arg), value) {
			return ""
		}
	case "pattern":
		if text, ok := value.(string); !ok || regexp.MustCompile(asText(arg)).MatchString(text) {
			return ""
		}
	case "minimum":
		if n, ok := value.(float64); !ok || n >= number(arg) {
			return ""
		}
	case "maximum":
		if n, ok := value.(float64); !ok || n <= number(arg) {
			return ""
		}
	case "required":
		m, ok := value.(object)
		for _, name := range entries(arg) {
			if _, given := m[asText(name)]; ok && !given {
				return at + ": no " + asText(name)
			}
		}
		return ""
	case "minProperties":
		if m := fields(value); float64(len(m)) >= number(arg) {
			return ""
		}
	case "maxProperties":
		if m := fields(value); float64(len(m)) <= number(arg) {
			return ""
		}
	case "items":
		for i, entry := range entries(value) {
			if problem := violation(root, fields(arg), entry, fmt.Sprintf("%s[%d]", at, i)); problem != "" {
				return problem
			}
		}
		return ""
	case "properties":
		for name, field := range fields(value) {
			if p, known := fields(arg)[name]; known {
				if problem := violation(root, fields(p), field, at+"."+name); problem != "" {
					return problem
				}
			}
		}
		return ""
	case "additionalProperties":
		known := fields(s["properties"])
		for name, field := range fields(value) {
			if _, ok := known[name]; ok {
				continue
			}
			if arg == false {
				return at + ": unknown " + name
			}
			if problem := violation(root, fields(arg), field, at+"."+name); problem != "" {
				return problem
			}
		}
		return ""
	}
	return at + ": breaks " + keyword
}

func typeOf(value any) string {
	switch v := value.(type) {
	case string:
		return "string"
	case bool:
		return "boolean"
	case float64:
		if v == float64(int64(v)) {
			return "integer"
		}
		return "number"
	case []any:
		return "array"
	case object:
		return "object"
	default:
		return "null"
	}
}

func yamlValue(t *testing.T, text string) any {
	t.Helper()
	asJSON, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(asJSON, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestSchemaAccepts(t *testing.T) {
	root := schema(t)
	for name, text := range map[string]string{
		"example":   config.Example(),
		"shorthand": shorthand,
		"forms":     "timeouts: {idle: 1d12h, drain: 0, write: 1.5h}\nlimits: {body_bytes: unlimited, header_bytes: 4096, target_bytes: 8 KiB}\npeppers: {value: 'file:/p'}\n",
		"variables": "timeouts: {idle: '${A}'}\nlimits: {body_bytes: '${A}', connections: '${A}'}\npeppers: {value: '${A}'}\nlog: {level: '${A}'}\ninsecure_admin_listen: '${A}'\n",
		"bounds":    "keys: {cache_size: 10000000}\nlimits: {connections: 0}\n",
	} {
		if problem := violation(root, root, yamlValue(t, text), "$"); problem != "" {
			t.Errorf("%s: %s, want it accepted", name, problem)
		}
	}
}

func TestSchemaRefuses(t *testing.T) {
	root := schema(t)
	for _, text := range []string{
		"listn: a", "listen: 5", "log: {level: loud}", "log: {level: [info]}", "log: 5", "keys: {cache_size: -1}", "keys: {cache_size: 10000001}",
		"keys: {cache_size: many}", "keys: {cache_size: 1.5}", "timeouts: {idle: 5}", "timeouts: {idle: soon}", "timeouts: {idle: 5 s}", "timeouts: {nothing: 5s}",
		"limits: {body_bytes: 5 apples}", "limits: {body_bytes: -1}", "limits: {connections: 1000001}", "insecure_admin_listen: 'yes'",
		"peppers: {value: plain}", "upstreams: {a: {}}", "upstreams: {a: {url: 5}}", "upstreams: [a]", "routes: {}", "routes: [{upstream: a}]",
		"routes: [{match: /, upstream: a, allow: [all]}]", "routes: [{match: /, upstream: a, scopes: a}]",
		"schemes: {a: {}}", "schemes: {a: {key: {}, session: {}}}", "schemes: {a: {key: {in: body}}}", "schemes: {a: {jwt: {}}}", "security: {a: []}", "security: [{a: b}]",
		"routes: [{match: /, upstream: a, conditions: [{}]}]", "session: {oidc: {issuer: a}}", "routes: [{match: /, upstream: a, x: 1}]", "[]", "a",
	} {
		if violation(root, root, yamlValue(t, text), "$") == "" {
			t.Errorf("%s: accepted, want a violation", text)
		}
	}
}

// structTypes collects the names of the structs that a file can set.
func structTypes(t reflect.Type, names map[string]bool) map[string]bool {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Map || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t == reflect.TypeFor[secret.Text]() || names[t.Name()] {
		return names
	}
	names[t.Name()] = true
	for sf := range t.Fields() {
		if sf.Tag.Get("yaml") != "" {
			structTypes(sf.Type, names)
		}
	}
	return names
}

func TestSchemaDescribesEveryField(t *testing.T) {
	root := schema(t)
	structs := object{"Config": root}
	maps.Copy(structs, fields(root["$defs"]))
	delete(structs, "Alternative") // a map
	if want := structTypes(reflect.TypeFor[config.Config](), map[string]bool{}); len(structs) != len(want) {
		t.Errorf("there are %d structs, want %d: %v", len(structs), len(want), slices.Sorted(maps.Keys(want)))
	}
	for name, s := range structs {
		for field, p := range fields(fields(s)["properties"]) {
			if text := asText(fields(p)["description"]); len(text) < 20 {
				t.Errorf("%s.%s: description is %q", name, field, text)
			}
		}
	}
	for _, s := range config.Settings() {
		if s.Help == "" {
			t.Errorf("%s has no help", s.Field)
		}
	}
}

func TestExampleNamesEveryField(t *testing.T) {
	if _, err := load(t, config.Example(), config.Source{}); err != nil {
		t.Errorf("Load(Example()): %v", err)
	}
	root := schema(t)
	structs := []any{root}
	for _, s := range fields(root["$defs"]) {
		structs = append(structs, s)
	}
	for _, s := range structs {
		for field := range fields(fields(s)["properties"]) {
			if !strings.Contains(config.Example(), field+":") {
				t.Errorf("the example does not name %s", field)
			}
		}
	}
}
