package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/warder-dev/warder/problem"
)

// orders is the demo's sample upstream: a small API that knows nothing of keys.
type orders struct {
	url    string
	db     *sql.DB
	server *http.Server
}

// startOrders serves the API on a free port of the loopback interface.
func startOrders(ctx context.Context) (*orders, error) {
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1) // each connection would have a database of its own
	_, err = db.ExecContext(ctx, "CREATE TABLE orders (id INTEGER PRIMARY KEY, item TEXT NOT NULL); INSERT INTO orders (item) VALUES ('lantern'), ('rope')")
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	o := &orders{url: "http://" + listener.Addr().String(), db: db}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /orders", o.list)
	mux.HandleFunc("GET /shared", o.list)
	mux.HandleFunc("GET /limited", o.list)
	mux.HandleFunc("GET /download", func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusOK, map[string]any{"query": r.URL.RawQuery})
	})
	mux.HandleFunc("GET /account", func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusOK, map[string]any{"you": caller(r)})
	})
	mux.HandleFunc("POST /account", func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusCreated, map[string]any{"ordered by": caller(r)})
	})
	o.server = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = o.server.Serve(listener) }() // ends with close
	return o, nil
}

// list answers with the orders, or those of one item.
func (o *orders) list(w http.ResponseWriter, r *http.Request) {
	item := r.FormValue("item")
	rows, err := o.db.QueryContext(r.Context(), "SELECT id, item FROM orders WHERE item = ? OR ? = '' ORDER BY id", item, item)
	if err != nil {
		problem.New(problem.Internal, "The orders cannot be read.").Write(w, r, r.Header.Get("X-Request-ID"))
		return
	}
	defer rows.Close() //nolint:errcheck // rows.Err tells
	found := []map[string]any{}
	for rows.Next() {
		var id int
		var name string
		if err = rows.Scan(&id, &name); err != nil {
			break
		}
		found = append(found, map[string]any{"id": id, "item": name})
	}
	if errors.Join(err, rows.Err()) != nil {
		problem.New(problem.Internal, "The orders cannot be read.").Write(w, r, r.Header.Get("X-Request-ID"))
		return
	}
	answer(w, http.StatusOK, map[string]any{"orders": found, "for": caller(r)})
}

// caller is who asks, as warder says: clients cannot set these fields.
func caller(r *http.Request) string {
	if owner := r.Header.Get("X-Warder-Owner"); owner != "" {
		return owner
	}
	return r.Header.Get("X-Warder-Subject")
}

func answer(w http.ResponseWriter, status int, body map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client may be gone
}

func (o *orders) close() {
	_ = o.server.Close()
	_ = o.db.Close()
}
