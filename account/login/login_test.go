package login_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warder-dev/warder/account"
	"github.com/warder-dev/warder/account/login"
	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/openapi"
	"github.com/warder-dev/warder/secret"
	"github.com/warder-dev/warder/session"
)

func TestTwoSteps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		ada := h.settle(t, "ada", account.Owner)
		ada.me(t).want(t, "nobody", http.StatusUnauthorized)
		first := ada.post(t, "/login", map[string]string{"name": " ADA ", "password": goodPassword}).want(t, "the password", http.StatusOK)
		if ada.cookie != "" || first.body["factor"] != true || first.text("ticket") == "" || first.body["role"] != nil {
			t.Fatalf("the first step answers %v with a cookie %v", first.body, ada.cookie != "")
		}
		ada.me(t, "Cookie", login.Cookie+"="+first.text("ticket")).want(t, "a ticket as a session", http.StatusUnauthorized)
		ada.post(t, "/login/factor", map[string]string{"ticket": first.text("ticket"), "code": "000000"}).want(t, "a wrong code", http.StatusUnauthorized)
		ada.post(t, "/login/factor", map[string]string{"ticket": first.text("ticket")}).want(t, "no code", http.StatusUnauthorized)
		ada.post(t, "/login/factor", map[string]string{"ticket": "x", "code": ada.code(t, 0)}).want(t, "no ticket", http.StatusUnauthorized)
		in := ada.post(t, "/login/factor", map[string]string{"ticket": first.text("ticket"), "code": ada.code(t, 0)}).want(t, "both", http.StatusOK)
		if in.text("role") != "owner" || in.text("fresh_until") == "" || ada.cookie == "" {
			t.Errorf("both steps answer %v", in.body)
		}
		if set := in.header.Get("Set-Cookie"); !strings.HasPrefix(set, "__Host-warder_admin=") || !strings.Contains(set, "Secure") || !strings.Contains(set, "HttpOnly") || !strings.Contains(set, "SameSite=Lax") {
			t.Errorf("the cookie is set by %q", strings.ReplaceAll(set, ada.cookie, "..."))
		}
		ada.me(t).want(t, "the session", http.StatusOK)
		other := &person{h: h, name: "ada", shared: ada.shared, from: "192.0.2.1:1"}
		other.post(t, "/login/factor", map[string]string{"ticket": first.text("ticket"), "code": ada.code(t, 0)}).want(t, "the same code again", http.StatusUnauthorized)
		other.post(t, "/login/factor", map[string]string{"ticket": first.text("ticket"), "recovery_code": ada.codes[0].Reveal()}).want(t, "a recovery code", http.StatusOK)
		other.post(t, "/login/factor", map[string]string{"ticket": first.text("ticket"), "recovery_code": ada.codes[0].Reveal()}).want(t, "it again", http.StatusUnauthorized)
		pause(account.TicketFor)
		ada.post(t, "/login/factor", map[string]string{"ticket": first.text("ticket"), "code": ada.code(t, 0)}).want(t, "a late ticket", http.StatusUnauthorized)
		// The code of a refused ticket is not used up.
		ada.login(t, 0).want(t, "again", http.StatusOK)
		ada.post(t, "/logout", nil).want(t, "logout", http.StatusNoContent)
		ada.me(t).want(t, "after logout", http.StatusUnauthorized)
	})
}

// Names that nobody has, wrong passwords and accounts that may not log in look alike.
func TestRefusedLoginsLookAlike(t *testing.T) {
	h := newHouse(t)
	ada, off := h.settle(t, "ada", account.Developer), h.settle(t, "off", account.Developer)
	if _, err := h.people.Disable(t.Context(), operator(), off.id, 0); err != nil {
		t.Fatal(err)
	}
	if _, _, err := h.people.Create(t.Context(), operator(), account.Spec{Name: "invited", Role: account.Owner}, account.Link{Anywhere: true}); err != nil {
		t.Fatal(err)
	}
	for what, members := range map[string]map[string]string{
		"a wrong password": {"name": "ada", "password": "wrong password"}, "nobody": {"name": "canary-name", "password": goodPassword},
		"disabled": {"name": "off", "password": goodPassword}, "invited": {"name": "invited", "password": goodPassword}, "empty": {"name": "", "password": ""},
		"1 KiB": {"name": "ada", "password": strings.Repeat("x", 1025)},
	} {
		a := ada.post(t, "/login", members).want(t, what, http.StatusUnauthorized)
		if a.text("detail") != "The name or the password is wrong." || ada.cookie != "" {
			t.Errorf("%s: %v", what, a.body)
		}
	}
	if strings.Contains(h.log.String(), "canary") {
		t.Error("the log has a name that nobody has")
	}
	a := ada.post(t, "/login", map[string]string{"name": "ada", "password": goodPassword}).want(t, "the right one", http.StatusOK)
	if a.text("role") != "developer" {
		t.Errorf("a developer without a factor gets %v", a.body)
	}
}

func TestGuessesAreSlowedDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		ada := h.settle(t, "ada", account.Owner)
		eve := &person{h: h, name: "ada", from: "203.0.113.9:1"}
		ticket := eve.post(t, "/login", map[string]string{"name": "ada", "password": goodPassword}).text("ticket") // she has the password
		last := 0
		tries := 0
		for last != http.StatusTooManyRequests && tries < 50 {
			last = eve.post(t, "/login/factor", map[string]string{"ticket": ticket, "code": "000000"}).status
			tries++
		}
		if last != http.StatusTooManyRequests || tries > 6 {
			t.Fatalf("%d codes were looked at, then %d", tries-1, last)
		}
		slow := eve.post(t, "/login/factor", map[string]string{"ticket": ticket, "code": ada.code(t, 0)}).want(t, "the right code while she waits", http.StatusTooManyRequests)
		if slow.header.Get("Retry-After") == "" {
			t.Error("nothing says when to try again")
		}
		eve.post(t, "/login/factor", map[string]string{"ticket": ticket, "recovery_code": ada.codes[0].Reveal()}).want(t, "a recovery code", http.StatusTooManyRequests)
		ada.from = "198.51.100.1:1"
		ada.login(t, 0).want(t, "ada, from elsewhere", http.StatusOK)
		for range 8 {
			last = eve.post(t, "/login", map[string]string{"name": "ADA", "password": "wrong password"}).status
		}
		if last != http.StatusTooManyRequests {
			t.Errorf("eight wrong passwords end in %d, want 429, however the name is written", last)
		}
	})
}

func TestASessionIsThatOfItsAccountNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.settle(t, "boss", account.Owner)
		for _, tt := range []struct {
			name   string
			change func(id account.ID) error
			want   int
		}{
			{"described", func(id account.ID) error {
				_, err := h.people.Describe(t.Context(), operator(), id, 0, "a@example.com")
				return err
			}, http.StatusOK},
			{"lowered", func(id account.ID) error {
				_, err := h.people.SetRole(t.Context(), operator(), id, 0, account.Auditor)
				return err
			}, http.StatusUnauthorized},
			{"disabled", func(id account.ID) error { _, err := h.people.Disable(t.Context(), operator(), id, 0); return err }, http.StatusUnauthorized},
			{"disabled and enabled", func(id account.ID) error {
				_, err := h.people.Disable(t.Context(), operator(), id, 0)
				_, again := h.people.Enable(t.Context(), operator(), id, 0)
				return errors.Join(err, again)
			}, http.StatusUnauthorized},
			{"reset", func(id account.ID) error {
				_, _, err := h.people.Reset(t.Context(), operator(), id, account.Reset{Factor: true}, account.Link{Anywhere: true})
				return err
			}, http.StatusUnauthorized},
			{"removed", func(id account.ID) error { _, err := h.people.Remove(t.Context(), operator(), id, 0); return err }, http.StatusUnauthorized},
		} {
			p := h.settle(t, "p"+strings.ReplaceAll(tt.name, " ", ""), account.Admin)
			p.login(t, 0).want(t, tt.name, http.StatusOK)
			if err := tt.change(p.id); err != nil {
				t.Fatal(err)
			}
			p.me(t).want(t, tt.name, tt.want)
		}
		ada := h.settle(t, "ada", account.Admin)
		ada.login(t, 0).want(t, "login", http.StatusOK)
		h.store.fail(errors.New("the disk is gone"))
		ada.me(t).want(t, "without a store", http.StatusServiceUnavailable)
		ada.post(t, "/login", map[string]string{"name": "ada", "password": goodPassword}).want(t, "a login without a store", http.StatusServiceUnavailable)
		h.store.fail(nil)
		ada.me(t).want(t, "with it again", http.StatusOK)
		ticket := ada.post(t, "/login", map[string]string{"name": "ada", "password": goodPassword}).text("ticket")
		h.store.failWrites(errors.New("the disk is full"))
		ada.post(t, "/login/factor", map[string]string{"ticket": ticket, "code": ada.code(t, 30*time.Second)}).want(t, "a login that cannot be noted", http.StatusServiceUnavailable)
		h.store.failWrites(nil)
		ada.post(t, "/login/factor", map[string]string{"ticket": ticket, "code": ada.code(t, 30*time.Second)}).want(t, "the same code, not used up", http.StatusOK)
		pause(31 * time.Minute)
		ada.me(t).want(t, "idle", http.StatusUnauthorized)
	})
}

