// Package fleet makes a change of rights hold on every running node: each node
// follows the change feed and announces the revision that it has applied, and a
// revocation waits for those announcements.
package fleet

import (
	"context"
	"time"

	"github.com/warder-dev/warder/apikey"
)

// A Node is one running warder, as it announces itself.
type Node struct {
	ID      string          // random, new at each start
	Version string          // of the program
	Host    string          // name of the machine, for people
	PID     int             // process id, for people
	Started time.Time       // by the store's clock or the node's own
	Seen    time.Time       // when it last announced itself
	Applied apikey.Revision // every change up to here holds on the node

	// Lease is how long after the beginning of an announcement the node still
	// believes what it remembers. It counts as running for that long, and a
	// [Slack], after it was last seen: whoever revokes waits for it or names it.
	Lease time.Duration

	Config  string // digest of the settings that all nodes must have alike; "" in one that does not tell
	Peppers string // ids of the peppers, the current one first, with commas between; "" in one that does not tell
}

// A Registry keeps the announcements. Implementations are safe for concurrent
// use by several processes.
type Registry interface {
	// Announce writes n, replacing what n.ID announced before; Seen is now.
	Announce(ctx context.Context, n Node) error

	// Leave forgets the node: it stopped in good order.
	Leave(ctx context.Context, id string) error

	// Nodes returns the nodes that were seen within their Lease and slack, and
	// forgets those that are silent for longer than a day and their Lease.
	Nodes(ctx context.Context, slack time.Duration) ([]Node, error)
}
