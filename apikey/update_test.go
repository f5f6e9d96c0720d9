package apikey_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/exchange"
)

// wholeSpec sets everything that a key can say.
func wholeSpec() apikey.Spec {
	return apikey.Spec{
		Environment: "live", Kind: apikey.KindPublic, Name: "shop", Owner: "acme", Scopes: []string{"orders:read"},
		Expires: time.Now().Add(time.Hour), Metadata: map[string]string{"team": "blue"},
		Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("::ffff:198.51.100.7/128")},
		Methods:   []string{"GET"}, Paths: []string{"/orders/"}, Origins: []string{"https://shop.example:443", "http://localhost:8080"},
		Plan: "gold", Limits: []exchange.Quota{{Name: "key", Count: 100, Per: time.Minute}}, IdleRevoke: 24 * time.Hour,
	}
}

func TestCreateKeepsTheSpec(t *testing.T) {
	h := newStoreHouse(t)
	r, _ := h.createSpec(t, wholeSpec())
	stored, err := h.store.Lookup(t.Context(), r.ID)
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]apikey.Record{"returned": r, "stored": stored} {
		switch {
		case got.Kind != apikey.KindPublic, got.Metadata["team"] != "blue", got.Plan != "gold", got.IdleRevoke != 24*time.Hour,
			!slices.Equal(got.Methods, []string{"GET"}), !slices.Equal(got.Paths, []string{"/orders/"}), len(got.Limits) != 1,
			!slices.Equal(got.Origins, []string{"https://shop.example", "http://localhost:8080"}),
			!slices.Equal(got.Addresses, []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.51.100.7/32")}),
			got.Secrets[0].Number != 1, !got.Updated.IsZero():
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// hostile are values of fields that are refused, by field.
func hostile(text string) map[string][]apikey.Spec {
	many := func(n int) []string { return slices.Repeat([]string{"/a"}, n) }
	notes := func(n int) map[string]string {
		m := make(map[string]string)
		for i := range n {
			m[fmt.Sprint(i)] = ""
		}
		return m
	}
	quota := func(q exchange.Quota) apikey.Spec { return apikey.Spec{Limits: []exchange.Quota{q}} }
	minute := time.Minute
	all := map[string][]apikey.Spec{
		"kind":     {{Kind: "Secret"}, {Kind: "jwt"}},
		"metadata": {{Metadata: notes(51)}, {Metadata: map[string]string{"": "x"}}, {Metadata: map[string]string{strings.Repeat("n", 65): ""}}, {Metadata: map[string]string{"a": strings.Repeat("v", 513)}}, {Metadata: map[string]string{"a": "x\x00"}}, {Metadata: map[string]string{"a\n": "x"}}, {Metadata: map[string]string{"a": "\u202ex"}}, {Metadata: map[string]string{"a": text}}, {Metadata: map[string]string{text: "a"}}},
		"addresses": {
			{Addresses: make([]netip.Prefix, 101)},
			{Addresses: []netip.Prefix{{}}},
			{Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/24")}},
			{Addresses: []netip.Prefix{netip.MustParsePrefix("::ffff:0.0.0.0/80")}},
		},
		"methods": {{Methods: slices.Repeat([]string{"GET"}, 21)}, {Methods: []string{"get"}}, {Methods: []string{""}}, {Methods: []string{"GET POST"}}, {Methods: []string{"G\x00"}}},
		"paths":   {{Paths: many(101)}, {Paths: []string{"/" + strings.Repeat("a", 512)}}, {Paths: []string{"orders"}}, {Paths: []string{"GET /orders"}}, {Paths: []string{""}}, {Paths: []string{"/a/../b"}}, {Paths: []string{"/a//b"}}, {Paths: []string{"/{a}{b}"}}, {Paths: []string{"/" + text}}, {Paths: []string{"/orders/*"}}, {Paths: []string{"/fine", "/orders/**"}}, {Paths: []string{"/files/*.json"}}, {Paths: []string{"/orders/:id/lines"}}},
		"limits": {
			{Limits: slices.Repeat([]exchange.Quota{{Name: "key", Count: 1, Per: minute}}, 2)},
			{Limits: make([]exchange.Quota, 11)},
			quota(exchange.Quota{Name: "Key", Count: 1, Per: minute}), quota(exchange.Quota{Name: "key", Count: 0, Per: minute}), quota(exchange.Quota{Name: "key", Count: 1}),
			quota(exchange.Quota{Name: "key", Count: 1, Per: time.Microsecond}), quota(exchange.Quota{Name: "key", Count: 1, Per: 367 * 24 * time.Hour}),
			quota(exchange.Quota{Name: "key", Count: 1, Per: minute, Burst: -1}), quota(exchange.Quota{Name: "key", Count: 1_000_000_001, Per: minute}),
			quota(exchange.Quota{Name: "key", Count: 1, Per: 366 * 24 * time.Hour, Burst: 1_000_000}),
		},
		"plan":        {{Plan: "Gold"}, {Plan: "a b"}, {Plan: strings.Repeat("g", 41)}},
		"idle_revoke": {{IdleRevoke: -1}, {IdleRevoke: time.Minute}, {IdleRevoke: time.Hour + 1}, {IdleRevoke: 3661 * 24 * time.Hour}},
		"expires":     {{Expires: time.Now().Add(time.Hour), Never: true}, {Expires: time.Now().Add(-time.Hour)}},
		"origins":     {{Kind: apikey.KindPublic}, {Kind: apikey.KindPublic, Origins: slices.Repeat([]string{"https://a.example"}, 21)}, {Origins: []string{"https://a.example"}}},
	}
	for _, origin := range []string{
		"", "null", "*", "https://*.example", "http://shop.example", "https://", "https://Shop.example", "https://shop.example/", "https://shop.example/a",
		"https://a@shop.example", "https://shop.example?x", "https://shop.example#x", "https://shop.example:", "https://shop.example:0", "https://shop.example:65536",
		"https://shop.example:0443", "https://shop..example", "https://shop.example.", "https://127.1", "https://0x7f000001", "https://[::ffff:1.2.3.4]", "https://[::1%25eth0]",
		"https://[0:0:0:0:0:0:0:1]", "https://::1", "ftp://shop.example", "file://", "shop.example", "https://sh op.example", "https://shop.example\x00", "https://ünï.example",
		"https://" + strings.Repeat("a.", 150) + "example", "http://localhost.evil.example", "javascript://localhost",
	} {
		all["origins"] = append(all["origins"], apikey.Spec{Kind: apikey.KindPublic, Origins: []string{"https://fine.example", origin}})
	}
	return all
}

func TestSpecIsRefused(t *testing.T) {
	h := newStoreHouse(t)
	_, text := h.create(t, "acme")
	for field, specs := range hostile(text) {
		for i, spec := range specs {
			spec.Environment = "live"
			if got := fields(t, spec.Check(time.Now())); got != field {
				t.Errorf("%s %d: refused %q", field, i, got)
			}
			_, _, err := h.issuer.Create(t.Context(), by(), spec)
			if got := fields(t, err); got != field {
				t.Errorf("%s %d: Create refused %q", field, i, got)
			}
			unquoted(t, err, text)
		}
	}
	if n, err := h.store.Revision(t.Context()); err != nil || n != 1 {
		t.Errorf("something was written: %d, %v", n, err)
	}
	every := apikey.Spec{Kind: "x", Name: "\x00", Owner: "\x00", Scopes: []string{""}, Plan: "X", IdleRevoke: 1, Methods: []string{""}, Paths: []string{""}, Addresses: make([]netip.Prefix, 1), Limits: make([]exchange.Quota, 1), Metadata: map[string]string{"": ""}, Origins: []string{""}, Expires: time.Now()}
	if got, want := fields(t, every.Check(time.Now())), "addresses environment expires idle_revoke kind limits metadata methods name origins owner paths plan scopes"; got != want {
		t.Errorf("all at once: %q, want %q", got, want)
	}
}

func TestOriginsOfThisMachine(t *testing.T) {
	for _, origin := range []string{"http://localhost", "http://app.localhost:3000", "http://127.0.0.1:80", "http://[::1]:8080", "https://[2001:db8::1]", "https://192.0.2.7:8443", "https://a_b.example"} {
		spec := apikey.Spec{Environment: "live", Kind: apikey.KindPublic, Origins: []string{origin}}
		if err := spec.Check(time.Now()); err != nil {
			t.Errorf("%s: %v", origin, err)
		}
	}
}

func TestUpdate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newStoreHouse(t)
		r, _ := h.createSpec(t, wholeSpec())
		time.Sleep(time.Second) //nolint:forbidigo // the bubble's clock
		patch := apikey.Patch{
			Name: new("shop front"), Scopes: new([]string{"orders:*"}), Expires: new(time.Time{}), Methods: new([]string{}),
			Plan: new(""), IdleRevoke: new(time.Duration), SetMetadata: map[string]*string{"team": nil, "cost-centre": new("42")},
			Addresses: new([]netip.Prefix{netip.MustParsePrefix("::ffff:203.0.113.0/120")}), Origins: new([]string{"https://new.example:443"}),
		}
		got, err := h.issuer.Update(t.Context(), by(), r.ID, r.Revision, patch)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case got.Name != "shop front", got.Owner != "acme", got.Scopes[0] != "orders:*", !got.Expires.IsZero(), len(got.Methods) != 0, got.Plan != "",
			got.IdleRevoke != 0, !maps.Equal(got.Metadata, map[string]string{"cost-centre": "42"}), got.Paths[0] != "/orders/",
			got.Addresses[0] != netip.MustParsePrefix("203.0.113.0/24"), got.Origins[0] != "https://new.example", !got.Updated.Equal(time.Now()):
			t.Errorf("updated to %+v", got)
		}
		if stored, err := h.store.Lookup(t.Context(), r.ID); err != nil || stored.Name != "shop front" || stored.Revision != got.Revision {
			t.Errorf("stored %+v, %v", stored, err)
		}
		if again, err := h.issuer.Update(t.Context(), by(), r.ID, 0, patch); err != nil || again.Revision != got.Revision {
			t.Errorf("a patch that changes nothing wrote %d, %v", again.Revision, err)
		}
	})
}

