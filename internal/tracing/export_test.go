package tracing_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/warder-dev/warder/internal/testotlp"
	"github.com/warder-dev/warder/internal/tracing"
	"github.com/warder-dev/warder/secret"
)

// swallow is a collector that takes everything.
type swallow struct{}

func (swallow) RoundTrip(r *http.Request) (*http.Response, error) {
	_, _ = io.Copy(io.Discard, r.Body)
	return answered(200, ""), nil
}

func answered(status int, body string, fields ...string) *http.Response {
	w := &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
	for i := 0; i < len(fields); i += 2 {
		w.Header.Set(fields[i], fields[i+1])
	}
	return w
}

// A script answers posts one after the other, the last one again and again, and
// notes when they came.
type script struct {
	mu      sync.Mutex
	begin   time.Time
	answers []func(*http.Request) (*http.Response, error)
	at      []time.Duration
	spans   []int
}

// came returns when posts came, and how many spans each had.
func (s *script) came() (at []time.Duration, spans []int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.at), slices.Clone(s.spans)
}

func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	_, spans, err := testotlp.Decode(body)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	answer := s.answers[min(len(s.at), len(s.answers)-1)]
	s.at, s.spans = append(s.at, time.Since(s.begin)), append(s.spans, len(spans))
	s.mu.Unlock()
	return answer(r)
}

func status(code int, fields ...string) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) { return answered(code, "", fields...), nil }
}

func away(*http.Request) (*http.Response, error) {
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
}

