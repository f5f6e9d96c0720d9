package apikey_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/accesslog"
	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/forwarded"
	"github.com/warder-dev/warder/httpserver"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/problem"
	"github.com/warder-dev/warder/securityheaders"
	"github.com/warder-dev/warder/target"
)

func TestQueryKeyWhereAHeaderIsWanted(t *testing.T) {
	attack.Case(t, "KEY-21", attack.Library, func(t *testing.T) {
		h := newHouse(t)
		_, good := h.create(t, "a")
		var log bytes.Buffer
		logger := slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		access := must[*accesslog.Stage](t)(accesslog.New(accesslog.Config{Logger: logger}))
		paths := must[*target.Stage](t)(target.New(target.Config{}))
		keys := must[*authn.Stage](t)(authn.New(authn.Config{Requirement: authn.Require(newHeader(t, h.verifier))}))
		seen := new(counting)
		stack := &warder.Stack{
			Edge:   warder.Edge{AccessLog: access, Forwarded: forwarded.Direct(), Target: paths, Metrics: seen},
			Policy: &warder.Policy{Authn: keys},
		}
		front := stack.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the handler was reached") }))
		var answers strings.Builder
		for _, query := range []string{"api_key=" + good, "X-API-Key=" + good, "a=1&key=" + good + "&b", "api_key=" + good + "&api_key=" + good, good} {
			w := httptest.NewRecorder()
			front.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/orders?"+query, nil))
			if w.Code != 401 {
				t.Errorf("%s: status = %d, want 401", strings.ReplaceAll(query, good, "KEY"), w.Code)
			}
			answers.WriteString(fmt.Sprint(w.Header()) + w.Body.String())
		}
		secrets := map[string]string{"key": good, "secret part": good[21:53]}
		hidden(t, "the log", log.String(), secrets)
		hidden(t, "the answer", answers.String(), secrets)
		hidden(t, "what metrics are told", seen.text.String(), secrets)
		if !strings.Contains(log.String(), `"path":"/orders"`) || !strings.Contains(seen.text.String(), "no-credential") {
			t.Errorf("the search looked at nothing: log %s, metrics %s", log.String(), seen.text.String())
		}
	})
}

// counting keeps everything that an outcome tells.
type counting struct{ text strings.Builder }

func (c *counting) Done(_ *exchange.Exchange, o exchange.Outcome) {
	_, _ = fmt.Fprintf(&c.text, "%+v %v\n", o, o.Err)
}

func TestQuerySpellings(t *testing.T) {
	attack.Case(t, "KEY-22", attack.Library, func(t *testing.T) {
		h := newHouse(t)
		_, good := h.create(t, "a")
		many := strings.Repeat("a=1&", 10_000)
		escaped := strings.ReplaceAll(good, "_", "%5F")
		for _, tt := range []struct {
			name, query, reason string
			status              int
			left                string // of the query, for the handler
		}{
			{"repeated", "api_key=KEY&api_key=KEY", "repeated", 400, ""},
			{"repeated with a bad one", "api_key=x&a&api_key=KEY", "repeated", 400, ""},
			{"repeated empty", "api_key=KEY&api_key", "repeated", 400, ""},
			{"encoded name", "a=1&api%5Fkey=KEY&b", "", 200, "a=1&b"},
			{"encoded twice over", "%61pi%5fkey=KEY&api_key=KEY", "repeated", 400, ""},
			{"an array", "api_key[]=KEY", "unreadable", 400, ""},
			{"an array beside it", "api_key=KEY&api_key%5B0%5D=KEY", "unreadable", 400, ""},
			{"other case", "API_KEY=KEY", "unreadable", 400, ""},
			{"other case beside it", "api_key=KEY&Api_Key=x", "unreadable", 400, ""},
			{"with a dot", "api.key=KEY", "unreadable", 400, ""},
			{"behind a semicolon", "a=1;api_key=KEY", "unreadable", 400, ""},
			{"before a semicolon", "api_key=KEY;a=1", "unreadable", 400, ""},
			{"beside what does not decode", "%zz=1&api_key=KEY", "unreadable", 400, ""},
			{"beside a value that does not decode", "a=%zz&api_key=KEY", "", 200, "a=%zz"},
			{"a value that does not decode", "api_key=%zz", "unreadable", 400, ""},
			{"an escaped value", "api_key=ESCAPED", "", 200, ""},
			{"behind 10,000 others", many + "api_key=KEY", "", 200, strings.TrimSuffix(many, "&")},
			{"repeated behind 10,000 others", many + "api_key=KEY&api_key=KEY", "repeated", 400, ""},
			{"a second spelling behind 10,000 others", "api_key=KEY&" + many + "api_key[]=KEY", "unreadable", 400, ""},
			{"the rest as it was", "&&x=%7e+;y&api_key=KEY&=&z=ä&?", "", 200, "&&x=%7e+;y&=&z=ä&?"},
			{"an empty value", "api_key=", "malformed", 401, ""},
			{"a name alone", "api_key", "malformed", 401, ""},
			{"with a blank", "api_key=KEY+", "malformed", 401, ""},
		} {
			t.Run(tt.name, func(t *testing.T) {
				f := newFrontOf(t, authn.Requirement{{{Scheme: newQuery(t, h.verifier)}}, {}}, nil)
				r := httptest.NewRequest(http.MethodGet, "/orders", nil)
				r.URL.RawQuery = strings.NewReplacer("=KEY", "="+good, "=ESCAPED", "="+escaped).Replace(tt.query)
				w := f.do(r)
				if w.Code != tt.status || f.reason != tt.reason {
					t.Fatalf("got %d %q, want %d %q", w.Code, f.reason, tt.status, tt.reason)
				}
				if tt.status != 200 {
					return
				}
				if f.principal.IsZero() || f.seen.URL.RawQuery != tt.left {
					t.Errorf("the handler got %.80q by %+v, want %.80q", f.seen.URL.RawQuery, f.principal, tt.left)
				}
			})
		}
	})
}

