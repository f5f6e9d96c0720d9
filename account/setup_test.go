package account_test

import (
	"errors"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/secret"
)

func now() time.Time                    { return time.Now() }
func address(text string) netip.Addr    { return netip.MustParseAddr(text) }
func anywhere() account.Link            { return account.Link{Anywhere: true} }
func onlyFrom(text string) account.Link { return account.Link{Address: address(text)} }

func TestSetUpLinks(t *testing.T) {
	attack.Case(t, "ADMIN-12", attack.Library, func(t *testing.T) {
		t.Run("twice", func(t *testing.T) {
			h := newHouse(t)
			_, link := h.invite(t, anywhere())
			if _, err := h.finish(t, link); err != nil {
				t.Fatal(err)
			}
			if _, err := h.Offer(t.Context(), link, home()); !errors.Is(err, account.ErrGone) {
				t.Errorf("Offer = %v, want ErrGone", err)
			}
			if _, err := h.finish(t, link); !errors.Is(err, account.ErrGone) {
				t.Errorf("again: %v, want ErrGone", err)
			}
		})
		t.Run("twice at once", linkTwiceAtOnce)
		t.Run("after an hour", linkAfterAnHour)
		t.Run("from elsewhere", linkFromElsewhere)
		t.Run("of another", linkOfAnother)
	})
}

// invite makes the account of an auditor, which needs no factor.
func (h *house) invite(tb testing.TB, l account.Link) (account.Account, secret.Text) {
	tb.Helper()
	a, link, err := h.Create(tb.Context(), operator(), account.Spec{Name: "ada", Role: account.Auditor}, l)
	if err != nil {
		tb.Fatal(err)
	}
	return a, link
}

func linkTwiceAtOnce(t *testing.T) {
	h := newHouse(t)
	_, link := h.invite(t, anywhere())
	const many = 8
	errs := make([]error, many)
	var wait sync.WaitGroup
	for i := range many {
		wait.Go(func() {
			_, _, errs[i] = h.Finish(t.Context(), link, home(), account.Finish{Password: secret.New(goodPassword)})
		})
	}
	wait.Wait()
	won := 0
	for _, err := range errs {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, account.ErrGone):
			t.Errorf("Finish = %v, want ErrGone", err)
		}
	}
	if won != 1 {
		t.Errorf("a link was used %d times", won)
	}
}

func linkAfterAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		a, link := h.invite(t, anywhere())
		pause(time.Hour - time.Millisecond)
		if _, err := h.Offer(t.Context(), link, home()); err != nil {
			t.Errorf("just before: %v", err)
		}
		pause(time.Millisecond)
		if _, err := h.finish(t, link); !errors.Is(err, account.ErrGone) {
			t.Errorf("after an hour: %v, want ErrGone", err)
		}
		_, next, err := h.Invite(t.Context(), operator(), a.ID, anywhere())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.finish(t, link); !errors.Is(err, account.ErrGone) {
			t.Errorf("a link that was replaced: %v, want ErrGone", err)
		}
		if _, err := h.finish(t, next); err != nil {
			t.Errorf("the new link: %v", err)
		}
		if _, _, err := h.Invite(t.Context(), operator(), a.ID, anywhere()); !errors.Is(err, account.ErrGone) {
			t.Errorf("Invite of one that is set up: %v, want ErrGone", err)
		}
	})
}

func linkFromElsewhere(t *testing.T) {
	for _, tt := range []struct {
		name string
		l    account.Link
		from string
		want error
	}{
		{"the address", onlyFrom("192.0.2.1"), "192.0.2.1", nil},
		{"the address, mapped into IPv6", onlyFrom("192.0.2.1"), "::ffff:192.0.2.1", nil},
		{"another", onlyFrom("192.0.2.1"), "192.0.2.2", account.ErrElsewhere},
		{"another of IPv6", onlyFrom("2001:db8::1"), "2001:db8::2", account.ErrElsewhere},
		{"none, as through a socket", onlyFrom("192.0.2.1"), "", account.ErrElsewhere},
		{"loopback is one address", onlyFrom("127.0.0.1"), "::1", nil},
		{"not loopback", onlyFrom("127.0.0.1"), "192.0.2.1", account.ErrElsewhere},
		{"anywhere", anywhere(), "203.0.113.9", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHouse(t)
			a, link := h.invite(t, tt.l)
			var from netip.Addr
			if tt.from != "" {
				from = address(tt.from)
			}
			_, offerErr := h.Offer(t.Context(), link, from)
			_, _, err := h.Finish(t.Context(), link, from, account.Finish{Password: secret.New(goodPassword)})
			if !errors.Is(err, tt.want) || !errors.Is(offerErr, tt.want) || tt.want == nil && err != nil {
				t.Errorf("Offer = %v, Finish = %v, want %v", offerErr, err, tt.want)
			}
			if stored, err := h.store.Lookup(t.Context(), a.ID); err != nil || stored.SetUp.IsZero() != (tt.want == nil) {
				t.Errorf("the link is used up: %v, %v", stored.SetUp.IsZero(), err)
			}
		})
	}
}

