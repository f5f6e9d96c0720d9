package keyservice_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/warder-dev/warder/internal/keyservice"
)

// counted is usage in memory: rows in their order.
type counted []keyservice.UsageRow

func (c counted) Rows(_ context.Context, q keyservice.UsageQuery) (page []keyservice.UsageRow, _ error) {
	for _, r := range c {
		if q.Key != "" && r.Key != q.Key || r.At.Before(q.Since) || !r.At.Before(q.Until) {
			continue
		}
		if q.After != nil && slices.Compare([]string{r.At.String(), r.Key}, []string{q.After.At.String(), q.After.Key}) <= 0 {
			continue
		}
		if page = append(page, r); len(page) == q.Limit {
			break
		}
	}
	return page, nil
}

func TestUsage(t *testing.T) {
	var rows counted
	w := newWorld(t, func(cfg *keyservice.Config) { cfg.Usage = &rows })
	acme, globex := w.made(t, keyservice.KeySpec{Owner: "acme"}).Key.ID, w.made(t, keyservice.KeySpec{Owner: "globex"}).Key.ID
	first := time.Now().UTC().Add(-20 * time.Hour).Truncate(time.Hour)
	ids := []string{acme, globex}
	slices.Sort(ids)
	for i := range 6 {
		for _, id := range ids {
			rows = append(rows, keyservice.UsageRow{At: first.Add(time.Duration(i) * time.Hour), Key: id, Route: "/orders/", Outcome: "ok", Count: int64(i + 1)})
		}
	}
	for _, tt := range []struct {
		query, person string
		n             int
		key           string
	}{
		{"", "owner", 12, ""},
		{"&owner=acme", "auditor", 6, acme},
		{"&key=" + globex, "owner", 6, globex},
		{"", "developer:acme", 6, acme},
		{"&since=" + first.Add(4*time.Hour).Format(time.RFC3339) + "&until=" + time.Now().UTC().Format(time.RFC3339), "owner", 4, ""},
	} {
		var all []keyservice.UsageRow
		for next := ""; ; {
			path := "/v1/usage?limit=4" + tt.query
			if next != "" {
				path += "&cursor=" + next
			}
			r := w.ask(t, http.MethodGet, path, nil, "X-Person", tt.person)
			if want(t, path, r, http.StatusOK); r.status != http.StatusOK {
				break
			}
			var page keyservice.UsagePage
			r.json(t, &page)
			all = append(all, page.Rows...)
			if next = page.Next; next == "" {
				break
			}
		}
		if len(all) != tt.n || tt.key != "" && slices.ContainsFunc(all, func(r keyservice.UsageRow) bool { return r.Key != tt.key }) {
			t.Errorf("%q by %s: %d rows, want %d of %q", tt.query, tt.person, len(all), tt.n, tt.key)
		}
	}
	want(t, "another's", w.ask(t, http.MethodGet, "/v1/usage?owner=globex", nil, "X-Person", "admin:acme"), http.StatusNotFound)
	want(t, "another's key", w.ask(t, http.MethodGet, "/v1/usage?key="+globex, nil, "X-Person", "admin:acme"), http.StatusNotFound)
	for _, query := range []string{"since=tomorrow", "per=second", "limit=0", "cursor=AAAA", "since=2030-01-01T00:00:00Z&until=2029-01-01T00:00:00Z", "cursor=" + strings.Repeat("A", 3000)} {
		want(t, query, w.ask(t, http.MethodGet, "/v1/usage?"+query, nil), http.StatusBadRequest)
	}
}
