package httpserver

import (
	"bytes"
	"net/http"
	"net/textproto"
)

// What is known of a head.
type headState int

const (
	headMore    headState = iota // its end was not read yet
	headWhole                    // it is one that the loop takes
	headForeign                  // it is net/http's: another form, or malformed
)

// strictHead reads the head of a request (RFC 9112, sections 2 to 5) line by line:
// each is looked at once, however it arrives. It takes what has one reading and
// needs nothing more than an answer: origin-form, HTTP/1.1, one Host, no body, no
// expectation, no upgrade, no options of the connection but close and keep-alive.
// Anything else, right or wrong, is net/http's to answer.
type strictHead struct {
	end            int // of the lines that were read
	method, target span
	host           span
	fields         []field // without Host
	close          bool    // Connection: close
	length         bool    // Content-Length: 0
	begun          bool    // the request line was read
	hosted         bool
}

// A span is a part of the buffer.
type span struct{ from, to int }

func (s span) of(buffer []byte) []byte { return buffer[s.from:s.to] }

type field struct{ name, value span }

func (h *strictHead) reset() { *h = strictHead{fields: h.fields[:0]} }

// read goes on where it stopped.
func (h *strictHead) read(buffer []byte) headState {
	for {
		i := bytes.IndexByte(buffer[h.end:], '\n')
		if i < 0 {
			return headMore
		}
		line := span{h.end, h.end + i - 1}
		if i == 0 || buffer[line.to] != '\r' {
			return headForeign
		}
		h.end += i + 1
		ok := false
		switch {
		case !h.begun:
			h.begun, ok = true, h.requestLine(buffer, line)
		case line.from == line.to && h.hosted:
			return headWhole
		default:
			ok = h.field(buffer, line)
		}
		if !ok {
			return headForeign
		}
	}
}

func (h *strictHead) requestLine(buffer []byte, line span) bool {
	text := line.of(buffer)
	first := bytes.IndexByte(text, ' ')
	last := len(text) - len(" HTTP/1.1")
	if first < 1 || last <= first+1 || string(text[last:]) != " HTTP/1.1" || text[first+1] != '/' {
		return false
	}
	for _, b := range text[first+1 : last] {
		if b <= ' ' || b >= 0x7f {
			return false
		}
	}
	h.method, h.target = span{line.from, line.from + first}, span{line.from + first + 1, line.from + last}
	return isToken(text[:first]) && string(text[:first]) != http.MethodConnect
}

func (h *strictHead) field(buffer []byte, line span) bool {
	text := line.of(buffer)
	colon := bytes.IndexByte(text, ':')
	if colon < 1 || !isToken(text[:colon]) {
		return false
	}
	f := field{span{line.from, line.from + colon}, span{line.from + colon + 1, line.to}}
	for f.value.from < f.value.to && isBlank(buffer[f.value.from]) {
		f.value.from++
	}
	for f.value.from < f.value.to && isBlank(buffer[f.value.to-1]) {
		f.value.to--
	}
	for _, b := range f.value.of(buffer) {
		if b < ' ' && b != '\t' || b == 0x7f {
			return false
		}
	}
	return h.note(text[:colon], f.value.of(buffer), f)
}

// note adds a field, when it is one that the loop takes.
func (h *strictHead) note(name, value []byte, f field) bool {
	switch {
	case isName(name, "host"):
		if h.hosted || !isHost(value) {
			return false
		}
		h.hosted, h.host = true, f.value
		return true
	case isName(name, "connection"):
		h.close = h.close || isName(value, "close")
		if !isName(value, "close") && !isName(value, "keep-alive") && len(value) > 0 {
			return false
		}
	case isName(name, "content-length"):
		if h.length || string(value) != "0" {
			return false
		}
		h.length = true
	case isName(name, "transfer-encoding"), isName(name, "upgrade"), isName(name, "expect"), isName(name, "trailer"):
		return false
	}
	h.fields = append(h.fields, f)
	return true
}

// isName reports whether name is lower, whatever the case of its letters.
func isName(name []byte, lower string) bool {
	return len(name) == len(lower) && bytes.EqualFold(name, []byte(lower))
}

func isBlank(b byte) bool { return b == ' ' || b == '\t' }

// isToken reports whether text is a token (RFC 9110, section 5.6.2).
func isToken(text []byte) bool {
	for _, b := range text {
		switch {
		case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9', b == '-', b == '_':
		case bytes.IndexByte([]byte("!#$%&'*+.^`|~"), b) >= 0:
		default:
			return false
		}
	}
	return len(text) > 0
}

// isHost reports whether text is made of what names, addresses and ports are made of.
func isHost(text []byte) bool {
	for _, b := range text {
		switch {
		case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9', b == '-', b == '.', b == ':', b == '[', b == ']', b == '_':
		default:
			return false
		}
	}
	return len(text) > 0
}

// methodText is text as a string; common ones are there already.
func methodText(text []byte) string {
	for _, m := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete} {
		if string(text) == m {
			return m
		}
	}
	return string(text)
}

// lastFields are those of a connection's last request by their place: the next one
// mostly has the same names, and many of the same values, such as a proxy's own.
type lastFields [32]struct{ raw, name, value string }

// lastValue is how long a value may be that is kept until the next request, in bytes.
const lastValue = 256

// at is the field at place i, with the canonical form of its name.
func (l *lastFields) at(i int, name, value []byte) (canonical, text string) {
	if i >= len(l) {
		return textproto.CanonicalMIMEHeaderKey(string(name)), string(value)
	}
	known := &l[i]
	if known.raw != string(name) {
		known.raw = string(name)
		known.name = textproto.CanonicalMIMEHeaderKey(known.raw)
	}
	switch {
	case len(value) > lastValue:
		return known.name, string(value)
	case known.value != string(value):
		known.value = string(value)
	}
	return known.name, known.value
}
