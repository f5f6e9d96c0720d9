package account

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/warder-dev/warder/secret"
)

// ErrCode means that a code does not hold: it is wrong, too old, or was used.
var ErrCode = errors.New("account: the code is wrong, has expired, or was used")

// An Offer is a second factor that may be enrolled. Nothing of it is stored: Sealed
// is given back with a first code.
type Offer struct {
	Account  View
	Password bool        // one has to be set
	Factor   bool        // one has to be enrolled; else the rest is empty
	Secret   secret.Text // the shared secret, base32: to be typed into an authenticator
	URI      secret.Text // otpauth://..., to be shown as a QR code
	Sealed   secret.Text // for [Manager.Finish] and [Manager.Enrol], within the hour
}

// openLink returns the account that link opens from there.
func (m *Manager) openLink(ctx context.Context, link secret.Text, from netip.Addr) (Account, error) {
	id, err := ParseLink(link)
	if err != nil {
		return Account{}, err
	}
	a, err := m.cfg.Store.Lookup(ctx, id)
	switch {
	case errors.Is(err, ErrNotFound):
		return Account{}, ErrGone
	case err != nil:
		return Account{}, fmt.Errorf("account: set up: %w", err)
	}
	return a, a.opens(link, from, time.Now())
}

// Offer returns what a link sets, and a factor to enrol where it wants one: a
// different one each time. Errors: [ErrGone], [ErrElsewhere], or what the store
// returns.
func (m *Manager) Offer(ctx context.Context, link secret.Text, from netip.Addr) (Offer, error) {
	a, err := m.openLink(ctx, link, from)
	if err != nil {
		return Offer{}, err
	}
	offer := Offer{Account: a.View()}
	if a.SetUp.Factor {
		if offer, err = m.offer(&a); err != nil {
			return Offer{}, err
		}
	}
	offer.Password = a.SetUp.Password
	return offer, nil
}

func offerContext(a *Account) string { return fmt.Sprintf("offer\x00%s\x00%d", a.ID, a.Epoch) }

func factorContext(id ID) string { return "factor\x00" + string(id) }

func (m *Manager) offer(a *Account) (Offer, error) {
	key := newShared()
	sealed, err := m.seal(key, offerContext(a), linkLasts)
	if err != nil {
		return Offer{}, fmt.Errorf("account: offer: %w", err)
	}
	return Offer{
		Account: a.View(), Factor: true, Secret: secret.New(base32Text().EncodeToString(key)), URI: otpauth(m.cfg.Issuer, a.Name, key),
		Sealed: secret.New(sealed),
	}, nil
}

// seal returns plain with its end, as one text.
func (m *Manager) seal(plain []byte, context string, lasts time.Duration) (string, error) {
	ends := binary.BigEndian.AppendUint64(nil, uint64(time.Now().Add(lasts).Unix())) //nolint:gosec // G115: after 1970
	sealed, pepper, err := m.cfg.Sealer.Seal(append(ends, plain...), context)
	return pepper + "." + sealed, err
}

// maxSealed is more than seal ever returns, in bytes.
const maxSealed = 512

// unseal is the reverse of seal, in time. Whatever is wrong, it reports false.
func (m *Manager) unseal(text, context string) ([]byte, bool) {
	pepper, sealed, found := strings.Cut(text, ".")
	if !found || len(text) > maxSealed {
		return nil, false
	}
	plain, err := m.cfg.Sealer.Open(sealed, pepper, context)
	if err != nil || len(plain) < 8 {
		return nil, false
	}
	ends := time.Unix(int64(binary.BigEndian.Uint64(plain)), 0) //nolint:gosec // G115: our own
	return plain[8:], time.Now().Before(ends)
}

// enrol makes a the owner of the authenticator that was offered, if code is one of
// its codes.
func (m *Manager) enrol(a *Account, offered secret.Text, code string, now time.Time) ([]secret.Text, error) {
	key, ok := m.unseal(offered.Reveal(), offerContext(a))
	if !ok || len(key) != totpLength {
		return nil, &FieldError{"offer", "want the one that was made for this account within the hour: ask for another"}
	}
	code, ok = normalCode(code)
	if !ok {
		return nil, ErrCode
	}
	n, ok := accept(key, -1, code, now)
	if !ok {
		return nil, ErrCode
	}
	sealed, pepper, err := m.cfg.Sealer.Seal(key, factorContext(a.ID))
	if err != nil {
		return nil, err
	}
	a.Factor = Factor{Sealed: secret.New(sealed), Pepper: pepper, Step: n, Since: now}
	codes, digests := newRecovery(a.ID)
	a.Recovery = digests
	return codes, nil
}

// A Finish is what a link sets.
type Finish struct {
	Password secret.Text // where the link sets one
	Offer    secret.Text // [Offer.Sealed], where the link sets a factor
	Code     string      // the authenticator's, for it
}

// Finish sets what the link is for, and uses it up. The recovery codes of a new
// factor are returned here and never again; there are none without one. Errors:
// [ErrGone], [ErrElsewhere], [ErrCode], [*FieldError], joined, or what the store
// returns. Only nil uses the link up: of two at once one gets [ErrGone].
func (m *Manager) Finish(ctx context.Context, link secret.Text, from netip.Addr, f Finish) (Account, []secret.Text, error) {
	a, err := m.openLink(ctx, link, from)
	if err != nil {
		return Account{}, nil, err
	}
	var hash string
	if a.SetUp.Password {
		if err := m.checkNew(&a, f.Password); err != nil {
			return Account{}, nil, err
		}
		if hash, err = m.cfg.Hash(f.Password); err != nil {
			return Account{}, nil, fmt.Errorf("account: set up: %w", err)
		}
	}
	var codes []secret.Text
	by := Actor{By: "account:" + string(a.ID), Source: sourceOf(from)}
	after, err := m.update(ctx, by, a.ID, 0, OpSetUp, func(a *Account, now time.Time) (err error) {
		if err := a.opens(link, from, now); err != nil {
			return err
		}
		if a.SetUp.Factor {
			if codes, err = m.enrol(a, f.Offer, f.Code, now); err != nil {
				return err
			}
		}
		if a.SetUp.Password {
			a.PasswordHash = secret.New(hash)
		}
		a.SetUp = SetUp{}
		if a.Settled.IsZero() {
			a.Settled = now
		}
		a.Epoch++
		return nil
	})
	if errors.Is(err, ErrNotFound) {
		err = ErrGone
	}
	if err != nil {
		return Account{}, nil, err
	}
	return after, codes, nil
}

// sourceOf is an address for the audit.
func sourceOf(from netip.Addr) string {
	if !from.IsValid() {
		return "cli"
	}
	return from.Unmap().String()
}
