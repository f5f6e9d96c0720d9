package authz_test

import (
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the tests' zones, wherever they run

	"github.com/warder-dev/warder/authz"
	"github.com/warder-dev/warder/exchange"
)

func TestTimes(t *testing.T) {
	weekdays := []time.Weekday{time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday}
	office := authz.Window{Days: weekdays, From: "09:00", To: "17:30", Zone: "Europe/Berlin"}
	night := authz.Window{Days: []time.Weekday{time.Friday}, From: "22:00", To: "06:00", Zone: "Europe/Berlin"}
	early := authz.Window{From: "02:00", To: "03:00", Zone: "Europe/Berlin"}
	late := authz.Window{From: "22:00", To: "24:00", Zone: "UTC"}
	saturday := authz.Window{Days: []time.Weekday{time.Saturday}, Zone: "Pacific/Auckland"}
	tests := []struct {
		name   string
		window authz.Window
		at     string // an instant
		want   bool
	}{
		{"winter: 09:00 is 08:00 UTC", office, "2026-01-05T08:00:00Z", true},
		{"winter: a minute before", office, "2026-01-05T07:59:59Z", false},
		{"summer: 09:00 is 07:00 UTC", office, "2026-07-06T07:00:00Z", true},
		{"summer: a minute before", office, "2026-07-06T06:59:59Z", false},
		{"the last second", office, "2026-01-05T16:29:59.999999999Z", true},
		{"the end is outside", office, "2026-01-05T16:30:00Z", false},
		{"another day", office, "2026-01-04T10:00:00Z", false},
		{"the instant's own zone does not count", office, "2026-01-05T23:00:00+15:00", true},
		{"over midnight: Friday evening", night, "2026-01-09T21:00:00Z", true},
		{"over midnight: Saturday morning belongs to Friday", night, "2026-01-10T04:59:59Z", true},
		{"over midnight: the end", night, "2026-01-10T05:00:00Z", false},
		{"over midnight: Friday morning belongs to Thursday", night, "2026-01-09T04:00:00Z", false},
		{"over midnight: Saturday evening is none", night, "2026-01-10T21:00:00Z", false},
		{"spring: before the hour that is left out", early, "2026-03-29T00:59:59Z", false},
		{"spring: the hour that is left out is never", early, "2026-03-29T01:00:00Z", false},
		{"autumn: the hour that comes twice, first", early, "2026-10-25T00:30:00Z", true},
		{"autumn: the hour that comes twice, second", early, "2026-10-25T01:30:00Z", true},
		{"autumn: after it", early, "2026-10-25T02:00:00Z", false},
		{"24:00 ends the day", late, "2026-01-05T23:59:59Z", true},
		{"24:00 does not begin the next", late, "2026-01-06T00:00:00Z", false},
		{"a whole day, where it is another than in UTC", saturday, "2026-01-09T11:00:00Z", true},
		{"a whole day, before", saturday, "2026-01-09T10:59:59Z", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			at, err := time.Parse(time.RFC3339Nano, tt.at)
			if err != nil {
				t.Fatal(err)
			}
			never := authz.Window{Days: []time.Weekday{(at.UTC().Weekday() + 3) % 7}, Zone: "UTC"}
			x := request(func(x *exchange.Exchange) { x.Start = at })
			if got := holds(t, authz.Rule{Times: []authz.Window{never, tt.window}}, x); got != tt.want {
				t.Errorf("%s holds at %s = %v, want %v", tt.window.From+"-"+tt.window.To, tt.at, got, tt.want)
			}
		})
	}
}

func TestWithoutATime(t *testing.T) {
	s := newStage(t, authz.Rule{Name: "a", Effect: authz.Deny, Times: []authz.Window{{From: "00:00", To: "12:00", Zone: "UTC"}}})
	if v := s.Check(request(func(x *exchange.Exchange) { x.Start = time.Time{} })); v.Kind() != exchange.Failed {
		t.Errorf("got %v, want failed", v.Kind())
	}
}

func TestWindowsThatAreNone(t *testing.T) {
	tests := []struct {
		name   string
		window authz.Window
		want   string
	}{
		{"no zone", authz.Window{From: "08:00", To: "09:00"}, `zone ""`},
		{"this machine's zone", authz.Window{From: "08:00", To: "09:00", Zone: "Local"}, `zone "Local"`},
		{"a zone that does not exist", authz.Window{From: "08:00", To: "09:00", Zone: "Mars/Base"}, `zone "Mars/Base"`},
		{"a zone that is a path", authz.Window{From: "08:00", To: "09:00", Zone: "../../etc/passwd"}, "zone"},
		{"always", authz.Window{Zone: "UTC"}, "always open"},
		{"always, in words", authz.Window{From: "00:00", To: "24:00", Zone: "UTC"}, "always open"},
		{"never", authz.Window{From: "08:00", To: "08:00", Zone: "UTC"}, "no window"},
		{"from the end of the day", authz.Window{From: "24:00", To: "08:00", Zone: "UTC"}, "no window"},
		{"no days", authz.Window{Days: []time.Weekday{}, Zone: "UTC"}, "no day is in Days"},
		{"a day that does not exist", authz.Window{Days: []time.Weekday{7}, Zone: "UTC"}, "day 7"},
		{"one end", authz.Window{From: "08:00", Zone: "UTC"}, `time ""`},
		{"one digit", authz.Window{From: "8:00", To: "09:00", Zone: "UTC"}, `time "8:00"`},
		{"minute 60", authz.Window{From: "08:60", To: "09:00", Zone: "UTC"}, `time "08:60"`},
		{"behind the day", authz.Window{From: "08:00", To: "24:01", Zone: "UTC"}, `time "24:01"`},
		{"letters", authz.Window{From: "0a:00", To: "ab:cd", Zone: "UTC"}, `time "ab:cd"`},
		{"seconds", authz.Window{From: "08:00:00", To: "09:00", Zone: "UTC"}, `time "08:00:00"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := authz.New(authz.Config{Rules: []authz.Rule{{Name: "a", Effect: authz.Deny, Times: []authz.Window{tt.window}}}})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want one that says %s", err, tt.want)
			}
		})
	}
}

// Whatever two clock times are, the minutes of a day are inside of "a to b" or
// inside of "b to a", and never of both.
func FuzzWindow(f *testing.F) {
	f.Add("09:00", "17:30", int64(0))
	f.Add("22:00", "06:00", int64(86400))
	f.Add("00:00", "24:00", int64(1))
	f.Add("1:000", "::", int64(1))
	f.Fuzz(func(t *testing.T, from, to string, unix int64) {
		there, err := authz.New(authz.Config{Rules: []authz.Rule{{Name: "a", Effect: authz.Require, Times: []authz.Window{{From: from, To: to, Zone: "Europe/Berlin"}}}}})
		if err != nil || to == "24:00" {
			return
		}
		back := newStage(t, authz.Rule{Name: "a", Effect: authz.Require, Times: []authz.Window{{From: to, To: from, Zone: "Europe/Berlin"}}})
		x := request(func(x *exchange.Exchange) { x.Start = time.Unix(unix%(1<<40), 0) })
		if there.Check(x).Passed() == back.Check(x).Passed() {
			t.Errorf("%q to %q and back agree at %v", from, to, x.Start)
		}
	})
}
