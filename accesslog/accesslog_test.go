package accesslog_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/warder-dev/warder/accesslog"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/problem"
)

// nowhere takes records that a handler has written in full: what that costs is
// what the tests measure.
func nowhere() io.Writer { return io.Discard }

func newStage(tb testing.TB, h slog.Handler, mode accesslog.PathMode) *accesslog.Stage {
	tb.Helper()
	s, err := accesslog.New(accesslog.Config{Logger: slog.New(h), Path: mode})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func TestTheListenerInTheRecord(t *testing.T) {
	var out bytes.Buffer
	s, err := accesslog.New(accesslog.Config{Logger: slog.New(slog.NewJSONHandler(&out, nil)), Listener: "listeners.internal"})
	if err != nil {
		t.Fatal(err)
	}
	s.Done(ordinary(), done())
	if got := decode(t, out.String())["listener"]; got != "listeners.internal" {
		t.Errorf("listener = %v", got)
	}
	if got, is := record(t, "", ordinary(), done())["listener"]; is {
		t.Errorf("a listener that nobody named is %v", got)
	}
}

// ordinary is a request that every stage has seen.
func ordinary() *exchange.Exchange {
	x := exchange.New(httptest.NewRequest(http.MethodGet, "/v1/orders/12345?access_token=q", nil))
	x.Request.RemoteAddr = "192.0.2.7:51234"
	x.ID, x.Host, x.Path, x.Route = "0f9a", "api.example.com", "/v1/orders/12345", "GET /v1/orders/{id}"
	x.Client = netip.MustParseAddr("192.0.2.7")
	x.Principal = exchange.Principal{Issuer: "warder", Subject: "a1B2c3D4e5F6", KeyID: "a1B2c3D4e5F6"}
	x.Start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return x
}

func done() exchange.Outcome {
	return exchange.Outcome{Trace: exchange.Trace{Verdict: exchange.Pass()}, Status: 200, Bytes: 512, Duration: 1500 * time.Microsecond}
}

// record logs x and returns the one JSON line, decoded.
func record(t *testing.T, mode accesslog.PathMode, x *exchange.Exchange, o exchange.Outcome) map[string]any {
	t.Helper()
	var out bytes.Buffer
	newStage(t, slog.NewJSONHandler(&out, nil), mode).Done(x, o)
	return decode(t, out.String())
}

// decode reads one line of JSON and refuses a repeated member.
func decode(t *testing.T, line string) map[string]any {
	t.Helper()
	if strings.Count(line, "\n") != 1 || !strings.HasSuffix(line, "\n") {
		t.Fatalf("%q is not one line", line)
	}
	d := json.NewDecoder(strings.NewReader(line))
	fields := map[string]any{}
	if token, err := d.Token(); err != nil || token != json.Delim('{') {
		t.Fatalf("line %q: %v", line, err)
	}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		key, _ := token.(string)
		var value any
		if err := d.Decode(&value); err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		if _, repeated := fields[key]; repeated {
			t.Fatalf("line %q repeats %q", line, key)
		}
		fields[key] = value
	}
	if !json.Valid([]byte(line)) {
		t.Fatalf("line %q is not JSON", line)
	}
	return fields
}

func TestRecord(t *testing.T) {
	var out bytes.Buffer
	newStage(t, slog.NewJSONHandler(&out, nil), "").Done(ordinary(), done())
	want := `{"time":"2026-01-02T03:04:05.0015Z","level":"INFO","msg":"request","id":"0f9a","method":"GET","host":"api.example.com",` +
		`"route":"GET /v1/orders/{id}","path":"/v1/orders/12345","proto":"HTTP/1.1","status":200,"bytes":512,"duration_us":1500,` +
		`"client":"192.0.2.7","key_id":"a1B2c3D4e5F6"}` + "\n"
	if got := out.String(); got != want {
		t.Errorf("record\n got %s\nwant %s", got, want)
	}
}

