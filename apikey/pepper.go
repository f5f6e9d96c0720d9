package apikey

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
)

const (
	pepperLength = 32      // bytes, at least: as long as the digest (RFC 2104, section 3)
	maxPeppers   = 16      // a rotation needs two
	maxPepperDoc = 1 << 16 // bytes of text
)

// Peppers are the secrets under which digests of keys are made: the current one
// first, then retired ones that stored digests still use. They live outside the
// database, so that its reader can test no key. Peppers are immutable, safe for
// concurrent use, and not printable.
type Peppers struct{ list []*pepper }

// pepper is one secret. The secret itself is only in the closure of macs, where
// no formatter and no reflection finds it.
type pepper struct {
	id   string
	macs sync.Pool // of *mac
}

// mac is a keyed hash with the memory for one computation.
type mac struct {
	hash hash.Hash
	in   [maxLength]byte
	out  [sha256.Size]byte
}

var (
	errNoPeppers   = errors.New("apikey: no pepper: want at least one")
	errManyPeppers = fmt.Errorf("apikey: more than %d peppers", maxPeppers)
	errLongPeppers = fmt.Errorf("apikey: peppers are longer than %d bytes", maxPepperDoc)
)

// ParsePeppers reads peppers, the current one first, separated by line ends or
// commas; "#" begins a comment. Each is the standard base64 of at least 32
// bytes. Errors name the line, never its content, and are all reported at once.
func ParsePeppers(text string) (*Peppers, error) {
	if len(text) > maxPepperDoc {
		return nil, errLongPeppers
	}
	p := new(Peppers)
	var errs []error
	number := 0
	for line := range strings.Lines(text) {
		number++
		line, _, _ = strings.Cut(line, "#")
		for word := range strings.SplitSeq(line, ",") {
			if word = strings.TrimSpace(word); word == "" {
				continue
			}
			if err := p.add(word); err != nil {
				errs = append(errs, fmt.Errorf("apikey: pepper on line %d: %w", number, err))
			}
		}
	}
	switch {
	case len(errs) > 0:
		return nil, errors.Join(errs...)
	case len(p.list) == 0:
		return nil, errNoPeppers
	case len(p.list) > maxPeppers:
		return nil, errManyPeppers
	}
	return p, nil
}

var (
	errPepperForm   = fmt.Errorf("want the standard base64 of at least %d bytes", pepperLength)
	errPepperWeak   = errors.New("one byte repeated is no secret")
	errPepperDouble = errors.New("is listed twice")
)

func (p *Peppers) add(word string) error {
	raw, err := base64.StdEncoding.Strict().DecodeString(word)
	if err != nil || len(raw) < pepperLength {
		return errPepperForm // err holds an offset into the secret: of no use to anybody honest
	}
	if bytes.Count(raw, raw[:1]) == len(raw) {
		return errPepperWeak
	}
	one := newPepper(raw)
	if p.find(one.id) != nil {
		return errPepperDouble
	}
	p.list = append(p.list, one)
	return nil
}

func newPepper(raw []byte) *pepper {
	id := sha256.Sum256(append([]byte("warder pepper id\x00"), raw...))
	p := &pepper{id: hex.EncodeToString(id[:4])}
	p.macs.New = func() any { return &mac{hash: hmac.New(sha256.New, raw)} }
	return p
}

// NewPepper returns one line, with its end, for the text that [ParsePeppers]
// reads: 32 bytes from random (nil: crypto/rand). An error of random is
// returned, and nothing weaker is used.
func NewPepper(random io.Reader) (string, error) {
	if random == nil {
		random = rand.Reader
	}
	raw := make([]byte, pepperLength)
	if _, err := io.ReadFull(random, raw); err != nil {
		return "", fmt.Errorf("apikey: random source: %w", err)
	}
	if err := varied(raw); err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(raw) + "\n", nil
}

// IDs returns the ids of the peppers, the current one first. An id is the
// beginning of a hash of the pepper and may be shown.
func (p *Peppers) IDs() []string {
	ids := make([]string, len(p.list))
	for i, one := range p.list {
		ids[i] = one.id
	}
	return ids
}

// Missing returns which of the ids that stored secrets use are not among p, each
// once and sorted: with any, those keys cannot be verified.
func (p *Peppers) Missing(used []string) []string {
	var missing []string
	for _, id := range used {
		if p.find(id) == nil {
			missing = append(missing, id)
		}
	}
	slices.Sort(missing)
	return slices.Compact(missing)
}

// current is the pepper under which new digests are made.
func (p *Peppers) current() *pepper { return p.list[0] }

// find returns the pepper with the id, nil for none.
func (p *Peppers) find(id string) *pepper {
	for _, one := range p.list {
		if one.id == id {
			return one
		}
	}
	return nil
}

// usable reports whether p came from ParsePeppers.
func (p *Peppers) usable() bool { return p != nil && len(p.list) > 0 }

// Format writes "[secret]" for every verb and flag.
func (*Peppers) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[secret]") }

// LogValue returns "[secret]".
func (*Peppers) LogValue() slog.Value { return slog.StringValue("[secret]") }

// digest returns the HMAC-SHA-256 of a key's text under p, without allocating. It
// leaves the check digits out: they follow from the rest, which [Parse] has
// checked, and with them most keys would fill one more block of SHA-256 (measured:
// a ninth of a verification). len(text) is at most maxLength.
func (p *pepper) digest(text string) [sha256.Size]byte {
	m, _ := p.macs.Get().(*mac)
	n := copy(m.in[:], text[:len(text)-checkLength])
	m.hash.Reset()
	_, _ = m.hash.Write(m.in[:n]) // a hash.Hash never returns an error
	m.hash.Sum(m.out[:0])
	out := m.out
	clear(m.in[:n])
	p.macs.Put(m)
	return out
}
