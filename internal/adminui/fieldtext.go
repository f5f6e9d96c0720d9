package adminui

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/warder-dev/warder/client"
)

// This file holds how lists, limits, notes and times stand in the text of a field.

func (f *form) words(name string) []string {
	return strings.FieldsFunc(f.value(name), func(r rune) bool { return r == ' ' || r == '\t' || r == '\n' || r == ',' })
}

func (f *form) lines(name string) (all []string) {
	for line := range strings.SplitSeq(f.value(name), "\n") {
		if line = strings.TrimSpace(line); line != "" {
			all = append(all, line)
		}
	}
	return all
}

func (f *form) metadata() map[string]string {
	all := make(map[string]string)
	for _, line := range f.lines(fMetadata) {
		name, value, ok := strings.Cut(line, "=")
		name = strings.TrimSpace(name)
		if _, twice := all[name]; !ok || twice {
			f.find(fMetadata).Error = "want lines of the form name=value, each name once"
			continue
		}
		all[name] = strings.TrimSpace(value)
	}
	return all
}

func metadataText(all map[string]string) string {
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		lines = append(lines, name+"="+all[name])
	}
	return strings.Join(lines, "\n")
}

func (f *form) limits() []client.Limit {
	all := []client.Limit{}
	for _, line := range f.lines(fLimits) {
		l, ok := limitOf(line)
		if !ok {
			f.find(fLimits).Error = "want lines such as requests 600/1m or requests 600/1m 60"
			continue
		}
		all = append(all, l)
	}
	return all
}

func limitOf(line string) (l client.Limit, ok bool) {
	words := strings.Fields(line)
	if len(words) != 2 && len(words) != 3 {
		return l, false
	}
	count, per, found := strings.Cut(words[1], "/")
	n, err := strconv.ParseInt(count, 10, 64)
	if !found || err != nil || per == "" {
		return l, false
	}
	l = client.Limit{Name: words[0], Count: n, Per: per}
	if len(words) == 3 {
		burst, err := strconv.ParseInt(words[2], 10, 64)
		if err != nil {
			return l, false
		}
		l.Burst = &burst
	}
	return l, true
}

func limitsText(all []client.Limit) string {
	var lines []string
	for _, l := range all {
		line := fmt.Sprintf("%s %d/%s", l.Name, l.Count, span(l.Per))
		if l.Burst != nil && *l.Burst > 0 {
			line += " " + strconv.FormatInt(*l.Burst, 10)
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// momentText is a time as forms have it, in UTC.
func momentText(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05") }

func parseMoment(text string) *time.Time {
	for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02T15:04", time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return &t
		}
	}
	return nil
}

// moment is the time of expiry.
func (f *form) moment() *time.Time {
	t := parseMoment(f.value(fExpires))
	if t == nil {
		f.blameField(fExpires, "want a time such as 2027-01-31T12:00")
	}
	return t
}

// span is a duration as people write it: "90d" for "2160h0m0s". What is none stays as
// it is.
func span(text string) string {
	const day = 24 * time.Hour
	d, err := time.ParseDuration(text)
	switch {
	case err != nil || d <= 0:
		return text
	case d%day == 0:
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	short := d.String()
	if strings.HasSuffix(short, "m0s") {
		short = strings.TrimSuffix(short, "0s")
	}
	if strings.HasSuffix(short, "h0m") {
		short = strings.TrimSuffix(short, "0m")
	}
	return short
}
