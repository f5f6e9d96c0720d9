package exchange_test

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/problem"
)

// stage is a stage with every optional ability.
type stage struct {
	verdict  exchange.Verdict
	headers  func(http.Header)
	outcomes []exchange.Outcome
	panicked []any
}

func (s *stage) Check(*exchange.Exchange) exchange.Verdict { return s.verdict }
func (s *stage) Headers(_ *exchange.Exchange, h http.Header) {
	if s.headers != nil {
		s.headers(h)
	}
}

func (s *stage) Done(_ *exchange.Exchange, o exchange.Outcome) { s.outcomes = append(s.outcomes, o) }

// recovering is a stage that handles panics too.
type recovering struct{ stage }

func (s *recovering) Recovered(_ *exchange.Exchange, value any, _ []byte) {
	s.panicked = append(s.panicked, value)
}

func ok(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }

func TestWrapActsOnTheVerdict(t *testing.T) {
	tests := []struct {
		name    string
		verdict exchange.Verdict
		status  int
		body    string
		reason  string
	}{
		{"pass runs the handler", exchange.Pass(), 200, "ok", ""},
		{"refuse answers with the problem", exchange.Refuse(problem.New(problem.Unauthorized, ""), "revoked"), 401, "Unauthorized", "revoked"},
		{"a refusal without a reason has its type", exchange.Refuse(problem.New(problem.NotFound, ""), ""), 404, "Not Found", "not-found"},
		{"a refusal without a problem is no pass", exchange.Refuse(nil, ""), 503, "unavailable", ""},
		{"fail is 503", exchange.Fail(errors.New("store away")), 503, "unavailable", "unavailable"},
		{"no verdict is 503", exchange.Verdict{}, 503, "unavailable", "unavailable"},
		{"an answer is the stage's own", exchange.Answer(http.RedirectHandler("/x", 308), "redirect"), 308, "", "redirect"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &stage{verdict: tt.verdict}
			w := httptest.NewRecorder()
			exchange.Wrap(s, http.HandlerFunc(ok)).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
			if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.body) {
				t.Errorf("got %d %q, want %d with %q", w.Code, w.Body, tt.status, tt.body)
			}
			if len(s.outcomes) != 1 {
				t.Fatalf("Done was called %d times, want once", len(s.outcomes))
			}
			if o := s.outcomes[0]; o.Status != tt.status || o.Reason != tt.reason {
				t.Errorf("outcome = %d %q, want %d %q", o.Status, o.Reason, tt.status, tt.reason)
			}
			if tt.status == 503 && w.Header().Get("Retry-After") == "" && !tt.verdict.Passed() {
				t.Error("a 503 has no Retry-After")
			}
		})
	}
}

func TestOnlyPassIsAllowed(t *testing.T) {
	for _, v := range []exchange.Verdict{{}, exchange.Refuse(nil, ""), exchange.Fail(nil), exchange.Answer(nil, "")} {
		if v.Passed() || (exchange.Trace{Verdict: v}).Allowed() {
			t.Errorf("%v passes", v.Kind())
		}
	}
	if !exchange.Pass().Passed() {
		t.Error("Pass does not pass")
	}
}

func TestNestedWrapsShareOneExchange(t *testing.T) {
	var seen []*exchange.Exchange
	note := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, exchange.From(r.Context()))
		ok(w, r)
	})
	outer, inner := &stage{verdict: exchange.Pass()}, &stage{verdict: exchange.Refuse(problem.New(problem.Unauthorized, ""), "revoked")}
	middle := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, exchange.From(r.Context()))
		exchange.Wrap(&stage{verdict: exchange.Pass()}, note).ServeHTTP(w, r)
	})
	exchange.Wrap(outer, middle).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	if len(seen) != 2 || seen[0] == nil || seen[0] != seen[1] {
		t.Errorf("exchanges = %v, want the same one twice", seen)
	}
	exchange.Wrap(outer, exchange.Wrap(inner, note)).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	if o := outer.outcomes[1]; o.Status != 401 || o.Reason != "revoked" {
		t.Errorf("the outer stage saw %d %q, want 401 revoked", o.Status, o.Reason)
	}
}

