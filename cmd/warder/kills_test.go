//go:build !race

package main

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/internal/attack"
)

// ledger is what processes acknowledged before they were killed.
type ledger struct {
	mu      sync.Mutex
	texts   map[apikey.ID]string // of the last secret that was printed
	revoked map[apikey.ID]bool   // it was acknowledged
	asked   map[apikey.ID]bool   // a revocation was begun, which may hold or not
}

// any returns a key that nobody began to revoke, or nothing.
func (l *ledger) any() apikey.ID {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id := range l.texts { // in no order
		if !l.asked[id] {
			return id
		}
	}
	return ""
}

// A pace is how long a change takes, as far as it is known: the machine is not always as
// fast as it was, and kills are to come in the middle.
type pace struct {
	mu    sync.Mutex
	whole time.Duration
}

// after is when to kill the next: in the middle, or just as it ends.
func (p *pace) after(random *rand.Rand) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Duration(random.Int64N(int64(2 * p.whole)))
}

// learn hears how long a process ran, and whether it was killed then.
func (p *pace) learn(killed bool, ran time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if killed {
		p.whole += p.whole / 50
	} else {
		p.whole = (3*p.whole + ran) / 4
	}
}

// change begins one change of three kinds, kills it after a while, and notes what it
// printed. It reports whether the process was killed before it ended.
func (l *ledger) change(t *testing.T, folder string, random *rand.Rand, p *pace) bool {
	t.Helper()
	args := []string{"keys", "create", "--output", "secret"}
	id := l.any()
	switch kind := random.IntN(5); {
	case id == "" || kind < 2: // more of them, so that there is something to change
	case kind < 4:
		args = []string{"keys", "roll", string(id), "--overlap", "24h", "--output", "secret"}
	default:
		args = []string{"keys", "revoke", string(id), "--output", "id"}
		l.mu.Lock()
		l.asked[id] = true
		l.mu.Unlock()
	}
	c := command(t.Context(), folder, args...)
	var out bytes.Buffer
	c.Stdout = &out
	began := time.Now()
	if err := c.Start(); err != nil {
		t.Error(err)
		return false
	}
	kill := time.AfterFunc(p.after(random), func() { _ = c.Process.Kill() }) // it may have ended by itself
	ended := c.Wait() == nil
	kill.Stop()
	p.learn(!ended, time.Since(began))
	text := strings.TrimSpace(out.String())
	l.mu.Lock()
	defer l.mu.Unlock()
	if args[1] == "revoke" {
		l.revoked[id] = l.revoked[id] || text == string(id)
		return !ended
	}
	if info, err := apikey.Parse(text); err == nil {
		l.texts[info.ID] = text
	}
	return !ended
}

// TestAThousandKills kills a thousand processes, two at a time, in the middle of what
// they change: whatever was acknowledged holds, and the audit log is whole.
func TestAThousandKills(t *testing.T) {
	attack.Case(t, "FLEET-16", attack.CLI, func(t *testing.T) {
		const kills = 1000
		folder := t.TempDir()
		p := &pace{whole: timedCreate(t, folder)}
		known := &ledger{texts: map[apikey.ID]string{}, revoked: map[apikey.ID]bool{}, asked: map[apikey.ID]bool{}}
		var mu sync.Mutex
		killed, begun := 0, 0
		var both sync.WaitGroup
		for i := range 2 {
			both.Go(func() {
				random := rand.New(rand.NewPCG(1, uint64(i)))
				for {
					mu.Lock()
					over := killed >= kills || begun >= 8*kills
					begun++
					mu.Unlock()
					if over {
						return
					}
					if known.change(t, folder, random, p) {
						mu.Lock()
						killed++
						mu.Unlock()
					}
				}
			})
		}
		both.Wait()
		if killed < kills {
			t.Errorf("only %d of %d processes were killed in time", killed, begun)
		}
		code, out, stderr := ran(t, folder, "", "keys", "list", "--output", "json")
		if code != 0 {
			t.Fatalf("keys list: %s", stderr)
		}
		var listed []keyView
		if err := json.Unmarshal([]byte(out), &listed); err != nil {
			t.Fatal(err)
		}
		states := map[apikey.ID]apikey.State{}
		for _, k := range listed {
			states[k.ID] = k.State
		}
		verified := 0
		for id, text := range known.texts {
			switch state := states[id]; {
			case state == "":
				t.Errorf("the key %s was printed, and is lost", id)
			case known.revoked[id] && state != apikey.Revoked:
				t.Errorf("the key %s was revoked, and is %s", id, state)
			case !known.asked[id] && verified < 100: // each takes a process
				verified++
				if code, _, _ := ran(t, folder, text+"\n", "keys", "verify", "-"); code != 0 {
					t.Errorf("the last text of the key %s is not taken", id)
				}
			}
		}
		code, _, stderr = ran(t, folder, "", "audit", "verify")
		if code != 0 {
			t.Errorf("audit verify: exit code %d, %s", code, stderr)
		}
		t.Logf("%d of %d processes were killed; %d keys were acknowledged, %d of them revoked; %d are there", killed, begun, len(known.texts), len(known.revoked), len(listed))
	})
}
