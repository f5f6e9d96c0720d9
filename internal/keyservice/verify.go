package keyservice

import (
	"context"
	"crypto/sha256"
	"errors"
	"math"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/bruteforce"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/problem"
	"github.com/warder-dev/warder/ratelimit"
	"github.com/warder-dev/warder/target"
	"github.com/warder-dev/warder/usage"
)

// Use is a key with what it is shown for.
type Use struct {
	Key      string   `json:"key,omitempty" format:"password" doc:"the text of the key, or of a token that was made from one; with gateway it may be left out, for a request that came without" maxLength:"8192" example:"wrd_live_7HqLk2mVxWcP..."`
	Method   string   `json:"method,omitempty" doc:"of the request that came with it" maxLength:"32" pattern:"^[A-Z-]+$" patternDescription:"a method in upper case" example:"GET"`
	Target   string   `json:"target,omitempty" doc:"of that request: its path, and whatever follows; with gateway also scheme and host before it" maxLength:"8192" example:"/orders/17"`
	Address  string   `json:"address,omitempty" doc:"of the client that sent it" maxLength:"45" example:"192.0.2.7"`
	Origin   string   `json:"origin,omitempty" doc:"the Origin field of that request" maxLength:"300"`
	Public   bool     `json:"public,omitempty" doc:"the operation takes public keys"`
	Scopes   []string `json:"scopes,omitempty" nullable:"false" doc:"that the operation wants" maxItems:"20" example:"[\"orders:read\"]"`
	Audience string   `json:"audience,omitempty" doc:"that a token has to be for; default: any that tokens are made for" maxLength:"2048"`
	Gateway  bool     `json:"gateway,omitempty" doc:"judge by the policy of the gateway's route, as if the request had come there with this key: its scopes, conditions, limits and credits, which are counted and spent; asked by an admin key that is bound to an owner, what counts by address alone is read and not counted. Wants method, target with scheme and host, and address; leave out scopes, cost, public and audience, which the route says"`
	Dry      bool     `json:"dry,omitempty" doc:"say it, and spend and count nothing"`
	Cost     int64    `json:"cost,omitempty" doc:"credits that it costs, spent when the key is good; default 0: none" minimum:"0" maximum:"1000000" example:"1"`
}

// Verdict is what a key is good for.
type Verdict struct {
	Valid     bool              `json:"valid" doc:"let the request pass" example:"true"`
	Code      string            `json:"code" enum:"valid,invalid,forbidden,insufficient-scope,rate-limited,credits-exhausted,refused" doc:"why, as the holder of the key may know it; refused, with gateway, is for what is wrong with the request itself: status says what" example:"valid"`
	Status    int               `json:"status" doc:"to answer the request with: 200, 401, 403 or 429; with gateway whatever it would answer" example:"200"`
	Problem   string            `json:"problem,omitempty" doc:"with gateway: the type of the problem that it would answer with" example:"insufficient-scope"`
	Reason    string            `json:"reason,omitempty" doc:"why in more words, for roles that may know: malformed, unknown, wrong-secret, revoked, disabled, expired, certificate, or the rule that does not hold"`
	Detail    string            `json:"detail,omitempty" doc:"what the holder may be told of a refusal"`
	Principal *Principal        `json:"principal,omitempty" doc:"whom the key proves"`
	Limits    []Standing        `json:"limits,omitempty" nullable:"false" doc:"the key's own limits, after this request"`
	Credits   *int64            `json:"credits_remaining,omitempty" doc:"as far as this node knows" example:"99"`
	Route     string            `json:"route,omitempty" doc:"of the gateway, for roles that may know"`
	Stage     string            `json:"stage,omitempty" doc:"of the gateway that refused, for roles that may know"`
	Header    map[string]string `json:"header,omitempty" doc:"fields that the gateway would answer with: send them to the client"`
	Retry     int64             `json:"retry_after,omitempty" doc:"seconds, when there is a time after which it passes"`
}

