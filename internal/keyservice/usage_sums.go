package keyservice

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/warder-dev/warder/apikey"
	"github.com/warder-dev/warder/problem"
	"github.com/warder-dev/warder/usage/tally"
)

// Counts tells sums of what was counted, and what is known of one key. A
// [tally.Reader] is one. It is safe for concurrent use.
type Counts interface {
	// Top returns the limit (1 to 1000) keys or routes with the most requests within
	// q's time; requests without a key are the key "".
	Top(ctx context.Context, q tally.Query, by tally.By, limit int) ([]tally.Total, error)

	// Key returns what is known of a key; nothing is no error.
	Key(ctx context.Context, key string) (tally.KeyUse, error)
}

// Bounds of sums.
const (
	mostRoutes    = 100     // of one key
	mostAddedRows = 200_000 // that are read to add one owner's up
)

// A UsageTotal is the sum of one key, or of one route.
type UsageTotal struct {
	Key      *string `json:"key,omitempty" doc:"its id, empty for requests that proved none, or other for keys beyond those that are told apart; absent for routes" example:"7HqLk2mVxWcP"`
	Route    *string `json:"route,omitempty" doc:"its pattern, empty where none matched; absent for keys"`
	Name     string  `json:"name,omitempty" doc:"of the key, while there is one" example:"ci"`
	Requests int64   `json:"requests" example:"1200"`
	Passed   int64   `json:"passed" doc:"of them, those that reached the API" example:"1190"`
	Limited  int64   `json:"limited" doc:"of them, those over a limit or without credits" example:"8"`
	Failed   int64   `json:"failed" doc:"of them, those that were answered 5xx, could not be judged, or were cut short" example:"2"`
}

// UsageTop is the sums with the most requests.
type UsageTop struct {
	Totals []UsageTotal `json:"totals" nullable:"false" doc:"the greatest first"`
}

// TopFilter is what sums are asked for.
type TopFilter struct {
	By    string    `query:"by" enum:"key,route" doc:"default key"`
	Key   string    `query:"key" doc:"the id of a key: its requests alone" maxLength:"12" pattern:"^[0-9A-Za-z]{12}$" patternDescription:"12 letters and digits"`
	Owner string    `query:"owner" doc:"of the keys of this owner that there are still" maxLength:"128"`
	Since time.Time `query:"since" doc:"default: a day before until"`
	Until time.Time `query:"until" doc:"default: now"`
	Per   string    `query:"per" enum:"minute,hour,day" doc:"of which rows the sum is; default hour"`
	Limit int       `query:"limit" minimum:"1" maximum:"1000" doc:"how many; default 20"`
}

func (s *Service) topUsage(ctx context.Context, c *caller, in *TopFilter) (*answer[UsageTop], error) {
	if s.cfg.Counts == nil {
		return nil, errNoUsage
	}
	if err := s.ownUsage(ctx, c, in.Key, &in.Owner); err != nil {
		return nil, err
	}
	span := UsageFilter{Key: in.Key, Owner: in.Owner, Since: in.Since, Until: in.Until, Per: in.Per}
	q, _, err := span.query(time.Now())
	if err != nil {
		return nil, err
	}
	by, limit := tally.ByKey, cmp.Or(in.Limit, 20)
	if in.By == string(tally.ByRoute) {
		by = tally.ByRoute
	}
	ctx, cancel := context.WithTimeout(ctx, listTime)
	defer cancel()
	var totals []tally.Total
	if in.Owner != "" && in.Key == "" {
		totals, err = s.addUp(ctx, q, in.Owner, by, limit)
	} else {
		totals, err = s.cfg.Counts.Top(ctx, countsOf(&q), by, limit)
	}
	if err != nil {
		return nil, err
	}
	out := UsageTop{Totals: totalsOf(totals, by)}
	if by == tally.ByKey {
		err = s.nameTotals(ctx, out.Totals)
	}
	return &answer[UsageTop]{Body: out}, err
}

