package server_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/account/login"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/wire"
	"github.com/warder-dev/warder/secret"
)

// reboundNames asks for every operation as the page of a name does that was made to
// resolve to this machine: its browser says that the page is the server's own, and sends
// what it has.
func (b *besieged) reboundNames(t *testing.T, cast *ownCast, operations []*besiegedOperation) {
	t.Helper()
	attacks := map[string]func(){}
	for _, o := range operations {
		a := b.aim(t, o)
		attacks[o.ID] = func() {
			for _, host := range []string{"evil.test", "evil.test:8081", "127.0.0.1.evil.test", "192.0.2.7"} {
				for who, proof := range map[string][]string{"the token": {"Authorization", "Bearer " + hostileToken}, "a cookie": {"Cookie", login.Cookie + "=" + cast.persons[account.Owner]}} {
					fields := slices.Concat(proof, []string{"Host", host, "Origin", "http://" + host, "Sec-Fetch-Site", "same-origin"}, a.fields)
					if status, text := b.by(t, a, fields...); status != http.StatusMisdirectedRequest || strings.Contains(text, host) {
						t.Errorf("%s under the name %s with %s: %d %.200s, want 421", o.ID, host, who, status, text)
					}
				}
			}
		}
	}
	b.unwritten(t, attacks)
}

// otherListsCursors follows a list, of which there is more, with the cursor of each other one.
func (b *besieged) otherListsCursors(t *testing.T) {
	t.Helper()
	for range 2 {
		b.newKey(t)
		b.made(t, "/v1/people", map[string]any{"name": newWord(), "role": "developer", "anywhere": true})
		b.made(t, "/v1/adminKeys", map[string]any{"name": newWord(), "role": "developer"})
	}
	get := func(path string) reply {
		return b.send(t, &besiegedOperation{ID: path, method: http.MethodGet}, path, nil)
	}
	// Two rows of usage, since nothing went through the gateway.
	if _, err := b.raw(t).ExecContext(t.Context(), `INSERT INTO usage_counts (resolution, at, key_id, route, outcome, n)
		SELECT 1, (unixepoch() / 3600 - n) * 3600, '', '/', 0, 1 FROM (SELECT 1 AS n UNION SELECT 2)`); err != nil {
		t.Fatal(err)
	}
	lists := map[string]string{
		"keys": "/v1/keys?limit=1", "keys by id": "/v1/keys?limit=1&sort=id", "keys of an owner": "/v1/keys?limit=1&owner=acme", "health": "/v1/keys:health?limit=1",
		"people": "/v1/people?limit=1", "admin keys": "/v1/adminKeys?limit=1", "audit": "/v1/audit?limit=1", "audit, oldest": "/v1/audit?limit=1&order=oldest", "audit of keys": "/v1/audit?limit=1&kind=key",
		"usage": "/v1/usage?limit=1", "usage by the day": "/v1/usage?limit=1&per=day&since=2026-01-01T00:00:00Z",
	}
	cursors := map[string]string{}
	for name, path := range lists {
		answer := get(path)
		var page struct{ Next string }
		if err := json.Unmarshal([]byte(answer.text), &page); err != nil || answer.status != http.StatusOK {
			t.Fatalf("%s: %d %.200s", name, answer.status, answer.text)
		}
		if page.Next == "" && name != "usage by the day" {
			t.Errorf("%s has one page: this shows nothing", name)
		}
		if cursors[name] = page.Next; page.Next != "" {
			if answer := get(path + "&cursor=" + url.QueryEscape(page.Next)); answer.status != http.StatusOK {
				t.Errorf("%s with its own cursor: %d %.200s", name, answer.status, answer.text)
			}
		}
	}
	for name, path := range lists {
		for other, cursor := range cursors {
			if other == name || cursor == "" {
				continue
			}
			get(path+"&cursor="+url.QueryEscape(cursor)).refused(t, name+" with the cursor of "+other, wanted{[]int{http.StatusBadRequest}, []string{"cursor"}})
		}
		for _, limit := range []string{"1000000000", "-1", "0", "1001"} {
			get(strings.Replace(path, "limit=1", "limit="+limit, 1)).refused(t, name+" with limit="+limit, wanted{[]int{http.StatusBadRequest}, []string{"limit"}})
		}
	}
}

