package keytoken_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/apikey/keytoken"
	"github.com/warder-dev/warder/internal/attack"
)

// TestATokenEndsWithItsKey takes from keys what their tokens stand on, in each way, and
// looks how long the tokens go on.
func TestATokenEndsWithItsKey(t *testing.T) {
	tests := map[string]struct {
		change func(ctx context.Context, w *world, id apikey.ID) error
		status int
		reason string
	}{
		"revoked": {func(ctx context.Context, w *world, id apikey.ID) error {
			_, err := w.keys.Revoke(ctx, by(), id, "key-compromise")
			return err
		}, 401, "revoked"},
		"disabled": {func(ctx context.Context, w *world, id apikey.ID) error {
			_, err := w.keys.Disable(ctx, by(), id)
			return err
		}, 401, "disabled"},
		"expired": {func(ctx context.Context, w *world, id apikey.ID) error {
			_, err := w.keys.Update(ctx, by(), id, 0, apikey.Patch{Expires: new(time.Now().Add(100 * time.Millisecond))})
			return err
		}, 401, "expired"},
		"deleted": {func(ctx context.Context, w *world, id apikey.ID) error {
			_, err := w.keys.Delete(ctx, by(), id, 0)
			return err
		}, 401, "unknown"},
		"rolled without an overlap": {func(ctx context.Context, w *world, id apikey.ID) error {
			_, _, err := w.keys.Roll(ctx, by(), id, 0, apikey.RollSpec{})
			return err
		}, 401, "wrong-secret"},
		"rolled, and its overlap ended": {func(ctx context.Context, w *world, id apikey.ID) error {
			if _, _, err := w.keys.Roll(ctx, by(), id, 0, apikey.RollSpec{Overlap: time.Hour}); err != nil {
				return err
			}
			_, err := w.keys.EndOverlap(ctx, by(), id, 0)
			return err
		}, 401, "wrong-secret"},
		"rolled, and its overlap over": {func(ctx context.Context, w *world, id apikey.ID) error {
			_, _, err := w.keys.Roll(ctx, by(), id, 0, apikey.RollSpec{Overlap: 100 * time.Millisecond})
			return err
		}, 401, "expired"},
		"rolled with an overlap": {func(ctx context.Context, w *world, id apikey.ID) error {
			_, _, err := w.keys.Roll(ctx, by(), id, 0, apikey.RollSpec{Overlap: time.Hour})
			return err
		}, 200, ""},
		"without its scope": {func(ctx context.Context, w *world, id apikey.ID) error {
			_, err := w.keys.Update(ctx, by(), id, 0, apikey.Patch{Scopes: &[]string{"invoices:*"}})
			return err
		}, 403, ""},
		"with a condition": {func(ctx context.Context, w *world, id apikey.ID) error {
			_, err := w.keys.Update(ctx, by(), id, 0, apikey.Patch{Methods: &[]string{"POST"}})
			return err
		}, 403, apikey.RuleMethod},
	}
	for name, tt := range tests {
		attack.Case(t, "KEY-38", attack.Library, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, keytoken.Config{})
				record, _ := w.create(t, apikey.Spec{Scopes: []string{"orders:*"}})
				other, _ := w.create(t, apikey.Spec{Scopes: []string{"orders:*"}})
				token, others := w.token(t, record.ID, apikey.TokenSpec{}), w.token(t, other.ID, apikey.TokenSpec{})
				w.want(t, "before", token, 200, "")
				must(t, tt.change(t.Context(), w, record.ID))
				pass(settle)
				w.want(t, name, token, tt.status, tt.reason)
				w.want(t, name+": another key's", others, 200, "")
			})
		})
	}
}

// A key that is enabled again is good again, and so are its tokens.
func TestATokenOfAKeyThatIsEnabledAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, keytoken.Config{})
		record, _ := w.create(t, apikey.Spec{Scopes: []string{"orders:*"}})
		token := w.token(t, record.ID, apikey.TokenSpec{})
		_, err := w.keys.Disable(t.Context(), by(), record.ID)
		must(t, err)
		pass(settle)
		w.want(t, "disabled", token, 401, "disabled")
		_, err = w.keys.Enable(t.Context(), by(), record.ID)
		must(t, err)
		pass(settle)
		w.want(t, "enabled", token, 200, "")
	})
}

// Nobody knows, and nobody passes: neither a token that was good before, nor a new one.
func TestATokenWithoutTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, keytoken.Config{})
		record, _ := w.create(t, apikey.Spec{Scopes: []string{"orders:*"}})
		unknown, _ := w.create(t, apikey.Spec{Scopes: []string{"orders:*"}})
		seen, fresh := w.token(t, record.ID, apikey.TokenSpec{}), w.token(t, unknown.ID, apikey.TokenSpec{})
		pass(settle)
		w.want(t, "before", seen, 200, "")
		w.store.down.Store(true)
		w.want(t, "a key that nobody has asked for", fresh, 503, "")
		w.want(t, "a key that is cached", seen, 200, "")
		pass(6 * time.Second)
		w.want(t, "a key whose cache is too old", seen, 503, "")
		w.store.down.Store(false)
		pass(settle)
		w.want(t, "the store is back", seen, 200, "")
		w.want(t, "the store is back", fresh, 200, "")
	})
}

