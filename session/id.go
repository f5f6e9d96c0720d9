package session

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
)

const (
	idBytes  = 32 // of randomness: 256 bits
	idLength = 43 // of base64url without padding
)

// newID returns the text of a fresh id.
func newID() string {
	var raw [idBytes]byte
	_, _ = rand.Read(raw[:]) // never fails: it ends the program first
	return base64.RawURLEncoding.EncodeToString(raw[:])
}

// digestOf returns the digest of text; ok is false when it is no id. One session
// has one text: what decodes to the same bytes by other padding bits is another.
func digestOf(text string) (d Digest, ok bool) {
	if len(text) != idLength {
		return d, false
	}
	var buffer [idLength]byte
	copy(buffer[:], text)
	for _, b := range buffer {
		if ('A' > b || b > 'Z') && ('a' > b || b > 'z') && ('0' > b || b > '9') && b != '-' && b != '_' {
			return d, false
		}
	}
	return sha256.Sum256(buffer[:]), true
}
