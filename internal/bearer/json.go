package bearer

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxDepth is how deep objects and arrays may be nested.
const maxDepth = 16

var errJSON = errors.New("bearer: want one JSON object with one reading")

// Object decodes text, which must be one JSON object and nothing else, in valid
// UTF-8, nested at most 16 deep, and without a member that is there twice in one
// object: where parsers differ, they differ in which of the two they take
// (RFC 8725, section 2.6, tells of such confusions).
//
// Values have the types of encoding/json, but for numbers: one that is written
// as an integer is an int64, since a float64 confuses neighbours beyond 2^53;
// another one is a float64. Numbers that fit in neither are refused, and so is
// text with U+FFFD, which is what a parser makes of broken text.
func Object(text []byte) (map[string]any, error) {
	if !utf8.Valid(text) || !json.Valid(text) {
		return nil, errJSON
	}
	d := decoder{json.NewDecoder(bytes.NewReader(text))}
	d.UseNumber()
	value, err := d.value(0)
	if err != nil {
		return nil, err
	}
	object, ok := value.(map[string]any)
	if !ok {
		return nil, errJSON
	}
	return object, nil
}

// decoder decodes text whose grammar was checked.
type decoder struct{ *json.Decoder }

func (d decoder) value(depth int) (any, error) {
	token, err := d.Token()
	if err != nil {
		return nil, errJSON
	}
	switch t := token.(type) {
	case json.Delim:
		if depth == maxDepth {
			return nil, errJSON
		}
		if t == '{' {
			return d.object(depth + 1)
		}
		return d.array(depth + 1)
	case json.Number:
		return number(t)
	case string:
		return text(t)
	default: // bool, nil
		return t, nil
	}
}

func (d decoder) object(depth int) (any, error) {
	object := make(map[string]any)
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return nil, errJSON
		}
		name, ok := token.(string)
		if _, twice := object[name]; !ok || twice || strings.ContainsRune(name, utf8.RuneError) {
			return nil, errJSON
		}
		if object[name], err = d.value(depth); err != nil {
			return nil, err
		}
	}
	_, err := d.Token()
	return object, err
}

func (d decoder) array(depth int) (any, error) {
	array := []any{}
	for d.More() {
		value, err := d.value(depth)
		if err != nil {
			return nil, err
		}
		array = append(array, value)
	}
	_, err := d.Token()
	return array, err
}

func text(s string) (any, error) {
	if strings.ContainsRune(s, utf8.RuneError) {
		return nil, errJSON
	}
	return s, nil
}

func number(n json.Number) (any, error) {
	if !strings.ContainsAny(n.String(), ".eE") {
		i, err := n.Int64()
		if err != nil {
			return nil, errJSON
		}
		return i, nil
	}
	f, err := strconv.ParseFloat(n.String(), 64)
	if err != nil {
		return nil, errJSON
	}
	return f, nil
}
