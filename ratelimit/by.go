package ratelimit

import (
	"encoding/binary"
	"hash/maphash"
	"net/http"
	"net/netip"
	"slices"
	"strconv"

	"github.com/warder-dev/warder/exchange"
)

// A Part is something of a request by which a limit tells its subjects. A limit
// by several parts counts each combination of them.
type Part struct {
	kind kind
	name string
	path []string
	read func(*exchange.Exchange) (string, bool)
}

type kind uint8

const (
	byText kind = iota + 1
	byAddress
	byHeader
	byClaim
)

// ByAddress is the client's address, as forwarded found it: an IPv4 address, and
// of IPv6 the first 64 bits, since whoever has one address there has all that
// begin so (RFC 6177). A client without an address, behind a Unix socket, has no
// such part.
func ByAddress() Part { return Part{kind: byAddress, name: "address"} }

// ByKey is the id of the API key.
func ByKey() Part {
	return text("key", func(x *exchange.Exchange) string { return x.Principal.KeyID })
}

// ByOwner is the owner of the credential, so that more keys are not more
// requests.
func ByOwner() Part {
	return text("owner", func(x *exchange.Exchange) string { return x.Principal.Owner })
}

// BySession is the session that the credential stands for.
func BySession() Part {
	return text("session", func(x *exchange.Exchange) string { return x.Principal.Session })
}

// ByPrincipal returns the two parts that make a principal: issuer and subject.
func ByPrincipal() []Part {
	return []Part{
		text("issuer", func(x *exchange.Exchange) string { return x.Principal.Issuer }),
		text("subject", func(x *exchange.Exchange) string { return x.Principal.Subject }),
	}
}

// ByRoute is the pattern of the route. Requests that reach no route share one
// subject, whatever their path.
func ByRoute() Part { return text("route", func(x *exchange.Exchange) string { return x.Route }) }

// ByHeader is the value of a request header field, every line of it. Clients
// choose it: it tells apart those who want to be told, and limits nobody else.
func ByHeader(name string) Part { return Part{kind: byHeader, name: http.CanonicalHeaderKey(name)} }

// ByClaim is a claim of the token: a string, a number or a boolean. path is its
// name, and for one within another, that of the outer one first.
func ByClaim(path ...string) Part {
	return Part{kind: byClaim, name: "claim", path: slices.Clone(path)}
}

// ByFunc is what read returns, under a name that tells it from other parts. read
// reports false for a request that has none. It is called by many at once.
func ByFunc(name string, read func(x *exchange.Exchange) (string, bool)) Part {
	return Part{kind: byText, name: "func:" + name, read: read}
}

// Text returns what the part is of x, as text: of a claim a string, a number or a
// boolean, of a header its first line. It reports false when x has no such part.
func (p *Part) Text(x *exchange.Exchange) (string, bool) {
	switch p.kind {
	case byText:
		return p.read(x)
	case byAddress:
		a, ok := network(x.Client)
		return a.String(), ok
	case byHeader:
		return x.Request.Header.Get(p.name), len(x.Request.Header[p.name]) > 0
	case byClaim:
		value, ok := claim(x.Principal.Claims, p.path)
		if !ok {
			return "", false
		}
		return value[1:], true // without its type
	}
	return "", false
}

func text(name string, read func(*exchange.Exchange) string) Part {
	return Part{kind: byText, name: name, read: func(x *exchange.Exchange) (string, bool) {
		s := read(x)
		return s, s != ""
	}}
}

// A piece is one value on its way into a subject's key: what the pieces before
// came to, what it is of, and which one of several. Hashing it as a whole keeps apart
// what only reads alike once it is written one after the other.
type piece struct {
	before uint64
	kind   kind
	name   string
	nth    int
	value  string
}

// nothing is the nth of a part that a request does not have.
const nothing = -1

// sum adds what p is of x to a subject's key. It reports false when x has no such
// part; the key then is that of all who have none.
func (p *Part) sum(seed maphash.Seed, before uint64, x *exchange.Exchange) (uint64, bool) {
	if p.kind == byAddress {
		if a, found := network(x.Client); found {
			return sumAddress(seed, before, a), true
		}
	}
	of := piece{before: before, kind: p.kind, name: p.name}
	found := false
	switch p.kind {
	case byText:
		of.value, found = p.read(x)
	case byAddress: // there is none
	case byHeader:
		lines := x.Request.Header[p.name]
		for i, line := range lines {
			of.nth, of.value = i, line
			of.before = of.sum(seed)
			found = true
		}
	case byClaim:
		of.value, found = claim(x.Principal.Claims, p.path)
	}
	if !found {
		of.nth, of.value = nothing, ""
	}
	return of.sum(seed), found
}

// sum hashes the piece. What fits is written one after the other, with the lengths
// first, so that no two pieces are written alike: that takes half the time.
func (of *piece) sum(seed maphash.Seed) uint64 {
	var b [96]byte
	const fixed = 8 + 8 + 1 + 1 + 1
	if len(of.name)+len(of.value) > len(b)-fixed {
		return maphash.Comparable(seed, *of)
	}
	binary.LittleEndian.PutUint64(b[:], of.before)
	binary.LittleEndian.PutUint64(b[8:], uint64(of.nth))                         //nolint:gosec // its bits are meant
	b[16], b[17], b[18] = byte(of.kind), byte(len(of.name)), byte(len(of.value)) //nolint:gosec // less than 96
	n := fixed + copy(b[fixed:], of.name)
	n += copy(b[n:], of.value)
	return maphash.Bytes(seed, b[:n])
}

// sumAddress hashes the piece whose value is an address, of which no length is that
// of another piece's: 12 bytes of IPv4 and 16 of IPv6, whose network is 8 of them.
func sumAddress(seed maphash.Seed, before uint64, a netip.Addr) uint64 {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:], before)
	if a.Is4() {
		value := a.As4()
		copy(b[8:], value[:])
		return maphash.Bytes(seed, b[:12])
	}
	value := a.As16()
	copy(b[8:], value[:8])
	return maphash.Bytes(seed, b[:])
}

// network returns what tells one client from another.
func network(a netip.Addr) (netip.Addr, bool) {
	if a.Is4() {
		return a, true
	}
	a = a.WithZone("").Unmap()
	if !a.Is6() {
		return a, a.IsValid()
	}
	p, err := a.Prefix(64)
	return p.Addr(), err == nil
}

// claim returns the text of a claim, with its type before it.
func claim(all map[string]any, path []string) (string, bool) {
	last := len(path) - 1
	for _, name := range path[:last] {
		inner, ok := all[name].(map[string]any)
		if !ok {
			return "", false
		}
		all = inner
	}
	switch v := all[path[last]].(type) {
	case string:
		return "s" + v, true
	case bool:
		return "b" + strconv.FormatBool(v), true
	case float64:
		return "n" + strconv.FormatFloat(v, 'g', -1, 64), true
	case interface{ String() string }: // json.Number
		return "n" + v.String(), true
	default:
		return "", false
	}
}
