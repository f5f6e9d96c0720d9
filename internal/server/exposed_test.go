package server_test

import (
	"context"
	"encoding/base64"
	"errors"
	"hash/crc32"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/keyservice"
	"github.com/warder-dev/warder/internal/wire"
	"github.com/warder-dev/warder/secret"
)

// disabling wants https, and disables what came without it.
const disabling = `
hosts: [api.test]
forwarded: {from: x-forwarded-for, trusted_proxies: [127.0.0.1], proto: true}
https: {require: true, on_exposed_key: disable}
schemes:
  queryKey: {key: {in: query}}
  cookieKey: {key: {in: cookie}}
  bearerKey: {key: {in: bearer}}
  basicKey: {key: {in: basic}}
routes:
  - {match: "/", upstream: api}
`

// overHTTPS asks with the key as a proxy that ends TLS does.
func overHTTPS(t *testing.T, p *program, key string) int {
	t.Helper()
	r := newRequest(t, "http://"+p.gateway+"/")
	r.Host = "api.test"
	r.Header.Set("X-Forwarded-Proto", "https")
	r.Header.Set("X-API-Key", key)
	return do(t, r).StatusCode
}

// guessed is a text of the right form with key's id and another secret.
func guessed(key string) string {
	const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	body := key[:len(key)-6-32] + strings.Repeat("a", 32)
	sum, check := crc32.ChecksumIEEE([]byte(body)), make([]byte, 6)
	for i := len(check) - 1; i >= 0; i-- {
		check[i], sum = alphabet[sum%62], sum/62
	}
	return body + string(check)
}

func TestExposedKeysAreDisabled(t *testing.T) {
	upstream := wire.Listen(t, wire.Answer(wire.OK))
	p := start(t, upstream.URL(), settings{yaml: disabling})
	r := shootingRange{p, upstream}
	spec := apikey.Spec{Environment: "live", Name: "k", Owner: "acme"}
	var all []exposure
	attack.Case(t, "KEY-24", attack.Gateway, func(t *testing.T) {
		for name, put := range map[string]func(key string) (line, fields string){
			"header": func(key string) (string, string) { return "GET /", "X-API-Key: " + key + "\r\n" },
			"query":  func(key string) (string, string) { return "GET /?a=b&api_key=" + key, "" },
			"cookie": func(key string) (string, string) { return "GET /", "Cookie: a=b; __Host-api_key=" + key + "\r\n" },
			"bearer": func(key string) (string, string) { return "GET /", "Authorization: bearer  " + key + "\r\n" },
			"basic": func(key string) (string, string) {
				return "GET /", "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(key+":")) + "\r\n"
			},
		} {
			record, key := p.create(t, spec)
			if got := overHTTPS(t, p, key); got != http.StatusOK {
				t.Fatalf("%s: %d over https, want 200", name, got)
			}
			told := exposure{record: record, key: key}
			for _, wrong := range []string{guessed(key), key[:len(key)-1]} {
				line, fields := put(wrong)
				told.wrong = append(told.wrong, r.one(t, shot{name: name + ", another secret", line: line, head: "Host: api.test\r\n" + fields, want: 403, answer: refusedPlain()}))
			}
			if got := overHTTPS(t, p, key); got != http.StatusOK {
				t.Errorf("%s: %d after somebody guessed, want 200: knowing the id must not take the key away", name, got)
			}
			line, fields := put(key)
			told.right = r.one(t, shot{name: name, line: line, head: "Host: api.test\r\n" + fields, want: 403, answer: refusedPlain()})
			all = append(all, told)
			if got := overHTTPS(t, p, key); got != http.StatusUnauthorized {
				t.Errorf("%s: %d after it was exposed, want 401", name, got)
			}
			stored, err := p.keys.Lookup(t.Context(), record.ID)
			if err != nil || !stored.Disabled || !stored.Revoked.IsZero() {
				t.Errorf("%s: stored %+v, %v, want it disabled", name, stored, err)
			}
			if _, err := apikey.Enable(t.Context(), p.keys, apikey.By{Actor: "user:ada", Source: "test"}, record.ID); err != nil {
				t.Error(err)
			}
			eventually(t, func() (struct{}, bool) { return struct{}{}, overHTTPS(t, p, key) == http.StatusOK })
		}
	})
	log := r.log(t)
	for _, told := range all {
		told.check(t, log)
	}
}

// exposure is a key with the requests, by their ids, of which the log must tell.
type exposure struct {
	record apikey.Record
	key    string
	wrong  []string // a guess with the key's id, and what has no form
	right  string
}

// refusedPlain is what a refusal over plain HTTP has and has not.
func refusedPlain() []string {
	return []string{"Location: -", "Connection: close", "Content-Type: application/problem+json"}
}

