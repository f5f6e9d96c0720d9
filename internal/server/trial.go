package server

import (
	"crypto/rand"
	"crypto/tls"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/config"
	"github.com/warder-dev/warder/internal/gateway"
	"github.com/warder-dev/warder/secret"
	"github.com/warder-dev/warder/session"
	"github.com/warder-dev/warder/usage"
)

// A Trial judges requests that nobody sent by a configuration that need not run:
// what explains a decision, and what tests a policy. It opens no listener, writes
// nothing and asks no upstream. It is not safe for concurrent use.
type Trial struct{ program *program }

// TrialOptions are what a [Trial] needs. Every field is required but TokenKeys.
type TrialOptions struct {
	_       [0]func()
	Config  *config.Config
	Store   apikey.Store // of the keys that requests may carry; nothing is written to it
	Peppers *apikey.Peppers

	// TokenKeys read tokens that were made from keys, as those of [Options] do. Without
	// any no token is good.
	TokenKeys secret.Text
}

// NewTrial builds the policy of a configuration. Limits and credits begin anew:
// nobody has spent any.
func NewTrial(o TrialOptions) (*Trial, error) {
	cfg := gateway.CountingAlone(o.Config) // where others count is not asked
	p := &program{metrics: NewMetrics("trial"), options: Options{
		Config: cfg, Store: o.Store, Peppers: o.Peppers, Sessions: new(session.MemoryStore), Credits: new(usage.MemoryStore), TokenKeys: o.TokenKeys,
		Log: slog.New(slog.DiscardHandler), AccessLog: slog.New(slog.DiscardHandler),
	}}
	t := &Trial{program: p}
	if err := t.build(); err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}

func (t *Trial) build() (err error) {
	p := t.program
	o := p.options
	settings := apikey.VerifierConfig{Store: o.Store, Peppers: o.Peppers, LookupTimeout: o.Config.Timeouts.Store}
	if _, ok := o.Store.(apikey.LegacyStore); ok {
		settings.LegacyFormats = o.Config.Keys.LegacyFormats
	}
	if p.tokens, err = newKeyTokens(&o.Config.Tokens, o.TokenKeys); err != nil {
		return err
	}
	settings.Tokens = p.tokens.verifier()
	p.verifier, err = apikey.NewVerifier(settings)
	if err != nil {
		return err
	}
	if err := errors.Join(p.joinPeople(), p.sign()); err != nil {
		return err
	}
	g, err := gateway.New(gateway.Config{
		Config: o.Config, Verifier: p.verifier, Sessions: p.people.sessions, People: p.people.checker, Signer: p.signer, Credits: o.Credits, TokenKeys: p.tokens.keySet(), Holder: unanswered{},
		AccessLog: o.AccessLog, Log: o.Log,
	})
	if err == nil {
		p.gateway.Store(g)
	}
	return err
}

// TrialPeppers are peppers for keys that are thrown away.
func TrialPeppers() (*apikey.Peppers, error) {
	line, err := apikey.NewPepper(rand.Reader)
	if err != nil {
		return nil, err
	}
	return apikey.ParsePeppers(line)
}

// Close ends what the trial began.
func (t *Trial) Close() { t.program.close() }

// A Question is a request that nobody sent.
type Question struct {
	Method   string     // default GET
	URL      string     // absolute, http or https. Required.
	Header   []string   // lines "Name: value", as they would be sent
	Listener string     // the name of the listener that it comes to; "" for the gateway's own
	Client   netip.Addr // whom it comes from, as forwarded finds it. Default 192.0.2.1, which is nobody's.
	Body     string
}

