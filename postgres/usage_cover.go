package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/warder-dev/warder/usage/tally"
)

var _ tally.CoverStore = (*DB)(nil)

const (
	lockCover  = `SELECT detail FROM usage_cover FOR UPDATE`
	writeCover = `UPDATE usage_cover SET detail = $1`
)

// ReplaceCover implements tally.CoverStore. Nodes take turns.
func (db *DB) ReplaceCover(ctx context.Context, change func(text string) (string, error)) error {
	var refused error
	err := db.write(ctx, func(tx pgx.Tx) error {
		var before, after string
		if err := tx.QueryRow(ctx, lockCover).Scan(&before); err != nil {
			return err
		}
		if after, refused = change(before); refused != nil || after == before {
			return refused
		}
		_, err := tx.Exec(ctx, writeCover, after)
		return err
	})
	if refused != nil {
		return refused
	}
	return answer(ctx, "write for which time usage is whole", err)
}
