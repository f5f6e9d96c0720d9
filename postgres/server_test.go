package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/testcert"
	"github.com/warder-dev/warder/internal/testpostgres"
	"github.com/warder-dev/warder/postgres"
	"github.com/warder-dev/warder/secret"
	"github.com/warder-dev/warder/session"
	"github.com/warder-dev/warder/usage"
)

// openError is the error of Open.
func openError(t *testing.T, cfg postgres.Config) error {
	t.Helper()
	cfg.Log = discard()
	db, err := postgres.Open(t.Context(), cfg)
	if err == nil {
		_ = db.Close()
	}
	return err
}

func TestAServerThatIsReadOnly(t *testing.T) {
	attack.Case(t, "FLEET-07", attack.Library, func(t *testing.T) {
		url := newURL(t)
		db := open(t, url)
		apply(t, db.APIKeys(), newKey(1))
		server := pool.Server(t)
		// New sessions of the database take no changes; those that are there are ended.
		server.Exec(t, database(url), `ALTER DATABASE `+database(url)+` SET default_transaction_read_only = on`,
			`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`)
		if err := openError(t, postgres.Config{URL: url}); !errors.Is(err, postgres.ErrReadOnly) {
			t.Errorf("Open = %v, want that the server is read-only", err)
		}
		var err error
		for range 20 { // until none of the connections that are gone is left
			if _, err = db.APIKeys().Apply(t.Context(), newKey(2)); errors.Is(err, postgres.ErrReadOnly) {
				break
			}
		}
		if !errors.Is(err, postgres.ErrReadOnly) {
			t.Errorf("Apply = %v, want that the server is read-only", err)
		}
		if _, err := db.APIKeys().Lookup(t.Context(), keyID(1)); !errors.Is(err, postgres.ErrReadOnly) {
			t.Errorf("Lookup = %v, want no answer from a server that may lag behind", err)
		}
	})
}

// A standby answers reads, with what was. It is not asked.
func TestAStandbyIsNotAsked(t *testing.T) {
	t.Parallel()
	primary := testpostgres.Start(t, testpostgres.Options{Args: []string{"-c", "wal_level=replica", "-c", "max_wal_senders=4", "-c", "hot_standby=on"}})
	name := primary.Database(t, prepare(t))
	standby := testpostgres.Start(t, testpostgres.Options{Prepare: func(tb testing.TB, folder string) {
		tb.Helper()
		if err := os.RemoveAll(folder); err != nil {
			tb.Fatal(err)
		}
		primary.Program(tb, "pg_basebackup", "-D", filepath.Join(primary.Folder, "copy"), "-h", primary.Folder, "-p", fmt.Sprint(primary.Port), "-U", testpostgres.Superuser, "-R", "-X", "stream", "--checkpoint=fast", "--no-sync")
		if err := os.Rename(filepath.Join(primary.Folder, "copy"), folder); err != nil {
			tb.Fatal(err)
		}
	}})
	keys := open(t, primary.URL(testpostgres.Superuser, name)).APIKeys()
	apply(t, keys, newKey(1))
	eventually(t, "the standby has the key", func() bool {
		return standby.Query(t, name, `SELECT count(*)::text FROM warder.keys`) == "1"
	})
	if err := openError(t, postgres.Config{URL: standby.URL(testpostgres.Superuser, name)}); !errors.Is(err, postgres.ErrReadOnly) {
		t.Errorf("Open of a standby = %v, want that it is read-only", err)
	}
	both := fmt.Sprintf("postgres://%s@/%s?host=%s,%s&port=%d,%d", testpostgres.Superuser, name, standby.Folder, primary.Folder, standby.Port, primary.Port)
	db := open(t, both)
	apply(t, db.APIKeys(), newKey(2))
	eventually(t, "the standby has both", func() bool {
		return standby.Query(t, name, `SELECT count(*)::text FROM warder.keys`) == "2"
	})
	primary.Kill()
	standby.Exec(t, "postgres", `SELECT pg_promote()`)
	eventually(t, "the former standby takes changes", func() bool {
		_, err := db.APIKeys().Apply(t.Context(), newKey(3))
		return err == nil || errors.Is(err, apikey.ErrExists)
	})
	for n := 1; n <= 3; n++ {
		if _, err := db.APIKeys().Lookup(t.Context(), keyID(n)); err != nil {
			t.Errorf("key %d after the failover: %v", n, err)
		}
	}
}

