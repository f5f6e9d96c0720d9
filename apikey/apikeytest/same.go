package apikeytest

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
)

// wantRecord reports each field in which got is not what want was stored as.
// Revision is not compared.
func wantRecord(t *testing.T, got, want apikey.Record) {
	t.Helper()
	wantEqual(t, "ID", got.ID, want.ID)
	wantEqual(t, "Prefix", got.Prefix, want.Prefix)
	wantEqual(t, "Environment", got.Environment, want.Environment)
	wantEqual(t, "Name", got.Name, want.Name)
	wantEqual(t, "Owner", got.Owner, want.Owner)
	wantEqual(t, "Disabled", got.Disabled, want.Disabled)
	wantEqual(t, "Reason", got.Reason, want.Reason)
	wantEqual(t, "Certificate", got.Certificate, want.Certificate)
	if !slices.Equal(got.Scopes, want.Scopes) {
		t.Errorf("Scopes = %q, want %q", got.Scopes, want.Scopes)
	}
	wantEqual(t, "Kind", got.KindOf(), want.KindOf())
	wantEqual(t, "Plan", got.Plan, want.Plan)
	wantEqual(t, "IdleRevoke", got.IdleRevoke, want.IdleRevoke)
	wantSame(t, "Metadata", got.Metadata, want.Metadata, maps.Equal)
	wantSame(t, "Addresses", got.Addresses, want.Addresses, slices.Equal)
	wantSame(t, "Methods", got.Methods, want.Methods, slices.Equal)
	wantSame(t, "Paths", got.Paths, want.Paths, slices.Equal)
	wantSame(t, "Origins", got.Origins, want.Origins, slices.Equal)
	wantSame(t, "Limits", got.Limits, want.Limits, slices.Equal)
	wantTime(t, "Created", got.Created, want.Created)
	wantTime(t, "Updated", got.Updated, want.Updated)
	wantTime(t, "Expires", got.Expires, want.Expires)
	wantTime(t, "Revoked", got.Revoked, want.Revoked)
	wantSecrets(t, got.Secrets, want.Secrets)
}

// wantSecrets reports differences between two lists of secrets, order included.
func wantSecrets(t *testing.T, got, want []apikey.Secret) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("len(Secrets) = %d, want %d", len(got), len(want))
		return
	}
	for i := range want {
		wantEqual(t, "Secrets.Digest", got[i].Digest, want[i].Digest)
		wantEqual(t, "Secrets.Pepper", got[i].Pepper, want[i].Pepper)
		wantEqual(t, "Secrets.Number", got[i].Number, want[i].Number)
		wantEqual(t, "Secrets.IdleRetire", got[i].IdleRetire, want[i].IdleRetire)
		wantEqual(t, "Secrets.Format", got[i].Format, want[i].Format)
		wantTime(t, "Secrets.Created", got[i].Created, want[i].Created)
		wantTime(t, "Secrets.Retires", got[i].Retires, want[i].Retires)
	}
}

// wantSame reports that two collections differ.
func wantSame[T any](t *testing.T, field string, got, want T, equal func(a, b T) bool) {
	t.Helper()
	if !equal(got, want) {
		t.Errorf("%s = %v, want %v", field, got, want)
	}
}

// wantEqual reports that two values of a field differ.
func wantEqual[T comparable](t *testing.T, field string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s = %#v, want %#v", field, got, want)
	}
}

// wantTime reports that got is not want to the microsecond, in UTC; the zero
// time is kept as such.
func wantTime(t *testing.T, field string, got, want time.Time) {
	t.Helper()
	switch {
	case got.IsZero() != want.IsZero():
		t.Errorf("%s = %v, want %v: the zero time and others are told apart", field, got, want)
	case got.Sub(want).Abs() >= time.Microsecond:
		t.Errorf("%s = %v, want %v to the microsecond", field, got, want)
	case got.Location() != time.UTC:
		t.Errorf("%s is in zone %v, want UTC", field, got.Location())
	}
}
