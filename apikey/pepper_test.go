package apikey_test

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/warder-dev/warder/apikey"
)

// pepperText is a row of a table and a seed of the fuzz test.
type pepperText struct {
	name, text string
	count      int    // of peppers; 0: refused
	want       string // part of the error
}

func pepperTexts() []pepperText {
	line := func(first byte, n int) string { return base64.StdEncoding.EncodeToString(ascending(first, n)) }
	a, b := line(0, 32), line(100, 40)
	many := func(n int) string {
		lines := make([]string, n)
		for i := range lines {
			lines[i] = line(byte(i), 33)
		}
		return strings.Join(lines, ",")
	}
	return []pepperText{
		{"one", a, 1, ""},
		{"line end", a + "\n", 1, ""},
		{"two lines", a + "\n" + b + "\n", 2, ""},
		{"CR LF", a + "\r\n" + b + "\r\n", 2, ""},
		{"commas", a + "," + b, 2, ""},
		{"blanks, empty lines and comments", "# current\n\n  " + a + " # 2026\n\t" + b + " ,\n#" + a, 2, ""},
		{"a comma in a comment", a + " # old, and " + b, 1, ""},
		{"16", many(16), 16, ""},
		{"17", many(17), 0, "more than 16"},
		{"nothing", "", 0, "no pepper"},
		{"comments only", "# " + a + "\n,\n", 0, "no pepper"},
		{"31 bytes", line(0, 31), 0, "line 1: want the standard base64"},
		{"not base64", a + "\nnot a pepper!\n", 0, "line 2: want the standard base64"},
		{"base64url", strings.Repeat("-_", 24), 0, "line 1: want the standard base64"},
		{"no padding", strings.TrimRight(a, "="), 0, "line 1: want the standard base64"},
		{"bits beyond the end", a[:len(a)-2] + "9=", 0, "line 1: want the standard base64"},
		{"hex", strings.Repeat("0a", 31) + "x", 0, "line 1: want the standard base64"},
		{"an inner blank", a[:20] + " " + a[20:], 0, "line 1: want the standard base64"},
		{"NUL", a + "\x00", 0, "line 1: want the standard base64"},
		{"zeros", base64.StdEncoding.EncodeToString(make([]byte, 32)), 0, "line 1: one byte repeated"},
		{"twice", a + "\n" + b + "\n" + a, 0, "line 3: is listed twice"},
		{"everything wrong is reported", "x\n" + a + "\ny," + a, 0, "line 3: is listed twice"},
		{"64 KiB and one", strings.Repeat(" ", 1<<16) + a, 0, "longer than"},
	}
}

func TestParsePeppers(t *testing.T) {
	for _, tt := range pepperTexts() {
		t.Run(tt.name, func(t *testing.T) {
			p, err := apikey.ParsePeppers(tt.text)
			if tt.count == 0 {
				if p != nil || err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("got %v, want an error with %q", err, tt.want)
				}
				unquotedPeppers(t, err, tt.text)
				return
			}
			if err != nil || len(p.IDs()) != tt.count {
				t.Errorf("got %v, want %d peppers", err, tt.count)
			}
		})
	}
	_, err := apikey.ParsePeppers("x\ny,z\n")
	if err == nil || strings.Count(err.Error(), "line 1") != 1 || strings.Count(err.Error(), "line 2") != 2 {
		t.Errorf("error %v, want one for line 1 and two for line 2", err)
	}
}

// unquotedPeppers fails when err repeats four characters of a word of text, but
// for what is a word of the error itself.
func unquotedPeppers(t *testing.T, err error, text string) {
	t.Helper()
	if err == nil {
		return
	}
	own := regexp.MustCompile(`(?m)^apikey: (no pepper: want at least one|more than 16 peppers|peppers are longer than 65536 bytes|` +
		`pepper on line [0-9]+: (want the standard base64 of at least 32 bytes|one byte repeated is no secret|is listed twice))$`)
	if rest := strings.TrimSpace(own.ReplaceAllString(err.Error(), "")); rest != "" {
		t.Errorf("error of %d bytes of text says more than it should: %q", len(text), rest)
	}
}

func TestPepperIDs(t *testing.T) {
	// The beginning of SHA-256("warder pepper id\x00" + 32 bytes from 0 to 31).
	p := parsePeppers(t, base64.StdEncoding.EncodeToString(ascending(0, 32)))
	if got, want := p.IDs(), []string{"0092ca01"}; !slices.Equal(got, want) {
		t.Errorf("IDs = %v, want %v: stored secrets name it", got, want)
	}
	two, lines := newPeppers(t, 2)
	turned := parsePeppers(t, lines[1], lines[0]).IDs()
	slices.Reverse(turned)
	if !slices.Equal(two.IDs(), turned) || two.IDs()[0] == two.IDs()[1] {
		t.Errorf("IDs = %v, turned round %v: want an id of each pepper, in their order", two.IDs(), turned)
	}
}

func FuzzParsePeppers(f *testing.F) {
	for _, tt := range pepperTexts() {
		f.Add(tt.text)
	}
	id := regexp.MustCompile(`^[0-9a-f]{8}$`)
	f.Fuzz(func(t *testing.T, text string) {
		p, err := apikey.ParsePeppers(text)
		if err != nil {
			unquotedPeppers(t, err, text)
			return
		}
		ids := p.IDs()
		if len(ids) == 0 || len(ids) > 16 || len(p.Missing(ids)) != 0 {
			t.Errorf("%d ids, of which %v are missing", len(ids), p.Missing(ids))
		}
		for i, one := range ids {
			if !id.MatchString(one) || slices.Contains(ids[:i], one) {
				t.Errorf("id %d is %q among %q", i, one, ids)
			}
		}
		again, err := apikey.ParsePeppers("# again\n" + strings.ReplaceAll(text, "\n", "\r\n"))
		if err == nil && !slices.Equal(again.IDs(), ids) {
			t.Errorf("with other line ends the ids are %v, want %v", again.IDs(), ids)
		}
		if got := fmt.Sprintf("%v %+v %#v %d", p, p, p, p); got != "[secret] [secret] [secret] [secret]" {
			t.Errorf("formatted: %s", got)
		}
	})
}
