package cors_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/warder-dev/warder/cors"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/attack"
)

func TestCORS01ListedOrigins(t *testing.T) {
	attack.Case(t, "CORS-01", attack.Library, func(t *testing.T) {
		plain := cors.Config{Methods: []string{"PUT"}, RequestHeaders: []string{"Content-Type", "X-API-Key"}, ExposedHeaders: []string{"X-Request-Id", "Retry-After"}}
		withCookies := plain
		withCookies.Credentials, withCookies.MaxAge = true, 10*time.Minute
		anybody := plain
		anybody.AnyOrigin, anybody.MaxAge = true, -1
		for _, tt := range []struct {
			name string
			cfg  cors.Config
			r    *http.Request
			want string
		}{
			{"simple", plain, request("GET", "Origin: "+app), "Origin=" + app + "; Expose-Headers=X-Request-Id,Retry-After; " + varies},
			{"simple, with credentials", withCookies, request("POST", "Origin: "+app), "Origin=" + app + "; Credentials=true; Expose-Headers=X-Request-Id,Retry-After; " + varies},
			{"simple, anybody", anybody, request("GET", "Origin: https://x.example"), "Origin=*; Expose-Headers=X-Request-Id,Retry-After"},
			{"not asked, anybody: one answer for all", anybody, request("GET"), "Origin=*; Expose-Headers=X-Request-Id,Retry-After"},
			{"a method that was not preflighted", plain, request("DELETE", "Origin: "+app), "Origin=" + app + "; Expose-Headers=X-Request-Id,Retry-After; " + varies},
			{"preflight", plain, asks(app, "PUT", "Access-Control-Request-Headers: content-type,x-api-key"), "Origin=" + app + "; Methods=PUT; Headers=content-type,x-api-key; " + variesPreflight},
			{"preflight, with credentials", withCookies, asks(app, "PUT"), "Origin=" + app + "; Credentials=true; Methods=PUT; Max-Age=600; " + variesPreflight},
			{"preflight for what a form may use", plain, asks(app, "POST", "Access-Control-Request-Headers: x-api-key"), "Origin=" + app + "; Headers=x-api-key; " + variesPreflight},
			{"preflight, anybody", anybody, asks("https://x.example", "PUT"), "Origin=*; Methods=PUT; Max-Age=0; Vary=Access-Control-Request-Headers, Access-Control-Request-Method"},
			{"no Origin", plain, request("GET"), varies},
			{"another origin", withCookies, request("GET", "Origin: https://x.example"), varies},
			{"another origin's preflight", withCookies, asks("https://x.example", "PUT"), variesPreflight},
		} {
			w := answer(newStage(t, tt.cfg), tt.r)
			status := http.StatusOK
			if tt.r.Method == http.MethodOptions {
				status = http.StatusNoContent
			}
			if got := says(w.Header()); got != tt.want || w.Code != status || w.Body.Len() != 0 {
				t.Errorf("%s: %d, %s\nwant %d, %s", tt.name, w.Code, got, status, tt.want)
			}
		}
	})
}

func TestCORS03Null(t *testing.T) {
	attack.Case(t, "CORS-03", attack.Library, func(t *testing.T) {
		for name, cfg := range map[string]cors.Config{
			"exact": {Credentials: true}, "pattern": {Origins: []string{"https://*.example.com"}}, "a page of an app": {Origins: []string{"app://null"}},
		} {
			s := newStage(t, cfg)
			for _, origin := range []string{"null", "NULL", "null, " + app, ""} {
				for _, r := range []*http.Request{request("GET", "Origin: "+origin), asks(origin, "GET")} {
					if w := answer(s, r); given(w.Header()) {
						t.Errorf("%s, %q: %s", name, origin, says(w.Header()))
					}
				}
			}
		}
	})
}