func TestAServerThatIsRestarted(t *testing.T) {
	t.Parallel()
	server := testpostgres.Start(t, testpostgres.Options{})
	name := server.Database(t, prepare(t))
	db := open(t, server.URL(testpostgres.Superuser, name))
	apply(t, db.APIKeys(), newKey(1))
	server.Stop(t)
	if _, err := db.APIKeys().Lookup(t.Context(), keyID(1)); err == nil || errors.Is(err, apikey.ErrNotFound) {
		t.Errorf("Lookup without a server = %v, want no answer", err)
	}
	if _, err := db.Sessions().Lookup(t.Context(), session.Digest{1}); err == nil || errors.Is(err, session.ErrNotFound) {
		t.Errorf("Lookup of a session without a server = %v, want no answer", err)
	}
	if _, err := db.Credits().Account(t.Context(), usage.Subject{Kind: usage.Key, ID: "a"}, time.Now()); err == nil || errors.Is(err, usage.ErrNoAccount) {
		t.Errorf("Account without a server = %v, want no answer", err)
	}
	if err := openError(t, postgres.Config{URL: server.URL(testpostgres.Superuser, name)}); !errors.Is(err, postgres.ErrUnreachable) {
		t.Errorf("Open without a server = %v, want that it cannot be reached", err)
	}
	if err := server.Restart(t); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it answers again", func() bool {
		_, err := db.APIKeys().Lookup(t.Context(), keyID(1))
		return err == nil
	})
	apply(t, db.APIKeys(), newKey(2))
}

// A server that hangs holds up nobody for longer than the caller's context.
func TestAServerThatHangs(t *testing.T) {
	t.Parallel()
	server := testpostgres.Start(t, testpostgres.Options{})
	name := server.Database(t, prepare(t))
	r := newRelay(t, server)
	db, err := postgres.Open(t.Context(), postgres.Config{URL: r.url(server, name), Log: discard()})
	if err != nil {
		t.Fatal(err)
	}
	apply(t, db.APIKeys(), newKey(1))
	r.cut.Store(true)
	for what, call := range map[string]func(ctx context.Context) error{
		"Lookup":   func(ctx context.Context) error { _, err := db.APIKeys().Lookup(ctx, keyID(1)); return err },
		"Apply":    func(ctx context.Context) error { _, err := db.APIKeys().Apply(ctx, newKey(2)); return err },
		"Revision": func(ctx context.Context) error { _, err := db.APIKeys().Revision(ctx); return err },
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if err := call(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s = %v, want the end of its context", what, err)
		}
		cancel()
	}
	if err := db.Close(); err != nil { // nor does it
		t.Errorf("Close = %v", err)
	}
}

func TestErrorsHoldNothingOfTheServer(t *testing.T) {
	const canary = "CanaryText"
	url := newURL(t)
	db := open(t, url)
	c := newKey(1)
	c.After.Name, c.After.Owner = canary, canary
	apply(t, db.APIKeys(), c)
	server := pool.Server(t)
	for _, tt := range []struct {
		name, statement, state string
		call                   func() error
	}{
		{"a rule is broken", `ALTER TABLE warder.keys ADD CONSTRAINT canarytext CHECK (name = 'CanaryText')`, "23514", func() error {
			_, err := db.APIKeys().Apply(t.Context(), newKey(2))
			return err
		}},
		{"a statement fails", `ALTER TABLE warder.changes ALTER mark SET DEFAULT ('CanaryText' || random())::uuid`, "22P02", func() error {
			_, err := db.APIKeys().Apply(t.Context(), newKey(3))
			return err
		}},
		{"a table is missing", `ALTER TABLE warder.secrets RENAME TO canarytext`, "42P01", func() error { _, err := db.APIKeys().Lookup(t.Context(), c.ID()); return err }},
	} {
		server.Exec(t, database(url), tt.statement)
		err := tt.call()
		named, ok := errors.AsType[*postgres.ServerError](err)
		if !ok || named.SQLState != tt.state || strings.Contains(strings.ToLower(err.Error()), "canary") || !strings.Contains(err.Error(), tt.state) {
			t.Errorf("%s: %v, want the SQLSTATE %s and none of the server's text", tt.name, err, tt.state)
		}
		if errors.Is(err, apikey.ErrNotFound) || errors.Is(err, apikey.ErrExists) {
			t.Errorf("%s: %v is an answer", tt.name, err)
		}
	}
}

