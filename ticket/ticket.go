// Package ticket proves to a service that warder let a request pass: a proxy that
// asks warder about each request ([Field] of the answer) copies a ticket into the
// request that it forwards, and the service verifies it by itself, with a key that it
// shares with warder.
//
//	tickets, err := ticket.NewVerifier(ticket.VerifierConfig{Keys: keys})
//	// ... and so for each error
//	handler = clients.Wrap(targets.Wrap(tickets.Wrap(api))) // forwarded, target, and then the ticket
//
// A ticket is good for one request and some seconds: for the method, host, canonical
// path, query and client address that were judged, with the identity fields that
// warder found, and until warder itself would have asked its store anew. So it ends
// within the same bound after a key is revoked. Whoever sees a ticket can repeat that
// one request until then; limits and credits are spent at warder, which makes no
// ticket where there are any.
//
// # The text
//
//	1.<key>.<expires>.<revision>.<credential>.<mac>
//
// key names the key that made it, in 8 hexadecimal digits. expires is in milliseconds
// since 1970. Every change to keys up to revision was known to who decided. credential
// is a keyed digest of the credential, and mac one of everything (HMAC-SHA-256, RFC
// 2104), both in base64url without padding (RFC 4648, section 5). What the request
// itself says, such as its method, is under the mac and not in the text, so that there
// is one reading of it. There is one algorithm, and nothing in a ticket says which.
//
// Who can verify a ticket can make one: give the key to services that trust each
// other as far as that, and each other group warder of its own.
package ticket

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/secret"
)

// Field is the field of answers to proxies, and of requests that they forward.
const Field = "X-Warder-Ticket"

// A Ticket is what a verified one says beside the request that it is for.
type Ticket struct {
	Expires  time.Time // when it ends
	Revision uint64    // of the keys, up to which every change was known to who decided
	Key      string    // names the key that made it
}

const (
	version   = "1"
	keyLength = 32 // bytes, at least: as long as the digest (RFC 2104, section 3)
	maxKeys   = 16 // a rotation needs two

	nameLength       = 8                           // hexadecimal digits
	credentialBytes  = 16                          // enough: it is compared with one other
	credentialLength = (credentialBytes*8 + 5) / 6 // base64 without padding
	macLength        = (sha256.Size*8 + 5) / 6     // the same
	maxNumber        = len("18446744073709551615") // digits
	maxLength        = len(version) + nameLength + 2*maxNumber + credentialLength + macLength + parts - 1
	parts            = 6

	// Each digest says what it is of, so that none means something else under the same
	// key.
	domainName       = "warder ticket key 1\x00"
	domainCredential = "warder ticket credential 1\x00" //nolint:gosec // G101: no credential
	domainMAC        = "warder ticket 1\x00"
)

// IdentityFields returns the names of the fields that say whom the credential
// proved, as http.Header has them: a ticket is for them too.
func IdentityFields() []string {
	return []string{"X-Warder-Key-Id", "X-Warder-Issuer", "X-Warder-Subject", "X-Warder-Owner", "X-Warder-Scopes"}
}

// A key is one secret. The secret itself is only in the closure of macs, where no
// formatter and no reflection finds it.
type key struct {
	name string
	macs sync.Pool // of *mac
}

// mac is a keyed hash with the memory for one computation.
type mac struct {
	hash hash.Hash
	join []byte // what is digested, in one piece
	out  [sha256.Size]byte
}

// CheckKey returns what is wrong with the key of tickets; nil for nothing.
func CheckKey(text secret.Text) error {
	_, err := newKey(text)
	return err
}

func newKey(text secret.Text) (*key, error) {
	raw := []byte(text.Reveal())
	if len(raw) < keyLength {
		return nil, fmt.Errorf("want at least %d bytes", keyLength)
	}
	k := new(key)
	k.macs.New = func() any { return &mac{hash: hmac.New(sha256.New, raw)} }
	m := k.get()
	defer k.macs.Put(m)
	m.join = append(m.join[:0], domainName...)
	k.name = hex.EncodeToString(m.sum()[:nameLength/2])
	return k, nil
}

