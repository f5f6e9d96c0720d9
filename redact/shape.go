package redact

// Lengths that the judgement turns on, in characters.
const (
	shortest  = 8  // nothing below it is masked by its shape: a mask is as long
	mixedRun  = 20 // letters and digits, mixed as no word is
	hexRun    = 32 // hexadecimal digits
	keyRun    = 32 // letters and digits after prefix_environment_
	solidRun  = 50 // letters and digits of any kind: no word or number is as long
	decodings = 3  // times that percent-encoding is undone
)

// text is what the judgement reads: a string, or bytes that were decoded.
type text interface{ string | []byte }

func isLower(b byte) bool { return b-'a' < 26 }
func isUpper(b byte) bool { return b-'A' < 26 }
func isDigit(b byte) bool { return b-'0' < 10 }
func isAlnum(b byte) bool { return (b|0x20)-'a' < 26 || b-'0' < 10 }
func isHex(b byte) bool   { return b-'0' < 10 || (b|0x20)-'a' < 6 }

// isWord reports whether b belongs to a word: the alphabets of base64url and
// JSON Web Tokens, '+' of base64, and '%' of an encoding to be undone.
func isWord(b byte) bool {
	return isAlnum(b) || b == '_' || b == '-' || b == '.' || b == '+' || b == '~' || b == '%'
}

func wordEnd[T text](s T, i int) int {
	for i < len(s) && isWord(s[i]) {
		i++
	}
	return i
}

// secretSegment judges one segment of a path, which may hold several words.
func secretSegment(segment string) bool {
	if !hasEscape(segment) {
		return holdsSecret(segment)
	}
	var buf [512]byte
	return secretDecoded(append(buf[:0], segment...), true)
}

// secretWord judges one word of free text.
func secretWord(word string) bool {
	if len(word) < shortest {
		return false
	}
	if !hasEscape(word) {
		return secretRun(word)
	}
	var buf [512]byte
	return secretDecoded(append(buf[:0], word...), false)
}

// secretDecoded judges b in each state that undoing its encoding brings, since
// nobody knows how often the reader of a log or a server behind us undoes it.
func secretDecoded(b []byte, cues bool) bool {
	for range decodings {
		if holdsSecret(b) || cues && holdsCue(b) {
			return true
		}
		n := decode(b)
		if n == len(b) {
			return false
		}
		b = b[:n]
	}
	return holdsSecret(b) || cues && holdsCue(b)
}

// holdsSecret reports whether a word of s has the shape of a secret.
func holdsSecret[T text](s T) bool {
	for i := 0; i < len(s); {
		end := wordEnd(s, i)
		if end-i >= shortest && secretRun(s[i:end]) {
			return true
		}
		i = end + 1
	}
	return false
}

// secretRun judges one run of word characters without an encoding.
func secretRun[T text](run T) bool {
	if known(run) {
		return true
	}
	for i := 0; i < len(run); {
		end := i
		for end < len(run) && run[end] != '.' && run[end] != '%' {
			end++
		}
		part := run[i:end]
		if len(part) >= shortest && (end < len(run) && isTokenHead(part) || len(part) >= mixedRun && secretPart(part)) {
			return true
		}
		i = end + 1
	}
	return false
}

// isTokenHead reports whether part is the first part of a JSON Web Token (RFC
// 7519, section 3): base64url of "{" and a quote.
func isTokenHead[T text](part T) bool { return startsWith(part, "eyJ") }

// secretPart judges a run without dots: each piece between separators for
// itself, and then the whole for a token of base64url that happens to hold some.
func secretPart[T text](part T) bool {
	if isUUID(part) {
		return false
	}
	separators := 0
	for i := 0; i < len(part); {
		end := i
		for end < len(part) && isAlnum(part[end]) {
			end++
		}
		if secretAlnum(part[i:end]) || end-i >= mixedRun && followsEnvironment(part, i) && keyTail(part[i:end]) {
			return true
		}
		if end < len(part) {
			separators++
		}
		i = end + 1
	}
	m := measure(part)
	return separators > 0 && separators*8 <= len(part) && m.lower && m.upper && m.digit && m.pieces*3 >= len(part)
}

// secretAlnum judges letters and digits without a separator.
func secretAlnum[T text](s T) bool {
	if len(s) < mixedRun {
		return false
	}
	if len(s) >= solidRun {
		return true
	}
	m := measure(s)
	letters := m.lower || m.upper
	switch {
	case !m.digit:
		return m.lower && m.upper && m.pieces*4 >= len(s) // camel case has longer pieces
	case m.hex:
		return letters && len(s) >= hexRun
	case isULID(s):
		return false
	case !m.lower:
		return letters && m.pieces*7 >= len(s) // base32: few digits, and words in capitals are rare
	default:
		return letters && m.pieces*5 >= len(s)
	}
}

// keyTail reports whether s, which stands where a key has its id and secret, is
// one, or the beginning of one: any 32 characters, or letters of both cases.
// Camel case is no excuse there: random letters may look like it.
func keyTail[T text](s T) bool {
	m := measure(s)
	return len(s) >= keyRun || m.lower && m.upper
}

// followsEnvironment reports whether part[:i] ends with "_live_" or another
// environment of 1 to 16 lower case letters and digits.
func followsEnvironment[T text](part T, i int) bool {
	if i < 3 || part[i-1] != '_' {
		return false
	}
	for j := i - 2; j >= 0 && j >= i-18; j-- {
		switch b := part[j]; {
		case b == '_':
			return j < i-2
		case !isLower(b) && !isDigit(b):
			return false
		}
	}
	return false
}

// mix is what a run is made of. Its pieces are what a reader would divide it
// into: they end where letters and digits meet and before the capital of a new
// word. Words have pieces of five letters on average, random base62 of two.
type mix struct {
	lower, upper, digit, hex bool
	pieces                   int
}

func measure[T text](s T) mix {
	m := mix{hex: true}
	var last byte // 'a', 'A', '0' by class; 0 after a separator
	for i := range len(s) {
		b := s[i]
		var class byte
		switch {
		case isLower(b):
			m.lower, class = true, 'a'
		case isUpper(b):
			m.upper, class = true, 'A'
		case isDigit(b):
			m.digit, class = true, '0'
		}
		m.hex = m.hex && isHex(b)
		if class != 0 && class != last && (last != 'A' || class != 'a') {
			m.pieces++
		}
		last = class
	}
	return m
}

// isUUID reports whether s is a UUID in its usual form (RFC 9562, section 4).
func isUUID[T text](s T) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		if dash := i == 8 || i == 13 || i == 18 || i == 23; dash != (s[i] == '-') || !dash && !isHex(s[i]) {
			return false
		}
	}
	return true
}

// isULID reports whether s is a ULID of the years up to 2039: Crockford's
// base32 of a time in milliseconds, which begins with 01, and 80 random bits.
func isULID[T text](s T) bool {
	if len(s) != 26 || s[0] != '0' || s[1] != '1' {
		return false
	}
	for i := range len(s) {
		if b := s[i]; !isDigit(b) && (!isUpper(b) || b == 'I' || b == 'L' || b == 'O' || b == 'U') {
			return false
		}
	}
	return true
}
