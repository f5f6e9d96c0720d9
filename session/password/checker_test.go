package password_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/secret"
	"github.com/warder-dev/warder/session/password"
)

func TestNewReportsAllThatIsWrong(t *testing.T) {
	_, err := password.New(password.Config{Params: password.Params{Memory: 1, Time: 99, Threads: 99}, Memory: -1, Queue: -1, Wait: -1})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"Users", "Log", "Params.Memory", "Params.Time", "Params.Threads", "Memory is -1", "Queue", "Wait"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error does not tell of %s:\n%v", want, err)
		}
	}
}

func TestCheck(t *testing.T) {
	p := newPeople(t, "ada")
	gone := p.users["ada"]
	gone.Name, gone.Disabled = "gone", true
	p.set(gone)
	c := newChecker(t, password.Config{Users: p})
	for _, tt := range []struct{ name, user, word, want string }{
		{"right", "ada", right, ""},
		{"wrong", "ada", wrong, "wrong-password"},
		{"cut", "ada", right[:12], "wrong-password"},
		{"longer", "ada", right + "\x00", "wrong-password"},
		{"unknown", "eve", right, "unknown-user"},
		{"other case", "Ada", right, "unknown-user"},
		{"disabled", "gone", right, "disabled"},
		{"disabled and wrong", "gone", wrong, "wrong-password"},
		{"no name", "", right, "empty"},
		{"no password", "ada", "", "empty"},
		{"a name of 256 bytes", strings.Repeat("a", 256), right, "too-long"},
		{"a password of 1024 bytes", "ada", strings.Repeat("a", 1024), "wrong-password"},
		{"a password of 1025 bytes", "ada", strings.Repeat("a", 1025), "too-long"},
	} {
		wantTry(t, tt.name, c, home(len(tt.name)), tt.user, tt.word, tt.want)
	}
	p.fail(errDown)
	for range 30 { // no guesses, and not counted
		wantTry(t, "users are away", c, home(1), "ada", right, "error")
	}
	p.fail(nil)
	wantTry(t, "users are back", c, home(1), "ada", right, "")
	p.fail(errDown)
	if err := c.Confirm(t.Context(), password.User{Name: "ada"}); !errors.Is(err, errDown) {
		t.Errorf("Confirm = %v, want %v", err, errDown)
	}
}

