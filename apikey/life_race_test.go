package apikey_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
)

// What a change took away passes for nobody who asks after it, and what it leaves
// passes all the while, whoever else asks at the same time.
func TestVerificationsWhileAKeyChanges(t *testing.T) {
	h := newHouse(t)
	h.issuer = newIssuer(t, apikey.IssuerConfig{Store: h.store, Peppers: h.peppers, Changed: h.verifier.Invalidate})
	r, text := h.create(t, "acme")
	c := &changing{house: h, id: r.ID}
	c.texts.Store(&[]string{text})
	stop := make(chan struct{})
	var work sync.WaitGroup
	for range 100 {
		work.Go(func() { c.verify(t, stop) })
	}
	for n := range 40 {
		c.change(t, n)
	}
	c.deleted.Store(true) // from now on it may be
	if _, err := h.issuer.Delete(t.Context(), by(), r.ID, 0); err != nil {
		t.Error(err)
	}
	close(stop)
	work.Wait()
	for i, one := range *c.texts.Load() {
		if got := h.proves(t, one); got != "unknown" {
			t.Errorf("text %d of the deleted key: %q", i, got)
		}
	}
}

// changing is a key under change: its texts, the oldest first, of which the last
// always works.
type changing struct {
	*house
	id      apikey.ID
	texts   atomic.Pointer[[]string]
	renamed atomic.Int64 // the least number that the owner has
	deleted atomic.Bool
}

// change rolls the key with an overlap, or gives it another owner.
func (c *changing) change(t *testing.T, n int) {
	t.Helper()
	if n%2 == 0 {
		owner := fmt.Sprint(n)
		if _, err := c.issuer.Update(t.Context(), by(), c.id, 0, apikey.Patch{Owner: &owner}); err != nil {
			t.Error(err)
		}
		c.renamed.Store(int64(n))
		return
	}
	// Three secrets at most: a text ends with the third roll after it.
	_, text, err := c.issuer.Roll(t.Context(), by(), c.id, 0, apikey.RollSpec{Overlap: time.Hour})
	if err != nil {
		t.Error(err)
		return
	}
	texts := append(append([]string(nil), *c.texts.Load()...), reveal(text))
	c.texts.Store(&texts)
}

// verify asks until stop.
func (c *changing) verify(t *testing.T, stop chan struct{}) {
	t.Helper()
	for {
		select {
		case <-stop:
			return
		default:
		}
		owner, texts := c.renamed.Load(), *c.texts.Load()
		p, err := c.verifier.Verify(t.Context(), texts[len(texts)-1])
		var refused error
		rolled := len(*c.texts.Load()) - len(texts) // and one more that may be under way
		if err != nil && rolled <= 1 && !c.deleted.Load() {
			refused = errors.Join(errors.New("a text that works is refused"), err)
		}
		got := int64(-1)
		if _, scanErr := fmt.Sscan(p.Owner, &got); err == nil && scanErr == nil && got < owner {
			refused = fmt.Errorf("the owner is %d after it was %d", got, owner)
		}
		if len(texts) > 3 {
			if old, err := c.verifier.Verify(t.Context(), texts[len(texts)-4]); err == nil {
				refused = errors.Join(refused, fmt.Errorf("a text that ended proves %s", old.KeyID))
			}
		}
		if refused != nil {
			t.Error(refused)
			return
		}
	}
}
