package account_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/exchange"
)

func TestFresh(t *testing.T) {
	at := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	person := func(role account.Role, at any, factor any) exchange.Principal {
		return exchange.Principal{Issuer: account.Issuer, Subject: "a", Claims: map[string]any{account.ClaimRole: string(role), account.ClaimAt: at, account.ClaimFactor: factor}}
	}
	key := exchange.Principal{Issuer: account.KeyIssuer, Subject: "k", Claims: map[string]any{account.ClaimRole: "developer"}}
	foreign := person(account.Owner, at.Unix(), true)
	foreign.Issuer = "https://idp.example.com"
	for _, tt := range []struct {
		name string
		p    exchange.Principal
		now  time.Time
		want bool
	}{
		{"just now", person(account.Owner, at.Unix(), true), at, true},
		{"as a store gives it back", person(account.Owner, float64(at.Unix()), true), at, true},
		{"as a number of JSON", person(account.Owner, json.Number("1795867200"), true), at, true},
		{"a moment before the end", person(account.Owner, at.Unix(), true), at.Add(10*time.Minute - time.Nanosecond), true},
		{"at the end", person(account.Owner, at.Unix(), true), at.Add(10 * time.Minute), false},
		{"no factor", person(account.Admin, at.Unix(), false), at, false},
		{"a factor that is no truth", person(account.Admin, at.Unix(), "true"), at, false},
		{"a developer without factor", person(account.Developer, at.Unix(), false), at, true},
		{"from the future", person(account.Owner, at.Add(time.Hour).Unix(), true), at, false},
		{"no time", person(account.Owner, nil, true), at, false},
		{"a fraction", person(account.Owner, 0.5, true), at, false},
		{"no role", person("", at.Unix(), true), at, false},
		{"a role that is none", person("root", at.Unix(), true), at, false},
		{"another issuer", foreign, at, false},
		{"an admin key", key, at, true},
		{"nobody", exchange.Principal{}, at, false},
	} {
		if got := account.Fresh(&tt.p, tt.now); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
	owner := person(account.Owner, at.Unix(), true)
	late := at.Add(time.Hour)
	for _, tt := range []struct {
		name      string
		p         exchange.Principal
		a         account.Action
		now       time.Time
		ok, stale bool
	}{
		{"an owner rolls", owner, account.RollKeys, at, true, false},
		{"an owner rolls late", owner, account.RollKeys, late, false, true},
		{"an owner reads late", owner, account.ReadKeys, late, true, false},
		{"a key rolls", key, account.RollKeys, late, true, false},
		{"a key revokes many", key, account.RevokeBulk, late, false, false},
		{"a foreign owner reads", foreign, account.ReadKeys, at, false, false},
		{"nobody reads", exchange.Principal{}, account.ReadKeys, at, false, false},
	} {
		if ok, stale := account.Permits(&tt.p, tt.a, tt.now); ok != tt.ok || stale != tt.stale {
			t.Errorf("%s: %v, stale %v, want %v, %v", tt.name, ok, stale, tt.ok, tt.stale)
		}
	}
	owning := key
	owning.Claims = map[string]any{account.ClaimRole: "owner"}
	if ok, _ := account.Permits(&owning, account.ManageAccounts, at); ok {
		t.Error("an admin key manages accounts")
	}
	if a := account.ActorOf(&owning, "192.0.2.1", at); a.By != "admin-key:k" || a.ID != "" || a.Operator || a.Fresh {
		t.Errorf("ActorOf a key = %+v", a)
	}
	if a := account.ActorOf(&owner, "192.0.2.1", at); a.By != "account:a" || a.ID != "a" || a.Operator || !a.Fresh || a.Role != account.Owner {
		t.Errorf("ActorOf an owner = %+v", a)
	}
	if a := account.ActorOf(&foreign, "192.0.2.1", at); a.By != "" || a.Role != "" || a.ID != "" {
		t.Errorf("ActorOf a foreigner = %+v", a)
	}
}
