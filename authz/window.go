package authz

import (
	"errors"
	"fmt"
	"time"

	"github.com/warder-dev/warder/exchange"
)

// A Window is a part of the week by the clocks of a zone. It goes by what those
// clocks show, so that it stays where it is when they are changed: what is shown
// twice in autumn is inside twice, what is left out in spring is never inside.
type Window struct {
	// Days are those on which the window begins. nil for every day.
	Days []time.Weekday

	// From is the first minute of the window and To the one after the last, as
	// "HH:MM"; "24:00" is the end of a day. With From after To the window ends on the
	// day after: Friday, "22:00" to "06:00", ends on Saturday. Both "" is the whole
	// day.
	From, To string

	// Zone names the clocks as in the IANA database: "Europe/Berlin", "UTC". Required;
	// "Local" is refused, since it is another one on another machine.
	Zone string
}

// times holds when one of its windows does.
type times []window

// A window is a [Window] in minutes since midnight.
type window struct {
	days     [7]bool
	from, to int
	zone     *time.Location
}

const day = 24 * 60 // minutes that a clock can show

func newTimes(windows []Window) (Condition, error) {
	var all times
	var errs []error
	for i, w := range windows {
		c, err := w.compile()
		if err != nil {
			errs = append(errs, fmt.Errorf("[%d]: %w", i, err))
		}
		all = append(all, c)
	}
	return all, errors.Join(errs...)
}

func (w *Window) compile() (window, error) {
	var errs []error
	c := window{to: day}
	if w.From != "" || w.To != "" {
		var fromErr, toErr error
		c.from, fromErr = minutes(w.From)
		c.to, toErr = minutes(w.To)
		errs = append(errs, fromErr, toErr)
		if fromErr == nil && toErr == nil && (c.from == c.to || c.from == day) {
			errs = append(errs, fmt.Errorf("%q to %q is no window", w.From, w.To))
		}
	}
	if w.Days == nil && c.from == 0 && c.to == day {
		errs = append(errs, errors.New("it is always open"))
	}
	if w.Days != nil && len(w.Days) == 0 {
		errs = append(errs, errors.New("no day is in Days"))
	}
	for i := range c.days {
		c.days[i] = w.Days == nil
	}
	for _, d := range w.Days {
		if d < time.Sunday || d > time.Saturday {
			errs = append(errs, fmt.Errorf("day %d: want one of time.Sunday to time.Saturday", int(d)))
			continue
		}
		c.days[d] = true
	}
	if w.Zone == "" || w.Zone == "Local" {
		errs = append(errs, fmt.Errorf("zone %q: want a name of the IANA database", w.Zone))
		return c, errors.Join(errs...)
	}
	var err error
	if c.zone, err = time.LoadLocation(w.Zone); err != nil {
		errs = append(errs, fmt.Errorf("zone %q: %w", w.Zone, err))
	}
	return c, errors.Join(errs...)
}

// minutes reads "HH:MM" up to "24:00".
func minutes(text string) (int, error) {
	if len(text) == len("00:00") && text[2] == ':' {
		n := 0
		for _, i := range []int{0, 1, 3, 4} {
			if text[i] < '0' || text[i] > '9' {
				n = -10 * day
			}
			n = n*10 + int(text[i]-'0')
		}
		if h, m := n/100, n%100; n >= 0 && m < 60 && h*60+m <= day {
			return h*60 + m, nil
		}
	}
	return 0, fmt.Errorf("time %q: want %q to %q", text, "00:00", "24:00")
}

var errNoTime = errors.New("the exchange has no time at which it began")

func (t times) Holds(x *exchange.Exchange) (bool, error) {
	if x.Start.IsZero() {
		return false, errNoTime
	}
	for i := range t {
		if t[i].holds(x.Start) {
			return true, nil
		}
	}
	return false, nil
}

// holds reports whether the clock of the zone shows a time within w at the
// moment now.
func (w *window) holds(now time.Time) bool {
	local := now.In(w.zone)
	today, hour, minute := local.Weekday(), local.Hour(), local.Minute()
	m := hour*60 + minute
	if w.from < w.to {
		return w.days[today] && w.from <= m && m < w.to
	}
	yesterday := (today + 6) % 7
	return w.days[today] && m >= w.from || w.days[yesterday] && m < w.to
}
