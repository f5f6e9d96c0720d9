package keyservice

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/problem"
	"github.com/warder-dev/warder/target"
	"github.com/warder-dev/warder/usage"
)

// A Request is one that somebody else got, and asks about.
type Request struct {
	Key    string // the text of a key, wherever it came; "" for none
	Method string
	Scheme string // "http" or "https"
	Host   string // with the port, if there was one
	Target string // path and query
	Client netip.Addr
	Origin string // the Origin field; "" for none
	Dry    bool   // say what would become of it, and count nothing

	// Hearsay says that the client is the word of somebody who is bound to an owner:
	// what the gateway counts by address is read alone.
	Hearsay bool
}

// A Judgement is what a gateway makes of a [Request].
type Judgement struct {
	Allowed   bool
	Status    int          // that the client ought to get; 200 when it is allowed
	Kind      problem.Type // of a refusal; "" for an answer of the gateway's own, such as a preflight's
	Reason    string       // the word of the log
	Detail    string       // of the problem
	Stage     string       // that had the last word; "" when it is allowed
	Route     string       // the pattern that matched; "" for none
	Header    http.Header  // that the client ought to get
	Principal exchange.Principal
}

// A Policy judges requests as the gateway judges those that come to it: it counts
// and spends what they cost. Implementations are safe for concurrent use.
type Policy interface {
	// Judge returns [ErrUnjudgeable] where the route holds what nobody can keep who
	// is only asked; any other error means that nobody knows.
	Judge(ctx context.Context, r *Request) (Judgement, error)
}

// ErrUnjudgeable means that a route wants what only the gateway itself can keep.
var ErrUnjudgeable = errors.New("keyservice: the route wants what only the gateway itself can keep")

// request is what u tells of the request, for the gateway.
func (u *Use) request() (*Request, error) {
	var r reader
	for name, given := range map[string]bool{"scopes": len(u.Scopes) > 0, "cost": u.Cost != 0, "public": u.Public, "audience": u.Audience != ""} {
		if given {
			r.fault(name, "leave it out: with gateway, the route says it")
		}
	}
	if u.Method == "" {
		r.fault("method", "is missing: the gateway wants it")
	}
	out := &Request{Key: u.Key, Method: u.Method, Origin: u.Origin, Dry: u.Dry}
	if address, err := netip.ParseAddr(u.Address); err == nil {
		out.Client = address.Unmap().WithZone("")
	} else {
		r.fault("address", "want the IP address of the client")
	}
	to, err := url.Parse(u.Target)
	_, rest, _ := strings.Cut(u.Target, "://")
	at := strings.IndexAny(rest, "/?#")
	if err != nil || to.Scheme != "http" && to.Scheme != "https" || to.Host == "" || to.User != nil || at < 0 || rest[at] != '/' || strings.Contains(rest, "#") {
		r.fault("target", "want scheme, host and path, such as https://api.example.com/orders/17")
		return nil, r.sorted()
	}
	out.Scheme, out.Host, out.Target = to.Scheme, rest[:at], rest[at:]
	if strings.ContainsFunc(out.Target, func(c rune) bool { return c <= ' ' || c == 0x7f }) || !readable(out.Target) {
		r.fault("target", "want a path with one reading, such as /orders/17")
	}
	return out, r.sorted()
}

// sorted is err with the fields in one order.
func (r *reader) sorted() error {
	slices.SortFunc(r.faults, func(a, b Fault) int { return strings.Compare(a.Field, b.Field) })
	return r.err()
}

// readable reports whether a server could read the target at all; what it reads is
// for the gateway to judge.
func readable(text string) bool {
	_, err := url.ParseRequestURI(text)
	return err == nil
}

// byGateway is the verdict of the gateway's policy. What another owner's key would
// pass is not asked for a caller that is bound to one.
func (v *verification) byGateway(ctx context.Context, c *caller, u *Use, asked *Request) (judging, error) {
	if v.policy == nil {
		return judging{}, fail(problem.Unavailable, "No gateway judges here.")
	}
	hidden, err := v.hidden(ctx, c, u, asked)
	if err != nil {
		return judging{}, err
	}
	if hidden != nil {
		hidden.verdict.Problem = string(problem.Unauthorized)
		return *hidden, nil
	}
	asked.Hearsay = c.bound() != ""
	j, err := v.policy.Judge(ctx, asked)
	switch {
	case errors.Is(err, ErrUnjudgeable):
		return judging{}, fail(problem.Conflict, "The route bounds requests under way, or takes its cost from the answer: send the request through the gateway.")
	case err != nil:
		return judging{}, err
	}
	return judging{j.verdict(), j.Principal, exchange.Outcome{Status: j.Status, Reason: j.Reason}}, nil
}

// hidden is the verdict about a key that is none of the caller's business, before
// anything of it is spent; nil for every other.
func (v *verification) hidden(ctx context.Context, c *caller, u *Use, asked *Request) (*judging, error) {
	if c.bound() == "" || u.Key == "" {
		return nil, nil //nolint:nilnil // the caller sees every key, or there is none
	}
	use := *u
	use.Target, _, _ = strings.Cut(asked.Target, "?")
	if _, err := target.Canonical(use.Target, 0); err != nil {
		use.Target = "" // the gateway refuses it or resolves it: whose the key is stays the question
	}
	shown, err := use.use()
	if err != nil {
		return nil, err
	}
	shown.Public = true
	_, verdict, guessed, err := v.shown(ctx, c, &use, shown)
	if err != nil || verdict.Code != codeInvalid {
		return nil, err //nolint:nilnil // it is the caller's
	}
	return &judging{verdict: verdict, guessed: guessed}, nil
}

// verdict is j in the words of the API.
func (j *Judgement) verdict() Verdict {
	v := Verdict{Valid: j.Allowed, Code: codeValid, Status: j.Status, Route: j.Route, Stage: j.Stage, Reason: j.Reason, Detail: j.Detail, Header: answerHeader(j.Header)}
	if !j.Principal.IsZero() {
		v.Principal = principalOf(&j.Principal)
	}
	if left, err := strconv.ParseInt(j.Header.Get(usage.Remaining), 10, 64); err == nil {
		v.Credits = &left
	}
	if !j.Allowed {
		v.Code, v.Problem = codeOf(j), string(j.Kind)
		v.Retry, _ = strconv.ParseInt(j.Header.Get("Retry-After"), 10, 64) // 0 without one
	}
	return v
}

// codeOf is the word for a refusal.
func codeOf(j *Judgement) string {
	switch j.Kind {
	case problem.Unauthorized:
		return codeInvalid
	case problem.InsufficientScope:
		return "insufficient-scope"
	case problem.Forbidden:
		return "forbidden"
	case problem.RateLimited:
		return "rate-limited"
	case problem.CreditsExhausted:
		return "credits-exhausted"
	default:
		return "refused"
	}
}

// answerHeader is what the gateway would add to the answer. What is about a body of
// the gateway's own, or starts a session, is not the asker's.
func answerHeader(h http.Header) map[string]string {
	out := make(map[string]string, len(h))
	for name, values := range h {
		switch name {
		case "Content-Type", "Content-Length", "Set-Cookie", "Connection":
		default:
			out[name] = strings.Join(values, ", ")
		}
	}
	return out
}
