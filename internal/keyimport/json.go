package keyimport

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/token"
)

// errJSON is a file that is not what its format says. What the decoder says of it
// is not repeated: it may quote a key.
func errJSON(d *source) error {
	if d.in.err != nil {
		return d.in.err
	}
	return fmt.Errorf("keyimport: the file is not the JSON of this format: about byte %d", d.InputOffset())
}

// begins returns the first byte of r that is no blank.
func begins(r *bufio.Reader) (byte, error) {
	for {
		b, err := r.ReadByte()
		if err != nil {
			return 0, err
		}
		if b != ' ' && b != '\t' && b != '\r' && b != '\n' && b != 0xEF && b != 0xBB && b != 0xBF { // the mark of UTF-8
			return b, r.UnreadByte()
		}
	}
}

var errEmpty = errors.New("keyimport: the file is empty")

// document returns r as JSON: what begins otherwise is YAML.
func document(r io.Reader) (io.Reader, error) {
	buffered := bufio.NewReaderSize(r, 64<<10)
	first, err := begins(buffered)
	if errors.Is(err, io.EOF) {
		return nil, errEmpty
	}
	if err != nil {
		return nil, err
	}
	if first == '{' || first == '[' {
		return buffered, nil
	}
	text, err := io.ReadAll(io.LimitReader(buffered, maxYAML+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxYAML {
		return nil, fmt.Errorf("keyimport: YAML of more than %d MiB: convert the file to JSON", maxYAML>>20)
	}
	converted, err := yamlToJSON(text)
	if err != nil {
		return nil, err
	}
	return bytes.NewReader(converted), nil
}

// yamlToJSON converts text. The converter's errors may quote a key, and some texts
// make it panic: neither is passed on.
func yamlToJSON(text []byte) (converted []byte, err error) {
	defer func() {
		if recover() != nil {
			converted, err = nil, errNeither
		}
	}()
	var within, dashes int
	for _, t := range lexer.Tokenize(string(text)) {
		switch t.Type {
		case token.AliasType: // some lines of them stand for gigabytes
			return nil, fmt.Errorf("keyimport: line %d: an alias (*name) in YAML is not read: convert the file to JSON", t.Position.Line)
		case token.SequenceStartType, token.MappingStartType:
			within++
		case token.SequenceEndType, token.MappingEndType:
			within--
		case token.SequenceEntryType:
			dashes++
			if dashes <= maxWithin {
				continue
			}
		default:
		}
		if within > maxWithin || dashes > maxWithin {
			return nil, fmt.Errorf("keyimport: line %d: more than %d lists or maps within each other", t.Position.Line, maxWithin)
		}
		dashes = 0
	}
	if converted, err = yaml.YAMLToJSON(text); err != nil {
		return nil, errNeither
	}
	return converted, nil
}

var errNeither = errors.New("keyimport: the file is neither JSON nor YAML")

// members calls use with the value of each member of the object that comes next
// whose name it wants; the others are passed over.
func members(d *source, use map[string]func() error) error {
	if err := opens(d, '{'); err != nil {
		return err
	}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return errJSON(d)
		}
		name, _ := token.(string)
		f, ok := use[name]
		if !ok {
			f = func() error { return skip(d) }
		}
		if err := f(); err != nil {
			return err
		}
	}
	return closes(d)
}

// elements calls use with the number of each element of the array that comes
// next; null is an empty one.
func elements(d *source, use func(i int) error) error {
	token, err := d.Token()
	if err != nil {
		return errJSON(d)
	}
	if token == nil {
		return nil
	}
	if token != json.Delim('[') {
		return errJSON(d)
	}
	for i := 0; d.More(); i++ {
		if err := use(i); err != nil {
			return err
		}
	}
	return closes(d)
}

func opens(d *source, bracket json.Delim) error {
	if token, err := d.Token(); err != nil || token != bracket {
		return errJSON(d)
	}
	return nil
}

func closes(d *source) error {
	if _, err := d.Token(); err != nil {
		return errJSON(d)
	}
	return nil
}

// skip passes over one value, however great.
func skip(d *source) error {
	depth := 0
	for {
		token, err := d.Token()
		if err != nil {
			return errJSON(d)
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth == 0 {
			return nil
		}
	}
}

// ends wants nothing more.
func ends(d *source) error {
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errJSON(d)
	}
	return nil
}

// says reports whether a value is more than nothing.
func says(raw json.RawMessage) bool {
	switch string(bytes.TrimSpace(raw)) {
	case "", "null", "{}", "[]", `""`, "0", "false":
		return false
	default:
		return true
	}
}

// strict decodes an element into v, and reports whether it is what was expected:
// a member that nobody knows may narrow what the key is good for.
func strict(e *entry, raw json.RawMessage, v any) bool {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if err == nil {
		return true
	}
	kind, ok := errors.AsType[*json.UnmarshalTypeError](err)
	switch {
	case ok && kind.Field != "":
		e.wrong(kind.Field, "is a %s, want a %s", kind.Value, kind.Type)
	case ok:
		e.wrong("the entry", "is a %s, want an object", kind.Value)
	default:
		e.wrong("the entry", "%s", unknownField(err))
	}
	return false
}

// unknownField says which member is unknown, if err does: its name, cut.
func unknownField(err error) string {
	const most = 60
	text := err.Error()
	if i := bytes.IndexByte([]byte(text), '"'); i >= 0 && len(text)-i <= most {
		return "has the field " + text[i:] + ", which is not known"
	}
	return "cannot be read"
}

// flat returns a value of metadata as text.
func flat(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	var compact bytes.Buffer
	if json.Compact(&compact, raw) != nil {
		return ""
	}
	return compact.String()
}

// notes keeps the members of a map as metadata.
func (e *entry) notes(all map[string]json.RawMessage) {
	for name, raw := range all {
		e.note(name, flat(raw))
	}
}
