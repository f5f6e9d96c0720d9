package redis_test

import (
	"testing"

	"github.com/warder-dev/warder/redis"
)

// How many nodes there are, look by look: what the server knows, how many have said
// goodbye, and whether it is a beat.
func TestRoll(t *testing.T) {
	t.Parallel()
	type look struct {
		nodes, want int
		left        uint64
		other       bool
	}
	for name, looks := range map[string][]look{
		"nodes come":                             {{nodes: 1, want: 1}, {nodes: 3, want: 3}, {nodes: 4, want: 4}},
		"one that says goodbye is gone at once":  {{nodes: 3, want: 3, left: 7}, {nodes: 2, want: 2, left: 8}},
		"one that comes as another goes":         {{nodes: 3, want: 3}, {nodes: 3, want: 3, left: 1}, {nodes: 2, want: 2, left: 2}},
		"goodbyes before the first look":         {{nodes: 2, want: 2, left: 9}, {nodes: 1, want: 2, left: 9}},
		"a server that forgot all":               {{nodes: 3, want: 3, left: 4}, {nodes: 1, want: 3}, {nodes: 2, want: 3}, {nodes: 3, want: 3}, {nodes: 1, want: 3}},
		"goodbye to a server that forgot all":    {{nodes: 3, want: 3, left: 4}, {nodes: 1, want: 3}, {nodes: 1, want: 2, left: 1}},
		"one that is killed counts a while more": {{nodes: 2, want: 2}, {nodes: 1, want: 2}, {nodes: 1, want: 2}, {nodes: 1, want: 2}, {nodes: 1, want: 2}, {nodes: 1, want: 1}, {nodes: 1, want: 1}},
		"who is seen again counts anew":          {{nodes: 2, want: 2}, {nodes: 1, want: 2}, {nodes: 1, want: 2}, {nodes: 2, want: 2}, {nodes: 1, want: 2}, {nodes: 1, want: 2}, {nodes: 1, want: 2}, {nodes: 1, want: 2}, {nodes: 1, want: 1}},
		"looks that are no beats forget nobody": {
			{nodes: 2, want: 2},
			{nodes: 1, want: 2, other: true},
			{nodes: 1, want: 2, other: true},
			{nodes: 1, want: 2, other: true},
			{nodes: 1, want: 2, other: true},
			{nodes: 1, want: 2, other: true},
			{nodes: 1, want: 2, other: true},
			{nodes: 3, want: 3, other: true},
		},
		"more goodbyes than nodes": {{nodes: 2, want: 2}, {nodes: 1, want: 1, left: 1 << 40}},
	} {
		call := redis.NewRoll()
		for i, l := range looks {
			if got := call(l.nodes, l.left, !l.other); got != l.want {
				t.Errorf("%s: look %d: divided by %d, want %d", name, i, got, l.want)
			}
		}
	}
}
