package tally

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// A CoverStore keeps one text: for which time what was counted is whole, as
// [Complete] tells. A [Store] that is one lets others act on what was not used.
type CoverStore interface {
	// ReplaceCover replaces the text by what change makes of it, in one transaction: of
	// calls that come at once each sees what the one before wrote. The text is "" at
	// first. An error of change is returned as it is, and nothing is written. change
	// may be called more than once.
	ReplaceCover(ctx context.Context, change func(text string) (string, error)) error
}

// A Span is the time for which every use of every key is known: to the minute, from
// From and before To. The zero Span is no time at all.
type Span struct{ From, To time.Time }

const (
	// late is how long after the last word of a node, and after the time for which it
	// lets keys pass without the store, it is taken for gone: notes are of the minute,
	// and may be slow.
	late = 5 * time.Minute

	// silent is for how long a node that is taken for gone may come back, and write what
	// it counted; and how long one that never said for how long it lets keys pass may
	// say nothing.
	silent = 24 * time.Hour

	// away is for how long no node need have run for the time to count as one in which
	// nobody could use a key, and not as one in which a key was unused.
	away = time.Hour

	noteEvery = time.Minute
)

// Complete returns for which time all nodes together have counted everything. Its
// end stands still while a node cannot write. When one ended without a word, it goes
// on some minutes after the node can have let a key pass for the last time
// ([Config.Blind]), and its beginning moves there; and back, should the node not have
// ended and write what it counted. Its beginning moves to now whenever something was
// lost for good. An error means that nothing is known.
func Complete(ctx context.Context, store CoverStore, now time.Time) (s Span, _ error) {
	err := withCover(ctx, store, func(c *cover) {
		c.forget(now)
		s = c.span(now)
	})
	return s, err
}

// Abstain says that a node runs that counts nothing: until [Resume] nothing is
// complete. It is said again at least every 12 hours. node is any text that no other
// node has, since when it runs.
func Abstain(ctx context.Context, store CoverStore, node string, since, now time.Time) error {
	return withCover(ctx, store, func(c *cover) {
		c.forget(now)
		c.note(node, coverNode{Through: since}, now)
	})
}

// Resume takes [Abstain] back: from now on everything is counted again.
func Resume(ctx context.Context, store CoverStore, node string, now time.Time) error {
	return withCover(ctx, store, func(c *cover) { c.leave(node, false, now) })
}

// A cover is what a [CoverStore] keeps.
type cover struct {
	Since time.Time            `json:"since"`           // from when on all is known
	Ended time.Time            `json:"ended,omitzero"`  // when the last node ended
	Nodes map[string]coverNode `json:"nodes,omitempty"` // those that run, or ended without a word
}

type coverNode struct {
	Through time.Time     `json:"through"` // what it counted before is written
	Seen    time.Time     `json:"seen"`
	Blind   time.Duration `json:"blind,omitempty"` // how long it lets keys pass without the store; 0: it did not say
}

// end is when it can have let a key pass for the last time, unless it says more.
func (n *coverNode) end() time.Time {
	blind := n.Blind
	if blind == 0 {
		blind = silent
	}
	return n.Seen.Add(blind + late)
}

func (n *coverNode) gone(now time.Time) bool { return now.After(n.end()) }

var errCover = errors.New("tally: what is known of the time that is counted is damaged")

// withCover reads, changes and writes.
func withCover(ctx context.Context, store CoverStore, change func(*cover)) error {
	return store.ReplaceCover(ctx, func(text string) (string, error) {
		c := cover{}
		if text != "" {
			if json.Unmarshal([]byte(text), &c) != nil {
				return "", errCover
			}
		}
		if c.Nodes == nil {
			c.Nodes = make(map[string]coverNode)
		}
		change(&c)
		after, err := json.Marshal(c)
		return string(after), err
	})
}

