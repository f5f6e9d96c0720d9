package server_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/warder-dev/warder/account/login"
	"github.com/warder-dev/warder/internal/wire"
)

// A form is what the document says of a value.
type form struct {
	Ref           string           `json:"$ref"`
	Type          string           `json:"type"`
	Format        string           `json:"format"`
	Pattern       string           `json:"pattern"`
	Enum          []any            `json:"enum"`
	Examples      []any            `json:"examples"`
	Properties    map[string]*form `json:"properties"`
	Required      []string         `json:"required"`
	Items         *form            `json:"items"`
	More          json.RawMessage  `json:"additionalProperties"` // false, or a form
	MaxLength     *int             `json:"maxLength"`
	MinLength     *int             `json:"minLength"`
	MaxItems      *int             `json:"maxItems"`
	MinItems      *int             `json:"minItems"`
	MaxProperties *int             `json:"maxProperties"`
	Minimum       *float64         `json:"minimum"`
	Maximum       *float64         `json:"maximum"`
}

// strict reports whether a text has to be one of a few, or of a shape.
func (f *form) strict() bool {
	return f.Type != "string" || f.Pattern != "" || len(f.Enum) > 0 || f.Format == "date-time"
}

// fits reports whether a text has the shape that it has to have: one that does is a
// word like any other.
func (f *form) fits(text string) bool {
	return f.Type == "string" && f.Pattern != "" && len(f.Enum) == 0 && f.Format == "" && regexp.MustCompile(f.Pattern).MatchString(text) &&
		len(text) >= deref(f.MinLength) && len(text) <= cmp.Or(deref(f.MaxLength), len(text))
}

// beyond are the numbers next to those that it may be.
func (f *form) beyond() (numbers []string) {
	if f.Minimum != nil {
		numbers = append(numbers, strconv.FormatFloat(*f.Minimum-1, 'f', 0, 64))
	}
	if f.Maximum != nil {
		numbers = append(numbers, strconv.FormatFloat(*f.Maximum+1, 'f', 0, 64))
	}
	return numbers
}

// resolve follows a reference.
func (b *besieged) resolve(f *form) *form {
	if f.Ref == "" {
		return f
	}
	return b.document.Components.Schemas[strings.TrimPrefix(f.Ref, "#/components/schemas/")]
}

// more is the form of members that have no name in f; nil when there are none.
func (f *form) more() *form {
	var more form
	if json.Unmarshal(f.More, &more) != nil || more.Type == "" {
		return nil
	}
	return &more
}

// sample is a value that f takes, as far as its schema says.
func (b *besieged) sample(f *form) any {
	f = b.resolve(f)
	switch {
	case len(f.Examples) > 0:
		return f.Examples[0]
	case len(f.Enum) > 0:
		return f.Enum[0]
	case f.Format == "date-time":
		return "2040-01-31T12:00:00Z"
	}
	switch f.Type {
	case "object":
		all := map[string]any{}
		for _, name := range f.Required {
			all[name] = b.sample(f.Properties[name])
		}
		return all
	case "array":
		return []any{b.sample(f.Items)}
	case "integer", "number":
		return 1
	case "boolean":
		return true
	default:
		return "sample"
	}
}

// An asIs value stands in a body as it is, also where that is no JSON.
type asIs string

// rendered is v as JSON, with its raw values.
func rendered(v any) string {
	var s strings.Builder
	render(&s, v)
	return s.String()
}

func render(s *strings.Builder, v any) {
	switch v := v.(type) {
	case asIs:
		s.WriteString(string(v))
	case map[string]any:
		for i, name := range slices.Sorted(maps.Keys(v)) {
			s.WriteString([]string{"{", ","}[min(i, 1)])
			render(s, name)
			s.WriteString(":")
			render(s, v[name])
		}
		s.WriteString([]string{"{}", "}"}[min(len(v), 1)])
	case []any:
		for i, one := range v {
			s.WriteString([]string{"[", ","}[min(i, 1)])
			render(s, one)
		}
		s.WriteString([]string{"[]", "]"}[min(len(v), 1)])
	default:
		text, err := json.Marshal(v)
		if err != nil {
			panic(err) // what was decoded before
		}
		s.Write(text)
	}
}