// onceForAll sends one request 50 times at once with one Idempotency-Key: it has one
// effect and one entry, the text is told once, and another caller has its own.
func (b *besieged) onceForAll(t *testing.T, cast *ownCast) {
	t.Helper()
	name := newWord()
	o := &besiegedOperation{ID: "createKey", method: http.MethodPost, path: "/v1/keys"}
	a := &aim{o: o, path: o.path, body: map[string]any{"name": name, "owner": "acme"}}
	askers := [][]string{{"Authorization", "Bearer " + hostileToken}, {"Authorization", "Bearer " + cast.machines["admin:"]}, {"Cookie", login.Cookie + "=" + cast.persons[account.Owner], "Sec-Fetch-Site", "same-origin"}}
	for n, who := range askers {
		var all sync.WaitGroup
		var mu sync.Mutex
		ids, told := map[string]bool{}, 0
		for range 50 {
			all.Go(func() {
				status, text := b.by(t, a, append(who, "Idempotency-Key", "the-same")...)
				var made struct {
					Key  struct{ ID string }
					Text string
				}
				if err := json.Unmarshal([]byte(text), &made); err != nil || status != http.StatusCreated {
					t.Errorf("at once: %d %.200s", status, text)
				}
				mu.Lock()
				defer mu.Unlock()
				ids[made.Key.ID] = true
				if made.Text != "" {
					told++
				}
			})
		}
		all.Wait()
		if len(ids) != 1 || told != 1 {
			t.Errorf("50 at once made %d keys, and told %d texts", len(ids), told)
		}
		entries := b.vault.column(t, `SELECT subject FROM audit WHERE op = 'create' AND kind = 'key' AND json_extract(after, '$.name') = '`+name+`'`)
		if keys := b.vault.column(t, `SELECT id FROM keys WHERE name = '`+name+`'`); len(entries) != n+1 || len(keys) != n+1 || !slices.Contains(entries, slices.Collect(maps.Keys(ids))[0]) {
			t.Errorf("%d callers left %d entries and %d keys, want one each", n+1, len(entries), len(keys))
		}
	}
	a.body["owner"] = "globex"
	if status, text := b.by(t, a, append(askers[0], "Idempotency-Key", "the-same")...); status != http.StatusUnprocessableEntity {
		t.Errorf("another body: %d %.200s, want 422", status, text)
	}
}

// The public listener knows nothing of the others' paths: where no route is it answers
// 404, with and without a key, and where one is, what is behind it.
func TestThePublicListenerServesNothingElse(t *testing.T) {
	upstream := wire.Listen(t, wire.Answer(wire.OK))
	p := start(t, upstream.URL(), settings{token: secret.New(hostileToken), yaml: "routes: [{match: /orders/, upstream: api}]\nportal: {listen: \"127.0.0.1:0\", url: \"http://localhost:8084\"}\n"})
	attack.Case(t, "ADMIN-13", attack.Gateway, func(t *testing.T) {
		var document besiegedDocument
		_, text := p.askAdmin(t, hostileToken, http.MethodGet, "/openapi.json", nil)
		if err := json.Unmarshal([]byte(text), &document); err != nil {
			t.Fatal(err)
		}
		paths := append(slices.Collect(maps.Keys(document.Paths)),
			"/metrics", "/healthz", "/readyz", "/openapi.json", "/.well-known/jwks.json", "/ui", "/ui/", "/ui/keys", "/ui/login", "/open", "/new",
			"/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/profile", "/debug/vars", "/limits", "/v1/shadow", "/admin", "/")
		for _, path := range paths {
			path = strings.NewReplacer("{id}", string(p.record.ID), "{name}", "few").Replace(path)
			for _, method := range []string{http.MethodGet, http.MethodPost} {
				for who, fields := range map[string][]string{"nobody": nil, "a key": {"X-API-Key", p.key}, "the admin token": {"Authorization", "Bearer " + hostileToken}} {
					r, err := http.NewRequestWithContext(t.Context(), method, "http://"+p.gateway+path, bytes.NewReader(nil))
					if err != nil {
						t.Fatal(err)
					}
					for i := 0; i < len(fields); i += 2 {
						r.Header.Set(fields[i], fields[i+1])
					}
					if answer := do(t, r); answer.StatusCode != http.StatusNotFound || answer.Header.Get("Content-Type") != "application/problem+json" {
						t.Errorf("%s %s by %s: %d %s, want 404 by the policy", method, path, who, answer.StatusCode, answer.Header.Get("Content-Type"))
					}
				}
			}
		}
		if n := len(upstream.Received()); n != 0 {
			t.Errorf("the upstream got %d of them", n)
		}
		for _, path := range []string{"/debug/pprof/", "/debug/vars"} { // nowhere at all
			if status, text := p.askAdmin(t, hostileToken, http.MethodGet, path, nil); status != http.StatusNotFound {
				t.Errorf("%s on the admin listener: %d %.100s", path, status, text)
			}
		}
	})
}

// secretsIn finds what an answer tells once: keys, links and admin keys.
func secretsIn(text string) []string {
	return regexp.MustCompile(`\b(?:wrd_[a-z0-9]+_[0-9A-Za-z]{50}|wset_[0-9a-zA-Z_]{20,}|wadm_[a-z]+_[0-9A-Za-z]{40,}|wpl_[a-z2-7]+_[A-Z2-7]{20,})`).FindAllString(text, -1)
}

