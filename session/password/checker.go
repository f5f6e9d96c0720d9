package password

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"time"

	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/secret"
	"github.com/warder-dev/warder/session"
)

// ErrNoUser is what [Users] returns for a name that nobody has.
var ErrNoUser = errors.New("password: no such user")

// Users finds the people who may log in. Implementations are safe for concurrent
// use and keep to ctx.
type Users interface {
	// Lookup returns the user who logs in by name, [ErrNoUser], or another error
	// when it could not find out. name has 1 to 255 bytes of whatever was sent.
	Lookup(ctx context.Context, name string) (User, error)
}

// A User is somebody who may log in.
type User struct {
	Name     string          // to log in by
	Subject  string          // of sessions; never given to somebody else. Default: Name.
	Title    string          // for people to read
	Hash     string          // PHC string of argon2id; see [Hash]
	Scopes   exchange.Scopes // what the user is granted
	Disabled bool            // refused like a wrong password
}

// DefaultIssuer is who vouches for users where nothing else is configured.
const DefaultIssuer = "password"

// Config configures a [Checker]. Users and Log are required.
type Config struct {
	_     [0]func()
	Users Users        // Required.
	Log   *slog.Logger // gets refused logins, without names that nobody has. Required.

	Issuer string // of the users' principals and sessions. Default [DefaultIssuer].
	Params Params // of hashes for names that nobody has, and of renewed ones

	// Memory is how many KiB may be in use for hashing at once. A hash that needs more
	// than all of it is an error. Default: Params.Memory for each processor that Go
	// uses, 4 at most.
	Memory int64
	Queue  int           // logins that may wait for memory: at most 10,000. Default 64.
	Wait   time.Duration // how long a login waits for memory: at most 1 minute. Default 5 seconds.

	// Rehash stores a new hash of a user whose password was just proved and whose
	// hash has other costs than Params. nil: nothing is renewed. An error is logged.
	Rehash func(ctx context.Context, u User, hash string) error
}

// A Checker compares passwords. It is safe for concurrent use and has nothing to
// close.
type Checker struct {
	users    Users
	log      *slog.Logger
	issuer   string
	params   Params
	rehash   func(ctx context.Context, u User, hash string) error
	queue    *queue
	throttle *throttle
	nobody   *encoded

	empty, long, unknown, wrong, disabled *authn.Refusal
}

// New reports everything that is wrong with cfg at once.
func New(cfg Config) (*Checker, error) { return newChecker(cfg, Params.check) }