// A place is one value of a body, with what is around it.
type place struct {
	form *form
	path string // such as limits[0].count
	also string // as which the program may name it as well: the list or the notes that it is in; "" for none
	put  func(v any) string
	has  any // what is there
}

// names are how a refusal may name the place.
func (p *place) names() []string {
	if p.also != "" {
		return []string{p.path, p.also}
	}
	return []string{p.path}
}

// places are the body itself and all that can be in it, each within a body that is taken
// otherwise.
func (b *besieged) places(a *aim) (all []place) {
	if a.body == nil {
		return nil
	}
	root := b.resolve(a.o.RequestBody.Content["application/json"].Schema)
	return b.within(root, place{path: "body", put: rendered, has: a.body})
}

// within are p, which has the form f, and the places in it.
func (b *besieged) within(f *form, p place) (all []place) {
	p.form = f
	all = append(all, p)
	add := func(f *form, path, also string, has any, put func(v any) any) {
		all = append(all, b.within(b.resolve(f), place{path: path, also: also, has: has, put: func(v any) string { return p.put(put(v)) }})...)
	}
	switch f.Type {
	case "object":
		members, ok := p.has.(map[string]any)
		if !ok {
			members = map[string]any{}
		}
		for _, name := range slices.Sorted(maps.Keys(f.Properties)) {
			has, ok := members[name]
			if !ok {
				has = b.sample(f.Properties[name])
			}
			also := ""
			if strings.HasSuffix(p.path, "limits[0]") { // the keys' own rules name the list, and say which of it
				also = strings.TrimSuffix(p.path, "[0]")
			}
			add(f.Properties[name], join(p.path, name), also, has, func(v any) any { return with(members, name, v) })
		}
		if more := f.more(); more != nil {
			add(more, join(p.path, "note"), p.path, "text", func(v any) any { return with(members, "note", v) })
		}
	case "array":
		has := b.sample(f.Items)
		if elements, ok := p.has.([]any); ok && len(elements) > 0 {
			has = elements[0]
		}
		add(f.Items, p.path+"[0]", p.path, has, func(v any) any { return []any{v} })
	}
	return all
}

// join is the path of a member.
func join(path, name string) string {
	if path == "body" {
		return name
	}
	return path + "." + name
}

// with is a copy of members in which one is v, and of those that exclude each other no
// other one.
func with(members map[string]any, name string, v any) map[string]any {
	all := maps.Clone(members)
	all[name] = v
	pairs := [][2]string{{"owner", "key"}, {"key", "key_id"}, {"recovery_code", "code"}, {"anywhere", "from"}, {"never_expires", "expires"}, {"subject", "parts"}}
	if _, imported := members["number"]; imported {
		pairs = [][2]string{{"digest", "key"}}
	}
	for _, pair := range pairs {
		for i, one := range pair {
			if other := pair[1-i]; one == name && all[other] != nil {
				delete(all, other)
			}
		}
	}
	if _, bulk := members["keys"].([]any); bulk && (name == "owner" || name == "environment") {
		delete(all, "keys")
		all["count"] = 1
	}
	return all
}

const mebibyte = 1 << 20