// join adds a node that begins to count. When none ran before for a while, the time
// in between says nothing about what is used.
func (c *cover) join(node string, n coverNode, now time.Time) {
	ended, runs := c.Ended, false
	for _, other := range c.Nodes {
		if end := other.end(); !other.gone(now) {
			runs = true
		} else if end.After(ended) {
			ended = end
		}
	}
	if !runs && (c.Since.IsZero() || now.Sub(ended) > away || now.Before(ended)) {
		c.gap(now)
	}
	c.note(node, n, now)
}

// note says how far a node has written.
func (c *cover) note(node string, n coverNode, now time.Time) {
	if c.Since.IsZero() {
		c.gap(now)
	}
	n.Through, n.Seen = n.Through.UTC(), now.UTC()
	c.Nodes[node] = n
}

// has reports whether the node is known.
func (c *cover) has(node string) bool {
	_, ok := c.Nodes[node]
	return ok
}

// leave removes a node, which has written everything or not.
func (c *cover) leave(node string, whole bool, now time.Time) {
	if !whole {
		c.gap(now)
	}
	delete(c.Nodes, node)
	c.Ended = now.UTC()
}

// gap says that what happened until now is not known.
func (c *cover) gap(now time.Time) {
	if now.After(c.Since) {
		c.Since = now.UTC()
	}
}

// forget removes the nodes that will not come back. What they counted last is lost.
func (c *cover) forget(now time.Time) {
	for node, n := range c.Nodes {
		if end := n.end(); n.gone(now) && now.Sub(n.Seen) > silent {
			c.gap(end)
			if end.After(c.Ended) {
				c.Ended = end.UTC()
			}
			delete(c.Nodes, node)
		}
	}
}

// span is the time that is known.
func (c *cover) span(now time.Time) Span {
	s, runs := Span{From: c.Since, To: now.UTC()}, false
	for _, n := range c.Nodes {
		if n.gone(now) {
			if end := n.end(); end.After(s.From) { // until then it may have counted what nobody knows
				s.From = end
			}
			continue
		}
		runs = true
		if n.Through.Before(s.To) {
			s.To = n.Through
		}
	}
	if !runs || s.From.IsZero() || !s.From.Before(s.To) {
		return Span{}
	}
	return s
}

// A voucher tells the store how far one node has written. Of the goroutine that
// flushes.
type voucher struct {
	store   CoverStore // nil: nobody asks
	node    string
	blind   time.Duration
	joined  bool
	through time.Time // what was counted before is written
	noted   time.Time
	lost    uint64 // what was lost at the last note
}

func newVoucher(store Store, blind time.Duration) voucher {
	v := voucher{node: rand.Text(), blind: blind}
	v.store, _ = store.(CoverStore)
	return v
}

// note says how far t has written. whole means that nothing waits.
func (v *voucher) note(ctx context.Context, t *Tally, now time.Time, whole bool) error {
	if v.store == nil {
		return nil
	}
	if whole {
		v.through = now
	}
	lost := t.unknown.Load()
	if v.joined && lost == v.lost && now.Sub(v.noted) < noteEvery && !now.Before(v.noted) {
		return nil
	}
	return v.write(ctx, lost, now, func(c *cover) { c.note(v.node, coverNode{Through: v.through, Blind: v.blind}, now) })
}

// leave is the last note.
func (v *voucher) leave(ctx context.Context, t *Tally, now time.Time, whole bool) error {
	if v.store == nil {
		return nil
	}
	return v.write(ctx, t.unknown.Load(), now, func(c *cover) { c.leave(v.node, whole, now) })
}

func (v *voucher) write(ctx context.Context, lost uint64, now time.Time, last func(*cover)) error {
	err := withCover(ctx, v.store, func(c *cover) {
		c.forget(now)
		if !v.joined {
			c.join(v.node, coverNode{Through: now, Blind: v.blind}, now)
		}
		if lost != v.lost || !c.has(v.node) { // something is lost, or it was taken for gone
			c.gap(now)
		}
		last(c)
	})
	if err != nil {
		return fmt.Errorf("tally: how far is counted: %w", err)
	}
	v.joined, v.lost, v.noted = true, lost, now
	return nil
}
