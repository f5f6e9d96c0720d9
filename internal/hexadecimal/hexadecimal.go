// Package hexadecimal reads the digits of percent-encodings (RFC 3986, section
// 2.1).
package hexadecimal

// Digit returns the value of a hexadecimal digit, of either case; 16 or more for
// another byte.
func Digit(b byte) byte {
	switch {
	case '0' <= b && b <= '9':
		return b - '0'
	case 'a' <= b && b <= 'f':
		return b - 'a' + 10
	case 'A' <= b && b <= 'F':
		return b - 'A' + 10
	default:
		return 16
	}
}

// Octet returns the first byte of text, which must not be empty, once it is
// decoded, and how many bytes it is written in. ok is false for a percent sign
// without two digits.
func Octet(text string) (b byte, n int, ok bool) {
	if text[0] != '%' {
		return text[0], 1, true
	}
	if len(text) < 3 {
		return 0, 0, false
	}
	high, low := Digit(text[1]), Digit(text[2])
	return high<<4 | low, 3, high < 16 && low < 16
}