// Principal is whom a key proves.
type Principal struct {
	ID          string     `json:"id" example:"7HqLk2mVxWcP"`
	Owner       string     `json:"owner,omitempty" example:"acme"`
	Environment string     `json:"environment,omitempty" example:"live"`
	Scopes      []string   `json:"scopes" nullable:"false" example:"[\"orders:read\"]"`
	Plan        string     `json:"plan,omitempty" example:"free"`
	Expires     *time.Time `json:"expires,omitempty"`
	Token       bool       `json:"token,omitempty" doc:"proved by a token that was made from the key"`
	Retiring    bool       `json:"retiring,omitempty" doc:"the text is being replaced: the client shall take the new one"`
	Secret      int        `json:"secret,omitempty" doc:"which of the key's secrets the text is, from 1" example:"1"`
}

// Standing is where a key stands with a limit of its own.
type Standing struct {
	Name  string `json:"name" example:"requests"`
	Count int64  `json:"count" example:"600"`
	Per   string `json:"per" example:"1m0s"`
	Burst int64  `json:"burst" example:"600"`
	Left  int64  `json:"left" doc:"requests that pass now" example:"599"`
}

// A verification is what verifyKey needs.
type verification struct {
	verifier *apikey.Verifier
	store    apikey.Store
	limits   ratelimit.Store
	ledger   *usage.Ledger
	credits  usage.Store
	clients  *bruteforce.Guard // guesses from one address, as callers tell it
	callers  *bruteforce.Guard // guesses through one caller
	policy   Policy            // nil: no gateway judges
	used     func(key string, secret int)
}

const (
	codeValid   = "valid"
	codeInvalid = "invalid"
)

func newVerification(cfg *Config) (*verification, error) {
	claim := func(x *exchange.Exchange) string { return x.Claim }
	clients, err := bruteforce.New(bruteforce.Config{Claim: claim, Side: sideOf})
	if err != nil {
		return nil, err
	}
	// A caller tells of many clients: what one of them has proved passes all the same.
	many := bruteforce.Rule{Free: 1000, Delay: time.Second, Longest: time.Minute, Forget: time.Hour}
	callers, err := bruteforce.New(bruteforce.Config{Claim: claim, Side: sideOf, Address: many, Pair: bruteforce.Rule{Free: 100, Delay: time.Second, Longest: time.Minute, Forget: time.Hour}})
	if err != nil {
		return nil, err
	}
	used := cfg.Used
	if used == nil {
		used = func(string, int) {}
	}
	return &verification{
		verifier: cfg.Verifier, store: cfg.Store, limits: cfg.Limits, ledger: cfg.Ledger, credits: cfg.Credits, clients: clients, callers: callers, policy: cfg.Policy, used: used,
	}, nil
}

func (s *Service) verifyKey(ctx context.Context, c *caller, in *struct {
	Body Use
},
) (*answer[Verdict], error) {
	v, err := s.verify.answer(ctx, c, &in.Body)
	if err != nil {
		return nil, err
	}
	if !c.may(SeeReasons) {
		v.Reason, v.Route, v.Stage = "", "", ""
	}
	return &answer[Verdict]{Body: v}, nil
}

// use is what the key is shown for.
func (u *Use) use() (apikey.Use, error) {
	var r reader
	use := apikey.Use{Method: u.Method, Origin: u.Origin, Public: u.Public, Dry: u.Dry}
	if u.Key == "" {
		r.fault("key", "is missing: only with gateway may it be")
	}
	if u.Address != "" {
		address, err := netip.ParseAddr(u.Address)
		if err != nil {
			r.fault("address", "want an IP address")
		}
		use.Client = address.Unmap().WithZone("")
	}
	if u.Target != "" {
		path, _, _ := strings.Cut(u.Target, "?")
		if to, err := url.Parse(u.Target); err == nil && to.IsAbs() {
			path = to.EscapedPath()
		}
		canonical, err := target.Canonical(path, 0)
		if err != nil || !strings.HasPrefix(path, "/") {
			r.fault("target", "want a path with one reading, such as /orders/17")
		}
		use.Path = canonical.Path
	}
	for i, scope := range u.Scopes {
		if !exchange.ValidScope(scope) || strings.HasSuffix(scope, "*") {
			r.fault("scopes["+strconv.Itoa(i)+"]", "want a scope such as orders:read")
		}
	}
	return use, r.err()
}

