package server_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/account/login"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/wire"
	"github.com/warder-dev/warder/secret"
)

// A viewer watches decisions over a connection of its own.
type viewer struct {
	net.Conn

	answer *http.Response
	lines  *bufio.Reader
}

// watch begins to watch with the field, such as "Authorization: Bearer ...". It may be
// called by many at once: what is wrong is returned.
func (p *program) watch(field string) (*viewer, error) {
	c, err := net.Dial("tcp", p.admin)
	if err != nil {
		return nil, err
	}
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	if field != "" {
		field += "\r\n"
	}
	if _, err := io.WriteString(c, "GET /v1/decisions:watch HTTP/1.1\r\nHost: "+p.admin+"\r\n"+field+"\r\n"); err != nil {
		return nil, err
	}
	answer, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return nil, err
	}
	return &viewer{c, answer, bufio.NewReader(answer.Body)}, nil
}

// viewer begins to watch, and wants to be let.
func (p *program) viewer(t *testing.T, field string) *viewer {
	t.Helper()
	v, err := p.watch(field)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = v.Close() })
	if v.answer.StatusCode != http.StatusOK {
		t.Fatalf("status %d", v.answer.StatusCode)
	}
	return v
}

// sees reads until a line has the text.
func (v *viewer) sees(text string) error {
	for {
		line, err := v.lines.ReadString('\n')
		if err != nil {
			return fmt.Errorf("there was no %q: %w", text, err)
		}
		if strings.Contains(line, text) {
			return nil
		}
	}
}

// rest is what comes until the end.
func (v *viewer) rest() (string, error) {
	text, err := io.ReadAll(v.lines)
	return string(text), err
}

const watchToken = "Authorization: Bearer " + hostileToken

// TestAThousandViewers try to watch at once: as many do as may, requests wait for none
// of them, and none is shown what must not be seen.
func TestAThousandViewers(t *testing.T) {
	const tries, most = 1000, 900
	upstream := wire.Listen(t, leaky)
	p := start(t, upstream.URL(), settings{
		token: secret.New(hostileToken),
		yaml:  fmt.Sprintf("limits: {viewers: %d, viewers_each: %[1]d}\nlog: {path: masked, level: debug}\nroutes: [{match: \"/\", upstream: api}]\n", most),
	})
	attack.Case(t, "UI-10", attack.Admin, func(t *testing.T) {
		for name, field := range map[string]string{
			"nobody": "", "a data key": "X-API-Key: " + p.key, "a data key as a token": "Authorization: Bearer " + p.key,
			"a session that is none": "Cookie: " + login.Cookie + "=" + strings.Repeat("A", 43),
		} {
			if v, err := p.watch(field); err != nil || v.answer.StatusCode != http.StatusUnauthorized {
				t.Errorf("%s: %+v (%v), want 401", name, v, err)
			}
		}
	})
	var mu sync.Mutex
	var watching []*viewer
	t.Cleanup(func() {
		for _, v := range watching {
			_ = v.Close()
		}
	})
	attack.Case(t, "UI-10", attack.Admin, func(t *testing.T) {
		statuses := map[int]int{}
		var tried sync.WaitGroup
		for range tries {
			tried.Go(func() {
				v, err := p.watch(watchToken)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					t.Error(err)
					return
				}
				if statuses[v.answer.StatusCode]++; v.answer.StatusCode == http.StatusOK {
					watching = append(watching, v)
					return
				}
				_ = v.Close()
			})
		}
		tried.Wait()
		if statuses[http.StatusOK] != most || statuses[http.StatusTooManyRequests] != tries-most {
			t.Fatalf("statuses %v, want %d that watch and 429 for the rest", statuses, most)
		}
		if got := p.metric(t, "warder_tail_viewers"); got != fmt.Sprint(most) {
			t.Errorf("warder_tail_viewers is %s, want %d", got, most)
		}
		if got := p.get(t, "/everybody-sees-it", p.key).StatusCode; got != http.StatusOK {
			t.Errorf("a request that is watched: %d", got)
		}
		for _, v := range watching {
			if err := v.sees(`"path":"/everybody-sees-it"`); err != nil {
				t.Fatal(err)
			}
			if v != watching[0] {
				_ = v.Close()
			}
		}
		eventually(t, func() (struct{}, bool) { return struct{}{}, p.metric(t, "warder_tail_viewers") == "1" })
	})
	attack.Case(t, "UI-10", attack.Admin, func(t *testing.T) {
		for _, text := range canaryRequests() {
			c := wire.Dial(t, p.gateway)
			c.Send(strings.ReplaceAll(text, "{K}", "X-API-Key: "+p.key+"\r\n"))
			method, _, _ := strings.Cut(text, " ")
			_, _ = c.Response(method)
			_ = c.Close()
		}
		log := p.log(t) // the program stops, and with it the stream
		text, err := watching[0].rest()
		if err != nil {
			t.Errorf("the stream broke off: %v", err)
		}
		wantNone(t, "the live tail", text)
		if strings.Contains(text, p.key) {
			t.Error("the live tail shows the key")
		}
		told, logged := strings.Count(text, "event: decision\n"), strings.Count(log, `"msg":"request"`)-1
		if told != logged || told < 20 {
			t.Errorf("%d decisions were told, want the %d that were logged", told, logged)
		}
	})
}

