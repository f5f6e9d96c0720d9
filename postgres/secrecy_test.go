package postgres_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/warder-dev/warder/apikey/apikeytest"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/testpostgres"
	"github.com/warder-dev/warder/secret"
)

// TestNoKeyTextInADump looks through dumps of both kinds, and through every file of
// the server, its log of writes included.
func TestNoKeyTextInADump(t *testing.T) {
	t.Parallel()
	attack.Case(t, "KEY-11", attack.Library, func(t *testing.T) {
		server := testpostgres.Start(t, testpostgres.Options{})
		name := server.Database(t, prepare(t))
		keys := open(t, server.URL(testpostgres.Superuser, name)).APIKeys()
		needles, ids := apikeytest.Live(t, keys, 20, secret.Text.Reveal)
		server.Exec(t, name, `CHECKPOINT`)
		dump := []string{"-h", server.Folder, "-p", portOf(server), "-U", testpostgres.Superuser}
		plain := server.Program(t, "pg_dump", append(dump, name)...)
		archive := server.Program(t, "pg_dump", append(dump, "--format=custom", "--compress=0", name)...)
		if !strings.Contains(plain, string(ids[3])) || !strings.Contains(archive, string(ids[3])) {
			t.Fatal("the dumps hold not even the id of a key: to look through them shows nothing")
		}
		wantNone(t, "pg_dump", []byte(plain), needles)
		wantNone(t, "pg_dump --format=custom", []byte(archive), needles)
		seen := 0
		err := filepath.WalkDir(server.Data, func(path string, e fs.DirEntry, err error) error {
			if err != nil || !e.Type().IsRegular() {
				return err
			}
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			if bytes.Contains(content, []byte(ids[3])) {
				seen++
				wantNone(t, path, content, needles)
			}
			return nil
		})
		if err != nil || seen < 2 {
			t.Errorf("%d files hold the id of a key, %v, want tables and the log of writes", seen, err)
		}
		planted := encodings(needles[0]) // as if a change had written it
		delete(planted, "UTF-16")        // which is no text of SQL
		server.Exec(t, name, `UPDATE warder.keys SET name = '`+strings.Join(slices.Collect(maps.Values(planted)), " ")+`' WHERE id = '`+string(ids[0])+`'`)
		known := found([]byte(server.Program(t, "pg_dump", append(dump, "--table=warder.keys", name)...)), needles[:1])
		for encoding := range planted {
			if !slices.Contains(known, encoding) {
				t.Errorf("a text that was planted as %s is found as %q", encoding, known)
			}
		}
	})
}

func portOf(server *testpostgres.Server) string {
	_, port, _ := strings.Cut(server.URL("a", "b"), "port=")
	return port
}

// wantNone reports each needle that content has, in any common encoding.
func wantNone(t *testing.T, where string, content []byte, needles []string) {
	t.Helper()
	for _, encoding := range found(content, needles) {
		t.Errorf("%s holds a key as %s", where, encoding)
	}
}

// found returns the encodings in which content has one of the needles, whatever the
// case of its letters.
func found(content []byte, needles []string) (all []string) {
	lower := bytes.Clone(content)
	for i, b := range lower {
		if 'A' <= b && b <= 'Z' {
			lower[i] = b + 'a' - 'A'
		}
	}
	for _, needle := range needles {
		for encoding, form := range encodings(needle) {
			if bytes.Contains(lower, []byte(strings.ToLower(form))) {
				all = append(all, encoding)
			}
		}
	}
	return all
}

// encodings returns how a text may be hidden. Base64 has three forms, by the position
// in the whole, less the characters that the neighbours change.
func encodings(text string) map[string]string {
	reversed := []byte(text)
	slices.Reverse(reversed)
	sum := sha256.Sum256([]byte(text)) // without a pepper, it could be searched for
	forms := map[string]string{
		"text": text, "text in reverse": string(reversed), "hex": hex.EncodeToString([]byte(text)), "hex in reverse": hex.EncodeToString(reversed),
		"base32": strings.TrimRight(base32.StdEncoding.EncodeToString([]byte(text)), "=")[:24], "SHA-256 in hex": hex.EncodeToString(sum[:]),
		"UTF-16": strings.Join(strings.Split(text, ""), "\x00"),
	}
	for _, shift := range []string{"", "x", "xx"} {
		encoded := base64.RawStdEncoding.EncodeToString([]byte(shift + text))
		forms["base64 "+shift] = encoded[4 : len(encoded)-4]
	}
	return forms
}
