package contract_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/warder-dev/warder/contract"
)

// changes compares the only operations of two documents, a line each; "-" marks
// what is not less.
func changes(tb testing.TB, before, now string, openQuery bool) string {
	tb.Helper()
	var both [2]*contract.Operation
	for i, text := range []string{before, now} {
		d, err := contract.Read([]byte(text), contract.Options{})
		if err != nil {
			tb.Fatalf("%s: %v", text, err)
		}
		both[i] = d.Operations[0]
	}
	var all []string
	for _, c := range both[1].Changes(both[0], openQuery) {
		line := c.String()
		if !c.Less {
			line = "- " + line
		}
		all = append(all, line)
	}
	return strings.Join(all, "\n")
}

// TestSchemasThatAskForLess has schemas of a body before and now, what is told, and
// what is told when it is the other way round.
func TestSchemasThatAskForLess(t *testing.T) {
	const person = `{"type": "object", "properties": {"name": {"type": "string"}}, "additionalProperties": false}`
	for _, tt := range []struct{ name, before, now, told, back string }{
		{"nothing", person, person, "", ""},
		{"a maximum", `{"type": "integer", "maximum": 100}`, `{"type": "integer"}`, "# maximum is gone, it was 100", ""},
		{"a maximum that is higher", `{"type": "integer", "maximum": 100}`, `{"type": "integer", "maximum": 1000}`, "# maximum is 1000, it was 100", ""},
		{"a bound that becomes open", `{"type": "number", "minimum": 0}`, `{"type": "number", "exclusiveMinimum": 0}`, "", "# minimum is 0, it was beyond 0"},
		{"multiples", `{"type": "integer", "multipleOf": 2}`, `{"type": "integer", "multipleOf": 4}`, "", "# multipleOf is 2, it was 4"},
		{"integers", `{"type": "number"}`, `{"type": "integer"}`, "", "# takes numbers that are no integers"},
		{"another type", `{"type": "string"}`, `{"type": ["string", "array"]}`, "# takes array, it was string", ""},
		{"no type", `{"type": "string"}`, `{}`, "# takes null\n# takes boolean or object or array or number, it was string", ""},
		{"null", `{"type": "string"}`, `{"type": ["string", "null"]}`, "# takes null", ""},
		{"an enum with one more", `{"enum": ["a", "b"]}`, `{"enum": ["a", "b", "c"]}`, "# takes a value that was refused", ""},
		{"values that kept to the schema before", `{"type": "string", "maxLength": 3}`, `{"enum": ["a", "abc"]}`, "", "# takes values that are not listed"},
		{"a length", `{"type": "string", "maxLength": 3, "minLength": 1}`, `{"type": "string", "minLength": 2}`, "# maxLength is gone, it was 3", "# minLength is 1, it was 2"},
		{"a pattern", `{"type": "string", "pattern": "^a"}`, `{"type": "string", "pattern": "a"}`, "# pattern is another one", "# pattern is another one"},
		{"a format", `{"type": "string", "format": "uuid"}`, `{"type": "string"}`, "# format uuid is gone", ""},
		{"a format that says nothing here", `{"type": "string", "format": "email"}`, `{"type": "string"}`, "", ""},
		{"a narrower format", `{"type": "integer", "format": "int64"}`, `{"type": "integer", "format": "int32"}`, "", "# format int32 is gone"},
		{"what is about another type", `{"type": "string", "maxItems": 1}`, `{"type": "string"}`, "", ""},
		{"items", `{"type": "array", "items": {"type": "integer"}}`, `{"type": "array"}`, "#/* takes null\n#/* takes boolean or object or array or string or number, it was integer", ""},
		{"the first items", `{"type": "array", "prefixItems": [{"type": "integer"}], "items": {"type": "string"}}`, `{"type": "array", "items": {"type": "string"}}`, "#/0 takes string, it was integer", "#/0 takes integer, it was string"},
		{"numbers of items", `{"type": "array", "maxItems": 3, "uniqueItems": true}`, `{"type": "array", "maxItems": 30}`, "# maxItems is 30, it was 3\n# uniqueItems is gone", ""},
		{"a member that is needed", `{"required": ["a", "b"]}`, `{"required": ["a"]}`, "#/b is not required any more", ""},
		{"a member's type", `{"type": "object", "properties": {"a": {"properties": {"b": {"type": "integer"}}}}}`, `{"type": "object", "properties": {"a": {"properties": {"b": {"type": ["integer", "string"]}}}}}`, "#/a/b takes string, it was integer", ""},
		{"a member that is new", person, strings.Replace(person, `"name":`, `"age": {"type": "integer"}, "name":`, 1), "- #/age is new", ""},
		{"members that are not declared", person, strings.Replace(person, `, "additionalProperties": false`, ``, 1), "# takes members that are not declared", ""},
		{"a member that is gone from an open object", `{"type": "object", "properties": {"a": {"type": "integer"}}}`, `{"type": "object"}`, "#/a takes null\n#/a takes boolean or object or array or string or number, it was integer", ""},
		{"a member that was one of the others", `{"type": "object", "additionalProperties": {"type": "integer"}}`, `{"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": {"type": "integer"}}`, "#/a takes string, it was integer", "#/a takes integer, it was string"},
		{"all of, in another way", `{"allOf": [{"type": "string", "minLength": 1}, {"maxLength": 3}]}`, `{"type": "string", "minLength": 1, "maxLength": 3}`, "", ""},
		{"one of all", `{"allOf": [{"type": "string", "minLength": 1}, {"maxLength": 3}]}`, `{"allOf": [{"type": "string"}, {"maxLength": 3}]}`, "# minLength is gone, it was 1", ""},
		{"what is optional in the way of FastAPI", `{"anyOf": [{"type": "integer", "maximum": 9}, {"type": "null"}]}`, `{"anyOf": [{"type": "integer", "maximum": 99}, {"type": "null"}]}`, "# maximum is 99, it was 9", ""},
		{"another alternative", `{"anyOf": [{"type": "integer"}]}`, `{"anyOf": [{"type": "integer"}, {"type": "string"}]}`, "# anyOf has another alternative", ""},
		{"no alternatives", `{"anyOf": [{"required": ["a"]}, {"required": ["b"]}]}`, `{"required": ["a"]}`, "", "#/a is not required any more"},
		{"alternatives that are gone", `{"anyOf": [{"required": ["a"]}, {"required": ["b"]}]}`, `{}`, "# anyOf is gone", ""},
		{"one of, in another order", `{"oneOf": [{"required": ["a"]}, {"required": ["b"]}]}`, `{"oneOf": [{"required": ["b"]}, {"required": ["a"]}]}`, "", ""},
		{"narrower alternatives let pass what two held of", `{"oneOf": [{"maximum": 10}, {"minimum": 5}]}`, `{"oneOf": [{"maximum": 10}, {"minimum": 8}]}`, "# oneOf has other alternatives, or is gone", "# oneOf has other alternatives, or is gone"},
		{"but not where no value is two of them", `{"oneOf": [{"type": "string"}, {"type": "integer"}]}`, `{"oneOf": [{"type": "string", "maxLength": 3}, {"type": "integer"}]}`, "", "# maxLength is gone, it was 3"},
		{"not", `{"not": {"required": ["a"]}}`, `{"not": {"required": ["a", "b"]}}`, "# not is another one, or gone", ""},
		{"if and then", `{"if": {"required": ["a"]}, "then": {"required": ["b"]}}`, `{"if": {"required": ["a"]}}`, "# if, then or else is another one, or gone", ""},
		{"a contained item", `{"type": "array", "contains": {"const": 1}}`, `{"type": "array"}`, "# contains is another one, or gone", ""},
		{"the rest", `{"properties": {"a": {}}, "unevaluatedProperties": false}`, `{"properties": {"a": {}}}`, "# unevaluatedProperties stands beside something else, or is gone", ""},
		{"dependent members", `{"dependentRequired": {"a": ["b"]}}`, `{}`, "#/b is not needed any more beside a", ""},
		{"names", `{"propertyNames": {"maxLength": 3}}`, `{}`, "# propertyNames is another one, or gone", ""},
		{"members by pattern", `{"patternProperties": {"^n": {"type": "integer"}}}`, `{"patternProperties": {"^n": {"type": ["integer", "string"]}}}`, "#/* takes string, it was integer", ""},
		{"nothing at all", `false`, `{"const": 1}`, "# takes a value that was refused", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			const where = "body application/json "
			for i, want := range []string{tt.told, tt.back} {
				before, now := jsonBody(tt.before), jsonBody(tt.now)
				if i == 1 {
					before, now = now, before
				}
				got := strings.NewReplacer(where+"#", "#", where, "# ").Replace(changes(t, before, now, false))
				if got != want {
					t.Errorf("way %d: got:\n%s\nwant:\n%s", i, got, want)
				}
			}
		})
	}
}

