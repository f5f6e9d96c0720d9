package ratelimits_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	commonv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	rlsv3 "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/decision/ratelimits"
	"github.com/warder-dev/warder/ratelimit"
)

// passing identifies nobody.
type passing struct{}

func (passing) Check(x *exchange.Exchange) exchange.Verdict {
	x.ID = "1"
	return exchange.Pass()
}

// outcomes are what finishers learnt.
type outcomes struct{ all []exchange.Outcome }

func (o *outcomes) Done(_ *exchange.Exchange, done exchange.Outcome) { o.all = append(o.all, done) }

func newLimit(tb testing.TB, name string, count int, change ...func(*ratelimit.LimitConfig)) *ratelimit.Limit {
	tb.Helper()
	cfg := ratelimit.LimitConfig{Name: name, Quota: ratelimit.Quota{Count: count, Per: time.Hour}, By: []ratelimit.Part{ratelimits.Part(name)}}
	for _, f := range change {
		f(&cfg)
	}
	l, err := ratelimit.NewLimit(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return l
}

func newService(tb testing.TB, log *bytes.Buffer, rules ...ratelimits.Rule) (*ratelimits.Service, *outcomes) {
	tb.Helper()
	logger := slog.New(slog.DiscardHandler)
	if log != nil {
		logger = slog.New(slog.NewTextHandler(log, nil))
	}
	told := &outcomes{}
	s, err := ratelimits.New(ratelimits.Config{
		Domains: []ratelimits.Domain{{Name: "api", Rules: rules}}, Log: logger, Identify: passing{}, Finishers: []exchange.Finisher{told},
		Shadowed: func(*exchange.Exchange, string) {},
	})
	if err != nil {
		tb.Fatal(err)
	}
	return s, told
}

func asked(entries ...string) *rlsv3.RateLimitRequest {
	d := &commonv3.RateLimitDescriptor{}
	for i := 0; i < len(entries); i += 2 {
		d.Entries = append(d.Entries, &commonv3.RateLimitDescriptor_Entry{Key: entries[i], Value: entries[i+1]})
	}
	return &rlsv3.RateLimitRequest{Domain: "api", Descriptors: []*commonv3.RateLimitDescriptor{d}}
}

func TestNewReportsEverything(t *testing.T) {
	_, err := ratelimits.New(ratelimits.Config{Domains: []ratelimits.Domain{{}}})
	for _, want := range []string{"Log", "Identify", "Shadowed", "domain 0"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s in it", err, want)
		}
	}
}

// Settings that cannot be are refused whole: those before stay.
func TestReplaceReportsEverything(t *testing.T) {
	memory, err := ratelimit.NewMemory(10)
	if err != nil {
		t.Fatal(err)
	}
	one, exact := newLimit(t, "one", 1), newLimit(t, "exact", 1, func(c *ratelimit.LimitConfig) { c.Store = memory })
	s, _ := newService(t, nil, ratelimits.Rule{Key: "a", Limit: one})
	for want, rules := range map[string][]ratelimits.Rule{
		"api > a: want a key, and each key and value once":   {{Key: "a", Limit: one}, {Key: "a"}},
		"api > a=b: want a key, and each key and value once": {{Key: "a", Value: "b"}, {Key: "a", Value: "b", Limit: one}},
		"api > : want a key":                              {{Limit: one}},
		"api > a > b: the limit \"one\"":                  {{Key: "a", Limit: one, Rules: []ratelimits.Rule{{Key: "b", Limit: one}}}},
		"\"exact\" is exact and \"one\" counts in memory": {{Key: "a", Limit: one}, {Key: "b", Limit: exact}},
	} {
		if err := s.Replace(ratelimits.Settings{Domains: []ratelimits.Domain{{Name: "api", Rules: rules}}}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if w, err := s.ShouldRateLimit(t.Context(), asked("a", "x")); err != nil || w.GetStatuses()[0].GetCurrentLimit().GetName() != "one" {
		t.Errorf("%v, %v: what was in force is not", w, err)
	}
}

// A value goes before none, and whoever went that way does not come back: as in
// Envoy's own service.
func TestWhichRuleFits(t *testing.T) {
	s, _ := newService(t, nil,
		ratelimits.Rule{Key: "a", Limit: newLimit(t, "any", 9), Rules: []ratelimits.Rule{{Key: "b", Limit: newLimit(t, "any-b", 9)}}},
		ratelimits.Rule{Key: "a", Value: "x", Rules: []ratelimits.Rule{{Key: "c", Value: "y", Limit: newLimit(t, "x-y", 9)}}})
	for _, tt := range []struct{ entries, want string }{
		{"a 1", "any"},
		{"a 1 b 2", "any-b"},
		{"a x", ""},
		{"a x b 2", ""},
		{"a x c y", "x-y"},
		{"a x c z", ""},
		{"b 2", ""},
		{"a 1 b 2 c 3", ""},
		{"b 2 a 1", ""},
	} {
		w, err := s.ShouldRateLimit(t.Context(), asked(strings.Fields(tt.entries)...))
		if got := w.GetStatuses()[0].GetCurrentLimit().GetName(); err != nil || got != tt.want {
			t.Errorf("%s: %q, %v, want %q", tt.entries, got, err, tt.want)
		}
	}
}

// Values are told apart wherever one ends and the next begins.
func TestSubjectsNeverReadAlike(t *testing.T) {
	s, _ := newService(t, nil, ratelimits.Rule{Key: "a", Rules: []ratelimits.Rule{{Key: "b", Limit: newLimit(t, "both", 9)}}})
	for _, values := range [][2]string{{"x", "yz"}, {"xy", "z"}, {"", "xyz"}, {"xyz", ""}, {"x\x02y", "z"}, {"x", "\x02yz"}, {strings.Repeat("x", 200), ""}, {"", strings.Repeat("x", 200)}} {
		w, err := s.ShouldRateLimit(t.Context(), asked("a", values[0], "b", values[1]))
		if left := w.GetStatuses()[0].GetLimitRemaining(); err != nil || left != 8 {
			t.Errorf("%q: %d are left, %v, want 8", values, left, err)
		}
	}
}

func TestWhatComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, told := newService(t, nil, ratelimits.Rule{Key: "a", Limit: newLimit(t, "hourly", 6)})
		q := asked("a", "x")
		q.HitsAddend = 4
		code := func() rlsv3.RateLimitResponse_Code {
			w, err := s.ShouldRateLimit(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			if w.GetOverallCode() == rlsv3.RateLimitResponse_OVER_LIMIT && w.GetStatuses()[0].GetDurationUntilReset().AsDuration() != 40*time.Minute {
				t.Errorf("the reset: %v", w.GetStatuses()[0].GetDurationUntilReset().AsDuration())
			}
			return w.GetOverallCode()
		}
		if a, b := code(), code(); a != rlsv3.RateLimitResponse_OK || b != rlsv3.RateLimitResponse_OVER_LIMIT {
			t.Errorf("%v, then %v", a, b)
		}
		<-time.After(20 * time.Minute) // as Retry-After says
		if got := code(); got != rlsv3.RateLimitResponse_OK {
			t.Errorf("after the wait: %v", got)
		}
		if len(told.all) != 3 || told.all[1].Status != 429 || told.all[1].Reason != "limit:hourly" || told.all[1].Trace.Stage != ratelimits.Stage || told.all[0].Status != 200 {
			t.Errorf("the finisher learnt %+v", told.all)
		}
	})
}

