package usage_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/warder-dev/warder/usage"
)

// A holder is a node that obeys: it spends nothing of a reservation after a
// refill, and says what it spent whenever it likes.
type holder struct {
	id              byte
	granted         int64 // known
	spent, returned int64
	epoch           int // how many refills there were when it was last granted anything
}

func (h *holder) left() int64 { return h.granted - h.spent - h.returned }

// TestARefillToAnAmountIsExact holds a book against an oracle that knows what is
// really unspent: a refill makes it the amount if it was less, and nothing else
// makes it more, however late and in whatever order the nodes say what they spent.
func TestARefillToAnAmountIsExact(t *testing.T) {
	const amount = 100
	for seed := range uint64(500) {
		random := rand.New(rand.NewPCG(seed, 2))
		at := utc("2026-01-30 12:00:00")
		refill := usage.Refill{Every: usage.Day, Amount: amount}
		b := &usage.Book{}
		change := usage.Change{Actor: "user:ada", Source: "cli", At: at, Subject: key("k1"), Op: usage.OpRefill, Refill: refill}
		if err := b.Apply(change); err != nil {
			t.Fatal(err)
		}
		next, refills := refill.Next(at), 0
		unspent := int64(amount)
		var holders []*holder
		var last byte
		ask := func(h *holder, a usage.Ask) usage.Grant {
			a.Subject, a.ID, a.Granted, a.Spent, a.Returned, a.Term = key("k1"), usage.ReservationID{h.id}, h.granted, h.spent, h.returned, 1000*time.Hour
			g, _ := b.Reserve(at, a)
			return g
		}
		shut := func(i int) {
			h := holders[i]
			h.returned += h.left()
			if g := ask(h, usage.Ask{Close: true}); g.Gone {
				t.Fatalf("seed %d: a reservation is gone", seed)
			}
			holders = append(holders[:i:i], holders[i+1:]...)
		}
		for range 200 {
			switch dice := random.IntN(10); {
			case dice < 2 && len(holders) < 5:
				last++
				h := &holder{id: last, epoch: refills}
				h.granted = ask(h, usage.Ask{Need: 20, Want: 20}).Granted
				if h.granted > 0 {
					holders = append(holders, h)
				}
			case dice < 7 && len(holders) > 0:
				if h := holders[random.IntN(len(holders))]; h.epoch == refills && h.left() > 0 {
					n := random.Int64N(h.left()) + 1
					h.spent += n
					unspent -= n
				}
			case dice < 8 && len(holders) > 0:
				h := holders[random.IntN(len(holders))]
				if g := ask(h, usage.Ask{Need: 5, Want: 5}); !g.Ended {
					if h.epoch != refills && g.Granted > h.granted {
						t.Fatalf("seed %d: a reservation of before a refill grows", seed)
					}
					h.granted = g.Granted
				}
			case dice < 9 && len(holders) > 0:
				shut(random.IntN(len(holders)))
			case random.IntN(4) == 0:
				for i, h := range slices.Backward(slices.Clone(holders)) {
					if h.epoch < refills { // nobody is silent over two refills
						shut(i)
					}
				}
				for range 1 + random.IntN(2) { // the second one, and none in between
					at, next = next, refill.Next(next)
				}
				refills++
				unspent = max(unspent, amount)
				if g := ask(&holder{id: 255}, usage.Ask{}); !g.Next.Equal(next) {
					t.Fatalf("seed %d: the next refill is at %s, want %s", seed, g.Next, next)
				}
			case random.IntN(20) == 0:
				c := usage.Change{Actor: "user:ada", Source: "cli", At: at, Subject: key("k1"), Op: usage.OpAdd, Amount: 70}
				if err := b.Apply(c); err != nil {
					t.Fatal(err)
				}
				unspent += 70
			}
			if b.Account.Balance < 0 || b.Account.Drop < 0 {
				t.Fatalf("seed %d: account = %+v", seed, b.Account)
			}
		}
		for len(holders) > 0 {
			shut(0)
		}
		a, err := b.At(at)
		if err != nil || a.Balance != unspent || a.Held != 0 || a.Lost != 0 {
			t.Errorf("seed %d: account = %+v, %v; want a balance of %d after %d refills", seed, a, err, unspent, refills)
		}
	}
}

// An ask is answered alike however often it is said, whatever came between.
func TestAnAskMayBeSaidAgain(t *testing.T) {
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 3))
		at := utc("2026-01-30 12:00:00")
		once, often := &usage.Book{}, &usage.Book{}
		for _, b := range []*usage.Book{once, often} {
			c := usage.Change{Actor: "user:ada", Source: "cli", At: at, Subject: key("k1"), Op: usage.OpSet, Amount: 500}
			if err := b.Apply(c); err != nil {
				t.Fatal(err)
			}
		}
		holders := []*holder{{id: 1}, {id: 2}, {id: 3}}
		for range 100 {
			h := holders[random.IntN(len(holders))]
			if left := h.left(); left > 0 {
				h.spent += random.Int64N(left + 1)
				h.returned += random.Int64N(h.left() + 1)
			}
			a := usage.Ask{Subject: key("k1"), ID: usage.ReservationID{h.id}, Granted: h.granted, Spent: h.spent, Returned: h.returned, Term: time.Hour}
			a.Need = random.Int64N(10)
			a.Want = a.Need
			want, _ := once.Reserve(at, a)
			for range 1 + random.IntN(3) {
				if got, _ := often.Reserve(at, a); got != want {
					t.Fatalf("seed %d: %+v was answered %+v, then %+v", seed, a, want, got)
				}
			}
			h.granted = want.Granted
		}
		if a, b := fmt.Sprintf("%+v", *once), fmt.Sprintf("%+v", *often); a != b {
			t.Errorf("seed %d: %s, want %s", seed, b, a)
		}
	}
}
