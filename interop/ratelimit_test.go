package interop_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dunglas/httpsfv"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/ratelimit"
)

// items reads a list of a structured field by another parser: each member's name
// and its parameters, all of them whole numbers.
func items(t *testing.T, h http.Header, name string) map[string]map[string]int64 {
	t.Helper()
	list, err := httpsfv.UnmarshalList(h.Values(name))
	if err != nil {
		t.Fatalf("%s %q: %v", name, h.Values(name), err)
	}
	all := map[string]map[string]int64{}
	for _, member := range list {
		item, ok := member.(httpsfv.Item)
		if !ok {
			t.Fatalf("%s: %v is no item", name, member)
		}
		text, ok := item.Value.(string)
		if !ok {
			t.Fatalf("%s: %v is no string", name, item.Value)
		}
		all[text] = map[string]int64{}
		for _, parameter := range item.Params.Names() {
			value, _ := item.Params.Get(parameter)
			n, ok := value.(int64)
			if !ok {
				t.Fatalf("%s: %s of %s is %v, no whole number", name, parameter, text, value)
			}
			all[text][parameter] = n
		}
	}
	return all
}

func TestRateLimitFieldsByAnotherParser(t *testing.T) {
	attack.Case(t, "LIMIT-10", attack.Library, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var limits []*ratelimit.Limit
			for _, one := range []struct { // the first two are the inner ones: what refuses must come last, to be seen with all others
				name  string
				quota ratelimit.Quota
			}{
				{"per.minute_1", ratelimit.Quota{Count: 60, Per: time.Minute, Burst: 3}},
				{"1st-fast", ratelimit.Quota{Count: 1000, Per: 100 * time.Millisecond}},
				{"odd", ratelimit.Quota{Count: 7, Per: 1500 * time.Millisecond}},
				{"year", ratelimit.Quota{Count: 1_000_000_000, Per: 366 * 24 * time.Hour}},
			} {
				l, err := ratelimit.NewLimit(ratelimit.LimitConfig{Name: one.name, Quota: one.quota, By: []ratelimit.Part{ratelimit.ByRoute()}})
				if err != nil {
					t.Fatal(err)
				}
				limits = append(limits, l)
			}

			inner, err := ratelimit.New(ratelimit.Config{Limits: limits[:2]})
			if err != nil {
				t.Fatal(err)
			}
			outer, err := ratelimit.New(ratelimit.Config{Limits: limits[2:]})
			if err != nil {
				t.Fatal(err)
			}
			h := outer.Wrap(inner.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
			for n := range 4 {
				w := httptest.NewRecorder()
				h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", http.NoBody))
				policies, standing := items(t, w.Result().Header, "RateLimit-Policy"), items(t, w.Result().Header, "RateLimit")
				if got, want := policies["per.minute_1"], map[string]int64{"q": 60, "w": 60}; got["q"] != want["q"] || got["w"] != want["w"] || len(policies) != 4 {
					t.Errorf("policies %v", policies)
				}
				if _, told := policies["odd"]["w"]; told {
					t.Error("a window of 1.5 seconds is told in whole ones")
				}
				if got, want := standing["per.minute_1"]["r"], int64(max(0, 2-n)); got != want || len(standing) != 4 {
					t.Errorf("request %d: %d are left of %v, want %d", n, got, standing, want)
				}
				if n == 3 && w.Code != http.StatusTooManyRequests {
					t.Errorf("the fourth: status %d", w.Code)
				}
			}
			<-time.After(time.Second) // what Retry-After says
			w := httptest.NewRecorder()
			if h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", http.NoBody)); w.Code != http.StatusOK {
				t.Errorf("when told to come: status %d", w.Code)
			}
		})
	})
}
