package keyservice_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/accesslog"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/keyservice"
)

// A stage is an access log that is watched.
type stage struct {
	*accesslog.Stage

	tail *accesslog.Tail
	log  bytes.Buffer
}

func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{tail: new(accesslog.Tail)}
	var err error
	s.Stage, err = accesslog.New(accesslog.Config{Listener: "listeners.internal", Logger: slog.New(slog.NewJSONHandler(&s.log, nil)), Tail: s.tail})
	must(t, err)
	return s
}

// watched is a world whose service tells what s does.
func watched(t *testing.T, s *stage, viewers int, each ...int) (*world, *httptest.Server) {
	t.Helper()
	w := newWorld(t, func(cfg *keyservice.Config) {
		cfg.Tail, cfg.Viewers, cfg.ViewersEach = s.tail, viewers, append(each, 0)[0]
	})
	server := httptest.NewServer(w.handler)
	t.Cleanup(server.Close)
	t.Cleanup(w.service.StopWatching)
	return w, server
}

// request is one that may have become anything: change says what.
func (s *stage) request(change func(x *exchange.Exchange, o *exchange.Outcome)) {
	x := exchange.New(httptest.NewRequest(http.MethodGet, "/orders/1?token=q", nil))
	x.ID, x.Host, x.Path, x.Route, x.Start, x.Client = "0f9a", "api.example.com", "/orders/1", "/orders/", time.Now(), netip.MustParseAddr("192.0.2.7")
	o := exchange.Outcome{Trace: exchange.Trace{Verdict: exchange.Pass()}, Status: 200, Bytes: 512, Duration: 1500 * time.Microsecond}
	change(x, &o)
	s.Done(x, o)
}

// An event is one of a stream.
type event struct{ name, data string }

// A stream is what a viewer reads.
type stream struct {
	*http.Response

	lines *bufio.Reader
}

// watch begins to watch as who is said by fields (name, value, ...).
func watch(t *testing.T, server *httptest.Server, query string, fields ...string) *stream {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/v1/decisions:watch"+query, http.NoBody)
	must(t, err)
	if len(fields) == 0 {
		fields = []string{"Authorization", "Bearer " + adminToken}
	}
	for i := 0; i < len(fields); i += 2 {
		r.Header.Set(fields[i], fields[i+1])
	}
	response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	must(t, err)
	t.Cleanup(func() { _ = response.Body.Close() })
	return &stream{response, bufio.NewReader(response.Body)}
}

// next is the next event; an error at the end.
func (s *stream) next() (e event, _ error) {
	for {
		line, err := s.lines.ReadString('\n')
		if err != nil {
			return e, err
		}
		switch name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": "); name {
		case "event":
			e.name = value
		case "data":
			e.data = value
		case "":
			if e.name != "" {
				return e, nil
			}
		}
	}
}

// decision is the next one.
func (s *stream) decision(t *testing.T) (d keyservice.Decision) {
	t.Helper()
	e, err := s.next()
	if err != nil || e.name != "decision" {
		t.Fatalf("the next event is %q %s (%v), want a decision", e.name, e.data, err)
	}
	must(t, json.Unmarshal([]byte(e.data), &d))
	return d
}

// What is told has the fields of the log, with what stands there, and none else.
func TestADecisionIsARecordOfTheLog(t *testing.T) {
	s := newStage(t)
	_, server := watched(t, s, 0)
	v := watch(t, server, "")
	if v.StatusCode != http.StatusOK || v.Header.Get("Content-Type") != "text/event-stream" || v.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %v, want a stream of events that nobody keeps", v.StatusCode, v.Header)
	}
	for _, change := range []func(x *exchange.Exchange, o *exchange.Outcome){
		func(*exchange.Exchange, *exchange.Outcome) {},
		func(x *exchange.Exchange, o *exchange.Outcome) { // every field that there is
			x.Principal, x.ClientDoubtful, x.Charge.Cost = exchange.Principal{Subject: "a", KeyID: "a1B2c3D4e5F6"}, true, 5
			x.Span = traced()
			o.Status, o.Trace.Stage, o.Reason, o.Aborted, o.Hijacked, o.Err = 503, "credit", "unavailable", true, true, errors.New("dial \u202e: <a> & refused")
		},
		func(x *exchange.Exchange, o *exchange.Outcome) { x.Host, x.Path, x.Route, o.Status = "", "", "", 0 },
	} {
		s.log.Reset()
		s.request(change)
		e, err := v.next()
		must(t, err)
		var told, logged map[string]any
		must(t, json.Unmarshal([]byte(e.data), &told))
		must(t, json.Unmarshal(s.log.Bytes(), &logged))
		at, err := time.Parse(time.RFC3339Nano, fmt.Sprint(logged["time"]))
		must(t, err)
		logged["time"] = at.UTC().Format(time.RFC3339Nano)
		delete(logged, "level")
		delete(logged, "msg")
		if !reflect.DeepEqual(told, logged) {
			t.Errorf("told %v\nwant %v", told, logged)
		}
	}
	fields := reflect.TypeFor[keyservice.Decision]().NumField()
	if got := strings.Count(s.all(t), `"`) / 2; got != fields {
		t.Errorf("a record with everything has %d fields, and a Decision %d", got, fields)
	}
}