// A link that names an account but is not its own opens nothing, and tells nothing.
func linkOfAnother(t *testing.T) {
	h := newHouse(t)
	a, link := h.invite(t, anywhere())
	text := link.Reveal()
	other := newHouse(t)
	_, foreign := other.invite(t, anywhere())
	last := text[len(text)-1]
	flipped := byte('A')
	if last == 'A' {
		flipped = 'B'
	}
	for name, wrong := range map[string]string{
		"another secret": text[:len(text)-1] + string(flipped), "another house's": foreign.Reveal(), "cut": text[:len(text)-1], "longer": text + "A",
		"empty": "", "the id alone": "wset_" + string(a.ID) + "_", "lower case": strings.ToLower(text), "1 MiB": strings.Repeat("A", 1<<20),
	} {
		_, err := h.Offer(t.Context(), secret.New(wrong), home())
		if !errors.Is(err, account.ErrGone) || err.Error() != account.ErrGone.Error() {
			t.Errorf("%s: %v, want ErrGone and nothing else", name, err)
		}
	}
	if _, err := h.Disable(t.Context(), operator(), a.ID, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Offer(t.Context(), link, home()); !errors.Is(err, account.ErrGone) {
		t.Errorf("disabled: %v, want ErrGone", err)
	}
	if _, err := h.Remove(t.Context(), operator(), a.ID, 0); err != nil {
		t.Fatal(err)
	}
	if _, _, err := h.Finish(t.Context(), link, home(), account.Finish{Password: secret.New(goodPassword)}); !errors.Is(err, account.ErrGone) {
		t.Errorf("removed: %v, want ErrGone", err)
	}
}

func TestAWrongFinishKeepsTheLink(t *testing.T) {
	h := newHouse(t)
	_, link, err := h.Create(t.Context(), operator(), account.Spec{Name: "ada", Email: "lovelace@example.com", Role: account.Owner}, anywhere())
	if err != nil {
		t.Fatal(err)
	}
	offer, err := h.Offer(t.Context(), link, home())
	if err != nil {
		t.Fatal(err)
	}
	other := newHouse(t)
	_, foreign, err := other.Create(t.Context(), operator(), account.Spec{Name: "ada", Role: account.Owner}, anywhere())
	if err != nil {
		t.Fatal(err)
	}
	foreignOffer, err := other.Offer(t.Context(), foreign, home())
	if err != nil {
		t.Fatal(err)
	}
	good := account.Finish{Password: secret.New(goodPassword), Offer: offer.Sealed, Code: code(t, offer.Secret, time.Now())}
	for name, spoil := range map[string]func(*account.Finish){
		"no password":      func(f *account.Finish) { f.Password = secret.Text{} },
		"11 characters":    func(f *account.Finish) { f.Password = secret.New("qu1et otter") },
		"1025 bytes":       func(f *account.Finish) { f.Password = secret.New(strings.Repeat("quiet otters ", 79)) },
		"not UTF-8":        func(f *account.Finish) { f.Password = secret.New("quiet otters \xff") },
		"few characters":   func(f *account.Finish) { f.Password = secret.New("ababababcdabab") },
		"a row":            func(f *account.Finish) { f.Password = secret.New("1234567890123") },
		"a row, backwards": func(f *account.Finish) { f.Password = secret.New("nmlkjihgfedcba") },
		"again and again":  func(f *account.Finish) { f.Password = secret.New("otterotterotter") },
		"the email":        func(f *account.Finish) { f.Password = secret.New("my Lovelace 1815") },
		"no offer":         func(f *account.Finish) { f.Offer = secret.Text{} },
		"another's offer":  func(f *account.Finish) { f.Offer = foreignOffer.Sealed },
		"no code":          func(f *account.Finish) { f.Code = "" },
		"a wrong code":     func(f *account.Finish) { f.Code = code(t, offer.Secret, time.Now().Add(time.Hour)) },
		"another's code":   func(f *account.Finish) { f.Code = code(t, foreignOffer.Secret, time.Now()) },
	} {
		f := good
		spoil(&f)
		if _, codes, err := h.Finish(t.Context(), link, home(), f); err == nil || len(codes) > 0 || errors.Is(err, account.ErrGone) {
			t.Errorf("%s: %d codes, %v, want an error", name, len(codes), err)
		}
	}
	a, codes, err := h.Finish(t.Context(), link, home(), good)
	if err != nil || len(codes) != 10 || a.State() != account.Active {
		t.Errorf("Finish = %s, %d codes, %v", a.State(), len(codes), err)
	}
}

// An offer is for an hour, and for the account as it was.
func TestOffersEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		dev := h.settle(t, "dev", account.Developer)
		offer, err := h.OfferFactor(t.Context(), actor(dev.Account))
		if err != nil {
			t.Fatal(err)
		}
		pause(time.Hour)
		if _, _, err := h.Enrol(t.Context(), actor(dev.Account), offer.Sealed, code(t, offer.Secret, time.Now())); err == nil {
			t.Error("an offer of an hour ago was enrolled")
		}
		offer, err = h.OfferFactor(t.Context(), actor(dev.Account))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.ChangePassword(t.Context(), actor(dev.Account), secret.New("eight quiet otters")); err != nil {
			t.Fatal(err)
		}
		if _, _, err := h.Enrol(t.Context(), actor(dev.Account), offer.Sealed, code(t, offer.Secret, time.Now())); err == nil {
			t.Error("an offer from before a change of password was enrolled")
		}
	})
}

