package forwarded

// groups is how many an IPv6 address has, and digits how many each has at most.
const (
	groups = 8
	digits = 4
)

// ipv6 reads text that is an IPv6 address of groups in hexadecimal alone (RFC
// 4291, section 2.2, forms 1 and 2). It reports false for everything else: then
// netip reads it, in twice the time.
func ipv6(text string) (a ip, ok bool) {
	var all, head ip      // head is what stood before "::"
	gap, n, i := -1, 0, 0 // gap is how many groups head has
	if len(text) > 1 && text[0] == ':' && text[1] == ':' {
		gap, i = 0, 2
	}
	for i < len(text) {
		value, begin := uint64(0), i
		for i < len(text) {
			d := hexadecimal[text[i]] - 1
			if d > 15 {
				break
			}
			value, i = value<<4|uint64(d), i+1
		}
		if i == begin || i > begin+digits || n == groups {
			return ip{}, false
		}
		all, n = all.group(value), n+1
		if i == len(text) {
			break
		}
		if text[i] != ':' || i+1 == len(text) {
			return ip{}, false
		}
		if i++; text[i] == ':' {
			if gap >= 0 {
				return ip{}, false
			}
			gap, head, all, i = n, all, ip{}, i+1
		}
	}
	switch {
	case gap < 0 && n < groups, gap >= 0 && n >= groups:
		return ip{}, false
	case gap > 0:
		head = head.left(groups - gap)
		all = ip{high: all.high | head.high, low: all.low | head.low}
	}
	return all.unmapped(), true
}

// hexadecimal is, for each byte, its value as a digit and one more; 0 for none.
const hexadecimal = "" +
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" +
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x00\x00\x00\x00\x00\x00" +
	"\x00\x0b\x0c\x0d\x0e\x0f\x10\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" +
	"\x00\x0b\x0c\x0d\x0e\x0f\x10\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" +
	none32 + none32 + none32 + none32

const none32 = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