func TestFreshLogins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		ada := h.settle(t, "ada", account.Owner)
		ada.login(t, 0).want(t, "login", http.StatusOK)
		pause(account.FreshFor)
		for path, members := range map[string]any{
			"/password": map[string]string{"old": goodPassword, "password": "eight quiet otters"}, "/factor": map[string]string{}, "/recovery-codes": map[string]string{},
			"/factor/enrol": map[string]string{"offer": "x", "code": "000000"},
		} {
			if a := ada.post(t, path, members).want(t, path, http.StatusForbidden); !strings.HasSuffix(a.text("type"), "#fresh-login-required") {
				t.Errorf("%s: %v", path, a.body)
			}
		}
		before := ada.cookie
		ada.post(t, "/login/fresh", map[string]string{"password": "wrong password", "code": ada.code(t, 0)}).want(t, "a wrong password", http.StatusUnauthorized)
		ada.post(t, "/login/fresh", map[string]string{"password": goodPassword}).want(t, "no code", http.StatusUnauthorized)
		if a := ada.post(t, "/login/fresh", map[string]string{"password": goodPassword, "code": ada.code(t, 0)}).want(t, "both", http.StatusOK); a.text("fresh_until") == "" || ada.cookie == before {
			t.Errorf("fresh again: %v, another id %v", a.body, ada.cookie != before)
		}
		if a := ada.post(t, "/recovery-codes", map[string]string{}).want(t, "new codes", http.StatusOK); len(a.list("recovery_codes")) != 10 {
			t.Errorf("%d codes, want 10", len(a.list("recovery_codes")))
		}
		other := &person{h: h, name: "ada", shared: ada.shared, from: "198.51.100.1:1"}
		other.login(t, 30*time.Second).want(t, "another browser", http.StatusOK)
		ada.post(t, "/password", map[string]string{"old": goodPassword, "password": "short"}).want(t, "a short one", http.StatusBadRequest)
		ada.post(t, "/password", map[string]string{"password": "eight quiet otters"}).want(t, "without the old one", http.StatusBadRequest)
		ada.post(t, "/password", map[string]string{"old": "", "password": "eight quiet otters"}).want(t, "with none for it", http.StatusUnauthorized)
		ada.post(t, "/password", map[string]string{"old": "wrong password", "password": "eight quiet otters"}).want(t, "with a wrong one", http.StatusUnauthorized)
		ada.post(t, "/password", map[string]string{"old": goodPassword, "password": "eight quiet otters"}).want(t, "another password", http.StatusOK)
		ada.me(t).want(t, "this session", http.StatusOK)
		other.me(t).want(t, "the other session", http.StatusUnauthorized)
		ada.post(t, "/login", map[string]string{"name": "ada", "password": goodPassword}).want(t, "the old password", http.StatusUnauthorized)

		offer := ada.post(t, "/factor", map[string]string{}).want(t, "another authenticator", http.StatusOK)
		shared := secret.New(offer.text("secret"))
		code, err := account.Code(shared, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		ada.post(t, "/factor/enrol", map[string]string{"offer": offer.text("offer"), "code": ada.code(t, 0)}).want(t, "the old one's code", http.StatusUnauthorized)
		ada.post(t, "/factor/enrol", map[string]string{"offer": offer.text("offer"), "code": code}).want(t, "enrolled", http.StatusOK)
		ada.me(t).want(t, "this session after it", http.StatusOK)
	})
}