func TestUpdateIsRefused(t *testing.T) {
	h := newPlainHouse(t, apikey.Policy{MaxTTL: time.Hour})
	spec := wholeSpec()
	r, text := h.createSpec(t, spec)
	secretKind, _ := h.createSpec(t, apikey.Spec{Environment: "live", Expires: time.Now().Add(time.Minute)})
	tests := []struct {
		name     string
		id       apikey.ID
		revision apikey.Revision
		patch    apikey.Patch
		fields   string
		want     error
	}{
		{"a stale revision", r.ID, r.Revision + 1, apikey.Patch{Name: new("x")}, "", apikey.ErrConflict},
		{"unknown", "nobodyhasit0", 0, apikey.Patch{Name: new("x")}, "", apikey.ErrNotFound},
		{"many at once", r.ID, 0, apikey.Patch{Name: new("\x00"), Owner: new(text), Paths: new([]string{"x"}), Expires: new(time.Unix(1, 0))}, "expires name owner paths", nil},
		{"beyond the policy", r.ID, 0, apikey.Patch{Expires: new(time.Now().Add(2 * time.Hour))}, "expires", nil},
		{"never, beyond the policy", r.ID, 0, apikey.Patch{Expires: new(time.Time{})}, "expires", nil},
		{"a public key without origins", r.ID, 0, apikey.Patch{Origins: new([]string{})}, "origins", nil},
		{"origins of a secret key", secretKind.ID, 0, apikey.Patch{Origins: new([]string{"https://a.example"})}, "origins", nil},
		{"a note too many", r.ID, 0, apikey.Patch{SetMetadata: notes(50)}, "metadata", nil},
	}
	for _, tt := range tests {
		_, err := h.issuer.Update(t.Context(), by(), tt.id, tt.revision, tt.patch)
		if tt.want != nil && !errors.Is(err, tt.want) || tt.want == nil && fields(t, err) != tt.fields {
			t.Errorf("%s: %v", tt.name, err)
		}
		unquoted(t, err, text)
	}
	if now, err := h.store.Lookup(t.Context(), r.ID); err != nil || now.Revision != r.Revision {
		t.Errorf("something was written: %+v, %v", now, err)
	}
	if _, err := h.issuer.Revoke(t.Context(), by(), r.ID, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := h.issuer.Update(t.Context(), by(), r.ID, 0, apikey.Patch{Name: new("x")}); !errors.Is(err, apikey.ErrRevoked) {
		t.Errorf("a revoked key: %v", err)
	}
}

// notes returns n notes to set.
func notes(n int) map[string]*string {
	all := make(map[string]*string)
	for i := range n {
		all[fmt.Sprint(i)] = new("")
	}
	return all
}

// A key that another system had may say what nobody could say here: what a patch
// leaves alone is not judged.
func TestUpdateJudgesItsOwnFields(t *testing.T) {
	h := newStoreHouse(t)
	r, _ := h.create(t, "acme")
	h.change(t, r.ID, apikey.OpUpdate, func(r *apikey.Record) { r.Owner = "a\tb" })
	if got, err := h.issuer.Update(t.Context(), by(), r.ID, 0, apikey.Patch{Name: new("x")}); err != nil || got.Owner != "a\tb" || got.Name != "x" {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestDelete(t *testing.T) {
	h := newPlainHouse(t, apikey.Policy{})
	r, text := h.create(t, "acme")
	if _, err := h.issuer.Delete(t.Context(), by(), r.ID, r.Revision+1); !errors.Is(err, apikey.ErrConflict) {
		t.Errorf("of another revision: %v", err)
	}
	deleted, err := h.issuer.Delete(t.Context(), by(), r.ID, r.Revision)
	if err != nil || deleted <= r.Revision {
		t.Fatalf("deleted at %d, %v", deleted, err)
	}
	if got := h.proves(t, text); got != "unknown" {
		t.Errorf("its text: %q", got)
	}
	if _, err := h.issuer.Delete(t.Context(), by(), r.ID, 0); !errors.Is(err, apikey.ErrNotFound) {
		t.Errorf("again: %v", err)
	}
}

func TestPolicy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		day := 24 * time.Hour
		tests := []struct {
			name    string
			policy  apikey.Policy
			spec    apikey.Spec
			want    time.Duration // 0: never
			refused bool
		}{
			{"none", apikey.Policy{}, apikey.Spec{}, 0, false},
			{"a default", apikey.Policy{DefaultTTL: day}, apikey.Spec{}, day, false},
			{"a default and another", apikey.Policy{DefaultTTL: day}, apikey.Spec{Expires: time.Now().Add(time.Hour)}, time.Hour, false},
			{"a default and never", apikey.Policy{DefaultTTL: day}, apikey.Spec{Never: true}, 0, false},
			{"a bound and nothing", apikey.Policy{MaxTTL: day}, apikey.Spec{}, 0, true},
			{"a bound and never", apikey.Policy{DefaultTTL: day, MaxTTL: day}, apikey.Spec{Never: true}, 0, true},
			{"the bound", apikey.Policy{MaxTTL: day}, apikey.Spec{Expires: time.Now().Add(day)}, day, false},
			{"more than the bound", apikey.Policy{MaxTTL: day}, apikey.Spec{Expires: time.Now().Add(day + time.Millisecond)}, 0, true},
		}
		for _, tt := range tests {
			tt.spec.Environment = "live"
			h := newPlainHouse(t, tt.policy)
			r, _, err := h.issuer.Create(t.Context(), by(), tt.spec)
			if tt.refused {
				if fields(t, err) != "expires" {
					t.Errorf("%s: %v", tt.name, err)
				}
				continue
			}
			if err != nil || tt.want == 0 && !r.Expires.IsZero() || tt.want != 0 && !r.Expires.Equal(time.Now().Add(tt.want)) {
				t.Errorf("%s: expires %v, %v", tt.name, r.Expires, err)
			}
		}
	})
	peppers, _ := newPeppers(t, 1)
	for _, p := range []apikey.Policy{{MaxTTL: 1}, {DefaultTTL: -1}, {DefaultTTL: 2 * time.Hour, MaxTTL: time.Hour}, {MaxSecrets: 11}, {MaxSecrets: -1}, {MaxTTL: 1 << 62}} {
		if _, err := apikey.NewIssuer(apikey.IssuerConfig{Store: new(apikey.MemoryStore), Peppers: peppers, Policy: p}); err == nil {
			t.Errorf("policy %+v is taken", p)
		}
	}
}

