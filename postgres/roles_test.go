package postgres_test

import (
	"errors"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/audit"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/fleet"
	"github.com/warder-dev/warder/internal/idempotency"
	"github.com/warder-dev/warder/internal/testpostgres"
	"github.com/warder-dev/warder/postgres"
	"github.com/warder-dev/warder/secret"
	"github.com/warder-dev/warder/session"
	"github.com/warder-dev/warder/usage"
	"github.com/warder-dev/warder/usage/tally"
	"github.com/warder-dev/warder/webhook"
)

// documented is a server with the roles of the guide, made by its statements.
func documented(t *testing.T) *testpostgres.Server {
	t.Helper()
	s := testpostgres.Start(t, testpostgres.Options{})
	page, err := os.ReadFile("../docs/guide/postgresql.md")
	if err != nil {
		t.Fatal(err)
	}
	statements := regexp.MustCompile("(?ms)^```sql\n(.*?)^```$").FindSubmatch(page)
	if statements == nil {
		t.Fatal("the guide has no statements")
	}
	psql := exec.CommandContext(t.Context(), "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", s.URL(testpostgres.Superuser, "postgres"))
	psql.Stdin = strings.NewReader(string(statements[1]))
	if out, err := psql.CombinedOutput(); err != nil {
		t.Fatalf("psql: %v\n%s", err, out)
	}
	return s
}

// As the documented roles: the gateways' does everything that it has to, and nothing
// else.
func TestTheRoleOfTheGateways(t *testing.T) {
	t.Parallel()
	s := documented(t)
	owner := postgres.Config{URL: s.TCP("warder_owner", "warder"), Password: secret.New("change-me-1"), Log: discard()}
	app := postgres.Config{URL: s.TCP("warder_app", "warder"), Password: secret.New("change-me-2"), Log: discard()}
	if _, err := postgres.Open(t.Context(), app); !errors.Is(err, postgres.ErrNoSchema) && !errors.Is(err, postgres.ErrDenied) {
		t.Errorf("Open without tables = %v, want that there are none", err)
	}
	if _, _, err := postgres.Migrate(t.Context(), app, ""); !errors.Is(err, postgres.ErrDenied) {
		t.Errorf("Migrate as the gateways' role = %v, want it denied", err)
	}
	if _, _, err := postgres.Migrate(t.Context(), owner, `nobody"; DROP SCHEMA warder; --`); err == nil {
		t.Error("Migrate granted rights to a role that does not exist")
	}
	for range 2 { // again: it takes and gives the same
		if _, after, err := postgres.Migrate(t.Context(), owner, "warder_app"); err != nil || after == 0 {
			t.Fatalf("Migrate = version %d, %v", after, err)
		}
	}
	db, err := postgres.Open(t.Context(), app)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	useEverything(t, db)
	s.Exec(t, "warder", `CREATE SCHEMA foreigners CREATE TABLE secrets (a int)`, `CREATE TABLE public.other (a int)`)
	attack.Case(t, "SQL-08", attack.Library, func(t *testing.T) {
		for _, statement := range []string{
			`DROP TABLE warder.keys`, `DROP SCHEMA warder CASCADE`, `TRUNCATE warder.changes`, `ALTER TABLE warder.keys ADD a int`, `CREATE TABLE warder.a (a int)`,
			`CREATE TABLE public.a (a int)`, `CREATE SCHEMA a`, `CREATE TEMPORARY TABLE keys (a int)`, `CREATE INDEX ON warder.keys (name)`, `DROP INDEX warder.keys_owner`,
			`SELECT * FROM foreigners.secrets`, `INSERT INTO public.other VALUES (1)`, `SELECT * FROM pg_authid`, `COPY warder.keys TO '/tmp/a'`,
			`UPDATE warder.changes SET key_id = 'another'`, `DELETE FROM warder.changes`, `UPDATE warder.account_changes SET subject = 'another'`, `DELETE FROM warder.account_changes`, `DELETE FROM warder.admin_keys`, `DELETE FROM warder.audit`, `UPDATE warder.audit SET actor = 'somebody else'`, `DELETE FROM warder.audit_checkpoints`, `ALTER TABLE warder.audit DISABLE TRIGGER ALL`,
			`DELETE FROM warder.revisions`, `INSERT INTO warder.revisions VALUES (true, 0)`, `UPDATE warder.goose_db_version SET version_id = 0`, `DELETE FROM warder.goose_db_version`,
			`CREATE FUNCTION warder.f() RETURNS int LANGUAGE sql AS 'SELECT 1'`, `ALTER ROLE warder_app SUPERUSER`, `SET ROLE warder_owner`, `GRANT ALL ON warder.keys TO PUBLIC`,
			`CREATE EXTENSION pgcrypto SCHEMA warder`, `CREATE DATABASE a`, `SELECT lo_import('/etc/passwd')`, `SELECT pg_read_file('/etc/passwd')`,
		} {
			err := s.TryAs(t, "warder_app", "warder", statement)
			server, ok := errors.AsType[*pgconn.PgError](err)
			if !ok || server.Code != "42501" { // that something is not there denies nothing
				// GRANT without a right to grant is a warning of the server, and no error.
				if err == nil && strings.HasPrefix(statement, "GRANT") && s.Query(t, "warder", `SELECT count(*)::text FROM information_schema.role_table_grants WHERE grantee = 'PUBLIC' AND table_schema = 'warder'`) == "0" {
					continue
				}
				t.Errorf("%s: %v, want it denied", statement, err)
			}
		}
	})
	useEverything(t, db)
}

