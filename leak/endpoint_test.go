package leak_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/leak"
	"github.com/warder-dev/warder/secret"
)

// publisher serves keys over TLS as GitHub does, and signs with them.
type publisher struct {
	*httptest.Server
	pool  *x509.CertPool
	asked atomic.Int64

	mu   sync.Mutex
	keys map[string]*ecdsa.PrivateKey
	fail bool
}

func publish(t *testing.T, identifiers ...string) *publisher {
	t.Helper()
	p := &publisher{keys: make(map[string]*ecdsa.PrivateKey)}
	p.Server = httptest.NewTLSServer(p)
	t.Cleanup(p.Close)
	p.pool = x509.NewCertPool()
	p.pool.AddCert(p.Certificate())
	for _, id := range identifiers {
		p.rotate(t, id)
	}
	return p
}

// rotate adds a key.
func (p *publisher) rotate(t *testing.T, identifier string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys[identifier] = key
}

func (p *publisher) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	p.asked.Add(1)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fail {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	list := []map[string]any{}
	for id, key := range p.keys {
		der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
		if err != nil {
			panic(err)
		}
		list = append(list, map[string]any{"key_identifier": id, "key": string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), "is_current": true})
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"public_keys": list, "a_later_member": true})
}

func (p *publisher) setFail(fail bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fail = fail
}

// sign returns the fields of a report.
func (p *publisher) sign(t *testing.T, identifier, body string) http.Header {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	sum := sha256.Sum256([]byte(body))
	signature, err := ecdsa.SignASN1(rand.Reader, p.keys[identifier], sum[:])
	if err != nil {
		t.Fatal(err)
	}
	h := make(http.Header)
	h.Set("GITHUB-PUBLIC-KEY-IDENTIFIER", identifier)
	h.Set("GITHUB-PUBLIC-KEY-SIGNATURE", base64.StdEncoding.EncodeToString(signature))
	return h
}

func (p *publisher) sender(t *testing.T) *leak.GitHub {
	t.Helper()
	g, err := leak.NewGitHub(leak.GitHubConfig{KeysURL: p.URL, RootCAs: p.pool})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	return g
}

// world is an endpoint with everything around it.
type world struct {
	*leak.Endpoint
	store *apikey.MemoryStore
	log   *bytes.Buffer
	found []leak.Report
}

func newWorld(t *testing.T, cfg leak.EndpointConfig) *world {
	t.Helper()
	w := &world{store: new(apikey.MemoryStore), log: new(bytes.Buffer)}
	w.build(t, cfg)
	return w
}

