package server

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/internal/gateway"
	"github.com/warder-dev/warder/problem"
	"github.com/warder-dev/warder/ratelimit"
	"github.com/warder-dev/warder/secret"
)

// limitPatterns are the paths of limits on the admin listener.
func limitPatterns() []string {
	return []string{"GET /limits", "GET /limits/{name}/top", "POST /limits/{name}/standing", "POST /limits/{name}/reset", "POST /limits/{name}/override"}
}

// A LimitView is what the admin listener tells of a limit.
type LimitView struct {
	Name       string   `json:"name"`
	By         []string `json:"by"`
	Count      int      `json:"count,omitempty"` // requests in each per
	Per        string   `json:"per,omitempty"`
	Burst      int      `json:"burst,omitempty"`
	Concurrent int      `json:"concurrent,omitempty"` // or under way at once
	Shadow     bool     `json:"shadow,omitempty"`
	Subjects   int      `json:"subjects"` // in memory, or under way
	Passed     uint64   `json:"passed"`
	Refused    uint64   `json:"refused"`
	Shadowed   uint64   `json:"shadowed"`
}

// A RefusedView is a subject that a limit has refused often.
type RefusedView struct {
	Subject string    `json:"subject"`
	Who     string    `json:"who"`
	Times   uint64    `json:"times"`
	Over    uint64    `json:"over"` // at most so many of times were somebody else's
	Last    time.Time `json:"last"`
}

// A SubjectQuery names a subject of a limit, by what the limit tells subjects
// apart by, or by its id.
type SubjectQuery struct {
	Parts   map[string]string `json:"parts,omitempty"`
	Subject string            `json:"subject,omitempty"`

	// Of an override. A Count of 0 takes it away.
	Count int    `json:"count,omitempty"`
	Per   string `json:"per,omitempty"`
	Burst int    `json:"burst,omitempty"`
	For   string `json:"for,omitempty"` // how long it holds; "" as long as the process runs
}

// A SubjectView is where a subject stands. Quota and what is left are known for
// one that was named by its parts.
type SubjectView struct {
	Subject string `json:"subject"`
	Known   bool   `json:"known"` // in memory, before a reset
	Count   int    `json:"count,omitempty"`
	Per     string `json:"per,omitempty"`
	Burst   int    `json:"burst,omitempty"`
	Left    uint64 `json:"left"`
	Wait    string `json:"wait,omitempty"`  // until the next request passes
	Whole   string `json:"whole,omitempty"` // until all of the burst is there again
}

// adminLimits answers about limits, to whoever holds the token, from this machine.
type adminLimits struct {
	gateway     func() *gateway.Gateway // the one that judges now
	descriptors *descriptors
	token       [sha256.Size]byte
}

// mountLimits adds the paths of limits to mux; nothing without a token.
func mountLimits(mux *http.ServeMux, token secret.Text, g func() *gateway.Gateway, d *descriptors) {
	if token.IsZero() {
		return
	}
	a := newAdminAnswers(token)
	a.gateway, a.descriptors = g, d
	handlers := []func(*http.Request) (any, error){a.list, a.top, a.standing, a.reset, a.override}
	for i, pattern := range limitPatterns() {
		mux.Handle(pattern, a.guarded(handlers[i]))
	}
}

// newAdminAnswers knows the token, and nothing of limits.
func newAdminAnswers(token secret.Text) *adminLimits {
	return &adminLimits{token: sha256.Sum256([]byte("Bearer " + token.Reveal()))}
}

// errNoSuch means that a path or a body names what there is not.
var errNoSuch = errors.New("not found")

// guarded answers with what h returns, as JSON.
func (a *adminLimits) guarded(h func(*http.Request) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		given := sha256.Sum256([]byte(r.Header.Get("Authorization")))
		x := exchange.From(r.Context())
		switch {
		case x == nil || !x.Peer.Addr().Unmap().IsLoopback():
			exchange.Respond(w, r, problem.New(problem.Forbidden, "Limits are answered for from this machine only."), "not-loopback", nil)
			return
		case subtle.ConstantTimeCompare(given[:], a.token[:]) != 1:
			exchange.Respond(w, r, problem.New(problem.Unauthorized, "Send the token of the admin listener as a bearer token.").With("WWW-Authenticate", "Bearer"), "admin-token", nil)
			return
		}
		answer, err := h(r)
		status := http.StatusOK
		switch {
		case errors.Is(err, errNoSuch):
			status, answer = http.StatusNotFound, map[string]string{"error": err.Error()}
		case err != nil:
			status, answer = http.StatusUnprocessableEntity, map[string]string{"error": err.Error()}
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(answer) // the client may be gone
	})
}

