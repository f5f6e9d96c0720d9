package session

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"
)

// Login begins a session for u, who has just proved to be it, and sets its
// cookie. The id is always a new one, and the session whose cookie r carries
// ends, whoever it belonged to: an id from before the login is worth nothing
// after it.
//
// It must run before the first byte of the response. On an error no cookie is
// set: an error of u's own, or the store gave no answer or is full ([ErrFull]),
// which is 503.
func (m *Manager) Login(w http.ResponseWriter, r *http.Request, u User) error {
	return m.LoginIf(w, r, u, nil)
}

// LoginIf is [Manager.Login] that asks confirm once the session is stored and
// before its cookie is sent; an error of confirm ends the session and is returned.
//
// It closes a gap: a password that is checked just before it is changed could
// begin a session just after the change ended them all. Whoever asks again,
// after the session is there, whether the password is still the same, sees it.
func (m *Manager) LoginIf(w http.ResponseWriter, r *http.Request, u User, confirm func(ctx context.Context) error) error {
	u, err := u.normal()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), m.timeout)
	defer cancel()
	if err := m.endOld(ctx, r); err != nil {
		return err
	}
	text := newID()
	record := m.begin(text, u)
	if err := m.create(ctx, record); err != nil {
		return err
	}
	if confirm != nil {
		if err := confirm(ctx); err != nil {
			return errors.Join(err, m.undo(ctx, record))
		}
	}
	var expires time.Time
	if record.User.Remember {
		expires = record.Expires
	}
	m.setCookie(w, text, expires)
	m.note(ctx, "session begun", record)
	m.sweep(ctx)
	return nil
}

// begin returns a fresh session of u.
func (m *Manager) begin(text string, u User) Record {
	now := moment(time.Now())
	if u.AuthenticatedAt.IsZero() || u.AuthenticatedAt.After(now) {
		u.AuthenticatedAt = now
	}
	u.Remember = u.Remember && m.remember > 0
	lasts := m.absolute
	if u.Remember {
		lasts = m.remember
	}
	d, _ := digestOf(text) // our own text
	r := Record{Digest: d, User: u, Created: now, LastUsed: now, Expires: now.Add(lasts)}
	r.IdleExpires = m.idleOf(&r, now)
	return r
}

// create stores r, and makes room for it among its user's sessions.
func (m *Manager) create(ctx context.Context, r Record) error {
	others, err := m.store.List(ctx, r.User.Issuer, r.User.Subject)
	if err != nil {
		return fmt.Errorf("session: list: %w", err)
	}
	for len(others) >= m.perUser {
		if err := m.store.Delete(ctx, others[0].Digest); err != nil {
			return fmt.Errorf("session: end: %w", err)
		}
		m.note(ctx, "session ended: its user has too many", others[0])
		others = others[1:]
	}
	if err := m.store.Create(ctx, r); err != nil {
		return fmt.Errorf("session: create: %w", err)
	}
	return nil
}

// undo removes a session that was not confirmed, also when the client has left
// meanwhile.
func (m *Manager) undo(ctx context.Context, r Record) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), m.timeout)
	defer cancel()
	if err := m.store.Delete(ctx, r.Digest); err != nil {
		return fmt.Errorf("session: end: %w", err)
	}
	return nil
}

// maxOld is how many cookies of one request are looked up: a browser sends one.
const maxOld = 8

// endOld ends every session whose id r carries.
func (m *Manager) endOld(ctx context.Context, r *http.Request) error {
	for i, text := range values(r.Header, m.cookie) {
		if i == maxOld {
			break
		}
		old, _, why, err := m.find(ctx, text)
		switch {
		case err != nil:
			return err
		case why != none:
			continue
		}
		if err := m.store.Delete(ctx, old.Digest); err != nil {
			return fmt.Errorf("session: end: %w", err)
		}
		m.note(ctx, "session ended", old)
	}
	return nil
}

// Logout ends the session whose cookie r carries, if there is one, and deletes
// the cookie. An error means that the store gave no answer: the session may live
// on, although this browser has lost it.
func (m *Manager) Logout(w http.ResponseWriter, r *http.Request) error {
	m.deleteCookie(w)
	ctx, cancel := context.WithTimeout(r.Context(), m.timeout)
	defer cancel()
	return m.endOld(ctx, r)
}

// LoginAlone ends every session of the user and begins a new one here: what a
// change of password, or of another proof, calls once the change is stored.
func (m *Manager) LoginAlone(w http.ResponseWriter, r *http.Request, u User) error {
	if _, err := m.RevokeUser(r.Context(), u.Issuer, u.Subject); err != nil {
		return err
	}
	return m.Login(w, r, u)
}

// note logs what became of a session.
func (m *Manager) note(ctx context.Context, what string, r Record) {
	m.log.LogAttrs(ctx, slog.LevelInfo, what, slog.String("issuer", r.User.Issuer), slog.String("subject", r.User.Subject),
		slog.String("session", r.Digest.Name()))
}
