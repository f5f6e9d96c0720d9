package redact

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Line returns s without anything that a terminal, an editor or a line reader
// acts upon: control characters, line separators, bidirectional controls and
// other characters that are not printed are written as \n, \u202e, \U000e0001
// or, for what is not UTF-8, \xff. The result is at most four times as long as s.
//
// A backslash stays one: Line is for reading, not for undoing.
func Line(s string) string {
	i := 0
	for i < len(s) && ' ' <= s[i] && s[i] <= '~' {
		i++
	}
	if i == len(s) {
		return s
	}
	return line(s, i)
}

// line continues at s[i], the first byte that is not printable ASCII.
func line(s string, i int) string {
	var out strings.Builder
	done := 0
	for i < len(s) {
		r, size := utf8.DecodeRuneInString(s[i:])
		invalid := r == utf8.RuneError && size == 1
		if invalid || !unicode.IsPrint(r) {
			out.WriteString(s[done:i])
			out.WriteString(escape(r, s[i], invalid))
			done = i + size
		}
		i += size
	}
	if done == 0 {
		return s
	}
	out.WriteString(s[done:])
	return out.String()
}

func escape(r rune, b byte, invalid bool) string {
	switch {
	case b == '\n':
		return `\n`
	case b == '\r':
		return `\r`
	case b == '\t':
		return `\t`
	case invalid || r < 0x80:
		return `\x` + string("0123456789abcdef"[b>>4]) + string("0123456789abcdef"[b&15])
	}
	quoted := strconv.QuoteRuneToASCII(r)
	return quoted[1 : len(quoted)-1]
}
