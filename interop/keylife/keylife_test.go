// Package keylife_test runs the operations of keys in any order against a model
// that needs no thought, on each store.
package keylife_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/testpostgres"
	"github.com/warder-dev/warder/postgres"
	"github.com/warder-dev/warder/sqlite"
)

// A store is one that can do all that the operations need.
type store interface {
	apikey.Store
	apikey.Batcher
	apikey.Finder
	apikey.Lister
}

// A key is what the model knows of one: what was done, in the plainest form.
type key struct {
	id                         apikey.ID
	name, owner                string
	texts                      []string // by age, the last one is current
	gone                       []bool   // of texts: it works no longer
	revoked, disabled, deleted bool
	reason                     string
	revision                   apikey.Revision
}

// world is the system beside the model.
type world struct {
	t        *rapid.T
	ctx      context.Context
	store    store
	issuer   *apikey.Issuer
	verifier *apikey.Verifier
	keys     []*key
	most     int
}

// asked hides that a store can be followed, so that each verification asks it.
type asked struct{ apikey.Store }

var by = apikey.By{Actor: "user:ada", Source: "test"} //nolint:gochecknoglobals // it is constant

func TestOperationsOnMemory(t *testing.T) {
	run(t, func(*testing.T) store { return new(apikey.MemoryStore) })
}

func TestOperationsOnSQLite(t *testing.T) {
	run(t, func(t *testing.T) store {
		t.Helper()
		db, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(t.TempDir(), "keys.db"), Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
		return db.APIKeys()
	})
}

func TestOperationsOnPostgreSQL(t *testing.T) {
	run(t, func(t *testing.T) store {
		t.Helper()
		server := testpostgres.Start(t, testpostgres.Options{})
		cfg := postgres.Config{URL: server.URL(testpostgres.Superuser, server.Database(t, nil)), Log: slog.New(slog.DiscardHandler)}
		if _, _, err := postgres.Migrate(t.Context(), cfg, ""); err != nil {
			t.Fatal(err)
		}
		db, err := postgres.Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
		return db.APIKeys()
	})
}

// run checks random sequences of operations. All of them work on one store: the
// model remembers only its own keys.
func run(t *testing.T, open func(*testing.T) store) {
	t.Helper()
	line, err := apikey.NewPepper(nil)
	if err != nil {
		t.Fatal(err)
	}
	peppers, err := apikey.ParsePeppers(line)
	if err != nil {
		t.Fatal(err)
	}
	keys := open(t)
	verifier, err := apikey.NewVerifier(apikey.VerifierConfig{Store: asked{keys}, Peppers: peppers, LookupTimeout: 10 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := verifier.Close(); err != nil {
			t.Error(err)
		}
	})
	rapid.Check(t, func(rt *rapid.T) {
		most := rapid.IntRange(1, 4).Draw(rt, "most secrets")
		issuer, err := apikey.NewIssuer(apikey.IssuerConfig{Store: keys, Peppers: peppers, Policy: apikey.Policy{MaxSecrets: most}})
		if err != nil {
			rt.Fatal(err)
		}
		w := &world{t: rt, ctx: t.Context(), store: keys, issuer: issuer, verifier: verifier, most: most}
		rt.Repeat(map[string]func(*rapid.T){
			"create": w.create, "create many": w.createAll, "roll": w.roll, "end overlap": w.endOverlap, "update": w.update, "revoke": w.revoke,
			"disable": w.disable, "enable": w.enable, "delete": w.delete, "find": w.find, "": w.check,
		})
	})
}

// pick draws a key of the model, also one that is deleted, and whether the
// operation names a revision that is not the key's any more.
func (w *world) pick(rt *rapid.T) (*key, apikey.Revision, bool) {
	if len(w.keys) == 0 {
		rt.Skip("no keys")
	}
	k := rapid.SampledFrom(w.keys).Draw(rt, "key")
	switch rapid.IntRange(0, 3).Draw(rt, "revision") {
	case 0:
		return k, k.revision, false
	case 1:
		return k, k.revision + 1, true
	default:
		return k, 0, false
	}
}