// A judging is what one verdict is made from: how it counts for who guesses, and
// the principal if there is one.
type judging struct {
	verdict   Verdict
	principal exchange.Principal
	guessed   exchange.Outcome
}

// answer is the verdict on a use, after which limits and credits are spent.
func (v *verification) answer(ctx context.Context, c *caller, u *Use) (Verdict, error) {
	judge, from, err := v.judgeOf(u)
	if err != nil {
		return Verdict{}, err
	}
	if u.Key == "" { // nobody guesses
		j, err := judge(ctx, c, u)
		return j.verdict, err
	}
	client, through := v.guess(ctx, from, u.Key), v.guess(ctx, c.client, u.Key)
	outcome := exchange.Outcome{Status: http.StatusServiceUnavailable} // nobody knows, until somebody does
	defer func() {                                                     // also when one of both refuses: the other has given a place
		v.clients.Done(client, outcome)
		v.callers.Done(through, outcome)
	}()
	for _, said := range []exchange.Verdict{v.clients.Check(client), v.callers.Check(through)} { //nolint:contextcheck // an exchange has its own
		if !said.Passed() {
			return Verdict{}, throttled(said.Problem())
		}
	}
	j, err := judge(ctx, c, u)
	client.Claim = v.verifier.Claims(u.Key)
	through.Claim = client.Claim
	if err != nil && j.guessed.Status == 0 {
		return Verdict{}, err
	}
	client.Principal, through.Principal, outcome = j.principal, j.principal, j.guessed
	return j.verdict, err
}

// judgeOf returns what judges u, and the client that u tells of.
func (v *verification) judgeOf(u *Use) (func(context.Context, *caller, *Use) (judging, error), netip.Addr, error) {
	if u.Gateway {
		asked, err := u.request()
		if err != nil {
			return nil, netip.Addr{}, err
		}
		return func(ctx context.Context, c *caller, u *Use) (judging, error) { return v.byGateway(ctx, c, u, asked) }, asked.Client, nil
	}
	use, err := u.use()
	return func(ctx context.Context, c *caller, u *Use) (judging, error) { return v.byKey(ctx, c, u, use) }, use.Client, err
}

// byKey is the verdict by what the key itself is good for. What is known when an
// error comes is still known to who guesses.
func (v *verification) byKey(ctx context.Context, c *caller, u *Use, use apikey.Use) (judging, error) {
	var steps *exchange.Timeline
	if x := exchange.From(ctx); x != nil {
		steps = x.Span.Timeline
	}
	step := steps.Start("authn", "")
	p, verdict, guessed, err := v.shown(ctx, c, u, use)
	steps.Stop(step)
	steps.Note(step, verdict.Code)
	if err != nil {
		return judging{}, err
	}
	j := judging{verdict: verdict, guessed: guessed}
	if !verdict.Valid {
		return j, nil
	}
	j.principal = p
	if !u.Dry {
		v.used(p.KeyID, p.SecretNumber)
	}
	for _, scope := range u.Scopes {
		if !p.Scopes.Allow(scope) {
			j.verdict = Verdict{Code: "insufficient-scope", Status: http.StatusForbidden, Reason: "insufficient-scope", Principal: principalOf(&p)}
			return j, nil
		}
	}
	step = steps.Start("principallimit", "")
	j.verdict, err = v.spend(ctx, u, &p)
	steps.Stop(step)
	steps.Note(step, j.verdict.Code)
	return j, err
}