// unreadable sends what is no text, or one that nobody should have to read, and what is
// too long.
func (b *besieged) unreadable(t *testing.T, o *besiegedOperation, a *aim) {
	t.Helper()
	bad := wanted{statuses: []int{http.StatusBadRequest}}
	for _, p := range o.Parameters {
		bad.fields = []string{p.Name}
		switch p.In {
		case "path":
			for _, text := range append(b.nextUnseen(3), "a\xff", strings.Repeat("a", 300)) {
				// The target of a request may be refused before an operation is known, and
				// names no parameter then.
				b.send(t, o, strings.Replace(o.path, "{"+p.Name+"}", url.PathEscape(text), 1), a.text(t), a.fields...).refused(t, o.ID+": a path with "+strconv.Quote(text), wanted{statuses: []int{http.StatusBadRequest, http.StatusNotFound}})
			}
		case "query":
			for _, text := range []string{"a\x00", "a\xff", strings.Repeat("a", cmp.Or(deref(p.Schema.MaxLength), 2048)+1)} {
				b.query(t, a, p.Name, text).refused(t, fmt.Sprintf("%s: %s=%.20q", o.ID, p.Name, text), bad)
			}
		case "header":
			b.header(t, a, p.Name, strings.Repeat("a", cmp.Or(deref(p.Schema.MaxLength), 2048)+1)).refused(t, o.ID+": long "+p.Name, bad)
		}
	}
	for _, p := range b.places(a) {
		if p.form.Type == "string" {
			b.unreadableText(t, a, &p)
		}
	}
}

// tooLongHead sends 1 MiB where it is too much for any operation: it is answered before
// one is known, as net/http answers it.
func (b *besieged) tooLongHead(t *testing.T) {
	t.Helper()
	long := strings.Repeat("a", mebibyte)
	for what, head := range map[string]string{
		"a query":           "GET /v1/keys?text=" + long + " HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"a path":            "GET /v1/keys/" + long + " HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"If-Match":          "DELETE /v1/keys/AAAAAAAAAAAA HTTP/1.1\r\nHost: localhost\r\nIf-Match: \"" + long + "\"\r\n\r\n",
		"Idempotency-Key":   "POST /v1/keys HTTP/1.1\r\nHost: localhost\r\nIdempotency-Key: " + long + "\r\n\r\n",
		"Authorization":     "GET /v1/keys HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + long + "\r\n\r\n",
		"a cookie":          "POST /v1/account/logout HTTP/1.1\r\nHost: localhost\r\nCookie: " + login.Cookie + "=" + long + "\r\n\r\n",
		"a name of a field": "GET /v1/keys HTTP/1.1\r\nHost: localhost\r\n" + long + ": a\r\n\r\n",
	} {
		c := wire.Dial(t, b.admin)
		sent := make(chan struct{})
		go func() { c.Send(head); close(sent) }()
		if answer, text := c.Response(http.MethodGet); answer.StatusCode != http.StatusRequestHeaderFieldsTooLarge && answer.StatusCode != http.StatusRequestURITooLong {
			t.Errorf("%s of 1 MiB: %d %.200s", what, answer.StatusCode, text)
		}
		_ = c.Close() // what was not taken need not be waited for
		<-sent
	}
}

