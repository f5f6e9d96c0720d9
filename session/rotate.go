package session

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/warder-dev/warder/credential"
)

// Errors of [Manager.Rotate].
var (
	// ErrNoSession means that the request carries no session that holds.
	ErrNoSession = errors.New("session: the request has no session")

	// ErrRotated means that another request has rotated the session since this one
	// was sent. The user is still logged in, by the cookie that the other answer
	// brings; what this request wanted to change is not changed.
	ErrRotated = errors.New("session: the session was rotated by another request")
)

// rotateTries is how often a rotation begins anew because the session was used
// or changed meanwhile.
const rotateTries = 5

// Rotate gives the session of r a new id, and what edit makes of its user (nil:
// nothing): call it where rights change, such as after a second factor. The old
// id is answered for the grace, with what both before and after grant. The
// absolute expiry stays; issuer, subject and Remember cannot be changed.
//
// Like Login it must run before the first byte of the response. It returns
// [ErrNoSession], [ErrRotated], an error of what edit made, or another when the
// store gave no answer; then no cookie is set.
func (m *Manager) Rotate(w http.ResponseWriter, r *http.Request, edit func(*User)) error {
	text, state := credential.Cookie(r.Header, m.cookie)
	if state != credential.Once {
		return ErrNoSession
	}
	ctx, cancel := context.WithTimeout(r.Context(), m.timeout)
	defer cancel()
	for range rotateTries {
		before, former, why, err := m.find(ctx, text)
		switch {
		case err != nil:
			return err
		case why != none:
			return ErrNoSession
		case former:
			return ErrRotated
		}
		id := newID()
		after, err := m.rotated(before, id, edit)
		if err != nil {
			return err
		}
		switch err := m.store.Replace(ctx, before, after); {
		case err == nil:
			m.sendRotated(w, id, after)
			m.note(ctx, "session rotated", after)
			return nil
		case errors.Is(err, ErrConflict): // used or rotated meanwhile: find tells which
		case errors.Is(err, ErrNotFound):
			return ErrNoSession
		default:
			return fmt.Errorf("session: rotate: %w", err)
		}
	}
	return fmt.Errorf("session: rotate: %w", ErrConflict)
}

// rotated returns what before becomes under the id.
func (m *Manager) rotated(before Record, id string, edit func(*User)) (Record, error) {
	u := before.User
	if edit != nil {
		edit(&u)
	}
	u.Issuer, u.Subject, u.Remember = before.User.Issuer, before.User.Subject, before.User.Remember
	u, err := u.normal()
	if err != nil {
		return Record{}, err
	}
	now := moment(time.Now())
	after := before
	after.Digest, _ = digestOf(id) // our own text
	after.User = u
	after.Former = Former{Digest: before.Digest, Until: now.Add(m.grace), User: common(before.User, u)}
	after.LastUsed, after.IdleExpires = now, m.idleOf(&before, now)
	return after, nil
}

func (m *Manager) sendRotated(w http.ResponseWriter, id string, r Record) {
	var expires time.Time
	if r.User.Remember {
		expires = r.Expires
	}
	m.setCookie(w, id, expires)
}