// traced is a place in a trace.
func traced() exchange.Span {
	return exchange.Span{Parent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
}

// all are the names of the fields of a record that has each.
func (s *stage) all(t *testing.T) string {
	t.Helper()
	s.log.Reset()
	s.request(func(x *exchange.Exchange, o *exchange.Outcome) {
		x.Principal, x.ClientDoubtful, x.Charge.Cost, x.Span = exchange.Principal{Subject: "a", KeyID: "a1B2c3D4e5F6"}, true, 5, traced()
		o.Trace.Stage, o.Reason, o.Aborted, o.Hijacked, o.Err = "credit", "unavailable", true, true, errors.New("refused")
	})
	var logged map[string]any
	must(t, json.Unmarshal(s.log.Bytes(), &logged))
	delete(logged, "level")
	delete(logged, "msg")
	var names strings.Builder
	for name := range logged {
		names.WriteString(`"` + name + `"`)
	}
	return names.String()
}

func TestWhatIsWatched(t *testing.T) {
	s := newStage(t)
	w, server := watched(t, s, 0)
	own, other := w.made(t, keyservice.KeySpec{Owner: "acme"}).Key.ID, w.made(t, keyservice.KeySpec{Owner: "globex"}).Key.ID
	of := func(id, owner string) func(x *exchange.Exchange, o *exchange.Outcome) {
		return func(x *exchange.Exchange, _ *exchange.Outcome) {
			x.ID, x.Principal = id+" passed", exchange.Principal{Issuer: "warder", Subject: id, KeyID: id, Owner: owner}
		}
	}
	claimed := func(id string) func(x *exchange.Exchange, o *exchange.Outcome) {
		return func(x *exchange.Exchange, o *exchange.Outcome) {
			x.ID, x.Claim, o.Status, o.Reason, o.Trace.Stage = id+" refused", id, 401, "revoked", "authn"
		}
	}
	requests := []func(x *exchange.Exchange, o *exchange.Outcome){
		of(own, "acme"), of(other, "globex"), claimed(own), claimed(other), claimed("AAAAAAAAAAAA"),
		func(x *exchange.Exchange, o *exchange.Outcome) {
			x.ID, x.Route, o.Status, o.Reason, o.Trace.Stage = "nobody refused", "/invoices/", 401, "no-credential", "authn"
		},
		func(x *exchange.Exchange, o *exchange.Outcome) { // an owner's that is proved by no key
			x.ID, x.Principal = "token passed", exchange.Principal{Issuer: "i", Subject: "s", Owner: "acme"}
		},
		func(x *exchange.Exchange, o *exchange.Outcome) { // the key that is claimed is not that of whom another credential proves
			x.ID, x.Claim, x.Principal, o.Status, o.Reason, o.Trace.Stage = own+" twice", own, exchange.Principal{Issuer: "i", Subject: "s", Owner: "globex"}, 403, "insufficient-scope", "authz"
		},
	}
	own1, other1, own2, other2, none, nobody, token, twice := own+" passed", other+" passed", own+" refused", other+" refused", "AAAAAAAAAAAA refused", "nobody refused", "token passed", own+" twice"
	acme := []string{"X-Person", "developer:acme"}
	var reads []func()
	for _, tt := range []struct {
		name, query string
		fields      []string
		want        []string
	}{
		{"everything", "", nil, []string{own1, other1, own2, other2, none, nobody, token, twice}},
		{"a route", "?route=%2Finvoices%2F", nil, []string{nobody}},
		{"a key", "?key=" + own, nil, []string{own1, own2, twice}},
		{"no key", "?key=none", nil, []string{nobody, token}},
		{"refusals", "?outcome=refused", nil, []string{own2, other2, none, nobody, twice}},
		{"what passed", "?outcome=passed", nil, []string{own1, other1, token}},
		{"a status", "?code=403", nil, []string{twice}},
		{"a reason", "?code=revoked", nil, []string{own2, other2, none}},
		{"several", "?code=401&key=" + other, nil, []string{other2}},
		{"an auditor sees all", "?outcome=passed", []string{"X-Person", "auditor"}, []string{own1, other1, token}},
		{"who is bound sees its owner's", "", acme, []string{own1, own2, token}},
		{"who is bound, a key", "?key=" + own, acme, []string{own1, own2}},
		{"who is bound, no key", "?key=none", acme, []string{token}},
	} {
		v := watch(t, server, tt.query, tt.fields...)
		if v.StatusCode != http.StatusOK {
			t.Fatalf("%s: status %d", tt.name, v.StatusCode)
		}
		reads = append(reads, func() {
			for _, want := range tt.want {
				if got := v.decision(t).ID; got != want {
					t.Errorf("%s: the next is %q, want %q", tt.name, got, want)
				}
			}
			if e, err := v.next(); !errors.Is(err, io.EOF) {
				t.Errorf("%s: %s is told, which is not asked for (%v)", tt.name, e.data, err)
			}
		})
	}
	for query, status := range map[string]int{"?key=" + other: 404, "?key=AAAAAAAAAAAA": 404} {
		if v := watch(t, server, query, acme...); v.StatusCode != status {
			t.Errorf("who is bound, %s: %d, want %d", query, v.StatusCode, status)
		}
	}
	for _, query := range []string{"?for=0s", "?for=25h", "?for=x", "?key=-", "?code=-", "?code=1000", "?outcome=any", "?code=A%20B", "?owner=acme", "?key=none&key=none"} {
		if v := watch(t, server, query); v.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %d, want 400", query, v.StatusCode)
		}
	}
	for _, change := range requests {
		s.request(change)
	}
	w.service.StopWatching() // what was made until then is told
	for _, read := range reads {
		read()
	}
}