func TestSetUp(t *testing.T) {
	attack.Case(t, "ADMIN-12", attack.Library, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := newHouse(t)
			bound := func(name string, l account.Link) string {
				_, link, err := h.people.Create(t.Context(), operator(), account.Spec{Name: name, Role: account.Owner}, l)
				if err != nil {
					t.Fatal(err)
				}
				h.told = append(h.told, link)
				return link.Reveal()
			}
			link := bound("ada", account.Link{Address: home()})
			ada := &person{h: h, name: "ada", from: "198.51.100.1:1"}
			ada.post(t, "/setup", map[string]string{"link": link}).want(t, "from elsewhere", http.StatusForbidden)
			ada.from = "192.0.2.1:1"
			offer := ada.post(t, "/setup", map[string]string{"link": link}).want(t, "the link", http.StatusOK)
			ada.shared = secret.New(offer.text("secret"))
			finish := map[string]string{"link": link, "password": goodPassword, "offer": offer.text("offer"), "code": ada.code(t, -30*time.Second)}
			ada.from = "198.51.100.1:1"
			ada.post(t, "/setup/finish", finish).want(t, "finished elsewhere", http.StatusForbidden)
			ada.from = "192.0.2.1:1"
			done := ada.post(t, "/setup/finish", finish).want(t, "finished", http.StatusOK)
			if codes := done.list("recovery_codes"); len(codes) != 10 || ada.cookie != "" {
				t.Errorf("%d codes and a session %v, want ten and none", len(codes), ada.cookie != "")
			}
			if a := ada.post(t, "/setup/finish", finish).want(t, "twice", http.StatusGone); !strings.HasSuffix(a.text("type"), "#link-gone") {
				t.Errorf("twice: %v", a.body)
			}
			ada.post(t, "/setup", map[string]string{"link": link}).want(t, "looked at again", http.StatusGone)
			ada.login(t, 0).want(t, "login", http.StatusOK)
			late := bound("late", account.Link{Anywhere: true})
			pause(time.Hour)
			ada.post(t, "/setup", map[string]string{"link": late}).want(t, "after an hour", http.StatusGone)
		})
	})
}

