package keyservice

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/warder-dev/warder/apikey"
)

// A UsageQuery says which usage to read.
type UsageQuery struct {
	Key          string // "" for all
	Since, Until time.Time
	Per          string    // "minute", "hour" or "day"
	Limit        int       // 1 to 1000 rows
	After        *UsageRow // the end of the page before
}

// A UsageRow is what came of the requests of one key to one route, in one minute,
// hour or day.
type UsageRow struct {
	At      time.Time `json:"at" doc:"when the minute, the hour or the day begins" example:"2026-11-28T12:00:00Z"`
	Key     string    `json:"key,omitempty" doc:"absent where none was proved" example:"7HqLk2mVxWcP"`
	Route   string    `json:"route,omitempty" doc:"absent where none matched" example:"/orders/"`
	Outcome string    `json:"outcome" doc:"what became of the requests" example:"ok"`
	Count   int64     `json:"count" example:"120"`
}

// Usage reads what keys were used for. It is safe for concurrent use.
type Usage interface {
	// Rows returns the first Limit rows that q asks for, by time, key, route and
	// outcome; fewer when there are no more.
	Rows(ctx context.Context, q UsageQuery) ([]UsageRow, error)
}

// UsagePage is a part of usage.
type UsagePage struct {
	Rows []UsageRow `json:"rows" nullable:"false"`
	Next string     `json:"next,omitempty" doc:"the cursor of the next page; absent on the last" example:"AQAB"`
}

var errNoUsage = errors.New("keyservice: nothing keeps usage here")

// UsageFilter is what usage is asked for.
type UsageFilter struct {
	Key    string    `query:"key" doc:"the id of a key" maxLength:"12" pattern:"^[0-9A-Za-z]{12}$" patternDescription:"12 letters and digits"`
	Owner  string    `query:"owner" doc:"of the keys of this owner that there are still" maxLength:"128"`
	Since  time.Time `query:"since" doc:"default: a day before until"`
	Until  time.Time `query:"until" doc:"default: now"`
	Per    string    `query:"per" enum:"minute,hour,day" doc:"default hour"`
	Limit  int       `query:"limit" minimum:"1" maximum:"1000" doc:"rows in a page; default 1000"`
	Cursor string    `query:"cursor" doc:"next of the page before, with the same filter" maxLength:"2048"`
}

func (s *Service) getUsage(ctx context.Context, c *caller, in *UsageFilter) (*answer[UsagePage], error) {
	if s.cfg.Usage == nil {
		return nil, errNoUsage
	}
	if err := s.ownUsage(ctx, c, in.Key, &in.Owner); err != nil {
		return nil, err
	}
	q, parts, err := in.query(time.Now())
	if err != nil {
		return nil, err
	}
	rows, more, err := s.rows(ctx, q, in.Owner)
	if err != nil {
		return nil, err
	}
	page := UsagePage{Rows: append([]UsageRow{}, rows...)}
	if more != nil {
		place, err := json.Marshal(more)
		if err != nil {
			return nil, err
		}
		page.Next = sealCursor(place, parts...)
	}
	return &answer[UsagePage]{Body: page}, nil
}

// query completes what was asked; parts are what its cursors belong to. Until is a
// part of the cursor's place when it was not given: pages are of one time.
func (f *UsageFilter) query(now time.Time) (q UsageQuery, parts []string, _ error) {
	q = UsageQuery{Key: f.Key, Since: f.Since.UTC(), Until: f.Until.UTC(), Per: f.Per, Limit: f.Limit}
	if q.Per == "" {
		q.Per = "hour"
	}
	if q.Limit == 0 {
		q.Limit = 1000
	}
	parts = []string{"usage", f.Key, f.Owner, q.Per, f.Since.UTC().Format(time.RFC3339Nano), f.Until.UTC().Format(time.RFC3339Nano)}
	if f.Until.IsZero() {
		q.Until = now.UTC()
	}
	if f.Since.IsZero() {
		q.Since = q.Until.Add(-24 * time.Hour)
	}
	if !q.Since.Before(q.Until) {
		return q, nil, invalid(Fault{"since", "want a time before until"})
	}
	if f.Cursor == "" {
		return q, parts, nil
	}
	place, ok := openCursor(f.Cursor, parts...)
	var after UsageRow
	if !ok || json.Unmarshal(place, &after) != nil {
		return q, nil, invalid(Fault{"cursor", "want next of a page with the same filter"})
	}
	q.After = &after
	return q, parts, nil
}

// rows reads rows until there are Limit of the owner's ("" for everybody's), and
// returns where the next page begins, if there is one. It looks at a bounded number
// of others'.
func (s *Service) rows(ctx context.Context, q UsageQuery, owner string) (rows []UsageRow, more *UsageRow, err error) {
	const mostPages = 50
	owners := make(map[string]string)
	for range mostPages {
		page, err := s.cfg.Usage.Rows(ctx, q)
		if err != nil {
			return nil, nil, err
		}
		for i := range page {
			own, err := s.belongs(ctx, owners, page[i].Key, owner)
			if err != nil {
				return nil, nil, err
			}
			if own {
				rows = append(rows, page[i])
			}
			if len(rows) == q.Limit {
				return rows, &page[i], nil
			}
		}
		if len(page) < q.Limit {
			return rows, nil, nil
		}
		q.After = &page[len(page)-1]
	}
	return rows, q.After, nil
}

// belongs reports whether a key is the owner's; "" is everybody. owners are those
// that were looked up.
func (s *Service) belongs(ctx context.Context, owners map[string]string, key, owner string) (bool, error) {
	if owner == "" {
		return true, nil
	}
	if !apikey.ValidID(key) {
		return false, nil
	}
	known, ok := owners[key]
	if !ok {
		record, err := s.cfg.Store.Lookup(ctx, apikey.ID(key))
		if err != nil && !errors.Is(err, apikey.ErrNotFound) {
			return false, err
		}
		known = record.Owner
		owners[key] = known
	}
	return known == owner, nil
}

// addUsage registers what reads usage.
func (s *Service) addUsage() {
	register(s, endpoint{id: "getUsage", method: http.MethodGet, path: "/v1/usage", tag: "usage", right: ReadUsage, also: []int{404}, summary: "Show what keys were used for, a page at a time"}, s.getUsage)
}
