package contract

import (
	"math"
	"math/big"
	"net/netip"
	"strings"
	"time"
)

// inRange reports whether n fits in a format of numbers that bounds them.
func inRange(format string, n *number) bool {
	switch format {
	case "int32":
		return n.exact == nil && n.small >= math.MinInt32 && n.small <= math.MaxInt32 || n.exact != nil && !n.whole
	case "int64":
		return n.exact == nil || !n.whole
	case "float":
		f, _ := new(big.Float).SetRat(n.rat()).Float64()
		return math.Abs(f) <= math.MaxFloat32
	case "double":
		f, _ := new(big.Float).SetRat(n.rat()).Float64()
		return !math.IsInf(f, 0)
	default:
		return true
	}
}

// hasFormat judges the formats of texts that have one meaning everywhere. Others
// say nothing here: what an address of mail or a URI may be differs between
// frameworks.
func hasFormat(format, text string) bool {
	switch format {
	case "uuid":
		return isUUID(text)
	case "date":
		_, err := time.Parse(time.DateOnly, text)
		return err == nil
	case "date-time":
		return isDateTime(text)
	case "ipv4":
		a, err := netip.ParseAddr(text)
		return err == nil && a.Is4()
	case "ipv6":
		a, err := netip.ParseAddr(text)
		return err == nil && a.Is6() && a.Zone() == ""
	default:
		return true
	}
}

// isUUID reports whether text is written as RFC 9562, section 4, has it.
func isUUID(text string) bool {
	if len(text) != 36 {
		return false
	}
	for i := range len(text) {
		b := text[i]
		switch {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if b != '-' {
				return false
			}
		case '0' <= b && b <= '9', 'a' <= b && b <= 'f', 'A' <= b && b <= 'F':
		default:
			return false
		}
	}
	return true
}

// isDateTime reports whether text is a date and a time of RFC 3339. The offset may
// be missing, as it is in what many frameworks write and read.
func isDateTime(text string) bool {
	if len(text) > len("T") && len(text) > 10 && (text[10] == 't' || text[10] == ' ') {
		text = text[:10] + "T" + text[11:]
	}
	text = strings.TrimSuffix(text, "z")
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999"} {
		if _, err := time.Parse(layout, text); err == nil {
			return true
		}
	}
	return false
}
