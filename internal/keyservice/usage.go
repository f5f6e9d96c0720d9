package keyservice

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/warder-dev/warder/problem"
)

// A UsageQuery says which usage to sum up. Every text that is empty allows all.
type UsageQuery struct {
	Key, Owner, Route string
	Since, Until      time.Time
	Per               string // "hour" or "day"
	Limit             int    // 1 to 1000 rows
}

// A UsageRow is what one key did on one route in one hour or day.
type UsageRow struct {
	At      time.Time `json:"at" doc:"when the hour or the day begins" example:"2026-11-28T00:00:00Z"`
	Key     string    `json:"key" example:"7HqLk2mVxWcP"`
	Owner   string    `json:"owner,omitempty" example:"acme"`
	Route   string    `json:"route" example:"/orders/"`
	Outcome string    `json:"outcome" doc:"what became of the requests" example:"passed"`
	Count   int64     `json:"count" example:"120"`
	Cost    int64     `json:"cost" doc:"credits that they cost" example:"0"`
}

// Usage reads what keys were used for. It is safe for concurrent use.
type Usage interface {
	// Sum returns the rows that q asks for, the newest first, and whether there are
	// more.
	Sum(ctx context.Context, q UsageQuery) (rows []UsageRow, more bool, err error)
}

// UsagePage is a part of usage.
type UsagePage struct {
	Rows []UsageRow `json:"rows" nullable:"false"`
	More bool       `json:"more" doc:"there are more than limit: ask for a shorter time" example:"false"`
}

var errNoUsage = errors.New("keyservice: nothing keeps usage here")

func (s *Service) getUsage(ctx context.Context, c *caller, in *struct {
	Key   string    `query:"key" doc:"the id of a key" maxLength:"12" pattern:"^[0-9A-Za-z]{12}$" patternDescription:"12 letters and digits"`
	Owner string    `query:"owner" maxLength:"128"`
	Route string    `query:"route" doc:"the pattern of a route" maxLength:"512"`
	Since time.Time `query:"since" doc:"default: a day ago"`
	Until time.Time `query:"until" doc:"default: now"`
	Per   string    `query:"per" enum:"hour,day" doc:"default hour"`
	Limit int       `query:"limit" minimum:"1" maximum:"1000" doc:"rows; default 1000"`
},
) (*answer[UsagePage], error) {
	if s.cfg.Usage == nil {
		return nil, errNoUsage
	}
	q := UsageQuery{Key: in.Key, Owner: in.Owner, Route: in.Route, Since: in.Since, Until: in.Until, Per: in.Per, Limit: in.Limit}
	if c.bound() != "" {
		if q.Owner != "" && q.Owner != c.bound() {
			return nil, fail(problem.NotFound, "There is no such owner.")
		}
		q.Owner = c.bound()
	}
	if q.Key != "" && c.bound() != "" {
		if _, err := s.find(ctx, c, q.Key); err != nil {
			return nil, err
		}
	}
	if q.Until.IsZero() {
		q.Until = time.Now()
	}
	if q.Since.IsZero() {
		q.Since = q.Until.Add(-24 * time.Hour)
	}
	if q.Per == "" {
		q.Per = "hour"
	}
	if q.Limit == 0 {
		q.Limit = 1000
	}
	if !q.Since.Before(q.Until) {
		return nil, invalid(Fault{"since", "want a time before until"})
	}
	rows, more, err := s.cfg.Usage.Sum(ctx, q)
	if err != nil {
		return nil, err
	}
	return &answer[UsagePage]{Body: UsagePage{Rows: append([]UsageRow{}, rows...), More: more}}, nil
}

// addUsage registers what reads usage.
func (s *Service) addUsage() {
	register(s, endpoint{id: "getUsage", method: http.MethodGet, path: "/v1/usage", tag: "usage", right: ReadUsage, also: []int{404}, summary: "Show what keys were used for"}, s.getUsage)
}
