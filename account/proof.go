package account

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/warder-dev/warder/secret"
)

// A Proof is what somebody shows of its second factor: a code, or a recovery code.
type Proof struct {
	Code     string
	Recovery secret.Text
}

// IsZero reports whether nothing is shown.
func (p *Proof) IsZero() bool { return p.Code == "" && p.Recovery.IsZero() }

// Prove notes a login of the account, whose password was proved, and takes its
// second factor when it has one: each code is accepted once. Errors: [ErrCode] for
// every proof that does not hold, [ErrGone] when the account may not log in,
// or what the store returns. Whoever calls it bounds how often it is tried.
func (m *Manager) Prove(ctx context.Context, id ID, source string, p Proof) (Account, error) {
	by := Actor{By: "account:" + string(id), Source: source}
	op := OpLogin
	if !p.Recovery.IsZero() {
		op = OpLoginRecovery
	}
	return m.update(ctx, by, id, 0, op, func(a *Account, now time.Time) error {
		if a.State() != Active {
			return ErrGone
		}
		if err := m.take(a, p, now); err != nil {
			return err
		}
		a.LastLogin = now.Truncate(time.Minute)
		return nil
	})
}

// take uses up the proof of a's second factor.
func (m *Manager) take(a *Account, p Proof, now time.Time) error {
	switch {
	case !a.Factor.Enrolled():
		if !p.IsZero() {
			return ErrCode
		}
		return nil
	case !p.Recovery.IsZero():
		normal, ok := normalRecovery(p.Recovery)
		if !ok {
			return ErrCode
		}
		left, ok := spend(a.ID, a.Recovery, normal)
		if !ok {
			return ErrCode
		}
		a.Recovery = left
		return nil
	default:
		return m.takeCode(a, p.Code, now)
	}
}

func (m *Manager) takeCode(a *Account, code string, now time.Time) error {
	code, ok := normalCode(code)
	if !ok {
		return ErrCode
	}
	key, err := m.cfg.Sealer.Open(a.Factor.Sealed.Reveal(), a.Factor.Pepper, factorContext(a.ID))
	if err != nil {
		return fmt.Errorf("account: the second factor cannot be opened: %w", err)
	}
	n, ok := accept(key, a.Factor.Step, code, now)
	if !ok {
		return ErrCode
	}
	a.Factor.Step = n
	// A pepper that was retired leaves the store with the next login.
	sealed, pepper, err := m.cfg.Sealer.Seal(key, factorContext(a.ID))
	if err != nil {
		return fmt.Errorf("account: the second factor cannot be sealed: %w", err)
	}
	if pepper != a.Factor.Pepper {
		a.Factor.Sealed, a.Factor.Pepper = secret.New(sealed), pepper
	}
	return nil
}

// ChangePassword gives an account another password, whose person has just proved
// the old one and the second factor, and ends its sessions.
func (m *Manager) ChangePassword(ctx context.Context, by Actor, password secret.Text) (Account, error) {
	a, err := m.self(ctx, by)
	if err != nil {
		return Account{}, err
	}
	if err := m.checkNew(&a, password); err != nil {
		return Account{}, err
	}
	hash, err := m.cfg.Hash(password)
	if err != nil {
		return Account{}, fmt.Errorf("account: change password: %w", err)
	}
	return m.update(ctx, by, by.ID, 0, OpPassword, func(a *Account, _ time.Time) error {
		if a.State() != Active {
			return ErrGone
		}
		a.PasswordHash = secret.New(hash)
		a.Epoch++
		return nil
	})
}

// self returns the account of a person with a fresh login.
func (m *Manager) self(ctx context.Context, by Actor) (Account, error) {
	switch {
	case by.ID == "":
		return Account{}, ErrForbidden
	case !by.Fresh:
		return Account{}, ErrStale
	}
	a, err := m.cfg.Store.Lookup(ctx, by.ID)
	switch {
	case errors.Is(err, ErrNotFound):
		return Account{}, ErrNotFound
	case err != nil:
		return Account{}, fmt.Errorf("account: look up: %w", err)
	}
	return a, nil
}

