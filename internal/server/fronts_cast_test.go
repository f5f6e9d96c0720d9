package server_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/secret"
	"github.com/warder-dev/warder/session/password"
	"github.com/warder-dev/warder/usage"
)

// A cast is who sends the requests of the table: keys of every sort and state,
// tokens, people. Each front has one of its own.
type cast struct {
	texts map[string]string // by name, as rows have it in braces
	names map[string]string // of keys, by id
}

// nameOf is the name of the key with the id.
func (c *cast) nameOf(id string) string {
	if name, known := c.names[id]; known {
		return name
	}
	return "an unknown key"
}

// say puts the texts in the place of their names.
func (c *cast) say(text string) string {
	if !strings.Contains(text, "{") {
		return text
	}
	pairs := make([]string, 0, 2*len(c.texts))
	for name, value := range c.texts {
		pairs = append(pairs, "{"+name+"}", value)
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// castSpecs are the keys by name.
func castSpecs() map[string]apikey.Spec {
	reads, writes := []string{"orders:read"}, []string{"orders:write"}
	specs := map[string]apikey.Spec{
		"reader":   {Owner: "acme", Scopes: reads},
		"writer":   {Owner: "acme", Scopes: writes},
		"both":     {Owner: "acme", Scopes: []string{"orders:read", "orders:write"}},
		"wild":     {Owner: "globex", Scopes: []string{"orders:*"}},
		"deeper":   {Owner: "globex", Scopes: []string{"orders:read:all"}},
		"none":     {Owner: "initech"},
		"nameless": {Scopes: reads},
		"odd":      {Owner: "a b,c%", Scopes: reads},
		"trial":    {Owner: "acme", Scopes: reads, Environment: "test"},

		"revoked": {Owner: "acme", Scopes: reads}, "disabled": {Owner: "acme", Scopes: reads}, "enabled": {Owner: "acme", Scopes: reads},
		"future": {Owner: "acme", Scopes: reads, Expires: time.Now().Add(24 * time.Hour)},
		"rolled": {Owner: "acme", Scopes: reads}, "replaced": {Owner: "acme", Scopes: reads}, "deleted": {Owner: "acme", Scopes: reads},
		"bound": {Owner: "acme", Scopes: reads, Certificate: [32]byte{1}},

		"office":   {Owner: "acme", Scopes: reads, Addresses: []netip.Prefix{netip.MustParsePrefix("127.0.1.0/24"), netip.MustParsePrefix("2001:db8::/32")}},
		"getter":   {Owner: "acme", Scopes: []string{"orders:*"}, Methods: []string{"GET"}},
		"narrow":   {Owner: "acme", Scopes: reads, Paths: []string{"/orders/{id}"}},
		"shop":     {Owner: "acme", Scopes: reads, Paths: []string{"/any/"}},
		"page":     {Owner: "acme", Scopes: reads, Kind: apikey.KindPublic, Origins: []string{"https://app.example.com"}},
		"pages":    {Owner: "acme", Scopes: reads, Kind: apikey.KindPublic, Origins: []string{"https://app.example.com", "https://shop.example.com:8443"}},
		"bait":     {Owner: "acme", Scopes: reads, Kind: apikey.KindHoneytoken},
		"planned":  {Owner: "acme", Scopes: reads, Plan: "gold"},
		"own":      {Owner: "acme", Scopes: reads, Limits: []exchange.Quota{{Name: "few", Count: 1, Per: time.Hour}}},
		"two":      {Owner: "acme", Scopes: reads, Limits: []exchange.Quota{{Name: "few", Count: 5, Per: time.Hour, Burst: 2}}},
		"payer":    {Owner: "acme", Scopes: reads},
		"pauper":   {Owner: "acme", Scopes: reads},
		"debtor":   {Owner: "acme", Scopes: reads},
		"accounts": {Owner: "acme", Scopes: reads},
	}
	for i := range 8 { // each for a row with a limit of its own
		specs[fmt.Sprintf("limited%d", i)] = apikey.Spec{Owner: fmt.Sprintf("owner%d", i), Scopes: reads}
	}
	for name, spec := range specs {
		if spec.Environment == "" {
			spec.Environment = "live"
		}
		spec.Name = name
		specs[name] = spec
	}
	return specs
}

// people is where the people of the table are, and what issues its tokens.
type people struct {
	users, keys string // files
	sign        func(header, claims map[string]any) string
}

const peoplesPassword = "correct horse"

func newPeople(t *testing.T) people {
	t.Helper()
	folder := t.TempDir()
	hash, err := password.Hash(secret.New(peoplesPassword), password.Params{Memory: 7168, Time: 5, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	p := people{users: filepath.Join(folder, "users"), keys: filepath.Join(folder, "keys.json")}
	for file, text := range map[string]string{
		p.users: fmt.Sprintf("ada:%s:orders:read\n", hash),
		p.keys:  fmt.Sprintf(`{"keys":[{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","use":"sig","kid":"1","x":%q}]}`, encode(public)),
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p.sign = func(header, claims map[string]any) string {
		var parts [2]string
		for i, part := range []map[string]any{header, claims} {
			text, err := json.Marshal(part)
			if err != nil {
				t.Fatal(err)
			}
			parts[i] = encode(text)
		}
		signed := parts[0] + "." + parts[1]
		return signed + "." + encode(ed25519.Sign(private, []byte(signed)))
	}
	return p
}

// tokens are bearer tokens, good and bad.
func (p people) tokens() map[string]string {
	header := map[string]any{"alg": "EdDSA", "kid": "1"}
	claims := func(change map[string]any) map[string]any {
		all := map[string]any{
			"iss": "https://id.example.com", "aud": "orders", "sub": "grace", "scope": "orders:read", "org": "hopper", "exp": time.Now().Add(time.Hour).Unix(),
		}
		maps.Copy(all, change)
		return all
	}
	good := p.sign(header, claims(nil))
	parts := strings.Split(good, ".")
	other := p.sign(header, claims(map[string]any{"sub": "mallory"}))
	return map[string]string{
		"token":           good,
		"token-unscoped":  p.sign(header, claims(map[string]any{"scope": "profile"})),
		"token-star":      p.sign(header, claims(map[string]any{"scope": "orders:*"})),
		"token-expired":   p.sign(header, claims(map[string]any{"exp": time.Now().Add(-time.Hour).Unix()})),
		"token-later":     p.sign(header, claims(map[string]any{"nbf": time.Now().Add(time.Hour).Unix()})),
		"token-audience":  p.sign(header, claims(map[string]any{"aud": "others"})),
		"token-issuer":    p.sign(header, claims(map[string]any{"iss": "https://evil.example.com"})),
		"token-unsigned":  base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + parts[1] + ".",
		"token-stranger":  p.sign(map[string]any{"alg": "EdDSA", "kid": "2"}, claims(nil)),
		"token-swapped":   parts[0] + "." + strings.Split(other, ".")[1] + "." + parts[2],
		"token-algorithm": p.sign(map[string]any{"alg": "HS256", "kid": "1"}, claims(nil)),
	}
}

// keysAndCredits is where a front's keys and credits are.
type keysAndCredits struct {
	issuer  *apikey.Issuer
	credits usage.Store
	await   func(revision apikey.Revision) // until the front knows
}

// newCast creates everybody.
func newCast(t *testing.T, p people, in keysAndCredits) *cast {
	t.Helper()
	c := &cast{texts: p.tokens(), names: make(map[string]string)}
	by, ids := apikey.By{Actor: "system", Source: "test"}, make(map[string]apikey.ID)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var last apikey.Revision
	note := func(r apikey.Record) { last = max(last, r.Revision) }
	known := func(made apikey.Made) {
		name, text := made.Record.Name, made.Text.Reveal()
		note(made.Record)
		c.texts[name], c.names[string(made.Record.ID)], ids[name] = text, name, made.Record.ID
		c.texts["basic:"+name] = base64.StdEncoding.EncodeToString([]byte(text + ":"))
	}
	all, err := in.issuer.CreateAll(t.Context(), by, slices.Collect(maps.Values(castSpecs())))
	must(err)
	for _, made := range all {
		known(made)
	}
	made, expiry := expiring(t, in.issuer, by)
	known(made)
	changed := func(r apikey.Record, err error) { t.Helper(); must(err); note(r) }
	changed(in.issuer.Revoke(t.Context(), by, ids["revoked"], "superseded"))
	changed(in.issuer.Disable(t.Context(), by, ids["disabled"]))
	changed(in.issuer.Disable(t.Context(), by, ids["enabled"]))
	changed(in.issuer.Enable(t.Context(), by, ids["enabled"]))
	for name, overlap := range map[string]time.Duration{"rolled": time.Hour, "replaced": 0} {
		c.texts["old-"+name] = c.texts[name]
		record, text, err := in.issuer.Roll(t.Context(), by, ids[name], 0, apikey.RollSpec{Overlap: overlap})
		must(err)
		note(record)
		c.texts[name] = text.Reveal()
	}
	revision, err := in.issuer.Delete(t.Context(), by, ids["deleted"], 0)
	must(err)
	last = max(last, revision)
	for name, amount := range map[string]int64{"payer": 5, "debtor": 2} {
		_, err := in.credits.Apply(t.Context(), usage.Change{
			Op: usage.OpSet, Amount: amount, Actor: "user:ada", Source: "test", At: time.Now(), Subject: usage.Subject{Kind: usage.Key, ID: string(ids[name])},
		})
		must(err)
	}
	in.await(last)
	c.texts["unknown"] = unknownKey(t)
	c.texts["cut"] = c.texts["reader"][:len(c.texts["reader"])-1]
	c.texts["miscopied"] = swapCase(c.texts["reader"])
	for name, pair := range map[string]string{"ada": "ada:" + peoplesPassword, "mallory": "ada:wrong horse", "nobody": "nobody:" + peoplesPassword, "no-colon": "ada"} {
		c.texts["basic:"+name] = base64.StdEncoding.EncodeToString([]byte(pair))
	}
	eventually(t, func() (struct{}, bool) { return struct{}{}, time.Now().After(expiry) })
	return c
}

// expiring makes a key that is good for a moment, and returns when it is over.
func expiring(t *testing.T, issuer *apikey.Issuer, by apikey.By) (made apikey.Made, end time.Time) {
	t.Helper()
	spec := apikey.Spec{Environment: "live", Name: "expired", Owner: "acme", Scopes: []string{"orders:read"}}
	for moment := 20 * time.Millisecond; ; moment *= 2 {
		spec.Expires = time.Now().Add(moment)
		record, text, err := issuer.Create(t.Context(), by, spec)
		if err == nil {
			return apikey.Made{Record: record, Text: text}, spec.Expires
		}
		if _, late := errors.AsType[*apikey.SpecError](err); !late || moment > patience { // it wants a time to come
			t.Fatal(err)
		}
	}
}

// unknownKey is a key of somewhere else.
func unknownKey(t *testing.T) string {
	t.Helper()
	issuer, err := apikey.NewIssuer(apikey.IssuerConfig{Store: new(apikey.MemoryStore), Peppers: newPeppers(t), Prefix: "wrd", Random: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	_, text, err := issuer.Create(context.WithoutCancel(t.Context()), apikey.By{Actor: "t", Source: "t"}, apikey.Spec{Environment: "live"})
	if err != nil {
		t.Fatal(err)
	}
	return text.Reveal()
}

// swapCase is text whose last letter has the other case.
func swapCase(text string) string {
	for i := len(text) - 1; i >= 0; i-- {
		switch b := text[i]; {
		case 'a' <= b && b <= 'z':
			return text[:i] + string(b-'a'+'A') + text[i+1:]
		case 'A' <= b && b <= 'Z':
			return text[:i] + string(b-'A'+'a') + text[i+1:]
		}
	}
	return text
}