func TestSchemasThatReferToThemselves(t *testing.T) {
	tree := func(member, rest string) string {
		return jsonBody(`{"$ref": "#/components/schemas/tree"}`, `, "components": {"schemas": {"tree": {"type": "object", "properties": {"left": {"$ref": "#/components/schemas/tree"}, "value": `+member+`}, "additionalProperties": `+rest+`}}}`)
	}
	if got := changes(t, tree(`{"type": "integer"}`, "false"), tree(`{"type": "integer"}`, "false"), false); got != "" {
		t.Errorf("the same: %s", got)
	}
	want := "body application/json #/value takes string, it was integer\nbody application/json takes members that are not declared"
	if got := changes(t, tree(`{"type": "integer"}`, "false"), tree(`{"type": ["integer", "string"]}`, "true"), false); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	// What was shown while something else was assumed does not count when that was wrong.
	nested := func(a string) string {
		return jsonBody(`{"anyOf": [{"$ref": "#/components/schemas/a"}, {"$ref": "#/components/schemas/b"}]}`, `, "components": {"schemas": {
			"a": {"type": "object", "properties": {"b": {"$ref": "#/components/schemas/b"}, "x": `+a+`}, "required": ["b"], "additionalProperties": false},
			"b": {"type": "object", "properties": {"a": {"$ref": "#/components/schemas/a"}, "y": {"type": "integer"}}, "additionalProperties": false}}}`)
	}
	if got := changes(t, nested(`{"type": "integer"}`), nested(`{"type": ["integer", "string"]}`), false); !strings.Contains(got, "/x takes string, it was integer") {
		t.Errorf("what is wrong further in is told as %q", got)
	}
}