// request builds the request as net/http's server would have read it.
func (q *Question) request() (*http.Request, error) {
	u, err := url.Parse(q.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.Fragment != "" {
		return nil, errors.New("url: want an absolute http or https URL, without user and fragment")
	}
	method := q.Method
	if method == "" {
		method = http.MethodGet
	}
	if strings.ContainsFunc(method, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return nil, errors.New("method: want a token such as GET")
	}
	// The target as it was written, not as a URL would be printed.
	_, rest, _ := strings.Cut(q.URL, "://")
	target := "/"
	if at := strings.IndexAny(rest, "/?"); at >= 0 {
		target = rest[at:]
	}
	if !strings.HasPrefix(target, "/") {
		target = "/" + target
	}
	parsed, err := url.ParseRequestURI(target)
	if err != nil {
		return nil, errors.New("url: the path cannot be read, and no server would")
	}
	client := q.Client
	if !client.IsValid() {
		client = netip.MustParseAddr("192.0.2.1")
	}
	r := &http.Request{
		Method: method, URL: parsed, RequestURI: target, Host: u.Host, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{},
		RemoteAddr: netip.AddrPortFrom(client, 49152).String(), Body: http.NoBody,
	}
	if q.Body != "" {
		r.Body, r.ContentLength = http.MaxBytesReader(nil, readCloser{strings.NewReader(q.Body)}, int64(len(q.Body))), int64(len(q.Body))
	}
	if u.Scheme == "https" {
		r.TLS = &tls.ConnectionState{Version: tls.VersionTLS13, HandshakeComplete: true, ServerName: u.Hostname()}
	}
	return r, addFields(r, q.Header)
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }

// addFields adds lines of a header as a server does.
func addFields(r *http.Request, lines []string) error {
	for _, line := range lines {
		name, value, ok := strings.Cut(line, ":")
		if !ok || name == "" || strings.ContainsAny(name, " \t") || strings.ContainsAny(line, "\r\n\x00") {
			return errors.New(`header: want "Name: value"`)
		}
		value = strings.Trim(value, " \t")
		if strings.EqualFold(name, "Host") {
			r.Host = value
			continue
		}
		r.Header.Add(name, value)
	}
	return nil
}

// An Answer is what a [Trial] says of a [Question].
type Answer struct {
	Allowed   bool
	Verdict   exchange.Kind
	Status    int    // that the client would get; 0 when allowed: then the upstream says
	Reason    string // the word of the log; "" when allowed
	Stage     string // that had the last word; "" when allowed
	Detail    string // of the problem
	Failure   string // what could not be judged; "" for nothing
	Route     string // the pattern that matched
	Upstream  string // where it would go; "" for a route that the gateway answers itself
	Path      string // that the upstream would get
	Principal exchange.Principal
	Header    http.Header // that a refusal or an answer would have
	Steps     []warder.Step
}

// Ask judges a request.
func (t *Trial) Ask(q Question) (Answer, error) {
	r, err := q.request()
	if err != nil {
		return Answer{}, err
	}
	return answerOf(t.program.gateway.Load(), q.Listener, r), nil
}

// answerOf is what g says of r at a listener.
func answerOf(g *gateway.Gateway, listener string, r *http.Request) Answer {
	explained, x, headers := g.Judge(r, listener)
	v := explained.Trace.Verdict
	a := Answer{Allowed: explained.Trace.Allowed(), Verdict: v.Kind(), Route: x.Route, Path: x.UpstreamPath, Principal: x.Principal, Steps: explained.Steps}
	if route := routeCalled(g.Settings(), x.Route); route != nil {
		a.Upstream = route.Upstream
	}
	if a.Allowed {
		return a
	}
	a.Stage, a.Reason = explained.Trace.Stage, v.Reason()
	if v.Err() != nil {
		a.Failure = v.Err().Error()
	}
	w := httptest.NewRecorder()
	if p := v.Problem(); p != nil {
		p.Write(w, x.Request, "")
		a.Detail = p.Detail
	} else if h := v.Handler(); h != nil {
		h.ServeHTTP(w, x.Request)
	}
	headers(w.Header())
	a.Status, a.Header = w.Code, w.Header()
	return a
}

// routeCalled is the route with a pattern; nil for none.
func routeCalled(cfg *config.Config, pattern string) *config.Route {
	for i := range cfg.Routes {
		if cfg.Routes[i].Match == pattern {
			return &cfg.Routes[i]
		}
	}
	return nil
}
