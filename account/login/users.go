package login

import (
	"context"
	"errors"
	"time"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/secret"
	"github.com/warder-dev/warder/session/password"
)

// users are the accounts as those who have a password.
type users struct {
	people  *account.Manager
	timeout time.Duration
}

var _ password.Users = users{}

// Lookup implements password.Users. An account without a password is nobody's; one
// that may not log in is refused like a wrong password, once its own was compared.
func (u users) Lookup(ctx context.Context, name string) (password.User, error) {
	ctx, cancel := context.WithTimeout(ctx, u.timeout)
	defer cancel()
	a, err := u.people.Store().Find(ctx, name)
	switch {
	case errors.Is(err, account.ErrNotFound), err == nil && a.PasswordHash.IsZero():
		return password.User{}, password.ErrNoUser
	case err != nil:
		return password.User{}, err
	}
	return password.User{Name: a.Name, Subject: string(a.ID), Hash: revealHash(&a), Disabled: a.State() != account.Active}, nil
}

// rehash stores the password of a login under today's costs.
func (u users) rehash(ctx context.Context, user password.User, hash string) error {
	return u.people.Rehash(ctx, account.ID(user.Subject), secret.New(user.Hash), secret.New(hash))
}
