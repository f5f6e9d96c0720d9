package account

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/warder-dev/warder/secret"
)

// ErrFactor means that the role requires a second factor, and the account has none.
var ErrFactor = errors.New("account: the role requires a second factor: the account has to enrol one first")

// ErrSetUp means that there is a standing owner, who makes all others.
var ErrSetUp = errors.New("account: there is an owner already, who makes the others")

// A Spec says who is to be made.
type Spec struct {
	Name  string // 1 to 64 of a-z, 0-9 and ._+@-, not taken
	Email string // may be empty
	Role  Role
}

func (s *Spec) check() error {
	return errors.Join(checkName(s.Name), checkEmail(s.Email), checkRole(s.Role))
}

// Create makes an account and the link by which its person sets it up. The link is
// returned here and never again. Errors: [*FieldError], joined; [ErrForbidden],
// [ErrStale], [ErrExists], or what the store returns.
func (m *Manager) Create(ctx context.Context, by Actor, spec Spec, l Link) (Account, secret.Text, error) {
	spec.Name = NormalName(spec.Name)
	if err := errors.Join(by.check(), spec.check(), l.check()); err != nil {
		return Account{}, secret.Text{}, err
	}
	if err := by.Manages(false, spec.Role); err != nil {
		return Account{}, secret.Text{}, err
	}
	now := moment(time.Now())
	a := Account{ID: newID(), Name: spec.Name, Email: spec.Email, Role: spec.Role, Epoch: 1, Created: now, Updated: now}
	var link secret.Text
	a.SetUp, link = newSetUp(a.ID, l, now, true, spec.Role.NeedsFactor())
	revision, err := m.cfg.Store.Apply(ctx, Change{Actor: by.By, Source: by.Source, Op: OpCreate, At: now, After: &a})
	if err != nil {
		return Account{}, secret.Text{}, named(OpCreate, err)
	}
	a.Revision = revision
	return a, link, nil
}

// FirstOwner makes the first owner, or another link to one that was never set up.
// It is for the operator: [ErrForbidden] for everybody else, [ErrSetUp] once an owner
// stands.
func (m *Manager) FirstOwner(ctx context.Context, by Actor, name string, l Link) (Account, secret.Text, error) {
	if !by.Operator {
		return Account{}, secret.Text{}, ErrForbidden
	}
	standing, err := m.HasOwner(ctx)
	switch {
	case err != nil:
		return Account{}, secret.Text{}, err
	case standing:
		return Account{}, secret.Text{}, ErrSetUp
	}
	old, err := m.cfg.Store.Find(ctx, NormalName(name))
	switch {
	case errors.Is(err, ErrNotFound):
		return m.Create(ctx, by, Spec{Name: name, Role: Owner}, l)
	case err != nil:
		return Account{}, secret.Text{}, fmt.Errorf("account: set up: %w", err)
	case old.Role != Owner || old.Disabled:
		return Account{}, secret.Text{}, ErrExists
	default:
		return m.Invite(ctx, by, old.ID, l)
	}
}

// HasOwner reports whether an owner stands.
func (m *Manager) HasOwner(ctx context.Context) (bool, error) {
	all, err := m.All(ctx)
	for _, a := range all {
		if a.Standing() {
			return true, err
		}
	}
	return false, err
}

// Invite makes another link to an account whose link was not used; the one before
// is worth nothing then. [ErrGone] means that there is nothing left to set up:
// [Manager.Reset] is for that.
func (m *Manager) Invite(ctx context.Context, by Actor, id ID, l Link) (a Account, link secret.Text, err error) {
	return m.InviteAt(ctx, by, id, 0, l)
}

// InviteAt is Invite of the account as it was at a revision, 0 for whatever there
// is; else [ErrConflict].
func (m *Manager) InviteAt(ctx context.Context, by Actor, id ID, revision Revision, l Link) (a Account, link secret.Text, err error) {
	if err := errors.Join(by.check(), l.check()); err != nil {
		return a, link, err
	}
	a, err = m.update(ctx, by, id, revision, OpInvite, func(a *Account, now time.Time) error {
		if err := by.Manages(false, a.Role); err != nil {
			return err
		}
		if a.SetUp.IsZero() {
			return ErrGone
		}
		a.SetUp, link = newSetUp(id, l, now, a.SetUp.Password, a.SetUp.Factor)
		return nil
	})
	return a, link, err
}

// A Reset says what is taken away, for its person to set it anew.
type Reset struct{ Password, Factor bool }

// Reset takes the password or the factor of an account away, ends its sessions, and
// makes a link by which its person sets it anew.
func (m *Manager) Reset(ctx context.Context, by Actor, id ID, what Reset, l Link) (a Account, link secret.Text, err error) {
	return m.ResetAt(ctx, by, id, 0, what, l)
}

