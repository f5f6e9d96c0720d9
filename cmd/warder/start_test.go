package main

import (
	"bufio"
	"context"
	"database/sql"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite" // the database is filled behind the program's back

	"github.com/warder-dev/warder/internal/wire"
)

// BenchmarkColdStart measures the time from the start of the process, with
// 100,000 keys in the database, to the first answered request with a key:
// PERFORMANCE wants 150 ms at most.
func BenchmarkColdStart(b *testing.B) {
	upstream := wire.Listen(b, wire.Answer(wire.OK))
	folder := b.TempDir()
	out, err := command(b.Context(), folder, "keys", "create", "--output", "secret").Output()
	if err != nil {
		b.Fatal(err)
	}
	key := strings.TrimSpace(string(out))
	fill(b, filepath.Join(folder, "warder.db"), 100_000)
	for b.Loop() {
		firstAnswer(b, folder, upstream.URL(), key)
	}
}

// fill adds copies of the one key under other ids, in one transaction.
func fill(b *testing.B, file string, n int) {
	b.Helper()
	db, err := sql.Open("sqlite", file)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	const numbers = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) `
	for _, statement := range []string{
		`INSERT INTO changes (key_id) ` + numbers + `SELECT printf('%012d', i) FROM n`,
		`INSERT INTO keys (id, prefix, environment, name, owner, scopes, created, expires, disabled, revoked, reason, revision) SELECT c.key_id, prefix, environment, name, owner, scopes, created, expires, disabled, revoked, reason, c.revision
			FROM keys k, changes c WHERE k.revision = 1 AND c.revision > ? * 0 + 1`,
		`INSERT INTO secrets (key_id, position, digest, pepper, created, retires) SELECT k.id, 0, s.digest, s.pepper, s.created, s.retires FROM keys k, secrets s WHERE k.revision > ? * 0 + 1 AND s.key_id NOT LIKE '0000000%'`,
	} {
		if _, err := db.ExecContext(b.Context(), statement, n); err != nil {
			b.Fatal(err)
		}
	}
	var keys, secrets int
	row := db.QueryRowContext(b.Context(), `SELECT (SELECT count(*) FROM keys), (SELECT count(*) FROM secrets)`)
	if err := row.Scan(&keys, &secrets); err != nil || keys != n+1 || secrets != n+1 {
		b.Fatalf("%d keys, %d secrets, %v, want %d", keys, secrets, err, n+1)
	}
}

// firstAnswer starts the program, asks until a request passes, and stops it.
func firstAnswer(b *testing.B, folder, upstream, key string) {
	b.Helper()
	ctx, cancel := context.WithCancel(b.Context())
	c := command(ctx, folder, "serve", "--upstream", upstream, "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--log-file", "warder.log")
	stderr, err := c.StderrPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := c.Start(); err != nil {
		b.Fatal(err)
	}
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		m := addressLine().FindStringSubmatch(lines.Text())
		if m == nil || m[1] != "gateway" {
			continue
		}
		status, _, err := fetch("http://"+m[2]+"/a", []string{"X-API-Key: " + key})
		if err != nil || status != http.StatusOK {
			b.Fatalf("the first answer is %d, %v", status, err)
		}
		break
	}
	b.StopTimer()
	cancel()
	_ = c.Wait() // killed
	<-time.After(10 * time.Millisecond)
	b.StartTimer()
}
