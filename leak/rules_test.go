package leak_test

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/golden"
	"github.com/warder-dev/warder/leak"
)

func TestPatternMatchesEveryKey(t *testing.T) {
	for _, tt := range []struct {
		prefix string
		env    apikey.Environment
	}{{"wrd", "live"}, {"k", "t"}, {"abcdefghijklmno9", "0123456789abcdef"}} {
		key := made(t, tt.prefix, tt.env)
		if got := regexp.MustCompile(leak.Pattern(tt.prefix)).FindString("x" + key + "\n"); got != key {
			t.Errorf("the pattern of %s finds %d bytes, want the whole key", tt.prefix, len(got))
		}
	}
	if regexp.MustCompile(leak.Pattern("wrd")).MatchString(made(t, "other", "live")) {
		t.Error("the pattern finds a key with another prefix")
	}
}

func TestExampleHasTheFormOfAKey(t *testing.T) {
	info, err := apikey.Parse(leak.Example("wrd"))
	if err != nil || info.Prefix != "wrd" {
		t.Errorf("Example: %+v, %v", info, err)
	}
}

func TestRules(t *testing.T) {
	for _, format := range []leak.RuleFormat{leak.ForGitleaks, leak.ForTruffleHog, leak.ForGitHub} {
		t.Run(string(format), func(t *testing.T) {
			var b bytes.Buffer
			if err := leak.Rules(&b, format, []string{"wrd", "acme"}); err != nil {
				t.Fatal(err)
			}
			golden.Compare(t, "testdata/rules."+string(format), b.Bytes())
		})
	}
	for _, bad := range []struct {
		format   leak.RuleFormat
		prefixes []string
	}{{leak.ForGitleaks, nil}, {leak.ForGitleaks, []string{"'''"}}, {"other", []string{"wrd"}}, {leak.ForGitHub, strings.Split(strings.Repeat("a,", 65)+"a", ",")}} {
		if err := leak.Rules(new(bytes.Buffer), bad.format, bad.prefixes); err == nil {
			t.Errorf("rules of %q for %q", bad.format, bad.prefixes)
		}
	}
}
