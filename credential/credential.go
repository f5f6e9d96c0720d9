// Package credential finds what may be a credential in the raw fields of a
// request: a cookie, a query parameter, the Authorization field.
//
// The parsers of net/http report "absent" for what they cannot parse: a cookie
// behind 3,000 others, a parameter behind 10,000 or beside a semicolon. Whoever
// asks them takes a request that carries a credential for one that carries none.
// This package scans the whole field, however long, and says of everything that
// it cannot read in one way only that it is there and [Unreadable].
//
// What it finds for one it finds for all: schemes find a credential by the same
// functions by which a gateway removes it.
package credential

import (
	"net/http"
	"strings"
)

// A State says whether a credential is there.
type State uint8

// The states. Only Absent means that the request carries none.
const (
	Absent     State = iota
	Once             // it is there, whatever its value: also empty or malformed
	Repeated         // it is there more than once
	Unreadable       // it is there, or may be, in a form that others read differently
)

// String returns the state's word for the log.
func (s State) String() string {
	switch s {
	case Absent:
		return "absent"
	case Once:
		return "once"
	case Repeated:
		return "repeated"
	case Unreadable:
		return "unreadable"
	default:
		return "unreadable"
	}
}

// Authorization returns the authentication scheme and what follows it (RFC 9110,
// section 11.4): "Basic" and the rest after the blanks. Schemes are compared
// without case. A field without a blank, or with a tab, has no rest: its
// text is the scheme as a whole. Two fields are Repeated.
func Authorization(h http.Header) (scheme, rest string, s State) {
	fields := h["Authorization"]
	switch len(fields) {
	case 0:
		return "", "", Absent
	case 1:
	default:
		return "", "", Repeated
	}
	scheme, rest, _ = strings.Cut(fields[0], " ")
	return scheme, strings.TrimLeft(rest, " "), Once
}
