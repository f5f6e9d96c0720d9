// Package secret holds text that no formatter, encoder or reflection shows.
//
// A [Text] keeps its value behind a func, because String and LogValue alone do
// not hide one: %d prints the inner string, fmt calls no method on an
// unexported field, and reflection reads through a pointer. A closure's
// captured variable is out of reach for all three.
//
// The standard: OWASP ASVS 5.0 V16 (no credential in a log).
package secret

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

// hidden is what every formatter and encoder shows in place of the value.
const hidden = "[secret]"

// Text is a secret string. The zero value is the empty secret. A Text is
// immutable and safe for concurrent use; == does not compile on it, use
// [Text.Equal].
type Text struct{ reveal func() string }

// New returns s as a secret. The caller must not keep or print s itself.
func New(s string) Text { return Text{reveal: func() string { return s }} }

// Reveal returns the value. Each caller of Reveal is on the lint allow list:
// reveal at the one place of use, and keep no copy.
func (t Text) Reveal() string {
	if t.reveal == nil {
		return ""
	}
	return t.reveal()
}

// IsZero reports whether the secret is empty.
func (t Text) IsZero() bool { return t.Reveal() == "" }

// Equal reports whether both secrets are the same, in a time that depends on
// their lengths only.
func (t Text) Equal(other Text) bool {
	a, b := sha256.Sum256([]byte(t.Reveal())), sha256.Sum256([]byte(other.Reveal()))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// Format writes "[secret]" for every verb and flag (%d and %#v too).
func (Text) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, hidden) }

// String returns "[secret]".
func (Text) String() string { return hidden }

// LogValue returns "[secret]".
func (Text) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText returns "[secret]": JSON, XML, YAML, gob and templates use it.
func (Text) MarshalText() ([]byte, error) { return []byte(hidden), nil }