// A key of the data plane is nobody here, and an admin key nobody there; sessions
// are as far apart.
func TestThePlanesAreApart(t *testing.T) {
	attack.Case(t, "ADMIN-02", attack.Library, func(t *testing.T) {
		h := newHouse(t)
		ada := h.settle(t, "ada", account.Owner)
		ada.login(t, 0).want(t, "login", http.StatusOK)
		_, admin, err := h.keys.Issue(t.Context(), operator(), login.KeySpec{Name: "deploy", Role: account.Owner})
		if err != nil || !strings.HasPrefix(admin.Reveal(), "wadm_owner_") {
			t.Fatalf("Issue = %v", err)
		}
		data := new(apikey.MemoryStore)
		issuer, err := apikey.NewIssuer(apikey.IssuerConfig{Store: data, Peppers: h.peppers})
		if err != nil {
			t.Fatal(err)
		}
		record, key, err := issuer.Create(t.Context(), apikey.By{Actor: "a", Source: "s"}, apikey.Spec{Environment: "live"})
		if err != nil {
			t.Fatal(err)
		}
		// One who may write to the database, and moves the rows.
		_, err = h.store.Apply(t.Context(), account.Change{Actor: "eve", Source: "x", Op: "x", At: time.Now(), KeyAfter: &account.Key{
			ID: string(record.ID), Role: account.Owner, Digest: record.Secrets[0].Digest, Pepper: record.Secrets[0].Pepper, Created: time.Now(),
		}})
		if err != nil {
			t.Fatal(err)
		}
		nobody := &person{h: h, from: "192.0.2.1:1"}
		nobody.me(t, "Authorization", "Bearer "+admin.Reveal()).want(t, "an admin key", http.StatusOK)
		_, other, err := issuer.Create(t.Context(), apikey.By{Actor: "a", Source: "s"}, apikey.Spec{Environment: "live"})
		if err != nil {
			t.Fatal(err)
		}
		nobody.me(t, "Authorization", "Bearer "+other.Reveal()).want(t, "a data key", http.StatusUnauthorized)
		nobody.me(t, "Authorization", "Bearer "+key.Reveal()).want(t, "a data key whose row was moved", http.StatusUnauthorized)

		weak, weakText, err := h.keys.Issue(t.Context(), operator(), login.KeySpec{Role: account.Auditor})
		if err != nil {
			t.Fatal(err)
		}
		raised := weak
		raised.Role = account.Owner
		if _, err := h.store.Apply(t.Context(), account.Change{Actor: "eve", Source: "x", Op: "x", At: time.Now(), KeyBefore: &weak, KeyAfter: &raised}); err != nil {
			t.Fatal(err)
		}
		nobody.me(t, "Authorization", "Bearer "+weakText.Reveal()).want(t, "a key whose row was raised", http.StatusUnauthorized)

		verifier, err := apikey.NewVerifier(apikey.VerifierConfig{Store: data, Peppers: h.peppers})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = verifier.Close() })
		bearer, err := apikey.NewBearer(apikey.BearerConfig{Verifier: verifier})
		if err != nil {
			t.Fatal(err)
		}
		refusesAll(t, "an admin key on the data plane", bearer, "Authorization", "Bearer "+admin.Reveal())

		public, err := session.New(session.Config{Store: h.sessions, Log: discard()})
		if err != nil {
			t.Fatal(err)
		}
		refusesAll(t, "an admin's session on the data plane", public.Scheme(), "Cookie", "__Host-session="+ada.cookie)
		w := httptest.NewRecorder()
		if err := public.Login(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", http.NoBody), session.User{Issuer: account.Issuer, Subject: string(ada.id), Claims: map[string]any{"epoch": 2, "factor": true, "auth_time": time.Now().Unix()}}); err != nil {
			t.Fatal(err)
		}
		nobody.me(t, "Cookie", login.Cookie+"="+w.Result().Cookies()[0].Value).want(t, "a data session here", http.StatusUnauthorized)
	})
}

// refusesAll wants 401 of the scheme.
func refusesAll(t *testing.T, what string, s authn.Scheme, header, value string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody)
	r.Header.Set(header, value)
	p, err := s.Authenticate(exchange.New(r))
	if _, refused := errors.AsType[*authn.Refusal](err); !refused {
		t.Errorf("%s proves %q, %v, want a refusal", what, p.Subject, err)
	}
}

func TestAdminKeys(t *testing.T) {
	attack.Case(t, "ADMIN-08", attack.Library, func(t *testing.T) {
		h := newHouse(t)
		roles := account.Roles()
		for _, by := range roles {
			actor := account.Actor{By: "account:x", Source: "192.0.2.1", ID: "x", Role: by, Fresh: true}
			for _, role := range roles {
				_, _, err := h.keys.Issue(t.Context(), actor, login.KeySpec{Name: "k", Role: role})
				if allowed := by.Manages(role); allowed != (err == nil) || !allowed && !errors.Is(err, account.ErrForbidden) {
					t.Errorf("%s makes a key of %s: %v", by, role, err)
				}
			}
			actor.Fresh = false
			if _, _, err := h.keys.Issue(t.Context(), actor, login.KeySpec{Role: account.Auditor}); by.Manages(account.Auditor) && !errors.Is(err, account.ErrStale) {
				t.Errorf("%s makes a key by an old login: %v", by, err)
			}
		}
		key, text, err := h.keys.Issue(t.Context(), operator(), login.KeySpec{Name: "deploy", Role: account.Developer})
		if err != nil {
			t.Fatal(err)
		}
		me := &person{h: h, from: "192.0.2.1:1"}
		a := me.me(t, "Authorization", "Bearer "+text.Reveal()).want(t, "the key", http.StatusOK)
		if a.text("key") != key.ID || a.text("role") != "developer" {
			t.Errorf("me = %v", a.body)
		}
		owner, ownerText, err := h.keys.Issue(t.Context(), operator(), login.KeySpec{Role: account.Owner})
		if err != nil {
			t.Fatal(err)
		}
		for _, action := range me.me(t, "Authorization", "Bearer "+ownerText.Reveal()).list("may") {
			if action == string(account.ManageAccounts) {
				t.Error("an admin key manages accounts")
			}
		}
		admin := account.Actor{By: "account:x", Source: "192.0.2.1", ID: "x", Role: account.Admin, Fresh: true}
		if _, err := h.keys.Revoke(t.Context(), admin, owner.ID, "leaked"); !errors.Is(err, account.ErrForbidden) {
			t.Errorf("an admin revokes an owner's key: %v", err)
		}
		admin.Fresh = false // taking away is urgent
		if k, err := h.keys.Revoke(t.Context(), admin, key.ID, "leaked"); err != nil || k.Reason != "leaked" {
			t.Errorf("Revoke = %v, %v", k, err)
		}
		me.me(t, "Authorization", "Bearer "+text.Reveal()).want(t, "revoked", http.StatusUnauthorized)
		if _, err := h.keys.Revoke(t.Context(), operator(), "AbcDef012345", ""); !errors.Is(err, account.ErrNotFound) {
			t.Errorf("Revoke of none: %v", err)
		}
		h.store.fail(errors.New("the disk is gone"))
		me.me(t, "Authorization", "Bearer "+ownerText.Reveal()).want(t, "without a store", http.StatusServiceUnavailable)
	})
}