func TestParametersThatAskForLess(t *testing.T) {
	parameter := func(in, members string) string {
		return document(get("/a/{p}", `"parameters": [{"in": "`+in+`", "name": "p", `+members+`}, {"in": "query", "name": "other", "schema": {}}]`))
	}
	none := document(get("/a/{p}", `"parameters": [{"in": "query", "name": "other", "schema": {}}]`))
	number := `"required": true, "schema": {"type": "integer", "maximum": 9}`
	for _, tt := range []struct {
		name, before, now string
		open              bool
		told              string
	}{
		{"the same", parameter("query", number), parameter("query", number), false, ""},
		{"a bound", parameter("query", number), parameter("query", `"required": true, "schema": {"type": "integer"}`), false, "query p maximum is gone, it was 9"},
		{"not required", parameter("query", number), parameter("query", `"schema": {"type": "integer", "maximum": 9}`), false, "query p is not required any more"},
		{"gone, and it was required", parameter("query", number), none, false, "query p is gone, it was required"},
		{"gone: then it is refused", parameter("query", `"schema": {"type": "integer"}`), none, false, ""},
		{"gone: then any text passes", parameter("query", `"schema": {"type": "integer"}`), none, true, "query p is not declared any more: any text passes"},
		{"gone, and any text passed", parameter("query", `"schema": {"type": "string"}`), none, true, ""},
		{"a field", parameter("header", `"schema": {"type": "integer"}`), none, false, "header P is not declared any more: any text passes"},
		{"a cookie", parameter("cookie", `"required": true, "schema": {"type": "string"}`), none, false, "cookie p is not declared any more: any text passes"},
		{"of a path", parameter("path", number), none, false, "path p is not declared any more: any text passes"},
		{"of a path, by another name", parameter("path", number), strings.NewReplacer("{p}", "{q}", `"name": "p"`, `"name": "q"`).Replace(parameter("path", number)), false, ""},
		{"new", none, parameter("query", number), false, "- query p is new"},
		{"new where everything passes", none, parameter("query", number), true, ""},
		{"of a path, new", none, parameter("path", number), false, ""},
		{"no schema", parameter("query", `"schema": {"type": "integer"}`), parameter("query", `"schema": {}`), false, "query p takes boolean or object or array or string or number, it was integer"},
		{"from any text to a number", parameter("query", `"schema": {"type": "string"}`), parameter("query", `"schema": {"type": "integer"}`), false, ""},
		{"from a short text to a number", parameter("query", `"schema": {"type": "string", "maxLength": 2}`), parameter("query", `"schema": {"type": "integer"}`), false, "query p takes integer, it was string"},
		{"without a value", parameter("query", number), parameter("query", number+`, "allowEmptyValue": true`), false, "query p may be there without a value"},
		{"in another style", parameter("query", `"schema": {"type": "array", "items": {"type": "integer"}}`), parameter("query", `"explode": false, "schema": {"type": "array", "items": {"type": "integer"}}`), false, "query p is written in another way"},
		{"as JSON", parameter("query", number), parameter("query", `"required": true, "content": {"application/json": {"schema": {"type": "integer", "maximum": 9}}}`), false, "query p is written in another way"},
		{"names that nobody declares", none, document(get("/a/{p}", `"x-warder-unknown-query": "allow", "parameters": [{"in": "query", "name": "other", "schema": {}}]`)), false, "query takes parameters that are not declared"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := changes(t, tt.before, tt.now, tt.open); got != tt.told {
				t.Errorf("got:\n%s\nwant:\n%s", got, tt.told)
			}
		})
	}
}

