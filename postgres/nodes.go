package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/warder-dev/warder/internal/fleet"
)

// Nodes keeps the announcements of running nodes. It is a fleet.Registry and safe
// for concurrent use. Seen, and whether a node still runs, go by the server's clock:
// those of the nodes may differ.
type Nodes struct{ db *DB }

var _ fleet.Registry = (*Nodes)(nil)

const (
	// An announcement need not survive a crash of the server: the next one follows.
	asynchronously = `SELECT set_config('synchronous_commit', 'off', true)`
	announceNode   = `INSERT INTO nodes (id, version, host, pid, started, seen, applied, lease, config, peppers) VALUES ($1, $2, $3, $4, $5, clock_timestamp(), $6, $7, $8, $9)
		ON CONFLICT (id) DO UPDATE SET version = $2, host = $3, pid = $4, started = $5, seen = clock_timestamp(), applied = $6, lease = $7, config = $8, peppers = $9`
	leaveNode = `DELETE FROM nodes WHERE id = $1`
	listNodes = `SELECT id, version, host, pid, started, seen, applied, lease, config, peppers, clock_timestamp() - seen > lease * interval '1 microsecond' + interval '1 day'
		FROM nodes WHERE clock_timestamp() - seen <= (lease + $1) * interval '1 microsecond' OR clock_timestamp() - seen > lease * interval '1 microsecond' + interval '1 day'
		ORDER BY id`
	forgetNodes = `DELETE FROM nodes WHERE clock_timestamp() - seen > lease * interval '1 microsecond' + interval '1 day'`
)

// maxLease bounds what is added to a time of the server, in microseconds: a century.
const maxLease = int64(100 * 365 * 24 * time.Hour / time.Microsecond)

// Announce implements fleet.Registry.
func (r *Nodes) Announce(ctx context.Context, n fleet.Node) error {
	if n.ID == "" || !validText(n.ID+n.Version+n.Host+n.Config+n.Peppers) {
		return errors.New("postgres: node has no id, or text that is not UTF-8 without NUL")
	}
	err := again(ctx, func() error {
		batch := new(pgx.Batch)
		batch.Queue(asynchronously)
		batch.Queue(announceNode, n.ID, n.Version, n.Host, n.PID, stored(n.Started), int64(n.Applied), n.Lease.Microseconds(), n.Config, n.Peppers)
		return r.db.pool.SendBatch(ctx, batch).Close()
	})
	return answer(ctx, "announce node", err)
}

// Leave implements fleet.Registry.
func (r *Nodes) Leave(ctx context.Context, id string) error {
	_, err := r.db.pool.Exec(ctx, leaveNode, id)
	return answer(ctx, "forget node", err)
}

// Nodes implements fleet.Registry.
func (r *Nodes) Nodes(ctx context.Context, slack time.Duration) ([]fleet.Node, error) {
	const what = "list nodes"
	var live []fleet.Node
	var forget bool
	err := again(ctx, func() error {
		rows, err := r.db.pool.Query(ctx, listNodes, min(slack.Microseconds(), maxLease))
		if err != nil {
			return err
		}
		live, forget, err = nodesOf(rows)
		return err
	})
	if err == nil && forget {
		_, err = r.db.pool.Exec(ctx, forgetNodes)
	}
	if err != nil {
		return nil, answer(ctx, what, err)
	}
	return live, nil
}

// nodesOf reads rows of [listNodes] and closes them.
func nodesOf(rows pgx.Rows) (live []fleet.Node, forget bool, _ error) {
	defer rows.Close()
	for rows.Next() {
		var n fleet.Node
		var started *time.Time
		var lease int64
		var silent bool
		if rows.Scan(&n.ID, &n.Version, &n.Host, &n.PID, &started, &n.Seen, &n.Applied, &lease, &n.Config, &n.Peppers, &silent) != nil {
			return nil, false, errRow
		}
		n.Started, n.Seen, n.Lease = timeOf(started), n.Seen.UTC(), time.Duration(lease)*time.Microsecond
		if silent {
			forget = true
			continue
		}
		live = append(live, n)
	}
	return live, forget, rows.Err()
}
