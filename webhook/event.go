package webhook

import (
	"encoding/json"
	"errors"
	"time"
)

// The types of events.
const (
	KeyExpiring    = "key.expiring"     // a key expires in 30, 7 or 1 days
	KeyIdleRevoked = "key.idle_revoked" // a key was unused for so long that it was revoked
	LimitNear      = "limit.near"       // somebody has used most of a limit
	HoneytokenUsed = "honeytoken.used"  // a key was tried that nobody has
	KeyLeaked      = "key.leaked"       // a key was found where everybody can read it
	Test           = "test"             // the operator tries an address
)

// Types are all types of events.
func Types() []string {
	return []string{KeyExpiring, KeyIdleRevoked, LimitNear, HoneytokenUsed, KeyLeaked, Test}
}

// An Event is one thing that happened. It holds no secret.
type Event struct {
	ID   string          // says what it is about, once for ever: 1 to 255 printable ASCII characters without "."
	Type string          // one of [Types]
	At   time.Time       // when it happened
	Data json.RawMessage // a JSON object of at most 16 KiB
}

const (
	maxID   = 255
	maxData = 16 << 10
)

var errEvent = errors.New("webhook: an event wants an id of 1 to 255 printable ASCII characters without \".\", a type, a time and a JSON object of at most 16 KiB")

// NewEvent returns an event with data as JSON.
func NewEvent(id, kind string, at time.Time, data any) (Event, error) {
	text, err := json.Marshal(data)
	if err != nil {
		return Event{}, errEvent
	}
	e := Event{ID: id, Type: kind, At: at.UTC(), Data: text}
	return e, e.Check()
}

// Check reports whether the event can be delivered.
func (e *Event) Check() error {
	switch {
	case !validID(e.ID), e.Type == "", e.At.IsZero():
		return errEvent
	case len(e.Data) > maxData, !json.Valid(e.Data), e.Data[0] != '{':
		return errEvent
	default:
		return nil
	}
}

// validID keeps an id a header field, and what is signed readable in one way.
func validID(id string) bool {
	for i := range len(id) {
		if b := id[i]; b <= ' ' || b >= 0x7f || b == '.' {
			return false
		}
	}
	return id != "" && len(id) <= maxID
}

// body is what is posted.
func (e *Event) body() ([]byte, error) {
	return json.Marshal(struct {
		ID        string          `json:"id"`
		Type      string          `json:"type"`
		Timestamp time.Time       `json:"timestamp"`
		Data      json.RawMessage `json:"data"`
	}{e.ID, e.Type, e.At.UTC(), e.Data})
}