func TestAGoodQueryKey(t *testing.T) {
	attack.Case(t, "KEY-23", attack.Library, func(t *testing.T) {
		h := newHouse(t)
		_, good := h.create(t, "a", "orders:read")
		query, header := newQuery(t, h.verifier), newHeader(t, h.verifier)
		said := http.Header{
			"Cache-Control": {"public, max-age=60"}, "Referrer-Policy": {"unsafe-url"}, "Expires": {"Thu, 01 Jan 2099 00:00:00 GMT"}, "Pragma": {"x"},
			"Cdn-Cache-Control": {"max-age=60"}, "Surrogate-Control": {"max-age=60"}, "X-Accel-Expires": {"60"}, "x-CDN-cache-control": {"max-age=60"}, "Vary": {"Accept"},
		}
		for _, tt := range []struct {
			name        string
			requirement authn.Requirement
			query       string
			key         string // of the header
			says        http.Header
			status      int
			control     string
			policy      string
		}{
			{"a good key", authn.Require(query), "a=1&api_key=" + good, "", nil, 200, "no-store", "no-referrer"},
			{"whatever the handler says", authn.Require(query), "api_key=" + good, "", said, 200, "no-store", "no-referrer"},
			{"whatever the handler says, as the second of two", authn.Requirement{{{Scheme: header}, {Scheme: query}}}, "api_key=" + good, good, said, 200, "no-store", "no-referrer"},
			{"a key in the header, and what the handler says", authn.Requirement{{{Scheme: query}}, {{Scheme: header}}}, "a=1", good, said, 200, "public, max-age=60", "unsafe-url"},
			{"as the second of two", authn.Requirement{{{Scheme: header}, {Scheme: query}}}, "api_key=" + good, good, nil, 200, "no-store", "no-referrer"},
			{"beside another that is wrong", authn.Requirement{{{Scheme: query}}, {{Scheme: header}}}, "api_key=" + good, "x", nil, 401, "no-store", "no-referrer"},
			{"without the scope", authn.Require(query, "orders:write"), "api_key=" + good, "", nil, 403, "no-store", "no-referrer"},
			{"a wrong key is in the URL as well", authn.Require(query), "api_key=" + wrongSecret(good), "", nil, 401, "no-store", "no-referrer"},
			{"repeated", authn.Require(query), "api_key=x&api_key=x", "", nil, 400, "no-store", "no-referrer"},
			{"a key in the header", authn.Requirement{{{Scheme: query}}, {{Scheme: header}}}, "a=1", good, nil, 200, "", ""},
		} {
			t.Run(tt.name, func(t *testing.T) {
				stage := must[*authn.Stage](t)(authn.New(authn.Config{Requirement: tt.requirement}))
				front := exchange.Wrap(stage, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					x := exchange.From(r.Context())
					for _, text := range []string{r.URL.String(), r.RequestURI, x.RawQuery, x.Request.URL.String(), x.Request.RequestURI, fmt.Sprint(r.Form)} {
						if strings.Contains(text, good[21:53]) {
							t.Error("the handler sees the key")
						}
					}
					maps.Copy(w.Header(), tt.says)
				}))
				r := httptest.NewRequest(http.MethodGet, "/orders?"+tt.query, nil)
				if tt.key != "" {
					r.Header.Set("X-API-Key", tt.key)
				}
				w := httptest.NewRecorder()
				front.ServeHTTP(w, r)
				if w.Code != tt.status || w.Header().Get("Cache-Control") != tt.control || w.Header().Get("Referrer-Policy") != tt.policy {
					t.Errorf("got %d with %v, want %d, %q, %q", w.Code, w.Header(), tt.status, tt.control, tt.policy)
				}
				if left := len(w.Header()); tt.control == "no-store" && tt.says != nil && (left != 3 || w.Header().Get("Vary") != "Accept") {
					t.Errorf("the answer says %v, want nothing of caches but no-store", w.Header())
				}
				if r.URL.RawQuery != tt.query {
					t.Error("the request that net/http read was changed")
				}
			})
		}
	})
}

