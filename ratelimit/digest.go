package ratelimit

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/warder-dev/warder/exchange"
)

var (
	errNoStore = errors.New("there is a Lease, an Outage or a Spread, and no Store")
	errOutage  = errors.New("the Outage is none of Share, Closed, InsecureOpen")
)

func leaseError(n int, burst uint64) error {
	return fmt.Errorf("the Lease is %d, want 0 for none, or 1 to the burst, %d", n, burst)
}

func spreadError(i int) error { return fmt.Errorf("part %d of Spread is not in By", i) }

// alike reports whether a and b read the same of a request.
func alike(a, b *Part) bool {
	return a.kind == b.kind && a.name == b.name && slices.Equal(a.path, b.path)
}

func within(p *Part, all []Part) bool {
	return slices.ContainsFunc(all, func(q Part) bool { return alike(p, &q) })
}

// digest returns what stands for parts of x in a store: the same in each process,
// unlike a key in memory.
func digest(parts []Part, x *exchange.Exchange) (d Digest) {
	if len(parts) == 0 {
		return d
	}
	var some [256]byte
	b := some[:0]
	for i := range parts {
		b = parts[i].canon(b, x)
	}
	sum := sha256.Sum256(b)
	copy(d[:], sum[:])
	return d
}

// canon adds what p is of x. Each text has its length before it, so that two
// subjects never read alike.
func (p *Part) canon(b []byte, x *exchange.Exchange) []byte {
	b = append(b, byte(p.kind))
	b = lengthFirst(b, p.name)
	b = binary.AppendUvarint(b, uint64(len(p.path)))
	for _, name := range p.path {
		b = lengthFirst(b, name)
	}
	value, found := "", false
	switch p.kind {
	case byText:
		value, found = p.read(x)
	case byAddress:
		if a, ok := network(x.Client); ok {
			raw := a.As16()
			value, found = string(raw[:]), true
			if a.Is4() {
				value = value[12:]
			}
		}
	case byHeader:
		lines := x.Request.Header[p.name]
		b = binary.AppendUvarint(b, uint64(len(lines)))
		for _, line := range lines {
			b = lengthFirst(b, line)
		}
		return b
	case byClaim:
		value, found = claim(x.Principal.Claims, p.path)
	}
	if !found {
		return append(b, 0)
	}
	return lengthFirst(append(b, 1), value)
}

func lengthFirst(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}
