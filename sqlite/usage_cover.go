package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"github.com/warder-dev/warder/usage/tally"
)

var _ tally.CoverStore = (*Usage)(nil)

const (
	readCover  = `SELECT detail FROM usage_cover WHERE id = 1`
	writeCover = `INSERT INTO usage_cover (id, detail) VALUES (1, ?1) ON CONFLICT DO UPDATE SET detail = excluded.detail`
)

// ReplaceCover implements tally.CoverStore. Its transaction is the only one that
// writes from its beginning on.
func (u *Usage) ReplaceCover(ctx context.Context, change func(text string) (string, error)) error {
	const what = "write for which time usage is whole"
	if err := u.db.file.look(); err != nil {
		return err
	}
	tx, err := u.db.write.BeginTx(ctx, nil)
	if err != nil {
		return answer(ctx, what, err)
	}
	defer func() { _ = tx.Rollback() }() // of what did not come to its end; ErrTxDone says the rest
	var before string
	if err := tx.QueryRowContext(ctx, readCover).Scan(&before); err != nil && !errors.Is(err, sql.ErrNoRows) {
		return answer(ctx, what, err)
	}
	after, err := change(before)
	if err != nil || after == before {
		return err
	}
	if _, err = tx.ExecContext(ctx, writeCover, after); err == nil {
		err = tx.Commit()
	}
	if err == nil {
		err = u.db.file.look()
	}
	return answer(ctx, what, err)
}
