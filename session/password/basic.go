package password

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/credential"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/openapi"
	"github.com/warder-dev/warder/secret"
)

// BasicConfig configures a [Basic].
type BasicConfig struct {
	_       [0]func()
	Checker *Checker // Required.
	Scheme  string   // name of the scheme in OpenAPI. Default "basic".

	// Leave reports whether a name belongs to another scheme of HTTP Basic, which then
	// is asked alone: one that is a key. nil for none. It gets text that nobody has
	// checked.
	Leave func(name string) bool

	// Remembered is how many pairs of name and password that held are remembered: 1 to
	// 100,000. Default 1,024.
	Remembered int
}

const (
	verifiedLife = 5 * time.Minute // since they were compared
	basicTimeout = 10 * time.Second
	maxBasic     = (maxName + 1 + maxPassword + 2) / 3 * 4 // bytes of base64
)

// A Basic is the scheme of name and password in each request: type "http", scheme
// "basic" in OpenAPI (RFC 7617). It is safe for concurrent use.
//
// argon2id takes too long for each request, so what was compared and held is
// remembered for five minutes, as an HMAC under a key that this process drew; at
// most [BasicConfig.Remembered] of them, and never what did not hold. The user is looked up each time:
// one who is gone, disabled, or has another hash is refused from then on. Requests
// with the same credentials at once are compared once.
//
// Who has to wait after too many failures gets 401 like everybody else.
//
// An exchange that is Dry leaves no trace: see [Checker.CheckDry]. That is for a
// shadow configuration, whose verdicts the sender never learns. Where the asker
// chooses the password and reads the verdict, the context has to be of [Unjudged].
type Basic struct {
	checker *Checker
	scheme  string
	leave   func(name string) bool
	limit   int
	key     [sha256.Size]byte

	repeated, malformed, throttled *authn.Refusal

	mu       sync.Mutex
	verified map[[sha256.Size]byte]verified
	flights  map[flight]*comparison
}

// verified is a pair of name and password that held.
type verified struct {
	hash  string // of the user, then
	until time.Time
}

// A flight is what requests must share to wait for one comparison.
type flight struct {
	mac  [sha256.Size]byte
	from netip.Addr
}

type comparison struct {
	done chan struct{}
	user User
	err  error
}

var (
	_ authn.Scheme    = (*Basic)(nil)
	_ authn.Describer = (*Basic)(nil)
)