// TestWhenATokenEnds: after its time, and with its key and the overlap of its secret at
// the latest.
func TestWhenATokenEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := newKey(t)
		w := newWorld(t, keytoken.Config{Keys: key})
		now := time.Now()
		for name, tt := range map[string]struct {
			expires  time.Duration // of the key; 0 for never
			overlap  time.Duration // of the secret; 0: it is the current one
			lifetime time.Duration
			want     time.Duration
		}{
			"the default":                          {0, 0, 0, 5 * time.Minute},
			"as asked":                             {0, 0, time.Minute, time.Minute},
			"the most":                             {time.Hour, 0, 15 * time.Minute, 15 * time.Minute},
			"the key ends first":                   {2 * time.Minute, 0, 0, 2 * time.Minute},
			"the overlap ends first":               {time.Hour, time.Minute, 0, time.Minute},
			"the key, and then the overlap":        {time.Minute, time.Hour, 0, time.Minute},
			"the overlap, of a key without an end": {0, 90 * time.Second, 0, 90 * time.Second},
		} {
			spec := apikey.Spec{Scopes: []string{"orders:*"}}
			if tt.expires > 0 {
				spec.Expires = now.Add(tt.expires)
			}
			record, _ := w.create(t, spec)
			if tt.overlap > 0 {
				var err error
				record, _, err = w.keys.Roll(t.Context(), by(), record.ID, 0, apikey.RollSpec{Overlap: tt.overlap})
				must(t, err)
			}
			made, text, err := w.issuer.Issue(&record, 1, apikey.TokenSpec{Lifetime: tt.lifetime})
			if err != nil || !made.Expires.Equal(now.Add(tt.want)) {
				t.Errorf("%s: it ends %v from now, %v; want %v", name, made.Expires.Sub(now), err, tt.want)
				continue
			}
			_, _, p := w.ask(t, w.bearer(t, apikey.BearerConfig{}), request{}, text.Reveal())
			if !p.Expires.Equal(made.Expires) {
				t.Errorf("%s: the principal ends at %v, want %v", name, p.Expires, made.Expires)
			}
		}
		record, _ := w.create(t, apikey.Spec{Scopes: []string{"orders:*"}})
		token := w.token(t, record.ID, apikey.TokenSpec{Lifetime: 10 * time.Second})
		pass(10*time.Second - time.Millisecond)
		w.want(t, "in its last moment", token, 200, "")
		pass(time.Millisecond)
		w.want(t, "after it", token, 401, "expired")
		if _, err := newTokens(t, keytoken.Config{Keys: key}).VerifyToken(token, true); err == nil {
			t.Error("a node that had not seen it takes it after its end")
		}
	})
}

// TestKeysThatGiveNoTokens: the record is what the store has, whatever was proved a
// moment before.
func TestKeysThatGiveNoTokens(t *testing.T) {
	w := newWorld(t, keytoken.Config{})
	past := time.Now().Add(-time.Hour)
	for name, tt := range map[string]struct {
		change func(*apikey.Record)
		number int
		want   error
	}{
		"a public one":                    {func(r *apikey.Record) { r.Kind = apikey.KindPublic }, 1, apikey.ErrNoTokens},
		"a honeytoken":                    {func(r *apikey.Record) { r.Kind = apikey.KindHoneytoken }, 1, apikey.ErrNoTokens},
		"a revoked one":                   {func(r *apikey.Record) { r.Revoked = past }, 1, apikey.ErrRevoked},
		"a disabled one":                  {func(r *apikey.Record) { r.Disabled = true }, 1, apikey.ErrDisabled},
		"an expired one":                  {func(r *apikey.Record) { r.Expires = past }, 1, apikey.ErrExpired},
		"in its last second":              {func(r *apikey.Record) { r.Expires = time.Now().Add(time.Millisecond) }, 1, apikey.ErrExpired},
		"a secret that it has not":        {func(*apikey.Record) {}, 2, apikey.ErrExpired},
		"a secret that is over":           {func(r *apikey.Record) { r.Secrets[0].Retires = past }, 1, apikey.ErrExpired},
		"a secret without a number":       {func(r *apikey.Record) { r.Secrets[0].Number = 0 }, 0, apikey.ErrExpired},
		"a secret with a negative number": {func(r *apikey.Record) { r.Secrets[0].Number = -1 }, -1, apikey.ErrExpired},
	} {
		record, _ := w.create(t, apikey.Spec{})
		tt.change(&record)
		if _, text, err := w.issuer.Issue(&record, tt.number, apikey.TokenSpec{}); err != tt.want || !text.IsZero() { //nolint:errorlint // itself
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
}