func TestFields(t *testing.T) {
	key := "wrd_live_4fT9sQ2xLmZ07kRb8NvYc3HpWd5GjXaE1uKoMi6ThVqSyB2nQz"
	tests := []struct {
		name   string
		mode   accesslog.PathMode
		change func(*exchange.Exchange, *exchange.Outcome)
		field  string
		want   any // nil: absent
	}{
		{"a key in the path is masked", "masked", func(x *exchange.Exchange, _ *exchange.Outcome) { x.Path = "/v1/" + key + "/x" }, "path", "/v1/[masked]/x"},
		{"mode route has no path", "route", func(*exchange.Exchange, *exchange.Outcome) {}, "path", nil},
		{"mode route has the route", "route", func(*exchange.Exchange, *exchange.Outcome) {}, "route", "GET /v1/orders/{id}"},
		{"mode off has no path", "off", func(*exchange.Exchange, *exchange.Outcome) {}, "path", nil},
		{"mode off has no route", "off", func(*exchange.Exchange, *exchange.Outcome) {}, "route", nil},
		{"refused before target", "", func(x *exchange.Exchange, _ *exchange.Outcome) { x.Path = "" }, "path", "/v1/orders/12345"},
		{"a fragment is cut", "", func(x *exchange.Exchange, _ *exchange.Outcome) {
			x.Path, x.Request.URL = "", &url.URL{Path: "/a#token"}
		}, "path", "/a[cut]"},
		{"a long path is cut", "", func(x *exchange.Exchange, _ *exchange.Outcome) { x.Path = "/" + strings.Repeat("ab/", 3000) }, "path", ("/" + strings.Repeat("ab/", 3000))[:1019] + "[cut]"},
		{"a claim stands in for a key", "", func(x *exchange.Exchange, _ *exchange.Outcome) {
			x.Principal, x.Claim = exchange.Principal{}, "zzzzzzzzzzzz"
		}, "key_id", "zzzzzzzzzzzz"},
		{"what it cost", "", func(x *exchange.Exchange, _ *exchange.Outcome) { x.Charge = exchange.Charge{Taken: 7, Cost: 3} }, "credits", 3.0},
		{"what was given back", "", func(x *exchange.Exchange, _ *exchange.Outcome) { x.Charge = exchange.Charge{Taken: 7} }, "credits", nil},
		{"no key, no claim", "", func(x *exchange.Exchange, _ *exchange.Outcome) { x.Principal = exchange.Principal{} }, "key_id", nil},
		{"method of 21 characters", "", func(x *exchange.Exchange, _ *exchange.Outcome) { x.Request.Method = strings.Repeat("A", 21) }, "method", "invalid"},
		{"method that is no token", "", func(x *exchange.Exchange, _ *exchange.Outcome) { x.Request.Method = "GET\n" }, "method", "invalid"},
		{"secret of 20 characters as the method", "", func(x *exchange.Exchange, _ *exchange.Outcome) { x.Request.Method = "hunter2hunter2hunter" }, "method", "other"},
		{"method in lower case", "", func(x *exchange.Exchange, _ *exchange.Outcome) { x.Request.Method = "get" }, "method", "other"},
		{"method of WebDAV", "", func(x *exchange.Exchange, _ *exchange.Outcome) { x.Request.Method = "PROPFIND" }, "method", "PROPFIND"},
		{"a key as the host", "", func(x *exchange.Exchange, _ *exchange.Outcome) { x.Host = strings.ToLower(key) + ".example.com" }, "host", "[masked]"},
		{"no host", "", func(x *exchange.Exchange, _ *exchange.Outcome) { x.Host = "" }, "host", nil},
		{"client of a listed peer", "", func(x *exchange.Exchange, _ *exchange.Outcome) { x.Client = netip.MustParseAddr("2001:db8::1") }, "client", "2001:db8::1"},
		{"client over IPv6", "", func(x *exchange.Exchange, _ *exchange.Outcome) {
			x.Client, x.Request.RemoteAddr = netip.MustParseAddr("2001:db8::1"), "[2001:db8::1]:1"
		}, "client", "2001:db8::1"},
		{"a client that a proxy named badly", "", func(x *exchange.Exchange, _ *exchange.Outcome) { x.ClientDoubtful = true }, "client_doubtful", true},
		{"a client that is plain", "", func(*exchange.Exchange, *exchange.Outcome) {}, "client_doubtful", nil},
		{"no client", "", func(x *exchange.Exchange, _ *exchange.Outcome) { x.Client = netip.Addr{} }, "client", nil},
		{"HTTP/2", "", func(x *exchange.Exchange, _ *exchange.Outcome) { x.Request.ProtoMajor, x.Request.ProtoMinor = 2, 0 }, "proto", "HTTP/2.0"},
		{"reason", "", func(_ *exchange.Exchange, o *exchange.Outcome) { o.Reason = "revoked" }, "reason", "revoked"},
		{"stage", "", func(_ *exchange.Exchange, o *exchange.Outcome) { o.Trace.Stage = "authn" }, "stage", "authn"},
		{"aborted", "", func(_ *exchange.Exchange, o *exchange.Outcome) { o.Aborted = true }, "aborted", true},
		{"not aborted", "", func(*exchange.Exchange, *exchange.Outcome) {}, "aborted", nil},
		{"upgraded", "", func(_ *exchange.Exchange, o *exchange.Outcome) { o.Hijacked = true }, "upgraded", true},
		{"level of a refusal", "", func(_ *exchange.Exchange, o *exchange.Outcome) { o.Status = 429 }, "level", "INFO"},
		{"level of a failure", "", func(_ *exchange.Exchange, o *exchange.Outcome) { o.Status = 503 }, "level", "ERROR"},
		{"error is masked and escaped", "", func(_ *exchange.Exchange, o *exchange.Outcome) {
			o.Err = errors.New("dial \u202e postgres://a:b@db: key " + key + "\r\nx")
		}, "error", `dial \u202e postgres://[masked]@db: key [masked]\r\nx`},
		{"a long error is cut", "", func(_ *exchange.Exchange, o *exchange.Outcome) { o.Err = errors.New(strings.Repeat("é ", 500)) }, "error", strings.Repeat("é ", 169) + "[cut]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			x, o := ordinary(), done()
			tt.change(x, &o)
			if got := record(t, tt.mode, x, o)[tt.field]; got != tt.want {
				t.Errorf("%s = %v, want %v", tt.field, got, tt.want)
			}
		})
	}
}