func TestCORS05Preflights(t *testing.T) {
	attack.Case(t, "CORS-05", attack.Library, func(t *testing.T) {
		named := cors.Config{Methods: []string{"PUT", "PURGE"}, RequestHeaders: []string{"X-API-Key", "Content-Type", "accept"}}
		all := cors.Config{RequestHeaders: []string{"*"}}
		both := cors.Config{RequestHeaders: []string{"*", "Authorization"}, Credentials: true}
		for _, tt := range []struct {
			name   string
			cfg    cors.Config
			method string
			fields []string // of Access-Control-Request-Headers
			want   bool
		}{
			{"method", named, "PUT", nil, true},
			{"a method of one's own", named, "PURGE", nil, true},
			{"method not listed", named, "DELETE", nil, false},
			{"method in lower case", named, "put", nil, false},
			{"an empty method", named, "", nil, false},
			{"a star is no method", named, "*", nil, false},
			{"two in one", named, "PUT,PURGE", nil, false},
			{"header", named, "PUT", []string{"content-type"}, true},
			{"all headers", named, "PUT", []string{"accept,content-type,x-api-key"}, true},
			{"no header", named, "PUT", []string{""}, true},
			{"header not listed", named, "PUT", []string{"x-other"}, false},
			{"one of them not listed", named, "PUT", []string{"content-type,x-other"}, false},
			{"a beginning of one", named, "PUT", []string{"content-typ"}, false},
			{"a star is no header", named, "PUT", []string{"*"}, false},
			{"unsorted", named, "PUT", []string{"x-api-key,content-type"}, false},
			{"repeated", named, "PUT", []string{"accept,accept"}, false},
			{"upper case", named, "PUT", []string{"Content-Type"}, false},
			{"a blank after the comma", named, "PUT", []string{"accept, content-type"}, true},
			{"a blank before it", named, "PUT", []string{"accept ,content-type"}, true},
			{"two blanks", named, "PUT", []string{"accept,  content-type"}, false},
			{"a tab", named, "PUT", []string{"accept,\tcontent-type"}, true},
			{"a blank and a tab", named, "PUT", []string{"accept, \tcontent-type"}, false},
			{"empty elements", named, "PUT", []string{",accept,,content-type,"}, true},
			{"16 empty elements", named, "PUT", []string{strings.Repeat(",", 16) + "accept"}, true},
			{"17 empty elements", named, "PUT", []string{strings.Repeat(",", 17) + "accept"}, false},
			{"10,000 commas", named, "PUT", []string{strings.Repeat(",", 10000)}, false},
			{"10,000 names", named, "PUT", []string{strings.Repeat("a,", 10000)}, false},
			{"an endless name", named, "PUT", []string{strings.Repeat("a", 100000)}, false},
			{"divided by a proxy", named, "PUT", []string{"accept", "content-type,x-api-key"}, true},
			{"divided and unsorted", named, "PUT", []string{"content-type", "accept"}, false},
			{"10,000 fields", named, "PUT", make([]string, 10000), false},
			{"every header", all, "GET", []string{"a,b,x-other"}, true},
			{"every header, unsorted", all, "GET", []string{"b,a"}, false},
			{"every header, upper case", all, "GET", []string{"A"}, false},
			{"every header, not a name", all, "GET", []string{"a(b"}, false},
			{"every header, 5,000 bytes", all, "GET", []string{strings.Repeat("a", 5000)}, false},
			{"every header, 5,000 bytes of names", all, "GET", strings.Split(sorted(1000), ","), false},
			{"every header, 10,000 commas", all, "GET", []string{strings.Repeat(",", 10000)}, false},
			{"every header is not Authorization", all, "GET", []string{"authorization"}, false},
			{"every header is not Authorization, among others", all, "GET", []string{"accept,authorization,x-other"}, false},
			{"every header and Authorization", both, "GET", []string{"accept,authorization,x-other"}, true},
		} {
			r := asks(app, tt.method)
			if tt.fields != nil {
				r.Header["Access-Control-Request-Headers"] = tt.fields
			}
			w := answer(newStage(t, tt.cfg), r)
			if got := given(w.Header()); got != tt.want || w.Code != http.StatusNoContent {
				t.Errorf("%s: %d, permission %v, want %v", tt.name, w.Code, got, tt.want)
			}
		}
		r := asks(app, "PUT")
		r.Header.Add("Access-Control-Request-Method", "PUT")
		if w := answer(newStage(t, named), r); given(w.Header()) {
			t.Error("two fields with a method are permitted")
		}
		commas(t, named)
		commas(t, all)
	})
}

// sorted is n names of five letters.
func sorted(n int) string {
	var names []string
	for i := range n {
		names = append(names, "h"+string([]byte{byte('a' + i/676%26), byte('a' + i/26%26), byte('a' + i%26)})+"x")
	}
	return strings.Join(names, ",")
}

