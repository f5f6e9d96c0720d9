// Package contract reads OpenAPI documents that somebody else wrote (3.0 and
// 3.1) and makes policy of them: which operations there are, what each asks for,
// and a stage that judges parameters and bodies.
//
// A document is input like any other. [Read] asks nobody and opens nothing: a
// reference that leads out of the document is an error, as is a schema that
// refers to itself without going into a member or an item, an alias of YAML, a
// pattern that package regexp does not know, and whatever is longer, deeper or
// wider than [Options] allow. What the document says and nobody here enforces is
// in [Document.Warnings]; what cannot be enforced and would let more through than
// the document means is an error.
//
// A [Stage] judges in bounded time and memory: a body is read up to a limit,
// patterns are matched in linear time, and the number of steps of one judgement
// is bounded, whatever the schema is like.
package contract

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Options bound a document, and may put it elsewhere. The zero value of each field
// is its default.
type Options struct {
	_          [0]func()
	Bytes      int // of the document; default 4 MiB, at most 32 MiB
	Depth      int // of its values; default 64, at most 256
	Values     int // in it altogether; default 500,000, at most 5,000,000
	Operations int // default 2,000, at most 10,000

	// Base is put before each path of the document, such as "/v1", whatever its
	// servers are; "/" for nothing. Default: the path of the servers.
	Base string
}

const (
	defaultBytes, maxBytes           = 4 << 20, 32 << 20
	defaultDepth, maxDepth           = 64, 256
	defaultValues, maxValues         = 500_000, 5_000_000
	defaultOperations, maxOperations = 2_000, 10_000
)

// complete sets defaults and reports what is out of range.
func (l *Options) complete() error {
	var errs []error
	for _, f := range []struct {
		name     string
		value    *int
		def, max int
	}{
		{"Bytes", &l.Bytes, defaultBytes, maxBytes},
		{"Depth", &l.Depth, defaultDepth, maxDepth},
		{"Values", &l.Values, defaultValues, maxValues},
		{"Operations", &l.Operations, defaultOperations, maxOperations},
	} {
		if *f.value == 0 {
			*f.value = f.def
		}
		if *f.value < 1 || *f.value > f.max {
			errs = append(errs, fmt.Errorf("contract: Options.%s is %d, want 1 to %d", f.name, *f.value, f.max))
		}
	}
	return errors.Join(errs...)
}

// A Document is what an OpenAPI document says of requests. It is immutable and
// safe for concurrent use.
type Document struct {
	Version    string            // of the specification, such as "3.1.0"
	Title      string            // of the API
	Base       string            // path of the first server, without "/" at the end; "" for none
	Operations []*Operation      // by path and method
	Schemes    map[string]Scheme // components.securitySchemes
	Warnings   []string          // what the document says and nobody enforces, each with its place
}

// A Scheme is a Security Scheme Object: what a request proves, and where.
type Scheme struct {
	Type   string // apiKey, http, oauth2, openIdConnect, mutualTLS
	In     string // of apiKey: header, query, cookie
	Name   string // of apiKey: the field, parameter or cookie
	Scheme string // of http, in lower case: bearer, basic
}

// String describes s for an error.
func (s Scheme) String() string {
	switch s.Type {
	case "apiKey":
		return fmt.Sprintf("an API key in %s %s", s.In, s.Name)
	case "http":
		return "HTTP " + s.Scheme
	default:
		return s.Type
	}
}

// An Alternative is a Security Requirement Object: schemes that are needed
// together, each with its scopes. The empty one lets requests pass without any.
type Alternative map[string][]string

// An Operation is one method of one path.
type Operation struct {
	Method string // in upper case
	Path   string // the template as it is written, with the base path before it
	ID     string // operationId; "" for none

	// Pattern is the path for warder.Routes, without method and host: "/users/{p1}",
	// "/items/{$}", "/files/{p1_0}.json".
	Pattern string

	// Security lists what suffices. It counts when Stated is true: then the empty
	// list is public. Otherwise the document says nothing of the operation, and
	// whoever serves it decides; nothing is public because nobody said so.
	Security []Alternative
	Stated   bool

	// What the extensions x-warder-limits, x-warder-scopes, x-warder-roles and
	// x-warder-mode say. Scopes are needed beside those of Security. Of Roles one is
	// needed; which claim of a token has them is for whoever serves the operation to
	// say. Mode is "", "off", "shadow" or "enforce".
	Limits []string
	Scopes []string
	Roles  []string
	Mode   string

	place      string
	spots      map[string]spot // of the parameters in Path
	parameters []*parameter
	query      map[string]*parameter // what takes a name of the query
	openQuery  bool                  // a parameter takes any name
	body       *body                 // nil for none
}

// Public reports whether o says that anybody may call it, with no credential or
// with none among others.
func (o *Operation) Public() bool {
	return o.Stated && (len(o.Security) == 0 || slices.ContainsFunc(o.Security, func(a Alternative) bool { return len(a) == 0 }))
}

// Place is where the document has o: a JSON Pointer (RFC 6901) as URI fragment.
func (o *Operation) Place() string { return shortPlace(o.place) }

// Name is method and path, for people.
func (o *Operation) Name() string { return o.Method + " " + o.Path }

// An Error is one thing that is wrong with a document.
type Error struct {
	Place   string // a JSON Pointer (RFC 6901) as URI fragment: "#/paths/~1users/get"
	Problem string // and how to mend it
}

// Error names the place.
func (e *Error) Error() string { return "contract: " + e.Place + ": " + e.Problem }

// child returns the pointer of a member of place.
func child(place, name string) string { return place + "/" + escapePointer(name) }

// escapePointer escapes one token of a JSON Pointer (RFC 6901, section 3), and
// what a fragment must not hold as it is.
func escapePointer(name string) string {
	name = strings.NewReplacer("~", "~0", "/", "~1", "%", "%25", " ", "%20", "\"", "%22").Replace(name)
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, name)
}

// shortPlace keeps a place that an error names short: names may be long.
func shortPlace(place string) string {
	const half = 150
	if len(place) <= 2*half {
		return place
	}
	return strings.ToValidUTF8(place[:half]+"..."+place[len(place)-half:], "")
}

// shorten keeps text of the document that an error repeats short, and on one line.
func shorten(text string) string {
	const most = 80
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "..."
	}
	return text
}
