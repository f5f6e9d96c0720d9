package server_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/wire"
	"github.com/warder-dev/warder/leak"
	"github.com/warder-dev/warder/secret"
)

// gitHub publishes a key over TLS, and signs with it.
func gitHub(t *testing.T) (keysURL, caFile string, sign func(body string) http.Header) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	document, err := json.Marshal(map[string]any{"public_keys": []any{map[string]any{
		"key_identifier": "k1", "key": string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), "is_current": true,
	}}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(document) }))
	t.Cleanup(server.Close)
	caFile = filepath.Join(t.TempDir(), "ca.pem")
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(caFile, ca, 0o600); err != nil {
		t.Fatal(err)
	}
	return server.URL + "/meta/public_keys/secret_scanning", caFile, func(body string) http.Header {
		sum := sha256.Sum256([]byte(body))
		signature, err := ecdsa.SignASN1(rand.Reader, key, sum[:])
		if err != nil {
			t.Fatal(err)
		}
		return http.Header{"Github-Public-Key-Identifier": {"k1"}, "Github-Public-Key-Signature": {base64.StdEncoding.EncodeToString(signature)}}
	}
}

// report sends body and returns the status and the answer.
func report(t *testing.T, p *program, path, body string, header http.Header) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+p.gateway+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	maps.Copy(r.Header, header)
	response := do(t, r)
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

