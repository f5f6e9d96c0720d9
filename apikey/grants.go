package apikey

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/warder-dev/warder/exchange"
)

const (
	maxMetadata      = 50
	maxMetadataName  = 64  // bytes
	maxMetadataValue = 512 // bytes
	maxLimits        = 10
	maxLimitName     = 40
	minIdleRevoke    = time.Hour // less is finer than anybody knows when a key was used
	maxIdleRevoke    = 3660 * 24 * time.Hour
)

func checkMetadata(notes map[string]string) error {
	if len(notes) > maxMetadata {
		return &SpecError{"metadata", fmt.Sprintf("want at most %d", maxMetadata)}
	}
	for _, name := range slices.Sorted(maps.Keys(notes)) {
		if name == "" {
			return &SpecError{"metadata", "want a name for each"}
		}
		if err := checkText("metadata", name, maxMetadataName); err != nil {
			return &SpecError{"metadata", "a name: " + err.(*SpecError).Reason} //nolint:errorlint,errcheck // it is none but that
		}
		if err := checkText("metadata", notes[name], maxMetadataValue); err != nil {
			return &SpecError{"metadata", fmt.Sprintf("the value of %q: %s", name, err.(*SpecError).Reason)} //nolint:errorlint,errcheck // it is none but that
		}
	}
	return nil
}

// validLimitName reports whether name is one that limits and plans may have.
func validLimitName(name string) bool {
	for i := range len(name) {
		b := name[i]
		if (b < 'a' || b > 'z') && (b < '0' || b > '9') && b != '.' && b != '_' && b != '-' {
			return false
		}
	}
	return name != "" && len(name) <= maxLimitName
}

func checkPlan(plan string) error {
	if plan != "" && !validLimitName(plan) {
		return &SpecError{"plan", fmt.Sprintf("want 1 to %d lower-case letters, digits and ._-", maxLimitName)}
	}
	return nil
}

func checkLimits(limits []exchange.Quota) error {
	if len(limits) > maxLimits {
		return &SpecError{"limits", fmt.Sprintf("want at most %d", maxLimits)}
	}
	for i, q := range limits {
		var want string
		switch {
		case !validLimitName(q.Name):
			want = fmt.Sprintf("want the name of a limit: 1 to %d lower-case letters, digits and ._-", maxLimitName)
		case slices.ContainsFunc(limits[:i], func(other exchange.Quota) bool { return other.Name == q.Name }):
			want = "another one has the same name"
		case !q.Valid():
			want = "want a count and a burst of 1 to 1,000,000,000, each 1 ms to 366 d in whole milliseconds, and a burst that refills within 10 years"
		}
		if want != "" {
			return &SpecError{"limits", fmt.Sprintf("number %d: %s", i+1, want)}
		}
	}
	return nil
}

// checkIdle wants 0, or least to most in whole milliseconds.
func checkIdle(field string, d, least, most time.Duration) error {
	if d != 0 && (d < least || d > most || d%time.Millisecond != 0) {
		return &SpecError{field, fmt.Sprintf("want 0, or %s to %s in whole milliseconds", span(least), span(most))}
	}
	return nil
}

// span is d for a person: whole days as days.
func span(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d >= day && d%day == 0:
		return fmt.Sprintf("%d days", d/day)
	case d%time.Hour == 0:
		return fmt.Sprintf("%d h", d/time.Hour)
	case d%time.Minute == 0:
		return fmt.Sprintf("%d min", d/time.Minute)
	default:
		return d.String()
	}
}
