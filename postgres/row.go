package postgres

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/warder-dev/warder/apikey"
)

// scanRecord reads one row of [selectRecords]: a record with one of its secrets.
func scanRecord(rows pgx.Rows) (apikey.Record, error) {
	var (
		k                         apikey.Record
		digest, bound, detail     []byte
		pepper, format            *string
		created, expires, revoked *time.Time
		updated, begins, retires  *time.Time
		number, idle              *int64
	)
	err := rows.Scan(&k.ID, &k.Prefix, &k.Environment, &k.Name, &k.Owner, &k.Scopes, &created, &expires, &k.Disabled, &revoked, &k.Reason, &bound, &k.Revision,
		&k.Kind, &k.Plan, &updated, &detail, &digest, &pepper, &begins, &retires, &number, &idle, &format)
	if err != nil || pepper == nil || number == nil || idle == nil || format == nil || bound != nil && len(bound) != len(k.Certificate) {
		return apikey.Record{}, errRow // by the outer join: a key without a secret
	}
	s := apikey.Secret{
		Pepper: *pepper, Created: timeOf(begins), Retires: timeOf(retires),
		Number: int(*number), IdleRetire: time.Duration(*idle) * time.Millisecond, Format: *format,
	}
	if copy(s.Digest[:], digest); len(digest) != len(s.Digest) || k.SetDetail(detail) != nil {
		return apikey.Record{}, errRow
	}
	if copy(k.Certificate[:], bound); bound != nil && !k.Bound() {
		return apikey.Record{}, errRow // it reads as bound to nothing
	}
	if len(k.Scopes) == 0 {
		k.Scopes = nil
	}
	k.Created, k.Expires, k.Revoked, k.Updated = timeOf(created), timeOf(expires), timeOf(revoked), timeOf(updated)
	k.Secrets = []apikey.Secret{s}
	return k, nil
}

// certificate returns what r is bound to as it is stored: NULL for nothing.
func certificate(r *apikey.Record) []byte {
	if !r.Bound() {
		return nil
	}
	return r.Certificate[:]
}

// stored returns t as it is stored, to the microsecond: NULL for the zero time.
func stored(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Microsecond)
	return &t
}

// timeOf is the reverse of stored.
func timeOf(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

// validText reports whether s can be stored: UTF-8 without NUL.
func validText(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }

// validDetail reports whether the text in r's details comes back as it went in:
// JSON replaces what is not UTF-8, and escapes a NUL.
func validDetail(r *apikey.Record) bool {
	for name, value := range r.Metadata {
		if !validText(name) || !validText(value) {
			return false
		}
	}
	for _, q := range r.Limits {
		if !validText(q.Name) {
			return false
		}
	}
	return !slices.ContainsFunc(slices.Concat(r.Methods, r.Paths, r.Origins), func(s string) bool { return !validText(s) })
}
