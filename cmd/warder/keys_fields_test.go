package main

import (
	"slices"
	"testing"
	"time"
)

func TestParseLifetime(t *testing.T) {
	now := time.Date(2027, 1, 31, 12, 0, 0, 0, time.UTC)
	tests := []struct{ text, want string }{
		{"12h", "2027-02-01T00:00:00Z"},
		{"90d", "2027-05-01T12:00:00Z"},
		{"6w", "2027-03-14T12:00:00Z"},
		{"90m", "2027-01-31T13:30:00Z"},
		{"1mo", "2027-02-28T12:00:00Z"},
		{"2mo", "2027-03-31T12:00:00Z"},
		{"13mo", "2028-02-29T12:00:00Z"},
		{"1y", "2028-01-31T12:00:00Z"},
		{"1y1mo1d", "2028-03-01T12:00:00Z"},
		{"1mo12h", "2027-03-01T00:00:00Z"},
		{"", ""},
		{"y", ""},
		{"1", ""},
		{"mo", ""},
		{"1mo1y", ""},
		{"1.5mo", ""},
		{"-1mo", ""},
		{"99999999y", ""},
		{"1y1", ""},
		{"1 y", ""},
		{"1Y", ""},
	}
	for _, tt := range tests {
		got, err := parseLifetime(tt.text, now)
		if tt.want == "" {
			if err == nil {
				t.Errorf("%q: %v, want an error", tt.text, got)
			}
			continue
		}
		if err != nil || got.Format(time.RFC3339) != tt.want {
			t.Errorf("%q: %v, %v, want %s", tt.text, got, err, tt.want)
		}
	}
}

func TestParseIPs(t *testing.T) {
	got, err := parseIPs([]string{"192.0.2.1", "2001:db8::/32", "::ffff:192.0.2.1"})
	if err != nil || len(got) != 3 || got[0].String() != "192.0.2.1/32" {
		t.Errorf("%v, %v", got, err)
	}
	for _, text := range []string{"", "x", "192.0.2.1/33", "fe80::1%eth0", "192.0.2", "192.0.2.1-9"} {
		if got, err := parseIPs([]string{text}); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
	if kinds := kinds(); !slices.Contains(kinds, "public") {
		t.Errorf("kinds %q", kinds)
	}
}