func TestAnAdminKeyExpires(t *testing.T) {
	h := newHouse(t)
	for name, spec := range map[string]login.KeySpec{
		"no role": {}, "another": {Role: "root"}, "past": {Role: account.Auditor, Expires: time.Now().Add(-time.Hour)}, "a name with NUL": {Role: account.Auditor, Name: "a\x00"},
	} {
		if _, _, err := h.keys.Issue(t.Context(), operator(), spec); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	key, _, err := h.keys.Issue(t.Context(), operator(), login.KeySpec{Role: account.Auditor, Expires: time.Now().Add(time.Hour)})
	if err != nil || key.State(time.Now()) != "active" || key.State(time.Now().Add(time.Hour)) != "expired" {
		t.Errorf("Issue = %v, %v", key, err)
	}
	all, err := h.keys.List(t.Context())
	if err != nil || len(all) != 1 || all[0].ID != key.ID {
		t.Errorf("List = %v, %v", all, err)
	}
}

func TestBadRequests(t *testing.T) {
	h := newHouse(t)
	p := h.settle(t, "ada", account.Developer)
	for what, tt := range map[string]struct {
		path   string
		body   any
		header []string
		want   int
	}{
		"from elsewhere":      {"/login", map[string]string{"name": "ada", "password": goodPassword}, []string{"Sec-Fetch-Site", "cross-site"}, http.StatusForbidden},
		"from a sibling":      {"/login", map[string]string{"name": "ada", "password": goodPassword}, []string{"Sec-Fetch-Site", "same-site"}, http.StatusForbidden},
		"by another origin":   {"/logout", nil, []string{"Origin", "https://evil.example"}, http.StatusForbidden},
		"an unknown member":   {"/login", `{"name":"ada","password":"x","role":"owner"}`, nil, http.StatusBadRequest},
		"something behind":    {"/login", `{"name":"ada","password":"x"} {}`, nil, http.StatusBadRequest},
		"a list":              {"/login", `[]`, nil, http.StatusBadRequest},
		"null":                {"/login", `null`, nil, http.StatusBadRequest},
		"a number":            {"/login", `{"name":"ada","password":1}`, nil, http.StatusBadRequest},
		"broken":              {"/login", `{"name":"ada"`, nil, http.StatusBadRequest},
		"a form":              {"/login", `name=ada`, []string{"Content-Type", "application/x-www-form-urlencoded"}, http.StatusBadRequest},
		"no type":             {"/login", `{}`, []string{"Content-Type", ""}, http.StatusBadRequest},
		"1 MiB":               {"/login", `{"name":"` + strings.Repeat("a", 1<<20) + `"}`, nil, http.StatusRequestEntityTooLarge},
		"deep":                {"/setup", `{"link":` + strings.Repeat("[", 8000) + `}`, nil, http.StatusBadRequest},
		"no such path":        {"/other", `{}`, nil, http.StatusNotFound},
		"a repeated cookie":   {"/password", map[string]string{"old": goodPassword, "password": goodPassword}, []string{"Cookie", login.Cookie + "=a; " + login.Cookie + "=b"}, http.StatusBadRequest},
		"no session":          {"/password", map[string]string{"old": goodPassword, "password": goodPassword}, nil, http.StatusUnauthorized},
		"a link that is none": {"/setup", map[string]string{"link": "x"}, nil, http.StatusGone},
	} {
		p.post(t, tt.path, tt.body, tt.header...).want(t, what, tt.want)
	}
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
		p.send(t, method, "/login", nil).want(t, method, http.StatusMethodNotAllowed)
	}
}

