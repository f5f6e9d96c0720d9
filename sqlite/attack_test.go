package sqlite_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/apikey/apikeytest"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/secret"
	"github.com/warder-dev/warder/sqlite"
)

func TestNoKeyTextInAnyFile(t *testing.T) {
	attack.Case(t, "KEY-11", attack.Library, func(t *testing.T) {
		path := newPath(t)
		backup := path + ".backup"
		texts, ids := apikeytest.Live(t, open(t, path).APIKeys(), 20, secret.Text.Reveal)
		execRaw(t, path, `VACUUM INTO '`+backup+`'`)
		files := []string{path, path + "-wal", path + "-shm", backup}
		if bytes.Count(contentOf(t, path+"-wal"), []byte(ids[3])) == 0 || bytes.Count(contentOf(t, backup), []byte(ids[3])) == 0 {
			t.Fatal("the scan does not even find the id of a key in the log and the backup: it shows nothing")
		}
		for _, file := range files {
			scan(t, file, texts)
		}
		execRaw(t, path, `PRAGMA wal_checkpoint(TRUNCATE)`)
		scan(t, path, texts)
		planted := encodings(texts[0]) // as if a change had written it
		delete(planted, "sha-256")     // bytes, which are no text of SQL
		delete(planted, "utf-16")
		execRaw(t, path, `UPDATE keys SET name = '`+strings.Join(slices.Collect(maps.Values(planted)), " ")+`' WHERE id = '`+string(ids[0])+`'`)
		found := encodingsIn(slices.Concat(contentOf(t, path), contentOf(t, path+"-wal")), texts[0])
		for name := range planted {
			if !slices.Contains(found, name) {
				t.Errorf("a text that was planted as %s is found as %q", name, found)
			}
		}
	})
}

// keep creates the nth key with the digest of text, revokes it and moves its
// digest to another pepper, as the three changes that a key goes through.
func keep(t *testing.T, keys *sqlite.APIKeys, n int, text string) {
	t.Helper()
	c := newKey(n)
	c.After.Secrets[0].Digest = digestOf("first pepper", text)
	apply(t, keys, c)
	before, err := keys.Lookup(t.Context(), keyID(n))
	if err != nil {
		t.Fatal(err)
	}
	after := before
	after.Secrets = []apikey.Secret{{Digest: digestOf("second pepper", text), Pepper: "feedf00d", Created: before.Created}}
	apply(t, keys, apikey.Change{Actor: "system", Source: "cli", Op: apikey.OpRehash, At: before.Created, Before: &before, After: &after})
	c, err = revocation(t.Context(), keys, n)
	if err != nil {
		t.Fatal(err)
	}
	apply(t, keys, c)
}

func apply(t *testing.T, keys *sqlite.APIKeys, c apikey.Change) apikey.Revision {
	t.Helper()
	rev, err := keys.Apply(t.Context(), c)
	if err != nil {
		t.Fatalf("Apply = %v, want no error", err)
	}
	return rev
}

// digestOf returns what is kept of a key's text.
func digestOf(pepper, text string) (digest [32]byte) {
	mac := hmac.New(sha256.New, []byte(pepper))
	_, _ = mac.Write([]byte(text)) // never fails
	return [32]byte(mac.Sum(nil))
}

// scan reports each needle that is in the file, in any common encoding.
func scan(t *testing.T, file string, needles []string) {
	t.Helper()
	content := contentOf(t, file)
	if len(content) == 0 {
		t.Fatalf("%s is empty or missing: nothing to scan", filepath.Base(file))
	}
	for _, needle := range needles {
		if found := encodingsIn(content, needle); len(found) > 0 {
			t.Errorf("%s contains a key in the encodings %q, want none", filepath.Base(file), found)
		}
	}
}

// encodingsIn returns the encodings of text in which content has it, whatever
// the case of its letters.
func encodingsIn(content []byte, text string) (found []string) {
	content = lower(content)
	for name, form := range encodings(text) {
		if bytes.Contains(content, lower([]byte(form))) {
			found = append(found, name)
		}
	}
	slices.Sort(found)
	return found
}

// lower returns content with its ASCII letters in lower case. bytes.ToLower
// would replace what is not UTF-8.
func lower(content []byte) []byte {
	content = bytes.Clone(content)
	for i, b := range content {
		if 'A' <= b && b <= 'Z' {
			content[i] = b + 'a' - 'A'
		}
	}
	return content
}

