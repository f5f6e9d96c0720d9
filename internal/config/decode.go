package config

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"github.com/warder-dev/warder/openapi"
	"github.com/warder-dev/warder/secret"
)

// decode sets v, the field called path, from node. Whatever is wrong is added to
// l.errs, and decoding goes on with the next field.
func (l *loader) decode(path string, v reflect.Value, tag reflect.StructTag, node ast.Node) {
	o := l.at(node)
	switch n := node.(type) {
	case *ast.AnchorNode, *ast.AliasNode, *ast.MergeKeyNode, *ast.TagNode:
		l.fail(o, path, "anchors, aliases and tags of YAML are not accepted", "write the value out")
		return
	case nil, *ast.NullNode:
		l.fail(o, path, "has no value", "give one, or take the line away")
		return
	case *ast.MappingValueNode:
		node = &ast.MappingNode{Values: []*ast.MappingValueNode{n}}
	}
	switch {
	case isScalar(v.Type()):
		l.decodeScalar(path, v, tag, node, o)
	case v.Kind() == reflect.Pointer: // a part that is there or not
		v.Set(reflect.New(v.Type().Elem()))
		applyDefaults(v.Elem())
		l.decode(path, v.Elem(), tag, node)
	case v.Kind() == reflect.Slice:
		l.decodeList(path, v, tag, node, o)
	default:
		m, ok := node.(*ast.MappingNode)
		if !ok {
			l.unread = l.unread || path == "" // what it does not say is no mistake of its own
			l.fail(o, path, "is "+kindOf(node)+", want fields with values", exampleOf(path, v.Type()))
			return
		}
		if v.Kind() == reflect.Map {
			l.decodeMap(path, v, tag, m)
			return
		}
		l.decodeStruct(path, v, m)
	}
}

// decodeStruct sets the fields of v.
func (l *loader) decodeStruct(path string, v reflect.Value, m *ast.MappingNode) {
	fields, names := map[string]reflect.StructField{}, []string{}
	for sf := range yamlFields(v.Type()) {
		fields[sf.Tag.Get("yaml")] = sf
		names = append(names, sf.Tag.Get("yaml"))
	}
	l.pairs(path, m, func(name string, pair *ast.MappingValueNode) {
		sf, ok := fields[name]
		if !ok {
			l.failUnknown(l.at(pair.Key), path, name, names)
			return
		}
		field := join(path, name)
		l.origins[field] = l.atValue(pair)
		l.decode(field, v.FieldByIndex(sf.Index), sf.Tag, pair.Value)
	})
}

// failUnknown tells of a field that there is not. A name that does not look like
// one may be a secret in the wrong place.
func (l *loader) failUnknown(o origin, path, name string, known []string) {
	if !likeField(name) {
		l.fail(o, path, "an unknown field", "")
		return
	}
	hint := ""
	if len(l.errs) < maxErrors { // more are not shown
		hint = cmp.Or(otherWord(path, name), didYouMean(name, known))
	}
	l.fail(o, join(path, name), "no field has this name", hint)
}

// decodeMap sets the entries of v by name. What names it takes is told by the
// type of its values.
func (l *loader) decodeMap(path string, v reflect.Value, tag reflect.StructTag, m *ast.MappingNode) {
	v.Set(reflect.MakeMap(v.Type()))
	kind := namesOf(v.Type())
	l.pairs(path, m, func(name string, pair *ast.MappingValueNode) {
		if !kind.valid(name) {
			l.fail(l.at(pair.Key), path, "this name is not one of "+kind.what, kind.hint)
			return
		}
		field := join(path, name)
		l.origins[field] = l.at(pair.Key)
		entry := reflect.New(v.Type().Elem()).Elem()
		if entry.Kind() == reflect.Struct {
			applyDefaults(entry)
		}
		l.decode(field, entry, tag, pair.Value)
		v.SetMapIndex(reflect.ValueOf(name), entry)
	})
}

// pairs calls each for every pair of m with a new name.
func (l *loader) pairs(path string, m *ast.MappingNode, each func(name string, pair *ast.MappingValueNode)) {
	seen := map[string]int{}
	for _, pair := range m.Values {
		key, ok := pair.Key.(*ast.StringNode)
		if !ok {
			l.fail(l.at(pair.Key), path, "this key is not a plain name", "write the name of a field; anchors, aliases, merge keys and tags are not accepted")
			continue
		}
		if line, dup := seen[key.Value]; dup {
			field := path
			if likeField(key.Value) {
				field = join(path, key.Value)
			}
			l.fail(l.at(key), field, fmt.Sprintf("is given twice, first in line %d", line), "")
			continue
		}
		seen[key.Value] = l.at(key).line
		each(key.Value, pair)
	}
}

