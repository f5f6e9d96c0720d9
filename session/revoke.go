package session

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/warder-dev/warder/credential"
)

// Info is what may be told of a session to its user and to operators.
type Info struct {
	Name     string // names it, and proves nothing
	User     User
	Created  time.Time
	LastUsed time.Time // up to a minute early
	Expires  time.Time
}

func infoOf(r Record) Info {
	return Info{Name: r.Digest.Name(), User: r.User, Created: r.Created, LastUsed: r.LastUsed, Expires: r.Expires}
}

// Current returns the session of r: for pages outside of authn, and for what a
// principal does not tell. It returns [ErrNoSession], or another error when the
// store gave no answer. It does not count as use.
func (m *Manager) Current(r *http.Request) (Info, error) {
	text, state := credential.Cookie(r.Header, m.cookie)
	if state != credential.Once {
		return Info{}, ErrNoSession
	}
	record, former, why, err := m.find(r.Context(), text)
	switch {
	case err != nil:
		return Info{}, err
	case why != none:
		return Info{}, ErrNoSession
	}
	if former {
		record.User = record.Former.User
	}
	return infoOf(record), nil
}

// Sessions returns the live sessions of a user, the least recently used first.
func (m *Manager) Sessions(ctx context.Context, issuer, subject string) ([]Info, error) {
	records, err := m.list(ctx, issuer, subject)
	if err != nil {
		return nil, err
	}
	infos := make([]Info, len(records))
	for i, r := range records {
		infos[i] = infoOf(r)
	}
	return infos, nil
}

// list returns the live sessions of a user.
func (m *Manager) list(ctx context.Context, issuer, subject string) ([]Record, error) {
	ctx, cancel := context.WithTimeout(ctx, m.timeout)
	defer cancel()
	all, err := m.store.List(ctx, issuer, subject)
	if err != nil {
		return nil, fmt.Errorf("session: list: %w", err)
	}
	now, live := time.Now(), all[:0:0]
	for _, r := range all {
		if r.expired(now) == "" {
			live = append(live, r)
		}
	}
	return live, nil
}

// Revoke ends the session of the user that has the name, and reports whether
// there was one. Nobody can name a session of somebody else. A rotation gives a
// session another name.
func (m *Manager) Revoke(ctx context.Context, issuer, subject, name string) (bool, error) {
	records, err := m.list(ctx, issuer, subject)
	if err != nil {
		return false, err
	}
	for _, r := range records {
		if r.Digest.Name() != name {
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, m.timeout)
		defer cancel()
		if err := m.store.Delete(ctx, r.Digest); err != nil {
			return false, fmt.Errorf("session: revoke: %w", err)
		}
		m.note(ctx, "session revoked", r)
		return true, nil
	}
	return false, nil
}

// RevokeUser ends every session of the user and returns how many there were.
// Requests that come afterwards are refused.
func (m *Manager) RevokeUser(ctx context.Context, issuer, subject string) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, m.timeout)
	defer cancel()
	n, err := m.store.DeleteUser(ctx, issuer, subject)
	if err != nil {
		return n, fmt.Errorf("session: revoke: %w", err)
	}
	m.log.LogAttrs(ctx, slog.LevelInfo, "sessions of a user revoked", slog.String("issuer", issuer), slog.String("subject", subject), slog.Int("sessions", n))
	return n, nil
}