// ResetAt is Reset of the account as it was at a revision, 0 for whatever there is;
// else [ErrConflict].
func (m *Manager) ResetAt(ctx context.Context, by Actor, id ID, revision Revision, what Reset, l Link) (a Account, link secret.Text, err error) {
	if err := errors.Join(by.check(), l.check()); err != nil {
		return a, link, err
	}
	if !what.Password && !what.Factor {
		return a, link, &FieldError{"password", "want the password or the factor to be reset"}
	}
	a, err = m.update(ctx, by, id, revision, OpReset, func(a *Account, now time.Time) error {
		if err := by.Manages(false, a.Role); err != nil {
			return err
		}
		if !what.Password && !a.Factor.Enrolled() && !a.Role.NeedsFactor() {
			return &FieldError{"factor", "there is none to be reset"}
		}
		if what.Password {
			a.PasswordHash = secret.Text{}
		}
		factor := what.Factor && (a.Factor.Enrolled() || a.Role.NeedsFactor())
		if what.Factor {
			a.Factor, a.Recovery = Factor{}, nil
		}
		// What an unused link was for is still to be set.
		a.SetUp, link = newSetUp(id, l, now, what.Password || a.PasswordHash.IsZero(), factor || a.SetUp.Factor)
		a.Epoch++
		return nil
	})
	return a, link, err
}

// SetRole gives an account another role. A link that was not used yet ends when the
// account becomes an admin or owner: [Manager.Invite] makes another. revision is that of the account as it was
// read, 0 for any. Errors: [ErrForbidden], [ErrOwnRole], [ErrStale], [ErrFactor],
// [ErrLastOwner], [ErrConflict], [ErrNotFound], or what the store returns.
func (m *Manager) SetRole(ctx context.Context, by Actor, id ID, revision Revision, role Role) (Account, error) {
	if err := checkRole(role); err != nil {
		return Account{}, err
	}
	return m.update(ctx, by, id, revision, OpRole, func(a *Account, now time.Time) error {
		if !by.Operator && by.ID == id && role.rank() > a.Role.rank() {
			return ErrOwnRole
		}
		if err := by.Manages(false, a.Role, role); err != nil {
			return err
		}
		// An account that was not set up gets its factor with its link.
		if role.NeedsFactor() && !a.Factor.Enrolled() {
			if a.SetUp.IsZero() || !a.SetUp.Password {
				return ErrFactor
			}
			a.SetUp.Factor = true
		}
		// Whoever has its link, such as the admin who made it, could not have made one
		// to an account that manages others.
		if !a.SetUp.IsZero() && role.rank() > a.Role.rank() && role.NeedsFactor() {
			a.SetUp.Digest, a.SetUp.Expires = Digest{}, now
		}
		a.Role = role
		a.Epoch++
		return nil
	})
}

// Describe gives an account another e-mail address.
func (m *Manager) Describe(ctx context.Context, by Actor, id ID, revision Revision, email string) (Account, error) {
	if err := checkEmail(email); err != nil {
		return Account{}, err
	}
	return m.update(ctx, by, id, revision, OpDescribe, func(a *Account, _ time.Time) error {
		if by.ID == "" || by.ID != id {
			if err := by.Manages(false, a.Role); err != nil {
				return err
			}
		}
		a.Email = email
		return nil
	})
}

// Disable keeps an account from logging in and ends its sessions, until [Enable].
// It needs no fresh login.
func (m *Manager) Disable(ctx context.Context, by Actor, id ID, revision Revision) (Account, error) {
	return m.update(ctx, by, id, revision, OpDisable, func(a *Account, _ time.Time) error {
		if err := by.Manages(true, a.Role); err != nil {
			return err
		}
		a.Disabled = true
		a.Epoch++
		return nil
	})
}

// Enable ends what Disable did.
func (m *Manager) Enable(ctx context.Context, by Actor, id ID, revision Revision) (Account, error) {
	return m.update(ctx, by, id, revision, OpEnable, func(a *Account, _ time.Time) error {
		if err := by.Manages(false, a.Role); err != nil {
			return err
		}
		a.Disabled = false
		return nil
	})
}

// Remove takes an account away for good, and its sessions with it. Admin keys that
// it made stay: they are machines'.
func (m *Manager) Remove(ctx context.Context, by Actor, id ID, revision Revision) (Account, error) {
	if err := by.check(); err != nil {
		return Account{}, err
	}
	var err error
	for range changeTries {
		var before Account
		if before, err = m.cfg.Store.Lookup(ctx, id); err != nil {
			break
		}
		if revision != 0 && before.Revision != revision {
			return Account{}, ErrConflict
		}
		if err = by.Manages(false, before.Role); err != nil {
			break
		}
		_, err = m.cfg.Store.Apply(ctx, Change{Actor: by.By, Source: by.Source, Op: OpRemove, At: moment(time.Now()), Before: &before})
		if err == nil {
			m.cfg.Ended(ctx, id)
			return before, nil
		}
		if !errors.Is(err, ErrConflict) {
			break
		}
	}
	return Account{}, named(OpRemove, err)
}