// flusher is w as handlers find it that know no http.ResponseController.
func flusher(tb testing.TB, w http.ResponseWriter) http.Flusher {
	tb.Helper()
	f, ok := w.(http.Flusher)
	if !ok {
		tb.Error("the writer is no http.Flusher")
	}
	return f
}

// isAbort reports whether a panic's value is http.ErrAbortHandler.
func isAbort(value any) bool {
	err, ok := value.(error)
	return ok && errors.Is(err, http.ErrAbortHandler)
}

func TestHeadersRunBeforeTheFirstByteOfEveryAnswer(t *testing.T) {
	handlers := map[string]http.HandlerFunc{
		"write":       ok,
		"writeheader": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) },
		"nothing":     func(http.ResponseWriter, *http.Request) {},
		"flush":       func(w http.ResponseWriter, _ *http.Request) { flusher(t, w).Flush() },
		"readfrom":    func(w http.ResponseWriter, _ *http.Request) { _, _ = io.Copy(w, strings.NewReader("ok")) },
		"early hints": func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(103); ok(w, r) },
		"writestring": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") },
		"problem":     func(w http.ResponseWriter, r *http.Request) { problem.New(problem.NotFound, "").Write(w, r, "") },
		"late refusal": func(w http.ResponseWriter, r *http.Request) {
			exchange.From(r.Context()).Refuse(w, problem.New(problem.UpstreamFailed, ""), "down", nil)
		},
	}
	for name, h := range handlers {
		t.Run(name, func(t *testing.T) {
			calls := 0
			s := &stage{verdict: exchange.Pass(), headers: func(h http.Header) { calls++; h.Set("X-Hook", "yes") }}
			server := httptest.NewServer(exchange.Wrap(s, h))
			defer server.Close()
			w, err := server.Client().Get(server.URL)
			if err != nil {
				t.Fatal(err)
			}
			defer w.Body.Close()
			if got := w.Header.Get("X-Hook"); got != "yes" || calls != 1 {
				t.Errorf("X-Hook = %q after %d calls, want it once", got, calls)
			}
		})
	}
}

func TestPanics(t *testing.T) {
	boom := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("boom") })
	t.Run("before the response: 500 problem", func(t *testing.T) {
		s := &recovering{stage{verdict: exchange.Pass()}}
		w := httptest.NewRecorder()
		exchange.Wrap(s, boom).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		if w.Code != 500 || len(s.panicked) != 1 || !s.outcomes[0].Aborted || s.outcomes[0].Reason != "panic" {
			t.Errorf("got %d, %d panics, outcome %+v", w.Code, len(s.panicked), s.outcomes)
		}
	})
	t.Run("after the first byte: cut", func(t *testing.T) {
		s := &recovering{stage{verdict: exchange.Pass()}}
		value := panicOf(func() {
			exchange.Wrap(s, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { ok(w, r); panic("boom") })).
				ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
		})
		if !isAbort(value) || len(s.outcomes) != 1 || len(s.panicked) != 1 {
			t.Errorf("panic = %v, outcomes %v", value, s.outcomes)
		}
	})
	t.Run("ErrAbortHandler goes on to net/http", func(t *testing.T) {
		s := &recovering{stage{verdict: exchange.Pass()}}
		value := panicOf(func() {
			exchange.Wrap(s, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })).
				ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
		})
		if !isAbort(value) || len(s.panicked) != 0 || len(s.outcomes) != 1 {
			t.Errorf("panic = %v, recovered %v, outcomes %v", value, s.panicked, s.outcomes)
		}
	})
	t.Run("without a recoverer the panic goes on", func(t *testing.T) {
		s := &stage{verdict: exchange.Pass()}
		value := panicOf(func() {
			exchange.Wrap(s, boom).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
		})
		if value != "boom" || len(s.outcomes) != 1 {
			t.Errorf("panic = %v, outcomes %v", value, s.outcomes)
		}
	})
}

