package apikey

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/netip"
	"time"

	"github.com/warder-dev/warder/exchange"
)

// detail is what stores keep of a record as one text, since nothing is found by it.
type detail struct {
	Metadata   map[string]string `json:"metadata,omitempty"`
	Addresses  []netip.Prefix    `json:"addresses,omitempty"`
	Methods    []string          `json:"methods,omitempty"`
	Paths      []string          `json:"paths,omitempty"`
	Origins    []string          `json:"origins,omitempty"`
	Limits     []quota           `json:"limits,omitempty"`
	IdleRevoke int64             `json:"idle_revoke_ms,omitempty"`
}

type quota struct {
	Name  string `json:"name"`
	Count int    `json:"count"`
	Per   int64  `json:"per_ms"`
	Burst int    `json:"burst,omitempty"`
}

var errDetail = errors.New("apikey: the details of a record are damaged")

// NoDetail is [Record.Detail] of a record without any.
const NoDetail = "{}"

// Detail returns as JSON what of r stores keep as one text: Metadata, Addresses,
// Methods, Paths, Origins, Limits and IdleRevoke.
func (r *Record) Detail() (string, error) {
	d := detail{
		Metadata: r.Metadata, Addresses: r.Addresses, Methods: r.Methods, Paths: r.Paths, Origins: r.Origins,
		IdleRevoke: r.IdleRevoke.Milliseconds(),
	}
	for _, q := range r.Limits {
		d.Limits = append(d.Limits, quota{Name: q.Name, Count: q.Count, Per: q.Per.Milliseconds(), Burst: q.Burst})
	}
	text, err := json.Marshal(d)
	return string(text), err
}

// SetDetail is the reverse of [Record.Detail]. What it does not know is an error:
// a condition that is passed over would let more pass than was asked for.
func (r *Record) SetDetail(text []byte) error {
	if string(text) == NoDetail {
		return nil
	}
	var d detail
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if decoder.Decode(&d) != nil || decoder.More() {
		return errDetail
	}
	r.Metadata, r.Addresses, r.Methods, r.Paths, r.Origins = d.Metadata, d.Addresses, d.Methods, d.Paths, d.Origins
	r.IdleRevoke = time.Duration(d.IdleRevoke) * time.Millisecond
	r.Limits = nil
	for _, q := range d.Limits {
		r.Limits = append(r.Limits, exchange.Quota{Name: q.Name, Count: q.Count, Per: time.Duration(q.Per) * time.Millisecond, Burst: q.Burst})
	}
	return nil
}
