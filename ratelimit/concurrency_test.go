package ratelimit_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/ratelimit"
)

func newConcurrency(tb testing.TB, most int, change ...func(*ratelimit.ConcurrencyConfig)) *ratelimit.Concurrency {
	tb.Helper()
	cfg := ratelimit.ConcurrencyConfig{Name: "busy", Max: most, By: []ratelimit.Part{ratelimit.ByKey()}}
	for _, f := range change {
		f(&cfg)
	}
	c, err := ratelimit.NewConcurrency(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func TestConcurrency(t *testing.T) {
	c := newConcurrency(t, 2)
	a, b, other := request(), request(), request(key("k2"))
	for n, x := range []*exchange.Exchange{a, b, other} {
		if !c.Check(x).Passed() {
			t.Fatalf("request %d was refused", n)
		}
	}
	third := request()
	v := c.Check(third)
	if p := v.Problem(); p == nil || p.Type.Status() != 429 || p.Header.Get("Retry-After") != "1" || v.Reason() != "limit:busy" {
		t.Fatalf("the third: %+v", v)
	}
	c.Done(third, exchange.Outcome{}) // as for every request, whatever became of it
	if c.Check(request()).Passed() {
		t.Error("a refused request gave a place back that was another's")
	}
	dry := request(key("k2"), func(x *exchange.Exchange) { x.Dry = true })
	for range 5 {
		if !c.Check(dry).Passed() {
			t.Fatal("a dry request took a place")
		}
	}
	c.Done(a, exchange.Outcome{})
	c.Done(a, exchange.Outcome{})
	if !c.Check(request()).Passed() || c.Check(request()).Passed() {
		t.Error("one place was given back, and not one taken")
	}
	if got := c.UnderWay(); got != 3 {
		t.Errorf("%d are under way, want 3", got)
	}
	if got := c.Counts(); got != (ratelimit.Counts{Passed: 4, Refused: 3}) {
		t.Errorf("counted %+v", got)
	}
}

func TestConcurrencyInShadow(t *testing.T) {
	told := 0
	c := newConcurrency(t, 1, func(cfg *ratelimit.ConcurrencyConfig) {
		cfg.Shadow, cfg.Shadowed = true, func(*exchange.Exchange, string) { told++ }
	})
	all := []*exchange.Exchange{request(), request(), request()}
	for n, x := range all {
		if !c.Check(x).Passed() {
			t.Errorf("request %d was refused", n)
		}
	}
	for _, x := range all {
		c.Done(x, exchange.Outcome{})
	}
	if told != 2 || c.UnderWay() != 0 || !c.Check(request()).Passed() || told != 2 {
		t.Errorf("told of %d, %d under way", told, c.UnderWay())
	}
}

// One that takes another's place, with another number of places, knows who is under
// way; one of other subjects or another name does not.
func TestConcurrencyAfterAnother(t *testing.T) {
	old := newConcurrency(t, 3)
	a, b := request(), request()
	if !old.Check(a).Passed() || !old.Check(b).Passed() {
		t.Fatal("refused")
	}
	for _, other := range []*ratelimit.Concurrency{
		newConcurrency(t, 1, func(c *ratelimit.ConcurrencyConfig) { c.Name, c.Previous = "other", old }),
		newConcurrency(t, 1, func(c *ratelimit.ConcurrencyConfig) { c.By, c.Previous = []ratelimit.Part{ratelimit.ByOwner()}, old }),
	} {
		if other.UnderWay() != 0 || !other.Check(request()).Passed() {
			t.Error("another one knows of the places")
		}
	}
	fewer := newConcurrency(t, 1, func(c *ratelimit.ConcurrencyConfig) { c.Previous = old })
	more := newConcurrency(t, 4, func(c *ratelimit.ConcurrencyConfig) { c.Previous = fewer })
	old.Done(a, exchange.Outcome{})
	if fewer.Check(request()).Passed() {
		t.Error("there is a place beside the one that is left")
	}
	more.Done(b, exchange.Outcome{}) // whoever let it in
	c, d := request(), request()
	if !fewer.Check(c).Passed() || old.UnderWay() != 1 || fewer.Check(d).Passed() || !old.Check(d).Passed() {
		t.Error("there is no place though all were given back")
	}
	if got := more.Counts(); got.Passed != 4 || got.Refused != 2 {
		t.Errorf("counted %+v of all", got)
	}
}

func TestConcurrencyThatIsNone(t *testing.T) {
	if _, err := ratelimit.NewConcurrency(ratelimit.ConcurrencyConfig{Name: "A", Max: -1, Shadow: true}); err == nil {
		t.Error("accepted")
	}
}

// gone waits until nothing is under way.
func gone(t *testing.T, c *ratelimit.Concurrency) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for range 20_000 {
		if c.UnderWay() == 0 {
			return
		}
		<-tick.C
	}
	t.Fatalf("%d places are still taken", c.UnderWay())
}

// Whatever becomes of a request, its place is given back.
func TestPlacesAreGivenBack(t *testing.T) {
	attack.Case(t, "LIMIT-14", attack.Library, func(t *testing.T) {
		c := newConcurrency(t, 1)
		inside := make(chan struct{}, 1)
		server := httptest.NewServer(c.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			inside <- struct{}{}
			switch r.URL.Path {
			case "/panic":
				panic(http.ErrAbortHandler)
			case "/upgrade":
				conn, rw, err := http.NewResponseController(w).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: test\r\n\r\n")
				_ = rw.Flush()
				_, _ = io.Copy(io.Discard, rw) // until the client goes
				_ = conn.Close()
			case "/wait":
				<-r.Context().Done()
			}
		})))
		defer server.Close()
		ask := func(ctx context.Context, path string) (int, error) {
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+path, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			response, err := new(http.Transport).RoundTrip(r)
			if err != nil {
				return 0, err
			}
			return response.StatusCode, response.Body.Close()
		}
		t.Run("a panic", func(t *testing.T) {
			if _, err := ask(t.Context(), "/panic"); err == nil {
				t.Error("no error of a handler that panicked")
			}
			<-inside
			gone(t, c)
		})
		t.Run("a client that leaves", func(t *testing.T) {
			ctx, leave := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() {
				_, err := ask(ctx, "/wait")
				done <- err
			}()
			<-inside
			if status, err := ask(t.Context(), "/"); status != 429 || err != nil {
				t.Errorf("meanwhile: status %d, %v", status, err)
			}
			leave()
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Errorf("left with %v", err)
			}
			gone(t, c)
		})
		t.Run("an upgrade", func(t *testing.T) {
			conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.WriteString(conn, "GET /upgrade HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: test\r\n\r\n")
			if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || line != "HTTP/1.1 101 Switching Protocols\r\n" {
				t.Fatalf("%q, %v", line, err)
			}
			<-inside
			if status, err := ask(t.Context(), "/"); status != 429 || err != nil {
				t.Errorf("while it is open: status %d, %v", status, err)
			}
			if err := conn.Close(); err != nil {
				t.Fatal(err)
			}
			gone(t, c)
		})
		if status, err := ask(t.Context(), "/"); status != 200 || err != nil {
			t.Errorf("at the end: status %d, %v", status, err)
		}
		<-inside
		gone(t, c)
	})
}

func TestConcurrencyAtOnce(t *testing.T) {
	c := newConcurrency(t, 5)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 500 {
				x := request()
				c.Check(x)
				c.Done(x, exchange.Outcome{})
			}
		})
	}
	wg.Wait()
	if c.UnderWay() != 0 {
		t.Errorf("%d are under way", c.UnderWay())
	}
	for range 5 {
		if !c.Check(request()).Passed() {
			t.Fatal("a place was lost")
		}
	}
}
