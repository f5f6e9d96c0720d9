package login_test

import (
	"net/http"
	"testing"

	"github.com/warder-dev/warder/account/login"
)

func TestPatterns(t *testing.T) {
	h := newHouse(t)
	routes, err := login.NewRoutes(h.door, h.keys, "/admin")
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux() // which panics when two of them are in each other's way
	for _, pattern := range routes.Patterns() {
		mux.Handle(pattern, routes)
	}
	if n := len(routes.Patterns()); n != 11 {
		t.Errorf("%d patterns, want 11", n)
	}
}