func TestCreateAll(t *testing.T) {
	var told []apikey.ID
	h := newPlainHouse(t, apikey.Policy{})
	issuer := newIssuer(t, apikey.IssuerConfig{Store: h.store, Peppers: h.peppers, Changed: func(id apikey.ID) { told = append(told, id) }})
	specs := make([]apikey.Spec, apikey.MaxBatch)
	for i := range specs {
		specs[i] = apikey.Spec{Environment: "live", Owner: fmt.Sprint("customer-", i)}
	}
	made, err := issuer.CreateAll(t.Context(), by(), specs)
	if err != nil || len(made) != len(specs) || len(told) != len(specs) {
		t.Fatalf("made %d, told %d, %v", len(made), len(told), err)
	}
	for i, one := range made {
		if one.Record.Owner != specs[i].Owner || one.Record.Revision != apikey.Revision(i+1) {
			t.Fatalf("number %d: %+v", i, one.Record)
		}
	}
	for _, i := range []int{0, 500, 999} {
		if p, err := h.verifier.Verify(t.Context(), reveal(made[i].Text)); err != nil || p.Subject != string(made[i].Record.ID) {
			t.Errorf("number %d proves %+v, %v", i, p, err)
		}
	}
}

func TestCreateAllIsRefused(t *testing.T) {
	h := newStoreHouse(t)
	specs := []apikey.Spec{{Environment: "live"}, {Environment: "LIVE", Name: "\x00"}, {Environment: "live"}, {Environment: "live", Plan: "X"}}
	_, err := h.issuer.CreateAll(t.Context(), by(), specs)
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("%v", err)
	}
	got := map[int]string{}
	var visit func(error)
	visit = func(err error) {
		if item, ok := err.(*apikey.ItemError); ok { //nolint:errorlint // the tree itself
			got[item.Index] = fields(t, item.Err)
			return
		}
		for _, one := range err.(interface{ Unwrap() []error }).Unwrap() { //nolint:errcheck // the tree itself
			visit(one)
		}
	}
	for _, one := range joined.Unwrap() {
		visit(one)
	}
	if !maps.Equal(got, map[int]string{1: "environment name", 3: "plan"}) {
		t.Errorf("refused %v", got)
	}
	for _, n := range []int{0, apikey.MaxBatch + 1} {
		if _, err := h.issuer.CreateAll(t.Context(), by(), make([]apikey.Spec, n)); fields(t, err) != "keys" {
			t.Errorf("%d keys: %v", n, err)
		}
	}
	plain := newIssuer(t, apikey.IssuerConfig{Store: plainStore{h.store}, Peppers: h.peppers})
	if _, err := plain.CreateAll(t.Context(), by(), specs[:1]); err == nil {
		t.Error("a store without batches takes one")
	}
	if n, err := h.store.Revision(t.Context()); err != nil || n != 0 {
		t.Errorf("something was written: %d, %v", n, err)
	}
}

