package exchange_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/problem"
)

func TestWatch(t *testing.T) {
	pass := exchange.Pass()
	refuse := exchange.Refuse(problem.New(problem.Forbidden, ""), "revoked")
	fail := exchange.Fail(errors.New("no store"))
	for name, tt := range map[string]struct {
		answers []exchange.Verdict // the last one holds from then on
		asked   int                // within ten seconds
		lost    string             // "" when the stream stays
	}{
		"who keeps the right stays":          {[]exchange.Verdict{pass}, 10, ""},
		"who loses it is cut at once":        {[]exchange.Verdict{pass, pass, refuse}, 3, "revoked"},
		"one failure is forgiven":            {[]exchange.Verdict{fail, pass, fail, pass}, 10, ""},
		"two in succession are not":          {[]exchange.Verdict{pass, fail, fail}, 3, "unavailable"},
		"a refusal after a failure is final": {[]exchange.Verdict{fail, refuse}, 2, "revoked"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				asked, lost := 0, []exchange.Verdict(nil)
				stop := exchange.Watch(t.Context(), func(context.Context) exchange.Verdict {
					asked++
					return tt.answers[min(asked, len(tt.answers))-1]
				}, func(v exchange.Verdict) { lost = append(lost, v) })
				time.Sleep(10*exchange.WatchEvery + exchange.WatchEvery/2) //nolint:forbidigo // the clock of synctest
				stop()
				time.Sleep(10 * exchange.WatchEvery) //nolint:forbidigo // the clock of synctest
				synctest.Wait()
				if asked != tt.asked {
					t.Errorf("asked %d times, want %d", asked, tt.asked)
				}
				switch {
				case tt.lost == "" && len(lost) > 0, tt.lost != "" && len(lost) != 1:
					t.Errorf("lost = %v, want %q once", lost, tt.lost)
				case tt.lost == "revoked" && lost[0].Reason() != "revoked", tt.lost == "unavailable" && lost[0].Kind() != exchange.Failed:
					t.Errorf("lost to %v, want %q", lost[0], tt.lost)
				}
			})
		})
	}
}

// A stage that panics, or that hangs, is no reason to stay.
func TestWatchOfABrokenStage(t *testing.T) {
	for name, recheck := range map[string]func(context.Context) exchange.Verdict{
		"it panics": func(context.Context) exchange.Verdict { panic("secret") },
		"it hangs":  func(ctx context.Context) exchange.Verdict { <-ctx.Done(); return exchange.Fail(ctx.Err()) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				lost := make(chan exchange.Verdict, 1)
				stop := exchange.Watch(t.Context(), recheck, func(v exchange.Verdict) { lost <- v })
				defer stop()
				begin := time.Now()
				if v := <-lost; v.Kind() != exchange.Failed {
					t.Errorf("lost to %v, want a failure", v)
				}
				if took := time.Since(begin); took > 2*(exchange.WatchEvery+exchange.WatchTime) {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}

func TestAgain(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, "http://a.example/p?api_key=k&b=1", http.NoBody)
	x := exchange.New(r)
	x.RawQuery, x.Path, x.Host, x.Route, x.Policy = "api_key=k&b=1", "/p", "a.example", "/p", "policy"
	x.Principal = exchange.Principal{Issuer: "i", Subject: "s"}
	x.SetQuery("b=1")
	x.SetQuery("")
	again := x.Again(t.Context())
	if again.RawQuery != "api_key=k&b=1" || again.Request.URL.RawQuery != "api_key=k&b=1" || again.QueryTaken() {
		t.Errorf("query = %q and %q, want what was sent", again.RawQuery, again.Request.URL.RawQuery)
	}
	if !again.Dry || !again.Principal.IsZero() || again.Path != "/p" || again.Host != "a.example" || again.Route != "/p" || again.Policy != "policy" {
		t.Errorf("again = %+v, want what the edge and the route found, and nobody", again)
	}
	if exchange.From(again.Request.Context()) != again || x.Request.URL.RawQuery != "" {
		t.Error("the exchanges are mixed up")
	}
}
