package forwarded

import (
	"encoding/binary"
	"net/netip"
)

// An ip is an address as a number: netip's own form costs as much to compare as
// to read.
type ip struct {
	high, low uint64
	v4        bool // it is low alone
}

// ipOf returns a valid address, without its zone, in the family that it is written in.
func ipOf(a netip.Addr) ip {
	if a.Is4() {
		return ip{low: number(a), v4: true}
	}
	b := a.As16()
	return ip{high: binary.BigEndian.Uint64(b[:8]), low: binary.BigEndian.Uint64(b[8:])}
}

// unmapped is n, or the IPv4 address that n is written as.
func (n ip) unmapped() ip {
	if n.high == 0 && n.low>>32 == 0xffff {
		return ip{low: n.low & 0xffff_ffff, v4: true}
	}
	return n
}

func (n ip) addr() netip.Addr {
	if n.v4 {
		return netip.AddrFrom4([4]byte{byte(n.low >> 24), byte(n.low >> 16), byte(n.low >> 8), byte(n.low)}) //nolint:gosec // the bytes of an IPv4 address
	}
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], n.high)
	binary.BigEndian.PutUint64(b[8:], n.low)
	return netip.AddrFrom16(b)
}

// less reports whether n comes before m, of the same family.
func (n ip) less(m ip) bool { return n.high < m.high || n.high == m.high && n.low < m.low }

// group is n with one more group of IPv6 behind it.
func (n ip) group(value uint64) ip { return ip{high: n.high<<16 | n.low>>48, low: n.low<<16 | value} }

// left is n, moved to the left by so many groups: 1 to 8.
func (n ip) left(groups int) ip {
	bits := uint(groups) * 16
	if bits >= 64 {
		return ip{high: n.low << (bits - 64)}
	}
	return ip{high: n.high<<bits | n.low>>(64-bits), low: n.low << bits}
}
