package usage

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// A ReservationID names a reservation. It is drawn at random by who reserves.
type ReservationID [16]byte

// A Reservation is what a node holds of an account. Its numbers count from its
// beginning and never fall, so that to say them twice changes nothing.
type Reservation struct {
	ID       ReservationID
	Granted  int64
	Spent    int64     // confirmed
	Returned int64     // given back
	Epoch    int64     // of the account when it began
	Expires  time.Time // from when on the node is taken as gone
	Favour   bool      // what is not confirmed then goes back to the account, else it is lost
}

// held is what the node may still spend, as far as the store knows.
func (r *Reservation) held() int64 { return r.Granted - r.Spent - r.Returned }

// An Ask is what a node says of one reservation, and what it wants.
type Ask struct {
	Subject  Subject
	ID       ReservationID // not zero
	Granted  int64         // as far as the node knows; 0 begins the reservation
	Spent    int64         // in all
	Returned int64         // in all
	Least    int64         // less than this more is of no use; 0 to Need
	Need     int64         // what requests wait for: so many more; 0 to Want
	Want     int64         // so many more if there is plenty; 0 to MaxCredits
	Step     int64         // nothing is reserved in advance but so much at least; 0 or more
	Close    bool          // nothing more is spent: the rest goes back
	Favour   bool
	Term     time.Duration // for how long the node may stay silent; more than 0
}

// Check reports what is wrong with a.
func (a *Ask) Check() error {
	inOrder := 0 <= a.Least && a.Least <= a.Need && a.Need <= a.Want && a.Want <= MaxCredits
	known := a.Granted >= 0 && a.Spent >= 0 && a.Returned >= 0 && a.Spent <= a.Granted && a.Returned <= a.Granted-a.Spent
	if !inOrder || !known || a.Step < 0 || a.ID == (ReservationID{}) || a.Term <= 0 || a.Close && a.Want > 0 {
		return errors.New("usage: an ask whose numbers contradict each other")
	}
	return a.Subject.Check()
}

// A Grant is the answer to an [Ask].
type Grant struct {
	Found   bool      // the subject has an account
	Granted int64     // in all, while the reservation is there
	Gone    bool      // the reservation was taken as lost, or ended by a change: nothing of it may be spent
	Ended   bool      // it grows no more: give back what is left, and begin another
	Balance int64     // what the account has besides
	Next    time.Time // of the next refill; zero for none
	Then    int64     // the balance after that, if nothing else happens
}

// A Book is an account with its reservations, and the rules of both. Stores share
// it; it is not safe for concurrent use.
type Book struct {
	Account      Account // its Held is that of Reservations
	Exists       bool
	Reservations []Reservation
}

// Reserve answers a, and reports whether the book has changed. at is the time of
// the transaction.
func (b *Book) Reserve(at time.Time, a Ask) (g Grant, changed bool) {
	if !b.Exists {
		return Grant{Gone: a.Granted > 0}, false
	}
	i := slices.IndexFunc(b.Reservations, func(r Reservation) bool { return r.ID == a.ID })
	if i >= 0 { // its own words come first: they are of before
		changed = b.settle(&b.Reservations[i], a)
		if a.Close {
			b.giveBack(&b.Reservations[i], b.Reservations[i].held())
			b.Reservations = slices.Delete(b.Reservations, i, i+1)
			i, changed = -1, true
		}
	}
	changed = b.refill(at) || changed
	changed = b.collect(at, a.ID) || changed
	i = slices.IndexFunc(b.Reservations, func(r Reservation) bool { return r.ID == a.ID })
	switch {
	case i >= 0:
		g.Ended = b.Reservations[i].Epoch != b.Account.Epoch
		b.Reservations[i].Expires, changed = at.Add(a.Term), true
	case a.Granted > 0:
		g.Gone = !a.Close
	}
	if !g.Ended && !g.Gone && a.Want > 0 {
		changed = b.grow(at, &i, a) || changed
	}
	if i >= 0 {
		g.Granted = b.Reservations[i].Granted
	}
	b.sum()
	g.Found, g.Balance, g.Next, g.Then = true, b.Account.Balance, b.Account.Next, b.then()
	return g, changed
}

// settle notes what a says of r.
func (b *Book) settle(r *Reservation, a Ask) (changed bool) {
	if spent := min(a.Spent-r.Spent, r.held()); spent > 0 {
		r.Spent += spent
		b.Account.Spent += spent
		changed = true
	}
	if back := min(a.Returned-r.Returned, r.held()); back > 0 {
		b.giveBack(r, back)
		changed = true
	}
	return changed
}

// giveBack moves credits of r to the balance. What a refill to an amount has
// made up for already is not counted twice.
func (b *Book) giveBack(r *Reservation, n int64) {
	r.Returned += n
	b.Account.Balance = min(b.Account.Balance+b.worth(r, n), MaxCredits)
}