// expect wants the error that the model says, and reports whether there is none.
func (w *world) expect(rt *rapid.T, k *key, stale bool, err error, others ...error) bool {
	want := errors.Join(others...)
	switch {
	case k.deleted:
		want = apikey.ErrNotFound
	case stale:
		want = apikey.ErrConflict
	}
	if want == nil {
		if err != nil {
			rt.Fatalf("key %s: %v", k.id, err)
		}
		return true
	}
	if !errors.Is(err, want) && err == nil {
		rt.Fatalf("key %s: done, want %v", k.id, want)
	}
	for _, one := range []error{apikey.ErrNotFound, apikey.ErrConflict, apikey.ErrRevoked} {
		if errors.Is(err, one) && errors.Is(want, one) {
			return false
		}
	}
	rt.Fatalf("key %s: %v, want %v", k.id, err, want)
	return false
}

// maxKeys keeps a sequence about few keys, to which much happens.
const maxKeys = 8

func (w *world) create(rt *rapid.T) {
	w.room(rt)
	owner := rapid.SampledFrom([]string{"acme", "globex", ""}).Draw(rt, "owner")
	r, text, err := w.issuer.Create(w.ctx, by, apikey.Spec{Environment: "live", Owner: owner})
	if err != nil {
		rt.Fatal(err)
	}
	w.add(apikey.Made{Record: r, Text: text})
}

// room skips what would make too many keys.
func (w *world) room(rt *rapid.T) {
	if len(w.keys) >= maxKeys {
		rt.Skip("keys enough")
	}
}

func (w *world) createAll(rt *rapid.T) {
	w.room(rt)
	specs := slices.Repeat([]apikey.Spec{{Environment: "test", Owner: "acme"}}, rapid.IntRange(1, 5).Draw(rt, "count"))
	made, err := w.issuer.CreateAll(w.ctx, by, specs)
	if err != nil || len(made) != len(specs) {
		rt.Fatalf("made %d of %d: %v", len(made), len(specs), err)
	}
	for _, one := range made {
		w.add(one)
	}
}

func (w *world) add(m apikey.Made) {
	w.keys = append(w.keys, &key{id: m.Record.ID, owner: m.Record.Owner, texts: []string{m.Text.Reveal()}, gone: []bool{false}, revision: m.Record.Revision})
}

func (w *world) roll(rt *rapid.T) {
	k, revision, stale := w.pick(rt)
	overlap := time.Duration(rapid.SampledFrom([]int{0, 1, 24}).Draw(rt, "overlap")) * time.Hour
	r, text, err := w.issuer.Roll(w.ctx, by, k.id, revision, apikey.RollSpec{Overlap: overlap})
	if !w.expect(rt, k, stale, err, final(k)) {
		return
	}
	k.texts, k.gone, k.revision = append(k.texts, text.Reveal()), append(k.gone, false), r.Revision
	last := len(k.texts) - 1
	for i := range last {
		k.gone[i] = k.gone[i] || overlap == 0 || last-i >= w.most
	}
	if r.Secrets[0].Number != len(k.texts) {
		rt.Fatalf("the new secret has the number %d, want %d", r.Secrets[0].Number, len(k.texts))
	}
}

// final is the error of a change to a key that is revoked.
func final(k *key) error {
	if k.revoked {
		return apikey.ErrRevoked
	}
	return nil
}

func (w *world) endOverlap(rt *rapid.T) {
	k, revision, stale := w.pick(rt)
	r, err := w.issuer.EndOverlap(w.ctx, by, k.id, revision)
	if w.expect(rt, k, stale, err) {
		for i := range len(k.texts) - 1 {
			k.gone[i] = true
		}
		k.revision = r.Revision
	}
}

func (w *world) update(rt *rapid.T) {
	k, revision, stale := w.pick(rt)
	name := rapid.SampledFrom([]string{"", "ci", "shop"}).Draw(rt, "name")
	r, err := w.issuer.Update(w.ctx, by, k.id, revision, apikey.Patch{Name: &name})
	if w.expect(rt, k, stale, err, final(k)) {
		if (k.name == name) != (k.revision == r.Revision) {
			rt.Fatalf("from %q to %q: revision %d, was %d", k.name, name, r.Revision, k.revision)
		}
		k.name, k.revision = name, r.Revision
	}
}

