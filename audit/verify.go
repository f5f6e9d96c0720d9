package audit

import (
	"errors"
	"fmt"
)

// ErrBroken is what every [BrokenError] wraps.
var ErrBroken = errors.New("audit: the log is broken")

// A BrokenError names the first entry at which the log is not what was written.
type BrokenError struct {
	Seq    int64 // of the entry
	Reason string
}

func (e *BrokenError) Error() string {
	return fmt.Sprintf("audit: the log is broken at entry %d: %s", e.Seq, e.Reason)
}

// Unwrap returns [ErrBroken].
func (e *BrokenError) Unwrap() error { return ErrBroken }

// A Chain is the part of a log that was verified so far. The zero Chain is the
// beginning of a log. It is for one goroutine.
type Chain struct {
	head        Head
	begun       bool
	partial     bool
	checkpoints []Checkpoint // what is not reached yet, by Seq
}

// NewChain returns the beginning of a log that must agree with checkpoints, whose
// signatures the caller has verified; see [Keyring.CheckAll].
func NewChain(checkpoints []Checkpoint) *Chain {
	return &Chain{checkpoints: sortCheckpoints(checkpoints)}
}

// Partial lets the log begin anywhere: with the first entry that is added. What
// came before that entry is not verified.
func (c *Chain) Partial() { c.partial = true }

// Head returns the last entry that was verified.
func (c *Chain) Head() Head { return c.head }

// Add verifies that e is the next entry, and returns a [*BrokenError] otherwise.
// Then the Chain is of no more use.
func (c *Chain) Add(e *Entry) error {
	if c.partial && !c.begun && e.Seq > 1 {
		c.head = Head{Seq: e.Seq - 1, Hash: e.Prev}
		for len(c.checkpoints) > 0 && c.checkpoints[0].Seq < c.head.Seq {
			c.checkpoints = c.checkpoints[1:]
		}
		if err := c.agree(); err != nil {
			return err
		}
	}
	c.begun = true
	want := c.head.Seq + 1
	switch {
	case e.Seq > want:
		return &BrokenError{want, fmt.Sprintf("it is missing; entry %d is in its place", e.Seq)}
	case e.Seq < want:
		return &BrokenError{want, fmt.Sprintf("entry %d is in its place: it was put in, or moved", e.Seq)}
	case e.Sum() != e.Hash:
		return &BrokenError{want, "it was changed: its hash is of other content"}
	case e.Prev != c.head.Hash:
		return &BrokenError{want, "it does not follow the entry before: one of the two was changed, moved or put in"}
	}
	c.head = e.Head()
	return c.agree()
}

// agree compares the head with the checkpoints of the same entry.
func (c *Chain) agree() error {
	for len(c.checkpoints) > 0 && c.checkpoints[0].Seq == c.head.Seq {
		if c.checkpoints[0].Hash != c.head.Hash {
			return &BrokenError{c.head.Seq, "it is not the one that was signed: the log was written anew, up to here or from an entry before"}
		}
		c.checkpoints = c.checkpoints[1:]
	}
	return nil
}

// End verifies that no checkpoint tells of more entries than were added, and
// returns a [*BrokenError] otherwise: the tail was cut.
func (c *Chain) End() error {
	if len(c.checkpoints) == 0 {
		return nil
	}
	return cut(c.head, &c.checkpoints[len(c.checkpoints)-1])
}

// cut is the error of a log that ends before the entry of last.
func cut(head Head, last *Checkpoint) error {
	return &BrokenError{head.Seq + 1, fmt.Sprintf("it is missing, with all that came after: the log ends with entry %d, and %q signed entry %d at %s",
		head.Seq, last.Node, last.Seq, last.At.UTC().Format(stamp))}
}