// A row that was changed by somebody else is an error, and never less than it was.
func TestDamagedRows(t *testing.T) {
	for name, statement := range map[string]string{
		"no secret":             `DELETE FROM warder.secrets`,
		"a secret is cut":       `ALTER TABLE warder.secrets DROP CONSTRAINT secrets_digest_check; UPDATE warder.secrets SET digest = '\x01'`,
		"no certificate":        `ALTER TABLE warder.keys DROP CONSTRAINT keys_certificate_check; UPDATE warder.keys SET certificate = decode(repeat('00', 32), 'hex')`,
		"half a certificate":    `ALTER TABLE warder.keys DROP CONSTRAINT keys_certificate_check; UPDATE warder.keys SET certificate = '\x01'`,
		"an unknown detail":     `UPDATE warder.keys SET detail = '{"canary": true}'`,
		"a time beyond all":     `UPDATE warder.keys SET expires = 'infinity'`,
		"a scope that is null":  `UPDATE warder.keys SET scopes = ARRAY[NULL]::text[]`,
		"the table has no name": `ALTER TABLE warder.keys DROP COLUMN name`,
	} {
		t.Run(name, func(t *testing.T) {
			url := newURL(t)
			keys := open(t, url).APIKeys()
			apply(t, keys, newKey(1))
			pool.Server(t).Exec(t, database(url), statement)
			if r, err := keys.Lookup(t.Context(), keyID(1)); err == nil || errors.Is(err, apikey.ErrNotFound) || strings.Contains(err.Error(), "canary") {
				t.Errorf("Lookup = %q, %v, want no answer", r.ID, err)
			}
		})
	}
}

func TestAddressesThatAreRefused(t *testing.T) {
	const canary = "hunter2canary"
	for url, want := range map[string]error{
		"":            postgres.ErrURL,
		"./warder.db": postgres.ErrURL,
		"postgres://u:" + canary + "@127.0.0.1/warder":                          postgres.ErrURL,
		"postgres://u@127.0.0.1/warder?default_query_exec_mode=simple_protocol": postgres.ErrURL,
		"postgres://u@127.0.0.1/warder?options=-csearch_path%3Dother":           postgres.ErrURL,
		"postgres://u@127.0.0.1/warder?service=a&servicefile=/etc/" + canary:    postgres.ErrURL,
		"postgres://u@127.0.0.1:1/warder?sslrootcert=/" + canary:                postgres.ErrURL,
		"postgres://u@127.0.0.1:1/warder":                                       postgres.ErrUnreachable,
	} {
		err := openError(t, postgres.Config{URL: url, Password: secret.New(canary)})
		if !errors.Is(err, want) || strings.Contains(err.Error(), canary) {
			t.Errorf("Open(%q) = %v, want %v", url, err, want)
		}
	}
	s := pool.Server(t)
	s.Exec(t, "postgres", `CREATE ROLE locked LOGIN PASSWORD 'right'`)
	err := openError(t, postgres.Config{URL: s.TCP("locked", "postgres"), Password: secret.New(canary)})
	if !errors.Is(err, postgres.ErrDenied) || strings.Contains(err.Error(), canary) || !strings.Contains(err.Error(), "28P01") {
		t.Errorf("Open with a wrong password = %v, want it denied", err)
	}
	s.Exec(t, "postgres", `CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'`)
	if err := openError(t, postgres.Config{URL: s.URL(testpostgres.Superuser, "latin")}); err == nil || !strings.Contains(err.Error(), "UTF-8") {
		t.Errorf("Open of a database in Latin-1 = %v, want it refused", err)
	}
}

// What the environment says of libpq changes no session.
func TestSessionsAreFixed(t *testing.T) {
	url := newURL(t)
	t.Setenv("PGOPTIONS", "-c search_path=public -c statement_timeout=0")
	t.Setenv("PGTZ", "Asia/Tokyo")
	t.Setenv("PGSSLMODE", "disable")
	t.Setenv("PGTARGETSESSIONATTRS", "any")
	pool.Server(t).Exec(t, database(url), `ALTER DATABASE `+database(url)+` SET search_path = public`)
	db := open(t, url)
	for name, want := range map[string]string{
		"search_path": "warder, pg_temp", "statement_timeout": "10s", "lock_timeout": "5s", "idle_in_transaction_session_timeout": "5s",
		"client_encoding": "UTF8", "TimeZone": "UTC", "application_name": "warder", "standard_conforming_strings": "on", "jit": "off",
	} {
		if got, err := postgres.Show(t.Context(), db, name); err != nil || got != want {
			t.Errorf("%s = %q, %v, want %q", name, got, err, want)
		}
	}
}

