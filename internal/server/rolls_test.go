package server_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/internal/wire"
)

// TestRollsThroughTheGateway: the texts of a key that is rolled, by what a client gets.
func TestRollsThroughTheGateway(t *testing.T) {
	upstream := wire.Listen(t, wire.Answer(wire.OK))
	p := start(t, upstream.URL(), settings{yaml: "usage: {flush: 1s}\nroutes: [{match: \"/\", upstream: api}]\n"})
	by := apikey.By{Actor: "system", Source: "test"}
	attack.Case(t, "KEY-18", attack.Gateway, func(t *testing.T) {
		record, old := p.create(t, apikey.Spec{Environment: "live", Owner: "acme"})
		rolled, fresh := p.roll(t, record.ID, apikey.RollSpec{Overlap: time.Hour})
		p.awaitNodes(t, rolled.Revision)
		wantStatuses(t, "while both are good", []int{p.get(t, "/a", old).StatusCode, p.get(t, "/a", fresh).StatusCode, p.get(t, "/a", guessed(old)).StatusCode}, 200, 200, 401)
		usage := p.openUsage(t)
		eventually(t, func() (n int, ok bool) { // the retiring one is counted apart
			use, err := usage.Key(t.Context(), string(record.ID))
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range use.Secrets {
				if n++; s.At.IsZero() {
					return n, false
				}
			}
			return n, n == 2
		})

		texts := p.rollAtOnce(t, record.ID)
		now, err := p.keys.Lookup(t.Context(), record.ID)
		if err != nil || len(now.Secrets) != 3 || now.Secrets[0].Number != 4 || now.Secrets[1].Number != 3 || now.Secrets[2].Number != 2 {
			t.Fatalf("after two rolls at once: %+v, %v, want the secrets 4, 3 and 2", now.Secrets, err)
		}
		p.awaitNodes(t, now.Revision)
		wantStatuses(t, "after two rolls at once", []int{p.get(t, "/a", texts[0]).StatusCode, p.get(t, "/a", texts[1]).StatusCode, p.get(t, "/a", fresh).StatusCode, p.get(t, "/a", old).StatusCode}, 200, 200, 200, 401)

		ended, err := p.issuer.EndOverlap(t.Context(), by, record.ID, 0)
		if err != nil || len(ended.Secrets) != 1 {
			t.Fatalf("the overlap's end: %+v, %v", ended, err)
		}
		p.awaitNodes(t, ended.Revision)
		var good int // at once after the receipt
		for _, text := range append(texts, fresh, old) {
			switch status := p.get(t, "/a", text).StatusCode; status {
			case http.StatusOK:
				good++
			case http.StatusUnauthorized:
			default:
				t.Errorf("after the overlap was ended: %d", status)
			}
		}
		if good != 1 {
			t.Errorf("%d texts are good after the overlap was ended, want one", good)
		}
	})
	attack.Case(t, "KEY-18", attack.Gateway, func(t *testing.T) {
		record, old := p.create(t, apikey.Spec{Environment: "live", Owner: "acme"})
		rolled, fresh := p.roll(t, record.ID, apikey.RollSpec{Overlap: 2 * time.Second})
		p.awaitNodes(t, rolled.Revision)
		eventually(t, func() (struct{}, bool) {
			status := p.get(t, "/a", old).StatusCode
			if status == http.StatusUnauthorized && time.Now().Before(rolled.Secrets[1].Retires) {
				t.Fatal("the old text is refused before the end of the overlap")
			}
			return struct{}{}, status == http.StatusUnauthorized
		})
		if got := p.get(t, "/a", fresh).StatusCode; got != http.StatusOK {
			t.Errorf("the new text after the overlap: %d, want 200", got)
		}
	})
	if log := p.log(t); strings.Contains(log, `"status":500`) {
		t.Errorf("something failed:\n%.3000s", log)
	}
}

// roll rolls a key and returns its new text.
func (p *program) roll(t *testing.T, id apikey.ID, spec apikey.RollSpec) (apikey.Record, string) {
	t.Helper()
	record, text, err := p.issuer.Roll(t.Context(), apikey.By{Actor: "system", Source: "test"}, id, 0, spec)
	if err != nil {
		t.Fatal(err)
	}
	return record, text.Reveal()
}

// rollAtOnce rolls a key twice at once and returns the new texts.
func (p *program) rollAtOnce(t *testing.T, id apikey.ID) []string {
	t.Helper()
	texts := make([]string, 2)
	var both sync.WaitGroup
	for i := range texts {
		both.Go(func() {
			_, text, err := p.issuer.Roll(t.Context(), apikey.By{Actor: "system", Source: "test"}, id, 0, apikey.RollSpec{Overlap: time.Hour})
			if err != nil {
				t.Error(err)
			}
			texts[i] = text.Reveal()
		})
	}
	both.Wait()
	return texts
}