func TestCutTellsTheFinishersWhy(t *testing.T) {
	s, cause := &stage{verdict: exchange.Pass()}, errors.New("reset")
	value := panicOf(func() {
		exchange.Wrap(s, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			exchange.From(r.Context()).Cut("client-gone", cause)
		})).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	})
	if !isAbort(value) {
		t.Errorf("panic = %v, want http.ErrAbortHandler", value)
	}
	if o := s.outcomes[0]; !o.Aborted || o.Reason != "client-gone" || !errors.Is(o.Err, cause) || o.Status != 0 {
		t.Errorf("outcome = %+v, want aborted, client-gone, no status", o)
	}
}

func panicOf(f func()) (value any) {
	defer func() { value = recover() }()
	f()
	return nil
}

func TestBodyLimit(t *testing.T) {
	tests := []struct {
		name    string
		limit   int64
		body    string
		read    string
		tooLong bool
	}{
		{"below", 5, "abc", "abc", false},
		{"exactly", 3, "abc", "abc", false},
		{"one over", 2, "abc", "ab", true},
		{"no limit", 0, strings.Repeat("a", 9000), strings.Repeat("a", 9000), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			limit := stageFunc(func(x *exchange.Exchange) exchange.Verdict { x.BodyLimit = tt.limit; return exchange.Pass() })
			exchange.Wrap(limit, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				got, err := io.ReadAll(r.Body)
				var tooLong *http.MaxBytesError
				if string(got) != tt.read || errors.As(err, &tooLong) != tt.tooLong {
					t.Errorf("read %d bytes, error %v", len(got), err)
				}
				if bodyErr := exchange.From(r.Context()).BodyErr(); (bodyErr != nil) != tt.tooLong {
					t.Errorf("BodyErr = %v", bodyErr)
				}
			})).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", strings.NewReader(tt.body)))
		})
	}
}

type stageFunc func(*exchange.Exchange) exchange.Verdict

func (f stageFunc) Check(x *exchange.Exchange) exchange.Verdict { return f(x) }

func TestARefusalWithAnUnreadBodyClosesTheConnection(t *testing.T) {
	refuse := &stage{verdict: exchange.Refuse(problem.New(problem.Unauthorized, ""), "")}
	server := httptest.NewServer(exchange.Wrap(refuse, http.HandlerFunc(ok)))
	defer server.Close()
	for _, tt := range []struct {
		name  string
		body  io.Reader
		close bool
	}{
		{"no body", nil, false},
		{"unread body", strings.NewReader("abc"), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, tt.body)
			if err != nil {
				t.Fatal(err)
			}
			w, err := server.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer w.Body.Close()
			if w.Close != tt.close {
				t.Errorf("close = %v, want %v", w.Close, tt.close)
			}
		})
	}
}

func TestHijackIsSeen(t *testing.T) {
	s := &stage{verdict: exchange.Pass()}
	done := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(done)
		exchange.Wrap(s, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			hijacker, ok := w.(http.Hijacker)
			if !ok {
				t.Error("the writer is no http.Hijacker")
				return
			}
			conn, rw, err := hijacker.Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
			_ = rw.Flush()
		})).ServeHTTP(w, r)
	}))
	defer server.Close()
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
	w, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = bufio.NewReader(w.Body).Peek(1)
	w.Body.Close()
	<-done
	if o := s.outcomes[0]; !o.Hijacked || o.Status != 101 {
		t.Errorf("outcome = %+v", o)
	}
}

// The budget of ARCHITECTURE, decision 12: context and request copy, nothing else.
func TestServeAllocatesTwice(t *testing.T) {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	w := discard{http.Header{}}
	s := exchange.Wrap(finishNothing{}, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	if got := testing.AllocsPerRun(1000, func() { s.ServeHTTP(w, r) }); got > 2 {
		t.Errorf("Serve allocates %v times, want at most 2", got)
	}
}

type finishNothing struct{}

func (finishNothing) Check(*exchange.Exchange) exchange.Verdict { return exchange.Pass() }
func (finishNothing) Headers(*exchange.Exchange, http.Header)   {}
func (finishNothing) Done(*exchange.Exchange, exchange.Outcome) {}

type discard struct{ h http.Header }

func (d discard) Header() http.Header         { return d.h }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}
