package server_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/internal/portallink"
	"github.com/warder-dev/warder/internal/server"
	"github.com/warder-dev/warder/secret"
)

// silentAccounts give no answer.
type silentAccounts struct{ account.Store }

var errSilent = errors.New("no answer")

func (silentAccounts) Lookup(context.Context, account.ID) (account.Account, error) {
	return account.Account{}, errSilent
}

func (silentAccounts) LookupKey(context.Context, string) (account.Key, error) {
	return account.Key{}, errSilent
}

// A link to the portal holds as long as whoever made it could make it.
func TestWhoVouchesForALink(t *testing.T) {
	const personID, keyID = "aaaaaaaaaaaaaaaa", "AbcDef000000"
	then := time.Now().Add(-time.Hour)
	person := account.Account{ID: personID, Name: "ada", Role: account.Developer, PasswordHash: secret.New("a hash"), Settled: then, Created: then, Updated: then}
	machine := account.Key{ID: keyID, Name: "portal", Role: account.Developer, Pepper: "1a2b3c4d", Created: then}
	for what, tt := range map[string]struct {
		maker  string
		person func(*account.Account)
		key    func(*account.Key)
		grant  portallink.Grant
		want   bool
	}{
		"the admin token":       {maker: "admin-token", want: true},
		"the command line":      {maker: "user:ada", want: true},
		"a person":              {maker: "account:" + personID, want: true},
		"a person, all of it":   {maker: "account:" + personID, grant: portallink.Grant{Roll: true, Revoke: true, Usage: true}, want: true},
		"nobody":                {maker: "account:bbbbbbbbbbbbbbbb"},
		"disabled":              {maker: "account:" + personID, person: func(a *account.Account) { a.Disabled = true }},
		"reset":                 {maker: "account:" + personID, person: func(a *account.Account) { a.PasswordHash = secret.Text{} }},
		"an auditor now":        {maker: "account:" + personID, person: func(a *account.Account) { a.Role = account.Auditor }},
		"an admin key":          {maker: "admin-key:" + keyID, want: true},
		"no admin key":          {maker: "admin-key:AbcDef000001"},
		"revoked":               {maker: "admin-key:" + keyID, key: func(k *account.Key) { k.Revoked, k.Reason = then, "superseded" }},
		"expired":               {maker: "admin-key:" + keyID, key: func(k *account.Key) { k.Expires = then }},
		"bound to the owner":    {maker: "admin-key:" + keyID, key: func(k *account.Key) { k.Owner = "acme" }, grant: portallink.Grant{Roll: true, Usage: true}, want: true},
		"bound to another":      {maker: "admin-key:" + keyID, key: func(k *account.Key) { k.Owner = "other" }},
		"a key of the auditors": {maker: "admin-key:" + keyID, key: func(k *account.Key) { k.Role = account.Auditor }},
	} {
		t.Run(what, func(t *testing.T) {
			store, a, k := new(account.MemoryStore), person, machine
			if tt.person != nil {
				tt.person(&a)
			}
			if tt.key != nil {
				tt.key(&k)
			}
			for _, c := range []account.Change{{Op: account.OpCreate, After: &a}, {Op: account.OpKeyCreate, KeyAfter: &k}} {
				c.Actor, c.Source, c.At = "user:ada", "cli", then
				if _, err := store.Apply(t.Context(), c); err != nil {
					t.Fatal(err)
				}
			}
			pass := portallink.Pass{Owner: "acme", Maker: tt.maker, Grant: tt.grant}
			if got, err := server.Vouches(store)(t.Context(), &pass); got != tt.want || err != nil {
				t.Errorf("%s: %v, %v; want %v", tt.maker, got, err, tt.want)
			}
			asked := tt.maker != "admin-token" && tt.maker != "user:ada"
			for _, store := range []account.Store{nil, silentAccounts{}} {
				if got, err := server.Vouches(store)(t.Context(), &pass); asked && (got || err == nil) || !asked && (!got || err != nil) {
					t.Errorf("%s, without an answer: %v, %v", tt.maker, got, err)
				}
			}
		})
	}
}
