package redis

import (
	"cmp"
	"context"
	"crypto/sha256"
	_ "embed" // the script
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/redis/rueidis"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/session"
)

//go:embed sessions.lua
var sessionsScript string

// Sessions keeps sessions. It is a session.Store and safe for concurrent use. Every
// change is one script, and all sessions are on one server of a cluster.
//
// A session lives as safely as the server keeps what it acknowledged: one that
// evicts keys logs users out, and a replica that takes over before it has heard of a
// log-out brings that session back. Where that matters, keep sessions in a database.
type Sessions struct {
	base   string
	script *rueidis.Lua
	client atomic.Pointer[rueidis.Client] // nil until the first connection
}

var _ session.Store = (*Sessions)(nil)

func newSessions(cfg *Config) *Sessions {
	return &Sessions{base: cfg.Prefix + ":{sessions}:", script: rueidis.NewLuaScript(sessionsScript, rueidis.WithLoadSHA1(true))}
}

var errSession = errors.New("redis: what is kept of a session is none")

// Lookup implements session.Store.
func (s *Sessions) Lookup(ctx context.Context, d session.Digest) (session.Record, error) {
	row, err := s.run(ctx, "look up session", "lookup", text(d))
	if err != nil {
		return session.Record{}, err
	}
	fields, err := row.AsStrSlice()
	switch {
	case err != nil:
		return session.Record{}, errSession
	case len(fields) == 0:
		return session.Record{}, session.ErrNotFound
	}
	return sessionOf(fields)
}

// Create implements session.Store. A server without memory to spare is
// session.ErrFull.
func (s *Sessions) Create(ctx context.Context, r session.Record) error {
	body, err := bodyOf(&r)
	if err != nil {
		return err
	}
	ends := min(r.IdleExpires.UnixMicro(), r.Expires.UnixMicro())
	return s.change(ctx, "create session", "create", text(r.Digest), userKey(r.User.Issuer, r.User.Subject), r.User.Issuer, r.User.Subject,
		micro(r.Created), micro(r.Expires), strconv.FormatInt(ends, 10), body)
}

// Replace implements session.Store.
func (s *Sessions) Replace(ctx context.Context, before, after session.Record) error {
	body, err := bodyOf(&after)
	if err != nil {
		return err
	}
	former := ""
	if after.Former.Digest != (session.Digest{}) {
		former = text(after.Former.Digest)
	}
	return s.change(ctx, "change session", "replace", text(before.Digest), strconv.FormatUint(before.Revision, 10), text(after.Digest), former,
		micro(after.IdleExpires), body)
}

// Delete implements session.Store.
func (s *Sessions) Delete(ctx context.Context, d session.Digest) error {
	_, err := s.run(ctx, "end session", "delete", text(d))
	return err
}

// List implements session.Store.
func (s *Sessions) List(ctx context.Context, issuer, subject string) ([]session.Record, error) {
	m, err := s.run(ctx, "list sessions", "list", userKey(issuer, subject))
	if err != nil {
		return nil, err
	}
	rows, err := m.ToArray()
	if err != nil {
		return nil, errSession
	}
	all := make([]session.Record, 0, len(rows))
	for i := range rows {
		fields, err := rows[i].AsStrSlice()
		if err != nil {
			return nil, errSession
		}
		r, err := sessionOf(fields)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b session.Record) int {
		return cmp.Or(a.LastUsed.Compare(b.LastUsed), a.Created.Compare(b.Created), slices.Compare(a.Digest[:], b.Digest[:]))
	})
	return all, nil
}

// DeleteUser implements session.Store.
func (s *Sessions) DeleteUser(ctx context.Context, issuer, subject string) (int, error) {
	return s.count(ctx, "end sessions", "deleteuser", userKey(issuer, subject))
}

// DeleteExpired implements session.Store.
func (s *Sessions) DeleteExpired(ctx context.Context, now time.Time, limit int) (int, error) {
	const what = "remove expired sessions"
	if limit < 1 {
		return 0, fmt.Errorf("redis: %s: limit %d is not at least 1", what, limit)
	}
	return s.count(ctx, what, "deleteexpired", micro(now), strconv.Itoa(limit))
}

func (s *Sessions) count(ctx context.Context, what string, args ...string) (int, error) {
	m, err := s.run(ctx, what, args...)
	if err != nil {
		return 0, err
	}
	n, err := m.AsInt64()
	if err != nil {
		return 0, errSession
	}
	return int(n), nil
}

// change runs what answers with a word.
func (s *Sessions) change(ctx context.Context, what string, args ...string) error {
	m, err := s.run(ctx, what, args...)
	if err != nil {
		return err
	}
	word, err := m.ToString()
	switch {
	case err != nil:
		return errSession
	case word == "OK":
		return nil
	case word == "EXISTS":
		return session.ErrExists
	case word == "NOTFOUND":
		return session.ErrNotFound
	case word == "CONFLICT":
		return session.ErrConflict
	default:
		return errSession
	}
}

