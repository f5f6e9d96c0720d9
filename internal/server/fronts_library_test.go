package server_test

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/accesslog"
	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/authz"
	"github.com/warder-dev/warder/authz/celcond"
	"github.com/warder-dev/warder/bodylimit"
	"github.com/warder-dev/warder/bruteforce"
	"github.com/warder-dev/warder/contract"
	"github.com/warder-dev/warder/cors"
	"github.com/warder-dev/warder/csrf"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/forwarded"
	"github.com/warder-dev/warder/httpserver"
	"github.com/warder-dev/warder/jwt"
	"github.com/warder-dev/warder/ratelimit"
	"github.com/warder-dev/warder/requestid"
	"github.com/warder-dev/warder/secret"
	"github.com/warder-dev/warder/session"
	"github.com/warder-dev/warder/session/password"
	"github.com/warder-dev/warder/sqlite"
	"github.com/warder-dev/warder/target"
	"github.com/warder-dev/warder/trustedhost"
	"github.com/warder-dev/warder/upstream"
	"github.com/warder-dev/warder/usage"
)

// A library is the table's policy as a Go service says it.
type library struct {
	t *testing.T

	header, cookie, bearer, basic, token, people authn.Scheme // by the names of the configuration
	sharedBearer, sharedToken                    authn.Scheme // for the route that has both

	stores   keysAndCredits
	sessions *session.Manager
	csrf     *csrf.Stage
	cors     *cors.Stage
	guard    *bruteforce.Guard
	ledger   *usage.Ledger
	routes   *warder.Routes
}

// must is v of a constructor.
func must[T any](v T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// newLibrary serves a handler that notes what arrives, behind the policy.
func newLibrary(t *testing.T, p people) policyDriver {
	t.Helper()
	l := newParts(t, p)
	l.routes.CORS = l.cors
	l.plain()
	l.conditions()
	l.limits()
	l.document()
	logged, seen := newRecords(), new(notes)
	stack := &warder.Stack{Edge: l.edge(logged), Route: l.routes}
	addr, stop := serveLibrary(t, stack.Wrap(seen), nil)
	t.Cleanup(stop)
	c := newCast(t, p, l.stores)
	l.login(c)
	return wires{addr: addr, cast: c, logged: logged, arrivals: seen.take}
}

// newParts makes everything that policies are made of.
func newParts(t *testing.T, p people) *library {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	db := must(sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(t.TempDir(), "library.db"), Log: quiet}))(t)
	peppers, applied := newPeppers(t), make(chan apikey.Revision, 1<<10)
	verifier := must(apikey.NewVerifier(apikey.VerifierConfig{Store: db.APIKeys(), Peppers: peppers, Log: quiet, Poll: 20 * time.Millisecond, Applied: func(r apikey.Revision) { applied <- r }}))(t)
	issuer := must(apikey.NewIssuer(apikey.IssuerConfig{Store: db.APIKeys(), Peppers: peppers, Prefix: "wrd", Random: rand.Reader, Changed: verifier.Invalidate}))(t)
	l := &library{t: t, routes: new(warder.Routes)}
	l.stores = keysAndCredits{issuer, db.Credits(), func(last apikey.Revision) {
		for (<-applied) < last {
			continue
		}
	}}
	closeTokens := l.schemes(p, verifier)
	l.sessions = must(session.New(session.Config{Store: db.Sessions(), Log: quiet, Scheme: "login"}))(t)
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	l.csrf = must(csrf.New(csrf.Config{Keys: []secret.Text{secret.New(base64.StdEncoding.EncodeToString(key))}, TrustedOrigins: []string{"https://admin.example.com"}}))(t)
	l.cors = must(cors.New(cors.Config{
		Origins: []string{"https://app.example.com"}, Credentials: true, Methods: []string{"PUT", "DELETE"},
		RequestHeaders: []string{"X-API-Key", "Content-Type"}, ExposedHeaders: []string{"X-Total"}, MaxAge: 10 * time.Minute,
	}))(t)
	l.guard = must(bruteforce.New(bruteforce.Config{
		Claim:   claimed,
		Guess:   func(x *exchange.Exchange) bool { return x.Request.Header.Get("X-Api-Key") != "" },
		Address: bruteforce.Rule{Free: 20, Delay: time.Hour, Longest: 2 * time.Hour, Forget: 3 * time.Hour},
		Pair:    bruteforce.Rule{Free: 20, Delay: time.Hour, Longest: 2 * time.Hour, Forget: 3 * time.Hour},
	}))(t)
	l.ledger = must(usage.NewLedger(usage.LedgerConfig{Store: db.Credits(), Log: quiet}))(t)
	t.Cleanup(func() {
		closeAll(t, closeTokens, verifier.Close, func() error { return l.ledger.Close(context.WithoutCancel(t.Context())) }, db.Close)
	})
	return l
}