// A page of many keys is read from an index, and not sorted; those that are few are.
func TestFindUsesAnIndex(t *testing.T) {
	url := newURL(t)
	db := open(t, url)
	pool.Server(t).Exec(t, database(url), fill(20_000))
	for statement, want := range map[string]string{
		"id": "keys_pkey", "end id": "keys_pkey", "ending": "keys_expires", "retiring": "secrets_retires", "count ending": "keys_expires", "count retiring": "secrets_retires",
		"created": "keys_created", "owned": "keys_owner", "planned": "keys_plan", "kind": "keys_kind", "revoked": "keys_revoked", "disabled": "keys_disabled",
		"same": "keys_created", "same owned": "keys_owner", "same planned": "keys_plan", "same kind": "keys_kind", "same revoked": "keys_revoked", "same disabled": "keys_disabled",
		"end": "keys_created", "end owned": "keys_owner", "end planned": "keys_plan", "end kind": "keys_kind", "end revoked": "keys_revoked", "end disabled": "keys_disabled",
		"end same": "keys_created", "end same owned": "keys_owner", "end same planned": "keys_plan", "end same kind": "keys_kind",
		"end same revoked": "keys_revoked", "end same disabled": "keys_disabled",
	} {
		plan, err := postgres.Plan(t.Context(), db, statement)
		inner := plan
		if _, after, ok := strings.Cut(plan, `s."position"`); ok {
			inner = after // of the page alone, which is few
		}
		few := statement == "ending" || statement == "retiring"
		if err != nil || !strings.Contains(plan, want+" ") || strings.Contains(inner, "Sort  (") && !few || strings.Contains(plan, "Seq Scan on keys") {
			t.Errorf("by %s: %v\n%s\nwant the index %s, and no sort of keys", statement, err, plan, want)
		}
	}
}

// fill is the statement that makes n keys.
func fill(n int) string {
	return fmt.Sprintf(`INSERT INTO warder.changes (revision, key_id) VALUES (1, 'a');
		UPDATE warder.revisions SET newest = 1;
		INSERT INTO warder.keys SELECT 'Key' || lpad(n::text, 9, '0'), 'wrd', 'live', 'key ' || n, 'owner' || n %% 1000, '{orders:read}', now() - n * interval '1 second', NULL, false, NULL, '', NULL, 1,
			'secret', '', NULL, '{}' FROM generate_series(1, %d) n;
		INSERT INTO warder.secrets SELECT id, 0, sha256(id::bytea), '0badcafe', created, NULL, 1, 0, '' FROM warder.keys;
		ANALYZE warder.keys, warder.secrets, warder.changes`, n)
}

func TestManyMigrateAtOnce(t *testing.T) {
	attack.Case(t, "FLEET-12", attack.Library, func(t *testing.T) {
		s := pool.Server(t)
		name := s.Database(t, nil)
		cfg := postgres.Config{URL: s.URL(testpostgres.Superuser, name), Log: discard()}
		if err := openError(t, cfg); !errors.Is(err, postgres.ErrNoSchema) {
			t.Errorf("Open without tables = %v, want that there are none", err)
		}
		files, err := filepath.Glob("migrations/*.sql")
		if err != nil || len(files) == 0 {
			t.Fatalf("there are %d migrations, %v", len(files), err)
		}
		for i, file := range files { // a number may be left out
			files[i] = strings.TrimSuffix(filepath.Base(file), ".sql")
		}
		status, err := postgres.ReadStatus(t.Context(), cfg)
		if newest := fmt.Sprintf("%05d_", status.Want); err != nil || status.Have != 0 || !slices.Equal(status.Missing, files) || !strings.HasPrefix(files[len(files)-1], newest) {
			t.Errorf("ReadStatus without tables = %+v, %v, want all of %q missing", status, err, files)
		}
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if _, after, err := postgres.Migrate(t.Context(), cfg, ""); err != nil || after != status.Want {
					t.Errorf("Migrate = version %d, %v, want %d", after, err, status.Want)
				}
			})
		}
		all.Wait()
		if status, err = postgres.ReadStatus(t.Context(), cfg); err != nil || status.Have != status.Want || len(status.Missing) != 0 {
			t.Errorf("ReadStatus = %+v, %v, want nothing missing", status, err)
		}
		old := open(t, cfg.URL) // goes on while a newer version migrates
		s.Exec(t, name, `INSERT INTO warder.goose_db_version (version_id, is_applied) VALUES (99, true)`, `ALTER TABLE warder.keys ADD COLUMN newer text`)
		apply(t, old.APIKeys(), newKey(1))
		if _, err := old.APIKeys().Lookup(t.Context(), keyID(1)); err != nil {
			t.Errorf("Lookup by the old version = %v", err)
		}
		if err := openError(t, cfg); !errors.Is(err, postgres.ErrNewerSchema) {
			t.Errorf("Open of newer tables = %v, want it refused", err)
		}
		if _, _, err := postgres.Migrate(t.Context(), cfg, ""); !errors.Is(err, postgres.ErrNewerSchema) {
			t.Errorf("Migrate of newer tables = %v, want it refused", err)
		}
		s.Exec(t, name, `DELETE FROM warder.goose_db_version WHERE version_id > 0`)
		if err := openError(t, cfg); !errors.Is(err, postgres.ErrNoSchema) {
			t.Errorf("Open of tables without a version = %v, want it refused", err)
		}
	})
}