// ownUsage narrows what is asked for to the owner that a caller is bound to, and
// refuses keys that are not the owner's.
func (s *Service) ownUsage(ctx context.Context, c *caller, key string, owner *string) error {
	if c.bound() != "" {
		if *owner != "" && *owner != c.bound() {
			return fail(problem.NotFound, "There is no such owner.")
		}
		*owner = c.bound()
	}
	if key == "" || *owner == "" {
		return nil
	}
	record, err := s.find(ctx, c, key)
	if err != nil {
		return err
	}
	if record.Owner != *owner {
		return notFound()
	}
	return nil
}

// countsOf is q as the counts are asked for.
func countsOf(q *UsageQuery) tally.Query {
	return tally.Query{Resolution: tally.Resolution(q.Per), From: q.Since, To: q.Until, Key: q.Key, Limit: tally.MaxRows}
}

// addUp adds the rows of one owner's keys up, which no store does. It reads a bounded
// number of everybody's.
func (s *Service) addUp(ctx context.Context, q UsageQuery, owner string, by tally.By, limit int) ([]tally.Total, error) {
	if s.cfg.Usage == nil {
		return nil, errNoUsage
	}
	q.Limit = 1000
	sums, owners := make(map[string]*tally.Total), make(map[string]string)
	for read := 0; ; read += q.Limit {
		if read >= mostAddedRows {
			return nil, invalid(Fault{"since", "there is too much to add up: want a shorter time, a longer per, or one key"})
		}
		page, err := s.cfg.Usage.Rows(ctx, q)
		if err != nil {
			return nil, err
		}
		for i := range page {
			own, err := s.belongs(ctx, owners, page[i].Key, owner)
			if err != nil {
				return nil, err
			}
			if own {
				addRow(sums, &page[i], by)
			}
		}
		if len(page) < q.Limit {
			return greatest(sums, limit), nil
		}
		q.After = &page[len(page)-1]
	}
}

// addRow adds one row to its sum.
func addRow(sums map[string]*tally.Total, r *UsageRow, by tally.By) {
	name := r.Key
	if by == tally.ByRoute {
		name = r.Route
	}
	t := sums[name]
	if t == nil {
		t = &tally.Total{Name: name}
		sums[name] = t
	}
	t.Requests += r.Count
	switch r.Outcome {
	case tally.OK.String(), tally.ClientError.String():
		t.Passed += r.Count
	case tally.ServerError.String():
		t.Passed += r.Count
		t.Failed += r.Count
	case tally.Limited.String():
		t.Limited += r.Count
	case tally.Unavailable.String(), tally.Aborted.String():
		t.Failed += r.Count
	}
}

// greatest are the limit sums with the most requests, by name where they are equal.
func greatest(sums map[string]*tally.Total, limit int) []tally.Total {
	all := make([]tally.Total, 0, len(sums))
	for _, t := range sums {
		all = append(all, *t)
	}
	slices.SortFunc(all, func(a, b tally.Total) int {
		return cmp.Or(cmp.Compare(b.Requests, a.Requests), cmp.Compare(a.Name, b.Name))
	})
	return all[:min(limit, len(all))]
}

func totalsOf(totals []tally.Total, by tally.By) []UsageTotal {
	all := make([]UsageTotal, len(totals))
	for i := range totals {
		t := &totals[i]
		all[i] = UsageTotal{Requests: t.Requests, Passed: t.Passed, Limited: t.Limited, Failed: t.Failed}
		if by == tally.ByRoute {
			all[i].Route = &t.Name
		} else {
			all[i].Key = &t.Name
		}
	}
	return all
}

// nameTotals adds the names of keys that still exist.
func (s *Service) nameTotals(ctx context.Context, totals []UsageTotal) error {
	for i := range totals {
		if !apikey.ValidID(*totals[i].Key) {
			continue
		}
		record, err := s.cfg.Store.Lookup(ctx, apikey.ID(*totals[i].Key))
		if err != nil && !errors.Is(err, apikey.ErrNotFound) {
			return err
		}
		totals[i].Name = record.Name
	}
	return nil
}