func (k *key) get() *mac {
	m, _ := k.macs.Get().(*mac)
	return m
}

// sum digests join.
func (m *mac) sum() []byte {
	m.hash.Reset()
	_, _ = m.hash.Write(m.join) // a hash never fails
	return m.hash.Sum(m.out[:0])
}

// add appends a value with its length before it, so that no two lists of values are
// the same bytes.
func (m *mac) add(value string) {
	m.join = binary.AppendUvarint(m.join, uint64(len(value)))
	m.join = append(m.join, value...)
}

// credential digests what the fields called names carry: in their order, with each
// value of each.
func (m *mac) credential(h http.Header, names []string) (text [credentialLength]byte) {
	m.join = append(m.join[:0], domainCredential...)
	for _, name := range names {
		for _, value := range h[name] {
			m.add(name)
			m.add(value)
		}
	}
	base64.RawURLEncoding.Encode(text[:], m.sum()[:credentialBytes])
	return text
}

// request digests the head of a ticket, the request that x is, and whom identity names.
func (m *mac) request(head []byte, x *exchange.Exchange, identity http.Header) (text [macLength]byte) {
	m.join = append(m.join[:0], domainMAC...)
	m.join = binary.AppendUvarint(m.join, uint64(len(head)))
	m.join = append(m.join, head...)
	for _, value := range []string{x.Request.Method, x.Host, x.Path, x.RawQuery} {
		m.add(value)
	}
	client := x.Client.Unmap().As16()
	m.join = append(m.join, client[:]...)
	for _, name := range IdentityFields() {
		m.add(first(identity[name]))
	}
	base64.RawURLEncoding.Encode(text[:], m.sum())
	return text
}

// first is the value of a field: none, and an empty one, are the same, since proxies
// leave empty fields out.
func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

// carriers are the names of fields as http.Header has them, in one order.
func carriers(names []string) ([]string, error) {
	all := make([]string, 0, len(names))
	var errs []error
	for i, name := range names {
		if name == "" {
			errs = append(errs, fmt.Errorf("ticket: Carriers[%d] is empty", i))
		}
		all = append(all, textproto.CanonicalMIMEHeaderKey(name))
	}
	slices.Sort(all)
	return slices.Compact(all), errors.Join(errs...)
}

// SignerConfig configures a [Signer].
type SignerConfig struct {
	_ [0]func()

	// Key makes tickets: 32 random bytes or more. Required.
	Key secret.Text

	// Carriers are the fields in which requests carry credentials. A ticket is for what
	// they hold.
	Carriers []string
}

// A Signer makes tickets. It is safe for concurrent use.
type Signer struct {
	key      *key
	carriers []string
}

// NewSigner reports everything that is wrong with cfg at once.
func NewSigner(cfg SignerConfig) (*Signer, error) {
	k, err := newKey(cfg.Key)
	if err != nil {
		err = fmt.Errorf("ticket: Key: %w", err)
	}
	names, namesErr := carriers(cfg.Carriers)
	if err := errors.Join(err, namesErr); err != nil {
		return nil, err
	}
	return &Signer{key: k, carriers: names}, nil
}

// Sign returns a ticket for x, which was let pass, with the identity fields that the
// proxy is told: it ends at expires, cut to milliseconds. revision is that up to which
// every change to keys was known.
func (s *Signer) Sign(x *exchange.Exchange, identity http.Header, revision uint64, expires time.Time) string {
	m := s.key.get()
	defer s.key.macs.Put(m)
	var buffer [maxLength]byte
	b := append(buffer[:0], version+"."...)
	b = append(append(b, s.key.name...), '.')
	b = append(strconv.AppendInt(b, max(0, expires.UnixMilli()), 10), '.')
	b = append(strconv.AppendUint(b, revision, 10), '.')
	credential := m.credential(x.Request.Header, s.carriers)
	b = append(b, credential[:]...)
	sum := m.request(b, x, identity)
	b = append(b, '.')
	return string(append(b, sum[:]...))
}