// keysInAddresses sends the text of a key in every part of an address and in every
// field: none of them is taken, and neither an answer nor what is kept has it.
func (b *besieged) keysInAddresses(t *testing.T, operations []*besiegedOperation) {
	t.Helper()
	text := b.newKey(t).text
	wrong := text[:len(text)-6] + strings.Repeat("0", 6)
	tail := text[len(text)-38 : len(text)-6]
	attacks := map[string]func(){}
	for _, o := range operations {
		a := b.aim(t, o)
		attacks[o.ID] = func() {
			for _, p := range o.Parameters {
				for _, pasted := range []string{text, "key: " + text, wrong} {
					var answer reply
					w := wanted{[]int{http.StatusBadRequest}, []string{p.Name}}
					switch p.In {
					case "query":
						answer = b.query(t, a, p.Name, pasted)
					case "header":
						answer = b.header(t, a, p.Name, pasted)
					default:
						w.statuses = append(w.statuses, http.StatusNotFound)
						answer = b.send(t, o, strings.Replace(o.path, "{"+p.Name+"}", url.PathEscape(pasted), 1), a.text(t), a.fields...)
					}
					if answer.status == http.StatusNotFound {
						w.fields = nil
					}
					answer.refused(t, fmt.Sprintf("%s: a key in %s", o.ID, p.Name), w)
					if strings.Contains(answer.text, tail) {
						t.Errorf("%s: a key in %s is repeated", o.ID, p.Name)
					}
				}
			}
			// As the name of a parameter, and as a part of the path that there is not.
			answer := b.send(t, o, a.path+"/"+text, a.text(t), a.fields...)
			if !o.own() {
				b.query(t, a, text, "1").refused(t, o.ID+": a key as a name", wanted{statuses: []int{http.StatusBadRequest}})
			}
			if answer.status/100 == 2 || strings.Contains(answer.text, tail) {
				t.Errorf("%s: a key behind its path: %d, repeated: %v", o.ID, answer.status, strings.Contains(answer.text, tail))
			}
		}
	}
	b.unwritten(t, attacks)
	if answer := b.send(t, &besiegedOperation{ID: "searchKey", method: http.MethodPost}, "/v1/keys:search", jsonOf(t, map[string]string{"text": text})); answer.status != http.StatusOK || strings.Contains(answer.text, tail) {
		t.Errorf("it is found by POST: %d", answer.status)
	}
	if b.holds(t, tail) {
		t.Error("the database has the key")
	}
	for _, kept := range []struct{ where, text string }{{"the metrics", b.adminText(t, "/metrics")}, {"the log", b.log(t)}} {
		if kept.text == "" || strings.Contains(kept.text, tail) {
			t.Errorf("%s: %d bytes, which have the key: %v", kept.where, len(kept.text), strings.Contains(kept.text, tail))
		}
	}
}

// unreadableText sends what is no text to one place that takes one.
func (b *besieged) unreadableText(t *testing.T, a *aim, p *place) {
	t.Helper()
	texts := map[string]wanted{
		`"a\u0000b"`:       {fields: p.names()},
		`"\ud800"`:         {fields: p.names()},
		`"a\udc00"`:        {fields: p.names()},
		"\"\xff\"":         {fields: append(p.names(), "body")},
		"\"\xed\xa0\x80\"": {fields: append(p.names(), "body")},
		"\"a\x00b\"":       {fields: append(p.names(), "body")},
	}
	// A body of 1 MiB is refused as one, unread. Those operations that take it read it,
	// and one text of theirs shows that as well as all.
	if !strings.Contains(p.path, "[0].") || strings.HasSuffix(p.path, ".name") {
		texts[`"`+strings.Repeat("a", mebibyte)+`"`] = wanted{fields: p.names()}
	}
	if most := cmp.Or(deref(p.form.MaxLength), 20_000); most <= 20_000 {
		texts[`"`+strings.Repeat("a", most+1)+`"`] = wanted{fields: p.names()}
	}
	if len(p.form.Enum) > 0 || p.form.Format == "date-time" || deref(p.form.MinLength) > 0 || p.form.Pattern != "" && !regexp.MustCompile(p.form.Pattern).MatchString("") {
		texts[`""`] = wanted{fields: p.names()}
	}
	for _, text := range slices.Sorted(maps.Keys(texts)) {
		w := texts[text]
		w.statuses = []int{http.StatusBadRequest}
		if len(text) > 10_000 {
			w.statuses = append(w.statuses, http.StatusRequestEntityTooLarge)
		}
		answer := b.send(t, a.o, a.path, []byte(p.put(asIs(text))), a.fields...)
		if answer.status == http.StatusRequestEntityTooLarge {
			w.fields = nil // of the body, and of nothing in it
		}
		if text == `"a\u0000b"` && questions()[a.o.ID] && answer.status == http.StatusOK {
			continue
		}
		answer.refused(t, fmt.Sprintf("%s: %s: %.40q", a.o.ID, p.path, text), w)
	}
	if p.form.Format == "password" { // of any characters
		return
	}
	for _, text := range b.nextUnseen(4) {
		what := fmt.Sprintf("%s: %s: %+q", a.o.ID, p.path, text)
		answer := b.send(t, a.o, a.path, []byte(p.put(text)), a.fields...)
		switch {
		case questions()[a.o.ID] && answer.status == http.StatusOK:
			continue
		case a.o.own(): // a proof like any other that is wrong
			answer.refused(t, what, guess())
			continue
		}
		answer.refused(t, what, wanted{[]int{http.StatusBadRequest}, p.names()})
	}
}

