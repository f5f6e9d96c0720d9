package password

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"

	"github.com/warder-dev/warder/secret"
)

// Params are the costs of argon2id (RFC 9106, section 3.1). The zero value stands
// for the defaults.
type Params struct {
	Memory  uint32 // KiB: 7,168 to 262,144. Default 19,456 (19 MiB).
	Time    uint32 // passes: 1 to 32; 2 at least below 46 MiB. Default 2.
	Threads uint8  // lanes: 1 to 16. Default 1.
}

const (
	minMemory, maxMemory = 7 << 10, 256 << 10 // KiB
	maxTime, maxThreads  = 32, 16
	manyMemory           = 46 << 10 // KiB, from which OWASP takes one pass for enough

	saltLength, minSalt, maxSalt = 16, 8, 64 // bytes
	keyLength, minKey, maxKey    = 32, 16, 64

	maxPassword = 1024 // bytes
	maxName     = 255  // bytes
)

func (p Params) withDefaults() Params {
	if p == (Params{}) {
		return Params{Memory: 19 << 10, Time: 2, Threads: 1}
	}
	return p
}

// check refuses costs that are too low to protect, or too high to pay.
func (p Params) check() error {
	var errs []error
	if p.Memory < minMemory || p.Memory > maxMemory {
		errs = append(errs, fmt.Errorf("password: Params.Memory is %d KiB, want %d to %d", p.Memory, minMemory, maxMemory))
	}
	if p.Time < 1 || p.Time > maxTime || p.Time < 2 && p.Memory < manyMemory {
		errs = append(errs, fmt.Errorf("password: Params.Time is %d, want 1 to %d, and 2 at least below %d KiB", p.Time, maxTime, manyMemory))
	}
	if p.Threads < 1 || p.Threads > maxThreads {
		errs = append(errs, fmt.Errorf("password: Params.Threads is %d, want 1 to %d", p.Threads, maxThreads))
	}
	return errors.Join(errs...)
}

// An encoded is a stored hash in parts.
type encoded struct {
	params    Params
	salt, key []byte
}

var (
	errLength = fmt.Errorf("password: want a password of 1 to %d bytes", maxPassword)
	errHash   = errors.New("password: not the PHC string of an argon2id hash")
	errCosts  = errors.New("password: the costs of the hash are out of bounds")
)

// Hash returns what to store for a password: its argon2id hash under p and a fresh
// salt, as a PHC string. The password has 1 to 1024 bytes.
func Hash(password secret.Text, p Params) (string, error) {
	p = p.withDefaults()
	if err := p.check(); err != nil {
		return "", err
	}
	return hash(password, p)
}

// hash is Hash under costs that were checked.
func hash(password secret.Text, p Params) (string, error) {
	text := password.Reveal()
	if text == "" || len(text) > maxPassword {
		return "", errLength
	}
	e := encoded{params: p, salt: make([]byte, saltLength)}
	_, _ = rand.Read(e.salt) // never fails: it ends the program first
	e.key = make([]byte, keyLength)
	e.key = e.derive(text)
	return e.String(), nil
}

// derive returns the key that text has under e's parameters and salt.
func (e *encoded) derive(text string) []byte {
	//nolint:gosec // G115: parse and Hash bound the length
	return argon2.IDKey([]byte(text), e.salt, e.params.Time, e.params.Memory, e.params.Threads, uint32(len(e.key)))
}

// holds reports whether password is that of e, in a time that tells nothing else.
func (e *encoded) holds(password secret.Text) bool {
	return subtle.ConstantTimeCompare(e.derive(password.Reveal()), e.key) == 1
}

// measure reports whether password is empty, and whether it is too long.
func measure(password secret.Text) (empty, long bool) {
	n := len(password.Reveal())
	return n == 0, n > maxPassword
}

// mark names a pair of name and password under key.
func mark(key []byte, name string, password secret.Text) (sum [sha256.Size]byte) {
	h := hmac.New(sha256.New, key)
	var length [8]byte
	binary.BigEndian.PutUint64(length[:], uint64(len(name)))
	_, _ = h.Write(length[:]) // a hash.Hash never returns an error
	_, _ = h.Write([]byte(name))
	_, _ = h.Write([]byte(password.Reveal()))
	h.Sum(sum[:0])
	return sum
}

// String returns e as a PHC string.
func (e *encoded) String() string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, e.params.Memory, e.params.Time, e.params.Threads,
		b64.EncodeToString(e.salt), b64.EncodeToString(e.key))
}

// parse reads a PHC string of argon2id, in its one spelling. Costs below those
// that Hash takes are read down to half a MiB, so that older hashes can be
// renewed. Errors hold no part of text.
func parse(text string) (*encoded, error) {
	parts := strings.Split(text, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != "v="+strconv.Itoa(argon2.Version) {
		return nil, errHash
	}
	costs := strings.Split(parts[3], ",")
	if len(costs) != 3 {
		return nil, errHash
	}
	m, okM := number(costs[0], "m=")
	t, okT := number(costs[1], "t=")
	p, okP := number(costs[2], "p=")
	salt, errSalt := base64.RawStdEncoding.Strict().DecodeString(parts[4])
	key, errKey := base64.RawStdEncoding.Strict().DecodeString(parts[5])
	switch {
	case !okM || !okT || !okP, errSalt != nil, errKey != nil, len(salt) < minSalt, len(salt) > maxSalt, len(key) < minKey, len(key) > maxKey,
		strings.ContainsAny(text, "\r\n"): // which base64 passes over
		return nil, errHash
	case m < 512, m > maxMemory, t < 1, t > maxTime, p < 1, p > maxThreads, m < 8*p:
		return nil, errCosts
	}
	return &encoded{params: Params{Memory: m, Time: t, Threads: uint8(p)}, salt: salt, key: key}, nil
}

// number reads a decimal number without leading zeros, sign or blanks.
func number(text, prefix string) (uint32, bool) {
	digits, ok := strings.CutPrefix(text, prefix)
	n, err := strconv.ParseUint(digits, 10, 32)
	if !ok || err != nil || strconv.FormatUint(n, 10) != digits {
		return 0, false
	}
	return uint32(n), true
}

// outdated reports whether a hash under e's parameters is to be renewed.
func (e *encoded) outdated(p Params) bool { return e.params != p || len(e.key) != keyLength }

// dummy returns a hash under p that no password has, for names that nobody has.
func dummy(p Params) *encoded {
	e := &encoded{params: p, salt: make([]byte, saltLength), key: make([]byte, keyLength)}
	_, _ = rand.Read(e.salt)
	_, _ = rand.Read(e.key)
	return e
}
