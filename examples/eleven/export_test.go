package main

import (
	"bytes"
	"log/slog"
	"net"
	"sync"
	"testing"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/jwt"
	"github.com/warder-dev/warder/session"
)

// A World is a service without listeners, and what its clients have.
type World struct {
	API      *warder.API
	Sessions *session.Manager
	Password string

	demo    *demo
	service *service
	log     *lines
}

// NewWorld makes a service that is https://localhost:8443.
func NewWorld(t *testing.T) *World {
	t.Helper()
	d, err := newDemo(t.Context(), &net.TCPAddr{Port: 8443}, &net.TCPAddr{Port: 8080})
	if err != nil {
		t.Fatal(err)
	}
	log := new(lines)
	s, err := newService(d.settings, slog.New(slog.NewJSONHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.close()
		if err := d.close(); err != nil {
			t.Error(err)
		}
	})
	return &World{API: s.api, Sessions: s.sessions, Password: d.word.Reveal(), demo: d, service: s, log: log}
}

// Key makes a key of acme.
func (w *World) Key(t *testing.T, scopes ...string) string {
	t.Helper()
	_, key, err := w.service.issuer.Create(t.Context(), apikey.By{Actor: "system", Source: "test"}, apikey.Spec{Environment: "test", Owner: "acme", Scopes: scopes})
	if err != nil {
		t.Fatal(err)
	}
	return key.Reveal()
}

// Token signs a token for an audience; "" is the service.
func (w *World) Token(t *testing.T, audience string, scopes ...string) string {
	t.Helper()
	if audience == "" {
		audience = w.demo.settings.origin
	}
	token, err := w.demo.provider.Sign(jwt.Claims{Subject: "robot", Audience: audience, Scopes: scopes})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// Log is what was logged so far.
func (w *World) Log() string { return w.log.String() }

// Users counts the rows of the table.
func (w *World) Users(t *testing.T) (n int) {
	t.Helper()
	if err := w.demo.settings.database.QueryRowContext(t.Context(), "SELECT count(*) FROM users").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// AddUser stores a user, as a registration would.
func (w *World) AddUser(t *testing.T, name string) {
	t.Helper()
	if _, err := w.demo.settings.database.ExecContext(t.Context(), "INSERT INTO users (name, password) VALUES (?, ?)", name, "not for you"); err != nil {
		t.Fatal(err)
	}
}

// lines are a log that several write to.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
