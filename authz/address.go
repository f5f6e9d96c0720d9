package authz

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/warder-dev/warder/exchange"
)

// clients holds for addresses within one of its ranges. They are sorted, and
// none lies within another: one comparison by halves finds the only candidate.
type clients []netip.Prefix

// mapped is how many bits stand before the IPv4 address in one that is mapped
// (RFC 4291, section 2.5.5.2).
const mapped = 96

func newClients(ranges []netip.Prefix) (Condition, error) {
	var all clients
	var errs []error
	for _, p := range ranges {
		given := p
		switch {
		case !p.IsValid():
			errs = append(errs, errors.New("a range is no range"))
			continue
		case p.Addr().Is4In6() && p.Bits() < mapped:
			errs = append(errs, fmt.Errorf("%q: a mapped range has 96 bits at least; write it as IPv4", given))
			continue
		case p.Addr().Is4In6():
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-mapped)
		}
		if p != p.Masked() {
			errs = append(errs, fmt.Errorf("%q has bits behind its length: want %q", given, p.Masked()))
			continue
		}
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b netip.Prefix) int {
		if c := a.Addr().Compare(b.Addr()); c != 0 {
			return c
		}
		return a.Bits() - b.Bits() // the wider one first
	})
	kept := all[:0]
	for _, p := range all {
		if len(kept) == 0 || !kept[len(kept)-1].Contains(p.Addr()) {
			kept = append(kept, p)
		}
	}
	return kept, errors.Join(errs...)
}

func (c clients) Holds(x *exchange.Exchange) (bool, error) {
	addr := x.Client.WithZone("").Unmap()
	if !addr.IsValid() {
		return false, nil
	}
	i, exact := slices.BinarySearchFunc(c, addr, func(p netip.Prefix, a netip.Addr) int { return p.Addr().Compare(a) })
	return exact || i > 0 && c[i-1].Contains(addr), nil
}
