package main

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/session"
	"github.com/warder-dev/warder/session/password"
)

// addSessions lets people log in with name and password.
//
// The cookie is __Host-session: Secure, HttpOnly, SameSite=Lax. It holds a random
// id, new at each login; the rest stays here, so that a logout ends the session
// and not the cookie alone. Guessing is slowed down by name and by address, and
// an unknown name takes as long as a wrong password.
func (s *service) addSessions() error {
	store, err1 := session.NewMemoryStore(0) // or that of sqlite.Open, whose sessions outlive the program
	people, err2 := password.NewFile(password.FileConfig{Path: s.people})
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	sessions, err1 := session.New(session.Config{Store: store, Log: s.log})
	checker, err2 := password.New(password.Config{Users: people, Log: s.log})
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	login, err := password.NewHandler(password.HandlerConfig{Checker: checker, Sessions: sessions, Home: "/profile"})
	s.sessions, s.login = sessions, login
	return err
}

// profile tells who is logged in, and the token that their forms need.
func (s *service) profile(w http.ResponseWriter, r *http.Request) {
	x := exchange.From(r.Context())
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(map[string]string{"name": x.Principal.Subject, s.csrf.Field(): s.csrf.Token(x)}) // the client may be gone
}