// commas measures what long lists cost.
func commas(t *testing.T, cfg cors.Config) {
	t.Helper()
	if raceEnabled {
		return
	}
	s := newStage(t, cfg)
	for _, list := range []string{strings.Repeat(",", 10000), strings.Repeat("a,", 10000), strings.Repeat("a", 100000), strings.Repeat(" ,", 10000)} {
		r := asks(app, "PUT", "Access-Control-Request-Headers: "+list)
		x, h := exchange.New(r), http.Header{}
		check := func() {
			s.Check(x)
			clear(h)
			s.Headers(x, h)
		}
		if got := testing.AllocsPerRun(100, check); got > 1 {
			t.Errorf("%.10q...: %v allocations, want at most one", list, got)
		}
	}
}

func TestCORS06PreflightsNeedNoCredential(t *testing.T) {
	attack.Case(t, "CORS-06", attack.Library, func(t *testing.T) {
		reached := 0
		api := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { reached++ })
		s := newStage(t, cors.Config{Methods: []string{"PUT"}})
		h := guarded(t, s, api)
		for _, tt := range []struct {
			name            string
			r               *http.Request
			status, reached int
			given           bool
		}{
			{"preflight", asks(app, "PUT"), 204, 0, true},
			{"preflight with a wrong key, which nobody looks at", asks(app, "PUT", "X-API-Key: bad"), 204, 0, true},
			{"preflight of another origin", asks("https://x.example", "PUT"), 204, 0, false},
			{"preflight for another method", asks(app, "DELETE"), 204, 0, false},
			{"no method asked for: like every other", request("OPTIONS", "Origin: "+app), 401, 0, true},
			{"no Origin: like every other", request("OPTIONS", "Access-Control-Request-Method: PUT"), 401, 0, false},
			{"the same with a key", request("OPTIONS", "Origin: "+app, "X-API-Key: good"), 200, 1, true},
			{"not OPTIONS", request("GET", "Origin: "+app, "Access-Control-Request-Method: PUT"), 401, 0, true},
			{"options in lower case", func() *http.Request { r := asks(app, "PUT"); r.Method = "options"; return r }(), 401, 0, true},
		} {
			reached = 0
			w := httptest.NewRecorder()
			h.ServeHTTP(w, tt.r)
			if w.Code != tt.status || reached != tt.reached || given(w.Header()) != tt.given {
				t.Errorf("%s: %d, reached %d, %s; want %d, %d, permission: %v", tt.name, w.Code, reached, says(w.Header()), tt.status, tt.reached, tt.given)
			}
		}
	})
}

func TestPreflightsAreForwardedWhenToldTo(t *testing.T) {
	s := newStage(t, cors.Config{ForwardPreflight: true})
	w := httptest.NewRecorder()
	s.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("X-Seen", r.Header.Get("Access-Control-Request-Method"))
		w.WriteHeader(http.StatusOK)
	})).ServeHTTP(w, asks(app, "POST"))
	if got := says(w.Header()); w.Code != 200 || w.Header().Get("X-Seen") != "POST" || got != "Origin="+app+"; "+variesPreflight {
		t.Errorf("%d, %v: want the handler's answer, and our permission", w.Code, w.Header())
	}
	if s.Answers() || !newStage(t, cors.Config{}).Answers() || new(cors.Stage).Answers() {
		t.Error("Answers says something else")
	}
}

func TestCORS07RepeatedAndEndlessOrigins(t *testing.T) {
	attack.Case(t, "CORS-07", attack.Library, func(t *testing.T) {
		s := newStage(t, cors.Config{Origins: []string{app, "https://*.example.org"}, Credentials: true})
		for name, origins := range map[string][]string{
			"twice":                        {app, app},
			"good and bad":                 {app, "https://x.example"},
			"bad and good":                 {"https://x.example", app},
			"two in one":                   {app + "," + app},
			"two in one, as of RFC 6454":   {app + " " + app},
			"8 KiB":                        {"https://" + strings.Repeat("a", 8<<10)},
			"8 KiB of labels":              {"https://" + strings.Repeat("a.", 4<<10) + "example.org"},
			"8 KiB, and then a listed one": {strings.Repeat(" ", 8<<10) + app},
		} {
			for _, method := range []string{"", "GET"} {
				r := request("GET")
				if method != "" {
					r = request("OPTIONS", "Access-Control-Request-Method: "+method)
				}
				r.Header["Origin"] = origins
				if w := answer(s, r); given(w.Header()) || !strings.Contains(says(w.Header()), "Origin") {
					t.Errorf("%s: %s", name, says(w.Header()))
				}
			}
		}
	})
}

