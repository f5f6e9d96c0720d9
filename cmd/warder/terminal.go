package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf16"
)

// This file keeps what a server says from being a command to the terminal: it may be
// another program than it is taken for.

// writeSecret writes what is shown this once, behind a label, in a line of its own. Nothing is
// escaped, since a script takes it as it is: what is no secret's form is refused.
func writeSecret(w io.Writer, label, text string) error {
	if text == "" || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return fail(exitServer, "see which program answers at that address", "what the server sent is no secret: want one word of visible ASCII")
	}
	_, err := fmt.Fprintln(w, label+text)
	return err
}

// onTerminal is one line for a terminal; tabs stay.
func onTerminal(line string) string {
	if !strings.Contains(line, "\t") {
		return shown(line)
	}
	parts := strings.Split(line, "\t")
	for i := range parts {
		parts[i] = shown(parts[i])
	}
	return strings.Join(parts, "\t")
}

// unshown reports whether lines of text have what [shown] escapes.
func unshown(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { return r != '\n' && !strconv.IsPrint(r) })
}

// printJSON writes value. Of what stands in strings, all that is not printable is
// escaped: encoding/json leaves the controls beyond ASCII, and those of direction.
func printJSON(w io.Writer, value any) error {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil {
		return err
	}
	if !unshown(text.String()) {
		_, err := text.WriteTo(w)
		return err
	}
	var escaped strings.Builder
	for _, r := range text.String() {
		switch {
		case r == '\n' || strconv.IsPrint(r):
			escaped.WriteRune(r)
		case r > 0xffff: // JSON has it as a pair
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&escaped, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&escaped, `\u%04x`, r)
		}
	}
	_, err := io.WriteString(w, escaped.String())
	return err
}
