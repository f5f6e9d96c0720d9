package account

import (
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/warder-dev/warder/secret"
)

// detail is the JSON in which stores keep what they do not look for. Times are
// milliseconds since 1970, 0 for none.
type detail struct {
	Name      string        `json:"name,omitempty"` // of a key
	Email     string        `json:"email,omitempty"`
	Role      Role          `json:"role"`
	Password  string        `json:"password,omitempty"`
	Factor    *detailFactor `json:"factor,omitempty"`
	Recovery  [][]byte      `json:"recovery,omitempty"`
	SetUp     *detailSetUp  `json:"set_up,omitempty"`
	Disabled  bool          `json:"disabled,omitempty"`
	Settled   int64         `json:"settled,omitempty"`
	Epoch     int64         `json:"epoch,omitempty"`
	Created   int64         `json:"created"`
	Updated   int64         `json:"updated,omitempty"`
	LastLogin int64         `json:"last_login,omitempty"`

	Owner   string `json:"owner,omitempty"` // of a key, as all below
	Maker   string `json:"maker,omitempty"`
	Digest  []byte `json:"digest,omitempty"`
	Expires int64  `json:"expires,omitempty"`
	Revoked int64  `json:"revoked,omitempty"`
	Reason  string `json:"reason,omitempty"`
}

type detailFactor struct {
	Sealed string `json:"sealed"`
	Step   int64  `json:"step"`
	Since  int64  `json:"since"`
}

type detailSetUp struct {
	Digest   []byte `json:"digest"`
	Expires  int64  `json:"expires"`
	Address  string `json:"address,omitempty"`
	Anywhere bool   `json:"anywhere,omitempty"`
	Password bool   `json:"password,omitempty"`
	Factor   bool   `json:"factor,omitempty"`
}

// Errors of what a store cannot keep, or has not kept. They tell nothing of it.
var (
	errText   = errors.New("account: text that is not UTF-8, or holds a NUL")
	errDetail = errors.New("account: what is stored is damaged")
)

// ValidText reports whether a store keeps s as it is: UTF-8 without NUL.
func ValidText(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }

// MarshalDetail returns all of a but ID, Name, Factor.Pepper and Revision, which
// stores keep in columns, as JSON. It holds the password's hash and the sealed
// factor. Text that would not come back as it is is refused.
func MarshalDetail(a *Account) ([]byte, error) {
	if !ValidText(a.Email) || !ValidText(string(a.Role)) {
		return nil, errText
	}
	d := detail{
		Email: a.Email, Role: a.Role, Password: a.PasswordHash.Reveal(), Disabled: a.Disabled, Settled: millis(a.Settled), Epoch: a.Epoch,
		Created: millis(a.Created), Updated: millis(a.Updated), LastLogin: millis(a.LastLogin),
	}
	if a.Factor.Enrolled() {
		d.Factor = &detailFactor{a.Factor.Sealed.Reveal(), a.Factor.Step, millis(a.Factor.Since)}
	}
	for _, one := range a.Recovery {
		d.Recovery = append(d.Recovery, one[:])
	}
	if s := a.SetUp; !s.IsZero() {
		d.SetUp = &detailSetUp{s.Digest[:], millis(s.Expires), "", s.Anywhere, s.Password, s.Factor}
		if s.Address.IsValid() {
			d.SetUp.Address = s.Address.String()
		}
	}
	return json.Marshal(d) //nolint:gosec // G117: a hash, for the store
}

// UnmarshalDetail is the reverse of [MarshalDetail]: it sets what that returned.
func UnmarshalDetail(text []byte, a *Account) error {
	var d detail
	if json.Unmarshal(text, &d) != nil || !d.Role.Valid() {
		return errDetail
	}
	a.Email, a.Role, a.PasswordHash, a.Disabled, a.Settled, a.Epoch = d.Email, d.Role, hidden(d.Password), d.Disabled, timeOf(d.Settled), d.Epoch
	a.Created, a.Updated, a.LastLogin = timeOf(d.Created), timeOf(d.Updated), timeOf(d.LastLogin)
	if f := d.Factor; f != nil {
		if f.Since == 0 || f.Sealed == "" {
			return errDetail
		}
		a.Factor.Sealed, a.Factor.Step, a.Factor.Since = hidden(f.Sealed), f.Step, timeOf(f.Since)
	}
	a.Recovery = nil
	for _, one := range d.Recovery {
		if len(one) != len(Digest{}) {
			return errDetail
		}
		a.Recovery = append(a.Recovery, Digest(one))
	}
	if s := d.SetUp; s != nil {
		if len(s.Digest) != len(Digest{}) || s.Expires == 0 {
			return errDetail
		}
		a.SetUp = SetUp{Digest: Digest(s.Digest), Expires: timeOf(s.Expires), Anywhere: s.Anywhere, Password: s.Password, Factor: s.Factor}
		if s.Address != "" {
			address, err := netip.ParseAddr(s.Address)
			if err != nil {
				return errDetail
			}
			a.SetUp.Address = address
		}
	}
	return nil
}

// MarshalKeyDetail returns all of k but ID, Pepper and Revision as JSON.
func MarshalKeyDetail(k *Key) ([]byte, error) {
	for _, text := range []string{k.Name, string(k.Role), k.Owner, k.Maker, k.Reason} {
		if !ValidText(text) {
			return nil, errText
		}
	}
	return json.Marshal(detail{ //nolint:gosec // G117: a key has no password
		Name: k.Name, Role: k.Role, Owner: k.Owner, Maker: k.Maker, Digest: k.Digest[:], Created: millis(k.Created), Expires: millis(k.Expires),
		Revoked: millis(k.Revoked), Reason: k.Reason,
	})
}

// UnmarshalKeyDetail is the reverse of [MarshalKeyDetail].
func UnmarshalKeyDetail(text []byte, k *Key) error {
	var d detail
	if json.Unmarshal(text, &d) != nil || !d.Role.Valid() || len(d.Digest) != len(k.Digest) {
		return errDetail
	}
	k.Name, k.Role, k.Owner, k.Maker, k.Digest, k.Reason = d.Name, d.Role, d.Owner, d.Maker, [32]byte(d.Digest), d.Reason
	k.Created, k.Expires, k.Revoked = timeOf(d.Created), timeOf(d.Expires), timeOf(d.Revoked)
	return nil
}

func hidden(text string) secret.Text {
	if text == "" {
		return secret.Text{}
	}
	return secret.New(text)
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func timeOf(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