// What nobody asked for otherwise is hashed at OWASP's costs: the other tests hash
// at lower ones.
func TestDefaultCosts(t *testing.T) {
	const costs = "$argon2id$v=19$m=19456,t=2,p=1$"
	p := newPeople(t, "old")
	hash, err := password.Hash(secret.New(right), password.Params{})
	if err != nil || !strings.HasPrefix(hash, costs) {
		t.Fatalf("Hash = %q, %v, want %s...", hash, err, costs)
	}
	p.set(password.User{Name: "ada", Hash: hash})
	renewed := make(map[string]string)
	c, err := password.New(password.Config{
		Users: p, Log: slog.New(slog.DiscardHandler),
		Rehash: func(_ context.Context, u password.User, hash string) error { renewed[u.Name] = hash; return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	wantTry(t, "of today's costs", c, home(1), "ada", right, "")
	wantTry(t, "of lower costs", c, home(1), "old", right, "")
	if len(renewed) != 1 || !strings.HasPrefix(renewed["old"], costs) {
		t.Errorf("renewed %q, want the one of lower costs, as %s...", renewed, costs)
	}
	if _, err := password.New(password.Config{Users: p, Log: slog.New(slog.DiscardHandler), Params: password.Quick()}); err == nil {
		t.Error("costs below the bounds were taken")
	}
	if _, err := password.Hash(secret.New(right), password.Quick()); err == nil {
		t.Error("costs below the bounds were taken by Hash")
	}
}

func TestRehash(t *testing.T) {
	p := newPeople(t, "ada")
	var renewed atomic.Int64
	fail := errors.New("cannot store")
	var stored error
	var j journal
	c := newChecker(t, password.Config{
		Users: p, Params: costly(), Log: j.log(),
		Rehash: func(_ context.Context, u password.User, hash string) error {
			renewed.Add(1)
			if stored != nil {
				return stored
			}
			u.Hash = hash
			p.set(u)
			return nil
		},
	})
	wantTry(t, "wrong", c, home(1), "ada", wrong, "wrong-password")
	if renewed.Load() != 0 {
		t.Error("a wrong password renewed a hash")
	}
	stored = fail
	wantTry(t, "not stored", c, home(1), "ada", right, "")
	if !strings.Contains(j.String(), "not renewed") || strings.Contains(j.String(), "argon2id") {
		t.Errorf("log: %s", j.String())
	}
	stored = nil
	u, err := c.Check(t.Context(), home(1), "ada", secret.New(right))
	if err != nil || !strings.Contains(u.Hash, "m=1024,") || c.Confirm(t.Context(), u) != nil {
		t.Errorf("Check = %+v, %v, want the new hash, confirmed", u, err)
	}
	wantTry(t, "renewed", c, home(1), "ada", right, "")
	if renewed.Load() != 2 {
		t.Errorf("renewed %d times, want 2: once in vain", renewed.Load())
	}
	u.Hash = hashOf(t, "another", costly())
	p.set(u)
	u.Hash = "old"
	if err := c.Confirm(t.Context(), u); !errors.Is(err, password.ErrChanged) {
		t.Errorf("Confirm after a change = %v, want ErrChanged", err)
	}
	u.Name = "eve"
	if err := c.Confirm(t.Context(), u); !errors.Is(err, password.ErrChanged) {
		t.Errorf("Confirm of nobody = %v, want ErrChanged", err)
	}
}

// median returns the middle of times.
func median(times []time.Duration) time.Duration {
	slices.Sort(times)
	return times[len(times)/2]
}

func TestNoTimeTellsOfAUser(t *testing.T) {
	attack.Case(t, "SESS-09", attack.Library, func(t *testing.T) {
		// A machine that does other things makes single figures worthless: the two
		// kinds alternate, and only many rounds that agree are a finding.
		const rounds, tries = 6, 200
		people := newPeople(t, "ada")
		var off []string
		for round := range rounds {
			var unknown, known []time.Duration
			var c *password.Checker
			for i := range tries {
				if i%15 == 0 { // a fresh one, that has throttled nobody yet
					c = newChecker(t, password.Config{Users: people})
				}
				for _, name := range []string{"ada", "eve"} {
					start := time.Now()
					got := try(t, c, home(round*tries+i), name, wrong)
					took := time.Since(start)
					if name == "ada" && got == "wrong-password" {
						known = append(known, took)
					} else if name == "eve" && got == "unknown-user" {
						unknown = append(unknown, took)
					} else {
						t.Fatalf("%s: %q", name, got)
					}
				}
			}
			a, b := median(known), median(unknown)
			if ratio := float64(max(a, b)) / float64(min(a, b)); ratio <= 1.1 {
				return
			}
			off = append(off, fmt.Sprintf("known %v, unknown %v", a, b))
		}
		t.Errorf("medians are more than a tenth apart in each of %d rounds: %s", rounds, strings.Join(off, "; "))
	})
}

func TestGuessing(t *testing.T) {
	attack.Case(t, "SESS-10", attack.Library, func(t *testing.T) {
		t.Run("one user from one address", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPeople(t, "ada")
				c := newChecker(t, password.Config{Users: p})
				tried := guess(t, c, home(1), 24*time.Hour, func(int) string { return "ada" })
				if tried < 5 || tried > 110 {
					t.Errorf("%d passwords were compared in a day, want at most 110", tried)
				}
				wantTry(t, "the attacker, with the right one", c, home(1), "ada", right, "throttled")
				wantTry(t, "the user, from an address that was never seen", c, home(2), "ada", right, "")
				pause(20 * time.Minute)
				wantTry(t, "from the attacker's address, after the delay", c, home(1), "ada", right, "")
				wantTry(t, "a success forgets the failures", c, home(1), "ada", wrong, "wrong-password")
				wantTry(t, "a success forgets the failures", c, home(1), "ada", right, "")
			})
		})
		t.Run("one user from many addresses", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newChecker(t, password.Config{Users: newPeople(t, "ada", "bob")})
				wantTry(t, "at home, before", c, home(1), "ada", right, "")
				compared := 0
				for minute := range 60 {
					for i := range 50 {
						if try(t, c, home(100+50*minute+i), "ada", wrong) != "throttled" {
							compared++
						}
					}
					pause(time.Minute)
				}
				if compared > 100 {
					t.Errorf("%d of 3000 passwords were compared in an hour, want at most 100", compared)
				}
				try(t, c, home(99), "ada", wrong)
				wantTry(t, "the attacker", c, home(98), "ada", right, "throttled")
				wantTry(t, "the user, at home", c, home(1), "ada", right, "")
				wantTry(t, "another user, from where the attacker was", c, home(150), "bob", right, "")
			})
		})
		t.Run("many users from one address", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newChecker(t, password.Config{Users: newPeople(t, "ada", "user7")})
				wantTry(t, "the user of the address, before", c, home(1), "ada", right, "")
				tried := guess(t, c, home(1), time.Hour, func(i int) string { return fmt.Sprint("user", i) })
				if tried < 20 || tried > 60 {
					t.Errorf("%d passwords were compared in an hour, want at most 60", tried)
				}
				wantTry(t, "a further user, from there", c, home(1), "user7", right, "throttled")
				wantTry(t, "whose address it is", c, home(1), "ada", right, "")
				wantTry(t, "a guessed user, from elsewhere", c, home(2), "user7", right, "")
			})
		})
		t.Run("a whole network is one address", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newChecker(t, password.Config{Users: newPeople(t, "ada")})
				compared := 0
				for i := range 100 {
					from := netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 15: byte(i)})
					if try(t, c, from, "ada", wrong) != "throttled" {
						compared++
					}
				}
				if compared != 5 {
					t.Errorf("%d passwords were compared from one /64, want 5", compared)
				}
				mapped := netip.AddrFrom16([16]byte{10: 0xff, 11: 0xff, 12: 192, 13: 0, 14: 2, 15: 1})
				for range 5 {
					wantTry(t, "IPv4", c, netip.MustParseAddr("192.0.2.1"), "ada", wrong, "wrong-password")
				}
				wantTry(t, "the same, mapped", c, mapped, "ada", wrong, "throttled")
			})
		})
		t.Run("many at once", func(t *testing.T) {
			c := newChecker(t, password.Config{Users: newPeople(t, "ada")})
			var compared atomic.Int64
			var wg sync.WaitGroup
			for range 50 {
				wg.Go(func() {
					if try(t, c, home(1), "ada", wrong) == "wrong-password" {
						compared.Add(1)
					}
				})
			}
			wg.Wait()
			if got := compared.Load(); got < 5 || got > 6 {
				t.Errorf("%d passwords were compared of 50 at once, want 5 (6 on a machine that took a second)", got)
			}
		})
	})
}

