package exchange

import "time"

// A Quota is a limit that a principal brings along: Count events in each Per,
// Burst of them at once. It takes the place of the limit of its Name.
type Quota struct {
	Name  string
	Count int           // 1 to 1,000,000,000
	Per   time.Duration // 1 ms to 366 days
	Burst int           // 1 to 1,000,000,000; 0 means Count
}
