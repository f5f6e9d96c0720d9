package bruteforce_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warder-dev/warder/bruteforce"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/problem"
)

// A crowd is what came of requests that were sent at once.
type crowd struct{ judged, wrong, right, refused, failed atomic.Int64 }

const (
	judging   = 10 * time.Millisecond // how long it takes to find out what a credential is
	answering = time.Minute           // and to answer a right one
)

// send sends one credential as a server does: the guard, then authentication,
// which takes its time, then the answer, which takes more.
func (c *crowd) send(ctx context.Context, t *testing.T, g *bruteforce.Guard, from, id, reason string) {
	t.Helper()
	x := exchange.New(httptest.NewRequestWithContext(ctx, http.MethodGet, "/", http.NoBody))
	x.Client = netip.MustParseAddr(from)
	x.Request.Header.Set("X-Claim", id)
	switch v := g.Check(x); v.Kind() { //nolint:contextcheck // the request has it
	case exchange.Passed:
		c.judged.Add(1)
		<-time.After(judging)
		if reason == "" {
			x.Principal = exchange.Principal{Issuer: "warder", Subject: id, KeyID: id}
			g.Passed(x)
			c.right.Add(1)
			<-time.After(answering)
			g.Done(x, exchange.Outcome{Trace: exchange.Trace{Verdict: exchange.Pass()}, Status: http.StatusOK})
			return
		}
		c.wrong.Add(1)
		g.Done(x, exchange.Outcome{
			Trace: exchange.Trace{Verdict: exchange.Refuse(problem.New(problem.Unauthorized, ""), reason), Stage: "authn"}, Status: http.StatusUnauthorized, Reason: reason,
		})
	case exchange.Refused:
		c.refused.Add(1)
		g.Done(x, exchange.Outcome{Trace: exchange.Trace{Verdict: v, Stage: "guard"}, Status: http.StatusTooManyRequests, Reason: v.Reason()})
	case exchange.Failed, exchange.Answered:
		c.failed.Add(1)
		g.Done(x, exchange.Outcome{Trace: exchange.Trace{Verdict: v, Stage: "guard"}, Status: http.StatusServiceUnavailable, Reason: v.Reason()})
	}
}

// burst sends n credentials at once and waits until each is answered.
func burst(t *testing.T, g *bruteforce.Guard, n int, what func(i int) (from, id, reason string)) *crowd {
	t.Helper()
	c := new(crowd)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			from, id, reason := what(i)
			c.send(t.Context(), t, g, from, id, reason)
		})
	}
	all.Wait()
	if g.Trying() != 0 {
		t.Errorf("%d keys have attempts when all are over", g.Trying())
	}
	return c
}

func (c *crowd) want(t *testing.T, what string, judged, wrong, right, refused int64) {
	t.Helper()
	if c.judged.Load() != judged || c.wrong.Load() != wrong || c.right.Load() != right || c.refused.Load() != refused || c.failed.Load() != 0 {
		t.Errorf("%s: %d judged, %d wrong, %d right, %d refused, %d failed, want %d, %d, %d, %d, 0",
			what, c.judged.Load(), c.wrong.Load(), c.right.Load(), c.refused.Load(), c.failed.Load(), judged, wrong, right, refused)
	}
}

// TestABurstOfGuesses: a thousand at once are judged no oftener than one after
// another would be.
func TestABurstOfGuesses(t *testing.T) {
	attack.Case(t, "LIMIT-13", attack.Library, func(t *testing.T) {
		for _, tt := range []struct {
			name string
			id   func(i int) string
			want int64
		}{
			{"at one key", func(int) string { return "victim" }, 11},
			{"at many keys", func(i int) string { return fmt.Sprint("k", i) }, 31},
			{"at nothing that has a name", func(int) string { return "" }, 31},
			{"at three keys", func(i int) string { return fmt.Sprint("k", i%3) }, 31},
		} {
			t.Run(tt.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					g := newGuard(t)
					guess := func(i int) (string, string, string) { return attacker, tt.id(i), "wrong-secret" }
					burst(t, g, 1000, guess).want(t, "the first", tt.want, tt.want, 0, 1000-tt.want)
					burst(t, g, 1000, guess).want(t, "at once again", 0, 0, 0, 1000)
					<-time.After(time.Second)
					one := burst(t, g, 1000, guess)
					one.want(t, "when one may try", one.judged.Load(), one.judged.Load(), 0, 1000-one.judged.Load())
					if n := one.judged.Load(); n < 1 || n > 1 && tt.name != "at three keys" {
						t.Errorf("when one may try, %d are judged", n)
					}
				})
			})
		}
	})
}

