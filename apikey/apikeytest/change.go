package apikeytest

import (
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
)

func changeRules() []rule {
	return []rule{
		{"every field can change", changeEverything},
		{"a certificate can be taken away, and another bound", changeCertificate},
		{"a list can become shorter and empty", changeShorter},
		{"a revocation is kept with its reason", changeRevoke},
		{"a change touches no other key", func(t *testing.T, s Full) {
			other, before := mustCreate(t, s, fullRecord(testID(1))), mustCreate(t, s, fullRecord(testID(2)))
			mustApply(t, s, renamed(before, "new"))
			got := mustLookup(t, s, other.ID)
			wantRecord(t, got, other)
			wantEqual(t, "Revision", got.Revision, other.Revision)
		}},
		{"a key that does not exist", func(t *testing.T, s Full) {
			wantRefused(t, s, renamed(plainRecord(testID(1)), "new"), apikey.ErrNotFound)
		}},
		{"a record read before the last change is refused", changeStale},
		{"a record that was not read from the store is refused", func(t *testing.T, s Full) {
			r := fullRecord(testID(1))
			mustCreate(t, s, r)
			wantRefused(t, s, renamed(r, "new"), apikey.ErrConflict) // revision 0
			r.Revision = 1 << 40
			wantRefused(t, s, renamed(r, "new"), apikey.ErrConflict)
			wantRecord(t, mustLookup(t, s, r.ID), r)
		}},
		{"before and after are of one key", changeOtherID},
		{"an incomplete change is refused", changeIncomplete},
	}
}

func changeEverything(t *testing.T, s Full) {
	before, want := mustCreate(t, s, plainRecord(testID(1))), fullRecord(testID(1))
	rev := mustApply(t, s, changeOf(apikey.OpRehash, before, want))
	got := mustLookup(t, s, want.ID)
	wantRecord(t, got, want)
	wantEqual(t, "Revision", got.Revision, rev)
	if rev <= before.Revision {
		t.Errorf("Apply = revision %d, want more than %d", rev, before.Revision)
	}
}

func changeCertificate(t *testing.T, s Full) {
	want := mustCreate(t, s, fullRecord(testID(1)))
	for _, bound := range [][32]byte{{}, digest(8), {31: 1}} {
		before := mustLookup(t, s, want.ID)
		want.Certificate = bound
		mustApply(t, s, changeOf(apikey.OpRehash, before, want))
		wantRecord(t, mustLookup(t, s, want.ID), want)
	}
}

func changeShorter(t *testing.T, s Full) {
	before, want := mustCreate(t, s, fullRecord(testID(1))), fullRecord(testID(1))
	want.Scopes, want.Secrets = nil, want.Secrets[1:2]
	mustApply(t, s, changeOf(apikey.OpRehash, before, want))
	wantRecord(t, mustLookup(t, s, want.ID), want)
}

func changeRevoke(t *testing.T, s Full) {
	before := mustCreate(t, s, plainRecord(testID(1)))
	after := before
	after.Revoked, after.Reason = before.Created.Add(time.Hour), "leaked"
	mustApply(t, s, changeOf(apikey.OpRevoke, before, after))
	got := mustLookup(t, s, before.ID)
	wantRecord(t, got, after)
	wantEqual(t, "State", got.State(before.Created), apikey.Revoked)
}

func changeStale(t *testing.T, s Full) {
	first := mustCreate(t, s, fullRecord(testID(1)))
	mustApply(t, s, renamed(first, "second"))
	wantRefused(t, s, renamed(first, "third"), apikey.ErrConflict)
	wantEqual(t, "Name", mustLookup(t, s, first.ID).Name, "second")
}

func changeOtherID(t *testing.T, s Full) {
	one, two := mustCreate(t, s, fullRecord(testID(1))), mustCreate(t, s, plainRecord(testID(2)))
	wantInvalid(t, s, changeOf(apikey.OpRevoke, one, two))
	wantInvalid(t, s, changeOf(apikey.OpRevoke, one, plainRecord(testID(3))))
	wantRecord(t, mustLookup(t, s, one.ID), one)
	wantRecord(t, mustLookup(t, s, two.ID), two)
}

func changeIncomplete(t *testing.T, s Full) {
	before := mustCreate(t, s, fullRecord(testID(1)))
	for _, tt := range []struct {
		name  string
		spoil func(*apikey.Change)
	}{
		{"no actor", func(c *apikey.Change) { c.Actor = "" }},
		{"no source", func(c *apikey.Change) { c.Source = "" }},
		{"no op", func(c *apikey.Change) { c.Op = "" }},
		{"no time", func(c *apikey.Change) { c.At = time.Time{} }},
		{"no record after", func(c *apikey.Change) { c.After = nil }},
		{"no secret", func(c *apikey.Change) { c.After.Secrets = nil }},
	} {
		c := renamed(before, "new")
		tt.spoil(&c)
		t.Run(tt.name, func(t *testing.T) { wantInvalid(t, s, c) })
	}
	wantRecord(t, mustLookup(t, s, before.ID), before)
}
