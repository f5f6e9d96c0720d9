package requestid_test

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/requestid"
)

func stage(tb testing.TB) *requestid.Stage {
	tb.Helper()
	s, err := requestid.New(requestid.Config{})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func TestClientsIDIsReplaced(t *testing.T) {
	form := regexp.MustCompile(`^[0-9A-HJKMNP-TV-Z]{26}$`)
	attack.Case(t, "LOG-08", attack.Library, func(t *testing.T) {
		for name, sent := range map[string][]string{
			"none": nil, "plain": {"abc"}, "1 KiB": {strings.Repeat("a", 1024)}, "controls": {"a\r\nb\x00\x1b[31m"},
			"our own form": {"01ARZ3NDEKTSV4RRFFQ69G5FAV"}, "two": {"a", "b"}, "empty": {""},
		} {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			if sent != nil {
				r.Header["X-Request-Id"] = sent
			}
			w := httptest.NewRecorder()
			var id string
			stage(t).Wrap(http.HandlerFunc(func(_ http.ResponseWriter, inner *http.Request) {
				id = exchange.From(inner.Context()).ID
				if got := inner.Header.Values("X-Request-Id"); sent != nil && (len(got) != 1 || got[0] != id) {
					t.Errorf("%s: the handler sees %.40q, want %q", name, got, id)
				}
			})).ServeHTTP(w, r)
			if !form.MatchString(id) || sent != nil && id == sent[0] {
				t.Errorf("%s: id = %q, want our own", name, id)
			}
			if got := w.Header().Values("X-Request-Id"); len(got) != 1 || got[0] != id {
				t.Errorf("%s: response has %q, want %q", name, got, id)
			}
			if got := r.Header.Values("X-Request-Id"); len(got) != len(sent) || len(got) > 0 && got[0] != sent[0] {
				t.Errorf("%s: the caller's request was changed to %.40q", name, got)
			}
		}
	})
}

func TestIDsAreUnique(t *testing.T) {
	s := stage(t)
	var mu sync.Mutex
	seen := map[string]bool{}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 2000 {
				x := exchange.New(httptest.NewRequest(http.MethodGet, "/", nil))
				s.Check(x)
				mu.Lock()
				if seen[x.ID] {
					t.Errorf("%s was given twice", x.ID)
				}
				seen[x.ID] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(seen) != 16000 {
		t.Errorf("%d ids for 16000 requests", len(seen))
	}
}

func TestIDsSortByTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, last := stage(t), ""
		for range 100 {
			x := exchange.New(httptest.NewRequest(http.MethodGet, "/", nil))
			s.Check(x)
			if x.ID <= last {
				t.Fatalf("%s after %s", x.ID, last)
			}
			last = x.ID
			<-time.After(1001 * time.Millisecond)
		}
	})
}

func TestADryRunHasAnIDToo(t *testing.T) {
	x := exchange.New(httptest.NewRequest(http.MethodGet, "/", nil))
	x.Dry = true
	if v := stage(t).Check(x); !v.Passed() || x.ID == "" {
		t.Errorf("got %v, id %q", v.Kind(), x.ID)
	}
}

func TestAllocations(t *testing.T) {
	s, h := stage(t), http.Header{"X-Request-Id": nil}
	x := exchange.New(httptest.NewRequest(http.MethodGet, "/", nil))
	if got := testing.AllocsPerRun(1000, func() { s.Check(x); s.Headers(x, h) }); got != 0 {
		t.Errorf("allocations = %v, want 0 on average", got)
	}
}

func BenchmarkCheck(b *testing.B) {
	s := stage(b)
	x := exchange.New(httptest.NewRequest(http.MethodGet, "/", nil))
	b.ReportAllocs()
	for b.Loop() {
		s.Check(x)
	}
}
