// Package redact finds text with the shape of a key or token and masks it, so
// that a credential that was put in a path, an error or a user agent does not
// reach a log. It knows shapes, not secrets: what it masks is a judgement.
//
// Masked are: words of the form prefix_environment_key, cut ones too while 20
// letters of both cases or 32 characters are left, the prefixes of well
// known providers, JSON Web Tokens, what follows Bearer, Basic or "password=",
// a password in the address of a server, runs of 20 and more letters and digits
// that are mixed as no word is, 32 and more hexadecimal digits, and 50 and more
// letters and digits of any kind. Percent-encoding is undone for the judgement,
// three times at most.
//
// Not masked are: UUIDs, ULIDs, numbers below 50 digits, words, camel case,
// words joined by dashes, up to 31 hexadecimal digits, and every run below 20
// characters without a prefix that is known. A secret that looks like one of
// these passes: a chosen password, a random word of letters of one case, and
// base64 text whose slashes leave less than 20 characters between them.
//
// All functions are safe for concurrent use, take time linear in the text, and
// allocate nothing when they return their argument.
package redact

import "strings"

// Mask is what stands in for masked text.
const Mask = "[masked]"

// Path returns a percent-encoded path whose segments with the shape of a key or
// token are [Mask]. The result is never longer than escaped.
func Path(escaped string) string {
	if len(escaped) < shortest {
		return escaped
	}
	var out strings.Builder
	done, start := 0, 0
	for i := 0; i <= len(escaped); i++ {
		if i < len(escaped) && escaped[i] != '/' {
			continue
		}
		if i-start >= shortest && secretSegment(escaped[start:i]) {
			out.WriteString(escaped[done:start])
			out.WriteString(Mask)
			done = i
		}
		start = i + 1
	}
	if done == 0 {
		return escaped
	}
	out.WriteString(escaped[done:])
	return out.String()
}

// Text returns free text, such as an error's, whose words with the shape of a
// key or token are [Mask]. The result is at most three times as
// long as s.
func Text(s string) string {
	var out strings.Builder
	done := 0
	for i := 0; i < len(s); {
		if !isWord(s[i]) {
			i++
			continue
		}
		start, end := i, wordEnd(s, i)
		if !secretWord(s[start:end]) {
			start, end = told(s, start, end)
		}
		if start < end {
			out.WriteString(s[done:start])
			out.WriteString(Mask)
			done = end
		}
		i = max(end, i+1)
	}
	if done == 0 {
		return s
	}
	out.WriteString(s[done:])
	return out.String()
}
