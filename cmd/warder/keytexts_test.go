package main

import (
	"bytes"
	"crypto/rand"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/client"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/testpostgres"
	"github.com/warder-dev/warder/internal/testredis"
	"github.com/warder-dev/warder/internal/wire"
)

// hidings returns how a text may be written. Base64 has three forms, by the position
// in the whole, less the characters that the neighbours change.
func hidings(text string) map[string]string {
	back := []byte(text)
	slices.Reverse(back)
	forms := map[string]string{"plain": text, "reversed": string(back), "hex": hex.EncodeToString([]byte(text)), "hex reversed": hex.EncodeToString(back)}
	for _, shift := range []string{"", "x", "xx"} {
		encoded := base64.RawStdEncoding.EncodeToString([]byte(shift + text))
		forms["base64 "+shift] = encoded[4 : len(encoded)-4]
		encoded = base64.RawURLEncoding.EncodeToString([]byte(shift + text))
		forms["base64url "+shift] = encoded[4 : len(encoded)-4]
	}
	return forms
}

// textsIn returns what of the texts content has, and how it is written, whatever the
// case of its letters.
func textsIn(content []byte, texts []string) (found []string) {
	content = bytes.ToLower(bytes.ToValidUTF8(content, []byte{0}))
	for i, text := range texts {
		for name, form := range hidings(text) {
			if bytes.Contains(content, []byte(strings.ToLower(form))) {
				found = append(found, fmt.Sprintf("text %d, %s", i, name))
			}
		}
	}
	return found
}

// filesWith looks through every file of a folder.
func filesWith(t *testing.T, folder string, texts []string) (names, found []string) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		names = append(names, e.Name())
		for _, one := range textsIn(content, texts) {
			found = append(found, e.Name()+": "+one)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names, found
}

// A keyholder has the texts that a running program was given, and those that it gave.
type keyholder struct {
	s     *served
	c     *client.Client
	texts []string // of keys, and their secret parts
}

func (b *keyholder) keep(t *testing.T, text string) string {
	t.Helper()
	info, err := apikey.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	_, secret, _ := strings.Cut(text, string(info.ID))
	const check = 6
	b.texts = append(b.texts, text, secret[:len(secret)-check])
	return text
}

// send asks the gateway, with fields of the head in pairs.
func (b *keyholder) send(t *testing.T, target string, fields ...string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+b.s.gateway+target, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(fields); i += 2 {
		r.Header.Set(fields[i], fields[i+1])
	}
	answer, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(io.Discard, answer.Body)
	if err = closeBoth(answer.Body, err); err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode
}

