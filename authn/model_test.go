package authn_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
)

// poor is a good credential without any scope, denied one that is not good for
// this request.
const (
	poor   = "poor"
	denied = "denied"
)

// A shape is a requirement in letters: "a" is a need of the scheme a, "A" one
// with a scope; "ab c" is an OR of an AND and a single need; "-" is {}.
type shape string

func (s shape) requirement(c []*credential) (r authn.Requirement) {
	for word := range strings.FieldsSeq(string(s)) {
		alternative := authn.Alternative{}
		for _, letter := range strings.Trim(word, "-") {
			need := authn.Need{Scheme: c[strings.IndexRune("abc", letter|' ')]}
			if letter < 'a' {
				need.Scopes = []string{"scope"}
			}
			alternative = append(alternative, need)
		}
		r = append(r, alternative)
	}
	return r
}

// status says what must come of answers by the sentences of the documentation,
// without a thought for order or speed. answers are those of the schemes that s names.
func (s shape) status(answers map[rune]string) int {
	has := func(answer string) bool {
		for _, a := range answers {
			if a == answer {
				return true
			}
		}
		return false
	}
	proved := func(letter rune) bool { return slices.Contains([]string{good, poor, denied}, answers[letter|' ']) }
	switch {
	case has(away):
		return 503
	case has(unreadable):
		return 400
	case has(bad):
		return 401
	case !has(good) && !has(poor) && !has(denied) && strings.HasSuffix(string(s), "-"):
		return 200
	}
	status := 401
	for word := range strings.FieldsSeq(strings.TrimSuffix(string(s), "-")) {
		all, scopes := true, true
		for _, letter := range word {
			all = all && proved(letter)
			scopes = scopes && (letter >= 'a' || answers[letter|' '] != poor)
		}
		switch {
		case all && scopes && has(denied):
			return 403
		case all && scopes:
			return 200
		case all:
			status = 403
		}
	}
	return status
}

// TestEveryCombinationOfAnswers holds Check against the model for every combination of
// what three credentials can be, in requirements of every kind.
func TestEveryCombinationOfAnswers(t *testing.T) {
	kinds := []string{absent, good, poor, denied, bad, unreadable, away}
	shapes := []shape{"a", "A", "A -", "a b", "b a", "ab", "AB", "A B", "a b c", "A B C", "abc", "ab c", "c ab", "Ab C", "aB bC", "A ab C -", "AB C -", "a b c -", "abC A"}
	for _, s := range shapes {
		t.Run(string(s), func(t *testing.T) {
			for i := range len(kinds) * len(kinds) * len(kinds) {
				n := len(kinds)
				c := says(kinds[i%n], kinds[i/n%n], kinds[i/n/n])
				answers := make(map[rune]string)
				for j, letter := range "abc" {
					if strings.ContainsRune(strings.ToLower(string(s)), letter) {
						answers[letter] = c[j].says
					}
					switch c[j].says {
					case good, denied:
						c[j].scopes = exchange.LiteralScopes("scope")
					case poor:
						c[j].says = good
					}
				}
				got := judge(t, s.requirement(c))
				if want := s.status(answers); got.status != want {
					t.Errorf("%v: got %v, want %d", answers, got, want)
				}
				for j, letter := range "abc" {
					if _, named := answers[letter]; c[j].asked > 1 || !named && c[j].asked > 0 || c[j].looked > c[j].asked {
						t.Errorf("%v: %c was asked %d times", answers, letter, c[j].asked)
					}
				}
			}
		})
	}
}
