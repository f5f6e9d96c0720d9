package server_test

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/wire"
	"github.com/warder-dev/warder/session"
)

// streamRoutes has a route for each way to prove oneself to a stream.
const streamRoutes = `
hosts: [localhost, 127.0.0.1, app.example.com]
schemes:
  downloadKey: {key: {in: query}}
  token: {jwt: {issuers: [{issuer: "https://issuer.example", audience: [api], jwks_file: "%s"}]}}
routes:
  - {match: "/header", upstream: api, scopes: ["orders:read"]}
  - {match: "/query", upstream: api, security: [{downloadKey: []}]}
  - {match: "/token", upstream: api, security: [{token: []}]}
  - {match: "/open", upstream: api, public: true}
`

// streaming answers each request with a stream of the kind that its query asks for.
func streaming(c *wire.Conn) {
	head, err := c.Head()
	if err != nil {
		return
	}
	switch {
	case strings.Contains(head, "kind=websocket"):
		c.Say("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nfirst")
	case strings.Contains(head, "kind=events"):
		c.Say("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
	default:
		c.Say("HTTP/1.1 200 OK\r\nContent-Type: application/grpc+proto\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
	}
	c.Drain() // until warder closes
}

// kinds are the streams that clients open.
func kinds() []string { return []string{"websocket", "events", "grpc"} }

// open opens a stream and reads its beginning.
func (p *program) open(t *testing.T, kind, path, fields string) *wire.Client {
	t.Helper()
	c := wire.Dial(t, p.gateway)
	separator := "?"
	if strings.Contains(path, "?") {
		separator = "&"
	}
	upgrade := ""
	if kind == "websocket" {
		upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	}
	c.Send("GET " + path + separator + "kind=" + kind + " HTTP/1.1\r\nHost: app.example.com\r\n" + fields + upgrade + "\r\n")
	var text strings.Builder
	for one := make([]byte, 1); !strings.Contains(text.String(), "first"); {
		if _, err := io.ReadFull(c.Reader, one); err != nil {
			t.Fatalf("a stream of %s did not open: %v after %q", kind, err, text.String())
		}
		text.Write(one)
	}
	return c
}

// ends reports whether the stream ends within patience.
func ends(t *testing.T, c *wire.Client) bool {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	_, closed := c.Rest()
	return closed
}

// lives reports that the stream was closed, which nobody had a reason to.
func lives(t *testing.T, c *wire.Client) {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, closed := c.Rest(); closed {
		t.Error("a stream was closed whose sender had lost nothing")
	}
}

// issuerOf writes an issuer's keys, and returns the file and what signs a token
// that ends then, with more claims.
func issuerOf(t *testing.T) (file string, sign func(expires time.Time, more ...map[string]any) string) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	file = filepath.Join(t.TempDir(), "keys.json")
	keys := fmt.Sprintf(`{"keys":[{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","use":"sig","kid":"1","x":%q}]}`, encode(public))
	if err := os.WriteFile(file, []byte(keys), 0o600); err != nil {
		t.Fatal(err)
	}
	return file, func(expires time.Time, more ...map[string]any) string {
		all := map[string]any{"iss": "https://issuer.example", "aud": "api", "sub": "ada", "exp": expires.Unix()}
		for _, one := range more {
			maps.Copy(all, one)
		}
		claims, err := json.Marshal(all)
		if err != nil {
			t.Fatal(err)
		}
		text := encode([]byte(`{"alg":"EdDSA","kid":"1"}`)) + "." + encode(claims)
		return text + "." + encode(ed25519.Sign(private, []byte(text)))
	}
}

// change writes what mend makes of a key, and returns the revision of that.
func (p *program) change(t *testing.T, id apikey.ID, op apikey.Op, mend func(*apikey.Record)) apikey.Revision {
	t.Helper()
	before, err := p.keys.Lookup(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	c := apikey.Change{Actor: "system", Source: "test", Op: op, At: time.Now(), Before: &before}
	if mend != nil {
		after := before
		mend(&after)
		c.After = &after
	}
	revision, err := p.keys.Apply(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return revision
}

// TestStreamsEndWithTheirRights opens streams of each kind, takes the right to them
// away in each way, and looks who is cut.
func TestStreamsEndWithTheirRights(t *testing.T) {
	t.Parallel() // it waits for each change to be told
	upstream := wire.Listen(t, streaming)
	keys, sign := issuerOf(t)
	p := start(t, upstream.URL(), settings{yaml: fmt.Sprintf(streamRoutes, keys)})
	ended := make(map[apikey.ID]string) // why the streams of keys did
	for name, tt := range map[string]struct {
		op     apikey.Op
		change func(*apikey.Record)
		reason string
	}{
		"revoked":   {apikey.OpRevoke, func(r *apikey.Record) { r.Revoked, r.Reason = time.Now(), "key-compromise" }, "stream-revoked"},
		"disabled":  {apikey.OpDisable, func(r *apikey.Record) { r.Disabled = true }, "stream-disabled"},
		"expired":   {apikey.OpUpdate, func(r *apikey.Record) { r.Expires = time.Now().Add(time.Second) }, "stream-expired"},
		"lost":      {apikey.OpUpdate, func(r *apikey.Record) { r.Scopes = []string{"other:read"} }, "stream-insufficient-scope"},
		"deleted":   {apikey.OpDelete, nil, "stream-unknown"},
		"the query": {apikey.OpDisable, func(r *apikey.Record) { r.Disabled = true }, "stream-disabled"},
	} {
		attack.Case(t, "KEY-37", attack.Gateway, func(t *testing.T) {
			record, key := p.create(t, apikey.Spec{Environment: "live", Scopes: []string{"orders:*"}})
			ended[record.ID] = tt.reason
			path, fields := "/header", "X-API-Key: "+key+"\r\n"
			if name == "the query" {
				path, fields = "/query?api_key="+key, ""
			}
			var streams []*wire.Client
			for _, kind := range kinds() {
				streams = append(streams, p.open(t, kind, path, fields))
			}
			other := p.open(t, "events", "/header", "X-API-Key: "+p.key+"\r\n")
			p.change(t, record.ID, tt.op, tt.change)
			for i, c := range streams {
				if !ends(t, c) {
					t.Errorf("%s: a stream of %s goes on", name, kinds()[i])
				}
			}
			lives(t, other)
			closeAll(t, other.Close)
		})
	}
	attack.Case(t, "KEY-37", attack.Gateway, func(t *testing.T) {
		// A token is believed for half a minute more, for clocks that differ.
		short := p.open(t, "events", "/token", "Authorization: Bearer "+sign(time.Now().Add(-27*time.Second))+"\r\n")
		long := p.open(t, "events", "/token", "Authorization: Bearer "+sign(time.Now().Add(time.Hour))+"\r\n")
		if !ends(t, short) {
			t.Error("a stream goes on after its token has expired")
		}
		lives(t, long)
		closeAll(t, long.Close)
	})
	public := p.open(t, "websocket", "/open", "")
	lives(t, public)
	closeAll(t, public.Close) // else the stop would wait for it
	log := p.log(t)
	for id, reason := range ended {
		wantReasons(t, log, string(id), len(kinds()), reason)
	}
	if n := strings.Count(log, `"reason":"stream-expired"`); n != len(kinds())+1 {
		t.Errorf("%d streams have expired, want those of a key and the one of a token", n)
	}
}

// TestAStreamThatIsOnlySentEnds: a call that sends for a long time, and has no answer
// before its end, is a stream too. Its client hears of the end as the upstream does, and
// not when its body has been silent for too long: that is longer than anybody waits here.
func TestAStreamThatIsOnlySentEnds(t *testing.T) {
	t.Parallel() // it waits for each change to be told
	secure, trust := overTLS(t)
	for name, tt := range map[string]struct {
		yaml   string
		upload func(t *testing.T, p *program, key string) (ended <-chan struct{})
	}{
		"HTTP/1.1": {"", uploadPlainly},
		"HTTP/2": {secure, func(t *testing.T, p *program, key string) <-chan struct{} {
			t.Helper()
			return uploadBy(t, "https://"+p.gateway, key, &http.Transport{TLSClientConfig: trust, Protocols: protocols((*http.Protocols).SetHTTP2)})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			arrived, gone := make(chan struct{}, 1), make(chan struct{})
			upstream := wire.Listen(t, func(c *wire.Conn) {
				if _, err := c.Head(); err != nil {
					return
				}
				arrived <- struct{}{}
				c.Drain() // without a word
				close(gone)
			})
			p := start(t, upstream.URL(), settings{yaml: tt.yaml + fmt.Sprintf("timeouts: {body_idle: %v}\nroutes: [{match: \"/\", upstream: api}]\n", 10*patience)})
			attack.Case(t, "KEY-37", attack.Gateway, func(t *testing.T) {
				record, key := p.create(t, apikey.Spec{Environment: "live"})
				ended := tt.upload(t, p, key)
				if !within(arrived) {
					t.Fatal("the upstream was not asked")
				}
				p.change(t, record.ID, apikey.OpRevoke, func(r *apikey.Record) { r.Revoked, r.Reason = time.Now(), "key-compromise" })
				if !within(gone) {
					t.Error("the upstream is sent more")
				}
				if !within(ended) {
					t.Error("the client is not told")
				}
			})
			p.logged(t, `"stream-revoked"`, 1)
		})
	}
}

// within reports whether something comes, or the channel is closed, within patience.
func within(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	case <-time.After(patience):
		return false
	}
}

// protocols is the one that set sets.
func protocols(set func(*http.Protocols, bool)) *http.Protocols {
	p := new(http.Protocols)
	set(p, true)
	return p
}

// uploadPlainly begins to send a body, and sends no more of it. ended is closed with
// the connection.
func uploadPlainly(t *testing.T, p *program, key string) <-chan struct{} {
	t.Helper()
	c := wire.Dial(t, p.gateway)
	c.Send("POST /upload HTTP/1.1\r\nHost: localhost\r\nX-API-Key: " + key + "\r\nContent-Type: application/grpc\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
	if err := c.SetReadDeadline(time.Now().Add(2 * patience)); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		if _, closed := c.Rest(); closed {
			close(ended)
		}
	}()
	return ended
}

// uploadBy is the same by a transport of HTTP/2, which wants the status of gRPC.
func uploadBy(t *testing.T, base, key string, transport *http.Transport) <-chan struct{} {
	t.Helper()
	body, rest := io.Pipe()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/upload", body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-API-Key", key)
	r.Header.Set("Content-Type", "application/grpc")
	ended := make(chan struct{})
	go func() {
		if answer, err := transport.RoundTrip(r); err != nil || answer.Header.Get("Grpc-Status") != "16" {
			t.Errorf("the client got %v, %v, want that its call is UNAUTHENTICATED", answer, err)
		} else {
			_ = answer.Body.Close()
		}
		close(ended)
	}()
	t.Cleanup(func() { _ = rest.Close(); <-ended; transport.CloseIdleConnections() })
	if _, err := io.WriteString(rest, "first"); err != nil {
		t.Fatal(err)
	}
	return ended
}

// TestStreamsEndWithTheirSession logs somebody out who has streams open.
func TestStreamsEndWithTheirSession(t *testing.T) {
	upstream := wire.Listen(t, streaming)
	r := shootingRange{start(t, upstream.URL(), settings{yaml: loginSettings(t, "")}), upstream}
	attack.Case(t, "KEY-37", attack.Gateway, func(t *testing.T) {
		ada, _ := r.login(t, "ada", ownPage)
		bob, _ := r.login(t, "bob", ownPage)
		var streams []*wire.Client
		for _, kind := range kinds() {
			streams = append(streams, r.open(t, kind, "/", ada+ownPage))
		}
		other := r.open(t, "events", "/", bob+ownPage)
		if w, _ := r.send(t, "POST /auth/logout", ada+ownPage, ""); w.StatusCode != http.StatusSeeOther {
			t.Fatalf("the logout: %d", w.StatusCode)
		}
		for i, c := range streams {
			if !ends(t, c) {
				t.Errorf("a stream of %s goes on after the logout", kinds()[i])
			}
		}
		lives(t, other)
		closeAll(t, other.Close)
	})
	r.wantStreams(t, "stream-unknown", len(kinds())) // a session that is over is forgotten
}

// wantStreams wants so many streams of sessions in the log that ended for a reason.
func (p *program) wantStreams(t *testing.T, reason string, n int) {
	t.Helper()
	if log := p.log(t); strings.Count(log, `"reason":"`+reason+`"`) != n {
		t.Errorf("%d streams ended for %s, want %d:\n%.3000s", strings.Count(log, `"reason":"`+reason+`"`), reason, n, log)
	}
}

// shortened makes sessions that end soon, which no configuration can.
type shortened struct {
	session.Store

	shorten func(*session.Record)
}

func (s shortened) Create(ctx context.Context, r session.Record) error {
	s.shorten(&r)
	return s.Store.Create(ctx, r)
}

// TestStreamsEndWhenTheirSessionExpires: nobody has to do anything for it, and an open
// stream is no use of its session.
func TestStreamsEndWhenTheirSessionExpires(t *testing.T) {
	t.Parallel() // it waits for time to pass
	const soon = 2 * time.Second
	for reason, shorten := range map[string]func(*session.Record){
		"stream-expired": func(r *session.Record) { r.Expires = r.Created.Add(soon); r.IdleExpires = r.Expires },
		"stream-idle":    func(r *session.Record) { r.IdleExpires = r.LastUsed.Add(soon) },
	} {
		t.Run(reason, func(t *testing.T) {
			t.Parallel()
			upstream := wire.Listen(t, streaming)
			r := shootingRange{start(t, upstream.URL(), settings{
				yaml: loginSettings(t, ""), sessions: func(s session.Store) session.Store { return shortened{s, shorten} },
			}), upstream}
			attack.Case(t, "KEY-37", attack.Gateway, func(t *testing.T) {
				ada, _ := r.login(t, "ada", ownPage)
				var streams []*wire.Client
				for _, kind := range kinds() {
					streams = append(streams, r.open(t, kind, "/", ada+ownPage))
				}
				for i, c := range streams {
					if !ends(t, c) {
						t.Errorf("a stream of %s goes on after its session", kinds()[i])
					}
				}
				if w, _ := r.send(t, "GET /", ada, ""); w.StatusCode != http.StatusUnauthorized {
					t.Errorf("the session gets %d, want 401", w.StatusCode)
				}
			})
			r.wantStreams(t, reason, len(kinds()))
		})
	}
}

// A stream lasts no longer than the configuration lets it, whoever opened it.
func TestStreamsGrowTooOld(t *testing.T) {
	upstream := wire.Listen(t, streaming)
	p := start(t, upstream.URL(), settings{yaml: "timeouts: {stream: 1s}\nroutes: [{match: \"/\", upstream: api, public: true}]\n"})
	attack.Case(t, "KEY-37", attack.Gateway, func(t *testing.T) {
		for _, kind := range kinds() {
			if c := p.open(t, kind, "/", ""); !ends(t, c) {
				t.Errorf("a stream of %s outlasts its time", kind)
			}
		}
	})
	if log := p.log(t); strings.Count(log, `"stream-too-old"`) != len(kinds()) {
		t.Errorf("the log does not say stream-too-old for each")
	}
}
