package config_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/warder-dev/warder/internal/config"
)

func TestAddressOfPostgres(t *testing.T) {
	const canary = "hunter2canary"
	for _, tt := range []struct{ name, db, more, want string }{
		{"a socket", "postgres:///warder?host=/run/postgresql", "", ""},
		{"loopback without TLS", "postgres://app@127.0.0.1/warder?sslmode=disable", "", ""},
		{"beyond, verified", "postgres://app@db.internal/warder", "", ""},
		{"several", "postgres://app@a:5433,b/warder", "", ""},
		{"beyond, in clear text", "postgres://app@db.internal/warder?sslmode=disable", "", "warder.yaml:2:5: db: connects beyond this machine without TLS; take sslmode away, or set it to verify-full"},
		{"beyond, perhaps in clear text", "postgres://app@127.0.0.1,db.internal/warder?sslmode=prefer", "", "warder.yaml:2:5: db: connects beyond this machine without TLS; take sslmode away, or set it to verify-full"},
		{"in clear text on purpose", "postgres://app@db.internal/warder?sslmode=disable", "postgres: {insecure_clear_text: true}\n", ""},
		{"a password in the file", "postgres://app:" + canary + "@127.0.0.1/warder", "", "warder.yaml:2:5: db: holds a password, which does not belong in this file; write postgres.password: ${VARIABLE} or file:/path"},
		{"a password as a parameter", "postgres://app@127.0.0.1/warder?password=" + canary, "", "warder.yaml:2:5: db: holds a password, which does not belong in this file; write postgres.password: ${VARIABLE} or file:/path"},
		{"no database", "postgres://app@" + canary, "", "warder.yaml:2:5: db: names no database: write it like postgres://user@host/database"},
		{"no host", "postgres:///warder", "", "warder.yaml:2:5: db: names no host: write it like postgres://user@host/database, or ?host=/var/run/postgresql for a socket"},
		{"a wrong port", "postgres://app@h:" + canary + "/warder", "", "warder.yaml:2:5: db: has a host or port that cannot be read"},
		{"what could change statements", "postgres://app@127.0.0.1/warder?options=-csearch_path=" + canary, "", "warder.yaml:2:5: db: has a parameter that warder does not take; it takes host, port, user, dbname, password, sslmode, sslrootcert, sslcert, sslkey, sslsni, passfile, connect_timeout, application_name, channel_binding, pool_max_conns, pool_min_conns, pool_max_conn_lifetime, pool_max_conn_idle_time"},
		{"twice", "postgres://app@127.0.0.1/warder?sslmode=require&sslmode=disable", "", "warder.yaml:2:5: db: gives a parameter twice"},
		{"another mode", "postgres://app@127.0.0.1/warder?sslmode=" + canary, "", "warder.yaml:2:5: db: has an sslmode that is none of disable, prefer, require, verify-ca and verify-full"},
		{"a password for a file", "./warder.db", "postgres: {password: '${SECRET}'}\n", "warder.yaml:3:22: postgres.password: has no effect on a database that is a file; set db: postgres://user@host/database"},
		{"two passwords", "${WHOLE}", "postgres: {password: '${SECRET}'}\n", "warder.yaml:3:22: postgres.password: is given together with a password in db; keep one of them"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := load(t, shorthand+"db: '"+tt.db+"'\n"+tt.more, config.Source{Environ: []string{"SECRET=" + canary, "WHOLE=postgres://app:" + canary + "@127.0.0.1/warder"}})
			if tt.want == "" && err == nil {
				return
			}
			wantErrors(t, err, tt.want)
			if strings.Contains(err.Error(), canary) {
				t.Errorf("the error shows what was given: %v", err)
			}
		})
	}
}

// A password in an address that the environment gives is taken out of it, and shown
// nowhere.
func TestPasswordOfPostgresIsHidden(t *testing.T) {
	const canary = "hunter2canary"
	for name, src := range map[string]struct {
		file string
		src  config.Source
	}{
		"by WARDER_DB":    {shorthand, config.Source{Environ: []string{"WARDER_DB=postgres://app:" + canary + "@127.0.0.1:5433/warder"}}},
		"by substitution": {shorthand + "db: ${DB}\n", config.Source{Environ: []string{"DB=postgresql://app:" + canary + "@127.0.0.1:5433/warder"}}},
		"in a part":       {shorthand + "db: postgres://app:${PW}@127.0.0.1:5433/warder\n", config.Source{Environ: []string{"PW=" + canary}}},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := load(t, src.file, src.src)
			if err != nil {
				t.Fatal(err)
			}
			if c.Postgres.Password.Reveal() != canary || c.DB != "postgres://app@127.0.0.1:5433/warder?sslmode=prefer" {
				t.Errorf("db = %s, want the address without the password", c.DB)
			}
			var out bytes.Buffer
			if err := c.Print(&out); err != nil || strings.Contains(out.String(), canary) || !strings.Contains(out.String(), "[secret]") {
				t.Errorf("Print = %s, %v, want the password as a secret", out.String(), err)
			}
		})
	}
	_, err := load(t, shorthand, config.Source{Flags: map[string]string{"db": "postgres://app:" + canary + "@127.0.0.1/warder"}})
	wantErrors(t, err, "--db: holds a password, and a flag is no place for a secret: other users see it in the list of processes; use WARDER_DB, or postgres.password")
}

func TestFindingsOfPostgres(t *testing.T) {
	for db, want := range map[string]string{
		"postgres://app@db.internal/warder":                     "",
		"postgres://app@127.0.0.1/warder?sslmode=disable":       "",
		"postgres://app@db.internal/warder?sslmode=require":     "warder.yaml:2: db: whoever is on the way to the database can stand in for it: sslmode require does not check its name; set sslmode=verify-full",
		"postgres://app@db.internal/warder?sslmode=verify-ca":   "warder.yaml:2: db: whoever is on the way to the database can stand in for it: sslmode verify-ca does not check its name; set sslmode=verify-full",
		"postgres://app@db.internal/warder?sslmode=verify-full": "",
	} {
		if got := strings.Join(weak(t, shorthand+"db: '"+db+"'\n"), "\n"); got != want {
			t.Errorf("%s: findings %q, want %q", db, got, want)
		}
	}
	clear := weak(t, shorthand+"db: 'postgres://app@db.internal/warder?sslmode=disable'\npostgres: {insecure_clear_text: true}\n")
	if len(clear) != 1 || !strings.Contains(clear[0], "postgres.insecure_clear_text: whoever is on the way reads the password") {
		t.Errorf("in clear text: findings %q, want what it costs", clear)
	}
}

func TestFilesBesideTheDatabase(t *testing.T) {
	const db = "db: postgres://app@127.0.0.1/warder\n"
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "peppers"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string][2]string{
		shorthand + "db: ./a.db\n": {"./a.db.peppers", "./a.db.admin"},
		shorthand + db:             {"./warder.peppers", "warder.admin"},
		shorthand + db + "peppers: {file: '" + folder + "/peppers'}\n": {folder + "/peppers", folder + "/warder.admin"},
		shorthand + db + "peppers: {value: '${PEPPERS}'}\n":            {"", "./warder.admin"},
	} {
		c, err := load(t, file, config.Source{Environ: []string{"PEPPERS=x"}})
		if err != nil {
			t.Fatal(err)
		}
		if got := [2]string{c.Peppers.File, c.Beside(".admin")}; got != want {
			t.Errorf("%s: %q, want %q", file, got, want)
		}
	}
}
