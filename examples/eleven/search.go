package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/problem"
)

// A user is a row.
type user struct {
	ID   int    `json:"id"`
	Name string `json:"name"`
}

// findUsers returns the users whose name has part in it. The statement is a
// constant, and part is a value: the database never reads it as SQL. With instr
// instead of LIKE, % and _ are characters as well.
func findUsers(ctx context.Context, db *sql.DB, part string) (found []user, err error) {
	found = []user{} // none is [], not null
	rows, err := db.QueryContext(ctx, "SELECT id, name FROM users WHERE instr(name, ?) > 0 ORDER BY name LIMIT 20", part)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var u user
		if err := rows.Scan(&u.ID, &u.Name); err != nil {
			return nil, err
		}
		found = append(found, u)
	}
	return found, rows.Err()
}

// maxName is how long a name can be, in bytes.
const maxName = 100

// users answers a search. What failed inside goes to the log, not to the client.
func (s *service) users(w http.ResponseWriter, r *http.Request) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	name := query.Get("name")
	if err != nil || len(query["name"]) != 1 || name == "" || len(name) > maxName || !utf8.ValidString(name) || strings.Contains(name, "\x00") {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	found, err := findUsers(r.Context(), s.database, name)
	if err != nil {
		exchange.Respond(w, r, problem.New(problem.Unavailable, "Try again later."), "database", err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(found) // the client may be gone
}
