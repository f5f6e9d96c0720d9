package client_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/warder-dev/warder/client"
	"github.com/warder-dev/warder/secret"
)

const token = "TOKENTOKENTOKENTOKEN"

// serve is a server with h, and its client.
func serve(t *testing.T, h http.HandlerFunc) *client.Client {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	c, err := client.New(client.Config{Server: server.URL, Token: secret.New(token), Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestNewRefuses(t *testing.T) {
	for name, cfg := range map[string]client.Config{
		"nothing":                  {},
		"plain http to elsewhere":  {Server: "http://192.0.2.1:8081", Token: secret.New(token)},
		"plain http to a name":     {Server: "http://keys.example.com", Token: secret.New(token)},
		"a name like localhost":    {Server: "http://localhost.example.com", Token: secret.New(token)},
		"a user in the URL":        {Server: "https://ada:x@keys.example.com", Token: secret.New(token)},
		"a path":                   {Server: "https://keys.example.com/api", Token: secret.New(token)},
		"another scheme":           {Server: "ftp://keys.example.com", Token: secret.New(token)},
		"no token":                 {Server: "https://keys.example.com"},
		"a token that ends a line": {Server: "https://keys.example.com", Token: secret.New("a\r\nX: y")},
		"too many tries":           {Server: "https://keys.example.com", Token: secret.New(token), Tries: 11},
	} {
		if c, err := client.New(cfg); err == nil || c != nil {
			t.Errorf("%s: New = %v, %v, want an error", name, c, err)
		} else if strings.Contains(err.Error(), "x@keys") || strings.Contains(err.Error(), token) {
			t.Errorf("%s: the error tells a secret: %v", name, err)
		}
	}
	for _, server := range []string{"https://keys.example.com", "https://keys.example.com/", "http://127.0.0.1:8081", "http://localhost:1", "http://[::1]:8081"} {
		if _, err := client.New(client.Config{Server: server, Token: secret.New(token)}); err != nil {
			t.Errorf("%s: %v", server, err)
		}
	}
}

func TestTheTextOfAKeyIsPrintedByNothing(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+token || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("sent with %v", r.Header)
		}
		w.Header().Set("ETag", `"7"`)
		_, _ = fmt.Fprint(w, `{"key":{"id":"a","scopes":[],"secrets":[]},"text":"canary"}`)
	})
	made, err := c.CreateKey(t.Context(), client.CreateKeyParams{}, client.KeySpec{Name: "ci"})
	if err != nil || made.Value.Text.Reveal() != "canary" || made.ETag != `"7"` {
		t.Fatalf("CreateKey = %v, %v", made, err)
	}
	text, err := json.Marshal(made.Value)
	if printed := fmt.Sprintf("%v %+v %#v %s %d", made, made, made, text, made.Value.Text); err != nil || strings.Contains(printed, "canary") {
		t.Errorf("printed as %s", printed)
	}
}

func TestTheTextOfAKeyGoesOut(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		var body map[string]any
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil || body["key"] != "canary" || body["method"] != "GET" || len(body) != 2 {
			t.Errorf("the server got %v, %v", body, err)
		}
		_, _ = fmt.Fprint(w, `{"valid":true,"code":"valid","status":200}`)
	})
	v, err := c.VerifyKey(t.Context(), client.Use{Key: client.NewText("canary"), Method: "GET"})
	if err != nil || !v.Value.Valid {
		t.Errorf("VerifyKey = %v, %v", v, err)
	}
}

func TestOnlyWhatMayBeRepeatedIs(t *testing.T) {
	var asked atomic.Int64
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) == 1 {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = fmt.Fprint(w, `{"type":"https://x/#unavailable","title":"t","status":503}`)
			return
		}
		_, _ = fmt.Fprint(w, `{"key":{"id":"a"}}`)
	})
	var p *client.Problem
	if _, err := c.CreateKey(t.Context(), client.CreateKeyParams{}, client.KeySpec{}); !errors.As(err, &p) || p.Kind() != "unavailable" || asked.Load() != 1 {
		t.Errorf("without an IdempotencyKey: %v after %d requests, want the problem after 1", err, asked.Load())
	}
	asked.Store(0)
	if _, err := c.CreateKey(t.Context(), client.CreateKeyParams{IdempotencyKey: "k"}, client.KeySpec{}); err != nil || asked.Load() != 2 {
		t.Errorf("with one: %v after %d requests, want 2", err, asked.Load())
	}
	asked.Store(0)
	if _, err := c.GetKey(t.Context(), "a/b?c"); err != nil || asked.Load() != 2 {
		t.Errorf("a GET: %v after %d requests, want 2", err, asked.Load())
	}
}

func TestNoRedirectIsFollowed(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/elsewhere" {
			t.Error("the token went elsewhere")
		}
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(http.StatusTemporaryRedirect)
	})
	var p *client.Problem
	if _, err := c.Whoami(t.Context()); !errors.As(err, &p) || p.Status != http.StatusTemporaryRedirect || p.Kind() != "" {
		t.Errorf("Whoami = %v, want a problem with the status", err)
	}
}

func TestWhatIsNoAnswerOfTheAPIIsNotRepeated(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"a page of a proxy": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadGateway)
			_, _ = fmt.Fprint(w, "<html>canary")
		},
		"a success without JSON": func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, "canary") },
		"a problem of another status": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusNotFound)
			_, _ = fmt.Fprint(w, `{"status":500,"title":"canary"}`)
		},
	} {
		if _, err := serve(t, h).Whoami(t.Context()); err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A wrong address is told from a wrong token, without sending the token again.
func TestIsAdminAPI(t *testing.T) {
	for name, tt := range map[string]struct {
		status int
		body   string
		want   bool
	}{
		"the API":             {200, `{"openapi":"3.1.0","info":{"title":"warder key service"}}`, true},
		"another API":         {200, `{"openapi":"3.1.0","info":{"title":"orders"}}`, false},
		"a page":              {200, `<html>`, false},
		"a gateway":           {401, `{"title":"warder key service"}`, false},
		"a refusal like that": {404, `{"info":{"title":"warder key service"}}`, false},
	} {
		c := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodGet || r.URL.Path != "/openapi.json" || r.Header.Get("Authorization") != "" {
				t.Errorf("%s: %s %s, Authorization %q", name, r.Method, r.URL.Path, r.Header.Get("Authorization"))
			}
			w.WriteHeader(tt.status)
			_, _ = w.Write([]byte(tt.body))
		})
		if got := c.IsAdminAPI(t.Context()); got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}
