package portallink_test

import (
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/warder-dev/warder/audit"
	"github.com/warder-dev/warder/internal/portallink"
	"github.com/warder-dev/warder/internal/portallink/portallinktest"
	"github.com/warder-dev/warder/secret"
)

func TestMemory(t *testing.T) {
	portallinktest.TestStore(t, func(*testing.T) portallinktest.Fresh {
		var mu sync.Mutex
		var all []audit.Event
		m := &portallink.Memory{Told: func(e audit.Event) {
			mu.Lock()
			defer mu.Unlock()
			all = append(all, e)
		}}
		return portallinktest.Fresh{Store: m, Entries: func(_ *testing.T, subject string) (some []audit.Event) {
			mu.Lock()
			defer mu.Unlock()
			for _, e := range all {
				if e.Subject == subject {
					some = append(some, e)
				}
			}
			return some
		}}
	})
}

func newPass(t *testing.T, spec portallink.Spec) (portallink.Pass, secret.Text) {
	t.Helper()
	if spec.Maker == "" {
		spec.Maker = "account:a"
	}
	p, text, err := portallink.New(spec, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return p, text
}

func TestOpens(t *testing.T) {
	p, text := newPass(t, portallink.Spec{Owner: "acme"})
	_, other := newPass(t, portallink.Spec{Owner: "acme"})
	plain, now := text.Reveal(), time.Now()
	if !p.Opens(text, now) || p.Open(now) {
		t.Fatal("the link does not open what it is for, or it is open already")
	}
	last := plain[len(plain)-1:]
	altered := plain[:len(plain)-1] + map[bool]string{true: "B", false: "A"}[last == "A"]
	for name, one := range map[string]string{
		"another's": other.Reveal(), "another's drawn part": plain[:21] + other.Reveal()[21:], "altered": altered, "lower case": strings.ToLower(plain), "nothing": "",
	} {
		if p.Opens(secret.New(one), now) {
			t.Errorf("%s opens it", name)
		}
	}
	moved := p
	moved.Owner = "other"
	used := p
	used.Used = now
	ended := p
	ended.Ended = now
	for name, one := range map[string]portallink.Pass{"moved to another owner": moved, "used": used, "ended": ended} {
		if one.Opens(text, now) {
			t.Errorf("a link that was %s opens", name)
		}
	}
	if p.Opens(text, p.Expires) {
		t.Error("a link opens at its end")
	}
}

func TestHolds(t *testing.T) {
	p, link := newPass(t, portallink.Spec{Owner: "acme"})
	now := time.Now()
	session, sum := p.NewSession()
	p.Used, p.Session, p.SessionExpires = now, sum, now.Add(p.Life)
	if !p.Holds(session, now) || p.Holds(link, now) || p.Holds(session, p.SessionExpires) {
		t.Error("a session holds with its own text, and until its end")
	}
	again, _ := p.NewSession()
	if p.Holds(again, now) {
		t.Error("another text holds")
	}
	p.Ended = now
	if p.Holds(session, now) {
		t.Error("an ended session holds")
	}
}

func TestSpecs(t *testing.T) {
	create := func(c portallink.Create) portallink.Spec {
		return portallink.Spec{Owner: "a", Grant: portallink.Grant{Create: &c}}
	}
	for name, spec := range map[string]portallink.Spec{
		"owner":              {},
		"owner ":             {Owner: "a\x00"},
		"owner  ":            {Owner: strings.Repeat("a", 129)},
		"life":               {Owner: "a", Life: time.Second},
		"life ":              {Owner: "a", Life: 25 * time.Hour},
		"session":            {Owner: "a", Session: 13 * time.Hour},
		"return":             {Owner: "a", Return: "javascript:alert(1)"},
		"return ":            {Owner: "a", Return: "//evil.test"},
		"return  ":           {Owner: "a", Return: "https://user@evil.test/"},
		"return   ":          {Owner: "a", Return: `https://evil.test\@app.test/`},
		"create.keys":        create(portallink.Create{Environment: "live"}),
		"create.keys ":       create(portallink.Create{Environment: "live", Keys: 101}),
		"create.environment": create(portallink.Create{Keys: 1}),
		"create.max_ttl":     create(portallink.Create{Environment: "live", Keys: 1, MaxTTL: time.Second}),
		"create.scopes[1]":   create(portallink.Create{Environment: "live", Keys: 1, Scopes: []string{"a", "a"}}),
		"create.scopes[0]":   create(portallink.Create{Environment: "live", Keys: 1, Scopes: []string{"a b"}}),
	} {
		spec.Maker = "account:a"
		_, _, err := portallink.New(spec, time.Now())
		field, ok := errors.AsType[*portallink.FieldError](err)
		if want := strings.TrimSpace(name); !ok || field.Field != want {
			t.Errorf("%s: %v, want a fault of it", want, err)
		}
	}
	p, _ := newPass(t, portallink.Spec{Owner: "a"})
	if p.Expires.Sub(p.Created) != portallink.DefaultLife || p.Life != portallink.DefaultSession {
		t.Errorf("by default the link lasts %v and its session %v", p.Expires.Sub(p.Created), p.Life)
	}
}

// What the audit is told has neither a text nor a digest of one.
func TestSeen(t *testing.T) {
	p, text := newPass(t, portallink.Spec{Owner: "acme"})
	_, sum := p.NewSession()
	p.Session = sum
	seen := string(p.Seen())
	if !json.Valid([]byte(seen)) || !strings.Contains(seen, "acme") || strings.Contains(seen, text.Reveal()[21:]) || strings.Contains(strings.ToLower(seen), "digest") {
		t.Errorf("the audit is told %s", seen)
	}
}

// FuzzParse: what is taken has the id that it says, and nothing else than our form is.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"", "wpl_", "wpl_aaaaaaaaaaaaaaaa_ABCDEFGHIJKLMNOPQRSTUVWXYZ", "wps_aaaaaaaaaaaaaaaa_ABCDEFGHIJKLMNOPQRSTUVWXYZ",
		"https://keys.example.com/open#wpl_aaaaaaaaaaaaaaaa_ABCDEFGHIJKLMNOPQRSTUVWXYZ", " wpl_aaaaaaaaaaaaaaaa_ABCDEFGHIJKLMNOPQRSTUVWXYZ\n", "wpl_AAAAAAAAAAAAAAAA_ABCDEFGHIJKLMNOPQRSTUVWXYZ",
		"##wpl_aaaaaaaaaaaaaaaa_ABCDEFGHIJKLMNOPQRSTUVWXYZ", "wpl_aaaaaaaaaaaaaaaa_ABCDEFGHIJKLMNOPQRSTUVWXY1", "wpl_é",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		link, id, ok := portallink.ParseLink(text)
		if ok && (!portallink.ValidID(string(id)) || !strings.HasPrefix(link.Reveal(), "wpl_"+string(id)+"_") || len(link.Reveal()) != 47 || !strings.Contains(text, link.Reveal())) {
			t.Errorf("%q is taken as %q of %q", text, link.Reveal(), id)
		}
		if again, same, still := portallink.ParseLink(link.Reveal()); ok && (!still || same != id || again.Reveal() != link.Reveal()) {
			t.Errorf("%q is not taken again", text)
		}
		session, id, ok := portallink.ParseSession(text)
		if ok && (session.Reveal() != text || !strings.HasPrefix(text, "wps_"+string(id)+"_")) {
			t.Errorf("%q is taken as a session of %q", text, id)
		}
	})
}
