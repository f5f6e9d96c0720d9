package ratelimit_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/authz"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/forwarded"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/ratelimit"
	"github.com/warder-dev/warder/target"
)

// TestAttackCases ties the tables of this package to the catalogue.
func TestAttackCases(t *testing.T) {
	for _, c := range []struct {
		id  string
		run func(*testing.T)
	}{
		{"LIMIT-01", TestRate},
		{"LIMIT-02", TestRate},
		{"LIMIT-03", TestSubjects},
		{"LIMIT-06", TestAllOrNone},
		{"LIMIT-09", TestLimitsThatAreNone},
		{"LIMIT-09", TestCostsThatAreTold},
		{"PROXY-20", TestLegacyFields},
		{"MULTI-12", TestSubjects},
		{"LIMIT-10", TestRefusal},
		{"LIMIT-11", TestSubjects},
		{"LIMIT-15", TestShadow},
		{"LIMIT-16", TestSubjects},
	} {
		attack.Case(t, c.id, attack.Library, c.run)
	}
}

// All the addresses that one customer of a provider can choose from are one.
func TestTheAddressesOfOneNetwork(t *testing.T) {
	attack.Case(t, "IP-11", attack.Library, func(t *testing.T) {
		l := newLimit(t, ratelimit.LimitConfig{Name: "a", Quota: ratelimit.Quota{Count: 3, Per: 366 * 24 * time.Hour}, By: []ratelimit.Part{ratelimit.ByAddress()}})
		s, x := newStage(t, l), request()
		passed, address := 0, netip.MustParseAddr("2001:db8:0:1::").As16()
		for n := range 1 << 16 {
			address[8], address[15] = byte(n>>8), byte(n)
			if x.Client = netip.AddrFrom16(address); passes(t, s, x) {
				passed++
			}
		}
		if passed != 3 || ratelimit.Remembered(l) != 1 {
			t.Errorf("%d passed as %d subjects, want 3 as one", passed, ratelimit.Remembered(l))
		}
	})
}

func TestAFlood(t *testing.T) {
	attack.Case(t, "LIMIT-07", attack.Library, func(t *testing.T) {
		const capacity = 20_000
		flood := 1_000_000
		if raceEnabled {
			flood = 50_000
		}
		l := newLimit(t, ratelimit.LimitConfig{Name: "a", Quota: ratelimit.Quota{Count: 100, Per: 366 * 24 * time.Hour}, By: []ratelimit.Part{ratelimit.ByAddress()}, Capacity: capacity})
		s, x := newStage(t, l), request()
		over := request(from("192.0.2.1"))
		for passes(t, s, over) {
			continue
		}
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		for n := range flood {
			x.Client = netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})
			if !passes(t, s, x) {
				t.Fatalf("subject %d was refused its first request while others had spent as little", n)
			}
			if n%10_000 == 0 && passes(t, s, over) {
				t.Fatalf("after %d others, who was over the limit passes", n)
			}
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		if got := int64(after.HeapAlloc) - int64(before.HeapAlloc); got > 100*capacity || ratelimit.Remembered(l) != capacity {
			t.Errorf("%d bytes more, and %d subjects, want at most %d and %d", got, ratelimit.Remembered(l), 100*capacity, capacity)
		}
		if passes(t, s, over) || !ratelimit.Sound(l) {
			t.Error("who was over the limit passes")
		}
	})
}

// scheme proves the subject that X-API-Key has behind "good "; "away" is a store
// without an answer.
type scheme struct{}

func (scheme) Name() string            { return "apiKey" }
func (scheme) Challenge(string) string { return "ApiKey" }
func (scheme) Authenticate(x *exchange.Exchange) (exchange.Principal, error) {
	switch sent := x.Request.Header.Get("X-Api-Key"); {
	case sent == "":
		return exchange.Principal{}, authn.ErrNoCredential
	case sent == "away":
		return exchange.Principal{}, errors.New("connection refused")
	case len(sent) > 5 && sent[:5] == "good ":
		return exchange.Principal{Issuer: "warder", Subject: sent[5:], KeyID: sent[5:]}, nil
	default:
		return exchange.Principal{}, authn.Wrong("unknown")
	}
}

