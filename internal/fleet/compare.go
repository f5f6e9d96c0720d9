package fleet

import (
	"slices"
	"strings"
)

// A Difference is how another node differs from this one in what all must have alike.
type Difference struct {
	Node   Node
	Config bool     // the settings differ
	Lacks  []string // ids of this node's peppers that the other has not: it can verify no key that needs them
	More   []string // ids of peppers that only the other has: this node can verify no key that needs them
}

// Compare returns how the others among nodes differ from self, by their ID. Nodes that
// do not tell are not compared.
func Compare(self Node, nodes []Node) (all []Difference) {
	for _, other := range nodes {
		if other.ID == self.ID {
			continue
		}
		d := Difference{Node: other, Config: other.Config != "" && self.Config != "" && other.Config != self.Config}
		if other.Peppers != "" && self.Peppers != "" {
			d.Lacks, d.More = without(self.Peppers, other.Peppers), without(other.Peppers, self.Peppers)
		}
		if d.Config || len(d.Lacks)+len(d.More) > 0 {
			all = append(all, d)
		}
	}
	slices.SortFunc(all, func(a, b Difference) int { return strings.Compare(a.Node.ID, b.Node.ID) })
	return all
}

// without returns the ids of one list that another has not.
func without(list, other string) (ids []string) {
	others := strings.Split(other, ",")
	for id := range strings.SplitSeq(list, ",") {
		if !slices.Contains(others, id) {
			ids = append(ids, id)
		}
	}
	return ids
}