// claimed is the id that a key in the header says to have.
func claimed(x *exchange.Exchange) string {
	info, err := apikey.Parse(x.Request.Header.Get("X-Api-Key"))
	if err != nil {
		return ""
	}
	return string(info.ID)
}

// schemes makes them, and returns what ends the one of tokens.
func (l *library) schemes(p people, v *apikey.Verifier) (closeTokens func() error) {
	t := l.t
	t.Helper()
	keys, err := os.ReadFile(p.keys)
	if err != nil {
		t.Fatal(err)
	}
	l.header = must(apikey.NewHeader(apikey.HeaderConfig{Verifier: v}))(t)
	l.cookie = must(apikey.NewCookie(apikey.CookieConfig{Verifier: v, SchemeName: "cookieKey"}))(t)
	l.bearer = must(apikey.NewBearer(apikey.BearerConfig{Verifier: v, SchemeName: "bearerKey"}))(t)
	l.basic = must(apikey.NewBasic(apikey.BasicConfig{Verifier: v, SchemeName: "basicKey"}))(t)
	shared := must(apikey.NewBearer(apikey.BearerConfig{Verifier: v, SchemeName: "bearerKey", Shared: true}))(t)
	token := must(jwt.New(jwt.Config{Name: "token", Issuers: []jwt.Issuer{{Issuer: "https://id.example.com", Audience: []string{"orders"}, KeySet: keys, OwnerClaim: "org"}}}))(t)
	l.token, l.sharedBearer, l.sharedToken = token, shared, token.Leaving(shared.Takes)
	file := must(password.NewFile(password.FileConfig{Path: p.users}))(t)
	checker := must(password.New(password.Config{Users: file, Log: slog.New(slog.DiscardHandler)}))(t)
	l.people = must(password.NewBasic(password.BasicConfig{Checker: checker, Scheme: "people"}))(t)
	return token.Close
}

func (l *library) edge(logged records) warder.Edge {
	t := l.t
	t.Helper()
	hosts := must(trustedhost.New(trustedhost.Config{Hosts: []string{"api.example.com", "*.shops.example.com"}}))(t)
	return warder.Edge{
		RequestID:   must(requestid.New(requestid.Config{}))(t),
		AccessLog:   must(accesslog.New(accesslog.Config{Logger: slog.New(slog.NewJSONHandler(logged, nil))}))(t),
		Recover:     httpserver.NewRecover(slog.New(slog.DiscardHandler)),
		Forwarded:   forwarded.Direct(),
		TrustedHost: hosts,
		Target:      must(target.New(target.Config{MaxLength: 1000}))(t),
	}
}

// add lets what matches pattern meet a policy.
func (l *library) add(pattern string, requirement authn.Requirement, changes ...func(p *warder.Policy)) {
	t := l.t
	t.Helper()
	p := &warder.Policy{CSRF: l.csrf, CORS: l.cors, BodyLimit: must(bodylimit.New(bodylimit.Config{Max: 1 << 20}))(t)}
	if requirement != nil {
		p.Guard, p.Authn = l.guard, must(authn.New(authn.Config{Requirement: requirement}))(t)
	}
	for _, change := range changes {
		change(p)
	}
	if err := l.routes.Handle(pattern, p); err != nil {
		t.Fatal(err)
	}
}

// plain adds the routes that differ by what they ask for.
func (l *library) plain() {
	t := l.t
	key := func(scopes ...string) authn.Requirement { return authn.Require(l.header, scopes...) }
	l.add("GET /orders/", key("orders:read"))
	l.add("POST /orders/", key("orders:write"))
	l.add("DELETE /orders/", key("orders:write", "orders:delete"))
	l.add("/any/", key())
	l.add("/exact", key())
	l.add("/one/{id}", key())
	l.add("/folder/{$}", key())
	l.add("a.shops.example.com/shop/", nil)
	l.add("/open/", nil)
	l.add("/admin", key("admin:all"))
	l.add("/admin/", key("admin:all"))
	l.add("/cookie/", authn.Require(l.cookie))
	l.add("/bearer/", authn.Require(l.bearer))
	l.add("/basic/", authn.Require(l.basic))
	l.add("/token/", authn.Require(l.token, "orders:read"))
	l.add("/people/", authn.Require(l.people))
	l.add("/session/", authn.Require(l.sessions.Scheme()))
	l.add("/either/", authn.Requirement{{{Scheme: l.header, Scopes: []string{"orders:read"}}}, {{Scheme: l.token, Scopes: []string{"orders:read"}}}})
	l.add("/both/", authn.Requirement{{{Scheme: l.header}, {Scheme: l.token, Scopes: []string{"orders:read"}}}})
	l.add("/maybe/", authn.Requirement{{{Scheme: l.header}}, {}})
	l.add("/mixed/", authn.Requirement{{{Scheme: l.sharedBearer}}, {{Scheme: l.sharedToken}}})
	l.add("/pages/", nil, func(p *warder.Policy) {
		p.Guard, p.Authn = l.guard, must(authn.New(authn.Config{Requirement: key(), PublicKeys: true}))(t)
	})
	l.add("/anybody/", nil, func(p *warder.Policy) { p.CORS = must(cors.New(cors.Config{AnyOrigin: true}))(t) })
	l.add("/nocors/", nil, func(p *warder.Policy) { p.CORS = nil })
	l.add("/small/", nil, func(p *warder.Policy) { p.BodyLimit = must(bodylimit.New(bodylimit.Config{Max: 10}))(t) })
}