// newChecker is New with a check of the costs.
func newChecker(cfg Config, check func(Params) error) (*Checker, error) {
	cfg.Params = cfg.Params.withDefaults()
	cfg.Issuer = cmp.Or(cfg.Issuer, DefaultIssuer)
	cfg.Memory = cmp.Or(cfg.Memory, int64(cfg.Params.Memory)*int64(min(4, runtime.GOMAXPROCS(0))))
	cfg.Queue = cmp.Or(cfg.Queue, 64)
	cfg.Wait = cmp.Or(cfg.Wait, 5*time.Second)
	errs := []error{check(cfg.Params)}
	if cfg.Users == nil {
		errs = append(errs, errors.New("password: Users is missing"))
	}
	if cfg.Log == nil {
		errs = append(errs, errors.New("password: Log is missing"))
	}
	if cfg.Memory < int64(cfg.Params.Memory) {
		errs = append(errs, fmt.Errorf("password: Memory is %d KiB, want %d at least, for one hash", cfg.Memory, cfg.Params.Memory))
	}
	if cfg.Queue < 1 || cfg.Queue > 10_000 {
		errs = append(errs, fmt.Errorf("password: Queue is %d, want 1 to 10,000", cfg.Queue))
	}
	if cfg.Wait < 0 || cfg.Wait > time.Minute {
		errs = append(errs, fmt.Errorf("password: Wait is %v, want at most 1 minute", cfg.Wait))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return &Checker{
		users: cfg.Users, log: cfg.Log, issuer: cfg.Issuer, params: cfg.Params, rehash: cfg.Rehash,
		queue: newQueue(cfg.Memory, cfg.Queue, cfg.Wait), throttle: newThrottle(), nobody: dummy(cfg.Params),
		empty: authn.Wrong("empty"), long: authn.Wrong("too-long"), unknown: authn.Wrong("unknown-user"), wrong: authn.Wrong("wrong-password"),
		disabled: authn.Wrong("disabled"),
	}, nil
}

// Check returns the user who has the name and the password. from is the client's
// address. It returns
//
//   - an *[authn.Refusal] when name and password prove nobody, whose reason is for
//     the log only,
//   - a *[ThrottledError] when too many have failed: nothing was compared,
//   - [ErrBusy] when too many wait to be compared,
//   - another error when the users could not be asked.
func (c *Checker) Check(ctx context.Context, from netip.Addr, name string, password secret.Text) (User, error) {
	if err := c.fits(name, password); err != nil {
		return User{}, err
	}
	attempt, err := c.throttle.begin(name, from)
	if err != nil {
		return User{}, err
	}
	u, err := c.compare(ctx, name, password)
	switch _, refused := errors.AsType[*authn.Refusal](err); {
	case err == nil:
		attempt.succeeded()
	case !refused:
		attempt.forget() // it was no guess
	}
	if err != nil {
		return User{}, err
	}
	return c.renew(ctx, u, password), nil
}

// CheckDry is [Checker.Check] without a trace, for judging a request that was judged
// before or that nobody sent: a wrong password is not counted, a right one forgets no
// failures, makes no address the user's own and renews no hash. Who has to wait is
// told so here as well. Nothing bounds guesses through it: whoever can choose the
// password must not learn the outcome.
func (c *Checker) CheckDry(ctx context.Context, from netip.Addr, name string, password secret.Text) (User, error) {
	if err := c.fits(name, password); err != nil {
		return User{}, err
	}
	if err := c.throttle.look(name, from); err != nil {
		return User{}, err
	}
	return c.compare(ctx, name, password)
}

// fits refuses what can be nobody's name and password.
func (c *Checker) fits(name string, password secret.Text) error {
	empty, long := measure(password)
	switch {
	case empty, name == "":
		return c.empty
	case long, len(name) > maxName:
		return c.long
	}
	return nil
}

// compare finds the user and compares the password, or does as much for nobody.
func (c *Checker) compare(ctx context.Context, name string, password secret.Text) (User, error) {
	u, err := c.users.Lookup(ctx, name)
	known := err == nil
	stored := c.nobody
	switch {
	case errors.Is(err, ErrNoUser):
	case err != nil:
		return User{}, fmt.Errorf("password: look up: %w", err)
	default:
		if stored, err = parse(u.Hash); err != nil {
			return User{}, err
		}
	}
	leave, err := c.queue.enter(ctx, stored.params.Memory)
	if err != nil {
		return User{}, err
	}
	holds := stored.holds(password)
	leave()
	switch {
	case !known:
		return User{}, c.unknown
	case !holds:
		return User{}, c.wrong
	case u.Disabled:
		return User{}, c.disabled
	}
	u.Subject = cmp.Or(u.Subject, u.Name)
	return u, nil
}

// renew stores a hash of today's costs, if the user's has others. It fails no
// login.
func (c *Checker) renew(ctx context.Context, u User, password secret.Text) User {
	old, err := parse(u.Hash)
	if c.rehash == nil || err != nil || !old.outdated(c.params) {
		return u
	}
	leave, err := c.queue.enter(ctx, c.params.Memory)
	if err != nil {
		return u // the next login will do
	}
	renewed, err := hash(password, c.params)
	leave()
	if err == nil {
		err = c.rehash(ctx, u, renewed)
	}
	if err != nil {
		c.log.LogAttrs(ctx, slog.LevelWarn, "hash of a password was not renewed", slog.String("user", u.Name), slog.Any("error", err))
		return u
	}
	u.Hash = renewed
	return u
}

// ErrChanged means that a user was changed while logging in: to try again tells
// whether the password still holds.
var ErrChanged = errors.New("password: the user was changed meanwhile")

// Confirm returns nil when u, which Check returned, is still as it was: with the
// same hash, and not disabled. See [session.Manager.LoginIf].
func (c *Checker) Confirm(ctx context.Context, u User) error {
	now, err := c.users.Lookup(ctx, u.Name)
	switch {
	case errors.Is(err, ErrNoUser):
		return ErrChanged
	case err != nil:
		return fmt.Errorf("password: look up: %w", err)
	case now.Hash != u.Hash, now.Disabled:
		return ErrChanged
	}
	return nil
}

// Issuer is that of the users' principals and sessions.
func (c *Checker) Issuer() string { return c.issuer }

// SessionUser returns u as the user of a session.
func (c *Checker) SessionUser(u User) session.User {
	return session.User{Issuer: c.issuer, Subject: cmp.Or(u.Subject, u.Name), Name: cmp.Or(u.Title, u.Name), Scopes: u.Scopes}
}