// KeyUsage is what one key was used for, from where, and by which of its texts.
type KeyUsage struct {
	Key       string       `json:"key" doc:"its id" example:"7HqLk2mVxWcP"`
	LastUsed  *time.Time   `json:"last_used,omitempty" doc:"by the minute; absent: never"`
	Routes    []UsageTotal `json:"routes" nullable:"false" doc:"of the time that was asked for, the most asked for first"`
	Secrets   []SecretUse  `json:"secrets" nullable:"false"`
	Addresses []AddressUse `json:"addresses" nullable:"false" doc:"the most frequent and the latest"`
	Scopes    []ScopeUse   `json:"scopes" nullable:"false" doc:"those that were needed, and there"`
}

// SecretUse is when one of a key's texts was used last.
type SecretUse struct {
	Number   int        `json:"number" doc:"0 where that is not known" example:"1"`
	LastUsed time.Time  `json:"last_used" example:"2026-11-28T12:00:00Z"`
	Retires  *time.Time `json:"retires,omitempty" doc:"until then it works"`
}

// AddressUse is how often a key was used from one address, or one /64 of IPv6.
type AddressUse struct {
	Address  string    `json:"address" example:"192.0.2.7"`
	Requests int64     `json:"requests" example:"120"`
	LastUsed time.Time `json:"last_used" example:"2026-11-28T12:00:00Z"`
}

// ScopeUse is when a key needed one of its scopes last.
type ScopeUse struct {
	Scope    string    `json:"scope" example:"orders:read"`
	LastUsed time.Time `json:"last_used" example:"2026-11-28T12:00:00Z"`
}

func (s *Service) keyUsage(ctx context.Context, c *caller, in *struct {
	KeyPath

	Since time.Time `query:"since" doc:"default: a day before until"`
	Until time.Time `query:"until" doc:"default: now"`
	Per   string    `query:"per" enum:"minute,hour,day" doc:"of which rows the sums of routes are; default hour"`
},
) (*answer[KeyUsage], error) {
	record, err := s.find(ctx, c, in.ID)
	if err != nil {
		return nil, err
	}
	if s.cfg.Counts == nil {
		return nil, errNoUsage
	}
	span := UsageFilter{Key: in.ID, Since: in.Since, Until: in.Until, Per: in.Per}
	q, _, err := span.query(time.Now())
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, listTime)
	defer cancel()
	routes, err := s.cfg.Counts.Top(ctx, countsOf(&q), tally.ByRoute, mostRoutes)
	if err != nil {
		return nil, err
	}
	use, err := s.cfg.Counts.Key(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	out := keyUsageOf(&record, &use)
	out.Routes = totalsOf(routes, tally.ByRoute)
	return &answer[KeyUsage]{Body: out}, nil
}

func keyUsageOf(record *apikey.Record, use *tally.KeyUse) KeyUsage {
	out := KeyUsage{Key: string(record.ID), LastUsed: timeOf(use.LastUsed()), Secrets: []SecretUse{}, Addresses: []AddressUse{}, Scopes: []ScopeUse{}}
	for _, u := range use.Secrets {
		one := SecretUse{Number: u.Secret, LastUsed: u.At.UTC()}
		for i := range record.Secrets {
			if record.Secrets[i].Number == u.Secret {
				one.Retires = timeOf(record.Secrets[i].Retires)
			}
		}
		out.Secrets = append(out.Secrets, one)
	}
	for _, u := range use.Addresses {
		out.Addresses = append(out.Addresses, AddressUse{strings.TrimSuffix(u.Prefix.String(), "/32"), u.N, u.At.UTC()})
	}
	for _, u := range use.Scopes {
		out.Scopes = append(out.Scopes, ScopeUse{u.Scope, u.At.UTC()})
	}
	return out
}

// addSums registers what tells sums.
func (s *Service) addSums() {
	register(s, endpoint{id: "topUsage", method: http.MethodGet, path: "/v1/usage:top", tag: "usage", right: ReadUsage, also: []int{404}, summary: "Show which keys, or which routes, had the most requests"}, s.topUsage)
	register(s, endpoint{id: "getKeyUsage", method: http.MethodGet, path: "/v1/keys/{id}/usage", tag: "usage", right: ReadUsage, also: []int{404}, summary: "Show what one key was used for, from where, and by which of its texts"}, s.keyUsage)
}
