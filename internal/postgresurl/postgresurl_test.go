package postgresurl_test

import (
	"strings"
	"testing"

	"github.com/warder-dev/warder/internal/postgresurl"
)

func TestParse(t *testing.T) {
	for _, tt := range []struct{ text, url, name, password string }{
		{"postgres://app@db.internal/warder", "postgres://app@db.internal:5432/warder?sslmode=verify-full", "db.internal:5432/warder", ""},
		{"postgresql://app:p%40ss%2F@127.0.0.1:5433/warder", "postgres://app@127.0.0.1:5433/warder?sslmode=prefer", "127.0.0.1:5433/warder", "p@ss/"},
		{"postgres://app:a@b@localhost/warder", "postgres://app@localhost:5432/warder?sslmode=prefer", "localhost:5432/warder", "a@b"},
		{"postgres://[::1]:5/warder", "postgres://[::1]:5/warder?sslmode=prefer", "[::1]:5/warder", ""},
		{"postgres://[2001:db8::1]/warder?sslmode=require", "postgres://[2001:db8::1]:5432/warder?sslmode=require", "[2001:db8::1]:5432/warder", ""},
		{"postgres:///warder?host=/run/postgresql&user=app&password=x", "postgres://app@/warder?host=%2Frun%2Fpostgresql&port=5432&sslmode=prefer", "/run/postgresql/warder", "x"},
		{"postgres://%2Frun%2Fpostgresql/warder", "postgres:///warder?host=%2Frun%2Fpostgresql&port=5432&sslmode=prefer", "/run/postgresql/warder", ""},
		{"postgres://a,b:7/warder", "postgres:///warder?host=a%2Cb&port=5432%2C7&sslmode=verify-full", "a:5432,b:7/warder", ""},
		{"postgres:///warder?host=a,b&port=1,2", "postgres:///warder?host=a%2Cb&port=1%2C2&sslmode=verify-full", "a:1,b:2/warder", ""},
		{"postgres://a/?dbname=warder", "postgres://a:5432/warder?sslmode=verify-full", "a:5432/warder", ""},
	} {
		a, password, err := postgresurl.Parse(tt.text)
		if err != nil || a.URL() != tt.url || a.Name() != tt.name || password != tt.password {
			t.Errorf("Parse(%q) = %q named %q with password %q, %v, want %q named %q with %q", tt.text, a.URL(), a.Name(), password, err, tt.url, tt.name, tt.password)
		}
	}
	for _, text := range []string{
		"", "warder.db", "mysql://a/b", "postgres:/a/b", "postgres://", "postgres://a", "postgres://a/", "postgres:///b", "postgres://a/b/c", "postgres://a/b#c", "postgres://a/b\x00",
		"postgres://a:0/b", "postgres://a:65536/b", "postgres://a:x/b", "postgres://a,/b", "postgres://%zz/b", "postgres://u%zz@a/b", "postgres://u:%zz@a/b", "postgres://a/%zz",
		"postgres://a/b?%zz", "postgres://a/b?sslmode=", "postgres://a/b?sslmode=allow", "postgres://a/b?sslmode=require&sslmode=disable", "postgres://a/b?host=c", "postgres://a,b/c?port=1,2,3",
		"postgres://a/b?service=c", "postgres://a/b?options=c", "postgres://a/b?search_path=c", "postgres://a/b?default_query_exec_mode=simple_protocol", "postgres://a/b?target_session_attrs=any",
		"postgres://a/b?statement_timeout=0",
	} {
		if a, _, err := postgresurl.Parse(text); err == nil && text != "postgres://a/b?sslmode=" {
			t.Errorf("Parse(%q) = %q, want an error", text, a.URL())
		}
	}
}

func TestLocalAndSafe(t *testing.T) {
	for text, want := range map[string][3]bool{ // local, in clear text, unverified
		"postgres://127.0.0.1/b?sslmode=disable":        {true, false, false},
		"postgres://[::ffff:127.0.0.1]/b":               {true, false, false},
		"postgres:///b?host=/tmp":                       {true, false, false},
		"postgres://127.0.0.1,10.0.0.1/b":               {false, false, false},
		"postgres://10.0.0.1/b?sslmode=prefer":          {false, true, true},
		"postgres://localhost.evil/b?sslmode=verify-ca": {false, false, true},
	} {
		a, _, err := postgresurl.Parse(text)
		if got := [3]bool{a.Local(), a.ClearText(), a.Unverified()}; err != nil || got != want {
			t.Errorf("%s: local, clear text, unverified = %v, %v, want %v", text, got, err, want)
		}
	}
}

// What an address says, its text without a password says too; an error says nothing
// of what was given.
func FuzzParse(f *testing.F) {
	for _, text := range []string{"postgres://u:pw@a:1,b/c?sslmode=require", "postgres:///c?host=/x&port=7", "postgres://u%40:p%3a@[::1]:5/d%20d", "postgresql://a/b?pool_max_conns=3"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, _, err := postgresurl.Parse(text)
		if err != nil {
			const canary = "hunter2canary"
			if _, _, err := postgresurl.Parse(text + canary); err != nil && strings.Contains(err.Error(), canary) {
				t.Errorf("Parse(%q) = %v, which repeats it", text+canary, err)
			}
			return
		}
		again, password, err := postgresurl.Parse(a.URL())
		if err != nil || password != "" || again.URL() != a.URL() || again.Name() != a.Name() || again.Local() != a.Local() || again.SSLMode != a.SSLMode || again.User != a.User {
			t.Errorf("Parse(%q).URL() = %q, which reads as %q with password %q, %v", text, a.URL(), again.URL(), password, err)
		}
	})
}
