package testscan_test

import (
	"database/sql"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite" // the driver

	"github.com/warder-dev/warder/internal/testscan"
)

// open is a server with a hole: it makes its statement from what it is sent.
func open(t *testing.T) *httptest.Server {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(t.TempDir(), "db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if _, err := db.ExecContext(t.Context(), "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO users (name) VALUES ('ada'), ('grace')"); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rows, err := db.QueryContext(r.Context(), "SELECT name FROM users WHERE name = '"+r.FormValue("name")+"'") // the hole
		if err != nil {
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = w.Write([]byte("sqlite3.OperationalError: " + err.Error())) // as a page of Python's would
			return
		}
		defer func() { _ = rows.Close() }()
		names := []string{}
		for rows.Next() {
			var name string
			_ = rows.Scan(&name)
			names = append(names, name)
		}
		_ = rows.Err()
		_ = json.NewEncoder(w).Encode(names)
	}))
	t.Cleanup(server.Close)
	return server
}

// TestTheScannersFindAHole shows that an empty answer of theirs means something. It
// leaves out what keeps an open database busy for minutes.
func TestTheScannersFindAHole(t *testing.T) {
	target := open(t).URL + "/users?name=ada"
	if found := testscan.Sqlmap(t, testscan.Target{URL: target, Within: []string{"name"}, Techniques: "BEU"}); len(found) != 1 || !strings.HasPrefix(found[0], "name") {
		t.Errorf("sqlmap: %q", found)
	}
	if found := testscan.Wapiti(t, nil, target); len(found) == 0 || !strings.Contains(found[0], "name") {
		t.Errorf("wapiti: %q", found)
	}
}