// guess tries wrong passwords from one address for so long, as soon as it may,
// and returns how many were compared.
func guess(t *testing.T, c *password.Checker, from netip.Addr, lasts time.Duration, name func(i int) string) (compared int) {
	t.Helper()
	for end := time.Now().Add(lasts); ; {
		_, err := c.Check(t.Context(), from, name(compared), secret.New(wrong))
		var throttled *password.ThrottledError
		switch {
		case errors.As(err, &throttled):
			if throttled.After <= 0 || throttled.After > 15*time.Minute {
				t.Fatalf("throttled for %v", throttled.After)
			}
			if time.Now().Add(throttled.After).After(end) {
				return compared
			}
			pause(throttled.After)
		case err == nil:
			t.Fatal("a wrong password passed")
		default:
			compared++
		}
	}
}

func TestBoundedMemory(t *testing.T) {
	attack.Case(t, "SESS-11", attack.Library, func(t *testing.T) {
		const users, size, parallel = 64, 8 << 10, 2 // KiB
		p := newPeople(t)
		hash := hashOf(t, right, password.Params{Memory: size, Time: 1, Threads: 1})
		for i, name := range names(users) {
			p.set(password.User{Name: name, Hash: hash, Title: fmt.Sprint(i)})
		}
		c := newChecker(t, password.Config{Users: p, Params: password.Params{Memory: size, Time: 1, Threads: 1}, Memory: parallel * size, Queue: users, Wait: time.Minute})
		stop, peak := watchHeap()
		var passed atomic.Int64
		var wg sync.WaitGroup
		for i, name := range names(users) {
			wg.Go(func() {
				if got := try(t, c, home(i), name, right); got == "" {
					passed.Add(1)
				} else {
					t.Errorf("%s: %q", name, got)
				}
			})
		}
		wg.Wait()
		close(stop)
		// Twice, and as much again for the collector, is far below 64 times.
		if got := <-peak; got > 12*parallel*size<<10 || passed.Load() != users {
			t.Errorf("%d logins took %d MiB at once, want at most %d", passed.Load(), got>>20, 12*parallel*size>>10)
		}
		before := p.asked
		long := strings.Repeat("a", 1<<20)
		start := time.Now()
		for range 100 {
			wantTry(t, "1 MiB", c, home(1), "user1", long, "too-long")
		}
		if took := time.Since(start); p.asked != before || took > time.Second { // nothing is hashed before the user is looked up
			t.Errorf("100 passwords of 1 MiB took %v and %d look-ups", took, p.asked-before)
		}
	})
}

