package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/warder-dev/warder/internal/fleet"
)

// Nodes keeps the announcements of running nodes. It is a fleet.Registry and
// safe for concurrent use. All nodes of a file run on one machine, so Seen is by
// that machine's clock.
type Nodes struct{ db *DB }

var _ fleet.Registry = (*Nodes)(nil)

// silence is how long a node may be silent before it is forgotten.
const silence = 24 * time.Hour

const (
	announceNode = `INSERT INTO nodes (id, version, host, pid, started, seen, applied, lease, config, peppers) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
		ON CONFLICT (id) DO UPDATE SET version = ?2, host = ?3, pid = ?4, started = ?5, seen = ?6, applied = ?7, lease = ?8, config = ?9, peppers = ?10`
	leaveNode   = `DELETE FROM nodes WHERE id = ?1`
	listNodes   = `SELECT id, version, host, pid, started, seen, applied, lease, config, peppers FROM nodes ORDER BY id`
	forgetNodes = `DELETE FROM nodes WHERE seen + lease < ?1`
)

// Announce implements fleet.Registry.
func (r *Nodes) Announce(ctx context.Context, n fleet.Node) error {
	if n.ID == "" || !validText(n.ID+n.Version+n.Host+n.Config+n.Peppers) {
		return errors.New("sqlite: node has no id, or text that is not UTF-8 without NUL")
	}
	if err := r.db.file.look(); err != nil {
		return err
	}
	_, err := r.db.beat.ExecContext(ctx, announceNode, n.ID, n.Version, n.Host, n.PID, micros(n.Started), time.Now().UnixMicro(), int64(n.Applied), n.Lease.Microseconds(), n.Config, n.Peppers)
	return answer(ctx, "announce node", err)
}

// Leave implements fleet.Registry.
func (r *Nodes) Leave(ctx context.Context, id string) error {
	_, err := r.db.beat.ExecContext(ctx, leaveNode, id)
	return answer(ctx, "forget node", err)
}

// Nodes implements fleet.Registry.
func (r *Nodes) Nodes(ctx context.Context, slack time.Duration) ([]fleet.Node, error) {
	const what = "list nodes"
	rows, err := r.db.read.QueryContext(ctx, listNodes)
	if err != nil {
		return nil, answer(ctx, what, err)
	}
	all, err := nodesOf(rows)
	if err != nil {
		return nil, answer(ctx, what, err)
	}
	var live []fleet.Node
	forget, now := false, time.Now()
	for _, n := range all {
		age := now.Sub(n.Seen)
		forget = forget || age > silence+n.Lease
		if age <= n.Lease+slack {
			live = append(live, n)
		}
	}
	if forget {
		_, err = r.db.beat.ExecContext(ctx, forgetNodes, now.Add(-silence).UnixMicro())
	}
	return live, answer(ctx, what, err)
}

// nodesOf reads rows of [listNodes] and closes them.
func nodesOf(rows *sql.Rows) (_ []fleet.Node, err error) {
	defer func() { err = errors.Join(err, rows.Close()) }()
	var all []fleet.Node
	for rows.Next() {
		var n fleet.Node
		var started, seen sql.NullInt64
		var lease int64
		if rows.Scan(&n.ID, &n.Version, &n.Host, &n.PID, &started, &seen, &n.Applied, &lease, &n.Config, &n.Peppers) != nil {
			return nil, errRow
		}
		n.Started, n.Seen, n.Lease = timeOf(started), timeOf(seen), time.Duration(lease)*time.Microsecond
		all = append(all, n)
	}
	return all, rows.Err()
}
