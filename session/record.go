package session

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/warder-dev/warder/exchange"
)

// A Digest is the SHA-256 of a session's id: what a store keeps in its place.
type Digest [sha256.Size]byte

// Name returns the name of the session whose id has the digest. It is a digest
// of the digest, so that whoever reads it in a log can ask no store by it.
func (d Digest) Name() string {
	sum := sha256.Sum256(append([]byte("warder session name\x00"), d[:]...))
	return base64.RawURLEncoding.EncodeToString(sum[:nameLength])
}

// nameLength is how many bytes of the digest a name has: enough for no two
// sessions ever to share one.
const nameLength = 18

// A User is who logged in, and what the session grants.
type User struct {
	Issuer  string // who vouches: "password", or the URL of an OpenID provider. Required, at most 255 bytes.
	Subject string // whom it vouches for, unique within the issuer and never given to somebody else. Required, at most 255 bytes.
	Name    string // for people to read; at most 255 bytes

	// Scopes are what the session grants, at most 100: pattern scopes where warder's
	// own configuration grants them, literal ones where somebody else named them.
	Scopes exchange.Scopes

	// Claims are for conditions, limits and the upstream: JSON values of at most
	// 4 KiB as JSON. Nobody changes them once they were given.
	Claims map[string]any

	// AuthenticatedAt is when the user last proved to be it. Default: now.
	AuthenticatedAt time.Time

	// Remember asks for a session that outlives the browser. Without
	// Config.Remember it has no effect.
	Remember bool
}

// A Record is one session, as stores keep it. Times have microseconds.
type Record struct {
	Digest      Digest // of the valid id
	Former      Former // the id before the last rotation
	Revision    uint64 // set by the store: 1 when created, another one after each change
	User        User
	Created     time.Time
	LastUsed    time.Time // coarse: see the package
	IdleExpires time.Time // LastUsed and the idle time, never after Expires
	Expires     time.Time // never moved
}

// A Former is an id that was replaced. The zero value is none.
type Former struct {
	Digest Digest
	Until  time.Time // until when it is answered as the session
	User   User      // what it grants until then: what the session granted before and after
}

// expired returns the reason for which r has ended at now, or "".
func (r *Record) expired(now time.Time) string {
	switch {
	case !now.Before(r.Expires):
		return "expired"
	case !now.Before(r.IdleExpires):
		return "idle"
	default:
		return ""
	}
}

// Bounds of a [User].
const (
	maxText   = 255  // bytes of issuer, subject and name
	maxScopes = 100  // in number
	maxClaims = 4096 // bytes as JSON
)

// Check reports everything that is wrong with u: what no session can hold.
func (u User) Check() error {
	_, err := u.normal()
	return err
}

// normal returns u as every store gives it back: times in UTC with microseconds,
// claims as JSON has them. It reports everything that no session can hold.
func (u User) normal() (User, error) {
	var errs []error
	for _, text := range []struct {
		name, value string
		required    bool
	}{{"Issuer", u.Issuer, true}, {"Subject", u.Subject, true}, {"Name", u.Name, false}} {
		if text.required && strings.TrimSpace(text.value) == "" {
			errs = append(errs, fmt.Errorf("session: user: %s is empty", text.name))
		}
		if !plain(text.value) {
			errs = append(errs, fmt.Errorf("session: user: %s: want at most %d bytes of UTF-8 without controls", text.name, maxText))
		}
	}
	if len(u.Scopes.Names()) > maxScopes {
		errs = append(errs, fmt.Errorf("session: user: more than %d scopes", maxScopes))
	}
	for _, scope := range u.Scopes.Names() {
		if !exchange.ValidScope(scope) {
			errs = append(errs, errors.New("session: user: a scope has not the form of one"))
			break
		}
	}
	claims, err := normalClaims(u.Claims)
	if err := errors.Join(append(errs, err)...); err != nil {
		return User{}, err
	}
	u.Claims, u.AuthenticatedAt = claims, moment(u.AuthenticatedAt)
	return u, nil
}

// plain reports whether text can be stored, logged and shown as it is.
func plain(text string) bool {
	return len(text) <= maxText && utf8.ValidString(text) && !strings.ContainsFunc(text, unicode.IsControl)
}

var errClaims = fmt.Errorf("session: user: claims: want JSON values of at most %d bytes", maxClaims)

// normalClaims returns a copy of claims as JSON reads them back; nil for none.
func normalClaims(claims map[string]any) (map[string]any, error) {
	if len(claims) == 0 {
		return nil, nil
	}
	text, err := json.Marshal(claims)
	if err != nil || len(text) > maxClaims || strings.Contains(string(text), `\u0000`) {
		return nil, errClaims // err would quote a claim
	}
	var copied map[string]any
	if json.Unmarshal(text, &copied) != nil {
		return nil, errClaims
	}
	return copied, nil
}

// moment returns t as stores keep it.
func moment(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// common returns what both before and after grant: what the id from before a
// rotation is still good for, so that whoever holds it gains nothing by one.
func common(before, after User) User {
	both := after
	both.AuthenticatedAt = before.AuthenticatedAt
	if after.AuthenticatedAt.Before(before.AuthenticatedAt) {
		both.AuthenticatedAt = after.AuthenticatedAt
	}
	var names []string
	for _, name := range before.Scopes.Names() {
		if grants(after.Scopes, name) {
			names = append(names, name)
		}
	}
	for _, name := range after.Scopes.Names() {
		if grants(before.Scopes, name) {
			names = append(names, name)
		}
	}
	both.Scopes = exchange.LiteralScopes(names...)
	if before.Scopes.Patterns() && after.Scopes.Patterns() {
		both.Scopes = exchange.PatternScopes(names...)
	}
	both.Claims = maps.Clone(after.Claims)
	maps.DeleteFunc(both.Claims, func(name string, value any) bool { return !reflect.DeepEqual(before.Claims[name], value) })
	if len(both.Claims) == 0 {
		both.Claims = nil
	}
	return both
}

// grants reports whether s grants all that the grant called name does, for
// certain.
func grants(s exchange.Scopes, name string) bool {
	if !strings.HasSuffix(name, "*") {
		return s.Allow(name)
	}
	return slices.Contains(s.Names(), name)
}
