package fleet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/warder-dev/warder/apikey"
)

// Slack is how much longer than its Lease a silent node counts as running: for
// the time between its look at the clock and the registry's.
const Slack = time.Second

// pause is the time between two looks at the registry.
const pause = 20 * time.Millisecond

// A Receipt says on how many of the running nodes a change holds.
type Receipt struct {
	Revision apikey.Revision
	Nodes    int           // that run
	Applied  int           // of them, those on which the revision holds
	Missing  []Node        // the others, with host, process id and when they were last seen
	Took     time.Duration // of the wait

	looked bool // false: the registry gave no answer, and 0/0 means nothing
}

// Complete reports whether the change holds on every running node. A receipt that
// did not come from a registry's answer is not complete.
func (r Receipt) Complete() bool { return r.looked && r.Applied == r.Nodes }

// String returns "3/3 in 41 ms".
func (r Receipt) String() string {
	return fmt.Sprintf("%d/%d in %d ms", r.Applied, r.Nodes, r.Took.Milliseconds())
}

// Await waits until every running node has applied rev, or until bound is over;
// then the receipt is not [Receipt.Complete] and lists the others. An error means
// that the registry gave no answer or that ctx ended: nothing is known then but
// what the receipt, from the last look, says.
//
// What a complete receipt promises: no node lets anybody in by what it remembered
// of an earlier revision. Each node that was seen within its Lease has said that
// rev holds there; one that is silent for longer, because it was stopped or cannot
// write, has stopped believing what it remembers ([Member.Announced]) and asks the
// store; one that starts later has nothing to remember. With no node running the
// receipt is "0/0", which is complete. It promises nothing about requests that a
// node had already let pass.
func Await(ctx context.Context, registry Registry, rev apikey.Revision, bound time.Duration) (Receipt, error) {
	begin := time.Now()
	within, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	receipt := Receipt{Revision: rev}
	for looked := false; ; looked = true {
		nodes, err := registry.Nodes(within, Slack)
		if err == nil {
			receipt = judge(rev, nodes)
		}
		receipt.Took = time.Since(begin)
		switch {
		case ctx.Err() != nil:
			return receipt, fmt.Errorf("fleet: await revision %d: %w", rev, ctx.Err())
		case err != nil && looked && errors.Is(err, context.DeadlineExceeded):
			return receipt, nil // the bound cut the last look short
		case err != nil:
			return receipt, fmt.Errorf("fleet: await revision %d: %w", rev, err)
		case receipt.Complete():
			return receipt, nil
		}
		select {
		case <-within.Done():
			receipt.Took = time.Since(begin)
			return receipt, ended(ctx, rev)
		case <-time.After(pause):
		}
	}
}

// ended tells the end of the caller's context from the end of the bound.
func ended(ctx context.Context, rev apikey.Revision) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("fleet: await revision %d: %w", rev, err)
	}
	return nil
}

// judge counts the nodes on which rev holds.
func judge(rev apikey.Revision, nodes []Node) Receipt {
	r := Receipt{Revision: rev, Nodes: len(nodes), looked: true}
	for _, n := range nodes {
		if n.Applied >= rev {
			r.Applied++
		} else {
			r.Missing = append(r.Missing, n)
		}
	}
	return r
}