// shown is whom the text of a key proves, or of a token that was made from one, what
// the caller may know of it, and what it was to the guards.
func (v *verification) shown(ctx context.Context, c *caller, u *Use, use apikey.Use) (exchange.Principal, Verdict, exchange.Outcome, error) {
	var p exchange.Principal
	var err error
	token := v.verifier.OwnsToken(u.Key)
	if token {
		p, err = v.verifier.VerifyToken(ctx, u.Key, u.Audience, use)
	} else {
		p, err = v.verifier.VerifyFor(ctx, u.Key, use)
	}
	refusal, refused := errors.AsType[*authn.Refusal](err)
	verdict, err := v.refused(ctx, c, v.verifier.Claims(u.Key), p, err)
	guessed := exchange.Outcome{Status: verdict.Status, Reason: verdict.Reason}
	if refused {
		guessed.Reason = refusal.Reason() // whatever the caller is told
	}
	if token && c.bound() != "" && verdict.Code == codeInvalid {
		verdict.Reason = "unknown" // its key may be somebody else's
	}
	return p, verdict, guessed, err
}

// guess is a request as the guards see it before its key is judged. A text without
// an id is held back with its address alone, so that who guesses at imported texts
// locks out nobody who has one.
func (v *verification) guess(ctx context.Context, from netip.Addr, text string) *exchange.Exchange {
	claim := v.verifier.Claims(text)
	if claim == apikey.ClaimImported {
		claim = ""
	}
	return &exchange.Exchange{Client: from, Claim: claim, Request: new(http.Request).WithContext(ctx)}
}

func throttled(p *problem.Problem) *failure {
	f := fail(problem.RateLimited, "Too many wrong keys came this way. Wait as long as Retry-After says.")
	f.header = p.Header
	return f
}

// refused is the verdict by what the verifier said. To a caller that is bound to an
// owner, the key of another one is a key that there is not.
func (v *verification) refused(ctx context.Context, c *caller, id string, p exchange.Principal, err error) (Verdict, error) {
	invalid := Verdict{Code: codeInvalid, Status: http.StatusUnauthorized, Reason: "unknown"}
	if err == nil {
		if c.bound() != "" && p.Owner != c.bound() {
			return invalid, nil
		}
		return Verdict{Valid: true, Code: codeValid, Status: http.StatusOK}, nil
	}
	if denial, ok := errors.AsType[*authn.Denial](err); ok {
		if c.bound() != "" && denial.Principal.Owner != c.bound() {
			return invalid, nil
		}
		return Verdict{Code: "forbidden", Status: http.StatusForbidden, Reason: denial.Rule, Detail: denial.Problem.Detail, Principal: principalOf(&denial.Principal)}, nil
	}
	refusal, ok := errors.AsType[*authn.Refusal](err)
	if !ok {
		return Verdict{}, err
	}
	invalid.Reason = refusal.Reason()
	if c.bound() != "" && id != "" {
		r, err := apikey.Record{}, apikey.ErrNotFound
		if id != apikey.ClaimImported {
			r, err = v.store.Lookup(ctx, apikey.ID(id))
		}
		if err != nil && !errors.Is(err, apikey.ErrNotFound) {
			return Verdict{}, err
		}
		if err != nil || !c.sees(&r) {
			invalid.Reason = "unknown"
		}
	}
	return invalid, nil
}

func principalOf(p *exchange.Principal) *Principal {
	return &Principal{
		ID: p.KeyID, Owner: p.Owner, Environment: p.Environment, Scopes: append([]string{}, p.Scopes.Names()...), Plan: p.Plan,
		Expires: timeOf(p.Expires), Retiring: p.Retiring, Token: p.Token, Secret: p.SecretNumber,
	}
}