// run runs the script. It waits as long as ctx says, and a second at most.
func (s *Sessions) run(ctx context.Context, what string, args ...string) (rueidis.RedisMessage, error) {
	if err := ctx.Err(); err != nil {
		return rueidis.RedisMessage{}, fmt.Errorf("redis: %s: %w", what, err)
	}
	client := s.client.Load()
	if client == nil {
		return rueidis.RedisMessage{}, fmt.Errorf("redis: %s: %w", what, ErrAway)
	}
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	m, err := s.script.Exec(limited, *client, []string{s.base}, args).ToMessage()
	if err == nil {
		return m, nil
	}
	if e, ok := rueidis.IsRedisErr(err); ok && strings.Contains(e.Error(), "OOM ") {
		return m, session.ErrFull
	}
	return m, fmt.Errorf("redis: %s: %w", what, err)
}

// text is a digest in the name of a key.
func text(d session.Digest) string { return base64.RawURLEncoding.EncodeToString(d[:]) }

func micro(t time.Time) string { return strconv.FormatInt(t.UnixMicro(), 10) }

// userKey is what stands for a user in the name of a key.
func userKey(issuer, subject string) string {
	b := binary.AppendUvarint(nil, uint64(len(issuer)))
	sum := sha256.Sum256(append(append(b, issuer...), subject...))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// A storedBody is the JSON of what a change may replace. Times are microseconds.
type storedBody struct {
	User        storedUser     `json:"user"`
	LastUsed    int64          `json:"last_used"`
	IdleExpires int64          `json:"idle_expires"`
	Former      session.Digest `json:"former"`
	FormerUntil int64          `json:"former_until,omitempty"`
	FormerUser  *formerUser    `json:"former_user,omitempty"`
}

type storedUser struct {
	Name            string         `json:"name,omitempty"`
	Scopes          []string       `json:"scopes,omitempty"`
	Patterns        bool           `json:"patterns,omitempty"`
	Claims          map[string]any `json:"claims,omitempty"`
	AuthenticatedAt int64          `json:"authenticated_at"`
	Remember        bool           `json:"remember,omitempty"`
}

type formerUser struct {
	storedUser

	Issuer  string `json:"issuer"`
	Subject string `json:"subject"`
}

// bodyOf returns what is stored of r. Text that would not come back as it was is
// refused.
func bodyOf(r *session.Record) (string, error) {
	b := storedBody{LastUsed: r.LastUsed.UnixMicro(), IdleExpires: r.IdleExpires.UnixMicro()}
	var err error
	if b.User, err = stored(&r.User); err != nil {
		return "", err
	}
	if r.Former.Digest != (session.Digest{}) {
		u, err := stored(&r.Former.User)
		if err != nil {
			return "", err
		}
		b.Former, b.FormerUntil = r.Former.Digest, r.Former.Until.UnixMicro()
		b.FormerUser = &formerUser{u, r.Former.User.Issuer, r.Former.User.Subject}
	}
	out, err := json.Marshal(b)
	if err != nil {
		return "", errors.New("redis: claims of a session cannot be stored")
	}
	return string(out), nil
}

func stored(u *session.User) (storedUser, error) {
	for _, t := range []string{u.Issuer, u.Subject, u.Name} {
		if !utf8.ValidString(t) || strings.ContainsRune(t, 0) {
			return storedUser{}, errors.New("redis: session has text that is not UTF-8 without NUL")
		}
	}
	if u.Issuer == "" || u.Subject == "" {
		return storedUser{}, errors.New("redis: session has no user")
	}
	return storedUser{u.Name, u.Scopes.Names(), u.Scopes.Patterns(), u.Claims, u.AuthenticatedAt.UnixMicro(), u.Remember}, nil
}

func (s *storedUser) user(issuer, subject string) session.User {
	u := session.User{
		Issuer: issuer, Subject: subject, Name: s.Name, Scopes: exchange.LiteralScopes(s.Scopes...), Claims: s.Claims,
		AuthenticatedAt: time.UnixMicro(s.AuthenticatedAt).UTC(), Remember: s.Remember,
	}
	if s.Patterns {
		u.Scopes = exchange.PatternScopes(s.Scopes...)
	}
	return u
}

// sessionOf reads what the script says of a session: digest, revision, issuer,
// subject, created, expires, body.
func sessionOf(fields []string) (r session.Record, err error) {
	var b storedBody
	if len(fields) != 7 || fields[2] == "" || fields[3] == "" || json.Unmarshal([]byte(fields[6]), &b) != nil {
		return r, errSession
	}
	raw, err := base64.RawURLEncoding.DecodeString(fields[0])
	revision, err1 := strconv.ParseUint(fields[1], 10, 64)
	created, err2 := strconv.ParseInt(fields[4], 10, 64)
	expires, err3 := strconv.ParseInt(fields[5], 10, 64)
	if errors.Join(err, err1, err2, err3) != nil || len(raw) != len(r.Digest) {
		return r, errSession
	}
	copy(r.Digest[:], raw)
	r.Revision, r.User = revision, b.User.user(fields[2], fields[3])
	r.Created, r.Expires = time.UnixMicro(created).UTC(), time.UnixMicro(expires).UTC()
	r.LastUsed, r.IdleExpires = time.UnixMicro(b.LastUsed).UTC(), time.UnixMicro(b.IdleExpires).UTC()
	if b.FormerUser != nil {
		r.Former = session.Former{Digest: b.Former, Until: time.UnixMicro(b.FormerUntil).UTC(), User: b.FormerUser.user(b.FormerUser.Issuer, b.FormerUser.Subject)}
	}
	return r, nil
}