func TestWatchingEnds(t *testing.T) {
	s := newStage(t)
	w, server := watched(t, s, 2)
	first := watch(t, server, "?for=1ms")
	if _, err := first.next(); !errors.Is(err, io.EOF) {
		t.Errorf("after its time a stream ends with %v, want its end", err)
	}
	eventually(t, "the place is free", func() bool { return w.service.Viewers() == 0 && s.tail.Followers() == 0 })

	gone := watch(t, server, "")
	_ = gone.Body.Close()
	eventually(t, "who left has no place", func() bool { return w.service.Viewers() == 0 && s.tail.Followers() == 0 })

	one, two := watch(t, server, ""), watch(t, server, "")
	three := watch(t, server, "")
	if text, err := io.ReadAll(three.Body); err != nil || three.StatusCode != http.StatusTooManyRequests || three.Header.Get("Retry-After") == "" || !strings.Contains(string(text), "limits.viewers") {
		t.Errorf("one too many: %d %v %s (%v)", three.StatusCode, three.Header, text, err)
	}
	w.service.StopWatching()
	for _, v := range []*stream{one, two} {
		if _, err := v.next(); !errors.Is(err, io.EOF) {
			t.Errorf("a stream ends with %v when the server stops, want its end", err)
		}
	}
	if v := watch(t, server, ""); v.StatusCode != http.StatusServiceUnavailable || v.Header.Get("Retry-After") == "" {
		t.Errorf("when the server stops: %d %v", v.StatusCode, v.Header)
	}
}

// TestWhoIsBoundKeepsNobodyOut: whoever sees everything finds a place also when customers
// open as many streams as they can.
func TestWhoIsBoundKeepsNobodyOut(t *testing.T) {
	s := newStage(t)
	_, server := watched(t, s, 4, 4)
	acme := []string{"X-Person", "developer:acme"}
	for i, want := range []int{200, 200, 429, 429} {
		if v := watch(t, server, "", acme...); v.StatusCode != want {
			t.Errorf("number %d of one owner: %d, want %d", i+1, v.StatusCode, want)
		}
	}
	for i, want := range []int{200, 200, 429} {
		if v := watch(t, server, ""); v.StatusCode != want {
			t.Errorf("number %d of who sees all: %d, want %d", i+1, v.StatusCode, want)
		}
	}
}

