package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/warder-dev/warder/client"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/wire"
)

// api is a client of the admin API of s.
func (s *served) api(t *testing.T) *client.Client {
	t.Helper()
	token, err := readAdminToken(filepath.Join(s.folder, "warder.db.admin"))
	if errors.Is(err, fs.ErrNotExist) { // its database is no file
		token, err = readAdminToken(filepath.Join(s.folder, "warder.admin"))
	}
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New(client.Config{Server: "http://" + s.admin, Token: token, Timeout: time.Minute, Tries: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// again starts another process on the database of s, which was killed.
func (s *served) again(t *testing.T, upstream string) *served {
	t.Helper()
	_ = s.process.Process.Kill() // it may be gone
	_ = s.process.Wait()
	next := startServed(t, upstream, "--db", filepath.Join(s.folder, "warder.db"))
	next.folder = s.folder
	return next
}

// An acked is a key as the API acknowledged it.
type acked struct {
	text    client.Text
	rolled  bool // text is that of the roll
	revoked bool
}

// change makes a key, rolls every second and revokes every third, and notes what is
// acknowledged. It ends with the first answer that does not come.
func (a *acks) change(ctx context.Context, c *client.Client, i int) error {
	made, err := c.CreateKey(ctx, client.CreateKeyParams{IdempotencyKey: rand.Text()}, client.KeySpec{Name: fmt.Sprint("killed ", i), Owner: "acme"})
	if err != nil {
		return err
	}
	id := made.Value.Key.ID
	text := made.Value.Text
	a.note(id, acked{text: text})
	if i%2 == 0 {
		rolled, err := c.RollKey(ctx, id, client.RollKeyParams{}, client.RollKeyRequest{Overlap: "1h"})
		if err != nil {
			return err
		}
		text = rolled.Value.Text
		a.note(id, acked{text: text, rolled: true})
	}
	if i%3 == 0 {
		if _, err := c.RevokeKey(ctx, id, client.RevokeKeyParams{Wait: "0s"}, client.RevokeKeyRequest{Reason: "superseded"}); err != nil {
			return err
		}
		a.note(id, acked{text: text, revoked: true})
	}
	return nil
}

type acks struct {
	mu  sync.Mutex
	all map[string]acked
}

func (a *acks) note(id string, k acked) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all[id] = k
}

// TestKillDuringREST kills the program in the middle of a thousand changes over the
// API: after the next start, whatever was acknowledged is there, and the audit is
// whole.
func TestKillDuringREST(t *testing.T) {
	upstream := wire.Listen(t, wire.Answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
	s := startServed(t, upstream.URL())
	known := &acks{all: map[string]acked{}}
	const changes, killAt = 1000, 150 // it is killed under way, whatever the machine
	var next, done atomic.Int64
	var workers sync.WaitGroup
	for range 4 {
		c := s.api(t)
		workers.Go(func() {
			for {
				i := int(next.Add(1))
				if i > changes {
					return
				}
				if err := known.change(t.Context(), c, i); err != nil {
					if done.Load() < killAt {
						t.Errorf("change %d: %v", i, err)
					}
					return
				}
				if done.Add(1) == killAt {
					_ = s.process.Process.Kill()
				}
			}
		})
	}
	workers.Wait()
	if n := done.Load(); n < killAt || n >= changes {
		t.Fatalf("%d changes were made, want the kill in the middle", n)
	}
	s = s.again(t, upstream.URL())
	c := s.api(t)
	rolled, revoked := 0, 0
	for id, k := range known.all {
		got, err := c.GetKey(t.Context(), id)
		if err != nil {
			t.Errorf("the key %s was acknowledged, and is lost: %v", id, err)
			continue
		}
		if k.revoked {
			revoked++
			if got.Value.Key.State != "revoked" {
				t.Errorf("the key %s was revoked, and is %s", id, got.Value.Key.State)
			}
			continue
		}
		if k.rolled {
			rolled++
		}
		v, err := c.VerifyKey(t.Context(), client.Use{Key: k.text})
		if err != nil || !v.Value.Valid && got.Value.Key.State != "revoked" { // its revocation may be written and not acknowledged
			t.Errorf("the text of %s is %+v, %v", id, v.Value, err)
		}
	}
	if len(known.all) < killAt || rolled == 0 || revoked == 0 {
		t.Errorf("%d keys, %d rolled, %d revoked: too few to show anything", len(known.all), rolled, revoked)
	}
	wantRun(t, 0, "", s.folder, "", "audit", "verify")
	t.Logf("%d keys acknowledged before the kill, %d rolled, %d revoked", len(known.all), rolled, revoked)
}

func TestAnAnswerOutlivesTheProcess(t *testing.T) {
	upstream := wire.Listen(t, wire.Answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
	s := startServed(t, upstream.URL())
	p := client.CreateKeyParams{IdempotencyKey: "once"}
	first, err := s.api(t).CreateKey(t.Context(), p, client.KeySpec{Name: "a"})
	if err != nil {
		t.Fatal(err)
	}
	c := s.again(t, upstream.URL()).api(t)
	again, err := c.CreateKey(t.Context(), p, client.KeySpec{Name: "a"})
	if err != nil || !again.Replayed || again.Value.Key.ID != first.Value.Key.ID || !again.Value.Text.IsZero() {
		t.Errorf("after a restart: %+v, %v", again, err)
	}
	var problem *client.Problem
	if _, err := c.CreateKey(t.Context(), p, client.KeySpec{Name: "b"}); !errors.As(err, &problem) || problem.Kind() != "idempotency-key-reused" {
		t.Errorf("another body: %v", err)
	}
}

func TestTheAPIIsTheAdminListeners(t *testing.T) {
	upstream := wire.Listen(t, wire.Answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
	s := startServed(t, upstream.URL())
	token, err := readAdminToken(filepath.Join(s.folder, "warder.db.admin"))
	if err != nil {
		t.Fatal(err)
	}
	ask := func(addr, method, path, host string, fields ...string) string {
		c := wire.Dial(t, addr)
		c.Send(method + " " + path + " HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n" + strings.Join(append(fields, ""), "\r\n") + "\r\n")
		text, _ := c.Rest()
		return text
	}
	bearer := "Authorization: Bearer " + token.Reveal()
	attack.Case(t, "ADMIN-04", attack.Admin, func(t *testing.T) {
		for _, path := range []string{"/v1/keys", "/v1/whoami", "/openapi.json", "/v1/audit"} {
			if got := ask(s.admin, "GET", path, "evil.test", bearer); !strings.HasPrefix(got, "HTTP/1.1 421 ") {
				t.Errorf("%s under a rebound name: %.200s", path, got)
			}
			got := ask(s.admin, "GET", path, "localhost", bearer, "Origin: https://evil.test")
			if !strings.HasPrefix(got, "HTTP/1.1 200 ") || strings.Contains(strings.ToLower(got), "access-control") {
				t.Errorf("%s with another origin: %.300s", path, got)
			}
		}
	})
	attack.Case(t, "ADMIN-13", attack.Admin, func(t *testing.T) {
		before := len(upstream.Received())
		for _, path := range []string{"/v1/keys", "/v1/whoami", "/openapi.json", "/metrics", "/v1/limits", "/debug/pprof/", "/readyz"} {
			if got := ask(s.gateway, "GET", path, "localhost", bearer); !strings.HasPrefix(got, "HTTP/1.1 401 ") && !strings.HasPrefix(got, "HTTP/1.1 404 ") {
				t.Errorf("%s on the public listener: %.200s", path, got)
			}
			if got := ask(s.admin, "GET", "/debug/pprof/", "localhost", bearer); !strings.HasPrefix(got, "HTTP/1.1 404 ") {
				t.Errorf("pprof on the admin listener: %.200s", got)
			}
		}
		if n := len(upstream.Received()); n != before {
			t.Errorf("the upstream got %d requests", n-before)
		}
		for _, path := range []string{"/v1/keys", "/v1/whoami"} { // whom the gateway lets in gets the upstream's answer, never ours
			if status, length := s.get(t, path); status != http.StatusOK || length != 2 {
				t.Errorf("%s with a key: %d, %d bytes, want the upstream's", path, status, length)
			}
		}
	})
	attack.Case(t, "ADMIN-10", attack.Admin, func(t *testing.T) {
		c := s.api(t)
		made, err := c.CreateKey(t.Context(), client.CreateKeyParams{IdempotencyKey: "audited"}, client.KeySpec{Name: "audited"})
		if err != nil {
			t.Fatal(err)
		}
		secret := made.Value.Text.Reveal()[len(made.Value.Text.Reveal())-38:]
		entries, err := c.ListAudit(t.Context(), client.ListAuditParams{Subject: made.Value.Key.ID})
		if err != nil || len(entries.Value.Entries) != 1 || entries.Value.Entries[0].Actor != "admin-token" || entries.Value.Entries[0].Op != "create" || strings.Contains(string(entries.Value.Entries[0].After), secret) {
			t.Errorf("the audit of a key is %+v, %v", entries.Value, err)
		}
		export, err := c.ExportAudit(t.Context(), client.ExportAuditParams{})
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(export)
		if err = errors.Join(err, export.Close()); err != nil || !strings.Contains(string(text), made.Value.Key.ID) || strings.Contains(string(text), secret) {
			t.Errorf("the export is %.300s, %v", text, err)
		}
		answers, err := os.ReadFile(filepath.Join(s.folder, "warder.db-wal"))
		if err != nil || strings.Contains(string(answers), secret) {
			t.Errorf("what is kept for the Idempotency-Key holds the key, or cannot be read: %v", err)
		}
	})
	attack.Case(t, "ADMIN-16", attack.Admin, func(t *testing.T) {
		c := s.api(t)
		if _, err := c.SearchKey(t.Context(), client.SearchKeyRequest{Text: client.NewText(s.key)}); err != nil {
			t.Fatal(err)
		}
		if _, err := c.VerifyKey(t.Context(), client.Use{Key: client.NewText(s.key)}); err != nil {
			t.Fatal(err)
		}
		_, err := c.ListKeys(t.Context(), client.ListKeysParams{Text: s.key})
		if p, ok := errors.AsType[*client.Problem](err); !ok || p.Status != http.StatusBadRequest {
			t.Errorf("a list by the text of a key: %v, want 400", err)
		}
		secret := s.key[len(s.key)-38:]
		files, err := os.ReadDir(s.folder)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if text, err := os.ReadFile(filepath.Join(s.folder, f.Name())); err != nil || strings.Contains(string(text), secret) {
				t.Errorf("%s holds the key, or cannot be read: %v", f.Name(), err)
			}
		}
	})
}