// NewBasic reports everything that is wrong with cfg at once.
func NewBasic(cfg BasicConfig) (*Basic, error) {
	cfg.Scheme = cmp.Or(cfg.Scheme, "basic")
	cfg.Remembered = cmp.Or(cfg.Remembered, 1024)
	var errs []error
	if cfg.Checker == nil {
		errs = append(errs, errors.New("password: Checker is missing"))
	}
	if !openapi.ValidName(cfg.Scheme) {
		errs = append(errs, errors.New("password: Scheme: want a name of letters, digits and ._-"))
	}
	if cfg.Remembered < 1 || cfg.Remembered > 100_000 {
		errs = append(errs, fmt.Errorf("password: Remembered is %d, want 1 to 100,000", cfg.Remembered))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	b := &Basic{
		checker: cfg.Checker, scheme: cfg.Scheme, leave: cfg.Leave, limit: cfg.Remembered,
		repeated: authn.Unreadable("repeated"), malformed: authn.Wrong("malformed"), throttled: authn.Wrong("throttled"),
		verified: make(map[[sha256.Size]byte]verified), flights: make(map[flight]*comparison),
	}
	_, _ = rand.Read(b.key[:]) // never fails: it ends the program first
	return b, nil
}

// Name returns the scheme's name in OpenAPI.
func (b *Basic) Name() string { return b.scheme }

// Challenge returns the WWW-Authenticate challenge (RFC 7617, section 2).
func (*Basic) Challenge(realm string) string { return `Basic realm="` + realm + `", charset="UTF-8"` }

// Describe adds the scheme to doc.
func (b *Basic) Describe(doc *openapi.Document) error {
	return doc.AddSecurityScheme(b.scheme, openapi.SecurityScheme{Type: openapi.TypeHTTP, Scheme: "basic", Description: "Name and password."})
}

// Authenticate returns whom name and password prove. Authorization of another
// scheme is somebody else's. The principal is ambient: browsers send what was
// typed in once with every request.
func (b *Basic) Authenticate(x *exchange.Exchange) (exchange.Principal, error) {
	scheme, rest, state := credential.Authorization(x.Request.Header)
	switch {
	case state == credential.Absent:
		return exchange.Principal{}, authn.ErrNoCredential
	case state != credential.Once:
		return exchange.Principal{}, b.repeated
	case !strings.EqualFold(scheme, "basic"):
		return exchange.Principal{}, authn.ErrNoCredential
	}
	name, password, ok := readBasic(rest)
	switch {
	case !ok:
		return exchange.Principal{}, b.malformed
	case b.leave != nil && b.leave(name):
		return exchange.Principal{}, authn.ErrNoCredential
	}
	ctx := x.Request.Context()
	if ctx.Value(unjudged{}) != nil {
		return exchange.Principal{}, ErrUnjudged
	}
	u, err := b.user(ctx, flight{mark(b.key[:], name, password), x.Client}, name, password, x.Dry)
	if _, ok := errors.AsType[*ThrottledError](err); ok {
		err = b.throttled
	}
	if err != nil {
		return exchange.Principal{}, err
	}
	return exchange.Principal{
		Issuer: b.checker.issuer, Subject: cmp.Or(u.Subject, u.Name), Scopes: u.Scopes, Scheme: b.scheme, Ambient: true,
	}, nil
}

// ErrUnjudged is what a [Basic] returns for any password in a context of [Unjudged].
var ErrUnjudged = errors.New("password: not compared where nobody counts guesses: send the request itself")

type unjudged struct{}

// Unjudged returns a context in which a [Basic] compares no password, and returns
// [ErrUnjudged]: for explaining a request to somebody who may have made it up to
// guess a password. Nothing is looked up either, nor is what is remembered.
func Unjudged(ctx context.Context) context.Context { return context.WithValue(ctx, unjudged{}, true) }

// readBasic returns name and password of base64 text.
func readBasic(text string) (name string, password secret.Text, ok bool) {
	if len(text) > maxBasic {
		return "", secret.Text{}, false
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") {
		return "", secret.Text{}, false
	}
	name, word, ok := strings.Cut(string(raw), ":")
	return name, secret.New(word), ok
}

// user returns the user whom name and password prove. A dry question leaves no trace,
// and nobody who is counted waits for its comparison.
func (b *Basic) user(ctx context.Context, f flight, name string, password secret.Text, dry bool) (User, error) {
	b.mu.Lock()
	v, ok := b.verified[f.mac]
	b.mu.Unlock()
	if ok && time.Now().Before(v.until) {
		switch u, err := b.checker.users.Lookup(ctx, name); {
		case err == nil && u.Hash == v.hash && !u.Disabled:
			return u, nil
		case err != nil && !errors.Is(err, ErrNoUser):
			return User{}, err
		}
	}
	if dry {
		return b.checker.CheckDry(ctx, f.from, name, password)
	}
	return b.compare(ctx, f, name, password)
}

// compare compares name and password, or waits for a request that does.
func (b *Basic) compare(ctx context.Context, f flight, name string, password secret.Text) (User, error) {
	b.mu.Lock()
	c, under := b.flights[f]
	if !under {
		c = &comparison{done: make(chan struct{})}
		b.flights[f] = c
	}
	b.mu.Unlock()
	if under {
		select {
		case <-c.done:
			return c.user, c.err
		case <-ctx.Done():
			return User{}, ctx.Err()
		}
	}
	defer func() {
		b.mu.Lock()
		delete(b.flights, f)
		b.mu.Unlock()
		close(c.done)
	}()
	c.err = ErrBusy // should Check panic
	// Others wait for the outcome: it does not hang on one client that leaves.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), basicTimeout)
	defer cancel()
	c.user, c.err = b.checker.Check(ctx, f.from, name, password)
	if c.err == nil {
		b.remember(f.mac, c.user.Hash)
	}
	return c.user, c.err
}

// remember notes that a pair held. A full cache drops what has run out, and then
// whatever comes first.
func (b *Basic) remember(mac [sha256.Size]byte, hash string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	if len(b.verified) >= b.limit {
		for m, v := range b.verified {
			if !now.Before(v.until) {
				delete(b.verified, m)
			}
		}
	}
	for m := range b.verified {
		if len(b.verified) < b.limit {
			break
		}
		delete(b.verified, m)
	}
	b.verified[mac] = verified{hash, now.Add(verifiedLife)}
}
