package keyservice

import (
	"encoding/hex"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/config"
)

// A Key is what is told of a key. Its text is told once, by what made it.
type Key struct {
	ID          string            `json:"id" doc:"names the key for good; a roll keeps it" example:"7HqLk2mVxWcP"`
	Prefix      string            `json:"prefix" doc:"the first part of the text" example:"wrd"`
	Masked      string            `json:"masked" doc:"what of the text may be shown" example:"wrd_live_7HqLk2mVxWcP..."`
	State       string            `json:"state" enum:"active,retiring,disabled,revoked,expired" doc:"what it is good for now; retiring is active, with a former secret that still works" example:"active"`
	Environment string            `json:"environment" example:"live"`
	Kind        string            `json:"kind" enum:"secret,public,honeytoken" example:"secret"`
	Name        string            `json:"name" example:"ci"`
	Owner       string            `json:"owner" doc:"your own id of whom it belongs to" example:"acme"`
	OwnerName   string            `json:"owner_name,omitempty" doc:"for people, of the owner's record, where there is one: told by getKey, searchKey and listKeys alone"`
	Scopes      []string          `json:"scopes" nullable:"false" example:"[\"orders:read\"]"`
	Created     time.Time         `json:"created" example:"2026-11-28T12:00:00Z"`
	Updated     *time.Time        `json:"updated,omitempty" doc:"when people last changed it"`
	Expires     *time.Time        `json:"expires,omitempty" doc:"from then on it is refused; absent: never"`
	Revoked     *time.Time        `json:"revoked,omitempty" doc:"for good"`
	Reason      string            `json:"reason,omitempty" doc:"why it was revoked"`
	Certificate string            `json:"certificate,omitempty" doc:"sha256: and the fingerprint of the client certificate without which it proves nobody"`
	Metadata    map[string]string `json:"metadata,omitempty" doc:"your own notes"`
	Addresses   []string          `json:"addresses,omitempty" nullable:"false" doc:"from where alone it may be used"`
	Methods     []string          `json:"methods,omitempty" nullable:"false" doc:"with which alone"`
	Paths       []string          `json:"paths,omitempty" nullable:"false" doc:"patterns of paths where alone it may be used"`
	Origins     []string          `json:"origins,omitempty" nullable:"false" doc:"of pages, for a public key"`
	Plan        string            `json:"plan,omitempty" doc:"whose limits apply"`
	Limits      []Limit           `json:"limits,omitempty" nullable:"false" doc:"its own, in place of those of the plan and the route with the same name"`
	IdleRevoke  string            `json:"idle_revoke,omitempty" doc:"it is revoked when it was unused for so long"`
	Secrets     []Secret          `json:"secrets" nullable:"false" doc:"the current one first, then those that a roll replaced and that still work"`
	Revision    int64             `json:"revision" doc:"of its last change" example:"42"`
}

// A Secret is one text of a key, without it.
type Secret struct {
	Number     int        `json:"number" doc:"1, and one more for each roll" example:"1"`
	Created    time.Time  `json:"created" example:"2026-11-28T12:00:00Z"`
	Retires    *time.Time `json:"retires,omitempty" doc:"until then it works; absent for the current one"`
	IdleRetire string     `json:"idle_retire,omitempty" doc:"it ends earlier when it was unused for so long"`
	Format     string     `json:"format,omitempty" doc:"of an imported text that was not used yet"`
}

// A Limit is a quota of a key's own.
type Limit struct {
	Name  string `json:"name" doc:"the limit whose place it takes" maxLength:"64" example:"requests"`
	Count int64  `json:"count" minimum:"1" maximum:"1000000000" doc:"events in each per" example:"600"`
	Per   string `json:"per" doc:"such as 1m or 1h" maxLength:"32" pattern:"^[0-9.]+(ns|us|ms|s|m|h|d|w)([0-9.]+(ns|us|ms|s|m|h|d|w))*$" patternDescription:"a duration such as 90d, 12h or 30s" example:"1m"`
	Burst int64  `json:"burst,omitempty" minimum:"0" maximum:"1000000000" doc:"at once; default count" example:"60"`
}

// KeyBody is one key.
type KeyBody struct {
	Key Key `json:"key"`
}

// KeyMade is a key with its text.
type KeyMade struct {
	Key  Key    `json:"key"`
	Text string `json:"text,omitempty" format:"password" doc:"the key itself: here and never again. Absent in an answer that is replayed." example:"wrd_live_7HqLk2mVxWcP..."`
}

func (m KeyMade) forget() any {
	m.Text = ""
	return m
}

// KeysMade are the keys of a batch with their texts.
type KeysMade struct {
	Keys []KeyMade `json:"keys" nullable:"false"`
}

func (m KeysMade) forget() any {
	without := KeysMade{Keys: make([]KeyMade, len(m.Keys))}
	for i, one := range m.Keys {
		without.Keys[i].Key = one.Key
	}
	return without
}

// KeyPage is a part of a list.
type KeyPage struct {
	Keys []Key  `json:"keys" nullable:"false"`
	Next string `json:"next,omitempty" doc:"the cursor of the next page; absent on the last. A page with it may hold fewer keys than limit, or none" example:"AQAB"`
}

