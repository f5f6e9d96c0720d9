package config

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

var (
	errDuration = errors.New("is not a duration such as 30s, 1h30m or 90d")
	errSize     = errors.New("is not a size such as 64KiB, 10MB or a number of bytes")
)

// ParseDuration is time.ParseDuration that also knows days ("d", 24 hours) and
// weeks ("w", 7 days): "90d", "1d12h". Units may stand in any order. The error
// does not repeat text.
func ParseDuration(text string) (time.Duration, error) {
	rest, negative := strings.CutPrefix(text, "-")
	if !negative {
		rest = strings.TrimPrefix(rest, "+")
	}
	if rest == "0" {
		return 0, nil
	}
	if rest == "" || len(rest) > 64 {
		return 0, errDuration
	}
	var sum time.Duration
	for rest != "" {
		part, after, err := nextDuration(rest)
		if err != nil || part > math.MaxInt64-sum {
			return 0, errDuration
		}
		sum, rest = sum+part, after
	}
	if negative {
		sum = -sum
	}
	return sum, nil
}

// nextDuration reads one number and unit from the front of text.
func nextDuration(text string) (time.Duration, string, error) {
	digits := strings.TrimLeft(text, "0123456789.")
	number := text[:len(text)-len(digits)]
	rest := strings.TrimLeft(digits, "abcdefghijklmnopqrstuvwxyzµμ")
	unit := digits[:len(digits)-len(rest)]
	if number == "" || unit == "" {
		return 0, "", errDuration
	}
	scale, unit := int64(1), unit
	switch unit {
	case "d":
		scale, unit = 24, "h"
	case "w":
		scale, unit = 7*24, "h"
	}
	d, err := time.ParseDuration(number + unit)
	if err != nil || int64(d) > math.MaxInt64/scale {
		return 0, "", errDuration
	}
	return d * time.Duration(scale), rest, nil
}

// formatDuration is the shortest text of d with whole units, such as "90d".
func formatDuration(d time.Duration) string {
	if day := 24 * time.Hour; d != 0 && d%day == 0 {
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// ParseSize reads a [Size]. The error does not repeat text.
func ParseSize(text string) (Size, error) {
	if text == "unlimited" {
		return Unlimited, nil
	}
	unit := strings.TrimLeft(text, "0123456789")
	n, err := strconv.ParseInt(text[:len(text)-len(unit)], 10, 64)
	if err != nil {
		return 0, errSize
	}
	scale, ok := unitScale(strings.TrimPrefix(unit, " "))
	// MaxInt64 itself is the word "unlimited".
	if !ok || n > (math.MaxInt64-1)/scale {
		return 0, errSize
	}
	return Size(n * scale), nil
}

func unitScale(unit string) (scale int64, ok bool) {
	switch unit {
	case "", "B":
		return 1, true
	case "KB", "kB":
		return 1e3, true
	case "MB":
		return 1e6, true
	case "GB":
		return 1e9, true
	case "KiB":
		return 1 << 10, true
	case "MiB":
		return 1 << 20, true
	case "GiB":
		return 1 << 30, true
	}
	return 0, false
}

// String returns the text of s with the largest unit that divides it.
func (s Size) String() string {
	if s == Unlimited {
		return "unlimited"
	}
	for _, unit := range []string{"GiB", "MiB", "KiB", "GB", "MB", "KB"} {
		if scale, _ := unitScale(unit); s != 0 && int64(s)%scale == 0 {
			return strconv.FormatInt(int64(s)/scale, 10) + unit
		}
	}
	return strconv.FormatInt(int64(s), 10)
}