// TestABurstOfRightCredentials: nobody is refused for the number of those who come
// at once, and nobody waits for the answers of others.
func TestABurstOfRightCredentials(t *testing.T) {
	for _, tt := range []struct {
		name string
		id   func(i int) string
		most time.Duration
	}{
		{"of one key", func(int) string { return "k" }, 1000 / 11 * judging},
		{"of a thousand keys", func(i int) string { return fmt.Sprint("k", i) }, 1000 / 31 * judging},
		{"of what has no name", func(int) string { return "" }, 1000 / 31 * judging},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGuard(t)
				for range 3 {
					began := time.Now()
					burst(t, g, 1000, func(i int) (string, string, string) { return home, tt.id(i), "" }).want(t, "all", 1000, 0, 1000, 0)
					if took := time.Since(began) - answering; took > tt.most+2*judging {
						t.Errorf("all are judged after %v, want %v", took, tt.most)
					}
				}
			})
		})
	}
}

// TestABurstBesideGuesses: who shares an address with guesses in a burst, and was
// there before, is not refused.
func TestABurstBesideGuesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t)
		burst(t, g, 1, func(int) (string, string, string) { return home, "victim", "" })
		c := burst(t, g, 2000, func(i int) (string, string, string) {
			if i%2 == 0 {
				return home, "victim", ""
			}
			return home, fmt.Sprint("k", i), "wrong-secret"
		})
		c.want(t, "both", 1031, 31, 1000, 969)
	})
}

// TestAnAttemptThatIsNotJudged: others wait for it, not without end, and not when
// their clients are gone.
func TestAnAttemptThatIsNotJudged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t, func(c *bruteforce.Config) {
			c.Pair.Free, c.Pair.Delay, c.Pair.Longest, c.Pair.Forget = 1, time.Second, time.Minute, time.Hour
		})
		var stuck [2]*exchange.Exchange
		for i := range stuck {
			stuck[i] = exchange.New(httptest.NewRequest(http.MethodGet, "/", http.NoBody))
			stuck[i].Client = netip.MustParseAddr(home)
			stuck[i].Request.Header.Set("X-Claim", "k")
			if !g.Check(stuck[i]).Passed() {
				t.Fatal("refused")
			}
		}
		late, gone := new(crowd), new(crowd)
		var all sync.WaitGroup
		ctx, cancel := context.WithCancel(t.Context())
		for range 50 {
			all.Go(func() { late.send(t.Context(), t, g, home, "k", "") })
			all.Go(func() { gone.send(ctx, t, g, home, "k", "") })
		}
		<-time.After(5 * time.Second)
		cancel()
		synctest.Wait()
		if n := gone.failed.Load(); n != 50 || late.failed.Load() != 0 {
			t.Errorf("%d of 50 clients that are gone are let go, and %d others", n, late.failed.Load())
		}
		<-time.After(5 * time.Second)
		synctest.Wait()
		if n := late.failed.Load(); n != 50 {
			t.Errorf("%d of 50 fail after 10 s", n)
		}
		all.Go(func() { late.send(t.Context(), t, g, home, "k", "") })
		<-time.After(time.Second)
		for _, x := range stuck {
			g.Done(x, exchange.Outcome{Trace: exchange.Trace{Verdict: exchange.Pass()}, Status: http.StatusOK}) // no credential after all
		}
		all.Wait()
		if late.right.Load() != 1 || g.Trying() != 0 {
			t.Errorf("%d passed when the others were judged, and %d keys have attempts", late.right.Load(), g.Trying())
		}
	})
}

// TestTheResponseTellsTheGuard: without a Stack, the guard takes a response that
// begins with a principal for the end of the attempt.
func TestTheResponseTellsTheGuard(t *testing.T) {
	g := newGuard(t)
	begun := make(chan struct{})
	finish := make(chan struct{})
	h := g.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		exchange.From(r.Context()).Principal = exchange.Principal{Issuer: "warder", Subject: "k", KeyID: "k"}
		w.WriteHeader(http.StatusOK)
		close(begun)
		<-finish
	}))
	var done sync.WaitGroup
	done.Go(func() {
		exchange.Wrap(from(home), h).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", http.NoBody))
	})
	<-begun
	if g.Trying() != 0 {
		t.Error("the attempt lasts as long as the response")
	}
	close(finish)
	done.Wait()
}

// from is a stage that finds the client there.
type from string

func (f from) Check(x *exchange.Exchange) exchange.Verdict {
	x.Client = netip.MustParseAddr(string(f))
	return exchange.Pass()
}
