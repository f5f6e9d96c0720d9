package usage

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Errors of a [Store]. Whatever else it returns means that it gave no answer.
var (
	// ErrNoAccount means that the subject has no account.
	ErrNoAccount = errors.New("usage: the subject has no account")

	// ErrOtherOwner means that the key whose account is to be changed does not exist, or
	// is not that owner's any more.
	ErrOtherOwner = errors.New("usage: the key is not this owner's")

	// ErrTooMany means that a change would make an account hold more than
	// [MaxCredits].
	ErrTooMany = fmt.Errorf("usage: an account holds at most %d credits", int64(MaxCredits))
)

// A Store keeps accounts and their reservations. Implementations pass
// usagetest.TestStore and are safe for concurrent use, by several processes too
// where they are shared. Every method keeps to ctx: it returns soon after ctx
// ends. A [Book] has the rules: a Store reads it, lets it change, and writes it
// back, in one transaction.
//
// The times that callers give are those of their clocks. A store whose clock is
// the same for all may go by that instead.
type Store interface {
	// Reserve confirms, gives back and reserves, for all asks in their order, in one
	// transaction or not at all. There is one Grant for each Ask. To ask again after
	// an error, whether or not the transaction was made, spends and reserves nothing
	// twice.
	Reserve(ctx context.Context, at time.Time, asks []Ask) ([]Grant, error)

	// Account returns the account of s as it is at the time at, refills that are due
	// included; [ErrNoAccount], or another error when the store could not answer. It
	// changes nothing.
	Account(ctx context.Context, s Subject, at time.Time) (Account, error)

	// Apply makes a change, and keeps who made it, in one transaction: [ErrNoAccount],
	// [ErrTooMany], [ErrOtherOwner], or another error when the store could not answer. It returns the
	// account after it.
	Apply(ctx context.Context, c Change) (Account, error)
}

// An Op names what a [Change] does.
type Op string

// The operations that exist.
const (
	OpSet    Op = "set"    // the balance is Amount, and reservations give nothing back; makes the account
	OpAdd    Op = "add"    // Amount more; makes no account
	OpRefill Op = "refill" // Refill replaces the one before; makes an account that begins with one refill
)

// A Change is one step in the life of an account that a person took.
type Change struct {
	Actor   string    // who: "user:ada"; required
	Source  string    // from where: "cli", an address; required
	At      time.Time // required
	Subject Subject   // required
	Op      Op        // required
	Amount  int64     // of set: 0 to MaxCredits; of add: 1 to MaxCredits; else 0
	Refill  Refill    // of refill

	// Owner is whose key it has to be when the change is made, for those who may change
	// what is this owner's alone; "": whosever it is. Of a key's account only.
	Owner string
}

// Check reports everything that is wrong with c at once.
func (c *Change) Check() error {
	errs := []error{c.Subject.Check(), c.Refill.Check()}
	if c.Actor == "" || c.Source == "" || !validYear(c.At) {
		errs = append(errs, errors.New("usage: a change has no actor, source or time"))
	}
	least, most := int64(0), int64(MaxCredits)
	switch c.Op {
	case OpSet:
	case OpAdd:
		least = 1
	case OpRefill:
		most = 0
	default:
		errs = append(errs, fmt.Errorf("usage: there is no change %q of an account", c.Op))
	}
	if c.Amount < least || c.Amount > most {
		errs = append(errs, fmt.Errorf("usage: the amount to %s is %d, want %d to %d", c.Op, c.Amount, least, most))
	}
	if c.Owner != "" && c.Subject.Kind != Key {
		errs = append(errs, errors.New("usage: a change that wants an owner is not of a key's account"))
	}
	if c.Op != OpRefill && c.Refill != (Refill{}) {
		errs = append(errs, fmt.Errorf("usage: to %s an account changes no refill", c.Op))
	}
	return errors.Join(errs...)
}