// A body is read in one way only, and an answer to one that is not names the member.
func TestMembers(t *testing.T) {
	h := newHouse(t)
	p := h.settle(t, "ada", account.Developer)
	for body, want := range map[string]string{
		`{}`:                      "link: is missing.",
		`{"link":"x","link":"y"}`: "link: is there twice.",
		`{"link":"x","Link":"y"}`: "Link: is no member that can be set here.",
		`{"Link":"y"}`:            "Link: is no member that can be set here; link: is missing.",
		`{"link":1,"code":null,"offer":{"a":[{}]},"password":[[],"x"]}`: "code: want a string; link: want a string; offer: want a string; password: want a string.",
		`{"link":"\ud800"}`:                      "link: want whole characters: half of a surrogate pair is none.",
		`{"link":"a\u0000"}`:                     "link: want no NUL.",
		`{"link":"x","` + goodPassword + `":""}`: "(a name that is not repeated here): is no member that can be set here.",
		"{\"link\":\"\xff\"}":                    "body: want one JSON object in UTF-8, and nothing behind it.",
		"\ufeff{}":                               "body: want one JSON object in UTF-8, and nothing behind it.",
		`[]`:                                     "body: want one JSON object in UTF-8, and nothing behind it.",
	} {
		answer := p.post(t, "/setup/finish", body)
		answer.want(t, body, http.StatusBadRequest)
		if got := answer.text("detail"); got != want {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
	many := p.post(t, "/login", "{"+strings.Repeat(`"x":1,`, 2000)+`"name":"ada"}`)
	many.want(t, "many members", http.StatusBadRequest)
	if n := len(many.text("detail")); n > 1000 {
		t.Errorf("the answer to many members has %d characters", n)
	}
}

// No log and no answer but the one that made it holds a password, a code, a link, a
// ticket, a key or a cookie.
func TestNothingSecretIsLogged(t *testing.T) {
	h := newHouse(t)
	ada := h.settle(t, "ada", account.Owner)
	_, key, err := h.keys.Issue(t.Context(), operator(), login.KeySpec{Role: account.Owner})
	if err != nil {
		t.Fatal(err)
	}
	h.told = append(h.told, key, secret.New("canary password"), secret.New("canary-recovery"))
	ada.login(t, 0).want(t, "login", http.StatusOK)
	ada.me(t)
	ada.post(t, "/login", map[string]string{"name": "ada", "password": "canary password"})
	ada.post(t, "/login/factor", map[string]string{"ticket": "canary password", "recovery_code": "canary-recovery"})
	ada.post(t, "/setup", map[string]string{"link": "canary password"})
	h.store.fail(errors.New("the disk is gone"))
	ada.me(t, "Authorization", "Bearer "+key.Reveal())
	h.store.fail(nil)
	log := h.log.String()
	if !strings.Contains(log, `"account":"ada"`) || !strings.Contains(log, "wrong-password") || !strings.Contains(log, "session begun") || !strings.Contains(log, "link-gone") {
		t.Errorf("the log lacks what an operator wants to know:\n%s", log)
	}
	for _, s := range h.told {
		if word := s.Reveal(); word != "" && strings.Contains(log, word) {
			t.Errorf("the log holds a secret of %d characters", len(word))
		}
	}
	doc := openapi.Document{}
	if err := errors.Join(h.door.Scheme().Describe(&doc), h.keys.Scheme().Describe(&doc)); err != nil {
		t.Errorf("Describe = %v", err)
	}
}
