package redact

import "github.com/warder-dev/warder/internal/hexadecimal"

// A provider is how the tokens of one provider begin: head, then at least body
// characters of a word.
type provider struct {
	head string
	body int
}

// providers are the heads that tell a token whatever follows. Bodies are below
// the true lengths, so that a token that was cut is masked too, and long enough
// to leave words such as npm_install alone.
func providers() [31]provider {
	return [...]provider{
		{"sk_live_", 8},
		{"sk_test_", 8},
		{"rk_live_", 8},
		{"rk_test_", 8},
		{"pk_live_", 8},
		{"pk_test_", 8},
		{"whsec_", 16},
		{"ghp_", 16},
		{"gho_", 16},
		{"ghu_", 16},
		{"ghs_", 16},
		{"ghr_", 16},
		{"github_pat_", 16},
		{"glpat-", 16},
		{"gldt-", 16},
		{"glrt-", 16},
		{"xoxb-", 10},
		{"xoxp-", 10},
		{"xoxa-", 10},
		{"xoxs-", 10},
		{"xoxr-", 10},
		{"xoxe-", 10},
		{"xapp-", 10},
		{"AKIA", 16},
		{"ASIA", 16},
		{"AIza", 30},
		{"sk-ant-", 16},
		{"sk-proj-", 16},
		{"npm_", 30},
		{"hf_", 30},
		{"shpat_", 16},
	}
}

// known reports whether run holds the token of a known provider. Heads are
// looked for at the beginning and after a character that no token begins with.
func known[T text](run T) bool {
	for i := 0; i < len(run); i++ {
		if i > 0 && isAlnum(run[i-1]) {
			continue
		}
		if knownAt(run[i:]) {
			return true
		}
	}
	return false
}

func knownAt[T text](s T) bool {
	if len(s) < 14 || !mayBegin(s[0], s[1]) {
		return false
	}
	heads := providers()
	for i := range heads {
		p := &heads[i]
		if len(s) >= len(p.head)+p.body && startsWith(s, p.head) && solid(s[len(p.head):], p.body) {
			return true
		}
	}
	return false
}

// mayBegin tells most words apart by their first two characters.
func mayBegin(a, b byte) bool {
	switch a {
	case 's':
		return b == 'k' || b == 'h'
	case 'r', 'p':
		return b == 'k'
	case 'w', 'g':
		return b == 'h' || b == 'l' || b == 'i'
	case 'x':
		return b == 'o' || b == 'a'
	case 'A':
		return b == 'K' || b == 'S' || b == 'I'
	case 'n':
		return b == 'p'
	case 'h':
		return b == 'f'
	default:
		return false
	}
}

// solid reports whether s begins with n characters of a token.
func solid[T text](s T, n int) bool {
	for i := range n {
		if !isAlnum(s[i]) && s[i] != '_' && s[i] != '-' {
			return false
		}
	}
	return true
}

func startsWith[T text](s T, head string) bool {
	if len(s) < len(head) {
		return false
	}
	for i := range len(head) {
		if s[i] != head[i] {
			return false
		}
	}
	return true
}

// decode undoes percent-encoding (RFC 3986, section 2.1) in place, once, and
// returns the new length. What is no encoding stays.
func decode(b []byte) int {
	n := 0
	for i := 0; i < len(b); i++ {
		c := b[i]
		if c == '%' && i+2 < len(b) && isHex(b[i+1]) && isHex(b[i+2]) {
			c = hexadecimal.Digit(b[i+1])<<4 | hexadecimal.Digit(b[i+2])
			i += 2
		}
		b[n] = c
		n++
	}
	return n
}

func hasEscape(s string) bool {
	for i := range len(s) {
		if s[i] == '%' {
			return true
		}
	}
	return false
}