func TestCORS08Vary(t *testing.T) {
	attack.Case(t, "CORS-08", attack.Library, func(t *testing.T) {
		const preflight = "Access-Control-Request-Headers, Access-Control-Request-Method, Origin"
		for _, tt := range []struct {
			name  string
			cfg   cors.Config
			r     *http.Request
			there []string
			want  []string
		}{
			{"listed", cors.Config{}, request("GET", "Origin: "+app), nil, []string{"Origin"}},
			{"not listed", cors.Config{}, request("GET", "Origin: https://x.example"), nil, []string{"Origin"}},
			{"without Origin", cors.Config{}, request("GET"), nil, []string{"Origin"}},
			{"null", cors.Config{}, request("GET", "Origin: null"), nil, []string{"Origin"}},
			{"anybody", cors.Config{AnyOrigin: true}, request("GET", "Origin: "+app), nil, nil},
			{"preflight", cors.Config{}, asks(app, "GET"), nil, []string{preflight}},
			{"refused preflight", cors.Config{}, asks(app, "PUT"), nil, []string{preflight}},
			{"an OPTIONS that is none", cors.Config{}, request("OPTIONS"), nil, []string{preflight}},
			{"anybody's preflight", cors.Config{AnyOrigin: true}, asks(app, "GET"), nil, []string{"Access-Control-Request-Headers, Access-Control-Request-Method"}},
			{"private network", cors.Config{PrivateNetwork: true}, asks(app, "GET"), nil, []string{"Access-Control-Request-Headers, Access-Control-Request-Method, Access-Control-Request-Private-Network, Origin"}},
			{"the handler has its own", cors.Config{}, request("GET"), []string{"Accept-Encoding"}, []string{"Accept-Encoding", "Origin"}},
			{"the handler has it", cors.Config{}, request("GET"), []string{"Accept, origin"}, []string{"Accept, origin"}},
			{"the handler has it in a second line", cors.Config{}, request("GET"), []string{"Accept", "ORIGIN"}, []string{"Accept", "ORIGIN"}},
			{"the handler has a longer one", cors.Config{}, request("GET"), []string{"X-Origin"}, []string{"X-Origin", "Origin"}},
			{"everything", cors.Config{}, request("GET"), []string{"*"}, []string{"*"}},
			{"some of a preflight's", cors.Config{ForwardPreflight: true}, asks(app, "GET"), []string{"Origin"}, []string{"Origin", "Access-Control-Request-Headers", "Access-Control-Request-Method"}},
		} {
			h := http.Header{}
			if tt.there != nil {
				h["Vary"] = tt.there
			}
			newStage(t, tt.cfg).Headers(exchange.New(tt.r), h)
			if got := h["Vary"]; strings.Join(got, "|") != strings.Join(tt.want, "|") {
				t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
			}
		}
	})
}

// What is shared between answers is never written to: whoever appends to a value
// gets a copy.
func TestValuesAreNotShared(t *testing.T) {
	s := newStage(t, cors.Config{Credentials: true, ExposedHeaders: []string{"A"}, MaxAge: time.Minute, RequestHeaders: []string{"a"}})
	for range 2 {
		for _, r := range []*http.Request{request("GET", "Origin: "+app), asks(app, "GET", "Access-Control-Request-Headers: a")} {
			h := http.Header{}
			s.Headers(exchange.New(r), h)
			for name, values := range h {
				if cap(values) != len(values) {
					t.Errorf("%s has room for more than its %d values", name, len(values))
				}
				h[name] = append(values, "more")
			}
		}
	}
}

