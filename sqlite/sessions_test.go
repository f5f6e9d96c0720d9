package sqlite_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/session"
	"github.com/warder-dev/warder/session/sessiontest"
	"github.com/warder-dev/warder/sqlite"
)

func TestSessions(t *testing.T) {
	sessiontest.TestStore(t, func(t *testing.T) session.Store {
		t.Helper()
		return open(t, newPath(t)).Sessions()
	})
}

// newSession returns the nth session of a test.
func newSession(n int) session.Record {
	now := time.Now().Truncate(time.Microsecond)
	r := session.Record{
		User:    session.User{Issuer: "password", Subject: "ada", Scopes: exchange.PatternScopes("orders:*"), AuthenticatedAt: now},
		Created: now, LastUsed: now, IdleExpires: now.Add(time.Hour), Expires: now.Add(time.Hour),
	}
	r.Digest[0], r.Digest[1], r.Digest[31] = byte(n), byte(n>>8), 1
	return r
}

func TestSessionsWithoutAnAnswer(t *testing.T) {
	attack.Case(t, "SESS-07", attack.Library, func(t *testing.T) {
		const asIs = `CREATE TABLE s AS SELECT * FROM sessions; DROP TABLE sessions; ALTER TABLE s RENAME TO sessions;`
		for name, query := range map[string]string{
			"time is a text":       asIs + `UPDATE sessions SET expires = 'canary'`,
			"expiry is missing":    asIs + `UPDATE sessions SET idle_expires = NULL`,
			"user is no JSON":      asIs + `UPDATE sessions SET user = 'canary'`,
			"user is missing":      asIs + `UPDATE sessions SET user = NULL`,
			"scopes are numbers":   asIs + `UPDATE sessions SET user = '{"scopes":[1]}'`,
			"subject is empty":     asIs + `UPDATE sessions SET subject = ''`,
			"former is cut":        asIs + `UPDATE sessions SET former = x'01'`,
			"former has no rights": asIs + `UPDATE sessions SET former = zeroblob(32)`,
			"a column is missing":  `ALTER TABLE sessions DROP COLUMN revision`,
			"the table is missing": `DROP TABLE sessions`,
		} {
			t.Run(name, func(t *testing.T) {
				path := newPath(t)
				store := open(t, path).Sessions()
				if err := store.Create(t.Context(), newSession(1)); err != nil {
					t.Fatal(err)
				}
				execRaw(t, path, query)
				wantNoSession(t.Context(), t, store)
			})
		}
		t.Run("closed", func(t *testing.T) {
			db := mustOpen(t, newPath(t))
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			wantNoSession(t.Context(), t, db.Sessions())
		})
		t.Run("the file was replaced", func(t *testing.T) {
			path := newPath(t)
			store := open(t, path).Sessions()
			if err := store.Create(t.Context(), newSession(1)); err != nil {
				t.Fatal(err)
			}
			remove(t, path)
			wantNoSession(t.Context(), t, store)
			if err := store.Create(t.Context(), newSession(2)); !errors.Is(err, sqlite.ErrReplaced) {
				t.Errorf("Create = %v, want ErrReplaced", err)
			}
		})
	})
}

// wantNoSession reports that Lookup answered, or quoted what is stored.
func wantNoSession(ctx context.Context, t *testing.T, store *sqlite.Sessions) {
	t.Helper()
	r, err := store.Lookup(ctx, newSession(1).Digest)
	if err == nil || errors.Is(err, session.ErrNotFound) || r.User.Subject != "" || strings.Contains(err.Error(), "canary") {
		t.Errorf("Lookup = %q, %v, want an error that is no answer and quotes nothing", r.User.Subject, err)
	}
}

