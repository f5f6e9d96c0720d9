package portallink

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/warder-dev/warder/exchange"
)

// Bounds of a [Spec].
const (
	DefaultLife    = 10 * time.Minute // of a link
	MinLife        = time.Minute
	MaxLife        = 24 * time.Hour
	DefaultSession = 30 * time.Minute // of its session
	MinSession     = time.Minute
	MaxSession     = 12 * time.Hour

	MaxKeys   = 100 // that one link may make
	maxScopes = 100
	maxText   = 128 // bytes of an owner
	maxReturn = 2048
)

// A Grant says what the holder may do beside looking at the owner's keys.
type Grant struct {
	Create *Create `json:"create,omitempty"` // nil: it makes none
	Roll   bool    `json:"roll,omitempty"`   // and so sees the text of a key that was there before
	Revoke bool    `json:"revoke,omitempty"`
	Usage  bool    `json:"usage,omitempty"` // it sees what keys were used for
}

// Create bounds the keys that the holder makes.
type Create struct {
	Keys        int           `json:"keys"`              // how many with this link: 1 to [MaxKeys]
	Environment string        `json:"environment"`       // of each
	Scopes      []string      `json:"scopes,omitempty"`  // that it may choose among
	MaxTTL      time.Duration `json:"max_ttl,omitempty"` // each expires until then; 0: as the policy of keys has it
	Plan        string        `json:"plan,omitempty"`    // of each; "" for none
}

// A Spec is what a link is made of.
type Spec struct {
	Owner   string // whose keys: 1 to 128 bytes. Required.
	Grant   Grant
	Maker   string        // who makes it, as the audit names it. Required.
	Return  string        // where the holder goes afterwards; "" for nowhere
	Life    time.Duration // of the link: 1m to 24h. Default 10m.
	Session time.Duration // of what comes of it: 1m to 12h. Default 30m.
}

// A FieldError reports one field of a [Spec].
type FieldError struct{ Field, Reason string }

func (e *FieldError) Error() string { return "portallink: " + e.Field + ": " + e.Reason }

// A Pass is a link, and the session that it became.
type Pass struct {
	ID      ID
	Owner   string
	Grant   Grant
	Maker   string
	Return  string
	Created time.Time

	Link    Digest    // of its text, for Owner
	Expires time.Time // of the link
	Life    time.Duration

	Used           time.Time // zero: it was not used yet
	Session        Digest    // of the session's text; zero before it was used
	SessionExpires time.Time
	Made           int       // keys that were made with it
	Ended          time.Time // zero: it was not ended
}

// check reports every field that is wrong.
func (s *Spec) check() error {
	var errs []error
	fault := func(field, reason string) { errs = append(errs, &FieldError{field, reason}) }
	if s.Owner == "" || len(s.Owner) > maxText || !printable(s.Owner) {
		fault("owner", "want 1 to 128 bytes of printable UTF-8")
	}
	if s.Life < MinLife || s.Life > MaxLife {
		fault("life", "want 1m to 24h")
	}
	if s.Session < MinSession || s.Session > MaxSession {
		fault("session", "want 1m to 12h")
	}
	if s.Return != "" && !webAddress(s.Return) {
		fault("return", "want an address of http or https without user and fragment")
	}
	if c := s.Grant.Create; c != nil {
		if c.Keys < 1 || c.Keys > MaxKeys {
			fault("create.keys", fmt.Sprintf("want 1 to %d", MaxKeys))
		}
		if c.Environment == "" || len(c.Environment) > 16 || strings.Trim(c.Environment, "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
			fault("create.environment", "want 1 to 16 lower case letters and digits")
		}
		if c.MaxTTL < 0 || c.MaxTTL > 0 && c.MaxTTL < time.Minute {
			fault("create.max_ttl", "want 1m or more")
		}
		if len(c.Scopes) > maxScopes {
			fault("create.scopes", fmt.Sprintf("want at most %d", maxScopes))
		}
		for i, scope := range c.Scopes {
			if !exchange.ValidScope(scope) || slices.Contains(c.Scopes[:i], scope) {
				fault(fmt.Sprintf("create.scopes[%d]", i), "is no scope, or is there twice")
			}
		}
	}
	if s.Maker == "" {
		errs = append(errs, errors.New("portallink: Maker is missing"))
	}
	return errors.Join(errs...)
}

// webAddress reports whether a browser can be led to text without surprise.
func webAddress(text string) bool {
	u, err := url.Parse(text)
	return err == nil && len(text) <= maxReturn && printable(text) && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil && u.Fragment == "" && !strings.ContainsAny(text, "#\\ ")
}

// Actor names the holder in the audit.
func (p *Pass) Actor() string {
	return "holder of " + p.Owner + " through link " + string(p.ID) + " by " + p.Maker
}

// Open reports whether the session holds at now.
func (p *Pass) Open(now time.Time) bool {
	return !p.Used.IsZero() && p.Ended.IsZero() && now.Before(p.SessionExpires)
}

// Usable reports whether the link can still be used at now.
func (p *Pass) Usable(now time.Time) bool {
	return p.Used.IsZero() && p.Ended.IsZero() && now.Before(p.Expires)
}

// Left is how many keys may still be made.
func (p *Pass) Left() int {
	if p.Grant.Create == nil {
		return 0
	}
	return max(0, p.Grant.Create.Keys-p.Made)
}

// Over is when nothing of the pass holds any more, whatever becomes of it.
func (p *Pass) Over() time.Time {
	if !p.Used.IsZero() {
		return p.SessionExpires
	}
	return p.Expires
}

// Seen is the pass for the audit: nothing secret is in it, and no digest.
func (p *Pass) Seen() json.RawMessage {
	seen := struct {
		Owner          string     `json:"owner"`
		Grant          Grant      `json:"grant"`
		Maker          string     `json:"maker"`
		Return         string     `json:"return,omitempty"`
		Expires        time.Time  `json:"expires"`
		Session        string     `json:"session"`
		Used           *time.Time `json:"used,omitempty"`
		SessionExpires *time.Time `json:"session_expires,omitempty"`
		Ended          *time.Time `json:"ended,omitempty"`
	}{
		p.Owner, p.Grant, p.Maker, p.Return, p.Expires.UTC(), p.Life.String(), moment(p.Used), moment(p.SessionExpires), moment(p.Ended),
	}
	text, err := json.Marshal(seen)
	if err != nil {
		panic(fmt.Errorf("portallink: a pass cannot be written: %w", err)) // of texts, numbers and times
	}
	return text
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return new(t.UTC())
}

// A detail is what stores keep of a pass beside what they search by.
type detail struct {
	Grant  Grant         `json:"grant"`
	Maker  string        `json:"maker"`
	Return string        `json:"return,omitempty"`
	Life   time.Duration `json:"life"`
}

// MarshalDetail is for stores: what never changes of p.
func MarshalDetail(p *Pass) (string, error) {
	text, err := json.Marshal(detail{p.Grant, p.Maker, p.Return, p.Life})
	return string(text), err
}

// UnmarshalDetail is the reverse of [MarshalDetail].
func UnmarshalDetail(text string, p *Pass) error {
	var d detail
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		return errors.New("portallink: what is stored of a pass cannot be read")
	}
	p.Grant, p.Maker, p.Return, p.Life = d.Grant, d.Maker, d.Return, d.Life
	return nil
}
