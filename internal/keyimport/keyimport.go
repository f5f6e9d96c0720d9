// Package keyimport reads the keys of other systems: what Kong, Tyk, APISIX, the
// API Gateway of AWS and Unkey export, and plain CSV. It reads files as they
// stream by, tells every field that it cannot take over, and holds no key longer
// than its caller does.
package keyimport

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/secret"
)

// A Format is a form of files.
type Format string

// The formats.
const (
	Kong   Format = "kong"   // a declarative file of decK, YAML or JSON
	Tyk    Format = "tyk"    // keys with their sessions, as the dashboard's API lists them, or one to a line; JSON
	APISIX Format = "apisix" // consumers, as the Admin API lists them or as in apisix.yaml
	AWS    Format = "aws"    // the CSV that API Gateway exports and takes
	Unkey  Format = "unkey"  // the body of keys.migrateKeys, JSON
	CSV    Format = "csv"    // with the columns of its first line
)

// Formats returns the names of all formats.
func Formats() []Format { return []Format{Kong, Tyk, APISIX, AWS, Unkey, CSV} }

// An Entry is one key of another system. Either Text or Digest is there.
type Entry struct {
	At          string // its place in the file: "line 3", "consumers[0].keyauth_credentials[1]"
	Text        secret.Text
	Format      string // of Digest: apikey.FormatSHA256 or apikey.FormatSHA512
	Digest      []byte
	Name        string
	Owner       string
	Environment apikey.Environment // "" where the file names none
	Scopes      []string
	Expires     time.Time
	Disabled    bool
	Plan        string
	Limits      []exchange.Quota
	Metadata    map[string]string
	Left        []string // fields that say something and have no place in warder

	columns map[string]int // of a table, by their names: which, from 0
}

// Place returns where the entry has a field: with its column, in a table that has
// one of the name.
func (e *Entry) Place(field string) string {
	if i, ok := e.columns[field]; ok {
		return fmt.Sprintf("%s, column %d", e.At, i+1)
	}
	return e.At
}

// fault returns what is wrong with a field.
func (e *Entry) fault(field, format string, args ...any) *FieldError {
	return &FieldError{e.Place(field), field, fmt.Sprintf(format, args...)}
}

// A FieldError tells of one field that cannot be taken over. The entry is left
// out, and reading goes on.
type FieldError struct {
	At     string // as [Entry.Place]
	Field  string // as the file calls it
	Reason string // what is wrong with it, or wanted instead; never a key
}

func (e *FieldError) Error() string { return e.At + ": " + e.Field + ": " + e.Reason }

// maxYAML is the greatest YAML file, in bytes: it is read as a whole.
const maxYAML = 64 << 20

// maxWithin is how many lists and maps of a YAML file may stand within each other on a
// line: what the converter takes for them grows with the square of their number.
const maxWithin = 100

// Read returns the entries of r, in their order, each with one or more joined
// [*FieldError] when it cannot be taken over. Any other error is the last: r
// cannot be read on. Memory does not grow with r, but for YAML, which may have 64
// MiB.
func Read(format Format, r io.Reader) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		var err error
		switch format {
		case Kong:
			err = readKong(r, yield)
		case Tyk:
			err = readTyk(r, yield)
		case APISIX:
			err = readAPISIX(r, yield)
		case AWS:
			err = readAWS(r, yield)
		case Unkey:
			err = readUnkey(r, yield)
		case CSV:
			err = readCSV(r, yield)
		default:
			err = fmt.Errorf("keyimport: format %q: want one of %s", format, names())
		}
		if err != nil && !errors.Is(err, errEnough) {
			yield(Entry{}, err)
		}
	}
}

func names() string {
	all := make([]string, 0, len(Formats()))
	for _, f := range Formats() {
		all = append(all, string(f))
	}
	return strings.Join(all, ", ")
}

// errEnough ends reading when nobody wants more.
var errEnough = errors.New("keyimport: enough")

// entry collects what is wrong with one entry.
type entry struct {
	Entry

	errs []error
}

func at(format string, args ...any) *entry {
	return &entry{Entry: Entry{At: fmt.Sprintf(format, args...)}}
}

// wrong reports a field that cannot be taken over.
func (e *entry) wrong(field, format string, args ...any) {
	e.errs = append(e.errs, e.fault(field, format, args...))
}

// text takes the key's text, which may not be a reference to another place.
func (e *entry) text(field, value string) {
	switch {
	case value == "":
		e.wrong(field, "is missing")
	case strings.HasPrefix(value, "$") || strings.HasPrefix(value, "{vault:"):
		e.wrong(field, "names a secret that is kept elsewhere: export it with its value")
	default:
		e.Text = secret.New(value)
	}
}

// note keeps what has no place of its own as metadata.
func (e *entry) note(name, value string) {
	if value == "" {
		return
	}
	if e.Metadata == nil {
		e.Metadata = make(map[string]string)
	}
	e.Metadata[name] = value
}

// left tells of a field that says something and is left out.
func (e *entry) left(field string, says bool) {
	if says {
		e.Left = append(e.Left, field)
	}
}

// send hands the entry over.
func (e *entry) send(yield func(Entry, error) bool) error {
	if !yield(e.Entry, errors.Join(e.errs...)) {
		return errEnough
	}
	return nil
}
