package exchange

import (
	"math/bits"
	"time"
)

// A Quota is a limit that a principal brings along: Count events in each Per,
// Burst of them at once. It takes the place of the limit of its Name.
type Quota struct {
	Name  string
	Count int           // 1 to 1,000,000,000
	Per   time.Duration // 1 ms to 366 days, in whole milliseconds
	Burst int           // 1 to 1,000,000,000; 0 means Count. It refills within 10 years.
}

const (
	maxQuota = 1_000_000_000
	maxPer   = 366 * 24 * time.Hour
	maxFill  = 10 * maxPer
)

// Valid reports whether a limit can count by q.
func (q Quota) Valid() bool {
	burst := q.Burst
	if burst == 0 {
		burst = q.Count
	}
	if q.Count < 1 || q.Count > maxQuota || burst < 1 || burst > maxQuota ||
		q.Per < time.Millisecond || q.Per > maxPer || q.Per%time.Millisecond != 0 {
		return false
	}
	hi, lo := bits.Mul64(uint64(burst), uint64(q.Per))
	if hi >= uint64(q.Count) {
		return false
	}
	ns, _ := bits.Div64(hi, lo, uint64(q.Count))
	return ns <= uint64(maxFill)
}