// decodeList sets the elements of v.
func (l *loader) decodeList(path string, v reflect.Value, tag reflect.StructTag, node ast.Node, o origin) {
	list, ok := node.(*ast.SequenceNode)
	if !ok {
		l.fail(o, path, "is "+kindOf(node)+", want a list", "begin each entry with \"- \"")
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(list.Values), len(list.Values)))
	for i, entry := range list.Values {
		field := fmt.Sprintf("%s[%d]", path, i)
		l.origins[field] = l.at(entry)
		if v.Type().Elem().Kind() == reflect.Struct {
			applyDefaults(v.Index(i))
		}
		l.decode(field, v.Index(i), tag, entry)
	}
}

// decodeScalar sets v from a scalar node.
func (l *loader) decodeScalar(path string, v reflect.Value, tag reflect.StructTag, node ast.Node, o origin) {
	var text string
	switch n := node.(type) {
	case *ast.StringNode:
		text = n.Value
	case *ast.LiteralNode:
		text = n.Value.Value
	case *ast.MappingNode:
		if text = joined(n); text == "" || v.Kind() != reflect.String {
			l.fail(o, path, "is "+kindOf(node)+", want "+want(v.Type()), exampleOfScalar(path))
			return
		}
	case *ast.FloatNode:
		if !isRatio(v.Type()) {
			l.fail(o, path, "is "+kindOf(node)+", want "+want(v.Type()), "")
			return
		}
		l.decodePlain(path, v, tag, node, o)
		return
	case *ast.IntegerNode, *ast.BoolNode:
		l.decodePlain(path, v, tag, node, o)
		return
	default:
		l.fail(o, path, "is "+kindOf(node)+", want "+want(v.Type()), "")
		return
	}
	o.raw = text
	text, ok := l.expand(path, text, &o)
	if !ok {
		return
	}
	if v.Type() == reflect.TypeFor[secret.Text]() && o.raw == "" {
		return // "" is how Print writes that there is none
	}
	if v.Type() == reflect.TypeFor[secret.Text]() && !o.substituted && !strings.HasPrefix(text, "file:") {
		l.fail(o, path, "a secret does not belong in this file", "write ${VARIABLE} or file:/path")
		return
	}
	l.origins[path] = o
	if !o.substituted && (v.Kind() == reflect.Bool || v.Kind() == reflect.Int) {
		l.fail(o, path, "is text, want "+want(v.Type()), "")
		return
	}
	l.setScalar(path, v, tag, text, o)
}

// joined returns "a:b" when that is how m is written: within "{...}" the parser
// takes the scope orders:read for a field, which wants a blank behind its colon
// (YAML 1.2, section 7.4.2). Otherwise it is empty.
func joined(m *ast.MappingNode) string {
	if len(m.Values) != 1 {
		return ""
	}
	pair := m.Values[0]
	key, isText := pair.Key.(*ast.StringNode)
	value, isPlain := pair.Value.(*ast.StringNode)
	if !isText || !isPlain || key.Token.Type != token.StringType || value.Token.Type != token.StringType {
		return ""
	}
	begin, end := key.Token.Position, value.Token.Position
	if begin.Line != end.Line || end.Column != begin.Column+len(key.Value)+len(":") {
		return ""
	}
	return key.Value + ":" + value.Value
}

// decodePlain sets v from a number, true or false.
func (l *loader) decodePlain(path string, v reflect.Value, tag reflect.StructTag, node ast.Node, o origin) {
	_, isBool := node.(*ast.BoolNode)
	switch {
	case isBool != (v.Kind() == reflect.Bool), v.Kind() == reflect.String, v.Kind() == reflect.Struct:
		hint := ""
		if v.Kind() == reflect.String {
			hint = "put it in quotes"
		}
		if strings.HasSuffix(path, "listen") {
			hint = `want host:port, such as "127.0.0.1:8080"`
		}
		l.fail(o, path, "is "+kindOf(node)+", want "+want(v.Type()), hint)
	case isDuration(v.Type()) && node.GetToken().Value != "0":
		l.fail(o, path, "has no unit", "write 30s or 5m")
	default:
		o.raw = node.GetToken().Value
		l.origins[path] = o
		l.setScalar(path, v, tag, o.raw, o)
	}
}

// setScalar parses text into v and checks it against the enum and the bounds of
// tag.
func (l *loader) setScalar(path string, v reflect.Value, tag reflect.StructTag, text string, o origin) {
	if v.Type() == reflect.TypeFor[secret.Text]() {
		l.setSecret(path, v, text, o)
		return
	}
	if problem := parseInto(v, text); problem != "" {
		l.fail(o, path, problem, "")
		return
	}
	if words := strings.Split(tag.Get("enum"), "|"); words[0] != "" {
		l.checkWord(path, text, words, o)
	}
	if v.CanInt() {
		l.checkBounds(path, v, tag, o)
	}
}

// setSecret sets v to text, or to the content of the file that text names.
func (l *loader) setSecret(path string, v reflect.Value, text string, o origin) {
	if name, ok := strings.CutPrefix(text, "file:"); ok {
		content, err := readBounded(name, maxSecret)
		if err != nil {
			l.fail(o, path, "cannot read the secret's file: "+err.Error(), "")
			return
		}
		text = strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
	}
	if text == "" {
		l.fail(o, path, "the secret is empty", "")
		return
	}
	v.Set(reflect.ValueOf(secret.New(text)))
}

