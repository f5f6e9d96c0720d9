package forwarded

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
)

// shortest is the fewest bits of a prefix that names somebody: a shorter one
// holds more than any network has.
const shortest = 8

// ranges are the addresses of prefixes, sorted and disjoint, so that a list of
// hundreds, as CDNs have, costs a handful of comparisons.
type ranges struct {
	ipv4 [][2]uint64 // first and last address, both included
	ipv6 [][2]ip
}

// span is the addresses from first to last, both included, of one family.
type span struct{ first, last netip.Addr }

// newRanges reports every prefix that cannot be used, at once.
func newRanges(prefixes []netip.Prefix, all bool) (ranges, error) {
	var errs []error
	var spans []span
	for _, p := range prefixes {
		clean, err := cleanPrefix(p)
		switch {
		case err != nil:
			errs = append(errs, err)
			continue
		case clean.Bits() < shortest && clean != netip.PrefixFrom(uniqueLocal(), 7) && !all:
			errs = append(errs, fmt.Errorf("forwarded: TrustedProxies holds %s: that many addresses are trusted with InsecureTrustAll only", p))
		}
		spans = append(spans, span{clean.Addr(), lastOf(clean)})
	}
	spans = merged(spans)
	if !all && errs == nil && slices.ContainsFunc(spans, span.wholeFamily) {
		errs = append(errs, errors.New("forwarded: TrustedProxies holds every address of a family: that many are trusted with InsecureTrustAll only"))
	}
	var r ranges
	for _, s := range spans {
		if s.first.Is4() {
			r.ipv4 = append(r.ipv4, [2]uint64{number(s.first), number(s.last)})
		} else {
			r.ipv6 = append(r.ipv6, [2]ip{ipOf(s.first), ipOf(s.last)})
		}
	}
	return r, errors.Join(errs...)
}

// number is an IPv4 address as a number.
func number(a netip.Addr) uint64 {
	b := a.As4()
	return uint64(binary.BigEndian.Uint32(b[:]))
}

// uniqueLocal is the first address of fc00::/7, the private addresses of IPv6
// (RFC 4193, section 3.1).
func uniqueLocal() netip.Addr { return netip.AddrFrom16([16]byte{0xfc}) }

// cleanPrefix returns p in its one form: IPv4 is never written as IPv6. A prefix
// with bits behind its length is refused, since nobody knows which of both was
// meant: the address, or the network.
func cleanPrefix(p netip.Prefix) (netip.Prefix, error) {
	const mapped = 96 // bits before the IPv4 address
	switch {
	case !p.IsValid():
		return p, errors.New("forwarded: TrustedProxies holds an invalid prefix")
	case p != p.Masked():
		return p, fmt.Errorf("forwarded: TrustedProxies holds %s: write the network, %s, or the address, %s",
			p, p.Masked(), netip.PrefixFrom(p.Addr(), p.Addr().BitLen()))
	case p.Addr().Is4In6() && p.Bits() >= mapped:
		return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-mapped), nil
	default:
		return p, nil
	}
}

// lastOf returns the last address of p.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < 8*len(b); i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	a, _ := netip.AddrFromSlice(b) // of the length that it had
	return a
}

// merged returns spans sorted, with what overlaps or adjoins made one.
func merged(spans []span) []span {
	slices.SortFunc(spans, func(a, b span) int { return a.first.Compare(b.first) })
	var out []span
	for _, next := range spans {
		if len(out) == 0 || !out[len(out)-1].reaches(next.first) {
			out = append(out, next)
		} else if last := &out[len(out)-1].last; last.Less(next.last) {
			*last = next.last
		}
	}
	return out
}

// reaches reports whether a, of the same family, is in s or right behind it.
func (s span) reaches(a netip.Addr) bool {
	return s.last.BitLen() == a.BitLen() && (!s.last.Less(a) || s.last.Next() == a)
}

// wholeFamily reports whether s holds every IPv4 or every IPv6 address.
func (s span) wholeFamily() bool { return !s.first.Prev().IsValid() && !s.last.Next().IsValid() }

// contains reports whether a is in r.
func (r *ranges) contains(a ip) bool {
	if a.v4 {
		return within(r.ipv4, a.low)
	}
	i, j := 0, len(r.ipv6)
	for j-i > few { // the first that does not end before a is from i to j
		if middle := int(uint(i+j) >> 1); r.ipv6[middle][1].less(a) {
			i = middle + 1
		} else {
			j = middle
		}
	}
	for ; i < len(r.ipv6); i++ {
		if s := &r.ipv6[i]; !s[1].less(a) {
			return !a.less(s[0])
		}
	}
	return false
}

// within reports whether n is in one of all, which are sorted and disjoint.
func within(all [][2]uint64, n uint64) bool {
	i, j := 0, len(all)
	for j-i > few {
		if middle := int(uint(i+j) >> 1); all[middle][1] < n {
			i = middle + 1
		} else {
			j = middle
		}
	}
	for ; i < len(all); i++ {
		if s := &all[i]; n <= s[1] {
			return s[0] <= n
		}
	}
	return false
}

// few are as many as are looked at one by one.
const few = 4
