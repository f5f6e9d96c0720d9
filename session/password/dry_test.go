package password_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/secret"
	"github.com/warder-dev/warder/session/password"
)

// A dry question counts no guess, and says what a counted one would.
func TestDryChecksCountNothing(t *testing.T) {
	users := newPeople(t, "ada")
	renewed := 0
	c := newChecker(t, password.Config{Users: users, Params: costly(), Rehash: func(context.Context, password.User, string) error {
		renewed++
		return nil
	}})
	dry := func(word string) string {
		_, err := c.CheckDry(t.Context(), home(1), "ada", secret.New(word))
		return outcome(err)
	}
	for range 40 {
		if got := dry(wrong); got != "wrong-password" {
			t.Fatalf("a wrong password: %q", got)
		}
	}
	if got := dry(right); got != "" || renewed > 0 {
		t.Errorf("the right one: %q, %d hashes renewed", got, renewed)
	}
	for word, want := range map[string]string{"": "empty", string(make([]byte, 5000)): "too-long"} {
		if got := dry(word); got != want {
			t.Errorf("%d bytes: %q, want %q", len(word), got, want)
		}
	}
	throttled := func(err error) bool {
		_, ok := errors.AsType[*password.ThrottledError](err)
		return ok
	}
	for i := range 6 {
		if i == 3 {
			_ = dry(right) // forgets no failures
		}
		_, err := c.Check(t.Context(), home(1), "ada", secret.New(wrong))
		if throttled(err) != (i == 5) {
			t.Fatalf("failure %d: %v", i+1, err)
		}
	}
	if _, err := c.CheckDry(t.Context(), home(1), "ada", secret.New(right)); !throttled(err) {
		t.Errorf("who has to wait: %v", err)
	}
}

// What a dry question finds out is not remembered, and in a context of Unjudged
// nothing is found out, not even what is remembered.
func TestBasicInDryExchanges(t *testing.T) {
	users := newPeople(t, "ada")
	b := newBasic(t, users)
	as := func(ctx context.Context) context.Context { return ctx }
	sent := func(change func(context.Context) context.Context, dry bool, word string) error {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r = r.WithContext(change(r.Context()))
		r.Header.Set("Authorization", basic("ada", word))
		x := exchange.New(r)
		x.Client, x.Dry = home(1), dry
		_, err := b.Authenticate(x)
		return err
	}
	for range 40 {
		if err := sent(as, true, wrong); outcome(err) != "wrong-password" {
			t.Fatal(err)
		}
	}
	if err := sent(as, true, right); err != nil {
		t.Error(err)
	}
	if err := sent(as, false, right); err != nil {
		t.Errorf("after dry guesses: %v", err)
	}
	asked := users.asked
	for _, word := range []string{right, wrong} {
		if err := sent(password.Unjudged, true, word); !errors.Is(err, password.ErrUnjudged) {
			t.Errorf("where nothing is judged: %v", err)
		}
	}
	if users.asked != asked {
		t.Error("the user is looked up where nothing is judged")
	}
}