// Who watches is cut off when the right to it is gone, and nobody else is.
func TestWatchingEndsWithTheRightToIt(t *testing.T) {
	t.Parallel() // it waits for each change to be seen
	upstream := wire.Listen(t, wire.Answer(wire.OK))
	p := start(t, upstream.URL(), settings{token: secret.New(hostileToken)})
	operator := account.Actor{By: "user:root", Source: "cli", Operator: true}
	people, err := account.New(account.Config{Store: p.accounts, Hash: login.Hash, Sealer: p.peppers})
	if err != nil {
		t.Fatal(err)
	}
	changes := map[string]func(id account.ID) error{
		"disabled": func(id account.ID) error { _, err := people.Disable(t.Context(), operator, id, 0); return err },
		"removed":  func(id account.ID) error { _, err := people.Remove(t.Context(), operator, id, 0); return err },
		"demoted": func(id account.ID) error {
			_, err := people.SetRole(t.Context(), operator, id, 0, account.Auditor)
			return err
		},
	}
	viewers := map[string]*viewer{}
	cookies := map[string]string{}
	for _, name := range []string{"disabled", "removed", "demoted", "out"} {
		cookies[name] = p.settled(t, people, name, account.Developer)
		viewers[name] = p.viewer(t, "Sec-Fetch-Site: same-origin\r\nCookie: "+login.Cookie+"="+cookies[name])
	}
	key, text := p.adminKey(t, operator, account.Auditor, "")
	viewers["revoked"] = p.viewer(t, "Authorization: Bearer "+text)
	_, own := p.adminKey(t, operator, account.Developer, "acme") // whose the program's key is
	_, others := p.adminKey(t, operator, account.Developer, "globex")
	stay := []*viewer{p.viewer(t, watchToken), p.viewer(t, "Authorization: Bearer "+own)}
	blind := p.viewer(t, "Authorization: Bearer "+others)

	attack.Case(t, "UI-10", attack.Admin, func(t *testing.T) {
		page, err := p.accounts.List(t.Context(), "", 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range page {
			if change := changes[a.Name]; change != nil {
				if err := change(a.ID); err != nil {
					t.Fatalf("%s: %v", a.Name, err)
				}
			}
		}
		if status, text := p.asOwn(t, http.MethodPost, "/v1/account/logout", "", "Cookie", login.Cookie+"="+cookies["out"]); status != http.StatusNoContent {
			t.Fatalf("logout: %d %s", status, text)
		}
		if status, text := p.askAdmin(t, hostileToken, http.MethodPost, "/v1/adminKeys/"+key.ID+":revoke", map[string]any{}); status != http.StatusOK {
			t.Fatalf("revoke: %d %s", status, text)
		}
		for name, v := range viewers {
			if _, err := v.rest(); err != nil {
				t.Errorf("who was %s goes on to watch: %v", name, err)
			}
		}
		if got := p.get(t, "/seen", p.key).StatusCode; got != http.StatusOK {
			t.Fatalf("status %d", got)
		}
		for _, v := range stay {
			if err := v.sees(`"path":"/seen"`); err != nil {
				t.Errorf("who lost nothing: %v", err)
			}
		}
	})
	log := p.log(t)
	if got := strings.Count(log, `"somebody who watched decisions may not any more"`); got != len(viewers) {
		t.Errorf("the log tells of %d who were cut off, want %d", got, len(viewers))
	}
	if text, err := blind.rest(); err != nil || strings.Contains(text, "/seen") {
		t.Errorf("who is bound to another owner reads %q (%v)", text, err)
	}
}
