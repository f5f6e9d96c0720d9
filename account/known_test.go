package account_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/secret"
)

// A list is what is known, and what was asked.
type list struct {
	asked [][]string
	found bool
	err   error
}

func (l *list) known(_ secret.Text, words ...string) (bool, error) {
	l.asked = append(l.asked, words)
	return l.found, l.err
}

// A password that others know is set neither by a link nor by a change, nor is one of
// which nobody can tell.
func TestPasswordsThatOthersKnow(t *testing.T) {
	l := new(list)
	h := newHouse(t)
	m, err := account.New(account.Config{Store: h.store, Hash: hash, Sealer: peppers(t), Known: l.known})
	if err != nil {
		t.Fatal(err)
	}
	a, link, err := m.Create(t.Context(), operator(), account.Spec{Name: "ada", Email: "countess@example.com", Role: account.Developer}, account.Link{Address: home()})
	if err != nil {
		t.Fatal(err)
	}
	finish := func(ctx context.Context) error {
		_, _, err := m.Finish(ctx, link, home(), account.Finish{Password: secret.New(goodPassword)})
		return err
	}
	change := func(ctx context.Context) error {
		_, err := m.ChangePassword(ctx, actor(a), secret.New("eleven quiet otters"))
		return err
	}
	away := errors.New("away")
	for _, set := range []func(context.Context) error{finish, change} {
		l.found, l.err, l.asked = true, nil, nil
		err := set(t.Context())
		if field, ok := errors.AsType[*account.FieldError](err); !ok || field.Field != "password" || !strings.Contains(field.Reason, "this one is known") {
			t.Errorf("a known password is set: %v", err)
		}
		if len(l.asked) != 1 || !slices.Equal(l.asked[0], []string{"ada", "countess"}) {
			t.Errorf("asked with the words %q", l.asked)
		}
		l.found, l.err = false, away
		if err := set(t.Context()); !errors.Is(err, away) {
			t.Errorf("nobody can tell: %v, want that error", err)
		}
		l.err = nil
		if err := set(t.Context()); err != nil {
			t.Errorf("one that nobody knows: %v", err)
		}
	}
}