// build makes the endpoint, on the store that is there already.
func (w *world) build(t *testing.T, cfg leak.EndpointConfig) {
	t.Helper()
	verifier, err := apikey.NewVerifier(apikey.VerifierConfig{Store: w.store, Peppers: peppers(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = verifier.Close() })
	cfg.Verifier, cfg.Changed = verifier, verifier.Invalidate
	if cfg.Store == nil {
		cfg.Store = w.store
	}
	cfg.Log = slog.New(slog.NewJSONHandler(w.log, nil))
	cfg.Found = func(r leak.Report) { w.found = append(w.found, r) }
	if w.Endpoint, err = leak.NewEndpoint(cfg); err != nil {
		t.Fatal(err)
	}
}

func (w *world) send(t *testing.T, header http.Header, body string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/leaks/github", strings.NewReader(body))
	maps.Copy(r.Header, header)
	recorder := httptest.NewRecorder()
	w.ServeHTTP(recorder, r)
	return recorder
}

// labels reads an answer: of each token, by its hash.
func labels(t *testing.T, recorder *httptest.ResponseRecorder) map[string]string {
	t.Helper()
	if recorder.Code != http.StatusOK {
		t.Fatalf("status %d: %s", recorder.Code, recorder.Body)
	}
	var all []struct {
		Hash  string `json:"token_hash"`
		Type  string `json:"token_type"`
		Label string `json:"label"`
	}
	if err := json.Unmarshal(recorder.Body.Bytes(), &all); err != nil {
		t.Fatal(err)
	}
	got := make(map[string]string)
	for _, one := range all {
		if one.Type != "warder_api_key" {
			t.Errorf("token_type = %q, want that of the report", one.Type)
		}
		got[one.Hash] = one.Label
	}
	return got
}

func hash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// reports is the body of a report.
func reports(tokens ...string) string {
	all := []map[string]string{}
	for _, token := range tokens {
		all = append(all, map[string]string{
			"token": token, "type": "warder_api_key", "url": "https://github.com/octocat/Hello-World/blob/main/foo.txt", "source": "content",
		})
	}
	body, err := json.Marshal(all)
	if err != nil {
		panic(err)
	}
	return string(body)
}

func state(t *testing.T, store apikey.Store, id apikey.ID) apikey.Record {
	t.Helper()
	r, err := store.Lookup(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestEndpointLabelsReports(t *testing.T) {
	p := publish(t, "one")
	w := newWorld(t, leak.EndpointConfig{Sender: p.sender(t)})
	record, key := issue(t, w.store, "wrd", "live")
	gone, revoked := issue(t, w.store, "wrd", "live")
	if _, err := apikey.Revoke(t.Context(), w.store, by(), gone.ID, ""); err != nil {
		t.Fatal(err)
	}
	stranger := made(t, "wrd", "live")
	// Who knows an id, which is public, and computes check digits, reports no key.
	forged := forge(string(record.ID))
	body := reports(key, revoked, stranger, forged, spoil(key), "", strings.Repeat("x", 4096))
	got := labels(t, w.send(t, p.sign(t, "one", body), body))
	for token, want := range map[string]string{
		key: "true_positive", revoked: "true_positive", stranger: "false_positive", forged: "false_positive", spoil(key): "false_positive",
		"": "false_positive", strings.Repeat("x", 4096): "false_positive",
	} {
		if got[hash(token)] != want {
			t.Errorf("%.24q...: label %q, want %s", token, got[hash(token)], want)
		}
	}
	if len(w.found) != 2 || w.found[0].Key != record.ID || w.found[0].Verdict != leak.Active || w.found[1].Verdict != leak.Revoked {
		t.Errorf("told of %+v, want the two keys of ours", w.found)
	}
	if r := state(t, w.store, record.ID); r.State(time.Now()) != apikey.Active {
		t.Errorf("an alert left the key %s", r.State(time.Now()))
	}
	if log := w.log.String(); strings.Contains(log, key[21:]) || !strings.Contains(log, string(record.ID)) || !strings.Contains(log, "foo.txt") {
		t.Errorf("the log tells not what it should: %s", log)
	}
	if p.asked.Load() != 1 {
		t.Errorf("the keys were asked for %d times, want once", p.asked.Load())
	}
}

// forge returns a text with the id, a secret of its own and right check digits.
func forge(id string) string {
	example := leak.Example("wrd")
	return recheck("wrd_live_" + id + example[len("wrd_test_")+12:len(example)-6])
}

func TestEndpointActs(t *testing.T) {
	p := publish(t, "one")
	tests := []struct {
		name   string
		action leak.Action
		grace  time.Duration
		check  func(t *testing.T, r apikey.Record)
	}{
		{"alert", leak.Alert, 0, func(t *testing.T, r apikey.Record) {
			t.Helper()
			if r.State(time.Now()) != apikey.Active || !r.Expires.IsZero() {
				t.Errorf("the key is changed: %+v", r)
			}
		}},
		{"disable", leak.Disable, 0, func(t *testing.T, r apikey.Record) {
			t.Helper()
			if !r.Disabled || !r.Revoked.IsZero() {
				t.Error("the key is not disabled")
			}
		}},
		{"revoke", leak.Revoke, 0, func(t *testing.T, r apikey.Record) {
			t.Helper()
			if r.Revoked.IsZero() || r.Reason != "key-compromise" {
				t.Errorf("the key is not revoked for key-compromise: %q", r.Reason)
			}
		}},
		{"revoke with grace", leak.Revoke, 48 * time.Hour, func(t *testing.T, r apikey.Record) {
			t.Helper()
			if left := time.Until(r.Expires); left <= 47*time.Hour || left > 48*time.Hour || r.State(time.Now()) != apikey.Active {
				t.Errorf("the key expires at %v, want in two days", r.Expires)
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, leak.EndpointConfig{Sender: p.sender(t), Action: tt.action, Grace: tt.grace})
			record, key := issue(t, w.store, "wrd", "live")
			body := reports(key, key)
			for range 3 { // the same again changes nothing
				got := labels(t, w.send(t, p.sign(t, "one", body), body))
				if got[hash(key)] != "true_positive" {
					t.Errorf("label %q", got[hash(key)])
				}
			}
			after := state(t, w.store, record.ID)
			tt.check(t, after)
			if want := apikey.Revision(2); tt.action != leak.Alert && after.Revision != want {
				t.Errorf("the key is at revision %d, want %d: one change", after.Revision, want)
			}
			if tt.action != leak.Alert && w.found[0].Done != tt.action {
				t.Errorf("told that %q was done", w.found[0].Done)
			}
		})
	}
}

// TestEndpointLeavesPublicKeys: whoever copies one from a page and publishes it once
// more does not take it away from its owner.
func TestEndpointLeavesPublicKeys(t *testing.T) {
	p := publish(t, "one")
	w := newWorld(t, leak.EndpointConfig{Sender: p.sender(t), Action: leak.Revoke})
	issuer, err := apikey.NewIssuer(apikey.IssuerConfig{Store: w.store, Peppers: peppers(t)})
	if err != nil {
		t.Fatal(err)
	}
	for _, spec := range []apikey.Spec{
		{Environment: "live", Kind: apikey.KindPublic, Origins: []string{"https://shop.example"}},
		{Environment: "live", Paths: []string{"/orders/"}},
	} {
		record, text, err := issuer.Create(t.Context(), by(), spec)
		if err != nil {
			t.Fatal(err)
		}
		body := reports(text.Reveal())
		if got := labels(t, w.send(t, p.sign(t, "one", body), body)); got[hash(text.Reveal())] != "true_positive" {
			t.Errorf("label %q", got[hash(text.Reveal())])
		}
		if got := state(t, w.store, record.ID); got.Revoked.IsZero() != (spec.Kind == apikey.KindPublic) {
			t.Errorf("kind %q: revoked at %v", record.Kind, got.Revoked)
		}
	}
	if len(w.found) != 2 || w.found[0].Verdict != leak.Public || w.found[0].Done != leak.Alert || w.found[1].Verdict != leak.Active {
		t.Errorf("told of %+v", w.found)
	}
}

func TestEndpointDoesNotLengthenALife(t *testing.T) {
	p := publish(t, "one")
	w := newWorld(t, leak.EndpointConfig{Sender: p.sender(t), Action: leak.Revoke, Grace: time.Hour})
	issuer, err := apikey.NewIssuer(apikey.IssuerConfig{Store: w.store, Peppers: peppers(t)})
	if err != nil {
		t.Fatal(err)
	}
	ends := time.Now().Add(30 * time.Minute).UTC().Truncate(time.Millisecond)
	record, text, err := issuer.Create(t.Context(), by(), apikey.Spec{Environment: "live", Expires: ends})
	if err != nil {
		t.Fatal(err)
	}
	body := reports(text.Reveal())
	labels(t, w.send(t, p.sign(t, "one", body), body))
	if got := state(t, w.store, record.ID); !got.Expires.Equal(ends) || got.Revision != 1 {
		t.Errorf("expires at %v, revision %d, want unchanged", got.Expires, got.Revision)
	}
}

func TestEndpointRefuses(t *testing.T) {
	p := publish(t, "one")
	w := newWorld(t, leak.EndpointConfig{Sender: p.sender(t), Action: leak.Revoke})
	record, key := issue(t, w.store, "wrd", "live")
	body := reports(key)
	good := func() http.Header { return p.sign(t, "one", body) }
	with := func(change func(h http.Header)) http.Header {
		h := good()
		change(h)
		return h
	}
	long := "[" + strings.Repeat(`{"token":"x"},`, 1000) + `{"token":"x"}]`
	huge := strings.Repeat(" ", 1<<20) + body
	other := publish(t, "one")
	tests := []struct {
		name   string
		header http.Header
		body   string
		want   int
	}{
		{"no signature", nil, body, 401},
		{"no identifier", with(func(h http.Header) { h.Del("Github-Public-Key-Identifier") }), body, 401},
		{"another body", good(), reports(key, key), 401},
		{"one byte more", good(), body + " ", 401},
		{"a signature that is no base64", with(func(h http.Header) { h.Set("Github-Public-Key-Signature", "!") }), body, 401},
		{"an empty signature", with(func(h http.Header) { h.Set("Github-Public-Key-Signature", "") }), body, 401},
		{"a long signature", with(func(h http.Header) { h.Set("Github-Public-Key-Signature", strings.Repeat("A", 1<<16)) }), body, 401},
		{"a signature twice", with(func(h http.Header) { h.Add("Github-Public-Key-Signature", h.Get("Github-Public-Key-Signature")) }), body, 401},
		{"an unknown key", with(func(h http.Header) { h.Set("Github-Public-Key-Identifier", "two") }), body, 401},
		{"another's key under the same name", other.sign(t, "one", body), body, 401},
		{"an object", p.sign(t, "one", `{"token":"x"}`), `{"token":"x"}`, 400},
		{"null", p.sign(t, "one", `null`), `null`, 400},
		{"a wrong type", p.sign(t, "one", `[{"token":1}]`), `[{"token":1}]`, 400},
		{"something behind", p.sign(t, "one", body+"1"), body + "1", 400},
		{"too many", p.sign(t, "one", long), long, 400},
		{"too long", p.sign(t, "one", huge), huge, 413},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := w.send(t, tt.header, tt.body)
			if got.Code != tt.want || got.Header().Get("Content-Type") != "application/problem+json" {
				t.Errorf("status %d %s, want the problem %d", got.Code, got.Header().Get("Content-Type"), tt.want)
			}
			if strings.Contains(got.Body.String()+w.log.String(), key[21:]) {
				t.Error("the secret is in the answer or the log")
			}
		})
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	recorder := httptest.NewRecorder()
	w.ServeHTTP(recorder, r)
	if recorder.Code != 405 || recorder.Header().Get("Allow") != "POST" {
		t.Errorf("GET: status %d, Allow %q", recorder.Code, recorder.Header().Get("Allow"))
	}
	if got := state(t, w.store, record.ID); !got.Revoked.IsZero() {
		t.Error("a report that was refused revoked a key")
	}
	if n := p.asked.Load(); n != 1 {
		t.Errorf("the keys were asked for %d times within a minute, want once", n)
	}
	if empty := w.send(t, p.sign(t, "one", "[]"), "[]"); empty.Code != 200 || strings.TrimSpace(empty.Body.String()) != "[]" {
		t.Errorf("a report of nothing: %d %s", empty.Code, empty.Body)
	}
}

func TestGitHubFollowsItsKeys(t *testing.T) {
	p := publish(t, "one")
	g := p.sender(t)
	try := func(identifier string) error {
		return g.Authenticate(t.Context(), p.sign(t, identifier, "[]"), []byte("[]"))
	}
	if err := try("one"); err != nil {
		t.Fatal(err)
	}
	p.rotate(t, "two")
	if err := try("two"); !errors.Is(err, leak.ErrSignature) {
		t.Errorf("a new key within the minute: %v", err)
	}
	g.Age(2 * time.Minute)
	if err := try("two"); err != nil {
		t.Errorf("a new key after a minute: %v", err)
	}
	p.setFail(true)
	g.Age(2 * time.Hour)
	if err := try("two"); err != nil {
		t.Errorf("a known key while the sender's keys cannot be had: %v", err)
	}
	if err := g.Authenticate(t.Context(), with("three"), []byte("[]")); err == nil || errors.Is(err, leak.ErrSignature) {
		t.Errorf("an unknown key while the sender's keys cannot be had: %v, want that nobody knows", err)
	}
	g.Age(8 * time.Hour)
	if err := try("two"); err == nil || errors.Is(err, leak.ErrSignature) {
		t.Errorf("a known key after long: %v, want that nobody knows", err)
	}
	p.setFail(false)
	g.Age(2 * time.Minute)
	if err := try("two"); err != nil {
		t.Errorf("when the keys can be had again: %v", err)
	}
}

// with names a key and has a signature of the right form.
func with(identifier string) http.Header {
	return http.Header{"Github-Public-Key-Identifier": {identifier}, "Github-Public-Key-Signature": {"MAYCAQECAQE="}}
}

func TestGitHubTrustsNoOtherServer(t *testing.T) {
	p := publish(t, "one")
	g, err := leak.NewGitHub(leak.GitHubConfig{KeysURL: p.URL}) // without its authority
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	if err := g.Authenticate(t.Context(), p.sign(t, "one", "[]"), []byte("[]")); err == nil || errors.Is(err, leak.ErrSignature) {
		t.Errorf("keys of a server that nobody vouches for: %v", err)
	}
	if _, err := leak.NewGitHub(leak.GitHubConfig{KeysURL: "http://example.com/"}); err == nil {
		t.Error("keys over plain HTTP are taken")
	}
}

// brokenStore answers nothing while it is down.
type brokenStore struct {
	apikey.Store
	down atomic.Bool
}

func (s *brokenStore) Apply(ctx context.Context, c apikey.Change) (apikey.Revision, error) {
	if s.down.Load() {
		return 0, errors.New("the store is down")
	}
	return s.Store.Apply(ctx, c)
}

func TestEndpointIsAskedAgainWhenTheStoreIsAway(t *testing.T) {
	for _, action := range []leak.Action{leak.Disable, leak.Revoke} {
		p := publish(t, "one")
		w := &world{store: new(apikey.MemoryStore), log: new(bytes.Buffer)}
		store := &brokenStore{Store: w.store}
		w.build(t, leak.EndpointConfig{Sender: p.sender(t), Action: action, Store: store})
		record, key := issue(t, w.store, "wrd", "live")
		body := reports(key)
		store.down.Store(true)
		if got := w.send(t, p.sign(t, "one", body), body); got.Code != 503 || got.Header().Get("Retry-After") == "" {
			t.Errorf("%s: status %d, want 503 with Retry-After", action, got.Code)
		}
		store.down.Store(false)
		labels(t, w.send(t, p.sign(t, "one", body), body))
		if r := state(t, w.store, record.ID); r.State(time.Now()) == apikey.Active {
			t.Errorf("%s: the key is still active", action)
		}
	}
}

func TestSharedSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := leak.NewShared("scanner", secret.New(strings.Repeat("s", 32)))
		if err != nil {
			t.Fatal(err)
		}
		if s.Name() != "leak:scanner" {
			t.Errorf("Name() = %q", s.Name())
		}
		body := []byte("[]")
		fields := func(timestamp, signature string) http.Header {
			return http.Header{leak.TimestampField: {timestamp}, leak.SharedField: {signature}}
		}
		stamp, signature := s.Sign(body, time.Now())
		late, lateSignature := s.Sign(body, time.Now().Add(-5*time.Minute-time.Second))
		early, earlySignature := s.Sign(body, time.Now().Add(5*time.Minute+time.Second))
		other, err := leak.NewShared("scanner", secret.New(strings.Repeat("t", 32)))
		if err != nil {
			t.Fatal(err)
		}
		_, foreign := other.Sign(body, time.Now())
		tests := []struct {
			name   string
			header http.Header
			body   string
			ok     bool
		}{
			{"right", fields(stamp, signature), "[]", true},
			{"no field", http.Header{}, "[]", false},
			{"another body", fields(stamp, signature), "[ ]", false},
			{"another time", fields(strconv.FormatInt(time.Now().Unix()+1, 10), signature), "[]", false},
			{"no time", fields("", signature), "[]", false},
			{"the time as text", fields("+"+stamp, signature), "[]", false},
			{"too old", fields(late, lateSignature), "[]", false},
			{"from the future", fields(early, earlySignature), "[]", false},
			{"another secret", fields(stamp, foreign), "[]", false},
			{"no hash named", fields(stamp, strings.TrimPrefix(signature, "sha256=")), "[]", false},
			{"cut", fields(stamp, signature[:len(signature)-2]), "[]", false},
			{"twice", http.Header{leak.TimestampField: {stamp}, leak.SharedField: {signature, signature}}, "[]", false},
		}
		for _, tt := range tests {
			err := s.Authenticate(t.Context(), tt.header, []byte(tt.body))
			if tt.ok != (err == nil) || err != nil && !errors.Is(err, leak.ErrSignature) {
				t.Errorf("%s: %v", tt.name, err)
			}
		}
		time.Sleep(5*time.Minute + time.Second) //nolint:forbidigo // of the test's own clock
		if err := s.Authenticate(t.Context(), fields(stamp, signature), body); err == nil {
			t.Error("a report is believed again later")
		}
	})
	for _, bad := range [][2]string{{"", strings.Repeat("s", 32)}, {"a b", strings.Repeat("s", 32)}, {"a", strings.Repeat("s", 31)}} {
		if _, err := leak.NewShared(bad[0], secret.New(bad[1])); err == nil {
			t.Errorf("the sender %q with a secret of %d bytes is taken", bad[0], len(bad[1]))
		}
	}
}