// guess is how a proof is refused that is none.
func guess() wanted {
	return wanted{statuses: []int{http.StatusBadRequest, http.StatusUnauthorized, http.StatusGone, http.StatusTooManyRequests}}
}

// questions are the operations that judge what they are asked about, which nobody keeps: a
// text is one that is not known.
func questions() map[string]bool {
	return map[string]bool{"verifyKey": true, "explainRequest": true}
}

// query asks with one parameter, in place of that of the same name.
func (b *besieged) query(t *testing.T, a *aim, name string, texts ...string) reply {
	t.Helper()
	path, before, _ := strings.Cut(a.path, "?")
	values, err := url.ParseQuery(before)
	if err != nil {
		t.Fatal(err)
	}
	if name == "owner" {
		values.Del("key")
	}
	values[name] = texts
	return b.send(t, a.o, path+"?"+values.Encode(), a.text(t), a.fields...)
}

// header asks with one field, in place of that of the same name.
func (b *besieged) header(t *testing.T, a *aim, name string, texts ...string) reply {
	t.Helper()
	var fields []string
	for i := 0; i < len(a.fields); i += 2 {
		if a.fields[i] != name {
			fields = append(fields, a.fields[i], a.fields[i+1])
		}
	}
	for _, text := range texts {
		fields = append(fields, name, text)
	}
	return b.send(t, a.o, a.path, a.text(t), fields...)
}

func deref(n *int) int {
	if n == nil {
		return 0
	}
	return *n
}

// foreignMembers sends members that there are not, those that are there twice, values
// of every other type, and leaves out what is required.
func (b *besieged) foreignMembers(t *testing.T, o *besiegedOperation, a *aim) {
	t.Helper()
	bad := func(fields ...string) wanted { return wanted{[]int{http.StatusBadRequest}, fields} }
	if !o.own() {
		b.query(t, a, "role", "owner").refused(t, o.ID+": a parameter", bad("role"))
	}
	for _, p := range o.Parameters {
		switch p.In {
		case "query":
			b.query(t, a, p.Name, "a", "a").refused(t, o.ID+": "+p.Name+" twice", bad(p.Name))
		case "header":
			b.header(t, a, p.Name, "a", "a").refused(t, o.ID+": "+p.Name+" twice", bad(p.Name))
		}
	}
	for _, p := range b.places(a) {
		what := o.ID + ": " + p.path
		try := func(how string, v any, fields ...string) {
			t.Helper()
			b.send(t, o, a.path, []byte(p.put(v)), a.fields...).refused(t, what+": "+how, bad(fields...))
		}
		for kind, text := range map[string]asIs{"null": "null", "boolean": "true", "integer": "7", "number": "1.5", "string": `"7"`, "array": "[]", "object": "{}"} {
			if kind != p.form.Type {
				try(kind, text, p.names()...)
			}
		}
		members, ok := p.has.(map[string]any)
		if p.form.Type != "object" || !ok {
			continue
		}
		if p.form.more() == nil {
			for _, name := range []string{"zzz", "id", "created_at", "__proto__"} {
				try("with "+name, with(members, name, "x"), join(p.path, name))
			}
		}
		for _, name := range slices.Sorted(maps.Keys(p.form.Properties)) {
			value := members[name]
			if value == nil {
				value = b.sample(p.form.Properties[name])
			}
			twice := strings.TrimSuffix(rendered(with(members, name, value)), "}") + "," + rendered(name) + ":" + rendered(value) + "}"
			try(name+" twice", asIs(twice), join(p.path, name))
			if other := strings.ToUpper(name[:1]) + name[1:]; p.form.Properties[other] == nil {
				try("with "+other, with(members, other, value), join(p.path, other))
			}
		}
		for _, name := range p.form.Required {
			less := maps.Clone(members)
			delete(less, name)
			try("without "+name, less, join(p.path, name))
		}
	}
}

