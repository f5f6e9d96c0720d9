package server_test

import (
	"crypto/sha256"
	"database/sql"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver

	"github.com/warder-dev/warder/account/login"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/hostile"
	"github.com/warder-dev/warder/internal/server"
	"github.com/warder-dev/warder/internal/testpostgres"
	"github.com/warder-dev/warder/postgres"
)

// A vault is a database of a program that is attacked, as somebody beside it reads it.
type vault struct {
	db *sql.DB

	names    string // query of the tables
	changed  string // of what is another one after each transaction of others
	schema   string // of all that tables are made of
	rows     func(table string) string
	wrong    string                      // of what is damaged; "" where the server has no such query
	executed func(t *testing.T) []string // the statements that the server was asked to run; nil where it does not tell
}

// onSQLite is the program's own file, which is read once the program runs.
func onSQLite(*testing.T) (*vault, func(*server.Options)) {
	return &vault{
		names:   `SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name`,
		changed: `PRAGMA data_version`,
		schema:  `SELECT coalesce(sql, name) FROM sqlite_schema ORDER BY name`,
		rows:    func(table string) string { return `SELECT * FROM "` + table + `"` },
		wrong:   `PRAGMA integrity_check`,
	}, nil
}

// onPostgres starts a server that writes down every statement which it is asked to run.
func onPostgres(t *testing.T) (*vault, func(*server.Options)) {
	t.Helper()
	s := testpostgres.Start(t, testpostgres.Options{Args: []string{"-c", "log_statement=all", "-c", "log_min_messages=log", "-c", "log_line_prefix=%a "}})
	log := slog.New(slog.DiscardHandler)
	url := s.URL(testpostgres.Superuser, s.Database(t, nil))
	if _, _, err := postgres.Migrate(t.Context(), postgres.Config{URL: url, Log: log}, ""); err != nil {
		t.Fatal(err)
	}
	db, err := postgres.Open(t.Context(), postgres.Config{URL: url, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeAll(t, db.Close) })
	v := &vault{
		names:   `SELECT relname FROM pg_class WHERE relnamespace = 'warder'::regnamespace AND relkind = 'r' ORDER BY relname`,
		changed: `SELECT pg_current_wal_lsn()::text`,
		schema: `SELECT table_name || ' ' || column_name || ' ' || data_type FROM information_schema.columns WHERE table_schema NOT IN ('pg_catalog', 'information_schema')
			UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'warder' UNION ALL SELECT tgname FROM pg_trigger UNION ALL SELECT rolname FROM pg_roles
			UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = 'warder'::regnamespace ORDER BY 1`,
		rows:     func(table string) string { return `SELECT t::text FROM warder."` + table + `" t ORDER BY 1` },
		executed: func(t *testing.T) []string { t.Helper(); return statementsOf(t, filepath.Join(s.Folder, "log")) },
	}
	v.open(t, "pgx", url+"&search_path=warder&application_name=warder")
	return v, func(o *server.Options) {
		o.Store, o.Registry, o.Sessions, o.Credits, o.Outbox = db.APIKeys(), db.Nodes(), db.Sessions(), db.Credits(), db.Outbox()
		o.Owners = db.Owners()
		o.Portal, o.Accounts, o.Usage, o.Audit.Store, o.Attempts = db.Portal(), db.Accounts(), db.Usage(), db.Audit(), db.Attempts(0)
	}
}

func (v *vault) open(t *testing.T, driver, address string) {
	t.Helper()
	var err error
	if v.db, err = sql.Open(driver, address); err != nil {
		t.Fatal(err)
	}
	v.db.SetMaxOpenConns(1) // whose data_version is compared
	t.Cleanup(func() { closeAll(t, v.db.Close) })
}

