package apikey

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/warder-dev/warder/exchange"
)

const (
	maxText   = 128 // bytes of a name or owner
	maxActor  = 512 // bytes: a holder of an owner, by somebody who administers
	maxScopes = 100
	maxReason = 64
)

// A Spec says what a key to be created is for.
type Spec struct {
	Environment Environment // required: 1 to 16 lower case letters and digits
	Kind        Kind        // default [KindSecret]
	Name        string      // for people: at most 128 bytes of printable UTF-8; may be empty
	Owner       string      // whom the key belongs to, by the customer's own id: as Name; may be empty
	Scopes      []string    // grants, see [exchange.ValidScope]; at most 100; none grants nothing

	// Expires is in the future, cut to milliseconds. Zero: as [Policy.DefaultTTL] has
	// it, or never where that is 0.
	Expires time.Time
	Never   bool // it does not expire, whatever DefaultTTL is; without Expires

	// Certificate binds the key to a client: the SHA-256 of its certificate's DER,
	// as RFC 8705, section 3.1 has it for tokens. A stolen key is of no use then
	// without the certificate's private key. It needs the client's certificate on
	// each request, from TLS or from a listed proxy. Zero: none.
	Certificate [32]byte

	// Metadata are notes of the customer's own: at most 50, with names of 1 to 64
	// bytes and values of at most 512, both printable UTF-8.
	Metadata map[string]string

	Addresses []netip.Prefix // from where alone it may be used; at most 100; none: anywhere
	Methods   []string       // with which alone, in upper case; GET takes HEAD too; at most 20; none: any

	// Paths are the patterns of which one has to match the canonical path, written
	// as those of routes without a method and a host: "/orders/" takes all below it,
	// "/orders/{id}" one segment; what would be a wildcard elsewhere, such as "*", is
	// refused. At most 100; none: any.
	Paths []string

	// Origins are the pages from which alone a key of [KindPublic] may be used:
	// scheme://host[:port] as browsers send it, https but on this machine. 1 to 20
	// for that kind, none for others.
	Origins []string

	Plan       string           // 1 to 40 lower-case letters, digits and ._-, as limits have; "" for none
	Limits     []exchange.Quota // at most 10, each of another limit
	IdleRevoke time.Duration    // 0, or 1 h to 3660 d
}

// A SpecError reports one field of a [Spec], a [Patch] or a [RollSpec], or the
// reason of a revocation, that cannot be used. All that is wrong is reported at
// once, joined.
type SpecError struct {
	Field  string // as JSON would name it: "environment", "idle_revoke", also "reason", "actor" and "source"
	Reason string // what is wanted instead; never the value
}

func (e *SpecError) Error() string { return "apikey: " + e.Field + ": " + e.Reason }

// Check reports everything that is wrong with s at once, each a [*SpecError]:
// what [Issuer.Create] does before it touches the store, but for its [Policy].
func (s *Spec) Check(now time.Time) error {
	var errs []error
	if !validWord(string(s.Environment)) {
		errs = append(errs, &SpecError{"environment", fmt.Sprintf("want 1 to %d lower case letters and digits", wordLength)})
	}
	if s.Never && !s.Expires.IsZero() {
		errs = append(errs, &SpecError{"expires", "want either a time or never"})
	}
	errs = append(errs, checkExpires(s.Expires, now))
	r := s.record()
	errs = append(errs, r.check())
	return errors.Join(errs...)
}

// record is what of s a record takes over.
func (s *Spec) record() Record {
	return Record{
		Environment: s.Environment, Kind: cmp.Or(s.Kind, KindSecret), Name: s.Name, Owner: s.Owner, Scopes: slices.Clone(s.Scopes),
		Expires: moment(s.Expires), Certificate: s.Certificate, Metadata: maps.Clone(s.Metadata),
		Addresses: unmapped(s.Addresses), Methods: slices.Clone(s.Methods), Paths: slices.Clone(s.Paths), Origins: plainOrigins(s.Origins),
		Plan: s.Plan, Limits: slices.Clone(s.Limits), IdleRevoke: s.IdleRevoke,
	}
}

// check reports everything that is wrong with what people say of a key.
func (r *Record) check() error {
	return errors.Join(
		checkKind(r.KindOf()), checkText("name", r.Name, maxText), checkText("owner", r.Owner, maxText), checkScopes(r.Scopes),
		checkMetadata(r.Metadata), checkAddresses(r.Addresses), checkMethods(r.Methods), checkPaths(r.Paths),
		checkOrigins(r.KindOf(), r.Origins), checkPlan(r.Plan), checkLimits(r.Limits), checkIdle("idle_revoke", r.IdleRevoke, minIdleRevoke, maxIdleRevoke),
	)
}

func checkKind(k Kind) error {
	if k != KindSecret && k != KindPublic && k != KindHoneytoken {
		return &SpecError{"kind", fmt.Sprintf("want %q, %q or %q", KindSecret, KindPublic, KindHoneytoken)}
	}
	return nil
}

func checkExpires(expires, now time.Time) error {
	if !expires.IsZero() && !moment(expires).After(now) {
		return &SpecError{"expires", "want a time in the future"}
	}
	return nil
}

// CheckOwner reports a text that no key can have as its owner, by a [SpecError]: for
// what is kept beside keys under the name of an owner.
func CheckOwner(owner string) error { return checkText("owner", owner, maxText) }

// checkText refuses what would read differently from what it is, or end a line
// where it is shown or forwarded.
func checkText(field, s string, most int) error {
	if len(s) > most {
		return &SpecError{field, fmt.Sprintf("want at most %d bytes", most)}
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
	if HoldsKey(s) {
		return &SpecError{field, "holds the text of a key"}
	}
	return nil
}

// HoldsKey reports whether s holds what has the form of a key, with whatever
// check digits and beginning: what is stored, listed and logged in plain text is
// no place for one.
func HoldsKey(s string) bool {
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
		if HoldsKey(scope) {
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
