package apikey

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
)

// The grammar:
//
//	key         = prefix "_" environment "_" id secret check
//	prefix      = a-z *15( a-z / 0-9 )
//	environment = 1*16( a-z / 0-9 )
//	id          = 12 base62
//	secret      = 32 base62
//	check       = 6 base62, most significant first: CRC-32 (IEEE) of all before it
const (
	idLength     = 12
	secretLength = 32
	checkLength  = 6
	tailLength   = idLength + secretLength + checkLength
	wordLength   = 16 // the longest prefix or environment
	minLength    = 1 + 1 + 1 + 1 + tailLength
	maxLength    = wordLength + 1 + wordLength + 1 + tailLength
)

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// outside has a 0 for each byte of base62 and a 1 for every other: a look-up
// instead of comparisons, whose outcome no processor can predict on random text.
const (
	ones4   = "\x01\x01\x01\x01"
	ones16  = ones4 + ones4 + ones4 + ones4
	ones128 = ones16 + ones16 + ones16 + ones16 + ones16 + ones16 + ones16 + ones16
	zeros10 = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	zeros26 = zeros10 + zeros10 + "\x00\x00\x00\x00\x00\x00"
	outside = ones16 + ones16 + ones16 + zeros10 + // up to "/", digits
		ones4 + "\x01\x01\x01" + zeros26 + // ":" to "@", upper case
		ones4 + "\x01\x01" + zeros26 + // "[" to "`", lower case
		ones4 + "\x01" + ones128 // "{" to DEL, and what is not ASCII
)

// ErrMalformed means that a text is no key: its shape, alphabet or check digits
// are wrong.
var ErrMalformed = errors.New("apikey: malformed key")

// Info is what the text of a key tells without any secret. It claims; only a
// [Verifier] proves.
type Info struct {
	Prefix      string
	Environment Environment
	ID          ID
}

// Parse reads the public parts of a key's text, after its shape, alphabet and
// check digits have held; otherwise the error is [ErrMalformed]. It allocates
// nothing, and looks at no more than a key's length whatever the text is. The
// parts are substrings: they keep the whole text in memory.
func Parse(text string) (Info, error) {
	if len(text) < minLength || len(text) > maxLength {
		return Info{}, ErrMalformed
	}
	head, tail := text[:len(text)-tailLength], text[len(text)-tailLength:]
	bad := byte(0)
	for i := range len(tail) {
		bad |= outside[tail[i]]
	}
	first := strings.IndexByte(head, '_')
	if bad != 0 || first < 0 || head[len(head)-1] != '_' || first == len(head)-1 {
		return Info{}, ErrMalformed
	}
	prefix, environment := head[:first], head[first+1:len(head)-1]
	if !validPrefix(prefix) || !validWord(environment) || !checkHolds(text) {
		return Info{}, ErrMalformed
	}
	return Info{Prefix: prefix, Environment: Environment(environment), ID: ID(tail[:idLength])}, nil
}

// ValidID reports whether s has the form of an [ID].
func ValidID(s string) bool {
	bad := byte(0)
	for i := range min(len(s), idLength) {
		bad |= outside[s[i]]
	}
	return len(s) == idLength && bad == 0
}

// validPrefix reports whether s can be a prefix.
func validPrefix(s string) bool { return validWord(s) && s[0] >= 'a' }

// validWord reports whether s is 1 to 16 lower case letters and digits.
func validWord(s string) bool {
	if s == "" || len(s) > wordLength {
		return false
	}
	for i := range len(s) {
		if b := s[i]; (b < 'a' || b > 'z') && (b < '0' || b > '9') {
			return false
		}
	}
	return true
}

// checkHolds reports whether the last six characters are the check of the rest.
// len(text) is at most maxLength.
func checkHolds(text string) bool {
	body, check := text[:len(text)-checkLength], text[len(text)-checkLength:]
	sum, got := checksum(body), [checkLength]byte{}
	putCheck(&got, sum)
	return string(got[:]) == check
}

// checksum returns the CRC-32 (IEEE) of body, as hash/crc32 does, which wants a
// slice and lets it escape: each Parse would copy most of a key to the heap.
func checksum(body string) uint32 {
	t, sum := slicing, ^uint32(0)
	for ; len(body) >= 8; body = body[8:] {
		sum ^= uint32(body[0]) | uint32(body[1])<<8 | uint32(body[2])<<16 | uint32(body[3])<<24
		sum = t[7][sum&0xff] ^ t[6][sum>>8&0xff] ^ t[5][sum>>16&0xff] ^ t[4][sum>>24] ^
			t[3][body[4]] ^ t[2][body[5]] ^ t[1][body[6]] ^ t[0][body[7]]
	}
	for i := range len(body) {
		sum = t[0][byte(sum&0xff)^body[i]] ^ sum>>8
	}
	return ^sum
}

// slicing are the tables of CRC-32 eight bytes at a time: slicing[n][b] is the sum
// of b and n zeros after it.
var slicing = makeSlicing() //nolint:gochecknoglobals // constant tables, as hash/crc32 has them; Parse has no receiver

func makeSlicing() *[8][256]uint32 {
	t := [8][256]uint32{*crc32.IEEETable}
	for b := range 256 {
		for n := 1; n < len(t); n++ {
			last := t[n-1][b]
			t[n][b] = t[0][last&0xff] ^ last>>8
		}
	}
	return &t
}

// putCheck writes sum in base62: 62^6 is more than 2^32.
func putCheck(to *[checkLength]byte, sum uint32) {
	for i := checkLength - 1; i >= 0; i-- {
		to[i] = base62[sum%62]
		sum /= 62
	}
}

// compose returns the text of a key from valid parts.
func compose(prefix string, environment Environment, id ID, secret string) string {
	body := prefix + "_" + string(environment) + "_" + string(id) + secret
	var check [checkLength]byte
	putCheck(&check, checksum(body))
	return body + string(check[:])
}

// errRandom means that a random source gives the same few bytes again and again.
var errRandom = errors.New("apikey: the random source is not random")

// unbiased is the number of byte values that are used: the largest multiple of
// 62. Taking the others modulo 62 would make some characters likelier.
const unbiased = 256 / 62 * 62

// randomText reads n characters of base62 from random, each as likely as any
// other (5.95 bits). An error of random is returned: nothing weaker takes its
// place. (crypto/rand itself never returns one: when the operating system has no
// random numbers, Go ends the process.)
func randomText(random io.Reader, n int) (string, error) {
	const rounds = 16 // a true source needs a second one in a third of all calls, and never this many
	text := make([]byte, 0, n)
	raw := make([]byte, n)
	for range rounds {
		if _, err := io.ReadFull(random, raw); err != nil {
			return "", fmt.Errorf("apikey: random source: %w", err)
		}
		for _, b := range raw {
			if b < unbiased && len(text) < n {
				text = append(text, base62[b%62])
			}
		}
		if len(text) == n {
			if err := varied(text); err != nil {
				return "", err
			}
			return string(text), nil
		}
	}
	return "", errRandom
}

// varied refuses what is drawn from a source that is stuck or repeats itself
// after a few bytes: fewer distinct bytes than a quarter. Of 32 random bytes or
// more, that happens once in 10^24 times.
func varied(drawn []byte) error {
	var seen [256]bool
	distinct := 0
	for _, b := range drawn {
		if !seen[b] {
			seen[b] = true
			distinct++
		}
	}
	if distinct < len(drawn)/4 {
		return errRandom
	}
	return nil
}