// useEverything calls every method of every store.
func useEverything(t *testing.T, db *postgres.DB) {
	t.Helper()
	var errs []error
	add := func(err error) { errs = append(errs, err) }
	ctx, keys := t.Context(), db.APIKeys()
	c := newKey(1)
	c.After.Secrets[0].Format = "sha256"
	_, err := keys.Apply(ctx, c)
	add(err)
	before, err := keys.Lookup(ctx, c.ID())
	add(err)
	_, err = keys.LookupDigest(ctx, "sha256", before.Secrets[0].Digest)
	add(err)
	_, err = keys.List(ctx, "", 10)
	add(err)
	_, err = keys.PepperIDs(ctx)
	add(err)
	_, err = keys.Find(ctx, apikey.Filter{Limit: 1})
	add(err)
	_, _, err = keys.Changes(ctx, 0, 10)
	add(err)
	_, err = keys.Revision(ctx)
	add(err)
	after := before
	after.Name = "other"
	rev, err := keys.Apply(ctx, apikey.Change{Actor: "a", Source: "s", Op: apikey.OpUpdate, At: before.Created, Before: &before, After: &after})
	add(err)
	after.Revision = rev
	_, err = keys.Apply(ctx, apikey.Change{Actor: "a", Source: "s", Op: apikey.OpDelete, At: before.Created, Before: &after})
	add(err)

	add(db.Nodes().Announce(ctx, fleet.Node{ID: "n"}))
	_, err = db.Nodes().Nodes(ctx, time.Minute)
	add(err)
	add(db.Nodes().Leave(ctx, "n"))
	add(db.ReplaceCover(ctx, func(string) (string, error) { return "{}", nil }))

	at := time.Now()
	s := session.Record{
		Digest: session.Digest{1}, User: session.User{Issuer: "password", Subject: "ada", AuthenticatedAt: at}, Created: at, LastUsed: at,
		IdleExpires: at.Add(time.Hour), Expires: at.Add(time.Hour),
	}
	add(db.Sessions().Create(ctx, s))
	found, err := db.Sessions().Lookup(ctx, s.Digest)
	add(err)
	add(db.Sessions().Replace(ctx, found, s))
	_, err = db.Sessions().List(ctx, "password", "ada")
	add(err)
	_, err = db.Sessions().DeleteExpired(ctx, at.Add(-time.Hour), 10)
	add(err)
	add(db.Sessions().Delete(ctx, s.Digest))
	_, err = db.Sessions().DeleteUser(ctx, "password", "ada")
	add(err)

	_, err = db.Sessions().RevokeUser(ctx, audit.By{Actor: "a", Source: "s"}, "password", "ada")
	add(err)
	_, err = db.Sessions().RevokeAll(ctx, audit.By{Actor: "a", Source: "s"})
	add(err)

	made, err := db.Audit().Append(ctx, audit.Event{At: at, Actor: "a", Source: "s", Op: "o", Kind: "k", Subject: "s"})
	add(err)
	_, err = db.Audit().List(ctx, audit.Query{Limit: 1})
	add(err)
	add(db.Audit().SaveCheckpoint(ctx, audit.Checkpoint{Seq: made.Seq, Hash: made.Hash, At: at, Node: "n", Key: make([]byte, 32), Signature: make([]byte, 64)}))
	_, err = db.Audit().Checkpoints(ctx, 0, 1)
	add(err)

	event := webhook.Event{ID: "e1", Type: webhook.KeyExpiring, At: at, Data: []byte(`{}`)}
	add(db.Outbox().Add(ctx, event, "there"))
	claimed, err := db.Outbox().Claim(ctx, "there", at.Add(time.Second), at.Add(time.Minute), 10)
	add(err)
	for _, d := range claimed {
		add(db.Outbox().Retry(ctx, d, at))
		add(db.Outbox().Settle(ctx, d, at))
	}
	_, err = db.Outbox().Forget(ctx, at.Add(time.Hour))
	add(err)

	who := usage.Subject{Kind: usage.Key, ID: "k1"}
	_, err = db.Credits().Apply(ctx, usage.Change{Actor: "a", Source: "s", At: at, Subject: who, Op: usage.OpSet, Amount: 10})
	add(err)
	_, err = db.Credits().Account(ctx, who, at)
	add(err)
	ask := usage.Ask{Subject: who, ID: usage.ReservationID{1}, Need: 1, Want: 1, Term: time.Minute}
	grants, err := db.Credits().Reserve(ctx, at, []usage.Ask{ask})
	add(err)
	if err == nil {
		ask.Granted, ask.Need, ask.Want, ask.Close = grants[0].Granted, 0, 0, true
		_, err = db.Credits().Reserve(ctx, at, []usage.Ask{ask})
		add(err)
	}
	useAccounts(t, db.Accounts(), add)
	attempt := idempotency.Attempt{Caller: "a", Key: "k"}
	_, err = db.Attempts(0).Begin(ctx, attempt, at, time.Hour)
	add(err)
	add(db.Attempts(0).Finish(ctx, attempt, []byte("done")))
	_, err = db.Attempts(0).Begin(ctx, attempt, at.Add(time.Hour), time.Hour)
	add(err)
	add(db.Attempts(0).Forget(ctx, attempt))
	add(db.Usage().Add(ctx, usageBatch(1)))
	_, err = db.Usage().Key(ctx, usageBatch(1).Counts[0].Key)
	add(err)
	q := tally.Query{Resolution: tally.Day, From: at.AddDate(-1, 0, 0), To: at, Limit: 1}
	_, err = db.Usage().Rows(ctx, q)
	add(err)
	_, err = db.Usage().Top(ctx, q, tally.ByKey, 1)
	add(err)
	add(db.Usage().Prune(ctx, at.AddDate(9, 0, 0), tally.DefaultRetention()))
	if err := errors.Join(errs...); err != nil {
		t.Fatalf("what the gateways do is not all allowed: %v", err)
	}
}

