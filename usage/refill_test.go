package usage_test

import (
	"testing"
	"time"

	"github.com/warder-dev/warder/usage"
)

func utc(text string) time.Time {
	t, err := time.Parse("2006-01-02 15:04:05", text)
	if err != nil {
		panic(err)
	}
	return t
}

func TestNextRefill(t *testing.T) {
	east, west := time.FixedZone("", 14*60*60), time.FixedZone("", -12*60*60)
	end := usage.Refill{Every: usage.Month, From: utc("2023-12-31 23:30:00")}
	for _, tt := range []struct {
		name        string
		refill      usage.Refill
		after, want time.Time
	}{
		{"day", usage.Refill{Every: usage.Day}, utc("2026-01-31 12:00:00"), utc("2026-02-01 00:00:00")},
		{"day, at the boundary", usage.Refill{Every: usage.Day}, utc("2026-02-01 00:00:00"), utc("2026-02-02 00:00:00")},
		{"day, an instant before", usage.Refill{Every: usage.Day}, utc("2026-02-01 00:00:00").Add(-1), utc("2026-02-01 00:00:00")},
		{"day, leap day", usage.Refill{Every: usage.Day}, utc("2028-02-28 12:00:00"), utc("2028-02-29 00:00:00")},
		{"day, in a zone ahead", usage.Refill{Every: usage.Day}, time.Date(2026, 2, 1, 13, 0, 0, 0, east), utc("2026-02-01 00:00:00")},
		{"day, in a zone behind", usage.Refill{Every: usage.Day}, time.Date(2026, 2, 1, 13, 0, 0, 0, west), utc("2026-02-03 00:00:00")},
		{"week begins on Monday", usage.Refill{Every: usage.Week}, utc("2026-11-28 16:00:00"), utc("2026-11-30 00:00:00")},
		{"week, on Sunday", usage.Refill{Every: usage.Week}, utc("2026-11-29 23:59:59"), utc("2026-11-30 00:00:00")},
		{"week, on Monday", usage.Refill{Every: usage.Week}, utc("2026-11-30 00:00:00"), utc("2026-12-07 00:00:00")},
		{"week, by its own day", usage.Refill{Every: usage.Week, From: utc("2026-11-26 08:00:00")}, utc("2026-11-28 00:00:00"), utc("2026-12-03 08:00:00")},
		{"month", usage.Refill{Every: usage.Month}, utc("2026-12-31 23:59:59"), utc("2027-01-01 00:00:00")},
		{"month, in a zone ahead", usage.Refill{Every: usage.Month}, time.Date(2027, 1, 1, 1, 0, 0, 0, east), utc("2027-01-01 00:00:00")},
		{"month, in a zone behind", usage.Refill{Every: usage.Month}, time.Date(2026, 12, 31, 13, 0, 0, 0, west), utc("2027-02-01 00:00:00")},
		{"month, the 31st in February", end, utc("2026-02-01 00:00:00"), utc("2026-02-28 23:30:00")},
		{"month, the 31st on a leap day", end, utc("2028-02-01 00:00:00"), utc("2028-02-29 23:30:00")},
		{"month, the 31st on no leap day of a century", end, utc("2100-02-01 00:00:00"), utc("2100-02-28 23:30:00")},
		{"month, after a short one the 31st again", end, utc("2026-02-28 23:30:00"), utc("2026-03-31 23:30:00")},
		{"month, the 31st in April", end, utc("2026-03-31 23:30:00"), utc("2026-04-30 23:30:00")},
		{"month, a leap day", usage.Refill{Every: usage.Month, From: utc("2028-02-29 00:00:00")}, utc("2029-02-01 00:00:00"), utc("2029-02-28 00:00:00")},
		{"before the first", end, utc("2020-01-01 00:00:00"), utc("2023-12-31 23:30:00")},
		{"at the first", end, utc("2023-12-31 23:30:00"), utc("2024-01-31 23:30:00")},
		{"never", usage.Refill{}, utc("2026-01-31 12:00:00"), time.Time{}},
	} {
		if got := tt.refill.Next(tt.after); !got.Equal(tt.want) {
			t.Errorf("%s: Next(%s) = %s, want %s", tt.name, tt.after, got, tt.want)
		}
	}
}

// TestRefillsInOrder walks through years of boundaries: each is after the one
// before, by no more than the period, and none is left out.
func TestRefillsInOrder(t *testing.T) {
	for _, r := range []usage.Refill{
		{Every: usage.Day},
		{Every: usage.Week},
		{Every: usage.Month},
		{Every: usage.Month, From: utc("2024-01-31 23:59:59")},
		{Every: usage.Month, From: utc("2024-02-29 00:00:01")},
		{Every: usage.Day, From: utc("2024-01-31 03:30:00")},
	} {
		at := utc("2024-01-01 00:00:00")
		for range 3000 {
			next := r.Next(at)
			longest := map[usage.Period]time.Duration{usage.Day: 24 * time.Hour, usage.Week: 7 * 24 * time.Hour, usage.Month: 31 * 24 * time.Hour}[r.Every]
			if !next.After(at) || next.Sub(at) > longest && at.After(r.From) {
				t.Fatalf("%+v: after %s comes %s", r, at, next)
			}
			if again := r.Next(next.Add(-1)); !again.Equal(next) {
				t.Fatalf("%+v: an instant before %s comes %s", r, next, again)
			}
			at = next
		}
	}
}