// batching lets the first batches fail.
type batching struct {
	apikey.MemoryStore
	errs []error
}

func (s *batching) ApplyAll(ctx context.Context, all []apikey.Change) ([]apikey.Revision, error) {
	if len(s.errs) > 0 {
		err := s.errs[0]
		s.errs = s.errs[1:]
		return nil, err
	}
	return s.MemoryStore.ApplyAll(ctx, all)
}

func TestCreateAllWithATakenID(t *testing.T) {
	peppers, _ := newPeppers(t, 1)
	store := &batching{errs: []error{apikey.ErrExists, apikey.ErrExists}}
	made, err := newIssuer(t, apikey.IssuerConfig{Store: store, Peppers: peppers}).CreateAll(t.Context(), by(), make1(3))
	if err != nil || len(made) != 3 {
		t.Errorf("made %d, %v", len(made), err)
	}
	store = &batching{errs: slices.Repeat([]error{apikey.ErrExists}, 5)}
	if _, err := newIssuer(t, apikey.IssuerConfig{Store: store, Peppers: peppers}).CreateAll(t.Context(), by(), make1(3)); !errors.Is(err, apikey.ErrExists) {
		t.Errorf("ids that are taken for ever: %v", err)
	}
	store = &batching{errs: []error{errDown}}
	if _, err := newIssuer(t, apikey.IssuerConfig{Store: store, Peppers: peppers}).CreateAll(t.Context(), by(), make1(3)); !errors.Is(err, errDown) {
		t.Errorf("a store that is down: %v", err)
	}
}

// make1 returns n specs.
func make1(n int) []apikey.Spec { return slices.Repeat([]apikey.Spec{{Environment: "live"}}, n) }
