package apikey_test

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/secret"
)

const importedText = "sk-other-system-0123456789"

// legacyHouse is a house with keys of another system, whose verifier takes them.
type legacyHouse struct {
	*house
	digests *digestCounter
}

// digestCounter counts look-ups by digest.
type digestCounter struct {
	*countingStore
	n atomic.Int64
}

func (s *digestCounter) LookupDigest(ctx context.Context, format string, digest [32]byte) (apikey.Record, error) {
	s.n.Add(1)
	return s.countingStore.LookupDigest(ctx, format, digest)
}

func newLegacyHouse(t *testing.T, formats ...string) *legacyHouse {
	t.Helper()
	h := newStoreHouse(t)
	l := &legacyHouse{h, &digestCounter{countingStore: h.store}}
	h.verifier = newVerifier(t, apikey.VerifierConfig{Store: l.digests, Peppers: h.peppers, LegacyFormats: formats})
	return l
}

// take imports a key with the secret.
func (l *legacyHouse) take(t *testing.T, owner string, s apikey.Secret) apikey.ID {
	t.Helper()
	id := l.peppers.ImportID(0, s)
	if err := l.try(t, owner, id, s); err != nil {
		t.Fatal(err)
	}
	return id
}

func (l *legacyHouse) try(t *testing.T, owner string, id apikey.ID, s apikey.Secret) error {
	t.Helper()
	record := apikey.Record{ID: id, Prefix: "wrd", Environment: "live", Owner: owner, Scopes: []string{"orders:read"}, Created: s.Created, Secrets: []apikey.Secret{s}}
	_, err := l.store.Apply(t.Context(), apikey.Change{Actor: "t", Source: "test", Op: apikey.OpImport, At: time.Now(), After: &record})
	return err
}

