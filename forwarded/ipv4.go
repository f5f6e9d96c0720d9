package forwarded

// ipv4 reads the IPv4 address that text begins with, in its one spelling: four
// numbers of 0 to 255 without leading zeros. It returns how many bytes that are, 0
// when text begins with none: then netip reads it, in twice the time.
func ipv4(text string) (a ip, length int) {
	if len(text) < len("0.0.0.0") || text[1] != '.' && text[2] != '.' && text[3] != '.' {
		return ip{}, 0 // one of IPv6, mostly
	}
	var all, value uint64
	part, begin := 0, 0
	for i := 0; ; i++ {
		if i < len(text) {
			if d := uint64(text[i] - '0'); d <= 9 {
				if value = value*10 + d; i > begin && value < 10 || value > 255 {
					return ip{}, 0
				}
				continue
			}
		}
		if i == begin {
			return ip{}, 0
		}
		all = all<<8 | value
		if part == 3 {
			return ip{low: all, v4: true}, i
		}
		if i == len(text) || text[i] != '.' {
			return ip{}, 0
		}
		part, begin, value = part+1, i+1, 0
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
