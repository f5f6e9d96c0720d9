package warder_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder"
	"github.com/warder-dev/warder/ratelimit"
)

// away is a store that never answers.
type away struct{}

var errStoreAway = errors.New("away")

func (away) Take(context.Context, []ratelimit.Claim, bool) error { return errStoreAway }

func (away) Reset(context.Context, string, ratelimit.Digest, ratelimit.Digest) error {
	return errStoreAway
}

func (away) Fleet() ratelimit.Fleet { return ratelimit.Fleet{Nodes: 1} }

// A limit whose store may be away says that it then refuses with 503, and only
// one that does so.
func TestLimitsDeclareWhatTheyAnswer(t *testing.T) {
	for _, tt := range []struct {
		name   string
		store  ratelimit.Store
		outage ratelimit.Outage
		want   string
	}{
		{"in memory", nil, ratelimit.Share, "2XX 429 default"},
		{"shared, and counted here meanwhile", away{}, ratelimit.Share, "2XX 429 default"},
		{"shared, and closed", away{}, ratelimit.Closed, "2XX 429 503 default"},
	} {
		l, err := ratelimit.NewLimit(ratelimit.LimitConfig{
			Name: "a", Quota: ratelimit.Quota{Count: 9, Per: time.Hour}, By: []ratelimit.Part{ratelimit.ByAddress()}, Store: tt.store, Outage: tt.outage,
		})
		if err != nil {
			t.Fatal(err)
		}
		stage, err := ratelimit.New(ratelimit.Config{Limits: []*ratelimit.Limit{l}})
		if err != nil {
			t.Fatal(err)
		}
		api := newAPI(t, warder.APIConfig{})
		handle(t, api, "GET /a", warder.Operation{ID: "a", Public: true, Policy: &warder.Policy{AddressLimit: stage}})
		doc, err := api.Document()
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(doc.Paths["/a"])
		if err != nil {
			t.Fatal(err)
		}
		var item map[string]struct {
			Responses map[string]any `json:"responses"`
		}
		if err := json.Unmarshal(text, &item); err != nil {
			t.Fatal(err)
		}
		codes := slices.Sorted(maps.Keys(item["get"].Responses))
		codes = slices.DeleteFunc(codes, func(code string) bool { return code == "400" || code == "413" })
		if got := strings.Join(codes, " "); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
		if w := call(api.Handler(), http.MethodGet, "/a", ""); (w.Code == http.StatusServiceUnavailable) != strings.Contains(tt.want, "503") {
			t.Errorf("%s: answers %d", tt.name, w.Code)
		}
	}
}