func TestTickets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		ada := h.settle(t, "ada", account.Owner)
		ticket, err := h.Ticket(&ada.Account)
		if err != nil {
			t.Fatal(err)
		}
		redeem := func(ticket secret.Text) error { _, err := h.Redeem(t.Context(), ticket); return err }
		if err := redeem(ticket); err != nil {
			t.Errorf("Redeem = %v", err)
		}
		_, sealed, _ := strings.Cut(ticket.Reveal(), ".")
		bob := h.settle(t, "bob", account.Owner)
		for name, text := range map[string]string{
			"empty": "", "another's": string(bob.ID) + "." + sealed, "nobody's": "aaaaaaaaaaaaaaaa." + sealed, "cut": ticket.Reveal()[:30],
			"changed": ticket.Reveal()[:40] + "A" + ticket.Reveal()[41:] + "A", "an offer": string(ada.ID) + "." + offerOf(t, h, ada),
		} {
			if err := redeem(secret.New(text)); !errors.Is(err, account.ErrGone) {
				t.Errorf("%s: %v, want ErrGone", name, err)
			}
		}
		pause(account.TicketFor)
		if err := redeem(ticket); !errors.Is(err, account.ErrGone) {
			t.Errorf("late: %v, want ErrGone", err)
		}
		ticket, err = h.Ticket(&ada.Account)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.ChangePassword(t.Context(), actor(ada.Account), secret.New("eight quiet otters")); err != nil {
			t.Fatal(err)
		}
		if err := redeem(ticket); !errors.Is(err, account.ErrGone) {
			t.Errorf("from before a change of password: %v, want ErrGone", err)
		}
	})
}

func offerOf(t *testing.T, h *house, p *person) string {
	t.Helper()
	offer, err := h.OfferFactor(t.Context(), actor(p.Account))
	if err != nil {
		t.Fatal(err)
	}
	return offer.Sealed.Reveal()
}

func TestFirstOwner(t *testing.T) {
	h := newHouse(t)
	if _, _, err := h.FirstOwner(t.Context(), actor(account.Account{ID: "x", Role: account.Owner}), "ada", anywhere()); !errors.Is(err, account.ErrForbidden) {
		t.Errorf("by somebody else: %v, want ErrForbidden", err)
	}
	a, lost, err := h.FirstOwner(t.Context(), operator(), "ada", onlyFrom("192.0.2.1"))
	if err != nil || a.Role != account.Owner {
		t.Fatalf("FirstOwner = %s, %v", a.Role, err)
	}
	again, link, err := h.FirstOwner(t.Context(), operator(), "ada", onlyFrom("192.0.2.1"))
	if err != nil || again.ID != a.ID {
		t.Fatalf("again = %s, %v, want the same account", again.ID, err)
	}
	if _, err := h.finish(t, lost); !errors.Is(err, account.ErrGone) {
		t.Errorf("the link from before: %v, want ErrGone", err)
	}
	if _, err := h.finish(t, link); err != nil {
		t.Fatal(err)
	}
	if _, _, err := h.FirstOwner(t.Context(), operator(), "eve", anywhere()); !errors.Is(err, account.ErrSetUp) {
		t.Errorf("once there is one: %v, want ErrSetUp", err)
	}
}

