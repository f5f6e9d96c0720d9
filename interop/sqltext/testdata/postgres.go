package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const plantedBase = "SELECT id FROM keys WHERE owner = $1"

func plantedLookalikes(ctx context.Context, pool *pgxpool.Pool, conn *pgx.Conn, owner string) {
	_ = pool.QueryRow(ctx, plantedBase, owner)
	_, _ = conn.Prepare(ctx, owner, plantedBase) // its name is free
	b := new(pgx.Batch)
	b.Queue(plantedBase, owner)
}

func plantedFaults(ctx context.Context, pool *pgxpool.Pool, conn *pgx.Conn, tx pgx.Tx, owner string) {
	_ = pool.QueryRow(ctx, "SELECT id FROM keys WHERE owner = '"+owner+"'") // found
	_, _ = conn.Prepare(ctx, "name", owner)                                 // found
	_, _ = tx.Exec(ctx, "LISTEN "+owner)                                    // found
	b := new(pgx.Batch)
	b.Queue("SELECT " + owner)                                   // found
	_ = conn.PgConn().Exec(ctx, owner)                           // found
	_ = conn.PgConn().ExecParams(ctx, owner, nil, nil, nil, nil) // found
}
