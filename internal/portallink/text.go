package portallink

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/warder-dev/warder/secret"
)

const (
	linkPrefix    = "wpl_"
	sessionPrefix = "wps_"
	idLength      = 16 // characters of base32: 80 bits
	drawnLength   = 26 // characters of base32: 130 bits

	lower = "abcdefghijklmnopqrstuvwxyz234567"
)

// An ID names a pass. It is no secret.
type ID string

// A Digest is what is kept of a text: 130 bits need no slow hash.
type Digest [sha256.Size]byte

// ValidID reports whether text has the form of an [ID].
func ValidID(text string) bool { return len(text) == idLength && strings.Trim(text, lower) == "" }

// New makes a link, and its text: the only time that anybody sees it. It reports every
// field of spec that is wrong, as [FieldError]s.
func New(spec Spec, now time.Time) (Pass, secret.Text, error) {
	if spec.Life == 0 {
		spec.Life = DefaultLife
	}
	if spec.Session == 0 {
		spec.Session = DefaultSession
	}
	if err := spec.check(); err != nil {
		return Pass{}, secret.Text{}, err
	}
	now = now.UTC().Truncate(time.Microsecond)
	id := ID(strings.ToLower(rand.Text()[:idLength]))
	text := linkPrefix + string(id) + "_" + rand.Text()
	p := Pass{
		ID: id, Owner: spec.Owner, Grant: spec.Grant, Maker: spec.Maker, Return: spec.Return, Created: now,
		Link: digest("link", spec.Owner, text), Expires: now.Add(spec.Life), Life: spec.Session,
	}
	return p, secret.New(text), nil
}

// NewSession draws the text of the session that p becomes, and its digest.
func (p *Pass) NewSession() (secret.Text, Digest) {
	text := sessionPrefix + string(p.ID) + "_" + rand.Text()
	return secret.New(text), digest("session", p.Owner, text)
}

// digest is over the owner too: a row that somebody moved to another owner is opened
// by no link and no session.
func digest(what, owner, text string) Digest {
	return sha256.Sum256([]byte("warder portal " + what + "\x00" + owner + "\x00" + text))
}

// ParseLink returns the id that the text of a link names, also of a whole address with
// the text behind its "#". It claims; only the store tells whether the link holds.
func ParseLink(text string) (link secret.Text, id ID, ok bool) {
	if at := strings.LastIndexByte(text, '#'); at >= 0 {
		text = text[at+1:]
	}
	text = strings.TrimSpace(text)
	id, ok = parse(text, linkPrefix)
	return secret.New(text), id, ok
}

// ParseSession is [ParseLink] of the text of a session.
func ParseSession(text string) (session secret.Text, id ID, ok bool) {
	id, ok = parse(text, sessionPrefix)
	return secret.New(text), id, ok
}

func parse(text, prefix string) (ID, bool) {
	rest, mine := strings.CutPrefix(text, prefix)
	if !mine || len(rest) != idLength+1+drawnLength || rest[idLength] != '_' {
		return "", false
	}
	id, drawn := rest[:idLength], rest[idLength+1:]
	if !ValidID(id) || strings.Trim(drawn, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") != "" {
		return "", false
	}
	return ID(id), true
}

// Opens reports whether text is the link of p, and can still be used at now. It takes
// as long for every text of the form.
func (p *Pass) Opens(text secret.Text, now time.Time) bool {
	sum := digest("link", p.Owner, text.Reveal())
	same := subtle.ConstantTimeCompare(sum[:], p.Link[:]) == 1
	return same && p.Usable(now)
}

// Holds reports whether text is the session of p, and it holds at now.
func (p *Pass) Holds(text secret.Text, now time.Time) bool {
	sum := digest("session", p.Owner, text.Reveal())
	same := subtle.ConstantTimeCompare(sum[:], p.Session[:]) == 1
	return same && p.Open(now)
}

func printable(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) })
}
