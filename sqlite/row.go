package sqlite

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/warder-dev/warder/apikey"
)

// scanRecord reads one row of [selectRecords]: a record with one of its secrets.
func scanRecord(rows *sql.Rows) (apikey.Record, error) {
	var (
		k                         apikey.Record
		s                         apikey.Secret
		scopes, digest, bound     sql.RawBytes
		detail                    sql.RawBytes
		created, expires, revoked sql.NullInt64
		updated, begins, retires  sql.NullInt64
		idle                      int64
	)
	err := rows.Scan(&k.ID, &k.Prefix, &k.Environment, &k.Name, &k.Owner, &scopes, &created, &expires, &k.Disabled, &revoked, &k.Reason, &bound, &k.Revision,
		&k.Kind, &k.Plan, &updated, &detail, &digest, &s.Pepper, &begins, &retires, &s.Number, &idle, &s.Format)
	if err != nil || len(digest) != len(s.Digest) || bound != nil && len(bound) != len(k.Certificate) {
		return apikey.Record{}, errRow
	}
	if !bytes.Equal(scopes, []byte("[]")) && json.Unmarshal(scopes, &k.Scopes) != nil {
		return apikey.Record{}, errRow
	}
	if k.SetDetail(detail) != nil {
		return apikey.Record{}, errRow
	}
	copy(s.Digest[:], digest)
	if copy(k.Certificate[:], bound); bound != nil && !k.Bound() {
		return apikey.Record{}, errRow // it reads as bound to nothing
	}
	s.Created, s.Retires, s.IdleRetire = timeOf(begins), timeOf(retires), time.Duration(idle)*time.Millisecond
	k.Updated = timeOf(updated)
	k.Created, k.Expires, k.Revoked = timeOf(created), timeOf(expires), timeOf(revoked)
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

// micros returns t as it is stored: NULL for the zero time.
func micros(t time.Time) sql.NullInt64 {
	return sql.NullInt64{Int64: t.UnixMicro(), Valid: !t.IsZero()}
}

// timeOf is the reverse of micros.
func timeOf(n sql.NullInt64) time.Time {
	if !n.Valid {
		return time.Time{}
	}
	return time.UnixMicro(n.Int64).UTC()
}

// validText reports whether s comes back from SQLite and from JSON as it went
// in: UTF-8 without NUL.
func validText(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }

// jsonOf returns v as JSON text.
func jsonOf(v any) (string, error) {
	text, err := json.Marshal(v)
	return string(text), err
}

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
