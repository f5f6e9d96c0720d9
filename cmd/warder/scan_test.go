package main

import (
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
		through, admitted := counting(t, "http://"+s.admin)
		v1, id := through+"/v1", made.Value.Key.ID
		body := func(members map[string]any) string {
			text, err := json.Marshal(members)
			if err != nil {
				t.Fatal(err)
			}
			return string(text)
		}
		targets := []testscan.Target{
			{URL: v1 + "/keys?owner=acme&text=scanned&plan=free&cursor=a", Within: []string{"owner", "text", "plan", "cursor"}},
			{URL: v1 + "/keys/" + id + "*"},
			{URL: v1 + "/audit?actor=system&subject=" + id, Within: []string{"actor", "subject"}},
			{URL: v1 + "/usage?key=" + id + "&owner=acme", Within: []string{"key", "owner"}},
			{URL: v1 + "/keys:search", Body: body(map[string]any{"key": made.Value.Text.Reveal()})},
			{URL: v1 + "/keys:verify", Body: body(map[string]any{"key": made.Value.Text.Reveal()})},
		}
		var both sync.WaitGroup
		for half := range slices.Chunk(targets, 3) {
			both.Go(func() {
				for _, target := range half {
					target.Fields = fields
					if target.Body != "" {
						target.Method, target.Fields = http.MethodPost, append(slices.Clone(fields), "Content-Type: application/json")
					}
					if found := testscan.Sqlmap(t, target); len(found) != 0 {
						t.Errorf("sqlmap, %s: %q", target.URL, found)
					}
				}
			})
		}
		both.Wait()
		var addresses []string
		for _, target := range targets {
			if target.Body == "" {
				addresses = append(addresses, strings.TrimSuffix(target.URL, "*"))
			}
		}
		if found := testscan.Wapiti(t, fields, addresses...); len(found) != 0 {
			t.Errorf("wapiti: %q", found)
		}
		if got, err := c.GetKey(t.Context(), id); err != nil || got.Value.Key.Name != "scanned" || got.Value.Key.State != "active" {
			t.Errorf("the key is %+v afterwards (%v)", got.Value.Key, err)
		}
		if n := admitted(); n < 1000 {
			t.Errorf("only %d requests were answered with 2xx", n)
		}
	})
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
		Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(to) },
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
