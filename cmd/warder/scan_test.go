package main

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/warder-dev/warder/client"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/testscan"
	"github.com/warder-dev/warder/internal/wire"
)

// TestWhatScannersFindInTheAdminAPI has sqlmap and wapiti attack each text that the
// admin API takes, with the rights of an owner, and looks at the keys afterwards.
func TestWhatScannersFindInTheAdminAPI(t *testing.T) {
	attack.Case(t, "SQL-04", attack.Admin, func(t *testing.T) {
		upstream := wire.Listen(t, wire.Answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
		s := startServed(t, upstream.URL())
		c := s.api(t)
		made, err := c.CreateKey(t.Context(), client.CreateKeyParams{IdempotencyKey: rand.Text()}, client.KeySpec{Name: "scanned", Owner: "acme"})
		if err != nil {
			t.Fatal(err)
		}
		token, err := readAdminToken(filepath.Join(s.folder, "warder.db.admin"))
		if err != nil {
			t.Fatal(err)
		}
		fields := []string{"Authorization: Bearer " + token.Reveal()}
		changed, err := c.CreateKey(t.Context(), client.CreateKeyParams{IdempotencyKey: rand.Text()}, client.KeySpec{Name: "changed"})
		if err != nil {
			t.Fatal(err)
		}
		person, err := c.CreatePerson(t.Context(), client.CreatePersonParams{IdempotencyKey: rand.Text()}, client.PersonSpec{Name: "ada", Role: "auditor", Anywhere: true})
		if err != nil {
			t.Fatal(err)
		}
		id, text := made.Value.Key.ID, made.Value.Text.Reveal()
		targets := []scanned{
			{path: "/keys?owner=acme&text=scanned&plan=free", within: []string{"owner", "text", "plan"}, quick: true},
			{path: "/keys?cursor=a", within: []string{"cursor"}, refused: true}, // it is signed
			{path: "/keys/" + id + "*", least: 1},
			{path: "/audit?actor=system&subject=" + id, within: []string{"actor", "subject"}},
			{path: "/usage?key=" + id + "&owner=acme", within: []string{"key", "owner"}, least: 1, quick: true},
			{path: "/keys:search", within: []string{"text"}, least: 1, body: map[string]any{"text": text}},
			{path: "/keys:verify", body: map[string]any{"key": text}},
			{path: "/keys", body: map[string]any{"name": "a", "owner": "b", "metadata": map[string]string{"note": "c"}}, within: []string{"name"}},
			{path: "/keys/" + changed.Value.Key.ID, method: http.MethodPatch, body: map[string]any{"name": "a", "owner": "b", "metadata": map[string]string{"note": "c"}}, within: []string{"owner", "note"}},
			{path: "/people/" + person.Value.Person.ID, method: http.MethodPatch, body: map[string]any{"email": "ada@example.com"}, within: []string{"email"}, least: 1},
		}
		var wait sync.WaitGroup
		for _, some := range [][]scanned{targets[:6], targets[6:]} {
			wait.Go(func() {
				for i := range some {
					some[i].scan(t, "http://"+s.admin, fields)
				}
			})
		}
		wait.Wait()
		var addresses []string
		through, admitted := counting(t, "http://"+s.admin)
		for _, target := range targets {
			if target.body == nil && !target.refused {
				addresses = append(addresses, through+"/v1"+strings.TrimSuffix(target.path, "*"))
			}
		}
		if found := testscan.Wapiti(t, fields, addresses...); len(found) != 0 || admitted() == 0 {
			t.Errorf("wapiti: %q, and %d requests were answered with 2xx", found, admitted())
		}
		if got, err := c.GetKey(t.Context(), id); err != nil || got.Value.Key.Name != "scanned" || got.Value.Key.State != "active" {
			t.Errorf("the key is %+v afterwards (%v)", got.Value.Key, err)
		}
	})
}

// A scanned operation is one that sqlmap attacks.
type scanned struct {
	method  string // POST if empty and there is a body
	path    string // below /v1
	within  []string
	body    map[string]any // a flat one, or none
	refused bool           // whatever is sent there is refused
	least   int64          // of the requests have to be answered with 2xx; 0 for 5
	quick   bool           // to be tried as bodies are
}

// scan has sqlmap attack the operation, and wants it to have come through. Of bodies
// it tries what is seen in an answer: to wait for an answer that is late takes minutes.
func (o *scanned) scan(t *testing.T, origin string, fields []string) {
	t.Helper()
	through, admitted := counting(t, origin)
	target := testscan.Target{URL: through + "/v1" + o.path, Within: o.within, Fields: fields, Method: o.method}
	if o.quick {
		target.Techniques = "BEU"
	}
	if o.body != nil {
		text, err := json.Marshal(o.body)
		if err != nil {
			t.Error(err)
			return
		}
		target.Body, target.Method, target.Techniques = string(text), cmp.Or(o.method, http.MethodPost), "BEU"
		target.Fields = append(slices.Clone(fields), "Content-Type: application/json")
	}
	began := time.Now()
	if found := testscan.Sqlmap(t, target); len(found) != 0 {
		t.Errorf("sqlmap, %s: %q", o.path, found)
	}
	n := admitted()
	t.Logf("%s: %d requests were answered with 2xx, in %v", o.path, n, time.Since(began))
	if n < cmp.Or(o.least, 5) && !o.refused {
		t.Errorf("%s: only %d requests were answered with 2xx", o.path, n)
	}
}

// counting returns the address of a proxy to an origin, and how many requests the
// origin answered with success.
func counting(t *testing.T, origin string) (address string, admitted func() int64) {
	t.Helper()
	to, err := url.Parse(origin)
	if err != nil {
		t.Fatal(err)
	}
	var n atomic.Int64
	server := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(to)
			if p.In.Method == http.MethodPatch {
				p.Out.Header.Set("If-Match", "*") // to sqlmap the star is a place to try
			}
		},
		ModifyResponse: func(r *http.Response) error {
			if r.StatusCode/100 == 2 {
				n.Add(1)
			}
			return nil
		},
	})
	t.Cleanup(server.Close)
	return server.URL, n.Load
}
