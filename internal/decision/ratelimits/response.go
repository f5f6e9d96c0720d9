package ratelimits

import (
	"bytes"
	"maps"
	"math"
	"net/http"
	"slices"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	rlsv3 "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/warder-dev/warder/problem"
	"github.com/warder-dev/warder/ratelimit"
)

// passed is the answer to what every limit lets pass.
func (r *rules) passed(q *question) *rlsv3.RateLimitResponse {
	w := &rlsv3.RateLimitResponse{OverallCode: rlsv3.RateLimitResponse_OK, Statuses: q.statuses(false)}
	r.addFields(w, q)
	return w
}

// addFields adds what the client is told of its limits.
func (r *rules) addFields(w *rlsv3.RateLimitResponse, q *question) {
	h := http.Header{}
	ratelimit.AddFields(h, q.demands, r.settings.Quiet, r.settings.Legacy)
	w.ResponseHeadersToAdd = append(w.ResponseHeadersToAdd, fields(h)...)
}

// refused is the answer with p for the client; a nil question was not judged, and
// neither was one whose demands were not.
func (s *Service) refused(q *question, p *problem.Problem) *rlsv3.RateLimitResponse {
	page := written{h: http.Header{}}
	p.Write(&page, &http.Request{Method: http.MethodGet, Header: http.Header{"Accept": {"application/problem+json"}}}, "")
	page.h.Del("Content-Length") // Envoy's
	page.h.Del("Vary")           // there is one form here
	w := &rlsv3.RateLimitResponse{OverallCode: rlsv3.RateLimitResponse_OVER_LIMIT, RawBody: page.body.Bytes(), ResponseHeadersToAdd: fields(page.h)}
	if q != nil {
		w.Statuses = q.statuses(p == s.uncounted)
	}
	return w
}

// fields are those of h, sorted.
func fields(h http.Header) (all []*corev3.HeaderValue) {
	for _, name := range slices.Sorted(maps.Keys(h)) {
		for _, value := range h[name] {
			all = append(all, &corev3.HeaderValue{Key: http.CanonicalHeaderKey(name), Value: value})
		}
	}
	return all
}

// statuses are one for each descriptor; uncounted: no limit could be asked.
func (q *question) statuses(uncounted bool) []*rlsv3.RateLimitResponse_DescriptorStatus {
	all := make([]*rlsv3.RateLimitResponse_DescriptorStatus, len(q.of))
	for i, at := range q.of {
		switch {
		case at < 0:
			all[i] = &rlsv3.RateLimitResponse_DescriptorStatus{Code: rlsv3.RateLimitResponse_OK}
		case uncounted:
			all[i] = &rlsv3.RateLimitResponse_DescriptorStatus{Code: rlsv3.RateLimitResponse_OVER_LIMIT}
		default:
			all[i] = statusOf(&q.demands[at])
		}
	}
	return all
}

func statusOf(d *ratelimit.Demand) *rlsv3.RateLimitResponse_DescriptorStatus {
	code := rlsv3.RateLimitResponse_OK
	if !d.OK && !d.Limit.InShadow() {
		code = rlsv3.RateLimitResponse_OVER_LIMIT
	}
	return &rlsv3.RateLimitResponse_DescriptorStatus{
		Code: code, CurrentLimit: current(d), LimitRemaining: uint32(min(d.Standing.Left, math.MaxUint32)),
		DurationUntilReset: durationpb.New(d.Standing.Whole),
	}
}

// current is the limit in the protocol's units: the longest that its time is a
// multiple of.
func current(d *ratelimit.Demand) *rlsv3.RateLimitResponse_RateLimit {
	count, per := d.Standing.Quota.Count, d.Standing.Quota.Per
	if per < time.Second && time.Second%per == 0 {
		count, per = min(count*int(time.Second/per), math.MaxUint32), time.Second
	}
	limit := &rlsv3.RateLimitResponse_RateLimit{Name: d.Limit.Name(), RequestsPerUnit: uint32(count)} //nolint:gosec // a billion, or just bounded
	for _, u := range units() {
		if per%u.length != 0 {
			continue
		}
		if limit.Unit = u.name; per > u.length {
			limit.UnitMultiplier = wrapperspb.UInt32(uint32(per / u.length)) //nolint:gosec // seconds of a year
		}
		break
	}
	return limit
}

// written is an answer that is kept.
type written struct {
	h    http.Header
	body bytes.Buffer
}

func (w *written) Header() http.Header         { return w.h }
func (w *written) WriteHeader(int)             {}
func (w *written) Write(p []byte) (int, error) { return w.body.Write(p) }
