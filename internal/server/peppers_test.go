package server_test

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/wire"
)

// TestAPepperIsRotatedUnderLoad starts a program whose keys are all under a pepper that
// is behind a new one, and asks for as long as it takes until none of them is.
func TestAPepperIsRotatedUnderLoad(t *testing.T) {
	upstream := wire.Listen(t, wire.Answer(wire.OK))
	lines := [2]string{newPepperLine(t), newPepperLine(t)}
	old, both, fresh := parsePeppers(t, lines[1]), parsePeppers(t, lines[0]+lines[1]), parsePeppers(t, lines[0])
	const keys = 24
	texts := make([]string, keys)
	p := start(t, upstream.URL(), settings{flags: map[string]string{"brute-force-failures": "1000000"}, before: func(t *testing.T, p *program) {
		t.Helper()
		p.change(t, p.record.ID, apikey.OpDelete, nil) // is under a pepper of no interest
		p.peppers = old
		for i := range texts {
			p.issue(t, apikey.Spec{})
			texts[i] = p.key
		}
		p.peppers = both
	}})
	attack.Case(t, "KEY-12", attack.Gateway, func(t *testing.T) {
		if used := p.pepperIDs(t); !slices.Equal(used, old.IDs()) {
			t.Fatalf("the keys are under %v, want %v", used, old.IDs())
		}
		var stop atomic.Bool
		var clients sync.WaitGroup
		for c := range 8 {
			clients.Go(func() {
				if complaint := p.useAll(texts[c*keys/8:(c+1)*keys/8], &stop); complaint != "" {
					t.Error(complaint)
				}
			})
		}
		eventually(t, func() ([]string, bool) {
			used := p.pepperIDs(t)
			return used, slices.Equal(used, fresh.IDs())
		})
		stop.Store(true)
		clients.Wait()
		for _, text := range texts {
			wantStatuses(t, "a right key, and a guess", []int{p.get(t, "/a", text).StatusCode, p.get(t, "/a", guessed(text)).StatusCode}, 200, 401)
		}
		lackingAtRunTime(t, p)
	})
}

// useAll asks with each key in turn until stop; every request has to pass.
func (p *program) useAll(texts []string, stop *atomic.Bool) (complaint string) {
	transport := &http.Transport{MaxConnsPerHost: 1}
	defer transport.CloseIdleConnections()
	for i := 0; !stop.Load(); i++ {
		r, err := http.NewRequest(http.MethodGet, "http://"+p.gateway+"/a", http.NoBody)
		if err != nil {
			return err.Error()
		}
		r.Header.Set("X-API-Key", texts[i%len(texts)])
		w, err := transport.RoundTrip(r)
		if err != nil {
			return err.Error()
		}
		_ = w.Body.Close()
		if w.StatusCode != http.StatusOK {
			return fmt.Sprintf("request %d while the pepper is rotated: %d, want 200", i, w.StatusCode)
		}
	}
	return ""
}

// lackingAtRunTime makes a key under a pepper that the running program has not: nobody
// can tell whether its text is right.
func lackingAtRunTime(t *testing.T, p *program) {
	t.Helper()
	own := p.peppers
	p.peppers = parsePeppers(t, newPepperLine(t))
	p.issue(t, apikey.Spec{})
	p.peppers = own
	p.awaitNodes(t, p.record.Revision)
	for _, text := range []string{p.key, guessed(p.key)} {
		if w := p.get(t, "/a", text); w.StatusCode != http.StatusServiceUnavailable || w.Header.Get("Retry-After") == "" {
			t.Errorf("under a pepper that lacks: %d, Retry-After %q, want 503 with one", w.StatusCode, w.Header.Get("Retry-After"))
		}
	}
}

func (p *program) pepperIDs(t *testing.T) []string {
	t.Helper()
	ids, err := p.keys.PepperIDs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

func newPepperLine(t *testing.T) string {
	t.Helper()
	line, err := apikey.NewPepper(nil)
	if err != nil {
		t.Fatal(err)
	}
	return line
}

func parsePeppers(t *testing.T, lines string) *apikey.Peppers {
	t.Helper()
	peppers, err := apikey.ParsePeppers(lines)
	if err != nil {
		t.Fatal(err)
	}
	return peppers
}