// use has keys made, rolled, verified, searched and imported, and sends them to where
// they do not belong.
func (b *keyholder) use(t *testing.T) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	made, err := b.c.CreateKey(t.Context(), client.CreateKeyParams{IdempotencyKey: rand.Text()}, client.KeySpec{Name: "first", Owner: "acme"})
	must(err)
	id, first := made.Value.Key.ID, b.keep(t, made.Value.Text.Reveal())
	rolled, err := b.c.RollKey(t.Context(), id, client.RollKeyParams{IfMatch: "*", IdempotencyKey: rand.Text()}, client.RollKeyRequest{Overlap: "1h"})
	must(err)
	second := b.keep(t, rolled.Value.Text.Reveal())
	gone, err := b.c.CreateKey(t.Context(), client.CreateKeyParams{}, client.KeySpec{Name: "gone"})
	must(err)
	wrong := b.keep(t, gone.Value.Text.Reveal()) // from here on it is nobody's, and well formed
	_, err = b.c.DeleteKey(t.Context(), gone.Value.Key.ID, client.DeleteKeyParams{})
	must(err)
	const legacy = "old_0bC4fXq81LrT59vKz2Mw7dHs" // random letters of one case have no shape to be known by
	b.texts = append(b.texts, legacy)
	_, err = b.c.ImportKeys(t.Context(), client.ImportKeysRequest{Entries: []client.ImportEntry{{Key: client.NewText(legacy), Name: "imported"}}})
	must(err)
	for _, text := range []string{first, second, wrong, legacy} {
		_, err := b.c.VerifyKey(t.Context(), client.Use{Key: client.NewText(text), Method: http.MethodGet, Target: "/orders"})
		must(err)
		_, _ = b.c.SearchKey(t.Context(), client.SearchKeyRequest{Text: client.NewText(text)}) // there is none of some
		b.send(t, "/orders", "X-API-Key", text)
		b.send(t, "/orders", "Authorization", "Bearer "+text)
		b.send(t, "/orders?api_key="+text)
		b.send(t, "/orders/"+text, "X-API-Key", first)
		b.send(t, "/orders?key="+text, "X-API-Key", second, "User-Agent", "curl "+text, "Referer", "https://app.example/?key="+text, "Cookie", "key="+text)
		if text == legacy {
			continue // a name like any other: only its holder knows what it is
		}
		for what, err := range map[string]error{
			"a name":   onlyError(b.c.CreateKey(t.Context(), client.CreateKeyParams{}, client.KeySpec{Name: text})),
			"an owner": onlyError(b.c.CreateKey(t.Context(), client.CreateKeyParams{}, client.KeySpec{Owner: "of " + text})),
			"a note":   onlyError(b.c.CreateKey(t.Context(), client.CreateKeyParams{}, client.KeySpec{Metadata: map[string]string{"note": text}})),
			"a reason": onlyError(b.c.RevokeKey(t.Context(), id, client.RevokeKeyParams{}, client.RevokeKeyRequest{Reason: text})),
		} {
			if err == nil {
				t.Errorf("a key is taken as %s", what)
			}
		}
	}
	if status := b.send(t, "/orders", "X-API-Key", second); status != http.StatusOK {
		t.Errorf("the key that was rolled: %d", status)
	}
}

func onlyError[T any](_ T, err error) error { return err }

const legacyYAML = `upstreams:
  api: {url: %q}
routes:
  - {match: /, upstream: api}
keys: {legacy_formats: [text]}
`