// wrongBodies sends what is no body, or none for the operation, numbers that are beyond
// their bounds, and lists that are.
func (b *besieged) wrongBodies(t *testing.T, o *besiegedOperation, a *aim) {
	t.Helper()
	if a.body == nil {
		if o.own() { // logout and me read no body
			return
		}
		for _, body := range []string{"{}", "x", strings.Repeat("[", 10_000)} {
			b.send(t, o, a.path, []byte(body), a.fields...).refused(t, fmt.Sprintf("%s: with the body %.20q", o.ID, body), wanted{[]int{http.StatusBadRequest}, []string{"body"}})
		}
		return
	}
	good := string(a.text(t))
	for what, body := range map[string]string{
		"none": "", "cut": good[:len(good)-1], "something behind": good + "{}", "a byte order mark": "\ufeff" + good, "a comment": "/**/" + good, "a list": "[" + good + "]",
		"deep": strings.Repeat(`{"a":`, 2000) + "1" + strings.Repeat("}", 2000), "deep lists": strings.Repeat("[", 5000) + strings.Repeat("]", 5000), "NaN": `{"a":NaN}`, "quotes": `{'a':1}`,
	} {
		// What is refused before it is read to its end need not be named as a whole.
		fields := []string{"body"}
		if what == "deep" {
			fields = append(fields, "a")
		}
		b.send(t, o, a.path, []byte(body), a.fields...).refused(t, o.ID+": "+what, wanted{[]int{http.StatusBadRequest}, fields})
	}
	for _, fields := range [][]string{{"Content-Type", "text/plain"}, {"Content-Type", "application/x-www-form-urlencoded"}, {"Content-Type", "application/xml"}} {
		b.send(t, o, a.path, a.text(t), append(fields, a.fields...)...).refused(t, o.ID+": "+fields[1], wanted{statuses: []int{http.StatusUnsupportedMediaType, http.StatusBadRequest}})
	}
	for _, p := range b.places(a) {
		var values []any
		switch f := p.form; f.Type {
		case "integer":
			values = []any{asIs("1e3"), asIs("1.0"), asIs("99999999999999999999"), asIs("-99999999999999999999"), asIs("1e400"), asIs("-0.0")}
			if f.Minimum != nil {
				values = append(values, int64(*f.Minimum)-1)
			}
			if f.Maximum != nil {
				values = append(values, int64(*f.Maximum)+1)
			}
		case "array":
			if f.MaxItems != nil {
				one := b.sample(f.Items)
				values = append(values, slices.Repeat([]any{one}, *f.MaxItems+1))
			}
			if deref(f.MinItems) > 0 {
				values = append(values, []any{})
			}
		case "object":
			if f.MaxProperties != nil {
				many := map[string]any{}
				for i := range *f.MaxProperties + 1 {
					many["n"+strconv.Itoa(i)] = "x"
				}
				values = append(values, many)
			}
		}
		values = append(values, asIs(strings.Repeat("[", 40)+strings.Repeat("]", 40)))
		for _, v := range values {
			b.send(t, o, a.path, []byte(p.put(v)), a.fields...).refused(t, fmt.Sprintf("%s: %s: %.60s", o.ID, p.path, rendered(v)), wanted{[]int{http.StatusBadRequest}, append(p.names(), "body")})
		}
	}
}

// wrongParameters sends what is none of the values that a parameter has.
func (b *besieged) wrongParameters(t *testing.T, o *besiegedOperation, a *aim) {
	t.Helper()
	for _, p := range o.Parameters {
		var texts []string
		switch {
		case p.In != "query":
			continue
		case p.Schema.Type == "integer":
			texts = []string{"", "-1", "1e3", "1.0", "0x10", "99999999999999999999", "1 OR 1=1", "٣"}
			texts = append(texts, p.Schema.beyond()...)
		case p.Name == "cursor":
			texts = []string{"a", "' OR 1=1 --", "AQAB", strings.Repeat("A", 100)}
		case p.Schema.strict():
			texts = []string{"", "x'; DROP TABLE keys; --", "2026-13-45T99:99:99Z", "-"}
		case p.Name == "wait", p.Name == "idle":
			texts = []string{"x", "-5s", "1e9s", "99999999999w", "5 s", "' OR 1=1"}
		}
		for _, text := range texts {
			b.query(t, a, p.Name, text).refused(t, fmt.Sprintf("%s: %s=%s", o.ID, p.Name, text), wanted{[]int{http.StatusBadRequest}, []string{p.Name}})
		}
	}
}

