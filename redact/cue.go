package redact

// told returns where the secret stands that the word s[start:end] announces:
// "Bearer x", "password=x", "scheme://user:x@host". Without one, both results
// are end.
func told(s string, start, end int) (from, to int) {
	word, rest := s[start:end], s[end:]
	switch {
	case rest == "":
		return end, end
	case rest[0] == '=' && endsWithName(word):
		return value(s, end+1)
	case startsWith(rest, "://"):
		return password(s, end+3)
	case rest[0] == ' ' && isScheme(word):
		for end < len(s) && s[end] == ' ' {
			end++
		}
		to = credentialEnd(s, end)
		if credential(s[end:to]) {
			return end, to
		}
		return end, end
	default:
		return end, end
	}
}

// holdsCue reports whether b, a decoded segment of a path, holds a credential
// after the name of its scheme.
func holdsCue(b []byte) bool {
	for i := 0; i < len(b); {
		end := wordEnd(b, i)
		if end < len(b) && b[end] == ' ' && isScheme(b[i:end]) {
			to := credentialEnd(b, end+1)
			if credential(b[end+1 : to]) {
				return true
			}
		}
		i = end + 1
	}
	return false
}

// isScheme reports whether word is an authentication scheme that is followed by
// the credential itself (RFC 9110, section 11.4).
func isScheme[T text](word T) bool {
	return foldedSuffix(word, "bearer") || foldedSuffix(word, "basic") || foldedSuffix(word, "apikey")
}

// credentialEnd returns the end of token68 characters (RFC 9110, section 11.2).
func credentialEnd[T text](s T, i int) int {
	for i < len(s) && (isWord(s[i]) || s[i] == '/' || s[i] == '=') {
		i++
	}
	return i
}

// credential reports whether s, which follows a scheme, is more than a word of
// the sentence.
func credential[T text](s T) bool {
	if len(s) < shortest {
		return false
	}
	m := measure(s)
	return len(s) >= mixedRun || m.digit || m.pieces > 1 || s[len(s)-1] == '='
}

// endsWithName reports whether word ends with a name that stands before a
// secret in the texts of drivers and in query strings.
func endsWithName(word string) bool {
	for _, name := range [...]string{"password", "passwd", "pwd", "secret", "token", "apikey", "api_key", "api-key", "access_key", "signature"} {
		if foldedSuffix(word, name) {
			return true
		}
	}
	return false
}

// value returns the place of the value that begins at i: up to its closing
// quote, or up to what ends a value in a query or an address of a database.
func value(s string, i int) (from, to int) {
	if i < len(s) && (s[i] == '"' || s[i] == '\'') {
		for to = i + 1; to < len(s) && s[to] != s[i]; to++ {
		}
		return i + 1, to
	}
	for to = i; to < len(s) && !endsValue(s[to]); to++ {
	}
	return i, to
}

func endsValue(b byte) bool {
	switch b {
	case '"', '\'', '&', ';', ',', ')', '}', '<', '>', '#':
		return true
	default:
		return b <= ' '
	}
}

// password returns the place of "user:password" in the authority that begins at
// i (RFC 3986, section 3.2.1).
func password(s string, i int) (from, to int) {
	colon, at := len(s), i
	for j := i; j < len(s) && s[j] > ' ' && s[j] != '/' && s[j] != '?' && s[j] != '#' && s[j] != '"'; j++ {
		switch s[j] {
		case '@':
			at = j
		case ':':
			colon = min(colon, j)
		}
	}
	if colon > at {
		return i, i
	}
	return i, at
}

func foldedSuffix[T text](s T, suffix string) bool {
	n := len(s) - len(suffix)
	if n < 0 {
		return false
	}
	for i := range len(suffix) {
		if b := s[n+i]; b != suffix[i] && b|0x20 != suffix[i] {
			return false
		}
	}
	return true
}