// watchHeap notes the greatest heap until stop is closed.
func watchHeap() (stop chan struct{}, peak chan uint64) {
	runtime.GC()
	stop, peak = make(chan struct{}), make(chan uint64, 1)
	var first runtime.MemStats
	runtime.ReadMemStats(&first)
	go func() {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		var most uint64
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			if m.HeapAlloc > first.HeapAlloc {
				most = max(most, m.HeapAlloc-first.HeapAlloc)
			}
			select {
			case <-stop:
				peak <- most
				return
			case <-tick.C:
			}
		}
	}()
	return stop, peak
}

// What does not get memory in time is told to come back, and counts as no guess.
func TestQueueIsBounded(t *testing.T) {
	p := newPeople(t, names(200)...)
	c := newChecker(t, password.Config{Users: p, Memory: 512, Queue: 2, Wait: time.Minute})
	var busy, passed atomic.Int64
	var wg sync.WaitGroup
	for i, name := range names(200) {
		wg.Go(func() {
			switch try(t, c, home(i), name, right) {
			case "busy":
				busy.Add(1)
			case "":
				passed.Add(1)
			}
		})
	}
	wg.Wait()
	if busy.Load() == 0 || passed.Load() == 0 || busy.Load()+passed.Load() != 200 {
		t.Errorf("%d were busy and %d passed, want some of each", busy.Load(), passed.Load())
	}
	large := newPeople(t)
	large.set(password.User{Name: "ada", Hash: hashOf(t, right, password.Params{Memory: 64 << 10, Time: 1, Threads: 1})})
	wantTry(t, "a hash larger than the memory", newChecker(t, password.Config{Users: large, Memory: 32 << 10}), home(1), "ada", right, "error")
}

func TestNothingSecretIsPrinted(t *testing.T) {
	c := newChecker(t, password.Config{Users: newPeople(t, "ada"), Log: slog.New(slog.DiscardHandler)})
	for _, word := range []string{"canary" + strings.Repeat("x", 2000), "canary"} {
		_, err := c.Check(t.Context(), home(1), "canary", secret.New(word))
		if err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("Check = %v", err)
		}
	}
}
