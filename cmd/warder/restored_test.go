package main

import (
	"context"
	"database/sql"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/client"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/testpostgres"
	"github.com/warder-dev/warder/internal/wire"
)

// refusedStart runs warder serve, which must end by itself, and returns the entry
// that it names.
func refusedStart(t *testing.T, c *exec.Cmd) string {
	t.Helper()
	over := time.AfterFunc(3*time.Minute, func() { _ = c.Process.Kill() }) // it serves: that is a failure, and no wait
	defer over.Stop()
	_, said := ranAs(t, c, exitServer)
	m := regexp.MustCompile(`--accept-restored (\d+-[0-9a-f]{8})`).FindStringSubmatch(said)
	if m == nil || !strings.Contains(said, "older state") {
		t.Fatalf("it said %q, want that the database is older, and the flag that accepts it", said)
	}
	return m[1]
}

// copyDatabase writes the state of an SQLite database to a file, as SQLite's own means do.
func copyDatabase(t *testing.T, from, to string) {
	t.Helper()
	db, err := sql.Open("sqlite", from)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), `VACUUM INTO ?`, to); err != nil {
		t.Fatal(err)
	}
}

// restoreFile puts a backup in the place of a database that nobody has open.
func restoreFile(t *testing.T, backup, db string) {
	t.Helper()
	text, err := os.ReadFile(backup)
	if err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{"-wal", "-shm"} {
		_ = os.Remove(db + suffix) // there may be none
	}
	writeFile(t, db, string(text), 0o600)
}

// TestAnOldFileIsRestored revokes a key after a backup, by the gateway or by a command
// alone, and restores the backup: the gateway does not start, whoever says that it is
// meant starts it, and his words are good for this once.
func TestAnOldFileIsRestored(t *testing.T) {
	upstream := wire.Listen(t, wire.Answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
	serving := func(ctx context.Context, folder string, args ...string) *exec.Cmd {
		return command(ctx, folder, append([]string{"serve", "--upstream", upstream.URL(), "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"}, args...)...)
	}
	for name, revoke := range map[string]func(t *testing.T, folder string, id apikey.ID){
		"a command": func(t *testing.T, folder string, id apikey.ID) {
			t.Helper()
			wantRun(t, 0, "", folder, "", "keys", "revoke", string(id))
		},
		"the gateway, which is killed": func(t *testing.T, folder string, id apikey.ID) {
			t.Helper()
			s := &served{folder: folder, process: serving(t.Context(), folder)}
			s.begin(t)
			for range 2 { // what was seen is kept each time, however soon after the last
				makeKeys(t, s.api(t), 1)
			}
			if _, err := s.api(t).RevokeKey(t.Context(), string(id), client.RevokeKeyParams{}, client.RevokeKeyRequest{Reason: "key-compromise"}); err != nil {
				t.Fatal(err)
			}
			_ = s.process.Process.Kill() // as soon as somebody was told
			_ = s.process.Wait()
		},
		"the holder, by the gateway, which is killed": func(t *testing.T, folder string, _ apikey.ID) {
			t.Helper()
			writeFile(t, filepath.Join(folder, "holder.yaml"), "holder: {path: /key}\n", 0o600)
			s := &served{folder: folder, process: serving(t.Context(), folder, "--config", "holder.yaml")}
			s.begin(t)
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.gateway+"/key/revoke", strings.NewReader(`{"reason": "key-compromise"}`))
			if err != nil {
				t.Fatal(err)
			}
			text, err := os.ReadFile(filepath.Join(folder, "key"))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("X-API-Key", string(text))
			r.Header.Set("Content-Type", "application/json")
			answer, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
			if err != nil || answer.StatusCode != http.StatusOK {
				t.Fatalf("POST /key/revoke: %v, %v", answer, err)
			}
			_ = s.process.Process.Kill()
			_ = s.process.Wait()
			_ = answer.Body.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			attack.Case(t, "FLEET-15", attack.Gateway, func(t *testing.T) {
				folder := t.TempDir()
				file, backup := filepath.Join(folder, "warder.db"), filepath.Join(t.TempDir(), "backup.db")
				_, out, _ := ran(t, folder, "", "keys", "create", "--output", "secret")
				key := strings.TrimSpace(out)
				info, err := apikey.Parse(key)
				if err != nil {
					t.Fatal(err)
				}
				writeFile(t, filepath.Join(folder, "key"), key, 0o600)
				copyDatabase(t, file, backup)
				revoke(t, folder, info.ID)
				restoreFile(t, backup, file)
				missing := refusedStart(t, serving(t.Context(), folder))
				if again := refusedStart(t, serving(t.Context(), folder, "--accept-restored", "1-00000000")); again != missing {
					t.Errorf("with another entry it names %s, want %s", again, missing)
				}
				wantRun(t, 0, "", folder, "", "keys", "create", "--name", "after") // a command does not say that the backup is meant
				if again := refusedStart(t, serving(t.Context(), folder)); again != missing {
					t.Errorf("after a command it names %s, want %s", again, missing)
				}
				s := &served{folder: folder, process: serving(t.Context(), folder, "--accept-restored", missing)}
				s.begin(t)
				if got := status(t, s.gateway, key); got != http.StatusOK {
					t.Errorf("the backup is meant, and its key gets %d", got)
				}
				_ = s.process.Process.Kill()
				_ = s.process.Wait()
				s = &served{folder: folder, process: serving(t.Context(), folder, "--accept-restored", missing)} // it stayed in a unit
				s.begin(t)
				_ = s.process.Process.Kill()
				_ = s.process.Wait()
				restoreFile(t, backup, file)
				if second := refusedStart(t, serving(t.Context(), folder, "--accept-restored", missing)); second == missing {
					t.Error("words that were said once are good for the next restore too")
				}
			})
		})
	}
}