// KeyChanged is a key with the receipt of the change.
type KeyChanged struct {
	Key     Key     `json:"key"`
	Receipt Receipt `json:"receipt"`
}

// A Receipt says where a change holds.
type Receipt struct {
	Revision int64  `json:"revision" doc:"the change" example:"43"`
	Nodes    int    `json:"nodes" doc:"that run" example:"3"`
	Applied  int    `json:"applied" doc:"of them, those on which it holds" example:"3"`
	Complete bool   `json:"complete" doc:"it holds on every node that runs" example:"true"`
	Missing  []Node `json:"missing,omitempty" nullable:"false" doc:"the others: they stop to trust what they remember after the freshness bound"`
	TookMS   int64  `json:"took_ms" doc:"of the wait" example:"41"`
}

// A Node is a running warder.
type Node struct {
	ID   string `json:"id"`
	Host string `json:"host"`
	PID  int    `json:"pid"`
}

func viewOf(r *apikey.Record, now time.Time) Key {
	k := Key{
		ID: string(r.ID), Prefix: r.Prefix, Masked: r.Prefix + "_" + string(r.Environment) + "_" + string(r.ID) + "...",
		State: string(r.State(now)), Environment: string(r.Environment), Kind: string(r.KindOf()), Name: r.Name, Owner: r.Owner,
		Scopes: append([]string{}, r.Scopes...), Created: r.Created.UTC(), Updated: timeOf(r.Updated), Expires: timeOf(r.Expires),
		Revoked: timeOf(r.Revoked), Reason: r.Reason, Metadata: r.Metadata, Methods: r.Methods, Paths: r.Paths, Origins: r.Origins,
		Plan: r.Plan, IdleRevoke: durationOf(r.IdleRevoke), Revision: int64(r.Revision), Secrets: []Secret{},
	}
	if r.Bound() {
		k.Certificate = "sha256:" + hex.EncodeToString(r.Certificate[:])
	}
	for _, p := range r.Addresses {
		k.Addresses = append(k.Addresses, p.String())
	}
	for _, q := range r.Limits {
		k.Limits = append(k.Limits, Limit{q.Name, int64(q.Count), durationOf(q.Per), int64(q.Burst)})
	}
	for i := range r.Secrets {
		s := &r.Secrets[i]
		if s.Retires.IsZero() || now.Before(s.Retires) {
			k.Secrets = append(k.Secrets, Secret{s.Number, s.Created.UTC(), timeOf(s.Retires), durationOf(s.IdleRetire), s.Format})
		}
	}
	return k
}

func timeOf(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return new(t.UTC())
}

// durationOf is d as the API writes it; "" for none.
func durationOf(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

// etag is the state of a key (RFC 9110, section 8.8.3).
func etag(r *apikey.Record) string { return `"` + strconv.FormatInt(int64(r.Revision), 10) + `"` }

// A reader translates what a client sent, and collects what is wrong with it.
type reader struct{ faults []Fault }

func (r *reader) fault(field, message string) { r.faults = append(r.faults, Fault{field, message}) }

// wrong reports whether a fault of the field was told already.
func (r *reader) wrong(field string) bool {
	return slices.ContainsFunc(r.faults, func(f Fault) bool { return f.Field == field })
}

func (r *reader) err() error {
	if len(r.faults) == 0 {
		return nil
	}
	return invalid(r.faults...)
}

func (r *reader) duration(field, text string) time.Duration {
	if text == "" {
		return 0
	}
	d, err := config.ParseDuration(text)
	if err != nil || d < 0 {
		r.fault(field, "want a duration such as 90d, 12h or 30s")
	}
	return d
}

func (r *reader) addresses(field string, texts []string) (all []netip.Prefix) {
	for i, text := range texts {
		p, err := netip.ParsePrefix(text)
		if !strings.Contains(text, "/") {
			var a netip.Addr
			if a, err = netip.ParseAddr(text); err == nil && a.Zone() == "" {
				p = netip.PrefixFrom(a, a.BitLen())
			}
		}
		if err != nil || !p.IsValid() {
			r.fault(field+"["+strconv.Itoa(i)+"]", "want an address or a range such as 192.0.2.0/24")
			continue
		}
		all = append(all, p)
	}
	return all
}

func (r *reader) limits(field string, all []Limit) (quotas []exchange.Quota) {
	for i, l := range all {
		at := field + "[" + strconv.Itoa(i) + "].per"
		quotas = append(quotas, exchange.Quota{Name: l.Name, Count: int(l.Count), Per: r.duration(at, l.Per), Burst: int(l.Burst)})
	}
	return quotas
}

func (r *reader) certificate(field, text string) (sum [32]byte) {
	if text == "" {
		return sum
	}
	digits, ok := strings.CutPrefix(text, "sha256:")
	b, err := hex.DecodeString(digits)
	if !ok || err != nil || len(b) != len(sum) {
		r.fault(field, "want sha256: and 64 hexadecimal digits")
		return sum
	}
	return [32]byte(b)
}
