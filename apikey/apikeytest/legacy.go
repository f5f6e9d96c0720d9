package apikeytest

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
)

func legacyRules() []rule {
	return []rule{
		{"an imported digest is found by its format", legacyFound},
		{"a digest of ours is not found so", func(t *testing.T, s Full) {
			r := mustCreate(t, s, plainRecord(testID(1)))
			wantNoDigest(t, s, "", r.Secrets[0].Digest)
			wantNoDigest(t, s, "sha256", r.Secrets[0].Digest)
		}},
		{"no two keys have one imported digest", legacyTaken},
		{"a digest that was replaced is found no longer, and free again", legacyUpgraded},
		{"two keys of ours may have one digest", func(t *testing.T, s Full) {
			mustCreate(t, s, plainRecord(testID(1)))
			mustCreate(t, s, plainRecord(testID(2)))
		}},
		{"of many digests those are told that a key has", legacyMany},
		{"an imported digest needs no pepper", func(t *testing.T, s Full) {
			mustCreate(t, s, importedRecord(testID(1), 1))
			wantPepperIDs(t, s)
		}},
	}
}

// importedRecord returns a key of another system.
func importedRecord(id apikey.ID, seed byte) apikey.Record {
	r := plainRecord(id)
	r.Secrets = []apikey.Secret{{Digest: digest(seed), Format: "sha256", Created: r.Created, Number: 1}}
	return r
}

// wantNoDigest reports that a digest is found.
func wantNoDigest(t *testing.T, s Full, format string, d [32]byte) {
	t.Helper()
	if r, err := s.LookupDigest(t.Context(), format, d); !errors.Is(err, apikey.ErrNotFound) {
		t.Errorf("LookupDigest(%q) = %q, %v, want %v", format, r.ID, err, apikey.ErrNotFound)
	}
}

func legacyFound(t *testing.T, s Full) {
	want := mustCreate(t, s, importedRecord(testID(1), 1))
	mustCreate(t, s, importedRecord(testID(2), 2))
	got, err := s.LookupDigest(t.Context(), "sha256", digest(1))
	if err != nil {
		t.Fatalf("LookupDigest = %v, want a record", err)
	}
	wantRecord(t, got, want)
	wantEqual(t, "Revision", got.Revision, want.Revision)
	wantNoDigest(t, s, "sha512", digest(1))
	wantNoDigest(t, s, "sha256", digest(3))
	wantNoDigest(t, s, "", digest(1))
	wantNoDigest(t, s, "sha256\x00", digest(1))
}

func legacyMany(t *testing.T, s Full) {
	const n = apikey.MaxImport
	digests := make([]apikey.ImportedDigest, n)
	for i := range digests {
		digests[i] = apikey.ImportedDigest{Format: "sha256", Sum: [32]byte{1, byte(i), byte(i >> 8)}}
	}
	want := make([]bool, n)
	for i := 0; i < n; i += 1333 {
		r := importedRecord(testID(1+i), 1)
		r.Secrets[0].Format, r.Secrets[0].Digest, want[i] = "sha256", digests[i].Sum, true
		mustCreate(t, s, r)
	}
	ours := plainRecord(testID(n + 1))
	ours.Secrets[0].Digest = digests[1].Sum // under no format
	mustCreate(t, s, ours)
	digests[1333].Format, want[1333] = "sha512", false
	digests[n-2], want[n-2] = digests[0], true // asked twice
	got, err := s.HasDigests(t.Context(), digests)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("HasDigests = %v, %v, want %v", got, err, want)
	}
	for _, bad := range [][]apikey.ImportedDigest{nil, append(digests, digests[0])} {
		if got, err := s.HasDigests(t.Context(), bad); err == nil {
			t.Errorf("HasDigests of %d = %d, want an error", len(bad), len(got))
		}
	}
}

func legacyTaken(t *testing.T, s Full) {
	first := mustCreate(t, s, importedRecord(testID(1), 1))
	other := mustCreate(t, s, plainRecord(testID(2)))
	rev := mustRevision(t, s)
	taking := importedRecord(testID(2), 1)
	for name, all := range map[string][]apikey.Change{
		"a new key":   {createOf(importedRecord(testID(3), 1))},
		"another key": {changeOf(apikey.OpUpdate, other, taking)},
		"one batch":   {createOf(importedRecord(testID(4), 4)), createOf(importedRecord(testID(5), 4))},
	} {
		if _, err := s.ApplyAll(t.Context(), all); !errors.Is(err, apikey.ErrExists) {
			t.Errorf("%s: ApplyAll = %v, want %v", name, err, apikey.ErrExists)
		}
	}
	wantEqual(t, "newest revision", mustRevision(t, s), rev)
	mustApply(t, s, renamed(first, "it keeps its own"))
}

func legacyUpgraded(t *testing.T, s Full) {
	before := mustCreate(t, s, importedRecord(testID(1), 1))
	after := before
	after.Secrets = []apikey.Secret{{Digest: digest(8), Pepper: "0badcafe", Created: before.Created.Add(time.Hour), Number: 1}}
	mustApply(t, s, changeOf(apikey.OpUpgrade, before, after))
	wantNoDigest(t, s, "sha256", digest(1))
	mustCreate(t, s, importedRecord(testID(2), 1))
}
