package account

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/netip"
	"strings"
	"time"

	"github.com/warder-dev/warder/secret"
)

const (
	linkPrefix = "wset_"
	idLength   = 16 // characters of base32: 80 bits
	linkLength = 26 // characters of base32: 130 bits
	linkLasts  = time.Hour
)

// Errors of links.
var (
	// ErrGone means that a link was used, has expired, was replaced by another, or
	// never was one.
	ErrGone = errors.New("account: the link was used, has expired, or is none")

	// ErrElsewhere means that a link is used from another address than it was made
	// for.
	ErrElsewhere = errors.New("account: the link was made for another address")
)

// A Link says from where a link may be used: from one address, or from anywhere.
type Link struct {
	Address  netip.Addr // all of loopback is one address
	Anywhere bool
}

func (l Link) check() error {
	if l.Anywhere == l.Address.IsValid() {
		return &FieldError{"address", "want an address from where the link may be used, or anywhere"}
	}
	return nil
}

// normalAddress is what two addresses of one machine have in common.
func normalAddress(a netip.Addr) netip.Addr {
	if a = a.Unmap().WithZone(""); a.IsLoopback() {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return a
}

// newID draws the id of an account.
func newID() ID { return ID(strings.ToLower(rand.Text()[:idLength])) }

// ValidID reports whether text has the form of an [ID].
func ValidID(text string) bool {
	return len(text) == idLength && strings.Trim(text, "abcdefghijklmnopqrstuvwxyz234567") == ""
}

// newSetUp draws a link to the account.
func newSetUp(id ID, l Link, now time.Time, password, factor bool) (SetUp, secret.Text) {
	text := linkPrefix + string(id) + "_" + rand.Text()
	s := SetUp{Digest: linkDigest(text), Expires: moment(now.Add(linkLasts)), Anywhere: l.Anywhere, Password: password, Factor: factor}
	if !l.Anywhere {
		s.Address = normalAddress(l.Address)
	}
	return s, secret.New(text)
}

// linkDigest is what is kept of a link: 130 bits need no slow hash.
func linkDigest(text string) Digest {
	return sha256.Sum256([]byte("warder set-up link\x00" + text))
}

// ParseLink returns the account that a link names. It claims; only the store
// tells whether it holds. The error is [ErrGone].
func ParseLink(link secret.Text) (ID, error) {
	text, ok := strings.CutPrefix(link.Reveal(), linkPrefix)
	id, drawn, found := strings.Cut(text, "_")
	if !ok || !found || !ValidID(id) || len(drawn) != linkLength || strings.Trim(drawn, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") != "" {
		return "", ErrGone
	}
	return ID(id), nil
}

// opens returns nil when the link is that of a, in time, and from where it may be
// used.
func (a *Account) opens(link secret.Text, from netip.Addr, now time.Time) error {
	sum := linkDigest(link.Reveal())
	same := subtle.ConstantTimeCompare(sum[:], a.SetUp.Digest[:]) == 1
	switch {
	case a.SetUp.IsZero(), !same, !now.Before(a.SetUp.Expires), a.Disabled:
		return ErrGone
	case !a.SetUp.Anywhere && normalAddress(from) != a.SetUp.Address:
		return ErrElsewhere
	default:
		return nil
	}
}
