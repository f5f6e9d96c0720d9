package audit

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// A Hash is the SHA-256 of an entry. It is no secret. As text it is hexadecimal.
type Hash [sha256.Size]byte

func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// MarshalText implements encoding.TextMarshaler.
func (h Hash) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h[:]), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (h *Hash) UnmarshalText(text []byte) error {
	var read Hash
	if len(text) != hex.EncodedLen(len(h)) {
		return errHash
	}
	if _, err := hex.Decode(read[:], text); err != nil {
		return errHash
	}
	*h = read
	return nil
}

var errHash = errors.New("audit: a hash is not 64 hexadecimal digits")

// An Event is what a change leaves in the log.
type Event struct {
	At      time.Time `json:"at"`      // when; to the microsecond. Required.
	Actor   string    `json:"actor"`   // who: "user:ada", "system". Required.
	Source  string    `json:"source"`  // from where: "cli", an address. Required.
	Op      string    `json:"op"`      // what was done: "create", "revoke". Required.
	Kind    string    `json:"kind"`    // to what sort of thing: "key", "credits", "account", "sessions". Required.
	Subject string    `json:"subject"` // to which one, by its id. Required.

	// What it was and what it is, as one JSON value each; nil for what did not exist
	// or does not any more. Neither holds a secret or a digest of one: whoever makes
	// them lists what goes in, and [Seal] hides what looks like a secret all the same.
	Before json.RawMessage `json:"before,omitempty"`
	After  json.RawMessage `json:"after,omitempty"`
}

// Sizes that no event of ours comes near, in bytes. A longer one is refused, with
// the change that it tells of.
const (
	maxText  = 64 << 10
	maxState = 1 << 20
)

// check reports what makes an event that cannot be stored or read back as it is.
func (e *Event) check() error {
	for _, field := range []struct{ name, value string }{
		{"actor", e.Actor}, {"source", e.Source}, {"operation", e.Op}, {"kind", e.Kind}, {"subject", e.Subject},
	} {
		switch {
		case field.value == "":
			return fmt.Errorf("audit: event has no %s", field.name)
		case len(field.value) > maxText:
			return fmt.Errorf("audit: %s of the event is longer than %d bytes", field.name, maxText)
		case !utf8.ValidString(field.value), strings.Contains(field.value, "\x00"):
			return fmt.Errorf("audit: %s of the event is not UTF-8 without NUL", field.name)
		}
	}
	if y := e.At.UTC().Year(); e.At.IsZero() || y < 1970 || y > 9999 {
		return errors.New("audit: event has no time from 1970 to 9999")
	}
	if len(e.Before) > maxState || len(e.After) > maxState {
		return fmt.Errorf("audit: what was changed takes more than %d bytes", maxState)
	}
	return nil
}

// An Entry is one link of the chain.
type Entry struct {
	Seq int64 `json:"seq"` // 1, 2, 3 and so on, without a gap
	Event
	Prev Hash `json:"prev"` // Hash of the entry before; zero in the first
	Hash Hash `json:"hash"` // see the package's documentation
}

// A Head is the end of the chain. The zero Head is that of an empty log.
type Head struct {
	Seq  int64 `json:"seq"`
	Hash Hash  `json:"hash"`
}

// Name returns a short name for the entry: its number and the beginning of its hash,
// such as 1042-9f3a61c2. Another log has another one of the number.
func (h Head) Name() string { return fmt.Sprintf("%d-%s", h.Seq, h.Hash.String()[:8]) }

// Head returns the end of the chain whose last entry is e.
func (e *Entry) Head() Head { return Head{Seq: e.Seq, Hash: e.Hash} }

// Seal returns the entry of e that follows prev. What in its texts looks like a
// secret is hidden. It fails when the event is not complete, or cannot be stored.
func Seal(prev Head, e Event) (Entry, error) {
	d, err := Prepare(e)
	if err != nil {
		return Entry{}, err
	}
	return d.Seal(prev), nil
}

// A Draft is an event that lacks nothing but its place in the chain. It is made by
// [Prepare], and may be sealed while others wait: that takes only a hash.
type Draft struct{ event Event }

// Prepare does of [Seal] what does not depend on the entry before: it fails when
// the event is not complete, or cannot be stored, and hides what looks like a secret.
func Prepare(e Event) (Draft, error) {
	if err := e.check(); err != nil {
		return Draft{}, err
	}
	e.At = e.At.UTC().Truncate(time.Microsecond)
	e.Actor, e.Source, e.Subject = hideText(e.Actor), hideText(e.Source), hideID(e.Subject)
	var err error
	if e.Before, err = hideState(e.Before); err != nil {
		return Draft{}, err
	}
	if e.After, err = hideState(e.After); err != nil {
		return Draft{}, err
	}
	return Draft{e}, nil
}

// Seal returns the entry of d that follows prev.
func (d Draft) Seal(prev Head) Entry {
	sealed := Entry{Seq: prev.Seq + 1, Event: d.event, Prev: prev.Hash}
	sealed.Hash = sealed.Sum()
	return sealed
}

// Sum returns what Hash must be.
func (e *Entry) Sum() Hash {
	return sum("warder audit 1", e.Prev[:], decimal(e.Seq), decimal(e.At.UnixMicro()),
		[]byte(e.Actor), []byte(e.Source), []byte(e.Op), []byte(e.Kind), []byte(e.Subject), e.Before, e.After)
}

func decimal(n int64) []byte { return strconv.AppendInt(nil, n, 10) }

// sum is SHA-256 over the fields with their lengths.
func sum(domain string, fields ...[]byte) (h Hash) { return sha256.Sum256(encode(domain, fields...)) }

// encode joins the fields, each behind its length, so that no two lists of fields
// have the same encoding.
func encode(domain string, fields ...[]byte) []byte {
	const length = 8
	size := length + len(domain)
	for _, f := range fields {
		size += length + len(f)
	}
	b := binary.BigEndian.AppendUint64(make([]byte, 0, size), uint64(len(domain)))
	b = append(b, domain...)
	for _, f := range fields {
		b = append(binary.BigEndian.AppendUint64(b, uint64(len(f))), f...)
	}
	return b
}
