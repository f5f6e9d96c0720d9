package fleet_test

import (
	"slices"
	"testing"

	"github.com/warder-dev/warder/internal/fleet"
)

func TestCompare(t *testing.T) {
	self := fleet.Node{ID: "self", Config: "c1", Peppers: "a,b"}
	for _, tt := range []struct {
		name        string
		other       fleet.Node
		config      bool
		lacks, more []string
	}{
		{name: "itself", other: fleet.Node{ID: "self", Config: "c2", Peppers: "z"}},
		{name: "the same", other: fleet.Node{ID: "o", Config: "c1", Peppers: "a,b"}},
		{name: "peppers in another order, as in a rotation", other: fleet.Node{ID: "o", Config: "c1", Peppers: "b,a"}},
		{name: "one that does not tell", other: fleet.Node{ID: "o"}},
		{name: "other settings", other: fleet.Node{ID: "o", Config: "c2", Peppers: "a,b"}, config: true},
		{name: "a pepper less", other: fleet.Node{ID: "o", Config: "c1", Peppers: "b"}, lacks: []string{"a"}},
		{name: "a pepper more", other: fleet.Node{ID: "o", Config: "c1", Peppers: "n,a,b"}, more: []string{"n"}},
		{name: "other peppers and settings", other: fleet.Node{ID: "o", Config: "c2", Peppers: "x"}, config: true, lacks: []string{"a", "b"}, more: []string{"x"}},
	} {
		got := fleet.Compare(self, []fleet.Node{tt.other, self})
		if want := tt.config || len(tt.lacks)+len(tt.more) > 0; len(got) == 0 == want || len(got) > 1 {
			t.Errorf("%s: Compare = %+v", tt.name, got)
			continue
		}
		if len(got) == 1 && (got[0].Config != tt.config || !slices.Equal(got[0].Lacks, tt.lacks) || !slices.Equal(got[0].More, tt.more)) {
			t.Errorf("%s: Compare = %+v", tt.name, got[0])
		}
	}
}