func TestTLSToTheServer(t *testing.T) {
	t.Parallel()
	ca, stranger := testcert.NewCA(t, "db"), testcert.NewCA(t, "somebody else")
	folder := t.TempDir()
	write := func(name string, content []byte) string {
		file := filepath.Join(folder, name)
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	right, wrong := write("ca.pem", ca.PEM), write("other.pem", stranger.PEM)
	server := testpostgres.Start(t, testpostgres.Options{
		Args: []string{"-c", "ssl=on", "-c", "ssl_cert_file=server.crt", "-c", "ssl_key_file=server.key"},
		Prepare: func(tb testing.TB, folder string) {
			tb.Helper()
			pair := ca.Issue(tb, testcert.Leaf{Names: []string{"db.internal"}})
			for name, content := range map[string][]byte{"server.crt": pair.Cert, "server.key": pair.Key} {
				if err := os.WriteFile(filepath.Join(folder, name), content, 0o600); err != nil {
					tb.Fatal(err)
				}
			}
		},
	})
	name := server.Database(t, prepare(t))
	server.Exec(t, "postgres", `CREATE ROLE app SUPERUSER LOGIN PASSWORD 'right'`)
	url := server.TCP("app", name)
	for query, want := range map[string]string{
		"?sslmode=verify-ca&sslrootcert=" + right:   "",
		"?sslmode=verify-full&sslrootcert=" + right: "certificate is not accepted", // it is not that of 127.0.0.1
		"?sslmode=verify-ca&sslrootcert=" + wrong:   "certificate is not accepted",
		"?sslmode=verify-full":                      "certificate is not accepted",
		"?sslmode=require":                          "",
	} {
		err := openError(t, postgres.Config{URL: url + query, Password: secret.New("right")})
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("Open(%s) = %v, want %q", query, err, want)
		}
	}
	plain := pool.Server(t) // has no TLS
	if err := openError(t, postgres.Config{URL: plain.TCP("app", "postgres") + "?sslmode=require"}); !errors.Is(err, postgres.ErrUnreachable) {
		t.Errorf("Open of a server without TLS = %v, want it refused", err)
	}
}

// A process that is stopped in the middle of a change holds the others up for no
// longer than the server lets it.
func TestAStoppedWriterIsEnded(t *testing.T) {
	t.Parallel()
	server := testpostgres.Start(t, testpostgres.Options{})
	name := server.Database(t, prepare(t))
	url := server.URL(testpostgres.Superuser, name)
	keys := open(t, url).APIKeys()
	stopped := false
	acknowledged, err := writeUntilKilled(t.Context(), url, 1, 1, 50, func(writer *os.Process) {
		_ = writer.Signal(syscall.SIGSTOP)
		stopped = true
		for n := range 3 { // whatever the writer holds
			eventually(t, "the others write", func() bool {
				_, err := keys.Apply(t.Context(), newKey(500_000+n))
				return err == nil || errors.Is(err, apikey.ErrExists)
			})
		}
		_ = writer.Kill()
	})
	if err != nil || !stopped || len(acknowledged) == 0 {
		t.Errorf("the writer was not stopped after %d changes, %v", len(acknowledged), err)
	}
}
