package csrf

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"sync"
	"time"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/secret"
)

const (
	keyLength = 32 // bytes, at least: as long as the digest (RFC 2104, section 3)
	maxKeys   = 16 // a rotation needs two

	// A token is its mask, and under it the time in seconds and the digest.
	timeLength  = 8
	innerLength = timeLength + sha256.Size
	rawLength   = 2 * innerLength
	textLength  = (rawLength*8 + 5) / 6 // base64 without padding

	// skew is how far another node's clock may be ahead.
	skew = time.Minute

	// domain keeps a digest from meaning something else under the same key.
	domain = "warder csrf token 1\x00"
)

// A key is one secret. The secret itself is only in the closure of macs, where
// no formatter and no reflection finds it.
type key struct{ macs sync.Pool } // of *mac

// mac is a keyed hash with the memory for one computation.
type mac struct {
	hash hash.Hash
	out  [sha256.Size]byte
	text [textLength]byte
	raw  [rawLength]byte
	join []byte // what is digested, in one piece: strings would each be copied for the hash
}

var errKey = fmt.Errorf("want at least %d bytes, and no key twice", keyLength)

// newKeys makes keys of texts. Errors name the place, never the content.
func newKeys(texts []secret.Text) ([]*key, error) {
	if len(texts) > maxKeys {
		return nil, fmt.Errorf("csrf: %d keys: want at most %d", len(texts), maxKeys)
	}
	var errs []error
	keys := make([]*key, 0, len(texts))
	for i, text := range texts {
		raw := []byte(text.Reveal())
		if len(raw) < keyLength || repeats(texts[:i], text) {
			errs = append(errs, fmt.Errorf("csrf: key %d: %w", i+1, errKey))
			continue
		}
		k := new(key)
		k.macs.New = func() any { return &mac{hash: hmac.New(sha256.New, raw)} }
		keys = append(keys, k)
	}
	return keys, errors.Join(errs...)
}

func repeats(before []secret.Text, text secret.Text) bool {
	for _, b := range before {
		if b.Equal(text) {
			return true
		}
	}
	return false
}

// Token returns a token for the principal of x: for a form's field, or for a
// script to send in the header field. Each call returns another text. It is ""
// when there are no keys, and for a principal that needs none: nobody, and one
// whose credential is not ambient.
func (s *Stage) Token(x *exchange.Exchange) string {
	if len(s.keys) == 0 || !x.Principal.Ambient || x.Principal.IsZero() {
		return ""
	}
	m := s.keys[0].get()
	defer s.keys[0].macs.Put(m)
	mask, inner := m.raw[:innerLength], m.raw[innerLength:]
	_, _ = rand.Read(mask)                                       // it never fails: the process stops instead
	binary.BigEndian.PutUint64(inner, uint64(time.Now().Unix())) //nolint:gosec // after 1970
	copy(inner[timeLength:], m.digest(inner[:timeLength], &x.Principal))
	subtle.XORBytes(inner, inner, mask)
	base64.RawURLEncoding.Encode(m.text[:], m.raw[:])
	return string(m.text[:])
}

// Header returns the name of the field that a script sends a token in.
func (s *Stage) Header() string { return s.header }

// Field returns the name of the form field for a token.
func (s *Stage) Field() string { return s.field }

// verify returns why text is no token for p; "" when it is one, with its age. It
// does not allocate.
func (s *Stage) verify(text string, p *exchange.Principal) (age time.Duration, reason string) {
	if len(text) != textLength || p.IsZero() {
		return 0, reasonBadToken
	}
	now := time.Now()
	for _, k := range s.keys {
		issued, ok := k.verify(text, p)
		if !ok {
			continue
		}
		age = now.Sub(issued)
		if age < -skew {
			return age, reasonBadToken
		}
		if age >= s.lifetime {
			return age, reasonExpired
		}
		return age, ""
	}
	return 0, reasonBadToken
}

func (k *key) get() *mac {
	m, _ := k.macs.Get().(*mac)
	return m
}

// verify reports whether text, of textLength bytes, was made under k for p, and
// when.
func (k *key) verify(text string, p *exchange.Principal) (issued time.Time, ok bool) {
	m := k.get()
	defer k.macs.Put(m)
	copy(m.text[:], text)
	// Strict: the bits that the last character has too many are not looked at
	// otherwise, and a token would have several spellings.
	if n, err := base64.RawURLEncoding.Strict().Decode(m.raw[:], m.text[:]); err != nil || n != rawLength {
		return time.Time{}, false
	}
	mask, inner := m.raw[:innerLength], m.raw[innerLength:]
	subtle.XORBytes(inner, inner, mask)
	seconds := binary.BigEndian.Uint64(inner)
	if !hmac.Equal(inner[timeLength:], m.digest(inner[:timeLength], p)) {
		return time.Time{}, false
	}
	return time.Unix(int64(seconds), 0), true //nolint:gosec // signed by us: it is a time
}

// digest returns the HMAC of the time and of whom the token is for, in m.out.
// Each part has its length before it, so that none runs into the next.
func (m *mac) digest(issued []byte, p *exchange.Principal) []byte {
	m.hash.Reset()
	m.join = append(m.join[:0], domain...)
	m.join = append(m.join, issued...)
	for _, part := range [...]string{p.Session, p.Issuer, p.Subject, p.KeyID} {
		m.join = binary.BigEndian.AppendUint64(m.join, uint64(len(part)))
		m.join = append(m.join, part...)
	}
	_, _ = m.hash.Write(m.join) // a hash.Hash never returns an error
	return m.hash.Sum(m.out[:0])
}