// encodings returns how a text may be hidden in a file. Base64 has three forms,
// by the position in the whole, less the characters that the neighbours change.
func encodings(text string) map[string]string {
	reversed := []byte(text)
	slices.Reverse(reversed)
	wide := strings.Join(strings.Split(text, ""), "\x00")
	sum := sha256.Sum256([]byte(text)) // without pepper, it could be searched for
	forms := map[string]string{
		"plain": text, "reversed": string(reversed), "hex": hex.EncodeToString([]byte(text)), "hex reversed": hex.EncodeToString(reversed), "utf-16": wide,
		"base32": strings.TrimRight(base32.StdEncoding.EncodeToString([]byte(text)), "=")[:24], "sha-256": string(sum[:]), "sha-256 hex": hex.EncodeToString(sum[:]),
	}
	for i, shift := range []string{"", "x", "xx"} {
		encoded := base64.RawStdEncoding.EncodeToString([]byte(shift + text))
		forms["base64 "+string(rune('0'+i))] = encoded[4 : len(encoded)-4]
		encoded = base64.RawURLEncoding.EncodeToString([]byte(shift + text))
		forms["base64url "+string(rune('0'+i))] = encoded[4 : len(encoded)-4]
	}
	return forms
}

func TestScanFindsWhatItLooksFor(t *testing.T) {
	const text = "wrd_live_AbcDef0123456789AbcDef0123456789"
	noise := []byte("\x00\xff wrd_live_AbcDef\x80")
	if found := encodingsIn(noise, text); len(found) != 0 {
		t.Errorf("encodings found in noise = %q, want none", found)
	}
	for name, form := range encodings(text) {
		content := slices.Concat(noise, []byte(strings.ToUpper(form[:1])+form[1:]), noise)
		if name == "sha-256" {
			content = slices.Concat(noise, []byte(form), noise)
		}
		if found := encodingsIn(content, text); !slices.Contains(found, name) {
			t.Errorf("encodings found = %q, want %q, which is planted", found, name)
		}
	}
}

func TestIDTaken(t *testing.T) {
	attack.Case(t, "KEY-14", attack.Library, func(t *testing.T) {
		keys := open(t, newPath(t)).APIKeys()
		rev := apply(t, keys, newKey(1))
		other := newKey(1)
		other.After.Name, other.After.Secrets[0].Digest = "other", digestOf("p", "other")
		if _, err := keys.Apply(t.Context(), other); !errors.Is(err, apikey.ErrExists) {
			t.Errorf("Apply with an id that is taken = %v, want ErrExists", err)
		}
		got, err := keys.Lookup(t.Context(), keyID(1))
		if want := *newKey(1).After; err != nil || got.Name != want.Name || got.Revision != rev || !slices.Equal(got.Secrets, want.Secrets) {
			t.Errorf("Lookup = %+v, %v, want the old record untouched", got, err)
		}
	})
}

func TestStoreWithoutAnAnswer(t *testing.T) {
	attack.Case(t, "KEY-20", attack.Library, func(t *testing.T) {
		const asIs = `CREATE TABLE s AS SELECT * FROM secrets; CREATE TABLE k AS SELECT * FROM keys; DROP TABLE secrets; DROP TABLE keys; ALTER TABLE s RENAME TO secrets; ALTER TABLE k RENAME TO keys;`
		for name, query := range map[string]string{
			"time is a text":      asIs + `UPDATE keys SET created = 'canary'`,
			"expiry is a text":    asIs + `UPDATE keys SET expires = 'canary'`,
			"revoked is a text":   asIs + `UPDATE keys SET revoked = 'canary'`,
			"disabled is a text":  asIs + `UPDATE keys SET disabled = 'canary'`,
			"revision is a text":  asIs + `UPDATE keys SET revision = 'canary'`,
			"name is missing":     asIs + `UPDATE keys SET name = NULL`,
			"scopes are no JSON":  asIs + `UPDATE keys SET scopes = 'canary'`,
			"scopes are numbers":  asIs + `UPDATE keys SET scopes = '[1]'`,
			"scopes are missing":  asIs + `UPDATE keys SET scopes = NULL`,
			"digest is too short": asIs + `UPDATE secrets SET digest = 'canary'`,
			"digest is too long":  asIs + `UPDATE secrets SET digest = zeroblob(33)`,
			"digest is missing":   asIs + `UPDATE secrets SET digest = NULL`,
			"pepper is missing":   asIs + `UPDATE secrets SET pepper = NULL`,
			"secrets are lost":    `DELETE FROM secrets`,
			"a column is missing": `DROP INDEX keys_created; ALTER TABLE keys DROP COLUMN name`,
			"a table is missing":  `DROP TABLE secrets`,
		} {
			t.Run(name, func(t *testing.T) {
				path := newPath(t)
				keys := open(t, path).APIKeys()
				apply(t, keys, newKey(1))
				execRaw(t, path, query)
				wantNoAnswer(t.Context(), t, keys)
			})
		}
		t.Run("closed", func(t *testing.T) {
			db := mustOpen(t, newPath(t))
			apply(t, db.APIKeys(), newKey(1))
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			wantNoAnswer(t.Context(), t, db.APIKeys())
		})
		t.Run("deadline", func(t *testing.T) {
			keys := open(t, newPath(t)).APIKeys()
			apply(t, keys, newKey(1))
			ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
			defer cancel()
			wantNoAnswer(ctx, t, keys)
		})
	})
}