// statementsOf reads the log of a server: the statements of the program, and of whoever
// says to be it, each once.
func statementsOf(t *testing.T, path string) (all []string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	begins := regexp.MustCompile(`^(\S*) LOG:  (?:statement|execute [^:]*): `)
	more := false // of the statement, whose further lines begin with a tab
	for line := range strings.SplitSeq(string(text), "\n") {
		switch m := begins.FindStringSubmatch(line); {
		case m != nil:
			if more = m[1] == "warder"; more {
				all = append(all, strings.TrimPrefix(line, m[0]))
			}
		case more && strings.HasPrefix(line, "\t"):
			all[len(all)-1] += "\n" + line[1:]
		default:
			more = false
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// volatile are the tables that the program writes by itself while it runs.
func volatile(table string) bool {
	return table == "nodes" || table == "sqlite_sequence" || strings.HasPrefix(table, "usage_") || strings.HasPrefix(table, "sqlite_stat")
}

func (v *vault) tables(t *testing.T) []string {
	t.Helper()
	return v.column(t, v.names)
}

// stored is a digest of each table's rows, and how many they are.
func (v *vault) stored(t *testing.T) (digests map[string]string, rows map[string]int) {
	t.Helper()
	digests, rows = map[string]string{}, map[string]int{}
	for _, name := range v.tables(t) {
		if volatile(name) {
			continue
		}
		h := sha256.New()
		rows[name] = v.write(t, h, name)
		digests[name] = fmt.Sprintf("%x", h.Sum(nil))
	}
	h := sha256.New()
	for _, text := range v.column(t, v.schema) {
		_, _ = io.WriteString(h, text+"\n")
	}
	digests["(the schema)"] = fmt.Sprintf("%x", h.Sum(nil))
	return digests, rows
}

func (v *vault) column(t *testing.T, query string) (all []string) {
	t.Helper()
	rows, err := v.db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var one string
		if err := rows.Scan(&one); err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// write writes the rows of a table to h, in their order.
func (v *vault) write(t *testing.T, h io.Writer, table string) (n int) {
	t.Helper()
	rows, err := v.db.QueryContext(t.Context(), v.rows(table))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	values := make([]any, len(columns))
	for i := range values {
		values[i] = new(any)
	}
	for ; rows.Next(); n++ {
		if err := rows.Scan(values...); err != nil {
			t.Fatal(err)
		}
		for _, value := range values {
			_, _ = fmt.Fprintf(h, "%v|", *value.(*any)) //nolint:errcheck,forcetypeassert // made above
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return n
}

// version is another one after each transaction of others.
func (v *vault) version(t *testing.T) string {
	t.Helper()
	return v.column(t, v.changed)[0]
}

// accounted are the tables that have exactly as many rows as the audit log says, to the
// query of those that it does not explain.
func accounted() map[string]string {
	return map[string]string{
		"keys":       `SELECT (SELECT count(*) FROM keys) - (SELECT count(*) FROM audit WHERE kind = 'key' AND op IN ('create', 'import')) + (SELECT count(*) FROM audit WHERE kind = 'key' AND op = 'delete')`,
		"changes":    `SELECT (SELECT count(*) FROM changes) - (SELECT count(*) FROM audit WHERE kind = 'key')`,
		"accounts":   `SELECT (SELECT count(*) FROM accounts) - (SELECT count(*) FROM audit WHERE kind = 'account' AND op = 'create') + (SELECT count(*) FROM audit WHERE kind = 'account' AND op = 'remove')`,
		"admin_keys": `SELECT (SELECT count(*) FROM admin_keys) - (SELECT count(*) FROM audit WHERE op = 'create-key')`,
	}
}

// injected sends texts that end, widen or add a statement to every place that takes one.
func (b *besieged) injected(t *testing.T, operations []*besiegedOperation) {
	t.Helper()
	kept := b.aim(t, &besiegedOperation{method: http.MethodGet, path: "/v1/keys/{id}", ID: "getKey"})
	_, before := b.vault.stored(t)
	for _, o := range operations {
		b.statements(t, o)
	}
	b.besides(t)
	digests, after := b.vault.stored(t)
	for name, n := range before {
		if after[name] < n && name != "attempts" { // which are forgotten
			t.Errorf("%s has %d rows, and had %d", name, after[name], n)
		}
	}
	if len(digests) != len(before)+1 {
		t.Errorf("there were %d tables, and are %d", len(before), len(digests)-1)
	}
	for table, unexplained := range accounted() {
		if got := b.vault.column(t, unexplained); got[0] != "0" || after[table] <= before[table] {
			t.Errorf("%s has %d rows, and had %d: %s of them are in no entry of the audit log", table, after[table], before[table], got[0])
		}
	}
	if answer := b.send(t, kept.o, kept.path, nil); answer.status != http.StatusOK || !strings.Contains(answer.text, `"active"`) {
		t.Errorf("a key that nobody asked about: %d %s", answer.status, answer.text)
	}
	if b.vault.wrong != "" {
		if got := b.vault.column(t, b.vault.wrong); !slices.Equal(got, []string{"ok"}) {
			t.Errorf("the database is %q", got)
		}
	}
	if all := len(hostile.Statements()) + len(hostile.Templates()); b.texts < all {
		t.Errorf("only %d of %d texts were sent", b.texts, all)
	}
}

// marked sends an operation with a text as its mark: it is one like any other, and the
// same request is answered alike.
func (b *besieged) marked(t *testing.T, a *aim, name, text string) {
	t.Helper()
	if reached()[a.o.ID] != nil {
		return // it is refused in any case
	}
	mark := newWord() + text // nobody has it
	what := fmt.Sprintf("%s: %s: %s", a.o.ID, name, mark)
	first := b.header(t, a, name, mark)
	if again := b.header(t, a, name, mark); first.status/100 != 2 || again.status != first.status {
		t.Errorf("%s: %d %.300s, and again %d %.300s", what, first.status, first.text, again.status, again.text)
	}
}

// besides sends every text in the fields that any request may have.
func (b *besieged) besides(t *testing.T) {
	t.Helper()
	list := &besiegedOperation{ID: "listKeys", method: http.MethodGet, path: "/v1/keys"}
	me := &besiegedOperation{ID: "me", method: http.MethodGet, path: "/v1/account/me"}
	refused := []int{http.StatusUnauthorized, http.StatusBadRequest}
	for _, text := range slices.Concat(hostile.Statements(), hostile.Templates()) {
		line := strings.ReplaceAll(text, "\n", " ")
		for _, tt := range []struct {
			o      *besiegedOperation
			want   []int
			fields []string
		}{
			{list, refused, []string{"Authorization", "Bearer " + line}},
			{list, refused, []string{"Authorization", line}},
			{list, []int{http.StatusOK}, []string{"User-Agent", line, "Referer", line, "X-Request-Id", line, "Accept-Language", line, "If-None-Match", line}},
			{me, refused, []string{"Cookie", login.Cookie + "=" + line}},
			{me, refused, []string{"Cookie", login.Cookie + "=" + b.cookie + "x" + line}},
		} {
			if answer := b.send(t, tt.o, tt.o.path, nil, tt.fields...); !slices.Contains(tt.want, answer.status) {
				t.Errorf("%s with %q: %d %.300s, want %d", tt.o.ID, tt.fields, answer.status, answer.text, tt.want)
			}
		}
	}
}

// TestHostileInputOnPostgres sends what [TestHostileInput] sends of SQL to a program whose
// rows are PostgreSQL's. Whatever is sent, the server is asked to run the statements of the
// program, and no other: none that waits, and none that has a text of what was sent.
func TestHostileInputOnPostgres(t *testing.T) {
	b := besiege(t, onPostgres)
	operations := b.operations(t)
	attack.Case(t, "SQL-06", attack.Admin, func(t *testing.T) {
		attacks := map[string]func(){}
		for _, o := range operations {
			a := b.aim(t, o)
			attacks[o.ID] = func() { b.unreadable(t, o, a) }
		}
		b.unwritten(t, attacks)
	})
	attack.Case(t, "SQL-01", attack.Admin, func(t *testing.T) { b.injected(t, operations) })
	attack.Case(t, "SQL-04", attack.Admin, func(t *testing.T) {
		all := b.vault.executed(t)
		if len(all) < 40 || len(all) > 400 {
			t.Errorf("%d statements are told: they are not those of the program", len(all))
		}
		if bad := foreign(all); len(bad) != 0 {
			t.Errorf("the server was asked to run %q", bad)
		}
		b.vault.column(t, `SELECT 'beside' || pg_sleep(0)`) // as the program would
		if bad := foreign(b.vault.executed(t)); len(bad) != 1 {
			t.Errorf("a planted statement is told as %q", bad)
		}
	})
	t.Logf("%d operations, %d requests", len(operations), b.requests)
}

// foreign are the statements that wait, or have a text of what was sent.
func foreign(all []string) (bad []string) {
	for _, statement := range all {
		sent := func(text string) bool { return len(text) > 6 && strings.Contains(statement, text) }
		if strings.Contains(statement, "sleep") || slices.ContainsFunc(hostile.Statements(), sent) {
			bad = append(bad, statement)
		}
	}
	return bad
}