func TestBodiesThatAskForLess(t *testing.T) {
	body := func(required bool, content string) string {
		return document(fmt.Sprintf(`"/a": {"post": {"requestBody": {"required": %v, "content": {%s}}}}`, required, content))
	}
	const number, text, forms = `"application/json": {"schema": {"type": "integer"}}`, `"application/json": {"schema": {"type": ["integer", "string"]}}`,
		`"multipart/form-data": {"schema": {"type": "object", "properties": {"a": {"type": "object"}}}`
	none := document(`"/a": {"post": {}}`)
	for _, tt := range []struct{ name, before, now, told string }{
		{"not required", body(true, number), body(false, number), "body is not required any more"},
		{"gone", body(true, number), none, "body is not required any more"},
		{"gone, and not required", body(false, number), none, ""},
		{"where there was none", none, body(false, number), "body is taken, there was to be none"},
		{"another type", body(true, number), body(true, number+`, "image/png": {}`), "body image/png is taken, it was refused"},
		{"one type less", body(true, number+`, "image/png": {}`), body(true, number), ""},
		{"every type", body(true, number), body(true, number+`, "*/*": {}`), "body */* is taken, it was refused"},
		{"every type, and then one with a schema", body(true, `"*/*": {}`), body(true, `"*/*": {}, `+number), ""},
		{"what every type allows in place of a schema", body(true, `"*/*": {}, `+number), body(true, `"*/*": {}`), "body application/json # takes null\nbody application/json # takes boolean or object or array or string or number, it was integer"},
		{"a schema", body(true, number), body(true, text), "body application/json # takes string, it was integer"},
		{"how a member is written", body(true, forms+`}`), body(true, forms+`, "encoding": {"a": {"contentType": "text/plain", "explode": false}}}`), "body multipart/form-data #/a is written in another way"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := strings.ReplaceAll(changes(t, tt.before, tt.now, false), "json takes", "json # takes"); got != tt.told {
				t.Errorf("got:\n%s\nwant:\n%s", got, tt.told)
			}
		})
	}
}

// A maker makes schemas and values by chance, out of few words, so that they meet.
type maker struct{ *rand.Rand }

func (m maker) one(of ...string) string { return of[m.IntN(len(of))] }