// What makes old proofs worthless ends the sessions.
func TestEpochs(t *testing.T) {
	h := newHouse(t)
	boss, dev := h.settle(t, "boss", account.Owner), h.settle(t, "dev", account.Developer)
	by := actor(boss.Account)
	epoch := func() int64 {
		a, err := h.store.Lookup(t.Context(), dev.ID)
		if err != nil {
			t.Fatal(err)
		}
		return a.Epoch
	}
	for _, op := range []struct {
		name string
		ends bool
		run  func() error
	}{
		{"describe", false, func() error { _, err := h.Describe(t.Context(), by, dev.ID, 0, "a@example.com"); return err }},
		{"log in", false, func() error { _, err := h.Prove(t.Context(), dev.ID, "cli", account.Proof{}); return err }},
		{"change password", true, func() error {
			_, err := h.ChangePassword(t.Context(), actor(dev.Account), secret.New("eight quiet otters"))
			return err
		}},
		{"change role", true, func() error { _, err := h.SetRole(t.Context(), by, dev.ID, 0, account.Auditor); return err }},
		{"disable", true, func() error { _, err := h.Disable(t.Context(), by, dev.ID, 0); return err }},
		{"enable", false, func() error { _, err := h.Enable(t.Context(), by, dev.ID, 0); return err }},
		{"reset", true, func() error {
			_, _, err := h.Reset(t.Context(), by, dev.ID, account.Reset{Password: true}, anywhere())
			return err
		}},
	} {
		before, told := epoch(), len(h.ended)
		if err := op.run(); err != nil {
			t.Fatalf("%s: %v", op.name, err)
		}
		if ended := epoch() != before; ended != op.ends || (len(h.ended) > told) != op.ends {
			t.Errorf("%s ends sessions: %v and told %v, want %v", op.name, ended, len(h.ended) > told, op.ends)
		}
	}
	if _, err := h.Prove(t.Context(), dev.ID, "cli", account.Proof{}); !errors.Is(err, account.ErrGone) {
		t.Errorf("a login after a reset: %v, want ErrGone", err)
	}
}

func FuzzParseLink(f *testing.F) {
	for _, seed := range []string{"", "wset_", "wset_aaaaaaaaaaaaaaaa_AAAAAAAAAAAAAAAAAAAAAAAAAA", "wset_aaaaaaaaaaaaaaaa_", "wset__", "wset_AAAAAAAAAAAAAAAA_AAAAAAAAAAAAAAAAAAAAAAAAAA"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		id, err := account.ParseLink(secret.New(text))
		switch {
		case err == nil && (!account.ValidID(string(id)) || !strings.HasPrefix(text, "wset_"+string(id)+"_") || len(text) != 48):
			t.Errorf("ParseLink(%q) = %q", text, id)
		case err != nil && (!errors.Is(err, account.ErrGone) || id != ""):
			t.Errorf("ParseLink(%q) = %q, %v", text, id, err)
		}
	})
}

// Whatever a store gives back is an account or an error, and is written as it was
// read.
func FuzzUnmarshalDetail(f *testing.F) {
	f.Add([]byte(`{"role":"owner","created":1}`))
	f.Add([]byte(`{"role":"owner","created":1,"factor":{"sealed":"x","step":1,"since":2},"recovery":["AAAA"],"set_up":{"digest":"AA==","expires":1,"address":"::1%25eth0"}}`))
	f.Add([]byte(`{"role":"root"}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var a, b account.Account
		if account.UnmarshalDetail(text, &a) != nil {
			return
		}
		written, err := account.MarshalDetail(&a)
		if err != nil {
			return // text that JSON mends
		}
		if err := account.UnmarshalDetail(written, &b); err != nil {
			t.Fatalf("%s does not come back: %v", written, err)
		}
		if again, err := account.MarshalDetail(&b); err != nil || string(again) != string(written) {
			t.Errorf("%s came back as %s, %v", written, again, err)
		}
	})
}