func TestCORS09RefusalsAreReadable(t *testing.T) {
	attack.Case(t, "CORS-09", attack.Library, func(t *testing.T) {
		busy := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
		})
		h := guarded(t, newStage(t, cors.Config{Credentials: true, ExposedHeaders: []string{"Retry-After"}}), busy)
		for key, status := range map[string]int{"bad": 401, "good": 429, "away": 503} {
			for origin, readable := range map[string]bool{app: true, "https://x.example": false} {
				w := httptest.NewRecorder()
				h.ServeHTTP(w, request("GET", "Origin: "+origin, "X-API-Key: "+key))
				if w.Code != status || given(w.Header()) != readable || !strings.Contains(strings.Join(w.Header()["Vary"], ","), "Origin") {
					t.Errorf("%s from %s: %d, %s; want %d, readable: %v", key, origin, w.Code, says(w.Header()), status, readable)
				}
			}
		}
	})
}

func TestCORS10PrivateNetworks(t *testing.T) {
	attack.Case(t, "CORS-10", attack.Library, func(t *testing.T) {
		r := asks(app, "GET", "Access-Control-Request-Private-Network: true")
		if w := answer(newStage(t, cors.Config{}), r); given(w.Header()) {
			t.Errorf("not configured: %s", says(w.Header()))
		}
		if w := answer(newStage(t, cors.Config{PrivateNetwork: true}), r); w.Header().Get("Access-Control-Allow-Private-Network") != "true" {
			t.Errorf("configured: %s", says(w.Header()))
		}
		if w := answer(newStage(t, cors.Config{PrivateNetwork: true}), asks(app, "GET")); w.Header().Get("Access-Control-Allow-Private-Network") != "" {
			t.Errorf("not asked for: %s", says(w.Header()))
		}
		if w := answer(newStage(t, cors.Config{PrivateNetwork: true}), asks("https://x.example", "GET", "Access-Control-Request-Private-Network: true")); given(w.Header()) {
			t.Errorf("another origin: %s", says(w.Header()))
		}
	})
}

func TestCORS11Reconfigured(t *testing.T) {
	attack.Case(t, "CORS-11", attack.Library, func(t *testing.T) {
		const second = "https://second.example.com"
		one := cors.Config{Origins: []string{app}, ExposedHeaders: []string{"One"}, Credentials: true}
		two := cors.Config{Origins: []string{app, second}, ExposedHeaders: []string{"Two"}}
		s := newStage(t, one)
		ways := map[string]bool{
			"Origin=" + app + "; Credentials=true; Expose-Headers=One; " + varies: true,
			"Origin=" + app + "; Expose-Headers=Two; " + varies:                   true,
		}
		done := make(chan struct{})
		var readers sync.WaitGroup
		for range 4 {
			readers.Go(func() {
				for {
					select {
					case <-done:
						return
					default:
					}
					if got := says(answer(s, request("GET", "Origin: "+app)).Header()); !ways[got] {
						t.Errorf("mixed: %s", got)
						return
					}
				}
			})
		}
		for range 200 {
			for _, cfg := range []cors.Config{two, one} {
				if err := s.Reconfigure(cfg); err != nil {
					t.Error(err)
				}
			}
		}
		close(done)
		readers.Wait()
		if err := s.Reconfigure(cors.Config{Origins: []string{"null"}}); err == nil {
			t.Error("a wrong configuration is taken")
		}
		if w := answer(s, request("GET", "Origin: "+app)); !given(w.Header()) {
			t.Error("a refused configuration changed something")
		}
		if w := answer(s, request("GET", "Origin: "+second)); given(w.Header()) {
			t.Error("an origin that was taken off the list may still read")
		}
	})
}

func TestPROXY20OneOwner(t *testing.T) {
	attack.Case(t, "PROXY-20", attack.Library, func(t *testing.T) {
		uncanonical := strings.ToLower("Access-Control-Allow-Headers")
		api := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			h := w.Header()
			h.Set("Access-Control-Allow-Origin", "*")
			h.Set("Access-Control-Allow-Credentials", "true")
			h[uncanonical] = []string{"*"}
			h.Set("Access-Control-Expose-Headers", "Secret")
			h.Set("Access-Control-Of-Tomorrow", "x")
			h.Set("Vary", "Accept")
			h.Set("X-Access-Control-Allow-Origin", "kept")
		})
		s := newStage(t, cors.Config{})
		for origin, want := range map[string]string{app: "Origin=" + app + "; Vary=Accept|Origin", "https://x.example": "Vary=Accept|Origin", "": "Vary=Accept|Origin"} {
			w, r := httptest.NewRecorder(), request("GET")
			if origin != "" {
				r.Header.Set("Origin", origin)
			}
			s.Wrap(api).ServeHTTP(w, r)
			if got := says(w.Header()); got != want || w.Header()[uncanonical] != nil || w.Header().Get("Access-Control-Of-Tomorrow") != "" || w.Header().Get("X-Access-Control-Allow-Origin") != "kept" {
				t.Errorf("%q: %v, want %s", origin, w.Header(), want)
			}
		}
	})
}

