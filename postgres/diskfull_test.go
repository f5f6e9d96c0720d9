package postgres_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/testpostgres"
	"github.com/warder-dev/warder/postgres"
)

// TestADiskThatIsFull creates, rolls and revokes keys whose tables are on a small disk,
// until that is full: what cannot be written is refused in words, what is there goes on
// being read, and with room again all that was acknowledged is there, and the chain holds.
func TestADiskThatIsFull(t *testing.T) {
	t.Parallel()
	attack.Case(t, "FLEET-13", attack.Library, func(t *testing.T) {
		server := testpostgres.Start(t, testpostgres.Options{Disk: "12m"})
		name := server.Database(t, prepare(t))
		server.Exec(t, "postgres", `CREATE TABLESPACE small LOCATION '`+server.Disk+`'`)
		server.Exec(t, name, `ALTER TABLE ALL IN TABLESPACE pg_default SET TABLESPACE small`, `ALTER INDEX ALL IN TABLESPACE pg_default SET TABLESPACE small`,
			`CREATE TABLE filler TABLESPACE small AS SELECT repeat('x', 1000) AS x FROM generate_series(1, 8800)`) // about 10 MiB
		url := server.URL(testpostgres.Superuser, name)
		keys := open(t, url).APIKeys()
		known := fillUp(t, keys)
		if _, err := keys.Revision(t.Context()); err != nil {
			t.Errorf("on a full disk the revision is %v", err)
		}
		for _, a := range known { // as they are, on a full disk
			wantOne(t, keys, a)
		}
		wantChain(t, server, name)
		server.Exec(t, name, `DROP TABLE filler`, `CHECKPOINT`)
		last := known[len(known)-1].n + 1000
		for _, op := range life() {
			if err := writeOne(t.Context(), keys, ack{op, last}); err != nil {
				t.Errorf("with room again, %s: %v", op, err)
			}
		}
		wantAcknowledged(t, url, known)
		wantChain(t, server, name)
	})
}

// fillUp makes changes until nothing can be written any more, and returns those that
// were acknowledged.
func fillUp(t *testing.T, keys *postgres.APIKeys) (known []ack) {
	t.Helper()
	const enough, sure = 50_000, 30
	refused := 0
	for n := 1; refused < sure; n++ {
		if n > enough {
			t.Fatal("the disk does not get full")
		}
		for _, op := range life() {
			err := writeOne(t.Context(), keys, ack{op, n})
			if err == nil {
				known, refused = append(known, ack{op, n}), 0
				continue
			}
			refused++
			full, ok := errors.AsType[*postgres.ServerError](err)
			if !ok || full.SQLState != "53100" || !strings.Contains(err.Error(), "disk is full") {
				t.Fatalf("%s of key %d: %v, want it refused since the disk is full", op, n, err)
			}
			break
		}
	}
	if len(known) < 100 {
		t.Fatalf("only %d changes were acknowledged: this shows nothing", len(known))
	}
	t.Logf("%d changes were acknowledged", len(known))
	return known
}