// toldOnce asks for each operation twice with the same Idempotency-Key, and looks
// everywhere for what the first answer told.
func (b *besieged) toldOnce(t *testing.T, operations []*besiegedOperation) {
	t.Helper()
	var told, all []string
	for _, o := range operations {
		if !o.takes("Idempotency-Key") || reached()[o.ID] != nil {
			continue
		}
		a := b.aimed(t, o)
		fields := append(a.fields, "Idempotency-Key", newWord())
		first, again := b.send(t, o, a.path, a.text(t), fields...), b.send(t, o, a.path, a.text(t), fields...)
		if again.status != first.status || again.header.Get("Idempotency-Replayed") != "true" {
			t.Errorf("%s again: %d %.200s, want what came of it before: %d", o.ID, again.status, again.text, first.status)
		}
		some := secretsIn(first.text)
		if len(some) > 0 {
			told = append(told, o.ID)
		}
		if len(secretsIn(again.text)) > 0 {
			t.Errorf("%s tells again what it told once", o.ID)
		}
		all = append(all, some...)
	}
	slices.Sort(told)
	if want := []string{"createAdminKey", "createKey", "createKeys", "createPerson", "createPortalLink", "invitePerson", "resetPerson", "rollKey"}; !slices.Equal(told, want) {
		t.Errorf("secrets are told by %q, want %q", told, want)
	}
	for _, path := range []string{"/v1/keys?limit=1000", "/v1/people", "/v1/adminKeys", "/v1/audit?limit=1000", "/v1/audit:export", "/v1/audit:export?format=csv", "/v1/usage", "/openapi.json", "/metrics"} {
		answer := b.send(t, &besiegedOperation{ID: path, method: http.MethodGet}, path, nil)
		if answer.status != http.StatusOK || len(secretsIn(answer.text)) > 0 {
			t.Errorf("%s: %d, with %d secrets in it", path, answer.status, len(secretsIn(answer.text)))
		}
	}
	var rows strings.Builder
	for _, name := range b.vault.column(t, `SELECT name FROM sqlite_schema WHERE type = 'table'`) {
		b.vault.write(t, &rows, name)
	}
	for _, secret := range all {
		if strings.Contains(rows.String(), secret[len(secret)-20:]) {
			t.Errorf("the database has %.12s...", secret)
		}
	}
}

// Attempts that are refused are summed up: they leave a bounded number of rows, and none
// in the audit. A million of them take a test of the store's own, by the same counter.
func TestRefusedAttemptsAreSummedUp(t *testing.T) {
	attack.Case(t, "AUDIT-07", attack.Gateway, func(t *testing.T) {
		p := start(t, wire.Listen(t, wire.Answer(wire.OK)).URL(), settings{yaml: "routes: [{match: /, upstream: api}]\n"})
		raw := p.raw(t)
		const entries, attempts = `SELECT count(*) FROM audit`, 2000
		before := texts(t, raw, entries)[0]
		client := &http.Client{Transport: &http.Transport{}}
		t.Cleanup(client.CloseIdleConnections)
		statuses := map[int]int{}
		for n := range attempts {
			r := newRequest(t, "http://"+p.gateway+"/orders/"+newWord())
			r.Header.Set("X-API-Key", []string{"wrd_live_" + newWord(), guessed(p.key), newWord()}[n%3])
			r.Header.Set("User-Agent", newWord())
			answer, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = textOf(t, answer)
			if err := answer.Body.Close(); err != nil {
				t.Fatal(err)
			}
			statuses[answer.StatusCode]++
		}
		if statuses[http.StatusUnauthorized]+statuses[http.StatusTooManyRequests] != attempts || statuses[http.StatusUnauthorized] == 0 {
			t.Errorf("answered %v, want all refused", statuses)
		}
		if err := p.stop(); err != nil { // what was counted is written at the latest now
			t.Fatal(err)
		}
		if got := texts(t, raw, entries)[0]; got != before {
			t.Errorf("the audit has %s entries, and had %s", got, before)
		}
		counted := texts(t, raw, `SELECT coalesce(sum(n), 0) FROM usage_counts WHERE resolution = 2`)[0]
		if counted != strconv.Itoa(attempts) {
			t.Errorf("%s attempts are counted, want %d", counted, attempts)
		}
		// Two outcomes of one route, by the hour, the day and each minute, and who sent them.
		minutes, err := strconv.Atoi(texts(t, raw, `SELECT count(DISTINCT at) FROM usage_counts WHERE resolution = 0`)[0])
		if err != nil {
			t.Fatal(err)
		}
		rows, err := strconv.Atoi(texts(t, raw, `SELECT (SELECT count(*) FROM usage_counts) + (SELECT count(*) FROM usage_secrets) + (SELECT count(*) FROM usage_addresses) + (SELECT count(*) FROM usage_scopes)`)[0])
		if most := 4 * (4 + minutes); err != nil || rows > most {
			t.Errorf("%d rows of usage, want at most %d", rows, most)
		}
	})
}