// wantNoAnswer reports that Lookup answered, or quoted what is stored.
func wantNoAnswer(ctx context.Context, t *testing.T, keys *sqlite.APIKeys) {
	t.Helper()
	r, err := keys.Lookup(ctx, keyID(1))
	if err == nil || errors.Is(err, apikey.ErrNotFound) || r.ID != "" || strings.Contains(err.Error(), "canary") {
		t.Errorf("Lookup = %q, %v, want an error that is no answer and quotes nothing", r.ID, err)
	}
}

func TestWriterBlockedByAnotherProcess(t *testing.T) {
	path := newPath(t)
	keys := open(t, path).APIKeys()
	apply(t, keys, newKey(1))
	other := openRaw(t, path)
	if _, err := other.ExecContext(t.Context(), `BEGIN IMMEDIATE`); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	begin := time.Now()
	_, err := keys.Apply(ctx, newKey(2))
	if took := time.Since(begin); !errors.Is(err, context.DeadlineExceeded) || took > time.Second {
		t.Errorf("Apply while another process writes = %v after %v, want the deadline soon after 100ms", err, took)
	}
	if _, err := keys.Lookup(t.Context(), keyID(1)); err != nil {
		t.Errorf("Lookup while another process writes = %v, want no error", err)
	}
	if _, err := other.ExecContext(t.Context(), `ROLLBACK`); err != nil {
		t.Fatal(err)
	}
	apply(t, keys, newKey(2))
}

func TestTwoHandlesSeeEachOther(t *testing.T) {
	path := newPath(t)
	one, two := open(t, path).APIKeys(), open(t, path).APIKeys()
	for n, pair := range [][2]*sqlite.APIKeys{{one, two}, {two, one}, {one, two}} {
		writer, reader := pair[0], pair[1]
		if _, err := reader.Revision(t.Context()); err != nil { // remembers the version of the data
			t.Fatal(err)
		}
		rev := apply(t, writer, newKey(n))
		for _, keys := range pair {
			if got, err := keys.Revision(t.Context()); err != nil || got != rev {
				t.Errorf("Revision = %d, %v, want %d", got, err, rev)
			}
			if ids, upTo, err := keys.Changes(t.Context(), rev-1, 10); err != nil || upTo != rev || !slices.Equal(ids, []apikey.ID{keyID(n)}) {
				t.Errorf("Changes = %q, %d, %v, want %q", ids, upTo, err, keyID(n))
			}
		}
		if _, err := reader.Lookup(t.Context(), keyID(n)); err != nil {
			t.Errorf("Lookup = %v, want no error", err)
		}
	}
}

func TestChangesAreKeptWithoutDigests(t *testing.T) {
	path := newPath(t)
	keys := open(t, path).APIKeys()
	keep(t, keys, 1, "some text")
	for query, want := range map[string]string{
		`SELECT group_concat(op, ' ') FROM (SELECT op FROM audit ORDER BY seq)`:                   "create rehash revoke",
		`SELECT actor || ' ' || source || ' ' || kind || ' ' || subject FROM audit WHERE seq = 1`: "user:ada cli key " + string(keyID(1)),
		`SELECT before IS NULL FROM audit WHERE seq = 1`:                                          "1",
		`SELECT count(*) FROM audit c JOIN audit p ON p.seq = c.seq - 1 AND p.after = c.before`:   "2",
		`SELECT after ->> '$.reason' FROM audit WHERE seq = 3`:                                    "leaked",
		`SELECT after ->> '$.secrets[0].pepper' FROM audit WHERE seq = 3`:                         "feedf00d",
		`SELECT count(*) FROM audit WHERE lower(before || after) LIKE '%digest%'`:                 "0",
		`SELECT group_concat(revision || key_id) FROM (SELECT * FROM changes ORDER BY revision)`:  strings.ReplaceAll("1K,2K,3K", "K", string(keyID(1))),
	} {
		if got := queryRaw(t, path, query); got != want {
			t.Errorf("%s = %q, want %q", query, got, want)
		}
	}
}