func TestShadow(t *testing.T) {
	var told []string
	s := newStage(t, cors.Config{Shadow: true, Report: func(_ *exchange.Exchange, r cors.Refusal) { told = append(told, r.String()) }})
	api := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.WriteHeader(http.StatusTeapot)
	})
	for _, r := range []*http.Request{request("GET", "Origin: https://x.example"), asks("https://x.example", "GET"), request("GET", "Origin: "+app), request("GET")} {
		w := httptest.NewRecorder()
		if s.Wrap(api).ServeHTTP(w, r); w.Code != http.StatusTeapot || says(w.Header()) != "Origin=*" {
			t.Errorf("%s: %d, %s; want what the handler says", r.Method, w.Code, says(w.Header()))
		}
	}
	want := `origin-not-listed: Origin "https://x.example"|preflight: origin-not-listed: Origin "https://x.example"`
	if got := strings.Join(told, "|"); got != want {
		t.Errorf("reported %s\nwant %s", got, want)
	}
}

func TestReport(t *testing.T) {
	var told []cors.Refusal
	s := newStage(t, cors.Config{RequestHeaders: []string{"a"}, Report: func(_ *exchange.Exchange, r cors.Refusal) { told = append(told, r) }})
	for _, tt := range []struct {
		r    *http.Request
		want string // "" for no report
	}{
		{request("GET"), ""},
		{request("GET", "Origin: "+app), ""},
		{request("POST", "Origin: https://api.example.com"), ""}, // its own pages
		{asks(app, "GET"), ""},
		{request("GET", "Origin: https://x.example"), `origin-not-listed: Origin "https://x.example"`},
		{request("GET", "Origin: null"), `null-origin: Origin "null"`},
		{request("GET", "Origin: a", "Origin: b", "Origin: c"), `repeated-origin: Origin "a | b"`},
		{request("GET", "Origin: a\x1b\u202e"+strings.Repeat("b", 200)), `origin-not-listed: Origin "a\x1b\u202e` + strings.Repeat("b", 95) + `"`},
		{asks(app, "PUT"), `preflight: method-not-listed: Access-Control-Request-Method "PUT"`},
		{asks(app, "GET", "Access-Control-Request-Headers: b"), `preflight: header-not-listed: Access-Control-Request-Headers "b"`},
		{asks(app, "GET", "Access-Control-Request-Private-Network: true"), `preflight: private-network: Access-Control-Request-Private-Network "true"`},
	} {
		told = nil
		x := exchange.New(tt.r)
		x.Scheme, x.Host = "https", "api.example.com"
		v := s.Check(x)
		switch {
		case tt.want == "" && len(told) == 0:
		case len(told) != 1 || told[0].String() != tt.want || told[0].Preflight != (tt.r.Method == "OPTIONS"):
			t.Errorf("%s %v: reported %v, want %s", tt.r.Method, tt.r.Header, told, tt.want)
		}
		if v.Kind() == exchange.Answered && len(told) == 1 && v.Reason() != told[0].Reason {
			t.Errorf("the verdict's reason is %q", v.Reason())
		}
		x.Dry = true
		if told = nil; tt.want != "" {
			if s.Check(x); len(told) != 0 {
				t.Error("a dry run is reported")
			}
		}
	}
	if got := (cors.Refusal{Reason: "x"}).String(); got != "x" {
		t.Errorf("a refusal without a request is %q", got)
	}
}

func TestAStageWithoutConfigurationFails(t *testing.T) {
	s := new(cors.Stage)
	x, h := exchange.New(asks(app, "GET")), http.Header{}
	if v := s.Check(x); v.Kind() != exchange.Failed {
		t.Errorf("%v, want a failure", v.Kind())
	}
	if s.Headers(x, h); len(h) != 0 {
		t.Errorf("it says %v", h)
	}
}
