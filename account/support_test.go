package account_test

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/secret"
)

const goodPassword = "seven quiet otters"

// peppers returns the sealer of a test.
func peppers(tb testing.TB) *apikey.Peppers {
	tb.Helper()
	text, err := apikey.NewPepper(nil)
	if err != nil {
		tb.Fatal(err)
	}
	p, err := apikey.ParsePeppers(text)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// hash stands for argon2id, which takes long.
func hash(text secret.Text) (string, error) { return "hash of " + text.Reveal(), nil }

// A house is a manager with its store.
type house struct {
	*account.Manager
	store *account.MemoryStore
	ended []account.ID
}

func newHouse(tb testing.TB) *house {
	tb.Helper()
	h := &house{store: new(account.MemoryStore)}
	m, err := account.New(account.Config{
		Store: h.store, Hash: hash, Sealer: peppers(tb), Ended: func(_ context.Context, id account.ID) { h.ended = append(h.ended, id) },
	})
	if err != nil {
		tb.Fatal(err)
	}
	h.Manager = m
	return h
}

// operator is the command line.
func operator() account.Actor { return account.Actor{By: "user:root", Source: "cli", Operator: true} }

func home() netip.Addr { return netip.MustParseAddr("192.0.2.1") }

// actor is a as it asks with a fresh login.
func actor(a account.Account) account.Actor {
	return account.Actor{By: "account:" + string(a.ID), Source: "192.0.2.1", ID: a.ID, Role: a.Role, Fresh: true}
}

// A person is an account with what its person knows.
type person struct {
	account.Account
	shared secret.Text
	codes  []secret.Text
}

// settle makes an account of the role and sets it up.
func (h *house) settle(tb testing.TB, name string, role account.Role) *person {
	tb.Helper()
	_, link, err := h.Create(tb.Context(), operator(), account.Spec{Name: name, Role: role}, account.Link{Address: home()})
	if err != nil {
		tb.Fatal(err)
	}
	p, err := h.finish(tb, link)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// finish sets up what link is for.
func (h *house) finish(tb testing.TB, link secret.Text) (*person, error) {
	tb.Helper()
	offer, err := h.Offer(tb.Context(), link, home())
	if err != nil {
		return nil, err
	}
	f := account.Finish{Password: secret.New(goodPassword), Offer: offer.Sealed}
	if offer.Factor {
		f.Code = code(tb, offer.Secret, time.Now())
	}
	a, codes, err := h.Finish(tb.Context(), link, home(), f)
	return &person{a, offer.Secret, codes}, err
}

// code is what an authenticator shows.
func code(tb testing.TB, shared secret.Text, at time.Time) string {
	tb.Helper()
	text, err := account.Code(shared, at)
	if err != nil {
		tb.Fatal(err)
	}
	return text
}

func wantNothingSecret(tb testing.TB, where, text string, secrets ...secret.Text) {
	tb.Helper()
	for _, s := range secrets {
		if word := s.Reveal(); word != "" && strings.Contains(text, word) {
			tb.Errorf("%s holds a secret", where)
		}
	}
}

// pause lets d pass on a bubble's clock.
func pause(d time.Duration) { <-time.After(d) }