// staleStates sends states that have gone, and none.
func (b *besieged) staleStates(t *testing.T, o *besiegedOperation, a *aim) {
	t.Helper()
	if !o.takes("If-Match") {
		return
	}
	for _, tag := range []string{`"0"`, `"1"`, `"999999"`, `W/` + cmp.Or(a.state, `"1"`), `"x"`, `"`, `1`, `"1' OR '1'='1"`, `""`} {
		if tag != a.state {
			b.header(t, a, "If-Match", tag).refused(t, o.ID+": If-Match: "+tag, wanted{statuses: []int{http.StatusPreconditionFailed}})
		}
	}
	if b.document.Paths[o.path] != nil && o.wantsState() {
		b.header(t, a, "If-Match").refused(t, o.ID+": without If-Match", wanted{statuses: []int{http.StatusPreconditionRequired}})
	}
}

// wantsState reports whether a change without If-Match is refused.
func (o *besiegedOperation) wantsState() bool { return o.Responses["428"] != nil }

// otherBodies marks a request by an Idempotency-Key, and returns what sends others with
// the same one, and with what is none.
func (b *besieged) otherBodies(t *testing.T, o *besiegedOperation) func() {
	t.Helper()
	a, other := b.aim(t, o), b.aim(t, o)
	key := newWord()
	if answer := b.send(t, o, a.path, a.text(t), append([]string{"Idempotency-Key", key}, a.fields...)...); answer.status/100 != 2 {
		t.Errorf("%s: marked: %d %s", o.ID, answer.status, answer.text)
	}
	reused := wanted{statuses: []int{http.StatusUnprocessableEntity}}
	return func() {
		t.Helper()
		if text := other.text(t); other.path != a.path || string(text) != string(a.text(t)) {
			b.send(t, o, other.path, text, append([]string{"Idempotency-Key", key}, a.fields...)...).refused(t, o.ID+": about another, marked alike", reused)
		}
		if o.takes("wait") {
			b.send(t, o, a.path+"?wait=1s", a.text(t), append([]string{"Idempotency-Key", key}, a.fields...)...).refused(t, o.ID+": with another parameter, marked alike", reused)
		}
		for name := range a.body {
			if less := maps.Clone(a.body); len(less) > 1 && !slices.Contains(b.resolve(o.RequestBody.Content["application/json"].Schema).Required, name) {
				delete(less, name)
				b.send(t, o, a.path, jsonOf(t, less), append([]string{"Idempotency-Key", key}, a.fields...)...).refused(t, o.ID+": without "+name+", marked alike", reused)
			}
		}
		for _, none := range []string{"a b", "ä", strings.Repeat("a", 129), ""} {
			b.header(t, other, "Idempotency-Key", none).refused(t, fmt.Sprintf("%s: Idempotency-Key: %.20q", o.ID, none), wanted{[]int{http.StatusBadRequest}, []string{"Idempotency-Key"}})
		}
	}
}

