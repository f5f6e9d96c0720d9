package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/warder-dev/warder/exchange"
)

var errQuota = errors.New("want it like key=100/1m, or key=100/1m/200 with a burst")

// ParseQuota reads NAME=COUNT/TIME[/BURST], in which the time may lack its 1:
// "key=100/m". The error does not repeat text. What the name and the numbers may
// be is not checked.
func ParseQuota(text string) (exchange.Quota, error) {
	name, rate, found := strings.Cut(text, "=")
	parts := strings.Split(rate, "/")
	if !found || len(parts) < 2 || len(parts) > 3 {
		return exchange.Quota{}, errQuota
	}
	q := exchange.Quota{Name: name}
	var ok [3]bool
	q.Count, ok[0] = positive(parts[0])
	per := parts[1]
	if per != "" && (per[0] < '0' || per[0] > '9') {
		per = "1" + per
	}
	var err error
	q.Per, err = ParseDuration(per)
	ok[1], ok[2] = err == nil && q.Per > 0, true
	if len(parts) == 3 {
		q.Burst, ok[2] = positive(parts[2])
	}
	if ok != [3]bool{true, true, true} {
		return exchange.Quota{}, errQuota
	}
	return q, nil
}

// positive reads digits alone, 1 to 1,000,000,000.
func positive(text string) (int, bool) {
	n, err := strconv.ParseUint(text, 10, 31)
	return int(n), err == nil && n >= 1 && n <= 1_000_000_000 && text[0] != '+'
}

// QuotaText is what [ParseQuota] reads as q.
func QuotaText(q exchange.Quota) string {
	text := fmt.Sprintf("%s=%d/%s", q.Name, q.Count, DurationText(q.Per))
	if q.Burst != 0 {
		text += "/" + strconv.Itoa(q.Burst)
	}
	return text
}

// DurationText is what [ParseDuration] reads as d: in days where it is whole ones.
func DurationText(d time.Duration) string {
	const day = 24 * time.Hour
	if d >= day && d%day == 0 {
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