// heads keeps what each head of an answer said, early hints too.
type heads struct {
	*httptest.ResponseRecorder

	all []http.Header
}

func (h *heads) WriteHeader(status int) {
	h.all = append(h.all, h.Header().Clone())
	if status >= 200 {
		h.ResponseRecorder.WriteHeader(status)
	}
}

// TestNobodyHasAWordOverAQueryKey: neither the stages around, nor what comes before
// and in place of the answer.
func TestNobodyHasAWordOverAQueryKey(t *testing.T) {
	attack.Case(t, "KEY-23", attack.Library, func(t *testing.T) {
		h := newHouse(t)
		_, good := h.create(t, "a")
		policy := &warder.Policy{
			Authn:           must[*authn.Stage](t)(authn.New(authn.Config{Requirement: authn.Require(newQuery(t, h.verifier))})),
			SecurityHeaders: must[*securityheaders.Stage](t)(securityheaders.New(securityheaders.Config{ReferrerPolicy: securityheaders.Field{Value: "unsafe-url", Override: true}})),
		}
		for name, handler := range map[string]http.HandlerFunc{
			"an answer": func(http.ResponseWriter, *http.Request) {},
			"early hints": func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Referrer-Policy", "unsafe-url")
				w.WriteHeader(http.StatusEarlyHints)
			},
			"a redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.String(), http.StatusFound) },
			"a refusal behind it": func(w http.ResponseWriter, r *http.Request) {
				exchange.Respond(w, r, problem.New(problem.UpstreamFailed, "The API failed."), "refused", nil)
			},
			"a panic": func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Cache-Control", "max-age=60")
				panic("a handler of this test")
			},
			"a stack of its own within": exchange.Wrap(edge(func(*exchange.Exchange) {}), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Cache-Control", "max-age=60")
			})).ServeHTTP,
		} {
			stack := &warder.Stack{
				Edge:   warder.Edge{Recover: httpserver.NewRecover(slog.New(slog.DiscardHandler)), Forwarded: forwarded.Direct(), Target: must[*target.Stage](t)(target.New(target.Config{}))},
				Policy: policy,
			}
			w := &heads{ResponseRecorder: httptest.NewRecorder()}
			stack.Wrap(handler).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/a?b=c&api_key="+good, nil))
			if len(w.all) == 0 {
				t.Errorf("%s: there is no answer", name)
			}
			for _, head := range w.all {
				if head.Get("Cache-Control") != "no-store" || head.Get("Referrer-Policy") != "no-referrer" {
					t.Errorf("%s: %v, want no-store and no-referrer", name, head)
				}
			}
			hidden(t, name, fmt.Sprint(w.all)+w.Body.String(), map[string]string{"key": good, "secret part": good[21:53]})
		}
	})
}

func TestQueryName(t *testing.T) {
	h := newHouse(t)
	_, good := h.create(t, "a")
	q := must[*apikey.Query](t)(apikey.NewQuery(apikey.QueryConfig{Verifier: h.verifier, Name: "access-key"}))
	if q.Parameter() != "access-key" {
		t.Errorf("Parameter = %q", q.Parameter())
	}
	f := newFrontOf(t, authn.Require(q), nil)
	if w := f.do(request("?", "access-key="+good)); w.Code != 200 || f.seen.URL.RawQuery != "" || f.seen.RequestURI != "/" {
		t.Errorf("got %d, %q", w.Code, f.seen.RequestURI)
	}
}