// statements sends texts that other languages read as more than a text to everything
// that takes one: they are refused, find nothing, or are kept as they are.
func (b *besieged) statements(t *testing.T, o *besiegedOperation) {
	t.Helper()
	a := b.aim(t, o)
	for _, p := range o.Parameters {
		for _, text := range b.next(3) {
			what := fmt.Sprintf("%s: %s=%q", o.ID, p.Name, text)
			switch {
			case p.In == "path":
				b.send(t, o, strings.Replace(o.path, "{"+p.Name+"}", url.PathEscape(text), 1), a.text(t), a.fields...).refused(t, what, wanted{statuses: []int{http.StatusBadRequest, http.StatusNotFound}})
			case p.Name == "If-Match":
				b.header(t, a, p.Name, strings.ReplaceAll(text, "\n", " ")).refused(t, what, wanted{statuses: []int{http.StatusPreconditionFailed}})
			case p.In == "header" && !strings.ContainsAny(text, " \n"): // a mark like any other
				b.marked(t, a, p.Name, text)
				a = b.aim(t, o)
			case p.In == "header", p.Schema.strict():
				var answer reply
				if p.In == "header" {
					answer = b.header(t, a, p.Name, strings.ReplaceAll(text, "\n", " "))
				} else {
					answer = b.query(t, a, p.Name, text)
				}
				answer.refused(t, what, wanted{[]int{http.StatusBadRequest}, []string{p.Name}})
			default:
				answer := b.query(t, a, p.Name, text)
				if o.method == http.MethodPut && answer.status == http.StatusPreconditionFailed { // what there is not has no state
					answer.fields(t, what)
					continue
				}
				b.findsNothing(t, what, answer, p.Name)
			}
		}
	}
	places := b.places(a)
	for i := range places {
		if places[i].form.Type != "string" {
			continue
		}
		texts := 3
		if o.own() { // each is compared with a password
			texts = 1
		}
		for _, text := range b.next(texts) {
			if taken := b.statement(t, a, &places[i], text); taken {
				a = b.aim(t, o) // what it was about is another one now
				places = b.places(a)
			}
		}
	}
}

// findsNothing wants an answer that has none of what there is.
func (b *besieged) findsNothing(t *testing.T, what string, answer reply, parameter string) {
	t.Helper()
	if answer.status != http.StatusOK {
		answer.refused(t, what, wanted{statuses: []int{http.StatusBadRequest, http.StatusNotFound}})
		if named := answer.fields(t, what); answer.status == http.StatusBadRequest && !slices.Contains(named, parameter) {
			t.Errorf("%s: %s, want it to name %s", what, answer.text, parameter)
		}
		return
	}
	if strings.Contains(answer.text, "subject") || strings.Contains(answer.text, `"acme"`) || strings.Contains(answer.text, `"ada"`) {
		t.Errorf("%s finds %.300s", what, answer.text)
	}
}

// statement sends a text to a place of a body, and reports whether it was taken.
func (b *besieged) statement(t *testing.T, a *aim, at *place, text string) bool {
	t.Helper()
	what := fmt.Sprintf("%s: %s: %q", a.o.ID, at.path, text)
	answer := b.send(t, a.o, a.path, []byte(at.put(text)), a.fields...)
	switch {
	case at.form.strict() && !at.form.fits(text):
		answer.refused(t, what, wanted{[]int{http.StatusBadRequest}, at.names()})
	case answer.status/100 == 2:
		if !questions()[a.o.ID] && at.form.Format != "password" && !strings.Contains(answer.text, string(jsonOf(t, text))) && !b.holds(t, text) {
			t.Errorf("%s was taken, and is nowhere: %s", what, answer.text)
		}
	case a.o.own():
		answer.refused(t, what, guess())
	case answer.status == http.StatusNotFound, a.o.ID == "revokeKeys" && answer.status == http.StatusConflict: // nobody has that name
		answer.fields(t, what)
	default:
		answer.refused(t, what, wanted{[]int{http.StatusBadRequest}, at.names()})
	}
	return answer.status/100 == 2
}

// holds reports whether a text is in the database, as it is or within JSON.
func (b *besieged) holds(t *testing.T, text string) bool {
	t.Helper()
	var all strings.Builder
	for _, name := range b.vault.tables(t) {
		b.vault.write(t, &all, name)
	}
	quoted := string(jsonOf(t, text))
	return strings.Contains(all.String(), text) || strings.Contains(all.String(), quoted[1:len(quoted)-1])
}