func hangs(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func TestPosts(t *testing.T) {
	partial := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 1)
	rejects := string(protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), partial))
	type answers = []func(*http.Request) (*http.Response, error)
	tests := []struct {
		name    string
		answers answers
		at      []time.Duration
		want    tracing.Counts
	}{
		{"taken", answers{status(200)}, []time.Duration{2 * time.Second}, tracing.Counts{Sent: 3}},
		{"taken in part", answers{func(*http.Request) (*http.Response, error) { return answered(200, rejects), nil }}, []time.Duration{2 * time.Second}, tracing.Counts{Sent: 2, Dropped: 1}},
		{"an answer that is none", answers{func(*http.Request) (*http.Response, error) { return answered(200, "\xff\xff"), nil }}, []time.Duration{2 * time.Second}, tracing.Counts{Sent: 3}},
		{"away for a moment", answers{away, status(200)}, []time.Duration{2 * time.Second, 3 * time.Second}, tracing.Counts{Sent: 3, Failed: 1}},
		{"busy", answers{status(503), status(429, "Retry-After", "10"), status(200)}, []time.Duration{2 * time.Second, 3 * time.Second, 13 * time.Second}, tracing.Counts{Sent: 3, Failed: 2}},
		{"wants to be left alone for a day", answers{status(503, "Retry-After", "60000"), status(200)}, []time.Duration{2 * time.Second, 32 * time.Second}, tracing.Counts{Sent: 3, Failed: 1}},
		{"does not want them", answers{status(400)}, []time.Duration{2 * time.Second}, tracing.Counts{Dropped: 3, Failed: 1}},
		{"does not know us", answers{status(401)}, []time.Duration{2 * time.Second}, tracing.Counts{Dropped: 3, Failed: 1}},
		{"away for good", answers{away}, []time.Duration{2 * time.Second, 3 * time.Second, 5 * time.Second, 9 * time.Second, 17 * time.Second}, tracing.Counts{Dropped: 3, Failed: 5}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{begin: time.Now(), answers: tt.answers}
				tracer := newTracer(t, tracing.Config{Ratio: 1, Client: &http.Client{Transport: s}})
				do(tracer.Stage("test"), exchangeOf("192.0.2.7:5"), nil)
				time.Sleep(time.Minute) //nolint:forbidigo // the time of the bubble
				at, spans := s.came()
				if len(at) != len(tt.at) {
					t.Fatalf("posts at %v, want %v", at, tt.at)
				}
				for i := range at {
					if at[i] != tt.at[i] || spans[i] != 3 {
						t.Errorf("post %d at %v with %d spans, want %v with 3", i, at[i], spans[i], tt.at[i])
					}
				}
				if got := tracer.Counts(); got != tt.want {
					t.Errorf("counts %+v, want %+v", got, tt.want)
				}
				if err := tracer.Close(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestNobodyWaitsForTheCollector: it hangs, and 20,000 requests are recorded in no
// time at all. What has no room is dropped and counted; the rest comes when it is back.
func TestNobodyWaitsForTheCollector(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const requests, spansOf = 20_000, 3
		s := &script{begin: time.Now(), answers: []func(*http.Request) (*http.Response, error){hangs, status(200)}}
		tracer := newTracer(t, tracing.Config{Ratio: 1, Client: &http.Client{Transport: s}})
		stage := tracer.Stage("test")
		do(stage, exchangeOf("192.0.2.7:5"), nil)
		time.Sleep(3 * time.Second) //nolint:forbidigo // the time of the bubble: the first post hangs
		begin := time.Now()
		for range requests {
			do(stage, exchangeOf("192.0.2.7:5"), nil)
		}
		if took := time.Since(begin); took != 0 {
			t.Errorf("%d requests waited %v for the collector", requests, took)
		}
		dropped := tracer.Counts().Dropped
		if dropped == 0 || dropped >= requests*spansOf {
			t.Errorf("%d of %d spans are dropped, want some", dropped, requests*spansOf)
		}
		time.Sleep(3 * time.Minute) //nolint:forbidigo // the same
		if got, want := tracer.Counts(), (tracing.Counts{Sent: (requests+1)*spansOf - dropped, Dropped: dropped, Failed: 1}); got != want {
			t.Errorf("counts %+v, want %+v", got, want)
		}
		if err := tracer.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestTheStopIsBounded(t *testing.T) {
	const timeout = 5 * time.Second
	tests := []struct {
		name   string
		answer func(*http.Request) (*http.Response, error)
		most   time.Duration
		lost   bool
	}{
		{"a collector that answers", status(200), 0, false},
		{"a collector that hangs", hangs, timeout, true},
		{"a collector that is away", away, timeout, true},
		{"a collector that wants time", status(503, "Retry-After", "30"), timeout, true},
	}
	for _, tt := range tests {
		for _, under := range []time.Duration{0, 2500 * time.Millisecond} { // before the first post, and while it lasts or waits
			t.Run(tt.name+" "+under.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := &script{begin: time.Now(), answers: []func(*http.Request) (*http.Response, error){tt.answer}}
					tracer := newTracer(t, tracing.Config{Ratio: 1, Client: &http.Client{Transport: s}, Timeout: timeout})
					stage := tracer.Stage("test")
					do(stage, exchangeOf("192.0.2.7:5"), nil)
					time.Sleep(under) //nolint:forbidigo // the time of the bubble
					do(stage, exchangeOf("192.0.2.7:5"), nil)
					begin := time.Now()
					err := tracer.Close()
					if took := time.Since(begin); took > tt.most || (err != nil) != tt.lost {
						t.Errorf("the stop took %v and said %v, want at most %v and an error %v", took, err, tt.most, tt.lost)
					}
					got := tracer.Counts()
					if got.Sent+got.Dropped != 6 || (got.Dropped > 0) != tt.lost {
						t.Errorf("counts %+v, want 6 in all", got)
					}
					do(stage, exchangeOf("192.0.2.7:5"), nil) // too late
					if late := tracer.Counts().Dropped - got.Dropped; late != 3 {
						t.Errorf("%d spans after the stop are counted as dropped, want 3", late)
					}
					if err := tracer.Close(); err != nil {
						t.Errorf("a second stop: %v", err)
					}
				})
			})
		}
	}
}

// TestFailuresAreToldOnce, and without the address or what proves us.
func TestFailuresAreToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s := &script{begin: time.Now(), answers: []func(*http.Request) (*http.Response, error){away, away, away, status(200)}}
		tracer := newTracer(t, tracing.Config{
			Endpoint: "http://hunter2.example.com/hunter2", Headers: map[string]secret.Text{"Authorization": secret.New("Bearer hunter2")},
			Ratio: 1, Client: &http.Client{Transport: s}, Log: slog.New(slog.NewTextHandler(&log, nil)),
		})
		do(tracer.Stage("test"), exchangeOf("192.0.2.7:5"), nil)
		time.Sleep(time.Minute) //nolint:forbidigo // the time of the bubble
		if err := tracer.Close(); err != nil {
			t.Error(err)
		}
		text := log.String()
		if strings.Count(text, "\n") != 2 || !strings.Contains(text, "cannot be posted") || !strings.Contains(text, "connection refused") || !strings.Contains(text, "posted again") || strings.Contains(text, "hunter2") {
			t.Errorf("the log says %s", text)
		}
	})
}

