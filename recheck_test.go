package warder_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/authn"
	"github.com/warder-dev/warder/exchange"
	"github.com/warder-dev/warder/internal/attack"
	"github.com/warder-dev/warder/openapi"
)

// fickle is a scheme that says what the test has it say.
type fickle struct{ answer atomic.Pointer[answer] }

type answer struct {
	who exchange.Principal
	err error
}

func (*fickle) Name() string            { return "fickle" }
func (*fickle) Challenge(string) string { return "Fickle" }
func (f *fickle) Describe(doc *openapi.Document) error {
	return doc.AddSecurityScheme("fickle", openapi.SecurityScheme{Type: openapi.TypeAPIKey, In: openapi.InHeader, Name: "X-Key"})
}

func (f *fickle) Authenticate(*exchange.Exchange) (exchange.Principal, error) {
	a := f.answer.Load()
	return a.who, a.err
}

func (f *fickle) say(who string, err error) {
	f.answer.Store(&answer{exchange.Principal{Issuer: "test", Subject: who}, err})
}

// TestFollow has a handler with a stream, whose principal changes in each way.
func TestFollow(t *testing.T) {
	away := errAway
	for name, tt := range map[string]struct {
		who   string
		err   error
		lost  bool
		bound time.Duration
	}{
		"nothing changed":     {"ada", nil, false, 0},
		"revoked":             {"", authn.Wrong("revoked"), true, exchange.WatchEvery},
		"somebody else":       {"bob", nil, true, 2 * exchange.WatchEvery}, // a failure, which counts the second time
		"nobody":              {"", authn.ErrNoCredential, true, exchange.WatchEvery},
		"no store for longer": {"", away, true, 2 * exchange.WatchEvery},
	} {
		attack.Case(t, "KEY-37", attack.Library, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				scheme := new(fickle)
				scheme.say("ada", nil)
				stage, err := authn.New(authn.Config{Requirement: authn.Require(scheme)})
				if err != nil {
					t.Fatal(err)
				}
				s := &warder.Stack{Policy: &warder.Policy{Authn: stage}}
				var cause error
				handler := s.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					ctx, cancel := s.Follow(r)
					defer cancel()
					scheme.say(tt.who, tt.err)
					begin := time.Now()
					defer func() {
						if took := time.Since(begin); tt.lost && took > tt.bound {
							t.Errorf("%s: it took %v, want %v at most", name, took, tt.bound)
						}
					}()
					select {
					case <-ctx.Done():
						cause = context.Cause(ctx) //nolint:contextcheck // it is asked why it ended
					case <-time.After(time.Minute):
					}
				}))
				handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", http.NoBody).WithContext(t.Context()))
				if got := errors.Is(cause, warder.ErrRightsLost); got != tt.lost {
					t.Errorf("%s: the context ended with %v, want lost %v", name, cause, tt.lost)
				}
			})
		})
	}
}

// A handler that no Stack let through has nothing to follow.
func TestFollowWithoutAStack(t *testing.T) {
	s := &warder.Stack{Policy: &warder.Policy{}}
	ctx, cancel := s.Follow(httptest.NewRequest(http.MethodGet, "/", http.NoBody))
	defer cancel()
	if ctx.Err() == nil {
		t.Error("the context goes on")
	}
}

var errAway = errors.New("no store")