func TestLeakedKeysAreReported(t *testing.T) {
	keysURL, caFile, sign := gitHub(t)
	shared := strings.Repeat("s", 40)
	secretFile := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secretFile, []byte(shared), 0o600); err != nil {
		t.Fatal(err)
	}
	upstream := wire.Listen(t, wire.Answer(wire.OK))
	p := start(t, upstream.URL(), settings{yaml: fmt.Sprintf(
		"leaks: {github: true, github_keys_url: %q, ca_file: %q, secret: 'file:%s', action: revoke}\nroutes: [{match: /, upstream: api}]\n", keysURL, caFile, secretFile)})
	spec := apikey.Spec{Environment: "live", Name: "k", Owner: "acme"}
	one := func(key string) string {
		return `[{"token":"` + key + `","type":"warder","url":"https://github.com/o/r/blob/main/.env","source":"content"}]`
	}

	record, key := p.create(t, spec)
	if status := p.get(t, "/", key).StatusCode; status != http.StatusOK {
		t.Fatalf("the key before: %d", status)
	}
	if status, _ := report(t, p, "/leaks/github", one(key), sign("[]")); status != http.StatusUnauthorized {
		t.Errorf("another body than was signed: %d, want 401", status)
	}
	if status, _ := report(t, p, "/leaks/github", one(guessed(key)), sign(one(guessed(key)))); status != http.StatusOK {
		t.Errorf("a guessed text: %d, want 200", status)
	}
	if status := p.get(t, "/", key).StatusCode; status != http.StatusOK {
		t.Errorf("after false reports the key gets %d, want 200", status)
	}
	for range 2 {
		status, answer := report(t, p, "/leaks/github", one(key), sign(one(key)))
		if status != http.StatusOK || !strings.Contains(answer, `"label":"true_positive"`) || strings.Contains(answer, key[21:]) {
			t.Errorf("the report: %d %s", status, answer)
		}
		if status := p.get(t, "/", key).StatusCode; status != http.StatusUnauthorized {
			t.Errorf("the reported key gets %d at once, want 401", status)
		}
	}
	after, err := p.keys.Lookup(t.Context(), record.ID)
	if err != nil || after.Reason != "key-compromise" {
		t.Errorf("revoked for %q (%v), want key-compromise", after.Reason, err)
	}

	_, second := p.create(t, spec)
	sender, err := leak.NewShared("report", secret.New(shared))
	if err != nil {
		t.Fatal(err)
	}
	stamp, signature := sender.Sign([]byte(one(second)), time.Now())
	header := http.Header{leak.TimestampField: {stamp}, leak.SharedField: {signature}}
	if status, answer := report(t, p, "/leaks/report", one(second), header); status != http.StatusOK || !strings.Contains(answer, "true_positive") {
		t.Errorf("the report of one's own scanner: %d %s", status, answer)
	}
	if status := p.get(t, "/", second).StatusCode; status != http.StatusUnauthorized {
		t.Errorf("the reported key gets %d, want 401", status)
	}
	if status, _ := report(t, p, "/leaks/github", one(second), header); status != http.StatusUnauthorized {
		t.Errorf("one's own scanner in the name of GitHub: %d, want 401", status)
	}
	response := do(t, newRequest(t, "http://"+p.admin+"/metrics"))
	metrics, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`warder_leaked_keys_total{action="revoke",sender="leak:github"} 1`, `warder_leaked_keys_total{action="alert",sender="leak:github"} 1`,
		`warder_leaked_keys_total{action="revoke",sender="leak:report"} 1`,
	} {
		if !strings.Contains(string(metrics), want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	if log := p.log(t); !strings.Contains(log, "a key was found where others can read it") || strings.Contains(log, key[21:]) {
		t.Error("the log does not tell of the leak, or holds the secret")
	}
}

func TestNobodyReportsLeaksUnasked(t *testing.T) {
	upstream := wire.Listen(t, wire.Answer(wire.OK))
	p := start(t, upstream.URL(), settings{})
	if status, _ := report(t, p, "/leaks/github", "[]", nil); status != http.StatusUnauthorized {
		t.Errorf("a report where none is taken: %d, want that of any path without a key", status)
	}
	if status := p.get(t, "/leaks/github", p.key).StatusCode; status != http.StatusOK {
		t.Errorf("the path is the upstream's then: %d", status)
	}
}

func TestHoneytokenAtTheGateway(t *testing.T) {
	attack.Case(t, "KEY-34", attack.Gateway, func(t *testing.T) {
		upstream := wire.Listen(t, wire.Answer(wire.OK))
		p := start(t, upstream.URL(), settings{yaml: "insecure_verbose: true\nroutes: [{match: /, upstream: api}]\n"})
		record, key := p.create(t, apikey.Spec{Environment: "live", Owner: "acme"})
		after := record
		after.Kind = apikey.KindHoneytoken
		revision, err := p.keys.Apply(t.Context(), apikey.Change{Actor: "system", Source: "test", Op: apikey.OpUpdate, At: time.Now(), Before: &record, After: &after})
		if err != nil {
			t.Fatal(err)
		}
		p.awaitNodes(t, revision)
		ask := func(key string) (answer, id string) {
			r := newRequest(t, "http://"+p.gateway+"/orders")
			r.Header.Set("X-API-Key", key)
			r.Header.Set("User-Agent", "thief/1.0")
			response := do(t, r)
			body, err := io.ReadAll(response.Body)
			if err != nil {
				t.Fatal(err)
			}
			id = response.Header.Get("X-Request-Id")
			response.Header.Del("Date")
			return strings.ReplaceAll(fmt.Sprint(response.StatusCode, response.Header, string(body)), id, "ID"), id
		}
		stranger := start(t, upstream.URL(), settings{})
		got, used := ask(key)
		want, unknown := ask(stranger.key)
		if got != want || !strings.HasPrefix(got, "401 ") {
			t.Errorf("a honeytoken is answered %s, an unknown key %s", got, want)
		}
		_, guess := ask(guessed(key))
		response := do(t, newRequest(t, "http://"+p.admin+"/metrics"))
		metrics, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(metrics), "\nwarder_honeytoken_uses_total 1\n") {
			t.Error("the metric does not count one use")
		}
		log := p.log(t)
		wantLine(t, log, "a honeytoken was used", used, logLine{
			"level": "WARN", "key_id": string(record.ID), "client": "127.0.0.1", "user_agent": "thief/1.0", "method": "GET", "route": "/",
		})
		for _, id := range []string{unknown, guess} {
			if lines := linesOf(t, log, "a honeytoken", id); len(lines) > 0 {
				t.Errorf("another key raises the alarm: %v", lines)
			}
		}
		if strings.Contains(log, key[21:]) {
			t.Error("the log holds the secret")
		}
	})
}
