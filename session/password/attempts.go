package password

import "net/netip"

// A Throttle slows down whoever guesses anything else than a password, such as the
// codes of a second factor, by the same rules as a [Checker]: see the package. It is
// safe for concurrent use, and its memory is bounded.
type Throttle struct{ t *throttle }

// NewThrottle returns a Throttle that has counted nothing.
func NewThrottle() *Throttle { return &Throttle{t: newThrottle()} }

// Begin counts a try at name from an address as failed, or returns a
// *[ThrottledError]: then nothing is to be looked at, and nothing is counted. name
// is one spelling of whom it is about.
func (t *Throttle) Begin(name string, from netip.Addr) (*Attempt, error) {
	a, err := t.t.begin(name, from)
	if err != nil {
		return nil, err
	}
	return &Attempt{a}, nil
}

// An Attempt is a try that counts as failed until it is told otherwise, once.
type Attempt struct{ a *attempt }

// Succeeded forgets the failures at this name from this address, which others
// cannot lock out from then on.
func (a *Attempt) Succeeded() { a.a.succeeded() }

// Forget takes the try back: it was no guess.
func (a *Attempt) Forget() { a.a.forget() }
