package postgres_test

import (
	"strings"
	"testing"

	"github.com/warder-dev/warder/internal/testpostgres"
)

// TestEntriesFollowEachOther: the server itself takes none that does not, alone or
// among others of one statement.
func TestEntriesFollowEachOther(t *testing.T) {
	s := pool.Server(t)
	name := s.Database(t, prepare(t))
	keys := open(t, s.URL(testpostgres.Superuser, name)).APIKeys()
	insert := func(rows string) error {
		return s.TryAs(t, testpostgres.Superuser, name, `INSERT INTO warder.audit (seq, at, actor, source, op, kind, subject, prev, hash)
			SELECT n, now(), 'a', 's', 'o', 'k', 'i', decode(repeat(prev, 32), 'hex'), decode(repeat(hash, 32), 'hex') FROM (VALUES `+rows+`) AS e (n, prev, hash)`)
	}
	refused := func(rows string) {
		t.Helper()
		if err := insert(rows); err == nil || !strings.Contains(err.Error(), "does not follow the last one") {
			t.Errorf("%s: %v, want it refused", rows, err)
		}
	}
	written := func(rows string) {
		t.Helper()
		if err := insert(rows); err != nil {
			t.Errorf("%s: %v, want it written", rows, err)
		}
	}
	refused(`(1, 'aa', '01')`) // nothing is before the first
	refused(`(2, '00', '02')`)
	refused(`(1, '00', '01'), (2, '02', '02')`)
	written(`(1, '00', '01')`)
	for _, rows := range []string{
		`(2, '00', '02')`, `(3, '01', '03')`,
		`(2, '01', '02'), (3, '01', '03')`, `(2, '01', '02'), (4, '02', '04')`, `(3, '02', '03'), (4, '03', '04')`, `(2, '03', '02'), (3, '02', '03')`,
	} {
		refused(rows)
	}
	written(`(3, '02', '03'), (2, '01', '02'), (4, '03', '04')`)
	written(`(5, '04', '05')`)
	apply(t, keys, newKey(1))

	// Whoever owns the tables can make a gap; nothing is put into it.
	if err := s.TryAs(t, testpostgres.Superuser, name, `ALTER TABLE warder.audit DISABLE TRIGGER audit_change`); err != nil {
		t.Fatal(err)
	}
	if err := s.TryAs(t, testpostgres.Superuser, name, `DELETE FROM warder.audit WHERE seq = 3`); err != nil {
		t.Fatal(err)
	}
	refused(`(3, '02', '03')`)
}
