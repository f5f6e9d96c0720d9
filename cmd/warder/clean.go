package main

import (
	"strings"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/redact"
)

// keyTail is the length of a key's id, secret and check digits; cutTail is how
// much of it is shown at most: the id.
const (
	keyTail = 50
	cutTail = 12
)

// refuseKeys fails when an argument holds the text of a key, in a flag's value
// too: every user of the machine sees arguments, and the shell keeps them.
func refuseKeys(args []string) error {
	for _, arg := range args {
		for run := range strings.FieldsFuncSeq(arg, notKeyChar) {
			if _, err := apikey.Parse(run); err != nil && tailAt(run, keyTail) < 0 {
				continue
			}
			return fail(exitUsage, "pass \"-\" and the key on standard input, or the key's id",
				"a key must not be an argument: others on this machine see it, and the shell keeps it; consider it exposed")
		}
	}
	return nil
}

// clean masks what looks like a key or a part of one in a text for a person:
// what redact knows, and keys that were cut to little more than their id.
func clean(text string) string {
	text = redact.Text(text)
	var out strings.Builder
	done := 0
	for i := 0; i < len(text); {
		if notKeyChar(rune(text[i])) {
			i++
			continue
		}
		end := i
		for end < len(text) && !notKeyChar(rune(text[end])) {
			end++
		}
		if at := tailAt(text[i:end], cutTail+1); at >= 0 && mixed(text[i+at:end]) {
			out.WriteString(text[done:i] + redact.Mask)
			done = end
		}
		i = end
	}
	return out.String() + text[done:]
}

// tailAt returns where the characters after prefix_environment_ begin, when they
// are n or more, else -1.
func tailAt(run string, n int) int {
	at := 0
	parts := strings.Split(run, "_")
	for i, part := range parts {
		if i >= 2 && len(part) >= n && parts[i-2] != "" && environmentWord(parts[i-1]) {
			return at
		}
		at += len(part) + 1
	}
	return -1
}

func environmentWord(s string) bool {
	return s != "" && len(s) <= 16 && strings.Trim(s, lowerCase+digits) == ""
}

// mixed reports whether s is of more than one kind of characters, as 13 random
// ones are but once in ten thousand times, and words in snake case are not.
func mixed(s string) bool {
	kinds := 0
	for _, kind := range []string{lowerCase, strings.ToUpper(lowerCase), digits} {
		if strings.ContainsAny(s, kind) {
			kinds++
		}
	}
	return kinds > 1
}

const (
	lowerCase = "abcdefghijklmnopqrstuvwxyz"
	digits    = "0123456789"
)

func notKeyChar(r rune) bool {
	return r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
}

// printable returns an argument for an error text: a plain word, which was
// probably mistyped, or the beginning of anything else.
func printable(s string) string {
	const longestWord, shown = 20, cutTail
	if len(s) <= shown || len(s) <= longestWord && strings.Trim(s, lowerCase+"-") == "" {
		return s
	}
	return strings.ToValidUTF8(s[:shown], "") + "..."
}