// Nobody shuts others out: a caller has some of the places, and all who are bound to one
// owner have as many together.
func TestPlacesOfOneViewer(t *testing.T) {
	s := newStage(t)
	w, server := watched(t, s, 6, 2)
	places := func(who string, fields ...string) *stream {
		t.Helper()
		first := watch(t, server, "", fields...)
		for i, want := range []int{http.StatusOK, http.StatusTooManyRequests, http.StatusTooManyRequests} {
			v := watch(t, server, "", fields...)
			text := ""
			if v.StatusCode != http.StatusOK {
				all, err := io.ReadAll(v.Body)
				must(t, err)
				text = string(all)
			}
			if v.StatusCode != want || (v.Header.Get("Retry-After") != "") != (want != http.StatusOK) || strings.Contains(text, "limits.viewers_each") != (want != http.StatusOK) {
				t.Errorf("%s, stream %d: %d %v %s, want %d", who, i+2, v.StatusCode, v.Header, text, want)
			}
		}
		return first
	}
	first := places("the token")
	places("a person", "X-Person", "auditor")
	watch(t, server, "", "X-Person", "auditor:acme")
	if v := watch(t, server, "", "X-Person", "developer:acme"); v.StatusCode != http.StatusOK {
		t.Errorf("another of the same owner: %d", v.StatusCode)
	}
	if v := watch(t, server, "", "X-Person", "developer:acme"); v.StatusCode != http.StatusTooManyRequests {
		t.Errorf("one too many of one owner: %d", v.StatusCode)
	}
	if v := watch(t, server, "", "X-Person", "owner"); v.StatusCode != http.StatusTooManyRequests {
		t.Errorf("when all places are taken: %d", v.StatusCode)
	}
	_ = first.Body.Close()
	eventually(t, "who left has no place", func() bool { return w.service.Viewers() == 5 })
	if v := watch(t, server, ""); v.StatusCode != http.StatusOK {
		t.Errorf("in the place of one that left: %d", v.StatusCode)
	}
}

// eventually waits until it is so.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(time.Minute); !so(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("it did not happen: %s", what)
		}
	}
}

// A cookie goes with whatever page asks: the browser has to say that it is ours.
func TestWatchingFromAnotherPage(t *testing.T) {
	s := newStage(t)
	_, server := watched(t, s, 0)
	for site, status := range map[string]int{"same-origin": 200, "same-site": 403, "cross-site": 403, "none": 403, "": 403} {
		fields := []string{"X-Person", "owner", "X-Ambient", "1", "Origin", "https://evil.example"}
		if site != "" {
			fields = append(fields, "Sec-Fetch-Site", site)
		}
		v := watch(t, server, "", fields...)
		if v.StatusCode != status || v.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%q: %d %v, want %d", site, v.StatusCode, v.Header, status)
		}
	}
}

// A stuck response takes nothing until it is let go.
type stuck struct {
	httptest.ResponseRecorder

	begun, release chan struct{}
	writes         int
}

func (s *stuck) Write(p []byte) (int, error) {
	if s.writes++; s.writes == 1 {
		close(s.begun)
		<-s.release
	}
	return s.ResponseRecorder.Write(p)
}

// Who does not read holds nobody up, misses the oldest, and is told how many; who is
// bound to an owner is not told how much others do.
func TestWhoReadsTooSlowly(t *testing.T) {
	for who, want := range map[string]string{"owner": `{"count":500}`, "developer:acme": "{}"} {
		s := newStage(t)
		w, _ := watched(t, s, 0)
		ctx, cancel := context.WithCancel(t.Context())
		r := httptest.NewRequestWithContext(ctx, http.MethodGet, "http://localhost/v1/decisions:watch", nil)
		r.RemoteAddr = "127.0.0.1:1000"
		r.Header.Set("X-Person", who)
		out := &stuck{ResponseRecorder: *httptest.NewRecorder(), begun: make(chan struct{}), release: make(chan struct{})}
		over := make(chan struct{})
		go func() { defer close(over); w.handler.ServeHTTP(out, r) }()
		<-out.begun
		for range accesslog.TailSize + 500 {
			s.request(func(x *exchange.Exchange, _ *exchange.Outcome) {
				x.Principal = exchange.Principal{Issuer: "warder", Subject: "a", Owner: "acme"}
			})
		}
		close(out.release)
		eventually(t, "it is all read", func() bool { return s.tail.Missed() == 500 })
		w.service.StopWatching()
		<-over
		cancel()
		if text := out.Body.String(); !strings.HasPrefix(text, ": from here on\n\nevent: missed\ndata: "+want+"\n\nevent: decision\n") {
			t.Errorf("%s reads %.200q, want that decisions are missed: %s", who, text, want)
		}
	}
}
