// Package login tells which administrator sends a request: a person by a session
// that began with a password and a second factor, a machine by an admin key.
//
//	sessions, err := login.NewSessions(store, log)
//	keys, err := login.NewKeys(login.KeysConfig{Store: accounts, Peppers: peppers, Log: log})
//	people, err := account.New(account.Config{Store: accounts, Hash: login.Hash, Sealer: peppers, Ended: login.End(sessions, log)})
//	door, err := login.New(login.Config{People: people, Sessions: sessions, Log: log})
//	stage, err := authn.New(authn.Config{Requirement: authn.Requirement{{{Scheme: door.Scheme()}}, {{Scheme: keys.Scheme()}}}})
//	routes, err := login.NewRoutes(door, keys, "/v1/account")
//
// It is where the rooms of identity meet, which know nothing of each other.
//
// # Two steps
//
// The right password of an account with a second factor is answered with a ticket,
// sealed and good for five minutes, and not with a session. The ticket and a code of
// the authenticator, or a recovery code, are. Passwords and codes are slowed down for
// each account and each address, apart from each other.
//
// # Each request
//
// The account is looked up for each request: its role is that of now, and a session
// of an account that was removed, disabled or changed since ([account.Account.Epoch])
// is 401. So is one that was begun without the factor that the role requires. An
// admin key is looked up as well, and nothing is cached: what is revoked is refused
// from then on. A store without an answer is 503.
//
// # Apart from the API's own users
//
// A session of an administrator is of no use as one of the API, and the reverse,
// although one store may hold both: their ids are found under different digests. An
// admin key is kept apart from the API's keys, begins with "wadm", and its digest
// covers that.
package login

import (
	"errors"
	"log/slog"
	"time"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/secret"
	"github.com/warder-dev/warder/session"
	"github.com/warder-dev/warder/session/password"
)

// Hash is the argon2id hash of a password: for [account.Config].
func Hash(text secret.Text) (string, error) { return password.Hash(text, password.Params{}) }

// Config configures a [Door]. People, Sessions and Log are required.
type Config struct {
	_        [0]func()
	People   *account.Manager // Required.
	Sessions *session.Manager // of NewSessions. Required.
	Log      *slog.Logger     // gets logins that were refused, without names that nobody has. Required.

	// Params are the costs of passwords. A hash with others is renewed at a login.
	// Default: password's.
	Params password.Params

	Realm   string        // in the challenges of 401. Default "warder admin".
	Timeout time.Duration // of looking up an account: at most 1 minute. Default 2 seconds.
}

// A Door lets people in. It is safe for concurrent use and has nothing to close.
type Door struct {
	people   *account.Manager
	sessions *session.Manager
	log      *slog.Logger
	checker  *password.Checker
	codes    *password.Throttle
	scheme   *Scheme
	stage    *authn.Stage // of scheme alone
	answers  answers
	timeout  time.Duration
	realm    string
}

// New reports everything that is wrong with cfg at once.
func New(cfg Config) (*Door, error) {
	var errs []error
	if cfg.People == nil {
		errs = append(errs, errors.New("login: People is missing"))
	}
	if cfg.Sessions == nil {
		errs = append(errs, errors.New("login: Sessions is missing"))
	}
	if cfg.Log == nil {
		errs = append(errs, errors.New("login: Log is missing"))
	}
	if cfg.Timeout < 0 || cfg.Timeout > time.Minute {
		errs = append(errs, errors.New("login: Timeout: want at most 1 minute"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 2 * time.Second
	}
	if cfg.Realm == "" {
		cfg.Realm = "warder admin"
	}
	users := users{people: cfg.People, timeout: cfg.Timeout}
	checker, err := password.New(password.Config{Users: users, Log: cfg.Log, Issuer: account.Issuer, Params: cfg.Params, Rehash: users.rehash})
	if err != nil {
		return nil, err
	}
	d := &Door{
		people: cfg.People, sessions: cfg.Sessions, log: cfg.Log, checker: checker, codes: password.NewThrottle(), timeout: cfg.Timeout, realm: cfg.Realm,
		answers: newAnswers(cfg.Sessions.Scheme().Challenge(cfg.Realm)),
	}
	d.scheme = newScheme(d)
	if d.stage, err = authn.New(authn.Config{Requirement: authn.Require(d.scheme), Realm: cfg.Realm}); err != nil {
		return nil, err
	}
	return d, nil
}

// Scheme returns the scheme of people's sessions.
func (d *Door) Scheme() *Scheme { return d.scheme }