// useAccounts calls every method of the store of accounts, again as well.
func useAccounts(t *testing.T, s *postgres.Accounts, add func(err error)) {
	t.Helper()
	ctx, at := t.Context(), time.Now()
	all, err := s.List(ctx, "", 10)
	add(err)
	owner := newOwner("o"+strconv.Itoa(len(all)), "owner"+strconv.Itoa(len(all)))
	_, err = s.Apply(ctx, owner)
	add(err)
	before, err := s.Find(ctx, owner.After.Name)
	add(err)
	after := before
	after.Email = "ada@example.com"
	_, err = s.Apply(ctx, account.Change{Actor: "a", Source: "s", Op: account.OpDescribe, At: at, Before: &before, After: &after})
	add(err)
	if len(all) > 0 { // the first one may go
		_, err = s.Apply(ctx, account.Change{Actor: "a", Source: "s", Op: account.OpRemove, At: at, Before: &all[0]})
		add(err)
	}
	_, err = s.Lookup(ctx, before.ID)
	add(err)
	_, err = s.PepperIDs(ctx)
	add(err)
	keys, err := s.ListKeys(ctx, "", 10)
	add(err)
	key := account.Key{ID: "k" + strconv.Itoa(len(keys)), Role: account.Auditor, Pepper: "p", Created: at}
	key.Revision, err = s.Apply(ctx, account.Change{Actor: "a", Source: "s", Op: account.OpKeyCreate, At: at, KeyAfter: &key})
	add(err)
	revoked := key
	revoked.Revoked = at
	_, err = s.Apply(ctx, account.Change{Actor: "a", Source: "s", Op: account.OpKeyRevoke, At: at, KeyBefore: &key, KeyAfter: &revoked})
	add(err)
	_, err = s.LookupKey(ctx, key.ID)
	add(err)
}

// A table that a migration adds needs its rights.
func TestEveryTableIsGranted(t *testing.T) {
	t.Parallel()
	s := documented(t)
	owner := postgres.Config{URL: s.TCP("warder_owner", "warder"), Password: secret.New("change-me-1"), Log: discard()}
	if _, _, err := postgres.Migrate(t.Context(), owner, "warder_app"); err != nil {
		t.Fatal(err)
	}
	const without = `SELECT coalesce(string_agg(c.relname, ' '), '') FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = 'warder' AND c.relkind = 'r' AND NOT has_table_privilege('warder_app', c.oid, 'SELECT')`
	if got := s.Query(t, "warder", without); got != "" {
		t.Errorf("the gateways' role may not read %s", got)
	}
}