func TestNewReportsErrors(t *testing.T) {
	_, err := accesslog.New(accesslog.Config{Path: "all"})
	if err == nil || !strings.Contains(err.Error(), "Logger") || !strings.Contains(err.Error(), `"all"`) {
		t.Errorf("New = %v, want errors about Logger and path", err)
	}
}

func TestNothingIsLogged(t *testing.T) {
	for _, tt := range []struct {
		name  string
		dry   bool
		level slog.Level
	}{{"dry run", true, slog.LevelInfo}, {"level", false, slog.LevelWarn}} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			x := ordinary()
			x.Dry = tt.dry
			s := newStage(t, slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: tt.level}), "")
			if v := s.Check(x); !v.Passed() {
				t.Errorf("Check = %v, want a pass", v.Kind())
			}
			s.Done(x, done())
			if out.Len() != 0 {
				t.Errorf("log = %q, want none", out.String())
			}
		})
	}
}

// keeper is a handler that keeps records, as one that sends them later does.
type keeper struct{ records []slog.Record }

func (k *keeper) Enabled(context.Context, slog.Level) bool { return true }
func (k *keeper) WithAttrs([]slog.Attr) slog.Handler       { return k }
func (k *keeper) WithGroup(string) slog.Handler            { return k }
func (k *keeper) Handle(_ context.Context, r slog.Record) error {
	k.records = append(k.records, r)
	return nil
}

func TestAHandlerMayKeepRecords(t *testing.T) {
	var k keeper
	s := newStage(t, &k, "")
	for _, id := range []string{"first", "second"} {
		x := ordinary()
		x.ID = id
		s.Done(x, done())
	}
	var got []string
	for _, r := range k.records {
		r.Attrs(func(a slog.Attr) bool {
			got = append(got, a.Value.Group()[0].Value.String())
			return true
		})
	}
	if len(got) != 2 || got[0] != "first" || got[1] != "second" {
		t.Errorf("ids of kept records = %q, want first and second", got)
	}
}

func TestRecordAllocatesNothing(t *testing.T) {
	want := 0.0
	if raceEnabled {
		want = 2 // what the pools of the Stage and of the handler dropped is made again
	}
	for name, h := range map[string]slog.Handler{
		"json": slog.NewJSONHandler(nowhere(), nil), "text": slog.NewTextHandler(nowhere(), nil),
	} {
		s, x, o := newStage(t, h, ""), ordinary(), done()
		refused := o
		refused.Status, refused.Reason, refused.Trace.Stage = 401, "revoked", "authn"
		for kind, o := range map[string]exchange.Outcome{"pass": o, "refusal": refused} {
			if got := testing.AllocsPerRun(500, func() { s.Done(x, o) }); got > want {
				t.Errorf("%s, %s: %v allocations, want %v", name, kind, got, want)
			}
		}
	}
}

