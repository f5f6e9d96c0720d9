package apikey

import (
	"encoding/hex"
	"encoding/json"
	"time"
)

// snapshot is a record as an audit keeps it. What is not listed does not get
// there: no digest, neither ours nor an imported one.
type snapshot struct {
	ID          ID               `json:"id"`
	Prefix      string           `json:"prefix"`
	Environment Environment      `json:"environment"`
	Kind        Kind             `json:"kind,omitempty"`
	Name        string           `json:"name,omitempty"`
	Owner       string           `json:"owner,omitempty"`
	Plan        string           `json:"plan,omitempty"`
	Scopes      []string         `json:"scopes,omitempty"`
	Created     time.Time        `json:"created,omitzero"`
	Updated     time.Time        `json:"updated,omitzero"`
	Expires     time.Time        `json:"expires,omitzero"`
	Disabled    bool             `json:"disabled,omitempty"`
	Revoked     time.Time        `json:"revoked,omitzero"`
	Reason      string           `json:"reason,omitempty"`
	Certificate string           `json:"certificate,omitempty"` // SHA-256, hex
	Detail      json.RawMessage  `json:"detail,omitempty"`
	Secrets     []snapshotSecret `json:"secrets"`
}

type snapshotSecret struct {
	Number  int       `json:"number,omitempty"`
	Pepper  string    `json:"pepper"` // its id
	Format  string    `json:"format,omitempty"`
	Created time.Time `json:"created,omitzero"`
	Retires time.Time `json:"retires,omitzero"`
	Idle    int64     `json:"idle_retire_ms,omitempty"`
}

// Snapshot returns r as stores put it into an audit: JSON without the digests of
// its secrets. It fails when a time is beyond the year 9999.
func (r *Record) Snapshot() (json.RawMessage, error) {
	s := snapshot{
		ID: r.ID, Prefix: r.Prefix, Environment: r.Environment, Kind: r.Kind, Name: r.Name, Owner: r.Owner, Plan: r.Plan, Scopes: r.Scopes,
		Created: r.Created.UTC(), Updated: r.Updated.UTC(), Expires: r.Expires.UTC(), Disabled: r.Disabled, Revoked: r.Revoked.UTC(), Reason: r.Reason,
	}
	if r.Bound() {
		s.Certificate = hex.EncodeToString(r.Certificate[:])
	}
	detail, err := r.Detail()
	if err != nil {
		return nil, err
	}
	if detail != NoDetail {
		s.Detail = json.RawMessage(detail)
	}
	for _, x := range r.Secrets {
		s.Secrets = append(s.Secrets, snapshotSecret{
			Number: x.Number, Pepper: x.Pepper, Format: x.Format, Created: x.Created.UTC(), Retires: x.Retires.UTC(), Idle: x.IdleRetire.Milliseconds(),
		})
	}
	return json.Marshal(s)
}
