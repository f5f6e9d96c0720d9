package forwarded

// groups is how many an IPv6 address has, and digits how many each has at most.
const (
	groups = 8
	digits = 4
)

// ipv6 reads the IPv6 address of groups in hexadecimal alone (RFC 4291, section
// 2.2, forms 1 and 2) that text begins with. It returns how many bytes that are, 0
// when text begins with none. Before a dot, a digit or a colon it is none either, so
// that what follows has to be looked at.
func ipv6(text string) (a ip, length int) {
	head, before, gap := someGroups(text, 0)
	switch {
	case before < 0:
		return ip{}, 0
	case len(text) < gap+2 || text[gap] != ':' || text[gap+1] != ':':
		if before != groups {
			return ip{}, 0
		}
		return head.unmapped(), gap
	}
	tail, behind, end := someGroups(text, gap+2)
	if behind < 0 || before+behind >= groups {
		return ip{}, 0
	}
	head = head.left(groups - before)
	return ip{high: head.high | tail.high, low: head.low | tail.low}.unmapped(), end
}

// someGroups reads the groups that stand in text from begin, divided by single
// colons, up to eight. It returns how many they are, -1 when one is missing behind a
// colon, and where they end.
func someGroups(text string, begin int) (a ip, n, end int) {
	for i := begin; i < len(text); i++ {
		value := uint64(hexadecimal[text[i]]) - 1
		if value > 15 {
			break
		}
		if i++; i < len(text) { // a loop takes longer
			if d := uint64(hexadecimal[text[i]]) - 1; d <= 15 {
				value = value<<4 | d
				if i++; i < len(text) {
					if d := uint64(hexadecimal[text[i]]) - 1; d <= 15 {
						value = value<<4 | d
						if i++; i < len(text) {
							if d := uint64(hexadecimal[text[i]]) - 1; d <= 15 {
								value, i = value<<4|d, i+1
							}
						}
					}
				}
			}
		}
		a, n = a.group(value), n+1
		if n == groups || i+1 >= len(text) || text[i] != ':' || text[i+1] == ':' {
			return a, n, i
		}
	}
	if n > 0 {
		return a, -1, begin
	}
	return a, 0, begin
}

// hexadecimal is, for each byte, its value as a digit and one more; 0 for none.
const hexadecimal = "" +
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" +
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x00\x00\x00\x00\x00\x00" +
	"\x00\x0b\x0c\x0d\x0e\x0f\x10\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" +
	"\x00\x0b\x0c\x0d\x0e\x0f\x10\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" +
	none32 + none32 + none32 + none32

const none32 = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
