package contract

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"slices"
	"strings"
	"unicode/utf8"
)

// parts judges a multipart body (RFC 7578; RFC 2046, section 5.1). Nobody may read
// it in another way: see [readParts] and [readPart].
func (e *evaluation) parts(m *media, text []byte, boundary string) error {
	if m.kind == asOther {
		return countParts(text, boundary)
	}
	all, err := readParts(string(text), boundary)
	if err != nil {
		return err
	}
	known, texts := map[string]any{}, map[string]any{}
	sent := map[string]value{}
	for _, one := range all {
		if err := m.part(one, known, texts, sent); err != nil {
			return err
		}
	}
	for name, v := range sent {
		p := m.members[name]
		if p == nil {
			p = &parameter{name: name, style: form, explode: true, kinds: anyType &^ (arrayType | objectType)}
		}
		if err := p.add(known, texts, v); err != nil {
			return err
		}
	}
	if m.schema != nil {
		e.oneOf(m.schema, []any{known, texts})
	}
	return nil
}

// countParts bounds the parts of a body of which nobody looks into the parts.
func countParts(text []byte, boundary string) error {
	if boundary == "" || len(boundary) > 70 {
		return errParts
	}
	reader := multipart.NewReader(bytes.NewReader(text), boundary)
	for n := 0; ; n++ {
		_, err := reader.NextRawPart()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil || n == maxParts:
			return errParts
		}
	}
}

// A part is one of a form.
type part struct {
	name      string
	file      bool   // it has a file name, also an empty one
	mediaType string // "" for none
	text      string
}

// readParts divides a form. What parsers disagree about is refused: text before the
// first delimiter and behind the last, delimiters that stand elsewhere than at the
// beginning of a line, lines that end in LF alone, blanks behind a delimiter.
func readParts(text, boundary string) ([]part, error) {
	if boundary == "" || len(boundary) > 70 || strings.Trim(boundary, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'()+_,-./:=?") != "" {
		return nil, errParts
	}
	delimiter := "--" + boundary
	if strings.Count(text, delimiter) > maxParts+1 {
		return nil, errParts
	}
	pieces := strings.Split(text, delimiter)
	last := len(pieces) - 1
	if last < 1 || pieces[0] != "" || pieces[last] != "--" && pieces[last] != "--\r\n" {
		return nil, errParts
	}
	all := make([]part, 0, last-1)
	for _, piece := range pieces[1:last] {
		piece, begins := strings.CutPrefix(piece, "\r\n")
		piece, ends := strings.CutSuffix(piece, "\r\n")
		one, err := readPart(piece)
		if !begins || !ends {
			err = errParts
		}
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

// readPart reads the header of a part, in which each field that matters is there
// once, on one line, and has one reading.
func readPart(piece string) (one part, err error) {
	header, text, divided := strings.Cut(piece, "\r\n\r\n")
	if !divided || !utf8.ValidString(header) {
		return one, errParts
	}
	one.text = text
	fields := map[string]string{}
	for line := range strings.SplitSeq(header, "\r\n") {
		name, value, isField := strings.Cut(line, ":")
		name = strings.ToLower(name)
		if _, twice := fields[name]; !isField || twice || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" || name == "" || strings.ContainsFunc(value, isControl) {
			return one, errParts
		}
		fields[name] = strings.Trim(value, " \t")
	}
	switch strings.ToLower(fields["content-transfer-encoding"]) {
	case "", "7bit", "8bit", "binary":
	default:
		return one, errParts
	}
	if one.name, one.file, err = disposition(fields["content-disposition"]); err != nil {
		return one, err
	}
	one.mediaType, err = partType(fields["content-type"])
	if err == nil && one.name == "_charset_" && !strings.EqualFold(text, "utf-8") { // RFC 7578, section 4.6
		err = errCharset
	}
	return one, err
}

func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

// disposition reads the name. A backslash, an encoding of RFC 2047 or RFC 8187, and a
// name that stands within the name of a file are read in different ways.
func disposition(field string) (name string, file bool, err error) {
	kind, parameters, err := mime.ParseMediaType(field)
	if err != nil || kind != "form-data" || parameters["name"] == "" || strings.ContainsAny(field, "*\\") || strings.Contains(field, "=?") {
		return "", false, errParts
	}
	_, file = parameters["filename"]
	names := 1
	if file {
		names = 2
	}
	if strings.Count(strings.ToLower(field), "name=") != names {
		return "", false, errParts
	}
	return parameters["name"], file, nil
}

// partType reads the type of a part, whose text must be in UTF-8 whatever it is.
func partType(field string) (mediaType string, err error) {
	if field == "" {
		return "", nil
	}
	mediaType, parameters, err := mime.ParseMediaType(field)
	if err != nil || strings.ContainsAny(field, "*\\") {
		return "", errParts
	}
	if charset, given := parameters["charset"]; given && (isJSON(mediaType) || strings.HasPrefix(mediaType, "text/")) && !isUTF8(charset) && !strings.EqualFold(charset, "us-ascii") {
		return "", errCharset
	}
	return mediaType, nil
}

func isUTF8(charset string) bool {
	return strings.EqualFold(charset, "utf-8") || strings.EqualFold(charset, "utf8")
}

// part notes one part: a file, JSON, or text.
func (m *media) part(one part, known, texts map[string]any, sent map[string]value) error {
	p := m.members[one.name]
	list := p != nil && p.kinds&arrayType != 0
	before, twice := known[one.name]
	_, plain := sent[one.name]
	if !list && (twice || plain) {
		return errRepeated
	}
	isFile := one.file || one.mediaType != "" && !isJSON(one.mediaType) && !strings.HasPrefix(one.mediaType, "text/")
	isValue := !isFile && (isJSON(one.mediaType) || p != nil && p.json)
	var parsed any
	if isValue {
		var err error
		if parsed, err = parseJSON(one.text, jsonLimits{depth: bodyDepth, members: bodyMembers, number: maxNumber}); err != nil {
			return err
		}
		if p == nil || !p.json {
			if isValue, err = onlyJSON(p, parsed, one.text); err != nil {
				return err
			}
		}
	}
	switch {
	case (isFile || isValue) && plain, !isFile && !isValue && twice: // the items of a list are sent in one way
		return errRepeated
	case isFile:
		return addPart(one.name, list, before, blob{one.text}, known, texts)
	case isValue:
		return addPart(one.name, list, before, parsed, known, texts)
	case !utf8.ValidString(one.text):
		return errParts
	}
	v := sent[one.name]
	sent[one.name] = value{given: true, texts: append(v.texts, one.text), decode: same}
	return nil
}

// onlyJSON reports whether a part that says that it is JSON, where the document does
// not, is judged as JSON. Many frameworks look at no type of a part and take its text
// as it is: it must be the same for both.
func onlyJSON(p *parameter, parsed any, text string) (bool, error) {
	switch parsed.(type) {
	case *number, bool:
		if strings.Trim(text, " \t\r\n") != text {
			return false, errJSONText
		}
		return false, nil // the same, as text
	case []any, map[string]any:
		if p == nil {
			return true, nil
		}
	}
	return false, errJSONText
}

// addPart adds a value that has one reading.
func addPart(name string, list bool, before, v any, known, texts map[string]any) error {
	_, isArray := v.([]any)
	switch {
	case isArray && before != nil: // it would stand for those before
		return errRepeated
	case list && !isArray:
		items, _ := before.([]any)
		v = append(slices.Clip(items), v)
	}
	known[name], texts[name] = v, v
	return nil
}
