package sqlite

import (
	"context"
	"database/sql"
)

// A transaction is one whose statements are parsed once when it has many changes
// to write: parsing costs more than writing one.
type transaction struct {
	*sql.Tx

	prepared map[string]*sql.Stmt // by their text, a constant; nil where it is not worth it
}

// worthPreparing is the number of changes from which it is.
const worthPreparing = 4

func newTransaction(tx *sql.Tx, changes int) *transaction {
	t := &transaction{Tx: tx}
	if changes >= worthPreparing {
		t.prepared = make(map[string]*sql.Stmt)
	}
	return t
}

// ExecContext is that of the transaction, which closes its statements at its end.
//
// Of a batch no statement is interrupted once it runs, which is for microseconds:
// the driver would start a goroutine for each, at a tenth of what a key costs. The
// end of ctx is seen before the next one.
func (t *transaction) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if t.prepared == nil {
		return t.Tx.ExecContext(ctx, query, args...)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ctx = context.WithoutCancel(ctx)
	statement, ok := t.prepared[query]
	if !ok {
		var err error
		if statement, err = t.PrepareContext(ctx, query); err != nil {
			return nil, err
		}
		t.prepared[query] = statement
	}
	return statement.ExecContext(ctx, args...)
}
