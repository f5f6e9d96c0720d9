package apikey

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/warder-dev/warder/exchange"
)

const (
	maxName   = 128 // bytes of a name or owner
	maxScopes = 100
	maxReason = 64
)

// A Spec says what a key to be created is for.
type Spec struct {
	Environment Environment // required: 1 to 16 lower case letters and digits
	Name        string      // for people: at most 128 bytes of printable UTF-8; may be empty
	Owner       string      // whom the key belongs to, by the customer's own id: as Name; may be empty
	Scopes      []string    // grants, see [exchange.ValidScope]; at most 100; none grants nothing
	Expires     time.Time   // in the future, cut to milliseconds; zero: never

	// Certificate binds the key to a client: the SHA-256 of its certificate's DER,
	// as RFC 8705, section 3.1 has it for tokens. A stolen key is of no use then
	// without the certificate's private key. It needs the client's certificate on
	// each request, from TLS or from a listed proxy. Zero: none.
	Certificate [32]byte
}

// A SpecError reports one field of a [Spec], or the reason of a revocation, that
// cannot be used. All that is wrong is reported at once, joined.
type SpecError struct {
	Field  string // "environment", "name", "owner", "scopes", "expires", "reason", "actor" or "source"
	Reason string // what is wanted instead; never the value
}

func (e *SpecError) Error() string { return "apikey: " + e.Field + ": " + e.Reason }

// Check reports everything that is wrong with s at once, each a [*SpecError]:
// what [Issuer.Create] does before it touches the store.
func (s *Spec) Check(now time.Time) error {
	var errs []error
	if !validWord(string(s.Environment)) {
		errs = append(errs, &SpecError{"environment", fmt.Sprintf("want 1 to %d lower case letters and digits", wordLength)})
	}
	errs = append(errs, checkText("name", s.Name), checkText("owner", s.Owner), checkScopes(s.Scopes))
	if !s.Expires.IsZero() && !s.Expires.After(now) {
		errs = append(errs, &SpecError{"expires", "want a time in the future"})
	}
	return errors.Join(errs...)
}

// checkText refuses what would read differently from what it is, or end a line
// where it is shown or forwarded.
func checkText(field, s string) error {
	if len(s) > maxName {
		return &SpecError{field, fmt.Sprintf("want at most %d bytes", maxName)}
	}
	if !utf8.ValidString(s) {
		return &SpecError{field, "want UTF-8"}
	}
	for _, r := range s {
		switch {
		case unicode.Is(unicode.Bidi_Control, r):
			return &SpecError{field, "want no control of text direction"}
		case !unicode.IsPrint(r): // NUL, CR, LF, U+2028, every space but " ", private use
			return &SpecError{field, "want printable characters only"}
		}
	}
	if holdsKey(s) {
		return &SpecError{field, "holds the text of a key"}
	}
	return nil
}

// holdsKey reports whether s holds what has the form of a key, with whatever
// check digits and beginning: what is stored, listed and logged in plain text is
// no place for one.
func holdsKey(s string) bool {
	for run := range strings.FieldsFuncSeq(s, func(r rune) bool { return !strings.ContainsRune(base62+"_", r) }) {
		parts := strings.Split(run, "_")
		for i := 2; i < len(parts); i++ {
			if len(parts[i]) >= tailLength && validWord(parts[i-1]) && parts[i-2] != "" {
				return true
			}
		}
	}
	return false
}

func checkScopes(scopes []string) error {
	if len(scopes) > maxScopes {
		return &SpecError{"scopes", fmt.Sprintf("want at most %d", maxScopes)}
	}
	for i, scope := range scopes {
		if !exchange.ValidScope(scope) {
			return &SpecError{"scopes", fmt.Sprintf("number %d: want segments of letters, digits and ._-/ divided by \":\", the last may be \"*\"", i+1)}
		}
		if holdsKey(scope) {
			return &SpecError{"scopes", fmt.Sprintf("number %d: holds the text of a key", i+1)}
		}
	}
	return nil
}

// checkReason keeps the reason of a revocation a word for logs and filters. No
// key fits into it: it has no "_".
func checkReason(reason string) error {
	if len(reason) > maxReason {
		return &SpecError{"reason", fmt.Sprintf("want at most %d bytes", maxReason)}
	}
	for i := range len(reason) {
		if b := reason[i]; (b < 'a' || b > 'z') && (b < '0' || b > '9') && b != '-' {
			return &SpecError{"reason", "want lower case letters, digits and \"-\""}
		}
	}
	return nil
}
