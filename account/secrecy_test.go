package account_test

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/secret"
)

// No formatter, encoder or log shows a password, its hash, a shared secret, a
// recovery code, a link, an offer or a ticket.
func TestNothingSecretIsPrinted(t *testing.T) {
	h := newHouse(t)
	ada := h.settle(t, "ada", account.Owner)
	_, link, err := h.Reset(t.Context(), operator(), h.settle(t, "bob", account.Owner).ID, account.Reset{Password: true, Factor: true}, anywhere())
	if err != nil {
		t.Fatal(err)
	}
	offer, err := h.Offer(t.Context(), link, home())
	if err != nil {
		t.Fatal(err)
	}
	ticket, err := h.Ticket(&ada.Account)
	if err != nil {
		t.Fatal(err)
	}
	stored, err := h.store.Lookup(t.Context(), ada.ID)
	if err != nil {
		t.Fatal(err)
	}
	finish := account.Finish{Password: secret.New(goodPassword), Offer: offer.Sealed}
	secrets := append([]secret.Text{
		link, offer.Secret, offer.URI, offer.Sealed, ticket, ada.shared, stored.PasswordHash, stored.Factor.Sealed, secret.New(goodPassword),
	}, ada.codes...)
	digest := fmt.Sprintf("%d", [32]byte(stored.Recovery[0]))
	for name, value := range map[string]any{
		"account": stored, "pointer": &stored, "list": []account.Account{stored}, "view": stored.View(), "factor": stored.Factor, "offer": offer, "finish": finish,
		"ticket": ticket, "codes": ada.codes, "digests": stored.Recovery, "change": account.Change{Before: &stored, After: &stored}, "proof": account.Proof{Recovery: ada.codes[0]},
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
			text := fmt.Sprintf(verb, value)
			wantNothingSecret(t, name+" by "+verb, text, secrets...)
			// fmt calls no method of what it prints by a verb that does not fit. A digest of
			// 80 random bits may be seen then; the text of a secret not even so.
			if fits := verb != "%s" && verb != "%q"; fits && bytes.Contains([]byte(text), []byte(digest[1:len(digest)-1])) {
				t.Errorf("%s by %s shows a digest", name, verb)
			}
		}
		text, err := json.Marshal(value)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		wantNothingSecret(t, name+" as JSON", string(text), secrets...)
		var log bytes.Buffer
		slog.New(slog.NewJSONHandler(&log, nil)).LogAttrs(t.Context(), slog.LevelInfo, "x", slog.Any("value", value))
		wantNothingSecret(t, name+" in a log", log.String(), secrets...)
		var g bytes.Buffer
		_ = gob.NewEncoder(&g).Encode(value) // what it cannot encode, it does not show
		wantNothingSecret(t, name+" as gob", g.String(), secrets...)
	}
	_, _, err = h.Finish(t.Context(), link, home(), account.Finish{Password: secret.New("hunter2-canary"), Offer: offer.Sealed, Code: "123456"})
	if err == nil {
		t.Fatal("a wrong code set up an account")
	}
	wantNothingSecret(t, "an error", err.Error(), append(secrets, secret.New("canary"), secret.New("123456"))...)
}

// Two accounts have no digest in common, whatever their codes are, and what is
// sealed of one cannot be put under another.
func TestASealedFactorIsOfOneAccount(t *testing.T) {
	h := newHouse(t)
	ada, bob := h.settle(t, "ada", account.Owner), h.settle(t, "bob", account.Owner)
	stolen, err := h.store.Lookup(t.Context(), bob.ID)
	if err != nil {
		t.Fatal(err)
	}
	own, err := h.store.Lookup(t.Context(), ada.ID)
	if err != nil {
		t.Fatal(err)
	}
	moved := stolen
	moved.Factor.Sealed = own.Factor.Sealed // who writes to the database, and has one authenticator
	moved.Factor.Step = 0
	if _, err := h.store.Apply(t.Context(), account.Change{Actor: "eve", Source: "x", Op: "x", At: time.Now(), Before: &stolen, After: &moved}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Prove(t.Context(), bob.ID, "x", account.Proof{Code: code(t, ada.shared, time.Now())}); err == nil {
		t.Error("bob was proved by ada's authenticator")
	}
}