func (w *world) revoke(rt *rapid.T) {
	k, _, _ := w.pick(rt)
	reason := rapid.SampledFrom([]string{"superseded", "key-compromise"}).Draw(rt, "reason")
	r, err := w.issuer.Revoke(w.ctx, by, k.id, reason)
	if w.expect(rt, k, false, err) {
		if !k.revoked {
			k.reason = reason
		}
		k.revoked, k.revision = true, r.Revision
	}
}

func (w *world) disable(rt *rapid.T) { w.turn(rt, true, w.issuer.Disable) }
func (w *world) enable(rt *rapid.T)  { w.turn(rt, false, w.issuer.Enable) }

func (w *world) turn(rt *rapid.T, to bool, change func(context.Context, apikey.By, apikey.ID) (apikey.Record, error)) {
	k, _, _ := w.pick(rt)
	r, err := change(w.ctx, by, k.id)
	if w.expect(rt, k, false, err) {
		if !k.revoked {
			k.disabled = to
		}
		k.revision = r.Revision
	}
}

func (w *world) delete(rt *rapid.T) {
	k, revision, stale := w.pick(rt)
	if _, err := w.issuer.Delete(w.ctx, by, k.id, revision); w.expect(rt, k, stale, err) {
		k.deleted = true
	}
}

// check wants the store and the verifier to say of each key what the model says.
func (w *world) check(rt *rapid.T) {
	for _, k := range w.keys {
		w.checkRecord(rt, k)
		for i, text := range k.texts {
			if got, want := w.verdict(text), k.verdict(i); got != want {
				rt.Fatalf("key %s, text %d of %d: %q, want %q", k.id, i+1, len(k.texts), got, want)
			}
		}
	}
}

func (w *world) checkRecord(rt *rapid.T, k *key) {
	r, err := w.store.Lookup(w.ctx, k.id)
	if k.deleted {
		if !errors.Is(err, apikey.ErrNotFound) {
			rt.Fatalf("deleted key %s: %+v, %v", k.id, r, err)
		}
		return
	}
	if err != nil {
		rt.Fatal(err)
	}
	works := 0
	for _, gone := range k.gone {
		if !gone {
			works++
		}
	}
	if r.Name != k.name || r.Owner != k.owner || r.Disabled != k.disabled || r.Revoked.IsZero() == k.revoked || r.Reason != k.reason || r.Revision != k.revision ||
		len(r.Secrets) != works || len(r.Secrets) > w.most || r.State(time.Now()) != k.state(works) {
		rt.Fatalf("key %s is %+v, the model says %s", k.id, r, fmt.Sprintf("%+v", *k))
	}
}

// find wants one key to be found by its id and state, unless it is deleted.
func (w *world) find(rt *rapid.T) {
	k, _, _ := w.pick(rt)
	state := k.state(len(k.gone) - slices.Index(k.gone, false))
	page, err := w.store.Find(w.ctx, apikey.Filter{Text: string(k.id), State: state, Limit: 2})
	if err != nil || (len(page.Records) == 1) == k.deleted || !k.deleted && page.Records[0].ID != k.id {
		rt.Fatalf("key %s, deleted %v, is found as %s: %+v, %v", k.id, k.deleted, state, page, err)
	}
}

func (k *key) state(works int) apikey.State {
	switch {
	case k.revoked:
		return apikey.Revoked
	case k.disabled:
		return apikey.Disabled
	case works > 1:
		return apikey.Retiring
	default:
		return apikey.Active
	}
}

// verdict is what must come of the i-th text.
func (k *key) verdict(i int) string {
	switch {
	case k.deleted:
		return "unknown"
	case k.gone[i]:
		return "wrong-secret"
	case k.revoked:
		return "revoked"
	case k.disabled:
		return "disabled"
	default:
		return fmt.Sprintf("%s, secret %d, retiring %v", k.id, i+1, i < len(k.texts)-1)
	}
}

func (w *world) verdict(text string) string {
	p, err := w.verifier.Verify(w.ctx, text)
	if refusal, ok := errors.AsType[*authn.Refusal](err); ok {
		return refusal.Reason()
	}
	if err != nil || p.IsZero() {
		return fmt.Sprint(exchange.Failed, err)
	}
	return fmt.Sprintf("%s, secret %d, retiring %v", p.KeyID, p.SecretNumber, p.Retiring)
}