// spend takes what the use costs: limits before credits, since credits are never
// given back.
func (v *verification) spend(ctx context.Context, u *Use, p *exchange.Principal) (Verdict, error) {
	verdict := Verdict{Valid: true, Code: codeValid, Status: http.StatusOK, Principal: principalOf(p)}
	if err := v.count(ctx, p, u.Dry, &verdict); err != nil || !verdict.Valid || u.Cost == 0 {
		return verdict, err
	}
	if v.ledger == nil {
		return Verdict{}, errNoCredits
	}
	stage, err := usage.New(usage.Config{Ledger: v.ledger, Cost: u.Cost})
	if err != nil {
		return Verdict{}, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "/", http.NoBody)
	if err != nil {
		return Verdict{}, err
	}
	x := exchange.New(r)
	x.Principal, x.Dry = *p, u.Dry
	switch said := stage.Check(x); said.Kind() { //nolint:contextcheck // the exchange has it
	case exchange.Passed:
	case exchange.Refused:
		verdict.Valid, verdict.Code, verdict.Status, verdict.Reason = false, "credits-exhausted", http.StatusTooManyRequests, said.Reason()
		verdict.Retry, _ = strconv.ParseInt(said.Problem().Header.Get("Retry-After"), 10, 64) // 0 without one
	case exchange.Failed, exchange.Answered:
		return Verdict{}, said.Err()
	}
	fields := make(http.Header)
	stage.Headers(x, fields) //nolint:contextcheck // as above
	if left, err := strconv.ParseInt(fields.Get(usage.Remaining), 10, 64); err == nil {
		verdict.Credits = &left
	}
	return verdict, nil
}

var errNoCredits = errors.New("keyservice: nothing keeps credits here")

// count counts the use by the limits that the key has of its own: by all or none.
func (v *verification) count(ctx context.Context, p *exchange.Principal, dry bool, verdict *Verdict) error {
	if len(p.Quotas) == 0 {
		return nil
	}
	sum := sha256.Sum256([]byte("verify\x00" + p.KeyID))
	claims := make([]ratelimit.Claim, len(p.Quotas))
	for i, q := range p.Quotas {
		burst := q.Burst
		if burst == 0 {
			burst = q.Count
		}
		claims[i] = ratelimit.Claim{
			Limit: "verify:" + q.Name, Subject: ratelimit.Digest(sum[:16]), Near: ratelimit.Digest(sum[:16]), Cost: 1,
			Quota: ratelimit.Quota{Count: q.Count, Per: q.Per, Burst: burst},
		}
	}
	if err := v.limits.Take(ctx, claims, dry); err != nil {
		return err
	}
	for i := range claims {
		cl := &claims[i]
		verdict.Limits = append(verdict.Limits, Standing{
			Name: p.Quotas[i].Name, Count: int64(cl.Quota.Count), Per: cl.Quota.Per.String(), Burst: int64(cl.Quota.Burst), Left: left(cl),
		})
		if !cl.OK {
			verdict.Valid, verdict.Code, verdict.Status, verdict.Reason = false, "rate-limited", http.StatusTooManyRequests, "limit:"+p.Quotas[i].Name
			verdict.Retry = max(verdict.Retry, retry(cl))
		}
	}
	return nil
}

// left is how many more pass now: what is not owed of the burst.
func left(c *ratelimit.Claim) int64 {
	owed := math.Ceil(float64(c.Debt) * float64(c.Quota.Count) / float64(c.Quota.Per))
	return max(0, int64(c.Quota.Burst)-int64(owed))
}

// retry is after how many seconds the next one passes: when one less than the
// burst is owed.
func retry(c *ratelimit.Claim) int64 {
	free := time.Duration(float64(c.Quota.Per) / float64(c.Quota.Count) * float64(c.Quota.Burst-1))
	return max(1, int64(math.Ceil((c.Debt - free).Seconds())))
}
