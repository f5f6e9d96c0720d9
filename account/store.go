package account

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

// Errors of a [Store]. Whatever else it returns means that it gave no answer.
var (
	// ErrNotFound means that there is no such account or key.
	ErrNotFound = errors.New("account: no such account or key")

	// ErrExists means that the id or the name is taken.
	ErrExists = errors.New("account: the name is taken")

	// ErrConflict means that the account or key was changed since it was read.
	ErrConflict = errors.New("account: changed meanwhile")

	// ErrLastOwner means that no standing owner would be left.
	ErrLastOwner = errors.New("account: the last owner stays: make another one first")
)

// A Store keeps accounts and admin keys. Implementations pass
// accounttest.TestStore and are safe for concurrent use. Every method keeps to ctx.
// Times have milliseconds.
type Store interface {
	// Lookup returns the account, [ErrNotFound], or another error when the store
	// could not answer.
	Lookup(ctx context.Context, id ID) (Account, error)

	// Find is Lookup by name, byte for byte.
	Find(ctx context.Context, name string) (Account, error)

	// List returns at most limit accounts (1 to 1000) in ascending order of ID,
	// beginning after the id after ("" for the first page).
	List(ctx context.Context, after ID, limit int) ([]Account, error)

	// LookupKey returns the admin key, or an error as Lookup does.
	LookupKey(ctx context.Context, id string) (Key, error)

	// ListKeys is List for admin keys.
	ListKeys(ctx context.Context, after string, limit int) ([]Key, error)

	// PepperIDs returns the distinct ids of peppers that factors and keys use,
	// sorted.
	PepperIDs(ctx context.Context) ([]string, error)

	// Apply writes the change, who made it and the next revision in one transaction,
	// or nothing: [ErrExists], [ErrNotFound], [ErrConflict], [ErrLastOwner], or another
	// error when the store could not answer.
	//
	// A change after which Before, as it is stored, is no [Account.Standing] owner any
	// more is ErrLastOwner when no other one stands. Of two such changes of two
	// accounts at once the store lets one through at most.
	Apply(ctx context.Context, c Change) (Revision, error)
}

// A Change is one step in the life of an account, or of a key. It has accounts or
// keys, not both.
type Change struct {
	Actor  string // who: "account:" and an id, "user:ada", "system"; required
	Source string // from where: "cli", an address; required
	Op     Op     // required
	At     time.Time

	Before *Account // as read from the store; nil to create
	After  *Account // as it shall be; nil to remove. Its Revision is ignored.

	KeyBefore *Key // nil to create
	KeyAfter  *Key // keys are revoked, not removed
}

// An Op names what a change does, for the audit.
type Op string

// The operations that exist.
const (
	OpCreate        Op = "create"
	OpInvite        Op = "invite" // another link
	OpSetUp         Op = "set-up"
	OpRole          Op = "change-role"
	OpDescribe      Op = "describe"
	OpDisable       Op = "disable"
	OpEnable        Op = "enable"
	OpRemove        Op = "remove"
	OpReset         Op = "reset" // password or factor
	OpPassword      Op = "change-password"
	OpFactor        Op = "change-factor"
	OpRecovery      Op = "renew-recovery-codes"
	OpLogin         Op = "login"
	OpLoginRecovery Op = "login-by-recovery-code"
	OpRehash        Op = "rehash" // the same password at other costs
	OpKeyCreate     Op = "create-key"
	OpKeyRevoke     Op = "revoke-key"
	OpKeyRehash     Op = "rehash-key" // the digest moved to the current pepper
)

var errChange = errors.New("account: a change wants Actor, Source, Op and At, and one account or one key of one id")

// Check refuses a change that no audit could use. Stores call it first.
func (c *Change) Check() error {
	accounts, keys := c.Before != nil || c.After != nil, c.KeyBefore != nil || c.KeyAfter != nil
	switch {
	case c.Actor == "", c.Source == "", c.Op == "", c.At.IsZero(), accounts == keys:
		return errChange
	case keys && (c.KeyAfter == nil || c.KeyAfter.ID == "" || !c.KeyAfter.Role.Valid()):
		return errChange
	case c.KeyBefore != nil && c.KeyAfter != nil && c.KeyBefore.ID != c.KeyAfter.ID:
		return errChange
	case c.After != nil && (c.After.ID == "" || c.After.Name == "" || !c.After.Role.Valid()):
		return errChange
	case c.Before != nil && (c.Before.ID == "" || c.After != nil && c.Before.ID != c.After.ID):
		return errChange
	default:
		return nil
	}
}

// Told is a change as the audit has it: nothing secret is in it.
type Told struct {
	Kind          string // "account" or "admin-key"
	Subject       string // its id
	Before, After []byte // the [View] or [KeyView] as JSON; nil for none
}

// Told returns what may be told of c, which [Change.Check] has passed.
func (c *Change) Told() (t Told, err error) {
	accounts := func(a *Account) []byte {
		if a == nil {
			return nil
		}
		text, failed := json.Marshal(a.View())
		err = errors.Join(err, failed)
		t.Kind, t.Subject = "account", string(a.ID)
		return text
	}
	keys := func(k *Key) []byte {
		if k == nil {
			return nil
		}
		text, failed := json.Marshal(k.View())
		err = errors.Join(err, failed)
		t.Kind, t.Subject = "admin-key", k.ID
		return text
	}
	if c.Before != nil || c.After != nil {
		t.Before, t.After = accounts(c.Before), accounts(c.After)
	} else {
		t.Before, t.After = keys(c.KeyBefore), keys(c.KeyAfter)
	}
	return t, err
}