// What is in the files is the digest of an id, and the id in no encoding.
func TestNoSessionIDInAnyFile(t *testing.T) {
	attack.Case(t, "SESS-08", attack.Library, func(t *testing.T) {
		path := newPath(t)
		m, err := session.New(session.Config{Store: open(t, path).Sessions(), Log: discard()})
		if err != nil {
			t.Fatal(err)
		}
		user := session.User{Issuer: "password", Subject: "ada"}
		id := func(change func(w http.ResponseWriter, r *http.Request) error, cookie string) string {
			w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", nil)
			r.Header.Set("Cookie", m.Cookie()+"="+cookie)
			if err := change(w, r); err != nil {
				t.Fatal(err)
			}
			c, err := http.ParseSetCookie(w.Header().Get("Set-Cookie"))
			if err != nil {
				t.Fatal(err)
			}
			return c.Value
		}
		first := id(func(w http.ResponseWriter, r *http.Request) error { return m.Login(w, r, user) }, "")
		second := id(func(w http.ResponseWriter, r *http.Request) error { return m.Rotate(w, r, nil) }, first)
		content := slices.Concat(contentOf(t, path), contentOf(t, path+"-wal"))
		for _, text := range []string{first, second} {
			raw, err := base64.RawURLEncoding.DecodeString(text)
			if err != nil || len(raw) < 16 {
				t.Fatalf("an id has %d bytes, %v", len(raw), err)
			}
			if found := encodingsIn(content, text); !slices.Equal(found, []string{"sha-256"}) || bytes.Contains(content, raw) {
				t.Errorf("encodings of an id in the files = %q, want its digest only", found)
			}
		}
	})
}

func TestSessionTextThatWouldNotComeBackIsRefused(t *testing.T) {
	store := open(t, newPath(t)).Sessions()
	for name, edit := range map[string]func(*session.User){
		"NUL in the subject":      func(u *session.User) { u.Subject = "a\x00b" },
		"no UTF-8 in the issuer":  func(u *session.User) { u.Issuer = "\xff" },
		"no UTF-8 in the name":    func(u *session.User) { u.Name = "\xff" },
		"a claim that is no JSON": func(u *session.User) { u.Claims = map[string]any{"a": func() {}} },
	} {
		r := newSession(1)
		edit(&r.User)
		if err := store.Create(t.Context(), r); err == nil || errors.Is(err, session.ErrExists) {
			t.Errorf("%s: Create = %v, want an error of its own", name, err)
		}
		good := newSession(1)
		if err := store.Replace(t.Context(), good, r); err == nil || errors.Is(err, session.ErrNotFound) {
			t.Errorf("%s: Replace = %v, want an error of its own", name, err)
		}
	}
}

// Every look-up goes by an index, however many sessions there are.
func TestSessionQueriesUseIndexes(t *testing.T) {
	path := newPath(t)
	open(t, path)
	for _, where := range []string{
		`SELECT * FROM sessions WHERE digest = x'01' OR former = x'01'`,
		`SELECT * FROM sessions WHERE issuer = 'a' AND subject = 'b' ORDER BY last_used`,
		`SELECT digest FROM sessions WHERE min(idle_expires, expires) <= 1 LIMIT 10`,
	} {
		for _, detail := range plan(t, openRaw(t, path), where) {
			if strings.HasPrefix(detail, "SCAN") {
				t.Errorf("%s: %s", where, detail)
			}
		}
	}
}

// plan returns the steps in which db would answer query.
func plan(t *testing.T, db *sql.DB, query string) (steps []string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), `EXPLAIN QUERY PLAN `+query)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			t.Fatal(err)
		}
		steps = append(steps, detail)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return steps
}

func BenchmarkSessionLookup(b *testing.B) {
	const n = 10_000
	path := newPath(b)
	store := open(b, path).Sessions()
	if err := store.Create(b.Context(), newSession(0)); err != nil {
		b.Fatal(err)
	}
	execRaw(b, path, `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
		INSERT INTO sessions SELECT randomblob(32), 1, issuer, 'user' || i, user, created, last_used, idle_expires, expires, NULL, NULL, NULL FROM sessions, n`)
	d := newSession(0).Digest
	ctx, cancel := context.WithTimeout(b.Context(), time.Hour) // as a request has one
	defer cancel()
	b.Run("known", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := store.Lookup(ctx, d); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("unknown", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := store.Lookup(ctx, session.Digest{n & 0xff}); !errors.Is(err, session.ErrNotFound) {
				b.Fatal(err)
			}
		}
	})
}