// panicking is a store whose driver has a fault.
type panicking struct{ *ratelimit.Memory }

func (panicking) Take(context.Context, []ratelimit.Claim, bool) error { panic("hunter2") }

func TestAPanicRefuses(t *testing.T) {
	var log bytes.Buffer
	s, told := newService(t, &log, ratelimits.Rule{Key: "a", Limit: newLimit(t, "one", 1, func(c *ratelimit.LimitConfig) { c.Store = panicking{new(ratelimit.Memory)} })})
	w, err := s.ShouldRateLimit(t.Context(), asked("a", "x"))
	if err != nil || w.GetOverallCode() != rlsv3.RateLimitResponse_OVER_LIMIT || strings.Contains(log.String(), "hunter2") || !strings.Contains(log.String(), "panicked") {
		t.Errorf("%v, %v, logged %s", w, err, log.String())
	}
	if len(told.all) != 1 || told.all[0].Status != 500 {
		t.Errorf("the finisher learnt %+v", told.all)
	}
}

// FuzzRateLimitRequest asks whatever bytes are a question: the answer has a status
// for each descriptor and refuses nobody whom all its statuses let pass, or the
// question is malformed. No answer and no log has a value in it.
func FuzzRateLimitRequest(f *testing.F) {
	two, many := asked("a", "x", "b", "y"), asked("a", "x")
	two.Descriptors[0].HitsAddend = wrapperspb.UInt64(1 << 63)
	two.Descriptors[0].Limit = &commonv3.RateLimitDescriptor_RateLimitOverride{RequestsPerUnit: 3, Unit: 7, UnitMultiplier: wrapperspb.UInt32(1 << 31)}
	many.Descriptors = append(many.Descriptors, asked("a", "x").Descriptors[0], asked("b", "z").Descriptors[0])
	many.HitsAddend = 1<<32 - 1
	for _, q := range []*rlsv3.RateLimitRequest{{}, {Domain: "other"}, two, many} {
		text, err := proto.Marshal(q)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var q rlsv3.RateLimitRequest
		if proto.Unmarshal(text, &q) != nil {
			return
		}
		s, told := newService(t, nil,
			ratelimits.Rule{Key: "a", Limit: newLimit(t, "a", 5), Override: true, Rules: []ratelimits.Rule{{Key: "b", Limit: newLimit(t, "a-b", 5), Override: true}}},
			ratelimits.Rule{Key: "b", Limit: newLimit(t, "b", 1, func(c *ratelimit.LimitConfig) { c.Shadow = true })})
		w, err := s.ShouldRateLimit(t.Context(), &q)
		if len(told.all) != 1 || (err == nil) == (w == nil) {
			t.Fatalf("%v and %v, told %d times", w, err, len(told.all))
		}
		if err != nil {
			if status.Code(err) != codes.InvalidArgument {
				t.Errorf("%v", err)
			}
			return
		}
		over := false
		for _, s := range w.GetStatuses() {
			over = over || s.GetCode() == rlsv3.RateLimitResponse_OVER_LIMIT
		}
		if len(w.GetStatuses()) != len(q.GetDescriptors()) || over != (w.GetOverallCode() == rlsv3.RateLimitResponse_OVER_LIMIT) || w.GetOverallCode() == rlsv3.RateLimitResponse_UNKNOWN {
			t.Errorf("%v of %v", w, &q)
		}
		if _, err := proto.Marshal(w); err != nil {
			t.Error(err)
		}
	})
}
