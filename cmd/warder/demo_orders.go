package main

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"time"
)

// orders is the demo's sample upstream: a small API that knows nothing of keys.
type orders struct {
	url    string
	server *http.Server
}

// startOrders serves the API on a free port of the loopback interface.
func startOrders(ctx context.Context) (*orders, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /orders", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{ // the client may be gone
			"orders": []map[string]any{{"id": 1, "item": "lantern"}, {"id": 2, "item": "rope"}},
			"for":    r.Header.Get("X-Warder-Owner"),
		})
	})
	o := &orders{url: "http://" + listener.Addr().String(), server: &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}}
	go func() { _ = o.server.Serve(listener) }() // ends with close
	return o, nil
}

func (o *orders) close() { _ = o.server.Close() }
