package sqlite_test

import (
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/sqlite"
)

// A clocked is a node whose clock is off.
type clocked struct {
	keys     *sqlite.APIKeys
	issuer   *apikey.Issuer
	verifier *apikey.Verifier
}

// The clocks of nodes: each bubble of synctest begins at the same time and has a clock
// of its own.
const (
	behind = 1 * time.Hour
	right  = 2 * time.Hour
	ahead  = 3 * time.Hour
)

// within runs do on a node of the database whose clock is at the time clock since the
// bubble's beginning.
func within(t *testing.T, path string, peppers *apikey.Peppers, clock time.Duration, do func(t *testing.T, n *clocked)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(clock) //nolint:forbidigo // the clock of synctest
		db, err := sqlite.Open(t.Context(), sqlite.Config{Path: path, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		n := &clocked{keys: db.APIKeys()}
		if n.issuer, err = apikey.NewIssuer(apikey.IssuerConfig{Store: n.keys, Peppers: peppers}); err != nil {
			t.Fatal(err)
		}
		if n.verifier, err = apikey.NewVerifier(apikey.VerifierConfig{Store: n.keys, Peppers: peppers}); err != nil {
			t.Fatal(err)
		}
		do(t, n)
		if err := errors.Join(n.verifier.Close(), db.Close()); err != nil {
			t.Error(err)
		}
	})
}

// refusedAs asks twice, the second time by what is remembered; "" for a key that is good.
func (n *clocked) refusedAs(t *testing.T, text string) string {
	t.Helper()
	var reasons [2]string
	for i := range reasons {
		_, err := n.verifier.Verify(t.Context(), text)
		if r, ok := errors.AsType[*authn.Refusal](err); ok {
			reasons[i] = r.Reason()
		} else if err != nil {
			reasons[i] = err.Error()
		}
	}
	if reasons[0] != reasons[1] {
		t.Errorf("the first answer is %q, the next %q", reasons[0], reasons[1])
	}
	return reasons[0]
}

// TestNodesWhoseClocksDiffer takes keys away on nodes whose clocks are right, an hour
// ahead and an hour behind, and has the others change them afterwards, with times that
// are before: what was taken away comes back nowhere, and an end that was set is moved
// by nobody.
func TestNodesWhoseClocksDiffer(t *testing.T) {
	attack.Case(t, "FLEET-13", attack.Library, func(t *testing.T) {
		line, err := apikey.NewPepper(nil)
		if err != nil {
			t.Fatal(err)
		}
		peppers, err := apikey.ParsePeppers(line)
		if err != nil {
			t.Fatal(err)
		}
		clocks := []time.Duration{behind, right, ahead}
		for _, taker := range clocks {
			for _, other := range clocks {
				path := newPath(t)
				by := apikey.By{Actor: "user:ada", Source: "cli"}
				var made []apikey.Made
				node := func(clock time.Duration, do func(t *testing.T, n *clocked)) { within(t, path, peppers, clock, do) }
				var epoch time.Time // by the right clock
				node(right, func(t *testing.T, n *clocked) {
					t.Helper()
					epoch = time.Now()
					specs := make([]apikey.Spec, 5)
					for i := range specs {
						specs[i].Environment = "live"
					}
					specs[4].Expires = epoch.Add(20 * time.Minute)
					if made, err = n.issuer.CreateAll(t.Context(), by, specs); err != nil {
						t.Fatal(err)
					}
				})
				const revoked, disabled, rolled, deleted, expiring = 0, 1, 2, 3, 4
				text, id := make([]string, len(made)), make([]apikey.ID, len(made))
				for i := range made {
					text[i], id[i] = made[i].Text.Reveal(), made[i].Record.ID
				}
				node(taker, func(t *testing.T, n *clocked) {
					t.Helper()
					_, err1 := n.issuer.Revoke(t.Context(), by, id[revoked], "leaked")
					_, err2 := n.issuer.Disable(t.Context(), by, id[disabled])
					_, _, err3 := n.issuer.Roll(t.Context(), by, id[rolled], 0, apikey.RollSpec{Overlap: 10 * time.Minute})
					_, err4 := n.issuer.EndOverlap(t.Context(), by, id[rolled], 0)
					_, err5 := n.issuer.Delete(t.Context(), by, id[deleted], 0)
					if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
						t.Fatal(err)
					}
				})
				name := "renamed"
				node(other, func(t *testing.T, n *clocked) { // its changes are said to be of before
					t.Helper()
					if _, err := n.issuer.Enable(t.Context(), by, id[revoked]); err != nil && !errors.Is(err, apikey.ErrRevoked) {
						t.Error(err)
					}
					if _, _, err := n.issuer.Roll(t.Context(), by, id[revoked], 0, apikey.RollSpec{}); !errors.Is(err, apikey.ErrRevoked) {
						t.Errorf("a revoked key is rolled: %v", err)
					}
					for _, i := range []int{disabled, expiring} {
						if _, err := n.issuer.Update(t.Context(), by, id[i], 0, apikey.Patch{Name: &name}); err != nil && !errors.Is(err, apikey.ErrExpired) {
							t.Error(err)
						}
					}
					if _, _, err := n.issuer.Roll(t.Context(), by, id[rolled], 0, apikey.RollSpec{Overlap: time.Minute}); err != nil {
						t.Error(err)
					}
				})
				for _, judge := range clocks {
					node(judge, func(t *testing.T, n *clocked) {
						t.Helper()
						for i, want := range map[int]string{revoked: "revoked", disabled: "disabled", rolled: "wrong-secret", deleted: "unknown"} {
							if got := n.refusedAs(t, text[i]); got != want {
								t.Errorf("taken by a clock at %v, changed at %v, judged at %v: key %d is %q, want %q", taker, other, judge, i, got, want)
							}
						}
						record, err := n.keys.Lookup(t.Context(), id[expiring])
						if err != nil || !record.Expires.Equal(made[expiring].Record.Expires) {
							t.Errorf("the end that was set is %v, %v, want %v as before", record.Expires, err, made[expiring].Record.Expires)
						}
						want := ""
						if judge == ahead {
							want = "expired"
						}
						if got := n.refusedAs(t, text[expiring]); got != want {
							t.Errorf("a key that ends in 20 minutes is %q by a clock at %v, want %q", got, judge, want)
						}
					})
				}
			}
		}
	})
}
