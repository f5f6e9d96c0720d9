package pathpattern_test

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/warder-dev/warder/internal/pathpattern"
)

// words are all texts of a, b and c up to a length: c is in no pattern.
func words(most int) []string {
	all, last := []string{""}, []string{""}
	for range most {
		var next []string
		for _, w := range last {
			next = append(next, w+"a", w+"b", w+"c")
		}
		all, last = append(all, next...), next
	}
	return all
}

// slow is a segment as a regular expression.
func slow(texts []string) *regexp.Regexp {
	quoted := make([]string, len(texts))
	for i, text := range texts {
		quoted[i] = regexp.QuoteMeta(text)
	}
	return regexp.MustCompile("(?s)^(?:" + strings.Join(quoted, ".+") + ")$")
}

// FuzzSegments compares with regular expressions, and with every word that is short.
func FuzzSegments(f *testing.F) {
	for _, row := range [][3]string{
		{"a*", "*b", "ab"},
		{"*", "a*", "%61b"},
		{"a*a", "a*", "aa"},
		{"*a*", "*b*", "cac"},
		{"*ab", "*b", "aab"},
		{"a", "a*", "a"},
		{"*ab*", "*a*b", "cabc"},
		{"", "*", ""},
		{"ab*", "a*b", "abb"},
		{"*a", "b*", "b%2"},
		{"*", "a", "%"},
	} {
		f.Add(row[0], row[1], row[2])
	}
	all := words(7)
	f.Fuzz(func(t *testing.T, one, other, raw string) {
		if len(one) > 3 || len(other) > 3 || strings.Trim(one+other, "ab*") != "" || len(raw) > 40 {
			return
		}
		texts := [2][]string{strings.Split(one, "*"), strings.Split(other, "*")}
		var segments [2]pathpattern.Segment
		var expressions [2]*regexp.Regexp
		for i := range texts {
			var err error
			if segments[i], err = pathpattern.Between(texts[i]...); err != nil {
				return
			}
			expressions[i] = slow(texts[i])
		}
		within, meets := true, false
		for _, w := range all {
			took := [2]bool{expressions[0].MatchString(w), expressions[1].MatchString(w)}
			within, meets = within && (!took[0] || took[1]), meets || took[0] && took[1]
			if got := segments[0].Matches(w); got != took[0] {
				t.Fatalf("%q takes %q: %v, want %v", one, w, got, took[0])
			}
		}
		if got := segments[0].Within(segments[1]); got != within {
			t.Errorf("%q within %q: %v, want %v", one, other, got, within)
		}
		if got := segments[0].Meets(segments[1]); got != meets {
			t.Errorf("%q meets %q: %v, want %v", one, other, got, meets)
		}
		plain, err := url.PathUnescape(raw)
		want := err == nil && slow(texts[0]).MatchString(plain)
		if one == "*" {
			want = raw != "" // it looks into nothing: what cannot be decoded is in no canonical path
		}
		if got := segments[0].Matches(raw); got != want {
			t.Errorf("%q takes %q: %v, want %v", one, raw, got, want)
		}
		splits, _ := segments[0].Splits(raw, 1000)
		if err == nil && !slices.EqualFunc(splits, ways(texts[0], plain), func(got, want []string) bool {
			return slices.EqualFunc(got, want, func(raw, plain string) bool { u, err := url.PathUnescape(raw); return err == nil && u == plain })
		}) {
			t.Errorf("%q takes of %q %q, want %q", one, raw, splits, ways(texts[0], plain))
		}
	})
}

// ways are all ways in which texts can stand in plain, found by trying.
func ways(texts []string, plain string) (all [][]string) {
	rest, ok := strings.CutPrefix(plain, texts[0])
	if !ok {
		return nil
	}
	if len(texts) == 1 {
		return nil // no gaps that could take anything
	}
	for i := 1; i <= len(rest); i++ {
		if len(texts) == 2 {
			if rest[i:] == texts[1] {
				all = append(all, []string{rest[:i]})
			}
			continue
		}
		for _, more := range ways(texts[1:], rest[i:]) {
			all = append(all, append([]string{rest[:i]}, more...))
		}
	}
	return all
}

func TestSplits(t *testing.T) {
	for _, tt := range []struct {
		texts []string
		raw   string
		want  [][]string
	}{
		{[]string{"", ".json"}, "a.json.json", [][]string{{"a.json"}}},
		{[]string{"", "-", ""}, "x-y-z", [][]string{{"x", "y-z"}, {"x-y", "z"}}},
		{[]string{"", "-", ""}, "x%2Dy", [][]string{{"x", "y"}}},
		{[]string{"", ",", ""}, "%61,b", [][]string{{"%61", "b"}}},
		{[]string{"v", ""}, "v", nil},
		{[]string{"v", ""}, "w1", nil},
		{[]string{"ü", ""}, "%C3%BC%C3%BC", [][]string{{"%C3%BC"}}},
	} {
		s, err := pathpattern.Between(tt.texts...)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := s.Splits(tt.raw, 100)
		if !ok || !slices.EqualFunc(got, tt.want, slices.Equal) {
			t.Errorf("%q in %q: %q, %v, want %q", tt.texts, tt.raw, got, ok, tt.want)
		}
	}
	many, err := pathpattern.Between("", "-", "-", "-", "-", "-", "")
	if err != nil {
		t.Fatal(err)
	}
	if all, ok := many.Splits(strings.Repeat("-", 1000), 100); ok || len(all) != 101 {
		t.Errorf("1000 dashes: %d ways, %v; want to stop behind 100", len(all), ok)
	}
}

func TestBetweenRefuses(t *testing.T) {
	for _, texts := range [][]string{{"", "", ""}, {"a", "", "b"}, {strings.Repeat("a", 300), ""}, strings.Split(strings.Repeat("a", 12), "")} {
		if _, err := pathpattern.Between(texts...); err == nil {
			t.Errorf("%.3q: no error", texts)
		}
	}
}

func TestMatchesDoesNotAllocate(t *testing.T) {
	s, err := pathpattern.Between("", "-", ".json")
	if err != nil {
		t.Fatal(err)
	}
	if got := testing.AllocsPerRun(100, func() {
		if !s.Matches("a-b.json") || !s.Matches("a%2Db.json") {
			t.Error("it does not match")
		}
	}); got > 0 {
		t.Errorf("%v allocations, want none", got)
	}
}