func (a *adminLimits) list(*http.Request) (any, error) {
	all := []LimitView{}
	g := a.gateway()
	rates, concurrent, configured := g.RateLimits(), g.Concurrency(), g.Settings().RateLimits
	for _, name := range slices.Sorted(maps.Keys(configured)) {
		settings := configured[name]
		v := LimitView{Name: name, By: settings.By, Shadow: settings.Shadow, Concurrent: settings.Concurrent}
		var n ratelimit.Counts
		if l := rates[name]; l != nil {
			q := l.Quota()
			v.Count, v.Per, v.Burst, v.Subjects, n = q.Count, q.Per.String(), q.Burst, l.Remembered(), l.Counts()
		} else if c := concurrent[name]; c != nil {
			v.Subjects, n = c.UnderWay(), c.Counts()
		}
		v.Passed, v.Refused, v.Shadowed = n.Passed, n.Refused, n.Shadowed
		all = append(all, v)
	}
	return append(all, a.descriptors.views()...), nil
}

// limit returns the limit that the path names.
func (a *adminLimits) limit(r *http.Request) (*ratelimit.Limit, error) {
	name, g := r.PathValue("name"), a.gateway()
	if l := g.RateLimits()[name]; l != nil {
		return l, nil
	}
	if l := a.descriptors.all()[name]; l != nil {
		return l, nil
	}
	if g.Concurrency()[name] != nil {
		return nil, errors.New("the limit is on requests under way: it has nothing to show or to reset")
	}
	return nil, fmt.Errorf("the limit: %w", errNoSuch)
}

func (a *adminLimits) top(r *http.Request) (any, error) {
	l, err := a.limit(r)
	if err != nil {
		return nil, err
	}
	n := 10
	if text := r.URL.Query().Get("n"); text != "" {
		if n, err = strconv.Atoi(text); err != nil || n < 1 || n > 64 {
			return nil, errors.New("n is not 1 to 64")
		}
	}
	all := []RefusedView{}
	for _, one := range l.Top(n) {
		all = append(all, RefusedView{Subject: one.Subject.String(), Who: a.descriptors.who(l.Name(), one.Who), Times: one.Times, Over: one.Over, Last: one.Last.UTC().Truncate(time.Second)})
	}
	return all, nil
}

// asked reads a query and finds its subject. x is a request of that subject; nil
// for one that is named by its id.
func (a *adminLimits) asked(r *http.Request) (l *ratelimit.Limit, q SubjectQuery, s ratelimit.Subject, x *exchange.Exchange, err error) {
	if l, err = a.limit(r); err != nil {
		return l, q, s, nil, err
	}
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&q); err != nil {
		return l, q, s, nil, errors.New("the body is not the JSON of a subject")
	}
	if q.Subject != "" {
		s, err = ratelimit.ParseSubject(q.Subject)
		return l, q, s, nil, err
	}
	if x, err = a.requestOf(l.Name(), q.Parts); err != nil {
		return l, q, s, nil, err
	}
	s, _ = l.Subject(x)
	return l, q, s, x, nil
}

func (a *adminLimits) standing(r *http.Request) (any, error) {
	l, _, s, x, err := a.asked(r)
	if err != nil {
		return nil, err
	}
	if x == nil {
		return nil, errors.New("name the subject by its parts")
	}
	v := SubjectView{Subject: s.String()}
	if at, ok := l.Standing(x); ok {
		v.Count, v.Per, v.Burst = at.Quota.Count, at.Quota.Per.String(), at.Quota.Burst
		v.Left, v.Wait, v.Whole = at.Left, at.Wait.Round(time.Millisecond).String(), at.Whole.Round(time.Millisecond).String()
		v.Known = at.Whole > 0
	}
	return v, nil
}