// worth returns how many of n credits that r has left count. What comes back of
// before the last refill fills the gap that the refill has filled already; what is
// older still, or of before the amount was set, counts for nothing.
func (b *Book) worth(r *Reservation, n int64) int64 {
	switch r.Epoch {
	case b.Account.Epoch:
		return n
	case b.Account.Epoch - 1:
		dropped := min(n, b.Account.Drop)
		b.Account.Drop -= dropped
		return n - dropped
	default:
		return 0
	}
}

// collect ends the reservations, but own, of nodes that stayed silent.
func (b *Book) collect(at time.Time, own ReservationID) (changed bool) {
	b.Reservations = slices.DeleteFunc(b.Reservations, func(r Reservation) bool {
		if r.ID == own || at.Before(r.Expires) {
			return false
		}
		changed = true
		if r.Favour {
			b.giveBack(&r, r.held())
		} else {
			b.Account.Lost += b.worth(&r, r.held())
		}
		return true
	})
	return changed
}

// refill gives what is due at the time at. A clock that goes back gives nothing
// twice, since Next stays.
func (b *Book) refill(at time.Time) (changed bool) {
	a := &b.Account
	n := a.Refill.due(a.Next, at)
	if n == 0 {
		return false
	}
	b.add(n)
	a.Next = a.Refill.Next(at)
	return true
}

// add gives what n refills give.
func (b *Book) add(n int64) {
	a := &b.Account
	if a.Refill.Cap == 0 {
		// Reservations of before end here: the new period begins with the whole
		// amount, and what they have left is part of it.
		a.Epoch++
		a.Drop = max(0, a.Refill.Amount-a.Balance)
		a.Balance = max(a.Balance, a.Refill.Amount)
		return
	}
	b.sum()
	room := max(0, a.Refill.Cap-a.Balance-a.Held)
	if n > room/a.Refill.Amount { // so that n times the amount cannot overflow
		a.Balance += room
		return
	}
	a.Balance += n * a.Refill.Amount
}

// grow reserves more for the reservation number *i, which is -1 while it is none.
func (b *Book) grow(at time.Time, i *int, a Ask) (changed bool) {
	var known int64 // what it has got, and was not told of
	others := int64(len(b.Reservations))
	if *i >= 0 {
		known = b.Reservations[*i].Granted - a.Granted
		others--
	}
	// In advance nobody gets more than half of his share of the balance. Of the last
	// credits each holder gets only what requests wait for, so that they do not lie
	// with one while another needs them.
	n := min(a.Want-known, b.Account.Balance/(2*(others+1)))
	if n < a.Step || n < a.Need-known {
		n = max(0, a.Need-known)
	}
	if n > b.Account.Balance {
		n = b.Account.Balance
		if n+known < a.Least {
			n = 0
		}
	}
	if n == 0 {
		return false
	}
	if *i < 0 {
		*i = len(b.Reservations)
		b.Reservations = append(b.Reservations, Reservation{ID: a.ID, Epoch: b.Account.Epoch, Expires: at.Add(a.Term), Favour: a.Favour})
	}
	b.Reservations[*i].Granted += n
	b.Account.Balance -= n
	return true
}

// then returns the balance after the next refill.
func (b *Book) then() int64 {
	if b.Account.Next.IsZero() {
		return b.Account.Balance
	}
	after := Book{Account: b.Account, Reservations: b.Reservations}
	after.add(1)
	return after.Account.Balance
}

// sum sets Account.Held.
func (b *Book) sum() {
	b.Account.Held = 0
	for i := range b.Reservations {
		b.Account.Held += b.Reservations[i].held()
	}
}

// At returns the account as it is at the time at, or [ErrNoAccount].
func (b *Book) At(at time.Time) (Account, error) {
	if !b.Exists {
		return Account{}, ErrNoAccount
	}
	now := Book{Account: b.Account, Reservations: slices.Clone(b.Reservations)}
	now.refill(at)
	now.collect(at, ReservationID{})
	now.sum()
	return now.Account, nil
}

// Apply makes the change c: [ErrNoAccount], [ErrTooMany], or what c's Check says.
func (b *Book) Apply(c Change) error {
	if err := c.Check(); err != nil {
		return err
	}
	a := &b.Account
	if !b.Exists && (c.Op == OpAdd || c.Op == OpRefill && c.Refill.Every == Never) {
		return ErrNoAccount
	}
	if b.Exists {
		b.refill(c.At)
		b.collect(c.At, ReservationID{})
	} else {
		*b = Book{Exists: true, Account: Account{Subject: c.Subject}}
		if c.Op == OpRefill {
			a.Balance = c.Refill.Amount
		}
	}
	switch c.Op {
	case OpSet:
		a.Epoch += 2 // nodes may still spend what they hold; nothing of it comes back
		a.Balance, a.Drop = c.Amount, 0
	case OpAdd:
		if a.Balance > MaxCredits-c.Amount {
			return ErrTooMany
		}
		a.Balance += c.Amount
	case OpRefill:
		a.Refill = c.Refill
		a.Next = c.Refill.Next(c.At)
	default:
		return fmt.Errorf("usage: there is no change %q of an account", c.Op)
	}
	b.sum()
	return nil
}
