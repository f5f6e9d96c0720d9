package leak

import (
	"fmt"
	"hash/crc32"
	"io"
	"strings"
)

// A RuleFormat is the scanner that a rule is written for.
type RuleFormat string

// The formats of [Rules].
const (
	ForGitleaks   RuleFormat = "gitleaks"   // a configuration file (TOML)
	ForTruffleHog RuleFormat = "trufflehog" // custom detectors (YAML)
	ForGitHub     RuleFormat = "github"     // what the form for a custom pattern asks for
)

// Pattern returns the regular expression of keys with the prefix, in what RE2,
// Hyperscan and PCRE have in common. It matches every key that a [Scanner] finds,
// and what looks like one: a regular expression cannot compute check digits.
func Pattern(prefix string) string {
	return fmt.Sprintf("%s_[a-z0-9]{1,%d}_[0-9A-Za-z]{%d}", prefix, wordLength, tailLength)
}

// Example returns a text with the prefix and check digits that hold, for trying a
// rule. It is the same at each call, and nobody's.
func Example(prefix string) string {
	const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	body := prefix + "_test_" + "000000000000" + "Example0123456789abcdefghijklmno"
	sum, check := crc32.ChecksumIEEE([]byte(body)), make([]byte, 6)
	for i := range check {
		check[len(check)-1-i] = base62[sum%62]
		sum /= 62
	}
	return body + string(check)
}

// Rules writes rules for keys with the prefixes, 1 to 64 of them. Errors: a
// prefix that no key has, an unknown format, or w's.
func Rules(w io.Writer, format RuleFormat, prefixes []string) error {
	if len(prefixes) == 0 {
		return fmt.Errorf("leak: no prefix: want 1 to %d", maxPrefixes)
	}
	if err := checkPrefixes(prefixes); err != nil {
		return err
	}
	var text string
	switch format {
	case ForGitleaks:
		text = gitleaksRules(prefixes)
	case ForTruffleHog:
		text = truffleHogRules(prefixes)
	case ForGitHub:
		text = gitHubRules(prefixes)
	default:
		return fmt.Errorf("leak: no rules for %q: want %s, %s or %s", format, ForGitleaks, ForTruffleHog, ForGitHub)
	}
	_, err := io.WriteString(w, text)
	return err
}

func gitleaksRules(prefixes []string) string {
	var b strings.Builder
	b.WriteString(`# Rules of warder for gitleaks 8.
# They find every key, and also texts that only look like one: a rule cannot
# compute check digits. warder leak check drops those from a report:
#   gitleaks dir . --config gitleaks.toml --report-format json --report-path report.json
#   warder leak check report.json
# To keep gitleaks' own rules as well, add:
#   [extend]
#   useDefault = true
title = "warder"
`)
	for _, p := range prefixes {
		fmt.Fprintf(&b, `
[[rules]]
id = "warder-api-key-%[1]s"
description = "API key of warder with the prefix %[1]s"
regex = '''%[2]s'''
keywords = ["%[1]s_"]
`, p, Pattern(p))
	}
	return b.String()
}

func truffleHogRules(prefixes []string) string {
	var b strings.Builder
	b.WriteString(`# Custom detectors of warder for TruffleHog 3.
# Nothing is verified, and texts that only look like a key are found too: warder
# leak check drops those, without sending anything anywhere. An address under
# "verify" would get every text that is found, in the clear.
#   trufflehog filesystem . --config trufflehog.yaml --no-verification --json > report.json
#   warder leak check report.json
detectors:
`)
	for _, p := range prefixes {
		fmt.Fprintf(&b, `  - name: warder-api-key-%[1]s
    keywords:
      - %[1]s_
    regex:
      key: '%[2]s'
`, p, Pattern(p))
	}
	return b.String()
}

func gitHubRules(prefixes []string) string {
	var b strings.Builder
	b.WriteString(`Custom patterns of warder for GitHub's secret scanning: one for each prefix, in
the settings of a repository, an organisation or an enterprise. A pattern cannot
compute check digits, so that texts that only look like a key alert too.
`)
	for _, p := range prefixes {
		fmt.Fprintf(&b, `
Pattern name:   API key of warder (%[1]s)
Secret format:  %[2]s
Before secret:  \A|[^0-9A-Za-z]
After secret:   \z|[^0-9A-Za-z]
Test string:    %[3]s
`, p, Pattern(p), Example(p))
	}
	return b.String()
}