// A collector that sends back what it was sent does not have the log tell it: net/http
// quotes answers that it cannot read.
func TestNoAnswerOfTheCollectorIsLogged(t *testing.T) {
	for what, answer := range map[string]string{
		"a status":   "HTTP/1.1 %s \r\n\r\n",
		"no HTTP":    "%s\r\n\r\n",
		"a field":    "HTTP/1.1 200 OK\r\n%s\r\n\r\n",
		"a length":   "HTTP/1.1 200 OK\r\nContent-Length: %s\r\n\r\n",
		"a redirect": "HTTP/1.1 302 Found\r\nLocation: http://%%%s/\r\nContent-Length: 0\r\n\r\n",
	} {
		t.Run(what, func(t *testing.T) {
			upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				c, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = fmt.Fprintf(c, answer, r.Header.Get("X-Token"))
				_ = c.Close()
			}))
			defer upstream.Close()
			var log bytes.Buffer
			tracer := newTracer(t, tracing.Config{
				Endpoint: upstream.URL, Headers: map[string]secret.Text{"X-Token": secret.New("hunter2")}, Ratio: 1, Timeout: 5 * time.Second,
				Client: new(http.Client), Log: slog.New(slog.NewTextHandler(&log, nil)),
			})
			do(tracer.Stage("test"), exchangeOf("192.0.2.7:5"), nil)
			if err := tracer.Close(); err == nil {
				t.Error("the answer was taken for one")
			}
			if text := log.String(); !strings.Contains(text, "cannot be posted") || strings.Contains(text, "hunter2") {
				t.Errorf("the log says %s", text)
			}
		})
	}
}

func TestThePostProvesUs(t *testing.T) {
	collector := testotlp.Start(t)
	tracer := newTracer(t, tracing.Config{Endpoint: collector.URL, Ratio: 1, Headers: map[string]secret.Text{"authorization": secret.New("Bearer hunter2")}})
	do(tracer.Stage("test"), exchangeOf("192.0.2.7:5"), nil)
	if err := tracer.Close(); err != nil {
		t.Fatal(err)
	}
	bodies, headers := collector.Posts()
	if len(bodies) != 1 || headers[0].Get("Authorization") != "Bearer hunter2" || headers[0].Get("User-Agent") != "warder/test" || bytes.Contains(bodies[0], []byte("hunter2")) {
		t.Errorf("%d posts, with %v", len(bodies), headers)
	}
}

// TestAFullQueueIsPostedAtOnce, without waiting for its time.
func TestAFullQueueIsPostedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{begin: time.Now(), answers: []func(*http.Request) (*http.Response, error){status(200)}}
		tracer := newTracer(t, tracing.Config{Ratio: 1, Client: &http.Client{Transport: s}})
		for range 1000 {
			do(tracer.Stage("test"), exchangeOf("192.0.2.7:5"), nil)
		}
		synctest.Wait()
		if at, _ := s.came(); len(at) == 0 || at[0] != 0 {
			t.Errorf("posts at %v, want one at once", at)
		}
		if err := tracer.Close(); err != nil {
			t.Error(err)
		}
	})
}

func FuzzDecode(f *testing.F) {
	var body []byte
	tracer := newTracer(f, tracing.Config{Ratio: 1, Client: &http.Client{Transport: transportFunc(func(r *http.Request) (*http.Response, error) {
		body, _ = io.ReadAll(r.Body)
		return answered(200, ""), nil
	})}})
	do(tracer.Stage("test"), exchangeOf("192.0.2.7:5"), nil)
	if err := tracer.Close(); err != nil {
		f.Fatal(err)
	}
	f.Add("/orders/7", "api.example.com", "revoked")
	f.Add("/\xff", "\x00", "\xc3\x28")
	if len(body) == 0 {
		f.Fatal("nothing was posted")
	}
	f.Fuzz(func(t *testing.T, path, host, reason string) { // whatever stands in a request, a collector can read the span
		var got []byte
		tracer := newTracer(t, tracing.Config{Ratio: 1, Client: &http.Client{Transport: transportFunc(func(r *http.Request) (*http.Response, error) {
			got, _ = io.ReadAll(r.Body)
			return answered(200, ""), nil
		})}})
		x := exchangeOf("192.0.2.7:5")
		x.Path, x.Host, x.Route, x.ID, x.Claim = path, host, path, reason, reason
		do(tracer.Stage("test"), x, nil)
		if err := tracer.Close(); err != nil {
			t.Fatal(err)
		}
		if _, spans, err := testotlp.Decode(got); err != nil || len(spans) != 3 {
			t.Errorf("%d spans, %v", len(spans), err)
		}
	})
}

type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
