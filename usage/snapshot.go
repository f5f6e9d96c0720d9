package usage

import (
	"encoding/json"
	"time"
)

// snapshot is an account as an audit keeps it.
type snapshot struct {
	Balance int64     `json:"balance"`
	Held    int64     `json:"held,omitempty"`
	Spent   int64     `json:"spent"`
	Lost    int64     `json:"lost,omitempty"`
	Every   Period    `json:"every,omitempty"`
	Amount  int64     `json:"amount,omitempty"`
	Cap     int64     `json:"cap,omitempty"`
	From    time.Time `json:"from,omitzero"`
	Next    time.Time `json:"next,omitzero"`
}

// Snapshot returns the account of b as stores put it into an audit: JSON, or nil
// for none. It fails when a time is beyond the year 9999.
func (b *Book) Snapshot() (json.RawMessage, error) {
	if !b.Exists {
		return nil, nil
	}
	a := &b.Account
	return json.Marshal(snapshot{a.Balance, a.Held, a.Spent, a.Lost, a.Refill.Every, a.Refill.Amount, a.Refill.Cap, a.Refill.From.UTC(), a.Next.UTC()})
}

// AuditSubject is how an audit names the account: a key's by the id of the key, an
// owner's by "owner:" and its id.
func (s Subject) AuditSubject() string {
	if s.Kind == Key {
		return s.ID
	}
	return string(s.Kind) + ":" + s.ID
}