func (m maker) schema(depth int) string {
	var members []string
	add := func(chance int, text func() string) {
		if m.IntN(chance) == 0 {
			members = append(members, text())
		}
	}
	kind := m.one("integer", "number", "string", "object", "array", "boolean", "")
	if kind != "" {
		members = append(members, `"type": "`+kind+`"`)
	}
	if kind == "integer" || kind == "number" {
		add(3, func() string {
			return fmt.Sprintf(`"%s": %d`, m.one("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), m.IntN(4))
		})
		add(6, func() string { return fmt.Sprintf(`"multipleOf": %s`, m.one("1", "2", "0.5")) })
	}
	if kind == "string" {
		add(3, func() string { return fmt.Sprintf(`"%s": %d`, m.one("minLength", "maxLength"), m.IntN(3)) })
		add(5, func() string { return `"pattern": "` + m.one("^a", "b$") + `"` })
	}
	add(8, func() string {
		return `"enum": [` + m.one("1", `"a"`, "null", "[]", "true") + "," + m.one("2", `"ab"`, "{}", "0.5") + "]"
	})
	if depth > 0 {
		sub := func() string { return m.schema(depth - 1) }
		list := func() string { return "[" + sub() + "," + sub() + "]" }
		if kind == "object" || kind == "" {
			add(2, func() string { return `"properties": {"a": ` + sub() + `, "` + m.one("b", "c") + `": ` + sub() + `}` })
			add(3, func() string { return `"required": ["` + m.one("a", "b") + `"]` })
			add(3, func() string { return `"additionalProperties": ` + m.one("false", "true", sub()) })
			add(6, func() string { return `"patternProperties": {"` + m.one("^a", "^b") + `": ` + sub() + `}` })
			add(8, func() string { return `"` + m.one("minProperties", "maxProperties") + `": ` + m.one("0", "1", "2") })
			add(8, func() string { return `"propertyNames": ` + sub() })
			add(8, func() string { return `"dependentRequired": {"a": ["` + m.one("b", "c") + `"]}` })
			add(9, func() string { return `"dependentSchemas": {"a": ` + sub() + `}` })
			add(9, func() string { return `"unevaluatedProperties": ` + m.one("false", sub()) })
		}
		if kind == "array" || kind == "" {
			add(2, func() string { return `"items": ` + sub() })
			add(4, func() string { return `"prefixItems": ` + m.one(list(), "["+sub()+"]") })
			add(5, func() string { return `"` + m.one("minItems", "maxItems") + `": ` + m.one("0", "1", "2") })
			add(8, func() string { return `"uniqueItems": true` })
			add(8, func() string { return `"contains": ` + sub() + `, "` + m.one("minContains", "maxContains") + `": 1` })
			add(9, func() string { return `"unevaluatedItems": ` + m.one("false", sub()) })
		}
		add(3, func() string { return `"` + m.one("anyOf", "oneOf", "oneOf", "allOf") + `": ` + list() })
		add(9, func() string { return `"not": ` + sub() })
		add(9, func() string { return `"if": ` + sub() + `, "then": ` + sub() + `, "else": ` + sub() })
	}
	return "{" + strings.Join(members, ", ") + "}"
}

// changed is text with one word of its own changed, so that the two are near.
func (m maker) changed(text string) string {
	words := []string{`"integer"`, `"number"`, `"string"`, `"object"`, `"minimum"`, `"exclusiveMinimum"`, `"maximum"`, `"exclusiveMaximum"`, `"anyOf"`, `"oneOf"`, `"allOf"`, `"required"`, `"x-none"`, `"a"`, `"b"`, `"items"`, `"minLength"`, `"maxLength"`, "false", "true", "1", "2", "0"}
	from, to := m.one(words...), m.one(words...)
	return strings.Replace(text, from, to, 1)
}

// near is a schema that has something to do with text.
func (m maker) near(text string) string {
	now := text
	for range m.IntN(4) {
		now = m.changed(now)
	}
	switch m.IntN(6) {
	case 0:
		return `{"allOf": [` + now + `, ` + m.schema(2) + `]}`
	case 1:
		return `{"` + m.one("anyOf", "oneOf") + `": [` + now + `, ` + m.changed(now) + `]}`
	case 2:
		return `{"` + m.one("minLength", "maxItems", "minimum", "maxProperties") + `": 1, ` + strings.TrimPrefix(now, "{")
	case 3:
		return m.schema(m.IntN(3))
	default:
		return now
	}
}

func (m maker) value(depth int) string {
	if depth > 0 && m.IntN(2) == 0 {
		if m.IntN(2) == 0 {
			var items []string
			for range m.IntN(4) {
				items = append(items, m.value(depth-1))
			}
			return "[" + strings.Join(items, ",") + "]"
		}
		var members []string
		for _, name := range []string{"a", "b", "c", "ab"} {
			if m.IntN(3) == 0 {
				members = append(members, `"`+name+`":`+m.value(depth-1))
			}
		}
		return "{" + strings.Join(members, ",") + "}"
	}
	return m.one("null", "true", "false", "0", "1", "2", "3", "0.5", "-1", `""`, `"a"`, `"ab"`, `"b"`, `"abc"`)
}

// FuzzChanges: where two schemas are told to differ in nothing, whatever the second
// takes the first takes too, by the stage that judges requests.
func FuzzChanges(f *testing.F) {
	for seed := range uint64(400) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		m := maker{rand.New(rand.NewPCG(seed, 8))} // by chance, and the same again
		before := m.schema(m.IntN(3))
		now := m.near(before)
		fronts := [2]*front{}
		for i, schema := range []string{before, now} {
			if !json.Valid([]byte(schema)) {
				return
			}
			d, err := contract.Read([]byte(jsonBody(schema)), contract.Options{})
			if err != nil {
				return
			}
			fronts[i] = frontOf(t, contract.Config{Operation: d.Operations[0]})
		}
		if told := changes(t, jsonBody(before), jsonBody(before), false); told != "" {
			t.Errorf("%s differs from itself: %s", before, told)
		}
		if changes(t, jsonBody(before), jsonBody(now), false) != "" {
			return
		}
		for range 40 {
			v := m.value(m.IntN(4))
			var status [2]int
			for i := range fronts {
				status[i], _ = fronts[i].send(t, request(http.MethodPost, "/a", "application/json", v))
			}
			if status[1] == http.StatusOK && status[0] != http.StatusOK {
				t.Errorf("nothing is told, and %s passes, which did not\nbefore: %s\nnow:    %s", v, before, now)
			}
		}
	})
}