// check looks at the lines of each request: that it was exposed, and that one alone
// took the key out of use.
func (o exposure) check(t *testing.T, log string) {
	t.Helper()
	const exposed, disabled = "a credential came over plain HTTP", "an exposed key is disabled"
	id := string(o.record.ID)
	wantLine(t, log, exposed, o.wrong[0], logLine{"level": "WARN", "key_id": id, "client": "127.0.0.1"})
	wantLine(t, log, exposed, o.wrong[1], logLine{"level": "WARN", "key_id": "", "client": "127.0.0.1"})
	wantLine(t, log, exposed, o.right, logLine{"level": "WARN", "key_id": id, "client": "127.0.0.1"})
	wantLine(t, log, disabled, o.right, logLine{"level": "WARN", "key_id": id, "client": "127.0.0.1"})
	wantLine(t, log, "", o.right, logLine{"status": 403.0, "reason": "credential-over-http"})
	for _, wrong := range o.wrong {
		if lines := linesOf(t, log, disabled, wrong); len(lines) > 0 {
			t.Errorf("a wrong text disables: %v", lines)
		}
	}
	if strings.Contains(log, o.key[9+12:]) {
		t.Error("the log holds a secret")
	}
}

// TestExposedKeysThatAreNarrowed: whoever read one can use it for what it is
// narrowed to, so that it is disabled like any other. One for pages anybody can
// read, and send in plain text: it stays.
func TestExposedKeysThatAreNarrowed(t *testing.T) {
	upstream := wire.Listen(t, wire.Answer(wire.OK))
	p := start(t, upstream.URL(), settings{yaml: disabling})
	r := shootingRange{p, upstream}
	attack.Case(t, "KEY-24", attack.Gateway, func(t *testing.T) {
		for name, spec := range map[string]apikey.Spec{
			"to paths":     {Environment: "live", Paths: []string{"/reports/"}},
			"to methods":   {Environment: "live", Methods: []string{"POST"}},
			"public":       {Environment: "live", Kind: apikey.KindPublic, Origins: []string{"https://shop.example"}},
			"to addresses": {Environment: "live", Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}},
		} {
			record, key := p.create(t, spec)
			r.one(t, shot{name: name, line: "GET /", head: "Host: api.test\r\nX-API-Key: " + key + "\r\n", want: 403, answer: []string{"Location: -"}})
			if stored, err := p.keys.Lookup(t.Context(), record.ID); err != nil || stored.Disabled != (spec.Kind != apikey.KindPublic) {
				t.Errorf("%s: disabled: %v, %v, want %v", name, stored.Disabled, err, spec.Kind != apikey.KindPublic)
			}
		}
	})
}

// TestKeysThatAreExposedElsewhere: a key on the way to a host that is not served,
// or with a target of two readings, is out all the same. The answer is that of any
// such request.
func TestKeysThatAreExposedElsewhere(t *testing.T) {
	upstream := wire.Listen(t, wire.Answer(wire.OK))
	p := start(t, upstream.URL(), settings{yaml: disabling})
	r := shootingRange{p, upstream}
	spec := apikey.Spec{Environment: "live", Name: "k", Owner: "acme"}
	attack.Case(t, "KEY-24", attack.Gateway, func(t *testing.T) {
		for i, s := range []shot{
			{name: "another host", line: "GET /a", head: "Host: evil.test\r\n", want: 421, answer: []string{"Location: -"}},
			{name: "another host in the target", line: "GET http://evil.test/a", head: "Host: api.test\r\n", want: 421, answer: []string{"Location: -"}},
			{name: "a host that is none", line: "GET /a", head: "Host: a,b\r\nX-Forwarded-For: 192.0.2.1\r\n", from: strangerAt, want: 400, answer: []string{"Location: -"}},
			{name: "a target of two readings", line: "GET /a/../b", head: "Host: api.test\r\n", want: 400, answer: []string{"Location: -"}},
		} {
			record, key := p.create(t, spec)
			s.head += "X-API-Key: " + key + "\r\n"
			r.one(t, s)
			eventually(t, func() (struct{}, bool) { return struct{}{}, overHTTPS(t, p, key) == http.StatusUnauthorized })
			if stored, err := p.keys.Lookup(t.Context(), record.ID); err != nil || !stored.Disabled {
				t.Errorf("%s: stored %+v, %v, want it disabled", s.name, stored, err)
			}
			if n := r.metric(t, "warder_exposed_credentials_total"); n != strconv.Itoa(i+1) {
				t.Errorf("%s: %s exposed credentials are counted, want %d", s.name, n, i+1)
			}
		}
	})
	_, key := p.create(t, spec)
	for _, s := range []shot{
		{name: "over https, another host", head: "Host: evil.test\r\nX-Forwarded-Proto: https\r\n", want: 421},
		{name: "over what nobody can tell", head: "Host: api.test\r\nX-Forwarded-Proto: https, http\r\n", want: 400},
		{name: "over https perhaps, no host", head: "Host: a,b\r\nX-Forwarded-Proto: https\r\n", want: 400},
	} {
		s.head += "X-API-Key: " + key + "\r\n"
		r.one(t, s)
	}
	if got := overHTTPS(t, p, key); got != http.StatusOK {
		t.Errorf("a key that came over https, as far as anybody knows: %d, want 200", got)
	}
	if log := p.logged(t, "a credential came over plain HTTP", 4); strings.Count(log, "a credential came over plain HTTP") != 4 || strings.Contains(log, key[len(key)-20:]) {
		t.Errorf("the log does not tell of four credentials:\n%.3000s", log)
	}
}