// rules judges by rules.
func (l *library) rules(rules ...authz.Rule) func(p *warder.Policy) {
	return func(p *warder.Policy) {
		p.Authz = must(authz.New(authz.Config{Rules: rules, Shadowed: func(*exchange.Exchange, exchange.Verdict) {}}))(l.t)
	}
}

func (l *library) conditions() {
	key := authn.Require(l.header)
	office := []netip.Prefix{netip.MustParsePrefix("127.0.1.0/24"), netip.MustParsePrefix("2001:db8::/32")}
	keyOrToken := authn.Requirement{{{Scheme: l.header}}, {{Scheme: l.token}}}
	from, to := hoursAround(time.Now())
	hours := []authz.Window{{From: from, To: to, Zone: "UTC"}}
	l.add("/office/", key, l.rules(authz.Rule{Name: "office", Effect: authz.Require, Clients: office}))
	l.add("/banned/", key, l.rules(authz.Rule{Name: "banned", Effect: authz.Deny, Clients: []netip.Prefix{netip.MustParsePrefix("127.0.1.9/32")}}))
	l.add("/live/", key, l.rules(authz.Rule{Name: "live", Effect: authz.Require, Environments: []string{"live"}}))
	l.add("/acme/", key, l.rules(authz.Rule{Name: "acme", Effect: authz.Require, Owners: []string{"acme"}}))
	l.add("/readonly/", key, l.rules(authz.Rule{Name: "readonly", Effect: authz.Require, Methods: []string{"GET"}}))
	l.add("/tree/", key, l.rules(authz.Rule{Name: "secret", Effect: authz.Deny, Paths: []string{"/tree/secret/**"}}))
	l.add("/never/", key, l.rules(authz.Rule{Name: "closed", Effect: authz.Deny, Times: hours}))
	l.add("/always/", key, l.rules(authz.Rule{Name: "opening-hours", Effect: authz.Require, Times: hours}))
	l.add("/issued/", keyOrToken, l.rules(authz.Rule{Name: "issued", Effect: authz.Require, Issuers: []string{"https://id.example.com"}}))
	l.add("/named/", keyOrToken, l.rules(authz.Rule{Name: "by-key", Effect: authz.Require, Schemes: []string{"apiKey"}}))
	expression := must(celcond.New(celcond.Config{Expression: "'orders:read' in principal.scopes"}))(l.t)
	l.add("/cel/", key, l.rules(authz.Rule{Name: "cel", Effect: authz.Require, Conditions: []authz.Condition{expression}}))
	l.add("/tried/", key, l.rules(authz.Rule{Name: "tried", Effect: authz.Require, Shadow: true, Owners: []string{"nobody"}}),
		l.counts(l.limit(ratelimit.LimitConfig{Name: "tried", Quota: hourly(1), By: []ratelimit.Part{ratelimit.ByKey()}, Shadow: true})))
	l.add("/choice/", key, l.rules(authz.Rule{Name: "globex", Effect: authz.Allow, Owners: []string{"globex"}}, authz.Rule{Name: "office-too", Effect: authz.Allow, Clients: office[:1]}))
}

func hourly(n int) ratelimit.Quota { return ratelimit.Quota{Count: n, Per: time.Hour} }

func (l *library) limit(c ratelimit.LimitConfig) *ratelimit.Limit {
	l.t.Helper()
	return must(ratelimit.NewLimit(c))(l.t)
}

// stage counts by limits.
func (l *library) stage(limits ...*ratelimit.Limit) *ratelimit.Stage {
	l.t.Helper()
	return must(ratelimit.New(ratelimit.Config{Limits: limits, Shadowed: func(*exchange.Exchange, string) {}}))(l.t)
}

