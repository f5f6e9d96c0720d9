package usagetest

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/warder-dev/warder/usage"
)

// TestOwners runs the part of the contract that needs keys beside the accounts. open
// returns an empty store, and a func that makes a key, or gives it to another owner.
func TestOwners(t *testing.T, open func(t *testing.T) (s usage.Store, own func(t *testing.T, id, owner string))) {
	t.Helper()
	t.Run("a change for one owner is of this owner's key alone", func(t *testing.T) {
		s, own := open(t)
		own(t, "a", "acme")
		apply(t, s, owned(change(key("a"), usage.OpSet, 5), "acme"))
		wantOther(t, s, owned(change(key("a"), usage.OpSet, 7), "other"))
		wantOther(t, s, owned(change(key("b"), usage.OpSet, 7), "acme"))
		own(t, "a", "other")
		wantOther(t, s, owned(change(key("a"), usage.OpAdd, 7), "acme"))
		wantOther(t, s, owned(refill(key("a"), usage.Refill{Every: usage.Day, Amount: 9}), "acme"))
		wants(t, account(t, s, key("a"), noon()), 5, 0, 0, 0)
		apply(t, s, owned(change(key("a"), usage.OpAdd, 1), "other"))
		apply(t, s, change(key("a"), usage.OpAdd, 1)) // whosever it is
		wants(t, account(t, s, key("a"), noon()), 7, 0, 0, 0)
		if _, err := s.Account(t.Context(), key("b"), noon()); !errors.Is(err, usage.ErrNoAccount) {
			t.Errorf("Account of a key that does not exist = %v, want %v", err, usage.ErrNoAccount)
		}
		c := owned(change(usage.Subject{Kind: usage.Owner, ID: "acme"}, usage.OpSet, 1), "acme")
		if _, err := s.Apply(t.Context(), c); err == nil || errors.Is(err, usage.ErrOtherOwner) {
			t.Errorf("Apply to the account of an owner = %v, want an error of its own", err)
		}
	})
	t.Run("a key that goes to another owner takes no change of the one before with it", func(t *testing.T) {
		s, own := open(t)
		own(t, "a", "acme")
		apply(t, s, change(key("a"), usage.OpSet, 1))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var writers sync.WaitGroup
		written := make(chan struct{}, 1)
		for range 4 {
			writers.Go(func() {
				for ctx.Err() == nil {
					switch _, err := s.Apply(ctx, owned(change(key("a"), usage.OpAdd, 1), "acme")); {
					case errors.Is(err, usage.ErrOtherOwner):
						return
					case err != nil:
						t.Errorf("Apply = %v", err)
						return
					}
					select {
					case written <- struct{}{}:
					default:
					}
				}
			})
		}
		<-written
		own(t, "a", "other")
		at := account(t, s, key("a"), noon())
		writers.Wait()
		if after := account(t, s, key("a"), noon()); after.Balance != at.Balance {
			t.Errorf("the former owner's changes made %d of the %d credits that there were when the key was another's", after.Balance, at.Balance)
		}
	})
}

func owned(c usage.Change, owner string) usage.Change {
	c.Owner = owner
	return c
}

func wantOther(t *testing.T, s usage.Store, c usage.Change) {
	t.Helper()
	if _, err := s.Apply(t.Context(), c); !errors.Is(err, usage.ErrOtherOwner) {
		t.Errorf("Apply(%s for %s) = %v, want %v", c.Op, c.Owner, err, usage.ErrOtherOwner)
	}
}
