package forwarded

import "net/netip"

// ipv4 reads the IPv4 address that text begins with, in its one spelling: four
// numbers of 0 to 255 without leading zeros. It returns how many bytes that are, 0
// when text begins with none: then netip reads it, in twice the time.
func ipv4(text string) (a netip.Addr, length int) {
	var quad [4]byte
	part, digits, value := 0, 0, 0
	for i := 0; ; i++ {
		if i < len(text) && '0' <= text[i] && text[i] <= '9' {
			if digits > 0 && value == 0 {
				return netip.Addr{}, 0
			}
			if value, digits = value*10+int(text[i]-'0'), digits+1; value > 255 {
				return netip.Addr{}, 0
			}
			continue
		}
		if digits == 0 {
			return netip.Addr{}, 0
		}
		quad[part] = byte(value)
		if part == len(quad)-1 {
			return netip.AddrFrom4(quad), i
		}
		if i >= len(text) || text[i] != '.' {
			return netip.Addr{}, 0
		}
		part, digits, value = part+1, 0, 0
	}
}

// port reads a port in its one spelling; see [validPort].
func port(text string) (n uint16, ok bool) {
	if !validPort(text) {
		return 0, false
	}
	for i := range len(text) {
		n = n*10 + uint16(text[i]-'0')
	}
	return n, true
}