func (l *loader) checkWord(path, text string, words []string, o origin) {
	if slices.Contains(words, text) {
		return
	}
	words = slices.DeleteFunc(words, func(word string) bool { return word == noDialect }) // nobody has to choose it
	hint := ""
	if o.raw != "" && !o.substituted { // else the hint would tell what the value is like
		hint = didYouMean(text, words)
	}
	l.fail(o, path, "is none of "+strings.Join(words, ", "), hint)
}

func (l *loader) checkBounds(path string, v reflect.Value, tag reflect.StructTag, o origin) {
	low, high := tag.Get("min"), tag.Get("max")
	if low == "" {
		return
	}
	if v.Int() < limitText(v.Type(), low) || v.Int() > limitText(v.Type(), high) {
		l.fail(o, path, "is out of range", "want "+low+" to "+high)
	}
}

// parseInto sets v, not a secret, to what text says, or returns the problem,
// which does not repeat text.
func parseInto(v reflect.Value, text string) (problem string) {
	switch {
	case isDuration(v.Type()):
		d, err := ParseDuration(text)
		if err != nil {
			return err.Error()
		}
		v.SetInt(int64(d))
	case isSize(v.Type()):
		s, err := ParseSize(text)
		if err != nil {
			return err.Error()
		}
		v.SetInt(int64(s))
	case isRatio(v.Type()):
		r, err := ParseRatio(text)
		if err != nil {
			return err.Error()
		}
		v.SetInt(int64(r))
	case v.Kind() == reflect.Int:
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			return "is not a whole number in range"
		}
		v.SetInt(n)
	case v.Kind() == reflect.Bool:
		if text != "true" && text != "false" {
			return "is neither true nor false"
		}
		v.SetBool(text == "true")
	default:
		if strings.ContainsAny(text, "\x00\r\n") {
			return "has a line break or NUL in it"
		}
		v.SetString(text)
	}
	return ""
}

// want names what a field of type t takes.
func want(t reflect.Type) string {
	switch {
	case isDuration(t):
		return "a duration such as 30s"
	case isSize(t):
		return "a size such as 64KiB"
	case isRatio(t):
		return "a number from 0 to 1"
	case t.Kind() == reflect.Int:
		return "a whole number"
	case t.Kind() == reflect.Bool:
		return "true or false"
	default:
		return "text"
	}
}

// kindOf names what node is.
func kindOf(node ast.Node) string {
	switch node.(type) {
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return "a number"
	case *ast.BoolNode:
		return "true or false"
	case *ast.SequenceNode:
		return "a list"
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a set of fields"
	default:
		return "text"
	}
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// likeField reports whether name has the form of a field's name, so that an
// error may repeat it.
func likeField(name string) bool {
	return name != "" && len(name) <= 40 && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz_") == ""
}

// A naming is what names the entries of a map may have.
type naming struct {
	valid      func(name string) bool
	what, hint string
}

// namesOf is the naming of a map's type.
func namesOf(t reflect.Type) naming {
	if t.Elem() == reflect.TypeFor[Scheme]() || t == reflect.TypeFor[Alternative]() || t == reflect.TypeFor[map[string]string]() {
		return naming{validSchemeName, "a scheme", "use 1 to 63 letters, digits, -, _ and ."}
	}
	if t.Elem() == reflect.TypeFor[CORSPolicy]() {
		return naming{validName, "a policy", "use 1 to 63 lower case letters, digits, - and _, the first a letter or digit"}
	}
	if t.Elem() == reflect.TypeFor[Listener]() {
		return naming{validName, "a listener", "use 1 to 63 lower case letters, digits, - and _, the first a letter or digit"}
	}
	if t.Elem() == reflect.TypeFor[RateLimit]() {
		return naming{func(name string) bool { return validName(name) && len(name) <= maxNameOf && name != Off }, "a limit", "use 1 to 40 lower case letters, digits, - and _, the first a letter or digit"}
	}
	if t.Elem() == reflect.TypeFor[secret.Text]() {
		return naming{validToken, "a header field", "use a name such as Authorization"}
	}
	return naming{validName, "an upstream", "use 1 to 63 lower case letters, digits, - and _, the first a letter or digit"}
}

// validSchemeName reports whether name can be that of a scheme: a component of
// OpenAPI, of bounded length.
func validSchemeName(name string) bool { return openapi.ValidName(name) && len(name) <= maxSchemeName }

const maxSchemeName = 63

// validName reports whether name can be that of an upstream.
func validName(name string) bool {
	for i := range len(name) {
		b := name[i]
		valid := 'a' <= b && b <= 'z' || '0' <= b && b <= '9' || i > 0 && (b == '-' || b == '_')
		if !valid {
			return false
		}
	}
	return name != "" && len(name) <= 63
}