func TestSharedReportOverHTTP(t *testing.T) {
	shared, err := leak.NewShared("ci", secret.New(strings.Repeat("s", 32)))
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, leak.EndpointConfig{Sender: shared, Action: leak.Disable})
	server := httptest.NewServer(w)
	t.Cleanup(server.Close)
	record, key := issue(t, w.store, "wrd", "live")
	body := reports(key)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	stamp, signature := shared.Sign([]byte(body), time.Now())
	r.Header.Set(leak.TimestampField, stamp)
	r.Header.Set(leak.SharedField, signature)
	response, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != 200 || !strings.Contains(string(text), "true_positive") {
		t.Errorf("status %d: %s, %v", response.StatusCode, text, err)
	}
	if !state(t, w.store, record.ID).Disabled {
		t.Error("the key is not disabled")
	}
}

func TestNewEndpointReportsEverything(t *testing.T) {
	_, err := leak.NewEndpoint(leak.EndpointConfig{Action: "burn", Grace: time.Hour})
	for _, want := range []string{"Sender", "Verifier", "Store", `"burn"`, "Grace"} {
		if !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("error %v does not tell of %s", err, want)
		}
	}
}

// TestReportsThatDoNotEnd: whoever keeps connections with half a report each, which wants
// no signature, costs bounded memory, and keeps out nobody who sends a whole one.
func TestReportsThatDoNotEnd(t *testing.T) {
	p := publish(t, "k1")
	w := newWorld(t, leak.EndpointConfig{Sender: p.sender(t)})
	server := httptest.NewServer(w)
	defer server.Close()
	const most = 64
	halves := make([]net.Conn, most+10)
	for i := range halves {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\nExpect: 100-continue\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		halves[i] = conn
		if _, err := io.ReadFull(conn, make([]byte, len("HTTP/1.1 100 Continue\r\n\r\n"))); err != nil { // it is being read
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, "["); err != nil {
			t.Fatal(err)
		}
	}
	for i, conn := range halves[:10] {
		if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("half a report, number %d: %v, want 503", i, err)
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") == "" {
			t.Errorf("half a report, number %d: %s, want 503", i, response.Status)
		}
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, strings.NewReader("[]"))
	if err != nil {
		t.Fatal(err)
	}
	maps.Copy(r.Header, p.sign(t, "k1", "[]"))
	response, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("a whole report beside them: %s, want 200", response.Status)
	}
}
