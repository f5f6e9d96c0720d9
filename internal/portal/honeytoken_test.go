package portal_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/warder-dev/warder/apikey"
)

var nextPage = regexp.MustCompile(`href="(/\?after=[^"]*)"`)

// Honeytokens are not shown, and nothing tells of them: pages are as full as without
// them, and no place in the list is one of theirs.
func TestNothingTellsOfHoneytokens(t *testing.T) {
	h := start(t)
	var keys []string
	for range 60 {
		r, _ := h.key(t, apikey.Spec{Owner: "acme"})
		keys = append(keys, string(r.ID))
	}
	var traps []string
	for range 240 {
		r, _ := h.key(t, apikey.Spec{Owner: "acme", Kind: apikey.KindHoneytoken})
		traps = append(traps, string(r.ID))
	}
	p := h.visitor(t, "acme")
	first := p.get(t, "/").want(t, "the list", 200)
	onward := nextPage.FindStringSubmatch(first.body)
	if onward == nil {
		t.Fatal("there is no next page")
	}
	second := p.get(t, strings.ReplaceAll(onward[1], "&amp;", "&")).want(t, "the rest", 200)
	for i, page := range []string{first.body, second.body} {
		if n := strings.Count(page, `scope="row"`); n != []int{50, 10}[i] {
			t.Errorf("page %d has %d keys", i+1, n)
		}
		for _, id := range traps {
			if strings.Contains(page, id) {
				t.Errorf("page %d has the honeytoken %s", i+1, id)
			}
		}
		keys = slices.DeleteFunc(keys, func(id string) bool { return strings.Contains(page, "/keys/"+id) })
	}
	if len(keys) > 0 || nextPage.MatchString(second.body) {
		t.Errorf("%d keys are on no page", len(keys))
	}
}
