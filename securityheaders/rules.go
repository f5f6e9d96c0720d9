package securityheaders

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A rule says what a field may hold.
type rule struct {
	name     string // as the standards write it
	field    Field
	standard string // "" when nothing is sent by default
	check    func(value string) error
}

func rules(cfg *Config) []rule {
	return []rule{
		{"Content-Security-Policy", cfg.ContentSecurityPolicy, "default-src 'none'; frame-ancestors 'none'", checkCSP},
		{"X-Frame-Options", cfg.FrameOptions, "DENY", oneOf("DENY", "SAMEORIGIN")},
		{"Referrer-Policy", cfg.ReferrerPolicy, "no-referrer", oneOf("no-referrer", "no-referrer-when-downgrade", "same-origin", "origin",
			"strict-origin", "origin-when-cross-origin", "strict-origin-when-cross-origin", "unsafe-url")},
		{"Cross-Origin-Resource-Policy", cfg.CrossOriginResourcePolicy, "same-origin", oneOf("same-origin", "same-site", "cross-origin")},
		{"Cross-Origin-Opener-Policy", cfg.CrossOriginOpenerPolicy, "same-origin", oneOf("same-origin", "same-origin-allow-popups", "noopener-allow-popups", "unsafe-none")},
		{"Cross-Origin-Embedder-Policy", cfg.CrossOriginEmbedderPolicy, "", oneOf("require-corp", "credentialless", "unsafe-none")},
		{"Permissions-Policy", cfg.PermissionsPolicy, "", checkPermissions},
	}
}

// oneOf refuses all but words: a browser ignores a value that it does not know.
func oneOf(words ...string) func(string) error {
	return func(value string) error {
		if slices.Contains(words, value) {
			return nil
		}
		return fmt.Errorf("%q is none of %s", value, strings.Join(words, ", "))
	}
}

// checkCSP refuses what a browser reads as something else than was meant: it
// drops a directive that comes a second time, and a comma begins another policy
// (Content Security Policy Level 3, section 2.2).
func checkCSP(value string) error {
	if !printable(value) || strings.Contains(value, ",") {
		return errors.New("want one policy of printable ASCII: directives divided by semicolons, without commas")
	}
	seen := make(map[string]bool)
	for directive := range strings.SplitSeq(value, ";") {
		words := strings.Fields(directive)
		if len(words) == 0 {
			continue // a semicolon at the end
		}
		name := strings.ToLower(words[0])
		if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return fmt.Errorf("%q is no name of a directive", words[0])
		}
		if seen[name] {
			return fmt.Errorf("the directive %s is there twice", name)
		}
		seen[name] = true
	}
	if len(seen) == 0 {
		return errors.New("there is no directive")
	}
	return nil
}

// checkPermissions wants "feature=(allow list)", divided by commas (RFC 9651,
// section 3.2): a browser ignores the whole field when one part is none.
func checkPermissions(value string) error {
	if !printable(value) {
		return errors.New("want printable ASCII")
	}
	for part := range strings.SplitSeq(value, ",") {
		part = strings.TrimSpace(part)
		name, list, found := strings.Cut(part, "=")
		inner, opened := strings.CutPrefix(list, "(")
		_, closed := strings.CutSuffix(inner, ")")
		listed := opened && closed && strings.Count(list, "(")+strings.Count(list, ")") == 2
		if !found || !token(name) || name != strings.ToLower(name) || !listed && list != "*" && list != "self" {
			return fmt.Errorf("%q is not of the form feature=(), feature=(self) or feature=*", part)
		}
	}
	return nil
}

// printable reports whether value can be sent in a field as it is.
func printable(value string) bool {
	for i := range len(value) {
		if value[i] < ' ' || value[i] > '~' {
			return false
		}
	}
	return strings.TrimSpace(value) == value
}

// token reports whether name is the name of a field (RFC 9110, section 5.1).
func token(name string) bool {
	for i := range len(name) {
		switch b := name[i]; {
		case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9', strings.IndexByte("!#$%&'*+-.^_`|~", b) >= 0:
		default:
			return false
		}
	}
	return name != ""
}