// text is the secret of a text that is known, digest that of one whose digest is.
func (l *legacyHouse) text(t *testing.T, text string) apikey.Secret {
	t.Helper()
	s, err := l.peppers.ImportText(secret.New(text), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func digestOf(t *testing.T, format, text string) apikey.Secret {
	t.Helper()
	sum256, sum512 := sha256.Sum256([]byte(text)), sha512.Sum512([]byte(text))
	s, err := apikey.ImportDigest(format, map[string][]byte{apikey.FormatSHA256: sum256[:], apikey.FormatSHA512: sum512[:]}[format], time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (l *legacyHouse) wants(t *testing.T, text, reason, owner string) {
	t.Helper()
	p, err := l.verifier.Verify(t.Context(), text)
	if got := reasonOf(err); got != reason || err == nil && p.Owner != owner {
		t.Errorf("%.12s...: %q (%v), owner %q, want %q and %q", text, got, err, p.Owner, reason, owner)
	}
}

func TestImportedKeys(t *testing.T) {
	attack.Case(t, "KEY-29", attack.Library, func(t *testing.T) {
		for _, format := range apikey.Formats() {
			t.Run(format, func(t *testing.T) {
				l := newLegacyHouse(t, apikey.Formats()...)
				imported := l.text(t, importedText)
				if format != apikey.FormatText {
					imported = digestOf(t, format, importedText)
				}
				id := l.take(t, "acme", imported)
				eventually(t, func() bool { return l.verifier.Applied() == 1 })
				l.wants(t, importedText, "", "acme")
				for _, wrong := range []string{importedText + "x", importedText[1:], strings.ToUpper(importedText), string(id)} {
					if reason := reasonOf(second(l.verifier.Verify(t.Context(), wrong))); reason != "unknown" && reason != "malformed" {
						t.Errorf("%q: %q", wrong, reason)
					}
				}
				eventually(t, func() bool {
					r, err := l.store.Lookup(t.Context(), id)
					return err == nil && r.Secrets[0].Format == apikey.FormatText && r.Secrets[0].Pepper == l.peppers.IDs()[0] &&
						(format == apikey.FormatText) == (r.Secrets[0].Digest == imported.Digest)
				})
				l.wants(t, importedText, "", "acme")
				if err := l.try(t, "other", "zzzzzzzzzzzz", l.text(t, importedText)); !errors.Is(err, apikey.ErrExists) {
					t.Errorf("the same text for a second key: %v, want ErrExists", err)
				}
			})
		}
		for name, digest := range map[string][]byte{
			"no digest": nil, "a short one": make([]byte, 31), "zeros": make([]byte, 32), "of nothing": emptySum(), "too long": make([]byte, 64),
		} {
			if _, err := apikey.ImportDigest(apikey.FormatSHA256, digest, time.Now()); !errors.Is(err, apikey.ErrImportDigest) {
				t.Errorf("%s: %v, want that it is refused", name, err)
			}
		}
		l := newLegacyHouse(t, apikey.Formats()...)
		_, ours := l.create(t, "a")
		for _, text := range []string{"", "short", strings.Repeat("a", 15), strings.Repeat("a", 513), "with blanks in between", "non-ascii-aäaaaaaaaa", "nul-\x00-nul-nul-nul-nul", ours} {
			if _, err := l.peppers.ImportText(secret.New(text), time.Now()); !errors.Is(err, apikey.ErrImportText) || err == nil || text != "" && strings.Contains(err.Error(), text) {
				t.Errorf("a text of %d bytes: %v, want that it is refused without being repeated", len(text), err)
			}
		}
	})
}

func emptySum() []byte { sum := sha256.Sum256(nil); return sum[:] }

func second[T any](_ T, err error) error { return err }

func TestImportedKeysAreJudgedLikeOthers(t *testing.T) {
	l := newLegacyHouse(t, apikey.FormatText)
	id := l.take(t, "acme", l.text(t, importedText))
	eventually(t, func() bool { return l.verifier.Applied() == 1 })
	l.wants(t, importedText, "", "acme")
	for _, step := range []struct {
		reason string
		edit   func(*apikey.Record)
	}{
		{"disabled", func(r *apikey.Record) { r.Disabled = true }},
		{"", func(r *apikey.Record) { r.Disabled = false }},
		{"expired", func(r *apikey.Record) { r.Expires = time.Now().Add(-time.Minute) }},
		{"honeytoken", func(r *apikey.Record) { r.Expires, r.Kind = time.Time{}, apikey.KindHoneytoken }},
		{"revoked", func(r *apikey.Record) { r.Revoked = time.Now() }},
	} {
		at := l.change(t, id, apikey.OpUpdate, step.edit)
		eventually(t, func() bool { return l.verifier.Applied() == at })
		l.wants(t, importedText, step.reason, "acme")
	}
	// A text that came to another key: what was remembered of it is not believed.
	before, err := l.store.Lookup(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.store.Apply(t.Context(), apikey.Change{Actor: "t", Source: "test", Op: apikey.OpDelete, At: time.Now(), Before: &before}); err != nil {
		t.Fatal(err)
	}
	if err := l.try(t, "heir", "zzzzzzzzzzzz", l.text(t, importedText)); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return l.verifier.Applied() == 8 })
	l.wants(t, importedText, "", "heir")
}

func TestTextsOfOthersCostNothingUnlessTheyAreTaken(t *testing.T) {
	l := newLegacyHouse(t)
	l.take(t, "acme", l.text(t, importedText))
	eventually(t, func() bool { return l.verifier.Applied() == 1 })
	l.wants(t, importedText, "malformed", "")
	if n := l.digests.n.Load(); n != 0 {
		t.Errorf("%d look-ups, want none", n)
	}
	if n := testing.AllocsPerRun(100, func() { _, _ = l.verifier.Verify(t.Context(), importedText) }); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
	only := newLegacyHouse(t, apikey.FormatSHA256)
	only.take(t, "acme", only.text(t, importedText))
	eventually(t, func() bool { return only.verifier.Applied() == 1 })
	only.wants(t, importedText, "unknown", "")
}

func TestUnknownTextsAreRemembered(t *testing.T) {
	l := newLegacyHouse(t, apikey.Formats()...)
	l.wants(t, importedText, "unknown", "")
	asked := l.digests.n.Load()
	for range 100 {
		l.wants(t, importedText, "unknown", "")
	}
	if n := l.digests.n.Load(); n != asked || n != 3 {
		t.Errorf("%d look-ups for one text again and again, want one for each format", n)
	}
	l.take(t, "acme", l.text(t, importedText))
	eventually(t, func() bool { return l.verifier.Applied() == 1 })
	l.wants(t, importedText, "", "acme")
	asked, reads := l.digests.n.Load(), l.store.lookups.Load()
	for range 100 {
		l.wants(t, importedText, "", "acme")
	}
	if l.digests.n.Load() != asked || l.store.lookups.Load() != reads {
		t.Error("a known text is looked up again")
	}
}

func TestUnknownTextsAreRememberedInBoundedMemory(t *testing.T) {
	h := newStoreHouse(t)
	d := &digestCounter{countingStore: h.store}
	v := newVerifier(t, apikey.VerifierConfig{Store: d, Peppers: h.peppers, LegacyFormats: []string{apikey.FormatText}, UnknownCacheSize: 8})
	for round := range 2 {
		for i := range 1000 {
			if _, err := v.Verify(t.Context(), fmt.Sprintf("%s-%d", importedText, i)); reasonOf(err) != "unknown" {
				t.Fatal(err)
			}
		}
		if n := d.n.Load(); round == 1 && n < 1900 {
			t.Errorf("%d look-ups for 1000 texts twice: more than 8 are remembered", n)
		}
	}
}

// brokenDigests is a store without an answer about digests.
type brokenDigests struct{ *countingStore }

func (brokenDigests) LookupDigest(ctx context.Context, _ string, _ [32]byte) (apikey.Record, error) {
	<-ctx.Done()
	return apikey.Record{}, ctx.Err()
}

func TestImportedKeysOfAStoreThatIsAway(t *testing.T) {
	h := newStoreHouse(t)
	v := newVerifier(t, apikey.VerifierConfig{
		Store: brokenDigests{h.store}, Peppers: h.peppers, LegacyFormats: []string{apikey.FormatText}, LookupTimeout: 50 * time.Millisecond,
	})
	if _, err := v.Verify(t.Context(), importedText); reasonOf(err) != "error" {
		t.Errorf("Verify = %v, want that nobody knows", err)
	}
}

func TestImportedTextsMoveToTheCurrentPepper(t *testing.T) {
	l := newLegacyHouse(t, apikey.FormatText)
	old, lines := newPeppers(t, 2)
	imported, err := old.ImportText(secret.New(importedText), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	id := l.take(t, "acme", imported)
	rotated := parsePeppers(t, lines[1], lines[0])
	l.verifier = newVerifier(t, apikey.VerifierConfig{Store: l.digests, Peppers: rotated, LegacyFormats: []string{apikey.FormatText}})
	l.wants(t, importedText, "", "acme")
	eventually(t, func() bool {
		r, err := l.store.Lookup(t.Context(), id)
		return err == nil && r.Secrets[0].Pepper == rotated.IDs()[0] && r.Secrets[0].Format == apikey.FormatText
	})
	l.verifier = newVerifier(t, apikey.VerifierConfig{Store: l.digests, Peppers: parsePeppers(t, lines[1]), LegacyFormats: []string{apikey.FormatText}})
	l.wants(t, importedText, "", "acme")
}

func TestLegacyFormatsThatAreWrong(t *testing.T) {
	h := newStoreHouse(t)
	_, err := apikey.NewVerifier(apikey.VerifierConfig{Store: plainStore{h.store}, Peppers: h.peppers, LegacyFormats: []string{"murmur"}})
	for _, want := range []string{`"murmur"`, "finds no imported keys"} {
		if !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("error %v, want %s in it", err, want)
		}
	}
}