// OfferFactor offers another authenticator to a person with a fresh login.
func (m *Manager) OfferFactor(ctx context.Context, by Actor) (Offer, error) {
	a, err := m.self(ctx, by)
	if err != nil {
		return Offer{}, err
	}
	return m.offer(&a)
}

// Enrol puts the authenticator that was offered in the place of the one before, if
// code is one of its codes; sessions end, and so do the recovery codes of before.
func (m *Manager) Enrol(ctx context.Context, by Actor, offered secret.Text, code string) (Account, []secret.Text, error) {
	if _, err := m.self(ctx, by); err != nil {
		return Account{}, nil, err
	}
	var codes []secret.Text
	a, err := m.update(ctx, by, by.ID, 0, OpFactor, func(a *Account, now time.Time) (err error) {
		if a.State() != Active {
			return ErrGone
		}
		if codes, err = m.enrol(a, offered, code, now); err != nil {
			return err
		}
		a.Epoch++
		return nil
	})
	if err != nil {
		return Account{}, nil, err
	}
	return a, codes, nil
}

// RenewRecovery makes new recovery codes for a person with a fresh login; those of
// before are worth nothing then.
func (m *Manager) RenewRecovery(ctx context.Context, by Actor) (Account, []secret.Text, error) {
	if _, err := m.self(ctx, by); err != nil {
		return Account{}, nil, err
	}
	var codes []secret.Text
	a, err := m.update(ctx, by, by.ID, 0, OpRecovery, func(a *Account, _ time.Time) error {
		if !a.Factor.Enrolled() {
			return ErrFactor
		}
		codes, a.Recovery = newRecovery(a.ID)
		return nil
	})
	if err != nil {
		return Account{}, nil, err
	}
	return a, codes, nil
}

// Rehash stores the hash of the same password under other costs, if old is still
// the one that is stored.
func (m *Manager) Rehash(ctx context.Context, id ID, old, renewed secret.Text) error {
	_, err := m.update(ctx, Actor{By: "system", Source: "login"}, id, 0, OpRehash, func(a *Account, _ time.Time) error {
		if !a.PasswordHash.Equal(old) {
			return ErrConflict
		}
		a.PasswordHash = renewed
		return nil
	})
	return err
}

// TicketFor is how long the second step of a login may take.
const TicketFor = 5 * time.Minute

// ticketContext binds a ticket to the account as its password was proved.
func ticketContext(a *Account) string { return fmt.Sprintf("ticket\x00%s\x00%d", a.ID, a.Epoch) }

// Ticket returns a proof that the password of a was proved, for the second step of
// a login within [TicketFor]. It is sealed, and worth nothing without the second
// factor.
func (m *Manager) Ticket(a *Account) (secret.Text, error) {
	sealed, err := m.seal(nil, ticketContext(a), TicketFor)
	if err != nil {
		return secret.Text{}, fmt.Errorf("account: ticket: %w", err)
	}
	return secret.New(string(a.ID) + "." + sealed), nil
}

// Redeem returns the account whose password a ticket proves. It may be redeemed
// again: what a code is for is [Manager.Prove]. [ErrGone] means that the ticket does
// not hold, or that the account was changed since.
func (m *Manager) Redeem(ctx context.Context, ticket secret.Text) (Account, error) {
	id, sealed, found := strings.Cut(ticket.Reveal(), ".")
	if !found || !ValidID(id) {
		return Account{}, ErrGone
	}
	a, err := m.cfg.Store.Lookup(ctx, ID(id))
	switch {
	case errors.Is(err, ErrNotFound):
		return Account{}, ErrGone
	case err != nil:
		return Account{}, fmt.Errorf("account: ticket: %w", err)
	}
	if _, ok := m.unseal(sealed, ticketContext(&a)); !ok || a.State() != Active {
		return Account{}, ErrGone
	}
	return a, nil
}
