package usage

import (
	"errors"
	"fmt"
	"time"
)

// A Period is how often an account is refilled.
type Period string

// The periods. Days, weeks and months are those of UTC.
const (
	Never Period = ""
	Day   Period = "day"
	Week  Period = "week"
	Month Period = "month"
)

// A Refill gives an account credits again and again. The zero value never does.
type Refill struct {
	Every Period

	// Amount is what there is after each refill, 1 to [MaxCredits]: a balance below
	// it is topped up, one above it stays. With Cap it is what each refill adds.
	Amount int64

	// Cap, when it is not 0, makes each refill add Amount, up to Cap credits in all,
	// those included that nodes have reserved: Amount to [MaxCredits]. Refills that
	// nobody was there to see are made up for.
	Cap int64

	// From is the first refill, in whole seconds; the others follow at the same time
	// of day, the same day of the week, or the same day of the month, which in a
	// month without it is its last. Zero: midnight, Monday, or the first of the month.
	From time.Time
}

// Check reports everything that is wrong with r at once.
func (r Refill) Check() error {
	var errs []error
	switch r.Every {
	case Never:
		if r != (Refill{}) {
			errs = append(errs, errors.New("usage: a refill that is never has an amount, a cap or a beginning, want none of them"))
		}
		return errors.Join(errs...)
	case Day, Week, Month:
	default:
		errs = append(errs, fmt.Errorf("usage: a refill is every %q, want %q, %q or %q", r.Every, Day, Week, Month))
	}
	if r.Amount < 1 || r.Amount > MaxCredits {
		errs = append(errs, fmt.Errorf("usage: a refill's amount is %d, want 1 to %d", r.Amount, int64(MaxCredits)))
	}
	if r.Cap != 0 && (r.Cap < r.Amount || r.Cap > MaxCredits) {
		errs = append(errs, fmt.Errorf("usage: a refill's cap is %d, want its amount, %d, to %d", r.Cap, r.Amount, int64(MaxCredits)))
	}
	if !r.From.IsZero() && !validYear(r.From) {
		errs = append(errs, fmt.Errorf("usage: a refill begins in the year %d, want 1970 to 9998", r.From.UTC().Year()))
	}
	return errors.Join(errs...)
}

// validYear reports whether boundaries around t can be computed and stored.
func validYear(t time.Time) bool {
	year := t.UTC().Year()
	return year >= 1970 && year <= 9998
}

// Next returns the first refill after t; the zero time for [Never].
func (r Refill) Next(t time.Time) time.Time {
	if r.Every == Never {
		return time.Time{}
	}
	return r.boundary(r.count(t))
}

// from is the boundary number 0.
func (r Refill) from() time.Time {
	switch {
	case !r.From.IsZero():
		return r.From.UTC().Truncate(time.Second)
	case r.Every == Week:
		return time.Date(1970, time.January, 5, 0, 0, 0, 0, time.UTC) // a Monday
	default:
		return time.Unix(0, 0).UTC()
	}
}

// boundary returns the nth refill.
func (r Refill) boundary(n int64) time.Time {
	from := r.from()
	switch r.Every {
	case Week:
		return time.Unix(from.Unix()+n*7*secondsOfDay, 0).UTC()
	case Month:
		months := int64(from.Year())*12 + int64(from.Month()-time.January) + n
		year, month := int(months/12), time.January+time.Month(months%12)
		last := time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC).Day()
		return time.Date(year, month, min(from.Day(), last), from.Hour(), from.Minute(), from.Second(), 0, time.UTC)
	default:
		return time.Unix(from.Unix()+n*secondsOfDay, 0).UTC()
	}
}

const secondsOfDay = 24 * 60 * 60

// count returns how many refills there are up to t, t included.
func (r Refill) count(t time.Time) int64 {
	from := r.from()
	t = t.UTC()
	if t.Before(from) {
		return 0
	}
	switch r.Every {
	case Week:
		return (t.Unix()-from.Unix())/(7*secondsOfDay) + 1
	case Month:
		n := int64(t.Year()-from.Year())*12 + int64(t.Month()-from.Month())
		if r.boundary(n).After(t) {
			n--
		}
		return n + 1
	default:
		return (t.Unix()-from.Unix())/secondsOfDay + 1
	}
}

// due returns how many refills there are from next to t, both included.
func (r Refill) due(next, t time.Time) int64 {
	if r.Every == Never || next.IsZero() || t.Before(next) {
		return 0
	}
	return max(1, r.count(t)-r.count(next)+1)
}
