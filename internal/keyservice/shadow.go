package keyservice

import (
	"context"
	"net/http"
	"time"

	"github.com/warder-dev/warder/problem"
)

// ShadowReport is where the shadow configuration judges otherwise.
type ShadowReport struct {
	Since       time.Time          `json:"since" doc:"when both were loaded"`
	Same        uint64             `json:"same" example:"1200"`
	Different   uint64             `json:"different" example:"3"`
	Skipped     uint64             `json:"skipped" doc:"cannot be compared" example:"0"`
	Dropped     uint64             `json:"dropped" doc:"too many at once" example:"0"`
	Differences []ShadowDifference `json:"differences" nullable:"false" doc:"the most frequent first"`
	Others      uint64             `json:"others,omitempty" doc:"of kinds for which there was no place"`
}

// ShadowDifference is one kind of difference. It holds words of the configurations and
// ids of requests, and nothing that a client sent.
type ShadowDifference struct {
	Route       string    `json:"route" doc:"the pattern that matched; empty for none" example:"/orders/"`
	ShadowRoute string    `json:"shadow_route" doc:"the same by the shadow configuration" example:"/orders/"`
	Live        string    `json:"live" doc:"what was answered" example:"passed to orders"`
	Shadow      string    `json:"shadow" doc:"what would have been" example:"403 insufficient-scope by authn"`
	Differs     []string  `json:"differs" nullable:"false" example:"[\"verdict\"]"`
	Count       uint64    `json:"count" example:"3"`
	First       time.Time `json:"first"`
	Last        time.Time `json:"last"`
	Example     string    `json:"example" doc:"id of the last such request, as in the logs" example:"0JZ2Q8X0V5T7C"`
}

func (s *Service) shadowReport(_ context.Context, _ *caller, _ *struct{}) (*answer[ShadowReport], error) {
	r, err := s.running()
	if err != nil {
		return nil, err
	}
	report, ok := r.Shadow()
	if !ok {
		return nil, fail(problem.Conflict, "There is no shadow configuration: start warder serve with --shadow-config.")
	}
	return &answer[ShadowReport]{Body: report}, nil
}

// addShadow registers the report.
func (s *Service) addShadow() {
	register(s, endpoint{id: "shadowReport", method: http.MethodGet, path: "/v1/shadow", tag: "running", right: ReadSettings, also: []int{409}, summary: "Show where the shadow configuration judges this node's requests otherwise"}, s.shadowReport)
}