// newHouse returns a handler whose address limit is of the first quota and whose
// limit by keys is of the second. Requests to /closed are refused by authz.
func newHouse(t *testing.T, address, keys ratelimit.Quota) http.Handler {
	t.Helper()
	paths, err := target.New(target.Config{})
	if err != nil {
		t.Fatal(err)
	}
	proof, err := authn.New(authn.Config{Requirement: authn.Require(scheme{})})
	if err != nil {
		t.Fatal(err)
	}
	rules, err := authz.New(authz.Config{Rules: []authz.Rule{{Name: "closed", Effect: authz.Deny, Paths: []string{"/closed/**"}}}})
	if err != nil {
		t.Fatal(err)
	}
	stack := &warder.Stack{Edge: warder.Edge{Forwarded: forwarded.Direct(), Target: paths}, Policy: &warder.Policy{
		AddressLimit: newStage(t, newLimit(t, ratelimit.LimitConfig{Name: "address", Quota: address, By: []ratelimit.Part{ratelimit.ByAddress()}})),
		Authn:        proof, Authz: rules,
		PrincipalLimit: newStage(t, newLimit(t, ratelimit.LimitConfig{Name: "key", Quota: keys, By: []ratelimit.Part{ratelimit.ByKey()}})),
	}}
	return stack.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
}

// send sends a request from a peer.
func send(h http.Handler, path, peer, key string, fields map[string]string) int {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.RemoteAddr = peer + ":4711"
	if key != "" {
		r.Header.Set("X-API-Key", key)
	}
	for name, value := range fields {
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code
}

func TestForwardedAddresses(t *testing.T) {
	attack.Case(t, "LIMIT-03", attack.Library, func(t *testing.T) {
		h := newHouse(t, ratelimit.Quota{Count: 5, Per: time.Hour}, ratelimit.Quota{Count: 100, Per: time.Hour})
		for n := range 10 {
			got := send(h, "/", "198.51.100.1", "good k1", map[string]string{"X-Forwarded-For": fmt.Sprintf("10.0.0.%d", n), "Forwarded": fmt.Sprintf("for=10.0.0.%d", n)})
			if want := map[bool]int{true: 200, false: 429}[n < 5]; got != want {
				t.Errorf("request %d: status %d, want %d", n, got, want)
			}
		}
	})
}

func TestWhatIsCounted(t *testing.T) {
	attack.Case(t, "LIMIT-06", attack.Library, func(t *testing.T) {
		h := newHouse(t, ratelimit.Quota{Count: 8, Per: time.Hour}, ratelimit.Quota{Count: 2, Per: time.Hour})
		steps := []struct {
			name, path, key string
			want            int
		}{
			{"no credential", "/", "", 401},
			{"a wrong one", "/", "bad", 401},
			{"no answer", "/", "away", 503},
			{"refused by a rule", "/closed/", "good k1", 403},
			{"passes: nothing of the key's was spent", "/", "good k1", 200},
			{"passes", "/", "good k1", 200},
			{"over the key's limit", "/", "good k1", 429},
			{"another key", "/", "good k2", 200},
			{"over the address's limit, which counted all of these", "/", "good k2", 429},
		}
		for _, s := range steps {
			if got := send(h, s.path, "198.51.100.1", s.key, nil); got != s.want {
				t.Errorf("%s: status %d, want %d", s.name, got, s.want)
			}
		}
		if got := send(h, "/", "198.51.100.2", "good k2", nil); got != 200 {
			t.Errorf("the same key from elsewhere: status %d, want 200: the refusal spent nothing of it", got)
		}
	})
}

func TestLockingSomebodyOut(t *testing.T) {
	attack.Case(t, "LIMIT-13", attack.Library, func(t *testing.T) {
		h := newHouse(t, ratelimit.Quota{Count: 5, Per: time.Hour}, ratelimit.Quota{Count: 2, Per: time.Hour})
		for n := range 50 { // from many addresses, with the victim's id and a wrong secret
			send(h, "/", fmt.Sprintf("198.51.100.%d", n%10), "bad victim", nil)
		}
		if got := send(h, "/", "192.0.2.1", "good victim", nil); got != 200 {
			t.Errorf("the right key: status %d, want 200", got)
		}
	})
}