// Whatever a running program is given, and wherever: what it keeps has no text of a key
// in any file, and the same search finds one that was put there.
func TestNoFileHasTheTextOfAKey(t *testing.T) {
	attack.Case(t, "KEY-11", attack.Gateway, func(t *testing.T) {
		upstream := wire.Listen(t, wire.Answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
		dumps := t.TempDir()
		redis := testredis.Start(t, "--dir", dumps, "--dbfilename", "dump.rdb", "--rdbcompression", "no").Address
		yaml := filepath.Join(t.TempDir(), "warder.yaml")
		text := fmt.Sprintf(legacyYAML, upstream.URL()) + fmt.Sprintf("redis: {addresses: [%q]}\nrate_limits: {each: {count: 10000, per: 366d, by: [key], store: redis}}\ndefault_rate_limits: [each]\n", redis)
		if err := os.WriteFile(yaml, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s := startServed(t, "", "--config", yaml)
		b := &keyholder{s: s, c: s.api(t)}
		b.keep(t, s.key)
		b.use(t)
		if out, err := command(t.Context(), s.folder, "audit", "checkpoint").CombinedOutput(); err != nil {
			t.Fatalf("audit checkpoint: %v: %s", err, out)
		}
		clean := func(when string, want ...string) {
			t.Helper()
			names, found := filesWith(t, s.folder, b.texts)
			if len(found) != 0 {
				t.Errorf("%s: %q", when, found)
			}
			for _, name := range want {
				if !slices.Contains(names, name) {
					t.Errorf("%s there is no %s among %q", when, name, names)
				}
			}
		}
		clean("while it runs", "warder.db", "warder.db-wal", "warder.db-shm", "warder.log")
		save := func() []byte {
			t.Helper()
			commandRedis(t, redis, "SAVE")
			content, err := os.ReadFile(filepath.Join(dumps, "dump.rdb"))
			if err != nil {
				t.Fatal(err)
			}
			return content
		}
		dump := save()
		info, err := apikey.Parse(s.key)
		if err != nil || len(dump) < 200 {
			t.Errorf("the dump has %d bytes: there are no limits in it (%v)", len(dump), err)
		}
		if found := textsIn(dump, b.texts); len(found) != 0 {
			t.Errorf("the dump of Redis: %q", found)
		}
		commandRedis(t, redis, "SET planted "+hidings(s.key)["base64 x"])
		if len(textsIn(save(), b.texts)) == 0 {
			t.Error("what was planted is not found in the dump of Redis")
		}
		if err := s.process.Process.Signal(syscall.SIGTERM); err != nil { // what was counted is written at the end
			t.Fatal(err)
		}
		if err := s.process.Wait(); err != nil {
			t.Fatal(err)
		}
		clean("afterwards", "warder.db", "warder.log")
		raw, err := sql.Open("sqlite", filepath.Join(s.folder, "warder.db"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = raw.Close() })
		for form, text := range hidings(s.key) {
			if _, err := raw.ExecContext(t.Context(), `UPDATE keys SET name = ?1 WHERE id = ?2`, text, string(info.ID)); err != nil {
				t.Fatal(err)
			}
			if _, found := filesWith(t, s.folder, b.texts[:2]); len(found) == 0 {
				t.Errorf("a text that was planted as %s is not found", form)
			}
		}
	})
}

// commandRedis says one line to a Redis, which must be content with it.
func commandRedis(t *testing.T, address, line string) {
	t.Helper()
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	answer := make([]byte, 100)
	if _, err = io.WriteString(c, line+"\r\n"); err == nil {
		_, err = c.Read(answer)
	}
	if err != nil || !bytes.HasPrefix(answer, []byte("+OK")) {
		t.Fatalf("%s: %q, %v", line, answer, err)
	}
}

// The same where PostgreSQL keeps the keys, and pg_dump writes them out.
func TestNoDumpHasTheTextOfAKey(t *testing.T) {
	attack.Case(t, "KEY-11", attack.Gateway, func(t *testing.T) {
		upstream := wire.Listen(t, wire.Answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
		cluster := startCluster(t, testpostgres.Options{})
		cluster.owner(t, 0, "migrate", "up", "--app-role", "warder_app")
		yaml := filepath.Join(t.TempDir(), "warder.yaml")
		if err := os.WriteFile(yaml, fmt.Appendf(nil, legacyYAML, upstream.URL()), 0o600); err != nil {
			t.Fatal(err)
		}
		s := &served{folder: cluster.folder, process: cluster.command(t.Context(), "warder_app", appPassword, "serve", "--config", yaml, "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--log-file", "warder.log")}
		s.begin(t)
		b := &keyholder{s: s, c: s.api(t)}
		b.use(t)
		dump := func() string {
			t.Helper()
			return cluster.server.Program(t, "pg_dump", cluster.server.URL(testpostgres.Superuser, "warder"))
		}
		text := dump()
		info, err := apikey.Parse(b.texts[0])
		if err != nil || !strings.Contains(text, string(info.ID)) {
			t.Fatalf("the dump has not even the id of a key (%v)", err)
		}
		if found := textsIn([]byte(text), b.texts); len(found) != 0 {
			t.Errorf("the dump: %q", found)
		}
		if _, found := filesWith(t, s.folder, b.texts); len(found) != 0 {
			t.Errorf("files: %q", found)
		}
		table := cluster.server.Query(t, "warder", `SELECT table_schema || '.keys' FROM information_schema.tables WHERE table_name = 'keys'`)
		for form, hidden := range hidings(b.texts[0]) {
			cluster.server.Exec(t, "warder", `UPDATE `+table+` SET name = '`+hidden+`' WHERE id = '`+string(info.ID)+`'`)
			if len(textsIn([]byte(dump()), b.texts[:2])) == 0 {
				t.Errorf("a text that was planted as %s is not found in a dump", form)
			}
		}
	})
}
