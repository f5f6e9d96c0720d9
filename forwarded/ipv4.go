package forwarded

// ipv4 reads the IPv4 address that text begins with, in its one spelling: four
// numbers of 0 to 255 without leading zeros. It returns how many bytes that are, 0
// when text begins with none. Before a digit or a letter it is none either, so that
// what follows has to be looked at.
func ipv4(text string) (a ip, length int) {
	if len(text) < len("0.0.0.0") || text[1] != '.' && text[2] != '.' && text[3] != '.' {
		return ip{}, 0 // one of IPv6, mostly
	}
	var all uint64
	for i, part := 0, 0; i < len(text); part++ {
		value := uint64(text[i] - '0')
		if value > 9 {
			break
		}
		if i++; i < len(text) {
			if d := uint64(text[i] - '0'); d <= 9 {
				if value == 0 {
					break
				}
				value = value*10 + d
				if i++; i < len(text) {
					if d := uint64(text[i] - '0'); d <= 9 {
						value, i = value*10+d, i+1
					}
				}
			}
		}
		if value > 255 {
			break
		}
		all = all<<8 | value
		if part == 3 {
			return ip{low: all, v4: true}, i
		}
		if i >= len(text) || text[i] != '.' {
			break
		}
		i++
	}
	return ip{}, 0
}

// port reads a port: 0 to 65535 in its one spelling, digits without leading zeros.
func port(text string) (n uint16, ok bool) {
	if text == "" || len(text) > maxPort || text[0] == '0' && text != "0" {
		return 0, false
	}
	value := uint32(0)
	for i := range len(text) {
		d := uint32(text[i] - '0')
		if d > 9 {
			return 0, false
		}
		value = value*10 + d
	}
	return uint16(value), value <= 65535
}
