package acme

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3"
	"github.com/mholt/acmez/v3/acme"

	"github.com/warder-dev/warder/problem"
	"github.com/warder-dev/warder/tlsconfig"
)

// challengePath is where HTTP-01 looks (RFC 8555, section 8.3).
const challengePath = "/.well-known/acme-challenge/"

// maxToken is the longest token that is looked at, in bytes; authorities use 43.
const maxToken = 512

// challenges are what the authority may ask for just now. They are kept in the
// folder too, for other processes that share it.
type challenges struct {
	storage certmagic.Storage
	known   func(name string) bool
	log     *slog.Logger

	mu      sync.Mutex
	waiting map[string]*challenge // by name
}

// A challenge is one that was accepted, with its certificate when it wants one.
type challenge struct {
	acme.Challenge
	certificate *tls.Certificate
}

func isChallenge(hello *tls.ClientHelloInfo) bool {
	return len(hello.SupportedProtos) == 1 && hello.SupportedProtos[0] == tlsconfig.ACMEProtocol
}

// storageKey is where a challenge of name lies: names are those of the
// configuration.
func storageKey(name string) string {
	return "challenges/" + certmagic.StorageKeys.Safe(name) + ".json"
}

// Present is called before the authority looks. It implements acmez.Solver.
func (c *challenges) Present(ctx context.Context, wanted acme.Challenge) error {
	entry := &challenge{Challenge: wanted}
	if wanted.Type == acme.ChallengeTypeTLSALPN01 {
		var err error
		if entry.certificate, err = acmez.TLSALPN01ChallengeCert(wanted); err != nil {
			return err
		}
	}
	text, err := json.Marshal(wanted)
	if err != nil {
		return err
	}
	name := wanted.Identifier.Value
	c.mu.Lock()
	c.waiting[name] = entry
	c.mu.Unlock()
	return c.storage.Store(ctx, storageKey(name), text)
}

// CleanUp is called when the authority has looked.
func (c *challenges) CleanUp(ctx context.Context, done acme.Challenge) error {
	name := done.Identifier.Value
	c.mu.Lock()
	delete(c.waiting, name)
	c.mu.Unlock()
	return c.storage.Delete(context.WithoutCancel(ctx), storageKey(name))
}

// of returns the challenge of a name, ours or that of another process; nil for
// none. What is not configured is not looked for.
func (c *challenges) of(ctx context.Context, name string) *challenge {
	c.mu.Lock()
	entry := c.waiting[name]
	c.mu.Unlock()
	if entry != nil || !c.known(name) {
		return entry
	}
	text, err := c.storage.Load(ctx, storageKey(name))
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			c.log.Warn("a challenge of another process cannot be read", slog.String("name", name), slog.String("error", bounded(err).Error()))
		}
		return nil
	}
	entry = new(challenge)
	if err := json.Unmarshal(text, &entry.Challenge); err != nil || entry.Identifier.Value != name {
		return nil
	}
	return entry
}

var errNoChallenge = errors.New("acme: nobody is asked to prove this name now")

// certificate answers TLS-ALPN-01 (RFC 8737, section 3).
func (c *challenges) certificate(ctx context.Context, name string) (*tls.Certificate, error) {
	entry := c.of(ctx, name)
	if entry == nil || entry.Type != acme.ChallengeTypeTLSALPN01 {
		return nil, errNoChallenge
	}
	if entry.certificate != nil {
		return entry.certificate, nil
	}
	return acmez.TLSALPN01ChallengeCert(entry.Challenge)
}

// Challenges answers HTTP-01, and hands every other request to next. All that is
// below the path of challenges is answered here, mostly with 404: it never gets
// to next, and no file is ever looked up by what a request says.
func (m *Manager) Challenges(next http.Handler) http.Handler {
	none := problem.New(problem.NotFound, "There is no such challenge.")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, ours := strings.CutPrefix(r.URL.Path, challengePath)
		if !ours {
			next.ServeHTTP(w, r)
			return
		}
		answer := m.challenges.answer(r, token)
		if answer == "" {
			none.Write(w, r, "")
			return
		}
		h := w.Header()
		h.Set("Content-Type", "application/octet-stream")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		_, _ = w.Write([]byte(answer)) //nolint:gosec // our own text, as a type that nobody renders; the authority may be gone
	})
}

// answer returns the key authorization that r asks for; "" for none.
func (c *challenges) answer(r *http.Request, token string) string {
	if r.Method != http.MethodGet && r.Method != http.MethodHead || !validToken(token) {
		return ""
	}
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	entry := c.of(r.Context(), strings.ToLower(strings.TrimSuffix(host, ".")))
	if entry == nil || entry.Type != acme.ChallengeTypeHTTP01 || entry.Token != token {
		return ""
	}
	return entry.KeyAuthorization
}

// validToken reports whether token has the alphabet of tokens (RFC 8555, section
// 8.3).
func validToken(token string) bool {
	return token != "" && len(token) <= maxToken &&
		strings.Trim(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") == ""
}

// records proves names by records in the DNS.
type records struct {
	dns     DNS
	lookout *lookout
}

func (s records) Present(ctx context.Context, c acme.Challenge) error {
	return s.dns.Publish(ctx, c.DNS01TXTRecordName(), c.DNS01KeyAuthorization())
}

// Wait is called when all is published, and before the authority looks. It
// implements acmez.Waiter.
func (s records) Wait(ctx context.Context, c acme.Challenge) error {
	return s.lookout.await(ctx, c.DNS01TXTRecordName(), c.DNS01KeyAuthorization())
}

func (s records) CleanUp(ctx context.Context, c acme.Challenge) error {
	return s.dns.Withdraw(context.WithoutCancel(ctx), c.DNS01TXTRecordName(), c.DNS01KeyAuthorization())
}
