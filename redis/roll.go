package redis

import "sync"

// A roll is how many nodes there are to divide by, while the server is away: as many
// as it knew last, and those it forgot without a goodbye, for some beats more. A server that
// lost its keys knows of nobody else, until each of the others has told of itself again.
type roll struct {
	mu    sync.Mutex
	most  int
	left  uint64 // goodbyes that were counted
	fewer int    // beats in a row that saw fewer than most
}

// rememberBeats is for how many beats a node counts that the server forgot.
const rememberBeats = 5

// call notes that the server knows of nodes, and that left of them said goodbye since
// it began to count. What a beat does not find is forgotten after a while; other looks, of
// which there may be many at once, take no part in that. It returns by how many to divide.
func (r *roll) call(nodes int, left uint64, beat bool) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if left > r.left {
		r.most -= int(min(left-r.left, maxNodes))
	}
	r.left = left
	if nodes < r.most && beat {
		r.fewer++
	}
	if nodes >= r.most || r.fewer >= rememberBeats {
		r.most, r.fewer = nodes, 0
	}
	return r.most
}