func (l *library) counts(limits ...*ratelimit.Limit) func(p *warder.Policy) {
	return func(p *warder.Policy) { p.PrincipalLimit = l.stage(limits...) }
}

func (l *library) limits() {
	key := authn.Require(l.header)
	byKey := []ratelimit.Part{ratelimit.ByKey()}
	few := l.limit(ratelimit.LimitConfig{
		Name: "few", Quota: hourly(2), By: byKey,
		Plans: []ratelimit.Plan{{Name: "gold", Quota: hourly(3), For: func(x *exchange.Exchange) bool { return x.Principal.Plan == "gold" }}},
	})
	crowd := l.limit(ratelimit.LimitConfig{Name: "crowd", Quota: hourly(3), By: []ratelimit.Part{ratelimit.ByAddress()}})
	each := l.limit(ratelimit.LimitConfig{Name: "each", Quota: hourly(1), By: []ratelimit.Part{ratelimit.ByKey(), ratelimit.ByRoute()}})
	byAddress := func(p *warder.Policy) { p.AddressLimit = l.stage(crowd) }
	l.add("/few/", key, l.counts(few))
	l.add("/owners/", key, l.counts(l.limit(ratelimit.LimitConfig{Name: "owners", Quota: hourly(2), By: []ratelimit.Part{ratelimit.ByOwner()}})))
	l.add("/crowd/", nil, byAddress)
	l.add("/crowded/", key, byAddress, l.counts(few))
	l.add("/heavy/", key, l.counts(l.limit(ratelimit.LimitConfig{Name: "heavy", Quota: hourly(4), By: byKey, Cost: 2})))
	l.add("/each/", key, l.counts(each))
	l.add("/each/other/", key, l.counts(each))
	l.add("/priced/", key, func(p *warder.Policy) { p.Credit = must(usage.New(usage.Config{Ledger: l.ledger, Cost: 3}))(l.t) })
	l.add("/priced/free/", key)
}

// document adds the operations of the document.
func (l *library) document() {
	t := l.t
	t.Helper()
	doc := must(contract.Read([]byte(policyDocument), contract.Options{}))(t)
	for _, o := range doc.Operations {
		requirement := must(o.Requirement(map[string]authn.Scheme{"apiKey": l.header, "token": l.token}))(t)
		l.add(o.Method+" "+o.Pattern, requirement, func(p *warder.Policy) { p.Validate = must(contract.New(contract.Config{Operation: o}))(t) })
	}
}

// login logs ada in, as a handler that checked her password does.
func (l *library) login(c *cast) {
	t := l.t
	t.Helper()
	w := httptest.NewRecorder()
	user := session.User{Issuer: "password", Subject: "ada", Scopes: exchange.PatternScopes("orders:read")}
	if err := l.sessions.Login(w, httptest.NewRequest(http.MethodPost, "/", http.NoBody), user); err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
	for _, cookie := range w.Result().Cookies() {
		r.AddCookie(cookie)
		c.texts["session"] = cookie.Value
	}
	x := exchange.New(r)
	x.Principal = must(l.sessions.Scheme().Authenticate(x))(t)
	c.texts["csrf"] = l.csrf.Token(x)
}

// serveLibrary serves h on a free port, over TLS unless secure is nil.
func serveLibrary(t *testing.T, h http.Handler, secure *tls.Config) (addr string, stop func()) {
	t.Helper()
	listener := must(new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0"))(t)
	server := must(httpserver.New(httpserver.Config{Handler: h, TLS: secure, Log: slog.New(slog.DiscardHandler), MaxHeaderBytes: 8 << 10}))(t)
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	return listener.Addr().String(), func() {
		if err := errors.Join(server.Shutdown(context.WithoutCancel(t.Context())), <-done); err != nil {
			t.Error(err)
		}
	}
}

// notes is a handler that notes what reaches it, with the identity as the gateway
// would tell an upstream.
type notes struct {
	mu  sync.Mutex
	all []arrival
}

func (n *notes) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := make(http.Header)
	upstream.SetIdentity(h, &exchange.From(r.Context()).Principal)
	n.mu.Lock()
	n.all = append(n.all, arrival{r.Method, r.RequestURI, h})
	n.mu.Unlock()
	if r.Header.Get("Upgrade") == "" {
		_, _ = w.Write([]byte("ok")) // the client may be gone
		return
	}
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		_, _ = conn.Write([]byte("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"))
		_ = conn.Close()
	}
}

func (n *notes) take(*testing.T) []arrival {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := n.all
	n.all = nil
	return all
}