func (a *adminLimits) reset(r *http.Request) (any, error) {
	l, _, s, x, err := a.asked(r)
	if err != nil {
		return nil, err
	}
	v := SubjectView{Subject: s.String(), Known: l.Reset(s)}
	if l.Shared() {
		if x == nil {
			return nil, errors.New("the limit is shared by nodes, which know the subject by other ids: name it by its parts")
		}
		if err := l.ResetFor(r.Context(), x); err != nil {
			return nil, errors.New("the store of the limit gave no answer: see the log")
		}
		v.Known = true
	}
	return v, nil
}

func (a *adminLimits) override(r *http.Request) (any, error) {
	l, q, s, _, err := a.asked(r)
	if err != nil {
		return nil, err
	}
	quota := ratelimit.Quota{Count: q.Count, Burst: q.Burst}
	var until time.Time
	if q.Count != 0 {
		if quota.Per, err = config.ParseDuration(q.Per); err != nil {
			return nil, fmt.Errorf("per %w", err)
		}
		if q.For != "" {
			d, err := config.ParseDuration(q.For)
			if err != nil || d <= 0 {
				return nil, errors.New("for is not how long it holds")
			}
			until = time.Now().Add(d)
		}
	}
	if err := l.Override(s, quota, until); err != nil {
		return nil, err
	}
	return SubjectView{Subject: s.String()}, nil
}

// requestOf makes a request of the subject of a limit that parts name.
func (a *adminLimits) requestOf(limit string, parts map[string]string) (*exchange.Exchange, error) {
	if settings, ok := a.gateway().Settings().RateLimits[limit]; ok {
		return requestOf(settings.By, parts)
	}
	return a.descriptors.requestOf(limit, parts)
}

// requestOf makes a request of the subject that parts name, which are all that
// the limit tells subjects apart by.
func requestOf(by []string, parts map[string]string) (*exchange.Exchange, error) {
	x, err := noRequest()
	if err != nil {
		return nil, err
	}
	x.Principal.Claims = map[string]any{}
	var wanted []string
	for _, text := range by {
		wanted = append(wanted, partNames(text)...)
	}
	if err := checkParts(wanted, parts); err != nil {
		return nil, err
	}
	for name, value := range parts {
		if err := setPart(x, name, value); err != nil {
			return nil, err
		}
	}
	return x, nil
}

// noRequest is of a request that is never sent.
func noRequest() (*exchange.Exchange, error) {
	r, err := http.NewRequest(http.MethodGet, "/", http.NoBody) //nolint:noctx // is never sent
	if err != nil {
		return nil, err
	}
	return exchange.New(r), nil
}

// checkParts wants a value for each of wanted.
func checkParts(wanted []string, parts map[string]string) error {
	wanted = slices.Compact(slices.Sorted(slices.Values(wanted)))
	if slices.Equal(slices.Sorted(maps.Keys(parts)), wanted) {
		return nil
	}
	if len(wanted) == 0 {
		return errors.New("the limit counts everybody together, and has no parts")
	}
	return fmt.Errorf("the limit tells its subjects apart by %s: give each of these a value, and nothing else", strings.Join(wanted, ", "))
}

// partNames are the parts of one entry of by.
func partNames(text string) []string {
	if text == "principal" {
		return []string{"issuer", "subject"}
	}
	if strings.HasPrefix(text, "cel:") {
		return []string{"cel, which only ids can name"}
	}
	return []string{text}
}

func setPart(x *exchange.Exchange, name, value string) (err error) {
	p := &x.Principal
	kind, rest, _ := strings.Cut(name, ":")
	switch kind {
	case "address":
		if x.Client, err = netip.ParseAddr(value); err != nil {
			return errors.New("address is not an IP address")
		}
	case "key":
		p.KeyID = value
	case "owner":
		p.Owner = value
	case "session":
		p.Session = value
	case "issuer":
		p.Issuer = value
	case "subject":
		p.Subject = value
	case "route":
		x.Route = value
	case "header":
		x.Request.Header.Set(rest, value)
	case "claim":
		b, _ := config.ParseBy(name)
		claims := p.Claims
		for _, outer := range b.Path[:len(b.Path)-1] {
			inner := map[string]any{}
			claims[outer] = inner
			claims = inner
		}
		claims[b.Path[len(b.Path)-1]] = value
	}
	return nil
}