// TestADatabaseIsRestoredUnderTheGateway restores a dump into the PostgreSQL database
// of running gateways: they answer 503, also after a restart, until somebody says that
// the old state is meant; or from then on when the configuration says so. One of them,
// which has the revocation from the other, is killed as soon as it knows.
func TestADatabaseIsRestoredUnderTheGateway(t *testing.T) {
	attack.Case(t, "FLEET-15", attack.Gateway, func(t *testing.T) {
		c := startCluster(t, testpostgres.Options{})
		c.owner(t, 0, "migrate", "up", "--app-role", "warder_app")
		upstream := wire.Listen(t, wire.Answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
		writeFile(t, filepath.Join(c.folder, "follow.yaml"), "keys: {insecure_follow_restored: true}\n", 0o600)
		s, killed := c.node(t, upstream.URL()), c.nodeIn(t, t.TempDir(), upstream.URL())
		keys := makeKeys(t, s.api(t), 2)
		revoked, other := keys[0].Text.Reveal(), keys[1].Text.Reveal()
		dump := filepath.Join(t.TempDir(), "dump.sql")
		c.tool(t, "pg_dump", "--schema=warder", "--clean", "--if-exists", "--file", dump)
		if _, err := s.api(t).RevokeKey(t.Context(), keys[0].Key.ID, client.RevokeKeyParams{Wait: "30s"}, client.RevokeKeyRequest{Reason: "key-compromise"}); err != nil {
			t.Fatal(err)
		}
		holder := newKeyHolder(t)
		for _, node := range []*served{s, killed} {
			eventually(t, "401 for the revoked key", func() bool { return holder.status(t, node, revoked) == http.StatusUnauthorized })
		}
		c.tool(t, "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "--single-transaction", "--file", dump)
		eventually(t, "a node knows that the database is older", func() bool { return strings.Contains(killed.metrics(t), "\nwarder_database_restored 1\n") })
		_ = killed.process.Process.Kill()
		_ = killed.process.Wait()
		again := c.command(t.Context(), "warder_app", appPassword, "serve", "--upstream", upstream.URL(), "--listen", "127.0.0.1:0", "--admin-listen", "off")
		again.Dir = killed.folder
		refusedStart(t, again)
		eventually(t, "503 for a good key", func() bool { return holder.status(t, s, other) == http.StatusServiceUnavailable })
		for range 20 {
			for _, key := range []string{revoked, other} {
				if got := holder.status(t, s, key); got != http.StatusServiceUnavailable {
					t.Fatalf("after the restore a key gets %d, want 503", got)
				}
			}
			<-time.After(50 * time.Millisecond)
		}
		if code, body, err := fetch("http://"+s.admin+"/readyz", nil); err != nil || code != http.StatusServiceUnavailable || !strings.Contains(string(body), "changes that this node has seen") {
			t.Errorf("/readyz = %d %s, %v, want 503 and why", code, body, err)
		}
		if _, err := s.api(t).CreateKey(t.Context(), client.CreateKeyParams{}, client.KeySpec{}); err == nil {
			t.Error("keys are made in a state that nobody confirmed")
		}
		if !strings.Contains(s.metrics(t), "\nwarder_database_restored 1\n") {
			t.Error("the metrics do not tell")
		}
		_ = s.process.Process.Kill()
		_ = s.process.Wait()
		missing := refusedStart(t, c.command(t.Context(), "warder_app", appPassword, "serve", "--upstream", upstream.URL(), "--listen", "127.0.0.1:0", "--admin-listen", "off"))
		id := keys[0].Key.ID
		c.app(t, 0, "keys", "revoke", id) // once more, before the gateway starts
		s = c.node(t, upstream.URL(), "--accept-restored", missing)
		if got := holder.status(t, s, other); got != http.StatusOK {
			t.Errorf("the restore is meant, and a good key gets %d", got)
		}
		if got := holder.status(t, s, revoked); got != http.StatusUnauthorized {
			t.Errorf("a key that was revoked once more gets %d", got)
		}
		follower := c.node(t, upstream.URL(), "--config", "follow.yaml")
		c.tool(t, "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "--single-transaction", "--file", dump)
		eventually(t, "the follower lets the key in again", func() bool { return holder.status(t, follower, revoked) == http.StatusOK })
		// It may have looked the key up before it noticed, and answers 503 while it asks.
		eventually(t, "the follower lets a good key in", func() bool { return holder.status(t, follower, other) == http.StatusOK })
	})
}

// tool runs one of PostgreSQL's own on the database, as the role that owns the tables.
func (c *cluster) tool(t *testing.T, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, append(args, "--dbname", c.server.TCP("warder_owner", "warder"))...)
	cmd.Env = append(os.Environ(), "PGPASSWORD="+ownerPassword)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", name, err, out)
	}
}