// hostile lists the characters that forge lines or turn text around.
func hostile() []string {
	return []string{
		"\r", "\n", "\r\n{\"msg\":\"forged\"}\r\n", "\x1b[2J", "\x1b]0;title\x07", "\u009b31m", "\x00", "\x08\x7f",
		"\u202e", "\u202a\u202c", "\u2066\u2069", "\u200e\u200f\u061c", "\u2028", "\u2029", "\u0085", "\u200b", "\ufeff", "\U000e0041", "\xff\xfe",
		`"`, `\`, `","level":"ERROR`, "a=b level=ERROR",
	}
}

func TestLOG02(t *testing.T) {
	attack.Case(t, "LOG-02", attack.Library, func(t *testing.T) {
		places := map[string]func(x *exchange.Exchange, o *exchange.Outcome, s string){
			"path":             func(x *exchange.Exchange, _ *exchange.Outcome, s string) { x.Path = "/" + s },
			"path, no target":  func(x *exchange.Exchange, _ *exchange.Outcome, s string) { x.Path, x.Request.URL.Path = "", "/"+s },
			"path, raw":        func(x *exchange.Exchange, _ *exchange.Outcome, s string) { x.Path, x.Request.URL.RawPath = "", "/"+s },
			"method":           func(x *exchange.Exchange, _ *exchange.Outcome, s string) { x.Request.Method = "GET" + s },
			"host":             func(x *exchange.Exchange, _ *exchange.Outcome, s string) { x.Host, x.Request.Host = s, s },
			"user agent":       func(x *exchange.Exchange, _ *exchange.Outcome, s string) { x.Request.Header.Set("User-Agent", s) },
			"reason":           func(_ *exchange.Exchange, o *exchange.Outcome, s string) { o.Reason = s },
			"stage":            func(_ *exchange.Exchange, o *exchange.Outcome, s string) { o.Trace.Stage = s },
			"error":            func(_ *exchange.Exchange, o *exchange.Outcome, s string) { o.Err = errors.New(s) },
			"key id":           func(x *exchange.Exchange, _ *exchange.Outcome, s string) { x.Principal.KeyID = s },
			"claim":            func(x *exchange.Exchange, _ *exchange.Outcome, s string) { x.Principal.KeyID, x.Claim = "", s },
			"request id":       func(x *exchange.Exchange, _ *exchange.Outcome, s string) { x.ID = s },
			"route":            func(x *exchange.Exchange, _ *exchange.Outcome, s string) { x.Route = s },
			"protocol":         func(x *exchange.Exchange, _ *exchange.Outcome, s string) { x.Request.Proto = s },
			"owner of the key": func(x *exchange.Exchange, _ *exchange.Outcome, s string) { x.Principal.Owner = s },
		}
		for place, put := range places {
			for _, s := range hostile() {
				var asJSON, asText bytes.Buffer
				for out, h := range map[*bytes.Buffer]slog.Handler{&asJSON: slog.NewJSONHandler(&asJSON, nil), &asText: slog.NewTextHandler(&asText, nil)} {
					x, o := ordinary(), done()
					put(x, &o, s)
					newStage(t, h, "").Done(x, o)
					line, ended := strings.CutSuffix(out.String(), "\n")
					if !ended || strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }) || strings.ContainsRune(line, unicode.ReplacementChar) {
						t.Errorf("%s %q: record %q is not one printable line", place, s, out)
					}
				}
				if f := decode(t, asJSON.String()); f["level"] != "INFO" || f["msg"] != "request" {
					t.Errorf("%s %q: record %s is forged", place, s, asJSON.String())
				}
				if strings.Count(asText.String(), " status=200 ") != 1 || !strings.Contains(asText.String(), " level=INFO msg=request ") {
					t.Errorf("%s %q: record %s is forged", place, s, asText.String())
				}
			}
		}
	})
}

func TestLOG04(t *testing.T) {
	attack.Case(t, "LOG-04", attack.Library, func(t *testing.T) {
		r := rand.New(rand.NewPCG(4, 2026))
		value := func() string {
			var b []byte
			for range r.IntN(40) {
				switch r.IntN(4) {
				case 0:
					b = append(b, byte(r.IntN(256)))
				case 1:
					b = append(b, string(rune(r.IntN(unicode.MaxRune)))...)
				case 2:
					b = append(b, hostile()[r.IntN(len(hostile()))]...)
				default:
					b = append(b, byte('!'+r.IntN(94)))
				}
			}
			return string(b)
		}
		var out bytes.Buffer
		s := newStage(t, slog.NewJSONHandler(&out, nil), "")
		for range 10_000 {
			x, o := ordinary(), done()
			x.ID, x.Host, x.Path, x.Route, x.Claim = value(), value(), value(), value(), value()
			x.Request.Method, x.Request.URL.Path, x.Request.RemoteAddr, x.Principal.KeyID = value(), value(), value(), value()
			o.Reason, o.Trace.Stage, o.Err, o.Status = value(), value(), errors.New(value()), r.IntN(1000)
			o.Aborted, o.Hijacked, o.Bytes = r.IntN(2) == 0, r.IntN(2) == 0, r.Int64()
			out.Reset()
			s.Done(x, o)
			if f := decode(t, out.String()); f["msg"] != "request" || len(out.String()) > 8<<10 {
				t.Fatalf("record %q", out.String())
			}
		}
	})
}

// TestLOG01 plants a canary everywhere in a request. Where the log shows a
// field, the canary has a key's shape; elsewhere any word will do.
func TestLOG01(t *testing.T) {
	attack.Case(t, "LOG-01", attack.Library, func(t *testing.T) {
		const word = "canary7"
		const key = "wrd_live_" + word + "4fT9sQ2xLmZ07kRb8NvYc3HpWd5GjXaE1uKoMi6ThVq"
		raw := "POST http://" + word + ":" + word + "@api.example.com/v1/" + key + "/x?q=" + word + "&" + word + "=1#" + word + " HTTP/1.1\r\nHost: api.example.com\r\n"
		for _, name := range []string{
			"Authorization", "Cookie", "X-Api-Key", "Referer", "User-Agent", "X-Forwarded-For", "Forwarded", "X-Request-Id", "Traceparent",
			"X-Warder-Key-Id", "X-Custom", "Origin", "Proxy-Authorization", "Content-Type", "Accept",
		} {
			raw += name + ": " + word + "\r\n"
		}
		raw += "Transfer-Encoding: chunked\r\nTrailer: X-End\r\n\r\n7\r\n" + word + "\r\n0\r\nX-End: " + word + "\r\n\r\n"
		for _, canonical := range []bool{true, false} {
			x := exchange.New(parse(t, raw))
			x.Request.Form = url.Values{word: {word}}
			if _, err := io.ReadAll(x.Request.Body); err != nil {
				t.Fatal(err)
			}
			if canonical {
				x.Path, x.RawQuery, x.Host = "/v1/"+key+"/x", "q="+word, "api.example.com"
			}
			x.Principal = exchange.Principal{Subject: "a", KeyID: "a1B2c3D4e5F6", Owner: word, Environment: word}
			o := done()
			o.Err = errors.New(`Get "http://` + word + ":" + word + `@up/v1/` + key + `?token=` + word + `": Authorization: Bearer ` + word + key)
			for _, mode := range []accesslog.PathMode{accesslog.PathMasked, accesslog.PathRoute, accesslog.PathOff} {
				var out bytes.Buffer
				newStage(t, slog.NewJSONHandler(&out, nil), mode).Done(x, o)
				newStage(t, slog.NewTextHandler(&out, nil), mode).Done(x, o)
				if strings.Contains(out.String(), word) {
					t.Errorf("the canary is in the log: %s", out.String())
				}
				if strings.Count(out.String(), "\n") != 2 {
					t.Errorf("log = %q, want two records", out.String())
				}
			}
		}
	})
}

func parse(t *testing.T, raw string) *http.Request {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(raw)))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestLOG12(t *testing.T) {
	attack.Case(t, "LOG-12", attack.Library, func(t *testing.T) {
		var out bytes.Buffer
		s := newStage(t, slog.NewJSONHandler(&out, nil), "")
		handler := s.Wrap(exchange.Wrap(refuser{}, http.NotFoundHandler()))
		for range 1000 {
			handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/x", nil))
		}
		if got := strings.Count(out.String(), `"status":401`); got != 1000 || strings.Count(out.String(), "\n") != 1000 {
			t.Errorf("%d refusals in %d records, want 1000", got, strings.Count(out.String(), "\n"))
		}
	})
}

// refuser refuses everything.
type refuser struct{}

func (refuser) Check(*exchange.Exchange) exchange.Verdict {
	return exchange.Refuse(problem.New(problem.Unauthorized, "no"), "revoked")
}

func BenchmarkDone(b *testing.B) {
	for _, bb := range []struct {
		name string
		h    slog.Handler
	}{{"json", slog.NewJSONHandler(nowhere(), nil)}, {"text", slog.NewTextHandler(nowhere(), nil)}} {
		b.Run(bb.name, func(b *testing.B) {
			s, x, o := newStage(b, bb.h, ""), ordinary(), done()
			b.ReportAllocs()
			for b.Loop() {
				s.Done(x, o)
			}
		})
	}
}
