package account_test

import (
	"errors"
	"fmt"
	"net/url"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/secret"
)

// The vectors of RFC 6238, appendix B, for SHA-1: of their 8 digits the last 6.
func TestCodeIsThatOfTheRFC(t *testing.T) {
	shared := secret.New("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ") // "12345678901234567890"
	for seconds, want := range map[int64]string{
		59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130",
	} {
		if got := code(t, shared, time.Unix(seconds, 0)); got != want {
			t.Errorf("at %d: %s, want %s", seconds, got, want)
		}
	}
	// RFC 4226, appendix D: the counter is the number of the step.
	for n, want := range []string{"755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"} {
		if got := code(t, shared, time.Unix(int64(30*n), 0)); got != want {
			t.Errorf("counter %d: %s, want %s", n, got, want)
		}
	}
	for _, text := range []string{"", "1", "GEZDGNBV0", "canary!"} {
		if got, err := account.Code(secret.New(text), time.Unix(59, 0)); err == nil {
			t.Errorf("Code of %q = %s, want an error", text, got)
		}
	}
}

func TestACodeIsGoodOnceAndInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		ada := h.settle(t, "ada", account.Owner)
		prove := func(text string) error {
			_, err := h.Prove(t.Context(), ada.ID, "192.0.2.1", account.Proof{Code: text})
			return err
		}
		at := func(after time.Duration) string { return code(t, ada.shared, time.Now().Add(after)) }
		want := func(what string, err, want error) {
			t.Helper()
			if !errors.Is(err, want) || want == nil && err != nil {
				t.Errorf("%s: %v, want %v", what, err, want)
			}
		}
		want("the code that enrolled", prove(at(0)), account.ErrCode)
		pause(10 * time.Minute) // of the bubble's clock
		want("two steps early", prove(at(time.Minute)), account.ErrCode)
		want("two steps late", prove(at(-time.Minute)), account.ErrCode)
		want("one step late", prove(at(-30*time.Second)), nil)
		want("one step late again", prove(at(-30*time.Second)), account.ErrCode)
		now := at(0)
		want("now, as people type it", prove(now[:3]+" "+now[3:]), nil)
		want("now again", prove(now), account.ErrCode)
		want("one step early", prove(at(30*time.Second)), nil)
		want("now, after a later one", prove(now), account.ErrCode)
		pause(10 * time.Minute)
		for _, text := range []string{"", "0", "00000a", "0000000", "000 000 000 000 000", "１２３４５６", " ", at(0) + "\x00"} {
			want(fmt.Sprintf("%q", text), prove(text), account.ErrCode)
		}
		stored, err := h.store.Lookup(t.Context(), ada.ID)
		if err != nil || stored.LastLogin.IsZero() || stored.LastLogin.Second() != 0 {
			t.Errorf("LastLogin = %v, %v, want a minute", stored.LastLogin, err)
		}
	})
}

func TestACodeIsGoodForOneOfManyRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		ada := h.settle(t, "ada", account.Owner)
		pause(time.Minute)
		text := code(t, ada.shared, time.Now())
		const many = 20
		errs := make([]error, many)
		var wait sync.WaitGroup
		for i := range many {
			wait.Go(func() { _, errs[i] = h.Prove(t.Context(), ada.ID, "192.0.2.1", account.Proof{Code: text}) })
		}
		wait.Wait()
		passed := 0
		for _, err := range errs {
			switch {
			case err == nil:
				passed++
			case !errors.Is(err, account.ErrCode) && !errors.Is(err, account.ErrConflict):
				t.Errorf("Prove = %v", err)
			}
		}
		if passed != 1 {
			t.Errorf("one code passed %d times at once", passed)
		}
	})
}

func TestTheAddressOfAnAuthenticator(t *testing.T) {
	h := newHouse(t)
	_, link, err := h.Create(t.Context(), operator(), account.Spec{Name: "ada+b@example.com", Role: account.Owner}, account.Link{Anywhere: true})
	if err != nil {
		t.Fatal(err)
	}
	offer, err := h.Offer(t.Context(), link, home())
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(offer.URI.Reveal())
	if err != nil || u.Scheme != "otpauth" || u.Host != "totp" || u.Path != "/warder:ada+b@example.com" {
		t.Fatalf("the address is %q, %v", u.Scheme+"://"+u.Host+u.Path, err)
	}
	q := u.Query()
	if q.Get("secret") != offer.Secret.Reveal() || len(offer.Secret.Reveal()) != 32 || q.Get("issuer") != "warder" || q.Get("algorithm") != "SHA1" || q.Get("digits") != "6" || q.Get("period") != "30" {
		t.Error("the address lacks what authenticators read")
	}
}

func TestRecoveryCodes(t *testing.T) {
	h := newHouse(t)
	ada, bob := h.settle(t, "ada", account.Owner), h.settle(t, "bob", account.Owner)
	if len(ada.codes) != 10 {
		t.Fatalf("%d recovery codes, want 10", len(ada.codes))
	}
	prove := func(p *person, text string) error {
		_, err := h.Prove(t.Context(), p.ID, "192.0.2.1", account.Proof{Recovery: secret.New(text)})
		return err
	}
	first := ada.codes[0].Reveal()
	if err := prove(bob, first); !errors.Is(err, account.ErrCode) {
		t.Errorf("another's code: %v, want ErrCode", err)
	}
	for _, text := range []string{"aaaa-aaaa-aaaa-aaaa", first[1:], first + "a", "0000-0000-0000-0000"} {
		if err := prove(ada, text); !errors.Is(err, account.ErrCode) {
			t.Errorf("%d characters: %v, want ErrCode", len(text), err)
		}
	}
	if err := prove(ada, " "+first+" "); err != nil {
		t.Errorf("a right code: %v", err)
	}
	if err := prove(ada, first); !errors.Is(err, account.ErrCode) {
		t.Errorf("a right code again: %v, want ErrCode", err)
	}
	if a, err := h.store.Lookup(t.Context(), ada.ID); err != nil || len(a.Recovery) != 9 {
		t.Errorf("%d codes are left, %v, want 9", len(a.Recovery), err)
	}
	_, renewed, err := h.RenewRecovery(t.Context(), actor(ada.Account))
	if err != nil || len(renewed) != 10 {
		t.Fatalf("RenewRecovery = %d codes, %v", len(renewed), err)
	}
	if err := prove(ada, ada.codes[1].Reveal()); !errors.Is(err, account.ErrCode) {
		t.Errorf("a code from before: %v, want ErrCode", err)
	}
	if err := prove(ada, renewed[9].Reveal()); err != nil {
		t.Errorf("a new code: %v", err)
	}
}