// away is a store that takes no changes.
type away struct{ apikey.Store }

func (away) Apply(_ context.Context, _ apikey.Change) (apikey.Revision, error) {
	return 0, errors.New("the disk is full")
}

func TestAnExposedKeyThatCannotBeDisabled(t *testing.T) {
	upstream := wire.Listen(t, wire.Answer(wire.OK))
	p := start(t, upstream.URL(), settings{yaml: disabling, store: func(s apikey.Store) apikey.Store { return away{s} }})
	shootingRange{p, upstream}.one(t, shot{name: "no store", head: "Host: api.test\r\nX-API-Key: {K}\r\n", want: 403})
	if log := p.logged(t, "could not be disabled", 1); !strings.Contains(log, string(p.record.ID)) {
		t.Errorf("the log does not say that the key is still good:\n%s", log)
	}
}

// Who sends a key over plain HTTP is refused in any case. That the key is disabled
// leaves one entry, in its own transaction: while the database refuses either half, the
// key stays as it is, and the log says what is left to do by hand. However often, and at
// how many places at once, the key is sent, it is disabled once.
func TestAnExposedKeyIsDisabledWithItsEntry(t *testing.T) {
	attack.Case(t, "AUDIT-01", attack.Gateway, func(t *testing.T) {
		p := start(t, wire.Listen(t, wire.Answer(wire.OK)).URL(), settings{yaml: disabling + "timeouts: {store: 1m}\n"})
		raw := p.raw(t)
		id := string(p.record.ID)
		asked := newRequest(t, "http://"+p.gateway+"/")
		asked.Host = "api.test"
		asked.Header.Set("X-API-Key", p.key)
		exposes := func() (int, string) {
			answer, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(asked.Clone(t.Context()))
			if err != nil {
				t.Error(err)
				return 0, ""
			}
			defer answer.Body.Close()
			text, err := io.ReadAll(answer.Body)
			if err != nil {
				t.Error(err)
			}
			return answer.StatusCode, string(text)
		}
		entry := "system gateway disable key " + id
		if got := overHTTPS(t, p, p.key); got != http.StatusOK {
			t.Fatalf("the key over https: %d, want 200", got)
		}
		p.wayLeavesOne(t, raw, &way{name: "a key over plain HTTP", entry: entry, send: exposes}, http.StatusForbidden, http.StatusForbidden)
		if got := overHTTPS(t, p, p.key); got != http.StatusUnauthorized {
			t.Errorf("the key after it was disabled: %d, want 401", got)
		}
		const entries = `SELECT actor || ' ' || source || ' ' || op || ' ' || kind || ' ' || subject FROM audit WHERE op = 'disable' ORDER BY seq`
		exposes()
		if got := texts(t, raw, entries); !slices.Equal(got, []string{entry}) {
			t.Errorf("a key that is disabled, sent again: %q, want one entry", got)
		}
		if _, err := apikey.Enable(t.Context(), p.keys, apikey.By{Actor: "user:ada", Source: "test"}, p.record.ID); err != nil {
			t.Fatal(err)
		}
		eventually(t, func() (struct{}, bool) { return struct{}{}, overHTTPS(t, p, p.key) == http.StatusOK })
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if status, answer := exposes(); status != http.StatusForbidden {
					t.Errorf("at once: %d %s, want 403", status, answer)
				}
			})
		}
		all.Wait()
		if got := texts(t, raw, entries); !slices.Equal(got, []string{entry, entry}) {
			t.Errorf("eight at once: %q, want one more entry", got)
		}
		const left = "an exposed key could not be disabled: do it by hand"
		if log := p.logged(t, left, len(faults())); strings.Count(log, left) != len(faults()) || strings.Contains(log, p.key[9+12:]) {
			t.Errorf("the log does not tell of %d keys that are still good:\n%.3000s", len(faults()), log)
		}
	})
}

// Who only asks about a request over plain HTTP learns that it is refused, and takes
// no key away by it.
func TestAskingAboutAnExposedKeyDisablesNothing(t *testing.T) {
	p := start(t, wire.Listen(t, wire.Answer(wire.OK)).URL(), settings{yaml: disabling, token: secret.New(verifyToken)})
	for _, dry := range []bool{false, true} {
		status, text, v := p.verify(t, keyservice.Use{Key: p.key, Method: "GET", Target: "http://api.test/", Address: "203.0.113.9", Gateway: true, Dry: dry})
		if status != http.StatusOK || v.Valid || v.Status != http.StatusForbidden {
			t.Errorf("dry %v: %d %s, want 403", dry, status, text)
		}
		if stored, err := p.keys.Lookup(t.Context(), p.record.ID); err != nil || stored.Disabled {
			t.Errorf("dry %v: disabled: %v, %v", dry, stored.Disabled, err)
		}
	}
}
